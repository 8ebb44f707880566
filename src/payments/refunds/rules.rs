//! How much can be given back, of what, and how a refund moves from one state to the next. No I/O.

use crate::base::id::InvoiceId;
use crate::base::{Credits, Money, Timestamp};
use crate::payments::gateway::RefundStatus;

/// Why money is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The credit was not used.
    Unused,
    /// It was paid twice.
    Duplicate,
    /// What was charged should have worked, and did not.
    Outage,
    /// What was charged was wrong.
    BillingError,
    /// It was given back at the provider, not here.
    Elsewhere,
}

impl Reason {
    /// Those that somebody may give.
    pub const GIVEN: [Self; 4] = [Self::Unused, Self::Outage, Self::BillingError, Self::Duplicate];

    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Duplicate => "duplicate",
            Self::Outage => "outage",
            Self::BillingError => "billing_error",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::GIVEN.into_iter().chain([Self::Elsewhere]).find(|reason| reason.name() == name)
    }

    /// As a credit note says it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unused => "Unused credit",
            Self::Duplicate => "Paid twice",
            Self::Outage => "Outage",
            Self::BillingError => "Billing error",
            Self::Elsewhere => "Refunded by the payment provider",
        }
    }

    /// Which part of a purchase it is about.
    #[must_use]
    pub const fn part(self) -> Part {
        match self {
            Self::Unused | Self::Duplicate => Part::Unused,
            Self::Outage | Self::BillingError => Part::Used,
            Self::Elsewhere => Part::Both,
        }
    }
}

/// A part of what was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Credit that is still there: it goes, and its cost comes back.
    Unused,
    /// Credit that was used: only money comes back.
    Used,
    /// First the one, then the other: the money is gone already.
    Both,
}

/// A purchase as it is now. Money in minor units without tax, credit in micro-credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// What the credit had cost.
    pub cost: i64,
    /// The credit that was paid for.
    pub original: i64,
    /// What of it is there, and set aside for nothing.
    pub free: i64,
    /// What of its cost is still deferred.
    pub deferred: i64,
    /// The bonus that came with it and has been used, or went otherwise; nothing once a refund has settled that.
    pub bonus_used: i64,
    /// The bonus that is there; nothing once a refund has taken it.
    pub bonus_free: i64,
    /// What of the invoice has not been given back, and is not about to be.
    pub left: i64,
}

/// What can be given back of the unused part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Money, without tax.
    pub net: i64,
    /// Credit that goes for it.
    pub credits: i64,
    /// Credit that goes without money: it stands in for the bonus that was used.
    pub forfeited: i64,
    /// Bonus that goes.
    pub bonus: i64,
}

impl Basis {
    /// A plan's fee: nothing of it is in credit.
    #[must_use]
    pub const fn of_fee(left: i64) -> Self {
        Self { cost: 0, original: 1, free: 0, deferred: 0, bonus_used: 0, bonus_free: 0, left }
    }

    /// The unused part. A bonus is for keeping the purchase: whoever gives a part of it back gives the bonus back, in
    /// credit that was paid for if the bonus is used. So nobody gets more by buying, using and giving back than by
    /// buying what was used.
    #[must_use]
    pub fn unused(&self) -> Unused {
        let forfeited = self.bonus_used.min(self.free).max(0);
        let credits = self.free - forfeited;
        let net = self.cost_of(credits).min(self.deferred).min(self.left).max(0);
        Unused { net, credits, forfeited, bonus: self.bonus_free.max(0) }
    }

    /// What can be given back of the used part, without tax.
    #[must_use]
    pub fn used(&self) -> i64 {
        (self.left - self.deferred.max(0)).max(0)
    }

    /// Rounded down: a part is never worth more than it had cost.
    fn cost_of(&self, credits: i64) -> i64 {
        let share = i128::from(self.cost) * i128::from(credits) / i128::from(self.original.max(1));
        i64::try_from(share).unwrap_or(self.cost)
    }

    /// The credit that goes for a part of the unused part's money: rounded up, and all of it for all of the money.
    #[must_use]
    pub fn credits_for(&self, unused: &Unused, net: i64) -> i64 {
        if net >= unused.net {
            return unused.credits;
        }
        let (net, original, cost) =
            (i128::from(net), i128::from(self.original), i128::from(self.cost.max(1)));
        let exact = (net * original + cost - 1) / cost;
        i64::try_from(exact).unwrap_or(i64::MAX).min(unused.credits)
    }
}

/// What a refund takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Money that goes back, without tax.
    pub net: Money,
    /// The tax on it.
    pub tax: Money,
    /// Of the net: the cost of credit that goes. The rest is for credit that was used.
    pub unused: Money,
    /// Paid credit that goes, with what stands in for a bonus.
    pub credits: Credits,
    /// Bonus that goes.
    pub bonus: Credits,
}

/// Where a refund stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The customer asked for it; the operator decides.
    Requested,
    /// The operator said no.
    Declined {
        /// When.
        at: Timestamp,
    },
    /// It was decided: the credit is set aside, and the provider gives the money back.
    Pending {
        /// The provider's id, once it has one.
        reference: Option<String>,
    },
    /// The money is on its way back and the credit is gone. The end.
    Succeeded {
        /// The provider's id.
        reference: String,
        /// When.
        at: Timestamp,
        /// What was issued for it.
        credit_note: InvoiceId,
    },
    /// The provider did not do it: everything is as before.
    Failed {
        /// When.
        at: Timestamp,
        /// What it said.
        why: String,
    },
}

/// What follows from something learned about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// It has a name at the provider.
    Name(String),
    /// The money went back.
    Succeed,
    /// It did not.
    Fail(String),
    /// It was said to have gone back, and now is not: somebody has to look.
    Contradiction(String),
}

impl State {
    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Declined { .. } => "declined",
            Self::Pending { .. } => "pending",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }

    /// The provider says how it stands. Answers may arrive in any order.
    #[must_use]
    pub fn told(&self, reference: &str, status: &RefundStatus) -> Step {
        match (self, status) {
            (Self::Pending { .. }, RefundStatus::Succeeded) => Step::Succeed,
            (Self::Pending { .. }, RefundStatus::Failed(why)) => Step::Fail(why.clone()),
            (Self::Pending { reference: None }, RefundStatus::Pending) => Step::Name(reference.to_owned()),
            (Self::Succeeded { .. }, RefundStatus::Failed(why)) => Step::Contradiction(why.clone()),
            (Self::Failed { .. }, RefundStatus::Succeeded) => {
                Step::Contradiction("it had been said to have failed".into())
            }
            (
                Self::Requested
                | Self::Declined { .. }
                | Self::Pending { .. }
                | Self::Succeeded { .. }
                | Self::Failed { .. },
                _,
            ) => Step::Stay,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 50.00 for 5,000 credits and 250 on top.
    const BOUGHT: Basis = Basis {
        cost: 5_000,
        original: 5_000,
        free: 5_000,
        deferred: 5_000,
        bonus_used: 0,
        bonus_free: 250,
        left: 5_000,
    };

    #[test]
    fn the_unused_part_comes_back_at_cost_and_the_bonus_goes() {
        let unused = |basis: Basis| {
            let Unused { net, credits, forfeited, bonus } = basis.unused();
            (net, credits, forfeited, bonus)
        };
        assert_eq!(unused(BOUGHT), (5_000, 5_000, 0, 250));
        // the bonus was used: what was used is paid for with what was paid for
        assert_eq!(unused(Basis { bonus_used: 250, bonus_free: 0, ..BOUGHT }), (4_750, 4_750, 250, 0));
        let used = Basis { free: 100, deferred: 100, bonus_used: 250, bonus_free: 0, ..BOUGHT };
        assert_eq!(unused(used), (0, 0, 100, 0));
        assert_eq!(unused(Basis { free: 0, deferred: 0, ..BOUGHT }), (0, 0, 0, 250));
        // never more than is left of the invoice
        assert_eq!(unused(Basis { left: 1_000, ..BOUGHT }), (1_000, 5_000, 0, 250));
        assert_eq!((BOUGHT.used(), used.used()), (0, 4_900));
    }

    #[test]
    fn only_a_decided_refund_ends_and_only_once() {
        let at = Timestamp::from_millis(1);
        let failed = RefundStatus::Failed("no".into());
        let pending = State::Pending { reference: None };
        assert_eq!(pending.told("re", &RefundStatus::Pending), Step::Name("re".into()));
        assert_eq!(pending.told("re", &RefundStatus::Succeeded), Step::Succeed);
        assert_eq!(pending.told("re", &failed), Step::Fail("no".into()));
        let done = State::Succeeded { reference: "re".into(), at, credit_note: InvoiceId::new(1) };
        assert_eq!(done.told("re", &RefundStatus::Succeeded), Step::Stay);
        assert_eq!(done.told("re", &RefundStatus::Pending), Step::Stay);
        assert!(matches!(done.told("re", &failed), Step::Contradiction(_)));
        for status in [RefundStatus::Pending, RefundStatus::Succeeded, failed] {
            assert_eq!(State::Requested.told("re", &status), Step::Stay);
            assert_eq!(State::Declined { at }.told("re", &status), Step::Stay);
        }
    }

    proptest! {
        /// However it is used and given back in parts: what was paid is never exceeded, and credit that was used is paid for.
        #[test]
        fn giving_back_in_parts_yields_no_more_than_was_paid(
            cost in 1..20_000_i64,
            original in 1..2_000_000_i64,
            used in 0..1_000_i64,
            parts in prop::collection::vec(1..20_000_i64, 1..6),
        ) {
            let mut basis = Basis {
                cost, original, free: original - original * used / 1_000, deferred: cost,
                bonus_used: original / 50, bonus_free: original / 50, left: cost,
            };
            basis.deferred = basis.cost_of(basis.free);
            let mut given = 0;
            for part in parts {
                let unused = basis.unused();
                let net = part.min(unused.net);
                if net == 0 { continue; }
                let credits = basis.credits_for(&unused, net);
                prop_assert!(credits <= unused.credits);
                // at least at cost
                prop_assert!(
                    i128::from(credits) * i128::from(cost) + i128::from(cost) > i128::from(net - 1) * i128::from(original)
                );
                given += net;
                basis.free -= credits + unused.forfeited;
                basis.deferred -= net;
                basis.left -= net;
                (basis.bonus_used, basis.bonus_free) = (0, 0);
                prop_assert!(basis.free >= 0 && basis.deferred >= 0);
            }
            let kept = i128::from(original - basis.free) * i128::from(cost) / i128::from(original);
            prop_assert!(i128::from(given) <= kept + 1, "{given} for {kept}");
        }
    }
}
