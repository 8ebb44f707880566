//! `/operator/rates/new-meter`: something more that is counted.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{ADMIN, Answered, RATES, around};
use crate::catalog::NewMeter;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::api::catalog::meter_added;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Field, FormState};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::{Crumb, FormPage};
use crate::http::route::Table;
use crate::idempotency::Owner;

const PATH: &str = "/operator/rates/new-meter";
const FIELDS: [&str; 3] = ["code", "name", "unit"];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, ask);
    table.page(Method::POST, PATH, ADMIN, add);
}

fn view(state: &State, admitted: &Admitted, tx: &ReadTx<'_>, form: FormState) -> Result<FormPage, ApiError> {
    let line = |name: &str, label: &str| Field::line(&form, name, label).autocomplete("off");
    Ok(FormPage {
        chrome: around(
            state,
            admitted,
            tx,
            vec![Crumb::link("Rates", RATES), Crumb::here("New meter")],
            None,
        )?,
        title: "New meter".into(),
        lead: "Something more that is counted and can be charged for.".into(),
        action: PATH.into(),
        fields: vec![
            line("code", "Code").hint("Its name in the API, such as web_search. It never changes."),
            line("name", "Name").hint("What customers read."),
            line("unit", "Unit")
                .hint("What a quantity of 1 is, such as search, token or second. It never changes."),
        ],
        form,
        submit: "Add the meter".into(),
        cancel: RATES.into(),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted) -> Answered {
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, FormState::default()))?;
    html(StatusCode::OK, &page)
}

async fn add(state: web::Data<State>, admitted: Admitted, form: Form) -> Answered {
    let once = Once::new(Owner::Operator, PATH, &form)?;
    let by = admitted.by()?;
    let done = match form.text("code").parse() {
        Err(error) => Err(ApiError::field("code", "invalid_value", format!("{error}"))),
        Ok(code) => {
            let new = NewMeter { code, name: form.text("name").into(), unit: form.text("unit").into() };
            let write = move |tx: &crate::db::WriteTx<'_>| {
                once.act(tx, || Ok(meter_added(tx, &by, &new)?.code.to_string()))
            };
            state.db.write(write).await
        }
    };
    let Err(error) = done else { return Ok(redirect("/operator/rates?done=meter")) };
    let status = error.code().status();
    let form = refused(&form, &FIELDS, &[], error, &admitted)?;
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, form))?;
    html(status, &page)
}
