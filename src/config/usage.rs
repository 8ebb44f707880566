//! `[usage]`: which usage is taken.

use super::reader::Reader;
use crate::base::Quantity;

/// Which usage is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// How long ago usage may have occurred, in days. The default is a month, so that a platform can report a whole
    /// billing period late, and some days to notice.
    pub max_age_days: u32,
    /// How far a platform's clock may be ahead, in seconds.
    pub max_future_seconds: u32,
    /// How long after its expiry a grant may pay for usage that occurred before it, in hours.
    pub expiry_grace_hours: u32,
    /// Events in one request.
    pub max_batch: usize,
    /// The largest quantity of one event, in the meter's unit.
    pub max_quantity: Quantity,
}

impl Usage {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("usage");
        let whole = |units| Quantity::from_whole(units).unwrap_or(Quantity::ZERO);
        Self {
            max_age_days: section.bounded("max_age_days", 35, 1..=3_660),
            max_future_seconds: section.bounded("max_future_seconds", 300, 0..=86_400),
            expiry_grace_hours: section.bounded("expiry_grace_hours", 24, 0..=8_784),
            max_batch: section.bounded("max_batch", 1_000, 1..=10_000),
            // a billion: above any call or message, within reach of tokens
            max_quantity: section.bounded(
                "max_quantity",
                whole(1_000_000_000),
                Quantity::from_micros(1)..=whole(1_000_000_000_000),
            ),
        }
    }
}
