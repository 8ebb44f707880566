//! Credit received once: its classes, the order in which it is drawn, when it can be used.

pub mod rules;
mod sql;
mod verify;

pub use rules::{Class, DrawOrder, Terms};
pub use sql::{
    GrantRow, REVERSAL, add_withdrawn, all_of, close, expiring, get, insert, open_of, reopen, set_expired,
};
pub use verify::verify;
