//! Rates and plans in words.

use crate::base::decimal::MICROS;
use crate::base::{Credits, Quantity, Timestamp};
use crate::catalog::rules::{Interval, PassThrough, PlanTerms, Price, Rate, Tier};
use crate::catalog::{Meter, RateVersion, Snapshot};
use crate::http::pages::format::{self, Show, plural, quantity};

/// Names, each with what it is.
pub type Terms = Vec<(String, String)>;

/// How a rate prices its meter, the price first: `Price` and `7 credits per minute`, `Increment` and `1 s`.
#[must_use]
pub fn rate(rate: &Rate, meter: &Meter) -> Terms {
    let mut terms = Vec::new();
    let mut term = |name: &str, text: String| terms.push((name.to_owned(), text));
    let per = per(rate, meter);
    let name = match &rate.price {
        Price::Flat(_) => "Price",
        Price::Graduated(_) => "Price by step",
        Price::Volume(_) => "Price by volume",
    };
    term(name, price(rate, meter));
    if let Some(price) = rate.byok_price {
        term("With an own provider key", priced(price, &per));
    }
    if let Some(price) = rate.toll_free_surcharge {
        term("Toll-free surcharge", priced(price, &per));
    }
    if rate.increment > Quantity::from_micros(1) {
        term("Increment", units(rate.increment, &meter.unit));
    }
    if rate.minimum.is_positive() {
        term("Minimum", units(rate.minimum, &meter.unit));
    }
    match rate.pass_through {
        PassThrough::Never => {}
        PassThrough::TollFree => term("Carrier cost", "of toll-free calls, above the surcharge".into()),
        PassThrough::Always => term("Carrier cost", "above the surcharge".into()),
    }
    term("Rounding", format!("half up, to {} credits", rate.rounding));
    terms
}

/// The price alone: `7 credits per minute`, or its steps.
#[must_use]
pub fn price(rate: &Rate, meter: &Meter) -> String {
    let per = per(rate, meter);
    match &rate.price {
        Price::Flat(price) => priced(*price, &per),
        Price::Graduated(tiers) | Price::Volume(tiers) => steps(tiers, meter, &per),
    }
}

/// `minute`, `message`, `1,000,000 tokens`.
#[must_use]
pub fn per(rate: &Rate, meter: &Meter) -> String {
    let is_seconds = matches!(meter.unit.as_str(), "second" | "seconds");
    if is_seconds && Some(rate.unit_size) == Quantity::from_whole(60) {
        "minute".to_owned()
    } else if Some(rate.unit_size) == Quantity::from_whole(1) {
        plural(&meter.unit, true)
    } else {
        units(rate.unit_size, &meter.unit)
    }
}

/// A quantity to the last digit, as terms need it: seconds as `2,000 min` where they are whole minutes.
#[must_use]
pub fn units(units: Quantity, unit: &str) -> String {
    let minute = 60 * MICROS;
    if !matches!(unit, "second" | "seconds") {
        quantity(units, unit)
    } else if units.is_positive() && units.micros() % minute == 0 {
        quantity(Quantity::from_micros(units.micros() / 60), "min")
    } else {
        quantity(units, "s")
    }
}

/// How a quantity becomes one that is billed: `in steps of 6 s, at least 30 s`.
#[must_use]
pub fn billed(rate: &Rate, meter: &Meter) -> String {
    let steps = (rate.increment > Quantity::from_micros(1))
        .then(|| format!("in steps of {}", units(rate.increment, &meter.unit)));
    let least = rate.minimum.is_positive().then(|| format!("at least {}", units(rate.minimum, &meter.unit)));
    let both: Vec<String> = steps.into_iter().chain(least).collect();
    if both.is_empty() { "as used".into() } else { both.join(", ") }
}

/// `7 credits per minute`.
#[must_use]
pub fn priced(price: Credits, per: &str) -> String {
    let credits = if Credits::from_whole(1) == Some(price) { "credit" } else { "credits" };
    format!("{price} {credits} per {per}")
}

fn steps(tiers: &[Tier], meter: &Meter, per: &str) -> String {
    let step = |tier: &Tier| match tier.up_to {
        Some(up_to) => format!("{} up to {}", priced(tier.price, per), units(up_to, &meter.unit)),
        None => format!("{} beyond", priced(tier.price, per)),
    };
    tiers.iter().map(step).collect::<Vec<_>>().join(", ")
}

/// What a plan gives and costs, the fee first.
#[must_use]
pub fn plan(terms: &PlanTerms, catalog: &Snapshot) -> Terms {
    let mut words = vec![("Fee".to_owned(), fee(terms))];
    let mut term = |name: &str, text: String| words.push((name.to_owned(), text));
    let card = catalog.rate_card_by_code(terms.rate_card.as_str());
    term("Rate card", card.map_or_else(|| terms.rate_card.to_string(), |card| card.name.clone()));
    for (code, units) in &terms.allowances {
        let meter = catalog.meter_id(code.as_str()).and_then(|id| catalog.meter(id));
        let (name, unit) = meter.map_or((code.as_str(), ""), |meter| (&meter.name, &meter.unit));
        term(&format!("{name} included"), format!("{} a month", self::units(*units, unit)));
    }
    if let Some((credits, rest)) = plan_credit(terms) {
        term("Plan credit", credits);
        term("Unused plan credit", rest);
    }
    let allowed = |is: bool| if is { "yes" } else { "no" };
    term("Credit may be sent on", allowed(terms.credit_transfer).into());
    term("Customers may choose it", allowed(terms.listed).into());
    words
}

/// The credit of a month, `500.00 credits a month`, and what becomes of what is left of it, `expires with its month`; none where
/// there is none.
#[must_use]
pub fn plan_credit(terms: &PlanTerms) -> Option<(String, String)> {
    let rest = match (terms.rollover, terms.rollover_cap) {
        (false, _) => "expires with its month".to_owned(),
        (true, None) => "stays".to_owned(),
        (true, Some(cap)) => format!("stays, up to {} credits", format::credits(cap)),
    };
    let credits = terms.plan_credits;
    credits.is_positive().then(|| (format!("{} credits a month", format::credits(credits)), rest))
}

/// `€29.00 a month`.
#[must_use]
pub fn fee(terms: &PlanTerms) -> String {
    let interval = match terms.interval {
        Interval::Month => "month",
        Interval::Year => "year",
    };
    format!("{} a {interval}", format::money(terms.price))
}

/// What differs: the name, what it was and what it is.
pub type Changes = Vec<(String, String, String)>;

/// What differs between two versions.
#[must_use]
pub fn changes(before: &Terms, after: &Terms) -> Changes {
    let find = |terms: &Terms, name: &str| {
        terms.iter().find(|(known, _)| known == name).map_or_else(|| "—".to_owned(), |(_, text)| text.clone())
    };
    let gone = before.iter().filter(|(name, _)| after.iter().all(|(known, _)| known != name));
    let names = after.iter().chain(gone).map(|(name, _)| name);
    names
        .map(|name| (name.clone(), find(before, name), find(after, name)))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// The rates of a version, each under the name of its meter.
#[must_use]
pub fn rates<'r>(rates: impl Iterator<Item = &'r Rate>, catalog: &Snapshot) -> Terms {
    let meter = |rate: &Rate| catalog.meter_id(rate.meter.as_str()).and_then(|id| catalog.meter(id));
    let named = |rate: &'r Rate| Some((meter(rate)?, rate));
    let terms = rates.filter_map(named).flat_map(|(meter, rate)| {
        let usual = rate.rounding == Credits::from_micros(1);
        let terms =
            self::rate(rate, meter).into_iter().filter(move |(name, _)| !(usual && name == "Rounding"));
        let by = match rate.price {
            Price::Flat(_) => "",
            Price::Graduated(_) => "by step: ",
            Price::Volume(_) => "by volume: ",
        };
        terms.enumerate().map(move |(index, (name, text))| match index {
            0 => (format!("{}: price", meter.name), format!("{by}{text}")),
            _ => (format!("{}: {}", meter.name, lower(&name)), text),
        })
    });
    terms.collect()
}

/// The same of a version that was published.
#[must_use]
pub fn version(version: &RateVersion, catalog: &Snapshot) -> Terms {
    rates(version.rates.values(), catalog)
}

/// `Voice: price, 7 credits per minute → 6.5 credits per minute`, one after the other.
#[must_use]
pub fn told(changes: &[(String, String, String)]) -> String {
    if changes.is_empty() {
        return "nothing".into();
    }
    let told = changes.iter().map(|(name, before, after)| format!("{name} {before} → {after}"));
    told.collect::<Vec<_>>().join("; ")
}

/// When a version counts: `from the beginning`, or a day and time.
#[must_use]
pub fn since(at: Timestamp, show: &Show) -> String {
    // what is seeded counts for all usage there ever was
    if at.millis() <= 0 { "the beginning".into() } else { show.when(at).text() }
}

fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
