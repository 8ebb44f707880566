//! Prices as data, and what makes them acceptable. Pure: no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::{Credits, Money, Quantity, Timestamp};

/// The most rates one version of a rate card may hold.
const MAX_RATES: usize = 200;
/// The most tiers one price may have.
const MAX_TIERS: usize = 32;
/// The longest name of a meter, rate card or plan, in characters.
const MAX_NAME: usize = 80;
/// No single price, surcharge or rounding step is above this: 10⁹ credits, so that a slip of the keyboard is caught.
const MAX_PRICE: Credits = Credits::from_micros(1_000_000_000_000_000);
/// No unit, increment or minimum is above this: 10¹² of the meter's unit.
const MAX_UNITS: Quantity = Quantity::from_micros(1_000_000_000_000_000_000);

/// The short name by which a meter, rate card or plan is known: `[a-z][a-z0-9_]{0,31}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Box<str>);

/// Why a text is not a [`Code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 32 lowercase letters, digits and underscores, beginning with a letter")]
pub struct CodeError;

impl Code {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let mut bytes = text.bytes();
        let first_fits = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest_fits = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if first_fits && rest_fits && text.len() <= 32 { Ok(Self(text.into())) } else { Err(CodeError) }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Code {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which carrier costs reported with usage are charged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassThrough {
    /// None: the price covers the carrier.
    #[default]
    Never,
    /// Those of inbound toll-free calls, as far as they exceed the surcharge.
    TollFree,
    /// All of them, as far as they exceed the surcharge.
    Always,
}

/// One step of a tiered price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The last unit of the meter in a cycle that this step prices; absent on the last step, which has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Quantity>,
    /// Credits per [`Rate::unit_size`].
    pub price: Credits,
}

/// The price of a unit. Externally tagged in JSON (`{"flat": 7}`), because serde buffers the other
/// representations of an enum and a buffered number has lost its exact text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Price {
    /// Always the same.
    Flat(Credits),
    /// Each unit by the step it falls in, counted over the cycle.
    Graduated(Vec<Tier>),
    /// All units of an item by the step that the cycle's usage *before* the item had reached. So the price is
    /// known when a call begins, and more usage never costs less.
    Volume(Vec<Tier>),
}

/// How one meter is priced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The meter's code.
    pub meter: Code,
    /// How many of the meter's unit a price is for: 60 where seconds are priced per minute, 1,000,000 for a price
    /// per million tokens.
    #[serde(default = "one_unit")]
    pub unit_size: Quantity,
    /// What the quantity is rounded up to a multiple of, in the meter's unit. As exact as a quantity can be unless
    /// given.
    #[serde(default = "smallest_quantity")]
    pub increment: Quantity,
    /// The least that is billed for any usage at all, in the meter's unit; a whole number of increments. Nothing
    /// used is nothing billed.
    #[serde(default)]
    pub minimum: Quantity,
    /// Credits per `unit_size`.
    pub price: Price,
    /// Credits per `unit_size` instead of `price` for usage on the customer's own provider key. Without it such
    /// usage is priced like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byok_price: Option<Credits>,
    /// Credits per `unit_size` on top, for inbound toll-free calls; due on included units too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toll_free_surcharge: Option<Credits>,
    /// Which carrier costs are charged on.
    #[serde(default)]
    pub pass_through: PassThrough,
    /// What each item's credits are rounded to, half up.
    #[serde(default = "micro_credit")]
    pub rounding: Credits,
}

const fn one_unit() -> Quantity {
    Quantity::from_micros(1_000_000)
}

const fn smallest_quantity() -> Quantity {
    Quantity::from_micros(1)
}

const fn micro_credit() -> Credits {
    Credits::from_micros(1)
}

impl Price {
    /// Whether the price of a unit depends on what was used before.
    #[must_use]
    pub const fn is_tiered(&self) -> bool {
        match self {
            Self::Flat(_) => false,
            Self::Graduated(_) | Self::Volume(_) => true,
        }
    }

    /// The price of the next unit after `used` in the cycle, in credits per [`Rate::unit_size`].
    #[must_use]
    pub fn after(&self, used: Quantity) -> Credits {
        match self {
            Self::Flat(price) => *price,
            Self::Graduated(tiers) | Self::Volume(tiers) => tiers
                .iter()
                .find(|tier| tier.up_to.is_none_or(|up_to| used < up_to))
                .map_or(Credits::ZERO, |tier| tier.price),
        }
    }
}

/// One thing wrong with an input, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The field, as in `rates[0].price.graduated[1].up_to`.
    pub field: String,
    /// What is wrong with it; reads on from the field.
    pub message: String,
}

/// Everything wrong with an input, found at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    /// `Ok` when nothing was noted.
    ///
    /// # Errors
    /// With everything that was noted.
    pub fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Checks the rates of one version of a rate card; `knows_meter` says which meters exist.
///
/// # Errors
/// With every problem there is, each with the path of its field.
pub fn check_rates(rates: &[Rate], knows_meter: impl Fn(&Code) -> bool) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if rates.is_empty() {
        problems.add("rates", "must hold at least one rate");
    }
    if rates.len() > MAX_RATES {
        problems.add("rates", format!("must hold at most {MAX_RATES} rates"));
    }
    for (index, rate) in rates.iter().take(MAX_RATES).enumerate() {
        let path = format!("rates[{index}]");
        if !knows_meter(&rate.meter) {
            problems.add(format!("{path}.meter"), format!("is not a known meter: {}", rate.meter));
        }
        if rates.iter().take(index).any(|earlier| earlier.meter == rate.meter) {
            problems.add(format!("{path}.meter"), format!("is priced twice: {}", rate.meter));
        }
        check_rate(rate, &path, &mut problems);
    }
    problems.check()
}

fn check_rate(rate: &Rate, path: &str, problems: &mut Problems) {
    for (name, units) in [("unit_size", rate.unit_size), ("increment", rate.increment)] {
        if !units.is_positive() || units > MAX_UNITS {
            problems.add(format!("{path}.{name}"), format!("must be above 0 and at most {MAX_UNITS}"));
        }
    }
    if rate.minimum.is_negative() || rate.minimum > MAX_UNITS {
        problems.add(format!("{path}.minimum"), format!("must be from 0 to {MAX_UNITS}"));
    } else if rate.increment.is_positive() && rate.minimum.micros() % rate.increment.micros() != 0 {
        // else "minimum, then increments" and "increments, at least the minimum" would differ
        problems.add(
            format!("{path}.minimum"),
            format!("must be a whole number of increments of {}", rate.increment),
        );
    }
    if !rate.rounding.is_positive() || rate.rounding > MAX_PRICE {
        problems.add(format!("{path}.rounding"), format!("must be above 0 and at most {MAX_PRICE}"));
    }
    for (name, price) in [("byok_price", rate.byok_price), ("toll_free_surcharge", rate.toll_free_surcharge)]
    {
        if let Some(price) = price {
            check_price(price, &format!("{path}.{name}"), problems);
        }
    }
    match &rate.price {
        Price::Flat(price) => check_price(*price, &format!("{path}.price.flat"), problems),
        Price::Graduated(tiers) => check_tiers(tiers, &format!("{path}.price.graduated"), problems),
        Price::Volume(tiers) => check_tiers(tiers, &format!("{path}.price.volume"), problems),
    }
}

fn check_price(price: Credits, path: &str, problems: &mut Problems) {
    if price.is_negative() || price > MAX_PRICE {
        problems.add(path, format!("must be from 0 to {MAX_PRICE}"));
    }
}

fn check_tiers(tiers: &[Tier], path: &str, problems: &mut Problems) {
    if tiers.is_empty() || tiers.len() > MAX_TIERS {
        problems.add(path, format!("must hold 1 to {MAX_TIERS} tiers"));
        return;
    }
    let mut below = Quantity::ZERO;
    for (index, tier) in tiers.iter().enumerate() {
        let is_last = index + 1 == tiers.len();
        check_price(tier.price, &format!("{path}[{index}].price"), problems);
        match tier.up_to {
            None if is_last => {}
            None => {
                problems.add(format!("{path}[{index}].up_to"), "is missing; only the last tier has no end");
            }
            Some(_) if is_last => {
                problems.add(format!("{path}[{index}].up_to"), "must be left out: the last tier has no end");
            }
            Some(up_to) if up_to <= below => {
                problems.add(format!("{path}[{index}].up_to"), format!("must be above {below}"));
            }
            Some(up_to) => below = up_to,
        }
    }
}

/// How often a plan is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Every calendar month.
    Month,
    /// Every calendar year.
    Year,
}

/// What a version of a plan offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanTerms {
    /// The fee for each interval, before tax.
    pub price: Money,
    /// How often it is due.
    pub interval: Interval,
    /// Credit granted at the beginning of each month, also where a year is paid at once.
    #[serde(default)]
    pub plan_credits: Credits,
    /// Units included in each month, by meter, in the meter's unit. Used before any credit.
    #[serde(default)]
    pub allowances: BTreeMap<Code, Quantity>,
    /// The rate card that prices everything else; what it does not price, the default card does.
    pub rate_card: Code,
    /// Whether what is left of the plan credits stays when the month ends.
    #[serde(default)]
    pub rollover: bool,
    /// At most so much of it stays; all of it, if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover_cap: Option<Credits>,
    /// Whether credit may be moved to another organization.
    #[serde(default)]
    pub credit_transfer: bool,
    /// Whether customers see it and may choose it themselves.
    #[serde(default = "yes")]
    pub listed: bool,
}

const fn yes() -> bool {
    true
}

/// Checks the terms of a plan; `is_priced` says whether the plan's rate card or the default one prices a meter, and
/// is `None` for a meter that does not exist.
///
/// # Errors
/// With every problem there is, each with the path of its field.
pub fn check_terms(
    terms: &PlanTerms,
    knows_card: impl Fn(&Code) -> bool,
    is_priced: impl Fn(&Code) -> Option<bool>,
) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if terms.price.minor < 0 {
        problems.add("price", "must not be negative");
    }
    check_price(terms.plan_credits, "plan_credits", &mut problems);
    if let Some(cap) = terms.rollover_cap {
        check_price(cap, "rollover_cap", &mut problems);
        if !terms.rollover {
            problems.add("rollover_cap", "goes only with rollover");
        }
    }
    if !knows_card(&terms.rate_card) {
        problems.add("rate_card", format!("is not a known rate card: {}", terms.rate_card));
    }
    for (meter, units) in &terms.allowances {
        let field = format!("allowances.{meter}");
        match is_priced(meter) {
            None => problems.add(&field, "is not a known meter"),
            // else the first unit beyond the allowance could not be charged
            Some(false) => problems.add(&field, "has no price on the rate card or the default one"),
            Some(true) => {}
        }
        if !units.is_positive() || *units > MAX_UNITS {
            problems.add(&field, format!("must be above 0 and at most {MAX_UNITS}"));
        }
    }
    problems.check()
}

/// When a new version may start: the first at any time, later ones not before `now`, so that no price or term that
/// has been in force is ever rewritten. A version also replaces earlier ones that have not started yet, from its own
/// start on.
///
/// # Errors
/// With a problem of the field `starts_at`.
pub fn check_start(starts_at: Timestamp, now: Timestamp, is_first: bool) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if !is_first && starts_at < now {
        problems.add("starts_at", "must not be in the past");
    }
    problems.check()
}

/// Of versions in the order of their numbers, the one in force at `at`: the highest that has started.
pub fn in_force<V>(versions: &[V], at: Timestamp, starts_at: impl Fn(&V) -> Timestamp) -> Option<&V> {
    versions.iter().rev().find(|version| starts_at(version) <= at)
}

/// Checks a name that people read.
pub fn check_name(name: &str, field: &str, problems: &mut Problems) {
    let trimmed = name.trim();
    if trimmed.is_empty() || trimmed != name || name.chars().count() > MAX_NAME {
        problems.add(field, format!("must be 1 to {MAX_NAME} characters without space around them"));
    } else if name.chars().any(char::is_control) {
        problems.add(field, "must not contain control characters");
    }
}
