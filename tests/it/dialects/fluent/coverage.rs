//! Which row of the contract which test shows, and which rows none does, with the reason.

use super::super::rows::Shown::{self, By, Not};
use super::super::rows::check;

const TESTS: [&str; 8] = [
    include_str!("client.rs"),
    include_str!("hostile.rs"),
    include_str!("lists.rs"),
    include_str!("outcomes.rs"),
    include_str!("repeats.rs"),
    include_str!("returns.rs"),
    include_str!("tokens.rs"),
    include_str!("transactions.rs"),
];

const TOKEN: &str = "a_token_is_given_for_a_key_in_a_form_or_in_the_query";
const OAUTH: &str = "what_is_no_request_for_a_token_is_said_in_the_words_of_oauth";
const ONCE: &str = "a_refresh_token_works_once";
const OPENS: &str = "only_an_access_token_opens_and_scopes_and_limits_hold";
const CLIENT: &str = "the_makers_own_client_logs_in_and_makes_every_call";
const CREATED: &str = "the_contracts_request_is_recorded_once_it_is_json";
const SAMPLES: &str = "the_contracts_update_and_view_answer_as_it_says";
const WHOLE: &str = "a_refund_is_recorded_as_settled_with_all_it_came_with";
const WORDS: &str = "every_listed_word_is_taken_and_shown";
const UPDATED: &str = "an_update_changes_what_is_known_of_a_transaction";
const LISTED: &str = "the_contracts_sample_answers_as_it_says";
const SPAN: &str = "start_and_count_say_which_part_oldest_first";
const BY_US: &str = "a_refund_by_a_gateway_is_processing_then_approved_or_declined";
const FIELDS: &str = "a_field_that_is_missing_or_wrong_is_named";
const REPEATS: &str = "the_same_again_answers_the_same_and_another_amount_is_refused";
const MADE: &str = "a_return_is_made_and_viewed";

const ROWS: &[(&str, Shown)] = &[
    ("Authentication: POST /oauth/token", By(TOKEN)),
    (
        "Authentication: account in the host's name",
        Not("a server has the name its operator gives it"),
    ),
    ("Authentication: parameters", By(TOKEN)),
    ("Authentication: form or query", By(TOKEN)),
    ("Authentication: header fluent.account", By(TOKEN)),
    ("Authentication: answer, Retailer_id", By(TOKEN)),
    ("Authentication: more profile fields", Not("cut off in the contract; no client reads them")),
    ("Authentication: refresh_token, single use", By(ONCE)),
    ("Authentication: single use at once", By("of_many_who_refresh_at_once_one_does")),
    ("Authentication: reused or expired", By("tokens_expire")),
    ("Authentication: statuses 200, 400, 401", By(OAUTH)),
    ("Authentication: statuses 403", By(OPENS)),
    ("Authentication: status 404", Not("/oauth/token names nothing that could be missing")),
    ("Authentication: status 500", By("a_store_that_takes_no_writes_is_a_fault_of_the_server")),
    ("Authentication: Bearer and bearer", By(OPENS)),
    ("Authentication: renew on 401 and repeat", By(CLIENT)),
    ("Endpoints: POST transaction", By(CREATED)),
    ("Endpoints: GET transaction", By(SAMPLES)),
    ("Endpoints: GET transactions", By(LISTED)),
    ("Endpoints: PUT transaction", By(SAMPLES)),
    ("Endpoints: success is 200", By(CLIENT)),
    ("Endpoints: no DELETE", By("addresses_and_methods_that_are_none")),
    ("Fields: amount", By(WHOLE)),
    ("Fields: currency", By(FIELDS)),
    ("Fields: paymentMethod, paymentProvider, cardType", By(WORDS)),
    ("Fields: FAT_ZEBRA", Not("a comment in a client, and not in the owner's list")),
    ("Fields: transactionCode, number or text, null on read", By(SAMPLES)),
    ("Fields: transactionRef", By(UPDATED)),
    ("Fields: transactionType", By(WORDS)),
    ("Fields: transactionNote", By(UPDATED)),
    ("Fields: status not accepted on create", By(FIELDS)),
    ("Fields: status on update", By("a_refund_that_others_carry_out_is_settled_by_an_update")),
    ("Fields: transactionId, createdOn", By(WHOLE)),
    ("Fields: updatedOn, orderId", Not("in no schema of an answer; passed over in a request")),
    ("List: start and count, in a body or the query", By(SPAN)),
    ("List: envelope", By(LISTED)),
    ("List: 1-based, count is the size asked for", By(SPAN)),
    ("List: default 100, at most 5000", By(SPAN)),
    ("List: returnType values", By("types_and_the_order_by_its_id")),
    ("List: types in the envelope", By(LISTED)),
    ("Status: from outside APPROVED", By(WHOLE)),
    ("Status: by Fluent itself", By(BY_US)),
    ("Status: transitions", By("a_refund_that_others_carry_out_is_settled_by_an_update")),
    ("Errors: body and words", By("addresses_and_methods_that_are_none")),
    ("Errors: 400", By(FIELDS)),
    ("Errors: 401, 403, 429", By(OPENS)),
    ("Errors: 404", By("another_merchants_rows_are_not_there")),
    ("Errors: 500", By("a_store_that_takes_no_writes_is_a_fault_of_the_server")),
    ("Errors: errors[] of GraphQL and batch", Not("those APIs are not spoken")),
    ("Errors: validation", By("the_guard_holds_and_says_why")),
    ("Return object: POST and GET", By(MADE)),
    ("Return object: properties, ids as texts", By(MADE)),
    ("Return object: a return without an order", By("a_return_that_cannot_be_made")),
    ("Return object: fulfilment types", Not("fulfilments are not spoken")),
    ("Oddities: dates", By(WHOLE)),
    ("Oddities: types of id", By(SAMPLES)),
    ("Oddities: code as number", By(CREATED)),
    ("Oddities: stray quote", By(FIELDS)),
    ("Oddities: v4 and v4.1", By(SAMPLES)),
    ("Webhooks", Not("the platform's own events about its own entities; webhooks are native here")),
    ("Decisions: mount", By(SAMPLES)),
    ("Decisions: credentials", By("secret_and_password_are_one_key_and_either_is_enough")),
    ("Decisions: 24 hours", By("tokens_expire")),
    ("Decisions: survive a restart", By("tokens_survive_a_restart_and_used_ones_stay_used")),
    ("Decisions: end with their key", By("tokens_end_with_their_key")),
    ("Decisions: what POST does, PAYMENT", By("a_payment_is_added_to_the_returns_order")),
    ("Decisions: what POST does, REFUND", By(WHOLE)),
    ("Decisions: the guard", By("the_guard_holds_and_says_why")),
    ("Decisions: safe to repeat", By(REPEATS)),
    ("Decisions: safe to repeat, at once", By("many_at_once_record_one")),
    ("Decisions: initiated by us", By(BY_US)),
    ("Decisions: PUT status", By("a_refund_that_others_carry_out_is_settled_by_an_update")),
    ("Decisions: returnId, transactionId", By("a_list_has_what_belongs_to_its_return")),
    ("Decisions: numbers", By(REPEATS)),
    ("Decisions: dates", By(WHOLE)),
    ("Decisions: start, count", By(SPAN)),
    ("Decisions: returns", By("returns_are_listed_newest_first_and_by_what_they_are_of")),
    ("Decisions: errors", By(OPENS)),
    ("Decisions: success", By(CLIENT)),
    ("Decisions: enums", By(WORDS)),
];

#[test]
fn every_row_of_the_contract_has_a_test_or_a_reason() {
    check(ROWS, &TESTS);
}
