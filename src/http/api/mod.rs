//! The JSON API: one file per resource.

use super::route::Table;

/// All operations.
pub fn routes(_table: &mut Table) {}
