//! Tests through the front door: a real server on a free port, a clock that stands still until told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod browser;
mod call_lengths;
mod cli;
mod demo;
mod disk;
mod events;
mod helpers;
mod import;
mod invoice_pdf;
mod invoices;
mod kill;
mod kill_payments;
mod kill_reload;
mod ledger_kit;
mod ledger_rules;
mod ledger_sim;
mod limit_rules;
mod pages;
mod payments;
mod process;
mod refunds;
mod reload;
mod revenue;
mod settings;
mod stripe;
mod subscriptions;
mod telling;
mod tidy;
mod transfers;
mod vat_ids;
mod verify_tampering;
mod vies;
mod writer;
