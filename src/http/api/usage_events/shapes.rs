//! The shapes of usage events for the API's document. What is read and written borrows, and cannot describe itself.
#![allow(dead_code, clippy::large_enum_variant)]

use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::{Guarded, PassedLimit, PlanLeft, Shortage};
use crate::base::id::{RateVersionId, TransactionId, UsageItemId};
use crate::base::{Credits, Quantity, Timestamp};
use crate::http::error::FieldError;

/// One report of usage.
#[derive(ToSchema)]
pub(super) struct UsageEvent {
    /// Your id of the event: the same id is never charged twice, however often it is sent.
    #[schema(min_length = 1, max_length = 255, example = "call-8f31-voice")]
    id: String,
    /// Whose usage: `org_…`, or `ext:` and your own id. The caller's own organization unless given.
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
    #[schema(max_length = 255, example = "call-8f31")]
    call_id: Option<String>,
    /// The code of the meter.
    #[schema(example = "voice")]
    meter: String,
    /// In the meter's unit; not negative.
    quantity: Quantity,
    /// When the work was done.
    occurred_at: Timestamp,
    attributes: Option<Attributes>,
    /// What the carrier charged, in credits.
    carrier_cost: Option<Credits>,
    mode: Option<EventMode>,
    /// Kept as it is; at most 4096 bytes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
}

/// Usage to be priced.
#[derive(ToSchema)]
pub(super) struct UsageToPrice {
    /// Not needed, and no matter whether it was used.
    id: Option<String>,
    /// Whose prices: `org_…`, or `ext:` and your own id. The caller's own organization unless given.
    organization: Option<String>,
    workspace: Option<String>,
    agent_id: Option<String>,
    number_id: Option<String>,
    call_id: Option<String>,
    /// The code of the meter.
    #[schema(example = "voice")]
    meter: String,
    /// In the meter's unit; not negative.
    quantity: Quantity,
    /// When the work is done; now unless given.
    occurred_at: Option<Timestamp>,
    attributes: Option<Attributes>,
    /// What the carrier charges, in credits.
    carrier_cost: Option<Credits>,
    mode: Option<EventMode>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
}

/// What happens when the credit does not cover the event: `record` charges work that has been done in any case, `enforce`
/// refuses work that has not.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum EventMode {
    Record,
    Enforce,
}

/// Which way a call went.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum CallDirection {
    Inbound,
    Outbound,
}

/// What a price may depend on. Others are kept as they are, up to 4096 bytes.
#[derive(ToSchema)]
pub(super) struct Attributes {
    /// To a toll-free number.
    toll_free: Option<bool>,
    direction: Option<CallDirection>,
    /// On the customer's own provider key.
    byok: Option<bool>,
}

/// One event or an array of them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum UsageEvents {
    One(#[serde(skip)] UsageEvent),
    Many(#[serde(skip)] Vec<UsageEvent>),
}

/// A CloudEvent (version 1.0, JSON). Extension attributes are allowed and not kept.
#[derive(ToSchema)]
pub(super) struct CloudEvent {
    #[schema(example = "1.0")]
    specversion: String,
    /// The event's id.
    id: String,
    /// Part of what makes it the same event.
    #[schema(example = "/platform/calls")]
    source: String,
    /// The meter stands after the last dot, unless `data.meter` says another.
    #[schema(example = "com.example.usage.voice")]
    r#type: String,
    /// When the work was done.
    time: Timestamp,
    /// Whose usage: `org_…`, `ext:…`, or your own id of the organization as it is.
    subject: Option<String>,
    /// Must be JSON.
    datacontenttype: Option<String>,
    data: CloudEventData,
}

/// The rest of the event.
#[derive(ToSchema)]
pub(super) struct CloudEventData {
    workspace: Option<String>,
    agent_id: Option<String>,
    number_id: Option<String>,
    call_id: Option<String>,
    /// Instead of the end of `type`.
    meter: Option<String>,
    quantity: Quantity,
    attributes: Option<Attributes>,
    carrier_cost: Option<Credits>,
    mode: Option<EventMode>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
}

/// An event that was charged, now or before.
#[derive(ToSchema)]
pub(super) struct ChargedEvent {
    id: String,
    /// It had been charged before, and this is the answer of then.
    duplicate: bool,
    items: Vec<ChargedItem>,
    /// All items together.
    credits: Credits,
    /// The balance after the event.
    balance_after: Credits,
    transaction_id: TransactionId,
}

/// One charge.
#[derive(ToSchema)]
pub(super) struct ChargedItem {
    id: UsageItemId,
    /// `included`, `base`, `overage`, `surcharge`, `pass_through` or `byok`.
    kind: String,
    /// The meter's code.
    channel: String,
    /// What is billed, in the meter's unit.
    quantity: Quantity,
    unit: String,
    credits: Credits,
    /// What priced it.
    rate_version: RateVersionId,
}

/// What became of each event of a batch, in the order in which they were sent.
#[derive(ToSchema)]
pub(super) struct BatchAnswer {
    results: Vec<EventResult>,
    /// How many were charged.
    charged: u64,
    /// How many had been charged before.
    duplicates: u64,
    /// How many were refused.
    refused: u64,
}

/// Charged or refused.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum EventResult {
    Charged(#[serde(skip)] ChargedEvent),
    Refused(#[serde(skip)] RefusedEvent),
}

/// An event of a batch that was not charged. The others are no matter of it.
#[derive(ToSchema)]
pub(super) struct RefusedEvent {
    /// Null where there is none that could be read.
    id: Option<String>,
    error: EventProblem,
}

/// Why.
#[derive(ToSchema)]
pub(super) struct EventProblem {
    /// As for a single event.
    code: String,
    message: String,
    /// The field.
    param: Option<String>,
    /// The event's place in the batch, from 0.
    index: u64,
    details: Option<EventProblemDetails>,
}

/// More about it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum EventProblemDetails {
    Fields(#[serde(skip)] WrongFields),
    Shortage(#[serde(skip)] Shortage),
    PassedLimit(#[serde(skip)] PassedLimit),
    PlanLeft(#[serde(skip)] PlanLeft),
    Guarded(#[serde(skip)] Guarded),
}

/// Every wrong field.
#[derive(ToSchema)]
pub(super) struct WrongFields {
    errors: Vec<FieldError>,
}

/// The answer to one event or to an array.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum EventAnswer {
    One(#[serde(skip)] ChargedEvent),
    Many(#[serde(skip)] BatchAnswer),
}
