//! Which row of the contract which test shows, and which rows none does, with the reason.

use super::super::rows::Shown::{self, By, Not};
use super::super::rows::check;

const TESTS: [&str; 6] = [
    include_str!("days.rs"),
    include_str!("rest.rs"),
    include_str!("errors.rs"),
    include_str!("hostile.rs"),
    include_str!("legacy.rs"),
    include_str!("suds.rs"),
];

const VERSIONS: &str = "every_announced_method_answers_in_every_version_and_under_the_prefix";
const LIFE: &str = "an_automatic_refund_of_an_order_is_added_changed_confirmed_and_paid";
const KEYS: &str = "a_key_is_taken_where_this_api_has_it_and_scopes_are_named_as_it_names_them";
const SOURCES: &str = "a_source_that_is_none_is_said_as_each_method_says_it";
const DECIDED: &str = "what_is_decided_or_under_way_is_not_changed";
const ADDRESSED: &str = "a_refund_is_addressed_by_ordinal_source_and_ordinal_or_number";
const LIST: &str = "the_list_has_what_is_not_confirmed_page_by_page";
const BY_HAND: &str = "a_refund_by_hand_is_recorded_and_paid_when_it_is_confirmed";
const OF_RETURN: &str = "a_return_gives_back_what_it_is_worth_and_once";
const AMOUNTS: &str = "amounts_and_currencies_that_do_not_fit";
const GATEWAYS: &str = "payments_that_no_gateway_gives_back";
const NO_CALL: &str = "what_is_no_call_is_said_to_be_none";
const WSDL: &str = "every_method_has_a_wsdl_of_its_own";
const PHP: &str = "an_envelope_is_answered_as_php_answers_it";
const SUDS: &str = "a_generic_client_calls_every_method_from_the_wsdl_alone";
const LOGIN: &str = "a_login_is_the_number_of_a_key_and_the_key_of_a_day";
const BEARER: &str = "a_bearer_works_with_an_empty_login_and_scopes_and_limits_hold";
const TWIN: &str = "the_twin_in_json_says_the_same";
const ALIKE: &str = "what_clients_write_differently_is_read_alike";
const NO_GATE: &str = "a_gate_or_method_that_is_not_there_is_a_fault";
const OTHER_GATES: &str = "other gates than refunds are not served";

const ROWS: &[(&str, Shown)] = &[
    ("1 base URL, versions", By(VERSIONS)),
    ("1 shop's own OpenAPI document", Not("the shop's description of itself, not of refunds")),
    ("1 Auth A, X-API-KEY", By(KEYS)),
    ("1 Auth B, Bearer", By(KEYS)),
    ("1 access tokens from the AUTHORIZE gate", Not("a key is a Bearer token itself")),
    ("1 permission, levels r and rw", By(KEYS)),
    ("1 body limit of 10 MB", Not("256 KiB, as everywhere here; no call comes near")),
    ("1 wrapper params, GET without one", By(NO_CALL)),
    ("1 array query values", Not("no refund method has one")),
    ("1 rate, 429 with Retry-After", By(KEYS)),
    ("1 statuses 200, 207", By(LIFE)),
    ("1 statuses 401, 403, 429", By(KEYS)),
    ("1 status 404", By(VERSIONS)),
    ("1 status 422", By(NO_CALL)),
    ("1 status 500", By("a_store_that_takes_no_writes_is_a_fault_of_the_server")),
    ("1 errors on top and inside, per item in lists", By(SOURCES)),
    ("1 x-error, errors.message", By(KEYS)),
    ("1 faultCode 2, empty result", Not("not in the codes of any refund method")),
    ("1 code 3", By(SOURCES)),
    ("1 codes 4001, 4002, 4009", By(GATEWAYS)),
    ("1 codes 4003, 4004, 4011", By(AMOUNTS)),
    ("1 codes 4005, 4006, 4007, 4008", By(SOURCES)),
    ("1 code 4010", Not("only when a kept answer cannot be read; faults of the disk are 5xx")),
    ("1 codes 4012, 4013, 4017, 4019, 4020", By(DECIDED)),
    ("1 code 4014", By("a_fulfilled_order_takes_no_automatic_refunds")),
    ("1 code 4015", Not("gateways here need no id of the shop's to give a payment back")),
    ("1 code 4016", Not("an amount that is not positive is refused as such, with 422")),
    ("1 code 4018", By("a_return_that_gives_nothing_back")),
    ("1 codes 1, login failed", By(LOGIN)),
    ("1 code 6, shop blocked for invoices", Not("nobody is billed here")),
    ("2 addAutomaticRefund", By(OF_RETURN)),
    ("2 addAutomaticRefundForOrder", By(LIFE)),
    ("2 addManualRefund", By(BY_HAND)),
    ("2 getPossibleAutoRefunds", By(LIFE)),
    ("2 getRefundStatus", By(LIFE)),
    ("2 updateRefund", By(LIFE)),
    ("2 confirmRefund", By(LIFE)),
    ("2 cancelRefund", By("a_canceled_refund_of_a_return_can_be_added_again")),
    ("2 retrieveRefundsList", By(LIST)),
    ("2.1 request fields and their types", By(ADDRESSED)),
    ("2.1 refundDetails", By(BY_HAND)),
    ("2.2 response fields", By(LIFE)),
    ("2.3 paging from 1 and from 0, the four fields", By(LIST)),
    ("3.1 automatic and manual", By(BY_HAND)),
    ("3.1 operators named", Not("which gateways there are is not this API's matter")),
    ("3.1 preferred payout of a return", Not("fields of the returns gate")),
    ("3.1 payment kinds on an order", Not("fields of the orders gate")),
    ("3.2 refundStatus", By("every_state_has_its_name")),
    ("3.2 payment record status, externalPaymentStatus", Not("fields of the payments gate")),
    ("3.2 preconditions", By(DECIDED)),
    ("3.3 payment systems", By(BY_HAND)),
    ("3.4 amounts", By("amounts_are_numbers_with_the_decimals_of_their_currency")),
    ("3.4 currency", By(AMOUNTS)),
    ("3.5 older payments gate", Not(OTHER_GATES)),
    ("4 endpoint, versions", By(WSDL)),
    ("4 older address /edi/", Not("from before the refunds gate")),
    ("4 userLogin and authenticateKey", By(LOGIN)),
    ("4 keys that log in", By("keys_of_the_installation_the_operator_and_the_command_log_in")),
    ("4 oauth_authorization", By(LOGIN)),
    ("4 Bearer with an empty authenticate", By(BEARER)),
    ("4 X-API-KEY on SOAP", By(BEARER)),
    ("4 WSDL conventions", By(WSDL)),
    ("4 envelope on the wire", By(PHP)),
    ("4 2016 quirk, authenticate repeated", Not("a secret is not sent back")),
    ("4 SOAP Fault", By(NO_GATE)),
    ("4 JSON twin", By(TWIN)),
    ("Decisions: parser", By(ALIKE)),
    ("Decisions: entities and DTDs", By("hostile_xml_is_refused_by_a_fault_and_writes_nothing")),
    ("Decisions: a generic client", By(SUDS)),
    ("Decisions: what a number means", By("an_integer_that_means_two_refunds_is_refused")),
    ("Decisions: a return, once", By("two_clients_add_the_same_return_at_once_and_get_one_refund")),
    ("Decisions: another merchant", By("another_merchants_sources_are_unknown")),
];

#[test]
fn every_row_of_the_contract_has_a_test_or_a_reason() {
    check(ROWS, &TESTS);
}
