//! The states of a rented number. Pure.

use crate::base::Timestamp;
use crate::base::time::DAY_MS;

/// What numbers are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long the rent may be owed before the number is suspended, in days.
    pub grace_days: i64,
    /// How long it is suspended before it is released, in days.
    pub release_days: i64,
}

/// How a rented number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Paid for.
    Active {
        /// It is released when what is paid for is over.
        ends: bool,
    },
    /// The rent is owed. It takes calls until then.
    Grace {
        /// When it is suspended.
        until: Timestamp,
        /// A last notice was given.
        warned: bool,
    },
    /// It takes no calls, and nothing accrues.
    Suspended {
        /// When it is released.
        until: Timestamp,
    },
    /// It is not rented any more.
    Released {
        /// Since when.
        at: Timestamp,
    },
}

/// What happens to a number whose rent could not be charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpaid {
    /// Nothing but that it is asked for again later.
    Waits,
    /// The customer is told that it is suspended unless the rent is paid.
    Told(State),
    /// It is suspended.
    Suspended(State),
    /// It is released.
    Released(State),
}

impl State {
    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active { .. } => "active",
            Self::Grace { .. } => "grace",
            Self::Suspended { .. } => "suspended",
            Self::Released { .. } => "released",
        }
    }

    /// When there is something to do, for a number that is paid for until then.
    #[must_use]
    pub fn next_at(self, paid_until: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Active { .. } => Some(paid_until),
            Self::Grace { until, warned: false } => Some(last_notice(until)),
            Self::Grace { until, warned: true } | Self::Suspended { until } => Some(until),
            Self::Released { .. } => None,
        }
    }

    /// What follows where the rent is due and cannot be charged at `now`. Days of grace are counted from when that was found
    /// out: nobody was told before.
    #[must_use]
    pub fn unpaid(self, now: Timestamp, terms: Terms) -> Unpaid {
        let days = |days: i64| now.plus_ms(days.saturating_mul(DAY_MS));
        let suspended = || Unpaid::Suspended(Self::Suspended { until: days(terms.release_days) });
        match self {
            Self::Active { .. } if terms.grace_days <= 0 => suspended(),
            Self::Active { .. } => {
                let until = days(terms.grace_days);
                // of one day of grace the first notice is the last
                Unpaid::Told(Self::Grace { until, warned: last_notice(until) <= now })
            }
            Self::Grace { until, .. } if until <= now => suspended(),
            Self::Grace { until, warned: false } if last_notice(until) <= now => {
                Unpaid::Told(Self::Grace { until, warned: true })
            }
            Self::Suspended { until } if until <= now => Unpaid::Released(Self::Released { at: now }),
            Self::Grace { .. } | Self::Suspended { .. } | Self::Released { .. } => Unpaid::Waits,
        }
    }
}

const fn last_notice(until: Timestamp) -> Timestamp {
    until.plus_ms(-DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { grace_days: 7, release_days: 30 };

    fn day(days: i64) -> Timestamp {
        Timestamp::from_millis(days * DAY_MS)
    }

    #[test]
    fn what_is_not_paid_is_told_twice_suspended_and_released() {
        let Unpaid::Told(grace) = (State::Active { ends: false }).unpaid(day(0), TERMS) else { panic!() };
        assert_eq!(grace, State::Grace { until: day(7), warned: false });
        assert_eq!(grace.next_at(day(0)), Some(day(6)));
        assert_eq!(grace.unpaid(day(5), TERMS), Unpaid::Waits);
        let Unpaid::Told(warned) = grace.unpaid(day(6), TERMS) else { panic!() };
        assert_eq!(
            (warned, warned.next_at(day(0))),
            (State::Grace { until: day(7), warned: true }, Some(day(7)))
        );
        assert_eq!(warned.unpaid(day(6), TERMS), Unpaid::Waits);
        let Unpaid::Suspended(suspended) = warned.unpaid(day(7), TERMS) else { panic!() };
        assert_eq!(suspended, State::Suspended { until: day(37) });
        assert_eq!(suspended.unpaid(day(36), TERMS), Unpaid::Waits);
        let Unpaid::Released(released) = suspended.unpaid(day(37), TERMS) else { panic!() };
        assert_eq!((released.next_at(day(0)), released.unpaid(day(99), TERMS)), (None, Unpaid::Waits));
    }

    #[test]
    fn grace_may_be_a_day_or_none() {
        let active = State::Active { ends: false };
        let one = Terms { grace_days: 1, release_days: 30 };
        assert_eq!(active.unpaid(day(3), one), Unpaid::Told(State::Grace { until: day(4), warned: true }));
        let none = Terms { grace_days: 0, release_days: 30 };
        assert_eq!(active.unpaid(day(3), none), Unpaid::Suspended(State::Suspended { until: day(33) }));
    }
}
