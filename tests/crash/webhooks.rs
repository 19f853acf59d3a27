//! A server that is killed between telling an endpoint and writing that down.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{PATIENCE, Server, admin_key, refund_body, register, run, until};

const VARIABLES: &[(&str, &str)] = &[
    ("REFUNDRY_WEBHOOKS_ALLOW_HTTP", "true"),
    ("REFUNDRY_WEBHOOKS_ALLOW_ADDRESSES", "127.0.0.1"),
    ("REFUNDRY_WEBHOOKS_LOOK_MS", "50"),
    // What the killed process held is taken over soon.
    ("REFUNDRY_PAYOUTS_TIMEOUT_MS", "500"),
    ("REFUNDRY_PAYOUTS_LEASE_MS", "1500"),
    ("REFUNDRY_PAYOUTS_LOOK_MS", "100"),
];

/// What came: the message's id, its order, and its place in the order's chain.
type Told = (String, String, i64);

/// An endpoint that keeps what it is told.
struct Endpoint {
    address: SocketAddr,
    told: Arc<(Mutex<Vec<Told>>, Condvar)>,
}

impl Endpoint {
    fn start() -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told: Arc<(Mutex<Vec<Told>>, Condvar)> = Arc::default();
        let kept = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    // The other side is killed again and again.
                    let _ = serve(stream.unwrap(), &kept);
                });
            }
        });
        Endpoint { address, told }
    }

    /// Waits until so many messages have come.
    fn wait(&self, count: usize) {
        let (told, more) = &*self.told;
        let deadline = Instant::now() + PATIENCE;
        let mut told = told.lock().unwrap();
        while told.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} messages came", told.len());
            told = more.wait_timeout(told, left).unwrap().0;
        }
    }

    fn told(&self) -> Vec<Told> {
        self.told.0.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, told: &(Mutex<Vec<Told>>, Condvar)) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut length, mut id) = (String::new(), 0, String::new());
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "webhook-id" => id = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap();
        let order = body["order"].as_str().unwrap().to_owned();
        told.0.lock().unwrap().push((id, order, body["position"].as_i64().unwrap()));
        told.1.notify_all();
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// A shop would miss an event, or book one twice that it cannot recognise.
#[test]
fn a_kill_repeats_messages_and_skips_none() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let endpoint = Endpoint::start();
    let mut server = Server::start_with(&data, VARIABLES);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    let body = format!(
        r#"{{"url": "http://{}/", "events": ["order.*", "payment.*", "refund.*"]}}"#,
        endpoint.address
    );
    client.post_unkeyed("/v1/webhook_endpoints", &body).unwrap().good();
    let mut made = 0;
    for round in 0..5 {
        let order = register(&mut client, &format!("hook-{round}"), 10_000, "ok");
        for index in 0..40 {
            let name = format!("hook-{round}-{index}");
            client.post("/v1/refunds", &name, &refund_body(&order, 1)).unwrap().good();
            made += 1;
        }
        // While messages come and before all of them are written down.
        endpoint.wait(made);
        server.kill();
        server = Server::start_with(&data, VARIABLES);
        client = server.client(&key);
    }
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    until("every event has come", || {
        expected = events(&mut client);
        let came: BTreeSet<String> = endpoint.told().into_iter().map(|(id, _, _)| id).collect();
        expected.keys().all(|id| came.contains(id))
    });
    let told = endpoint.told();
    let repeated = told.len() - expected.len();
    println!("{} events, {repeated} messages came twice", expected.len());
    // In order within each order, apart from what is repeated.
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (id, order, position) in told {
        assert!(expected.contains_key(&id), "{id} is no event");
        if seen.insert(id) {
            let before = newest.insert(order.clone(), position).unwrap_or(0);
            assert_eq!(position, before + 1, "{order} is told in order, and whole");
        }
    }
    assert_eq!(server.terminate().code(), Some(0));
    let verified = run(&["verify"], &data);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Every event of an order, by its id, once nothing is on its way any more.
fn events(client: &mut crate::server::Client) -> BTreeMap<String, String> {
    crate::server::until_settled(client);
    let mut all = BTreeMap::new();
    let mut path = "/v1/events?limit=100".to_owned();
    loop {
        let page = client.get(&path).unwrap().good();
        for event in page["data"].as_array().unwrap() {
            if let Some(order) = event["order"].as_str() {
                all.insert(event["id"].as_str().unwrap().to_owned(), order.to_owned());
            }
        }
        if page["has_more"] != true {
            return all;
        }
        path = format!("/v1/events?limit=100&after={}", page["next_cursor"].as_str().unwrap());
    }
}
