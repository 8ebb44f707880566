//! Tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ledger_kit;
mod ledger_rules;
mod ledger_sim;
mod verify_tampering;
mod writer;
