//! The pages, as a browser asks for them.

mod customer;
mod entry;
mod limits;
