//! What credit costs, and how a payment moves from one state to the next. No I/O.

use super::gateway::{Checkout, Decline, Status};
use crate::base::decimal::MICROS;
use crate::base::id::{GrantId, InvoiceId};
use crate::base::{Credits, Currency, FieldError, Money, Timestamp};

/// What may be bought freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How many credits one unit of the currency buys.
    pub credits_per_unit: i64,
    /// The smallest custom amount, in whole units of the currency.
    pub minimum: i64,
    /// The largest custom amount, in whole units of the currency.
    pub maximum: i64,
}

/// What is bought, and for how much. Before tax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// What it costs.
    pub price: Money,
    /// The credit that is paid for.
    pub credits: Credits,
    /// Credit on top, for free.
    pub bonus: Credits,
    /// The package it is, unless it is a custom amount.
    pub package: Option<String>,
    /// Of a plan's fee, which buys no credit: what it is for, in words.
    pub plan: Option<String>,
}

impl Purchase {
    /// A plan's fee. `what` is for people.
    #[must_use]
    pub const fn fee(price: Money, what: String) -> Self {
        Self { price, credits: Credits::ZERO, bonus: Credits::ZERO, package: None, plan: Some(what) }
    }

    /// What it is called in a list.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(plan) = &self.plan {
            return plan.clone();
        }
        self.package.as_ref().map_or_else(|| "Top-up".to_owned(), |code| format!("Package {code}"))
    }

    /// What it is, on an invoice and at the provider.
    #[must_use]
    pub fn description(&self) -> String {
        if let Some(plan) = &self.plan {
            return plan.clone();
        }
        let bonus = if self.bonus.is_positive() { format!(" + {}", self.bonus) } else { String::new() };
        format!("{}: {}{bonus} credits", self.name(), self.credits)
    }
}

impl Terms {
    /// The smallest custom amount.
    #[must_use]
    pub fn least(&self, currency: Currency) -> Money {
        Money { minor: self.minimum.saturating_mul(currency.minor_per_unit()), currency }
    }

    /// The largest custom amount.
    #[must_use]
    pub fn most(&self, currency: Currency) -> Money {
        Money { minor: self.maximum.saturating_mul(currency.minor_per_unit()), currency }
    }

    /// What a custom amount of money buys. `amount` is a decimal number of units of the currency.
    ///
    /// # Errors
    /// What is wrong with the field `amount`.
    pub fn for_amount(&self, amount: &str, currency: Currency) -> Result<Purchase, FieldError> {
        let price = Money::parse(amount, currency)
            .map_err(|error| FieldError::new("amount", "invalid_value", error.to_string()))?;
        self.within(price, "amount", &format!("{price}"))?;
        let micros = i128::from(price.minor) * i128::from(self.credits_per_unit) * i128::from(MICROS)
            / i128::from(currency.minor_per_unit());
        let credits = i64::try_from(micros).map(Credits::from_micros);
        let credits = credits.map_err(|_| FieldError::new("amount", "too_large", "is too large"))?;
        Ok(Purchase { price, credits, bonus: Credits::ZERO, package: None, plan: None })
    }

    /// What a custom amount of credit costs.
    ///
    /// # Errors
    /// What is wrong with the field `credits`.
    pub fn for_credits(&self, credits: Credits, currency: Currency) -> Result<Purchase, FieldError> {
        let minor = i128::from(credits.micros()) * i128::from(currency.minor_per_unit());
        let unit = i128::from(self.credits_per_unit) * i128::from(MICROS);
        if minor % unit != 0 {
            let text = format!("must cost a whole number of the smallest unit of {currency}");
            return Err(FieldError::new("credits", "invalid_value", text));
        }
        let minor = i64::try_from(minor / unit)
            .map_err(|_| FieldError::new("credits", "too_large", "is too large"))?;
        let price = Money { minor, currency };
        self.within(price, "credits", &format!("{credits} credits"))?;
        Ok(Purchase { price, credits, bonus: Credits::ZERO, package: None, plan: None })
    }

    fn within(&self, price: Money, field: &'static str, said: &str) -> Result<(), FieldError> {
        let (least, most) = (self.least(price.currency), self.most(price.currency));
        if price.minor < least.minor {
            return Err(FieldError::new(
                field,
                "below_minimum",
                format!("must be worth at least {least}; {said} is less"),
            ));
        }
        if price.minor > most.minor {
            return Err(FieldError::new(
                field,
                "above_maximum",
                format!("must be worth at most {most}; {said} is more"),
            ));
        }
        Ok(())
    }
}

/// How far the customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was paid yet.
    Open,
    /// The bank is at it.
    Processing,
    /// The last attempt was declined. Nothing was charged, and another card may do.
    Declined(Decline),
}

/// Why a payment will not be settled, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody paid in time.
    Abandoned,
    /// The provider did not want it.
    Refused,
    /// The operator has looked at the provider: nothing was charged, or it was given back.
    GivenUp,
    /// The saved card was declined.
    Declined(Decline),
}

impl Reason {
    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::Declined(decline) => decline.name(),
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let known =
            [Self::Abandoned, Self::Refused, Self::GivenUp].into_iter().find(|reason| reason.name() == name);
        known.or_else(|| Decline::from_name(name).map(Self::Declined))
    }
}

/// A payment whose money has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The provider's id.
    pub reference: String,
    /// The provider's id of the money itself, under which it is given back or disputed.
    pub charge: String,
    /// When.
    pub at: Timestamp,
    /// The credit that was paid for; a plan's fee buys none.
    pub grant: Option<GrantId>,
    /// The credit on top.
    pub bonus: Option<GrantId>,
    /// What was issued for it.
    pub invoice: InvoiceId,
}

/// Where a payment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Written down; the provider may not have heard of it.
    Created,
    /// The provider waits for the customer, or for the bank.
    Pending {
        /// What the provider made of it.
        checkout: Checkout,
        /// How far the customer is.
        progress: Progress,
    },
    /// The money has come and the credit was given. The end.
    Settled(Settled),
    /// It came to nothing. Should the money come all the same, it is settled.
    Failed {
        /// The provider's id, if it gave one.
        reference: Option<String>,
        /// When.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
}

/// What follows from something learned about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay(State),
    /// It stands elsewhere now.
    Become(State),
    /// The money is there: give the credit, and it is settled.
    Settle,
}

impl State {
    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending { .. } => "pending",
            Self::Settled(_) => "settled",
            Self::Failed { .. } => "failed",
        }
    }

    /// The provider's id, once there is one.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Created => None,
            Self::Pending { checkout, .. } => Some(&checkout.reference),
            Self::Settled(Settled { reference, .. }) => Some(reference),
            Self::Failed { reference, .. } => reference.as_deref(),
        }
    }

    /// The provider has made a checkout of it.
    #[must_use]
    pub fn begun(self, checkout: Checkout) -> Step {
        match self {
            Self::Created => Step::Become(Self::Pending { checkout, progress: Progress::Open }),
            // told before the answer to our own call arrived
            Self::Pending { .. } | Self::Settled(_) | Self::Failed { .. } => Step::Stay(self),
        }
    }

    /// The provider would not make one.
    #[must_use]
    pub fn refused(self, at: Timestamp) -> Step {
        match self {
            Self::Created => Step::Become(Self::Failed { reference: None, at, reason: Reason::Refused }),
            Self::Pending { .. } | Self::Settled(_) | Self::Failed { .. } => Step::Stay(self),
        }
    }

    /// Nothing came of it, as somebody found out.
    #[must_use]
    pub fn given_up(self, at: Timestamp) -> Step {
        match self {
            Self::Created | Self::Pending { .. } => {
                let reference = self.reference().map(str::to_owned);
                Step::Become(Self::Failed { reference, at, reason: Reason::GivenUp })
            }
            Self::Settled(_) | Self::Failed { .. } => Step::Stay(self),
        }
    }

    /// The provider says how it stands. That is how it stood when asked: answers may arrive in any order, and money
    /// that has come never goes back through here.
    #[must_use]
    pub fn told(self, status: Status, at: Timestamp) -> Step {
        match (self, status) {
            (Self::Settled(settled), _) => Step::Stay(Self::Settled(settled)),
            (Self::Created | Self::Pending { .. } | Self::Failed { .. }, Status::Paid) => Step::Settle,
            (Self::Pending { checkout, progress }, Status::Open(decline)) => {
                let after = decline.map_or(Progress::Open, Progress::Declined);
                Self::moved(checkout, progress, after)
            }
            (Self::Pending { checkout, progress }, Status::Processing) => {
                Self::moved(checkout, progress, Progress::Processing)
            }
            (Self::Pending { checkout, .. }, Status::Ended) => Step::Become(Self::Failed {
                reference: Some(checkout.reference),
                at,
                reason: Reason::Abandoned,
            }),
            (Self::Created, Status::Ended) => {
                Step::Become(Self::Failed { reference: None, at, reason: Reason::Abandoned })
            }
            // what it is called at the provider is learned by beginning it
            (Self::Created, Status::Open(_) | Status::Processing) => Step::Stay(Self::Created),
            (
                Self::Failed { reference, at, reason },
                Status::Open(_) | Status::Processing | Status::Ended,
            ) => Step::Stay(Self::Failed { reference, at, reason }),
        }
    }

    /// The provider says how the charge of a saved card stands: nobody is there who could try another one, so a decline
    /// is the end.
    #[must_use]
    pub fn charged(self, reference: &str, status: Status, at: Timestamp) -> Step {
        let pending = |progress| Self::Pending {
            checkout: Checkout { reference: reference.to_owned(), client_secret: None, url: None },
            progress,
        };
        let failed =
            |reason| Step::Become(Self::Failed { reference: Some(reference.to_owned()), at, reason });
        let waits = match status {
            Status::Processing => pending(Progress::Processing),
            Status::Open(None) => pending(Progress::Open),
            Status::Open(Some(decline)) if matches!(self, Self::Created | Self::Pending { .. }) => {
                return failed(Reason::Declined(decline));
            }
            Status::Ended if matches!(self, Self::Created | Self::Pending { .. }) => {
                return failed(Reason::Abandoned);
            }
            Status::Paid if !matches!(self, Self::Settled(_)) => return Step::Settle,
            Status::Open(Some(_)) | Status::Ended | Status::Paid => return Step::Stay(self),
        };
        match self {
            Self::Created | Self::Pending { .. } if self != waits => Step::Become(waits),
            Self::Created | Self::Pending { .. } | Self::Settled(_) | Self::Failed { .. } => Step::Stay(self),
        }
    }

    fn moved(checkout: Checkout, before: Progress, after: Progress) -> Step {
        let state = Self::Pending { checkout, progress: after };
        if before == after { Step::Stay(state) } else { Step::Become(state) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { credits_per_unit: 100, minimum: 5, maximum: 10_000 };

    fn euro(minor: i64) -> Money {
        Money { minor, currency: Currency::EUR }
    }

    fn whole(credits: i64) -> Credits {
        Credits::from_whole(credits).unwrap()
    }

    #[test]
    fn money_and_credit_buy_each_other_exactly() {
        let bought = TERMS.for_amount("10", Currency::EUR).unwrap();
        assert_eq!((bought.price, bought.credits), (euro(1_000), whole(1_000)));
        assert_eq!(TERMS.for_credits(whole(1_000), Currency::EUR).unwrap(), bought);
        let odd = Terms { credits_per_unit: 7, ..TERMS };
        let bought = odd.for_amount("12.34", Currency::EUR).unwrap();
        assert_eq!(bought.credits, "86.38".parse().unwrap());
        assert_eq!(odd.for_credits(bought.credits, Currency::EUR).unwrap(), bought);
        let yen: Currency = "JPY".parse().unwrap();
        assert_eq!(TERMS.for_amount("10", yen).unwrap().price.minor, 10);
    }

    #[test]
    fn what_cannot_be_bought_is_said_by_its_field() {
        let code = |result: Result<Purchase, FieldError>| {
            let error = result.unwrap_err();
            (error.field.into_owned(), error.code)
        };
        for (amount, expected) in [
            ("4.99", "below_minimum"),
            ("0", "below_minimum"),
            ("-10", "below_minimum"),
            ("10000.01", "above_maximum"),
            ("10.005", "invalid_value"),
            ("ten", "invalid_value"),
            ("", "invalid_value"),
            ("1e400", "invalid_value"),
        ] {
            assert_eq!(
                code(TERMS.for_amount(amount, Currency::EUR)),
                ("amount".into(), expected),
                "{amount}"
            );
        }
        for (credits, expected) in
            [("499", "below_minimum"), ("1000001", "above_maximum"), ("1000.5", "invalid_value")]
        {
            let found = TERMS.for_credits(credits.parse().unwrap(), Currency::EUR);
            assert_eq!(code(found), ("credits".into(), expected), "{credits}");
        }
        assert!(TERMS.for_amount("5", Currency::EUR).is_ok());
        assert!(TERMS.for_amount("10000", Currency::EUR).is_ok());
    }

    fn states() -> Vec<State> {
        let at = Timestamp::from_millis(1);
        let checkout = Checkout {
            reference: "cs".into(),
            client_secret: Some("secret".into()),
            url: Some("https://x".into()),
        };
        let pending = |progress| State::Pending { checkout: checkout.clone(), progress };
        vec![
            State::Created,
            pending(Progress::Open),
            pending(Progress::Processing),
            pending(Progress::Declined(Decline::Declined)),
            State::Settled(Settled {
                reference: "cs".into(),
                charge: "pi".into(),
                at,
                grant: Some(GrantId::new(1)),
                bonus: None,
                invoice: InvoiceId::new(1),
            }),
            State::Failed { reference: None, at, reason: Reason::Refused },
            State::Failed { reference: Some("cs".into()), at, reason: Reason::Abandoned },
        ]
    }

    #[test]
    fn money_that_has_come_settles_whatever_was_told_before_and_nothing_undoes_it() {
        let now = Timestamp::from_millis(2);
        for state in states() {
            let settled = matches!(state, State::Settled(_));
            let step = state.clone().told(Status::Paid, now);
            assert_eq!(step == Step::Settle, !settled, "{state:?}");
            for status in [Status::Open(None), Status::Processing, Status::Ended] {
                let step = state.clone().told(status, now);
                assert_ne!(step, Step::Settle, "{state:?} {status:?}");
                if settled {
                    assert_eq!(step, Step::Stay(state.clone()));
                }
            }
        }
    }

    #[test]
    fn a_decline_is_no_end() {
        let now = Timestamp::from_millis(2);
        let open = states().remove(1);
        let declined = open.told(Status::Open(Some(Decline::InsufficientFunds)), now);
        let Step::Become(declined) = declined else { panic!("{declined:?}") };
        assert_eq!(declined.name(), "pending");
        assert_eq!(declined.clone().told(Status::Paid, now), Step::Settle);
        let Step::Become(ended) = declined.told(Status::Ended, now) else { panic!("stays") };
        assert_eq!((ended.name(), ended.reference()), ("failed", Some("cs")));
    }
}
