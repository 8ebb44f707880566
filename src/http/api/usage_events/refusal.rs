//! What each refusal of an event is to a client.

use serde::Serialize;

use super::event::Names;
use crate::base::Credits;
use crate::http::error::{ApiError, Code};
use crate::metering::{Refusal, UsageEvent};

/// Who reported.
pub(super) struct Asker<'a> {
    /// The operator may learn that there is no such organization; others only that it is not theirs.
    pub operator: bool,
    /// Where the server is reached, for a link to where credit is bought.
    pub public_url: &'a str,
}

/// Details of `insufficient_credits`.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Shortage {
    /// What can be used.
    available: Credits,
    /// What it would have cost.
    required: Credits,
    /// Where credit is bought.
    topup_url: String,
}

/// The error that says so.
pub(super) fn refused(refusal: &Refusal, event: &UsageEvent, names: &Names, asker: &Asker<'_>) -> ApiError {
    let field = |name: &str, code: &'static str| ApiError::field(name, code, refusal.to_string());
    match refusal {
        Refusal::UnknownMeter(code) => {
            ApiError::field(names.meter, "unknown", format!("is not the code of a meter: {code}"))
        }
        Refusal::NoRate => field(names.meter, "no_rate"),
        Refusal::UnknownOrganization if event.organization.is_none() => {
            ApiError::new(Code::OrganizationRequired).param(names.organization).message(
                "Say which organization is meant, in the event or in the header Tollbook-Organization.",
            )
        }
        Refusal::UnknownOrganization if asker.operator => {
            ApiError::field(names.organization, "unknown", "is not an organization")
        }
        Refusal::UnknownOrganization | Refusal::ForeignOrganization => ApiError::new(Code::Forbidden)
            .param(names.organization)
            .message("This organization is not yours."),
        Refusal::Negative(name) => field(&names.of(name), "negative"),
        Refusal::TooMuch(_) | Refusal::TooMuchForOneDay | Refusal::Unpriceable => {
            field(&names.of("quantity"), "too_large")
        }
        Refusal::TooOld(_) => field(names.occurred_at, "too_old"),
        Refusal::InTheFuture(_) => field(names.occurred_at, "in_the_future"),
        Refusal::ReservedId => field("id", "reserved"),
        Refusal::Conflict => ApiError::new(Code::IdempotencyConflict)
            .param("id")
            .message("This id was used for an event with other content."),
        Refusal::InsufficientCredits { available, required } => ApiError::new(Code::InsufficientCredits)
            .details(&Shortage {
                available: *available,
                required: *required,
                topup_url: format!("{}/top-up", asker.public_url),
            }),
        Refusal::Suspended => ApiError::new(Code::OrganizationSuspended),
    }
}
