//! Mails about accounts: invitations, and links for who has forgotten their password.
//!
//! They belong to no organization's deliveries: whoever reads one may act as the one it is for, so only the operator, who
//! may make accounts anyway, sees what was sent.

use super::mail::{self, About};
use super::{Error, NewDelivery, Terms};
use crate::base::id::{OrganizationId, UserId, WorkspaceId};
use crate::db::WriteTx;
use crate::identity::links::{self, Purpose};
use crate::identity::{self, By, NewUser, Role, User, organizations, users};
use crate::outbox;

/// Work: mail a link to somebody who has forgotten their password. The subject is the person's number; 0 is nobody's.
pub const FORGOTTEN: &str = "mail.forgotten";

/// A place for somebody in an organization.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where.
    pub organization: OrganizationId,
    /// As what.
    pub role: Role,
    /// What a [`Role::Member`] sees.
    pub workspaces: Vec<WorkspaceId>,
}

/// Gives somebody a place, and an account unless they have one, and tells them by mail. Who has no password yet is mailed a
/// link to choose one: again, when this is done again.
///
/// # Errors
/// [`identity::Error`] as of [`users::create_member`] and [`users::set_membership`], and those of the database.
pub fn add_member(
    tx: &WriteTx<'_>,
    by: &By,
    terms: &Terms,
    new: &NewUser,
    place: &Place,
) -> Result<User, Error> {
    let user = match users::by_email(tx.conn()?, &new.email) {
        Ok(user) => user,
        Err(identity::Error::NotFound(_)) => return create_member(tx, by, terms, new, place),
        Err(error) => return Err(error.into()),
    };
    users::set_membership(tx, by, user.id, place.organization, place.role, &place.workspaces)?;
    tell_of_place(tx, by, terms, &user, Some(place.organization))?;
    Ok(user)
}

/// The same for somebody who is new; who was given a password is mailed nothing.
///
/// # Errors
/// As [`users::create_member`].
pub fn create_member(
    tx: &WriteTx<'_>,
    by: &By,
    terms: &Terms,
    new: &NewUser,
    place: &Place,
) -> Result<User, Error> {
    let user = users::create_member(tx, by, new, place.organization, place.role, &place.workspaces)?;
    if user.invited {
        tell_of_place(tx, by, terms, &user, Some(place.organization))?;
    }
    Ok(user)
}

/// Makes an account for somebody who works for the operator; without a password they are mailed a link to choose one.
///
/// # Errors
/// As [`users::create_operator`].
pub fn add_operator(tx: &WriteTx<'_>, by: &By, terms: &Terms, new: &NewUser) -> Result<User, Error> {
    let user = users::create_operator(tx, by, new)?;
    if user.invited {
        tell_of_place(tx, by, terms, &user, None)?;
    }
    Ok(user)
}

fn tell_of_place(
    tx: &WriteTx<'_>,
    by: &By,
    terms: &Terms,
    user: &User,
    organization: Option<OrganizationId>,
) -> Result<(), Error> {
    let link = user.invited.then(|| link(tx, terms, user.id, Purpose::Invitation)).transpose()?;
    if link.is_some() {
        links::note_invited(tx, by, user)?;
    }
    let organization = organization.map(|id| organizations::get(tx.conn()?, id)).transpose()?;
    let about = About { terms, organization: organization.as_ref() };
    send(tx, &mail::invitation(&about, link.as_deref()), &about, user)
}

/// Writes down that somebody has forgotten the password of this address: the same for an address that is not known, so
/// that neither the answer nor the time it takes tells which addresses are.
///
/// # Errors
/// When the database fails.
pub fn forgotten(tx: &WriteTx<'_>, email: &str) -> Result<(), Error> {
    let number = match users::by_email(tx.conn()?, email) {
        Ok(user) => user.id.number(),
        Err(identity::Error::NotFound(_)) => 0,
        Err(error) => return Err(error.into()),
    };
    outbox::enqueue(tx, FORGOTTEN, &number.to_string(), tx.now())?;
    Ok(())
}

/// Carries out work of the kind [`FORGOTTEN`]: mails a link, unless there is nobody who could use it.
///
/// # Errors
/// When the database fails.
pub fn mail_link(tx: &WriteTx<'_>, terms: &Terms, subject: &str) -> Result<(), Error> {
    let user = match users::get(tx.conn()?, UserId::new(subject.parse().unwrap_or(0))) {
        Ok(user) if user.disabled_at.is_none() => user,
        Ok(_) | Err(identity::Error::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let link = link(tx, terms, user.id, Purpose::Reset)?;
    let about = About { terms, organization: None };
    send(tx, &mail::password_reset(&about, &link), &about, &user)
}

fn link(tx: &WriteTx<'_>, terms: &Terms, user: UserId, purpose: Purpose) -> Result<String, Error> {
    let token = links::mint(tx, user, purpose)?;
    Ok(format!("{}/password/{}", terms.public_url, token.expose()))
}

fn send(tx: &WriteTx<'_>, mail: &mail::Mail, about: &About<'_>, to: &User) -> Result<(), Error> {
    let new = NewDelivery { organization: None, ..mail.delivery(about, to.email.clone()) };
    super::send(tx, &new)?;
    Ok(())
}
