//! More than was charged, asked for through several APIs at once.

use futures_util::future::join_all;
use refundry_domain::refund::State;
use serde_json::json;

use super::seen::{VOICES, Voice};
use super::stage::Stage;
use crate::harness::site::Site;

/// 100.00 were charged: of 60 requests for 10.25, nine fit.
#[tokio::test]
async fn no_two_apis_give_back_more_than_was_charged() {
    let stage = Stage::set(Site::start().await, "1001", "card").await;
    let asks = (0..60).map(|index| {
        let makers: Vec<&dyn Voice> = VOICES
            .iter()
            .map(|voice| &**voice)
            .filter(|voice| voice.makes(State::Pending))
            .collect();
        let (stage, maker) = (&stage, makers[index % makers.len()]);
        async move { maker.make(stage, false).await }
    });
    let made = join_all(asks).await.into_iter().filter(|made| *made).count();
    assert_eq!(made, 9);
    let path = format!("/v1/orders/{}", stage.order);
    let order = stage.site.get(&path).send().await.expect(200).json();
    assert_eq!(order["payments"][0]["held"], json!("92.25"), "{order}");
    assert_eq!(order["payments"][0]["left"], json!("7.75"), "{order}");
}
