//! Divides an amount so that the parts add up to it.

use std::cmp::Reverse;

use crate::money::Minor;

/// One part of `whole` for each weight, in proportion, adding up to exactly `whole`.
///
/// By largest remainder: each part is its exact share rounded down, and the units left over go one
/// each to the largest remainders, the earlier first where they are equal. So
///
/// - a part differs from its exact share by less than one unit, and is that share if it is whole;
/// - while `whole` is at most the sum of the weights, no part is more than its weight (weights may
///   be what is left of each line or payment);
/// - a weight of zero gets nothing, unless all are zero: then the first part is everything.
///
/// No weights give no parts, whatever `whole` is: the caller who has nobody to give to must notice.
#[must_use]
pub fn split(whole: Minor, weights: &[Minor]) -> Vec<Minor> {
    let total: i128 = weights.iter().map(|weight| i128::from(weight.get())).sum();
    if weights.len() < 2 || total == 0 {
        let mut parts = vec![Minor::ZERO; weights.len()];
        if let Some(first) = parts.first_mut() {
            *first = whole;
        }
        return parts;
    }

    let mut units = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut left = i128::from(whole.get());
    for (at, weight) in weights.iter().enumerate() {
        let product = i128::from(whole.get()) * i128::from(weight.get());
        let share = product / total;
        left -= share;
        units.push(share);
        remainders.push((Reverse(product % total), at));
    }

    // `left` is the sum of the remainders ÷ total, each below one, so more than `left` of them are
    // above zero (or all are zero and nothing is left). Hence only shares that are no whole number
    // are rounded up, and a share rounded up is at most its weight if the exact one is.
    if left > 0 {
        remainders.sort_unstable();
        for (_, (_, at)) in (0..left).zip(remainders) {
            units[at] += 1;
        }
    }
    units.into_iter().map(Minor::bounded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odd_units_go_to_the_largest_remainders_then_to_the_first() {
        let table: [(i64, &[i64], &[i64]); 11] = [
            (100, &[1, 1, 1], &[34, 33, 33]),
            (200, &[1, 1, 1], &[67, 67, 66]),
            (10, &[1, 2], &[3, 7]),
            (1, &[1, 1], &[1, 0]),
            (5, &[0, 3, 3], &[0, 3, 2]),
            (2498, &[1998, 500], &[1998, 500]),
            (7, &[0, 0], &[7, 0]),
            (0, &[5, 5], &[0, 0]),
            (9, &[4], &[9]),
            (9, &[], &[]),
            (
                999_999_999_999_999,
                &[999_999_999_999_999; 2],
                &[500_000_000_000_000, 499_999_999_999_999],
            ),
        ];
        for (whole, weights, expected) in table {
            let minor = |units: &i64| Minor::new(*units).unwrap();
            let parts = split(minor(&whole), &weights.iter().map(minor).collect::<Vec<_>>());
            let found: Vec<i64> = parts.into_iter().map(Minor::get).collect();
            assert_eq!(found, expected, "{whole} over {weights:?}");
        }
    }
}
