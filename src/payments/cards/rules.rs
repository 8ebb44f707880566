//! When a card expires. No I/O.

use jiff::civil::Date;

use crate::base::time::DAY_MS;
use crate::base::{Day, Timestamp, Zone};

/// How long before its end a card is announced to expire.
const ANNOUNCED_MS: i64 = 30 * DAY_MS;

/// How long a card is still good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Long enough.
    Good,
    /// Not much longer than a month.
    EndsSoon,
    /// No longer.
    Over,
}

/// The instant at which a card ends: with its last month, in UTC. None where the month is none.
#[must_use]
pub fn ends_at(exp_month: u8, exp_year: u16) -> Option<Timestamp> {
    let (month, year) = (i8::try_from(exp_month).ok()?, i16::try_from(exp_year).ok()?);
    let first = Date::new(year, month, 1).ok()?;
    Some(Zone::UTC.start_of(Day::from_date(first).first_of_next_month()))
}

/// When it is announced that a card will end.
#[must_use]
pub fn announce_at(exp_month: u8, exp_year: u16) -> Option<Timestamp> {
    ends_at(exp_month, exp_year).map(|end| end.plus_ms(-ANNOUNCED_MS))
}

/// How long a card is still good.
#[must_use]
pub fn validity(exp_month: u8, exp_year: u16, now: Timestamp) -> Validity {
    match ends_at(exp_month, exp_year) {
        Some(end) if now >= end => Validity::Over,
        Some(end) if now >= end.plus_ms(-ANNOUNCED_MS) => Validity::EndsSoon,
        Some(_) | None => Validity::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_good_to_the_end_of_its_month_and_announced_a_month_before() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(ends_at(12, 2026), Some(at("2027-01-01T00:00:00Z")));
        assert_eq!(announce_at(3, 2026), Some(at("2026-03-02T00:00:00Z")));
        for (now, expected) in [
            ("2026-02-01T00:00:00Z", Validity::Good),
            ("2026-03-01T23:59:59Z", Validity::Good),
            ("2026-03-02T00:00:00Z", Validity::EndsSoon),
            ("2026-03-31T23:59:59Z", Validity::EndsSoon),
            ("2026-04-01T00:00:00Z", Validity::Over),
        ] {
            assert_eq!(validity(3, 2026, at(now)), expected, "{now}");
        }
        assert_eq!(ends_at(13, 2026), None);
    }
}
