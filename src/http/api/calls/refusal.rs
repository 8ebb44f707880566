//! What is answered when a call may not begin, or something else is not done.

use serde::Serialize;

use super::view::Refused;
use crate::base::Credits;
use crate::base::id::AuthorizationId;
use crate::calls::{self, Call, Reason, Rejection, Stop};
use crate::http::State;
use crate::http::error::{ApiError, Code};
use crate::metering::{Direction, Refusal};

/// Who asked.
pub(super) struct Asker<'a> {
    /// The operator may learn that there is no such organization; others only that it is not theirs.
    pub operator: bool,
    /// Where customers buy credit.
    pub topup_url: Option<&'a str>,
}

/// Details of a refusal.
#[derive(Serialize)]
struct Why {
    id: AuthorizationId,
    reason: &'static str,
    available: Credits,
    required: Credits,
    #[serde(skip_serializing_if = "Option::is_none")]
    topup_url: Option<String>,
}

/// What an inbound call that is refused is answered.
///
/// # Errors
/// That is the answer to an outbound one.
pub(super) fn rejected(
    state: &State,
    call: &Call,
    rejection: &Rejection,
    asker: &Asker<'_>,
) -> Result<Refused, ApiError> {
    if call.direction == Direction::Inbound {
        let message = state.db.read_blocking(|tx| calls::message_of(tx, call.organization))?;
        return Ok(Refused::new(call, rejection, message));
    }
    let code = match rejection.reason {
        Reason::InsufficientCredits => Code::InsufficientCredits,
        Reason::PlanExhausted => Code::PlanExhausted,
        Reason::DailyLimit | Reason::MonthlyLimit | Reason::AgentLimit => Code::LimitReached,
        Reason::TollFreeMinutes | Reason::TollFreeCalls => Code::TollFreeGuard,
        Reason::OrganizationSuspended => Code::OrganizationSuspended,
        Reason::NumberSuspended => Code::NumberSuspended,
    };
    Err(ApiError::new(code).message(rejection.reason.text()).details(&Why {
        id: call.id,
        reason: rejection.reason.name(),
        available: rejection.available,
        required: rejection.required,
        topup_url: asker.topup_url.map(str::to_owned),
    }))
}

/// The state of a call that stands in the way.
#[derive(Serialize)]
struct Known {
    id: AuthorizationId,
    status: &'static str,
}

impl Known {
    fn of(call: &Call) -> Self {
        Self { id: call.id, status: call.status().name() }
    }
}

/// The error that says so.
pub(super) fn stopped(stop: &Stop, asker: &Asker<'_>) -> ApiError {
    match stop {
        Stop::Refused(refusal) => refused(refusal, asker),
        Stop::NotTimed => ApiError::field("meter", "not_timed", "must be a meter that counts seconds"),
        Stop::NotFound => ApiError::new(Code::NotFound).message("There is no such call."),
        Stop::Conflict => ApiError::new(Code::IdempotencyConflict)
            .param("call_id")
            .message("This call is known with other content."),
        Stop::Forwarded => ApiError::field(
            "transfer_seconds",
            "already_forwarded",
            "cannot be given: this call is the forwarded part, and all of it is duration_seconds",
        ),
        Stop::Ended(call) => ApiError::new(Code::CallEnded).details(&Known::of(call)),
        Stop::HoldEnded(call) => ApiError::new(Code::HoldExpired).details(&Known::of(call)),
    }
}

fn refused(refusal: &Refusal, asker: &Asker<'_>) -> ApiError {
    let field = |name: &str, code: &'static str| ApiError::field(name, code, refusal.to_string());
    match refusal {
        Refusal::UnknownMeter(code) => {
            ApiError::field("meter", "unknown", format!("is not the code of a meter: {code}"))
        }
        Refusal::NoRate => field("meter", "no_rate"),
        Refusal::UnknownOrganization => ApiError::new(Code::OrganizationRequired).param("organization"),
        Refusal::ForeignOrganization if asker.operator => {
            ApiError::field("organization", "unknown", "is not an organization")
        }
        Refusal::ForeignOrganization => {
            ApiError::new(Code::Forbidden).param("organization").message("This organization is not yours.")
        }
        Refusal::Negative(name) => field(name, "negative"),
        Refusal::TooMuch(_) | Refusal::TooMuchForOneDay | Refusal::Unpriceable => {
            field("duration_seconds", "too_large")
        }
        Refusal::TooOld(_) => field("started_at", "too_old"),
        Refusal::InTheFuture(_) => field("started_at", "in_the_future"),
        Refusal::ReservedId => field("call_id", "reserved"),
        Refusal::Conflict => ApiError::new(Code::IdempotencyConflict).param("call_id"),
        // of work not yet done alone; what is captured was done
        Refusal::InsufficientCredits { .. } => ApiError::new(Code::InsufficientCredits),
        Refusal::PlanExhausted { .. } => ApiError::new(Code::PlanExhausted),
        Refusal::Limit(_) => ApiError::new(Code::LimitReached),
        Refusal::TollFreeGuard { .. } => ApiError::new(Code::TollFreeGuard),
        Refusal::Suspended => ApiError::new(Code::OrganizationSuspended),
        Refusal::NumberSuspended => ApiError::new(Code::NumberSuspended),
    }
}
