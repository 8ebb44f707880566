//! `/operator/organizations/{id}/prices`: what prices a customer's usage.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::create::plans;
use super::detail::prices;
use super::{ADMIN, Answered, around, done_at};
use crate::base::id::OrganizationId;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::FormState;
use crate::http::pages::components::field::{Choice, Control, Field};
use crate::http::pages::forms::{fresh_key, refused};
use crate::http::pages::views::FormPage;
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::identity::organizations;
use crate::metering;
use crate::onboarding::{self, Prices};
use crate::subscriptions;

const PATH: &str = "/operator/organizations/{id}/prices";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, show);
    table.page(Method::POST, PATH, ADMIN, set);
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: OrganizationId,
    form: Option<FormState>,
) -> Result<FormPage, ApiError> {
    let organization = organizations::get(tx, id)?;
    let catalog = state.catalog.get(tx)?;
    let form = if let Some(form) = form {
        form
    } else {
        let terms = metering::price_terms(tx, id, tx.now())?;
        let plan = terms.and_then(|terms| terms.plan_version).and_then(|id| catalog.plan_version(id));
        let card = organization.rate_card_id.and_then(|id| catalog.rate_card(id));
        let mut form = FormState::default();
        form.values.insert("plan".into(), plan.map(|(plan, _)| plan.code.to_string()).unwrap_or_default());
        form.values.insert("rate_card".into(), card.map(|card| card.code.to_string()).unwrap_or_default());
        form
    };
    let mut cards = vec![Choice::new("", "The default card")];
    cards.extend(catalog.rate_cards().iter().map(|card| Choice::new(card.code.as_str(), &card.name)));
    Ok(FormPage {
        chrome: around(state, admitted, tx, &organization, "Prices")?,
        title: format!("Prices of {}", organization.name),
        lead: format!(
            "Now: {}. A change counts from the moment it is made; what was charged keeps its price.",
            prices(tx, &organization, &catalog)?
        ),
        action: format!("/operator/organizations/{id}/prices"),
        fields: vec![
            Field::new(&form, "plan", "Plan", Control::Select(plans(&catalog, tx.now())))
                .filter()
                .hint("Its allowances begin anew, and its own rate card goes before the one below."),
            Field::new(&form, "rate_card", "Rate card", Control::Select(cards)).filter(),
        ],
        form,
        submit: "Change the prices".into(),
        cancel: format!("/operator/organizations/{id}"),
        idempotency_key: fresh_key(admitted),
    })
}

async fn show(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<OrganizationId>) -> Answered {
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, None));
    html(StatusCode::OK, &read.await?)
}

async fn set(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    form: Form,
) -> Answered {
    let by = admitted.by()?;
    let some = |name: &str| Some(form.text(name).to_owned()).filter(|text| !text.is_empty());
    let wanted = Prices { plan: some("plan"), rate_card: some("rate_card") };
    let write = state.db.write(move |tx| -> Result<_, ApiError> {
        subscriptions::may_assign(tx.conn()?, id)?;
        Ok(onboarding::set_prices(tx, &by, id, &wanted)?)
    });
    let Err(error) = write.await else { return Ok(redirect(&done_at(id, "prices"))) };
    let form = refused(&form, &["plan", "rate_card"], &[], error, &admitted)?;
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, Some(form)));
    html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
}
