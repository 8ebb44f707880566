//! The page on which the sandbox takes its test cards. Whoever knows a checkout's id may pay for it, as elsewhere.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Tone};
use super::entry::{visitor, with_visitor};
use super::topup::declined;
use super::views::SandboxPage;
use super::{format, forms};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::payments::gateway::Status;
use crate::payments::gateway::sandbox::{self, Card, PayError, Session, Standing};

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/sandbox/checkout/{id}", Access::OPEN, page);
    table.page(Method::POST, "/sandbox/checkout/{id}", Access::OPEN, pay);
}

impl From<PayError> for ApiError {
    fn from(error: PayError) -> Self {
        match error {
            PayError::NotFound => Self::new(Code::NotFound),
            PayError::Over => Self::new(Code::Conflict).message("It can no longer be paid."),
            PayError::Db(error) => error.into(),
        }
    }
}

async fn page(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(reference): PathId<String>,
) -> Result<HttpResponse, ApiError> {
    show(&state, &req, &admitted, &reference, FormState::default(), StatusCode::OK)
}

fn show(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    reference: &str,
    form: FormState,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let (csrf, cookie) = visitor(state, req, admitted);
    let (chrome, session, now) = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let session = sandbox::session(tx, reference)?;
        Ok((chrome::outside(state, admitted, tx, csrf)?, session, tx.now()))
    })?;
    let stands = session.status(now);
    let page = SandboxPage {
        chrome,
        price: format::money(session.order.amount),
        notice: notice(stands),
        open: matches!(stands, Status::Open(_)),
        confirming: session.standing == Standing::Confirming && matches!(stands, Status::Open(_)),
        cards: Card::ALL.into_iter().map(|(number, _, what)| (number, what)).collect(),
        form,
        back: match stands {
            Status::Paid | Status::Processing => session.order.return_url,
            Status::Open(_) | Status::Ended => session.order.cancel_url,
        },
        description: session.order.description,
        reference: session.checkout.reference,
    };
    with_visitor(state, html(status, &page)?, cookie)
}

fn notice(stands: Status) -> Option<Notice> {
    let (tone, text) = match stands {
        Status::Open(None) => return None,
        Status::Open(Some(decline)) => (Tone::Bad, declined(decline)),
        Status::Processing => (Tone::Warn, "The bank is at it."),
        Status::Paid => (Tone::Good, "Paid."),
        Status::Ended => (Tone::Bad, "It was not paid in time, and can no longer be."),
    };
    Some(Notice { tone, text: text.into(), link: None })
}

async fn pay(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(reference): PathId<String>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(&form, &["card"]);
    let done = match form.text("confirm") {
        "" => {
            let Some(card) = Card::of(typed.value("card")) else {
                typed.errors.insert("card".into(), "is not one of the test cards".into());
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                return show(&state, &req, &admitted, &reference, typed, status);
            };
            let of = reference.clone();
            state.db.write(move |tx| sandbox::pay(tx, &of, card)).await
        }
        answer => {
            let (of, yes) = (reference.clone(), answer == "yes");
            state.db.write(move |tx| sandbox::confirm(tx, &of, yes)).await
        }
    };
    let session: Session = done?;
    if matches!(session.standing, Standing::Paid | Standing::Processing) {
        return Ok(redirect(&session.order.return_url));
    }
    // asks the bank's question, or says why the card was declined
    Ok(redirect(&format!("/sandbox/checkout/{reference}")))
}
