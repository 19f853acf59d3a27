//! Many clients, few payments, and a server that is killed under them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{
    Answer, Client, PATIENCE, Server, admin_key, all_refunds, cents, refund_body, register, run,
    until, until_settled,
};

const CLIENTS: u64 = 64;
pub const ASKS: usize = 50;
const PAYMENTS: usize = 50;
const PAID_CENTS: i64 = 10_000;
const KILLS: usize = 5;

/// Short, so that what a killed process held is taken over soon.
pub const HASTE: &[(&str, &str)] = &[
    ("REFUNDRY_PAYOUTS_TIMEOUT_MS", "500"),
    ("REFUNDRY_PAYOUTS_LEASE_MS", "1500"),
    ("REFUNDRY_PAYOUTS_LOOK_MS", "100"),
    ("REFUNDRY_SEAL_EVERY_MS", "200"),
];

/// Where a server is now; changes with every start.
pub struct Place {
    address: Mutex<SocketAddr>,
    moved: Condvar,
}

impl Place {
    pub fn at(address: SocketAddr) -> Place {
        Place { address: Mutex::new(address), moved: Condvar::new() }
    }

    pub fn now(&self) -> SocketAddr {
        *self.address.lock().unwrap()
    }

    pub fn move_to(&self, address: SocketAddr) {
        *self.address.lock().unwrap() = address;
        self.moved.notify_all();
    }

    /// Waits for a new address, for a while: the old one may come back to life.
    pub fn wait(&self) {
        let address = self.address.lock().unwrap();
        let _ = self.moved.wait_timeout(address, Duration::from_millis(50)).unwrap();
    }
}

/// What one client was told.
#[derive(Default)]
pub struct Told {
    /// Refunds that were acknowledged: their name, order, and amount.
    pub made: Vec<(String, String, i64)>,
    pub refused: usize,
}

pub struct Storm {
    /// Of each server over the same books.
    pub places: Vec<Place>,
    pub key: String,
    pub orders: Vec<String>,
    pub answered: AtomicUsize,
}

impl Storm {
    /// Asks until there is an answer to rely on.
    fn ask(&self, client: &mut Client, key: &str, body: &str) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        // Each request somewhere else than the one before.
        let first = key.bytes().map(usize::from).sum::<usize>();
        for place in (0..self.places.len()).cycle().skip(first % self.places.len()) {
            let place = &self.places[place];
            client.move_to(place.now());
            match client.post("/v1/refunds", key, body) {
                Ok(answer) if !matches!(answer.status, 409 | 429 | 500..) => return answer,
                Ok(_) | Err(_) => place.wait(),
            }
            assert!(Instant::now() < deadline, "no answer to {key}");
        }
        unreachable!("there is a server to ask")
    }

    pub fn client(&self, seed: u64) -> Told {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut client = Client::new(self.places[0].now(), &self.key);
        let mut told = Told::default();
        for index in 0..ASKS {
            let order = &self.orders[dice.random_range(0..self.orders.len())];
            let amount = dice.random_range(1..=1_200);
            let (key, body) = (format!("storm-{seed}-{index}"), refund_body(order, amount));
            let answer = self.ask(&mut client, &key, &body);
            self.answered.fetch_add(1, Ordering::Relaxed);
            if dice.random_range(0..4) == 0 {
                let again = self.ask(&mut client, &key, &body);
                assert!(again.replayed, "the same request is answered from the record");
                assert_eq!((again.status, &again.body), (answer.status, &answer.body));
            }
            match answer.status {
                201 => {
                    let refund = answer.json();
                    assert_eq!(cents(&refund["amount"]), amount);
                    let id = refund["id"].as_str().unwrap().to_owned();
                    told.made.push((id, order.clone(), amount));
                }
                422 => {
                    assert_eq!(answer.json()["code"], "more_than_is_left");
                    told.refused += 1;
                }
                other => panic!("{other}: {}", String::from_utf8_lossy(&answer.body)),
            }
        }
        told
    }
}

/// Orders with a payment each, some with a provider that is hard to learn from.
pub fn orders(setup: &mut Client) -> Vec<String> {
    let scripts = ["ch", "sandbox_server_error_after", "ch", "sandbox_found_late", "ch"];
    (0..PAYMENTS)
        .map(|index| {
            let script = format!("{}:{index}", scripts[index % scripts.len()]);
            register(setup, &index.to_string(), PAID_CENTS, &script)
        })
        .collect()
}

/// A shop would be over-refunded by a race, or lose a refund in a crash.
#[test]
fn clients_storm_the_same_payments_while_the_server_is_killed() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let mut server = Server::start_with(&data, HASTE);
    let key = admin_key(&data);
    let orders = orders(&mut server.client(&key));
    let places = vec![Place::at(server.address)];
    let answered = AtomicUsize::new(0);
    let storm = Arc::new(Storm { places, key: key.clone(), orders, answered });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| {
            let storm = storm.clone();
            std::thread::spawn(move || storm.client(seed))
        })
        .collect();
    let all = ASKS * usize::try_from(CLIENTS).unwrap();
    for kill in 1..=KILLS {
        until("the storm goes on", || {
            storm.answered.load(Ordering::Relaxed) >= all * kill / (KILLS + 1)
        });
        server.kill();
        server = Server::start_with(&data, HASTE);
        storm.places[0].move_to(server.address);
    }
    let told: Vec<Told> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(told.iter().any(|told| told.refused > 0), "the payments are used up");

    let mut client = server.client(&key);
    assert_eq!(client.get("/readyz").unwrap().json()["sending"], "running");
    until_settled(&mut client);
    let refunds = all_refunds(&mut client);
    check_acknowledged(&told, &refunds);
    let paid = check_payments(&mut client, &storm.orders, &refunds);
    check_counts(&mut client, &refunds);
    assert!(server.terminate().success());
    check_record(&data, &paid, refunds.len());
    let verified = run(&["verify"], &data);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Every acknowledged refund is there once, and nothing else is.
pub fn check_acknowledged(told: &[Told], refunds: &[Value]) {
    let made: BTreeMap<&str, (&str, i64)> = told
        .iter()
        .flat_map(|told| &told.made)
        .map(|(id, order, amount)| (id.as_str(), (order.as_str(), *amount)))
        .collect();
    let acknowledged: usize = told.iter().map(|told| told.made.len()).sum();
    assert_eq!(made.len(), acknowledged, "no two requests made the same refund");
    assert_eq!(refunds.len(), acknowledged, "no request made two refunds");
    for refund in refunds {
        let id = refund["id"].as_str().unwrap();
        let known = made.get(id).unwrap_or_else(|| panic!("{id} was never acknowledged"));
        assert_eq!((refund["order"].as_str().unwrap(), cents(&refund["amount"])), *known);
        assert_eq!(refund["state"], "succeeded", "{refund}");
    }
}

/// No payment is over by a cent, and its balance is the sum of its refunds. Answers what was paid
/// back of each payment.
pub fn check_payments(
    client: &mut Client,
    orders: &[String],
    refunds: &[Value],
) -> BTreeMap<String, i64> {
    let mut by_order: BTreeMap<&str, i64> = BTreeMap::new();
    for refund in refunds {
        *by_order.entry(refund["order"].as_str().unwrap()).or_default() += cents(&refund["amount"]);
    }
    let mut paid = BTreeMap::new();
    for order in orders {
        let shown = client.get(&format!("/v1/orders/{order}")).unwrap().good();
        let payment = &shown["payments"][0];
        let refunded = cents(&payment["refunded"]);
        assert!(refunded <= PAID_CENTS, "{order} is over by {}", refunded - PAID_CENTS);
        assert_eq!(refunded, by_order.get(order.as_str()).copied().unwrap_or(0), "{order}");
        assert_eq!(cents(&payment["held"]), 0, "{order}");
        assert_eq!(cents(&payment["left"]), PAID_CENTS - refunded, "{order}");
        paid.insert(payment["id"].as_str().unwrap().to_owned(), refunded);
    }
    paid
}

/// The report counts each of them once.
pub fn check_counts(client: &mut Client, refunds: &[Value]) {
    let mut report = Value::Null;
    until("all is counted", || {
        report = client.get("/v1/reports/refunds?by=currency").unwrap().good();
        report["complete"] == true
    });
    let total: i64 = refunds.iter().map(|refund| cents(&refund["amount"])).sum();
    let line = &report["data"][0];
    for counted in ["requested", "succeeded", "paid"] {
        assert_eq!(line[counted]["count"].as_u64(), u64::try_from(refunds.len()).ok(), "{line}");
        assert_eq!(cents(&line[counted]["amount"]), total, "{counted}: {line}");
    }
    assert_eq!(report["data"].as_array().map(Vec::len), Some(1), "{report}");
}

/// The sandbox's own record says the same, each attempt counted once.
pub fn check_record(data: &std::path::Path, paid: &BTreeMap<String, i64>, refunds: usize) {
    let output = run(&["sandbox", "--payments"], data);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let payment = row["payment"].as_str().unwrap().to_owned();
        assert_eq!(row["amount_minor"].as_i64(), paid.get(&payment).copied(), "{payment}");
        seen.insert(payment);
    }
    assert_eq!(seen.len(), paid.values().filter(|amount| **amount > 0).count());
    let totals: Value = serde_json::from_slice(&run(&["sandbox"], data).stdout).unwrap();
    assert_eq!(totals["payouts"].as_u64(), u64::try_from(refunds).ok());
}
