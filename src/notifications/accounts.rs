//! Mails about accounts: invitations, and links for who has forgotten their password.
//!
//! They belong to no organization's deliveries: whoever reads one may act as the one it is for, so only the operator, who
//! may make accounts anyway, sees what was sent.

use super::mail::{self, About};
use super::{Error, NewDelivery, Terms};
use crate::base::id::{OrganizationId, UserId};
use crate::db::WriteTx;
use crate::identity::invitations::{self, Invitation, NewInvitation};
use crate::identity::{self, By, links, organizations, users};
use crate::outbox;

/// Work: mail a link to somebody who has forgotten their password. The subject is the person's number; 0 is nobody's.
pub const FORGOTTEN: &str = "mail.forgotten";

/// Invites somebody by mail, or once more.
///
/// # Errors
/// As [`invitations::invite`].
pub fn invite(
    tx: &WriteTx<'_>,
    by: &By,
    terms: &Terms,
    organization: OrganizationId,
    new: &NewInvitation,
) -> Result<Invitation, Error> {
    let (made, token) = invitations::invite(tx, by, organization, new)?;
    let organization = organizations::get(tx.conn()?, organization)?;
    let about = About { terms, organization: Some(&organization) };
    let link = format!("{}/invitation/{}", terms.public_url, token.expose());
    send(tx, &mail::invitation(&about, &link), &about, &made.email)?;
    Ok(made)
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
    let link = format!("{}/password/{}", terms.public_url, links::mint(tx, user.id)?.expose());
    let about = About { terms, organization: None };
    send(tx, &mail::password_reset(&about, &link), &about, &user.email)
}

fn send(tx: &WriteTx<'_>, mail: &mail::Mail, about: &About<'_>, to: &str) -> Result<(), Error> {
    let new = NewDelivery { organization: None, ..mail.delivery(about, to.to_owned()) };
    super::send(tx, &new)?;
    Ok(())
}
