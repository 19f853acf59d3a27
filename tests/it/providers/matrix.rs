//! Which exchange is tried out with which provider, and by which test: each with all eight, or with a
//! reason why there is no such exchange.

use refundry::testing::gateways::connectors;

use super::{ALL, DECIDES_LATER, NOTIFY};

const SOURCES: [&str; 4] = [
    include_str!("mod.rs"),
    include_str!("notices.rs"),
    include_str!("adyen.rs"),
    include_str!("reasons.rs"),
];

/// The exchange; the test that runs through a list of connectors, with the list's name; Adyen's own
/// test, which settles by notification only.
struct Row(&'static str, &'static str, &'static str, &'static str);

const SETTLES: &str = "adyen_settles_by_notification_once";
const AGAIN: &str = "adyen_is_sent_the_same_key_again_after_doubt";
const DECLINES: &str = "adyen_declines_at_once_or_later";
const LOCKED: &str = "adyen_credentials_that_expire_in_doubt_free_nothing";
const DOUBT: &str = "doubt_ends_in_exactly_one_payout";

const ROWS: &[Row] = &[
    Row("success", "a_refund_is_paid_once_and_its_name_is_kept", "ALL", SETTLES),
    Row("decline", "a_decline_is_final_and_says_why", "ALL", DECLINES),
    Row("a provider's reasons", "each_reason_is_one_of_our_list", "ALL", DECLINES),
    Row("pending, settled", "what_is_pending_is_followed_to_its_end", "DECIDES_LATER", SETTLES),
    Row("the same send twice", DOUBT, "ALL", AGAIN),
    Row(
        "the same notification twice",
        "a_notification_settles_what_is_pending_and_changes_nothing_twice",
        "NOTIFY",
        SETTLES,
    ),
    Row("time-out before", DOUBT, "ALL", AGAIN),
    Row("time-out after", DOUBT, "ALL", AGAIN),
    Row("malformed answer", DOUBT, "ALL", AGAIN),
    Row(
        "wrong amount in the answer",
        "another_amount_is_an_alarm_and_no_settlement",
        "ALL",
        "adyen_other_amounts_and_currencies_are_alarms",
    ),
    Row(
        "reversed after success",
        "what_is_taken_back_after_success_is_reversed",
        "DECIDES_LATER",
        "adyen_takes_back_what_it_paid",
    ),
    Row("expired credentials", "expired_credentials_send_nothing_and_say_so", "ALL", LOCKED),
];

/// Why a provider is not in a list.
const ABSENT: &[(&str, &str, &str)] = &[
    ("DECIDES_LATER", "afterpay", "it decides at once and for good"),
    ("NOTIFY", "afterpay", "it sends no notifications of refunds"),
    ("NOTIFY", "braintree", "its notifications speak of disputes and settlements, not refunds"),
    ("NOTIFY", "cybersource", "it sends no notifications of refunds"),
];

fn list(name: &str) -> &'static [&'static str] {
    match name {
        "ALL" => ALL,
        "DECIDES_LATER" => DECIDES_LATER,
        "NOTIFY" => NOTIFY,
        other => panic!("no list {other}"),
    }
}

/// The text of a test, up to the next function.
fn body(test: &str) -> &'static str {
    let head = format!("async fn {test}()");
    let source = SOURCES.iter().find(|source| source.contains(&head));
    let source = source.unwrap_or_else(|| panic!("no test {test}"));
    let text = &source[source.find(&head).unwrap()..];
    let before = &source[..source.len() - text.len()];
    assert!(before.trim_end().ends_with("#[tokio::test]"), "{test} is not run");
    &text[..text.find("\n}\n").unwrap()]
}

#[test]
fn every_exchange_is_tried_out_with_every_provider() {
    for Row(exchange, test, over, adyen) in ROWS {
        assert!(body(test).contains(&format!("in {over} ")), "{test} runs through {over}");
        assert!(adyen.starts_with("adyen_") && body(adyen).contains("Scene::open()"), "{adyen}");
        for connector in connectors::ALL.iter().map(|connector| connector.name) {
            let tried = connector == "adyen" || list(over).contains(&connector);
            let absent = ABSENT.iter().find(|(list, name, _)| (list, *name) == (over, connector));
            assert!(tried != absent.is_some(), "{exchange} with {connector}");
        }
    }
    for mood in ["HangBefore", "HangAfter", "BreakAfter", "Garble"] {
        assert!(body(DOUBT).contains(mood) && body(AGAIN).contains(mood), "{mood}");
    }
}
