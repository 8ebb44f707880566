//! From what was used to what it costs.

pub mod rating;
