//! The form for a new organization.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::{ADMIN, crumbs};
use crate::base::{Timestamp, Zone};
use crate::catalog::Snapshot;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::field::{Choice, FormState};
use crate::http::pages::entry::ORGANIZATIONS;
use crate::http::pages::forms::Once;
use crate::http::pages::views::{Crumb, NewOrganizationPage, Section};
use crate::http::pages::{choices, forms};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::{NewOrganization, settings};
use crate::onboarding::{self, Prices};

const PATH: &str = "/operator/organizations/new";
const FIELDS: [&str; 5] = ["name", "external_id", "currency", "timezone", "plan"];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, form);
    table.page(Method::POST, PATH, ADMIN, create);
}

/// The plans to choose from, and none.
pub(super) fn plans(catalog: &Snapshot, now: Timestamp) -> Vec<Choice> {
    let mut plans = vec![Choice::new("", "None: pay as you go")];
    let offered = catalog.plans().iter().filter(|plan| plan.in_force(now).is_some());
    plans.extend(offered.map(|plan| Choice::new(plan.code.as_str(), &plan.name)));
    plans
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
    let (chrome, plans) = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let chrome = chrome(state, admitted, tx, Section::Organizations, crumbs)?;
        Ok((chrome, plans(&*state.catalog.get(tx)?, tx.now())))
    })?;
    let page = NewOrganizationPage {
        currencies: choices::currencies(chrome.show.face.currency),
        chrome,
        form,
        timezones: choices::timezones(),
        plans,
        welcome: state.settings.welcome.credits,
        idempotency_key: forms::fresh_key(admitted),
    };
    html(status, &page)
}

async fn create(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let by = admitted.by()?;
    let once = Once::new(Owner::Operator, PATH, &form)?;
    let mut typed = forms::typed(&form, &FIELDS);
    let currency = forms::read(&mut typed, "currency");
    let zone = forms::read(&mut typed, "timezone");
    if form.text("name").is_empty() {
        typed.errors.insert("name".into(), "is required".into());
    }
    let (Some(currency), Some(zone), true) = (currency, zone, typed.errors.is_empty()) else {
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
    let plan = form.text("plan");
    let prices = Prices { plan: (!plan.is_empty()).then(|| plan.to_owned()), rate_card: None };
    let made = state.db.write(move |tx| {
        once.act(tx, || Ok(onboarding::create(tx, &by, &new, &prices, welcome)?.id.to_string()))
    });
    match made.await {
        Ok((id, _)) => Ok(redirect(&format!("{ORGANIZATIONS}/{id}?done=created"))),
        Err(error) => {
            let request_id = admitted.request_id.to_string();
            let status = forms::explain(&mut typed, &FIELDS, error, &request_id)?;
            show(&state, &admitted, typed, status)
        }
    }
}
