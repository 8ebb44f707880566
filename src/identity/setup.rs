//! The first minutes: a link that works once and makes the first operator.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::audit::{self, Actor, By, Difference};
use super::error::Error;
use super::organizations::BillingDetails;
use super::secrets::{self, Secret, SecretHash};
use super::settings::{self, Defaults};
use super::users::{self, NewUser, User};
use super::{rules, sql};
use crate::base::{FieldErrors, Timestamp};
use crate::db::WriteTx;

const TOKEN: &str = "setup.token";
const PREFIX: &str = "tb_setup_";

#[derive(Serialize, Deserialize)]
struct StoredToken {
    hash: String,
    expires_at: Timestamp,
}

/// What the setup page asks for.
#[derive(Debug, Clone)]
pub struct Form {
    /// The operator's address.
    pub email: String,
    /// What the operator is called; may be empty.
    pub name: String,
    /// The password, as typed.
    pub password: String,
    /// What new organizations start with.
    pub defaults: Defaults,
    /// Who writes the invoices; may be empty for now.
    pub seller: BillingDetails,
}

/// True while there is nobody who could sign in as the operator.
///
/// # Errors
/// Those of the database.
pub fn is_open(conn: &Connection) -> Result<bool, Error> {
    Ok(!sql::has_operator(conn)?)
}

/// Makes a new link's token, good for so many milliseconds, in place of any earlier one. None when setup is complete.
///
/// # Errors
/// Those of the database.
pub fn mint(tx: &WriteTx<'_>, valid_ms: i64) -> Result<Option<Secret>, Error> {
    if !is_open(tx.conn()?)? {
        return Ok(None);
    }
    let secret = Secret::mint(PREFIX);
    let stored =
        StoredToken { hash: hex::encode(secret.hash().bytes()), expires_at: tx.now().plus_ms(valid_ms) };
    settings::set(tx, TOKEN, &stored)?;
    Ok(Some(secret))
}

/// Whether a link's token is good at `now`.
///
/// # Errors
/// [`Error::SetupComplete`], [`Error::SetupToken`].
pub fn check(conn: &Connection, token: &str, now: Timestamp) -> Result<(), Error> {
    if !is_open(conn)? {
        return Err(Error::SetupComplete);
    }
    let stored = settings::get::<StoredToken>(conn, TOKEN)?.ok_or(Error::SetupToken)?;
    let hash = hex::decode(&stored.hash).ok().and_then(|bytes| SecretHash::from_bytes(&bytes));
    let matches = secrets::well_formed(token, PREFIX)
        && hash.is_some_and(|hash| hash.matches(&SecretHash::of(token)))
        && now < stored.expires_at;
    if matches { Ok(()) } else { Err(Error::SetupToken) }
}

/// Every field of the form that is wrong, a password of fewer than `min_chars` characters among them.
///
/// # Errors
/// [`Error::Invalid`].
pub fn validate(form: &Form, min_chars: usize) -> Result<(), Error> {
    let mut errors = FieldErrors::new();
    errors.keep(rules::email("email", &form.email));
    errors.keep(rules::line("name", &form.name));
    errors.keep(rules::password("password", &form.password, min_chars));
    let mut fields = errors.finish(None::<()>).err().unwrap_or_default();
    if let Err(Error::Invalid(seller)) = form.seller.validated() {
        fields.extend(seller);
    }
    if fields.is_empty() { Ok(()) } else { Err(Error::Invalid(fields)) }
}

/// Creates the operator and stores the settings: all of it, and only once. The form was validated and its
/// password hashed before.
///
/// # Errors
/// [`Error::SetupComplete`], [`Error::SetupToken`], [`Error::Invalid`], [`Error::Taken`].
pub fn complete(
    tx: &WriteTx<'_>,
    by: &By,
    token: &str,
    user: &NewUser,
    defaults: &Defaults,
    seller: &BillingDetails,
) -> Result<User, Error> {
    check(tx.conn()?, token, tx.now())?;
    let by = By { actor: Actor::Setup, request_id: by.request_id.clone() };
    let user = users::create_operator(tx, &by, user)?;
    settings::set_defaults(tx, &by, defaults)?;
    settings::set_seller(tx, &by, seller)?;
    settings::remove(tx, TOKEN)?;
    audit::record(tx, &by, "setup.completed", user.id, None, &Difference::new())?;
    Ok(user)
}
