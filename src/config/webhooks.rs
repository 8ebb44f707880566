//! `[webhooks]` and `[sms]`: who may be told, and through whom.

use super::reader::Reader;
use super::secret::Secret;
use super::server::Network;

/// Which addresses customers may have told of what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// Networks that may be called although they are not public, such as the platform's own.
    pub allowed_networks: Vec<Network>,
    /// How long one attempt may take.
    pub timeout_seconds: u32,
    /// An address that failed for so many days without one success is not told any more.
    pub disable_after_days: u32,
}

impl Webhooks {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("webhooks");
        Self {
            allowed_networks: section.value("allowed_networks", Vec::new()),
            timeout_seconds: section.bounded("timeout_seconds", 15, 1..=60),
            disable_after_days: section.bounded("disable_after_days", 5, 1..=90),
        }
    }
}

/// Through whom text messages are sent: anybody who understands Twilio's `Messages` resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// Where the service is, without a slash at the end.
    pub api_base: String,
    /// Which account sends. Without one, no text messages are sent.
    pub account_sid: Option<String>,
    /// Its secret.
    pub auth_token: Option<Secret>,
    /// The number that they come from.
    pub from: Option<String>,
}

impl Sms {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("sms");
        Self {
            api_base: section.checked("api_base", "https://api.twilio.com".into(), check_base),
            account_sid: section.value("account_sid", None),
            auth_token: section.secret("auth_token"),
            from: section.value("from", None),
        }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ptr_arg)]
fn check_base(url: &String) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/')) {
        return Ok(());
    }
    Err("must begin with https:// or http:// and not end with a slash".into())
}
