//! Billing details: whom invoices are made out to, and how what is bought is taxed.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::{Choice, FormState};
use super::components::{Notice, Tone};
use super::views::invoices::BillingDetailsPage;
use super::views::{Crumb, Section};
use super::{choices, format, forms, taxation};
use crate::base::Locale;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::{BillingDetails, Scope, organizations};
use crate::payments;

const PATH: &str = "/billing-details";
pub(super) const FIELDS: [&str; 10] = [
    "company_name",
    "address_line1",
    "address_line2",
    "postal_code",
    "city",
    "region",
    "country",
    "vat_id",
    "billing_email",
    "locale",
];

pub(super) fn register(table: &mut Table) {
    table.page(Method::GET, PATH, Access::organization(Scope::BillingRead), page);
    table.page(Method::POST, PATH, Access::organization(Scope::BillingWrite), save);
}

/// Whether something was just saved.
struct Done(bool);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.text("done").is_some()))
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Done(done)): Query<Done>,
) -> Result<HttpResponse, ApiError> {
    show(&state, &admitted, None, done, StatusCode::OK)
}

/// The page with what was typed, or with what is stored.
fn show(
    state: &State,
    admitted: &Admitted,
    typed: Option<FormState>,
    done: bool,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let id = admitted.organization()?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Billing details")];
        let mut chrome = chrome::chrome(state, admitted, tx, Section::BillingDetails, crumbs)?;
        if done {
            chrome.notice = Some(Notice { tone: Tone::Good, text: "Saved.".into(), link: None });
        }
        let organization = organizations::get(tx, id)?;
        let treatment = taxation::treatment(state, tx, &organization)?;
        let mut facts = Vec::new();
        if let Some(treatment) = treatment {
            facts.push(("Rate", format!("{} %", treatment.rate)));
            facts.extend(treatment.country.map(|country| ("Whose VAT", country.code().to_owned())));
            let note = treatment.note(organization.details.locale);
            facts.extend(note.map(|note| ("The invoice will say", note.to_owned())));
        }
        if !organization.details.vat_id.is_empty() {
            facts.push(("VAT ID", organization.details.vat_id.clone()));
            let standing = match organization.vat.name() {
                "unconfirmed" => "not confirmed yet",
                name => name,
            };
            let asked = organization.vat.evidence().map(|(at, _)| format::day(chrome.show.zone.day_of(at)));
            let asked = asked.map(|day| format!(", asked on {day}")).unwrap_or_default();
            facts.push(("The EU's register", format!("{standing}{asked}")));
        }
        let form = typed.unwrap_or_else(|| stored(&organization.details));
        Ok(BillingDetailsPage {
            tax: taxation::notice(&organization, treatment),
            may_edit: admitted.principal()?.may(Scope::BillingWrite, id).is_ok(),
            chrome,
            facts,
            countries: countries(&form),
            form,
        })
    })?;
    html(status, &page)
}

pub(super) fn stored(details: &BillingDetails) -> FormState {
    let values = [
        ("company_name", &details.company_name),
        ("address_line1", &details.address_line1),
        ("address_line2", &details.address_line2),
        ("postal_code", &details.postal_code),
        ("city", &details.city),
        ("region", &details.region),
        ("country", &details.country),
        ("vat_id", &details.vat_id),
        ("billing_email", &details.billing_email),
    ];
    let mut form = FormState::default();
    for (name, value) in values {
        form.values.insert(name.to_owned(), value.clone());
    }
    form.values.insert("locale".to_owned(), details.locale.tag().to_owned());
    form
}

/// The details as they were typed; none, with the mistake noted, when the language is none.
pub(super) fn filled(form: &Form, typed: &mut FormState) -> Option<BillingDetails> {
    let locale = forms::read::<Locale>(typed, "locale")?;
    let text = |name: &str| form.text(name).to_owned();
    Some(BillingDetails {
        company_name: text("company_name"),
        address_line1: text("address_line1"),
        address_line2: text("address_line2"),
        postal_code: text("postal_code"),
        city: text("city"),
        region: text("region"),
        country: text("country"),
        vat_id: text("vat_id"),
        billing_email: text("billing_email"),
        locale,
    })
}

/// Countries to choose from, the chosen one among them.
pub(super) fn countries(form: &FormState) -> Vec<Choice> {
    let mut countries = choices::countries();
    let chosen = form.value("country");
    if !countries.iter().any(|choice| choice.value == chosen) {
        countries.push(Choice::new(chosen, chosen));
    }
    countries
}

async fn save(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (id, by) = (admitted.organization()?, admitted.by()?);
    let mut typed = forms::typed(&form, &FIELDS);
    let Some(details) = filled(&form, &mut typed) else {
        return show(&state, &admitted, Some(typed), false, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let register = state.register.clone();
    let saved = state.db.write(move |tx| -> Result<_, ApiError> {
        register.set_details(tx, &by, id, &details)?;
        Ok(payments::details_changed(tx, id)?)
    });
    match saved.await {
        Ok(()) => Ok(redirect("/billing-details?done=saved")),
        Err(error) => {
            let request_id = admitted.request_id.to_string();
            let status = forms::explain(&mut typed, &FIELDS, error, &request_id)?;
            show(&state, &admitted, Some(typed), false, status)
        }
    }
}
