//! What happens outside of a transaction: charges that are asked for at once, and work of the outbox.

use super::{Error, Shop, Terms, Wish, change, failed, lost, paid, resume, retry};
use crate::base::id::{OrganizationId, PaymentId, SubscriptionId};
use crate::base::{Currency, FieldError};
use crate::db::Db;
use crate::identity::audit::By;
use crate::outbox::{Failure, Work};
use crate::payments::gateway::Gateway;
use crate::payments::{self, Desk, FEE_FAILED, FEE_LOST, FEE_PAID, Payment};

/// Where plans are sold.
#[derive(Clone)]
pub struct Office {
    db: Db,
    desk: Desk,
    shop: Shop,
}

impl Office {
    /// One that has what it sells paid at `desk`.
    #[must_use]
    pub fn new(db: Db, desk: Desk, terms: Terms) -> Self {
        let gateway = desk.gateway().map(Gateway::name).ok();
        let shop = Shop { seller: desk.seller.clone(), gateway, terms };
        Self { db, desk, shop }
    }

    /// What charging needs to know.
    #[must_use]
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Does what a customer wants, and has it paid. Answers the payment, where there is one, as it stands then.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn change(
        &self,
        by: By,
        organization: OrganizationId,
        wish: Wish,
        currency: Currency,
    ) -> Result<(SubscriptionId, Option<Payment>), Error> {
        self.takes(currency)?;
        let shop = self.shop.clone();
        let (id, payment) = self.db.write(move |tx| change(tx, &shop, &by, organization, &wish)).await?;
        Ok((id, self.pursue(payment).await?))
    }

    /// Refuses money that cannot be paid with here.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn takes(&self, currency: Currency) -> Result<(), Error> {
        if self.desk.gateway().is_ok_and(|gateway| !gateway.takes(currency)) {
            let text = format!("payments in {currency} are not taken here");
            return Err(Error::Invalid(vec![FieldError::new("currency", "not_supported", text)]));
        }
        Ok(())
    }

    /// Undoes what was to happen at the end of the period, or goes on after a pause.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resume(&self, by: By, organization: OrganizationId) -> Result<Option<Payment>, Error> {
        let shop = self.shop.clone();
        let (_, payment) = self.db.write(move |tx| resume(tx, &shop, &by, organization)).await?;
        self.pursue(payment).await
    }

    /// Tries an unpaid period once more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn retry(&self, by: By, organization: OrganizationId) -> Result<Option<Payment>, Error> {
        let shop = self.shop.clone();
        let (_, payment) = self.db.write(move |tx| retry(tx, &shop, &by, organization)).await?;
        self.pursue(payment).await
    }

    /// Has a payment made now rather than when its work is taken up, and does what comes of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn pursue(&self, payment: Option<PaymentId>) -> Result<Option<Payment>, Error> {
        let Some(id) = payment else { return Ok(None) };
        let payment = match self.desk.go_on(id).await {
            Ok(payment) => payment,
            Err(error) => {
                // its work is written down: somebody else takes it up
                tracing::warn!(payment = %id, %error, "a plan's fee");
                self.db.read_blocking(|tx| payments::get(tx, id))?
            }
        };
        self.follow(&payment).await?;
        Ok(Some(payment))
    }

    /// Does what comes of a fee that has been paid, or will not be, rather than when its work is taken up.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn follow(&self, payment: &Payment) -> Result<(), Error> {
        let id = payment.id;
        match payment.state {
            payments::State::Settled(_) => self.db.write(move |tx| paid(tx, id)).await,
            payments::State::Failed { .. } => self.failed(id).await,
            payments::State::Created | payments::State::Pending { .. } => Ok(()),
        }
    }

    async fn failed(&self, id: PaymentId) -> Result<(), Error> {
        let days = self.shop.terms.dunning_days.clone();
        self.db.write(move |tx| failed(tx, &days, id)).await
    }

    /// Carries out work of the outbox.
    ///
    /// # Errors
    /// As [`crate::outbox::step`] has it.
    pub async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        let id = work.subject.parse().map(PaymentId::new);
        let id = id.map_err(|_| Failure::Never(format!("no number: {}", work.subject)))?;
        let done = match work.kind.as_str() {
            FEE_PAID => self.db.write(move |tx| paid(tx, id)).await,
            FEE_FAILED => self.failed(id).await,
            FEE_LOST => self.db.write(move |tx| lost(tx, id)).await,
            other => return Err(Failure::Never(format!("nobody carries out {other}"))),
        };
        done.map_err(|error| Failure::Later(error.to_string()))
    }
}
