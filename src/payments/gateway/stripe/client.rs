//! Our own client of Stripe's API: a limit on everything, and the same key however often a request is sent.

use std::fmt::Display;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use stripe_client_core::{
    CustomizedStripeRequest, IdempotencyKey, RequestBuilder, StripeClient, StripeClientErr, StripeMethod,
    VERSION,
};

use super::answers::{Rejected, Rejection};
use crate::identity::Secret;
use crate::payments::gateway::{Decline, Trouble};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;
/// The longest answer that is read.
const MOST_BYTES: usize = 1 << 20;

/// What came instead of what was asked for.
#[derive(Debug)]
pub(super) enum Fault {
    /// No answer, or none that can be relied on: it may have been carried out.
    NoAnswer(String),
    /// There is no such thing.
    Missing(String),
    /// The customer that was named is not there any more.
    NoCustomer(String),
    /// The bank did not want to. `intent`: Stripe's id of what was tried.
    Declined { decline: Decline, intent: Option<String>, message: String },
    /// It was not carried out, and will not be.
    Refused(String),
}

impl Fault {
    /// Where something that exists was asked for.
    pub(super) fn looking(self) -> Trouble {
        match self {
            Self::Missing(_) => Trouble::Unknown,
            other => other.making(),
        }
    }

    /// Where something was to be made. What is missing then is what it was to be made of: nothing was made, and nothing
    /// will be.
    pub(super) fn making(self) -> Trouble {
        match self {
            Self::NoAnswer(why) => Trouble::Unreachable(why),
            Self::NoCustomer(why) => Trouble::NoCustomer(why),
            Self::Missing(why) | Self::Refused(why) | Self::Declined { message: why, .. } => {
                Trouble::Refused(why)
            }
        }
    }
}

impl StripeClientErr for Fault {
    fn deserialize_err(_: impl Display) -> Self {
        Self::NoAnswer("an answer that is not understood".into())
    }
}

/// One attempt that came to nothing.
struct Failed {
    fault: Fault,
    /// Whether sending it again may help.
    again: bool,
}

impl Failed {
    fn no_answer(why: impl Into<String>, again: bool) -> Self {
        Self { fault: Fault::NoAnswer(why.into()), again }
    }
}

/// Sends requests to Stripe.
pub(super) struct Client {
    http: reqwest::Client,
    api_base: String,
    secret_key: Secret,
    pause: Duration,
}

impl Client {
    /// `http` limits how long one attempt takes. `pause`: how long to wait before the second attempt; twice as long before
    /// the third.
    pub(super) fn new(http: reqwest::Client, api_base: String, secret_key: Secret, pause: Duration) -> Self {
        Self { http, api_base, secret_key, pause }
    }

    async fn send(&self, request: RequestBuilder, key: Option<IdempotencyKey>) -> Result<Bytes, Fault> {
        // without a key Stripe would carry it out each time
        let safe = key.is_some() || matches!(request.method, StripeMethod::Get);
        let attempts = if safe { ATTEMPTS } else { 1 };
        let mut pause = self.pause;
        let mut attempt = 1;
        loop {
            let failed = match self.once(&request, key.as_ref()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if !failed.again || attempt == attempts {
                return Err(failed.fault);
            }
            tracing::debug!(path = request.path, attempt, fault = ?failed.fault, "asked again");
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
            attempt += 1;
        }
    }

    async fn once(&self, request: &RequestBuilder, key: Option<&IdempotencyKey>) -> Result<Bytes, Failed> {
        let query = request.query.as_deref().filter(|query| !query.is_empty());
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        let url = format!("{}/v1{}{query}", self.api_base, request.path);
        let call = match request.method {
            StripeMethod::Get => self.http.get(url),
            StripeMethod::Post => self.http.post(url),
            StripeMethod::Delete => self.http.delete(url),
        };
        let mut call = call.bearer_auth(self.secret_key.expose()).header("stripe-version", VERSION.as_str());
        if let Some(key) = key {
            call = call.header("idempotency-key", key.as_str());
        }
        if let Some(body) = &request.body {
            call = call.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.clone());
        }
        let response = call.send().await.map_err(|error| Failed::no_answer(said(&error), true))?;
        let (status, told) = (response.status(), told_to_retry(response.headers()));
        let body = read(response).await?;
        if status.is_success() {
            return Ok(body);
        }
        let again = told.unwrap_or_else(|| {
            status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 424 | 425 | 429)
        });
        Err(refusal(status, &body, again))
    }
}

impl StripeClient for Client {
    type Err = Fault;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, Fault> {
        let (mut request, settings) = request.into_pieces();
        // metadata comes in any order, and what is sent again has to be the same
        request.body = request.body.map(|body| {
            let mut fields: Vec<&str> = body.split('&').collect();
            fields.sort_unstable();
            fields.join("&")
        });
        let key = settings.request_strategy.and_then(|strategy| strategy.get_key());
        self.send(request, key).await
    }
}

/// What Stripe itself says about sending it again.
fn told_to_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("stripe-should-retry")?.to_str() {
        Ok("true") => Some(true),
        Ok("false") => Some(false),
        _ => None,
    }
}

/// An answer's body, as long as it is not too long.
async fn read(mut response: reqwest::Response) -> Result<Bytes, Failed> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) > MOST_BYTES => {
                return Err(Failed::no_answer("an answer that is too long", false));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(Failed::no_answer(said(&error), true)),
        }
    }
}

/// What went wrong on the way, without the address, which names customers.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "it took too long".into()
    } else if error.is_connect() {
        "it cannot be reached".into()
    } else if error.is_body() || error.is_decode() {
        "the answer broke off".into()
    } else {
        "the call failed".into()
    }
}

/// What an answer that is no success stands for. `again`: whether sending it again may help.
fn refusal(status: StatusCode, body: &[u8], again: bool) -> Failed {
    let rejected = std::str::from_utf8(body).ok().and_then(|text| miniserde::json::from_str(text).ok());
    let Some(Rejected { error }) = rejected else {
        return Failed::no_answer(
            format!("status {}, without Stripe's form of an error", status.as_u16()),
            again,
        );
    };
    let message = error.said();
    let fault = match status.as_u16() {
        // the key may be put right, so nothing is given up
        401 | 403 => Fault::NoAnswer(format!("payments.stripe.secret_key does not serve: {message}")),
        402 => {
            let decline = error.decline();
            let Rejection { payment_intent, .. } = error;
            Fault::Declined { decline, intent: payment_intent.map(|intent| intent.id), message }
        }
        _ if again => Fault::NoAnswer(format!("status {}: {message}", status.as_u16())),
        // under the same key something else was asked for before, and that may have been carried out
        _ if error.kind.as_deref() == Some("idempotency_error") => Fault::NoAnswer(message),
        400 | 404
            if error.code.as_deref() == Some("resource_missing")
                && error.param.as_deref() == Some("customer") =>
        {
            Fault::NoCustomer(message)
        }
        404 => Fault::Missing(message),
        400..=499 if error.code.as_deref() == Some("resource_missing") => Fault::Missing(message),
        400 | 405..=407 | 410..=422 => Fault::Refused(message),
        other => Fault::NoAnswer(format!("status {other}: {message}")),
    };
    Failed { fault, again: again && !matches!(status.as_u16(), 401..=403) }
}
