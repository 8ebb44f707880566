//! Meters, rate cards and plans, as the operator keeps them. Publishing never changes what was published.

use std::collections::BTreeMap;

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::id::{MeterId, PlanId, PlanVersionId, RateCardId, RateVersionId};
use crate::base::{Credits, Money, Quantity, Timestamp};
use crate::catalog::rules::{Code, PlanTerms, Price, Rate};
use crate::catalog::{self, NewMeter, NewPlanVersion, NewRateVersion};
use crate::db::WriteTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::list::List;
use crate::http::params::PathId;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::identity::audit::{self, By, Difference};

const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list_meters, ADMIN, list_meters);
    table.api(__path_add_meter, ADMIN, add_meter);
    table.api(__path_list_rate_cards, ADMIN, list_rate_cards);
    table.api(__path_publish_rate_card, ADMIN, publish_rate_card);
    table.api(__path_get_rate_card, ADMIN, get_rate_card);
    table.api(__path_list_plans, ADMIN, list_plans);
    table.api(__path_publish_plan, ADMIN, publish_plan);
    table.api(__path_get_plan, ADMIN, get_plan);
}

/// A thing that is counted.
#[derive(Serialize, ToSchema)]
struct Meter {
    id: MeterId,
    code: Code,
    name: String,
    /// What it counts, such as `second`.
    unit: String,
    created_at: Timestamp,
}

impl From<&catalog::Meter> for Meter {
    fn from(meter: &catalog::Meter) -> Self {
        let catalog::Meter { id, code, name, unit, created_at } = meter.clone();
        Self { id, code, name, unit, created_at }
    }
}

/// List meters
#[utoipa::path(get, path = "/admin/catalog/meters", tag = "catalog",
    responses((status = 200, description = "All meters.", body = List<Meter>)))]
async fn list_meters(state: web::Data<State>) -> Answer<List<Meter>> {
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    Ok(Reply::ok(List::whole(catalog.meters().iter().map(Meter::from).collect())))
}

/// A meter to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMeter)]
struct MeterInput {
    code: Code,
    name: String,
    /// What it counts, such as `search` or `token`.
    unit: String,
}

/// Add a meter; its usage can be charged once a rate card prices it
#[utoipa::path(post, path = "/admin/catalog/meters", tag = "catalog", request_body = MeterInput,
    responses((status = 201, description = "Added.", body = Meter),
        (status = 409, description = "There is one with this code.")))]
async fn add_meter(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<MeterInput>,
) -> Answer<Meter> {
    let by = admitted.by()?;
    let new = NewMeter { code: input.code, name: input.name, unit: input.unit };
    let added = state.db.write(move |tx| meter_added(tx, &by, &new));
    Ok(Reply::created(Meter::from(&added.await?)))
}

/// Adds a meter, and writes down who did.
pub(in crate::http) fn meter_added(
    tx: &WriteTx<'_>,
    by: &By,
    new: &NewMeter,
) -> Result<catalog::Meter, ApiError> {
    let meter = catalog::add_meter(tx, new)?;
    let difference = Difference::new().with("name", &*new.name).with("unit", &*new.unit);
    audit::record(tx, by, "meter.added", &meter.code, None, &difference)?;
    Ok(meter)
}

/// How one meter is priced. `price` is `{"flat": 7}`, `{"graduated": [{"up_to": 1000, "price": 7}, {"price": 5}]}` or
/// `{"volume": […]}`.
#[derive(ToSchema)]
#[schema(as = Rate)]
#[allow(dead_code)]
pub(super) struct RateShape {
    /// The meter's code.
    meter: Code,
    /// How many of the meter's unit a price is for: 60 where seconds are priced per minute.
    #[serde(default)]
    unit_size: Quantity,
    /// What the quantity is rounded up to a multiple of.
    #[serde(default)]
    increment: Quantity,
    /// The least that is billed for any usage at all.
    #[serde(default)]
    minimum: Quantity,
    /// Credits per `unit_size`.
    #[schema(value_type = PriceShape)]
    price: Price,
    /// Credits per `unit_size` for usage on the customer's own provider key.
    byok_price: Option<Credits>,
    /// Credits per `unit_size` on top, for inbound toll-free calls.
    toll_free_surcharge: Option<Credits>,
    /// Which carrier costs are charged on: `never`, `toll_free` or `always`.
    #[serde(default)]
    #[schema(value_type = PassThroughShape)]
    pass_through: String,
    /// What each item's credits are rounded to, half up.
    #[serde(default)]
    rounding: Credits,
}

/// Which carrier costs are charged on.
#[derive(ToSchema)]
#[schema(as = PassThrough)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
enum PassThroughShape {
    Never,
    TollFree,
    Always,
}

/// The price of a unit.
#[derive(ToSchema)]
#[schema(as = Price)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
enum PriceShape {
    /// Always the same.
    Flat(Credits),
    /// Each unit by the step it falls in, counted over the cycle.
    Graduated(Vec<TierShape>),
    /// All units of an item by the step that the cycle's usage before it had reached.
    Volume(Vec<TierShape>),
}

/// One step of a tiered price.
#[derive(ToSchema)]
#[schema(as = Tier)]
#[allow(dead_code)]
struct TierShape {
    /// The last unit that this step prices; absent on the last step.
    up_to: Option<Quantity>,
    price: Credits,
}

/// A list of prices with all its versions, newest last.
#[derive(Serialize, ToSchema)]
struct RateCard {
    id: RateCardId,
    code: Code,
    name: String,
    created_at: Timestamp,
    /// The number of the version in force now.
    current_version: Option<i64>,
    versions: Vec<RateVersion>,
}

/// One published state of a rate card.
#[derive(Serialize, ToSchema)]
struct RateVersion {
    id: RateVersionId,
    version: i64,
    starts_at: Timestamp,
    created_at: Timestamp,
    #[schema(value_type = Vec<RateShape>)]
    rates: Vec<Rate>,
}

fn rate_card(card: &catalog::RateCard, now: Timestamp) -> RateCard {
    let version = |version: &catalog::RateVersion| RateVersion {
        id: version.id,
        version: version.version,
        starts_at: version.starts_at,
        created_at: version.created_at,
        rates: version.rates.values().cloned().collect(),
    };
    RateCard {
        id: card.id,
        code: card.code.clone(),
        name: card.name.clone(),
        created_at: card.created_at,
        current_version: card.in_force(now).map(|version| version.version),
        versions: card.versions.iter().map(version).collect(),
    }
}

/// List rate cards
#[utoipa::path(get, path = "/admin/catalog/rate-cards", tag = "catalog",
    responses((status = 200, description = "All rate cards.", body = List<RateCard>)))]
async fn list_rate_cards(state: web::Data<State>) -> Answer<List<RateCard>> {
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    let now = state.clock.now();
    Ok(Reply::ok(List::whole(catalog.rate_cards().iter().map(|card| rate_card(card, now)).collect())))
}

/// Get a rate card
#[utoipa::path(get, path = "/admin/catalog/rate-cards/{id}", tag = "catalog",
    params(("id" = String, Path, description = "The card's code.")),
    responses((status = 200, description = "The rate card.", body = RateCard)))]
async fn get_rate_card(state: web::Data<State>, PathId(code): PathId<Code>) -> Answer<RateCard> {
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    let found = catalog.rate_card_by_code(code.as_str()).map(|card| rate_card(card, state.clock.now()));
    found.map(Reply::ok).ok_or_else(|| ApiError::new(ErrorCode::NotFound))
}

/// A version to be, of a card that exists or of a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRateVersion)]
struct RateCardInput {
    /// The card's code.
    code: Code,
    /// Required where the code is new.
    name: Option<String>,
    /// From when on; now unless given, and never in the past.
    starts_at: Option<Timestamp>,
    /// All the rates of this version.
    #[schema(value_type = Vec<RateShape>)]
    rates: Vec<Rate>,
}

/// Publish a version of a rate card, and the card if it is new
#[utoipa::path(post, path = "/admin/catalog/rate-cards", tag = "catalog", request_body = RateCardInput,
    responses((status = 201, description = "Published.", body = RateCard)))]
async fn publish_rate_card(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<RateCardInput>,
) -> Answer<RateCard> {
    let by = admitted.by()?;
    let new = NewRateVersion {
        card: input.code.clone(),
        name: input.name,
        starts_at: input.starts_at,
        rates: input.rates,
    };
    let published = state.db.write(move |tx| -> Result<_, ApiError> {
        let id = catalog::publish_rate_card(tx, &new)?;
        let difference = Difference::new().with("version", id.to_string());
        audit::record(tx, &by, "rate_card.published", &new.card, None, &difference)?;
        Ok(())
    });
    published.await?;
    let Reply(_, card) = get_rate_card(state, PathId(input.code)).await?;
    Ok(Reply::created(card))
}

/// A plan with all its versions, newest last.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogPlan)]
struct Plan {
    id: PlanId,
    code: Code,
    name: String,
    created_at: Timestamp,
    /// The number of the version offered now.
    current_version: Option<i64>,
    versions: Vec<PlanVersion>,
}

/// One published state of a plan.
#[derive(Serialize, ToSchema)]
struct PlanVersion {
    id: PlanVersionId,
    version: i64,
    starts_at: Timestamp,
    created_at: Timestamp,
    #[schema(value_type = TermsShape)]
    terms: PlanTerms,
}

/// What a plan gives and costs.
#[derive(ToSchema)]
#[schema(as = PlanTerms)]
#[allow(dead_code)]
struct TermsShape {
    /// The fee for each interval, before tax.
    price: Money,
    /// `month` or `year`.
    #[schema(value_type = IntervalShape)]
    interval: String,
    /// Credit granted at the beginning of each month, also where a year is paid at once.
    #[serde(default)]
    plan_credits: Credits,
    /// Units included in each month, by meter, in the meter's unit.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Quantity>)]
    allowances: BTreeMap<String, Quantity>,
    /// The rate card that prices everything else.
    rate_card: Code,
    /// Whether what is left of the plan credits stays when the month ends.
    #[serde(default)]
    rollover: bool,
    /// At most so much of it stays; all of it, if none is given. Goes only with `rollover`.
    #[serde(default)]
    rollover_cap: Option<Credits>,
    /// Whether credit may be moved to another organization.
    #[serde(default)]
    credit_transfer: bool,
    /// Whether customers see it and may choose it themselves.
    #[serde(default)]
    listed: bool,
}

/// How often a plan's fee is due.
#[derive(ToSchema)]
#[schema(as = Interval)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code)]
enum IntervalShape {
    Month,
    Year,
}

fn plan(plan: &catalog::Plan, now: Timestamp) -> Plan {
    let version = |version: &catalog::PlanVersion| PlanVersion {
        id: version.id,
        version: version.version,
        starts_at: version.starts_at,
        created_at: version.created_at,
        terms: version.terms.clone(),
    };
    Plan {
        id: plan.id,
        code: plan.code.clone(),
        name: plan.name.clone(),
        created_at: plan.created_at,
        current_version: plan.in_force(now).map(|version| version.version),
        versions: plan.versions.iter().map(version).collect(),
    }
}

/// List plans, unlisted ones too
#[utoipa::path(get, path = "/admin/catalog/plans", tag = "catalog",
    responses((status = 200, description = "All plans.", body = List<Plan>)))]
async fn list_plans(state: web::Data<State>) -> Answer<List<Plan>> {
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    let now = state.clock.now();
    Ok(Reply::ok(List::whole(catalog.plans().iter().map(|one| plan(one, now)).collect())))
}

/// Get a plan
#[utoipa::path(get, path = "/admin/catalog/plans/{id}", tag = "catalog",
    params(("id" = String, Path, description = "The plan's code.")),
    responses((status = 200, description = "The plan.", body = Plan)))]
async fn get_plan(state: web::Data<State>, PathId(code): PathId<Code>) -> Answer<Plan> {
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    let found = catalog.plan_by_code(code.as_str()).map(|one| plan(one, state.clock.now()));
    found.map(Reply::ok).ok_or_else(|| ApiError::new(ErrorCode::NotFound))
}

/// A version to be, of a plan that exists or of a new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPlanVersion)]
struct PlanInput {
    /// The plan's code.
    code: Code,
    /// Required where the code is new.
    name: Option<String>,
    /// From when on; now unless given, and never in the past.
    starts_at: Option<Timestamp>,
    #[schema(value_type = TermsShape)]
    terms: PlanTerms,
}

/// Publish a version of a plan, and the plan if it is new; who is on the plan keeps their version
#[utoipa::path(post, path = "/admin/catalog/plans", tag = "catalog", request_body = PlanInput,
    responses((status = 201, description = "Published.", body = Plan)))]
async fn publish_plan(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<PlanInput>,
) -> Answer<Plan> {
    let by = admitted.by()?;
    let new = NewPlanVersion {
        plan: input.code.clone(),
        name: input.name,
        starts_at: input.starts_at,
        terms: input.terms,
    };
    let published = state.db.write(move |tx| -> Result<_, ApiError> {
        let id = catalog::publish_plan(tx, &new)?;
        let difference = Difference::new().with("version", id.to_string());
        audit::record(tx, &by, "plan.published", &new.plan, None, &difference)?;
        Ok(())
    });
    published.await?;
    let Reply(_, plan) = get_plan(state, PathId(input.code)).await?;
    Ok(Reply::created(plan))
}
