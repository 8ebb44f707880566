//! Where customers may be sent back to from a provider's page.

use super::Settings;
use super::error::FieldError;

/// The longest address.
const MAX_CHARS: usize = 2_048;

/// Whether customers may be sent to `url`: to this server, or to a host that the configuration names.
///
/// # Errors
/// What is wrong with the field.
pub fn check_return_url(settings: &Settings, field: &'static str, url: &str) -> Result<(), FieldError> {
    let wrong = |code, text: &str| FieldError::new(field, code, text);
    let parsed = url.parse::<actix_web::http::Uri>().ok().filter(|_| url.len() <= MAX_CHARS);
    let parts = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
    let Some((scheme, authority)) = parts.filter(|(scheme, _)| matches!(*scheme, "https" | "http")) else {
        return Err(wrong("invalid_value", "must be an address that begins with https://"));
    };
    // somebody@elsewhere is not elsewhere
    if authority.as_str().contains('@') {
        return Err(wrong("invalid_value", "must not contain a user name"));
    }
    let ours = settings.public_url.parse::<actix_web::http::Uri>().ok();
    let is_ours =
        ours.is_some_and(|ours| ours.authority() == Some(authority) && ours.scheme_str() == Some(scheme));
    let named = |host: &String| host.eq_ignore_ascii_case(authority.as_str());
    if is_ours || settings.return_hosts.iter().any(named) {
        Ok(())
    } else {
        Err(wrong("host_not_allowed", "leads to a host that is not among payments.allowed_return_hosts"))
    }
}
