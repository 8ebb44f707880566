//! The pages: templates, the view models they are filled from, and how amounts and times are written.

pub mod brand;
pub mod components;
pub mod format;
pub mod views;
