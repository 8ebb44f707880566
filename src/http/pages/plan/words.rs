//! Plans in words: what they cost, include, and change.

use std::collections::BTreeMap;

use super::super::catalog::words::{fee, plan_credit, price as price_of};
use super::super::views::plan::{ChangeRow, OfferCard};
use super::super::{format, topup};
use crate::base::id::{MeterId, OrganizationId};
use crate::base::{Quantity, Timestamp};
use crate::catalog::rules::PlanTerms;
use crate::catalog::{Meter, PlanVersion, Snapshot};
use crate::db::{DbError, ReadTx};
use crate::metering;
use crate::payments::Reason;

const NOTHING: &str = "nothing";

/// A quantity as plans are sold: time in minutes. A part of a month may include a part of a unit, which is cut off after two
/// decimals: never more is said than there is. The terms of a plan say it to the last digit.
pub(super) fn units(value: Quantity, unit: &str) -> String {
    let value = Quantity::from_micros(value.micros() / 10_000 * 10_000);
    match unit {
        "second" | "seconds" => format::minutes(value).replace(".00", ""),
        _ => format::quantity(value, unit),
    }
}

/// The credit of a month, and what becomes of what is left of it; none where there is none.
pub(super) fn credit(terms: &PlanTerms) -> Option<String> {
    plan_credit(terms).map(|(credits, rest)| format!("{credits}; what is left of it {rest}"))
}

/// Why a charge came to nothing.
pub(super) fn why(reason: &str) -> String {
    match (reason, Reason::from_name(reason)) {
        (_, Some(reason)) => topup::failed(reason).to_owned(),
        ("disputed", _) => "Your bank gave back what you had paid for it.".to_owned(),
        ("no_card", _) => "No card is saved that could be charged.".to_owned(),
        ("payments_unavailable", _) => "No payments are taken here now, and you were not charged.".to_owned(),
        _ => "It was not paid.".to_owned(),
    }
}

/// What a plan, or none, includes and costs, by what it is called.
pub(super) struct Side {
    fee: String,
    credit: String,
    included: BTreeMap<MeterId, String>,
    prices: BTreeMap<MeterId, String>,
}

impl Side {
    /// A version of a plan.
    pub(super) fn of(catalog: &Snapshot, terms: &PlanTerms, now: Timestamp) -> Self {
        let card = catalog.rate_card_by_code(terms.rate_card.as_str());
        let price = |meter: &Meter| {
            let (_, rate) = catalog.rate(card?.id, meter.id, now)?;
            Some((meter.id, price_of(rate, meter)))
        };
        let prices = catalog.meters().iter().filter_map(price).collect();
        Self { prices, ..Self::without_prices(catalog, terms) }
    }

    /// What an organization has and pays now: what a plan includes is there only while it is paid, or was given.
    pub(super) fn now(
        tx: &ReadTx<'_>,
        catalog: &Snapshot,
        organization: OrganizationId,
        is_paid_for: bool,
    ) -> Result<Self, DbError> {
        let terms = metering::price_terms(tx, organization, tx.now())?;
        let version = terms.and_then(|terms| catalog.plan_version(terms.plan_version?));
        let side = match version {
            Some((_, version)) if is_paid_for => Self::without_prices(catalog, &version.terms),
            Some((_, version)) => Self {
                fee: NOTHING.into(),
                credit: NOTHING.into(),
                ..Self::without_prices(catalog, &version.terms)
            },
            None => Self::as_one_goes(),
        };
        let prices = prices(tx, catalog, organization)?;
        let prices = prices.into_iter().map(|(meter, price)| (meter.id, price)).collect();
        Ok(Self { prices, ..side })
    }

    fn as_one_goes() -> Self {
        Self {
            fee: NOTHING.into(),
            credit: NOTHING.into(),
            included: BTreeMap::new(),
            prices: BTreeMap::new(),
        }
    }

    fn without_prices(catalog: &Snapshot, terms: &PlanTerms) -> Self {
        let included = |(code, included): (&crate::catalog::rules::Code, &Quantity)| {
            let meter = catalog.meter(catalog.meter_id(code.as_str())?)?;
            Some((meter.id, units(*included, &meter.unit)))
        };
        Self {
            fee: fee(terms),
            credit: credit(terms).unwrap_or_else(|| NOTHING.into()),
            included: terms.allowances.iter().filter_map(included).collect(),
            prices: BTreeMap::new(),
        }
    }

    /// What differs. The fee stands there always.
    pub(super) fn changes(&self, then: &Self, catalog: &Snapshot) -> Vec<ChangeRow> {
        let row = |label: String, now: &str, then: &str| ChangeRow {
            label,
            now: now.to_owned(),
            then: then.to_owned(),
        };
        let mut rows = vec![row("Fee, before tax".into(), &self.fee, &then.fee)];
        let mut differing = |label: String, now: &str, then: &str| {
            if now != then {
                rows.push(row(label, now, then));
            }
        };
        let of = |side: &BTreeMap<MeterId, String>, meter: &Meter| {
            side.get(&meter.id).map_or(NOTHING, String::as_str).to_owned()
        };
        for meter in catalog.meters() {
            let label = format!("{} included each month", meter.name);
            differing(label, &of(&self.included, meter), &of(&then.included, meter));
        }
        differing("Credit".into(), &self.credit, &then.credit);
        for meter in catalog.meters() {
            let is_included = |side: &Self| side.included.contains_key(&meter.id);
            let beyond = if is_included(self) || is_included(then) { ", beyond that" } else { "" };
            let label = format!("{}{beyond}", meter.name);
            differing(label, &of(&self.prices, meter), &of(&then.prices, meter));
        }
        rows
    }
}

/// What usage costs an organization now, beyond what is included.
pub(super) fn prices<'c>(
    tx: &ReadTx<'_>,
    catalog: &'c Snapshot,
    organization: OrganizationId,
) -> Result<Vec<(&'c Meter, String)>, DbError> {
    let mut all = Vec::new();
    for meter in catalog.meters() {
        if let Some(quote) = metering::quote(tx, catalog, organization, meter.id, tx.now())? {
            all.push((meter, price_of(quote.rate, meter)));
        }
    }
    Ok(all)
}

/// A plan on offer.
pub(super) fn card(catalog: &Snapshot, name: &str, version: &PlanVersion, now: Timestamp) -> OfferCard {
    let side = Side::of(catalog, &version.terms, now);
    let name_of = |id: &MeterId| catalog.meter(*id).map(|meter| meter.name.clone()).unwrap_or_default();
    let gives = side.included.iter().map(|(id, units)| format!("{}: {units}", name_of(id)));
    let after = side.prices.iter().filter(|(id, _)| side.included.contains_key(id));
    OfferCard {
        name: name.to_owned(),
        price: side.fee.clone(),
        mark: None,
        gives: gives.chain(credit(&version.terms)).collect(),
        after: after.map(|(id, price)| (name_of(id), price.clone())).collect(),
        choose: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_sold_by_the_minute() {
        for (quantity, unit, text) in [
            ("30000", "second", "500\u{a0}min"),
            ("120000", "second", "2,000\u{a0}min"),
            ("84", "second", "1.40\u{a0}min"),
            ("2500", "message", "2,500\u{a0}messages"),
            ("7932.706674", "message", "7,932.7\u{a0}messages"),
        ] {
            assert_eq!(units(quantity.parse().expect("a quantity"), unit), text);
        }
    }
}
