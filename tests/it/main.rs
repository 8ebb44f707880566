//! Tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod import;
mod ledger_kit;
mod ledger_rules;
mod ledger_sim;
mod process;
mod writer;
