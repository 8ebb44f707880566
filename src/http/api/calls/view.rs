//! What is answered.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::id::{AuthorizationId, RateVersionId, TransactionId, UsageItemId};
use crate::base::{Credits, Quantity, Timestamp};
use crate::calls::{self, Call, Ended, Extension, Hold, Message, Rejection, State};
use crate::catalog::Snapshot;
use crate::catalog::rules::Rate;
use crate::http::api::catalog::RateShape;
use crate::metering::{Direction, Receipt};

/// The call may begin.
#[derive(Serialize, ToSchema)]
#[schema(as = CallAuthorized)]
#[expect(clippy::struct_field_names, reason = "the names of the interface")]
pub(super) struct Authorized {
    id: AuthorizationId,
    /// Your id of the call.
    call_id: String,
    /// Always true.
    authorized: bool,
    /// For at most so long, as things stand: it is covered to the end.
    max_seconds: Quantity,
    /// The credit that is set aside.
    held: Credits,
    /// What that pays for, together with what is set aside of an allowance.
    held_seconds: Quantity,
    /// Unless it is extended or captured until then, the call ends by itself.
    expires_at: Timestamp,
    /// How it is priced.
    #[schema(value_type = Option<RateShape>)]
    rate: Option<Rate>,
    rate_version: Option<RateVersionId>,
}

impl Authorized {
    pub fn new(call: &Call, hold: &Hold, catalog: &Snapshot) -> Self {
        let version = call.tariff.map(|tariff| tariff.rate_version);
        let found = version.and_then(|id| catalog.rate_version(id));
        Self {
            id: call.id,
            call_id: call.external.to_string(),
            authorized: true,
            max_seconds: hold.most,
            held: call.held(),
            held_seconds: hold.covered,
            expires_at: hold.expires_at,
            rate: found.and_then(|(_, version)| version.rate(call.meter)).cloned(),
            rate_version: version,
        }
    }
}

/// An inbound call may not begin.
#[derive(Serialize, ToSchema)]
#[schema(as = CallRejected)]
pub(super) struct Refused {
    id: AuthorizationId,
    /// Your id of the call.
    call_id: String,
    /// Always false.
    authorized: bool,
    /// `insufficient_credits`, `plan_exhausted`, `daily_limit`, `monthly_limit`, `per_agent_limit`,
    /// `organization_suspended`, `number_suspended`, `toll_free_minutes` or `toll_free_calls`.
    reason: &'static str,
    /// Always `reject`.
    action: &'static str,
    /// What the caller is to hear.
    message: String,
    /// A recording of it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_url: Option<String>,
}

impl Refused {
    pub fn new(call: &Call, rejection: &Rejection, message: Message) -> Self {
        Self {
            id: call.id,
            call_id: call.external.to_string(),
            authorized: false,
            reason: rejection.reason.name(),
            action: "reject",
            message: message.text,
            audio_url: message.audio_url,
        }
    }
}

/// Whether the call may begin.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum AuthorizeAnswer {
    Authorized(Authorized),
    Rejected(Refused),
}

/// Whether the call may go on.
#[derive(Serialize, ToSchema)]
#[schema(as = CallExtended)]
pub(super) struct Extended {
    id: AuthorizationId,
    /// False when nothing more is covered.
    r#continue: bool,
    /// The longest it may last in all, as things stand.
    max_seconds: Quantity,
    /// What of that is left.
    seconds_left: Quantity,
    /// When it has to end, as things stand.
    cut_off_at: Timestamp,
    /// The credit that is set aside.
    held: Credits,
    /// Unless it is extended or captured until then, the call ends by itself.
    expires_at: Option<Timestamp>,
    /// Little is left: something for the agent to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl Extended {
    pub fn new(extension: &Extension) -> Self {
        let expires_at = match &extension.call.state {
            State::Live(hold) => Some(hold.expires_at),
            State::Completed(_) | State::Rejected(_) | State::Expired(_) => None,
        };
        let warning =
            extension.warn.then(|| match (extension.goes_on, extension.left.micros() / 1_000_000) {
                (false, _) => "No time is left.".to_owned(),
                (true, 1) => "1 second is left.".to_owned(),
                (true, seconds) => format!("{seconds} seconds are left."),
            });
        Self {
            id: extension.call.id,
            r#continue: extension.goes_on,
            max_seconds: extension.most,
            seconds_left: extension.left,
            cut_off_at: extension.cut_off_at,
            held: extension.call.held(),
            expires_at,
            warning,
        }
    }
}

/// What a call was charged.
#[derive(Serialize, ToSchema)]
#[schema(as = CallCaptured)]
pub(super) struct Captured {
    id: AuthorizationId,
    /// Your id of the call.
    call_id: String,
    /// Always `completed`.
    status: &'static str,
    /// It had been captured before, and this is the answer of then.
    duplicate: bool,
    items: Vec<CallItem>,
    /// All items together.
    credits: Credits,
    /// The credit that was set aside for it.
    held: Credits,
    /// What of that was not needed.
    released: Credits,
    /// What it cost beyond that.
    above_hold: Credits,
    /// The balance after it.
    balance_after: Credits,
    transaction_id: Option<TransactionId>,
    /// Of the forwarded part.
    transfer_transaction_id: Option<TransactionId>,
}

/// One charge.
#[derive(Serialize, ToSchema)]
pub(super) struct CallItem {
    id: UsageItemId,
    /// `included`, `base`, `overage`, `surcharge`, `pass_through` or `byok`.
    kind: &'static str,
    /// The meter's code.
    channel: String,
    /// What is billed, in the meter's unit.
    quantity: Quantity,
    unit: String,
    credits: Credits,
    /// What priced it.
    rate_version: RateVersionId,
}

impl Captured {
    pub fn new(captured: &calls::Captured, catalog: &Snapshot) -> Self {
        let calls::Captured { call, receipts, duplicate, above_hold } = captured;
        let charge = call.charge();
        let credits = charge.map_or(Credits::ZERO, |charge| charge.credits);
        let released = call.held().checked_sub(credits).unwrap_or_default().max(Credits::ZERO);
        Self {
            id: call.id,
            call_id: call.external.to_string(),
            status: call.status().name(),
            duplicate: *duplicate,
            items: receipts.iter().flat_map(|receipt| items(receipt, catalog)).collect(),
            credits,
            held: call.held(),
            released,
            above_hold: *above_hold,
            balance_after: receipts.last().map_or(Credits::ZERO, |receipt| receipt.balance_after),
            transaction_id: charge.map(|charge| TransactionId::new(charge.head)),
            transfer_transaction_id: charge.and_then(|charge| charge.transfer_head).map(TransactionId::new),
        }
    }
}

fn items<'a>(receipt: &'a Receipt, catalog: &Snapshot) -> impl Iterator<Item = CallItem> + 'a {
    let meter = catalog.meter(receipt.meter);
    let channel = meter.map_or_else(String::new, |meter| meter.code.to_string());
    let unit = meter.map_or_else(String::new, |meter| meter.unit.clone());
    receipt.items.iter().map(move |item| CallItem {
        id: UsageItemId::new(item.id),
        kind: item.kind.as_str(),
        channel: channel.clone(),
        quantity: item.quantity,
        unit: unit.clone(),
        credits: item.credits,
        rate_version: receipt.rate_version,
    })
}

/// Nothing is set aside for the call any more.
#[derive(Serialize, ToSchema)]
#[schema(as = CallReleased)]
#[expect(clippy::struct_field_names, reason = "the names of the interface")]
pub(super) struct Released {
    id: AuthorizationId,
    /// Your id of the call.
    call_id: String,
    /// `completed`; `rejected` or `expired` where it was that before.
    status: &'static str,
    /// Nothing was set aside when this was asked.
    duplicate: bool,
    /// The credit that was freed, now or then.
    released: Credits,
}

impl Released {
    pub fn new(closed: &calls::Closed) -> Self {
        Self {
            id: closed.call.id,
            call_id: closed.call.external.to_string(),
            status: closed.call.status().name(),
            duplicate: closed.duplicate,
            released: closed.call.held(),
        }
    }
}

/// A call.
#[derive(Serialize, ToSchema)]
#[schema(as = Call)]
pub(super) struct CallShape {
    id: AuthorizationId,
    /// Your id of the call.
    call_id: String,
    /// `live`, `completed`, `rejected` or `expired`.
    status: &'static str,
    /// The meter's code.
    meter: String,
    /// `inbound` or `outbound`.
    direction: &'static str,
    toll_free: bool,
    byok: bool,
    /// Your id of the agent.
    agent_id: Option<String>,
    /// Your id of the number.
    number_id: Option<String>,
    /// Your id of the workspace.
    workspace_id: Option<String>,
    started_at: Timestamp,
    /// When it was reported as over, refused, or not heard of any more; null while it is live.
    ended_at: Option<Timestamp>,
    /// How long it has lasted, as last reported; of a completed call what it was charged for.
    duration_seconds: Quantity,
    /// How long it was forwarded.
    transfer_seconds: Option<Quantity>,
    /// What it was charged, or while it is live would be charged now.
    credits: Credits,
    /// The credit that is set aside; 0 unless it is live.
    held: Credits,
    /// The longest it may last, as last answered; null unless it is live.
    max_seconds: Option<Quantity>,
    /// What of that is left.
    seconds_left: Option<Quantity>,
    /// When it ends by itself; null unless it is live.
    expires_at: Option<Timestamp>,
    /// Why it was refused; null unless it was.
    reason: Option<&'static str>,
    /// What the carrier charged, as far as it was reported when the call was captured.
    carrier_cost: Option<Credits>,
    /// What prices it.
    rate_version: Option<RateVersionId>,
    /// Its charge.
    transaction_id: Option<TransactionId>,
    /// The charge of the forwarded part.
    transfer_transaction_id: Option<TransactionId>,
}

impl CallShape {
    pub fn new(call: &Call, catalog: &Snapshot) -> Self {
        let (hold, ended, rejection) = match &call.state {
            State::Live(hold) => (Some(hold), None, None),
            State::Completed(ended) | State::Expired(ended) => (None, Some(ended), None),
            State::Rejected(rejection) => (None, None, Some(rejection)),
        };
        let charge = call.charge();
        Self {
            id: call.id,
            call_id: call.external.to_string(),
            status: call.status().name(),
            meter: catalog.meter(call.meter).map_or_else(String::new, |meter| meter.code.to_string()),
            direction: direction(call.direction),
            toll_free: call.toll_free,
            byok: call.byok,
            agent_id: call.parties.agent.as_ref().map(|agent| agent.name.to_string()),
            number_id: call.parties.number.as_ref().map(|number| number.name.to_string()),
            workspace_id: call.parties.workspace.as_ref().map(|workspace| workspace.name.to_string()),
            started_at: call.started_at,
            ended_at: ended.map(|ended| ended.at).or(rejection.map(|rejection| rejection.at)),
            duration_seconds: duration(hold, ended),
            transfer_seconds: charge.and_then(|charge| charge.report.transfer),
            credits: calls::cost(call, catalog),
            held: hold.map_or(Credits::ZERO, |hold| hold.pins.credits()),
            max_seconds: hold.map(|hold| hold.most),
            seconds_left: hold.map(Hold::left),
            expires_at: hold.map(|hold| hold.expires_at),
            reason: rejection.map(|rejection| rejection.reason.name()),
            carrier_cost: charge.and_then(|charge| charge.report.carrier_cost),
            rate_version: call.tariff.map(|tariff| tariff.rate_version),
            transaction_id: charge.map(|charge| TransactionId::new(charge.head)),
            transfer_transaction_id: charge.and_then(|charge| charge.transfer_head).map(TransactionId::new),
        }
    }
}

fn duration(hold: Option<&Hold>, ended: Option<&Ended>) -> Quantity {
    let charged = ended.and_then(|ended| ended.charge.as_ref()).map(|charge| charge.report.duration);
    let reported = hold.map(|hold| hold.elapsed).or(ended.map(|ended| ended.elapsed));
    charged.or(reported).unwrap_or_default()
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}
