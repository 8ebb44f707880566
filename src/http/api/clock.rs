//! The clock of test mode.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::Timestamp;
use crate::base::time::{DAY_MS, SECOND_MS};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::{ApiError, Code};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;

/// The clock moves at most this far at once: ten years, in milliseconds.
pub const MOST_MS: i64 = 10 * 366 * DAY_MS;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::operator(Scope::Admin), get);
    table.api(__path_advance, Access::operator(Scope::Admin), advance);
}

/// The server's time.
#[derive(Serialize, ToSchema)]
struct Time {
    now: Timestamp,
    /// `test` or `live`.
    mode: &'static str,
}

/// Where to move the clock: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// Forward by so many seconds.
    #[schema(minimum = 1)]
    advance_seconds: Option<i64>,
    /// Forward to this instant.
    to: Option<Timestamp>,
}

/// What time is it
#[utoipa::path(get, path = "/admin/clock", tag = "admin",
    responses((status = 200, description = "The time.", body = Time)))]
async fn get(state: web::Data<State>) -> Answer<Time> {
    Ok(Reply::ok(Time { now: state.clock.now(), mode: state.settings.mode.name() }))
}

/// Move the clock forward, in test mode, and do everything that is due by then
///
/// What is due on the way happens in order and at its own time: the clock stops wherever something is due, and at least once a
/// day. What is due within the same minute is done together.
#[utoipa::path(post, path = "/admin/clock", tag = "admin", request_body = Advance,
    responses((status = 200, description = "The new time.", body = Time),
        (status = 409, description = "`not_test_mode`")))]
async fn advance(state: web::Data<State>, admitted: Admitted, Json(input): Json<Advance>) -> Answer<Time> {
    let by = admitted.by()?;
    let clock = state.test_clock.clone().ok_or_else(|| ApiError::new(Code::NotTestMode))?;
    let before = state.clock.now();
    let by_ms = match (input.advance_seconds, input.to) {
        (Some(seconds), None) => seconds.checked_mul(SECOND_MS).unwrap_or(i64::MAX),
        (None, Some(to)) => to.millis().saturating_sub(before.millis()),
        (Some(_), Some(_)) => {
            return Err(ApiError::field("to", "conflict", "does not go with advance_seconds"));
        }
        (None, None) => {
            return Err(ApiError::field("advance_seconds", "required", "or to is required"));
        }
    };
    if by_ms <= 0 || by_ms > MOST_MS {
        let field = if input.to.is_some() { "to" } else { "advance_seconds" };
        return Err(ApiError::field(
            field,
            "invalid_value",
            "must move the clock forward, by at most ten years",
        ));
    }
    state.scheduler.advance(&clock, by, before.plus_ms(by_ms)).await?;
    Ok(Reply::ok(Time { now: state.clock.now(), mode: state.settings.mode.name() }))
}
