//! `[payments]`: what customers may buy, and which webhooks are believed.

use super::reader::Reader;

/// What customers may buy, and which webhooks are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payments {
    /// The smallest custom amount, in whole units of the currency.
    pub minimum: i64,
    /// The largest custom amount, in whole units of the currency.
    pub maximum: i64,
    /// How old the signature of a webhook may be, in seconds.
    pub webhook_tolerance_seconds: u32,
}

impl Payments {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("payments");
        let minimum = section.bounded("minimum", 5, 1..=1_000_000);
        Self {
            minimum,
            maximum: section.bounded("maximum", 10_000.max(minimum), minimum..=1_000_000),
            webhook_tolerance_seconds: section.bounded("webhook_tolerance_seconds", 300, 1..=3_600),
        }
    }
}
