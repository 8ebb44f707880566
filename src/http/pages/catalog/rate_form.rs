//! `/operator/rates/{code}/draft/meters/{meter}`: how a draft prices one meter.

use std::str::FromStr;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};

use super::rates::page_of_draft;
use super::{ADMIN, Answered, RATES, around, drafting, meter_of};
use crate::base::{Credits, FieldError, FieldErrors, Quantity};
use crate::catalog::drafts;
use crate::catalog::rules::{Code, PassThrough, Price, Rate, Tier};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::format::plural;
use crate::http::pages::forms::fresh_key;
use crate::http::pages::views::{Crumb, FormPage};
use crate::http::params::PathId;
use crate::http::route::Table;

const PATH: &str = "/operator/rates/{id}/draft/meters/{meter}";
const FIELDS: [&str; 10] = [
    "priced",
    "kind",
    "price",
    "unit_size",
    "increment",
    "minimum",
    "byok_price",
    "toll_free_surcharge",
    "pass_through",
    "rounding",
];
const BEYOND: &str = "beyond";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, ask);
    table.page(Method::POST, PATH, ADMIN, save);
}

/// What stands in the form of a rate.
fn stored(rate: &Rate) -> FormState {
    let (kind, price) = match &rate.price {
        Price::Flat(price) => ("flat", price.to_string()),
        Price::Graduated(tiers) => ("graduated", steps(tiers)),
        Price::Volume(tiers) => ("volume", steps(tiers)),
    };
    let maybe = |price: Option<Credits>| price.map(|price| price.to_string()).unwrap_or_default();
    let pass_through = match rate.pass_through {
        PassThrough::Never => "never",
        PassThrough::TollFree => "toll_free",
        PassThrough::Always => "always",
    };
    let values = [
        ("priced", "on".to_owned()),
        ("kind", kind.to_owned()),
        ("price", price),
        ("unit_size", rate.unit_size.to_string()),
        ("increment", rate.increment.to_string()),
        ("minimum", rate.minimum.to_string()),
        ("byok_price", maybe(rate.byok_price)),
        ("toll_free_surcharge", maybe(rate.toll_free_surcharge)),
        ("pass_through", pass_through.to_owned()),
        ("rounding", rate.rounding.to_string()),
    ];
    let values = values.map(|(name, value)| (name.to_owned(), value));
    FormState { values: values.into(), ..FormState::default() }
}

/// `1000: 7` and `beyond: 5`, a line each.
fn steps(tiers: &[Tier]) -> String {
    let line = |tier: &Tier| {
        let up_to = tier.up_to.map_or_else(|| BEYOND.to_owned(), |up_to| up_to.to_string());
        format!("{up_to}: {}", tier.price)
    };
    tiers.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What the form of a meter without a rate begins with.
fn unpriced() -> FormState {
    let one = Quantity::from_whole(1).unwrap_or(Quantity::ZERO);
    let rate = Rate {
        // not looked at
        meter: match Code::from_str("x") {
            Ok(code) => code,
            Err(_) => return FormState::default(),
        },
        unit_size: one,
        increment: one,
        minimum: Quantity::ZERO,
        price: Price::Flat(Credits::ZERO),
        byok_price: None,
        toll_free_surcharge: None,
        pass_through: PassThrough::Never,
        rounding: Credits::from_micros(1),
    };
    let mut form = stored(&rate);
    form.values.remove("priced");
    form.values.remove("price");
    form
}

fn fields(form: &FormState, card: &str, unit: &str) -> Vec<Field> {
    let unit = plural(unit, false);
    let figure =
        |name: &str, label: &str| Field::line(form, name, label).inputmode("decimal").autocomplete("off");
    let choices =
        |list: &[(&str, &str)]| list.iter().map(|(value, label)| Choice::new(*value, *label)).collect();
    let kinds = choices(&[
        ("flat", "The same for all"),
        ("graduated", "By steps: each unit by the step it falls in"),
        ("volume", "By volume: all units by the step that was reached before"),
    ]);
    let passed_on = choices(&[
        ("never", "No: the price covers it"),
        ("toll_free", "Of inbound toll-free calls, above the surcharge"),
        ("always", "All of it, above the surcharge"),
    ]);
    vec![
        Field::new(form, "priced", &format!("{card} prices it"), Control::Check)
            .filter()
            .hint("Without the tick this card has no price for it."),
        Field::new(form, "kind", "How the price goes", Control::Radio(kinds)),
        Field::new(form, "price", "Price", Control::Text).hint(format!(
            "In credits. For steps one line each, counted in {unit} over a cycle: 1000: 7 up to a thousand, beyond: 5 for \
             the rest."
        )),
        figure("unit_size", "The price is for").suffix(&*unit).hint("60 where seconds are priced by the minute."),
        figure("increment", "Rounded up to").suffix(&*unit),
        figure("minimum", "At least").suffix(&*unit).hint("A whole number of what it is rounded up to; 0 for none."),
        figure("byok_price", "Price on the customer's own key").suffix("credits").optional(),
        figure("toll_free_surcharge", "Toll-free surcharge")
            .suffix("credits")
            .optional()
            .hint("On top of inbound toll-free calls, for as many units as the price."),
        Field::new(form, "pass_through", "Carrier cost is charged on", Control::Select(passed_on)),
        figure("rounding", "Each item rounded to").suffix("credits").hint("Half up."),
    ]
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    (card, meter): (&Code, &Code),
    form: Option<FormState>,
) -> Result<FormPage, ApiError> {
    let draft = drafts::get::<Vec<Rate>>(tx, card)?;
    let catalog = state.catalog.get(tx)?;
    let known = catalog.meter_id(meter.as_str()).and_then(|id| catalog.meter(id));
    let known = known.ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let stored = draft.rate(meter).map_or_else(unpriced, stored);
    let mut fields = fields(form.as_ref().unwrap_or(&stored), &draft.name, &known.unit);
    if let Some(typed) = &form {
        drafting::tell_apart(&mut fields, typed, &stored);
    }
    let form = form.unwrap_or(stored);
    fields.push(drafting::seen(&form, draft.rate_revision(meter)?));
    let way = vec![
        Crumb::link("Rates", RATES),
        Crumb::link(format!("Draft of {}", draft.name), page_of_draft(card)),
        Crumb::here(known.name.clone()),
    ];
    Ok(FormPage {
        chrome: around(state, admitted, tx, way, None)?,
        title: format!("{} on {}", known.name, draft.name),
        lead: "It is kept in the draft, and prices nothing until that is published.".into(),
        action: format!("{}/meters/{meter}", page_of_draft(card)),
        fields,
        form,
        submit: "Keep in the draft".into(),
        cancel: page_of_draft(card),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(card): PathId<Code>,
) -> Answered {
    let meter = meter_of(&req)?;
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, (&card, &meter), None))?;
    html(StatusCode::OK, &page)
}

async fn save(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(card): PathId<Code>,
    form: Form,
) -> Answered {
    let meter = meter_of(&req)?;
    let by = admitted.by()?;
    let done = match wanted(&form, &meter) {
        Err(errors) => Err(errors.into()),
        Ok(rate) => {
            let (card, meter, seen) = (card.clone(), meter.clone(), form.text(drafting::SEEN).to_owned());
            let write = state.db.write(move |tx| -> Result<_, ApiError> {
                let done = drafts::set_rate(tx, &by, (&card, &meter), &seen, rate);
                Ok(done.map_err(|error| drafting::about_fields(error, field))?)
            });
            write.await
        }
    };
    let Err(error) = done else { return Ok(redirect(&format!("{}?done=saved", page_of_draft(&card)))) };
    let status = error.code().status();
    let form = drafting::refused(&form, &FIELDS, error, &admitted)?;
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, (&card, &meter), Some(form)))?;
    html(status, &page)
}

/// The field of the form that a path such as `rates[2].price.graduated[0].up_to` is about.
fn field(path: &str) -> String {
    match path.split_once("].") {
        Some((_, rest)) => rest.split('.').next().unwrap_or(rest).to_owned(),
        // without any rate a card prices nothing
        None => "priced".to_owned(),
    }
}

/// The rate that was typed; none where the card is not to price the meter.
fn wanted(form: &Form, meter: &Code) -> Result<Option<Rate>, Vec<FieldError>> {
    if !form.is_set("priced") {
        return Ok(None);
    }
    let mut errors = FieldErrors::new();
    let price = price(form);
    let price = errors.keep(price);
    let unit_size = errors.keep(required(form, "unit_size"));
    let increment = errors.keep(required(form, "increment"));
    let minimum = errors.keep(required(form, "minimum"));
    let byok_price = errors.keep(read(form, "byok_price"));
    let toll_free_surcharge = errors.keep(read(form, "toll_free_surcharge"));
    let rounding = errors.keep(required(form, "rounding"));
    let pass_through = match form.text("pass_through") {
        "toll_free" => PassThrough::TollFree,
        "always" => PassThrough::Always,
        _ => PassThrough::Never,
    };
    let rate = (|| {
        Some(Rate {
            meter: meter.clone(),
            unit_size: unit_size?,
            increment: increment?,
            minimum: minimum?,
            price: price?,
            byok_price: byok_price?,
            toll_free_surcharge: toll_free_surcharge?,
            pass_through,
            rounding: rounding?,
        })
    })();
    errors.finish(rate).map(Some)
}

fn read<T: FromStr>(form: &Form, name: &'static str) -> Result<Option<T>, FieldError>
where
    T::Err: std::fmt::Display,
{
    form.parse(name).map_err(|error: T::Err| FieldError::new(name, "invalid_value", error.to_string()))
}

fn required<T: FromStr>(form: &Form, name: &'static str) -> Result<T, FieldError>
where
    T::Err: std::fmt::Display,
{
    read(form, name)?.ok_or_else(|| FieldError::new(name, "required", "is required"))
}

fn price(form: &Form) -> Result<Price, FieldError> {
    let tiers = || -> Result<Vec<Tier>, FieldError> {
        let lines =
            form.text("price").lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        lines.map(|(index, line)| tier(line).map_err(|what| wrong(index + 1, &what))).collect()
    };
    match form.text("kind") {
        "graduated" => tiers().map(Price::Graduated),
        "volume" => tiers().map(Price::Volume),
        _ => required(form, "price").map(Price::Flat),
    }
}

fn wrong(line: usize, what: &str) -> FieldError {
    FieldError::new("price", "invalid_value", format!("has a mistake in line {line}: {what}"))
}

/// `1000: 7` or `beyond: 5`.
fn tier(line: &str) -> Result<Tier, String> {
    let (up_to, price) =
        line.split_once(':').ok_or("a step is written as 1000: 7, the last one as beyond: 5")?;
    let up_to = match up_to.trim() {
        BEYOND => None,
        text => Some(text.parse().map_err(|e| format!("{text} {e}"))?),
    };
    let price = price.trim();
    Ok(Tier { up_to, price: price.parse().map_err(|e| format!("{price} {e}"))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_they_are_written() {
        let step = |up_to: Option<&str>, price: &str| Tier {
            up_to: up_to.map(|text| text.parse().expect(text)),
            price: price.parse().expect(price),
        };
        let tiers = [step(Some("60000"), "7"), step(Some("90000.5"), "6.25"), step(None, "5")];
        let text = steps(&tiers);
        assert_eq!(text, "60000: 7\n90000.5: 6.25\nbeyond: 5");
        let read: Vec<Tier> = text.lines().map(|line| tier(line).expect(line)).collect();
        assert_eq!(read, tiers);
        assert!(tier("7").is_err() && tier("x: 7").is_err() && tier("beyond: y").is_err());
    }

    #[test]
    fn a_path_leads_to_its_field() {
        for (path, name) in [
            ("rates[2].minimum", "minimum"),
            ("rates[0].price.graduated[1].up_to", "price"),
            ("rates[0].price.flat", "price"),
            ("rates", "priced"),
        ] {
            assert_eq!(field(path), name);
        }
    }
}
