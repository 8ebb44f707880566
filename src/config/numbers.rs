//! `[numbers]`: what becomes of a rented number whose rent is not paid.

use super::reader::Reader;

/// What becomes of a rented number whose rent is not paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// So many days later it is suspended.
    pub grace_days: u32,
    /// So many days after that it is released.
    pub release_days: u32,
}

impl Numbers {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("numbers");
        Self {
            grace_days: section.bounded("grace_days", 7, 0..=90),
            release_days: section.bounded("release_days", 30, 1..=365),
        }
    }
}
