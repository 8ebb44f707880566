//! Organizations, as the operator keeps them.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::details::Details;
use crate::base::id::OrganizationId;
use crate::base::{Currency, Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::input::{Timezone, present};
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::organizations::{self, Change, Filter};
use crate::identity::{NewOrganization, OrganizationRef, Scope, Status, settings};
use crate::metering;
use crate::onboarding::{self, Prices};
use crate::subscriptions;

const LIST: &str = "organizations";
const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, ADMIN, list);
    table.api(__path_create, ADMIN, create);
    table.api(__path_get, ADMIN, get);
    table.api(__path_change, ADMIN, change);
    table.api(__path_suspend, ADMIN, suspend);
    table.api(__path_resume, ADMIN, resume);
    table.api(__path_set_prices, ADMIN, set_prices);
}

/// A customer of the operator.
#[derive(Serialize, ToSchema)]
struct Organization {
    id: OrganizationId,
    name: String,
    /// The platform's own id for it.
    external_id: Option<String>,
    /// The currency of its wallet.
    currency: Currency,
    /// Where its days begin.
    #[schema(value_type = Timezone)]
    timezone: String,
    /// `active` or `suspended`.
    status: &'static str,
    /// Why it is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_reason: Option<String>,
    /// The code of the plan it is on.
    plan: Option<String>,
    /// The code of its own rate card; without one, the default card prices what no plan does.
    rate_card: Option<String>,
    /// Who gets the invoice.
    details: Details,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The prices of an organization by the codes that people know.
fn view(
    organization: crate::identity::Organization,
    catalog: &Snapshot,
    terms: Option<metering::PriceTerms>,
) -> Organization {
    let (status, suspended_reason) = match organization.status {
        Status::Active => ("active", None),
        Status::Suspended { reason } => ("suspended", Some(reason)),
    };
    let plan = terms.and_then(|terms| terms.plan_version).and_then(|id| catalog.plan_version(id));
    let card = organization.rate_card_id.and_then(|id| catalog.rate_card(id));
    Organization {
        id: organization.id,
        name: organization.name,
        external_id: organization.external_id,
        currency: organization.currency,
        timezone: organization.zone.name().to_owned(),
        status,
        suspended_reason,
        plan: plan.map(|(plan, _)| plan.code.to_string()),
        rate_card: card.map(|card| card.code.to_string()),
        details: organization.details.into(),
        created_at: organization.created_at,
        updated_at: organization.updated_at,
    }
}

/// The answer about one organization, as it is now.
fn show(state: &State, organization: crate::identity::Organization) -> Result<Organization, ApiError> {
    state.db.read_blocking(|tx| {
        let terms = metering::price_terms(tx, organization.id, tx.now())?;
        Ok(view(organization, &*state.catalog.get(tx)?, terms))
    })
}

/// Which organizations.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// Part of the name, the company's name or the platform's id.
    search: Option<String>,
    /// `active` or `suspended`.
    status: Option<String>,
}

struct ListQuery(Filter, Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let search = params.text("search");
        let suspended = match params.text("status").as_deref() {
            None => None,
            Some("active") => Some(false),
            Some("suspended") => Some(true),
            Some(_) => {
                params.error("status", "invalid_value", "must be active or suspended");
                None
            }
        };
        Some(Self(Filter { search, suspended }, Window::from_params(params, LIST)))
    }
}

/// List organizations, newest first
#[utoipa::path(get, path = "/admin/organizations", tag = "admin", params(Which, Paging),
    responses((status = 200, description = "A page of organizations.", body = List<Organization>)))]
async fn list(
    state: web::Data<State>,
    Query(ListQuery(filter, window)): Query<ListQuery>,
) -> Answer<List<Organization>> {
    let shared = state.clone();
    let list = state.db.read(move |tx| -> Result<_, ApiError> {
        let page = organizations::list(tx, &filter, window.before(), window.limit)?;
        let total = organizations::count(tx, &filter)?;
        let catalog = shared.catalog.get(tx)?;
        let mut terms = Vec::new();
        for organization in &page.items {
            terms.push(metering::price_terms(tx, organization.id, tx.now())?);
        }
        let mut terms = terms.into_iter();
        let list =
            List::from_page(LIST, page, |organization| view(organization, &catalog, terms.next().flatten()));
        Ok(list.with_total(u64::try_from(total).unwrap_or(0)))
    });
    Ok(Reply::ok(list.await?))
}

/// An organization to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewOrganization)]
struct New {
    name: String,
    /// The platform's own id for it; unique.
    external_id: Option<String>,
    /// The currency of its wallet; never changes.
    currency: Option<Currency>,
    /// Where its days begin; cannot change once there is usage.
    timezone: Option<Timezone>,
    /// The code of the plan it is on.
    plan: Option<String>,
    /// The code of its rate card.
    rate_card: Option<String>,
}

/// Create an organization, with its wallet and the configured welcome credit
#[utoipa::path(post, path = "/admin/organizations", tag = "admin", request_body = New,
    responses((status = 201, description = "Created.", body = Organization),
        (status = 409, description = "There is one with this `external_id`.")))]
async fn create(state: web::Data<State>, admitted: Admitted, Json(input): Json<New>) -> Answer<Organization> {
    let by = admitted.by()?;
    let defaults = state.db.read_blocking(|tx| settings::defaults(tx))?;
    let currency = input.currency.or(defaults.as_ref().map(|d| d.currency));
    let zone = input.timezone.map(|zone| zone.0).or(defaults.map(|d| d.zone));
    let new = NewOrganization {
        name: input.name,
        external_id: input.external_id,
        currency: currency.unwrap_or(state.settings.currency),
        zone: zone.unwrap_or(Zone::UTC),
        rate_card_id: None,
    };
    let prices = Prices { plan: input.plan, rate_card: input.rate_card };
    let welcome = state.settings.welcome;
    let made = state.db.write(move |tx| onboarding::create(tx, &by, &new, &prices, welcome)).await?;
    Ok(Reply::created(show(&state, made)?))
}

/// Get an organization
#[utoipa::path(get, path = "/admin/organizations/{id}", tag = "admin",
    params(("id" = String, Path, description = "`org_…`, or `ext:` and the platform's own id.")),
    responses((status = 200, description = "The organization.", body = Organization)))]
async fn get(state: web::Data<State>, PathId(name): PathId<OrganizationRef>) -> Answer<Organization> {
    let found = state.db.read_blocking(|tx| organizations::find(tx, &name))?;
    Ok(Reply::ok(show(&state, found)?))
}

/// What to change; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizationChanges)]
struct Changes {
    name: Option<String>,
    /// Null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    external_id: Option<Option<String>>,
    timezone: Option<Timezone>,
}

/// Change an organization
#[utoipa::path(patch, path = "/admin/organizations/{id}", tag = "admin", request_body = Changes,
    params(("id" = String, Path, description = "`org_…`, or `ext:` and the platform's own id.")),
    responses((status = 200, description = "The organization.", body = Organization),
        (status = 409, description = "The `external_id` is taken, or the timezone cannot change any more.")))]
async fn change(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(name): PathId<OrganizationRef>,
    Json(input): Json<Changes>,
) -> Answer<Organization> {
    let by = admitted.by()?;
    let change =
        Change { name: input.name, external_id: input.external_id, zone: input.timezone.map(|zone| zone.0) };
    let changed = state.db.write(move |tx| -> Result<_, ApiError> {
        let id = organizations::find(tx.conn()?, &name)?.id;
        Ok(onboarding::change(tx, &by, id, &change)?)
    });
    let changed = changed.await?;
    Ok(Reply::ok(show(&state, changed)?))
}

/// Why an organization is suspended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Suspension {
    /// For the audit log and the organization's own people.
    reason: String,
}

/// Suspend an organization: its people and keys may look, and no more
#[utoipa::path(post, path = "/admin/organizations/{id}/suspend", tag = "admin", request_body = Suspension,
    params(("id" = String, Path, description = "`org_…`, or `ext:` and the platform's own id.")),
    responses((status = 200, description = "The organization.", body = Organization)))]
async fn suspend(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(name): PathId<OrganizationRef>,
    Json(input): Json<Suspension>,
) -> Answer<Organization> {
    let by = admitted.by()?;
    let changed = state.db.write(move |tx| -> Result<_, ApiError> {
        let id = organizations::find(tx.conn()?, &name)?.id;
        Ok(organizations::suspend(tx, &by, id, &input.reason)?)
    });
    let changed = changed.await?;
    Ok(Reply::ok(show(&state, changed)?))
}

/// End a suspension
#[utoipa::path(post, path = "/admin/organizations/{id}/resume", tag = "admin",
    params(("id" = String, Path, description = "`org_…`, or `ext:` and the platform's own id.")),
    responses((status = 200, description = "The organization.", body = Organization)))]
async fn resume(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(name): PathId<OrganizationRef>,
) -> Answer<Organization> {
    let by = admitted.by()?;
    let changed = state.db.write(move |tx| -> Result<_, ApiError> {
        let id = organizations::find(tx.conn()?, &name)?.id;
        Ok(organizations::resume(tx, &by, id)?)
    });
    let changed = changed.await?;
    Ok(Reply::ok(show(&state, changed)?))
}

/// What prices an organization's usage from now on. Neither: the default card.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPrices {
    /// The code of a plan.
    plan: Option<String>,
    /// The code of a rate card; a plan's card goes before it.
    rate_card: Option<String>,
}

/// Set what prices an organization's usage from now on; what was charged keeps its price
#[utoipa::path(put, path = "/admin/organizations/{id}/prices", tag = "admin", request_body = NewPrices,
    params(("id" = String, Path, description = "`org_…`, or `ext:` and the platform's own id.")),
    responses((status = 200, description = "The organization.", body = Organization),
        (status = 409, description = "It has a subscription, which says what it pays: `conflict`.")))]
async fn set_prices(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(name): PathId<OrganizationRef>,
    Json(input): Json<NewPrices>,
) -> Answer<Organization> {
    let by = admitted.by()?;
    let prices = Prices { plan: input.plan, rate_card: input.rate_card };
    let changed = state.db.write(move |tx| -> Result<_, ApiError> {
        let id = organizations::find(tx.conn()?, &name)?.id;
        subscriptions::may_assign(tx.conn()?, id)?;
        Ok(onboarding::set_prices(tx, &by, id, &prices)?)
    });
    let changed = changed.await?;
    Ok(Reply::ok(show(&state, changed)?))
}
