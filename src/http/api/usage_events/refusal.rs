//! What each refusal of an event is to a client.

use serde::Serialize;

use super::event::Names;
use crate::base::Credits;
use crate::http::error::{ApiError, Code};
use crate::limits::{Cap, LimitKind};
use crate::metering::{Refusal, UsageEvent};

/// Who reported.
pub(super) struct Asker<'a> {
    /// The operator may learn that there is no such organization; others only that it is not theirs.
    pub operator: bool,
    /// Where credit is bought, if anywhere.
    pub topup_url: Option<&'a str>,
}

/// Details of `insufficient_credits`.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Shortage {
    /// What can be used.
    available: Credits,
    /// What it would have cost.
    required: Credits,
    /// Where credit is bought; only where that is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    topup_url: Option<String>,
}

/// Details of `plan_exhausted`.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct PlanLeft {
    /// What is left of plan credit.
    available: Credits,
    /// What it would have cost.
    required: Credits,
}

/// Details of `toll_free_guard`.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Guarded {
    /// What the number may take in on one day.
    inbound_minutes_per_day: i64,
}

/// Details of `limit_reached`.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::http) struct PassedLimit {
    /// `daily`, `monthly` or `per_agent`.
    limit: &'static str,
    /// The limit itself.
    credits: Credits,
    /// What has been charged against it.
    spent: Credits,
    /// What may still be spent.
    left: Credits,
    /// The day, in the organization's timezone, on which it starts over.
    #[schema(value_type = String, format = Date)]
    resets_on: String,
}

impl PassedLimit {
    /// Of a limit that refuses.
    pub(in crate::http) fn of(cap: &Cap) -> Self {
        Self {
            limit: cap.kind.name(),
            credits: cap.limit,
            spent: cap.spent,
            left: cap.left,
            resets_on: cap.resets_on.to_string(),
        }
    }
}

/// Which limit refuses, for people.
pub(in crate::http) fn limit_message(cap: &Cap) -> String {
    let whose = match cap.kind {
        LimitKind::Daily => "The organization's limit for a day",
        LimitKind::Monthly => "The organization's limit for a month",
        LimitKind::PerAgent => "The agent's limit for a month",
    };
    format!("{whose}, {} credits, would be passed; {} are left until {}.", cap.limit, cap.left, cap.resets_on)
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
                topup_url: asker.topup_url.map(str::to_owned),
            }),
        Refusal::Suspended => ApiError::new(Code::OrganizationSuspended),
        Refusal::NumberSuspended => ApiError::new(Code::NumberSuspended),
        Refusal::Limit(cap) => {
            ApiError::new(Code::LimitReached).message(limit_message(cap)).details(&PassedLimit::of(cap))
        }
        Refusal::PlanExhausted { available, required } => ApiError::new(Code::PlanExhausted)
            .details(&PlanLeft { available: *available, required: *required }),
        Refusal::TollFreeGuard { minutes_per_day } => {
            ApiError::new(Code::TollFreeGuard).details(&Guarded { inbound_minutes_per_day: *minutes_per_day })
        }
    }
}
