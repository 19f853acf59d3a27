//! Where nobody can have us call.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use refundry::testing::outbound::addresses::{Guarded, Network, is_public};
use refundry::testing::outbound::{Resolve, SystemResolver};
use serde_json::{Value, json};

use super::{Post, TIMEOUT, id, until_delivery};
use crate::harness::receiver::{Reaction, Receiver};
use crate::harness::site::Site;

#[test]
fn what_is_not_on_the_public_internet_is_known() {
    let refused = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ];
    for text in refused {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    ];
    for text in public {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn networks_are_read_as_they_are_written() {
    let within = |network: &str, address: &str| {
        Network::parse(network).unwrap().contains(address.parse::<IpAddr>().unwrap())
    };
    assert!(within("10.1.0.0/16", "10.1.255.1") && !within("10.1.0.0/16", "10.2.0.1"));
    assert!(within("10.1.2.3", "10.1.2.3") && !within("10.1.2.3", "10.1.2.4"));
    assert!(within("0.0.0.0/0", "10.1.2.3") && !within("0.0.0.0/0", "::1"));
    assert!(within("::/0", "fe80::1") && within("fd00::/8", "fd12::1"));
    for wrong in ["", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0", "localhost", "10.0.0.0/-1"] {
        assert_eq!(Network::parse(wrong), None, "{wrong}");
    }
}

/// However a host is written, it is what it leads to that counts.
#[tokio::test]
async fn no_way_of_writing_a_private_address_helps() {
    let guarded = Guarded::over(Arc::new(SystemResolver), Vec::new());
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0", "::1"] {
        match guarded.resolve(host, 80).await {
            Ok(found) => panic!("{host} leads to {found:?}"),
            Err(error) => println!("{host}: {error}"),
        }
    }
}

/// Whoever names a host is not told where it leads inside.
#[tokio::test]
async fn an_inner_address_is_not_told() {
    let inner = Fickle(Mutex::new(vec!["10.3.2.1:80".parse().unwrap()]), Mutex::new(0));
    let guarded = Guarded::over(Arc::new(inner), Vec::new());
    let refused = guarded.resolve("shop.example", 80).await.unwrap_err();
    assert_eq!(refused.to_string(), "shop.example must not be called: it is inside");
}

/// A name that leads somewhere else each time it is asked for.
struct Fickle(Mutex<Vec<SocketAddr>>, Mutex<usize>);

#[async_trait]
impl Resolve for Fickle {
    async fn resolve(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "shop.example");
        *self.1.lock() += 1;
        let mut answers = self.0.lock();
        let first = answers[0];
        if answers.len() > 1 {
            answers.remove(0);
        }
        Ok(vec![first])
    }
}

/// First public, as far as anybody can tell, and at the next connection inside our network.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_not_followed() {
    let site = Site::start().await;
    let receiver = Receiver::start(|_, _| {
        Reaction::With(500, vec![("connection", "close".to_owned())], Vec::new())
    })
    .await;
    let inside = Receiver::good().await;
    // 127.0.0.0/8 stands for the internet here, and 10.0.0.1 for what is behind the wall.
    let behind = SocketAddr::from(([10, 0, 0, 1], inside.address.port()));
    let mapped: SocketAddr =
        format!("[::ffff:127.0.0.1]:{}", inside.address.port()).parse().unwrap();
    let names = Arc::new(Fickle(Mutex::new(vec![receiver.address, behind, mapped]), Mutex::new(0)));
    let body = json!({"url": "http://shop.example/hooks", "events": ["order.registered"]});
    let endpoint = site.post("/v1/webhook_endpoints", body).send().await.expect(201).json();
    let post = Post::with(&site, TIMEOUT, names.clone());
    site.order("1.00").await;
    receiver.until(1).await;
    let query = format!("endpoint={}", id(&endpoint));
    for count in 1..=3 {
        let tried = |row: &Value| row["tries"].as_array().unwrap().len() == count;
        let row = until_delivery(&site, &query, tried).await;
        let error = row["tries"][count - 1]["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(error.contains("must not be called"), count > 1, "{row}");
        site.clock.advance_ms(30 * 60 * 1000);
    }
    assert!(inside.told().is_empty());
    assert!(*names.1.lock() >= 3, "it is asked before each connection");
    post.stop().await;
}

/// A name that has one address on the internet and one of ours would lead to ours once the first does
/// not answer.
#[tokio::test]
async fn of_a_name_with_several_addresses_only_the_public_ones_are_called() {
    let addresses = ["10.0.0.1:80", "93.184.215.14:80", "[::1]:80", "169.254.169.254:80"];
    let addresses = addresses.map(|one| one.parse::<SocketAddr>().unwrap());
    let guarded = Guarded::over(Arc::new(Several(addresses.to_vec())), Vec::new());
    assert_eq!(guarded.resolve("shop.example", 80).await.unwrap(), [addresses[1]]);
    let allowed = vec![Network::parse("10.0.0.0/8").unwrap()];
    let guarded = Guarded::over(Arc::new(Several(addresses.to_vec())), allowed);
    assert_eq!(guarded.resolve("shop.example", 80).await.unwrap(), addresses[..2]);
}

struct Several(Vec<SocketAddr>);

#[async_trait]
impl Resolve for Several {
    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }
}
