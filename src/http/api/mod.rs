//! The JSON API: one file per resource.

mod agents;
mod audit;
mod auto_reload;
mod calls;
mod catalog;
mod checkout;
mod clock;
pub(super) mod credit;
mod details;
mod grants;
pub(super) mod invoices;
mod keys;
mod limits;
mod number_guard;
mod organization;
mod organizations;
mod packages;
mod payment_methods;
mod period;
mod plans;
mod refunds;
mod reports;
mod sessions;
mod subscription;
mod topup;
pub(super) mod transactions;
mod transfer;
mod usage_events;
mod usage_items;
mod usage_log;
mod usage_report;
mod users;
mod wallet;
mod within;
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
    packages::routes(table);
    audit::routes(table);
    reports::routes(table);
    clock::routes(table);
    usage_events::routes(table);
    calls::routes(table);
    usage_log::routes(table);
    wallet::routes(table);
    credit::routes(table);
    topup::routes(table);
    transfer::routes(table);
    refunds::routes(table);
    invoices::routes(table);
    checkout::routes(table);
    auto_reload::routes(table);
    payment_methods::routes(table);
    transactions::routes(table);
    grants::routes(table);
    usage_report::routes(table);
    usage_items::routes(table);
    organization::routes(table);
    subscription::routes(table);
    limits::routes(table);
    agents::routes(table);
    number_guard::routes(table);
}
