//! A sale as it is agreed on, before it is paid: what the buyer is told is what the invoice will say.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{Error, Evidence, Line, NewLine, rules};
use crate::base::id::OrganizationId;
use crate::base::{Day, Timestamp};
use crate::identity::{BillingDetails, Organization, Seller, organizations};
use crate::tax::{Amounts, Country, Kind as TaxKind, Prices, Rate};

/// Who sells what to whom, for how much, and how it is taxed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Net, tax and total.
    pub amounts: Amounts,
    /// What is sold.
    pub lines: Vec<Line>,
    /// How it is taxed.
    pub treatment: TaxKind,
    /// The rate.
    pub rate: Rate,
    /// Whose tax it is.
    pub tax_country: Option<Country>,
    /// What the law wants said about the tax; may be empty.
    pub note: String,
    /// Who sells.
    pub seller: BillingDetails,
    /// What the names of the seller's series begin with; empty for nothing.
    #[serde(default)]
    pub series_prefix: String,
    /// Who buys.
    pub buyer: BillingDetails,
    /// What is known about the buyer's VAT id.
    pub vat_id_status: String,
    /// When that was asked, and what was answered.
    pub vat_id_evidence: Option<(Timestamp, String)>,
    /// What says where the buyer is.
    pub evidence: Vec<Evidence>,
}

impl Quote {
    /// What an organization would be asked for on a day.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn of(
        conn: &Connection,
        seller: &Seller,
        organization: OrganizationId,
        lines: &[NewLine],
        prices: Prices,
        on: Day,
    ) -> Result<Self, Error> {
        rules::check_lines(lines)?;
        let buyer = organizations::get(conn, organization)?;
        let treatment = seller.treatment(&buyer, on).ok_or(Error::SellerUnknown)?;
        if seller.details.company_name.is_empty() {
            return Err(Error::SellerUnknown);
        }
        let (amounts, lines) = rules::priced(lines, treatment.rate, prices, buyer.currency)?;
        let address = buyer.details.country();
        Ok(Self {
            amounts,
            lines,
            treatment: treatment.kind,
            rate: treatment.rate,
            tax_country: treatment.country,
            note: treatment.note(buyer.details.locale).unwrap_or_default().to_owned(),
            seller: seller.details.clone(),
            series_prefix: seller.series_prefix.clone(),
            vat_id_status: buyer.vat.name().to_owned(),
            vat_id_evidence: buyer.vat.evidence().map(|(at, answer)| (at, answer.to_owned())),
            buyer: as_buyer(&buyer),
            evidence: address
                .map(|country| Evidence { source: "billing_address".into(), country })
                .into_iter()
                .collect(),
        })
    }
}

/// The buyer as the document names it: somebody who gave no legal name is known by the organization's.
fn as_buyer(buyer: &Organization) -> BillingDetails {
    let mut details = buyer.details.clone();
    if details.company_name.is_empty() {
        details.company_name.clone_from(&buyer.name);
    }
    details
}
