//! Organizations as the payment provider knows them: made known before their first payment, and kept up to date.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::gateway::{Customer, Trouble};
use super::names;
use super::{Desk, Error, sql};
use crate::base::id::{OrganizationId, WorkId};
use crate::db::{DbError, WriteTx};
use crate::identity::organizations;
use crate::outbox;

/// Work: bring what the provider knows of an organization up to date. The subject is the organization's number.
pub const SYNC: &str = "payment.customer";

/// To be called in the transaction that changes an organization's name or billing details: the provider is told.
///
/// # Errors
/// When the database fails.
pub fn details_changed(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<(), DbError> {
    if sql::is_known_customer(tx.conn()?, organization)? {
        outbox::enqueue(tx, SYNC, &organization.number().to_string(), tx.now())?;
    }
    Ok(())
}

/// What the provider is told. The same content goes under the same key.
fn customer(
    conn: &Connection,
    (organization, gateway): (OrganizationId, &str),
    reference: Option<String>,
    work: Option<WorkId>,
) -> Result<Customer, Error> {
    let nonce = sql::customer_nonce(conn, organization, gateway)?.unwrap_or_default();
    let found = organizations::get(conn, organization)?;
    // under the key of one that is gone the provider would answer with that one
    let gone = sql::customer_times_gone(conn, organization, gateway)?;
    let content = format!("{}\n{:?}\n{reference:?}\n{work:?}\n{gone}", found.name, found.details);
    let digest = hex::encode(Sha256::digest(content.as_bytes()));
    Ok(Customer {
        key: format!("tollbook_{organization}-{nonce}_{}", digest.get(..24).unwrap_or_default()),
        id: organization.to_string(),
        reference,
        name: found.name,
        details: found.details,
    })
}

impl Desk {
    /// The provider's id of an organization, which is made known if it is not yet.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) async fn customer(&self, organization: OrganizationId) -> Result<String, Error> {
        let gateway = self.gateway()?;
        let name = gateway.name();
        let found = self.db().read_blocking(|tx| sql::provider_customer(tx, organization, name))?;
        if let Some(reference) = found {
            return Ok(reference);
        }
        let asked = self.db().write(move |tx| -> Result<_, Error> {
            sql::insert_customer(tx.conn()?, organization, name, tx.now())?;
            customer(tx.conn()?, (organization, name), None, None)
        });
        let reference = gateway.customer(asked.await?).await?;
        let noted = self.db().write(move |tx| -> Result<_, DbError> {
            // whoever was first is right
            sql::set_customer(tx.conn()?, organization, name, &reference)?;
            sql::provider_customer(tx.conn()?, organization, name)
        });
        noted.await?.ok_or(Error::Gateway(Trouble::Unknown))
    }

    /// The provider does not know the customer any more that it was asked about: it is made known anew when it is next
    /// needed. Saved cards went with it: what is asked about one of them says so.
    pub(super) async fn customer_is_gone(
        &self,
        organization: OrganizationId,
        reference: String,
    ) -> Result<(), Error> {
        let name = self.gateway()?.name();
        tracing::warn!(%organization, reference, "the payment provider does not know the customer any more");
        let forgotten = self.db().write(move |tx| -> Result<_, DbError> {
            sql::forget_customer(tx.conn()?, organization, name, &reference)
        });
        Ok(forgotten.await?)
    }

    /// The key of a request that names the customer: another one once the customer is another, since providers take a key
    /// for the same request alone.
    /// `told`: the id as it is told outside.
    pub(super) fn key_of(&self, told: &str, organization: OrganizationId) -> Result<String, Error> {
        let name = self.gateway()?.name();
        let gone = self.db().read_blocking(|tx| sql::customer_times_gone(tx, organization, name))?;
        let key = names::key(told);
        Ok(if gone == 0 { key } else { format!("{key}_{gone}") })
    }

    /// The same for a purchase, which can do without: what the provider does not like about a customer's details does not
    /// keep anybody from paying.
    pub(super) async fn customer_if_taken(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<String>, Error> {
        match self.customer(organization).await {
            Ok(reference) => Ok(Some(reference)),
            Err(Error::Gateway(
                trouble @ (Trouble::Refused(_) | Trouble::Unknown | Trouble::NoCustomer(_)),
            )) => {
                tracing::warn!(%organization, %trouble, "the payment provider does not take the customer");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the provider of an organization's details as they are now.
    pub(super) async fn sync_customer(
        &self,
        organization: OrganizationId,
        work: WorkId,
    ) -> Result<(), Error> {
        let gateway = self.gateway()?;
        let told = self.db().read_blocking(|tx| -> Result<_, Error> {
            let reference = sql::provider_customer(tx, organization, gateway.name())?;
            reference
                .map(|known| customer(tx, (organization, gateway.name()), Some(known), Some(work)))
                .transpose()
        })?;
        let Some(told) = told else { return Ok(()) };
        let reference = told.reference.clone().unwrap_or_default();
        match gateway.customer(told).await {
            Ok(_) => Ok(()),
            Err(Trouble::Unknown | Trouble::NoCustomer(_)) => {
                self.customer_is_gone(organization, reference).await
            }
            Err(trouble) => Err(trouble.into()),
        }
    }
}
