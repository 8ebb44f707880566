//! Tollbook.
fn main() {}
