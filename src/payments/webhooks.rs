//! What providers tell: it is believed when it is signed, kept, and dealt with by asking the provider about what it names. What
//! could not be dealt with is taken up by the outbox, so that nobody has to tell it again.

use super::desk::Desk;
use super::events::Event;
use super::gateway::{DisputeSeen, Gateway, RefundSeen, RefundStatus, Seen, Subject, Trouble, signature};
use super::{Error, Recorded, State, concerns, disputes, record, refunds, sql};
use crate::base::id::PaymentId;
use crate::db::{DbError, WriteTx};
use crate::identity::Secret;
use crate::identity::audit::{self, Actor, By, Difference};
use crate::outbox::{self, Failure, Work};

/// Work: deal with an event that was kept, unless that was done. The subject is its row's number.
pub(super) const DEAL: &str = "payment.event";

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
    /// It could not be dealt with now. If it could be kept it is dealt with later, also without being told again.
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
    /// It is about something that another book sells through the same account; it was kept and reported.
    Foreign,
    /// Money has come a second time for the same payment; it was kept and reported.
    PaidTwice,
    /// It is about something else than orders; it was kept.
    Ignored,
    /// Something else has to come first; it was kept and is dealt with later.
    Kept,
}

impl Received {
    /// As it is stored; none for what was not dealt with.
    const fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Done => Some("done"),
            Self::Unknown => Some("unknown"),
            Self::Foreign => Some("foreign"),
            Self::PaidTwice => Some("paid_twice"),
            Self::Ignored => Some("ignored"),
            Self::Duplicate | Self::Kept => None,
        }
    }
}

/// What became of an event, and about which payment it is.
type Dealt = (Received, Option<PaymentId>);

/// What the provider said when it was asked about what an event names.
enum Told {
    Order(Seen),
    /// With those that wait for ours to end.
    Refund(RefundSeen, Vec<RefundSeen>),
    Dispute(DisputeSeen),
    /// About a card, which has been dealt with.
    Card,
    /// About something else.
    Other,
    /// The provider does not know it, or nobody here.
    Nothing,
}

impl Told {
    /// Which money it is about, where it is not about an order.
    fn charge(&self) -> Option<&str> {
        match self {
            Self::Refund(seen, _) => Some(&seen.charge),
            Self::Dispute(seen) => Some(&seen.charge),
            Self::Order(_) | Self::Card | Self::Other | Self::Nothing => None,
        }
    }

    /// Writes it down.
    fn write_down(&self, tx: &WriteTx<'_>, gateway: &str, reference: &str) -> Result<Dealt, Error> {
        let done = |payment: Option<PaymentId>| match payment {
            Some(_) => (Received::Done, payment),
            None => (Received::Unknown, None),
        };
        Ok(match self {
            Self::Other => (Received::Ignored, None),
            Self::Card => (Received::Done, None),
            Self::Nothing => done(None),
            Self::Order(seen) => match record(tx, gateway, reference, seen)? {
                Recorded::Payment(payment) => done(Some(payment.id)),
                Recorded::Mismatch(id) => done(Some(id)),
                Recorded::PaidTwice(id) => (Received::PaidTwice, Some(id)),
                Recorded::Foreign => (Received::Foreign, None),
                Recorded::Unknown => done(None),
            },
            Self::Refund(seen, waiting) => match refunds::record_all(tx, gateway, seen, waiting)? {
                refunds::Recorded::Refund(refund) => done(Some(refund.payment)),
                refunds::Recorded::Waits(payment) => (Received::Kept, Some(payment)),
                refunds::Recorded::Unknown => done(None),
            },
            Self::Dispute(seen) => done(disputes::record(tx, gateway, seen)?.map(|found| found.payment)),
        })
    }
}

impl Desk {
    /// Takes a webhook in: believes it, keeps it, asks the provider about what it names, and writes that down.
    ///
    /// # Errors
    /// See [`WebhookError`].
    pub async fn webhook(
        &self,
        gateway: &str,
        header: &str,
        body: Vec<u8>,
    ) -> Result<Received, WebhookError> {
        let gateway = self.gateway().ok().filter(|known| known.name() == gateway);
        let gateway = gateway.ok_or(WebhookError::NoGateway)?;
        let secrets = gateway.webhook_secrets().iter().map(Secret::expose);
        signature::verify(secrets, header, &body, self.db().now(), self.tolerance_ms())?;
        let event = Event::read(&body).map_err(WebhookError::Malformed)?;
        let (name, kept) = (gateway.name(), event.clone());
        let keep = self.db().write(move |tx| keep(tx, name, &kept, &body));
        let (row, is_over) = keep.await.map_err(|error| WebhookError::Later(error.to_string()))?;
        if is_over {
            return Ok(Received::Duplicate);
        }
        let dealt = self.deal_with(gateway, event, row, false).await;
        dealt.map_err(|error| WebhookError::Later(error.to_string()))
    }

    /// Deals with an event that was kept, unless that was done.
    pub(super) async fn deal_again(&self, row: i64, work: &Work) -> Result<(), Failure> {
        let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string());
        let read = self.db().read_blocking(|tx| sql::kept_event(tx, row));
        let Some((told_by, event)) = read? else { return Ok(()) };
        let gateway = self.gateway().map_err(|error| later(&error))?;
        if gateway.name() != told_by {
            return Err(Failure::Never(format!("{told_by} told it, which is not in use")));
        }
        let is_last = work.attempts >= outbox::MAX_ATTEMPTS;
        match self.deal_with(gateway, event, row, is_last).await {
            Ok(Received::Kept) => Err(Failure::Later("something else has to come first".into())),
            Ok(_) => Ok(()),
            Err(error) => Err(later(&error)),
        }
    }

    /// An event that was kept: what it names is asked about and written down. `is_last`: what still has to wait is unknown.
    async fn deal_with(
        &self,
        gateway: &dyn Gateway,
        event: Event,
        row: i64,
        is_last: bool,
    ) -> Result<Received, Error> {
        let told = self.asked(gateway, &event).await?;
        let unsettled = match told.charge() {
            Some(charge) => self.unsettled(gateway, charge).await?,
            None => None,
        };
        let name = gateway.name();
        let dealt = self.db().write(move |tx| -> Result<_, Error> {
            let before = match &unsettled {
                Some((charge, seen)) => settled(tx, name, charge, seen)?,
                None => None,
            };
            let (received, payment) = match before {
                Some(dealt) => dealt,
                None => told.write_down(tx, name, &event.reference)?,
            };
            let received = if received == Received::Kept && is_last { Received::Unknown } else { received };
            let closed = sql::close_event(tx.conn()?, row, received.outcome(), payment)?;
            match received {
                Received::Unknown if closed => {
                    report(tx, name, &event, "payment.unknown")?;
                    let detail = format!("{} about {}", event.kind, event.reference);
                    // by what it is about: one thing is told of in many events
                    concerns::raise(tx, concerns::Kind::Unknown, &event.reference, &detail, None)?;
                }
                Received::Foreign if closed => {
                    report(tx, name, &event, "payment.foreign")?;
                    let detail =
                        format!("{} about {}, which another book asked for", event.kind, event.reference);
                    concerns::raise(tx, concerns::Kind::Unknown, &event.reference, &detail, None)?;
                }
                _ => {}
            }
            Ok(received)
        });
        dealt.await
    }

    /// What the provider says about what an event names.
    async fn asked(&self, gateway: &dyn Gateway, event: &Event) -> Result<Told, Error> {
        let reference = event.reference.as_str();
        let subject = match gateway.subject(&event.kind, reference) {
            // a checkout at which a card is saved
            Subject::Order if self.is_setup(gateway.name(), reference)? => Subject::Setup,
            subject => subject,
        };
        let known_card = |known: bool| if known { Told::Card } else { Told::Nothing };
        Ok(match subject {
            Subject::Order => known(gateway.look(reference).await)?.map_or(Told::Nothing, Told::Order),
            Subject::Refund => match known(gateway.look_at_refund(reference).await)? {
                Some(seen) => {
                    let waiting = self.waiting(gateway, &seen).await?;
                    Told::Refund(seen, waiting)
                }
                None => Told::Nothing,
            },
            Subject::Dispute => {
                known(gateway.look_at_dispute(reference).await)?.map_or(Told::Nothing, Told::Dispute)
            }
            Subject::Setup => known_card(self.told_of_setup(reference).await?),
            Subject::Card => known_card(self.told_of_card(reference).await?),
            Subject::Other => Told::Other,
        })
    }

    /// How the order stands of which this is the money, where it has not settled here.
    async fn unsettled(&self, gateway: &dyn Gateway, charge: &str) -> Result<Option<(String, Seen)>, Error> {
        if self.db().read_blocking(|tx| sql::by_charge(tx, gateway.name(), charge))?.is_some() {
            return Ok(None);
        }
        Ok(known(gateway.look(charge).await)?.map(|seen| (charge.to_owned(), seen)))
    }

    /// Refunds made at the provider itself that wait for ours of the same money to end, which this says that it did not go
    /// through.
    pub(super) async fn waiting(
        &self,
        gateway: &dyn Gateway,
        failed: &RefundSeen,
    ) -> Result<Vec<RefundSeen>, Error> {
        match failed.status {
            RefundStatus::Failed(_) => self.waiting_of(gateway, &failed.charge).await,
            RefundStatus::Pending | RefundStatus::Succeeded => Ok(Vec::new()),
        }
    }

    /// The same, of any money.
    pub(super) async fn waiting_of(
        &self,
        gateway: &dyn Gateway,
        charge: &str,
    ) -> Result<Vec<RefundSeen>, Error> {
        let kept = self.db().read_blocking(|tx| sql::kept_events_of(tx, gateway.name(), charge))?;
        let mut waiting = Vec::new();
        for event in kept {
            if gateway.subject(&event.kind, &event.reference) == Subject::Refund {
                waiting.extend(known(gateway.look_at_refund(&event.reference).await)?);
            }
        }
        Ok(waiting)
    }
}

/// Keeps an event, and the work of dealing with it, should whoever was told be cut off. Answers its row, and whether it was dealt
/// with before.
fn keep(tx: &WriteTx<'_>, gateway: &str, event: &Event, body: &[u8]) -> Result<(i64, bool), DbError> {
    let kept = sql::keep_event(tx.conn()?, gateway, event, body, tx.now())?;
    if kept.times == 1 {
        outbox::enqueue(tx, DEAL, &kept.row.to_string(), tx.now().plus_ms(outbox::LEASE_MS))?;
    }
    Ok((kept.row, kept.outcome.is_some()))
}

/// Settles a payment of whose money an event tells. What that comes to, where it does not settle.
fn settled(tx: &WriteTx<'_>, gateway: &str, charge: &str, seen: &Seen) -> Result<Option<Dealt>, Error> {
    Ok(match record(tx, gateway, charge, seen)? {
        Recorded::Payment(payment) if matches!(payment.state, State::Settled(_)) => None,
        Recorded::Payment(payment) => Some((Received::Kept, Some(payment.id))),
        Recorded::Mismatch(id) => Some((Received::Kept, Some(id))),
        Recorded::PaidTwice(id) => Some((Received::PaidTwice, Some(id))),
        Recorded::Foreign => Some((Received::Foreign, None)),
        Recorded::Unknown => None,
    })
}

/// What the provider knows nothing of is none.
fn known<T>(answer: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match answer {
        Ok(seen) => Ok(Some(seen)),
        Err(Trouble::Unknown) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// An event about nothing known here, or about another book's: somebody has to look.
fn report(tx: &WriteTx<'_>, gateway: &str, event: &Event, action: &str) -> Result<(), DbError> {
    tracing::warn!(gateway, event = event.id, kind = event.kind, action, "not about anything of this book");
    let what = Difference::new()
        .with("gateway", gateway)
        .with("type", event.kind.as_str())
        .with("reference", event.reference.as_str());
    audit::record(tx, &By::actor(Actor::System), action, &event.id, None, &what)
}
