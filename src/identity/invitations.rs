//! Invitations to an organization: a link in a mail, by which somebody takes the place that was offered.
//!
//! Nobody is given a place without accepting it, and whoever invites does not learn whether there is an account with that
//! address. The link works once, for seven days; inviting again sends another in its place.

use rusqlite::Connection;

use super::audit::{self, Actor, By, Difference};
use super::error::Error;
use super::passwords::PasswordHash;
use super::scopes::Role;
use super::secrets::{self, Secret, SecretHash};
use super::users::{self, NewUser, User};
use super::{organizations, rules, sql, workspaces};
use crate::base::id::{InvitationId, OrganizationId, WorkspaceId};
use crate::base::time::DAY_MS;
use crate::base::{FieldError, FieldErrors, Timestamp};
use crate::db::WriteTx;

const PREFIX: &str = "tb_invite_";
/// How long an invitation can be accepted.
const VALID_MS: i64 = 7 * DAY_MS;
/// Invitations that an organization may have at a time.
pub const MOST: u32 = 100;

/// Somebody who was invited and has not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Where to.
    pub organization: OrganizationId,
    /// Who, normalized.
    pub email: String,
    /// What they are to be called, where they have no account yet; may be empty.
    pub name: String,
    /// As what.
    pub role: Role,
    /// What a [`Role::Member`] will see.
    pub workspaces: Vec<WorkspaceId>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

/// Somebody to be invited.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// The address, as typed.
    pub email: String,
    /// What they are to be called; may be empty.
    pub name: String,
    /// As what.
    pub role: Role,
    /// What a [`Role::Member`] will see.
    pub workspaces: Vec<WorkspaceId>,
}

/// Invites somebody, or once more. Answers the invitation, and the token of its link.
///
/// # Errors
/// [`Error::Invalid`], also when there are [`MOST`] already; [`Error::Taken`] for who is a member; [`Error::NotFound`] for the
/// organization or a workspace.
pub fn invite(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    new: &NewInvitation,
) -> Result<(Invitation, Secret), Error> {
    let conn = tx.conn()?;
    organizations::get(conn, organization)?;
    let mut errors = FieldErrors::new();
    let email = errors.keep(rules::email("email", &new.email));
    let name = errors.keep(rules::line("name", &new.name));
    let (email, name) = errors.finish(email.zip(name))?;
    for workspace in &new.workspaces {
        workspaces::get(conn, organization, *workspace)?;
    }
    if let Some(user) = sql::user_by_email(conn, &email)?
        && sql::member_role(conn, user.id, organization)?.is_some()
    {
        return Err(Error::Taken("email"));
    }
    let open = list(conn, organization)?;
    if u32::try_from(open.len()).unwrap_or(MOST) >= MOST && open.iter().all(|other| other.email != email) {
        let text = format!("there are {MOST} open invitations already: withdraw some first");
        return Err(Error::Invalid(vec![FieldError::new("email", "too_many", text)]));
    }
    let secret = Secret::mint(PREFIX);
    let mut made = Invitation {
        id: InvitationId::new(0),
        organization,
        email,
        name,
        role: new.role,
        workspaces: new.workspaces.clone(),
        created_at: tx.now(),
        expires_at: tx.now().plus_ms(VALID_MS),
    };
    made.id = sql::put_invitation(conn, &made, &secret.hash())?;
    let difference = Difference::new().with("email", made.email.as_str()).with("role", made.role.name());
    audit::record(tx, by, "member.invited", made.id, Some(organization), &difference)?;
    Ok((made, secret))
}

/// An organization's invitations that were not accepted, newest first; those that are too old as well.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &Connection, organization: OrganizationId) -> Result<Vec<Invitation>, Error> {
    Ok(sql::list_invitations(conn, organization, MOST)?)
}

/// One of an organization's invitations.
///
/// # Errors
/// [`Error::NotFound`], also for another's.
pub fn get(conn: &Connection, organization: OrganizationId, id: InvitationId) -> Result<Invitation, Error> {
    sql::invitation_of(conn, organization, id)?.ok_or(Error::NotFound("invitation"))
}

/// Takes an invitation back: its link does not work any more.
///
/// # Errors
/// [`Error::NotFound`], also for another's.
pub fn withdraw(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<(), Error> {
    let found = get(tx.conn()?, organization, id)?;
    sql::delete_invitation(tx.conn()?, id)?;
    let difference = Difference::new().with("email", found.email);
    audit::record(tx, by, "member.invitation_withdrawn", id, Some(organization), &difference)?;
    Ok(())
}

/// What a link invites to, and the account of its address, where there is one.
///
/// # Errors
/// [`Error::Link`] when it is unknown, was used, withdrawn or is too old, or when the person is locked out.
pub fn check(conn: &Connection, token: &str, now: Timestamp) -> Result<(Invitation, Option<User>), Error> {
    if !secrets::well_formed(token, PREFIX) {
        return Err(Error::Link);
    }
    let found = sql::invitation_by_hash(conn, &SecretHash::of(token))?.ok_or(Error::Link)?;
    let user = sql::user_by_email(conn, &found.email)?;
    if now >= found.expires_at || user.as_ref().is_some_and(|user| user.disabled_at.is_some()) {
        return Err(Error::Link);
    }
    Ok((found, user))
}

/// Takes the place that a link offers. Who has no account yet gets one with this password; to one who has, it does nothing.
///
/// # Errors
/// As [`check`]; [`Error::Invalid`] where a password is needed and missing.
pub fn accept(
    tx: &WriteTx<'_>,
    request_id: Option<String>,
    token: &str,
    password: Option<PasswordHash>,
) -> Result<User, Error> {
    let conn = tx.conn()?;
    let (found, user) = check(conn, token, tx.now())?;
    sql::delete_invitation(conn, found.id)?;
    let Invitation { organization, email, name, role, workspaces, .. } = found;
    if let Some(user) = user {
        let by = By { actor: Actor::User(user.id), request_id };
        users::set_membership(tx, &by, user.id, organization, role, &workspaces)?;
        return Ok(user);
    }
    let missing = || vec![FieldError::new("password", "required", "is required for a new account")];
    let new = NewUser { email, name, password: password.ok_or_else(missing)? };
    let by = By { actor: Actor::Anonymous, request_id };
    users::create_member(tx, &by, &new, organization, role, &workspaces)
}
