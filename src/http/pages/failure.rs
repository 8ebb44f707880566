//! The page of a request that failed.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};

use super::chrome::{self, redirect};
use super::components::Problem;
use super::entry::ORGANIZATIONS;
use super::views::FailurePage;
use crate::http::State;
use crate::http::error::{ApiError, Code};
use crate::http::failure::{plain_page, sign_in_first};
use crate::http::request_id::RequestId;

/// What went wrong, for a person. It reads nothing, so that it can be shown when nothing can be read.
#[must_use]
pub fn page(req: &HttpRequest, request_id: RequestId, error: &ApiError) -> HttpResponse {
    if let Some(response) = sign_in_first(req, error) {
        return response;
    }
    // an operator who looks at no organization in particular
    if error.code() == Code::OrganizationRequired && *req.method() == Method::GET {
        return redirect(ORGANIZATIONS);
    }
    let Some(state) = State::of(req) else { return plain_page(req, request_id, error) };
    let status = error.code().status();
    let id = request_id.to_string();
    let (title, next) = match error.code() {
        Code::CrossSite => (
            "This form has expired",
            "Go back, load the page again and send it once more. Sign in again if that does not help.",
        ),
        _ => words(status.as_u16()),
    };
    let page = FailurePage {
        chrome: chrome::bare(state, id.clone()),
        status: status.as_u16(),
        title: title.to_owned(),
        problem: Problem {
            what: error.body(&id).message.to_owned(),
            moved: "No credit was moved.".into(),
            next: next.to_owned(),
            request_id: id,
        },
        action: Some(("/".into(), "To the start page".into())),
    };
    chrome::html(status, &page).unwrap_or_else(|_| plain_page(req, request_id, error))
}

/// A title, and what to do next.
const fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        403 => ("Not allowed", "Ask somebody who may, or sign in as somebody else."),
        404 => ("Page not found", "Check the address, or begin at the start page."),
        405 => ("Not like this", "Go back and use the page's own form."),
        409 => ("Something changed meanwhile", "Go back, load the page again and look before you try again."),
        413 => ("Too much at once", "Send less."),
        429 => ("Too many requests", "Wait a moment and try again."),
        503 => ("Too busy for a moment", "Wait a few seconds and send it again."),
        500..=599 => ("Something went wrong here", "Try again; if it stays, give the request id to support."),
        _ => ("That did not work", "Go back, check what you sent and try again."),
    }
}
