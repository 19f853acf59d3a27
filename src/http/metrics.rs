//! What is counted, for Prometheus. No label ever holds a merchant's data.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use refundry_domain::command::Command;
use refundry_domain::credit::CreditCommand;

use crate::connections::breaker::Circuit;
use crate::delivery::Counts;
use crate::ledger::{Answered, Fault, Seen};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verb {
    verb: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Left {
    verb: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct InQueue {
    pub queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Breaker {
    merchant: i64,
    gateway: String,
    state: &'static str,
}

pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    latency: Histogram,
    commands: Family<Verb, Counter>,
    refunds: Family<Left, Counter>,
    pub due: Family<InQueue, Gauge>,
    circuits: Family<Breaker, Gauge>,
    pub ready: Gauge,
    pub sending_stopped: Gauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let latency = Histogram::new([
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
            2.5, 10.0,
        ]);
        let mut metrics = Metrics {
            registry: Registry::with_prefix("refundry"),
            requests: Family::default(),
            latency,
            commands: Family::default(),
            refunds: Family::default(),
            due: Family::default(),
            circuits: Family::default(),
            ready: Gauge::default(),
            sending_stopped: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests by route and status", self.requests.clone());
        registry.register(
            "http_request_seconds",
            "Time from a request's head to the head of its answer",
            self.latency.clone(),
        );
        registry.register("commands", "Commands by verb and result", self.commands.clone());
        registry.register(
            "refund_commands",
            "Commands on refunds, by the state in which they left them",
            self.refunds.clone(),
        );
        registry.register(
            "queue_due",
            "Work that is due and that nobody has taken, up to 1000",
            self.due.clone(),
        );
        registry.register(
            "gateway_circuit",
            "1 for the state of the circuit breaker of a merchant's gateway, once it failed",
            self.circuits.clone(),
        );
        registry.register("ready", "1 when writes are taken", self.ready.clone());
        registry.register(
            "sending_stopped",
            "1 when no money is sent because the books are behind their anchor",
            self.sending_stopped.clone(),
        );
    }

    /// Shows what is counted of webhooks too.
    pub fn register_webhooks(&mut self, counts: &Counts) {
        let (registry, tries) = (&mut self.registry, "Webhook tries that");
        registry.register(
            "webhooks_delivered",
            format!("{tries} were answered with 2xx"),
            counts.succeeded.clone(),
        );
        registry.register("webhooks_failed", format!("{tries} were not"), counts.failed.clone());
    }

    /// Counts a request; `route` is that of the table, never what was asked for.
    pub fn request(&self, method: &'static str, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { method, route, status }).inc();
        self.latency.observe(took.as_secs_f64());
    }

    pub fn circuit(&self, merchant: i64, gateway: &str, circuit: Circuit) {
        for state in Circuit::ALL {
            let labels = Breaker { merchant, gateway: gateway.to_owned(), state: state.name() };
            self.circuits.get_or_create(&labels).set(i64::from(state == circuit));
        }
    }

    pub fn command(&self, seen: Seen<'_>) {
        match seen {
            Seen::OfOrder(command, answered) => {
                let verb = verb(command);
                self.commands.get_or_create(&Verb { verb, result: result(answered) }).inc();
                if let Ok(Answered::Done { book, .. }) = answered
                    && let Some(refund) = &book.refund
                {
                    self.refunds.get_or_create(&Left { verb, state: refund.state.name() }).inc();
                }
            }
            Seen::OfCredit(command, answered) => {
                let verb = match command {
                    CreditCommand::Spend { .. } => "spend_credit",
                    CreditCommand::Undo { .. } => "undo_spend",
                    CreditCommand::IssueCode(_) => "issue_code",
                };
                self.commands.get_or_create(&Verb { verb, result: result(answered) }).inc();
            }
        }
    }

    /// The text format.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(8 * 1024);
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

fn result<T>(answered: Result<&Answered<T>, &Fault>) -> &'static str {
    match answered {
        Ok(Answered::Done { .. }) => "done",
        Ok(Answered::Refused { .. }) => "refused",
        Ok(Answered::Replayed(_)) => "replayed",
        Ok(Answered::KeyReused) => "key_reused",
        Err(Fault::InProgress) => "in_progress",
        Err(Fault::Store(_)) => "fault",
    }
}

fn verb(command: &Command) -> &'static str {
    match command {
        Command::RegisterOrder(_) => "register_order",
        Command::RecordPayment(_) => "record_payment",
        Command::ChangeOrder(_) => "change_order",
        Command::OpenReturn(_) => "open_return",
        Command::ChangeReturn(_) => "change_return",
        Command::RequestRefund(_) => "request_refund",
        Command::ChangeRefund(_) => "change_refund",
        Command::Confirm { .. } => "confirm",
        Command::Cancel { .. } => "cancel",
        Command::Retry => "retry",
        Command::GiveInformation { .. } => "give_information",
        Command::Expire => "expire",
        Command::Start { .. } => "start",
        Command::Report(_) => "report",
        Command::Annotate { .. } => "annotate",
    }
}
