//! What is drawn in a history: policies, orders, payments, asks and news.

use std::collections::BTreeMap;

use refundry_domain::command::{
    Ask, GroupAsk, GroupOf, GroupShare, ItemAsk, ItemShare, LineRef, NewLine, NewOrder, NewPayment,
    Paid, Stated, What,
};
use refundry_domain::ids::{ReturnId, TransactionId};
use refundry_domain::money::{Currency, Exact, Minor, Percent};
use refundry_domain::order::{Customer, LineKind, Metadata, PaymentKind};
use refundry_domain::outcome::{Failure, FailureCode, Outcome, Report, Reporter};
use refundry_domain::policy::{Abilities, Approval, DailyLimit, NotifyOnly, Policy};
use refundry_domain::refund::{Destination, Execution};

/// SplitMix64: small, seeded, and quick enough in a debug build.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn up_to(&mut self, most: i64) -> i64 {
        i64::try_from(self.next() % (most.unsigned_abs() + 1)).unwrap()
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    pub fn maybe<T>(&mut self, chances: usize, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
        if self.one_in(chances) { Some(make(self)) } else { None }
    }
}

/// Minor units as somebody would write them, worked out here and not by the code under test.
pub fn figure(units: i64, currency: Currency) -> Exact {
    let decimals = usize::from(currency.exponent());
    let mut text = format!("{units:0>width$}", width = decimals + 1);
    if decimals > 0 {
        text.insert(text.len() - decimals, '.');
    }
    Exact::parse(&text).unwrap()
}

pub fn percent(random: &mut Random) -> Percent {
    let text = random.pick(&["100", "50", "33.3333", "0.0001", "10", "99.9999", "25", "1"]);
    Percent::read(Exact::parse(text).unwrap()).unwrap()
}

pub fn policy(random: &mut Random) -> Policy {
    let approval = match random.below(6) {
        0 => Approval::Always,
        1 | 2 => Approval::Above(BTreeMap::from([(
            Currency::parse("USD").unwrap(),
            Minor::new(random.up_to(500)).unwrap(),
        )])),
        _ => Approval::Never,
    };
    let daily = DailyLimit {
        refunds: random.one_in(4).then(|| random.pick(&[0, 1, 2, 3])),
        amounts: match random.below(4) {
            0 => BTreeMap::from([(
                Currency::parse(random.pick(&["USD", "JPY"])).unwrap(),
                Minor::new(random.up_to(1_500)).unwrap(),
            )]),
            _ => BTreeMap::new(),
        },
    };
    let mut providers = BTreeMap::new();
    for (name, usual) in [("sandbox", true), ("bank", true), ("ghost", false)] {
        let pays = if random.one_in(12) { !usual } else { usual };
        let information = random.one_in(3).then(|| random.pick(&["giro", "card"]).to_owned());
        let methods_needing_information = information.into_iter().collect();
        providers.insert(
            name.to_owned(),
            Abilities { pays, methods_needing_information, ..Abilities::full() },
        );
    }
    Policy {
        approval,
        daily,
        time_zone: "UTC".to_owned(),
        providers,
        information_expiry_ms: 1_000,
        notify_only: NotifyOnly {
            payment_method: random.one_in(6),
            gift_card: random.one_in(2),
            store_credit: random.one_in(2),
        },
        report_within_ms: 1_000,
        auto_close: random.one_in(2),
        ask_bank_details: random.one_in(2),
    }
}

/// The amounts of one history are alike, so that they meet: some of a few units, some ordinary,
/// some at the edge of what can be counted.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    Tiny,
    Usual,
    Extreme,
}

impl Scale {
    pub fn amount(self, random: &mut Random) -> i64 {
        let most = Minor::MAX.get();
        match self {
            Scale::Tiny => 1 + random.up_to(9),
            Scale::Usual => 1 + random.up_to(2_500),
            Scale::Extreme => match random.below(4) {
                0 => most,
                1 => most / 2 + random.up_to(1),
                2 => most - random.up_to(9),
                _ => 1 + random.up_to(most / 3),
            },
        }
    }
}

pub fn order(random: &mut Random, scale: Scale) -> NewOrder {
    let currency = Currency::parse(random.pick(&["USD", "USD", "JPY", "KWD", "CLF"])).unwrap();
    let count = random.below(5);
    let kinds = [LineKind::Product, LineKind::Product, LineKind::Shipping, LineKind::Tax];
    let lines = (0..count)
        .map(|_| NewLine {
            kind: random.pick(&kinds),
            for_line: random.maybe(2, |random| u32::try_from(1 + random.below(count)).unwrap()),
            sku: Some(random.pick(&["mug", "cap", "pen"]).to_owned()),
            name: None,
            quantity: u32::try_from(1 + random.below(4)).unwrap(),
            amount: match random.below(8) {
                0 => figure(0, currency),
                _ => figure(scale.amount(random), currency),
            },
        })
        .collect();
    let payments = (0..random.below(4)).map(|_| payment(random, scale, currency, &[])).collect();
    NewOrder {
        reference: None,
        currency,
        customer: Customer {
            reference: random.maybe(2, |_| "c-7".to_owned()),
            ..Customer::default()
        },
        lines,
        payments,
        fulfilled: random.one_in(4),
        metadata: Metadata::new(),
        created_at: None,
    }
}

pub fn payment(
    random: &mut Random,
    scale: Scale,
    currency: Currency,
    authorizations: &[i64],
) -> NewPayment {
    let kind = match random.below(8) {
        0 => PaymentKind::Authorization,
        1 => PaymentKind::InvoicePayment,
        2 | 3 => PaymentKind::Capture,
        _ => PaymentKind::Payment,
    };
    let mut parent = None;
    if kind == PaymentKind::Capture && !authorizations.is_empty() {
        parent = Some(TransactionId(random.pick(authorizations)));
    }
    NewPayment {
        kind,
        parent,
        return_id: random.maybe(30, |_| ReturnId(-1)),
        provider: random.pick(&["sandbox", "sandbox", "bank", "ghost", "till"]).to_owned(),
        method: random.pick(&["card", "card", "giro"]).to_owned(),
        provider_reference: None,
        amount: Stated { figure: figure(scale.amount(random), currency), currency: None },
        metadata: random.maybe(6, crate::choose::notes).unwrap_or_default(),
        created_at: None,
    }
}

/// What the history's order has, to ask about.
pub struct Known {
    pub currency: Currency,
    pub scale: Scale,
    pub lines: usize,
    /// Refund all of these sometimes, so that balances are used up.
    pub amounts: Vec<i64>,
    pub payments: Vec<i64>,
    pub returns: Vec<i64>,
}

impl Known {
    pub fn amount(&self, random: &mut Random) -> i64 {
        if !self.amounts.is_empty() && random.one_in(3) {
            return random.pick(&self.amounts).max(1);
        }
        let amount = self.scale.amount(random);
        if random.one_in(4) { amount } else { 1 + amount / 8 }
    }

    pub fn stated(&self, random: &mut Random) -> Stated {
        let units = match random.below(30) {
            0 => 0,
            1 => Minor::MAX.get() + 1,
            _ => self.amount(random),
        };
        let other = Currency::parse("EUR").unwrap();
        let currency = match random.below(20) {
            0 => Some(other),
            1 | 2 => Some(self.currency),
            _ => None,
        };
        Stated { figure: figure(units, self.currency), currency }
    }
}

pub fn ask(random: &mut Random, known: &Known) -> Ask {
    let what = match random.below(15) {
        0 | 7 => What::Percent(percent(random)),
        12 => What::Rest,
        13 => What::PercentOfRest(percent(random)),
        14 if known.lines > 0 => What::Groups(vec![group(random, known)]),
        1 | 2 | 8 | 9 if known.lines > 0 => {
            let items = (0..1 + random.below(3)).map(|_| item(random, known)).collect();
            What::Items(items)
        }
        _ => What::Amount(known.stated(random)),
    };
    let grouped = matches!(what, What::Groups(_));
    let rare = 8 + 15 * usize::from(matches!(what, What::Items(_)));
    Ask {
        what,
        kind: if grouped {
            None
        } else {
            random.maybe(rare, |random| random.pick(&[LineKind::Product, LineKind::Shipping]))
        },
        payment: match random.below(20) {
            0 => Some(TransactionId(-1)),
            1..=4 if !known.payments.is_empty() => {
                Some(TransactionId(random.pick(&known.payments)))
            }
            _ => None,
        },
        return_id: match random.below(25) {
            0 => Some(ReturnId(-1)),
            1..=4 if !known.returns.is_empty() => Some(ReturnId(random.pick(&known.returns))),
            _ => None,
        },
        to: if random.one_in(3) {
            random.pick(&Destination::ALL)
        } else {
            Destination::OriginalPayment
        },
        execution: random.maybe(6, |random| random.pick(&Execution::ALL)),
        paid: random.maybe(6, |_| Paid { reference: Some("by hand".to_owned()) }),
        confirm: random.maybe(2, |random| random.one_in(2)),
        may_approve: random.one_in(2),
        reason: None,
        note: None,
        metadata: Metadata::new(),
    }
}

/// A line or all lines of a kind, with the tax that is for them.
fn group(random: &mut Random, known: &Known) -> GroupAsk {
    let position = u32::try_from(1 + random.below(known.lines)).unwrap();
    let share = match random.below(5) {
        0 => GroupShare::Rest,
        1 => GroupShare::Percent(percent(random)),
        2 => GroupShare::Whole(figure(known.amount(random), known.currency)),
        _ => GroupShare::Amount(figure(known.amount(random), known.currency)),
    };
    if random.one_in(3) {
        let of =
            GroupOf::Kind(random.pick(&[LineKind::Product, LineKind::Shipping, LineKind::Tax]));
        return GroupAsk { of, units: None, share };
    }
    let units = random.maybe(2, |random| u32::try_from(random.below(4)).unwrap());
    GroupAsk { of: GroupOf::Line(LineRef::Position(position)), units, share }
}

fn item(random: &mut Random, known: &Known) -> ItemAsk {
    let position = u32::try_from(1 + random.below(known.lines)).unwrap();
    let line = match random.below(25) {
        0 | 1 => LineRef::Sku(random.pick(&["mug", "cap", "pen", "hat"]).to_owned()),
        2 => LineRef::Position(0),
        _ => LineRef::Position(position),
    };
    let share = match random.below(6) {
        0 => ItemShare::Rest,
        1 | 2 => ItemShare::Quantity(u32::try_from(random.below(4)).unwrap()),
        3 => ItemShare::Percent(percent(random)),
        _ => ItemShare::Amount(figure(known.amount(random), known.currency)),
    };
    ItemAsk { line, share }
}

/// Any answer about a transaction of `amount`, from anybody.
pub fn report(random: &mut Random, amount: Minor) -> Report {
    let reference = random.maybe(2, |random| random.pick(&["re_1", "re_2"]).to_owned());
    let message = random.pick(&["no funds yet", "timed out"]).to_owned();
    let outcome = match random.below(17) {
        0..=4 => Outcome::Done { reference, amount: random.maybe(2, |_| amount) },
        5 => Outcome::Done { reference, amount: amount.plus(Minor::new(1).unwrap()) },
        6 | 7 => Outcome::Waiting { reference, message },
        8..=10 => Outcome::Declined(Failure { code: FailureCode::Declined, message }),
        11 => Outcome::Reversed { message },
        12 => Outcome::Unknown { message, lost: false },
        13 => Outcome::Unknown { message, lost: true },
        14 => Outcome::Acknowledged { reference },
        15 => Outcome::NotTaken { message },
        _ => Outcome::CalledOff { message },
    };
    let by = random.pick(&[
        Reporter::Gateway,
        Reporter::Gateway,
        Reporter::Notification,
        Reporter::Caller,
        Reporter::Caller,
    ]);
    Report { outcome, by, look_again_ms: random.up_to(500) }
}
