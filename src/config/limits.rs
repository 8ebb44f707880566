//! `[limits]`: how fast requests may come.

use super::reader::Reader;

/// How fast requests may come; 0 is without limit. A burst is what may come at once after a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second with one operator key: the platform's own backend, so not limited unless wished.
    pub operator_key_per_second: u32,
    /// The burst of an operator key.
    pub operator_key_burst: u32,
    /// Requests a second with one key of an organization.
    pub organization_key_per_second: u32,
    /// The burst of an organization's key.
    pub organization_key_burst: u32,
    /// Requests a second in one person's session.
    pub session_per_second: u32,
    /// The burst of a session.
    pub session_burst: u32,
    /// Requests a second from one address that is not signed in.
    pub anonymous_per_second: u32,
    /// The burst of such an address.
    pub anonymous_burst: u32,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("limits");
        let mut limit = |key, default| section.bounded(key, default, 0..=10_000_000);
        Self {
            operator_key_per_second: limit("operator_key_per_second", 0),
            operator_key_burst: limit("operator_key_burst", 0),
            organization_key_per_second: limit("organization_key_per_second", 50),
            organization_key_burst: limit("organization_key_burst", 200),
            session_per_second: limit("session_per_second", 20),
            session_burst: limit("session_burst", 100),
            anonymous_per_second: limit("anonymous_per_second", 10),
            anonymous_burst: limit("anonymous_burst", 50),
        }
    }
}
