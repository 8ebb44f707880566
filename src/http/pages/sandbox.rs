//! The pages on which the sandbox takes its test cards, for paying and to be saved. Whoever knows a checkout's id may pay for
//! it, as elsewhere.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Tone};
use super::entry::{visitor, with_visitor};
use super::topup::declined;
use super::views::SandboxPage;
use super::{format, forms};
use crate::base::Timestamp;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::headers::page_policy;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::payments::gateway::Status;
use crate::payments::gateway::sandbox::{self, Card, PayError, Saved, Session, SetupSession, Standing};

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/sandbox/checkout/{id}", Access::OPEN, checkout);
    table.page(Method::POST, "/sandbox/checkout/{id}", Access::OPEN, pay);
    table.page(Method::GET, "/sandbox/setup/{id}", Access::OPEN, setup);
    table.page(Method::POST, "/sandbox/setup/{id}", Access::OPEN, give);
}

impl From<PayError> for ApiError {
    fn from(error: PayError) -> Self {
        match error {
            PayError::NotFound => Self::new(Code::NotFound),
            PayError::Over => Self::new(Code::Conflict).message("A card can no longer be given here."),
            PayError::Db(error) => error.into(),
        }
    }
}

/// What a page is about.
enum Asks {
    Payment(Session),
    Card(SetupSession),
}

impl Asks {
    fn status(&self, now: Timestamp) -> Status {
        match self {
            Self::Payment(session) => session.status(now),
            Self::Card(session) => session.status(now),
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Payment(session) => format!("/sandbox/checkout/{}", session.checkout.reference),
            Self::Card(session) => format!("/sandbox/setup/{}", session.checkout.reference),
        }
    }

    /// Where the customer goes on, done and not done.
    fn ways(&self) -> (&str, &str) {
        match self {
            Self::Payment(session) => (&session.order.return_url, &session.order.cancel_url),
            Self::Card(session) => (&session.return_url, &session.cancel_url),
        }
    }

    fn notice(&self, stands: Status) -> Option<Notice> {
        let (tone, text) = match (self, stands) {
            (_, Status::Open(None)) => return None,
            (_, Status::Open(Some(decline))) => (Tone::Bad, declined(decline)),
            (_, Status::Processing) => (Tone::Warn, "The bank is at it."),
            (Self::Payment(_), Status::Paid) => (Tone::Good, "Paid."),
            (Self::Card(_), Status::Paid) => (Tone::Good, "The card is saved."),
            (Self::Payment(_), Status::Ended) => {
                (Tone::Bad, "It was not paid in time, and can no longer be.")
            }
            (Self::Card(_), Status::Ended) => (Tone::Bad, "It is too late to give a card here."),
        };
        Some(Notice { tone, text: text.into(), link: None })
    }
}

/// A page, filled in.
fn page(asks: &Asks, now: Timestamp, chrome: super::views::Chrome, form: FormState) -> SandboxPage {
    let stands = asks.status(now);
    let open = matches!(stands, Status::Open(_));
    let (done, left) = asks.ways();
    let (title, heading, lead, cards) = match asks {
        Asks::Payment(session) => (
            "Sandbox checkout",
            format!("Pay {}", format::money(session.order.amount)),
            format!("{}. This is the sandbox: no real card is charged.", session.order.description),
            Card::ALL.map(|(number, _, what)| (number, what)).to_vec(),
        ),
        Asks::Card(_) => (
            "Sandbox card",
            "Save a card".to_owned(),
            "This is the sandbox: no real card is kept, and none is charged.".to_owned(),
            Saved::ALL.map(|(number, _, what)| (number, what)).to_vec(),
        ),
    };
    SandboxPage {
        chrome,
        title,
        submit: if matches!(asks, Asks::Card(_)) { "Save card".into() } else { heading.clone() },
        heading,
        lead,
        action: asks.path(),
        notice: asks.notice(stands),
        open,
        confirming: open
            && matches!(asks, Asks::Payment(session) if session.standing == Standing::Confirming),
        cards,
        form,
        back: if matches!(stands, Status::Paid | Status::Processing) { done } else { left }.to_owned(),
    }
}

/// Shows a page. Its forms lead on to where the customer came from, which may be the platform.
fn show(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    asks: Result<Asks, PayError>,
    form: FormState,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let asks = asks?;
    let (csrf, cookie) = visitor(state, req, admitted);
    let (chrome, now) = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        Ok((chrome::outside(state, admitted, tx, csrf)?, tx.now()))
    })?;
    let mut answer = html(status, &page(&asks, now, chrome, form))?;
    let (done, left) = asks.ways();
    let mut targets: Vec<&str> = [origin(done), origin(left)].into_iter().flatten().collect();
    targets.dedup();
    targets.extend(state.settings.return_hosts.iter().map(String::as_str));
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, page_policy(targets));
    with_visitor(state, answer, cookie)
}

/// Scheme and host of an address.
fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + "://".len();
    let end = url.get(host..)?.find(['/', '?', '#']).map_or(url.len(), |length| host + length);
    url.get(..end)
}

fn payment(state: &State, reference: &str) -> Result<Asks, PayError> {
    state.db.read_blocking(|tx| sandbox::session(tx, reference)).map(Asks::Payment)
}

fn card(state: &State, reference: &str) -> Result<Asks, PayError> {
    state.db.read_blocking(|tx| sandbox::setup_session(tx, reference)).map(Asks::Card)
}

async fn checkout(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(reference): PathId<String>,
) -> Result<HttpResponse, ApiError> {
    show(&state, &req, &admitted, payment(&state, &reference), FormState::default(), StatusCode::OK)
}

async fn setup(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(reference): PathId<String>,
) -> Result<HttpResponse, ApiError> {
    show(&state, &req, &admitted, card(&state, &reference), FormState::default(), StatusCode::OK)
}

/// What was typed is no test card.
fn unknown_card(form: &Form) -> FormState {
    let mut typed = forms::typed(form, &["card"]);
    typed.errors.insert("card".into(), "is not one of the test cards".into());
    typed
}

async fn pay(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(reference): PathId<String>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let done = match form.text("confirm") {
        "" => {
            let Some(card) = Card::of(form.text("card")) else {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let asks = payment(&state, &reference);
                return show(&state, &req, &admitted, asks, unknown_card(&form), status);
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

async fn give(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(reference): PathId<String>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let number = form.text("card").to_owned();
    if Saved::of(&number).is_none() {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return show(&state, &req, &admitted, card(&state, &reference), unknown_card(&form), status);
    }
    let session = state.db.write(move |tx| sandbox::give_card(tx, &reference, &number)).await?;
    Ok(redirect(&session.return_url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_host() {
        for (url, expected) in [
            ("https://shop.example/done?x=/", Some("https://shop.example")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://shop.example?x#y", Some("https://shop.example")),
            ("/topup/pay_1", None),
        ] {
            assert_eq!(origin(url), expected, "{url}");
        }
    }
}
