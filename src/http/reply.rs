//! Answers in JSON.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

use super::error::ApiError;

/// An answer with a JSON body.
#[derive(Debug)]
pub struct Reply<T>(pub StatusCode, pub T);

/// What a handler of the API returns.
pub type Answer<T> = Result<Reply<T>, ApiError>;

impl<T> Reply<T> {
    /// 200.
    pub const fn ok(body: T) -> Self {
        Self(StatusCode::OK, body)
    }

    /// 201.
    pub const fn created(body: T) -> Self {
        Self(StatusCode::CREATED, body)
    }

    /// Another status.
    pub const fn with(status: StatusCode, body: T) -> Self {
        Self(status, body)
    }
}

impl<T: Serialize> Responder for Reply<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match serde_json::to_vec(&self.1) {
            Ok(json) => HttpResponse::build(self.0).content_type("application/json").body(json),
            Err(error) => HttpResponse::from_error(ApiError::internal(error)),
        }
    }
}

/// 204: done, and nothing to say.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}
