//! Requests that move credit carry a key, so that sending them again is safe.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::State;
use super::access::Admitted;
use super::body;
use super::error::{ApiError, Code};
use super::reply::Reply;
use crate::db::WriteTx;
use crate::idempotency::{self, Begin, Fingerprint, Key, Owner, Request};
use crate::payments::Intent;

/// The header with the key.
pub const HEADER: &str = "idempotency-key";
/// Says that an answer was given before.
pub const REPLAYED: &str = "idempotency-replayed";

/// A JSON body with the key that makes sending it again safe. Without a key the request is refused.
pub struct Keyed<T>(Intended<T>);

impl<T: DeserializeOwned + 'static> FromRequest for Keyed<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !req.headers().contains_key(HEADER) {
            return Box::pin(std::future::ready(Err(required())));
        }
        let intended = Intended::from_request(req, payload);
        Box::pin(async move { intended.await.map(Self) })
    }
}

fn required() -> ApiError {
    ApiError::new(Code::IdempotencyKeyRequired).param("Idempotency-Key")
}

/// The key of a request, if it has one.
fn key(req: &HttpRequest) -> Result<Option<Key>, ApiError> {
    let Some(value) = req.headers().get(HEADER) else { return Ok(None) };
    let key = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        ApiError::new(Code::InvalidHeader)
            .param("Idempotency-Key")
            .message(format!("Idempotency-Key {}.", idempotency::KeyError))
    });
    key.map(Some)
}

impl<T: Send + 'static> Keyed<T> {
    /// The body.
    pub const fn value(&self) -> &T {
        &self.0.value
    }

    /// Carries `operation` out once: its change and its answer are stored together, and the same request gets the
    /// same answer again.
    ///
    /// # Errors
    /// The operation's own, after which nothing is stored; `idempotency_conflict` when the key was used for another
    /// request.
    pub async fn once<A, F>(
        self,
        state: &State,
        admitted: &Admitted,
        operation: F,
    ) -> Result<HttpResponse, ApiError>
    where
        A: Serialize,
        F: FnOnce(&WriteTx<'_>, T) -> Result<Reply<A>, ApiError> + Send + 'static,
    {
        let request = self.0.request(admitted)?.ok_or_else(required)?;
        let value = self.0.value;
        let done = state.db.write(move |tx| -> Result<_, ApiError> {
            match idempotency::begin(tx, &request)? {
                Begin::Replay { status, body } => return Ok((status, body, true)),
                Begin::Conflict => {
                    return Err(ApiError::new(Code::IdempotencyConflict).param("Idempotency-Key"));
                }
                Begin::New => {}
            }
            let Reply(status, answer) = operation(tx, value)?;
            let body = serde_json::to_vec(&answer).map_err(ApiError::internal)?;
            idempotency::finish(tx, &request, status.as_u16(), &body)?;
            Ok((status.as_u16(), body, false))
        });
        let (status, body, replayed) = done.await?;
        respond(status, body, replayed)
    }
}

/// A JSON body with an optional key, for what cannot be carried out in one transaction because somebody outside has to be
/// asked: the intent is written down first, the answer last, and what was cut off in between goes on with the same
/// intent.
pub struct Intended<T> {
    /// The body.
    pub value: T,
    key: Option<Key>,
    fingerprint: Fingerprint,
}

impl<T: DeserializeOwned + 'static> FromRequest for Intended<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let key = key(req);
        let bytes = body::json_bytes(req, payload);
        let (method, path) = (req.method().clone(), req.path().to_owned());
        Box::pin(async move {
            let key = key?;
            let bytes = bytes.await?;
            let value = body::decode(&bytes)?;
            let fingerprint = Fingerprint::of(&[method.as_str().as_bytes(), path.as_bytes(), &bytes]);
            Ok(Self { value, key, fingerprint })
        })
    }
}

impl<T> Intended<T> {
    fn request(&self, admitted: &Admitted) -> Result<Option<Request>, ApiError> {
        let Some(key) = self.key.clone() else { return Ok(None) };
        let operator = admitted.principal()?.is_operator();
        let owner = Owner::of(operator, admitted.organization_if_named())
            .ok_or_else(|| ApiError::new(Code::OrganizationRequired))?;
        Ok(Some(Request { owner, key, fingerprint: self.fingerprint }))
    }

    /// The intent, to be kept with what comes of it.
    ///
    /// # Errors
    /// Only without an organization.
    pub fn intent(&self, admitted: &Admitted) -> Result<Option<Intent>, ApiError> {
        let request = self.request(admitted)?;
        Ok(request.map(|request| Intent {
            key: format!("{}:{}", request.owner, request.key.as_str()),
            fingerprint: *request.fingerprint.bytes(),
        }))
    }

    /// The answer that the same request got before.
    ///
    /// # Errors
    /// `idempotency_conflict` when the key was used for another request.
    pub async fn answered(
        &self,
        state: &State,
        admitted: &Admitted,
    ) -> Result<Option<HttpResponse>, ApiError> {
        let Some(request) = self.request(admitted)? else { return Ok(None) };
        match state.db.write(move |tx| idempotency::begin(tx, &request)).await? {
            Begin::New => Ok(None),
            Begin::Replay { status, body } => respond(status, body, true).map(Some),
            Begin::Conflict => Err(ApiError::new(Code::IdempotencyConflict).param("Idempotency-Key")),
        }
    }

    /// Answers, and keeps the answer for the same request. One that was answered meanwhile gets that answer.
    ///
    /// # Errors
    /// As [`Intended::answered`].
    pub async fn answer<A: Serialize>(
        &self,
        state: &State,
        admitted: &Admitted,
        status: StatusCode,
        answer: A,
    ) -> Result<HttpResponse, ApiError> {
        let body = serde_json::to_vec(&answer).map_err(ApiError::internal)?;
        let Some(request) = self.request(admitted)? else { return respond(status.as_u16(), body, false) };
        let done = state.db.write(move |tx| -> Result<_, ApiError> {
            match idempotency::begin(tx, &request)? {
                Begin::New => {
                    idempotency::finish(tx, &request, status.as_u16(), &body)?;
                    Ok((status.as_u16(), body, false))
                }
                Begin::Replay { status, body } => Ok((status, body, true)),
                Begin::Conflict => Err(ApiError::new(Code::IdempotencyConflict).param("Idempotency-Key")),
            }
        });
        let (status, body, replayed) = done.await?;
        respond(status, body, replayed)
    }
}

fn respond(status: u16, body: Vec<u8>, replayed: bool) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).map_err(ApiError::internal)?);
    response.insert_header((header::CONTENT_TYPE, "application/json"));
    if replayed {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(response.body(body))
}
