//! Requests that are sent again get the answer they got the first time.
//!
//! An operation asks with [`begin`], makes its change, and says with [`finish`] what it will answer: all in one
//! transaction, so the change and the answer are kept together or not at all. A request that was refused leaves
//! nothing behind and may be tried again with the same key.

mod sql;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::base::Timestamp;
use crate::base::id::OrganizationId;
use crate::base::time::DAY_MS;
use crate::db::{DbError, WriteTx};

/// Characters in a key.
const KEY_MAX: usize = 255;
/// Answers are kept for at least this long, whatever the configuration says.
pub const RETENTION_MIN_MS: i64 = DAY_MS;

/// Whose keys these are: the same key from somebody else is another key. The operator's requests for an
/// organization and the organization's own do not share theirs, so neither can take the other's answer or place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The operator, for no organization in particular.
    Operator,
    /// The operator, for this organization.
    OperatorFor(OrganizationId),
    /// The organization's own people and keys.
    Organization(OrganizationId),
}

impl Owner {
    /// Of a request by the operator or not, about an organization or none.
    #[must_use]
    pub const fn of(operator: bool, organization: Option<OrganizationId>) -> Option<Self> {
        match (operator, organization) {
            (true, None) => Some(Self::Operator),
            (true, Some(id)) => Some(Self::OperatorFor(id)),
            (false, Some(id)) => Some(Self::Organization(id)),
            (false, None) => None,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::OperatorFor(id) => write!(f, "operator:{}", id.number()),
            Self::Organization(id) => write!(f, "organization:{}", id.number()),
        }
    }
}

/// What a client sends in `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct KeyError;

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() || text.len() > KEY_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(KeyError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Key {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a request is, in 256 bits: equal for equal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a request's parts: method, path, body. Where one part ends and the next begins makes a difference.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // a usize has at most 64 bits everywhere this runs
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The bits.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// One request that may come again.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose.
    pub owner: Owner,
    /// Its key.
    pub key: Key,
    /// What it is.
    pub fingerprint: Fingerprint,
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Begin {
    /// It is the first: carry it out, then [`finish`].
    New,
    /// It was carried out before: answer this and change nothing.
    Replay {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// The key was used for another request: refuse.
    Conflict,
}

/// Whether a request was carried out before.
///
/// # Errors
/// Those of the database.
pub fn begin(tx: &WriteTx<'_>, request: &Request) -> Result<Begin, DbError> {
    // reading needs nothing flushed: no part stands for this table
    let stored = sql::find(tx.conn_unflushed(), &request.owner.to_string(), request.key.as_str())?;
    Ok(match stored {
        None => Begin::New,
        Some(stored) if stored.fingerprint == request.fingerprint.0 => {
            Begin::Replay { status: stored.status, body: stored.body }
        }
        Some(_) => Begin::Conflict,
    })
}

/// Keeps the answer to a request that [`begin`] said is new, in the same transaction.
///
/// # Errors
/// Those of the database; also when the key was used meanwhile, which cannot be in one transaction.
pub fn finish(tx: &WriteTx<'_>, request: &Request, status: u16, body: &[u8]) -> Result<(), DbError> {
    let stored = sql::Stored { fingerprint: request.fingerprint.0.to_vec(), status, body: body.to_vec() };
    sql::insert(tx.conn()?, &request.owner.to_string(), request.key.as_str(), &stored, tx.now())
}

/// One step of tidying up: forgets at most `limit` answers older than `retention_ms` (at least
/// [`RETENTION_MIN_MS`]). Answers how many.
///
/// # Errors
/// Those of the database.
pub fn purge(tx: &WriteTx<'_>, retention_ms: i64, limit: u32) -> Result<usize, DbError> {
    let cutoff = Timestamp::from_millis(tx.now().millis().saturating_sub(retention_ms.max(RETENTION_MIN_MS)));
    sql::delete_older(tx.conn()?, cutoff, limit)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::TestClock;
    use crate::db::{Db, DbOptions, Parts};

    fn open() -> (tempfile::TempDir, Db, Arc<TestClock>) {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::frozen("2026-11-21T09:00:00Z".parse().unwrap()));
        let db = Db::open(dir.path(), &DbOptions::default(), clock.clone(), Parts::new()).unwrap();
        (dir, db, clock)
    }

    fn request(owner: Owner, key: &str, body: &str) -> Request {
        Request {
            owner,
            key: key.parse().unwrap(),
            fingerprint: Fingerprint::of(&[b"POST", b"/x", body.as_bytes()]),
        }
    }

    const ONE: Owner = Owner::Organization(OrganizationId::new(1));

    fn ask(db: &Db, request: &Request) -> Begin {
        let request = request.clone();
        db.write_blocking(move |tx| begin(tx, &request)).unwrap()
    }

    fn carry_out(db: &Db, request: &Request, body: &'static [u8]) {
        let request = request.clone();
        db.write_blocking(move |tx| {
            assert_eq!(begin(tx, &request)?, Begin::New);
            finish(tx, &request, 201, body)
        })
        .unwrap();
    }

    #[test]
    fn the_same_request_gets_the_same_answer_and_another_is_refused() {
        let (_dir, db, _) = open();
        let first = request(ONE, "k-1", "a");
        carry_out(&db, &first, b"{\"id\":1}");
        assert_eq!(ask(&db, &first), Begin::Replay { status: 201, body: b"{\"id\":1}".to_vec() });
        assert_eq!(ask(&db, &request(ONE, "k-1", "b")), Begin::Conflict);
        assert_eq!(ask(&db, &request(ONE, "k-2", "a")), Begin::New);
        for owner in [
            Owner::Operator,
            Owner::OperatorFor(OrganizationId::new(1)),
            Owner::Organization(OrganizationId::new(2)),
        ] {
            assert_eq!(ask(&db, &request(owner, "k-1", "a")), Begin::New, "{owner}");
        }
    }

    #[test]
    fn what_fails_leaves_no_answer_behind() {
        let (_dir, db, _) = open();
        let first = request(ONE, "k-1", "a");
        let again = first.clone();
        let failed: Result<(), DbError> = db.write_blocking(move |tx| {
            finish(tx, &again, 201, b"{}")?;
            Err(DbError::Stopped)
        });
        assert!(failed.is_err());
        assert_eq!(ask(&db, &first), Begin::New);
        carry_out(&db, &first, b"{}");
        let twice = first.clone();
        assert!(db.write_blocking(move |tx| finish(tx, &twice, 201, b"{}")).is_err());
    }

    #[test]
    fn answers_are_forgotten_in_steps_and_never_within_a_day() {
        let (_dir, db, clock) = open();
        for key in ["a", "b", "c"] {
            carry_out(&db, &request(ONE, key, ""), b"");
        }
        let step = |retention_ms, limit| db.write_blocking(move |tx| purge(tx, retention_ms, limit)).unwrap();
        clock.advance(DAY_MS);
        assert_eq!(step(0, 10), 0, "exactly a day old");
        clock.advance(1);
        assert_eq!(step(2 * DAY_MS, 10), 0);
        assert_eq!(step(0, 2), 2);
        assert_eq!(step(0, 2), 1);
        assert_eq!(step(0, 2), 0);
        assert_eq!(ask(&db, &request(ONE, "a", "")), Begin::New);
    }

    #[test]
    fn keys_are_short_and_visible() {
        for good in ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", &"k".repeat(255)] {
            assert!(good.parse::<Key>().is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\n", "é", &"k".repeat(256)] {
            assert_eq!(bad.parse::<Key>(), Err(KeyError), "{bad:?}");
        }
    }

    #[test]
    fn a_fingerprint_knows_where_its_parts_end() {
        assert_ne!(Fingerprint::of(&[b"ab", b"c"]), Fingerprint::of(&[b"a", b"bc"]));
        assert_ne!(Fingerprint::of(&[b"ab"]), Fingerprint::of(&[b"ab", b""]));
        assert_eq!(Fingerprint::of(&[b"ab", b"c"]), Fingerprint::of(&[b"ab", b"c"]));
    }
}
