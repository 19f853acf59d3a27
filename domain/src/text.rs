//! What may stand in a text that somebody sends and we keep.

/// Why a text is refused, in the order in which it is looked at. Never carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    #[error("the text is longer than {most} characters")]
    TooLong { most: usize },
    #[error("the text has a control character")]
    Control,
    #[error("the text has what looks like a full card number")]
    CardNumber,
}

/// Refuses a text of one line that is too long (in Unicode scalar values), has a control character
/// (those of Unicode's class Cc: U+0000 to U+001F, U+007F to U+009F), or has a full card number.
///
/// A card number is 13 to 19 ASCII digits that begin as issuers' numbers of that length do
/// (ISO/IEC 7812), with a right check digit (Luhn), in one run or in groups that single spaces or
/// dashes part, wherever in the text it begins or ends with a run of digits. A longer run of digits
/// is not searched for one inside.
///
/// It is a net against accidents, not against intent: digits of other scripts, other separators,
/// or a number in two fields pass. And it catches what is no card, one in ten of all numbers of the
/// right length and beginning, such as an order reference counted with 16 digits from 4. A letter
/// or a dot among the digits gets those through. Times, as `20260727143000` or in milliseconds,
/// begin as no card does.
pub fn check(text: &str, most_chars: usize) -> Result<(), TextProblem> {
    check_allowing(text, most_chars, |_| false)
}

/// As [`check`], but line feeds and tabs are allowed: for notes and addresses.
pub fn check_multiline(text: &str, most_chars: usize) -> Result<(), TextProblem> {
    check_allowing(text, most_chars, |byte| matches!(byte, b'\n' | b'\t'))
}

fn check_allowing(
    text: &str,
    most_chars: usize,
    allowed: impl Fn(u8) -> bool,
) -> Result<(), TextProblem> {
    // A text has at least a quarter as many characters as bytes, and no more than bytes.
    let bytes = text.as_bytes();
    let too_long = bytes.len() > most_chars
        && (bytes.len().div_ceil(4) > most_chars || text.chars().count() > most_chars);
    if too_long {
        return Err(TextProblem::TooLong { most: most_chars });
    }

    let mut control = false;
    let mut ascii = true;
    let mut digits: usize = 0;
    for byte in bytes {
        control |= byte.is_ascii_control() && !allowed(*byte);
        ascii &= byte.is_ascii();
        digits += usize::from(byte.is_ascii_digit());
    }
    // The pass over the bytes has seen all control characters but U+0080 to U+009F.
    if control || (!ascii && text.chars().any(|c| !c.is_ascii() && c.is_control())) {
        return Err(TextProblem::Control);
    }
    if digits >= CARD_LEAST && has_card_number(bytes) {
        return Err(TextProblem::CardNumber);
    }
    Ok(())
}

const CARD_LEAST: usize = 13;
const CARD_MOST: usize = 19;

fn has_card_number(text: &[u8]) -> bool {
    let begins_run = |at: usize| at == 0 || !text[at - 1].is_ascii_digit();
    (0..text.len())
        .filter(|at| matches!(text[*at], b'2'..=b'6') && begins_run(*at))
        .any(|at| begins_card_number(&text[at..]))
}

/// Whether a card number begins here, where a run of digits does.
fn begins_card_number(text: &[u8]) -> bool {
    // Luhn doubles every second digit from the right, and where the right is comes out last: so one
    // sum with the first digit doubled, for an even count of digits, and one with the second.
    let mut sums = [0_u32; 2];
    let mut count = 0;
    let mut prefix = 0;
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let next_is_digit = after.first().is_some_and(u8::is_ascii_digit);
        if byte.is_ascii_digit() {
            let digit = u32::from(*byte - b'0');
            let doubled = if digit < 5 { 2 * digit } else { 2 * digit - 9 };
            sums[count % 2] += doubled;
            sums[(count + 1) % 2] += digit;
            count += 1;
            if count > CARD_MOST {
                return false;
            }
            prefix = if count <= 4 { prefix * 10 + digit } else { prefix };
            if !next_is_digit
                && count >= CARD_LEAST
                && sums[count % 2].is_multiple_of(10)
                && issued(prefix, count)
            {
                return true;
            }
        } else if !(matches!(byte, b' ' | b'-') && next_is_digit) {
            return false;
        }
        rest = after;
    }
    false
}

/// Whether issuers number cards of so many digits with these first four.
fn issued(prefix: u32, count: usize) -> bool {
    match count {
        13 => matches!(prefix, 4000..=6999),
        14 => matches!(prefix, 3000..=3099 | 3600..=3699 | 3800..=3999 | 5000..=6999),
        15 => matches!(prefix, 3400..=3499 | 3700..=3799 | 5000..=6999),
        _ => matches!(prefix, 2200..=2205 | 2221..=2720 | 3000..=6999),
    }
}

/// What an error may show of a text that was refused: its start, on one line, without a card
/// number. Short whatever the text, since error messages are logged and kept.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 40;
    // Far enough that a card number which the cut would run through is still seen whole.
    let start = text.as_bytes().get(..256).unwrap_or(text.as_bytes());
    if has_card_number(start) {
        return "(withheld)".to_owned();
    }
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.replace(char::is_control, "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_card_number_is_found_however_it_is_written() {
        let cards = [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
            "6304 0000 0000 0000 000",
            "4222222222222",
            "card:5555555555554444.",
            "é5105105105105100é",
            "12 4111 1111 1111 1111 12",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "2223003122003222 and more",
            "first 1234567890123, then 6011111111111117",
        ];
        for text in cards {
            assert_eq!(check(text, 100), Err(TextProblem::CardNumber), "{text}");
        }
    }

    #[test]
    fn what_is_no_card_number_passes() {
        let texts = [
            "",
            "Damaged on arrival",
            "4111111111111112",
            "4111  1111  1111  1111",
            "4111 - 1111 - 1111 - 1111",
            "4111.1111.1111.1111",
            "04111111111111111",
            "41111111111111110",
            "411111111111",
            "1700000000000",
            "1753625000123456",
            "20260727143000",
            "20260727143009",
            "00000000000000000000",
            "9999999999999995",
            "４１１１１１１１１１１１１１１１",
            "4111 1111 1111 111 x 1",
        ];
        for text in texts {
            assert_eq!(check(text, 100), Ok(()), "{text}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_and_control_characters_are_refused() {
        assert_eq!(check("zażółć", 6), Ok(()));
        assert_eq!(check("zażółć", 5), Err(TextProblem::TooLong { most: 5 }));
        assert_eq!(check("👍", 1), Ok(()));
        assert_eq!(check("👍a", 1), Err(TextProblem::TooLong { most: 1 }));
        assert_eq!(check("", 0), Ok(()));
        for text in ["\0", "a\nb", "a\tb", "\u{1b}[31m", "\u{7f}", "é\u{85}", "\r\n"] {
            assert_eq!(check(text, 9), Err(TextProblem::Control), "{text:?}");
        }
        assert_eq!(check_multiline("Main St 1\n\tFlat 2", 20), Ok(()));
        assert_eq!(check_multiline("é\r\n", 20), Err(TextProblem::Control));
        assert_eq!(check_multiline("4111 1111\n1111 1111", 20), Ok(()));
    }

    #[test]
    fn an_excerpt_is_short_on_one_line_and_without_card_numbers() {
        assert_eq!(excerpt("a\r\n\u{9b}b"), "a\u{FFFD}\u{FFFD}\u{FFFD}b");
        assert_eq!(excerpt(&"é".repeat(1_000_000)), format!("{}…", "é".repeat(40)));
        assert_eq!(excerpt("4111111111111111"), "(withheld)");
        // The cut at forty characters would run through the number.
        assert_eq!(excerpt(&format!("{} 4111111111111111", "x".repeat(25))), "(withheld)");
    }

    /// A card number anywhere in the text, looked for in all its pieces.
    fn model_has_card(text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
        let begins = (0..chars.len()).filter(|at| digit(*at) && (*at == 0 || !digit(at - 1)));
        let ends = |from: usize| (from..chars.len()).filter(|at| digit(*at) && !digit(at + 1));
        begins.flat_map(|from| ends(from).map(move |to| (from, to))).any(|(from, to)| {
            let piece: String = chars[from..=to].iter().collect();
            let digits: Vec<u32> = piece.chars().filter_map(|c| c.to_digit(10)).collect();
            let grouped = piece
                .split([' ', '-'])
                .all(|group| !group.is_empty() && group.chars().all(|c| c.is_ascii_digit()));
            let luhn: u32 = (0..digits.len())
                .map(|back| digits[digits.len() - 1 - back] * (1 + u32::from(back % 2 == 1)))
                .map(|product| product / 10 + product % 10)
                .sum();
            grouped
                && (13..=19).contains(&digits.len())
                && begins_as_a_card(&digits)
                && luhn.is_multiple_of(10)
        })
    }

    /// The issuers' ranges, spelled out by their first digits.
    fn begins_as_a_card(digits: &[u32]) -> bool {
        let text: String = digits.iter().map(u32::to_string).collect();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
        match digits.len() {
            13 => starts(&["4", "5", "6"]),
            14 => starts(&["30", "36", "38", "39", "5", "6"]),
            15 => starts(&["34", "37", "5", "6"]),
            _ => {
                let series_two = ("2221"..="2720").contains(&&text[..4]);
                let mir = ("2200"..="2205").contains(&&text[..4]);
                series_two || mir || starts(&["3", "4", "5", "6"])
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 10_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn card_numbers_are_found_where_the_model_finds_them(
            text in "([x.é１7 -]|12 |42-){0,2}([2-6]([0-9]{1,9}[ -]{0,2}){2,4}|[2-6][0-9 -]{12,22}).{0,2}"
        ) {
            prop_assert_eq!(has_card_number(text.as_bytes()), model_has_card(&text));
        }

        #[test]
        fn any_text_is_answered(text in any::<String>(), most in 0_usize..64) {
            let expected = if text.chars().count() > most {
                Err(TextProblem::TooLong { most })
            } else if text.chars().any(char::is_control) {
                Err(TextProblem::Control)
            } else {
                Ok(())
            };
            prop_assert_eq!(check(&text, most), expected);
        }
    }
}
