//! A shop's past, imported: what a user would lose if a penny or a unit went astray here.

use std::fs::File;
use std::path::Path;

use refundry::testing::import::{Plan, Step, plan_of};

fn month() -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/online-retail-2010-12.csv.gz");
    plan_of(File::open(file).unwrap()).unwrap()
}

#[test]
fn the_month_is_planned_whole() {
    let plan = month();
    assert_eq!((plan.orders.len(), plan.cancellations.len(), plan.refunds.len()), (1559, 690, 302));
    assert_eq!(plan.steps.iter().filter(|step| matches!(step, Step::Order(_))).count(), 1559);
}
