//! API keys.

use rusqlite::Connection;

use super::audit::{self, Actor, By, Difference};
use super::cache::changed;
use super::error::Error;
use super::principal::Denied;
use super::scopes::Scopes;
use super::secrets::Secret;
use super::{organizations, rules, sql};
use crate::base::id::{ApiKeyId, OrganizationId};
use crate::base::time::DAY_MS;
use crate::base::{FieldErrors, Mode, Page, Timestamp};
use crate::db::WriteTx;

/// How long a rotated key may go on working.
pub const OVERLAP_MAX_MS: i64 = 7 * DAY_MS;

/// What a key of this mode begins with.
#[must_use]
pub const fn prefix(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "tb_live_",
        Mode::Test => "tb_test_",
    }
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// The operator's: acts for any organization.
    Operator,
    /// One organization's: acts for that one.
    Organization(OrganizationId),
}

impl KeyOwner {
    /// The organization, if it is one's.
    #[must_use]
    pub const fn organization(self) -> Option<OrganizationId> {
        match self {
            Self::Operator => None,
            Self::Organization(id) => Some(id),
        }
    }
}

/// Who hands a key out. Decides which scopes it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The operator.
    Operator,
    /// A customer's owner, for their own organization.
    Customer,
}

/// A key, as lists show it. The secret itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its first characters.
    pub prefix: String,
    /// Whose it is.
    pub owner: KeyOwner,
    /// Which money it works on.
    pub mode: Mode,
    /// What it may be used for.
    pub scopes: Scopes,
    /// What people call it.
    pub name: String,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Last used, to a minute or two.
    pub last_used_at: Option<Timestamp>,
    /// Since when it does not work; may lie ahead after a rotation.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// True when it does not work (any more).
    #[must_use]
    pub fn is_revoked(&self, now: Timestamp) -> bool {
        self.revoked_at.is_some_and(|at| now >= at)
    }
}

/// What a key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Whose.
    pub owner: KeyOwner,
    /// For which money: the server's mode.
    pub mode: Mode,
    /// For what.
    pub scopes: Scopes,
    /// What people call it; may be empty.
    pub name: String,
}

/// A new key and its secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The key.
    pub key: ApiKey,
    /// The secret.
    pub secret: Secret,
}

/// Issues a key.
///
/// # Errors
/// [`Error::Invalid`] for the scopes (none, or ones that only the operator issues) or the name;
/// [`Error::NotFound`] for the organization; [`Denied::OperatorRequired`] for an operator's key.
pub fn issue(tx: &WriteTx<'_>, by: &By, new: &NewKey, issuer: Issuer) -> Result<Issued, Error> {
    let issued_by_operator = match (issuer, new.owner) {
        (Issuer::Operator, _) => true,
        (Issuer::Customer, KeyOwner::Organization(_)) => false,
        (Issuer::Customer, KeyOwner::Operator) => return Err(Denied::OperatorRequired.into()),
    };
    let mut errors = FieldErrors::new();
    let scopes = errors.keep(rules::key_scopes("scopes", new.scopes, issued_by_operator));
    let name = errors.keep(rules::line("name", &new.name));
    let (scopes, name) = errors.finish(scopes.zip(name))?;
    if let KeyOwner::Organization(id) = new.owner {
        organizations::get(tx.conn()?, id)?;
    }
    let fresh = insert(tx, by, &NewKey { scopes, name, ..new.clone() })?;
    let difference = Difference::new()
        .with("prefix", fresh.key.prefix.as_str())
        .with("name", fresh.key.name.as_str())
        .with("scopes", fresh.key.scopes.to_string());
    audit::record(tx, by, "key.issued", fresh.key.id, new.owner.organization(), &difference)?;
    Ok(fresh)
}

fn insert(tx: &WriteTx<'_>, by: &By, new: &NewKey) -> Result<Issued, Error> {
    let secret = Secret::mint(prefix(new.mode));
    let mut key = ApiKey {
        id: ApiKeyId::new(0),
        prefix: secret.visible(prefix(new.mode)),
        owner: new.owner,
        mode: new.mode,
        scopes: new.scopes,
        name: new.name.clone(),
        created_by: by.actor,
        created_at: tx.now(),
        last_used_at: None,
        revoked_at: None,
    };
    key.id = sql::insert_key(tx.conn()?, &key, &secret.hash())?;
    Ok(Issued { key, secret })
}

/// Replaces a key by one that may do the same. The old one goes on working for `overlap_ms` (at most
/// [`OVERLAP_MAX_MS`]), so that it can be exchanged where it is used.
///
/// # Errors
/// [`Error::NotFound`] when there is no such key that works; [`Denied::OperatorRequired`] when a customer would
/// get hold of a key that only the operator issues.
pub fn rotate(
    tx: &WriteTx<'_>,
    by: &By,
    owner: KeyOwner,
    id: ApiKeyId,
    overlap_ms: i64,
    issuer: Issuer,
) -> Result<Issued, Error> {
    let conn = tx.conn()?;
    let old = get(conn, owner, id)?;
    if old.revoked_at.is_some() {
        return Err(Error::NotFound("key"));
    }
    if issuer == Issuer::Customer && rules::holds_operator_scope(old.scopes) {
        return Err(Denied::OperatorRequired.into());
    }
    let new = NewKey { owner, mode: old.mode, scopes: old.scopes, name: old.name };
    let fresh = insert(tx, by, &new)?;
    let until = tx.now().plus_ms(overlap_ms.clamp(0, OVERLAP_MAX_MS));
    sql::set_key_revoked(conn, id, until)?;
    let difference = Difference::new()
        .with("prefix", fresh.key.prefix.as_str())
        .with("replaces", id.to_string())
        .with("old_works_until", until.to_string());
    audit::record(tx, by, "key.rotated", fresh.key.id, owner.organization(), &difference)?;
    changed(tx);
    Ok(fresh)
}

/// Revokes a key, at once. Revoking it again changes nothing.
///
/// # Errors
/// [`Error::NotFound`], also when the key is somebody else's.
pub fn revoke(tx: &WriteTx<'_>, by: &By, owner: KeyOwner, id: ApiKeyId) -> Result<ApiKey, Error> {
    let conn = tx.conn()?;
    let mut key = get(conn, owner, id)?;
    if key.is_revoked(tx.now()) {
        return Ok(key);
    }
    key.revoked_at = Some(tx.now());
    sql::set_key_revoked(conn, id, tx.now())?;
    let difference = Difference::new().with("prefix", key.prefix.as_str());
    audit::record(tx, by, "key.revoked", id, owner.organization(), &difference)?;
    changed(tx);
    Ok(key)
}

/// A key of this owner.
///
/// # Errors
/// [`Error::NotFound`], also when the key is somebody else's.
pub fn get(conn: &Connection, owner: KeyOwner, id: ApiKeyId) -> Result<ApiKey, Error> {
    sql::key_by_id(conn, id)?.filter(|key| key.owner == owner).ok_or(Error::NotFound("key"))
}

/// A key, whoever's it is: for the operator.
///
/// # Errors
/// [`Error::NotFound`].
pub fn find(conn: &Connection, id: ApiKeyId) -> Result<ApiKey, Error> {
    sql::key_by_id(conn, id)?.ok_or(Error::NotFound("key"))
}

/// This owner's keys, revoked ones included, newest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &Connection,
    owner: KeyOwner,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<ApiKey>, Error> {
    Ok(Page::cut(sql::list_keys(conn, owner, before, limit)?, limit, |key| key.id.number()))
}

/// Notes when keys were last used. Never moves a time back.
///
/// # Errors
/// Those of the database.
pub fn note_used(tx: &WriteTx<'_>, used: &[(ApiKeyId, Timestamp)]) -> Result<(), Error> {
    let conn = tx.conn()?;
    for (id, at) in used {
        sql::set_key_used(conn, *id, *at)?;
    }
    Ok(())
}
