//! Instants, days and timezones. UTC inside; a zone only where a person's day or month begins.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339 with `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an RFC 3339 date and time with an offset, such as 2026-11-21T09:30:00Z")]
pub struct TimestampError;

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This instant moved by milliseconds, stopping at the ends of the range.
    #[must_use]
    pub const fn plus_ms(self, by_ms: i64) -> Self {
        Self(self.0.saturating_add(by_ms))
    }

    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % SECOND_MS == 0 {
            write!(f, "{:.0}", self.jiff())
        } else {
            write!(f, "{:.3}", self.jiff())
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if text.len() > 40 || !text.contains(['T', 't', ' ']) {
            return Err(TimestampError);
        }
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(|_| TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::parsed(deserializer)
    }
}

impl rusqlite::ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::from(self.0))
    }
}

impl rusqlite::types::FromSql for Timestamp {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// A calendar day in some zone: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The day `by` days later (earlier if negative).
    #[must_use]
    pub const fn plus_days(self, by: i32) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self::from_date(self.date().first_of_month())
    }

    /// The first day of the next month.
    #[must_use]
    pub fn first_of_next_month(self) -> Self {
        Self::from_date(self.date().last_of_month()).plus_days(1)
    }

    /// The calendar date.
    #[must_use]
    pub fn date(self) -> Date {
        Date::ZERO
            .checked_add(jiff::Span::new().days(i64::from(self.0) + EPOCH_FROM_ZERO))
            .unwrap_or(Date::MAX)
    }

    /// The day of a calendar date.
    #[must_use]
    pub fn from_date(date: Date) -> Self {
        let days = date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days());
        Self(days)
    }
}

/// Days from 0000-01-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_FROM_ZERO: i64 = 719_528;

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.date().fmt(f)
    }
}

impl FromStr for Day {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if text.len() != 10 {
            return Err(TimestampError);
        }
        text.parse::<Date>().map(Self::from_date).map_err(|_| TimestampError)
    }
}

impl rusqlite::ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::from(self.0))
    }
}

impl rusqlite::types::FromSql for Day {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        i32::column_result(value).map(Self)
    }
}

/// An IANA timezone. The rules come with the binary, so a bare machine has them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// Why a text is not a timezone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an IANA timezone, such as Europe/Madrid")]
pub struct ZoneError;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The calendar day that `at` falls on here.
    #[must_use]
    pub fn day_of(&self, at: Timestamp) -> Day {
        if self.0 == TimeZone::UTC {
            return Day(i32::try_from(at.0.div_euclid(DAY_MS)).unwrap_or(i32::MAX));
        }
        Day::from_date(self.0.to_datetime(at.jiff()).date())
    }

    /// The instant at which a day begins here. Where midnight is skipped, the first instant after the gap.
    #[must_use]
    pub fn start_of(&self, day: Day) -> Timestamp {
        day.date()
            .to_zoned(self.0.clone())
            .map_or(Timestamp(i64::MAX), |start| Timestamp(start.timestamp().as_millisecond()))
    }

    /// The local date and time of an instant.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> jiff::civil::DateTime {
        self.0.to_datetime(at.jiff())
    }

    /// The instant `months` calendar months after `anchor`, keeping the anchor's local time and its day of
    /// the month where the month has it (31 January, 28 February, 31 March).
    #[must_use]
    pub fn months_after(&self, anchor: Timestamp, months: i32) -> Timestamp {
        let local = self.local(anchor);
        local
            .checked_add(jiff::Span::new().months(months))
            .ok()
            .and_then(|moved| self.0.to_ambiguous_timestamp(moved).compatible().ok())
            .map_or(Timestamp(i64::MAX), |at| Timestamp(at.as_millisecond()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if text.len() > 64 {
            return Err(ZoneError);
        }
        if text == "UTC" {
            return Ok(Self::UTC);
        }
        let zone = TimeZone::get(text).map_err(|_| ZoneError)?;
        // jiff looks names up without regard to case; what is stored is the name as the database has it
        if zone.iana_name().is_none() { Err(ZoneError) } else { Ok(Self(zone)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn instants_print_and_parse() {
        assert_eq!(at("2026-02-28T23:30:00Z").to_string(), "2026-02-28T23:30:00Z");
        assert_eq!(at("2026-03-01T00:30:00.25+01:00").to_string(), "2026-02-28T23:30:00.250Z");
        for bad in ["", "2026-02-28", "2026-02-30T00:00:00Z", "2026-02-28T00:00:00", "yesterday"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn days_follow_the_zone() {
        let madrid: Zone = "Europe/Madrid".parse().expect("zone");
        assert_eq!(madrid.day_of(at("2026-02-28T23:30:00Z")).to_string(), "2026-03-01");
        assert_eq!(Zone::UTC.day_of(at("2026-02-28T23:30:00Z")).to_string(), "2026-02-28");
        assert_eq!(Zone::UTC.day_of(at("1969-12-31T23:59:59Z")).number(), -1);
        // the day the clocks go forward is 23 hours long, the day they go back 25
        let spring: Day = "2026-03-29".parse().expect("day");
        let autumn: Day = "2026-10-25".parse().expect("day");
        let length = |d: Day| madrid.start_of(d.plus_days(1)).millis() - madrid.start_of(d).millis();
        assert_eq!(length(spring), 23 * HOUR_MS);
        assert_eq!(length(autumn), 25 * HOUR_MS);
    }

    #[test]
    fn months_keep_the_local_time_by_table() {
        for (zone, anchor, months, wanted) in [
            // the last day of the month, as far as there is one
            ("UTC", "2027-08-31T00:00:00Z", 1, "2027-09-30T00:00:00Z"),
            ("UTC", "2027-08-31T00:00:00Z", 6, "2028-02-29T00:00:00Z"),
            ("UTC", "2027-08-31T00:00:00Z", 7, "2028-03-31T00:00:00Z"),
            ("UTC", "2028-02-29T12:00:00Z", 12, "2029-02-28T12:00:00Z"),
            ("UTC", "2028-02-29T12:00:00Z", 48, "2032-02-29T12:00:00Z"),
            // 2100 is no leap year
            ("UTC", "2096-02-29T12:00:00Z", 48, "2100-02-28T12:00:00Z"),
            // 31 January in Auckland is the 30th in UTC
            ("Pacific/Auckland", "2027-01-30T11:30:00Z", 1, "2027-02-27T11:30:00Z"),
            // summer time begins and ends: the hour that is missing is made up for, of the one that comes twice the first is meant
            ("Europe/Madrid", "2027-02-28T01:59:00Z", 1, "2027-03-28T01:59:00Z"),
            ("Europe/Madrid", "2027-02-28T01:59:00Z", 2, "2027-04-28T00:59:00Z"),
            ("Europe/Madrid", "2027-09-30T00:30:00Z", 1, "2027-10-30T00:30:00Z"),
            ("Europe/Madrid", "2027-08-31T00:30:00Z", 2, "2027-10-31T00:30:00Z"),
            ("Europe/Madrid", "2027-10-31T01:30:00Z", 1, "2027-11-30T01:30:00Z"),
            ("America/New_York", "2027-10-07T05:30:00Z", 1, "2027-11-07T05:30:00Z"),
            ("America/New_York", "2027-02-14T07:30:00Z", 1, "2027-03-14T07:30:00Z"),
            // by half an hour, and in October instead of March
            ("Australia/Lord_Howe", "2027-09-02T15:45:00Z", 1, "2027-10-02T15:45:00Z"),
            ("Australia/Lord_Howe", "2027-09-03T15:45:00Z", 1, "2027-10-03T15:15:00Z"),
            ("Asia/Kolkata", "2027-01-30T20:00:00Z", 1, "2027-02-27T20:00:00Z"),
        ] {
            let place: Zone = zone.parse().expect(zone);
            assert_eq!(
                place.months_after(at(anchor), months).to_string(),
                wanted,
                "{zone} {anchor} + {months}"
            );
        }
    }

    #[test]
    fn months_keep_the_anchor_day() {
        let anchor = at("2027-01-31T10:00:00Z");
        let months: Vec<String> = (0..4).map(|m| Zone::UTC.months_after(anchor, m).to_string()).collect();
        assert_eq!(
            months,
            ["2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z", "2027-03-31T10:00:00Z", "2027-04-30T10:00:00Z"]
        );
        let day: Day = "2028-02-29".parse().expect("day");
        assert_eq!(day.first_of_month().to_string(), "2028-02-01");
        assert_eq!(day.first_of_next_month().to_string(), "2028-03-01");
    }

    proptest::proptest! {
        #[test]
        fn a_day_holds_its_own_start(number in -100_000_i32..100_000) {
            let day = Day::from_number(number);
            proptest::prop_assert_eq!(Zone::UTC.day_of(Zone::UTC.start_of(day)), day);
            proptest::prop_assert_eq!(day.to_string().parse::<Day>(), Ok(day));
        }
    }
}
