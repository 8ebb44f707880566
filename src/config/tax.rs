//! `[tax]`: what the seller's VAT depends on besides its country.

use super::reader::Reader;

/// What the seller's VAT depends on besides its country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tax {
    /// Whether VAT is accounted for in the customer's country through the One Stop Shop.
    pub oss: bool,
    /// What a seller outside of the Union charges at home, in hundredths of a percent.
    pub home_rate_basis_points: u16,
}

impl Tax {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("tax");
        Self {
            oss: section.value("oss", false),
            home_rate_basis_points: section.bounded("home_rate_basis_points", 0, 0..=10_000),
        }
    }
}
