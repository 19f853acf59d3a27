//! `refundry verify`: proof that the books are right.

use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Common, Ended, Failure, block_on, output};
use crate::clock::{Clock, SystemClock};
use crate::config::Overrides;
use crate::ledger::verify::{self, Counts, Report};
use crate::store::{Standing, Store};

/// Prove that the books add up and were not altered, while no server runs
///
/// Recomputes every balance from the events, checks every event against the hash of its
/// predecessor and every seal against the events under it, and compares the newest with the anchor
/// outside the database. Exit code 0: all is right; 1: something was found; 2: it could not look.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry verify
  refundry verify --data /var/lib/refundry --json
  refundry verify --accept      the books were restored from a copy, and are to go on from there")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Take the books as they are for the truth from now on, and let money be sent again: an
    /// operator has decided. The decision is recorded as an event
    #[arg(long)]
    accept: bool,
}

pub fn run(args: &Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    let (as_json, accept) = (args.json, args.accept);
    block_on(async move {
        let store = super::existing_books(&config).await?;
        let ended = look(store.as_ref(), as_json, accept).await;
        store.close().await;
        ended
    })
}

async fn look(store: &dyn Store, as_json: bool, accept: bool) -> Ended {
    let failed = |error: crate::store::StoreError| Failure::new(error.to_string());
    if accept && store.standing() != Standing::Intact {
        let by: Arc<str> = "cli".into();
        store.accept(by, SystemClock.now()).await.map_err(failed)?;
    }
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let mut progress = |counts: &Counts| {
        bar.set_message(summary(counts));
        bar.tick();
    };
    let report = verify::verify(store, &mut progress).await.map_err(failed)?;
    bar.finish_and_clear();
    let standing = store.standing();
    if as_json {
        output::line(&as_object(&report, &standing).to_string());
    } else {
        tell(&report, &standing);
    }
    let clean = is_clean(&report, &standing);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn is_clean(report: &Report, standing: &Standing) -> bool {
    report.findings.is_empty() && *standing == Standing::Intact
}

fn summary(counts: &Counts) -> String {
    let Counts { orders, refunds, events, seals, .. } = counts;
    format!("{orders} orders, {refunds} refunds, {events} events, {seals} seals")
}

fn tell(report: &Report, standing: &Standing) {
    for finding in &report.findings {
        output::line(&finding.to_string());
    }
    if report.further_findings > 0 {
        output::line(&format!("and {} more findings", report.further_findings));
    }
    if let Standing::Behind(why) = standing {
        output::line(&format!(
            "The books are not what they were when they were last seen: {why}. No money is sent. \
             Find out why (an old copy restored, a damaged disk); if the books are to go on as \
             they are, run this again with --accept."
        ));
    }
    output::line(&format!("Read {}.", summary(&report.counts)));
    if is_clean(report, standing) {
        output::line("The books add up; nothing was altered and nothing is missing.");
    }
}

fn as_object(report: &Report, standing: &Standing) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "merchant": finding.merchant.map(|merchant| merchant.0),
                "kind": finding.kind,
                "number": finding.number,
                "what": finding.what,
            })
        })
        .collect();
    let Counts {
        merchants,
        orders,
        refunds,
        transactions,
        returns,
        accounts,
        entries,
        events,
        seals,
    } = report.counts;
    let behind = match standing {
        Standing::Intact => None,
        Standing::Behind(why) => Some(why),
    };
    json!({
        "clean": is_clean(report, standing),
        "behind": behind,
        "merchants": merchants,
        "orders": orders,
        "refunds": refunds,
        "transactions": transactions,
        "returns": returns,
        "credit_accounts": accounts,
        "credit_entries": entries,
        "events": events,
        "seals": seals,
        "findings": findings,
        "further_findings": report.further_findings,
    })
}
