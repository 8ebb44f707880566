//! The JSON API.

mod access;
mod admin;
mod billing;
mod call_desk;
mod call_limits;
mod call_races;
mod calls;
mod conventions;
mod desk;
mod document;
pub mod invoices;
mod limits;
mod reload;
mod sessions;
mod subscriptions;
mod topup;
mod transfer;
mod usage_events;
mod usage_reports;
