//! What payment providers tell. Their signature is their credential.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use super::State;
use super::access::Access;
use super::body;
use super::error::{ApiError, Code};
use super::route::Table;
use crate::payments::WebhookError;
use crate::payments::gateway::signature;

pub(super) fn routes(table: &mut Table) {
    table.plain(Method::POST, "/webhooks/{gateway}", Access::OPEN, receive);
}

async fn receive(
    state: web::Data<State>,
    gateway: web::Path<String>,
    req: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let limit = state.settings.body_limit;
    let body = body::read(body::content_length(&req), payload.into_inner(), limit).await?;
    let header = req.headers().get(signature::HEADER).and_then(|value| value.to_str().ok());
    state.desk.webhook(&gateway, header.unwrap_or_default(), body.to_vec()).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body("{\"received\":true}"))
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NoGateway => Self::new(Code::NotFound),
            WebhookError::Signature(why) => {
                Self::new(Code::InvalidSignature).message(format!("The signature {why}."))
            }
            WebhookError::Malformed(_) => {
                Self::new(Code::InvalidBody).message("The body is signed, but it is no event.")
            }
            // whoever tells it does so again
            WebhookError::Later(why) => {
                tracing::warn!(why, "a webhook was kept, but not dealt with");
                Self::new(Code::Unavailable)
                    .message("The event was kept, but could not be dealt with yet: send it again.")
                    .retry_after(5)
            }
        }
    }
}
