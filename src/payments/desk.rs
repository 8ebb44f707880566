//! The calls outside: what is written down before and after each.

use std::sync::Arc;

use super::gateway::{Form, Gateway, KEYS_KEPT_MS, Order, Trouble, sandbox, signature};
use super::webhooks::{DEAL, WebhookError};
use super::{BEGIN, Error, Extras, NewPayment, Payment, State, Terms};
use super::{begun, create_with, get, names, refunds, refused};
use crate::base::FieldError;
use crate::base::id::{Id, IdKind, PaymentId, RefundId};
use crate::base::time::SECOND_MS;
use crate::db::{Db, DbError};
use crate::identity::{Secret, SellerTerms};
use crate::outbox::{Failure, Work};

/// Where payments are taken.
#[derive(Clone)]
pub struct Desk {
    db: Db,
    gateway: Option<Arc<dyn Gateway>>,
    /// What may be bought.
    pub terms: Terms,
    /// Who sells it.
    pub seller: SellerTerms,
    public_url: String,
    tolerance_ms: i64,
}

impl Desk {
    /// A desk that takes payments through `gateway`, if there is one. `tolerance_seconds`: how old a webhook's signature
    /// may be.
    #[must_use]
    pub fn new(
        db: Db,
        gateway: Option<Arc<dyn Gateway>>,
        terms: Terms,
        seller: SellerTerms,
        public_url: String,
        tolerance_seconds: u32,
    ) -> Self {
        let tolerance_ms = i64::from(tolerance_seconds) * SECOND_MS;
        Self { db, gateway, terms, seller, public_url, tolerance_ms }
    }

    /// Through whom payments are taken.
    ///
    /// # Errors
    /// [`Error::NoGateway`].
    pub fn gateway(&self) -> Result<&dyn Gateway, Error> {
        self.gateway.as_deref().ok_or(Error::NoGateway)
    }

    pub(super) const fn db(&self) -> &Db {
        &self.db
    }

    /// Where forms lead to besides our own pages: scheme and host.
    #[must_use]
    pub fn checkout_origin(&self) -> Option<&str> {
        self.gateway.as_deref().and_then(Gateway::checkout_origin)
    }

    /// How old a webhook's signature may be.
    pub(super) const fn tolerance_ms(&self) -> i64 {
        self.tolerance_ms
    }

    pub(super) fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The key and the id under which a provider is asked for something.
    pub(super) fn outside<K: IdKind>(&self, id: Id<K>) -> Result<(String, String), DbError>
    where
        Id<K>: names::Told,
    {
        let told = self.db.read_blocking(|tx| names::told(tx, id))?;
        Ok((names::key(&told), told))
    }

    /// True when credit can be bought.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.gateway.is_some()
    }

    /// Where customers come back to from paying.
    #[must_use]
    pub fn return_url(&self, id: PaymentId) -> String {
        format!("{}/topup/{id}", self.public_url)
    }

    /// Writes a payment down and has the provider make a checkout of it.
    ///
    /// # Errors
    /// See [`Error`]. When the provider does not answer, the payment stands, and sending the same intent again goes on
    /// with it.
    pub async fn start(&self, new: NewPayment) -> Result<Payment, Error> {
        self.start_with(new, Extras::default()).await
    }

    /// The same, with what only some payments have.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start_with(&self, new: NewPayment, extras: Extras) -> Result<Payment, Error> {
        let currency = new.purchase.price.currency;
        if !self.gateway()?.takes(currency) {
            let text = format!("payments in {currency} are not taken here");
            return Err(Error::Invalid(vec![FieldError::new("currency", "not_supported", text)]));
        }
        let seller = self.seller.clone();
        let payment = self.db.write(move |tx| create_with(tx, &seller, &new, &extras)).await?;
        self.begin(payment).await
    }

    /// Has the provider make a checkout of a payment that has none.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) async fn begin(&self, payment: Payment) -> Result<Payment, Error> {
        if payment.state != State::Created || payment.extras.card.is_some() {
            return Ok(payment);
        }
        let gateway = self.gateway()?;
        if gateway.name() != payment.gateway {
            // it was to be paid through another, which is not there any more
            return Err(Error::NoGateway);
        }
        let id = payment.id;
        if self.db.now().millis() - payment.created_at.millis() > KEYS_KEPT_MS {
            self.db.write(move |tx| refused(tx, id)).await?;
            return Err(Trouble::Refused("it could not be asked for in time".into()).into());
        }
        let (_, told) = self.outside(id)?;
        let order = Order {
            key: self.key_of(&told, payment.organization)?,
            id: told,
            amount: payment.quote.amounts.total,
            description: payment.purchase.description(),
            customer: if payment.extras.keep_card {
                // a card is kept for somebody
                Some(self.customer(payment.organization).await?)
            } else {
                self.customer_if_taken(payment.organization).await?
            },
            keep_card: payment.extras.keep_card,
            form: if payment.extras.embedded { Form::Embedded } else { Form::Hosted },
            return_url: payment.extras.success_url.unwrap_or_else(|| self.return_url(id)),
            cancel_url: payment.extras.cancel_url.unwrap_or_else(|| self.return_url(id)),
        };
        let (mut order, organization) = (order, payment.organization);
        let mut asked = gateway.begin(order.clone()).await;
        if let (Err(Trouble::NoCustomer(_)), Some(gone)) = (&asked, order.customer.take()) {
            self.customer_is_gone(organization, gone).await?;
            order.customer = self.customer_if_taken(organization).await?;
            order.key = self.key_of(&order.id, organization)?;
            asked = gateway.begin(order).await;
        }
        match asked {
            Ok(checkout) => self.db.write(move |tx| begun(tx, id, checkout)).await,
            Err(Trouble::Refused(why)) => {
                self.db.write(move |tx| refused(tx, id)).await?;
                Err(Trouble::Refused(why).into())
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Has a payment made now, rather than when its work is taken up: its saved card charged, or a checkout.
    ///
    /// # Errors
    /// See [`Error`]; it stands, and its work goes on with it.
    pub async fn go_on(&self, id: PaymentId) -> Result<Payment, Error> {
        let payment = self.db.read_blocking(|tx| get(tx, id))?;
        if payment.extras.card.is_none() {
            return self.begin(payment).await;
        }
        self.charge(id, 1).await?;
        self.db.read_blocking(|tx| get(tx, id))
    }

    /// Carries out work of the outbox.
    ///
    /// # Errors
    /// As [`outbox::step`] has it.
    pub async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string());
        match work.kind.as_str() {
            BEGIN => {
                let payment = PaymentId::new(row_of(&work)?);
                let payment = self.db.read_blocking(|tx| get(tx, payment));
                match self.begin(payment.map_err(|error| later(&error))?).await {
                    Ok(_) => Ok(()),
                    Err(Error::Gateway(Trouble::Refused(why))) => Err(Failure::Never(why)),
                    Err(error) => Err(later(&error)),
                }
            }
            DEAL => self.deal_again(row_of(&work)?, &work).await,
            refunds::GIVE_BACK => self.give_back(RefundId::new(row_of(&work)?)).await,
            sandbox::TELL => {
                let now = self.db.now();
                let body = sandbox::event(&work.subject, &work.id.to_string(), now)
                    .map_err(|error| Failure::Never(error.to_string()))?;
                let gateway = self.gateway().map_err(|error| Failure::Never(error.to_string()))?;
                let secret = gateway.webhook_secrets().first().map(Secret::expose);
                let header = signature::sign(secret.unwrap_or_default(), &body, now);
                match self.webhook(sandbox::NAME, &header, body).await {
                    Ok(_) => Ok(()),
                    Err(WebhookError::Later(why)) => Err(Failure::Later(why)),
                    Err(error) => Err(Failure::Never(error.to_string())),
                }
            }
            _ => self.carry_out_for_cards(work).await,
        }
    }
}

/// The row that work is about, where that is a number.
pub(super) fn row_of(work: &Work) -> Result<i64, Failure> {
    work.subject.parse().map_err(|_| Failure::Never(format!("no number: {}", work.subject)))
}
