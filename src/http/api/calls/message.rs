//! What callers hear when a call is rejected.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::calls;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::identity::audit::{self, Difference};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::UsageRead), get);
    table.api(__path_put, Access::organization(Scope::LimitsWrite), put);
    table.api(__path_delete, Access::organization(Scope::LimitsWrite), delete);
}

/// What callers hear when a call is rejected.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CallMessage {
    /// What is said.
    #[schema(min_length = 1, max_length = 1000)]
    text: String,
    /// A recording of it, for platforms that play one.
    audio_url: Option<String>,
}

impl From<calls::Message> for CallMessage {
    fn from(message: calls::Message) -> Self {
        Self { text: message.text, audio_url: message.audio_url }
    }
}

/// Get what callers hear when a call is rejected
#[utoipa::path(get, path = "/calls/message", tag = "calls",
    responses((status = 200, description = "The message.", body = CallMessage)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<CallMessage> {
    let organization = admitted.organization()?;
    let message = state.db.read_blocking(|tx| calls::message_of(tx, organization))?;
    Ok(Reply::ok(message.into()))
}

/// Set what callers hear when a call is rejected
#[utoipa::path(put, path = "/calls/message", tag = "calls", request_body = CallMessage,
    responses((status = 200, description = "The message.", body = CallMessage)))]
async fn put(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<CallMessage>,
) -> Answer<CallMessage> {
    let message = calls::Message { text: input.text, audio_url: input.audio_url };
    change(&state, &admitted, Some(message)).await
}

/// Go back to the usual message
#[utoipa::path(delete, path = "/calls/message", tag = "calls",
    responses((status = 200, description = "The message.", body = CallMessage)))]
async fn delete(state: web::Data<State>, admitted: Admitted) -> Answer<CallMessage> {
    change(&state, &admitted, None).await
}

async fn change(state: &State, admitted: &Admitted, message: Option<calls::Message>) -> Answer<CallMessage> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let changed = state.db.write(move |tx| -> Result<_, ApiError> {
        let conn = tx.conn()?;
        let before = calls::message_of(conn, organization)?;
        calls::set_message(tx, organization, message.as_ref())?;
        let after = calls::message_of(conn, organization)?;
        if before != after {
            let difference = Difference::new().changed("text", before.text, after.text.clone()).changed(
                "audio_url",
                before.audio_url,
                after.audio_url.clone(),
            );
            audit::record(tx, &by, "calls.message_changed", organization, Some(organization), &difference)?;
        }
        Ok(after)
    });
    Ok(Reply::ok(changed.await?.into()))
}
