//! What the API answers when it cannot do what was asked: one envelope, one table of codes.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::db::DbError;

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $text:literal, $status:ident, $message:literal;)*) => {
        /// A stable error code, as clients see it. This table is the only place where a code meets a status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* #[doc = $message] $code,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The code's text.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// The status it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$code => StatusCode::$status,)* }
            }

            /// What it says when nothing more particular is known.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$code => $message,)* }
            }
        }
    };
}

codes! {
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not valid JSON.";
    InvalidBody = "invalid_body", BAD_REQUEST, "The body could not be read.";
    InvalidHeader = "invalid_header", BAD_REQUEST, "A request header does not make sense.";
    InvalidSignature = "invalid_signature", BAD_REQUEST, "The signature does not fit.";
    OrganizationRequired = "organization_required", BAD_REQUEST,
        "Say which organization is meant, in the header Tollbook-Organization.";
    Unauthorized = "unauthorized", UNAUTHORIZED,
        "Send an API key or a session token in the header Authorization, as a Bearer token.";
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "The e-mail address or the password is wrong.";
    InsufficientCredits = "insufficient_credits", PAYMENT_REQUIRED, "There is not enough credit.";
    PlanExhausted = "plan_exhausted", PAYMENT_REQUIRED,
        "What the plan includes is used up, and the agent is set to stop then.";
    LimitReached = "limit_reached", FORBIDDEN, "This would pass a spending limit.";
    TollFreeGuard = "toll_free_guard", FORBIDDEN, "The toll-free number has taken in what it may for now.";
    LimitNotPaused = "limit_not_paused", CONFLICT, "The limit does not hold anything up now.";
    Forbidden = "forbidden", FORBIDDEN, "This is not allowed for whoever is asking.";
    InsufficientScope = "insufficient_scope", FORBIDDEN, "The API key lacks the scope for this.";
    InsufficientRole = "insufficient_role", FORBIDDEN, "This needs another role in the organization.";
    SessionRequired = "session_required", FORBIDDEN, "This needs a person who is signed in, not an API key.";
    OperatorRequired = "operator_required", FORBIDDEN, "Only the operator can do this.";
    OrganizationSuspended = "organization_suspended", FORBIDDEN, "The organization is suspended.";
    NumberSuspended = "number_suspended", FORBIDDEN, "The number is suspended.";
    CrossSite = "cross_site", FORBIDDEN,
        "The form was sent from another site, or the page is too old: load it again.";
    NotFound = "not_found", NOT_FOUND, "There is nothing here.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This path does not answer to that method.";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body took too long to arrive.";
    Conflict = "conflict", CONFLICT, "The request conflicts with what is there.";
    AlreadyExists = "already_exists", CONFLICT, "There is one already.";
    IdempotencyConflict = "idempotency_conflict", CONFLICT,
        "This idempotency key was used for a different request.";
    IdempotencyKeyRequired = "idempotency_key_required", BAD_REQUEST,
        "Send the header Idempotency-Key, so that the request can safely be sent again.";
    NotEnoughCredit = "not_enough_credit", UNPROCESSABLE_ENTITY, "There is less credit than that.";
    BatchTooLarge = "batch_too_large", PAYLOAD_TOO_LARGE, "There are too many events in one request.";
    CallEnded = "call_ended", CONFLICT, "The call has ended.";
    HoldExpired = "hold_expired", CONFLICT,
        "The call was not heard of in time, and nothing is set aside for it any more. Capture what it lasted.";
    PaymentsUnavailable = "payments_unavailable", CONFLICT, "No payment provider is configured.";
    PaymentMethodRequired = "payment_method_required", CONFLICT,
        "Save a card first: without one, credit cannot be bought by itself.";
    SellerUnknown = "seller_unknown", CONFLICT,
        "Nothing can be bought until the operator has said who sells: legal name and country.";
    CreditTransferForbidden = "credit_transfer_not_allowed", CONFLICT,
        "The plan does not allow credit to be sent to another organization.";
    RefundTooLate = "refund_too_late", CONFLICT,
        "The time for asking for this money back is over: write to the operator.";
    PriceChanged = "price_changed", CONFLICT, "It costs something else now: look at it again.";
    PaymentDeclined = "payment_declined", PAYMENT_REQUIRED, "The card was declined, and nothing was charged.";
    PaymentProvider = "payment_provider", BAD_GATEWAY,
        "The payment provider did not take the payment, and nothing was charged.";
    NotTestMode = "not_test_mode", CONFLICT, "This works only in test mode.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "Send the body as application/json.";
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "A field is not valid.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests: wait a moment.";
    Internal = "internal", INTERNAL_SERVER_ERROR,
        "Something went wrong here, and nothing was changed. The request id finds it in the log.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE,
        "The server is busy, and nothing was changed. Try again in a moment.";
}

/// One field that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field, as a path from the body's root (`prices[2].increment`), or the query parameter.
    pub param: String,
    /// What is wrong, in one stable word.
    pub code: Cow<'static, str>,
    /// What is wrong, for people.
    pub message: String,
}

impl FieldError {
    /// A field error.
    pub fn new(
        param: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { param: param.into(), code: code.into(), message: message.into() }
    }
}

/// An error as it will be answered.
#[derive(Clone)]
pub struct ApiError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Option<String>,
    param: Option<String>,
    details: Option<Box<RawValue>>,
    retry_after_s: Option<u64>,
    internal: Option<String>,
    fields: Vec<FieldError>,
}

/// The envelope's content, for whoever renders it.
#[derive(Serialize)]
pub struct ErrorBody<'a> {
    /// Stable code.
    pub code: &'static str,
    /// For people.
    pub message: &'a str,
    /// The field that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<&'a str>,
    /// Finds the request in the log.
    pub request_id: &'a str,
    /// More, depending on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorBody<'a>,
}

impl ApiError {
    /// An error with its code's own message.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            message: None,
            param: None,
            details: None,
            retry_after_s: None,
            internal: None,
            fields: Vec::new(),
        }))
    }

    /// One field is wrong.
    pub fn field(
        param: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::fields(vec![FieldError::new(param, code, message)])
    }

    /// All the fields that are wrong; the first gives the message.
    #[must_use]
    pub fn fields(errors: Vec<FieldError>) -> Self {
        #[derive(Serialize)]
        struct Details<'a> {
            errors: &'a [FieldError],
        }
        let mut error = Self::new(Code::ValidationFailed).details(&Details { errors: &errors });
        if let Some(first) = errors.first() {
            error.0.message = Some(format!("{} {}", first.param, first.message));
            error.0.param = Some(first.param.clone());
        }
        error.0.fields = errors;
        error
    }

    /// Something that must not happen. The text goes to the log alone.
    pub fn internal(text: impl fmt::Display) -> Self {
        let mut error = Self::new(Code::Internal);
        error.0.internal = Some(text.to_string());
        error
    }

    /// The same error with a more particular message.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// The same error, naming the field.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// The same error with details.
    #[must_use]
    pub fn details(mut self, details: &impl Serialize) -> Self {
        self.0.details = serde_json::value::to_raw_value(details).ok();
        self
    }

    /// The same error with a `Retry-After` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// When to come back, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    /// The fields that are wrong; none unless that is what the error says.
    #[must_use]
    pub fn wrong_fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// The field that is meant.
    #[must_use]
    pub fn param_name(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// What only the log may know.
    #[must_use]
    pub fn internal_text(&self) -> Option<&str> {
        self.0.internal.as_deref()
    }

    /// What is shown, under a request id.
    #[must_use]
    pub fn body<'a>(&'a self, request_id: &'a str) -> ErrorBody<'a> {
        ErrorBody {
            code: self.0.code.text(),
            message: self.0.message.as_deref().unwrap_or(self.0.code.message()),
            param: self.0.param.as_deref(),
            request_id,
            details: self.0.details.as_deref(),
        }
    }

    /// The envelope as JSON.
    #[must_use]
    pub fn json(&self, request_id: &str) -> Vec<u8> {
        serde_json::to_vec(&Envelope { error: self.body(request_id) }).unwrap_or_default()
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body("");
        write!(f, "{}: {}", body.code, body.message)?;
        match self.internal_text() {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    /// Only the status: the route that answers adds the envelope, for it knows the request id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        let mut api = if error.is_temporary() {
            Self::new(Code::Unavailable).retry_after(1)
        } else {
            Self::new(Code::Internal)
        };
        api.0.internal = Some(error.to_string());
        api
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_spelled_alike() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.text()), "{} twice", code.text());
            assert!(code.text().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", code.text());
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(code.message().ends_with('.'), "{}", code.message());
        }
    }

    #[test]
    fn the_log_alone_hears_what_the_database_said() {
        let error = ApiError::from(DbError::bad_row("grants", 7, "secret detail"));
        let json = String::from_utf8(error.json("req")).expect("text");
        assert!(!json.contains("secret detail"), "{json}");
        assert!(error.internal_text().is_some_and(|text| text.contains("secret detail")));
        assert_eq!(error.code(), Code::Internal);
        let busy = ApiError::from(DbError::Busy);
        assert_eq!((busy.code(), busy.retry_after_s()), (Code::Unavailable, Some(1)));
    }

    #[test]
    fn the_first_field_is_named_and_all_are_listed() {
        let error = ApiError::fields(vec![
            FieldError::new("name", "required", "is required"),
            FieldError::new("currency", "invalid", "is not a currency"),
        ]);
        let json = String::from_utf8(error.json("req-1")).expect("text");
        assert_eq!(
            json,
            concat!(
                r#"{"error":{"code":"validation_failed","message":"name is required","param":"name","#,
                r#""request_id":"req-1","details":{"errors":["#,
                r#"{"param":"name","code":"required","message":"is required"},"#,
                r#"{"param":"currency","code":"invalid","message":"is not a currency"}]}}}"#
            )
        );
    }
}
