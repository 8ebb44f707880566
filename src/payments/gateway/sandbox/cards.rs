//! Customers, saved cards and their charges, as the sandbox keeps them.

use super::{DECLINED, OPEN_MS, PayError, SLOW_MS, Sandbox, TELL, TELL_AFTER_MS, sql};
use crate::base::{Money, Timestamp, Zone};
use crate::db::{DbError, WriteTx};
use crate::identity::Secret;
use crate::outbox;
use crate::payments::cards::rules::ends_at;
use crate::payments::gateway::{
    Card, Charge, Checkout, Customer, Decline, Seen, Setup, SetupSeen, Status, Trouble,
};

const SET_UP: &str = "setup_intent.succeeded";
const PAID: &str = "payment_intent.succeeded";

/// What happens when a saved card is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// Pays.
    Pays,
    /// Pays after a minute.
    Slow,
    /// Is declined.
    Declined(Decline),
    /// Pays until its month is over, which is this one.
    EndsSoon,
}

impl Saved {
    /// The numbers of the cards that can be saved, and what is said of them.
    pub const ALL: [(&'static str, Self, &'static str); 7] = [
        ("4242 4242 4242 4242", Self::Pays, "pays whenever it is charged"),
        ("4000 0000 0000 0077", Self::Slow, "pays, but the bank takes a minute"),
        (
            "4000 0000 0000 0341",
            Self::Declined(Decline::Declined),
            "is saved, and declined when it is charged",
        ),
        ("4000 0000 0000 0002", Self::Declined(Decline::Declined), "the same"),
        (
            "4000 0000 0000 9995",
            Self::Declined(Decline::InsufficientFunds),
            "has not enough on the account then",
        ),
        (
            "4000 0025 0000 3155",
            Self::Declined(Decline::AuthenticationRequired),
            "has to be confirmed by somebody who is not there then",
        ),
        ("4000 0000 0000 0069", Self::EndsSoon, "expires with this month"),
    ];

    /// The card with this number, however it is spaced.
    #[must_use]
    pub fn of(number: &str) -> Option<Self> {
        let wanted = digits(number);
        Self::ALL.into_iter().find(|(known, ..)| digits(known) == wanted).map(|(_, saved, _)| saved)
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-')).collect()
}

/// A page that asks for a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupSession {
    /// What the customer gets to see of it.
    pub checkout: Checkout,
    /// Our id of the setup.
    pub setup: String,
    /// Whose card.
    pub customer: String,
    /// Where the customer comes back to.
    pub return_url: String,
    /// The same, without having given a card.
    pub cancel_url: String,
    /// The card, once it was given.
    pub card: Option<String>,
    /// Until when one can be given.
    pub expires_at: Timestamp,
}

impl SetupSession {
    /// How it stands at a time.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.card {
            Some(_) => Status::Paid,
            None if now >= self.expires_at => Status::Ended,
            None => Status::Open(None),
        }
    }
}

/// A card that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptCard {
    pub reference: String,
    pub customer: String,
    pub number: String,
    pub exp_month: u8,
    pub exp_year: u16,
}

impl KeptCard {
    fn card(self) -> Card {
        Card {
            reference: self.reference,
            brand: "visa".into(),
            last4: self.number.chars().skip(self.number.chars().count().saturating_sub(4)).collect(),
            exp_month: self.exp_month,
            exp_year: self.exp_year,
            country: None,
        }
    }

    /// How a charge goes now, and when it is settled.
    fn charged(&self, now: Timestamp) -> (Option<Decline>, Timestamp) {
        let over = ends_at(self.exp_month, self.exp_year).is_some_and(|end| now >= end);
        match Saved::of(&self.number) {
            _ if over => (Some(Decline::ExpiredCard), now),
            Some(Saved::Pays | Saved::EndsSoon) => (None, now),
            Some(Saved::Slow) => (None, now.plus_ms(SLOW_MS)),
            Some(Saved::Declined(decline)) => (Some(decline), now),
            None => (Some(Decline::Declined), now),
        }
    }
}

/// A charge of a saved card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charged {
    pub reference: String,
    pub order: String,
    pub amount: Money,
    pub card: String,
    pub decline: Option<Decline>,
    pub settles_at: Timestamp,
}

impl Charged {
    fn status(&self, now: Timestamp) -> Status {
        match self.decline {
            Some(decline) => Status::Open(Some(decline)),
            None if now < self.settles_at => Status::Processing,
            None => Status::Paid,
        }
    }

    fn seen(self, conn: &rusqlite::Connection, now: Timestamp) -> Result<Seen, DbError> {
        let card = sql::any_card(conn, &self.card)?.map(|(number, exp_month, exp_year)| {
            let (reference, customer) = (self.card.clone(), String::new());
            KeptCard { reference, customer, number, exp_month, exp_year }.card()
        });
        Ok(Seen {
            status: self.status(now),
            amount: self.amount,
            order: self.order,
            charge: Some(self.reference),
            card,
        })
    }
}

fn mint(prefix: &str) -> String {
    Secret::mint(prefix).expose().to_owned()
}

impl Sandbox {
    pub(super) async fn know(&self, customer: Customer) -> Result<String, Trouble> {
        let reference = mint("cus_test_");
        let known = self.db.write(move |tx| sql::customer(tx.conn()?, &reference, &customer));
        Ok(known.await?)
    }

    pub(super) async fn ask_for_card(&self, setup: Setup) -> Result<Checkout, Trouble> {
        let reference = mint("seti_test_");
        let client_secret = Some(mint(&format!("{reference}_secret_")));
        let made = self.db.write(move |tx| -> Result<_, DbError> {
            let conn = tx.conn()?;
            if let Some(before) = sql::setup_by_key(conn, &setup.key)? {
                return Ok(before.checkout);
            }
            let session = SetupSession {
                checkout: Checkout { reference, client_secret, url: None },
                setup: setup.id,
                customer: setup.customer,
                return_url: setup.return_url,
                cancel_url: setup.cancel_url,
                card: None,
                expires_at: tx.now().plus_ms(OPEN_MS),
            };
            sql::insert_setup(conn, &setup.key, &session)?;
            Ok(session.checkout)
        });
        let made = made.await?;
        let url = format!("{}/sandbox/setup/{}", self.public_url, made.reference);
        Ok(Checkout { url: Some(url), ..made })
    }

    pub(super) fn setup_seen(&self, reference: &str) -> Result<SetupSeen, Trouble> {
        let (found, now): sql::At<_> = self.db.read_blocking(|tx| -> Result<_, DbError> {
            let Some(session) = sql::setup(tx, reference)? else { return Ok((None, tx.now())) };
            let card = match &session.card {
                Some(card) => sql::card(tx, card)?.map(KeptCard::card),
                None => None,
            };
            Ok((Some((session, card)), tx.now()))
        })?;
        let (session, card) = found.ok_or(Trouble::Unknown)?;
        let status = session.status(now);
        Ok(SetupSeen { setup: session.setup, customer: session.customer, status, card })
    }

    pub(super) fn card_seen(&self, reference: &str) -> Result<Option<(String, Card)>, Trouble> {
        let found = self.db.read_blocking(|tx| sql::card(tx, reference))?;
        Ok(found.map(|card| (card.customer.clone(), card.card())))
    }

    pub(super) async fn drop_card(&self, reference: &str) -> Result<(), Trouble> {
        let reference = reference.to_owned();
        Ok(self.db.write(move |tx| sql::forget(tx.conn()?, &reference)).await?)
    }

    /// Charges a card, once per key.
    pub(super) async fn charge_card(&self, charge: Charge) -> Result<(String, Seen), Trouble> {
        let reference = mint("pi_test_");
        let made = self.db.write(move |tx| -> Result<_, Trouble> {
            let conn = tx.conn()?;
            if let Some(before) = sql::charge_by_key(conn, &charge.key)? {
                return Ok((before.reference.clone(), before.seen(conn, tx.now())?));
            }
            let card = sql::card(conn, &charge.card)?.filter(|card| card.customer == charge.customer);
            let card = card.ok_or_else(|| Trouble::Refused("no such card of this customer".into()))?;
            let (decline, settles_at) = card.charged(tx.now());
            let charged = Charged {
                reference: reference.clone(),
                order: charge.id,
                amount: charge.amount,
                card: charge.card,
                decline,
                settles_at,
            };
            sql::insert_charge(conn, &charge.key, &charged)?;
            let event = if decline.is_some() { DECLINED } else { PAID };
            outbox::enqueue(tx, TELL, &format!("{event} {reference}"), settles_at.plus_ms(TELL_AFTER_MS))?;
            Ok((reference, charged.seen(conn, tx.now())?))
        });
        made.await
    }

    /// How a charge stands; none when there is none.
    pub(super) fn charge_seen(&self, reference: &str) -> Result<Option<Seen>, Trouble> {
        Ok(self.db.read_blocking(|tx| -> Result<_, DbError> {
            sql::charge(tx, reference)?.map(|charged| charged.seen(tx, tx.now())).transpose()
        })?)
    }
}

/// A page that asks for a card.
///
/// # Errors
/// [`PayError::NotFound`], and those of the database.
pub fn setup_session(conn: &rusqlite::Connection, reference: &str) -> Result<SetupSession, PayError> {
    sql::setup(conn, reference)?.ok_or(PayError::NotFound)
}

/// Name and e-mail address of a customer, as they were last told.
///
/// # Errors
/// When the database fails.
pub fn customer_details(
    conn: &rusqlite::Connection,
    reference: &str,
) -> Result<Option<(String, String)>, DbError> {
    sql::customer_details(conn, reference)
}

/// The customer gives a card to be kept.
///
/// # Errors
/// See [`PayError`].
pub fn give_card(tx: &WriteTx<'_>, reference: &str, number: &str) -> Result<SetupSession, PayError> {
    let conn = tx.conn()?;
    let session = setup_session(conn, reference)?;
    let (Status::Open(_), Some(saved)) = (session.status(tx.now()), Saved::of(number)) else {
        return Err(PayError::Over);
    };
    let date = Zone::UTC.day_of(tx.now()).date();
    let year = u16::try_from(date.year()).unwrap_or_default();
    let (exp_month, exp_year) = match saved {
        Saved::EndsSoon => (u8::try_from(date.month()).unwrap_or(12), year),
        Saved::Pays | Saved::Slow | Saved::Declined(_) => (12, year.saturating_add(4)),
    };
    let card = KeptCard {
        reference: mint("pm_test_"),
        customer: session.customer,
        number: digits(number),
        exp_month,
        exp_year,
    };
    sql::insert_card(conn, &card)?;
    sql::set_card(conn, reference, &card.reference)?;
    outbox::enqueue(tx, TELL, &format!("{SET_UP} {reference}"), tx.now().plus_ms(TELL_AFTER_MS))?;
    setup_session(conn, reference)
}

/// Keeps the card that a checkout is paid with. Answers its reference.
pub(super) fn keep(
    tx: &WriteTx<'_>,
    customer: Option<&str>,
    number: Option<&str>,
) -> Result<Option<String>, DbError> {
    let (Some(customer), Some(number)) = (customer, number) else { return Ok(None) };
    let year = u16::try_from(Zone::UTC.day_of(tx.now()).date().year()).unwrap_or_default();
    let card = KeptCard {
        reference: mint("pm_test_"),
        customer: customer.to_owned(),
        number: digits(number),
        exp_month: 12,
        exp_year: year.saturating_add(4),
    };
    sql::insert_card(tx.conn()?, &card)?;
    Ok(Some(card.reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_can_be_saved_is_known_by_its_digits() {
        assert_eq!(Saved::of("4000-0000 00000341"), Some(Saved::Declined(Decline::Declined)));
        assert_eq!(Saved::of("4242"), None);
    }
}
