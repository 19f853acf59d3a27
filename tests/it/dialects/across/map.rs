//! The words of each API, as it answers with them: `docs/dialects/map.md`.

use std::fmt::Write as _;

use refundry_domain::order::LineKind;
use refundry_domain::outcome::FailureCode;
use refundry_domain::refund::State;

use super::seen::{Native, VOICES};
use super::stage::Stage;
use crate::harness::site::Site;

const PAGE: &str = "docs/dialects/map.md";

/// What each API calls a state, in the order of the voices: `/v1`, beGateway, Digital River, Fluent,
/// IdoSell, ReturnGO.
const STATES: [(State, [&str; 6]); 9] = [
    (
        State::Unconfirmed,
        ["unconfirmed", "pending", "pending", "PROCESSING", "Unconfirmed", "Requested"],
    ),
    (
        State::RequiresInformation,
        [
            "requires_information",
            "pending",
            "pending_information",
            "PROCESSING",
            "Processing",
            "Requested",
        ],
    ),
    (State::Pending, ["pending", "pending", "pending", "PROCESSING", "Processing", "Requested"]),
    (
        State::Processing,
        ["processing", "pending", "pending", "PROCESSING", "Processing", "Pending"],
    ),
    (
        State::NeedsAttention,
        ["needs_attention", "pending", "pending", "PROCESSING", "Processing", "Pending"],
    ),
    (
        State::Succeeded,
        ["succeeded", "successful", "succeeded", "APPROVED", "Confirmed", "Success"],
    ),
    (State::Failed, ["failed", "failed", "failed", "DECLINED", "Rejected", "Failed"]),
    (State::Canceled, ["canceled", "failed", "failed", "DECLINED", "Canceled", "Canceled"]),
    (State::Reversed, ["reversed", "failed", "failed", "DECLINED", "Rejected", "Failed"]),
];

/// What the API calls the state.
pub fn word(voice: &str, state: State) -> &'static str {
    let column = VOICES.iter().position(|known| known.name() == voice).unwrap();
    STATES.iter().find(|(known, _)| *known == state).unwrap().1[column]
}

/// A concept of the ledger, and the field that has it in each API's answer about a refund; empty
/// where it has none there.
const FIELDS: [(&str, [&str; 6]); 10] = [
    ("the refund", ["id", "uid", "id", "transactionId", "", "id"]),
    ("its order", ["order", "parent_uid", "orderId", "", "", ""]),
    ("its amount", ["amount", "amount", "amount", "amount", "refundValue", "amount"]),
    (
        "its currency",
        ["currency", "currency", "currency", "currency", "refundCurrency", "currency"],
    ),
    ("its state", ["state", "status", "state", "status", "refundStatus", "status"]),
    ("why it is given back", ["reason", "reason", "reason", "", "", ""]),
    ("why it failed", ["failure", "code", "failureReason", "", "", ""]),
    (
        "what the provider calls it",
        [
            "provider_reference",
            "ref_id",
            "",
            "transactionRef",
            "refundExternalId",
            "externalReferenceId",
        ],
    ),
    ("who pays it", ["provider", "gateway_id", "", "paymentProvider", "", "processor"]),
    (
        "when it was made",
        ["created_at", "created_at", "createdTime", "createdOn", "refundDateAdd", "createdAt"],
    ),
];

/// What has no field in an answer, or another shape in each API.
const SHAPES: [(&str, [&str; 6]); 4] = [
    (
        "an order is named by",
        [
            "`ord_…`, or its reference",
            "the uid of its payment, or `tracking_id`",
            "`ord_…`",
            "its return's `returnId`",
            "`sourceType` and `sourceId`, the reference",
            "`order_ids`, the number",
        ],
    ),
    (
        "a payment is",
        [
            "`payments` of the order, `txn_…`",
            "a transaction of type `payment`",
            "a charge, `ch_…`",
            "`PAYMENT`",
            "`paymentId`",
            "`PaymentCapture` and others",
        ],
    ),
    (
        "amounts are",
        [
            "texts in major units, `\"9.99\"`",
            "integers in minor units, `999`",
            "numbers in major units, `9.99`",
            "numbers in major units",
            "numbers in major units",
            "numbers in major units",
        ],
    ),
    (
        "a refund is asked for with",
        [
            "POST `/v1/refunds`",
            "POST `/beyag/transactions/refunds`",
            "POST `/refunds`",
            "recorded, never asked for",
            "`addAutomaticRefund` and others",
            "reported, never asked for",
        ],
    ),
];

/// The field that says when a refund was made, and how, with zeros for digits; what else there is to say
/// of it.
const TIMES: [(&str, &str, &str); 6] = [
    ("created_at", "0000-00-00T00:00:00.000Z", ""),
    ("created_at", "0000-00-00T00:00:00.000Z", "; on beyag without milliseconds"),
    ("createdTime", "0000-00-00T00:00:00Z", ""),
    ("createdOn", "0000-00-00T00:00:00.000+0000", ""),
    ("refundDateAdd", "0000-00-00 00:00:00", " in the merchant's zone"),
    ("createdAt", "0000-00-00T00:00:00+00:00", ""),
];

/// What part of an order was asked for, where an API has words for that.
const KINDS: [(LineKind, [&str; 6]); 5] = [
    (LineKind::Shipping, ["shipping", "", "shipping", "", "", ""]),
    (LineKind::Tax, ["tax", "", "tax", "", "", ""]),
    (LineKind::Duty, ["duty", "", "duty", "", "", ""]),
    (LineKind::ImporterTax, ["importer_tax", "", "importer_tax", "", "", ""]),
    (LineKind::Fee, ["fee", "", "", "", "", ""]),
];

fn row(page: &mut String, head: &str, cells: impl IntoIterator<Item = String>) {
    write!(page, "| {head} |").unwrap();
    for cell in cells {
        write!(page, " {cell} |").unwrap();
    }
    page.push('\n');
}

fn table(page: &mut String, title: &str) {
    row(page, title, VOICES.iter().map(|voice| voice.name().to_owned()));
    row(page, "---", VOICES.iter().map(|_| "---".to_owned()));
}

fn code(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("`{word}`") }
}

/// The page, with the failure codes that were seen.
fn page(failures: &[(FailureCode, Vec<Option<String>>)]) -> String {
    let mut page = String::from(
        "# What each API calls it\n\nThe ledger has one word for each thing; the APIs have their \
         own. This page is made from their\nanswers by a test, which fails when an API says \
         something else. An empty cell: the API has no\nword for it there.\n\n",
    );
    table(&mut page, "in the answer about a refund");
    for (concept, fields) in FIELDS {
        row(&mut page, concept, fields.into_iter().map(code));
    }
    page.push_str("\n## Shapes\n\n");
    table(&mut page, "");
    for (concept, texts) in SHAPES {
        row(&mut page, concept, texts.into_iter().map(str::to_owned));
    }
    let times = TIMES.map(|(_, form, more)| format!("{}{more}", code(form)));
    row(&mut page, "times are", times);
    page.push_str("\n## Parts of an order\n\n");
    table(&mut page, "ledger");
    for (kind, words) in KINDS {
        row(&mut page, &code(kind.name()), words.into_iter().map(code));
    }
    page.push_str("\n## States of a refund\n\n");
    table(&mut page, "ledger");
    for (state, words) in STATES {
        row(&mut page, &code(state.name()), words.into_iter().map(code));
    }
    page.push_str("\n## Why a refund failed\n\n");
    table(&mut page, "ledger");
    for (failure, words) in failures {
        let cells = words.iter().map(|word| code(word.as_deref().unwrap_or_default()));
        row(&mut page, &code(failure.name()), cells);
    }
    page
}

/// The text of the first field of that name, with zeros for its digits.
fn digits_blotted(body: &[u8], field: &str) -> String {
    let body = String::from_utf8_lossy(body);
    let (_, rest) = body.split_once(&format!("\"{field}\":\"")).unwrap();
    let (value, _) = rest.split_once('"').unwrap();
    value.chars().map(|one| if one.is_ascii_digit() { '0' } else { one }).collect()
}

#[tokio::test]
async fn parts_of_an_order_have_the_words_of_the_page() {
    let mut site = Site::start().await;
    for (kind, words) in KINDS {
        let (kind, stage) = (kind.name(), Stage::of_kind(site, kind.name()).await);
        for (voice, word) in VOICES.iter().zip(words) {
            if voice.shows(&stage).await {
                let said = voice.kind(&voice.show(&stage).await);
                assert_eq!(said.unwrap_or_default(), word, "{kind} in {}", voice.name());
            }
        }
        site = stage.site;
    }
    let known = LineKind::ALL.into_iter().filter(|kind| *kind != LineKind::Product);
    assert!(known.eq(KINDS.into_iter().map(|(kind, _)| kind)), "each part has its row");
}

/// Codes that a provider never gives: they come about in the ledger.
const OWN: [FailureCode; 3] =
    [FailureCode::InformationExpired, FailureCode::Canceled, FailureCode::Reversed];

#[tokio::test]
async fn the_page_of_words_is_what_the_apis_say() {
    let mut site = Site::start().await;
    let mut failures = Vec::new();
    for (index, failure) in FailureCode::ALL.into_iter().enumerate() {
        if OWN.contains(&failure) {
            continue;
        }
        let mut stage = Stage::set(site, &format!("F{index}"), "card").await;
        stage.play(&Native, State::Pending).await;
        stage.fail(failure).await;
        let mut words = Vec::new();
        for voice in VOICES.iter() {
            let answer = voice.show(&stage).await;
            let column = words.len();
            for (concept, fields) in FIELDS {
                let field = fields[column];
                let named =
                    String::from_utf8_lossy(&answer.body).contains(&format!("\"{field}\":"));
                assert!(
                    field.is_empty() || named,
                    "{} has no {field} for {concept}: {answer:?}",
                    voice.name()
                );
            }
            let (field, form, _) = TIMES[column];
            assert_eq!(digits_blotted(&answer.body, field), form, "{}", voice.name());
            words.push(voice.reason(&answer));
        }
        failures.push((failure, words));
        site = stage.site;
    }
    let page = page(&failures);
    if std::env::var_os("REFUNDRY_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let kept = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert_eq!(page, kept, "write it anew: REFUNDRY_WRITE_DOCS=1 ./test the_page_of_words");
}
