//! What usage costs. Pure functions: the same one prices an estimate, a hold and a charge.
//!
//! In order:
//! 1. **Billable quantity**: rounded up to the rate's increment, at least its minimum. Nothing used is nothing billed:
//!    a call that never connected does not pay the minimum.
//! 2. **Allowance**: billable units are taken from what the plan includes first; they cost no credit.
//! 3. **Price** of the rest, from flat, graduated or volume tiers. Only units that are paid for count towards tiers.
//!    Beyond an allowance the charge is *overage*, without one it is *base*.
//! 4. **Own key**: usage on the customer's own provider key pays the rate's own-key price instead of 2 and 3 and leaves
//!    the allowance alone. Where the rate has no such price the flag changes nothing.
//! 5. **Toll-free surcharge** on all billable units, included or not, own key or not.
//! 6. **Pass-through**: what the carrier charged above that surcharge (also one that the same call was charged earlier), at
//!    cost; due even when nothing was used, because the carrier was paid.
//!
//! All arithmetic is exact in 128 bits; each item is rounded once, half up, to the rate's rounding step.

use serde::{Deserialize, Serialize};

use crate::base::{Credits, Quantity};
use crate::catalog::rules::{PassThrough, Price, Rate, Tier};

#[cfg(test)]
mod tests;

/// The most items one usage event can make: included, overage, surcharge, pass-through.
pub const MAX_LINES: usize = 4;

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Units that the plan includes; no credit.
    Included,
    /// Units at the price of the rate card.
    Base,
    /// Units beyond what the plan includes.
    Overage,
    /// The toll-free surcharge.
    Surcharge,
    /// Carrier cost above the surcharge.
    PassThrough,
    /// Units on the customer's own provider key.
    Byok,
}

impl ItemKind {
    /// Every kind, at the place of its code.
    pub const ALL: [Self; 6] =
        [Self::Included, Self::Base, Self::Overage, Self::Surcharge, Self::PassThrough, Self::Byok];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Included => "included",
            Self::Base => "base",
            Self::Overage => "overage",
            Self::Surcharge => "surcharge",
            Self::PassThrough => "pass_through",
            Self::Byok => "byok",
        }
    }

    /// The number in the database. Never changes its meaning.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Included => 0,
            Self::Base => 1,
            Self::Overage => 2,
            Self::Surcharge => 3,
            Self::PassThrough => 4,
            Self::Byok => 5,
        }
    }

    /// The kind with that number in the database.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|place| Self::ALL.get(place).copied())
    }

    /// Whether its quantity is part of what was used. A surcharge repeats the quantity it is due on, and a
    /// pass-through has none; summing those as well would count usage twice.
    #[must_use]
    pub const fn counts_quantity(self) -> bool {
        match self {
            Self::Included | Self::Base | Self::Overage | Self::Byok => true,
            Self::Surcharge | Self::PassThrough => false,
        }
    }
}

/// What is to be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RatingInput {
    /// What was used, in the meter's unit.
    pub quantity: Quantity,
    /// An inbound call to a toll-free number.
    pub toll_free_inbound: bool,
    /// On the customer's own provider key.
    pub byok: bool,
    /// What the carrier charged, in credits.
    pub carrier_cost: Option<Credits>,
    /// What is left of the plan's allowance of this meter, in its unit; `None` where no plan includes any.
    pub allowance_left: Option<Quantity>,
    /// Units of this meter already paid for in the cycle, for tiers.
    pub used_in_cycle: Quantity,
    /// What the same call was charged as surcharge before, and no carrier cost was set against yet: the cost comes late.
    pub surcharge_before: Credits,
}

/// One item of a priced usage event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What it is for.
    pub kind: ItemKind,
    /// In the meter's unit; see [`ItemKind::counts_quantity`].
    pub quantity: Quantity,
    /// What it costs; never negative.
    pub credits: Credits,
}

/// The items of one usage event, kept in place: the hot path allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    slots: [Line; MAX_LINES],
    len: usize,
}

impl Lines {
    const EMPTY_SLOT: Line =
        Line { kind: ItemKind::Included, quantity: Quantity::ZERO, credits: Credits::ZERO };

    const fn new() -> Self {
        Self { slots: [Self::EMPTY_SLOT; MAX_LINES], len: 0 }
    }

    fn push(&mut self, kind: ItemKind, quantity: Quantity, credits: Credits) {
        // `rate` pushes one of each at most: own key, or included and the rest; surcharge; pass-through
        debug_assert!(self.len < MAX_LINES, "more items than slots");
        if let Some(slot) = self.slots.get_mut(self.len) {
            *slot = Line { kind, quantity, credits };
            self.len += 1;
        }
    }

    /// The items, in the order in which a person reads them.
    #[must_use]
    pub fn as_slice(&self) -> &[Line] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

/// Usage with its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rated {
    /// What is billed, in the meter's unit: at least what was used.
    pub billable: Quantity,
    /// The part of it taken from the plan's allowance.
    pub allowance_used: Quantity,
    /// The part of it that counts towards tiers: to be added to `used_in_cycle`.
    pub tier_used: Quantity,
    /// All items together.
    pub total: Credits,
    /// The items; none when nothing is due and nothing was used.
    pub lines: Lines,
}

/// Why usage cannot be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// A quantity or cost below zero.
    #[error("{0} must not be negative")]
    Negative(&'static str),
    /// The price, or a quantity on the way to it, does not fit 64 bits.
    #[error("the quantity is too large to be priced")]
    Overflow,
    /// A rate that publishing would have refused.
    #[error("the rate has a unit, increment or rounding step that is not above zero")]
    InvalidRate,
}

/// Prices usage.
///
/// # Errors
/// When an input is negative, the result does not fit, or the rate is not one that [`check_rates`] accepts.
///
/// [`check_rates`]: crate::catalog::rules::check_rates
pub fn rate(rate: &Rate, input: &RatingInput) -> Result<Rated, RatingError> {
    check_input(rate, input)?;
    let billable = billable_quantity(rate, input.quantity)?;
    let mut rated = Rated {
        billable,
        allowance_used: Quantity::ZERO,
        tier_used: Quantity::ZERO,
        total: Credits::ZERO,
        lines: Lines::new(),
    };
    match rate.byok_price {
        Some(price) if input.byok => {
            if billable.is_positive() {
                let credits = round(rate, flat(price, billable))?;
                rated.lines.push(ItemKind::Byok, billable, credits);
            }
        }
        _ => add_units(rate, input, &mut rated)?,
    }
    add_carrier(rate, input, &mut rated)?;
    for line in rated.lines.as_slice() {
        rated.total = rated.total.checked_add(line.credits).ok_or(RatingError::Overflow)?;
    }
    Ok(rated)
}

fn check_input(rate: &Rate, input: &RatingInput) -> Result<(), RatingError> {
    if !rate.unit_size.is_positive() || !rate.increment.is_positive() || !rate.rounding.is_positive() {
        return Err(RatingError::InvalidRate);
    }
    if input.quantity.is_negative() {
        return Err(RatingError::Negative("quantity"));
    }
    if input.carrier_cost.is_some_and(Credits::is_negative) {
        return Err(RatingError::Negative("carrier_cost"));
    }
    if input.allowance_left.is_some_and(Quantity::is_negative) {
        return Err(RatingError::Negative("allowance_left"));
    }
    if input.used_in_cycle.is_negative() {
        return Err(RatingError::Negative("used_in_cycle"));
    }
    Ok(())
}

/// What is billed for a quantity: at least the minimum, rounded up to whole increments; nothing for nothing.
///
/// # Errors
/// When the result does not fit or the rate's increment is not above zero.
pub fn billable_quantity(rate: &Rate, quantity: Quantity) -> Result<Quantity, RatingError> {
    if quantity.is_zero() {
        return Ok(Quantity::ZERO);
    }
    let increment = rate.increment.micros();
    let wanted = quantity.max(rate.minimum).micros();
    let over = wanted.checked_rem(increment).ok_or(RatingError::InvalidRate)?;
    if over == 0 {
        return Ok(Quantity::from_micros(wanted));
    }
    wanted.checked_add(increment - over).map(Quantity::from_micros).ok_or(RatingError::Overflow)
}

/// The allowance's part and the paid part of the units.
fn add_units(rate: &Rate, input: &RatingInput, rated: &mut Rated) -> Result<(), RatingError> {
    let included = input.allowance_left.map_or(Quantity::ZERO, |left| left.min(rated.billable));
    let rest = rated.billable.checked_sub(included).ok_or(RatingError::Overflow)?;
    if included.is_positive() {
        rated.allowance_used = included;
        rated.lines.push(ItemKind::Included, included, Credits::ZERO);
    }
    if rest.is_positive() {
        let credits = round(rate, units_price(&rate.price, input.used_in_cycle, rest)?)?;
        let kind = if input.allowance_left.is_some() { ItemKind::Overage } else { ItemKind::Base };
        rated.tier_used = rest;
        rated.lines.push(kind, rest, credits);
    }
    Ok(())
}

/// The toll-free surcharge, and the carrier's cost above it.
fn add_carrier(rate: &Rate, input: &RatingInput, rated: &mut Rated) -> Result<(), RatingError> {
    let mut surcharge = Credits::ZERO;
    if let Some(price) = rate.toll_free_surcharge.filter(|_| input.toll_free_inbound) {
        surcharge = round(rate, flat(price, rated.billable))?;
        if surcharge.is_positive() {
            rated.lines.push(ItemKind::Surcharge, rated.billable, surcharge);
        }
    }
    let passed_on = match rate.pass_through {
        PassThrough::Never => None,
        PassThrough::TollFree => input.carrier_cost.filter(|_| input.toll_free_inbound),
        PassThrough::Always => input.carrier_cost,
    };
    if let Some(cost) = passed_on {
        let surcharge = surcharge.checked_add(input.surcharge_before).ok_or(RatingError::Overflow)?;
        let above = cost.checked_sub(surcharge).ok_or(RatingError::Overflow)?.max(Credits::ZERO);
        let credits = round_fraction(i128::from(above.micros()), 1, rate.rounding)?;
        if credits.is_positive() {
            rated.lines.push(ItemKind::PassThrough, Quantity::ZERO, credits);
        }
    }
    Ok(())
}

/// Quantity times price, in micro-units times micro-credits; to be divided by the unit size. Two 64-bit
/// numbers always fit.
fn flat(price: Credits, quantity: Quantity) -> i128 {
    i128::from(price.micros()) * i128::from(quantity.micros())
}

/// The exact price of `quantity` units after `used` in the cycle, on the scale of [`flat`].
fn units_price(price: &Price, used: Quantity, quantity: Quantity) -> Result<i128, RatingError> {
    match price {
        Price::Flat(price) => Ok(flat(*price, quantity)),
        Price::Volume(_) => Ok(flat(price.after(used), quantity)),
        Price::Graduated(tiers) => {
            let end = used.checked_add(quantity).ok_or(RatingError::Overflow)?;
            graduated(tiers, used, end)
        }
    }
}

/// The sum over the tiers of their part of the units from `start` to `end`.
fn graduated(tiers: &[Tier], start: Quantity, end: Quantity) -> Result<i128, RatingError> {
    let mut sum = 0_i128;
    let mut from = start;
    for tier in tiers {
        let to = tier.up_to.map_or(end, |up_to| up_to.min(end));
        if to > from {
            let part = to.checked_sub(from).ok_or(RatingError::Overflow)?;
            sum = sum.checked_add(flat(tier.price, part)).ok_or(RatingError::Overflow)?;
            from = to;
        }
    }
    // tiers without an open end would leave units without a price
    if from == end { Ok(sum) } else { Err(RatingError::InvalidRate) }
}

fn round(rate: &Rate, amount: i128) -> Result<Credits, RatingError> {
    round_fraction(amount, rate.unit_size.micros(), rate.rounding)
}

/// `amount / divisor` micro-credits, half up to a multiple of `step`. `amount` is not negative.
fn round_fraction(amount: i128, divisor: i64, step: Credits) -> Result<Credits, RatingError> {
    let whole = i128::from(divisor) * i128::from(step.micros());
    let steps = amount.checked_div(whole).ok_or(RatingError::InvalidRate)?;
    let rest = amount - steps * whole;
    // "twice the rest is at least the whole", written so that it cannot overflow
    let steps = if rest >= whole - rest { steps + 1 } else { steps };
    steps
        .checked_mul(i128::from(step.micros()))
        .and_then(|micros| i64::try_from(micros).ok())
        .map(Credits::from_micros)
        .ok_or(RatingError::Overflow)
}
