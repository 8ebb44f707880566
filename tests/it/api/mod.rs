//! The JSON API.

mod access;
mod admin;
mod conventions;
mod document;
mod sessions;
