//! The requests that are measured.

use std::sync::Arc;

use super::grow::Population;
use super::load::{Make, request};

/// Each a refund of 1.00, of one order after the other.
pub fn create(population: &Population, key: &str, run: u64) -> Make {
    let orders = population.orders.clone();
    let key = key.to_owned();
    Arc::new(move |n| {
        let order = pick(&orders, n);
        let body = format!(r#"{{"order":"ord_{order}","amount":"1.00"}}"#);
        let once = format!("bench-{run}-{n}");
        request("POST", "/v1/refunds", &key, Some(&once), &body)
    })
}

/// One refund, anywhere in the books.
pub fn fetch(population: &Population, key: &str) -> Make {
    let refunds = population.sample.clone();
    let key = key.to_owned();
    Arc::new(move |n| {
        let path = format!("/v1/refunds/ref_{}", pick(&refunds, scattered(n)));
        request("GET", &path, &key, None, "")
    })
}

/// A page of refunds, beginning anywhere in the books.
pub fn list(population: &Population, key: &str) -> Make {
    let refunds = population.sample.clone();
    let key = key.to_owned();
    Arc::new(move |n| {
        let after = pick(&refunds, scattered(n));
        let path = format!("/v1/refunds?limit=25&after=ref_{after}");
        request("GET", &path, &key, None, "")
    })
}

fn pick(among: &[i64], n: u64) -> i64 {
    let length = u64::try_from(among.len()).unwrap_or(1).max(1);
    let at = usize::try_from(n % length).unwrap_or(0);
    among.get(at).copied().unwrap_or(0)
}

/// The same order every time, and none that a cache could guess.
fn scattered(n: u64) -> u64 {
    let mut mixed = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}
