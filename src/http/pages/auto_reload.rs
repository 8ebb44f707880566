//! Auto-reload: the switch, what it does, how it stands, and what it did.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Notice, Tone};
use super::format::{self, Show};
use super::forms;
use super::topup::{declined, row};
use super::views::cards::AutoReloadPage;
use super::views::{Crumb, Section};
use crate::base::{Currency, Money};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::payments::cards::{self, Method as Card, Validity};
use crate::payments::reload::rules::{Problem, Standing};
use crate::payments::reload::{self, AutoReload, Change, Settings};
use crate::payments::{self, Terms};
use crate::wallet;

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);
const FIELDS: [&str; 5] = ["enabled", "threshold_credits", "amount", "monthly_cap", "payment_method_id"];
/// Reloads shown.
const LATEST: u32 = 10;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/auto-reload", READ, page);
    table.page(Method::POST, "/auto-reload", WRITE, save);
}

/// Whether it was just saved.
struct Saved(bool);

impl FromParams for Saved {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.text("done").as_deref() == Some("saved")))
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Saved(saved)): Query<Saved>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state.db.read_blocking(|tx| read(tx, &state, &admitted, None))?;
    page.chrome.notice =
        saved.then(|| Notice { tone: Tone::Good, text: "Auto-reload has been saved.".into(), link: None });
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: Option<FormState>,
) -> Result<AutoReloadPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Auto-reload")];
    let chrome = chrome::chrome(state, admitted, tx, Section::AutoReload, crumbs)?;
    let currency = chrome.show.face.currency;
    let terms = &state.desk.terms;
    let cards = cards::list(tx, organization)?;
    let found = reload::get(tx, organization)?;
    let may = admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok();
    let charged = found.and_then(|reload| cards.iter().find(|card| card.id == reload.settings.card));
    let ends_soon = charged.filter(|card| card.validity(tx.now()) != Validity::Good);
    Ok(AutoReloadPage {
        notice: if !state.desk.is_open() {
            say(Tone::Neutral, "No payment provider is configured, so nothing can be bought.".into(), None)
        } else if cards.is_empty() {
            no_card(found.map(|reload| reload.standing))
        } else {
            let recovered = wallet::watched(tx, organization)?.is_some_and(|watch| watch.armed);
            notice(found, recovered, ends_soon, &chrome.show)
        },
        may_edit: may && state.desk.is_open() && !cards.is_empty(),
        spent: format::money(reload::spent_this_month(tx, organization, tx.now())?),
        range: format!("{} to {}", format::money(terms.least(currency)), format::money(terms.most(currency))),
        form: form.unwrap_or_else(|| as_set(found, &cards, terms, currency)),
        cards: cards.iter().map(|card| (card.id.to_string(), card.label())).collect(),
        currency: currency.code(),
        past: reload::past(tx, organization, LATEST)?.iter().map(row).collect(),
        chrome,
    })
}

fn say(tone: Tone, text: String, link: Option<(&str, &str)>) -> Notice {
    Notice { tone, text, link: link.map(|(to, label)| (to.to_owned(), label.to_owned())) }
}

fn no_card(standing: Option<Standing>) -> Notice {
    let text = match standing.and_then(|standing| standing.problem) {
        Some((Problem::CardRemoved, _)) => "Off: the card that was charged is removed.",
        _ => "Off. It needs a saved card.",
    };
    say(Tone::Neutral, text.into(), Some(("/payment-methods", "Add a card")))
}

/// How it stands, whether money moved, and what to do next.
fn notice(found: Option<AutoReload>, recovered: bool, ends_soon: Option<&Card>, show: &Show) -> Notice {
    let standing = found.map(|reload| reload.standing).unwrap_or_default();
    let top_up = Some(("/topup", "Top up by hand"));
    let why = |problem| match problem {
        Problem::Declined(decline) => declined(decline).to_owned(),
        Problem::Refused => "The payment provider refused it, and you were not charged.".to_owned(),
        Problem::MonthlyCap => "The month's cap is reached.".to_owned(),
        Problem::CardRemoved => "The card that was charged is removed.".to_owned(),
        Problem::Price => "What was to be bought has no price any more.".to_owned(),
        Problem::Unanswered => {
            "The payment provider did not say in time whether the card was charged: we are looking into it."
                .to_owned()
        }
        Problem::TooSmall => {
            "What was bought did not lift the balance above the threshold: buy more each time, or lower it."
                .to_owned()
        }
    };
    // one that was too small is none once the balance is up there
    let problem = standing.problem.map(|(problem, _)| problem);
    let problem = problem.filter(|problem| !(recovered && *problem == Problem::TooSmall));
    let next = standing.retry.map(|retry| show.when(retry.at).to_string());
    match (standing.enabled, standing.in_flight, problem, next) {
        (false, _, None, _) => say(Tone::Neutral, "Off.".into(), None),
        (false, _, Some(problem @ Problem::Declined(_)), _) => {
            let text = format!("Switched off after three declines in a row. {}", why(problem));
            say(Tone::Bad, text, Some(("/payment-methods", "Save another card")))
        }
        (false, _, Some(problem), _) => say(Tone::Bad, format!("Switched off. {}", why(problem)), None),
        (true, Some(_), ..) => say(Tone::Warn, "On: the card is being charged.".into(), None),
        (true, None, Some(problem), Some(next)) => {
            say(Tone::Warn, format!("{} It is tried again {next}.", why(problem)), top_up)
        }
        (true, None, Some(problem), None) if recovered => {
            let text = format!("On. The last charge failed: {}", why(problem));
            say(Tone::Warn, text, Some(("/payment-methods", "Save another card")))
        }
        (true, None, Some(problem), None) => {
            let text = format!("{} It is not tried again until the balance has recovered.", why(problem));
            say(Tone::Bad, text, top_up)
        }
        (true, None, None, _) => match ends_soon {
            Some(card) => {
                let text = format!("On, but {} is valid to {} only.", card.label(), card.ends());
                say(Tone::Warn, text, Some(("/payment-methods", "Save another card")))
            }
            None => say(Tone::Good, "On.".into(), None),
        },
    }
}

/// The form filled with what is set.
fn as_set(found: Option<AutoReload>, cards: &[Card], terms: &Terms, currency: Currency) -> FormState {
    let mut form = FormState::default();
    let mut put = |name: &str, value: String| form.values.insert(name.to_owned(), value);
    if let Some(AutoReload { settings, standing }) = found {
        let Settings { threshold, credits, cap_minor, card } = settings;
        put("enabled", if standing.enabled { "on".into() } else { String::new() });
        put("threshold_credits", threshold.to_string());
        let price = terms.for_credits(credits, currency).map(|purchase| purchase.price.amount());
        put("amount", price.unwrap_or_default());
        put("monthly_cap", cap_minor.map(|minor| Money { minor, currency }.amount()).unwrap_or_default());
        put("payment_method_id", card.to_string());
    } else if let Some(card) = cards.first() {
        put("payment_method_id", card.id.to_string());
    }
    form
}

async fn save(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(&form, &FIELDS);
    match try_save(&state, &admitted, &mut typed).await {
        Ok(()) => Ok(redirect("/auto-reload?done=saved")),
        Err(error) => {
            let status = forms::explain(&mut typed, &FIELDS, error, &admitted.request_id.to_string())?;
            let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, Some(typed)))?;
            html(status, &page)
        }
    }
}

async fn try_save(state: &State, admitted: &Admitted, typed: &mut FormState) -> Result<(), ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let currency = state.db.read_blocking(|tx| organizations::get(tx, organization))?.currency;
    let enabled = typed.value("enabled") == "on";
    let terms = state.desk.terms;
    let cap = typed.value("monthly_cap").to_owned();
    let change = if enabled {
        let threshold = forms::read(typed, "threshold_credits");
        let card = forms::read(typed, "payment_method_id");
        let credits = terms.for_amount(typed.value("amount"), currency);
        let cap = if cap.is_empty() { Ok(None) } else { Money::parse(&cap, currency).map(Some) };
        if let Err(error) = &credits {
            typed.errors.insert("amount".into(), error.message.to_string());
        }
        if let Err(error) = &cap {
            typed.errors.insert("monthly_cap".into(), error.to_string());
        }
        let (true, Ok(credits), Ok(cap)) = (typed.errors.is_empty(), credits, cap) else {
            return Err(wrong(typed));
        };
        Change { enabled, threshold, credits: Some(credits.credits), cap: Some(cap), card }
    } else {
        // switching off needs nothing else
        Change::default()
    };
    let seller = state.desk.seller.clone();
    let set = state.db.write(move |tx| reload::set(tx, &by, (&terms, &seller), organization, &change)).await;
    set.map_err(|error| match error {
        payments::Error::Invalid(errors) => {
            let renamed = errors.into_iter().map(|mut error| {
                if error.field == "amount_credits" {
                    error.field = "amount".into();
                }
                error
            });
            renamed.collect::<Vec<_>>().into()
        }
        error => error.into(),
    })
    .map(|_| ())
}

/// What was noted beside the fields, as an error.
fn wrong(typed: &FormState) -> ApiError {
    let errors = typed
        .errors
        .iter()
        .map(|(name, text)| crate::http::error::FieldError::new(name.clone(), "invalid_value", text.clone()));
    ApiError::fields(errors.collect())
}
