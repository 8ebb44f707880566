//! Links in mails by which people choose a password: invitations, and for who has forgotten theirs.
//!
//! A link works once and for a limited time; of its token only a hash is kept. A person has one at a time, and a
//! password that is set in any other way ends it.

use rusqlite::Connection;

use super::audit::{self, Actor, By, Difference};
use super::error::Error;
use super::passwords::PasswordHash;
use super::secrets::{self, Secret, SecretHash};
use super::sql;
use super::users::{self, User};
use crate::base::Timestamp;
use crate::base::id::UserId;
use crate::base::time::{DAY_MS, HOUR_MS};
use crate::db::WriteTx;

const PREFIX: &str = "tb_link_";

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first password of somebody who was invited.
    Invitation,
    /// Another password, for somebody who has forgotten theirs.
    Reset,
}

impl Purpose {
    /// How long such a link works.
    #[must_use]
    pub const fn valid_ms(self) -> i64 {
        match self {
            Self::Invitation => 7 * DAY_MS,
            Self::Reset => HOUR_MS,
        }
    }
}

/// Makes a person's link, in place of an earlier one. Answers its token, which goes to them and is kept nowhere else.
///
/// # Errors
/// Those of the database.
pub fn mint(tx: &WriteTx<'_>, user: UserId, purpose: Purpose) -> Result<Secret, Error> {
    let secret = Secret::mint(PREFIX);
    sql::put_link(tx.conn()?, user, &secret.hash(), tx.now().plus_ms(purpose.valid_ms()))?;
    Ok(secret)
}

/// Whose link this is.
///
/// # Errors
/// [`Error::Link`] when it is unknown, was used, is too old, or when the person is locked out.
pub fn check(conn: &Connection, token: &str, now: Timestamp) -> Result<User, Error> {
    if !secrets::well_formed(token, PREFIX) {
        return Err(Error::Link);
    }
    let (user, expires_at) = sql::link_by_hash(conn, &SecretHash::of(token))?.ok_or(Error::Link)?;
    let user = users::get(conn, user)?;
    if now < expires_at && user.disabled_at.is_none() { Ok(user) } else { Err(Error::Link) }
}

/// Sets the password that somebody has chosen by their link, which ends, as do all their sessions.
///
/// # Errors
/// As [`check`].
pub fn redeem(
    tx: &WriteTx<'_>,
    request_id: Option<String>,
    token: &str,
    password: &PasswordHash,
) -> Result<User, Error> {
    let user = check(tx.conn()?, token, tx.now())?;
    let by = By { actor: Actor::User(user.id), request_id };
    users::set_password(tx, &by, user.id, password, None)?;
    Ok(user)
}

/// Notes in the audit log that somebody was invited, or once more.
///
/// # Errors
/// Those of the database.
pub fn note_invited(tx: &WriteTx<'_>, by: &By, user: &User) -> Result<(), Error> {
    let difference = Difference::new().with("email", user.email.as_str());
    audit::record(tx, by, "user.invited", user.id, None, &difference)?;
    Ok(())
}
