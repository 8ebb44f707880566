//! The pages: templates, the view models they are filled from, and how amounts and times are written.

mod alerts;
mod auto_reload;
mod billing_details;
pub mod brand;
mod call;
mod calls;
mod catalog;
pub mod choices;
pub mod chrome;
pub mod components;
mod csv;
mod customer;
mod deliveries;
mod entry;
pub mod failure;
mod filter;
pub mod format;
pub mod forms;
mod invoices;
mod limits;
mod members;
mod numbers;
mod operator;
pub mod outlook;
mod overview;
mod password;
mod payment_methods;
mod plan;
mod sandbox;
mod setup;
mod taxation;
mod topup;
mod transactions;
mod transfer;
mod usage;
mod usage_day;
mod usage_item;
pub mod views;
mod webhooks;

use super::route::Table;

/// All pages.
pub fn register(table: &mut Table) {
    overview::register(table);
    usage::register(table);
    usage_day::register(table);
    usage_item::register(table);
    calls::register(table);
    call::register(table);
    transactions::register(table);
    limits::register(table);
    plan::register(table);
    topup::register(table);
    invoices::register(table);
    billing_details::register(table);
    transfer::register(table);
    auto_reload::register(table);
    payment_methods::register(table);
    alerts::register(table);
    webhooks::register(table);
    members::register(table);
    password::routes(table);
    numbers::register(table);
    sandbox::register(table);
    entry::routes(table);
    setup::routes(table);
    operator::routes(table);
    catalog::routes(table);
}
