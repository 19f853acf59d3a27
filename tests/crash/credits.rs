//! Credit is earned and spent while the server is killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{Answer, Client, PATIENCE, Server, admin_key, cents, run, until};
use crate::storm::Place;

const CLIENTS: usize = 16;
const ASKS: usize = 24;
const KILLS: usize = 4;

struct Shop {
    place: Place,
    key: String,
    orders: Vec<String>,
    /// The customer's account, once somebody was told of it.
    account: Mutex<Option<String>>,
    answered: AtomicUsize,
}

/// What the clients were told: entries by their id, with what they do to the balance, and the
/// refunds that were credited.
#[derive(Default)]
struct Told {
    spends: BTreeMap<String, i64>,
    credits: BTreeMap<String, i64>,
}

impl Shop {
    fn ask(&self, client: &mut Client, path: &str, key: &str, body: &str) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            client.move_to(self.place.now());
            match client.post(path, key, body) {
                Ok(answer) if !matches!(answer.status, 409 | 429 | 500..) => return answer,
                Ok(_) | Err(_) => self.place.wait(),
            }
            assert!(Instant::now() < deadline, "no answer to {key}");
        }
    }

    fn client(&self, number: usize) -> Told {
        let mut client = Client::new(self.place.now(), &self.key);
        let mut told = Told::default();
        for index in 0..ASKS {
            let key = format!("credit-{number}-{index}");
            let account = self.account.lock().unwrap().clone();
            let (path, body) = match account {
                Some(account) if index % 3 > 0 => (
                    format!("/v1/credit_accounts/{account}/spend"),
                    r#"{"amount":"1.30"}"#.to_owned(),
                ),
                _ => {
                    let order = &self.orders[(number + index * 7) % self.orders.len()];
                    let ask =
                        format!(r#"{{"order":"{order}","amount":"2.00","to":"store_credit"}}"#);
                    ("/v1/refunds".to_owned(), ask)
                }
            };
            let answer = self.ask(&mut client, &path, &key, &body);
            let again = self.ask(&mut client, &path, &key, &body);
            assert_eq!((again.status, &again.body), (answer.status, &answer.body));
            assert!(again.replayed, "the same request is answered from the record");
            self.answered.fetch_add(1, Ordering::Relaxed);
            let shown = answer.json();
            let id = || shown["id"].as_str().unwrap().to_owned();
            match (answer.status, path.ends_with("spend")) {
                (201, true) => drop(told.spends.insert(id(), cents(&shown["amount"]))),
                (201, false) => {
                    assert_eq!(shown["state"], "succeeded");
                    let account = shown["transactions"][0]["provider_reference"].as_str();
                    *self.account.lock().unwrap() = account.map(str::to_owned);
                    told.credits.insert(id(), cents(&shown["amount"]));
                }
                (422, _) => assert!(
                    ["insufficient_balance", "more_than_is_left"]
                        .contains(&shown["code"].as_str().unwrap()),
                    "{shown}"
                ),
                (other, _) => panic!("{other}: {shown}"),
            }
        }
        told
    }
}

fn all_entries(client: &mut Client, account: &str) -> Vec<Value> {
    let mut entries: Vec<Value> = Vec::new();
    loop {
        let after = entries.last().map(|entry| format!("&after={}", entry["id"].as_str().unwrap()));
        let path =
            format!("/v1/credit_accounts/{account}/entries?limit=100{}", after.unwrap_or_default());
        let page = client.get(&path).unwrap().good();
        entries.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return entries;
        }
    }
}

/// A customer would lose credit in a crash, or a shop would give it twice.
#[test]
fn credit_is_earned_and_spent_while_the_server_is_killed() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let mut server = Server::start(&data);
    let key = admin_key(&data);
    let mut setup = server.client(&key);
    let orders: Vec<String> = (0..8)
        .map(|index| {
            let body = r#"{"currency":"USD","customer":{"reference":"c-7"},
                "payments":[{"provider":"sandbox","amount":"30.00"}]}"#;
            let made = setup.post("/v1/orders", &format!("order-{index}"), body).unwrap().good();
            made["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let shop = Arc::new(Shop {
        place: Place::at(server.address),
        key: key.clone(),
        orders,
        account: Mutex::new(None),
        answered: AtomicUsize::new(0),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let shop = shop.clone();
            std::thread::spawn(move || shop.client(number))
        })
        .collect();
    for kill in 1..=KILLS {
        until("the asking goes on", || {
            shop.answered.load(Ordering::Relaxed) >= CLIENTS * ASKS * kill / (KILLS + 1)
        });
        server.kill();
        server = Server::start(&data);
        shop.place.move_to(server.address);
    }
    let mut told = Told::default();
    for client in clients {
        let mut one = client.join().unwrap();
        told.spends.append(&mut one.spends);
        told.credits.append(&mut one.credits);
    }

    let mut client = server.client(&key);
    let account = shop.account.lock().unwrap().clone().unwrap();
    let entries = all_entries(&mut client, &account);
    let (mut spends, mut credits) = (BTreeMap::new(), BTreeMap::new());
    for entry in &entries {
        let amount = cents(&entry["amount"]);
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        if entry["kind"] == "spend" {
            spends.insert(text("id"), amount);
        } else {
            *credits.entry(text("refund")).or_insert(0) += amount;
        }
    }
    assert_eq!(spends, told.spends, "every acknowledged spend is there, and no other");
    assert_eq!(credits, told.credits, "every acknowledged refund is credited, once");
    assert!(spends.len() > 20 && credits.len() > 20, "there was something to lose");
    let balance = client.get(&format!("/v1/credit_accounts/{account}")).unwrap().good();
    let sum = credits.values().sum::<i64>() - spends.values().sum::<i64>();
    assert_eq!(cents(&balance["balance"]), sum);
    assert!(server.terminate().success());
    let verified = run(&["verify"], &data);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
