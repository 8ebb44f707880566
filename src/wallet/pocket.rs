//! What can be drawn from one grant, and drawing itself. Pure.

use crate::base::id::{AccountId, MeterId};
use crate::base::{Credits, Timestamp};
use crate::grants::{Class, GrantRow, Terms};

/// A part of a charge, taken from one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// A grant's account, or the overdraft.
    pub account: AccountId,
    /// How much; above zero.
    pub amount: Credits,
}

/// One open grant of a wallet in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pocket {
    /// Its account.
    pub account: AccountId,
    /// Turn, expiry, restriction.
    pub terms: Terms,
    /// What remains.
    pub remaining: Credits,
    /// What holds have set aside of it.
    pub held: Credits,
    /// What has moved to expiry, and late usage may still draw on.
    pub expired: Credits,
    /// `expired` differs from what is stored.
    pub(super) expired_changed: bool,
    /// It is closed in the database, and has something again.
    pub(super) reopen: bool,
    /// `held` differs from what is stored.
    pub(super) held_changed: bool,
}

impl Pocket {
    /// The pocket of a stored grant.
    #[must_use]
    pub fn of(grant: &GrantRow) -> Self {
        Self {
            account: AccountId::new(grant.id.number()),
            terms: grant.terms.clone(),
            remaining: grant.remaining,
            held: grant.held,
            expired: grant.expired,
            expired_changed: false,
            reopen: !grant.open,
            held_changed: false,
        }
    }

    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.terms.order.class
    }

    /// What no hold has set aside.
    #[must_use]
    pub fn free(&self) -> Credits {
        // a hold never pins more than there is
        self.remaining.checked_sub(self.held).unwrap_or(Credits::ZERO)
    }

    /// Takes out what was set aside.
    pub(super) fn take_held(&mut self, amount: Credits) {
        self.held = sub(self.held, amount);
        self.held_changed = true;
        self.remaining = sub(self.remaining, amount);
    }

    /// Nothing is left and nothing can come back by itself.
    #[must_use]
    pub fn is_done(&self, now: Timestamp, grace_ms: i64) -> bool {
        let recoverable = !self.expired.is_zero()
            && self.terms.order.expires_at.is_some_and(|expiry| now < expiry.plus_ms(grace_ms));
        self.remaining.is_zero() && self.held.is_zero() && !recoverable
    }
}

/// Work that credit is drawn for.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// What was counted.
    pub meter: MeterId,
    /// When it was done.
    pub occurred_at: Timestamp,
    /// When it is charged.
    pub now: Timestamp,
    /// How long after an expiry earlier work may still be charged to it.
    pub grace_ms: i64,
    /// Only plan credit may be drawn: the work is not done yet, and is to stop when that is used up.
    pub plan_only: bool,
}

impl Work {
    /// Credit that is still good may be set aside for it.
    pub(super) fn may_hold(&self, pocket: &Pocket) -> bool {
        (!self.plan_only || pocket.class() == Class::Plan)
            && pocket.terms.covers(self.meter)
            && pocket.terms.is_live(self.now)
    }

    /// The same work, on plan credit alone or on any.
    #[must_use]
    pub const fn plan_only(mut self, plan_only: bool) -> Self {
        self.plan_only = plan_only;
        self
    }

    fn may_draw(&self, pocket: &Pocket) -> bool {
        (!self.plan_only || pocket.class() == Class::Plan)
            && pocket.terms.covers(self.meter)
            && pocket.terms.is_drawable(self.occurred_at, self.now, self.grace_ms)
    }
}

/// What `work` could be charged to without overdraft, late revival included.
#[must_use]
pub fn available(pockets: &[Pocket], work: &Work) -> Credits {
    pockets.iter().filter(|pocket| work.may_draw(pocket)).fold(Credits::ZERO, |sum, pocket| {
        let late = if pocket.terms.is_live(work.now) { Credits::ZERO } else { pocket.expired };
        add(add(sum, pocket.free()), late)
    })
}

/// How much of each pocket's expired credit a charge of `amount` would need: pocket index and amount.
#[must_use]
pub fn to_revive(pockets: &[Pocket], work: &Work, amount: Credits) -> Vec<(usize, Credits)> {
    let mut needed = Vec::new();
    let mut rest = amount;
    for (index, pocket) in pockets.iter().enumerate().filter(|(_, pocket)| work.may_draw(pocket)) {
        if rest.is_zero() {
            break;
        }
        rest = sub(rest, rest.min(pocket.free()));
        if !pocket.terms.is_live(work.now) {
            let revived = rest.min(pocket.expired);
            if revived.is_positive() {
                needed.push((index, revived));
                rest = sub(rest, revived);
            }
        }
    }
    needed
}

/// Takes `amount` from pockets in their order; returns what they could not cover.
pub fn draw(pockets: &mut [Pocket], work: &Work, amount: Credits, draws: &mut Vec<Draw>) -> Credits {
    take(pockets, amount, |pocket| work.may_draw(pocket), draws)
}

/// Takes `amount` from the pockets that `may` allows; returns what they could not cover.
pub(super) fn take(
    pockets: &mut [Pocket],
    amount: Credits,
    may: impl Fn(&Pocket) -> bool,
    draws: &mut Vec<Draw>,
) -> Credits {
    let mut rest = amount;
    for pocket in pockets.iter_mut().filter(|pocket| may(pocket)) {
        if rest.is_zero() {
            break;
        }
        let taken = rest.min(pocket.free());
        if taken.is_positive() {
            pocket.remaining = sub(pocket.remaining, taken);
            rest = sub(rest, taken);
            draws.push(Draw { account: pocket.account, amount: taken });
        }
    }
    rest
}

/// Sets `amount` aside in pockets that `may` allows, in their order; returns what they could not cover.
pub(super) fn pin(
    pockets: &mut [Pocket],
    amount: Credits,
    may: impl Fn(&Pocket) -> bool,
    pins: &mut Vec<Draw>,
) -> Credits {
    let mut rest = amount;
    for pocket in pockets.iter_mut().filter(|pocket| may(pocket)) {
        if rest.is_zero() {
            break;
        }
        let part = rest.min(pocket.free());
        if !part.is_positive() {
            continue;
        }
        pocket.held = add(pocket.held, part);
        pocket.held_changed = true;
        rest = sub(rest, part);
        match pins.iter_mut().find(|pin| pin.account == pocket.account) {
            Some(pin) => pin.amount = add(pin.amount, part),
            None => pins.push(Draw { account: pocket.account, amount: part }),
        }
    }
    rest
}

/// Lets go of up to `amount` of what `pins` set aside, what would be drawn last first; returns what they did not hold.
pub(super) fn unpin(pockets: &mut [Pocket], pins: &mut Vec<Draw>, amount: Credits) -> Credits {
    let mut rest = amount;
    for pocket in pockets.iter_mut().rev() {
        let Some(pin) = pins.iter_mut().find(|pin| pin.account == pocket.account) else { continue };
        let part = rest.min(pin.amount);
        pocket.held = sub(pocket.held, part);
        pocket.held_changed = true;
        pin.amount = sub(pin.amount, part);
        rest = sub(rest, part);
    }
    pins.retain(|pin| pin.amount.is_positive());
    rest
}

/// Takes `amount` out of what `pins` set aside, in the order of the pockets, from those that may be used for the meter;
/// returns what that did not cover.
pub(super) fn take_pinned(
    pockets: &mut [Pocket],
    pins: &mut Vec<Draw>,
    meter: MeterId,
    amount: Credits,
    draws: &mut Vec<Draw>,
) -> Credits {
    let mut rest = amount;
    for pocket in pockets.iter_mut().filter(|pocket| pocket.terms.covers(meter)) {
        let Some(pin) = pins.iter_mut().find(|pin| pin.account == pocket.account) else { continue };
        let taken = rest.min(pin.amount);
        if taken.is_positive() {
            pin.amount = sub(pin.amount, taken);
            pocket.held = sub(pocket.held, taken);
            pocket.held_changed = true;
            pocket.remaining = sub(pocket.remaining, taken);
            rest = sub(rest, taken);
            draws.push(Draw { account: pocket.account, amount: taken });
        }
    }
    pins.retain(|pin| pin.amount.is_positive());
    rest
}

/// What `pins` set aside in pockets that may be used for the meter.
pub(super) fn pinned(pockets: &[Pocket], pins: &[Draw], meter: MeterId) -> Credits {
    let usable = |pin: &&Draw| pockets.iter().any(|p| p.account == pin.account && p.terms.covers(meter));
    pins.iter().filter(usable).fold(Credits::ZERO, |sum, pin| add(sum, pin.amount))
}

/// Sums of parts of one balance stay in its range.
pub(super) fn add(a: Credits, b: Credits) -> Credits {
    a.checked_add(b).unwrap_or(Credits::from_micros(i64::MAX))
}

/// Only ever takes away what is there.
pub(super) fn sub(a: Credits, b: Credits) -> Credits {
    a.checked_sub(b).unwrap_or(Credits::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::GrantId;
    use crate::grants::DrawOrder;
    use proptest::prelude::*;

    fn pocket(id: i64, remaining: i64, held: i64, meters: Option<Vec<i64>>, expires: Option<i64>) -> Pocket {
        let order = DrawOrder {
            class: Class::Paid,
            priority: None,
            expires_at: expires.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(0),
            id: GrantId::new(id),
        };
        Pocket {
            account: AccountId::new(id),
            terms: Terms { order, meters: meters.map(|m| m.into_iter().map(MeterId::new).collect()) },
            remaining: Credits::from_micros(remaining),
            held: Credits::from_micros(held),
            expired: Credits::ZERO,
            expired_changed: false,
            reopen: false,
            held_changed: false,
        }
    }

    fn work(meter: i64) -> Work {
        let now = Timestamp::from_millis(100);
        Work { meter: MeterId::new(meter), occurred_at: now, now, grace_ms: 0, plan_only: false }
    }

    #[test]
    fn draws_skip_held_restricted_and_expired_credit() {
        let mut pockets = [
            pocket(1, 50, 20, None, None),
            pocket(2, 50, 0, Some(vec![9]), None),
            pocket(3, 50, 0, None, Some(100)),
            pocket(4, 50, 0, Some(vec![1, 2]), Some(101)),
        ];
        let mut draws = Vec::new();
        let rest = draw(&mut pockets, &work(1), Credits::from_micros(100), &mut draws);
        assert_eq!(rest, Credits::from_micros(20));
        let taken: Vec<(i64, i64)> = draws.iter().map(|d| (d.account.number(), d.amount.micros())).collect();
        assert_eq!(taken, [(1, 30), (4, 50)]);
    }

    #[test]
    fn what_stops_with_the_plan_draws_plan_credit_alone() {
        let mut pockets =
            [pocket(1, 50, 0, None, None), pocket(2, 30, 0, None, None), pocket(3, 50, 0, None, None)];
        pockets[0].terms.order.class = Class::Free;
        pockets[1].terms.order.class = Class::Plan;
        let stops = work(1).plan_only(true);
        assert_eq!(available(&pockets, &stops), Credits::from_micros(30));
        let mut draws = Vec::new();
        assert!(draw(&mut pockets, &stops, Credits::from_micros(20), &mut draws).is_zero());
        assert_eq!(draws, [Draw { account: AccountId::new(2), amount: Credits::from_micros(20) }]);
        assert_eq!(available(&pockets, &work(1)), Credits::from_micros(110));
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_what_was_available(
            parts in proptest::collection::vec((0..100_i64, 0..100_i64, 1..4_i64), 0..6),
            amount in 0..600_i64,
        ) {
            let mut pockets: Vec<Pocket> = (1..)
                .zip(&parts)
                .map(|(id, &(remaining, held, meter))| {
                    pocket(id, remaining, held.min(remaining), (meter != 3).then(|| vec![meter]), None)
                })
                .collect();
            let amount = Credits::from_micros(amount);
            let before = available(&pockets, &work(1));
            let held_before: Vec<_> = pockets.iter().map(|p| p.held).collect();
            let mut draws = Vec::new();
            let rest = draw(&mut pockets, &work(1), amount, &mut draws);
            let drawn = draws.iter().fold(Credits::ZERO, |sum, d| add(sum, d.amount));
            prop_assert_eq!(drawn, amount.min(before));
            prop_assert_eq!(add(drawn, rest), amount);
            prop_assert_eq!(available(&pockets, &work(1)), sub(before, drawn));
            for (pocket, held) in pockets.iter().zip(held_before) {
                prop_assert!(pocket.remaining >= held);
            }
        }

        #[test]
        fn what_is_set_aside_comes_back_or_is_taken(
            parts in proptest::collection::vec((0..100_i64, 0..100_i64), 1..6),
            first in 0..300_i64,
            second in 0..300_i64,
            given_back in 0..300_i64,
            taken in 0..300_i64,
        ) {
            let mut pockets: Vec<Pocket> = (1..)
                .zip(&parts)
                .map(|(id, &(remaining, held))| pocket(id, remaining, held.min(remaining), None, None))
                .collect();
            let micros = Credits::from_micros;
            let before = pockets.clone();
            let mut pins = Vec::new();
            let uncovered = pin(&mut pockets, micros(first), |_| true, &mut pins);
            let more = pin(&mut pockets, micros(second), |_| true, &mut pins);
            let held = |pins: &[Draw]| pins.iter().fold(Credits::ZERO, |sum, d| add(sum, d.amount));
            prop_assert_eq!(add(held(&pins), add(uncovered, more)), micros(first + second));
            let total = held(&pins);
            let rest = unpin(&mut pockets, &mut pins, micros(given_back));
            prop_assert_eq!(add(held(&pins), sub(micros(given_back), rest)), total);
            for (now, then) in pockets.iter().zip(&before) {
                prop_assert!(now.held >= then.held && now.held <= now.remaining);
                let own = pins.iter().find(|p| p.account == now.account).map_or(Credits::ZERO, |p| p.amount);
                prop_assert_eq!(now.held, add(then.held, own));
            }
            let all = held(&pins);
            let mut draws = Vec::new();
            let rest = take_pinned(&mut pockets, &mut pins, MeterId::new(1), micros(taken), &mut draws);
            prop_assert_eq!(add(rest, held(&draws)), micros(taken));
            prop_assert_eq!(add(held(&pins), held(&draws)), all);
            prop_assert_eq!(held(&draws), all.min(micros(taken)));
        }
    }
}
