//! The form for a new organization.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::{ADMIN, crumbs, page_of};
use crate::base::Zone;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::field::FormState;
use crate::http::pages::views::{Crumb, NewOrganizationPage, Section};
use crate::http::pages::{choices, forms};
use crate::http::route::Table;
use crate::identity::{NewOrganization, settings};
use crate::onboarding::{self, Prices};

const PATH: &str = "/operator/organizations/new";
const FIELDS: [&str; 4] = ["name", "external_id", "currency", "timezone"];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, form);
    table.page(Method::POST, PATH, ADMIN, create);
}

async fn form(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let defaults = state.db.read_blocking(|tx| settings::defaults(tx))?;
    let currency = defaults.as_ref().map_or(state.settings.currency, |d| d.currency);
    let zone = defaults.map_or(Zone::UTC, |d| d.zone);
    let mut typed = FormState::default();
    typed.values.insert("currency".into(), currency.code().into());
    typed.values.insert("timezone".into(), zone.name().into());
    show(&state, &admitted, typed, StatusCode::OK)
}

fn show(
    state: &State,
    admitted: &Admitted,
    form: FormState,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let crumbs = crumbs(vec![Crumb::here("New")]);
    let chrome = state.db.read_blocking(|tx| chrome(state, admitted, tx, Section::Organizations, crumbs))?;
    let page = NewOrganizationPage {
        currencies: choices::currencies(chrome.show.face.currency),
        chrome,
        form,
        timezones: choices::timezones(),
        welcome: state.settings.welcome.credits,
    };
    html(status, &page)
}

async fn create(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let by = admitted.by()?;
    let mut typed = forms::typed(&form, &FIELDS);
    let currency = forms::read(&mut typed, "currency");
    let zone = forms::read(&mut typed, "timezone");
    let (Some(currency), Some(zone)) = (currency, zone) else {
        return show(&state, &admitted, typed, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let external_id = form.text("external_id");
    let new = NewOrganization {
        name: form.text("name").to_owned(),
        external_id: (!external_id.is_empty()).then(|| external_id.to_owned()),
        currency,
        zone,
        rate_card_id: None,
    };
    let welcome = state.settings.welcome;
    let made = state.db.write(move |tx| onboarding::create(tx, &by, &new, &Prices::default(), welcome)).await;
    match made {
        Ok(made) => Ok(redirect(&format!("{}?done=created", page_of(made.id)))),
        Err(error) => {
            let request_id = admitted.request_id.to_string();
            let status = forms::explain(&mut typed, &FIELDS, error.into(), &request_id)?;
            show(&state, &admitted, typed, status)
        }
    }
}
