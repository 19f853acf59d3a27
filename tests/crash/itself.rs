//! Refundry paying through Refundry: one process has the `begateway` gateway, and another one is
//! the provider that it speaks to.

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{
    Client, Server, admin_key, all_refunds, refund_body, refundry, register, run, until,
    until_settled,
};

/// Whoever may configure gateways could otherwise call whatever stands beside the server.
const ALLOWED: (&str, &str) = ("REFUNDRY_GATEWAYS_ALLOW_ADDRESSES", "127.0.0.0/8");
const QUICK: (&str, &str) = ("REFUNDRY_PAYOUTS_LOOK_MS", "50");

struct Place {
    dir: TempDir,
    server: Server,
    client: Client,
}

impl Place {
    fn start(variables: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let server = Server::start_with(&data, variables);
        let client = server.client(&admin_key(&data));
        Place { dir, server, client }
    }

    /// SIGKILL, and a new process over the same books at the same address.
    fn killed(self, variables: &[(&str, &str)]) -> Place {
        let Place { dir, server, .. } = self;
        let (data, address) = (dir.path().join("data"), server.address.to_string());
        server.kill();
        let server = Server::start_as(refundry(), &address, &data, variables);
        let client = server.client(&admin_key(&data));
        Place { dir, server, client }
    }

    /// The process ends, and its books are as they should be.
    fn verified(self) {
        assert!(self.server.terminate().success());
        let verified = run(&["verify"], &self.dir.path().join("data"));
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }
}

/// A payment of 100.00 at the provider, by the name that the shop has for it.
fn paid_at(provider: &mut Place, reference: &str) -> String {
    let order = register(&mut provider.client, reference, 10_000, "");
    let shown = provider.client.get(&format!("/v1/orders/{order}")).unwrap().good();
    let id = shown["payments"][0]["id"].as_str().unwrap();
    format!("1-{:010x}", id.trim_start_matches("txn_").parse::<i64>().unwrap())
}

fn connect(shop: &mut Place, provider: &Place, api: &str) {
    let key = admin_key(&provider.dir.path().join("data"));
    let body = serde_json::json!({
        "name": api, "connector": "begateway",
        "settings": {
            "base_url": format!("http://{}", provider.server.address), "shop_id": "1", "api": api,
        },
        "secrets": {"shop_key": key},
    });
    shop.client.post_unkeyed("/v1/gateways", &body.to_string()).unwrap().good();
}

/// An order of the shop whose one payment is the provider's.
fn ordered(shop: &mut Place, name: &str, api: &str, uid: &str) -> String {
    let body = serde_json::json!({
        "currency": "EUR", "lines": [{"amount": "100.00"}],
        "payments": [{"provider": api, "amount": "100.00", "provider_reference": uid}],
    });
    let key = format!("order-{name}");
    let answer = shop.client.post("/v1/orders", &key, &body.to_string()).unwrap().good();
    answer["id"].as_str().unwrap().to_owned()
}

fn ask(shop: &mut Place, order: &str, cents: i64) {
    let key = format!("refund-{order}-{cents}");
    shop.client.post("/v1/refunds", &key, &refund_body(order, cents)).unwrap().good();
}

fn states(client: &mut Client) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = all_refunds(client);
    rows.iter().map(|refund| (text(&refund["amount"]), text(&refund["state"]))).collect()
}

/// Both sides have the same refunds, paid once, in parts and to the cent, and the provider's own
/// guard is the last word.
#[test]
fn refundry_pays_through_refundry() {
    for api in ["beyag", "card"] {
        let mut provider = Place::start(&[QUICK]);
        let mut shop = Place::start(&[QUICK, ALLOWED]);
        let uid = paid_at(&mut provider, "p-1");
        connect(&mut shop, &provider, api);
        let tried = shop.client.post_unkeyed(&format!("/v1/gateways/{api}/test"), "").unwrap();
        assert_eq!(tried.good()["works"], true, "{api}");
        let order = ordered(&mut shop, "first", api, &uid);
        for cents in [3_333, 1, 2_000] {
            ask(&mut shop, &order, cents);
        }
        until_settled(&mut shop.client);
        let paid = |amount: &str| (amount.to_owned(), "succeeded".to_owned());
        let expected = [paid("20.00"), paid("0.01"), paid("33.33")];
        assert_eq!(states(&mut shop.client), expected, "{api}");
        let mut there = states(&mut provider.client);
        there.sort_unstable();
        let mut sorted = expected.to_vec();
        sorted.sort_unstable();
        assert_eq!(there, sorted, "{api}");

        // The same payment in another order of the shop: the provider knows what is left of it.
        let again = ordered(&mut shop, "second", api, &uid);
        ask(&mut shop, &again, 5_000);
        until_settled(&mut shop.client);
        let refused = &all_refunds(&mut shop.client)[0];
        assert_eq!(refused["state"], "failed", "{api}: {refused}");
        assert_eq!(all_refunds(&mut provider.client).len(), 3, "{api}");
        provider.verified();
        shop.verified();
    }
}

/// Whichever side dies while payouts are on their way: each is paid once there, and known as paid here.
#[test]
fn a_kill_of_either_side_pays_nothing_twice() {
    const THERE: [(&str, &str); 3] =
        [QUICK, ("REFUNDRY_PAYOUTS_TIMEOUT_MS", "500"), ("REFUNDRY_PAYOUTS_LEASE_MS", "1500")];
    let here = [THERE[0], THERE[1], THERE[2], ALLOWED];
    let mut provider = Place::start(&THERE);
    let mut shop = Place::start(&here);
    let uid = paid_at(&mut provider, "p-1");
    connect(&mut shop, &provider, "beyag");
    let order = ordered(&mut shop, "first", "beyag", &uid);
    for round in 0..4 {
        let before = all_refunds(&mut provider.client).len();
        for index in 1..=15 {
            ask(&mut shop, &order, round * 15 + index);
        }
        until("some have come", || all_refunds(&mut provider.client).len() > before);
        if round % 2 == 0 {
            provider = provider.killed(&THERE);
        } else {
            shop = shop.killed(&here);
        }
    }
    until_settled(&mut shop.client);
    until_settled(&mut provider.client);
    let (mut asked, mut paid) = (states(&mut shop.client), states(&mut provider.client));
    asked.sort_unstable();
    paid.sort_unstable();
    assert_eq!(asked.len(), 60);
    assert!(asked.iter().all(|(_, state)| state == "succeeded"), "{asked:?}");
    assert_eq!(asked, paid);
    provider.verified();
    shop.verified();
}

/// A merchant's admin would have the server call whatever stands beside it.
#[test]
fn a_gateway_does_not_lead_into_our_own_network() {
    let mut provider = Place::start(&[QUICK]);
    let mut shop = Place::start(&[QUICK]);
    let uid = paid_at(&mut provider, "p-1");
    connect(&mut shop, &provider, "beyag");
    let tried = shop.client.post_unkeyed("/v1/gateways/beyag/test", "").unwrap().good();
    assert_eq!(tried["works"], false, "{tried}");
    let order = ordered(&mut shop, "first", "beyag", &uid);
    ask(&mut shop, &order, 100);
    until("it was tried", || {
        let refund = &all_refunds(&mut shop.client)[0];
        refund["transactions"][0]["message"].is_string()
    });
    let refund = &all_refunds(&mut shop.client)[0];
    assert_eq!(refund["state"], "processing", "nothing was sent, so it waits: {refund}");
    assert_eq!(all_refunds(&mut provider.client), Vec::<Value>::new());
}
