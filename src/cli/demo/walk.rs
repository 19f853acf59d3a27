//! The main job, step by step over HTTP. Each answer is checked: a demo that lies is worse than
//! none.

use std::time::Duration;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::show::Show;
use crate::cli::Failure;
use crate::cli::client::{Ask, Client, Reply};
use crate::cli::import::report::thousands;
use crate::ledger::Ledger;
use crate::ledger::verify::{Counts, verify};

/// How long the sandbox may take to pay, and how often it is asked whether it has.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

const TEA_SET: &str = r#"{"reference": "tea-1001", "currency": "GBP",
 "customer": {"reference": "ada", "email": "ada@example.com"},
 "lines": [{"sku": "teapot", "name": "Teapot", "quantity": 1, "amount": "30.00"},
  {"sku": "cup", "name": "Cup", "quantity": 3, "amount": "20.00"},
  {"kind": "shipping", "amount": "4.95"}],
 "payments": [
  {"provider": "sandbox", "method": "card", "amount": "40.00", "provider_reference": "card-1"},
  {"provider": "sandbox", "method": "voucher", "amount": "14.95", "provider_reference": "voucher-1"}]}"#;

const BROKEN_CUP: &str = r#"{"reference": "tea-1002", "currency": "GBP",
 "lines": [{"sku": "cup", "quantity": 1, "amount": "6.67"}],
 "payments": [{"provider": "sandbox", "amount": "6.67",
  "provider_reference": "sandbox_decline_once:tea-1002"}]}"#;

pub struct Walk {
    client: Client,
    ledger: Arc<Ledger>,
    show: Show,
    step: usize,
}

/// What the steps hand on.
struct TeaSet {
    order: String,
    refund: String,
    asked: String,
    answered: Bytes,
}

const REFUND_KEY: &str = "demo-teapot-and-two-cups";

impl Walk {
    pub fn new(client: Client, ledger: Arc<Ledger>) -> Walk {
        Walk { client, ledger, show: Show::new(), step: 0 }
    }

    pub async fn run(&mut self) -> Result<(), Failure> {
        let order = self.order_with_two_payments().await?;
        self.what_may_be_refunded(&order).await?;
        let refund = self.refund_by_items(order).await?;
        self.paid_out(&refund).await?;
        self.over_refund(&refund.order).await?;
        self.repeated(&refund).await?;
        self.declined_and_retried().await?;
        self.events(&refund.order).await?;
        self.verified().await
    }

    async fn order_with_two_payments(&mut self) -> Result<String, Failure> {
        self.show.aside("Answers are shown without fields that are empty or say nothing here.");
        self.title("An order, paid with a card and a voucher");
        let reply = self.post("/v1/orders", TEA_SET, Some("demo-tea-1001")).await?;
        let order = expect(&reply, 201)?;
        same(&order, "/balances/captured", "54.95")?;
        same(&order, "/balances/left", "54.95")?;
        Ok(text(&order, "/id")?.to_owned())
    }

    async fn what_may_be_refunded(&mut self, order: &str) -> Result<(), Failure> {
        self.title("What may be refunded, and how 43.33 would be split");
        let reply =
            self.ask(&Ask::get(&format!("/v1/orders/{order}/refundable?amount=43.33"))).await?;
        let answer = expect(&reply, 200)?;
        same(&answer, "/left", "54.95")?;
        same(&answer, "/split/parts/0/amount", "40.00")?;
        same(&answer, "/split/parts/1/amount", "3.33")
    }

    async fn refund_by_items(&mut self, order: String) -> Result<TeaSet, Failure> {
        self.title("A refund by items: the teapot and two of the three cups");
        let asked = format!(
            r#"{{"order": "{order}", "items": [{{"sku": "teapot"}}, {{"sku": "cup", "quantity": 2}}],
 "reason": "requested_by_customer"}}"#
        );
        let reply = self.post("/v1/refunds", &asked, Some(REFUND_KEY)).await?;
        let refund = expect(&reply, 201)?;
        same(&refund, "/amount", "43.33")?;
        same(&refund, "/items/1/amount", "13.33")?;
        same(&refund, "/transactions/0/amount", "40.00")?;
        same(&refund, "/transactions/1/amount", "3.33")?;
        self.show.note("two of three cups at 20.00 are 13.33; the third will give 6.67");
        self.show.note("split over both payments: 40.00 and 3.33");
        let refund = text(&refund, "/id")?.to_owned();
        Ok(TeaSet { order, refund, asked, answered: reply.body })
    }

    async fn paid_out(&mut self, made: &TeaSet) -> Result<(), Failure> {
        self.title("The sandbox pays it out");
        let refund = self.until(&made.refund, "succeeded").await?;
        same(&refund, "/refunded_amount", "43.33")
    }

    async fn over_refund(&mut self, order: &str) -> Result<(), Failure> {
        self.title("More than is left is refused");
        let asked = format!(r#"{{"order": "{order}", "amount": "11.63"}}"#);
        let reply = self.post("/v1/refunds", &asked, Some("demo-too-much")).await?;
        let problem = expect(&reply, 422)?;
        same(&problem, "/code", "more_than_is_left")?;
        self.show.note("11.62 is left, and not a penny more goes back");
        Ok(())
    }

    async fn repeated(&mut self, made: &TeaSet) -> Result<(), Failure> {
        self.title("The same request again is answered the same, and pays nothing again");
        let reply = self.post("/v1/refunds", &made.asked, Some(REFUND_KEY)).await?;
        must(reply.status == 201, "the repeated request has the first status")?;
        must(reply.body == made.answered, "the repeated answer is the first, byte for byte")?;
        let replayed = reply.headers.get("idempotent-replayed").map(|value| value.as_bytes());
        must(replayed == Some(b"true"), "the answer says that it was replayed")?;
        self.show.note("byte for byte the first answer");
        Ok(())
    }

    async fn declined_and_retried(&mut self) -> Result<(), Failure> {
        self.title("A refund that the provider declines, and its retry");
        let reply = self.post("/v1/orders", BROKEN_CUP, Some("demo-tea-1002")).await?;
        let order = text(&expect(&reply, 201)?, "/id")?.to_owned();
        let asked = format!(r#"{{"order": "{order}", "percent": "100"}}"#);
        let reply = self.post("/v1/refunds", &asked, Some("demo-broken-cup")).await?;
        let refund = text(&expect(&reply, 201)?, "/id")?.to_owned();
        let failed = self.until(&refund, "failed").await?;
        same(&failed, "/failure/code", "declined")?;
        let path = format!("/v1/refunds/{refund}/retry");
        let reply = self.post(&path, "{}", Some("demo-broken-cup-again")).await?;
        must(reply.status < 300, "the retry is taken")?;
        let paid = self.until(&refund, "succeeded").await?;
        same(&paid, "/refunded_amount", "6.67")
    }

    async fn events(&mut self, order: &str) -> Result<(), Failure> {
        self.title("Everything that happened, as events");
        let reply = self.ask(&Ask::get(&format!("/v1/orders/{order}/events"))).await?;
        let events = expect(&reply, 200)?;
        let rows = events.pointer("/data").and_then(Value::as_array);
        let names: Vec<&str> = rows
            .into_iter()
            .flatten()
            .filter_map(|event| event.pointer("/type").and_then(Value::as_str))
            .collect();
        for name in ["order.registered", "refund.requested", "refund.succeeded"] {
            must(names.contains(&name), &format!("there is an event {name}"))?;
        }
        Ok(())
    }

    /// What `refundry verify` does, over the books that are being served.
    async fn verified(&mut self) -> Result<(), Failure> {
        self.title("Verified: every balance from its events, every event from the one before");
        let report = verify(self.ledger.books(), &mut |_| ())
            .await
            .map_err(|problem| Failure::new(problem.to_string()))?;
        for finding in &report.findings {
            self.show.aside(&finding.to_string());
        }
        must(report.findings.is_empty(), "the books add up")?;
        let Counts { orders, refunds, events, .. } = report.counts;
        let (orders, refunds, events) = (thousands(orders), thousands(refunds), thousands(events));
        self.show.note(&format!(
            "{orders} orders, {refunds} refunds and {events} events read: the books add up, \
             nothing was altered and nothing is missing"
        ));
        Ok(())
    }

    fn title(&mut self, text: &str) {
        self.step += 1;
        self.show.title(self.step, text);
    }

    async fn post(&mut self, path: &str, body: &str, key: Option<&str>) -> Result<Reply, Failure> {
        let ask = Ask { method: "POST", path, body: Some(body), idempotency_key: key };
        self.ask(&ask).await
    }

    async fn ask(&mut self, ask: &Ask<'_>) -> Result<Reply, Failure> {
        self.show.request(ask);
        let reply = self.client.send(ask).await?;
        self.show.answer(&reply);
        Ok(reply)
    }

    /// Asks for the refund until it is in a state; shows the last answer.
    async fn until(&mut self, refund: &str, state: &str) -> Result<Value, Failure> {
        let path = format!("/v1/refunds/{refund}");
        let ask = Ask::get(&path);
        self.show.request(&ask);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = self.client.send(&ask).await?;
            let answer = json(&reply)?;
            if text(&answer, "/state")? == state {
                self.show.answer(&reply);
                self.show.note(&format!("{refund} is {state}"));
                return Ok(answer);
            }
            if Instant::now() > deadline {
                self.show.answer(&reply);
                return Err(Failure::new(format!("{refund} did not become {state} in time")));
            }
            sleep(LOOK).await;
        }
    }
}

fn json(reply: &Reply) -> Result<Value, Failure> {
    serde_json::from_slice(&reply.body)
        .map_err(|problem| Failure::new(format!("the answer is not JSON: {problem}")))
}

fn expect(reply: &Reply, status: u16) -> Result<Value, Failure> {
    if reply.status != status {
        let message = format!("the answer has status {}, expected {status}", reply.status);
        return Err(Failure::new(message));
    }
    json(reply)
}

fn text<'a>(answer: &'a Value, at: &str) -> Result<&'a str, Failure> {
    let found = answer.pointer(at).and_then(Value::as_str);
    found.ok_or_else(|| Failure::new(format!("the answer has no text at {at}")))
}

fn same(answer: &Value, at: &str, wanted: &str) -> Result<(), Failure> {
    let found = text(answer, at)?;
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(format!("{at} is {found:?}, expected {wanted:?}")))
}

fn must(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(format!("it does not hold that {what}"))) }
}
