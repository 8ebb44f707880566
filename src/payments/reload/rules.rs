//! When a card is charged by itself, and what follows from how that went. No I/O.

use crate::base::id::{PaymentId, WorkId};
use crate::base::time::HOUR_MS;
use crate::base::{Credits, Money, Timestamp};
use crate::payments::gateway::Decline;
use crate::payments::rules::{Reason, State};

/// Declines in a row after which it is switched off.
pub const MOST_FAILURES: u32 = 3;
/// How long after the n-th decline in a row it is tried again.
const BACK_OFF_HOURS: [i64; 2] = [6, 24];

/// What keeps it from charging, or why it was switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The card was declined.
    Declined(Decline),
    /// The provider did not want it.
    Refused,
    /// The month's cap is reached.
    MonthlyCap,
    /// Its card was removed.
    CardRemoved,
    /// What is bought each time has no price any more.
    Price,
    /// The provider did not answer in time: whether the card was charged is not known.
    Unanswered,
    /// What was bought did not lift the balance above the threshold.
    TooSmall,
}

impl Problem {
    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declined(decline) => decline.name(),
            Self::Refused => "refused",
            Self::MonthlyCap => "monthly_cap",
            Self::CardRemoved => "card_removed",
            Self::Price => "price",
            Self::Unanswered => "unanswered",
            Self::TooSmall => "too_small",
        }
    }

    /// The problem of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let others = [
            Self::Refused,
            Self::MonthlyCap,
            Self::CardRemoved,
            Self::Price,
            Self::Unanswered,
            Self::TooSmall,
        ];
        let known = others.into_iter().find(|problem| problem.name() == name);
        known.or_else(|| Decline::from_name(name).map(Self::Declined))
    }
}

/// An attempt that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The work that makes it.
    pub work: WorkId,
    /// When.
    pub at: Timestamp,
}

/// Where auto-reload of an organization stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// It is switched on.
    pub enabled: bool,
    /// The payment that is on its way.
    pub in_flight: Option<PaymentId>,
    /// Declines in a row.
    pub failures: u32,
    /// The next attempt, after one that failed or was put off.
    pub retry: Option<Retry>,
    /// The work that was dealt with last.
    pub last_work: Option<WorkId>,
    /// What keeps it from charging.
    pub problem: Option<(Problem, Timestamp)>,
}

/// What makes somebody look whether to charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The work.
    pub work: WorkId,
    /// It is an attempt after one that failed; else the balance has fallen below the threshold.
    pub again: bool,
}

/// What is known when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What remains.
    pub balance: Credits,
    /// Below what it is charged.
    pub threshold: Credits,
    /// What would be charged, with tax.
    pub total: Money,
    /// What was charged this month, with tax, what is on its way included.
    pub spent_minor: i64,
    /// The most that is charged in a month, with tax.
    pub cap_minor: Option<i64>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Leave,
    /// Nothing, and no further attempt is needed.
    Recovered,
    /// Charge.
    Charge,
    /// The month's cap is reached: look again when the next month begins.
    NextMonth,
}

/// Whether to charge.
#[must_use]
pub fn decide(standing: &Standing, cause: Cause, facts: &Facts) -> Decision {
    let expected = standing.retry.map(|retry| retry.work);
    if !standing.enabled || standing.in_flight.is_some() || standing.last_work == Some(cause.work) {
        return Decision::Leave;
    }
    match (cause.again, expected) {
        (true, Some(work)) if work == cause.work => {}
        (false, None) => {}
        // an attempt that was called off; or a fall while an attempt is to come anyway
        (true, _) | (false, Some(_)) => return Decision::Leave,
    }
    if facts.balance >= facts.threshold {
        return Decision::Recovered;
    }
    match facts.cap_minor {
        Some(cap) if facts.spent_minor.saturating_add(facts.total.minor) > cap => Decision::NextMonth,
        Some(_) | None => Decision::Charge,
    }
}

/// What follows from how a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on its way, or it is none that matters.
    Nothing,
    /// The credit is there.
    Succeeded,
    /// Try again at a time.
    Failed(Problem, Timestamp),
    /// The bank wants the customer: nothing is tried again by itself.
    ActionRequired(Problem),
    /// It failed too often.
    Disabled(Problem),
}

/// What follows from how `payment` stands.
#[must_use]
pub fn outcome(standing: &Standing, payment: PaymentId, state: &State, now: Timestamp) -> Outcome {
    let problem = match state {
        State::Created | State::Pending { .. } => return Outcome::Nothing,
        State::Settled(_) => return Outcome::Succeeded,
        State::Failed { reason: Reason::Declined(decline), .. } => Problem::Declined(*decline),
        State::Failed { reason: Reason::Refused | Reason::Abandoned | Reason::GivenUp, .. } => {
            Problem::Refused
        }
    };
    if standing.in_flight != Some(payment) {
        return Outcome::Nothing;
    }
    let failures = standing.failures.saturating_add(1);
    if failures >= MOST_FAILURES {
        return Outcome::Disabled(problem);
    }
    if problem == Problem::Declined(Decline::AuthenticationRequired) {
        return Outcome::ActionRequired(problem);
    }
    let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let hours = BACK_OFF_HOURS.get(place).copied().unwrap_or(24);
    Outcome::Failed(problem, now.plus_ms(hours * HOUR_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Currency;

    fn work(number: i64) -> WorkId {
        WorkId::new(number)
    }

    fn pay(number: i64) -> PaymentId {
        PaymentId::new(number)
    }

    fn whole(credits: i64) -> Credits {
        Credits::from_whole(credits).unwrap()
    }

    fn on() -> Standing {
        Standing { enabled: true, ..Standing::default() }
    }

    const FELL: Cause = Cause { work: WorkId::new(7), again: false };
    const AGAIN: Cause = Cause { work: WorkId::new(7), again: true };

    fn facts() -> Facts {
        Facts {
            balance: whole(99),
            threshold: whole(100),
            total: Money { minor: 1_210, currency: Currency::EUR },
            spent_minor: 0,
            cap_minor: None,
        }
    }

    #[test]
    fn whether_to_charge() {
        let retry = |number| Some(Retry { work: work(number), at: Timestamp::from_millis(9) });
        let cap = |cap: i64, spent: i64| Facts { cap_minor: Some(cap), spent_minor: spent, ..facts() };
        let table = [
            ("it fell", on(), FELL, facts(), Decision::Charge),
            ("off", Standing::default(), FELL, facts(), Decision::Leave),
            ("one in flight", Standing { in_flight: Some(pay(1)), ..on() }, FELL, facts(), Decision::Leave),
            (
                "work done twice",
                Standing { last_work: Some(work(7)), ..on() },
                FELL,
                facts(),
                Decision::Leave,
            ),
            ("other work", Standing { last_work: Some(work(6)), ..on() }, FELL, facts(), Decision::Charge),
            ("it backs off", Standing { retry: retry(8), ..on() }, FELL, facts(), Decision::Leave),
            ("its turn", Standing { retry: retry(7), ..on() }, AGAIN, facts(), Decision::Charge),
            ("called off", on(), AGAIN, facts(), Decision::Leave),
            ("another's turn", Standing { retry: retry(8), ..on() }, AGAIN, facts(), Decision::Leave),
            ("recovered", on(), FELL, Facts { balance: whole(100), ..facts() }, Decision::Recovered),
            ("just within the cap", on(), FELL, cap(2_420, 1_210), Decision::Charge),
            ("beyond the cap", on(), FELL, cap(2_419, 1_210), Decision::NextMonth),
        ];
        for (what, standing, cause, facts, expected) in table {
            assert_eq!(decide(&standing, cause, &facts), expected, "{what}");
        }
    }

    #[test]
    fn what_follows_from_a_payment() {
        let now = Timestamp::from_millis(0);
        let failed = |reason| State::Failed { reference: None, at: now, reason };
        let declined = |decline| failed(Reason::Declined(decline));
        let plain = Problem::Declined(Decline::Declined);
        let wanted = Problem::Declined(Decline::AuthenticationRequired);
        let hours = |hours: i64| now.plus_ms(hours * HOUR_MS);
        let table = [
            ("created", 0, State::Created, Outcome::Nothing),
            ("first", 0, declined(Decline::Declined), Outcome::Failed(plain, hours(6))),
            ("second", 1, declined(Decline::Declined), Outcome::Failed(plain, hours(24))),
            ("third", 2, declined(Decline::Declined), Outcome::Disabled(plain)),
            ("the bank asks", 0, declined(Decline::AuthenticationRequired), Outcome::ActionRequired(wanted)),
            ("asks a third time", 2, declined(Decline::AuthenticationRequired), Outcome::Disabled(wanted)),
            ("refused", 0, failed(Reason::Refused), Outcome::Failed(Problem::Refused, hours(6))),
            ("gone", 0, failed(Reason::Abandoned), Outcome::Failed(Problem::Refused, hours(6))),
        ];
        for (what, failures, state, expected) in table {
            let standing = Standing { failures, in_flight: Some(pay(1)), ..on() };
            assert_eq!(outcome(&standing, pay(1), &state, now), expected, "{what}");
            let other = outcome(&standing, pay(2), &state, now);
            assert_eq!(other, Outcome::Nothing, "{what}, but another payment is in flight");
        }
    }

    #[test]
    fn problems_have_names() {
        let declines = Decline::ALL.into_iter().map(Problem::Declined);
        let others = [
            Problem::Refused,
            Problem::MonthlyCap,
            Problem::CardRemoved,
            Problem::Price,
            Problem::Unanswered,
            Problem::TooSmall,
        ];
        for problem in declines.chain(others) {
            assert_eq!(Problem::from_name(problem.name()), Some(problem));
        }
        assert_eq!(Problem::from_name("other"), None);
    }
}
