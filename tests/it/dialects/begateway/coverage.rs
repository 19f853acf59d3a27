//! Which row of the contract which test shows, and which rows none does, with the reason.

use super::super::rows::Shown::{self, By, Not};
use super::super::rows::check;

const TESTS: [&str; 6] = [
    include_str!("mod.rs"),
    include_str!("notices.rs"),
    include_str!("outcomes.rs"),
    include_str!("payments.rs"),
    include_str!("refunds.rs"),
    include_str!("requests.rs"),
];

const LET_IN: &str = "only_the_shop_itself_is_let_in";
const ONCE: &str = "the_same_request_is_carried_out_once";
const EXAMPLE: &str = "the_published_example_is_answered_as_published";
const PATHS: &str = "every_path_is_served";
const REST: &str = "without_an_amount_beyag_gives_back_the_rest";
const REFUSED: &str = "what_is_refused_is_refused_in_each_apis_way";
const NAMES: &str = "the_clients_own_names_are_kept_and_found";
const OF_OTHERS: &str = "an_order_of_another_api_is_found_by_its_reference";
const OUTCOME: &str = "an_answer_says_what_became_of_the_refund";
const LATER: &str = "what_takes_longer_is_pending_first";
const PARENT: &str = "a_sandbox_payment_is_the_parent_of_a_refund";
const CARDS: &str = "the_test_cards_end_as_published";
const METHODS: &str = "alternative_methods_are_paid_on_beyag";
const NOT_SERVED: &str = "what_is_not_served_says_so";
const HOSTILE: &str = "hostile_input_is_answered_and_writes_nothing";
const DUPLICATES: &str = "the_card_api_checks_for_duplicates";
const TOLD: &str = "each_status_is_told_where_the_request_says";
const AGAIN: &str = "a_notification_is_sent_again_when_it_is_asked_for";
const CREDENTIALS: &str = "credentials_go_to_the_hosts_that_they_named";
const REFUNDS_ONLY: &str = "this server gives money back; the call is refused";

const ROWS: &[(&str, Shown)] = &[
    ("1 hosts, hosted checkout", Not("a server has the name its operator gives it")),
    ("1 Basic authentication", By(LET_IN)),
    ("1 media types asked for", By(EXAMPLE)),
    ("1 X-API-Version absent, 2 or 3", By(OUTCOME)),
    ("1 RequestID", By(ONCE)),
    ("1 X-Request-Id", Not("of the server's frame, which every answer has; shown of it there")),
    ("1 header spelling", By(ONCE)),
    ("1 client time-outs", Not("an answer waits 2 s at most, see answers.wait_ms")),
    ("1 mTLS", Not("a proxy's task, and a third party's word alone")),
    ("2 POST refunds, both spellings, ERIP's /refunds", By(PATHS)),
    ("2 POST payments, both spellings, ERIP's /payments", By(METHODS)),
    ("2 payout, credit", By(NOT_SERVED)),
    ("2 precheck", By(NOT_SERVED)),
    ("2 GET transactions/:uid, refunds/:uid, payments/:uid", By(PATHS)),
    ("2 GET transactions/tracking_id", By(NAMES)),
    ("2 GET payments/?order_id=", By(METHODS)),
    ("2 DELETE payments/:uid", By(NOT_SERVED)),
    ("2 renotify", By(AGAIN)),
    ("2 recover, confirm, proof", By(NOT_SERVED)),
    ("2 async", By(LATER)),
    ("2 balance, currencies", By(NOT_SERVED)),
    ("3 envelope, parent_uid, reason", By(REFUSED)),
    ("3 amount", By(REST)),
    ("3 tracking_id, several with semicolons", By(NAMES)),
    ("3 additional_data.referer", By(NAMES)),
    ("3 test comes from the parent", By(PARENT)),
    ("3 notification_url", By(TOLD)),
    ("4 each field of the answer", By(EXAMPLE)),
    ("4 refund.status, ref_id, message", By(OUTCOME)),
    ("4 paid_at", By(OF_OTHERS)),
    ("4 be_protected_verification", Not("no fraud check is made here")),
    (
        "4 version, settled_at, registry_id and the like",
        Not("unlisted, and nothing here says them"),
    ),
    ("5 fields of a payment", By(PARENT)),
    ("5 expired_at", Not("sandbox payments are paid at once")),
    ("5 order_id, a number or a text", By(METHODS)),
    ("5 method, payment_method", By(METHODS)),
    ("5 form", Not("no payer is sent anywhere")),
    ("5 ERIP's own answer fields", Not("a payer's; a refund has none of them")),
    ("6 successful, failed, pending", By(LATER)),
    ("6 incomplete", By(CARDS)),
    (
        "6 expired, error, deleted, permanent, auto_created, start, initial",
        Not("no refund is in them"),
    ),
    ("6 processing, completed, unknown of a task", By(LATER)),
    ("6 types, an object named after it", By(PATHS)),
    ("7 amount and reason are required", By(REST)),
    ("7 reason of at most 255", By(REFUSED)),
    ("7 duplicate_check", By(DUPLICATES)),
    ("7 fiscalization", Not("read and left alone; nothing is printed here")),
    ("7 parent is a payment or capture", By(REFUSED)),
    ("7 queries by tracking_id, v1, v2 and beyag", By(NAMES)),
    ("7 validation error wrapped", By(REFUSED)),
    ("7 uid form", By(EXAMPLE)),
    ("7 version 3, and both its readings", By(OUTCOME)),
    ("8 401", By(LET_IN)),
    ("8 403, 429", By(LET_IN)),
    ("8 422 of beyag, missing fields", By(REFUSED)),
    ("8 404 of both", By(PATHS)),
    ("8 400 of the card API", By(REFUSED)),
    ("8 errors.base", By(DUPLICATES)),
    ("8 Reason can't be blank.", By(REFUSED)),
    ("8 Amount can't be greater than", By(REFUSED)),
    ("8 unsupported operation, base a text", By(NOT_SERVED)),
    ("8 codes of version 3", By(REFUSED)),
    ("8 425", By(LATER)),
    ("8 409", Not("while the first runs: of the ledger, and shown of /v1")),
    ("8 declined is 2xx with failed", By(OUTCOME)),
    ("8 an object that all clients can read", By(HOSTILE)),
    ("9 several partial refunds, never more than the parent", By(REST)),
    (
        "9 ERIP's 24 hours, its year and its 11 days",
        Not("rules of that provider, not of the books"),
    ),
    ("9 duplicates within 30 s, at once and when hung up", By("who_hangs_up_has_no_duplicate")),
    ("9 tracking_id is not unique", By(NAMES)),
    ("9 RequestID, kept 24 h", Not("it is kept longer here; shown by the tests of the store")),
    ("10 money, one decimal for MOP", By(METHODS)),
    ("10 time", By(EXAMPLE)),
    ("10 fields that may be null", By(OUTCOME)),
    ("10 codes S., P., F., E.", By(OUTCOME)),
    ("11 method, body, when", By(TOLD)),
    ("11 Basic", By(CREDENTIALS)),
    ("11 Content-Signature", By(TOLD)),
    ("11 tries", By("what_fails_is_told_again_and_one_lost_address_ends_no_other")),
    ("11 resend", By(AGAIN)),
    ("11 async mode", By(LATER)),
    ("11 async mode, its addresses", By("addresses_are_those_that_the_client_called")),
    ("11 test transactions", By(PARENT)),
    ("11 test cards", By(CARDS)),
    ("11 bogus", By(METHODS)),
    ("11 sandbox mode only", By("without_the_sandbox_no_payment_is_made")),
    ("12 a connector", Not("this server as a client: tests/it/providers")),
    ("authorizations, captures, voids, payouts", Not(REFUNDS_ONLY)),
    ("another merchant", By("another_shops_transactions_do_not_exist")),
    ("hostile input", By(HOSTILE)),
];

#[test]
fn every_row_of_the_contract_has_a_test_or_a_reason() {
    check(ROWS, &TESTS);
}
