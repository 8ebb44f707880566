//! `[payments]`: what customers may buy, which webhooks are believed, and through whom they pay.

use super::reader::{Reader, Section};
use super::secret::Secret;
use crate::base::Mode;

/// What customers may buy, which webhooks are believed, and through whom they pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payments {
    /// The smallest custom amount, in whole units of the currency.
    pub minimum: i64,
    /// The largest custom amount, in whole units of the currency.
    pub maximum: i64,
    /// For how many days after a payment customers may ask for its unused part back.
    pub refund_days: u32,
    /// How old the signature of a webhook may be, in seconds.
    pub webhook_tolerance_seconds: u32,
    /// Payments through Stripe.
    pub stripe: Stripe,
    /// Hosts that customers may be sent back to from paying, besides the public URL's: with a port where it is not the
    /// usual one.
    pub allowed_return_hosts: Vec<String>,
}

impl Payments {
    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let mut section = reader.section("payments");
        let minimum = section.bounded("minimum", 5, 1..=1_000_000);
        Self {
            minimum,
            maximum: section.bounded("maximum", 10_000.max(minimum), minimum..=1_000_000),
            refund_days: section.bounded("refund_days", 14, 0..=3_650),
            webhook_tolerance_seconds: section.bounded("webhook_tolerance_seconds", 300, 1..=3_600),
            allowed_return_hosts: section.value("allowed_return_hosts", Vec::new()),
            stripe: Stripe::read(&mut reader.section("payments.stripe"), mode),
        }
    }
}

/// `[payments.stripe]`: payments through Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripe {
    /// With which Stripe is called. Without one there are no payments through Stripe.
    pub secret_key: Option<Secret>,
    /// What its webhooks are signed with; several while one is being replaced.
    pub webhook_secrets: Vec<Secret>,
    /// Where its API is, without a slash at the end.
    pub api_base: String,
    /// Where its page for paying is: scheme and host.
    pub checkout_origin: String,
    /// How long one attempt of a call may take.
    pub timeout_seconds: u32,
}

impl Stripe {
    fn read(section: &mut Section<'_, '_>, mode: Mode) -> Self {
        Self {
            secret_key: section.checked_secret("secret_key", |key| check_key(key, mode)),
            webhook_secrets: section.secrets("webhook_secrets", |secret| {
                let good = secret.len() > "whsec_".len() && secret.starts_with("whsec_");
                if good { Ok(()) } else { Err("must begin with whsec_, each of them".into()) }
            }),
            api_base: section
                .checked("api_base", "https://api.stripe.com".into(), |url| check_origin(url, mode)),
            checkout_origin: section.checked(
                "checkout_origin",
                "https://checkout.stripe.com".into(),
                |url| check_origin(url, mode),
            ),
            timeout_seconds: section.bounded("timeout_seconds", 20, 1..=80),
        }
    }
}

/// A secret key, or a restricted one, of the mode that the server runs in: test cards must not buy credit that is real,
/// and trying things out must not cost anybody money.
fn check_key(key: &str, mode: Mode) -> Result<(), String> {
    let kind = key.strip_prefix("sk_").or_else(|| key.strip_prefix("rk_"));
    let of_key = match kind {
        Some(rest) if rest.len() > "live_".len() && rest.starts_with("live_") => Mode::Live,
        Some(rest) if rest.len() > "test_".len() && rest.starts_with("test_") => Mode::Test,
        _ => return Err("must begin with sk_live_, rk_live_, sk_test_ or rk_test_".into()),
    };
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("must consist of letters, digits and underscores".into());
    }
    match (of_key, mode) {
        (Mode::Live, Mode::Live) | (Mode::Test, Mode::Test) => Ok(()),
        (Mode::Live, Mode::Test) => Err("is a live key, but server.mode is \"test\"".into()),
        (Mode::Test, Mode::Live) => Err("is a test key, but server.mode is \"live\"".into()),
    }
}

/// Scheme and host, with a port or without.
fn check_origin(url: &str, mode: Mode) -> Result<(), String> {
    let host = match mode {
        Mode::Live => url.strip_prefix("https://"),
        Mode::Test => url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    match host {
        Some(host) if !host.is_empty() && host.chars().all(fits) => Ok(()),
        _ => Err("must be https:// and a host, without a slash at the end".into()),
    }
}
