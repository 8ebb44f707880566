//! What is asked, and what becomes of it before the database is.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::base::{Credits, Quantity, Timestamp};
use crate::calls::{CallRef, Report, Request, Unasked};
use crate::catalog::VOICE;
use crate::http::error::{ApiError, FieldError};
use crate::identity;
use crate::metering::{Direction, ExternalId, MAX_EXTERNAL_ID, OrganizationRef};

/// Which way a call went.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[schema(as = CallDirection)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    Inbound,
    Outbound,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Inbound => Self::Inbound,
            Way::Outbound => Self::Outbound,
        }
    }
}

/// A call that is to begin.
#[derive(Deserialize, ToSchema)]
#[schema(as = CallToAuthorize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Whose call: `org_…`, or `ext:` and your own id. The caller's own organization unless given.
    #[schema(example = "ext:customer-17")]
    organization: Option<String>,
    /// Your id of the part of the organization; made when it is first seen.
    #[schema(max_length = 255)]
    workspace: Option<String>,
    /// Your id of the agent; made when it is first seen.
    #[schema(max_length = 255, example = "agent-4")]
    agent_id: Option<String>,
    /// Your id of the phone number; made when it is first seen.
    #[schema(max_length = 255)]
    number_id: Option<String>,
    /// Your id of the call.
    #[schema(min_length = 1, max_length = 255, example = "call-8f31")]
    call_id: String,
    /// The code of a meter that counts seconds; `voice` unless given.
    #[schema(example = "voice")]
    meter: Option<String>,
    direction: Way,
    /// To or from a toll-free number.
    toll_free: Option<bool>,
    /// On the customer's own provider key.
    byok: Option<bool>,
}

/// How long a call has lasted.
#[derive(Deserialize, ToSchema)]
#[schema(as = CallElapsed)]
#[serde(deny_unknown_fields)]
pub(super) struct Elapsed {
    /// Since it was connected.
    elapsed_seconds: Quantity,
}

/// A call that is over.
#[derive(Deserialize, ToSchema)]
#[schema(as = CallOver)]
#[serde(deny_unknown_fields)]
pub(super) struct Over {
    /// How long it lasted; up to the hand-off, where it was forwarded.
    duration_seconds: Quantity,
    /// How long it was forwarded, hold and queue included.
    transfer_seconds: Option<Quantity>,
    /// What the carrier charged, in credits.
    carrier_cost: Option<Credits>,
    /// Of a call that was never asked for, as the fields that follow: when it began; as long ago as it lasted, unless given.
    started_at: Option<Timestamp>,
    /// Whose call.
    organization: Option<String>,
    workspace: Option<String>,
    agent_id: Option<String>,
    number_id: Option<String>,
    /// The code of the meter.
    meter: Option<String>,
    direction: Option<Way>,
    toll_free: Option<bool>,
    byok: Option<bool>,
}

/// Gathers what is wrong.
#[derive(Default)]
struct Problems(Vec<FieldError>);

impl Problems {
    fn add(&mut self, param: &str, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError::new(param, code, message));
    }

    fn organization(&mut self, name: Option<&str>) -> Option<OrganizationRef> {
        match name?.parse::<identity::OrganizationRef>() {
            Ok(identity::OrganizationRef::Id(id)) => Some(OrganizationRef::Id(id)),
            Ok(identity::OrganizationRef::External(id)) => {
                Some(OrganizationRef::External(id.into_boxed_str()))
            }
            Err(error) => {
                self.add("organization", "invalid_value", error.to_string());
                None
            }
        }
    }

    fn name(&mut self, param: &str, text: Option<String>) -> Option<Box<str>> {
        let text = text?;
        let spaced = param == "workspace" && text.contains(char::is_whitespace);
        if spaced || ExternalId::new(&text).is_none() {
            let nor_spaces = if param == "workspace" { ", spaces" } else { "" };
            let message =
                format!("must be 1 to {MAX_EXTERNAL_ID} bytes long, without control characters{nor_spaces}");
            self.add(param, "invalid_value", message);
            return None;
        }
        Some(text.into_boxed_str())
    }

    fn not_negative(&mut self, param: &str, negative: bool) {
        if negative {
            self.add(param, "negative", "must not be negative");
        }
    }

    fn finish<T>(self, value: T) -> Result<T, ApiError> {
        if self.0.is_empty() { Ok(value) } else { Err(ApiError::fields(self.0)) }
    }
}

impl Asked {
    /// The request, or everything that is wrong with it.
    pub fn check(self) -> Result<Request, ApiError> {
        let mut problems = Problems::default();
        let organization = problems.organization(self.organization.as_deref());
        let workspace = problems.name("workspace", self.workspace);
        let agent = problems.name("agent_id", self.agent_id);
        let number = problems.name("number_id", self.number_id);
        let external = ExternalId::new(&self.call_id);
        problems.name("call_id", Some(self.call_id));
        let Some(external) = external else {
            return problems.finish(()).and(Err(ApiError::internal("call_id")));
        };
        problems.finish(Request {
            organization,
            workspace,
            agent,
            number,
            external,
            meter: self.meter.map_or_else(|| VOICE.into(), String::into_boxed_str),
            direction: self.direction.into(),
            toll_free: self.toll_free.unwrap_or(false),
            byok: self.byok.unwrap_or(false),
        })
    }
}

impl Elapsed {
    /// The seconds, unless they are below zero.
    pub fn check(&self) -> Result<Quantity, ApiError> {
        let mut problems = Problems::default();
        problems.not_negative("elapsed_seconds", self.elapsed_seconds.is_negative());
        problems.finish(self.elapsed_seconds)
    }
}

impl Over {
    /// The report, and what the call was for the case that it was never asked for.
    pub fn check(self, which: &CallRef) -> Result<(Report, Option<Unasked>), ApiError> {
        let mut problems = Problems::default();
        problems.not_negative("duration_seconds", self.duration_seconds.is_negative());
        problems.not_negative("transfer_seconds", self.transfer_seconds.is_some_and(Quantity::is_negative));
        problems.not_negative("carrier_cost", self.carrier_cost.is_some_and(Credits::is_negative));
        let report = Report {
            duration: self.duration_seconds,
            transfer: self.transfer_seconds,
            carrier_cost: self.carrier_cost,
        };
        let organization = problems.organization(self.organization.as_deref());
        let workspace = problems.name("workspace", self.workspace);
        let agent = problems.name("agent_id", self.agent_id);
        let number = problems.name("number_id", self.number_id);
        let described = self.meter.is_some()
            || organization.is_some()
            || workspace.is_some()
            || agent.is_some()
            || number.is_some()
            || self.started_at.is_some()
            || self.toll_free.is_some()
            || self.byok.is_some();
        let unasked = match (which, self.direction) {
            (CallRef::External(external), Some(direction)) => Some(Unasked {
                request: Request {
                    organization,
                    workspace,
                    agent,
                    number,
                    external: external.clone(),
                    meter: self.meter.map_or_else(|| VOICE.into(), String::into_boxed_str),
                    direction: direction.into(),
                    toll_free: self.toll_free.unwrap_or(false),
                    byok: self.byok.unwrap_or(false),
                },
                started_at: self.started_at,
            }),
            (CallRef::External(_), None) if described => {
                problems.add("direction", "required", "is required where a call is described");
                None
            }
            (CallRef::Id(_), direction) if described || direction.is_some() => {
                problems.add(
                    "id",
                    "invalid_value",
                    "must be ext: and your id of the call where it is described",
                );
                None
            }
            (CallRef::External(_) | CallRef::Id(_), _) => None,
        };
        problems.finish((report, unasked))
    }
}
