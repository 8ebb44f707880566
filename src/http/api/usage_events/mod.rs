//! Usage: reported, priced beforehand, taken back. The hot path of the API.

mod answer;
mod cloud;
mod estimate;
mod event;
mod read;
mod refusal;
mod shapes;
mod void;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::base::id::OrganizationId;
use crate::calls;
use crate::catalog::{self, Snapshot};
use crate::db::DbError;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Batch;
use crate::http::error::ApiError;
use crate::http::route::Table;
use crate::identity::Scope;
use crate::metering::{EventIn, Outcome};

use answer::{Answers, Charged, Results};
use read::{Bad, Form, Sent};
use refusal::{Asker, refused};
use shapes::{CloudEvent, EventAnswer, UsageEvents};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_post, Access::items(Scope::UsageWrite), post);
    void::routes(table);
    estimate::routes(table);
}

/// Report usage: one event, or an array of up to 1,000
///
/// The same `id` with the same content is charged once and answered again with `duplicate: true`; with other content it
/// is refused with 409 `idempotency_conflict`. Content is compared field by field, `metadata` and further attributes
/// as they are written.
///
/// One event is answered by itself: 201 when it was charged, 200 when it had been before, or its error. An array is always
/// answered with 200 and one result per event, in order: a wrong or refused event (its `error` has the same `code` and
/// `param`, and its `index`) never keeps the others from being charged. An array that is too long is refused as a whole with
/// 413 `batch_too_large`, text that is not JSON with 400.
///
/// CloudEvents 1.0 are taken singly and in batches. `id` is the event's id, `time` is `occurred_at`, `subject` the
/// organization, the end of `type` the meter (unless `data.meter` says another), and `data` holds the other fields.
#[utoipa::path(post, path = "/usage/events", tag = "usage",
    request_body(content(
        (UsageEvents = "application/json", example = json!({
            "id": "call-8f31-voice", "agent_id": "agent-4", "call_id": "call-8f31", "meter": "voice", "quantity": 84,
            "occurred_at": "2026-11-21T09:30:00Z", "attributes": { "direction": "inbound" }
        })),
        (CloudEvent = "application/cloudevents+json", example = json!({
            "specversion": "1.0", "id": "call-8f31-voice", "source": "/platform/calls",
            "type": "com.example.usage.voice", "time": "2026-11-21T09:30:00Z", "subject": "customer-17",
            "data": { "quantity": 84, "call_id": "call-8f31" }
        })),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
    )),
    responses(
        (status = 201, description = "One event, charged.", body = shapes::ChargedEvent, example = json!({
            "id": "call-8f31-voice", "duplicate": false, "items": [{
                "id": "use_0h6t0v6k3m2q8", "kind": "base", "channel": "voice", "quantity": 84, "unit": "second",
                "credits": 9.8, "rate_version": "rv_1d2fzk0c9x7wn" }],
            "credits": 9.8, "balance_after": 990.2, "transaction_id": "txn_5vb2w8r6y1n0q"
        })),
        (status = 200, description = "One event that had been charged before, or the results of an array.",
            body = EventAnswer),
        (status = 402, description = "One event with mode `enforce` that the credit does not cover: `insufficient_credits` \
            with `available`, `required` and, where it is configured, `topup_url`."),
        (status = 409, description = "One event whose id was used for other content: `idempotency_conflict`."),
    ))]
async fn post(state: web::Data<State>, admitted: Admitted, batch: Batch) -> Result<HttpResponse, ApiError> {
    let operator = admitted.principal()?.is_operator();
    let caller = Caller { operator, organization: admitted.organization_if_named() };
    let (form, sent) = read::request(&batch, state.settings.max_batch)?;
    drop(batch);
    match sent {
        Sent::One(event) => one(&state, caller, form, event).await,
        Sent::Many { good, bad } => many(&state, caller, form, good, &bad).await,
    }
}

/// Who reports, and for whom.
#[derive(Clone, Copy)]
struct Caller {
    operator: bool,
    organization: Option<OrganizationId>,
}

impl Caller {
    fn asker(self, state: &State) -> Asker<'_> {
        Asker { operator: self.operator, topup_url: state.settings.topup_url.as_deref() }
    }
}

/// Everything that happened, and what names it.
struct Recorded {
    events: Vec<EventIn>,
    outcomes: Vec<Outcome>,
    catalog: Arc<Snapshot>,
}

/// Charges events in one operation of the writer.
async fn record(state: &State, caller: Caller, events: Vec<EventIn>) -> Result<Recorded, DbError> {
    let Caller { operator, organization } = caller;
    let only = if operator { None } else { organization };
    let recording = state.db.write_weighed(events.len().max(1), move |tx| -> Result<_, DbError> {
        let catalog = catalog::snapshot(tx)?;
        let outcomes = calls::record(tx, only, organization, &events)?;
        Ok(Recorded { events, outcomes, catalog })
    });
    recording.await
}

async fn one(state: &State, caller: Caller, form: Form, event: EventIn) -> Result<HttpResponse, ApiError> {
    let Recorded { events, outcomes, catalog } = record(state, caller, vec![event]).await?;
    let (Some(EventIn { event, .. }), Some(outcome)) = (events.first(), outcomes.first()) else {
        return Err(ApiError::internal("an event without an outcome"));
    };
    let (status, receipt, duplicate) = match outcome {
        Outcome::Charged(receipt) => (StatusCode::CREATED, receipt, false),
        Outcome::Duplicate(receipt) => (StatusCode::OK, receipt, true),
        Outcome::Refused(refusal) => {
            return Err(refused(refusal, event, form.names(), &caller.asker(state)));
        }
    };
    answered(status, &Charged::new(&event.id, duplicate, receipt, &catalog))
}

async fn many(
    state: &State,
    caller: Caller,
    form: Form,
    events: Vec<EventIn>,
    bad: &[Bad],
) -> Result<HttpResponse, ApiError> {
    let recorded = record(state, caller, events).await?;
    let results = Results {
        events: &recorded.events,
        outcomes: &recorded.outcomes,
        bad,
        names: form.names(),
        asker: &caller.asker(state),
        catalog: &recorded.catalog,
    };
    answered(StatusCode::OK, &Answers::from(results))
}

fn answered(status: StatusCode, body: &impl serde::Serialize) -> Result<HttpResponse, ApiError> {
    let json = serde_json::to_vec(body).map_err(ApiError::internal)?;
    Ok(HttpResponse::build(status).content_type("application/json").body(json))
}
