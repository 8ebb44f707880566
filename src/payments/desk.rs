//! The calls outside: what is written down before and after each.

use std::sync::Arc;

use super::events::Event;
use super::gateway::{
    DisputeSeen, Form, Gateway, KEYS_KEPT_MS, Order, RefundSeen, Seen, Subject, Trouble, sandbox, signature,
};
use super::{
    BEGIN, Error, NewPayment, Payment, Recorded, State, Terms, begun, create, get, next_ask, record,
};
use super::{disputes, refunds, refused, sql};
use crate::base::id::{PaymentId, RefundId};
use crate::base::time::SECOND_MS;
use crate::db::{Db, DbError, WriteTx};
use crate::identity::audit::{self, Actor, By, Difference};
use crate::identity::{Secret, SellerTerms};
use crate::outbox::{Failure, Work};

/// Payments asked about in one step.
const STEP: u32 = 20;

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

/// Why a webhook is refused.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no such provider.
    #[error("no such payment provider")]
    NoGateway,
    /// It is not believed.
    #[error("the signature {0}")]
    Signature(#[from] signature::SignatureError),
    /// It is signed, but no event.
    #[error("the body is no event: {0}")]
    Malformed(String),
    /// It was kept, but could not be dealt with now: to be told again.
    #[error("{0}")]
    Later(String),
}

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It was dealt with.
    Done,
    /// It had been dealt with before.
    Duplicate,
    /// It is about nothing known here; it was kept and reported.
    Unknown,
    /// It is about something else than orders; it was kept.
    Ignored,
}

impl Received {
    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate => "duplicate",
            Self::Unknown => "unknown",
            Self::Ignored => "ignored",
        }
    }
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

    pub(super) fn public_url(&self) -> &str {
        &self.public_url
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
        let seller = self.seller.clone();
        let payment = self.db.write(move |tx| create(tx, &seller, &new)).await?;
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
        let order = Order {
            key: self.key_of(&id.to_string(), payment.organization)?,
            id: id.to_string(),
            amount: payment.quote.amounts.total,
            description: payment.purchase.description(),
            customer: self.customer_if_taken(payment.organization).await?,
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

    /// Asks the provider how a payment stands, unless it is settled, and writes that down.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ask(&self, id: PaymentId) -> Result<Payment, Error> {
        let payment = self.db.read_blocking(|tx| get(tx, id))?;
        let reference = match (&payment.state, payment.state.reference()) {
            (State::Settled(_), _) | (_, None) => return Ok(payment),
            (_, Some(reference)) => reference.to_owned(),
        };
        let gateway = self.gateway()?;
        if gateway.name() != payment.gateway {
            return Ok(payment);
        }
        let seen = gateway.look(&reference).await?;
        let name = gateway.name();
        self.db.write(move |tx| record(tx, name, &reference, &seen)).await?;
        self.db.read_blocking(|tx| get(tx, id))
    }

    /// One step of the reconciliation: asks the provider about payments that are due to be asked about. Answers how many.
    ///
    /// # Errors
    /// When the database fails. A provider that does not answer is asked again later.
    pub async fn reconcile(&self) -> Result<usize, Error> {
        let due = self.db.read_blocking(|tx| sql::to_ask(tx, tx.now(), STEP))?;
        for id in due.iter().copied() {
            self.cancel_abandoned(id).await;
            // first, so that one that always fails does not come first for ever
            let put_off = self.db.write(move |tx| -> Result<_, Error> {
                let payment = get(tx.conn()?, id)?;
                Ok(sql::set_ask_at(tx.conn()?, id, next_ask(payment.created_at, tx.now()))?)
            });
            put_off.await?;
            if let Err(error) = self.ask(id).await {
                tracing::warn!(payment = %id, %error, "payment not asked about");
            }
        }
        Ok(due.len() + self.ask_about_refunds().await?)
    }

    /// Takes a webhook in: believes it, keeps it, asks the provider about what it names, and writes that down.
    ///
    /// # Errors
    /// See [`WebhookError`]; after [`WebhookError::Later`] it was kept.
    pub async fn webhook(
        &self,
        gateway: &str,
        header: &str,
        body: Vec<u8>,
    ) -> Result<Received, WebhookError> {
        let gateway = self.gateway().ok().filter(|known| known.name() == gateway);
        let gateway = gateway.ok_or(WebhookError::NoGateway)?;
        let secrets = gateway.webhook_secrets().iter().map(Secret::expose);
        signature::verify(secrets, header, &body, self.db.now(), self.tolerance_ms)?;
        let event = Event::read(&body).map_err(WebhookError::Malformed)?;
        let (name, kept) = (gateway.name(), event.clone());
        let keep = self.db.write(move |tx| sql::keep_event(tx.conn()?, name, &kept, &body, tx.now()));
        let (row, before) = keep.await.map_err(|error| WebhookError::Later(error.to_string()))?;
        if before.is_some() {
            return Ok(Received::Duplicate);
        }
        self.deal_with(gateway, event, row).await.map_err(|error| WebhookError::Later(error.to_string()))
    }

    /// An event that was kept: what it names is asked about and written down.
    async fn deal_with(&self, gateway: &dyn Gateway, event: Event, row: i64) -> Result<Received, Error> {
        let reference = event.reference.as_str();
        let subject = match gateway.subject(&event.kind, reference) {
            // a checkout at which a card is saved
            Subject::Order if self.is_setup(gateway.name(), reference)? => Subject::Setup,
            subject => subject,
        };
        let told = match subject {
            Subject::Order => known(gateway.look(reference).await)?.map(Told::Order),
            Subject::Refund => known(gateway.look_at_refund(reference).await)?.map(Told::Refund),
            Subject::Dispute => known(gateway.look_at_dispute(reference).await)?.map(Told::Dispute),
            Subject::Setup => self.told_of_setup(reference).await?.then_some(Told::Card),
            Subject::Card => self.told_of_card(reference).await?.then_some(Told::Card),
            Subject::Other => Some(Told::Nothing),
        };
        let name = gateway.name();
        let dealt = self.db.write(move |tx| -> Result<_, Error> {
            let (outcome, payment) = match told {
                Some(Told::Nothing) => (Received::Ignored, None),
                Some(Told::Card) => (Received::Done, None),
                Some(Told::Order(seen)) => outcome(match record(tx, name, &event.reference, &seen)? {
                    Recorded::Payment(payment) => Some(payment.id),
                    Recorded::Mismatch(id) => Some(id),
                    Recorded::Unknown => None,
                }),
                Some(Told::Refund(seen)) => outcome(match refunds::record(tx, name, &seen)? {
                    refunds::Recorded::Refund(refund) => Some(refund.payment),
                    refunds::Recorded::Unknown => None,
                }),
                Some(Told::Dispute(seen)) => {
                    outcome(disputes::record(tx, name, &seen)?.map(|found| found.payment))
                }
                None => outcome(None),
            };
            if outcome == Received::Unknown {
                report_unknown(tx, name, &event)?;
            }
            sql::close_event(tx.conn()?, row, outcome.name(), payment)?;
            Ok(outcome)
        });
        dealt.await
    }

    /// Carries out work of the outbox.
    ///
    /// # Errors
    /// As [`outbox::step`] has it.
    pub async fn carry_out(&self, work: Work) -> Result<(), Failure> {
        let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string());
        match work.kind.as_str() {
            BEGIN => {
                let number: i64 = work
                    .subject
                    .parse()
                    .map_err(|_| Failure::Never(format!("no payment: {}", work.subject)))?;
                let payment = self.db.read_blocking(|tx| get(tx, PaymentId::new(number)));
                match self.begin(payment.map_err(|error| later(&error))?).await {
                    Ok(_) => Ok(()),
                    Err(Error::Gateway(Trouble::Refused(why))) => Err(Failure::Never(why)),
                    Err(error) => Err(later(&error)),
                }
            }
            refunds::GIVE_BACK => {
                let number: i64 = work
                    .subject
                    .parse()
                    .map_err(|_| Failure::Never(format!("no refund: {}", work.subject)))?;
                self.give_back(RefundId::new(number)).await
            }
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

/// What the provider said when it was asked about what an event names.
enum Told {
    Order(Seen),
    Refund(RefundSeen),
    Dispute(DisputeSeen),
    /// About a card, which has been dealt with.
    Card,
    Nothing,
}

/// What the provider knows nothing of is none.
fn known<T>(answer: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match answer {
        Ok(seen) => Ok(Some(seen)),
        Err(Trouble::Unknown) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

const fn outcome(payment: Option<PaymentId>) -> (Received, Option<PaymentId>) {
    if payment.is_some() { (Received::Done, payment) } else { (Received::Unknown, None) }
}

/// An event about nothing known here: somebody has to look.
fn report_unknown(tx: &WriteTx<'_>, gateway: &str, event: &Event) -> Result<(), DbError> {
    tracing::warn!(gateway, event = event.id, kind = event.kind, "about something that is not known here");
    let what = Difference::new()
        .with("gateway", gateway)
        .with("type", event.kind.as_str())
        .with("reference", event.reference.as_str());
    audit::record(tx, &By::actor(Actor::System), "payment.unknown", &event.id, None, &what)
}
