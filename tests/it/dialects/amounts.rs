//! What is no amount, whichever API it is sent to, as it stands in JSON.

/// Not exact, not finite, not above zero, too large, or no decimal number at all. In currencies of two
/// decimals.
pub fn none_of_them_is_one() -> Vec<String> {
    let texts = [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1e31",
        "0.001",
        "1e-3",
        "-0",
        "0",
        "-0.01",
        "1e15",
        "99999999999999999999",
        "+1",
        "01",
        ".5",
        "1.",
        "1,5",
        "0x10",
        "true",
        "[1]",
        "{\"a\":1}",
        "\"\"",
        "\"1e400\"",
        "\"NaN\"",
        "\"1,50\"",
        "\"1 USD\"",
        "\"1 zł\"",
        "\"٣\"",
        "\"$1\"",
    ];
    texts.into_iter().map(str::to_owned).chain(["9".repeat(200_000)]).collect()
}
