//! What the sandbox does with an attempt: written in the payment's `provider_reference`, or in the
//! amount when that says so. The words are documented in `docs/gateways.md`.

use refundry_domain::ids::Timestamp;
use refundry_domain::money::Minor;
use refundry_domain::outcome::{Failure, FailureCode, Outcome};

/// A payment whose reference begins so is scripted; every other payment is simply paid back.
pub const PREFIX: &str = "sandbox_";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    Succeed,
    Decline(FailureCode),
    /// The first attempt on the payment is declined, later ones succeed.
    DeclineOnce,
    Pend {
        then: Ending,
        after: After,
    },
    TimeOutBefore,
    TimeOutAfter,
    ServerErrorBefore,
    ServerErrorAfter,
    MalformedAnswer,
    WrongAmount,
    NotifyTwice,
    NotifyBeforeAnswer,
    NotifyLate {
        ms: i64,
    },
    Slow {
        ms: i64,
    },
    Reverse {
        ms: i64,
    },
    /// Paid, but the answer is lost and so many questions are answered "no such refund".
    FoundLate {
        asks: u32,
    },
    NeverAnswer,
    /// The reference begins like a script and is none.
    Nonsense,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Paid,
    Declined,
}

/// When something that was pending ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Asks(u32),
    Ms(i64),
}

impl Script {
    pub fn of(payment_reference: Option<&str>, amount: Minor) -> Script {
        let Some(words) = payment_reference.and_then(|text| text.strip_prefix(PREFIX)) else {
            return Script::Succeed;
        };
        let words = words.split_once(':').map_or(words, |(script, _)| script);
        if words == "amounts" { Script::by_amount(amount) } else { Script::named(words) }
    }

    fn named(words: &str) -> Script {
        let (name, number) = trailing_number(words);
        let ms = |usual| match number {
            Some(After::Ms(ms)) => ms,
            Some(After::Asks(_)) | None => usual,
        };
        match name {
            "succeed" => Script::Succeed,
            "decline" => Script::Decline(FailureCode::Declined),
            "decline_once" => Script::DeclineOnce,
            "pend_then_succeed" => Script::pend(Ending::Paid, number),
            "pend_then_fail" => Script::pend(Ending::Declined, number),
            "time_out_before" => Script::TimeOutBefore,
            "time_out_after" => Script::TimeOutAfter,
            "server_error_before" => Script::ServerErrorBefore,
            "server_error_after" => Script::ServerErrorAfter,
            "malformed_answer" => Script::MalformedAnswer,
            "wrong_amount" => Script::WrongAmount,
            "notify_twice" => Script::NotifyTwice,
            "notify_before_answer" => Script::NotifyBeforeAnswer,
            "notify_late" => Script::NotifyLate { ms: ms(5_000) },
            "slow" => Script::Slow { ms: ms(1_000) },
            "reverse" => Script::Reverse { ms: ms(1_000) },
            "found_late" => Script::FoundLate {
                asks: match number {
                    Some(After::Asks(asks)) => asks,
                    Some(After::Ms(_)) | None => 1,
                },
            },
            "never_answer" => Script::NeverAnswer,
            other => other
                .strip_prefix("decline_")
                .and_then(FailureCode::parse)
                .map_or(Script::Nonsense, Script::Decline),
        }
    }

    fn pend(then: Ending, number: Option<After>) -> Script {
        Script::Pend { then, after: number.unwrap_or(After::Asks(2)) }
    }

    /// The last two digits of the amount in minor units say it; most say succeed.
    fn by_amount(amount: Minor) -> Script {
        let code = amount.get() % 100;
        if let Some(at) = usize::try_from(code).ok().and_then(|code| code.checked_sub(1))
            && let Some(code) = FailureCode::ALL.get(at)
        {
            return Script::Decline(*code);
        }
        match code {
            20 => Script::DeclineOnce,
            21 => Script::pend(Ending::Paid, None),
            22 => Script::pend(Ending::Declined, None),
            23 => Script::TimeOutBefore,
            24 => Script::TimeOutAfter,
            25 => Script::ServerErrorBefore,
            26 => Script::ServerErrorAfter,
            27 => Script::MalformedAnswer,
            28 => Script::WrongAmount,
            29 => Script::NotifyTwice,
            30 => Script::NotifyBeforeAnswer,
            31 => Script::NotifyLate { ms: 5_000 },
            32 => Script::Slow { ms: 1_000 },
            33 => Script::Reverse { ms: 1_000 },
            34 => Script::FoundLate { asks: 1 },
            35 => Script::NeverAnswer,
            _ => Script::Succeed,
        }
    }
}

/// `pend_then_fail_3` → after three questions; `slow_250ms` → 250 milliseconds.
fn trailing_number(words: &str) -> (&str, Option<After>) {
    let Some((name, last)) = words.rsplit_once('_') else { return (words, None) };
    let number = match last.strip_suffix("ms") {
        // No longer than a week, so that nothing overflows.
        Some(ms) => ms.parse().ok().filter(|ms| (0..=604_800_000).contains(ms)).map(After::Ms),
        None => last.parse().ok().map(After::Asks),
    };
    if number.is_some() { (name, number) } else { (words, None) }
}

/// What became of an attempt at the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    Paid,
    Declined,
    /// Paid, and taken back since.
    Reversed,
}

impl Fate {
    pub fn code(self) -> i64 {
        match self {
            Fate::Open => 0,
            Fate::Paid => 1,
            Fate::Declined => 2,
            Fate::Reversed => 3,
        }
    }

    pub fn from_code(code: i64) -> Option<Fate> {
        [Fate::Open, Fate::Paid, Fate::Declined, Fate::Reversed]
            .into_iter()
            .find(|fate| fate.code() == code)
    }
}

/// What the sandbox keeps of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub fate: Fate,
    /// What it was first asked to pay; a repeated key never pays another amount.
    pub amount: Minor,
    /// How often it was told to pay, this time included.
    pub calls: u32,
    /// How often it was asked, this time included.
    pub asks: u32,
    pub first_at: Timestamp,
}

/// What the caller hears, and who else hears something when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub says: Says,
    pub notices: Vec<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Outcome(Outcome),
    /// Nothing, for so long that the caller gives up.
    Nothing,
    /// There is no such attempt.
    Missing,
}

/// The sandbox is told to pay. `first` is whether no other attempt on the payment came before.
pub fn on_pay(script: Script, row: &mut Row, key: &str, first: bool, now: Timestamp) -> Reply {
    let opening = row.calls == 1;
    let lost = |row: &mut Row| {
        if opening {
            row.fate = Fate::Paid;
            Says::Nothing
        } else {
            paid(row, key)
        }
    };
    let mut notices = Vec::new();
    let says = match script {
        Script::Succeed | Script::Slow { .. } => paid(row, key),
        Script::Decline(code) => declined(row, code),
        Script::DeclineOnce if first => declined(row, FailureCode::Declined),
        Script::DeclineOnce => paid(row, key),
        Script::Pend { .. } => settle(script, row, key, now),
        Script::TimeOutBefore if opening => Says::Nothing,
        Script::ServerErrorBefore if opening => server_error(),
        Script::TimeOutBefore | Script::ServerErrorBefore => paid(row, key),
        Script::TimeOutAfter | Script::FoundLate { .. } => lost(row),
        Script::ServerErrorAfter => match lost(row) {
            Says::Nothing => server_error(),
            says @ (Says::Outcome(_) | Says::Missing) => says,
        },
        Script::MalformedAnswer => {
            row.fate = Fate::Paid;
            unknown("The answer cannot be read: `{\"result\": \"succ`.")
        }
        Script::WrongAmount => wrong_amount(row, key),
        Script::NotifyTwice => {
            notices = vec![now, now];
            paid(row, key)
        }
        Script::NotifyBeforeAnswer => {
            notices = vec![now];
            paid(row, key)
        }
        Script::NotifyLate { ms } => {
            row.fate = Fate::Paid;
            notices = vec![row.first_at.after_ms(ms)];
            waiting(key)
        }
        Script::Reverse { ms } => {
            if opening {
                notices = vec![now.after_ms(ms)];
            }
            reversible(row, key, ms, now)
        }
        Script::NeverAnswer => Says::Nothing,
        Script::Nonsense => {
            row.fate = Fate::Declined;
            let message = "The payment's provider_reference begins with sandbox_ and names no \
                           script; docs/gateways.md lists them.";
            let code = FailureCode::InvalidRequest;
            Says::Outcome(Outcome::Declined(Failure { code, message: message.to_owned() }))
        }
    };
    if !opening {
        notices.clear();
    }
    Reply { says, notices }
}

/// The sandbox is asked what became of an attempt that it was told of.
pub fn on_ask(script: Script, row: &mut Row, key: &str, now: Timestamp) -> Reply {
    let says = match script {
        Script::Pend { .. } => settle(script, row, key, now),
        Script::Reverse { ms } if row.fate != Fate::Open => reversible(row, key, ms, now),
        Script::FoundLate { asks } if row.asks <= asks => Says::Missing,
        Script::WrongAmount if row.fate == Fate::Paid => wrong_amount(row, key),
        Script::Decline(code) => declined(row, code),
        Script::NeverAnswer => Says::Nothing,
        Script::Succeed
        | Script::DeclineOnce
        | Script::TimeOutBefore
        | Script::TimeOutAfter
        | Script::ServerErrorBefore
        | Script::ServerErrorAfter
        | Script::MalformedAnswer
        | Script::WrongAmount
        | Script::NotifyTwice
        | Script::NotifyBeforeAnswer
        | Script::NotifyLate { .. }
        | Script::Slow { .. }
        | Script::Reverse { .. }
        | Script::FoundLate { .. }
        | Script::Nonsense => match row.fate {
            Fate::Open => Says::Missing,
            Fate::Paid => paid(row, key),
            Fate::Declined => declined(row, FailureCode::Declined),
            Fate::Reversed => reversed(),
        },
    };
    Reply { says, notices: Vec::new() }
}

fn reference(key: &str) -> Option<String> {
    Some(format!("sbx_{key}"))
}

fn paid(row: &mut Row, key: &str) -> Says {
    row.fate = Fate::Paid;
    Says::Outcome(Outcome::Done { reference: reference(key), amount: Some(row.amount) })
}

fn declined(row: &mut Row, code: FailureCode) -> Says {
    row.fate = Fate::Declined;
    let message = format!("The sandbox declines: {}.", code.name());
    Says::Outcome(Outcome::Declined(Failure { code, message }))
}

fn waiting(key: &str) -> Says {
    let message = "The sandbox has it and has not decided.".to_owned();
    Says::Outcome(Outcome::Waiting { reference: reference(key), message })
}

fn reversed() -> Says {
    let message = "The sandbox took it back.".to_owned();
    Says::Outcome(Outcome::Reversed { message })
}

fn unknown(message: &str) -> Says {
    Says::Outcome(Outcome::Unknown { message: message.to_owned(), lost: false })
}

fn server_error() -> Says {
    unknown("The sandbox answered 503 Service Unavailable.")
}

/// Pays, and says that it paid a minor unit more.
fn wrong_amount(row: &mut Row, key: &str) -> Says {
    row.fate = Fate::Paid;
    let one = Minor::new(1).unwrap_or(Minor::ZERO);
    let amount = Some(row.amount.plus(one).unwrap_or(Minor::ZERO));
    Says::Outcome(Outcome::Done { reference: reference(key), amount })
}

fn settle(script: Script, row: &mut Row, key: &str, now: Timestamp) -> Says {
    let Script::Pend { then, after } = script else { return Says::Missing };
    let over = match after {
        After::Asks(asks) => row.asks >= asks,
        After::Ms(ms) => now >= row.first_at.after_ms(ms),
    };
    match (over, then) {
        (false, _) => waiting(key),
        (true, Ending::Paid) => paid(row, key),
        (true, Ending::Declined) => declined(row, FailureCode::Declined),
    }
}

fn reversible(row: &mut Row, key: &str, ms: i64, now: Timestamp) -> Says {
    if now >= row.first_at.after_ms(ms) {
        row.fate = Fate::Reversed;
        reversed()
    } else {
        paid(row, key)
    }
}
