//! What no program can settle: something the provider says does not fit what is written here, or it was never learned how
//! something ended. Written down with what showed it, until somebody has looked.

mod sql;

use rusqlite::Connection;

use super::{Error, State, sql as payments_sql};
use crate::base::id::{ConcernId, OrganizationId, PaymentId};
use crate::base::{Page, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::identity::audit::{self, By, Difference};

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Another amount was paid than was asked for: nothing was credited.
    Mismatch,
    /// It was paid a second time: nothing was credited for that.
    Twice,
    /// The provider tells of something that is not known here.
    Unknown,
    /// The provider takes back what it said of a refund.
    Contradiction,
    /// The bank went on with a dispute that had ended.
    Dispute,
    /// It was not learned in time whether a card was charged, and it is not charged again.
    Charge,
    /// A card was saved for somebody else.
    Card,
    /// What was paid for cannot be had any more.
    NoUse,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Mismatch,
        Self::Twice,
        Self::Unknown,
        Self::Contradiction,
        Self::Dispute,
        Self::Charge,
        Self::Card,
        Self::NoUse,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Mismatch => "mismatch",
            Self::Twice => "twice",
            Self::Unknown => "unknown",
            Self::Contradiction => "contradiction",
            Self::Dispute => "dispute",
            Self::Charge => "charge",
            Self::Card => "card",
            Self::NoUse => "no_use",
        }
    }

    /// Whether its payment waits for somebody to say that nothing came of it.
    #[must_use]
    pub const fn leaves_open(self) -> bool {
        matches!(self, Self::Mismatch | Self::Charge)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// Its id.
    pub id: ConcernId,
    /// What is the matter.
    pub kind: Kind,
    /// With what: one of our ids, or the provider's.
    pub subject: String,
    /// What showed it, for people.
    pub detail: String,
    /// Whose, where that is known.
    pub organization: Option<OrganizationId>,
    /// When it was first seen.
    pub at: Timestamp,
    /// How often it was seen since.
    pub times: i64,
}

/// Writes something down for a person to look at. The same again is counted; what somebody has looked at stays so, unless a payment
/// still waits for their decision.
///
/// # Errors
/// When the database fails.
pub(super) fn raise(
    tx: &WriteTx<'_>,
    kind: Kind,
    subject: impl std::fmt::Display,
    detail: &str,
    organization: Option<OrganizationId>,
) -> Result<(), DbError> {
    let (conn, subject) = (tx.conn()?, subject.to_string());
    let again = waits(conn, kind, &subject)?;
    sql::raise(conn, kind, (&subject, detail), organization, (tx.now(), again))
}

/// What nobody has looked at yet, newest first; `before`: the row behind which the page begins.
///
/// # Errors
/// When the database fails.
pub fn open(conn: &Connection, before: Option<i64>, limit: u32) -> Result<Page<Concern>, DbError> {
    Ok(Page::cut(sql::open(conn, before, limit.saturating_add(1))?, limit, |found| found.id.number()))
}

/// Whether a payment waits for somebody to say what came of it, with [`give_up`]: it would wait for ever if they only looked.
///
/// # Errors
/// When the database fails.
pub fn needs_decision(conn: &Connection, concern: &Concern) -> Result<bool, DbError> {
    waits(conn, concern.kind, &concern.subject)
}

fn waits(conn: &Connection, kind: Kind, subject: &str) -> Result<bool, DbError> {
    let Some(payment) = subject.parse::<PaymentId>().ok().filter(|_| kind.leaves_open()) else {
        return Ok(false);
    };
    let state = payments_sql::get(conn, payment)?.map(|payment| payment.state);
    Ok(matches!(state, Some(State::Created | State::Pending { .. })))
}

/// Somebody has looked. What was looked at before, or is not there, stays as it is.
///
/// # Errors
/// [`Error::Undecided`] where that is not enough, and those of the database.
pub fn close(tx: &WriteTx<'_>, by: &By, id: ConcernId) -> Result<(), Error> {
    match put_away(tx, by, id)? {
        Some(found) if needs_decision(tx.conn()?, &found)? => Err(Error::Undecided),
        Some(_) | None => Ok(()),
    }
}

/// Answers what it was.
fn put_away(tx: &WriteTx<'_>, by: &By, id: ConcernId) -> Result<Option<Concern>, DbError> {
    let Some(found) = sql::close(tx.conn()?, id, tx.now())? else { return Ok(None) };
    let what = Difference::new().with("kind", found.kind.name()).with("detail", found.detail.as_str());
    audit::record(tx, by, "payment.looked_at", &found.subject, found.organization, &what)?;
    Ok(Some(found))
}

/// The same, and the payment that it is about came to nothing, which lets go on whatever waits for it.
///
/// # Errors
/// As [`super::give_up`].
pub fn give_up(tx: &WriteTx<'_>, by: &By, id: ConcernId) -> Result<(), Error> {
    let Some(found) = put_away(tx, by, id)?.filter(|found| found.kind.leaves_open()) else { return Ok(()) };
    match found.subject.parse() {
        Ok(payment) => super::give_up(tx, by, payment),
        Err(_) => Err(Error::NotFound),
    }
}
