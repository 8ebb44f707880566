//! Addresses that are told of events, and what became of it. An operator who names no organization has endpoints of his own,
//! which are told of every organization.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deliveries::{self, Delivery, DeliveryDetail};
use crate::base::Timestamp;
use crate::base::id::{DeliveryId, OrganizationId, WebhookEndpointId};
use crate::base::time::HOUR_MS;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::{ApiError, Code};
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::notifications::endpoints::{self, Change};
use crate::notifications::{self, Filter};

const WHO: Access = Access::items(Scope::WebhooksWrite);
const LIST: &str = "deliveries";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, WHO, list);
    table.api(__path_create, WHO, create);
    table.api(__path_get, WHO, get);
    table.api(__path_update, WHO, update);
    table.api(__path_delete, WHO, delete);
    table.api(__path_test, WHO, test);
    table.api(__path_rotate, WHO, rotate);
    table.api(__path_deliveries_of, WHO, deliveries_of);
    table.api(__path_replay_range, WHO, replay_range);
    table.api(__path_delivery, WHO, delivery);
    table.api(__path_replay, WHO, replay);
}

/// An address that is told.
#[derive(Serialize, ToSchema)]
struct WebhookEndpoint {
    id: WebhookEndpointId,
    /// Null for the operator's, which is told of every organization.
    organization_id: Option<OrganizationId>,
    url: String,
    description: String,
    /// The types of events that it is told of; empty for all.
    types: Vec<String>,
    enabled: bool,
    /// `asked`, or `failing` after days without one success; null while it is on.
    disabled_reason: Option<&'static str>,
    /// Since when every attempt failed.
    failing_since: Option<Timestamp>,
    last_error: Option<String>,
    last_success_at: Option<Timestamp>,
    /// Until when deliveries are signed by the secret before as well.
    old_secret_until: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<endpoints::Endpoint> for WebhookEndpoint {
    fn from(endpoint: endpoints::Endpoint) -> Self {
        Self {
            id: endpoint.id,
            organization_id: endpoint.organization,
            types: endpoint.types,
            enabled: endpoint.disabled.is_none(),
            disabled_reason: endpoint.disabled.map(|(_, why)| why.name()),
            failing_since: endpoint.failing_since,
            last_error: endpoint.last_error,
            last_success_at: endpoint.last_success_at,
            old_secret_until: endpoint.old_secret.map(|(_, until)| until),
            created_at: endpoint.created_at,
            url: endpoint.url,
            description: endpoint.description,
        }
    }
}

/// An endpoint with the secret that was just made for it.
#[derive(Serialize, ToSchema)]
struct WebhookEndpointWithSecret {
    /// What deliveries are signed with, as Standard Webhooks has it. It is not shown again.
    secret: String,
    #[serde(flatten)]
    about: WebhookEndpoint,
}

impl From<endpoints::Endpoint> for WebhookEndpointWithSecret {
    fn from(endpoint: endpoints::Endpoint) -> Self {
        Self { secret: endpoint.secret.clone(), about: endpoint.into() }
    }
}

/// What an endpoint is to be; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WebhookEndpointInput {
    /// Where: http or https, on a public address. Required for a new one.
    #[schema(max_length = 2000)]
    url: Option<String>,
    #[schema(max_length = 200)]
    description: Option<String>,
    /// The types of events that it is told of; an empty list for all.
    types: Option<Vec<String>>,
    enabled: Option<bool>,
}

impl From<WebhookEndpointInput> for Change {
    fn from(input: WebhookEndpointInput) -> Self {
        Self { url: input.url, description: input.description, types: input.types, enabled: input.enabled }
    }
}

/// List the addresses that are told of events
#[utoipa::path(get, path = "/webhook-endpoints", tag = "webhooks",
    responses((status = 200, description = "All of them.", body = List<WebhookEndpoint>)))]
async fn list(state: web::Data<State>, admitted: Admitted) -> Answer<List<WebhookEndpoint>> {
    let owner = admitted.organization_if_named();
    let all = state.db.read_blocking(|tx| endpoints::list(tx, owner))?;
    Ok(Reply::ok(List::whole(all.into_iter().map(WebhookEndpoint::from).collect())))
}

/// Have an address told of events
///
/// The secret in the answer is what its deliveries are signed with; it is not shown again.
#[utoipa::path(post, path = "/webhook-endpoints", tag = "webhooks",
    request_body(content = WebhookEndpointInput,
        example = json!({"url": "https://example.com/hooks", "types": ["wallet.low_balance"]})),
    responses((status = 201, description = "The endpoint, with its secret.", body = WebhookEndpointWithSecret),
        (status = 409, description = "There are too many already.")))]
async fn create(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<WebhookEndpointInput>,
) -> Answer<WebhookEndpointWithSecret> {
    let (owner, by, guard) = (admitted.organization_if_named(), admitted.by()?, state.guard.clone());
    let made = state.db.write(move |tx| endpoints::create(tx, &by, &guard, owner, &input.into())).await?;
    Ok(Reply::created(made.into()))
}

/// Get an address that is told
#[utoipa::path(get, path = "/webhook-endpoints/{id}", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint.", body = WebhookEndpoint)))]
async fn get(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
) -> Answer<WebhookEndpoint> {
    let owner = admitted.organization_if_named();
    Ok(Reply::ok(state.db.read_blocking(|tx| endpoints::get(tx, owner, id))?.into()))
}

/// Change an address that is told, or switch it on or off
#[utoipa::path(put, path = "/webhook-endpoints/{id}", tag = "webhooks", request_body = WebhookEndpointInput,
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint as it is now.", body = WebhookEndpoint)))]
async fn update(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    Json(input): Json<WebhookEndpointInput>,
) -> Answer<WebhookEndpoint> {
    let (owner, by, guard) = (admitted.organization_if_named(), admitted.by()?, state.guard.clone());
    let change = Change::from(input);
    let done = state.db.write(move |tx| endpoints::update(tx, &by, &guard, owner, (id, &change))).await?;
    Ok(Reply::ok(done.into()))
}

/// Tell an address nothing any more
#[utoipa::path(delete, path = "/webhook-endpoints/{id}", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint as it was.", body = WebhookEndpoint)))]
async fn delete(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
) -> Answer<WebhookEndpoint> {
    let (owner, by) = (admitted.organization_if_named(), admitted.by()?);
    Ok(Reply::ok(state.db.write(move |tx| endpoints::delete(tx, &by, owner, id)).await?.into()))
}

/// Send a test event to an address
///
/// An event of type `webhook.test`, also to an endpoint that is switched off or wants other types.
#[utoipa::path(post, path = "/webhook-endpoints/{id}/test", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 202, description = "The delivery, about to be sent.", body = Delivery)))]
async fn test(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
) -> Answer<Delivery> {
    let owner = admitted.organization_if_named();
    let sent = state.db.write(move |tx| -> Result<_, notifications::Error> {
        let id = endpoints::test(tx, owner, id)?.ok_or(notifications::Error::NotFound)?;
        notifications::get(tx.conn()?, &Filter::default(), id)
    });
    Ok(Reply::with(actix_web::http::StatusCode::ACCEPTED, sent.await?.into()))
}

/// How to exchange a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretRotation {
    /// How long deliveries are signed by the old secret as well, in hours.
    #[serde(default = "day")]
    #[schema(maximum = 168, default = 24)]
    overlap_hours: u32,
}

const fn day() -> u32 {
    24
}

/// Exchange the secret of an address
#[utoipa::path(post, path = "/webhook-endpoints/{id}/rotate", tag = "webhooks", request_body = SecretRotation,
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint, with its new secret.", body = WebhookEndpointWithSecret)))]
async fn rotate(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    Json(input): Json<SecretRotation>,
) -> Answer<WebhookEndpointWithSecret> {
    let (owner, by) = (admitted.organization_if_named(), admitted.by()?);
    let overlap_ms = i64::from(input.overlap_hours) * HOUR_MS;
    let done = state.db.write(move |tx| endpoints::rotate(tx, &by, owner, id, overlap_ms)).await?;
    Ok(Reply::ok(done.into()))
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// What was sent to an address, newest first
#[utoipa::path(get, path = "/webhook-endpoints/{id}/deliveries", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), Paging),
    responses((status = 200, description = "A page of deliveries.", body = List<Delivery>)))]
async fn deliveries_of(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Delivery>> {
    let owner = admitted.organization_if_named();
    let page = state.db.read(move |tx| -> Result<_, notifications::Error> {
        endpoints::get(tx, owner, id)?;
        let filter = Filter { endpoint: Some(id), ..Filter::default() };
        Ok(notifications::list(tx, &filter, window.before(), window.limit)?)
    });
    Ok(Reply::ok(List::from_page(LIST, page.await?, Delivery::from)))
}

/// Which deliveries to send again: those written down in a half-open stretch of time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReplayRange {
    from: Timestamp,
    to: Timestamp,
}

/// How many are sent again.
#[derive(Serialize, ToSchema)]
struct Replayed {
    replayed: usize,
}

/// Send an address everything once more that it was to be told in a stretch of time
///
/// At most 1,000, oldest first; each under the id it had.
#[utoipa::path(post, path = "/webhook-endpoints/{id}/replay", tag = "webhooks", request_body = ReplayRange,
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 202, description = "They are about to be sent.", body = Replayed)))]
async fn replay_range(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    Json(input): Json<ReplayRange>,
) -> Answer<Replayed> {
    if input.to <= input.from {
        return Err(ApiError::field("to", "invalid_value", "must be later than from"));
    }
    let (owner, by) = (admitted.organization_if_named(), admitted.by()?);
    let range = (input.from, input.to);
    let filter = Filter { organization: Some(owner), endpoint: Some(id), ..Filter::default() };
    // looked for where nobody waits: there may be many
    let found = state.db.read(move |tx| -> Result<_, notifications::Error> {
        endpoints::get(tx, owner, id)?;
        Ok(notifications::between(tx, &filter, range)?)
    });
    let found = found.await?;
    let replayed = state.db.write(move |tx| notifications::replay_all(tx, &by, &filter, (range, &found)));
    Ok(Reply::with(actix_web::http::StatusCode::ACCEPTED, Replayed { replayed: replayed.await? }))
}

/// One's own deliveries by webhook.
fn own(owner: Option<OrganizationId>) -> Filter {
    Filter { organization: Some(owner), channel: Some(notifications::Channel::Webhook), ..Filter::default() }
}

/// Get a delivery, with every attempt
#[utoipa::path(get, path = "/webhook-deliveries/{id}", tag = "webhooks",
    params(("id" = DeliveryId, Path, description = "The delivery.")),
    responses((status = 200, description = "The delivery.", body = DeliveryDetail)))]
async fn delivery(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<DeliveryId>,
) -> Answer<DeliveryDetail> {
    Ok(Reply::ok(deliveries::detail(&state, &own(admitted.organization_if_named()), id)?))
}

/// Send a delivery once more, under the id it had
#[utoipa::path(post, path = "/webhook-deliveries/{id}/replay", tag = "webhooks",
    params(("id" = DeliveryId, Path, description = "The delivery.")),
    responses((status = 202, description = "The delivery, about to be sent.", body = Delivery)))]
async fn replay(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<DeliveryId>,
) -> Answer<Delivery> {
    deliveries::send_again(&state, &admitted, own(admitted.organization_if_named()), id).await
}

impl From<notifications::Error> for ApiError {
    fn from(error: notifications::Error) -> Self {
        match error {
            notifications::Error::Db(error) => error.into(),
            notifications::Error::Identity(error) => error.into(),
            notifications::Error::Invalid(errors) => errors.into(),
            notifications::Error::NotFound => Self::new(Code::NotFound),
            notifications::Error::TooMany => {
                Self::new(Code::Conflict).message("There are 20 endpoints already: remove one first.")
            }
        }
    }
}
