//! Billing details: who gets the invoice.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{BillingDetails, Scope, organizations};

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
        }
    }
}

/// Get the billing details
#[utoipa::path(get, path = "/billing/details", tag = "billing",
    responses((status = 200, description = "The details.", body = Details)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<Details> {
    let organization = admitted.organization()?;
    let found = state.db.read_blocking(|tx| organizations::get(tx, organization))?;
    Ok(Reply::ok(found.details.into()))
}

/// Replace the billing details; a field that is left out becomes empty
#[utoipa::path(put, path = "/billing/details", tag = "billing", request_body = Details,
    responses((status = 200, description = "The details.", body = Details)))]
async fn put(state: web::Data<State>, admitted: Admitted, Json(input): Json<Details>) -> Answer<Details> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let details = BillingDetails::from(input);
    let changed =
        state.db.write(move |tx| organizations::set_details(tx, &by, organization, &details)).await?;
    Ok(Reply::ok(changed.details.into()))
}
