//! `[calls]`: what is set aside for calls, and how long they may last.

use super::reader::Reader;

/// What is set aside for calls, and how long they may last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calls {
    /// What a hold covers when a call begins, and how far it is kept ahead of what was last reported, in seconds.
    pub hold_seconds: u32,
    /// The shortest call that may begin, in seconds.
    pub min_seconds: u32,
    /// The longest call, in seconds, also where it costs nothing.
    pub max_call_seconds: u32,
    /// How long after what is set aside ran out a call that is not heard of ends by itself, in seconds.
    pub expiry_grace_seconds: u32,
    /// When fewer seconds are left, an extension warns.
    pub warning_seconds: u32,
}

impl Calls {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("calls");
        Self {
            hold_seconds: section.bounded("hold_seconds", 60, 1..=3_600),
            min_seconds: section.bounded("min_seconds", 1, 1..=3_600),
            max_call_seconds: section.bounded("max_call_seconds", 14_400, 60..=604_800),
            expiry_grace_seconds: section.bounded("expiry_grace_seconds", 30, 0..=3_600),
            warning_seconds: section.bounded("warning_seconds", 60, 0..=3_600),
        }
    }
}
