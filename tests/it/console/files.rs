//! Lists as CSV files.

use http_body_util::BodyExt;
use serde_json::json;

use super::*;
use crate::harness::faulty::Faulty;
use crate::harness::store::Home;

/// More than two pieces of a file.
const MANY: usize = 2_100;

/// Orders with the references N0000 and so on, every third with another amount.
async fn many_orders(site: &Site) {
    let line = |number: usize| {
        let amount = if number.is_multiple_of(3) { "7.00" } else { "5.00" };
        let order = json!({
            "reference": format!("N{number:04}"), "currency": "USD",
            "customer": {"name": "=1+1"},
            "payments": [{"provider": "sandbox", "amount": amount}],
        });
        json!({"order": order}).to_string()
    };
    let lines: Vec<String> = (0..MANY).map(line).collect();
    let ask = site.ask("POST", "/v1/bulk").raw("application/x-ndjson", lines.join("\n"));
    ask.send().await.expect(200);
}

/// A column of each line but the first.
fn column(file: &str, place: usize) -> Vec<&str> {
    file.lines().skip(1).map(|line| line.split(',').nth(place).unwrap()).collect()
}

/// The second column, in order of value.
fn references(file: &str) -> Vec<&str> {
    let mut all = column(file, 1);
    all.sort_unstable();
    all
}

fn expected(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("N{number:04}")).collect()
}

#[tokio::test]
async fn a_file_has_all_that_the_filter_shows_once_each() {
    let site = Site::start().await;
    many_orders(&site).await;
    let clerk = sign_in(&site, &site.key).await;
    let file = async |path: &str| text(&clerk.get(&site, path).send().await.expect(200));
    let all = file("/console/orders?format=csv").await;
    assert!(references(&all) == expected(0..MANY), "{}", all.lines().count());
    let number = |id: &&str| id.strip_prefix("ord_").unwrap().parse::<u64>().unwrap();
    assert!(column(&all, 0).iter().map(number).is_sorted_by(|one, next| one > next));
    assert_eq!(all.matches("Reference,Customer").count(), 1);
    assert_eq!(all.matches(",'=1+1,").count(), MANY);
    let oldest = file("/console/orders?order=oldest&format=csv").await;
    assert!(column(&oldest, 0).iter().rev().eq(column(&all, 0).iter()));
    // No index has it: it is looked for piece by piece.
    let some = file("/console/orders?amount=7.00&format=csv").await;
    assert!(references(&some) == expected((0..MANY).filter(|it| it.is_multiple_of(3))));
    assert_eq!(file("/console/orders?amount=9.00&format=csv").await.lines().count(), 1);

    // From wherever the page stands, and its link says so.
    let first = clerk.page(&site, "/console/orders").await;
    let (_, rest) = first.split_once("rel=\"next\" href=\"").unwrap();
    let second = clerk.page(&site, &rest.split('"').next().unwrap().replace("&#38;", "&")).await;
    assert!(second.contains("<a href=\"/console/orders?format=csv\" download>"), "{second}");
    assert!(file("/console/orders?after=40&before=50&format=csv").await == all);
    let wrong = file("/console/orders?amount=ten&format=csv").await;
    assert_eq!(wrong.lines().count(), 1);
}

/// Lists that are not of orders.
#[tokio::test]
async fn other_lists_go_on_after_their_first_piece() {
    const PIECES: usize = 1_030;
    let site = Site::start().await;
    many_orders(&site).await;
    let refund = |number: usize| {
        let order = json!({"reference": format!("N{number:04}")});
        let refund = json!({"order": order, "amount": "1.00", "confirm": false});
        json!({"refund": refund, "idempotency_key": format!("k-{number}")}).to_string()
    };
    let lines: Vec<String> = (0..PIECES).map(refund).collect();
    let ask = site.ask("POST", "/v1/bulk").raw("application/x-ndjson", lines.join("\n"));
    ask.send().await.expect(200);
    let clerk = sign_in(&site, &site.key).await;
    for path in ["/console/refunds?format=csv", "/console/confirm?format=csv"] {
        let file = text(&clerk.get(&site, path).send().await.expect(200));
        let mut ids = column(&file, 0);
        assert_eq!(ids.len(), PIECES, "{path}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), PIECES, "{path}");
    }
}

#[tokio::test]
async fn no_cell_is_taken_for_a_formula_and_a_number_stays_one() {
    const FORMULAS: [&str; 4] = ["=1+1", "+1+1", "-1+1", "@SUM(1)"];
    let site = Site::start().await;
    for name in FORMULAS.into_iter().chain(["-12.5"]) {
        let order = json!({"currency": "USD", "customer": {"name": name}});
        site.post("/v1/orders", order).send().await.expect(201);
    }
    let clerk = sign_in(&site, &site.key).await;
    let file = text(&clerk.get(&site, "/console/orders?format=csv").send().await.expect(200));
    for name in FORMULAS {
        assert!(file.contains(&format!(",'{name},")), "{name}: {file}");
    }
    assert!(file.contains(",-12.5,"), "{file}");
}

/// A site whose lists of orders can be held, with many of them.
async fn held() -> (Site, std::sync::Arc<Faulty>, Clerk) {
    let home = Home::new().await;
    let faulty = Faulty::over(home.store.clone());
    let site = Site::over(home, faulty.clone()).await;
    many_orders(&site).await;
    let clerk = sign_in(&site, &site.key).await;
    (site, faulty, clerk)
}

#[tokio::test]
async fn nothing_is_read_for_a_client_that_went_away() {
    let (site, faulty, clerk) = held().await;
    faulty.pages.allow(1);
    let answer = clerk.get(&site, "/console/orders?format=csv").open().await;
    assert_eq!(answer.status(), 200);
    // The second piece is about to be read.
    faulty.pages.until(1).await;
    drop(answer);
    faulty.pages.until(0).await;
}

/// A part must not look like the whole.
#[tokio::test]
async fn a_file_that_cannot_be_ended_is_broken_off() {
    let (site, faulty, _) = held().await;
    let key = site.make_key(MerchantId(1), &[Scope::Read], 1_000).await;
    let id = site.get("/v1/keys").send().await.expect(200).json()["data"][0]["id"].clone();
    let clerk = sign_in(&site, &key).await;
    faulty.pages.allow(1);
    let answer = clerk.get(&site, "/console/orders?format=csv").open().await;
    faulty.pages.until(1).await;
    // Its second piece is on its way; before the third it is seen that the key is none any more.
    site.ask("DELETE", &format!("/v1/keys/{}", id.as_str().unwrap())).send().await.expect(200);
    faulty.pages.allow(10);
    assert!(answer.into_body().collect().await.is_err(), "it came to an end");
}
