//! Which row of the contract which test shows, and which rows none does, with the reason.

use super::super::rows::Shown::{self, By, Not};
use super::super::rows::check;

const TESTS: [&str; 4] = [
    include_str!("mod.rs"),
    include_str!("webhooks.rs"),
    include_str!("words.rs"),
    include_str!("../../outside/notify.rs"),
];

const ASKED: &str = "who_asks_is_checked";
const LIMIT: &str = "a_key_has_a_limit_a_day";
const LISTED: &str = "lists_are_filtered_and_paged";
const FIELDS: &str = "a_transaction_has_every_field";
const WORDS: &str = "each_destination_and_kind_has_its_words";
const REPORTED: &str = "an_outside_platform_reports";
const NO_AMOUNT: &str = "no_amount_is_taken_that_is_not_the_transactions_own";
const RETURNS: &str = "returns_are_read";
const HOOKS: &str = "webhooks_are_registered_changed_and_deleted";
const TOLD: &str = "each_event_is_told_in_its_own_words";
const NOTIFY: &str =
    "notify_only_is_forced_where_the_provider_has_no_gateway_and_a_switch_a_kind_elsewhere";
const ELSEWHERE: &str = "goods and their way are kept elsewhere";

const ROWS: &[(&str, Shown)] = &[
    ("transport: x-api-key, x-shop-name, in any case", By(ASKED)),
    ("transport: one key for several shops", Not("a key is of one merchant, which is one shop")),
    ("transport: 401, 403, 404, 400", By(ASKED)),
    ("transport: 500", By("a_store_that_takes_no_writes_is_a_fault_of_the_server")),
    ("transport: the headers of AWS", Not("another host's; no client reads them")),
    ("transport: error body", By(ASKED)),
    ("limit: 2000 a day, 100 a second", By(LIMIT)),
    ("limit: 429, Retry-After", By(LIMIT)),
    ("limit: X-RateLimit-*", Not("not documented; clients read Retry-After first")),
    ("endpoints: GET /transactions", By(LISTED)),
    ("endpoints: PUT /transaction/{transactionId}", By(REPORTED)),
    ("endpoints: no POST of a transaction", By(ASKED)),
    ("endpoints: GET /rmas, GET /rma/{rmaId}", By(RETURNS)),
    (
        "endpoints: comment, status, policies, creation of RMAs",
        Not("changed through /v1; only read here"),
    ),
    ("endpoints: shipments, trackers", Not(ELSEWHERE)),
    ("endpoints: /webhooks, /webhook, /webhook/{webhookId}", By(HOOKS)),
    ("parameters: pagesize, cursor", By(LISTED)),
    ("parameters: created_at, updated_at, each operator", By(LISTED)),
    ("parameters: rma_ids, order_ids, ids", By(LISTED)),
    ("parameters: statuses, types, processors", By(LISTED)),
    ("parameters: sort, and times of RMAs", By(RETURNS)),
    ("paging: base64, ascending, null at the end", By(LISTED)),
    ("object: every field", By(FIELDS)),
    ("object: type, externalReferenceType", By(WORDS)),
    ("object: amount, exact", By(FIELDS)),
    ("object: status", By(REPORTED)),
    ("object: processor", By(FIELDS)),
    ("object: bankAccountDetails", Not("always null: details are sealed and never shown")),
    ("object: returnItemIds", By(LISTED)),
    ("object: createdAt, lastUpdated", By(FIELDS)),
    ("update: body, moves, refusals", By(REPORTED)),
    ("update: an amount that is another one, or none", By(NO_AMOUNT)),
    ("RMA values: status", By(RETURNS)),
    ("RMA values: events, items", By(RETURNS)),
    ("RMA values: resolutionType, shipments, comments, exchanges", Not(ELSEWHERE)),
    ("webhooks: registration", By("a_wrong_registration_writes_nothing")),
    ("webhooks: RMA_*, TRANSACTION_CREATED, REFUND_CREATED", By(TOLD)),
    ("webhooks: what is paid here", By("what_is_paid_here_is_told_once_it_is_under_way")),
    ("webhooks: SHIPMENT_*", Not("taken, and never told: shipments are kept elsewhere")),
    ("webhooks: signature", By(TOLD)),
    ("notify only: switches, forced on", By(NOTIFY)),
    ("notify only: the flow", By("the_platform_is_told_at_once_acknowledges_and_reports")),
    ("auto-mark as done", By("a_return_closes_by_itself_once_it_is_refunded")),
    (
        "auto-mark: exchanges, partial validation",
        Not("no exchanges are kept; validation is a state"),
    ),
    ("refund to bank account", By(WORDS)),
    (
        "caps of 150 % on store credit",
        Not("a refund never exceeds what was paid, whatever it goes to"),
    ),
    ("another merchant", By(ASKED)),
    ("hostile input", By(REPORTED)),
];

#[test]
fn every_row_of_the_contract_has_a_test_or_a_reason() {
    check(ROWS, &TESTS);
}
