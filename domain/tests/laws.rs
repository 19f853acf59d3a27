//! The laws of money, each against a model in numbers of any size that knows no limits and no
//! tricks: a million cases in all. `LAWS_SEED=7 cargo test -p refundry-domain --test laws`
//! takes other cases; a failure names the seed of its one case, which that variable repeats first.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use num_bigint::BigInt;
use proptest::prelude::*;
use refundry_domain::money::{
    AmountProblem, Currency, Exact, Minor, Money, NotDecimal, Percent, PercentProblem,
};
use refundry_domain::split::split;

/// SplitMix64: small, seeded, and quick enough in a debug build, where proptest is not.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(self.pick(b"0123456789"))).collect()
    }

    /// Of every magnitude alike, with zero, one and the largest among them.
    fn minor(&mut self) -> Minor {
        let most = 10_i64.pow(u32::try_from(self.below(16)).unwrap());
        match self.below(32) {
            0 => Minor::MAX,
            _ => minor(i64::try_from(self.next() >> 1).unwrap() % most),
        }
    }

    fn positive(&mut self) -> Minor {
        self.minor().max(minor(1))
    }
}

fn cases(count: u64, mut law: impl FnMut(&mut Random)) {
    let first = std::env::var("LAWS_SEED").map_or(0, |seed| seed.parse().unwrap());
    for seed in first..first + count {
        let outcome = catch_unwind(AssertUnwindSafe(|| law(&mut Random(seed << 20))));
        // What exactly is broken has been printed by the first panic.
        assert!(outcome.is_ok(), "broken by LAWS_SEED={seed}");
    }
}

fn minor(units: i64) -> Minor {
    Minor::new(units).unwrap()
}

fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

fn currencies() -> Vec<Currency> {
    Currency::all().collect()
}

/// The whole number nearest to numerator ÷ denominator, the upper one of two.
fn half_up(numerator: &BigInt, denominator: impl Into<BigInt>) -> BigInt {
    let denominator = denominator.into();
    let (below, rest) = (numerator / &denominator, numerator % &denominator);
    if rest.clone() + rest >= denominator { below + 1 } else { below }
}

fn big(amount: Minor) -> BigInt {
    BigInt::from(amount.get())
}

/// The decimal text, by cutting the padded digits in two.
fn model_text(units: i128, decimals: usize) -> String {
    let digits = format!("{units:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[test]
fn what_is_printed_reads_back_as_the_same_amount() {
    let all = currencies();
    let mut text = String::new();
    cases(250_000, |random| {
        let money = Money::new(random.positive(), random.pick(&all));
        let expected =
            model_text(money.minor().get().into(), usize::from(money.currency().exponent()));
        assert_eq!(money.to_string(), expected);
        text.clear();
        money.decimal(&mut text);
        assert_eq!(text, expected);
        assert_eq!(Money::read(Exact::parse(&text).unwrap(), money.currency()), Ok(money));
    });
}

/// A number as text, and digits × 10^power: its value without any limit.
struct Written {
    text: String,
    digits: BigInt,
    power: i64,
}

impl Written {
    /// How many units of 10^-decimals it is, if it is a whole number of them.
    fn units(&self, decimals: u8) -> Option<BigInt> {
        let power = self.power + i64::from(decimals);
        let factor = BigInt::from(10).pow(u32::try_from(power.unsigned_abs()).unwrap());
        if power >= 0 {
            return Some(&self.digits * factor);
        }
        (&self.digits % &factor == BigInt::ZERO).then(|| &self.digits / factor)
    }

    /// From the parts of JSON's grammar: `whole` has no superfluous zeros in front.
    fn spell(random: &mut Random, whole: &str, fraction: &str, power: i64) -> Written {
        let sign = if random.one_in(8) { "-" } else { "" };
        let mut text = format!("{sign}{whole}");
        if !fraction.is_empty() {
            text = format!("{text}.{fraction}");
        }
        if power != 0 || random.one_in(8) {
            let e = random.pick(&["e", "E"]);
            let plus = if power >= 0 { random.pick(&["", "+", "0", "+00"]) } else { "" };
            text = format!("{text}{e}{plus}{power}");
        }
        let digits = format!("{sign}{whole}{fraction}").parse().unwrap();
        Written { text, digits, power: power - i64::try_from(fraction.len()).unwrap() }
    }
}

/// A number in or out of every bound, and whether it is in.
fn any_number(random: &mut Random) -> (Written, bool) {
    let places = random.pick(&[1, 3, 5, 8, 14, 16, 36]);
    let whole = random.digits(places);
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let decimals = if random.one_in(8) { random.below(36) } else { random.below(6) };
    let mut fraction = random.digits(decimals);
    if random.one_in(3) {
        fraction = fraction.replace(|digit| digit > '4', "0");
    }
    let range = random.pick(&[0, 0, 3, 35]);
    let power = i64::try_from(random.below(2 * range + 1)).unwrap() - i64::try_from(range).unwrap();
    let written = Written::spell(random, whole, &fraction, power);
    let significant = format!("{whole}{fraction}").trim_start_matches('0').len();
    let bounded = written.text.len() <= 40 && significant <= 30 && power.abs() <= 30;
    (written, bounded)
}

/// A number close to the smallest or largest amount of the currency, with some digits too many.
fn number_at_the_edge(random: &mut Random, decimals: usize) -> (Written, bool) {
    let near = i128::from(random.pick(&[2, Minor::MAX.get()]));
    let units = near - 2 + i128::try_from(random.below(5)).unwrap();
    let text = model_text(units, decimals);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let surplus = random.pick(&["", "0", "000", "1", "001"]);
    (Written::spell(random, whole, &format!("{fraction}{surplus}"), 0), true)
}

fn model_read(value: &Written, decimals: u8, least: i64, most: i64) -> Result<i64, AmountProblem> {
    match value.units(decimals) {
        None => Err(AmountProblem::TooPrecise { allowed: decimals }),
        Some(units) if units < least.into() => Err(AmountProblem::NotPositive),
        Some(units) if units > most.into() => Err(AmountProblem::TooLarge),
        Some(units) => Ok(i64::try_from(units).unwrap()),
    }
}

#[test]
fn reading_is_exact_or_refuses_and_never_rounds() {
    let all = currencies();
    cases(250_000, |random| {
        let currency = random.pick(&all);
        let decimals = currency.exponent();
        let (value, bounded) = match random.below(3) {
            0 => number_at_the_edge(random, decimals.into()),
            _ => any_number(random),
        };
        let text = &value.text;
        let Ok(exact) = Exact::parse(text) else {
            assert!(!bounded, "{text} was refused");
            return;
        };
        assert!(bounded, "{text} was read");
        let expect = |decimals, least| {
            let units = model_read(&value, decimals, least, Minor::MAX.get());
            units.map(|units| Money::new(minor(units), currency))
        };
        assert_eq!(Money::read(exact, currency), expect(decimals, 1), "{text}");
        assert_eq!(Money::read_allowing_zero(exact, currency), expect(decimals, 0), "{text}");

        let percent = model_read(&value, 4, 1, 1_000_000).map_err(|problem| match problem {
            AmountProblem::TooPrecise { .. } => PercentProblem::TooPrecise,
            AmountProblem::NotPositive => PercentProblem::NotPositive,
            AmountProblem::TooLarge => PercentProblem::MoreThanAll,
        });
        let of_million = Percent::read(exact).map(|percent| percent.of(minor(1_000_000)).get());
        assert_eq!(of_million, percent, "{text}");
    });
}

#[test]
fn numbers_are_equal_when_their_values_are() {
    let few = ["0", "1", "10", "100", "12", "120"];
    let number = |random: &mut Random| {
        let (whole, fraction) = (random.pick(&few), random.pick(&["", "0", "00", "1", "2", "20"]));
        let power = i64::try_from(random.below(5)).unwrap() - 2;
        Written::spell(random, whole, fraction, power)
    };
    let mut equal = 0;
    cases(50_000, |random| {
        let (one, two) = (number(random), number(random));
        let same = one.units(9) == two.units(9);
        let (first, second) = (Exact::parse(&one.text).unwrap(), Exact::parse(&two.text).unwrap());
        assert_eq!(first == second, same, "{} and {}", one.text, two.text);
        assert_eq!(first.to_string() == second.to_string(), same, "{first} and {second}");
        assert_eq!(Exact::parse(&first.to_string()), Ok(first), "{}", one.text);
        equal += i32::from(same);
    });
    assert!(equal > 1_000, "only {equal} were equal");
    let ones = |zeros: usize| Exact::parse(&format!("1{}1", "0".repeat(zeros))).unwrap();
    assert!((1..=28).all(|zeros| ones(zeros) != ones(zeros - 1)));
}

#[test]
fn a_percentage_is_half_up_and_prints_as_it_reads() {
    cases(150_000, |random| {
        let units = match random.below(3) {
            0 => 10_000 * (1 + random.below(100)),
            _ => 1 + random.below(1_000_000),
        };
        let padded = model_text(i128::try_from(units).unwrap(), 4);
        let percent = Percent::read(Exact::parse(&padded).unwrap()).unwrap();
        assert_eq!(percent.to_string(), padded.trim_end_matches('0').trim_end_matches('.'));

        let amount = random.minor();
        let share = percent.of(amount);
        let exact = half_up(&(big(amount) * units), 1_000_000);
        assert_eq!(big(share), exact, "{percent} % of {amount:?}");
        assert!(share <= amount);
    });
}

#[test]
fn shares_up_to_each_piece_give_exactly_the_amount() {
    cases(20_000, |random| {
        let amount = random.minor();
        let pieces = 1 + u64::try_from(random.below(20)).unwrap();
        let mut given = Minor::ZERO;
        for piece in 1..=pieces {
            let upto = amount.share(piece, pieces);
            let exact = half_up(&(big(amount) * piece), pieces);
            assert_eq!(big(upto), exact, "{piece} of {pieces} of {amount:?}");
            let part = upto.minus(given).expect("a larger share is no smaller");
            let off = big(part) * pieces - big(amount);
            assert!(off >= -BigInt::from(pieces) && off <= pieces.into(), "off by over a unit");
            given = upto;
        }
        assert_eq!(given, amount);
    });
    cases(50_000, |random| {
        let amount = random.minor();
        let whole = (random.next() >> random.below(64)).max(1);
        let part = random.next() % whole + u64::from(random.one_in(2));
        let exact = half_up(&(big(amount) * part), whole);
        assert_eq!(big(amount.share(part, whole)), exact, "{part} of {whole} of {amount:?}");
    });
}

/// Largest remainder as one would do it by hand: the odd units one at a time, each to the first
/// of those that are furthest below their exact share.
fn model_split(whole: Minor, weights: &[Minor]) -> Vec<BigInt> {
    let total: BigInt = weights.iter().map(|weight| big(*weight)).sum();
    if total == BigInt::ZERO {
        let first = std::iter::once(big(whole)).chain(std::iter::repeat(BigInt::ZERO));
        return first.take(weights.len()).collect();
    }
    let exact_times_total: Vec<BigInt> =
        weights.iter().map(|weight| big(whole) * big(*weight)).collect();
    let mut parts: Vec<BigInt> = exact_times_total.iter().map(|share| share / &total).collect();
    while parts.iter().sum::<BigInt>() < big(whole) {
        let lacks = |at: usize| &exact_times_total[at] - &parts[at] * &total;
        let mut neediest = 0;
        for at in 1..parts.len() {
            if lacks(at) > lacks(neediest) {
                neediest = at;
            }
        }
        parts[neediest] += 1;
    }
    parts
}

#[test]
fn a_split_adds_up_by_largest_remainder_within_the_weights() {
    cases(60_000, |random| {
        // Weights of one magnitude, often equal or zero, so that ties are common.
        let magnitude = random.positive();
        let few = [minor(magnitude.get() / 2), magnitude, minor(random.minor().get() / 7)];
        let weights: Vec<Minor> = (0..random.below(8))
            .map(|_| match random.below(4) {
                0 => Minor::ZERO,
                1 => random.minor(),
                _ => random.pick(&few),
            })
            .collect();
        let total: i64 = weights.iter().map(|weight| weight.get()).sum();
        let whole = match random.below(3) {
            0 => random.minor(),
            1 => Minor::new(total).unwrap_or(Minor::MAX),
            _ => minor(random.minor().get() % (total + 1)),
        };

        let parts = split(whole, &weights);
        let found: Vec<BigInt> = parts.iter().map(|part| big(*part)).collect();
        assert_eq!(found, model_split(whole, &weights), "{whole:?} over {weights:?}");
        let sum: i64 = parts.iter().map(|part| part.get()).sum();
        assert_eq!(sum, if weights.is_empty() { 0 } else { whole.get() });
        if whole.get() <= total {
            let within = parts.iter().zip(&weights).all(|(part, weight)| part <= weight);
            assert!(within, "{whole:?} over {weights:?} gave {parts:?}");
        }
    });
}

#[test]
fn sums_and_differences_stay_within_the_bounds() {
    cases(150_000, |random| {
        let (one, two) = (random.minor(), random.minor());
        let (sum, difference) = (one.get() + two.get(), one.get() - two.get());
        assert_eq!(one.plus(two).map(Minor::get), (sum <= Minor::MAX.get()).then_some(sum));
        assert_eq!(one.minus(two).map(Minor::get), (difference >= 0).then_some(difference));
        assert_eq!(one.saturating_minus(two).get(), difference.max(0));
    });
    assert_eq!(Minor::new(-1), None);
    assert_eq!(Minor::new(Minor::MAX.get() + 1), None);
    assert_eq!(Minor::new(i64::MIN), None);
    assert_eq!(Minor::new(i64::MAX), None);
}

/// JSON's grammar for numbers, by taking the text apart from the outside.
fn model_is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let lower = text.to_ascii_lowercase();
    let (mantissa, power) = lower.split_once('e').unwrap_or((&lower, "0"));
    let power = power.strip_prefix(['+', '-']).unwrap_or(power);
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && digits(fraction) && digits(power)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_is_read_as_the_grammar_says(text in "[-+.eE_ 0-9]{0,3}[0-9]{0,2}[-+.eE0-9]{0,8}") {
        match Exact::parse(&text) {
            Ok(_) => prop_assert!(model_is_number(&text)),
            Err(NotDecimal::Malformed(_)) => prop_assert!(!model_is_number(&text)),
            Err(NotDecimal::OutOfBounds(_)) => prop_assert!(text.to_lowercase().contains('e')),
        }
    }

    #[test]
    fn any_text_at_all_is_answered(text in any::<String>()) {
        if let Ok(exact) = Exact::parse(&text) {
            prop_assert!(model_is_number(&text));
            let _ = (Money::read(exact, usd()), Percent::read(exact));
        }
        prop_assert!(Currency::parse(&text).is_err());
    }
}

/// ISO 4217's minor units that are not 2.
const NOT_TWO: [(u8, &str); 3] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// The other codes of that list, and of the withdrawn ones those that the library still carries.
const TWO: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP \
    BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP \
    GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR \
    LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB \
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL \
    THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG \
    BGN CUC HRK SLL ZWL";

#[test]
fn each_currency_has_the_minor_unit_that_iso_gives_it() {
    let two = TWO.split(' ').map(|code| (code, 2));
    let others = NOT_TWO.iter().flat_map(|(e, codes)| codes.split(' ').map(|code| (code, *e)));
    let mut expected: Vec<(&str, u8)> = two.chain(others).collect();
    expected.sort_unstable();
    let found: Vec<(&str, u8)> = Currency::all().map(|it| (it.code(), it.exponent())).collect();
    assert_eq!(found, expected);
    assert!(Currency::all().is_sorted());
    assert!(Currency::all().all(|currency| Currency::parse(currency.code()) == Ok(currency)));

    let without = "XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX";
    let wrong =
        ["", "US", "USDX", "usd", "Usd", "USD ", " USD", "U$D", "AAA", "ZZZ", "840", "ÖÖ", "€"];
    for code in without.split(' ').chain(wrong) {
        assert!(Currency::parse(code).is_err(), "{code} was taken");
    }
}

#[test]
fn hostile_numbers_are_refused_or_read_as_written() {
    let long = format!("1{}", "0".repeat(1_000_000));
    let malformed = [
        "", " ", "-", "+1", "1.", ".5", "-.5", "01", "-01", "00", "1_000", "1,000", "1 ", " 1",
        "１", "٣", "NaN", "Infinity", "-inf", "0x10", "1e", "1e+", "1e1.5", "1.e1", "1.2.3", "--1",
        "1-", "1e5e5", "\"1\"", "1\0", "1\n", "½", "−1", "1f", "null",
    ];
    for text in malformed {
        assert!(matches!(Exact::parse(text), Err(NotDecimal::Malformed(_))), "{text:?}");
    }
    let unbounded = [
        "1e400",
        "1e31",
        "1e-31",
        "0e99999999999999999999",
        "1e-9999999999999999999",
        &long,
        "1234567890123456789012345678901",
        "0.1000000000000000000000000000001",
    ];
    for text in unbounded {
        let problem = Exact::parse(text).unwrap_err();
        assert!(matches!(problem, NotDecimal::OutOfBounds(_)), "{text:.50}");
        assert!(problem.to_string().contains(text.get(..40).unwrap_or(text)), "{problem}");
        assert!(problem.to_string().len() < 250, "{problem}");
    }

    let read = |text: &str| {
        let money = Money::read(Exact::parse(text).unwrap(), usd());
        money.map(|money| money.to_string()).map_err(|problem| problem.to_string())
    };
    let precise = "the amount has more than the 2 decimals of its currency";
    let (positive, large) = ("the amount is not positive", "the amount is too large");
    let table = [
        ("1.2300", Ok("1.23")),
        ("27.01", Ok("27.01")),
        ("2.701e1", Ok("27.01")),
        ("1E+2", Ok("100.00")),
        ("0.01", Ok("0.01")),
        ("1e-2", Ok("0.01")),
        ("100e-30", Err(precise)),
        ("0.001", Err(precise)),
        ("9007199254740.99", Ok("9007199254740.99")),
        ("9999999999999.99", Ok("9999999999999.99")),
        ("9999999999999.990000", Ok("9999999999999.99")),
        ("10000000000000", Err(large)),
        ("1e30", Err(large)),
        ("999999999999999999999999999999e30", Err(large)),
        ("-999999999999999999999999999999e30", Err(positive)),
        ("-0.001", Err(precise)),
        ("-0", Err(positive)),
        ("0.000", Err(positive)),
        ("0e30", Err(positive)),
        ("-1", Err(positive)),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
}
