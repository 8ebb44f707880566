//! Auto-reload: the switch, what it does, how it stands, and what it did.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::runway::{Event, Mark};
use super::components::{Notice, Pager, Runway, Tone};
use super::filter::Filter;
use super::format::{self, Show};
use super::topup::{declined, range, row};
use super::views::cards::AutoReloadPage;
use super::views::{Crumb, Section};
use super::{forms, outlook};
use crate::base::id::OrganizationId;
use crate::base::{Currency, Money, Page};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::payments::cards::{self, Method as Card, Validity};
use crate::payments::reload::rules::{Problem, Standing};
use crate::payments::reload::{self, AutoReload, Change, Settings};
use crate::payments::{self, Payment, Terms};
use crate::wallet;

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);
const FIELDS: [&str; 5] = ["enabled", "threshold_credits", "amount", "monthly_cap", "payment_method_id"];
const PATH: &str = "/auto-reload";
/// Names the list of reloads in cursors.
const LIST: &str = "auto_reload";
/// Reloads on a page.
const ROWS: u32 = 10;
/// Days of balance in sight, today included.
const DAYS: i32 = 30;
/// The most reloads marked on the balance.
const MARKED: u32 = 100;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, READ, page);
    table.page(Method::POST, PATH, WRITE, save);
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut filter = Filter::parse(req.query_string(), &["done", "cursor"]);
    let at = filter.cursor::<1>(LIST).map(|[at]| at);
    let mut page = state.db.read_blocking(|tx| read(tx, &state, &admitted, None, at))?;
    page.chrome.notice = match filter.text("done").as_deref() {
        Some("on") => Some(say(Tone::Good, "Auto-reload has been saved.".into(), None)),
        Some("off") => {
            let text = "Auto-reload is switched off: the card is charged by you alone.";
            Some(say(Tone::Neutral, text.into(), None))
        }
        _ => None,
    };
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: Option<FormState>,
    at: Option<i64>,
) -> Result<AutoReloadPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Auto-reload")];
    let chrome = chrome::chrome(state, admitted, tx, Section::AutoReload, crumbs)?;
    let currency = chrome.show.face.currency;
    let terms = &state.desk.terms;
    let cards = cards::list(tx, organization)?;
    let found = reload::get(tx, organization)?;
    let past = reload::past(tx, organization, at, ROWS.saturating_add(1))?;
    let past = Page::cut(past, ROWS, |payment| payment.id.number());
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
        range: range(terms, currency),
        form: form.unwrap_or_else(|| as_set(found, &cards, terms, currency)),
        cards: cards.iter().map(|card| (card.id.to_string(), card.label())).collect(),
        currency: currency.code(),
        past: past.items.iter().map(row).collect(),
        pager: Pager {
            first: at.map(|_| PATH.to_owned()),
            next: past.next.map(|next| Filter::default().next(PATH, LIST, &[next])),
            position: String::new(),
        },
        balance: balance(tx, organization, found.as_ref(), &chrome.show)?,
        chrome,
    })
}

/// The balance of the last days, with the reloads on it, and the level below which there is one.
fn balance(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    found: Option<&AutoReload>,
    show: &Show,
) -> Result<Option<Runway>, ApiError> {
    let today = show.zone.day_of(tx.now());
    let first = today.plus_days(1 - DAYS);
    let past = reload::past(tx, organization, None, MARKED)?;
    let events: Vec<Event> = past.iter().filter_map(|payment| marked(payment, show)).collect();
    let events: Vec<Event> = events.into_iter().filter(|event| event.day >= first).collect();
    let marks = threshold(found);
    if events.is_empty() && marks.is_empty() {
        return Ok(None);
    }
    let summary = wallet::summary(tx, organization, tx.now())?;
    let available = outlook::spendable(&summary);
    let lasts_ms = outlook::pace(tx, &organizations::get(tx, organization)?)?.lasts_ms(available);
    let chart = outlook::runway_chart(tx, organization, show, (today, DAYS), available, lasts_ms)?;
    Ok(Some(Runway { title: "Balance and reloads".into(), events, marks, ..chart }))
}

/// A reload that brought credit, on its day.
fn marked(payment: &Payment, show: &Show) -> Option<Event> {
    let payments::State::Settled(settled) = &payment.state else { return None };
    let label = format!("{} credits by auto-reload", format::credits(payment.purchase.credits));
    Some(Event { day: show.zone.day_of(settled.at), label })
}

/// The level below which credit is bought, where it is.
pub(super) fn threshold(found: Option<&AutoReload>) -> Vec<Mark> {
    let on = found.filter(|reload| reload.standing.enabled);
    on.map(|reload| Mark { label: "Auto-reload below".into(), balance: reload.settings.threshold })
        .into_iter()
        .collect()
}

fn say(tone: Tone, text: String, link: Option<(&str, &str)>) -> Notice {
    Notice { tone, text, link: link.map(|(to, label)| (to.to_owned(), label.to_owned())) }
}

/// What keeps it from buying credit, for the first page: how long the credit lasts, whether money moved, and what to do.
pub(super) fn trouble(standing: &Standing, left: &str, show: &Show) -> Option<Notice> {
    let (problem, _) = standing.problem?;
    let next = standing.retry.map(|retry| show.when(retry.at).text());
    let card = Some(("/payment-methods", "Save another card"));
    let (text, link) = match (problem, standing.enabled, next) {
        // that was done by hand
        (Problem::CardRemoved, ..) => return None,
        (Problem::Declined(_), false, _) => {
            (format!("Card declined, {left}. You were not charged, and auto-reload is switched off."), card)
        }
        (Problem::Declined(_), true, Some(next)) => {
            (format!("Card declined, {left}. You were not charged; it is tried again {next}."), card)
        }
        (Problem::Declined(_), true, None) => (
            format!("Card declined, {left}. You were not charged, and it is not tried again by itself."),
            Some(("/topup", "Top up by hand")),
        ),
        (Problem::MonthlyCap, ..) => {
            (format!("Auto-reload has reached the month's cap, {left}."), Some(("/topup", "Top up by hand")))
        }
        (Problem::Unanswered, ..) => (
            format!("It is not known whether your card was charged, {left}. It is being looked at."),
            Some(("/topup", "Top up by hand")),
        ),
        (Problem::TooSmall, ..) => (
            format!("What auto-reload bought did not lift the balance above its threshold, {left}."),
            Some(("/auto-reload", "Change it")),
        ),
        (Problem::Refused | Problem::Price, ..) => (
            format!("Auto-reload could not buy credit, {left}. You were not charged."),
            Some(("/auto-reload", "See why")),
        ),
    };
    Some(say(Tone::Bad, text, link))
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
    let next = standing.retry.map(|retry| show.when(retry.at).text());
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
        Ok(enabled) => Ok(redirect(if enabled { "/auto-reload?done=on" } else { "/auto-reload?done=off" })),
        Err(error) => {
            let status = forms::explain(&mut typed, &FIELDS, error, &admitted.request_id.to_string())?;
            let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, Some(typed), None))?;
            html(status, &page)
        }
    }
}

/// Answers whether it is switched on.
async fn try_save(state: &State, admitted: &Admitted, typed: &mut FormState) -> Result<bool, ApiError> {
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
    .map(|_| enabled)
}

/// What was noted beside the fields, as an error.
fn wrong(typed: &FormState) -> ApiError {
    let errors = typed
        .errors
        .iter()
        .map(|(name, text)| crate::http::error::FieldError::new(name.clone(), "invalid_value", text.clone()));
    ApiError::fields(errors.collect())
}
