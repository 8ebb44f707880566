//! Signatures of webhooks, in Stripe's scheme: `t=<seconds>,v1=<hex>[,v1=<hex>]`, each the HMAC-SHA256 of
//! `<seconds>.<body>`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::Timestamp;
use crate::base::time::SECOND_MS;

/// The header it is sent in.
pub const HEADER: &str = "stripe-signature";
/// Signatures looked at: a header full of guesses is not worth the work.
const MOST_SIGNATURES: usize = 8;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is missing or does not make sense.
    #[error("is missing or malformed")]
    Malformed,
    /// It was signed with something else, or the body is another.
    #[error("does not match")]
    Wrong,
    /// It was signed too long ago, or in the future: somebody may have recorded it.
    #[error("is too old")]
    Stale,
}

/// The header for a body that is sent now.
#[must_use]
pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let seconds = now.millis().div_euclid(SECOND_MS).to_string();
    let signature = mac(secret, &seconds, body).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("t={seconds},v1={}", signature.unwrap_or_default())
}

/// Checks that `body` was signed with one of `secrets`, at most `tolerance_ms` from now.
///
/// # Errors
/// Why it is not believed.
pub fn verify<'s>(
    secrets: impl Iterator<Item = &'s str>,
    header: &str,
    body: &[u8],
    now: Timestamp,
    tolerance_ms: i64,
) -> Result<(), SignatureError> {
    let mut time: Option<&str> = None;
    let mut given: Vec<Vec<u8>> = Vec::new();
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" if time.is_none() => time = Some(value),
            "t" => return Err(SignatureError::Malformed),
            // schemes that are not known here are passed over
            "v1" if given.len() < MOST_SIGNATURES => given.extend(hex::decode(value)),
            _ => {}
        }
    }
    let time = time.ok_or(SignatureError::Malformed)?;
    let seconds: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    if given.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let mut matches = false;
    for secret in secrets {
        for signature in &given {
            // compares in constant time
            matches |= mac(secret, time, body).is_some_and(|mac| mac.verify_slice(signature).is_ok());
        }
    }
    if !matches {
        return Err(SignatureError::Wrong);
    }
    let age_ms = seconds.checked_mul(SECOND_MS).and_then(|at| now.millis().checked_sub(at));
    match age_ms {
        Some(age_ms) if age_ms.unsigned_abs() <= tolerance_ms.unsigned_abs() => Ok(()),
        _ => Err(SignatureError::Stale),
    }
}

fn mac(secret: &str, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    // a key of any length will do
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_999)
    }

    fn check(secrets: &[&str], header: &str, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        verify(secrets.iter().copied(), header, body, now, 300_000)
    }

    #[test]
    fn a_signature_is_that_of_the_scheme() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expected = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(sign("whsec_test", BODY, now()), format!("t=1700000000,v1={expected}"));
    }

    #[test]
    fn only_what_was_signed_with_the_secret_lately_is_believed() {
        let header = sign("whsec_a", BODY, now());
        assert_eq!(check(&["whsec_a"], &header, BODY, now()), Ok(()));
        assert_eq!(check(&["whsec_new", "whsec_a"], &header, BODY, now()), Ok(()));
        assert_eq!(check(&["whsec_b"], &header, BODY, now()), Err(SignatureError::Wrong));
        assert_eq!(check(&[], &header, BODY, now()), Err(SignatureError::Wrong));
        assert_eq!(check(&["whsec_a"], &header, b"{}", now()), Err(SignatureError::Wrong));
        let other_time = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(check(&["whsec_a"], &other_time, BODY, now()), Err(SignatureError::Wrong));
        let rotating = format!("{header},v1={},v0=00", "ab".repeat(32));
        assert_eq!(check(&["whsec_a"], &rotating, BODY, now()), Ok(()));
        for (later_ms, expected) in
            [(299_001, Ok(())), (300_001, Err(SignatureError::Stale)), (-302_000, Err(SignatureError::Stale))]
        {
            assert_eq!(check(&["whsec_a"], &header, BODY, now().plus_ms(later_ms)), expected, "{later_ms}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for header in
            ["", "t=", "v1=00", "t=1700000000", "t=x,v1=00", "t=1,t=2,v1=00", "t=1,v1=zz", "t=1700000000,v1="]
        {
            assert!(check(&["whsec_a"], header, BODY, now()).is_err(), "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "\\PC{0,80}") {
            proptest::prop_assert!(check(&["whsec_a"], &header, BODY, now()).is_err());
        }
    }
}
