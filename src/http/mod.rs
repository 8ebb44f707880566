//! The HTTP edge: pages for people. Handlers translate; what they show and do is in the domain.

pub mod pages;
