//! The plan: what it includes, what it costs, and changing it.
//!
//! What a form does was said on its page, in one line that comes back with it (`agreed`): in the transaction that acts, the line is
//! made again, and where it differs, nothing is done and the page is shown as it is now.

mod look;
mod steps;
mod words;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Tone};
use super::forms;
use super::views::PlanStepPage;
use crate::base::id::{OrganizationId, PaymentId};
use crate::catalog;
use crate::db::WriteTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::audit::By;
use crate::identity::{Scope, organizations};
use crate::payments::gateway::Checkout;
use crate::payments::{self, Payment, State as Standing};
use crate::subscriptions::{self, Shop, Wish};
use steps::{Asked, Leaving, agreed, default_card, plan_of};

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);
const PATH: &str = "/plan";

/// Adds the routes.
pub(super) fn register(table: &mut Table) {
    table.page(Method::GET, PATH, READ, page);
    table.page(Method::POST, PATH, WRITE, change);
    table.page(Method::GET, "/plan/review", READ, review);
    table.page(Method::GET, "/plan/cancel", READ, ask_cancel);
    table.page(Method::POST, "/plan/cancel", WRITE, cancel);
    table.page(Method::GET, "/plan/pause", READ, ask_pause);
    table.page(Method::POST, "/plan/pause", WRITE, pause);
    table.page(Method::POST, "/plan/resume", WRITE, resume);
    table.page(Method::POST, "/plan/retry", WRITE, retry);
}

/// What was just done.
struct Done(Option<(Tone, &'static str)>);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(match params.text("done").as_deref() {
            Some("paid") => Some((Tone::Good, "Paid, and done.")),
            Some("changed") => Some((Tone::Good, "The plan is changed as you wished.")),
            Some("kept") => Some((Tone::Good, "Everything goes on as it was.")),
            Some("canceled") => Some((Tone::Good, "The plan is canceled.")),
            Some("paused") => Some((Tone::Good, "The plan will pause.")),
            Some("other") => Some((
                Tone::Warn,
                "Something has changed since you looked, and nothing was done. This is how it is now.",
            )),
            _ => None,
        }))
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Done(done)): Query<Done>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state.db.read_blocking(|tx| look::page(tx, &state, &admitted, None))?;
    page.chrome.notice = done.map(|(tone, text)| Notice { tone, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

/// The page again, with why something was not done.
fn refused(state: &State, admitted: &Admitted, error: ApiError) -> Result<HttpResponse, ApiError> {
    let about_the_plan = error.wrong_fields().first().map(|wrong| format!("The plan {}.", wrong.message));
    let mut form = FormState::default();
    let status = forms::explain(&mut form, &[], error, &admitted.request_id.to_string())?;
    let problem = form.problem.map(|mut problem| {
        problem.what = about_the_plan.unwrap_or(problem.what);
        problem.next = "This is how it stands now.".into();
        problem
    });
    let page = state.db.read_blocking(|tx| look::page(tx, state, admitted, problem))?;
    html(status, &page)
}

/// Which plan.
struct Which(String);

impl FromParams for Which {
    fn from_params(params: &mut Params) -> Option<Self> {
        params.required::<String>("plan").map(Self)
    }
}

async fn review(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Which(code)): Query<Which>,
) -> Result<HttpResponse, ApiError> {
    match state.db.read_blocking(|tx| steps::review(tx, &state, &admitted, &code)) {
        Ok(page) => html(StatusCode::OK, &page),
        Err(error) => refused(&state, &admitted, error),
    }
}

/// What a step comes to by now, after it was not what its page said.
fn look_again(
    page: Result<PlanStepPage, ApiError>,
    state: &State,
    admitted: &Admitted,
) -> Result<HttpResponse, ApiError> {
    match page {
        Ok(mut page) => {
            let text = "Something has changed since you looked, and nothing was done or charged. This is how it is now.";
            page.chrome.notice = Some(Notice { tone: Tone::Warn, text: text.into(), link: None });
            html(StatusCode::CONFLICT, &page)
        }
        Err(error) => refused(state, admitted, error),
    }
}

/// Does once what a form asks for. Answers the payment that came of it, as it stands.
async fn act<F>(
    state: &State,
    admitted: &Admitted,
    form: &Form,
    path: &str,
    operation: F,
) -> Result<Option<Payment>, ApiError>
where
    F: FnOnce(&WriteTx<'_>, &Shop, &By, OrganizationId) -> Result<Option<PaymentId>, ApiError>
        + Send
        + 'static,
{
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let once = forms::Once::new(Owner::Organization(organization), path, form)?;
    let shop = state.office.shop().clone();
    let done = state.db.write(move |tx| {
        once.act(tx, || {
            let payment = operation(tx, &shop, &by, organization)?;
            Ok(payment.map(|id| id.to_string()).unwrap_or_default())
        })
    });
    let (word, before) = done.await?;
    let payment: Option<PaymentId> = word.parse().ok();
    match payment {
        Some(id) if before => Ok(Some(state.db.read_blocking(|tx| payments::get(tx, id))?)),
        payment => Ok(state.office.pursue(payment).await?),
    }
}

/// Where one goes on: to pay, to see what became of the payment, or to the plan.
fn onward(payment: Option<Payment>, done: &str) -> HttpResponse {
    let Some(payment) = payment else { return redirect(&format!("{PATH}?done={done}")) };
    match payment.state {
        Standing::Settled(_) => redirect("/plan?done=paid"),
        Standing::Pending { checkout: Checkout { url: Some(url), .. }, .. } => redirect(&url),
        Standing::Pending { .. } | Standing::Created | Standing::Failed { .. } => {
            redirect(&format!("/topup/{}", payment.id))
        }
    }
}

async fn change(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let code = form.text("plan").to_owned();
    let currency = state
        .db
        .read_blocking(|tx| organizations::get(tx, admitted.organization()?).map_err(ApiError::from))?
        .currency;
    let said = form.text("agreed").to_owned();
    let wanted = code.clone();
    let done = match state.office.takes(currency) {
        Err(error) => Err(error.into()),
        Ok(()) => {
            act(&state, &admitted, &form, PATH, move |tx, shop, by, organization| {
                let (conn, catalog) = (tx.conn()?, catalog::snapshot(tx)?);
                let plan = plan_of(&catalog, &wanted)?;
                let offer = subscriptions::offer(conn, &catalog, &shop.seller, organization, plan, tx.now())?;
                let card = default_card(conn, organization)?;
                if said != agreed(&offer, card.as_ref()) {
                    return Err(ApiError::new(Code::PriceChanged));
                }
                let wish = Wish {
                    plan,
                    card: card.map(|card| card.id),
                    expected_total: Some(offer.charge_now.total),
                    success_url: None,
                    cancel_url: None,
                };
                Ok(subscriptions::change(tx, shop, by, organization, &wish)?.1)
            })
            .await
        }
    };
    match done {
        Ok(payment) => Ok(onward(payment, "changed")),
        Err(error) if error.code() == Code::PriceChanged => {
            let page = state.db.read_blocking(|tx| steps::review(tx, &state, &admitted, &code));
            look_again(page, &state, &admitted)
        }
        Err(error) => refused(&state, &admitted, error),
    }
}

async fn ask_cancel(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    ask(&state, &admitted, Leaving::Cancel)
}

async fn ask_pause(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    ask(&state, &admitted, Leaving::Pause)
}

fn ask(state: &State, admitted: &Admitted, how: Leaving) -> Result<HttpResponse, ApiError> {
    match state.db.read_blocking(|tx| steps::leave(tx, state, admitted, how))? {
        Some(page) => html(StatusCode::OK, &page),
        None => Ok(redirect(PATH)),
    }
}

/// Whether a subscription is still what the page said, and going on with it would cost the same.
fn as_said(tx: &WriteTx<'_>, shop: &Shop, organization: OrganizationId, said: &str) -> Result<(), ApiError> {
    let (conn, catalog) = (tx.conn()?, catalog::snapshot(tx)?);
    let sub = subscriptions::living(conn, organization)?.ok_or(subscriptions::Error::NotFound)?;
    let asked = Asked::new(conn, &catalog, &shop.seller, sub, tx.now())?;
    if asked.agreed() == said { Ok(()) } else { Err(ApiError::new(Code::PriceChanged)) }
}

async fn cancel(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    leave(&state, &admitted, &form, Leaving::Cancel).await
}

async fn pause(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    leave(&state, &admitted, &form, Leaving::Pause).await
}

async fn leave(
    state: &State,
    admitted: &Admitted,
    form: &Form,
    how: Leaving,
) -> Result<HttpResponse, ApiError> {
    let (path, word) = match how {
        Leaving::Cancel => ("/plan/cancel", "canceled"),
        Leaving::Pause => ("/plan/pause", "paused"),
    };
    let said = form.text("agreed").to_owned();
    let done = act(state, admitted, form, path, move |tx, shop, by, organization| {
        as_said(tx, shop, organization, &said)?;
        match how {
            Leaving::Cancel => subscriptions::cancel(tx, by, organization)?,
            Leaving::Pause => subscriptions::pause(tx, by, organization)?,
        };
        Ok(None)
    });
    match done.await {
        Ok(payment) => Ok(onward(payment, word)),
        Err(error) if error.code() == Code::PriceChanged => {
            match state.db.read_blocking(|tx| steps::leave(tx, state, admitted, how))? {
                Some(page) => look_again(Ok(page), state, admitted),
                None => Ok(redirect("/plan?done=other")),
            }
        }
        Err(error) => refused(state, admitted, error),
    }
}

async fn resume(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let said = form.text("agreed").to_owned();
    let done = act(&state, &admitted, &form, "/plan/resume", move |tx, shop, by, organization| {
        as_said(tx, shop, organization, &said)?;
        Ok(subscriptions::resume(tx, shop, by, organization)?.1)
    });
    went_on(done.await, &state, &admitted)
}

async fn retry(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let said = form.text("agreed").to_owned();
    let done = act(&state, &admitted, &form, "/plan/retry", move |tx, shop, by, organization| {
        as_said(tx, shop, organization, &said)?;
        Ok(subscriptions::retry(tx, shop, by, organization)?.1)
    });
    went_on(done.await, &state, &admitted)
}

fn went_on(
    done: Result<Option<Payment>, ApiError>,
    state: &State,
    admitted: &Admitted,
) -> Result<HttpResponse, ApiError> {
    match done {
        Ok(payment) => Ok(onward(payment, "kept")),
        Err(error) if error.code() == Code::PriceChanged => Ok(redirect("/plan?done=other")),
        Err(error) => refused(state, admitted, error),
    }
}
