//! The model's prices: written down again from the published figures, in plain 128-bit arithmetic.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

/// Micro-credits, or millionths of a meter's unit.
pub type Micros = i128;

pub const ONE: Micros = 1_000_000;

#[derive(Clone, Debug)]
pub enum Price {
    Flat(Micros),
    /// Upper ends (none on the last) and prices.
    Graduated(Vec<(Option<Micros>, Micros)>),
    Volume(Vec<(Option<Micros>, Micros)>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pass {
    Never,
    TollFree,
    Always,
}

#[derive(Clone, Debug)]
pub struct Rate {
    pub unit: Micros,
    pub increment: Micros,
    pub minimum: Micros,
    pub price: Price,
    pub byok: Option<Micros>,
    pub toll_free: Option<Micros>,
    pub pass: Pass,
    pub rounding: Micros,
}

/// One version of a card: when it starts, and what it prices.
#[derive(Clone, Debug)]
pub struct Version {
    pub starts: i64,
    pub rates: BTreeMap<String, Rate>,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub card: String,
    pub yearly: bool,
    pub allowances: BTreeMap<String, Micros>,
}

/// What usage is priced by from a time on.
#[derive(Clone, Debug)]
pub struct Terms {
    pub starts: i64,
    pub plan: Option<String>,
    pub card: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Prices {
    pub meters: Vec<String>,
    /// Versions in the order of their publication; the place is the number less one.
    pub cards: BTreeMap<String, Vec<Version>>,
    pub plans: BTreeMap<String, Plan>,
}

/// What an event is priced by.
pub struct Found<'a> {
    pub card: String,
    pub version: usize,
    pub rate: &'a Rate,
    pub allowance: Option<Micros>,
    pub cycle: Option<i64>,
}

impl Found<'_> {
    /// The version that prices it, as it is written down.
    pub fn name(&self) -> String {
        format!("{}/{}", self.card, self.version + 1)
    }
}

/// What happened, as far as the price goes.
#[derive(Clone, Debug, Default)]
pub struct Used {
    pub quantity: Micros,
    pub toll_free_inbound: bool,
    pub byok: bool,
    pub carrier: Option<Micros>,
    /// What a call was charged as surcharge, and no cost was set against yet.
    pub surcharge_before: Micros,
}

/// A charge: kind, quantity, credits.
pub type Item = (&'static str, Micros, Micros);

fn seeded(prices: [i64; 5]) -> BTreeMap<String, Rate> {
    let [voice, own_key, transfer, chat, number] = prices.map(|p| Micros::from(p) * 10_000);
    let plain = |unit: i128, increment: Micros, price: Micros| Rate {
        unit: unit * ONE,
        increment,
        minimum: 0,
        price: Price::Flat(price),
        byok: None,
        toll_free: None,
        pass: Pass::Never,
        rounding: 1,
    };
    let voice =
        Rate { byok: Some(own_key), toll_free: Some(2 * ONE), pass: Pass::TollFree, ..plain(60, ONE, voice) };
    BTreeMap::from([
        ("voice".to_owned(), voice),
        ("chat".to_owned(), plain(1, ONE, chat)),
        ("transfer_minute".to_owned(), plain(60, ONE, transfer)),
        ("number".to_owned(), plain(1, 1, number)),
    ])
}

impl Prices {
    /// What a new installation starts with, at 100 credits a unit of the currency.
    pub fn seeded() -> Self {
        let card = |prices| vec![Version { starts: 0, rates: seeded(prices) }];
        let plan = |card: &str, minutes: i128, messages: i128| Plan {
            card: card.to_owned(),
            yearly: false,
            allowances: BTreeMap::from([
                ("voice".to_owned(), minutes * 60 * ONE),
                ("chat".to_owned(), messages * ONE),
            ]),
        };
        Self {
            meters: ["voice", "chat", "transfer_minute", "number"].map(str::to_owned).to_vec(),
            cards: BTreeMap::from([
                ("payg".to_owned(), card([700, 300, 300, 100, 20_000])),
                ("starter".to_owned(), card([650, 275, 300, 100, 20_000])),
                ("growth".to_owned(), card([550, 225, 250, 80, 18_000])),
                ("scale".to_owned(), card([450, 175, 200, 50, 15_000])),
            ]),
            plans: BTreeMap::from([
                ("starter".to_owned(), plan("starter", 500, 500)),
                ("growth".to_owned(), plan("growth", 2_000, 2_500)),
                ("scale".to_owned(), plan("scale", 10_000, 15_000)),
            ]),
        }
    }

    fn rate_on(&self, card: &str, meter: &str, at: i64) -> Option<(usize, &Rate)> {
        let versions = self.cards.get(card)?;
        let version = versions.iter().rposition(|v| v.starts <= at)?;
        Some((version, versions[version].rates.get(meter)?))
    }

    /// What prices a meter at a time for an organization with these terms, oldest first.
    pub fn find(&self, terms: &[Terms], zone: &TimeZone, meter: &str, at: i64) -> Option<Found<'_>> {
        let in_force = terms.iter().rev().find(|t| t.starts <= at);
        let plan = in_force.and_then(|t| Some((t.starts, &self.plans[t.plan.as_ref()?])));
        let card = match (plan, in_force.and_then(|t| t.card.clone())) {
            (Some((_, plan)), _) => plan.card.clone(),
            (None, Some(own)) => own,
            (None, None) => "payg".to_owned(),
        };
        let (card, (version, rate)) = if let Some(found) = self.rate_on(&card, meter, at) {
            (card, found)
        } else {
            ("payg".to_owned(), self.rate_on("payg", meter, at)?)
        };
        let allowance = plan.and_then(|(_, plan)| plan.allowances.get(meter).copied());
        let tiered = !matches!(rate.price, Price::Flat(_));
        let cycle = (tiered || allowance.is_some()).then(|| match plan {
            Some((anchor, _)) => cycle_start(zone, anchor, 1, at),
            None => month_start(zone, at),
        });
        Some(Found { card, version, rate, allowance, cycle })
    }
}

fn instant(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).expect("in range")
}

/// The day of an instant in a zone, as a calendar date.
pub fn day_of(zone: &TimeZone, ms: i64) -> jiff::civil::Date {
    zone.to_datetime(instant(ms)).date()
}

fn month_start(zone: &TimeZone, at: i64) -> i64 {
    let first = day_of(zone, at).first_of_month();
    first.to_zoned(zone.clone()).expect("in range").timestamp().as_millisecond()
}

/// Goes from the anchor on, cycle by cycle, until the next one would begin after `at`.
fn cycle_start(zone: &TimeZone, anchor: i64, months: i32, at: i64) -> i64 {
    let local = zone.to_datetime(instant(anchor));
    let begin = |cycle: i32| {
        let moved = local.checked_add(jiff::Span::new().months(cycle * months)).expect("in range");
        let zoned = zone.to_ambiguous_zoned(moved).compatible().expect("in range");
        zoned.timestamp().as_millisecond()
    };
    let mut cycle = 0;
    while begin(cycle + 1) <= at {
        cycle += 1;
    }
    begin(cycle)
}

/// Half up to a multiple of `step`.
fn round(numerator: Micros, divisor: Micros, step: Micros) -> Micros {
    let whole = divisor * step;
    (2 * numerator + whole).div_euclid(2 * whole) * step
}

fn tier_price(tiers: &[(Option<Micros>, Micros)], used: Micros) -> Micros {
    tiers.iter().find(|(end, _)| end.is_none_or(|end| used < end)).expect("the last has no end").1
}

/// Prices usage: its items, what it takes of the allowance, what it adds to the tiers.
pub fn rate(found: &Found<'_>, used: &Used, billed: Micros, included: Micros) -> (Vec<Item>, Micros, Micros) {
    let rate = found.rate;
    let billable = if used.quantity == 0 {
        0
    } else {
        let wanted = used.quantity.max(rate.minimum);
        (wanted + rate.increment - 1) / rate.increment * rate.increment
    };
    let mut items: Vec<Item> = Vec::new();
    let (mut of_allowance, mut of_tiers) = (0, 0);
    let own_key = rate.byok.filter(|_| used.byok);
    if let Some(price) = own_key {
        if billable > 0 {
            items.push(("byok", billable, round(price * billable, rate.unit, rate.rounding)));
        }
    } else {
        let left = found.allowance.map(|allowance| (allowance - included).max(0));
        of_allowance = left.unwrap_or(0).min(billable);
        of_tiers = billable - of_allowance;
        if of_allowance > 0 {
            items.push(("included", of_allowance, 0));
        }
        if of_tiers > 0 {
            let exact = match &rate.price {
                Price::Flat(price) => price * of_tiers,
                Price::Volume(tiers) => tier_price(tiers, billed) * of_tiers,
                Price::Graduated(tiers) => graduated(tiers, billed, billed + of_tiers),
            };
            let kind = if left.is_some() { "overage" } else { "base" };
            items.push((kind, of_tiers, round(exact, rate.unit, rate.rounding)));
        }
    }
    let mut surcharge = 0;
    if let Some(price) = rate.toll_free.filter(|_| used.toll_free_inbound) {
        surcharge = round(price * billable, rate.unit, rate.rounding);
        if surcharge > 0 {
            items.push(("surcharge", billable, surcharge));
        }
    }
    let passed = match rate.pass {
        Pass::Never => None,
        Pass::TollFree => used.carrier.filter(|_| used.toll_free_inbound),
        Pass::Always => used.carrier,
    };
    let passed =
        passed.map_or(0, |cost| round((cost - surcharge - used.surcharge_before).max(0), 1, rate.rounding));
    if passed > 0 {
        items.push(("pass_through", 0, passed));
    }
    if items.is_empty() {
        items.push(("base", 0, 0));
    }
    (items, of_allowance, of_tiers)
}

/// Unit by unit would be right and slow; tier by tier is the same.
fn graduated(tiers: &[(Option<Micros>, Micros)], from: Micros, to: Micros) -> Micros {
    let (mut sum, mut below) = (0, 0);
    for (end, price) in tiers {
        let end = end.unwrap_or(Micros::MAX);
        sum += (to.min(end) - from.max(below)).max(0) * price;
        below = end;
    }
    sum
}
