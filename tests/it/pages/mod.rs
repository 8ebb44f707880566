//! The pages, as a browser asks for them.

mod access;
pub mod browsing;
mod calls;
mod catalog;
mod customer;
mod entry;
mod files;
mod invoices;
mod limits;
mod money;
mod operator;
mod packages;
mod people;
mod plan;
mod refunds;
mod reload;
mod telling;
mod topup;
mod transfer;
