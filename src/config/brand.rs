//! `[brand]`: how the pages look.

use std::path::PathBuf;

use super::reader::Reader;

/// How the pages look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// The operator's name, in the top bar and in mails.
    pub name: String,
    /// A picture for the top bar and for invoices.
    pub logo_file: Option<PathBuf>,
    /// The colour of buttons and links, `#rrggbb`.
    pub accent: String,
}

impl Brand {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("brand");
        Self {
            name: section.checked("name", "Tollbook".into(), check_name),
            logo_file: section.value("logo_file", None),
            accent: section.checked("accent", "#1f5fbf".into(), check_color),
        }
    }
}

// the signature of a rule of a setting, here and below
#[allow(clippy::ptr_arg)]
fn check_name(name: &String) -> Result<(), String> {
    let length = name.chars().count();
    if length == 0 || length > 60 || name.trim() != name || name.chars().any(char::is_control) {
        return Err("must be 1 to 60 characters without space around them".into());
    }
    Ok(())
}

#[allow(clippy::ptr_arg)]
fn check_color(color: &String) -> Result<(), String> {
    let digits = color.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err("must be a colour such as \"#1f5fbf\"".into())
}
