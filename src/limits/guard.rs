//! The guard of numbers: whether one may be used, and of toll-free ones how much, against artificial traffic. The number's
//! owner pays for whoever calls it.

use crate::base::Quantity;
use crate::base::decimal::MICROS;

/// What a number may be used for. None: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// Minutes of inbound toll-free calls in a day of the organization's timezone.
    pub minutes_per_day: Option<i64>,
    /// Calls in progress at once.
    pub calls_at_once: Option<i64>,
    /// Somebody decided that no call may begin on it, either way.
    pub suspended: bool,
    /// Its rent was not paid: no call may begin on it either.
    pub unpaid: bool,
}

const SECONDS_PER_MINUTE: i64 = 60;

impl Guard {
    /// Seconds that may still come in on a day on which `used` were charged already; not negative. `None`: unlimited.
    #[must_use]
    pub fn seconds_left(&self, used: Quantity) -> Option<Quantity> {
        let most = i128::from(self.minutes_per_day?) * i128::from(SECONDS_PER_MINUTE) * i128::from(MICROS);
        let left = (most - i128::from(used.micros())).max(0);
        Some(Quantity::from_micros(i64::try_from(left).unwrap_or(i64::MAX)))
    }

    /// No call may begin on it, either way.
    #[must_use]
    pub const fn blocks(&self) -> bool {
        self.suspended || self.unpaid
    }

    /// Whether one more call may come in while `live` are in progress.
    #[must_use]
    pub fn admits_another(&self, live: i64) -> bool {
        self.calls_at_once.is_none_or(|most| live < most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_calls_are_counted_down() {
        let seconds = |whole| Quantity::from_whole(whole).expect("quantity");
        let guard = Guard { minutes_per_day: Some(10), calls_at_once: Some(2), ..Guard::default() };
        assert_eq!(guard.seconds_left(Quantity::ZERO), Some(seconds(600)));
        assert_eq!(guard.seconds_left(seconds(599)), Some(seconds(1)));
        assert_eq!(guard.seconds_left(seconds(700)), Some(Quantity::ZERO));
        assert!(guard.admits_another(0) && guard.admits_another(1));
        assert!(!guard.admits_another(2) && !guard.admits_another(3));
        let none = Guard::default();
        assert_eq!(none.seconds_left(seconds(1)), None);
        assert!(none.admits_another(i64::MAX));
        assert!(!Guard { calls_at_once: Some(0), ..none }.admits_another(0));
    }
}
