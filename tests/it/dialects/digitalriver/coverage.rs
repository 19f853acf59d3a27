//! Which row of the contract which test shows, and which rows none does, with the reason.

use super::super::rows::Shown::{self, By, Not};
use super::super::rows::check;

const TESTS: [&str; 8] = [
    include_str!("errors.rs"),
    include_str!("hostile.rs"),
    include_str!("kinds.rs"),
    include_str!("lists.rs"),
    include_str!("others.rs"),
    include_str!("refunds.rs"),
    include_str!("seed.rs"),
    include_str!("webhooks.rs"),
];

const KEYS: &str = "a_key_is_taken_as_bearer_with_its_scopes_and_its_limit";
const HEADERS: &str = "methods_and_media_types_are_those_of_the_contract";
const CREATED: &str = "a_refund_of_an_amount_is_created_and_paid";
const STATES: &str = "every_state_has_its_name";
const RULES: &str = "each_rule_says_no_in_the_words_of_this_api";
const NAMES: &str = "an_order_is_named_by_its_id_its_reference_or_its_invoice";
const PERCENT: &str = "a_percentage_is_of_what_is_left_and_rounds_half_up";
const ITEM: &str = "an_item_comes_with_its_tax";
const ITEM_PART: &str = "an_item_by_amount_or_percent_is_bounded_by_what_is_left_of_it";
const ITEM_KIND: &str = "what_belongs_to_an_item_is_given_back_by_its_type";
const KIND: &str = "a_part_of_the_order_is_given_back_with_the_tax_on_it";
const TAX: &str = "tax_is_given_back_as_a_whole";
const WHOLE: &str = "the_whole_order_is_given_back_by_percent_or_amount";
const DETAILS: &str = "bank_details_are_asked_for_found_and_given";
const PAGES: &str = "pages_go_both_ways_newest_first";
const FILTERS: &str = "every_filter_finds_what_it_names";
const NOTES: &str = "notes_have_limits_of_their_own";
const GONE: &str = "what_is_not_there_is_not_found";
const TOLD: &str = "a_refunds_life_is_told_in_the_words_of_this_api";
const OTHER_NAMES: &str = "other_names_of_an_event_are_told_to_who_asks_for_them";
const HOOK: &str = "a_webhook_is_registered_changed_and_deleted";
const EVENTS: &str = "events_are_listed_for_thirty_days";
const EXAMPLE: &str = "each_of_them_alone_is_answered_as_the_page_shows";
const RETURN: &str = "a_return_that_is_accepted_gives_its_worth_back_once";
const ORDER: &str = "an_order_shows_what_can_be_given_back";
const CHARGE: &str = "a_charge_shows_its_captures_and_what_was_given_back";
const ONLY_NOTES: &str = "only_notes_can_be_changed";
const RACE: &str = "several_refunds_at_once_never_exceed_what_was_captured";

const ROWS: &[(&str, Shown)] = &[
    ("transport: plain HTTP fails, JSON only", By(HEADERS)),
    ("transport: Bearer secret key", By(KEYS)),
    (
        "transport: test, live, public and restricted keys",
        Not("a key of the ledger is none of them"),
    ),
    ("transport: liveMode", By(CHARGE)),
    ("transport: DigitalRiver-Version, versions seen", By(HEADERS)),
    ("transport: x-dr-requestid", By(HEADERS)),
    ("transport: upstream-id, forwarded", By(HEADERS)),
    ("transport: no idempotency key", By("a_repeated_request_is_answered_once_under_its_key")),
    ("transport: rate limit, 429 with Retry-After", By(KEYS)),
    ("transport: times", By(TOLD)),
    ("endpoints: POST /refunds", By(CREATED)),
    ("endpoints: POST /refunds, no 404", Not("an unknown order is a 404 in the table of errors")),
    ("endpoints: GET /refunds", By(PAGES)),
    ("endpoints: GET /refunds/{id}", By(STATES)),
    ("endpoints: POST /refunds/{id}", By(ONLY_NOTES)),
    ("endpoints: GET /orders/{id}, ?expand", By(ORDER)),
    ("endpoints: POST /orders/{id}", By("an_order_takes_notes")),
    ("endpoints: GET /charges/{id}", By(CHARGE)),
    ("endpoints: GET /events, /events/{id}", By(EVENTS)),
    ("endpoints: /webhooks, a bare array", By(HOOK)),
    ("endpoints: POST /returns, /returns/{id}", By(RETURN)),
    ("endpoints: statuses 408, 502, 504", Not("what nothing here can cause; 408 is shown of /v1")),
    ("endpoints: status 503", By("a_store_that_takes_no_writes_is_a_fault_of_the_server")),
    ("body: orderId, invoiceId", By(NAMES)),
    ("body: currency", By(RULES)),
    ("body: amount, percent", By(PERCENT)),
    ("body: type", By(KIND)),
    ("body: reason at most 64", By(RULES)),
    ("body: metadata", By(CREATED)),
    ("items: itemId, skuId", By(ITEM)),
    ("items: quantity, left out or too big", By(ITEM_PART)),
    ("items: amount, percent", By(ITEM_PART)),
    ("items: type", By(ITEM_KIND)),
    ("oddity: nested items", By(EXAMPLE)),
    ("oddity: item type sku and tax", By(ITEM_KIND)),
    ("oddity: numbers as strings", By(ITEM_PART)),
    ("oddity: several ways at once", By("the_example_asks_for_three_things_at_once")),
    ("oddity: order-level fees", By(KIND)),
    ("kinds: the whole order", By(WHOLE)),
    ("kinds: part of the order", By(CREATED)),
    ("kinds: in proportion, never fees", Not("an amount of the order is of no line; see the page")),
    ("kinds: item and its tax", By(ITEM)),
    ("kinds: shipping, fees, duty", By(KIND)),
    ("kinds: tax, importer_tax", By(TAX)),
    ("kinds: percent of what is left", By(PERCENT)),
    ("kinds: rounding, zero-decimal currency", By(PERCENT)),
    ("kinds: float leak", By("no_amount_is_taken_that_is_not_exact")),
    ("preconditions: a capture", By("an_order_that_nothing_was_paid_for_has_nothing_available")),
    ("preconditions: availableToRefundAmount", By(ORDER)),
    ("preconditions: of an item", By(ITEM)),
    ("preconditions: several refunds", By(RACE)),
    ("preconditions: a failed one is free again", By(RACE)),
    ("preconditions: dispute", By("an_order_in_dispute_gives_nothing_back")),
    ("preconditions: primary source first", By("several_payments_are_given_back_together")),
    ("preconditions: refundedAmount, returned", By(WHOLE)),
    ("object: id, createdTime, orderId, currency", By(CREATED)),
    ("object: invoiceId", By(NAMES)),
    ("object: amount, refundedAmount", By(CREATED)),
    ("object: type", By(KIND)),
    ("object: items", By(ITEM)),
    ("object: items[].percent", Not("it is not kept; the amount it came to is answered")),
    ("object: reason, failureReason", By(STATES)),
    ("object: state", By(STATES)),
    ("object: expiresTime", By(DETAILS)),
    ("object: tokenInformation", By(DETAILS)),
    ("object: liveMode, metadata", By(CREATED)),
    ("object: charges", By(CREATED)),
    ("object: state created", Not("retired by the vendor; clients reject it")),
    ("states: pending, succeeded, failed", By(TOLD)),
    ("states: pending_information and back", By(DETAILS)),
    ("states: expired", By(STATES)),
    ("states: refund.updated", By(TOLD)),
    ("more: token life", By(DETAILS)),
    ("more: list by state, then read the token", By(DETAILS)),
    ("more: the vendor's test hooks by name", Not("the sandbox has scripts of its own")),
    ("errors: over the available amount", By(RULES)),
    ("errors: wrong currency", By(RULES)),
    ("errors: partial tax", By(TAX)),
    ("errors: dispute", By("an_order_in_dispute_gives_nothing_back")),
    ("errors: unknown order, unknown refund", By(GONE)),
    ("errors: missing field, unknown field", By(RULES)),
    ("errors: bad key", By(KEYS)),
    ("errors: return quantity", By("a_return_has_no_more_units_than_were_ordered")),
    ("errors: order not submitted", Not("an order of the ledger has been")),
    ("errors: 405, 406", By(HEADERS)),
    ("errors: other published codes", By(RULES)),
    ("lists: limit, order, cursors", By(PAGES)),
    ("lists: filters", By(FILTERS)),
    ("lists: unknown cursor, limit out of range", By("a_query_is_known_to_be_one")),
    ("metadata: limits", By(NOTES)),
    ("metadata: on refunds, returns, orders", By(RETURN)),
    ("metadata: carried back", By(CREATED)),
    ("events: refund.*", By(TOLD)),
    ("events: refund.created, refund.succeeded", By(OTHER_NAMES)),
    ("events: order.refunded", By(OTHER_NAMES)),
    ("events: order.charge.refund.*", By(OTHER_NAMES)),
    ("events: order.dispute, order.dispute.resolved", By(TOLD)),
    ("events: order.credit_memo, sales_transaction", Not("invoices and accounts are not kept")),
    ("events: return.*", By(TOLD)),
    ("envelope: fields", By(TOLD)),
    ("envelope: previousAttributes", Not("what was before is not kept with an event")),
    (
        "delivery: 2xx, redirects fail, repeated",
        By("a_failed_try_is_repeated_with_a_new_time_and_signature"),
    ),
    ("delivery: 72 h, disabled after days", Not("all formats have one schedule; see webhooks")),
    ("webhook object", By(HOOK)),
    ("webhook object: authentication, OAUTH", By("other_bodies_are_read_as_strictly")),
    ("signature: header, format, algorithm", By(TOLD)),
    ("signature: two secrets", By("both_secrets_sign_while_one_takes_over")),
    ("decisions: mount", By("the_forms_of_the_contract_are_the_same_under_the_prefix")),
    ("decisions: ids", By(NAMES)),
    ("decisions: exactly one of", By(RULES)),
    ("decisions: canceled", By(STATES)),
    ("decisions: waiting charges", By(CREATED)),
    ("decisions: events", By("the_format_can_be_chosen_for_any_endpoint")),
    ("another merchant", By("anothers_rows_are_not_there")),
    ("hostile input", By("what_is_no_request_is_said_to_be_none")),
    ("approval", By("what_needs_approval_waits_and_is_pending")),
];

#[test]
fn every_row_of_the_contract_has_a_test_or_a_reason() {
    check(ROWS, &TESTS);
}
