//! Headers that every answer carries.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::State;
use super::ratelimit::Standing;
use super::request_id::RequestId;
use super::route::Surface;

/// What a page may load: our own files and nothing else. No inline script or style at all. What it may send forms to
/// comes last.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
                           form-action 'self'";
/// What an answer that is not a page may load, should a browser show it as one.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const ONE_YEAR_HSTS: &str = "max-age=31536000";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The policy of pages. Browsers hold the answer to a form to it as well: a form that leads to the payment provider's page,
/// or from our own to the platform's, needs its origin there. What is no scheme and host, or host alone, is left out.
#[must_use]
pub fn page_policy<'a>(form_targets: impl IntoIterator<Item = &'a str>) -> HeaderValue {
    let mut policy = PAGE_POLICY.to_owned();
    for target in form_targets.into_iter().filter(|target| is_source(target)) {
        policy.push(' ');
        policy.push_str(target);
    }
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static(PAGE_POLICY))
}

/// Whether it can stand in a policy without saying anything else there.
fn is_source(target: &str) -> bool {
    let host = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://")).unwrap_or(target);
    !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
}

/// Adds the headers that do not depend on the handler.
pub fn finish(headers: &mut HeaderMap, surface: Surface, request_id: RequestId, state: &State) {
    if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = match surface {
        Surface::Page => {
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
            headers.insert(
                HeaderName::from_static("cross-origin-opener-policy"),
                HeaderValue::from_static("same-origin"),
            );
            state.page_policy.clone()
        }
        Surface::Api | Surface::Plain => HeaderValue::from_static(DATA_POLICY),
    };
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if state.https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONE_YEAR_HSTS));
    }
}

/// Says how the caller's bucket stands (draft-ietf-httpapi-ratelimit-headers).
pub fn rate_limit(headers: &mut HeaderMap, standing: Standing) {
    let Standing { burst, window_s, remaining, reset_s } = standing;
    let policy = HeaderValue::try_from(format!("\"default\";q={burst};w={window_s}"));
    let limit = HeaderValue::try_from(format!("\"default\";r={remaining};t={reset_s}"));
    if let (Ok(policy), Ok(limit)) = (policy, limit) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_hosts_and_nothing_else() {
        let policy = |targets: &[&str]| {
            let policy = page_policy(targets.iter().copied());
            let policy = policy.to_str().expect("text");
            policy.rsplit_once("form-action ").map(|(_, targets)| targets.to_owned()).expect("named")
        };
        assert_eq!(policy(&[]), "'self'");
        let good = ["https://pay.example", "shop.example:8443", "http://[::1]:80"];
        assert_eq!(policy(&good), "'self' https://pay.example shop.example:8443 http://[::1]:80");
        for bad in ["", "https://", "*", "a.example; script-src *", "a b", "javascript:alert(1)", "'none'"] {
            assert_eq!(policy(&[bad]), "'self'", "{bad}");
        }
    }
}
