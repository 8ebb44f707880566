//! Tollbook: prepaid billing for platforms that run AI agents.
//!
//! One package, one process, one database file. `docs/architecture.md` has the map; modules import only from
//! modules of a lower rank.

pub mod alerts;
pub mod app;
pub mod base;
pub mod bench;
pub mod calls;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod db;
pub mod events;
pub mod grants;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod invoices;
pub mod ledger;
pub mod limits;
pub mod metering;
pub mod notifications;
pub mod numbers;
pub mod onboarding;
pub mod outbox;
pub mod outside;
pub mod payments;
pub mod revenue;
pub mod scheduler;
pub mod subscriptions;
pub mod tax;
pub mod vies;
pub mod wallet;
