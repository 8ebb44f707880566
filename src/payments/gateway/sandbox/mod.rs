//! The sandbox: a payment provider inside this process, for test mode. It keeps its own table, as a provider would, has a
//! page of its own for paying, and tells what happened through the same signed webhooks. No money is involved.

mod back;
mod cards;
mod sql;

pub use cards::{Saved, SetupSession, customer_details, give_card, setup_session};

use super::{
    Called, Card as SeenCard, Charge, Checkout, Customer, Decline, DisputeSeen, Gateway, GiveBack, Order,
    RefundSeen, Seen, Setup, SetupSeen, Status, Subject, Trouble,
};
use crate::base::time::{DAY_MS, MINUTE_MS, SECOND_MS};
use crate::base::{Timestamp, Zone};
use crate::db::{Db, DbError, WriteTx};
use crate::identity::Secret;
use crate::outbox;
use crate::payments::sql as checkouts;

pub use back::{Complaint, decide};

/// Its name.
pub const NAME: &str = "sandbox";
/// Work: tell the webhook's endpoint. The subject is the event's type and the checkout's reference.
pub const TELL: &str = "sandbox.tell";
/// A checkout can be paid for that long.
const OPEN_MS: i64 = DAY_MS;
/// How long after something happened it is told.
const TELL_AFTER_MS: i64 = SECOND_MS;
/// How long the slow bank takes.
const SLOW_MS: i64 = MINUTE_MS;

const PAID: &str = "checkout.session.completed";
const DECLINED: &str = "payment_intent.payment_failed";

/// The cards it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// Pays.
    Pays,
    /// Pays after a minute.
    Slow,
    /// Is declined.
    Declined(Decline),
    /// Pays when the customer confirms it.
    AsksFirst,
    /// Pays, and a minute later the customer complains to the bank.
    Disputed,
}

impl Card {
    /// Their numbers, and what is said of them.
    pub const ALL: [(&'static str, Self, &'static str); 6] = [
        ("4242 4242 4242 4242", Self::Pays, "pays"),
        ("4000 0000 0000 0077", Self::Slow, "pays, but the bank takes a minute"),
        ("4000 0000 0000 0002", Self::Declined(Decline::Declined), "is declined"),
        ("4000 0000 0000 9995", Self::Declined(Decline::InsufficientFunds), "has not enough on the account"),
        ("4000 0025 0000 3155", Self::AsksFirst, "has to be confirmed with the bank"),
        ("4000 0000 0000 0259", Self::Disputed, "pays, and is disputed a minute later"),
    ];

    fn last4(self) -> String {
        let number =
            Self::ALL.into_iter().find(|(_, card, _)| *card == self).map_or("", |(number, ..)| number);
        number.chars().skip(number.chars().count().saturating_sub(4)).collect()
    }

    /// The card with this number, however it is spaced.
    #[must_use]
    pub fn of(number: &str) -> Option<Self> {
        let digits = |text: &str| text.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>();
        let wanted = digits(number);
        Self::ALL.into_iter().find(|(known, ..)| digits(known) == wanted).map(|(_, card, _)| card)
    }
}

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A card is asked for.
    Open,
    /// The customer has to confirm.
    Confirming,
    /// The bank takes its time.
    Processing,
    /// Paid.
    Paid,
}

impl Standing {
    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirming => "confirming",
            Self::Processing => "processing",
            Self::Paid => "paid",
        }
    }

    pub(in crate::payments) fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Open, Self::Confirming, Self::Processing, Self::Paid];
        all.into_iter().find(|standing| standing.name() == name)
    }
}

/// A checkout, as the sandbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What the customer gets to see of it.
    pub checkout: Checkout,
    /// What was ordered.
    pub order: Order,
    /// Where it stands.
    pub standing: Standing,
    /// How the last card was declined.
    pub decline: Option<Decline>,
    /// The last digits of the card that was given.
    pub last4: Option<String>,
    /// When the slow bank is done.
    pub settles_at: Option<Timestamp>,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
    /// The card that was kept.
    pub card: Option<String>,
}

impl Session {
    /// How it stands at a time.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match self.standing {
            Standing::Open | Standing::Confirming if now >= self.expires_at => Status::Ended,
            Standing::Open | Standing::Confirming => Status::Open(self.decline),
            Standing::Processing if self.settles_at.is_some_and(|at| now < at) => Status::Processing,
            Standing::Processing | Standing::Paid => Status::Paid,
        }
    }

    /// The card, once it was taken.
    fn paid_with(&self) -> Option<SeenCard> {
        let last4 = self.last4.clone()?;
        let taken = matches!(self.standing, Standing::Processing | Standing::Paid);
        let year = Zone::UTC.day_of(self.expires_at).date().year();
        taken.then(|| SeenCard {
            reference: self.checkout.reference.clone(),
            brand: "visa".into(),
            last4,
            exp_month: 12,
            exp_year: u16::try_from(year).unwrap_or_default().saturating_add(4),
            country: None,
        })
    }
}

/// Makes the sandbox's checkouts.
pub struct Sandbox {
    db: Db,
    public_url: String,
    secrets: [Secret; 1],
}

impl Sandbox {
    /// `public_url` is where its page is reached from outside, without a slash at the end.
    #[must_use]
    pub fn new(db: Db, public_url: String) -> Self {
        // it signs and checks itself, so nobody else has to know the secret, and none has to be kept
        Self { db, public_url, secrets: [Secret::mint("whsec_")] }
    }
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl Gateway for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn webhook_secrets(&self) -> &[Secret] {
        &self.secrets
    }

    fn subject(&self, event_type: &str, _: &str) -> Subject {
        match event_type.split_once('.').map_or("", |(object, _)| object) {
            "checkout" | "payment_intent" => Subject::Order,
            "refund" => Subject::Refund,
            "charge" => Subject::Dispute,
            "setup_intent" => Subject::Setup,
            "payment_method" => Subject::Card,
            _ => Subject::Other,
        }
    }

    fn begin(&self, order: Order) -> Called<'_, Checkout> {
        Box::pin(async move {
            let public_url = self.public_url.clone();
            self.db.write(move |tx| make(tx, order, &public_url)).await
        })
    }

    fn look<'a>(&'a self, reference: &'a str) -> Called<'a, Seen> {
        Box::pin(async move {
            let found = self.db.read_blocking(|tx| -> Result<_, DbError> {
                Ok((checkouts::sandbox(tx, reference, &self.public_url)?, tx.now()))
            })?;
            let (Some(session), now) = found else {
                return self.charge_seen(reference)?.ok_or(Trouble::Unknown);
            };
            let kept = session.card.as_deref().map(|card| self.card_seen(card)).transpose()?.flatten();
            Ok(Seen {
                status: session.status(now),
                amount: session.order.amount,
                card: kept.map(|(_, card)| card).or_else(|| session.paid_with()),
                order: session.order.id,
                charge: None,
            })
        })
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Called<'a, ()> {
        Box::pin(async move {
            let reference = reference.to_owned();
            self.db.write(move |tx| cancel(tx, &reference)).await
        })
    }

    fn refund(&self, refund: GiveBack) -> Called<'_, RefundSeen> {
        Box::pin(async move { self.db.write(move |tx| back::refund(tx, &refund)).await })
    }

    fn look_at_refund<'a>(&'a self, reference: &'a str) -> Called<'a, RefundSeen> {
        Box::pin(async move {
            let found = self.db.read_blocking(|tx| checkouts::sandbox_refund(tx, "reference", reference))?;
            found.ok_or(Trouble::Unknown)
        })
    }

    fn look_at_dispute<'a>(&'a self, reference: &'a str) -> Called<'a, DisputeSeen> {
        Box::pin(async move {
            let found =
                self.db.read_blocking(|tx| checkouts::sandbox_complaint(tx, "reference", reference))?;
            found.map(DisputeSeen::from).ok_or(Trouble::Unknown)
        })
    }

    fn customer(&self, customer: Customer) -> Called<'_, String> {
        Box::pin(self.know(customer))
    }

    fn charge(&self, charge: Charge) -> Called<'_, (String, Seen)> {
        Box::pin(self.charge_card(charge))
    }

    fn set_up(&self, setup: Setup) -> Called<'_, Checkout> {
        Box::pin(self.ask_for_card(setup))
    }

    fn look_at_setup<'a>(&'a self, reference: &'a str) -> Called<'a, SetupSeen> {
        Box::pin(async move { self.setup_seen(reference) })
    }

    fn look_at_card<'a>(&'a self, reference: &'a str) -> Called<'a, Option<(String, SeenCard)>> {
        Box::pin(async move { self.card_seen(reference) })
    }

    fn forget_card<'a>(&'a self, reference: &'a str) -> Called<'a, ()> {
        Box::pin(self.drop_card(reference))
    }
}

/// What the sandbox's page is for, and why it does not do it.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// There is no such checkout.
    #[error("there is no such checkout")]
    NotFound,
    /// It was paid, or it is too late.
    #[error("it can no longer be paid")]
    Over,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes a checkout of an order, or answers the one that was made under the same key before. `public_url` as
/// [`Sandbox::new`] has it.
///
/// # Errors
/// [`Trouble::Refused`], and when the database fails.
pub fn make(tx: &WriteTx<'_>, order: Order, public_url: &str) -> Result<Checkout, Trouble> {
    if order.amount.minor <= 0 {
        return Err(Trouble::Refused("the amount must be above zero".into()));
    }
    let conn = tx.conn()?;
    if let Some(before) = checkouts::sandbox_by_key(conn, &order.key, public_url)? {
        return Ok(before.checkout);
    }
    let reference = Secret::mint("cs_test_").expose().to_owned();
    let url = format!("{public_url}/sandbox/checkout/{reference}");
    let client_secret = Secret::mint(&format!("{reference}_secret_")).expose().to_owned();
    let checkout = Checkout { reference, client_secret: Some(client_secret), url: Some(url) };
    let session = Session {
        checkout,
        order,
        standing: Standing::Open,
        decline: None,
        last4: None,
        settles_at: None,
        expires_at: tx.now().plus_ms(OPEN_MS),
        card: None,
    };
    checkouts::insert_sandbox(conn, &session)?;
    Ok(session.checkout)
}

/// A checkout, for its page.
///
/// # Errors
/// [`PayError::NotFound`], and those of the database.
pub fn session(conn: &rusqlite::Connection, reference: &str) -> Result<Session, PayError> {
    checkouts::sandbox(conn, reference, "")?.ok_or(PayError::NotFound)
}

/// The customer pays by card.
///
/// # Errors
/// See [`PayError`].
pub fn pay(tx: &WriteTx<'_>, reference: &str, card: Card) -> Result<Session, PayError> {
    let mut session = payable(tx, reference)?;
    session.last4 = Some(card.last4());
    if session.order.keep_card && session.card.is_none() && !matches!(card, Card::Declined(_)) {
        let number = Card::ALL.into_iter().find(|(_, known, _)| *known == card).map(|(number, ..)| number);
        session.card = cards::keep(tx, session.order.customer.as_deref(), number)?;
    }
    match card {
        Card::Pays => paid(tx, &mut session)?,
        Card::Slow => {
            let at = tx.now().plus_ms(SLOW_MS);
            session.standing = Standing::Processing;
            session.settles_at = Some(at);
            tell(tx, PAID, &session, at)?;
        }
        Card::Declined(decline) => declined(tx, &mut session, decline)?,
        Card::AsksFirst => session.standing = Standing::Confirming,
        Card::Disputed => {
            paid(tx, &mut session)?;
            back::complain(tx, &session.checkout.reference, session.order.amount)?;
        }
    }
    checkouts::update_sandbox(tx.conn()?, &session)?;
    Ok(session)
}

/// An open checkout ends now.
fn cancel(tx: &WriteTx<'_>, reference: &str) -> Result<(), Trouble> {
    let conn = tx.conn()?;
    let mut session = checkouts::sandbox(conn, reference, "")?.ok_or(Trouble::Unknown)?;
    match session.status(tx.now()) {
        Status::Open(_) => {
            session.expires_at = tx.now();
            Ok(checkouts::update_sandbox(conn, &session)?)
        }
        Status::Ended => Ok(()),
        Status::Processing | Status::Paid => Err(Trouble::Refused("it is paid".into())),
    }
}

/// The customer answers the bank's question.
///
/// # Errors
/// See [`PayError`].
pub fn confirm(tx: &WriteTx<'_>, reference: &str, yes: bool) -> Result<Session, PayError> {
    let mut session = payable(tx, reference)?;
    if session.standing != Standing::Confirming {
        return Err(PayError::Over);
    }
    if yes {
        paid(tx, &mut session)?;
    } else {
        session.standing = Standing::Open;
        declined(tx, &mut session, Decline::AuthenticationFailed)?;
    }
    checkouts::update_sandbox(tx.conn()?, &session)?;
    Ok(session)
}

fn payable(tx: &WriteTx<'_>, reference: &str) -> Result<Session, PayError> {
    let session = session(tx.conn()?, reference)?;
    match session.status(tx.now()) {
        Status::Open(_) => Ok(session),
        Status::Processing | Status::Paid | Status::Ended => Err(PayError::Over),
    }
}

fn paid(tx: &WriteTx<'_>, session: &mut Session) -> Result<(), DbError> {
    session.standing = Standing::Paid;
    session.decline = None;
    tell(tx, PAID, session, tx.now().plus_ms(TELL_AFTER_MS))
}

fn declined(tx: &WriteTx<'_>, session: &mut Session, decline: Decline) -> Result<(), DbError> {
    session.decline = Some(decline);
    tell(tx, DECLINED, session, tx.now().plus_ms(TELL_AFTER_MS))
}

fn tell(tx: &WriteTx<'_>, event_type: &str, session: &Session, at: Timestamp) -> Result<(), DbError> {
    outbox::enqueue(tx, TELL, &format!("{event_type} {}", session.checkout.reference), at).map(|_| ())
}

/// The body of the webhook that tells of `subject`, under an id that stays the same when it is told again.
///
/// # Errors
/// When the subject is none of its own.
pub fn event(subject: &str, id: &str, created: Timestamp) -> Result<Vec<u8>, Trouble> {
    let (event_type, reference) =
        subject.split_once(' ').ok_or_else(|| Trouble::Refused(format!("no event: {subject}")))?;
    let body = serde_json::json!({
        "id": format!("evt_{id}"),
        "object": "event",
        "type": event_type,
        "created": created.millis().div_euclid(SECOND_MS),
        "livemode": false,
        "data": {"object": {"id": reference, "object": "checkout.session"}},
    });
    Ok(body.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_by_its_digits() {
        assert_eq!(Card::of("4242424242424242"), Some(Card::Pays));
        assert_eq!(Card::of(" 4000-0000 0000-0002"), Some(Card::Declined(Decline::Declined)));
        for stranger in ["", "4242", "4242 4242 4242 4243", "card"] {
            assert_eq!(Card::of(stranger), None, "{stranger}");
        }
    }
}
