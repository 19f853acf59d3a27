//! What the script hears of what happens.

use std::time::Duration;

use http_body_util::BodyExt;

use super::*;

const BOUND: Duration = Duration::from_secs(30);

async fn newest(site: &Site) -> i64 {
    let list = site.get("/v1/events?limit=1").send().await.expect(200).json();
    let id = list["data"][0]["id"].as_str().unwrap();
    id.strip_prefix("evt_").unwrap().parse().unwrap()
}

/// The number of the first event that is told.
async fn first_news(ask: Ask) -> i64 {
    let read = async {
        let mut body = ask.open().await.into_body();
        let mut said = String::new();
        loop {
            let frame = body.frame().await.expect("the stream goes on").unwrap();
            if let Ok(data) = frame.into_data() {
                said.push_str(std::str::from_utf8(&data).unwrap());
            }
            if let Some((_, rest)) = said.split_once("id: ")
                && let Some((number, _)) = rest.split_once('\n')
            {
                return number.parse().unwrap();
            }
        }
    };
    tokio::time::timeout(BOUND, read).await.expect("news within 30 seconds")
}

/// From the beginning, the first told would be another: more happened before than is told at once.
#[tokio::test]
async fn news_begin_after_what_the_page_shows() {
    let site = Site::start().await;
    for _ in 0..30 {
        site.order("1.00").await;
    }
    let shown = newest(&site).await;
    assert!(site.events().await > 55);
    site.order("2.00").await;
    let happened = newest(&site).await;
    let clerk = sign_in(&site, &site.key).await;
    let by_page = clerk.get(&site, &format!("/console/live?after={shown}"));
    assert_eq!(first_news(by_page).await, happened);
    // A browser that comes again knows better than the page's address.
    let again = clerk.get(&site, "/console/live?after=1");
    let again = again.header("last-event-id", &shown.to_string());
    assert_eq!(first_news(again).await, happened);

    // What another merchant does is no news.
    let other = site.merchant("other").await;
    let stranger = sign_in(&site, &site.make_key(other, &[Scope::Read], 1_000).await).await;
    let mut body = stranger.get(&site, "/console/live?after=0").open().await.into_body();
    site.order("3.00").await;
    for _ in 0..2 {
        let frame = tokio::time::timeout(BOUND, body.frame()).await.expect("a sign of life");
        let data = frame.unwrap().unwrap().into_data().unwrap();
        assert!(!String::from_utf8_lossy(&data).contains("order."), "{data:?}");
    }
}
