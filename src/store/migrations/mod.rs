//! The steps in which the schema came about: one list, with a file for each database.

pub struct Migration {
    pub number: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// Forward only, each once, in this order; what was released is never changed. There is no step 8,
/// and books that have step 9 would take it for altered.
macro_rules! migrations {
    ($file:literal: $($number:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!($name, "/", $file)),
        }),*]
    };
    ($file:literal) => {
        migrations!(
            $file:
            1 "0001_books",
            2 "0002_gateways",
            3 "0003_webhooks",
            4 "0004_day_keys",
            5 "0005_tracking",
            6 "0006_credit",
            7 "0007_outside",
            9 "0009_notes_and_tokens",
            10 "0010_found_by",
            11 "0011_deadlines",
            12 "0012_reports",
            13 "0013_daily_limit",
            15 "0015_report_months",
        )
    };
}

pub const SQLITE: &[Migration] = migrations!("sqlite.sql");
pub const POSTGRES: &[Migration] = migrations!("postgres.sql");
