//! Who writes the invoices, and how its sales are taxed.

use rusqlite::Connection;

use super::error::Error;
use super::organizations::{BillingDetails, Organization};
use super::settings;
use crate::base::Day;
use crate::tax::{self, Buyer, Rate, Treatment};

/// What the configuration says about the seller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SellerTerms {
    /// Counts until the pages say otherwise.
    pub details: BillingDetails,
    /// Whether VAT is accounted for where the customers are.
    pub oss: bool,
    /// What a seller outside of the Union charges at home.
    pub home_rate: Rate,
    /// What the names of its series of documents begin with; empty for nothing.
    pub series_prefix: String,
}

/// Who writes the invoices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    /// Name and address.
    pub details: BillingDetails,
    /// How its sales are taxed; none while its country is not known.
    pub tax: Option<tax::Seller>,
    /// What the names of its series of documents begin with; empty for nothing.
    pub series_prefix: String,
}

impl Seller {
    /// The seller as it is now: as the pages say, else as the configuration does.
    ///
    /// # Errors
    /// When what is stored does not make sense.
    pub fn now(conn: &Connection, terms: &SellerTerms) -> Result<Self, Error> {
        let stored = settings::seller(conn)?;
        let details = if stored == BillingDetails::default() { terms.details.clone() } else { stored };
        let tax = details.country().map(|country| tax::Seller {
            country,
            oss: terms.oss,
            home_rate: terms.home_rate,
        });
        Ok(Self { details, tax, series_prefix: terms.series_prefix.clone() })
    }

    /// How a sale to a customer on a day is taxed; none while the seller's country is not known.
    #[must_use]
    pub fn treatment(&self, customer: &Organization, on: Day) -> Option<Treatment> {
        let buyer = Buyer { country: customer.details.country(), postal_code: &customer.details.postal_code };
        let vat_id = customer.confirmed_vat_id();
        self.tax.map(|seller| tax::treatment(&seller, &buyer, vat_id.as_ref(), on))
    }
}
