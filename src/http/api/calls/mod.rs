//! Calls: may one begin and for how long, does it go on, what was it charged.

mod body;
mod message;
mod read;
mod refusal;
mod view;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web;

use crate::base::id::OrganizationId;
use crate::calls::{self, CallRef, State as CallState, Stop};
use crate::catalog;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::params::PathId;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;

use body::{Asked, Elapsed, Over};
use refusal::{Asker, rejected, stopped};
use view::{AuthorizeAnswer, Authorized, Captured, Extended, Released};

pub(super) fn routes(table: &mut Table) {
    // a suspended organization's calls are rejected one by one, and those in progress go to their end
    let access = Access::even_suspended(Scope::UsageWrite);
    table.api(__path_authorize, access, authorize);
    table.api(__path_extend, access, extend);
    table.api(__path_capture, access, capture);
    table.api(__path_release, access, release);
    message::routes(table);
    read::routes(table);
}

/// Who asks, and for whom.
#[derive(Clone, Copy)]
struct Caller {
    operator: bool,
    /// The only one that may be asked for; none for an operator.
    only: Option<OrganizationId>,
    /// The one that is meant where nothing else is said.
    named: Option<OrganizationId>,
}

impl Caller {
    fn of(admitted: &Admitted) -> Result<Self, ApiError> {
        let operator = admitted.principal()?.is_operator();
        let named = admitted.organization_if_named();
        Ok(Self { operator, only: if operator { None } else { named }, named })
    }

    fn asker(self, state: &State) -> Asker<'_> {
        Asker { operator: self.operator, topup_url: state.settings.topup_url.as_deref() }
    }

    fn or_error<T>(self, state: &State, result: Result<T, Stop>) -> Result<T, ApiError> {
        result.map_err(|stop| stopped(&stop, &self.asker(state)))
    }
}

/// May this call begin, and for at most how long?
///
/// Sets credit aside for a first stretch, in one step with the check: whatever is asked for at the same time, no two calls
/// get the same credit. A call that runs exactly `max_seconds` is covered; what other calls in progress hold, limits,
/// allowances, minimums, rounding and surcharges are taken into account. The same `call_id` and `meter` again get the same
/// answer while the call is live, and 409 once it has ended; one that was refused may be asked for again.
///
/// An outbound call that is refused is answered with 402. An inbound one is answered with 200, `authorized: false` and what
/// the caller is to hear. Both are logged as `rejected`.
#[utoipa::path(post, path = "/usage/authorizations", tag = "calls",
    request_body(content = Asked, example = json!({
        "organization": "ext:customer-17", "agent_id": "agent-4", "number_id": "+34910000000", "call_id": "call-8f31",
        "meter": "voice", "direction": "inbound"
    })),
    responses(
        (status = 201, description = "It may begin.", body = Authorized),
        (status = 200, description = "It had been asked for before, and goes on; or it is inbound, and refused.",
            body = AuthorizeAnswer),
        (status = 402, description = "An outbound call that the credit does not cover: `insufficient_credits` with \
            `reason`, `available`, `required` and, where it is configured, `topup_url`."),
        (status = 409, description = "`idempotency_conflict`: the call is known with other content. `call_ended`: it is \
            over."),
    ))]
async fn authorize(
    state: web::Data<State>,
    admitted: Admitted,
    Json(asked): Json<Asked>,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::of(&admitted)?;
    let request = asked.check()?;
    let Caller { only, named, .. } = caller;
    let done = state.db.write(move |tx| -> Result<_, ApiError> {
        let answer = calls::authorize(tx, only, named, &request)?;
        Ok((answer, catalog::snapshot(tx)?))
    });
    let (answer, catalog) = done.await?;
    let calls::Answer { call, again } = caller.or_error(&state, answer)?;
    let (status, body) = match &call.state {
        CallState::Rejected(rejection) => {
            let refused = rejected(&state, &call, rejection, &caller.asker(&state))?;
            (StatusCode::OK, AuthorizeAnswer::Rejected(refused))
        }
        CallState::Live(hold) => {
            let status = if again { StatusCode::OK } else { StatusCode::CREATED };
            (status, AuthorizeAnswer::Authorized(Authorized::new(&call, hold, &catalog)))
        }
        CallState::Completed(_) | CallState::Expired(_) => {
            return Err(ApiError::internal("a call that ended before it began"));
        }
    };
    let json = serde_json::to_vec(&body).map_err(ApiError::internal)?;
    Ok(HttpResponse::build(status).content_type("application/json").body(json))
}

/// Report how long a call has lasted, and ask whether it may go on
///
/// Sets the next stretch aside. `continue` is false when nothing more is covered: the call has to end by then, at
/// `cut_off_at`. `warning` is there when less than a minute is left. To be sent well before `expires_at`: a call that is
/// not heard of until then ends by itself, and is charged for what was last reported (409 `hold_expired` from then on;
/// what it really lasted can still be captured).
#[utoipa::path(post, path = "/usage/authorizations/{id}/extend", tag = "calls",
    params(("id" = String, Path, description = "`auth_…`, or `ext:` and your id of the call.")),
    request_body(content = Elapsed, example = json!({ "elapsed_seconds": 30 })),
    responses((status = 200, description = "Whether it may go on.", body = Extended),
        (status = 409, description = "`hold_expired`, or `call_ended`.")))]
async fn extend(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(which): PathId<CallRef>,
    Json(elapsed): Json<Elapsed>,
) -> Answer<Extended> {
    let caller = Caller::of(&admitted)?;
    let elapsed = elapsed.check()?;
    let Caller { only, named, .. } = caller;
    let done = state.db.write(move |tx| calls::extend(tx, only, named, &which, elapsed)).await?;
    Ok(Reply::ok(Extended::new(&caller.or_error(&state, done)?)))
}

/// Charge a call that is over
///
/// From what was set aside for it first; the rest is freed. The work was done, so what it cost beyond that is charged in any
/// case, if need be to the overdraft (`above_hold`). The same again gets the same answer with `duplicate: true`; other
/// figures get 409. What was forwarded is metered as `transfer_minute`: `duration_seconds` ends at the hand-off.
///
/// A call that was never asked for, because Tollbook could not be reached, is captured as `ext:` and your id of the call,
/// with what would have been asked: `meter` and `direction` at least. If it turns out that it was asked for, that is
/// captured.
#[utoipa::path(post, path = "/usage/authorizations/{id}/capture", tag = "calls",
    params(("id" = String, Path, description = "`auth_…`, or `ext:` and your id of the call.")),
    request_body(content = Over, example = json!({ "duration_seconds": 84, "transfer_seconds": 30 })),
    responses((status = 200, description = "What it was charged.", body = Captured),
        (status = 409, description = "`idempotency_conflict`: it was captured with other figures.")))]
async fn capture(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(which): PathId<CallRef>,
    Json(over): Json<Over>,
) -> Answer<Captured> {
    let caller = Caller::of(&admitted)?;
    let (report, unasked) = over.check(&which)?;
    let Caller { only, named, .. } = caller;
    let done = state.db.write(move |tx| -> Result<_, ApiError> {
        let captured = calls::capture(tx, only, named, &which, report, unasked.as_ref())?;
        Ok((captured, catalog::snapshot(tx)?))
    });
    let (captured, catalog) = done.await?;
    Ok(Reply::ok(Captured::new(&caller.or_error(&state, captured)?, &catalog)))
}

/// Free what was set aside for a call of which nothing came
///
/// Sending it again changes nothing. A call that was charged cannot be released: void its charge instead.
#[utoipa::path(post, path = "/usage/authorizations/{id}/release", tag = "calls",
    params(("id" = String, Path, description = "`auth_…`, or `ext:` and your id of the call.")),
    responses((status = 200, description = "Nothing is set aside for it any more.", body = Released),
        (status = 409, description = "`call_ended`: it was charged.")))]
async fn release(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(which): PathId<CallRef>,
) -> Answer<Released> {
    let caller = Caller::of(&admitted)?;
    let Caller { only, named, .. } = caller;
    let done = state.db.write(move |tx| calls::release(tx, only, named, &which)).await?;
    Ok(Reply::ok(Released::new(&caller.or_error(&state, done)?)))
}
