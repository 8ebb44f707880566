//! Signatures of the webhooks we send, as Standard Webhooks has them
//! (<https://github.com/standard-webhooks/standard-webhooks>, "Verifying webhook authenticity"): the HMAC-SHA256 of
//! `<id>.<seconds>.<body>`, in base 64 behind `v1,`; several with a space between while a secret is being replaced.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::Sha256;

/// What secrets begin with.
const PREFIX: &str = "whsec_";
/// Random bytes in a secret; the specification asks for 24 to 64.
const BYTES: usize = 32;

/// A new secret.
#[must_use]
pub fn mint() -> String {
    let mut bytes = [0_u8; BYTES];
    // seeded from the system and cryptographically strong; secrets are no part of an operation's outcome
    rand::rng().fill_bytes(&mut bytes);
    format!("{PREFIX}{}", STANDARD.encode(bytes))
}

/// The header `webhook-signature`, by each of the secrets.
#[must_use]
pub fn sign<'s>(secrets: impl Iterator<Item = &'s str>, id: &str, seconds: i64, body: &str) -> String {
    let signatures = secrets.filter_map(|secret| {
        let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signs_as_the_specification_says() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = "{\"test\": 2432232314}";
        let signed = sign([secret].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn signs_by_both_secrets_while_one_is_being_replaced() {
        let (old, new) = (mint(), mint());
        assert_ne!(old, new);
        let both = sign([new.as_str(), old.as_str()].into_iter(), "evt_1", 1, "{}");
        let each = [new, old].map(|one| sign([one.as_str()].into_iter(), "evt_1", 1, "{}"));
        assert_eq!(both, each.join(" "));
    }
}
