//! Whole days of an organization: reports are added up by day, in its timezone.

use std::str::FromStr;

use crate::base::{Day, Timestamp, Zone};
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::metering::reports::MAX_DAYS;

/// An end of a stretch of days: a calendar day, or an instant.
#[derive(Debug, Clone, Copy)]
enum End {
    Day(Day),
    At(Timestamp),
}

/// Why a text is neither.
#[derive(Debug, thiserror::Error)]
#[error(
    "is neither a day, such as 2026-11-21, nor a date and time with an offset, such as 2026-11-21T00:00:00Z"
)]
struct EndError;

impl FromStr for End {
    type Err = EndError;

    fn from_str(text: &str) -> Result<Self, EndError> {
        text.parse().map(Self::Day).or_else(|_| text.parse().map(Self::At)).map_err(|_| EndError)
    }
}

/// The days that were asked for. Which they are depends on the organization's timezone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    from: Option<End>,
    to: Option<End>,
}

/// Whole days: the first, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    pub from: Day,
    pub to: Day,
}

impl Asked {
    pub fn from_params(params: &mut Params) -> Self {
        Self { from: params.optional("from"), to: params.optional("to") }
    }

    /// The days in `zone`, widened to whole ones; from the first of the month to the end of today unless asked otherwise.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn days(self, zone: &Zone, now: Timestamp) -> Result<Days, ApiError> {
        let to = match self.to {
            None => zone.day_of(now).plus_days(1),
            Some(End::Day(day)) => day,
            Some(End::At(at)) => {
                let day = zone.day_of(at);
                if zone.start_of(day) == at { day } else { day.plus_days(1) }
            }
        };
        let from = match self.from {
            None => zone.day_of(now).min(to.plus_days(-1)).first_of_month(),
            Some(End::Day(day)) => day,
            Some(End::At(at)) => zone.day_of(at),
        };
        if to <= from {
            return Err(ApiError::field("to", "invalid_value", "must be later than from"));
        }
        if to.number().saturating_sub(from.number()) > MAX_DAYS {
            return Err(ApiError::field(
                "from",
                "invalid_value",
                format!("must be at most {MAX_DAYS} days before to"),
            ));
        }
        Ok(Days { from, to })
    }
}

impl Days {
    /// The instants at which they begin and end.
    pub fn instants(self, zone: &Zone) -> (Timestamp, Timestamp) {
        (zone.start_of(self.from), zone.start_of(self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(query: &str) -> Result<(String, String), String> {
        let zone: Zone = "Europe/Madrid".parse().expect("zone");
        let mut params = Params::parse(query);
        let asked = Asked::from_params(&mut params);
        params.finish().map_err(|error| error.to_string())?;
        let days = asked.days(&zone, "2026-11-21T23:30:00Z".parse().expect("time"));
        days.map(|days| (days.from.to_string(), days.to.to_string())).map_err(|error| error.to_string())
    }

    #[test]
    fn days_are_those_of_the_timezone_and_whole() {
        let same = |query: &str, from: &str, to: &str| {
            assert_eq!(days(query), Ok((from.to_owned(), to.to_owned())), "{query}");
        };
        // half past midnight of the 22nd there
        same("", "2026-11-01", "2026-11-23");
        same("from=2026-10-01&to=2026-11-01", "2026-10-01", "2026-11-01");
        same("from=2026-09-30T22:00:00Z&to=2026-10-31T23:00:00Z", "2026-10-01", "2026-11-01");
        same("from=2026-10-01T12:00:00Z&to=2026-10-02T12:00:00Z", "2026-10-01", "2026-10-03");
        same("to=2026-11-01", "2026-10-01", "2026-11-01");
        for bad in ["from=x", "from=2026-11-02&to=2026-11-02", "from=2020-01-01", "from=2026-13-01"] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
