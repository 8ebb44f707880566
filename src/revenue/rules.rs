//! How the money paid for a grant follows its credit. Pure.

/// What a grant was paid with, and what has become of its credit. Money in minor units, credit in micro-credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// What was paid for it.
    pub cost: i64,
    /// The credit that was received for that; above zero.
    pub original: i64,
    /// The credit that has left it, in whatever way.
    pub gone: i64,
    /// Of that, what was used, or repaid what had been used before.
    pub consumed: i64,
    /// Money given back for the rest of what is gone, or for what was used; or sent on with the credit.
    pub returned: i64,
}

/// Where the money paid for a grant is, apart from what was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// By use.
    pub earned: i64,
    /// Kept for credit that expired or was taken back.
    pub breakage: i64,
    /// Still owed, as credit.
    pub deferred: i64,
}

impl Basis {
    /// The part of the cost that a part of the credit stands for: half a minor unit rounds up, and all of the credit
    /// stands for all of the cost.
    fn of(&self, credit: i64) -> i64 {
        let (cost, original) = (i128::from(self.cost), i128::from(self.original.max(1)));
        let share = (2 * cost * i128::from(credit) + original) / (2 * original);
        // no more has gone than was received
        i64::try_from(share).unwrap_or(i64::MAX).clamp(0, self.cost)
    }

    /// The money that goes with `credit` when it leaves for another place, where it goes on being owed: what was earned and
    /// kept stays as it is.
    #[must_use]
    pub fn goes_with(&self, credit: i64) -> i64 {
        let Shares { earned, breakage, deferred } = self.shares();
        let accounted = earned.saturating_add(breakage).saturating_add(self.returned);
        self.of(self.gone.saturating_add(credit)).saturating_sub(accounted).clamp(0, deferred)
    }

    /// Where the money is now. It depends on how things stand alone, not on the way there, so that nothing is lost to
    /// rounding however often it is worked out; and the three with what was returned are the cost.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let kept = self.cost.saturating_sub(self.returned).max(0);
        let earned = self.of(self.consumed).min(kept);
        let left_behind = self.of(self.gone).saturating_sub(self.returned).saturating_sub(earned);
        let breakage = left_behind.clamp(0, kept - earned);
        Shares { earned, breakage, deferred: kept - earned - breakage }
    }
}

/// What of a fee is earned when `elapsed` of `length` has passed: half a minor unit rounds up, all of it when the time is over,
/// and never what was given back.
#[must_use]
pub fn earned_by_time(net: i64, returned: i64, elapsed: i64, length: i64) -> i64 {
    let most = net.saturating_sub(returned).max(0);
    if elapsed <= 0 {
        return 0;
    }
    if elapsed >= length {
        return most;
    }
    let (net, elapsed, length) = (i128::from(net), i128::from(elapsed), i128::from(length));
    let share = (2 * net * elapsed + length) / (2 * length);
    i64::try_from(share).unwrap_or(i64::MAX).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(cost: i64, original: i64, gone: i64, consumed: i64, returned: i64) -> (i64, i64, i64) {
        let shares = Basis { cost, original, gone, consumed, returned }.shares();
        (shares.earned, shares.breakage, shares.deferred)
    }

    #[test]
    fn shares_by_table() {
        // cost, original, gone, consumed, returned: earned, breakage, deferred
        for (cost, original, gone, consumed, returned, expected) in [
            (1_000, 1_000, 0, 0, 0, (0, 0, 1_000)),
            (1_000, 1_000, 250, 250, 0, (250, 0, 750)),
            (1_000, 1_000, 1_000, 1_000, 0, (1_000, 0, 0)),
            (1_000, 1_000, 1_000, 250, 0, (250, 750, 0)),
            // a cent for three credits: half of it rounds up
            (1, 3, 1, 1, 0, (0, 0, 1)),
            (1, 2, 1, 1, 0, (1, 0, 0)),
            (1, 3, 3, 1, 0, (0, 1, 0)),
            // what rounds up on both sides is shared once
            (3, 2, 2, 1, 0, (2, 1, 0)),
            // given back: half of it unused, at cost
            (1_000, 1_000, 500, 0, 500, (0, 0, 500)),
            (1_000, 1_000, 1_000, 500, 500, (500, 0, 0)),
            // given back for less than it had cost: the difference is kept
            (1_000, 1_000, 500, 0, 400, (0, 100, 500)),
            // given back with half a cent too much: the last use earns half a cent less
            (3, 2, 2, 1, 2, (1, 0, 0)),
            // all was given back though some of it was used
            (1_000, 1_000, 1_000, 300, 1_000, (0, 0, 0)),
            (i64::MAX, 100_000_000_000_000_000, 100_000_000_000_000_000, 0, 0, (0, i64::MAX, 0)),
        ] {
            let found = shares(cost, original, gone, consumed, returned);
            assert_eq!(found, expected, "{cost} for {original}: {gone} {consumed} {returned}");
        }
    }

    #[test]
    fn what_goes_with_a_part_by_table() {
        // cost, original, gone, consumed, returned, and the part that leaves: its money
        for (cost, original, gone, consumed, returned, part, expected) in [
            (1_000, 1_000, 0, 0, 0, 250, 250),
            (1_000, 1_000, 250, 250, 0, 750, 750),
            // a cent for three credits goes with the second of them
            (1, 3, 0, 0, 0, 1, 0),
            (1, 3, 1, 0, 0, 1, 1),
            (1, 3, 2, 0, 1, 1, 0),
            // what was earned before is not sent on
            (3, 2, 1, 1, 0, 1, 1),
            // refunded with half a cent too much
            (3, 2, 1, 0, 2, 1, 1),
            (1_000, 1_000, 300, 0, 1_000, 700, 0),
            (0, 1_000, 0, 0, 0, 1_000, 0),
        ] {
            let basis = Basis { cost, original, gone, consumed, returned };
            assert_eq!(basis.goes_with(part), expected, "{basis:?} {part}");
        }
    }

    #[test]
    fn a_fee_is_earned_by_time() {
        // net, returned, elapsed, length: earned
        for (net, returned, elapsed, length, expected) in [
            (2_900, 0, -1, 30, 0),
            (2_900, 0, 0, 30, 0),
            (2_900, 0, 15, 30, 1_450),
            (1, 0, 14, 30, 0),
            (1, 0, 15, 30, 1),
            (2_900, 0, 30, 30, 2_900),
            (2_900, 0, 31, 30, 2_900),
            // the rest goes on being earned until nothing is left
            (2_900, 1_000, 15, 30, 1_450),
            (2_900, 1_000, 29, 30, 1_900),
            (2_900, 2_900, 30, 30, 0),
            (i64::MAX, 0, i64::MAX - 1, i64::MAX, i64::MAX - 1),
        ] {
            assert_eq!(
                earned_by_time(net, returned, elapsed, length),
                expected,
                "{net} {returned} {elapsed}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_goes_leaves_the_rest_as_it_was(
            cost in 0..=20_000_i64,
            original in 1..=3_000_i64,
            used in 0..=1_000_i64,
            parts in prop::collection::vec(0..=400_i64, 1..6),
        ) {
            let used = original * used / 1_000;
            let mut basis = Basis { cost, original, gone: used, consumed: used, returned: 0 };
            let before = basis.shares();
            for part in parts {
                let part = part.min(original - basis.gone);
                let money = basis.goes_with(part);
                basis = Basis { gone: basis.gone + part, returned: basis.returned + money, ..basis };
                let now = basis.shares();
                prop_assert_eq!((now.earned, now.breakage), (before.earned, before.breakage));
                prop_assert_eq!(now.deferred + basis.returned, before.deferred);
                // within one unit of the exact share of all that has left
                let off = i128::from(before.earned + basis.returned) * i128::from(original)
                    - i128::from(cost) * i128::from(basis.gone);
                prop_assert!(2 * off.abs() <= i128::from(original));
            }
            let rest = basis.goes_with(original - basis.gone);
            prop_assert_eq!(rest, basis.shares().deferred, "the last part takes all that is left");
        }

        #[test]
        fn nothing_is_lost_made_or_owed_for_nothing(
            cost in 0..=20_000_i64,
            original in 1..=3_000_i64,
            parts in (0..=1_000_i64, 0..=1_000_i64, 0..=1_000_i64),
        ) {
            let part = |of: i64, thousandths: i64| of * thousandths / 1_000;
            let gone = part(original, parts.0);
            let basis = Basis { cost, original, gone, consumed: part(gone, parts.1), returned: part(cost, parts.2) };
            let shares = basis.shares();
            prop_assert!(shares.earned >= 0 && shares.breakage >= 0 && shares.deferred >= 0);
            prop_assert_eq!(shares.earned + shares.breakage + shares.deferred + basis.returned, cost);
            let all = Basis { gone: original, ..basis }.shares();
            prop_assert_eq!(all.deferred, 0, "all credit is gone, all money is accounted for");
            // within one unit of the exact share
            let none_back = Basis { returned: 0, ..basis }.shares();
            let off = i128::from(none_back.earned) * i128::from(original) - i128::from(cost) * i128::from(basis.consumed);
            prop_assert!(2 * off.abs() <= i128::from(original));
        }
    }
}
