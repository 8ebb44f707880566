//! Random secrets and what is kept of them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Random bytes in a secret.
const RANDOM: usize = 32;
/// Their length as text.
const RANDOM_TEXT: usize = 43;
/// How much of a key people see again.
const VISIBLE: usize = 6;

/// SHA-256 of a secret: what is stored and compared.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of this secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The bytes as stored.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the bytes as stored, when there are as many as there should be.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Compares without telling by the time taken where the difference is.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

/// A freshly made secret, on its way to the one who will keep it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// One that was made and is kept elsewhere, such as in the configuration.
    #[must_use]
    pub const fn known(text: String) -> Self {
        Self(text)
    }

    /// 256 random bits behind a prefix that says what it is.
    #[must_use]
    pub fn mint(prefix: &str) -> Self {
        let mut bytes = [0_u8; RANDOM];
        // seeded from the system and cryptographically strong; secrets are no part of an operation's outcome
        rand::rng().fill_bytes(&mut bytes);
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The secret itself: shown once, stored nowhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// Its first characters, by which people tell keys apart.
    #[must_use]
    pub(super) fn visible(&self, prefix: &str) -> String {
        self.0.chars().take(prefix.len() + VISIBLE).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// True when `text` can be a secret with this prefix: saves looking for what cannot be there.
#[must_use]
pub(super) fn well_formed(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|random| {
        random.len() == RANDOM_TEXT
            && random.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

/// The token that a form has to carry to prove that it came from a page of this session. Made from the session's
/// token, so nothing more has to be stored; from it the session's token cannot be found.
#[must_use]
pub fn csrf_token(session_token: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"tollbook csrf token\0");
    hash.update(session_token.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

/// True when a form's token belongs to this session.
#[must_use]
pub fn csrf_matches(session_token: &str, given: &str) -> bool {
    csrf_token(session_token).as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_random_and_recognizable() {
        let (one, two) = (Secret::mint("tb_test_"), Secret::mint("tb_test_"));
        assert_ne!(one.expose(), two.expose());
        assert!(!one.hash().matches(&two.hash()));
        assert!(one.hash().matches(&SecretHash::of(one.expose())));
        assert!(well_formed(one.expose(), "tb_test_"));
        assert!(!well_formed(one.expose(), "tb_live_"));
        assert!(!well_formed("tb_test_", "tb_test_"));
        assert!(!well_formed(&format!("{}x", one.expose()), "tb_test_"));
        assert_eq!(one.visible("tb_test_").len(), 14);
        assert_eq!(format!("{one:?}"), "Secret");
    }

    #[test]
    fn a_form_token_fits_its_session_only() {
        let (one, two) = (Secret::mint("tbs_"), Secret::mint("tbs_"));
        let token = csrf_token(one.expose());
        assert!(csrf_matches(one.expose(), &token));
        assert!(!csrf_matches(two.expose(), &token));
        assert!(!csrf_matches(one.expose(), ""));
        assert!(!csrf_matches(one.expose(), &token[1..]));
        assert!(SecretHash::from_bytes(&[0; 31]).is_none());
    }
}
