//! How a customer's purchases are taxed, in words.

use super::components::{Notice, Tone};
use crate::base::Zone;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::error::ApiError;
use crate::identity::{Organization, Seller, VatStanding};
use crate::tax::{Kind, Treatment};

/// How a purchase would be taxed today; none while the seller's country is not known.
///
/// # Errors
/// When the database fails.
pub fn treatment(
    state: &State,
    tx: &ReadTx<'_>,
    organization: &Organization,
) -> Result<Option<Treatment>, ApiError> {
    let seller = Seller::now(tx, &state.settings.seller_terms)?;
    Ok(seller.treatment(organization, Zone::UTC.day_of(tx.now())))
}

/// What a customer has to know about it in one sentence, the state of the VAT id first.
#[must_use]
pub fn notice(organization: &Organization, treatment: Option<Treatment>) -> Notice {
    let Some(treatment) = treatment else {
        let text =
            "How purchases are taxed is not known yet: the operator has not said where it is established.";
        return Notice { tone: Tone::Warn, text: text.into(), link: None };
    };
    let details = &organization.details;
    let applies = applies(treatment);
    let gave_id = !details.vat_id.is_empty();
    let taxed = treatment.rate.basis_points() > 0;
    let (tone, text) = match &organization.vat {
        _ if details.country.is_empty() => {
            (Tone::Warn, format!("Your country is not known: {applies}, the rate of the seller's country."))
        }
        VatStanding::Unconfirmed if gave_id && taxed => {
            (Tone::Warn, format!("VAT ID not confirmed: {applies}."))
        }
        VatStanding::Invalid { .. } if gave_id && taxed => {
            (Tone::Bad, format!("VAT ID not valid, says the EU's register: {applies}."))
        }
        VatStanding::Confirmed { .. } => (Tone::Good, format!("VAT ID confirmed: {applies}.")),
        VatStanding::Unconfirmed | VatStanding::Invalid { .. } => (Tone::Neutral, sentence(&applies)),
    };
    Notice { tone, text, link: None }
}

fn applies(treatment: Treatment) -> String {
    match treatment.kind {
        Kind::Domestic | Kind::Destination => format!("{} % applies", treatment.rate),
        Kind::ReverseCharge => "no VAT is charged, it is yours to account for (reverse charge)".into(),
        Kind::OutsideScope => "no VAT is charged, the sale is outside of the scope of EU VAT".into(),
    }
}

fn sentence(text: &str) -> String {
    match text.strip_prefix("no VAT") {
        Some(rest) => format!("No VAT{rest}."),
        None => format!("VAT of {text}."),
    }
}
