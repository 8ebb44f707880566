//! Whether a number may be used, and what a toll-free one takes in at most.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Quantity;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::input::present;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::limits::{self, GuardChange};

const SECONDS_PER_MINUTE: i64 = 60;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_put, Access::organization(Scope::LimitsWrite), put);
}

/// The guard of a number; of a toll-free one also against artificial traffic.
#[derive(Serialize, ToSchema)]
struct NumberGuard {
    /// The number, by the platform's own id.
    number_id: String,
    /// Minutes of inbound toll-free calls in a day of the organization's timezone; null: unlimited.
    inbound_minutes_per_day: Option<i64>,
    /// Calls in progress at once; null: unlimited.
    calls_at_once: Option<i64>,
    /// No call may begin on it, either way.
    suspended: bool,
    /// What came in today, in minutes.
    inbound_minutes_today: Quantity,
}

impl From<limits::NumberGuard> for NumberGuard {
    fn from(number: limits::NumberGuard) -> Self {
        let minutes = number.used_today.micros() / SECONDS_PER_MINUTE;
        Self {
            number_id: number.external_id,
            inbound_minutes_per_day: number.guard.minutes_per_day,
            calls_at_once: number.guard.calls_at_once,
            suspended: number.guard.blocks(),
            inbound_minutes_today: Quantity::from_micros(minutes),
        }
    }
}

/// What to change; what is absent stays as it is, null removes a bound.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GuardChanges {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>, minimum = 0)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    inbound_minutes_per_day: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>, minimum = 0)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    calls_at_once: Option<Option<i64>>,
    /// Whether calls may begin on it; those in progress go on.
    suspended: Option<bool>,
}

/// Get the guard of a number
#[utoipa::path(get, path = "/numbers/{id}/guard", tag = "limits",
    params(("id" = String, Path, description = "The number, by the platform's own id.")),
    responses((status = 200, description = "The guard.", body = NumberGuard)))]
async fn get(state: web::Data<State>, admitted: Admitted, id: web::Path<String>) -> Answer<NumberGuard> {
    let organization = admitted.organization()?;
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let today = organizations::get(tx, organization)?.zone.day_of(tx.now());
        let found = limits::number_guard(tx, organization, &id, today)?;
        Ok(found.ok_or(limits::Error::NotFound("number"))?)
    });
    Ok(Reply::ok(found.await?.into()))
}

/// Set the guard of a number; a number that was never seen is created
#[utoipa::path(put, path = "/numbers/{id}/guard", tag = "limits",
    params(("id" = String, Path, description = "The number, by the platform's own id.")),
    request_body(content = GuardChanges, example = json!({
        "inbound_minutes_per_day": 600, "calls_at_once": 10 })),
    responses((status = 200, description = "The guard.", body = NumberGuard)))]
async fn put(
    state: web::Data<State>,
    admitted: Admitted,
    id: web::Path<String>,
    Json(input): Json<GuardChanges>,
) -> Answer<NumberGuard> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let change = GuardChange {
        minutes_per_day: input.inbound_minutes_per_day,
        calls_at_once: input.calls_at_once,
        suspended: input.suspended,
    };
    let set = state.db.write(move |tx| limits::set_guard(tx, &by, organization, &id, change)).await?;
    Ok(Reply::ok(set.into()))
}
