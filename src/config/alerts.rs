//! `[alerts]`: below which balances people are told.

use super::reader::Reader;

/// Below which balances people are told who have chosen none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// In whole credits.
    pub default_thresholds: Vec<u32>,
}

impl Alerts {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("alerts");
        Self { default_thresholds: section.value("default_thresholds", vec![500]) }
    }
}
