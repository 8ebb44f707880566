//! Ids that the platform chooses.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

use crate::ledger::Canon;

/// The longest id that is taken, in bytes.
pub const MAX_EXTERNAL_ID: usize = 255;

/// How the ids begin that Tollbook gives to what it charges for calls.
const CALL: &str = "auth_";
/// How the ids begin that Tollbook gives to the rent of numbers.
pub const RENT: &str = "rent_";

/// An id as sent. A UUID in its usual spelling (lower case, hyphens) is kept in 16 bytes instead of 36.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExternalId {
    /// A UUID; printed exactly as it came.
    Uuid(uuid::Uuid),
    /// Anything else.
    Text(Box<str>),
}

impl ExternalId {
    /// The id, unless it is empty, too long, or holds control characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_EXTERNAL_ID || text.chars().any(char::is_control) {
            return None;
        }
        if text.len() == 36
            && let Ok(uuid) = uuid::Uuid::try_parse(text)
            && !text.bytes().any(|b| b.is_ascii_uppercase())
        {
            return Some(Self::Uuid(uuid));
        }
        Some(Self::Text(text.into()))
    }

    /// Only Tollbook gives such ids: to what it charges for a call or a number.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.is_rent() || matches!(self, Self::Text(text) if text.starts_with(CALL))
    }

    /// The rent of a number.
    #[must_use]
    pub fn is_rent(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with(RENT))
    }

    /// The bytes that the hash chain covers: a UUID's are not those of a text.
    pub(super) fn canonical(&self, out: &mut Canon) {
        out.tag(match self {
            Self::Uuid(_) => 1,
            Self::Text(_) => 2,
        })
        .blob(self.bytes());
    }

    /// The bytes that stand for it in hashes of ids.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Uuid(uuid) => uuid.as_bytes(),
            Self::Text(text) => text.as_bytes(),
        }
    }
}

impl std::fmt::Display for ExternalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl serde::Serialize for ExternalId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Uuid(uuid) => {
                let mut buffer = uuid::Uuid::encode_buffer();
                serializer.serialize_str(uuid.hyphenated().encode_lower(&mut buffer))
            }
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl ToSql for ExternalId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Uuid(uuid) => ToSqlOutput::Borrowed(ValueRef::Blob(uuid.as_bytes())),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl FromSql for ExternalId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => {
                uuid::Uuid::from_slice(bytes).map(Self::Uuid).map_err(|_| FromSqlError::InvalidType)
            }
            ValueRef::Text(_) => Ok(Self::Text(value.as_str()?.into())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_sent() {
        for text in [
            "evt-1",
            "0190f3c2-7b1e-7cc4-9a3f-1b2c3d4e5f60",
            "0190F3C2-7B1E-7CC4-9A3F-1B2C3D4E5F60",
            "0190f3c27b1e7cc49a3f1b2c3d4e5f60",
            "{0190f3c2-7b1e-7cc4-9a3f-1b2c3d4e5f6}",
            "äöü",
        ] {
            assert_eq!(ExternalId::new(text).expect(text).to_string(), text);
        }
        assert!(matches!(ExternalId::new("0190f3c2-7b1e-7cc4-9a3f-1b2c3d4e5f60"), Some(ExternalId::Uuid(_))));
        assert!(ExternalId::new("").is_none());
        assert!(ExternalId::new(&"x".repeat(256)).is_none());
        assert!(ExternalId::new("a\nb").is_none());
    }
}
