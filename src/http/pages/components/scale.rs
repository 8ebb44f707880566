//! Chart geometry in integers: percentages as text, round axis ends, series colours.

/// `part` of `whole` as a percentage with two decimals, for SVG attributes: `12.34%`. Nothing of nothing is zero.
#[must_use]
pub fn percent(part: i64, whole: i64) -> String {
    let (hundredths, fraction) = parts(part, whole);
    format!("{hundredths}.{fraction:02}%")
}

/// `part` of `whole` on an axis of 1,000 units with two decimals, for SVG paths.
#[must_use]
pub fn permille(part: i64, whole: i64) -> String {
    let (hundredths, fraction) = parts(part.saturating_mul(10), whole);
    format!("{hundredths}.{fraction:02}")
}

fn parts(part: i64, whole: i64) -> (i128, i128) {
    if whole <= 0 || part <= 0 {
        return (0, 0);
    }
    let scaled = i128::from(part) * 10_000 / i128::from(whole);
    (scaled / 100, scaled % 100)
}

/// The smallest of 1, 2, 3, 4, 5, 6, 8 times a power of ten (in micro-units) that is not below `largest`; at least one unit,
/// so that an empty chart still has an axis.
#[must_use]
pub fn round_up(largest_micros: i64) -> i64 {
    let mut power: i64 = 100_000;
    loop {
        for times in [1, 2, 3, 4, 5, 6, 8] {
            let candidate = power.saturating_mul(times);
            if candidate >= largest_micros.max(1_000_000) {
                return candidate;
            }
        }
        if power == i64::MAX {
            return i64::MAX;
        }
        power = power.saturating_mul(10);
    }
}

/// How many series have a colour of their own; further ones share the last.
const SLOTS: usize = 8;

/// The class of a series: its colour in `app.css`.
#[must_use]
pub fn slot(index: usize) -> String {
    format!("s{}", index.min(SLOTS - 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_is_exact_and_bounded() {
        assert_eq!(percent(1, 3), "33.33%");
        assert_eq!(percent(0, 0), "0.00%");
        assert_eq!(percent(-5, 10), "0.00%");
        assert_eq!(percent(i64::MAX, i64::MAX), "100.00%");
        assert_eq!(permille(1, 8), "125.00");
        for (from, to) in [
            (0, 1_000_000),
            (1_000_001, 2_000_000),
            (2_400_000, 3_000_000),
            (26_000_000, 30_000_000),
            (88_200_000, 100_000_000),
            (i64::MAX, i64::MAX),
        ] {
            assert_eq!(round_up(from), to, "{from}");
        }
        assert_eq!(slot(0), "s1");
        assert_eq!(slot(99), "s8");
    }
}
