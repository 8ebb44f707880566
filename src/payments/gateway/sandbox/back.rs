//! Money that leaves the sandbox again: refunds and disputes.

use super::super::{DisputeSeen, DisputeStatus, GiveBack, RefundSeen, RefundStatus, Trouble};
use super::{PayError, TELL, TELL_AFTER_MS};
use crate::base::Money;
use crate::base::time::MINUTE_MS;
use crate::db::{DbError, WriteTx};
use crate::identity::Secret;
use crate::outbox;
use crate::payments::sql;

/// How long a customer takes to complain to the bank.
const COMPLAINS_AFTER_MS: i64 = MINUTE_MS;

/// A dispute, as the sandbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The sandbox's id.
    pub reference: String,
    /// About which money.
    pub charge: String,
    /// How much.
    pub amount: Money,
    /// How it stands.
    pub status: DisputeStatus,
}

/// Gives money back at once, once for each key. What is disputed, or was given back, is not given back again.
pub(super) fn refund(tx: &WriteTx<'_>, asked: &GiveBack) -> Result<RefundSeen, Trouble> {
    let conn = tx.conn()?;
    if let Some(before) = sql::sandbox_refund(conn, "request_key", &asked.key)? {
        return Ok(before);
    }
    let charged = sql::sandbox_charged(conn, &asked.charge)?.ok_or(Trouble::Unknown)?;
    let back = sql::sandbox_refunded(conn, &asked.charge)?;
    if asked.amount.currency != charged.currency || asked.amount.minor > charged.minor - back {
        return Err(Trouble::Refused("more than was charged".into()));
    }
    if sql::sandbox_complaint(conn, "charge", &asked.charge)?.is_some() {
        return Err(Trouble::Refused("the charge is disputed".into()));
    }
    let seen = RefundSeen {
        reference: Secret::mint("re_test_").expose().to_owned(),
        refund: asked.id.clone(),
        charge: asked.charge.clone(),
        amount: asked.amount,
        status: RefundStatus::Succeeded,
    };
    sql::insert_sandbox_refund(conn, &asked.key, &seen)?;
    tell(tx, "refund.updated", &seen.reference, TELL_AFTER_MS)?;
    Ok(seen)
}

/// The customer complains to the bank about all that was charged, in a minute.
pub(super) fn complain(tx: &WriteTx<'_>, charge: &str, amount: Money) -> Result<(), DbError> {
    let complaint = Complaint {
        reference: Secret::mint("dp_test_").expose().to_owned(),
        charge: charge.to_owned(),
        amount,
        status: DisputeStatus::Open,
    };
    sql::insert_sandbox_complaint(tx.conn()?, &complaint)?;
    tell(tx, "charge.dispute.created", &complaint.reference, COMPLAINS_AFTER_MS)
}

/// The bank decides.
///
/// # Errors
/// [`PayError::NotFound`], [`PayError::Over`] when it has decided, and those of the database.
pub fn decide(tx: &WriteTx<'_>, reference: &str, won: bool) -> Result<(), PayError> {
    let conn = tx.conn()?;
    let complaint = sql::sandbox_complaint(conn, "reference", reference)?.ok_or(PayError::NotFound)?;
    if complaint.status != DisputeStatus::Open {
        return Err(PayError::Over);
    }
    let status = if won { DisputeStatus::Won } else { DisputeStatus::Lost };
    sql::set_sandbox_complaint(conn, reference, status)?;
    Ok(tell(tx, "charge.dispute.closed", reference, TELL_AFTER_MS)?)
}

impl From<Complaint> for DisputeSeen {
    fn from(complaint: Complaint) -> Self {
        Self {
            reference: complaint.reference,
            charge: complaint.charge,
            amount: complaint.amount,
            reason: "fraudulent".into(),
            status: complaint.status,
        }
    }
}

fn tell(tx: &WriteTx<'_>, event_type: &str, reference: &str, after_ms: i64) -> Result<(), DbError> {
    outbox::enqueue(tx, TELL, &format!("{event_type} {reference}"), tx.now().plus_ms(after_ms)).map(|_| ())
}
