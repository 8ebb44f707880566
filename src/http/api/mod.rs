//! The JSON API: one file per resource.

mod audit;
mod catalog;
mod clock;
mod details;
mod keys;
mod organizations;
mod plans;
mod sessions;
mod usage_events;
mod users;
mod workspaces;

use super::route::Table;

/// All operations.
pub fn routes(table: &mut Table) {
    sessions::routes(table);
    plans::routes(table);
    details::routes(table);
    workspaces::routes(table);
    keys::routes(table);
    organizations::routes(table);
    users::routes(table);
    catalog::routes(table);
    audit::routes(table);
    clock::routes(table);
    usage_events::routes(table);
}
