//! Billing details: who gets the invoice.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::{Locale, Timestamp, Zone};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{BillingDetails, Organization, Scope, Seller, organizations};
use crate::payments;
use crate::tax::{Country, Rate};

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_put, Access::organization(Scope::BillingWrite), put);
}

/// Who gets the invoice. Empty where not known.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = BillingDetails)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct Details {
    /// The company's legal name.
    company_name: String,
    /// Street and number.
    address_line1: String,
    /// More of the address.
    address_line2: String,
    postal_code: String,
    city: String,
    /// State or province.
    region: String,
    /// ISO 3166-1 alpha-2.
    country: String,
    /// VAT id, without spaces.
    vat_id: String,
    /// Where invoices are sent.
    billing_email: String,
    /// The language of invoices.
    locale: Locale,
}

/// Who gets the invoice, and how what it buys is taxed now.
#[derive(Serialize, ToSchema)]
struct DetailsNow {
    company_name: String,
    address_line1: String,
    address_line2: String,
    postal_code: String,
    city: String,
    region: String,
    country: String,
    vat_id: String,
    billing_email: String,
    locale: Locale,
    /// `unconfirmed`, `confirmed` or `invalid`. Only a confirmed id exempts from VAT.
    vat_id_status: &'static str,
    /// When the register last answered.
    vat_id_checked_at: Option<Timestamp>,
    /// How a purchase would be taxed now; `null` while the seller's country is not known.
    tax: Option<TaxNow>,
}

/// How a purchase would be taxed.
#[derive(Serialize, ToSchema)]
struct TaxNow {
    /// `domestic`, `destination`, `reverse_charge` or `outside_scope`.
    treatment: &'static str,
    /// In percent, such as `21` or `25.5`.
    #[schema(value_type = String)]
    rate: Rate,
    /// Whose tax it is.
    #[schema(value_type = Option<String>)]
    country: Option<Country>,
    /// What the invoice will say about it, in the language of the details.
    note: Option<&'static str>,
}

/// The answer about an organization's details.
fn view(state: &State, organization: Organization) -> Result<DetailsNow, ApiError> {
    let (seller, today) = state.db.read_blocking(|tx| {
        let seller = Seller::now(tx, &state.settings.seller_terms)?;
        Ok::<_, ApiError>((seller, Zone::UTC.day_of(tx.now())))
    })?;
    let tax = seller.treatment(&organization, today).map(|treatment| TaxNow {
        treatment: treatment.kind.name(),
        rate: treatment.rate,
        country: treatment.country,
        note: treatment.note(organization.details.locale),
    });
    let (vat_id_status, evidence) = (organization.vat.name(), organization.vat.evidence());
    let vat_id_checked_at = evidence.map(|(at, _)| at);
    let details = organization.details;
    Ok(DetailsNow {
        company_name: details.company_name,
        address_line1: details.address_line1,
        address_line2: details.address_line2,
        postal_code: details.postal_code,
        city: details.city,
        region: details.region,
        country: details.country,
        vat_id: details.vat_id,
        billing_email: details.billing_email,
        locale: details.locale,
        vat_id_status,
        vat_id_checked_at,
        tax,
    })
}

impl From<BillingDetails> for Details {
    fn from(from: BillingDetails) -> Self {
        let BillingDetails {
            company_name,
            address_line1,
            address_line2,
            postal_code,
            city,
            region,
            country,
            vat_id,
            billing_email,
            locale,
        } = from;
        Self {
            company_name,
            address_line1,
            address_line2,
            postal_code,
            city,
            region,
            country,
            vat_id,
            billing_email,
            locale,
        }
    }
}

impl From<Details> for BillingDetails {
    fn from(from: Details) -> Self {
        Self {
            company_name: from.company_name,
            address_line1: from.address_line1,
            address_line2: from.address_line2,
            postal_code: from.postal_code,
            city: from.city,
            region: from.region,
            country: from.country,
            vat_id: from.vat_id,
            billing_email: from.billing_email,
            locale: from.locale,
        }
    }
}

/// Get the billing details, and how a purchase would be taxed
#[utoipa::path(get, path = "/billing/details", tag = "billing",
    responses((status = 200, description = "The details.", body = DetailsNow)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<DetailsNow> {
    let organization = admitted.organization()?;
    let found = state.db.read_blocking(|tx| organizations::get(tx, organization))?;
    Ok(Reply::ok(view(&state, found)?))
}

/// Replace the billing details; a field that is left out becomes empty
#[utoipa::path(put, path = "/billing/details", tag = "billing", request_body = Details,
    responses((status = 200, description = "The details.", body = DetailsNow)))]
async fn put(state: web::Data<State>, admitted: Admitted, Json(input): Json<Details>) -> Answer<DetailsNow> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let details = BillingDetails::from(input);
    let register = state.register.clone();
    let changed = state
        .db
        .write(move |tx| -> Result<_, ApiError> {
            let changed = register.set_details(tx, &by, organization, &details)?;
            payments::details_changed(tx, organization)?;
            Ok(changed)
        })
        .await?;
    Ok(Reply::ok(view(&state, changed)?))
}
