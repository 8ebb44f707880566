//! The plans that customers can choose from.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::catalog::RateShape;
use crate::base::id::PlanId;
use crate::base::{Credits, Money, Quantity, Timestamp};
use crate::catalog::rules::{Code, Interval, Rate};
use crate::catalog::{Plan as Offered, Snapshot};
use crate::http::State;
use crate::http::access::Access;
use crate::http::list::List;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
}

/// A plan as it is offered now.
#[expect(clippy::struct_field_names, reason = "`plan_credits` is the name in the API")]
#[derive(Serialize, ToSchema)]
struct Plan {
    id: PlanId,
    code: Code,
    name: String,
    /// The fee for each interval, before tax.
    price: Money,
    /// `month` or `year`.
    interval: &'static str,
    /// Credit granted at the beginning of each month, also where a year is paid at once.
    plan_credits: Credits,
    /// What is left of the plan credits stays when the month ends.
    rollover: bool,
    /// At most so much of it stays; all of it, if null.
    rollover_cap: Option<Credits>,
    /// Units included in each month.
    allowances: Vec<Allowance>,
    /// The prices of everything that is not included.
    #[schema(value_type = Vec<RateShape>)]
    rates: Vec<Rate>,
    /// The prices beyond what is included, of the meters that have something included.
    #[schema(value_type = Vec<RateShape>)]
    overage: Vec<Rate>,
}

/// Units of one meter that a plan includes.
#[derive(Serialize, ToSchema)]
struct Allowance {
    meter: Code,
    /// In the meter's unit.
    quantity: Quantity,
    unit: String,
}

/// List the plans on offer
#[utoipa::path(get, path = "/billing/plans", tag = "billing",
    responses((status = 200, description = "All plans that can be chosen.", body = List<Plan>)))]
async fn list(state: web::Data<State>) -> Answer<List<Plan>> {
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    let now = state.clock.now();
    let plans = catalog.plans().iter().filter_map(|plan| view(&catalog, plan, now));
    Ok(Reply::ok(List::whole(plans.collect())))
}

fn view(catalog: &Snapshot, plan: &Offered, now: Timestamp) -> Option<Plan> {
    let terms = plan.in_force(now).map(|version| &version.terms).filter(|terms| terms.listed)?;
    let card = catalog.rate_card_by_code(terms.rate_card.as_str());
    let rates: Vec<Rate> = card
        .and_then(|card| card.in_force(now))
        .map(|version| version.rates.values().cloned().collect())
        .unwrap_or_default();
    let unit = |code: &Code| {
        let meter = catalog.meter_id(code.as_str()).and_then(|id| catalog.meter(id));
        meter.map_or_else(String::new, |meter| meter.unit.clone())
    };
    let allowances = terms.allowances.iter().map(|(meter, quantity)| Allowance {
        meter: meter.clone(),
        quantity: *quantity,
        unit: unit(meter),
    });
    let overage = rates.iter().filter(|rate| terms.allowances.contains_key(&rate.meter)).cloned();
    Some(Plan {
        id: plan.id,
        code: plan.code.clone(),
        name: plan.name.clone(),
        price: terms.price,
        interval: match terms.interval {
            Interval::Month => "month",
            Interval::Year => "year",
        },
        plan_credits: terms.plan_credits,
        rollover: terms.rollover,
        rollover_cap: terms.rollover_cap,
        allowances: allowances.collect(),
        overage: overage.collect(),
        rates,
    })
}
