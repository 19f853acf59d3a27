//! `refundry sandbox`: what the sandbox has paid out.

use std::process::ExitCode;

use serde_json::json;

use super::{Common, Ended, Failure, output};
use crate::config::Overrides;
use crate::gateways::sandbox;

/// Show what the sandbox has paid out, as JSON
///
/// Works while a server runs. Each payout is counted once, however often it was called for;
/// amounts are in minor units and leave out what was taken back.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  refundry sandbox --data ./data
  refundry sandbox --payments | jq 'select(.payment == \"txn_5\")'")]
pub struct Args {
    #[command(flatten)]
    common: Common,
    /// One line for each payment that something was paid back of, instead of the totals
    #[arg(long)]
    payments: bool,
}

pub fn run(args: &Args) -> Ended {
    let config = args.common.configure(Overrides::default())?;
    let failed = |error: sandbox::RecordError| Failure::new(error.to_string());
    if args.payments {
        sandbox::each_payment(&config.data, |total| {
            let line = json!({
                "merchant": total.merchant.0,
                "payment": format!("txn_{}", total.payment),
                "payouts": total.payouts,
                "amount_minor": total.amount,
                "currency": total.currency,
            });
            output::line(&line.to_string());
        })
        .map_err(failed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let totals = sandbox::totals(&config.data).map_err(failed)?;
    let amounts: serde_json::Map<String, serde_json::Value> =
        totals.amounts.into_iter().map(|(code, minor)| (code, json!(minor))).collect();
    let all = json!({
        "payouts": totals.payouts,
        "reversed": totals.reversed,
        "calls": totals.calls,
        "asks": totals.asks,
        "amounts_minor": amounts,
    });
    output::line(&all.to_string());
    Ok(ExitCode::SUCCESS)
}
