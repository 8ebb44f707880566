//! People, and their places in organizations.

use rusqlite::Connection;

use super::audit::{self, By, Difference};
use super::error::Error;
use super::passwords::PasswordHash;
use super::scopes::Role;
use super::{organizations, rules, sql, workspaces};
use crate::base::id::{OrganizationId, UserId, WorkspaceId};
use crate::base::{FieldErrors, Page, Timestamp};
use crate::db::WriteTx;

/// A person who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, normalized.
    pub email: String,
    /// What they are called; may be empty.
    pub name: String,
    /// Works for the operator: may do anything.
    pub operator: bool,
    /// Since when they cannot sign in.
    pub disabled_at: Option<Timestamp>,
    /// Since when they are known.
    pub created_at: Timestamp,
}

/// What is needed for an account. The password is hashed before the transaction.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The address, as typed.
    pub email: String,
    /// What they are called; may be empty.
    pub name: String,
    /// From [`super::Passwords::hash`].
    pub password: PasswordHash,
}

/// A person's place, as a list of members shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// As what.
    pub role: Role,
    /// What a [`Role::Member`] sees.
    pub workspaces: Vec<WorkspaceId>,
}

/// What signing in needs to know.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) user_id: UserId,
    pub(super) password: PasswordHash,
    pub(super) disabled: bool,
}

fn insert(tx: &WriteTx<'_>, new: &NewUser, operator: bool) -> Result<User, Error> {
    let mut errors = FieldErrors::new();
    let email = errors.keep(rules::email("email", &new.email));
    let name = errors.keep(rules::line("name", &new.name));
    let (email, name) = errors.finish(email.zip(name))?;
    let conn = tx.conn()?;
    if sql::user_by_email(conn, &email)?.is_some() {
        return Err(Error::Taken("email"));
    }
    let id = sql::insert_user(conn, &email, &name, &new.password, operator, tx.now())?;
    Ok(User { id, email, name, operator, disabled_at: None, created_at: tx.now() })
}

/// Creates a person who works for the operator.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Taken`].
pub fn create_operator(tx: &WriteTx<'_>, by: &By, new: &NewUser) -> Result<User, Error> {
    let user = insert(tx, new, true)?;
    let difference = Difference::new().with("email", user.email.as_str()).with("operator", true);
    audit::record(tx, by, "user.created", user.id, None, &difference)?;
    Ok(user)
}

/// Creates a person with a place in an organization.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Taken`], [`Error::NotFound`] for the organization or a workspace.
pub fn create_member(
    tx: &WriteTx<'_>,
    by: &By,
    new: &NewUser,
    organization: OrganizationId,
    role: Role,
    workspaces: &[WorkspaceId],
) -> Result<User, Error> {
    organizations::get(tx.conn()?, organization)?;
    let user = insert(tx, new, false)?;
    let difference = Difference::new().with("email", user.email.as_str());
    audit::record(tx, by, "user.created", user.id, Some(organization), &difference)?;
    set_membership(tx, by, user.id, organization, role, workspaces)?;
    Ok(user)
}

/// Gives a person a place in an organization, or changes it.
///
/// # Errors
/// [`Error::NotFound`] for the person, the organization or a workspace; [`Error::Last`] when the last owner would
/// be none.
pub fn set_membership(
    tx: &WriteTx<'_>,
    by: &By,
    user: UserId,
    organization: OrganizationId,
    role: Role,
    workspaces: &[WorkspaceId],
) -> Result<(), Error> {
    let conn = tx.conn()?;
    get(conn, user)?;
    organizations::get(conn, organization)?;
    for workspace in workspaces {
        workspaces::get(conn, organization, *workspace)?;
    }
    let before = sql::member_role(conn, user, organization)?;
    if before == Some(Role::Owner) && role != Role::Owner {
        another_owner(conn, user, organization)?;
    }
    sql::put_membership(conn, user, organization, role, workspaces, tx.now())?;
    let names: Vec<String> = workspaces.iter().map(ToString::to_string).collect();
    let difference = Difference::new()
        .changed("role", before.map(Role::name), Some(role.name()))
        .with("workspaces", names);
    audit::record(tx, by, "member.set", user, Some(organization), &difference)?;
    Ok(())
}

/// Changes the place that a person has in an organization.
///
/// # Errors
/// As [`set_membership`]; [`Error::NotFound`] also for somebody who has no place there.
pub fn change_membership(
    tx: &WriteTx<'_>,
    by: &By,
    user: UserId,
    organization: OrganizationId,
    role: Role,
    workspaces: &[WorkspaceId],
) -> Result<(), Error> {
    if sql::member_role(tx.conn()?, user, organization)?.is_none() {
        return Err(Error::NotFound("member"));
    }
    set_membership(tx, by, user, organization, role, workspaces)
}

/// Ends a person's place in an organization.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Last`] for the last owner.
pub fn remove_membership(
    tx: &WriteTx<'_>,
    by: &By,
    user: UserId,
    organization: OrganizationId,
) -> Result<(), Error> {
    let conn = tx.conn()?;
    let role = sql::member_role(conn, user, organization)?.ok_or(Error::NotFound("member"))?;
    if role == Role::Owner {
        another_owner(conn, user, organization)?;
    }
    sql::delete_membership(conn, user, organization)?;
    let difference = Difference::new().changed("role", Some(role.name()), None::<&str>);
    audit::record(tx, by, "member.removed", user, Some(organization), &difference)?;
    Ok(())
}

fn another_owner(conn: &Connection, user: UserId, organization: OrganizationId) -> Result<(), Error> {
    if sql::has_other_owner(conn, user, organization)? { Ok(()) } else { Err(Error::Last("owner")) }
}

/// Stores a new password; ends every session but `keep`, and the links by which another could be chosen.
///
/// Whether the old password had to be given is the caller's to have checked.
///
/// # Errors
/// [`Error::NotFound`].
pub fn set_password(
    tx: &WriteTx<'_>,
    by: &By,
    user: UserId,
    password: &PasswordHash,
    keep: Option<crate::base::id::SessionId>,
) -> Result<(), Error> {
    let conn = tx.conn()?;
    get(conn, user)?;
    sql::update_password(conn, user, password, Some(tx.now()))?;
    sql::delete_sessions_of(conn, user, keep)?;
    // who may read an older mail is not to choose another
    sql::delete_links(conn, user)?;
    audit::record(tx, by, "user.password_changed", user, None, &Difference::new())?;
    Ok(())
}

/// Locks a person out, at once and everywhere.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Last`] for the last operator.
pub fn disable(tx: &WriteTx<'_>, by: &By, user: UserId) -> Result<User, Error> {
    let conn = tx.conn()?;
    let mut found = get(conn, user)?;
    if found.disabled_at.is_some() {
        return Ok(found);
    }
    if found.operator && !sql::has_other_operator(conn, user)? {
        return Err(Error::Last("operator"));
    }
    found.disabled_at = Some(tx.now());
    sql::set_disabled(conn, user, found.disabled_at)?;
    sql::delete_sessions_of(conn, user, None)?;
    audit::record(tx, by, "user.disabled", user, None, &Difference::new())?;
    Ok(found)
}

/// Lets a person sign in again.
///
/// # Errors
/// [`Error::NotFound`].
pub fn enable(tx: &WriteTx<'_>, by: &By, user: UserId) -> Result<User, Error> {
    let conn = tx.conn()?;
    let mut found = get(conn, user)?;
    if found.disabled_at.take().is_some() {
        sql::set_disabled(conn, user, None)?;
        audit::record(tx, by, "user.enabled", user, None, &Difference::new())?;
    }
    Ok(found)
}

/// The person with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn get(conn: &Connection, id: UserId) -> Result<User, Error> {
    sql::user_by_id(conn, id)?.ok_or(Error::NotFound("user"))
}

/// The person with this address, as typed.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_email(conn: &Connection, email: &str) -> Result<User, Error> {
    let email = rules::email("email", email).map_err(|_| Error::NotFound("user"))?;
    sql::user_by_email(conn, &email)?.ok_or(Error::NotFound("user"))
}

pub(super) fn credentials(conn: &Connection, email: &str) -> Result<Option<Credentials>, Error> {
    let Ok(email) = rules::email("email", email) else { return Ok(None) };
    Ok(sql::credentials(conn, &email)?)
}

/// People of an organization, newest first.
///
/// # Errors
/// Those of the database.
pub fn members(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Member>, Error> {
    let items = sql::list_members(conn, organization, before, limit)?;
    Ok(Page::cut(items, limit, |member| member.user.id.number()))
}

/// One person's place in an organization.
///
/// # Errors
/// [`Error::NotFound`].
pub fn member(conn: &Connection, organization: OrganizationId, id: UserId) -> Result<Member, Error> {
    let role = sql::member_role(conn, id, organization)?.ok_or(Error::NotFound("member"))?;
    let workspaces = sql::member_workspaces(conn, id, organization)?;
    Ok(Member { user: get(conn, id)?, role, workspaces })
}

/// Everybody, newest first; or the operator's people only.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &Connection,
    operators_only: bool,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<User>, Error> {
    let items = sql::list_users(conn, operators_only, before, limit)?;
    Ok(Page::cut(items, limit, |user| user.id.number()))
}
