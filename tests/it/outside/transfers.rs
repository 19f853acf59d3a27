//! Files of bank transfers: what a bank gets, and that it gets each transfer once.

use refundry::testing::access::Caller;
use refundry::testing::store::Administered;
use refundry_domain::command::{Command, Target};
use refundry_domain::ids::{MerchantId, RefundId, TransactionId};
use refundry_domain::merchant::{Administration, NewTransferFile};
use refundry_domain::money::Minor;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use crate::harness::site::Site;
use crate::harness::store::usd;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

async fn settle(site: &Site, settings: Value) {
    site.patch("/v1/settings", settings).send().await.expect(200);
}

async fn debtor(site: &Site) {
    let debtor = json!({"name": "Söhne & Töchter", "iban": "DE89370400440532013000",
                        "bic": "COBADEFFXXX"});
    settle(site, json!({"debtor": debtor, "time_zone": "Europe/Warsaw"})).await;
}

/// An open bank transfer; answers its transaction.
async fn transfer(site: &Site, reference: &str, amount: &str, holder: Option<&str>) -> String {
    let body = json!({"reference": reference, "currency": "EUR", "lines": [{"amount": "2000000000.00"}],
        "payments": [{"provider": "till", "amount": "2000000000.00"}]});
    let order = site.post("/v1/orders", body).send().await.expect(201).id();
    let body = json!({"order": order, "amount": amount, "to": "bank_transfer"});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).json();
    if let Some(holder) = holder {
        let body = json!({"iban": "PL61109010140000071219812874", "account_holder": holder});
        let path = format!("/v1/refunds/{}/information", refund["id"].as_str().unwrap());
        site.post(&path, body).once().send().await.expect(200);
    }
    refund["transactions"][0]["id"].as_str().unwrap().to_owned()
}

async fn export(site: &Site, body: Value) -> Value {
    let answer = site.post("/v1/bank_transfer_files", body).send().await;
    assert!([200, 201].contains(&answer.status.as_u16()), "{answer:?}");
    answer.json()
}

/// The id of a file of one transfer.
pub async fn written(site: &Site) -> String {
    debtor(site).await;
    transfer(site, "of-a-file", "1.00", Some("Ada")).await;
    export(site, json!({})).await["id"].as_str().unwrap().to_owned()
}

async fn file(site: &Site, made: &Value) -> String {
    let path = format!("/v1/bank_transfer_files/{}", made["id"].as_str().unwrap());
    let answer = site.get(&path).send().await.expect(200);
    assert_eq!(answer.header("content-type"), "application/xml");
    assert_eq!(answer.header("cache-control"), "no-store");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The names of a node's elements, in their order: the schema is a sequence.
fn inside(node: Node<'_, '_>) -> Vec<String> {
    node.children()
        .filter(Node::is_element)
        .map(|child| child.tag_name().name().to_owned())
        .collect()
}

fn at<'a>(node: Node<'a, 'a>, path: &str) -> Node<'a, 'a> {
    path.split('/').fold(node, |node, name| {
        let found = node.children().find(|child| child.tag_name().name() == name);
        found.unwrap_or_else(|| panic!("{name} of {path} is not in {:?}", inside(node)))
    })
}

fn text<'a>(node: Node<'a, 'a>, path: &str) -> &'a str {
    at(node, path).text().unwrap_or_default()
}

#[tokio::test]
async fn the_file_is_what_a_bank_takes_element_by_element() {
    let site = Site::start().await;
    debtor(&site).await;
    let first = transfer(&site, "1001", "12.50", Some("Łukasz Żółć")).await;
    let second = transfer(&site, "//R&D <7>//", "0.01", Some(&"Ü".repeat(120))).await;
    let made = export(&site, json!({"execution_date": "2025-06-20"})).await;
    assert_eq!((&made["transfers"], &made["total"]), (&json!(2), &json!("12.51")));
    let xml = file(&site, &made).await;
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{xml}");
    let document = Document::parse(&xml).unwrap();
    let root = document.root_element();
    assert_eq!(
        (root.tag_name().name(), root.tag_name().namespace()),
        ("Document", Some(NAMESPACE))
    );
    for node in root.descendants().filter(Node::is_element) {
        assert_eq!(node.tag_name().namespace(), Some(NAMESPACE));
        let plain =
            |letter: char| letter.is_ascii_alphanumeric() || "/-?:().,'+ \n".contains(letter);
        let said = node.text().unwrap_or_default();
        assert!(said.chars().all(plain), "{said:?} of {}", node.tag_name().name());
        assert!(!said.contains("//") && !said.starts_with('/') && !said.ends_with('/'), "{said}");
    }
    let body = at(root, "CstmrCdtTrfInitn");
    assert_eq!(inside(body), ["GrpHdr", "PmtInf"]);
    let head = at(body, "GrpHdr");
    assert_eq!(inside(head), ["MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "InitgPty"]);
    assert_eq!(text(head, "MsgId"), made["message_id"].as_str().unwrap());
    assert!(text(head, "MsgId").len() <= 35);
    // 15:06:40 UTC is 17:06:40 in Warsaw.
    assert!(text(head, "CreDtTm").starts_with("2025-06-15T17:06:40"), "{}", text(head, "CreDtTm"));
    assert_eq!((text(head, "NbOfTxs"), text(head, "CtrlSum")), ("2", "12.51"));
    assert_eq!(text(head, "InitgPty/Nm"), "Soehne + Toechter");
    let group = at(body, "PmtInf");
    let expected = [
        "PmtInfId",
        "PmtMtd",
        "NbOfTxs",
        "CtrlSum",
        "PmtTpInf",
        "ReqdExctnDt",
        "Dbtr",
        "DbtrAcct",
        "DbtrAgt",
        "ChrgBr",
        "CdtTrfTxInf",
        "CdtTrfTxInf",
    ];
    let elements = inside(group);
    let elements: Vec<&str> =
        elements.iter().map(String::as_str).filter(|name| *name != "BtchBookg").collect();
    assert_eq!(elements, expected);
    assert!(!text(group, "PmtInfId").is_empty() && text(group, "PmtInfId").len() <= 35);
    assert_eq!((text(group, "PmtMtd"), text(group, "ChrgBr")), ("TRF", "SLEV"));
    assert_eq!((text(group, "NbOfTxs"), text(group, "CtrlSum")), ("2", "12.51"));
    assert_eq!(text(group, "PmtTpInf/SvcLvl/Cd"), "SEPA");
    assert_eq!(text(group, "ReqdExctnDt/Dt"), "2025-06-20");
    assert_eq!(text(group, "Dbtr/Nm"), "Soehne + Toechter");
    assert_eq!(text(group, "DbtrAcct/Id/IBAN"), "DE89370400440532013000");
    assert_eq!(text(group, "DbtrAgt/FinInstnId/BICFI"), "COBADEFFXXX");
    let transfers: Vec<Node<'_, '_>> =
        group.children().filter(|node| node.tag_name().name() == "CdtTrfTxInf").collect();
    let names = [first, second].map(|id| id.replace("txn_", "TXN-"));
    let rows = [
        ("12.50", "Lukasz Zolc".to_owned(), "Refund of order 1001"),
        ("0.01", "Ue".repeat(35), "Refund of order /R+D (7)/"),
    ];
    for ((node, name), (amount, holder, said)) in transfers.iter().zip(names).zip(rows) {
        assert_eq!(inside(*node), ["PmtId", "Amt", "Cdtr", "CdtrAcct", "RmtInf"]);
        assert_eq!(text(*node, "PmtId/EndToEndId"), name);
        assert_eq!(text(*node, "Amt/InstdAmt"), amount);
        assert_eq!(at(*node, "Amt/InstdAmt").attribute("Ccy"), Some("EUR"));
        assert_eq!(text(*node, "Cdtr/Nm").to_lowercase(), holder.to_lowercase());
        assert_eq!(text(*node, "CdtrAcct/Id/IBAN"), "PL61109010140000071219812874");
        let ustrd = text(*node, "RmtInf/Ustrd");
        assert!(ustrd.starts_with(said) && ustrd.ends_with(&name), "{ustrd}");
    }
}

#[tokio::test]
async fn each_transfer_stands_in_one_file_unless_it_is_asked_for_again() {
    let site = Site::start().await;
    let early = site.post("/v1/bank_transfer_files", json!({})).send().await;
    early.expect_problem(422, "field_missing").at("/debtor");
    debtor(&site).await;
    assert!(export(&site, json!({})).await["id"].is_null(), "there is nothing to be written");
    let one = transfer(&site, "1", "1.00", Some("Ada")).await;
    let unknown = transfer(&site, "2", "2.00", None).await;
    let tried = site.post("/v1/bank_transfer_files?dry_run=true", json!({})).send().await;
    assert_eq!(tried.expect(200).json()["transfers"], 1);
    let first = export(&site, json!({})).await;
    assert_eq!((&first["transfers"], &first["total"]), (&json!(1), &json!("1.00")));
    let xml = file(&site, &first).await;
    assert!(export(&site, json!({})).await["id"].is_null(), "it has been written");

    let list = site.get("/v1/bank_transfers").send().await.expect(200).json();
    let rows = list["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["transaction"], &rows[0]["lacks"]),
        (&json!(unknown), &json!("bank_details"))
    );
    assert_eq!((&rows[1]["transaction"], &rows[1]["file"]), (&json!(one), &first["id"]));
    assert_eq!(rows[1]["last4"], "2874");

    let two = transfer(&site, "3", "3.00", Some("Bob")).await;
    let second = export(&site, json!({})).await;
    assert_eq!((&second["transfers"], &second["total"]), (&json!(1), &json!("3.00")));
    assert_ne!(second["message_id"], first["message_id"]);
    assert!(file(&site, &second).await.contains(&two.replace("txn_", "TXN-")));
    let again = export(&site, json!({"again": true})).await;
    assert_eq!((&again["transfers"], &again["total"]), (&json!(2), &json!("4.00")));
    assert_eq!(file(&site, &first).await, xml, "the same bytes each time");

    // What is reported as paid is open no more.
    let path = format!("/v1/transactions/{one}");
    site.patch(&path, json!({"state": "succeeded"})).send().await.expect(200);
    let again = export(&site, json!({"again": true})).await;
    assert_eq!((&again["transfers"], &again["total"]), (&json!(1), &json!("3.00")));
    let files = site.get("/v1/bank_transfer_files").send().await.expect(200).json();
    assert_eq!(files["data"].as_array().unwrap().len(), 4);
    let events = site.get("/v1/events?type=bank_transfers.exported").send().await.json();
    assert_eq!(events["data"].as_array().unwrap().len(), 4);
    assert!(!events.to_string().contains("PL6110"), "accounts stay out of the events");

    for (body, pointer) in [
        (json!({"execution_date": "2025-06-14"}), "/execution_date"),
        (json!({"execution_date": "soon"}), "/execution_date"),
    ] {
        let refused = site.post("/v1/bank_transfer_files", body).send().await;
        refused.expect_problem(422, "field_invalid").at(pointer);
    }
    let other = site.merchant("Other").await;
    let key = site.make_key(other, &refundry_domain::merchant::Scope::ALL, 100).await;
    let path = format!("/v1/bank_transfer_files/{}", first["id"].as_str().unwrap());
    site.get(&path).key(&key).send().await.expect(404);
}

#[tokio::test]
async fn only_euros_go_by_sepa() {
    let site = Site::start().await;
    debtor(&site).await;
    let order = site.order("20.00").await;
    let body = json!({"order": order, "amount": "1.00", "to": "bank_transfer"});
    let refund = site.post("/v1/refunds", body).once().send().await.expect(201).id();
    let body = json!({"iban": "DE89370400440532013000", "account_holder": "Ada"});
    site.post(&format!("/v1/refunds/{refund}/information"), body).once().send().await.expect(200);
    let list = site.get("/v1/bank_transfers").send().await.expect(200).json();
    assert_eq!(list["data"][0]["lacks"], "currency");
    assert!(export(&site, json!({})).await["id"].is_null());
}

async fn state(site: &Site, transaction: &str) -> Value {
    let path = format!("/v1/transactions/{transaction}");
    site.get(&path).send().await.expect(200).json()["state"].clone()
}

async fn report(site: &Site, transaction: &str, state: &str) {
    let path = format!("/v1/transactions/{transaction}");
    site.patch(&path, json!({"state": state})).send().await.expect(200);
}

/// The newest open transfer, as it is listed.
async fn newest(site: &Site) -> Value {
    site.get("/v1/bank_transfers").send().await.expect(200).json()["data"][0].clone()
}

/// The bank would pay what was called off here, or to an account that was replaced since.
#[tokio::test]
async fn what_stands_in_a_file_is_neither_canceled_nor_paid_to_another_account() {
    let site = Site::start().await;
    debtor(&site).await;
    let one = transfer(&site, "1", "1.00", Some("Ada")).await;
    let refund = newest(&site).await["refund"].as_str().unwrap().to_owned();
    let tried = site.post("/v1/bank_transfer_files?dry_run=true", json!({})).send().await;
    tried.expect(200);
    assert_eq!(state(&site, &one).await, "requested", "a dry run acknowledges nothing");
    assert_eq!(export(&site, json!({})).await["transfers"], 1);
    assert_eq!(state(&site, &one).await, "processing");
    let canceled = site.post(&format!("/v1/refunds/{refund}/cancel"), json!({})).send().await;
    canceled.expect_problem(409, "wrong_state");
    let body = json!({"iban": "DE89370400440532013000", "account_holder": "Bob"});
    let path = format!("/v1/refunds/{refund}/information");
    site.post(&path, body).once().send().await.expect_problem(409, "wrong_state");
    assert_eq!(newest(&site).await["last4"], "2874");
    // Whoever knows that the bank has not taken the file can call it off.
    report(&site, &one, "canceled").await;
    assert!(export(&site, json!({"again": true})).await["id"].is_null());
}

#[tokio::test]
async fn what_was_reported_meanwhile_stands_in_no_file() {
    let site = Site::start().await;
    debtor(&site).await;
    let paid = transfer(&site, "1", "1.00", Some("Ada")).await;
    let open = transfer(&site, "2", "2.00", Some("Bob")).await;
    report(&site, &paid, "succeeded").await;
    // Also as it is after a crash between the acknowledgment and the file.
    report(&site, &open, "processing").await;
    let made = export(&site, json!({})).await;
    assert_eq!((&made["transfers"], &made["total"]), (&json!(1), &json!("2.00")));
    // The store itself sees what was reported after the file was drawn.
    let number = |id: &str| TransactionId(id.strip_prefix("txn_").unwrap().parse().unwrap());
    let late = NewTransferFile {
        message_id: "late".to_owned(),
        currency: usd(),
        total: Minor::new(100).unwrap(),
        sealed: b"late".to_vec(),
        transfers: vec![(number(&paid), None)],
    };
    let caller = Caller::internal(MerchantId(1), "test");
    let done = site.ledger.administer(&caller, Administration::ExportTransfers(late)).await;
    assert_eq!(done.unwrap(), Administered::Stale);
    let files = site.get("/v1/bank_transfer_files").send().await.expect(200).json();
    assert_eq!(files["data"].as_array().unwrap().len(), 1);
}

/// One customer's name would keep everybody else's money back.
#[tokio::test]
async fn what_cannot_be_written_holds_up_nothing_else() {
    let site = Site::start().await;
    debtor(&site).await;
    transfer(&site, "1", "1.00", Some("Ada")).await;
    transfer(&site, "3", "1000000000.00", Some("Eve")).await;
    assert_eq!(newest(&site).await["lacks"], "amount");
    let odd = transfer(&site, "2", "2.00", None).await;
    let refund = newest(&site).await["refund"].as_str().unwrap().to_owned();
    let path = format!("/v1/refunds/{refund}/information");
    let body = json!({"iban": "PL61109010140000071219812874", "account_holder": "/ //"});
    let refused = site.post(&path, body).once().send().await;
    refused.expect_problem(422, "field_invalid").at("/account_holder");
    // As it was kept before such names were refused.
    let number = RefundId(refund.strip_prefix("ref_").unwrap().parse().unwrap());
    let context = format!("refund-information/{}/{number}", MerchantId(1));
    let text = b"PL61109010140000071219812874\n//\n";
    let mut sealed = b"\x012874".to_vec();
    sealed.extend(site.sealer.seal(text, &context).unwrap());
    let caller = Caller::internal(MerchantId(1), "test");
    let give = Command::GiveInformation { sealed, answers: None };
    site.ledger.carry_out(&caller, Target::Refund(number), give, None, false).await.unwrap();
    let listed = newest(&site).await;
    assert_eq!((&listed["transaction"], &listed["lacks"]), (&json!(odd), &json!("account_holder")));
    let made = export(&site, json!({})).await;
    assert_eq!((&made["transfers"], &made["total"]), (&json!(1), &json!("1.00")));
    assert_eq!(state(&site, &odd).await, "requested", "its details can be replaced");
    let body = json!({"iban": "PL61109010140000071219812874", "account_holder": "Bob"});
    site.post(&path, body).once().send().await.expect(200);
    assert_eq!(export(&site, json!({})).await["total"], "2.00");
}
