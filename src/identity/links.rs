//! Links in mails by which people who have forgotten their password choose another.
//!
//! A link works once and for an hour. A person may have several, as a mail may take its time; the first that is used ends them
//! all, as does a password that is set in any other way. Here a hash of the token is kept; the link itself is in the mail, and
//! with the mail among the deliveries.

use rusqlite::Connection;

use super::audit::{Actor, By};
use super::error::Error;
use super::passwords::PasswordHash;
use super::secrets::{self, Secret, SecretHash};
use super::sql;
use super::users::{self, User};
use crate::base::Timestamp;
use crate::base::id::UserId;
use crate::base::time::HOUR_MS;
use crate::db::WriteTx;

const PREFIX: &str = "tb_link_";
/// How long a link works.
const VALID_MS: i64 = HOUR_MS;

/// Makes a link. Answers its token.
///
/// # Errors
/// Those of the database.
pub fn mint(tx: &WriteTx<'_>, user: UserId) -> Result<Secret, Error> {
    let secret = Secret::mint(PREFIX);
    sql::insert_link(tx.conn()?, user, &secret.hash(), (tx.now(), tx.now().plus_ms(VALID_MS)))?;
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
