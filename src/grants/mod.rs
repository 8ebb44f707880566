//! Credit received once: its classes, the order in which it is drawn, when it can be used.

mod notices;
pub mod rules;
mod sql;
mod verify;

pub use notices::{is_notice_due, next_notice, tell_expiring};
pub use rules::{Class, DrawOrder, Terms};
pub use sql::{
    GrantRow, REVERSAL, add_withdrawn, all_of, close, expiring, get, insert, next_expiry, open_of, reopen,
    set_expired,
};
pub use verify::verify;
