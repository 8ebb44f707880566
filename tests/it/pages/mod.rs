//! The pages, as a browser asks for them.

mod access;
pub mod browsing;
mod customer;
mod entry;
mod files;
mod limits;
mod operator;
