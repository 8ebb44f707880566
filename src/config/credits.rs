//! `[credits]`: what a credit is.

use super::reader::Reader;
use crate::base::{Credits, Currency};

/// What a credit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditsConfig {
    /// The currency of the catalog, and of organizations made without one.
    pub currency: Currency,
    /// How many credits one unit of it buys. Not to be changed once credit was sold.
    pub per_unit: i64,
    /// Free credit for a new organization.
    pub welcome: Credits,
    /// After how many days what is left of it expires; 0 is never.
    pub welcome_expiry_days: u32,
    /// So many days before credit expires that is told.
    pub expiry_notice_days: Vec<u32>,
    /// Where customers buy credit.
    pub topup_url: Option<String>,
}

/// A million credits for a unit of currency, or a million units' worth of welcome credit, is a slip of the keyboard.
const MOST: i64 = 1_000_000;

impl CreditsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("credits");
        let most_welcome = Credits::from_whole(MOST * 100).unwrap_or(Credits::ZERO);
        Self {
            currency: section.value("currency", Currency::EUR),
            per_unit: section.bounded("per_unit", 100, 1..=MOST),
            welcome: section.bounded("welcome", Credits::ZERO, Credits::ZERO..=most_welcome),
            welcome_expiry_days: section.bounded("welcome_expiry_days", 0, 0..=3_660),
            expiry_notice_days: section.checked("expiry_notice_days", vec![30, 7, 1], check_days),
            topup_url: section.checked("topup_url", None, check_page),
        }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ptr_arg)]
fn check_days(days: &Vec<u32>) -> Result<(), String> {
    let repeats = days.iter().enumerate().any(|(place, day)| days.iter().take(place).any(|d| d == day));
    if repeats || days.len() > 10 || !days.iter().all(|day| (1..=366).contains(day)) {
        return Err("must be up to ten different numbers of days, each from 1 to 366".into());
    }
    Ok(())
}

/// A page of the platform's own, so with any path and query.
#[allow(clippy::ref_option)]
fn check_page(url: &Option<String>) -> Result<(), String> {
    let Some(url) = url else { return Ok(()) };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let strange = |c: char| c.is_whitespace() || c.is_control() || "\\\"'<>".contains(c);
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['/', '?', '#']) && !rest.contains(strange) => {
            Ok(())
        }
        _ => Err("must begin with https:// or http:// and lead to a page".into()),
    }
}
