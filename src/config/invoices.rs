//! `[invoices]`: how documents are numbered.

use super::reader::Reader;

/// The longest prefix.
const MAX_CHARS: usize = 12;

/// How documents are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoices {
    /// What the names of new series begin with, before `INV` or `CN` and the year; empty for nothing.
    pub prefix: String,
}

impl Invoices {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { prefix: reader.section("invoices").checked("prefix", String::new(), check_prefix) }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ptr_arg)]
fn check_prefix(prefix: &String) -> Result<(), String> {
    let parts = prefix.split('-').all(|part| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    });
    if prefix.is_empty() || parts && prefix.len() <= MAX_CHARS {
        return Ok(());
    }
    Err(format!(
        "must be at most {MAX_CHARS} capital letters, digits and hyphens between them, such as \"ACME\""
    ))
}
