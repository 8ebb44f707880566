//! `[seller]`: who sells. The setup wizard begins with it; what is stored there is what counts from then on.

use super::reader::Reader;

/// Who sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    /// Registered name.
    pub name: Option<String>,
    /// Street, postal code and town; may have several lines.
    pub address: Option<String>,
    /// ISO 3166 code of the country of establishment.
    pub country: Option<String>,
    /// VAT identification number.
    pub vat_id: Option<String>,
    /// Where customers with questions write to.
    pub email: Option<String>,
}

impl Seller {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("seller");
        Self {
            name: section.checked("name", None, |name| at_most(name.as_deref(), 120)),
            address: section.checked("address", None, |address| at_most(address.as_deref(), 500)),
            country: section.checked("country", None, |country| check_country(country.as_deref())),
            vat_id: section.checked("vat_id", None, |vat_id| at_most(vat_id.as_deref(), 20)),
            email: section.checked("email", None, |email| check_email(email.as_deref())),
        }
    }
}

fn at_most(text: Option<&str>, most: usize) -> Result<(), String> {
    if text.is_some_and(|text| text.chars().count() > most) {
        return Err(format!("must be at most {most} characters"));
    }
    Ok(())
}

fn check_country(country: Option<&str>) -> Result<(), String> {
    match country {
        Some(code) if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_uppercase()) => {
            Err("must be a two-letter country code, such as \"ES\"".into())
        }
        _ => Ok(()),
    }
}

fn check_email(email: Option<&str>) -> Result<(), String> {
    let Some(email) = email else { return Ok(()) };
    let parts = email.split_once('@');
    let fits =
        parts.is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
    if fits && email.len() <= 254 && !email.contains(char::is_whitespace) {
        return Ok(());
    }
    Err("must be an email address".into())
}
