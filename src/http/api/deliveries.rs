//! What was sent to whom, and how it went.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::base::Timestamp;
use crate::base::id::{DeliveryId, EventId, OrganizationId, WebhookEndpointId};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{OrganizationRef, Scope, organizations};
use crate::notifications::{self, Channel, Filter, State as Standing};

const LIST: &str = "all_deliveries";
const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, ADMIN, list);
    table.api(__path_get, ADMIN, get);
    table.api(__path_replay, ADMIN, replay);
}

/// One message to one address.
#[derive(Serialize, ToSchema)]
pub(super) struct Delivery {
    id: DeliveryId,
    /// What it tells of; null for a mail about an account.
    event_id: Option<EventId>,
    organization_id: Option<OrganizationId>,
    /// `email`, `webhook`, `slack` or `sms`.
    channel: &'static str,
    endpoint_id: Option<WebhookEndpointId>,
    /// A mail address, a URL, a telephone number.
    target: String,
    /// Of a mail; else the event's type.
    subject: String,
    /// `waiting`, `kept` (there is no mail server), `delivered` or `dead`.
    status: &'static str,
    attempts: i64,
    /// What the other side answered last, over HTTP.
    last_status: Option<u16>,
    last_error: Option<String>,
    created_at: Timestamp,
    /// When it arrived, or was given up.
    ended_at: Option<Timestamp>,
}

impl From<notifications::Delivery> for Delivery {
    fn from(delivery: notifications::Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event,
            organization_id: delivery.organization,
            channel: delivery.channel.name(),
            endpoint_id: delivery.endpoint,
            target: delivery.target,
            subject: delivery.subject,
            status: delivery.state.name(),
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: delivery.created_at,
            ended_at: delivery.ended_at,
        }
    }
}

/// A delivery with what is sent, and every attempt.
#[derive(Serialize, ToSchema)]
pub(super) struct DeliveryDetail {
    #[serde(flatten)]
    about: Delivery,
    /// A mail's text, a webhook's JSON.
    body: String,
    /// The newest first, at most 100.
    log: Vec<DeliveryAttempt>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
struct DeliveryAttempt {
    number: i64,
    at: Timestamp,
    took_ms: i64,
    /// What the other side answered, over HTTP.
    status: Option<u16>,
    /// The beginning of the answer, or what went wrong.
    answer: String,
}

pub(super) fn detail(state: &State, filter: &Filter, id: DeliveryId) -> Result<DeliveryDetail, ApiError> {
    let (found, log) = state.db.read_blocking(|tx| -> Result<_, notifications::Error> {
        Ok((notifications::get(tx, filter, id)?, notifications::attempts(tx, id)?))
    })?;
    let log = log.into_iter().map(|attempt| DeliveryAttempt {
        number: attempt.number,
        at: attempt.at,
        took_ms: attempt.took_ms,
        status: attempt.status,
        answer: attempt.answer,
    });
    let log = log.collect();
    Ok(DeliveryDetail { body: found.body.clone(), about: found.into(), log })
}

pub(super) async fn send_again(
    state: &State,
    admitted: &Admitted,
    filter: Filter,
    id: DeliveryId,
) -> Answer<Delivery> {
    let by = admitted.by()?;
    let done = state.db.write(move |tx| notifications::replay(tx, &by, &filter, id)).await?;
    Ok(Reply::with(StatusCode::ACCEPTED, done.into()))
}

/// Which deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// `org_…` or `ext:…`; everybody's unless given.
    organization: Option<String>,
    /// `email`, `webhook`, `slack` or `sms`.
    channel: Option<String>,
    /// `waiting`, `kept`, `delivered` or `dead`.
    status: Option<String>,
}

struct ListQuery {
    organization: Option<OrganizationRef>,
    channel: Option<Channel>,
    state: Option<Standing>,
    window: Window<1>,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let organization = params.optional("organization");
        let channel = params.text("channel");
        let state = params.text("status");
        let found = Self {
            organization,
            channel: channel.as_deref().and_then(Channel::from_name),
            state: state.as_deref().and_then(Standing::from_name),
            window: Window::from_params(params, LIST),
        };
        if channel.is_some() && found.channel.is_none() {
            params.error("channel", "invalid_value", "must be email, webhook, slack or sms");
        }
        if state.is_some() && found.state.is_none() {
            params.error("status", "invalid_value", "must be waiting, kept, delivered or dead");
        }
        Some(found)
    }
}

/// What was sent to whom, newest first
#[utoipa::path(get, path = "/admin/deliveries", tag = "admin", params(Which, Paging),
    responses((status = 200, description = "A page of deliveries.", body = List<Delivery>)))]
async fn list(state: web::Data<State>, Query(query): Query<ListQuery>) -> Answer<List<Delivery>> {
    let window = query.window;
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let named = query.organization.as_ref().map(|name| organizations::find(tx, name)).transpose()?;
        let organization = named.map(|found| Some(found.id));
        let filter = Filter { organization, endpoint: None, channel: query.channel, state: query.state };
        Ok(notifications::list(tx, &filter, window.before(), window.limit)?)
    });
    Ok(Reply::ok(List::from_page(LIST, page.await?, Delivery::from)))
}

/// Get a delivery, with what is sent and every attempt
#[utoipa::path(get, path = "/admin/deliveries/{id}", tag = "admin",
    params(("id" = DeliveryId, Path, description = "The delivery.")),
    responses((status = 200, description = "The delivery.", body = DeliveryDetail)))]
async fn get(state: web::Data<State>, PathId(id): PathId<DeliveryId>) -> Answer<DeliveryDetail> {
    Ok(Reply::ok(detail(&state, &Filter::default(), id)?))
}

/// Send a delivery once more, under the id it had
#[utoipa::path(post, path = "/admin/deliveries/{id}/replay", tag = "admin",
    params(("id" = DeliveryId, Path, description = "The delivery.")),
    responses((status = 202, description = "The delivery, about to be sent.", body = Delivery)))]
async fn replay(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<DeliveryId>,
) -> Answer<Delivery> {
    send_again(&state, &admitted, Filter::default(), id).await
}
