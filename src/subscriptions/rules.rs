//! Periods, and the parts of fees, credit and units that belong to a part of one. Pure: no I/O.
//!
//! A part is linear in time and worked out in integers. What is charged is rounded half up to the smallest unit of money, what is
//! given for it is rounded down: changing plans back and forth never gives more than was paid for.

use crate::base::time::DAY_MS;
use crate::base::{Quantity, Timestamp, Zone};
use crate::catalog::rules::Interval;

/// A period that was paid for, counted in months after an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// When the first period began: its day and time of day are kept wherever a month has them.
    pub anchor: Timestamp,
    /// How many months after it this period began.
    pub month: i32,
    /// How many it lasts.
    pub months: i32,
    /// When it began.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
}

impl Cycle {
    /// The period that begins `month` months after `anchor`.
    #[must_use]
    pub fn at(zone: &Zone, anchor: Timestamp, month: i32, months: i32) -> Self {
        Self {
            anchor,
            month,
            months,
            start: zone.months_after(anchor, month),
            end: zone.months_after(anchor, month.saturating_add(months)),
        }
    }

    /// The month after this one.
    #[must_use]
    pub const fn next_month(&self) -> i32 {
        self.month.saturating_add(self.months)
    }
}

/// When the first period from `cycle` on ends that does not end before `from`.
#[must_use]
pub fn first_end(zone: &Zone, cycle: &Cycle, from: Timestamp) -> Timestamp {
    let mut next = *cycle;
    while next.end < from {
        next = Cycle::at(zone, next.anchor, next.next_month(), next.months.max(1));
    }
    next.end
}

/// A month in which what is included is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// When it began.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
}

/// What the pace of a month so far leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// The month is too young to say.
    Unknown,
    /// What is included lasts; so much will be used by the end.
    Lasts(Quantity),
    /// Everything is used by then.
    UsedUp(Timestamp),
}

/// A pace is told after a forty-eighth of the month: fifteen hours.
const PACE_AFTER: i128 = 48;

impl Month {
    /// Where `used` of `included` leads to at the pace so far.
    #[must_use]
    pub fn ahead(self, included: Quantity, used: Quantity, now: Timestamp) -> Ahead {
        let gone = i128::from(now.millis().saturating_sub(self.start.millis()).max(0));
        let whole = i128::from(self.end.millis().saturating_sub(self.start.millis()));
        if used >= included {
            return Ahead::UsedUp(now);
        }
        if gone * PACE_AFTER < whole {
            return Ahead::Unknown;
        }
        let (used, included) = (i128::from(used.micros()), i128::from(included.micros()));
        let by_the_end = used * whole / gone.max(1);
        match i64::try_from(by_the_end) {
            Ok(micros) if by_the_end <= included => Ahead::Lasts(Quantity::from_micros(micros)),
            Ok(_) | Err(_) => {
                let after = i64::try_from(included * gone / used.max(1)).unwrap_or(i64::MAX);
                Ahead::UsedUp(self.start.plus_ms(after))
            }
        }
    }
}

/// How many months a fee is for.
#[must_use]
pub const fn months(interval: Interval) -> i32 {
    match interval {
        Interval::Month => 1,
        Interval::Year => 12,
    }
}

/// What is left of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    left: i64,
    of: i64,
}

impl Rest {
    /// What is left of `from` to `to` at a time.
    #[must_use]
    pub fn of(from: Timestamp, to: Timestamp, now: Timestamp) -> Self {
        let of = to.millis().saturating_sub(from.millis()).max(1);
        Self { left: to.millis().saturating_sub(now.millis()).clamp(0, of), of }
    }

    /// The part of an amount of money, half up. Below zero it is nothing.
    #[must_use]
    pub fn charged(self, minor: i64) -> i64 {
        let (minor, left, of) = (i128::from(minor.max(0)), i128::from(self.left), i128::from(self.of));
        i64::try_from((2 * minor * left + of) / (2 * of)).unwrap_or(i64::MAX)
    }

    /// The part of what is given, rounded down. Below zero it is nothing.
    #[must_use]
    pub fn given(self, micros: i64) -> i64 {
        let part = i128::from(micros.max(0)) * i128::from(self.left) / i128::from(self.of);
        i64::try_from(part).unwrap_or(i64::MAX)
    }
}

/// When a period that could not be paid is tried again: on the next of the days after it first failed. None: no more.
#[must_use]
pub fn next_try(failed_at: Timestamp, days: &[u32], now: Timestamp) -> Option<Timestamp> {
    days.iter().map(|day| failed_at.plus_ms(i64::from(*day) * DAY_MS)).filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    #[test]
    fn periods_keep_the_day_of_the_anchor() {
        // zone, anchor, month, length: start, end
        for (name, anchor, month, months, start, end) in [
            ("UTC", "2027-01-31T10:00:00Z", 0, 1, "2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z"),
            ("UTC", "2027-01-31T10:00:00Z", 1, 1, "2027-02-28T10:00:00Z", "2027-03-31T10:00:00Z"),
            ("UTC", "2027-01-31T10:00:00Z", 2, 1, "2027-03-31T10:00:00Z", "2027-04-30T10:00:00Z"),
            // a leap day, by month and by year
            ("UTC", "2028-02-29T00:00:00Z", 12, 1, "2029-02-28T00:00:00Z", "2029-03-29T00:00:00Z"),
            ("UTC", "2028-02-29T00:00:00Z", 0, 12, "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
            ("UTC", "2028-02-29T00:00:00Z", 48, 12, "2032-02-29T00:00:00Z", "2033-02-28T00:00:00Z"),
            // clocks go forward and back: the local time stays
            ("Europe/Madrid", "2027-03-01T09:00:00Z", 1, 1, "2027-04-01T08:00:00Z", "2027-05-01T08:00:00Z"),
            ("Europe/Madrid", "2027-10-15T08:00:00Z", 1, 1, "2027-11-15T09:00:00Z", "2027-12-15T09:00:00Z"),
            // half past two does not exist on that day
            ("Europe/Madrid", "2027-02-28T01:30:00Z", 1, 1, "2027-03-28T01:30:00Z", "2027-04-28T00:30:00Z"),
            // the day of the anchor is the local one
            ("Asia/Tokyo", "2027-01-30T16:00:00Z", 1, 1, "2027-02-27T16:00:00Z", "2027-03-30T16:00:00Z"),
            (
                "America/New_York",
                "2027-02-01T03:00:00Z",
                1,
                1,
                "2027-03-01T03:00:00Z",
                "2027-04-01T02:00:00Z",
            ),
        ] {
            let cycle = Cycle::at(&zone(name), at(anchor), month, months);
            assert_eq!((cycle.start, cycle.end), (at(start), at(end)), "{name} {anchor} {month} {months}");
        }
    }

    #[test]
    fn a_rest_by_table() {
        let rest = |now: i64| {
            let at = Timestamp::from_millis;
            Rest::of(at(100), at(400), at(now))
        };
        // now: the part of 1,000 that is charged, and given
        for (now, charged, given) in [
            (0, 1_000, 1_000),
            (100, 1_000, 1_000),
            (200, 667, 666),
            (300, 333, 333),
            (400, 0, 0),
            (500, 0, 0),
        ] {
            assert_eq!((rest(now).charged(1_000), rest(now).given(1_000)), (charged, given), "{now}");
        }
        assert_eq!((rest(100).charged(-5), rest(100).given(-5)), (0, 0));
        assert_eq!(rest(100).charged(i64::MAX), i64::MAX);
    }

    #[test]
    fn a_card_is_tried_on_the_days_of_the_schedule() {
        let failed = at("2027-01-01T00:00:00Z");
        for (now, next) in [
            ("2027-01-01T00:00:00Z", Some("2027-01-02T00:00:00Z")),
            ("2027-01-02T00:00:00Z", Some("2027-01-04T00:00:00Z")),
            ("2027-01-05T12:00:00Z", Some("2027-01-06T00:00:00Z")),
            ("2027-01-08T00:00:00Z", None),
        ] {
            assert_eq!(next_try(failed, &[1, 3, 5, 7], at(now)), next.map(at), "{now}");
        }
        assert_eq!(next_try(failed, &[], failed), None);
    }

    #[test]
    fn a_new_price_comes_with_the_first_renewal_from_its_day_on() {
        let cycle = Cycle::at(&Zone::UTC, at("2027-01-31T10:00:00Z"), 0, 1);
        for (from, end) in [
            ("2027-01-01T00:00:00Z", "2027-02-28T10:00:00Z"),
            ("2027-02-28T10:00:00Z", "2027-02-28T10:00:00Z"),
            ("2027-02-28T10:00:00.001Z", "2027-03-31T10:00:00Z"),
            ("2027-04-01T00:00:00Z", "2027-04-30T10:00:00Z"),
        ] {
            assert_eq!(first_end(&Zone::UTC, &cycle, at(from)), at(end), "{from}");
        }
    }

    #[test]
    fn where_a_pace_leads_by_table() {
        let month = Month { start: at("2027-04-01T00:00:00Z"), end: at("2027-05-01T00:00:00Z") };
        let units = |whole| Quantity::from_whole(whole).unwrap();
        for (now, used, ahead) in [
            // too early, unless there is nothing left
            ("2027-04-01T14:59:59Z", 10, Ahead::Unknown),
            ("2027-04-01T00:00:00Z", 300, Ahead::UsedUp(at("2027-04-01T00:00:00Z"))),
            ("2027-04-01T15:00:00Z", 0, Ahead::Lasts(Quantity::ZERO)),
            // a tenth, a third
            ("2027-04-11T00:00:00Z", 30, Ahead::Lasts(units(90))),
            ("2027-04-11T00:00:00Z", 100, Ahead::Lasts(units(300))),
            ("2027-04-11T00:00:00Z", 150, Ahead::UsedUp(at("2027-04-21T00:00:00Z"))),
            ("2027-04-11T00:00:00Z", 300, Ahead::UsedUp(at("2027-04-11T00:00:00Z"))),
        ] {
            assert_eq!(month.ahead(units(300), units(used), at(now)), ahead, "{now} {used}");
        }
    }

    proptest::proptest! {
        /// Plans cost what their credit is worth: whoever goes up any number of times within a period, uses everything and
        /// leaves at its end, has had no more credit than was paid for, to half a cent for each charge; and no more
        /// than the dearest of the plans gives.
        #[test]
        fn upgrade_burn_downgrade_refund(
            fees in proptest::collection::vec(1..=100_000_i64, 1..6),
            times in proptest::collection::vec(0..=2_678_400_000_i64, 5),
            days in 28..=31_i64,
        ) {
            let (start, end) = (Timestamp::from_millis(0), Timestamp::from_millis(days * DAY_MS));
            let (mut fees, mut times) = (fees, times);
            fees.sort_unstable();
            times.sort_unstable();
            // a cent buys a credit
            let credit = |minor: i64| minor * 1_000_000;
            let first = fees[0];
            let (mut paid, mut had) = (first, credit(first));
            for (pair, now) in fees.windows(2).zip(&times) {
                let rest = Rest::of(start, end, Timestamp::from_millis(*now));
                paid += rest.charged(pair[1] - pair[0]);
                had += rest.given(credit(pair[1]) - credit(pair[0]));
            }
            let charges = i64::try_from(fees.len()).unwrap();
            proptest::prop_assert!(had <= credit(paid) + charges * 500_000);
            proptest::prop_assert!(had <= credit(*fees.last().unwrap()));
        }
    }
}
