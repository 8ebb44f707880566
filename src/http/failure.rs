//! Errors on pages.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};

use super::error::ApiError;
use super::request_id::RequestId;

/// Where people sign in.
pub const SIGN_IN: &str = "/sign-in";

/// Sends somebody who is not signed in to sign in, and comes back to the page they wanted. None when that would not
/// help.
#[must_use]
pub fn sign_in_first(req: &HttpRequest, error: &ApiError) -> Option<HttpResponse> {
    let is_visit = *req.method() == Method::GET;
    if error.code().status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let wanted = req.uri().path_and_query().map_or("/", |uri| uri.as_str());
    let location = if is_visit && wanted != "/" {
        let next = serde_urlencoded::to_string([("next", wanted)]).unwrap_or_default();
        format!("{SIGN_IN}?{next}")
    } else {
        SIGN_IN.to_owned()
    };
    Some(HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish())
}

/// The plainest page that says what went wrong.
#[must_use]
pub fn plain_page(req: &HttpRequest, request_id: RequestId, error: &ApiError) -> HttpResponse {
    if let Some(response) = sign_in_first(req, error) {
        return response;
    }
    let id = request_id.to_string();
    let body = error.body(&id);
    HttpResponse::build(error.code().status())
        .content_type("text/plain; charset=utf-8")
        .body(format!("{}\n\nRequest id: {id}\n", body.message))
}
