//! `/operator/plans/{code}/draft/terms`: what a draft of a plan gives and costs.

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::plans::page_of_draft;
use super::{ADMIN, Answered, PLANS, around, drafting, words};
use crate::base::{Credits, Currency, FieldError, FieldErrors, Money, Quantity};
use crate::catalog::Snapshot;
use crate::catalog::drafts;
use crate::catalog::rules::{Code, Interval, PlanTerms};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::choices;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::format::plural;
use crate::http::pages::forms::fresh_key;
use crate::http::pages::views::{Crumb, FormPage};
use crate::http::params::PathId;
use crate::http::route::Table;

const PATH: &str = "/operator/plans/{id}/draft/terms";
const FIELDS: [&str; 10] = [
    "name",
    "price",
    "currency",
    "interval",
    "rate_card",
    "plan_credits",
    "rollover",
    "rollover_cap",
    "credit_transfer",
    "listed",
];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, ask);
    table.page(Method::POST, PATH, ADMIN, save);
}

/// The field of what is included of a meter.
fn included(meter: &Code) -> String {
    format!("included_{meter}")
}

/// What stands in the form.
fn stored(name: &str, terms: &PlanTerms) -> FormState {
    let tick = |is: bool| if is { "on".to_owned() } else { String::new() };
    let interval = match terms.interval {
        Interval::Month => "month",
        Interval::Year => "year",
    };
    let values = [
        ("name", name.to_owned()),
        ("price", terms.price.amount()),
        ("currency", terms.price.currency.code().to_owned()),
        ("interval", interval.to_owned()),
        ("rate_card", terms.rate_card.to_string()),
        ("plan_credits", terms.plan_credits.to_string()),
        ("rollover", tick(terms.rollover)),
        ("rollover_cap", terms.rollover_cap.map(|cap| cap.to_string()).unwrap_or_default()),
        ("credit_transfer", tick(terms.credit_transfer)),
        ("listed", tick(terms.listed)),
    ];
    let mut form = FormState::default();
    form.values.extend(values.map(|(name, value)| (name.to_owned(), value)));
    form.values.extend(terms.allowances.iter().map(|(meter, units)| (included(meter), units.to_string())));
    form
}

fn fields(form: &FormState, catalog: &Snapshot, currency: Currency) -> Vec<Field> {
    let figure =
        |name: &str, label: &str| Field::line(form, name, label).inputmode("decimal").autocomplete("off");
    let check = |name: &str, label: &str| Field::new(form, name, label, Control::Check).filter();
    let intervals = vec![Choice::new("month", "Month"), Choice::new("year", "Year")];
    let cards = catalog.rate_cards().iter().map(|card| Choice::new(card.code.as_str(), &card.name)).collect();
    let mut fields = vec![
        Field::line(form, "name", "Name").autocomplete("off").hint(
            "What customers read. A new name counts at once when the draft is published; prices begin on their day.",
        ),
        figure("price", "Fee").hint("In units of the currency, before tax."),
        Field::new(form, "currency", "Currency", Control::Select(choices::currencies(currency))),
        Field::new(form, "interval", "Paid by the", Control::Radio(intervals)),
        Field::new(form, "rate_card", "Rate card", Control::Select(cards))
            .hint("It prices what goes beyond what is included."),
    ];
    for meter in catalog.meters() {
        let name = included(&meter.code);
        let field = figure(&name, &format!("{} included a month", meter.name)).optional();
        let said: Option<Quantity> = form.value(&name).parse().ok();
        let said = said.filter(|_| meter.unit == "second").map(|said| words::units(said, &meter.unit));
        let field = field.suffix(plural(&meter.unit, false));
        fields.push(match said {
            Some(said) => field.hint(format!("Now {said}; a minute has 60 seconds.")),
            None => field,
        });
    }
    fields.extend([
        figure("plan_credits", "Plan credit a month").suffix("credits").optional(),
        check("rollover", "Unused plan credit stays").hint("Without the tick it expires with its month."),
        figure("rollover_cap", "At most so much of it stays").suffix("credits").optional(),
        check("credit_transfer", "Credit may be sent to another organization"),
        check("listed", "Customers see it and may choose it"),
    ]);
    fields
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    code: &Code,
    form: Option<FormState>,
) -> Result<FormPage, ApiError> {
    let draft = drafts::get::<PlanTerms>(tx, code)?;
    let catalog = state.catalog.get(tx)?;
    let known = stored(&draft.name, &draft.terms);
    let mut fields = fields(form.as_ref().unwrap_or(&known), &catalog, draft.terms.price.currency);
    if let Some(typed) = &form {
        drafting::tell_apart(&mut fields, typed, &known);
    }
    let form = form.unwrap_or(known);
    fields.push(drafting::seen(&form, draft.revision()?));
    let way = vec![
        Crumb::link("Plans", PLANS),
        Crumb::link(format!("Draft of {}", draft.name), page_of_draft(code)),
        Crumb::here("Terms"),
    ];
    Ok(FormPage {
        chrome: around(state, admitted, tx, way, None)?,
        title: format!("Terms of {}", draft.name),
        lead: "They are kept in the draft, and count for nobody until that is published.".into(),
        action: format!("{}/terms", page_of_draft(code)),
        fields,
        form,
        submit: "Keep in the draft".into(),
        cancel: page_of_draft(code),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<Code>) -> Answered {
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, &code, None))?;
    html(StatusCode::OK, &page)
}

async fn save(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<Code>,
    form: Form,
) -> Answered {
    let by = admitted.by()?;
    let catalog = state.db.read_blocking(|tx| state.catalog.get(tx))?;
    let done = match wanted(&form, &catalog) {
        Err(errors) => Err(errors.into()),
        Ok(terms) => {
            let (code, sent) = (code.clone(), form.clone());
            let write = state.db.write(move |tx| -> Result<_, ApiError> {
                let (seen, name) = (sent.text(drafting::SEEN), sent.text("name"));
                let done = drafts::set_terms(tx, &by, &code, seen, (name, &terms));
                Ok(done.map_err(|error| {
                    drafting::about_fields(error, |path| path.replace("allowances.", "included_"))
                })?)
            });
            write.await
        }
    };
    let Err(error) = done else { return Ok(redirect(&format!("{}?done=saved", page_of_draft(&code)))) };
    let status = error.code().status();
    let meters: Vec<String> = catalog.meters().iter().map(|meter| included(&meter.code)).collect();
    let names: Vec<&str> = FIELDS.into_iter().chain(meters.iter().map(String::as_str)).collect();
    let form = drafting::refused(&form, &names, error, &admitted)?;
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, &code, Some(form)))?;
    html(status, &page)
}

/// The terms that were typed.
fn wanted(form: &Form, catalog: &Snapshot) -> Result<PlanTerms, Vec<FieldError>> {
    let mut errors = FieldErrors::new();
    let wrong = |name: &str, error: String| FieldError::new(name.to_owned(), "invalid_value", error);
    let currency: Option<Currency> =
        errors.keep(form.text("currency").parse().map_err(|e| wrong("currency", format!("{e}"))));
    // without a currency the number is looked at all the same
    let price = Money::parse(form.text("price"), currency.unwrap_or(Currency::EUR));
    let price = errors.keep(price.map_err(|e| wrong("price", e.to_string())));
    let interval = match form.text("interval") {
        "year" => Interval::Year,
        _ => Interval::Month,
    };
    let rate_card =
        errors.keep(form.text("rate_card").parse().map_err(|e| wrong("rate_card", format!("{e}"))));
    let credits = |name: &str| {
        let read: Result<Option<Credits>, _> = form.parse(name);
        read.map_err(|e| wrong(name, format!("{e}")))
    };
    let plan_credits = errors.keep(credits("plan_credits"));
    let rollover_cap = errors.keep(credits("rollover_cap"));
    let mut allowances = BTreeMap::new();
    for meter in catalog.meters() {
        let name = included(&meter.code);
        let units: Result<Option<Quantity>, _> = form.parse(&name);
        let units = errors.keep(units.map_err(|e| wrong(&name, format!("{e}")))).flatten();
        allowances.extend(units.map(|units| (meter.code.clone(), units)));
    }
    let terms = (|| {
        Some(PlanTerms {
            price: price?,
            interval,
            plan_credits: plan_credits?.unwrap_or_default(),
            allowances,
            rate_card: rate_card?,
            rollover: form.is_set("rollover"),
            rollover_cap: rollover_cap?,
            credit_transfer: form.is_set("credit_transfer"),
            listed: form.is_set("listed"),
        })
    })();
    errors.finish(terms)
}
