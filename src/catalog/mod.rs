//! What can be charged for and at which price: meters, rate cards, plans, and their versions.

pub mod rules;
