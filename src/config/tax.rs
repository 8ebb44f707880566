//! `[tax]`: what the seller's VAT depends on besides its country.

use super::reader::Reader;

/// The European Commission's service.
pub const VIES: &str = "https://ec.europa.eu/taxation_customs/vies/rest-api";

/// What the seller's VAT depends on besides its country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tax {
    /// Whether VAT is accounted for in the customer's country through the One Stop Shop.
    pub oss: bool,
    /// What a seller outside of the Union charges at home, in hundredths of a percent.
    pub home_rate_basis_points: u16,
    /// Where it is asked whether a VAT id is known; empty for nowhere.
    pub vies_url: String,
    /// After how many days it is asked again.
    pub vies_recheck_days: u32,
}

impl Tax {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("tax");
        Self {
            oss: section.value("oss", false),
            home_rate_basis_points: section.bounded("home_rate_basis_points", 0, 0..=10_000),
            vies_url: section.checked("vies_url", VIES.to_owned(), check_url),
            vies_recheck_days: section.bounded("vies_recheck_days", 30, 1..=365),
        }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ptr_arg)]
fn check_url(url: &String) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_url = rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.ends_with('/') && !rest.contains(|c: char| c.is_whitespace() || c == '?')
    });
    if url.is_empty() || is_url {
        return Ok(());
    }
    Err("must be empty, or begin with https:// or http:// and not end with a slash".into())
}
