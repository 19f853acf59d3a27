//! Amounts, currencies and percentages, as anybody may write them: what is taken means what it
//! says, and is written again as the same amount.

use refundry_domain::money::{Currency, Exact, Money, Percent};

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (figure, code) = text.split_once(' ').unwrap_or((text, "EUR"));
    let currency = Currency::parse(code);
    let Ok(exact) = Exact::parse(figure) else { return };
    let _ = Percent::read(exact);
    let Ok(currency) = currency else { return };
    let Ok(money) = Money::read(exact, currency) else { return };
    assert!(money.minor().get() > 0, "{figure} is nothing, or less");
    let written = money.to_string();
    assert_eq!(digits(&written), digits(figure), "{figure} became {written}");
    let again = Exact::parse(&written).expect("what is written can be read");
    assert_eq!(Money::read(again, currency), Ok(money), "{figure} became {written}");
}

/// The figure in plain digits: no sign, no point, no zeros that say nothing, worked out here and not
/// by the code under test.
fn digits(figure: &str) -> String {
    let figure = figure.strip_prefix('+').unwrap_or(figure);
    let (figure, power) = match figure.split_once(['e', 'E']) {
        Some((figure, power)) => (figure, power.parse::<i32>().expect("a power")),
        None => (figure, 0),
    };
    let (whole, part) = figure.split_once('.').unwrap_or((figure, ""));
    let all = format!("{whole}{part}");
    let point = i32::try_from(whole.len()).expect("short") + power;
    let head = all.trim_start_matches('0');
    let point = point - i32::try_from(all.len() - head.len()).expect("short");
    format!("{}e{point}", head.trim_end_matches('0'))
}
