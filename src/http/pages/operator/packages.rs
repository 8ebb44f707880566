//! `/operator/packages`: what is for sale at a fixed price, and its editor.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{ADMIN, Answered};
use crate::base::{Credits, FieldError};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::choices;
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::field::{Control, Field, FormState};
use crate::http::pages::components::{Notice, Tone};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::{Chrome, Crumb, FormPage, PackagesPage, Section};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::settings;
use crate::payments::packages::{self, Kept, Read, Wanted};

const PATH: &str = "/operator/packages";
const NEW: &str = "/operator/packages/new";
const ONE: &str = "/operator/packages/{id}";
const SAVED: &str = "/operator/packages?done=saved";
const FIELDS: [&str; 8] =
    ["code", "name", "currency", "price", "credits", "bonus_credits", "position", "active"];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, list);
    // before the packages, whose codes are in the same place
    table.page(Method::GET, NEW, ADMIN, ask);
    table.page(Method::POST, NEW, ADMIN, create);
    table.page(Method::GET, ONE, ADMIN, edit);
    table.page(Method::POST, ONE, ADMIN, change);
}

/// Whether something was just saved.
struct Done(bool);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.text("done").is_some()))
    }
}

async fn list(state: web::Data<State>, admitted: Admitted, Query(Done(done)): Query<Done>) -> Answered {
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::here("Operator"), Crumb::here("Packages")];
        let mut chrome = chrome(&state, &admitted, tx, Section::Prices, crumbs)?;
        if done {
            chrome.notice = Some(Notice { tone: Tone::Good, text: "Saved.".into(), link: None });
        }
        Ok(PackagesPage { chrome, packages: packages::all(tx)? })
    })?;
    html(StatusCode::OK, &page)
}

fn around(state: &State, admitted: &Admitted, tx: &ReadTx<'_>, here: &str) -> Result<Chrome, ApiError> {
    let crumbs = vec![Crumb::here("Operator"), Crumb::link("Packages", PATH), Crumb::here(here)];
    chrome(state, admitted, tx, Section::Prices, crumbs)
}

/// The fields that a package has from the first and later. The price's suffix is its currency, once it has one.
fn fields(form: &FormState, currency: Option<&'static str>) -> Vec<Field> {
    let figure = |name: &str, label: &str, keyboard: &'static str| {
        Field::line(form, name, label).inputmode(keyboard).autocomplete("off")
    };
    let price = figure("price", "Price", "decimal").hint("In units of the currency, before tax.");
    vec![
        Field::line(form, "name", "Name").autocomplete("off").hint("What customers read."),
        currency.map_or(price.clone(), |code| price.suffix(code)),
        figure("credits", "Credits", "decimal").hint("The credit that is paid for."),
        figure("bonus_credits", "Bonus", "decimal").suffix("credits").optional().hint("Free credit on top."),
        figure("position", "Place", "numeric").optional().hint(
            "The package with the lowest number comes first. Empty for the last place, or the one it has.",
        ),
    ]
}

fn new_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    form: Option<FormState>,
) -> Result<FormPage, ApiError> {
    let usual = settings::defaults(tx)?.map_or(state.settings.currency, |defaults| defaults.currency);
    let form = form.unwrap_or_else(|| FormState {
        values: [("currency".to_owned(), usual.code().to_owned())].into(),
        ..FormState::default()
    });
    let code = Field::line(&form, "code", "Code").autocomplete("off");
    let currency = Field::new(&form, "currency", "Currency", Control::Select(choices::currencies(usual)));
    let mut all = vec![
        code.hint("Lowercase letters, digits, - and _. By which it is ordered; it never changes."),
        currency.hint("It never changes either."),
    ];
    all.extend(fields(&form, None));
    Ok(FormPage {
        chrome: around(state, admitted, tx, "New")?,
        title: "New package".into(),
        lead: "Credit at a fixed price. It is for sale at once to customers with this currency.".into(),
        action: NEW.into(),
        fields: all,
        form,
        submit: "Create the package".into(),
        cancel: PATH.into(),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted) -> Answered {
    let page = state.db.read_blocking(|tx| new_page(&state, &admitted, tx, None))?;
    html(StatusCode::OK, &page)
}

/// What the form says. Nothing is missing from it by choice: only bonus and place may be empty.
fn wanted(form: &Form, currency: &str) -> Wanted {
    let credits: Option<Read<Credits>> = match form.parse("credits") {
        Ok(credits) => credits.map(Ok),
        Err(error) => Some(Err(FieldError::new("credits", "invalid_value", format!("{error}")))),
    };
    let bonus = match form.parse("bonus_credits") {
        Ok(bonus) => Ok(bonus.unwrap_or(Credits::ZERO)),
        Err(error) => Err(FieldError::new("bonus_credits", "invalid_value", format!("{error}"))),
    };
    let position: Option<Read<i64>> = match form.parse("position") {
        Ok(position) => position.map(Ok),
        Err(_) => Some(Err(FieldError::new("position", "invalid_value", "must be a whole number"))),
    };
    let missing = || Err(FieldError::new("credits", "required", "is required"));
    Wanted {
        name: Some(form.text("name").to_owned()),
        price: Some(packages::price(form.text("price"), currency)),
        credits: Some(credits.unwrap_or_else(missing)),
        bonus: Some(bonus),
        position,
        active: None,
    }
}

async fn create(state: web::Data<State>, admitted: Admitted, form: Form) -> Answered {
    let once = Once::new(Owner::Operator, NEW, &form)?;
    let by = admitted.by()?;
    let (code, wanted) = (form.text("code").to_owned(), wanted(&form, form.text("currency")));
    let made =
        state.db.write(move |tx| once.act(tx, || Ok(packages::create(tx, &by, &code, wanted)?.package.code)));
    let Err(error) = made.await else { return Ok(redirect(SAVED)) };
    let status = error.code().status();
    let form = refused(&form, &FIELDS, &[], error, &admitted)?;
    let page = state.db.read_blocking(|tx| new_page(&state, &admitted, tx, Some(form)))?;
    html(status, &page)
}

/// What stands in the form of a package.
fn stored(kept: &Kept) -> FormState {
    let package = &kept.package;
    let values = [
        ("name", package.name.clone()),
        ("price", package.price.amount()),
        ("credits", package.credits.to_string()),
        ("bonus_credits", package.bonus.to_string()),
        ("position", kept.position.to_string()),
        ("active", if kept.active { "on".into() } else { String::new() }),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value));
    FormState { values: values.into(), ..FormState::default() }
}

fn edit_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    code: &str,
    form: Option<FormState>,
) -> Result<FormPage, ApiError> {
    let kept = packages::get(tx, code)?;
    let form = form.unwrap_or_else(|| stored(&kept));
    let mut all = fields(&form, Some(kept.package.price.currency.code()));
    let sold = Field::new(&form, "active", "For sale", Control::Check).filter();
    all.push(
        sold.hint("Without the tick nobody can buy it any more, not even from a page that is open already."),
    );
    Ok(FormPage {
        chrome: around(state, admitted, tx, code)?,
        title: format!("Package {code}"),
        lead: "A change counts for what is bought from now on; a payment that was begun keeps its terms."
            .into(),
        action: format!("{PATH}/{code}"),
        fields: all,
        form,
        submit: "Save".into(),
        cancel: PATH.into(),
        idempotency_key: fresh_key(admitted),
    })
}

async fn edit(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<String>) -> Answered {
    let page = state.db.read_blocking(|tx| edit_page(&state, &admitted, tx, &code, None))?;
    html(StatusCode::OK, &page)
}

async fn change(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<String>,
    form: Form,
) -> Answered {
    let by = admitted.by()?;
    let kept = state.db.read_blocking(|tx| packages::get(tx, &code))?;
    let currency = kept.package.price.currency.code();
    let wanted = Wanted { active: Some(form.is_set("active")), ..wanted(&form, currency) };
    let id = code.clone();
    let done = state.db.write(move |tx| packages::change(tx, &by, &id, wanted));
    let Err(error) = done.await else { return Ok(redirect(SAVED)) };
    let error = ApiError::from(error);
    let status = error.code().status();
    let form = refused(&form, &FIELDS, &[], error, &admitted)?;
    let page = state.db.read_blocking(|tx| edit_page(&state, &admitted, tx, &code, Some(form)))?;
    html(status, &page)
}
