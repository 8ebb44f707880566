//! Credit that one organization sends to another. What was paid for it goes along, so that as much is owed as before and it is
//! earned where the credit is used. What arrives belongs to no payment: nobody is given money back for it.

mod sql;

pub(super) use sql::MISFITS;

use crate::base::id::{GrantId, OrganizationId};
use crate::base::{Credits, FieldError, Money};
use crate::catalog;
use crate::db::{DbError, WriteTx};
use crate::grants::{self, Class, GrantRow};
use crate::identity;
use crate::identity::audit::{self, By, Difference};
use crate::identity::organizations::{self, Organization};
use crate::ledger::{AccountKind, Move, Transaction, TransactionType};
use crate::metering;
use crate::revenue;
use crate::wallet::{self, Draw, NewCredit, Withdrawal};

/// The source of grants that another organization sent.
pub const SOURCE: &str = "transfer";
/// Under this the credit is set aside while it is on its way, within one operation.
const ON_ITS_WAY: &str = "transfer";

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The wallets: too little, or too much.
    #[error(transparent)]
    Wallet(#[from] wallet::Error),
    /// The money ledger.
    #[error(transparent)]
    Revenue(#[from] revenue::Error),
    /// The organizations.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The input.
    #[error("the input is not valid")]
    Invalid(Vec<FieldError>),
    /// The sender's plan does not include it.
    #[error("the plan does not allow credit to be sent")]
    PlanForbids,
    /// The sender may only look.
    #[error("the organization is suspended")]
    Suspended,
}

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Whose credit.
    pub from: OrganizationId,
    /// To whom.
    pub to: OrganizationId,
    /// How much; above zero.
    pub credits: Credits,
    /// For people, on both sides; may be empty.
    pub note: String,
}

/// What was sent.
#[derive(Debug)]
pub struct Sent {
    /// The sender's line.
    pub out: Transaction,
    /// The receiver's lines and grants, one for each grant that it came from.
    pub received: Vec<(Transaction, GrantRow)>,
}

/// Sends paid credit of one organization to another. Whether whoever asks may act for both is the caller's to know.
///
/// # Errors
/// See [`Error`]; nothing is left behind.
pub fn send(tx: &WriteTx<'_>, by: &By, wish: &Wish) -> Result<Sent, Error> {
    let from = organizations::get(tx.conn()?, wish.from)?;
    let to = organizations::get(tx.conn()?, wish.to)?;
    check(tx, &from, &to)?;
    let draws = wallet::to_send(tx, from.id, wish.credits)?;
    let parts = take_out(tx, &draws)?;
    let out = post_out(tx, by, wish, &to, &draws, &parts)?;
    let mut received = Vec::with_capacity(parts.len());
    for part in parts {
        let source = part.grant.id;
        let (line, grant) = wallet::credit(tx, to.id, part.arriving(by, &from, &wish.note))?;
        sql::insert(tx.conn()?, grant.id, source, out.id)?;
        received.push((line, grant));
    }
    record(tx, by, wish, (&from, &to), &out)?;
    Ok(Sent { out, received })
}

/// Whether credit may go from one to the other at all.
fn check(tx: &WriteTx<'_>, from: &Organization, to: &Organization) -> Result<(), Error> {
    if from.status.is_suspended() {
        return Err(Error::Suspended);
    }
    if !plan_allows(tx, from.id)? {
        return Err(Error::PlanForbids);
    }
    let wrong = |code, text: String| Err(Error::Invalid(vec![FieldError::new("to", code, text)]));
    if from.id == to.id {
        return wrong("conflict", "must be another organization".into());
    }
    if to.status.is_suspended() {
        return wrong("suspended", "is suspended".into());
    }
    if from.currency != to.currency {
        return wrong("invalid_value", format!("must have its wallet in {}", from.currency));
    }
    Ok(())
}

/// True where the plan that the organization is on lets it send credit.
fn plan_allows(tx: &WriteTx<'_>, organization: OrganizationId) -> Result<bool, DbError> {
    let catalog = catalog::snapshot(tx)?;
    let terms = metering::price_terms(tx.conn()?, organization, tx.now())?;
    let plan = terms.and_then(|terms| catalog.plan_version(terms.plan_version?));
    Ok(plan.is_some_and(|(_, version)| version.terms.credit_transfer))
}

/// A part of what is sent, from one grant.
struct Part {
    grant: GrantRow,
    credits: Credits,
    /// What was paid for it, and the transfer that takes it out.
    money: Option<(Money, Move)>,
}

impl Part {
    fn arriving(self, by: &By, from: &Organization, note: &str) -> NewCredit {
        let order = self.grant.terms.order;
        NewCredit {
            amount: self.credits,
            class: Class::Paid,
            priority: order.priority,
            expires_at: order.expires_at,
            meters: self.grant.terms.meters,
            cost: self.money.map(|(money, _)| money).filter(|money| money.minor > 0),
            tax: None,
            source: SOURCE,
            kind: TransactionType::TransferIn,
            description: description("From", &from.name, note),
            actor: by.actor.to_string(),
            metadata: None,
        }
    }
}

/// What is sent of each grant, with the money that leaves it.
fn take_out(tx: &WriteTx<'_>, draws: &[Draw]) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::with_capacity(draws.len());
    for draw in draws {
        let id = GrantId::new(draw.account.number());
        let grant = grants::get(tx.conn()?, id)?
            .ok_or_else(|| DbError::bad_row("grants", id.number(), "does not exist"))?;
        let money = revenue::move_out(tx, id, draw.amount, AccountKind::Transferred)?;
        parts.push(Part { grant, credits: draw.amount, money });
    }
    Ok(parts)
}

/// The sender's line.
fn post_out(
    tx: &WriteTx<'_>,
    by: &By,
    wish: &Wish,
    to: &Organization,
    draws: &[Draw],
    parts: &[Part],
) -> Result<Transaction, Error> {
    let wanted: Vec<_> =
        draws.iter().map(|draw| (GrantId::new(draw.account.number()), draw.amount)).collect();
    wallet::freeze(tx, wish.from, ON_ITS_WAY, &wanted)?;
    let withdrawal = Withdrawal {
        reason: ON_ITS_WAY.to_owned(),
        to: AccountKind::Transferred,
        kind: TransactionType::TransferOut,
        description: description("To", &to.name, &wish.note),
        actor: by.actor.to_string(),
        metadata: None,
        money: parts.iter().filter_map(|part| part.money.map(|(_, out)| out)).collect(),
    };
    Ok(wallet::withdraw_frozen(tx, wish.from, withdrawal)?)
}

fn description(way: &str, other: &str, note: &str) -> String {
    if note.is_empty() { format!("{way} {other}") } else { format!("{way} {other}: {note}") }
}

/// In both organizations' audit logs.
fn record(
    tx: &WriteTx<'_>,
    by: &By,
    wish: &Wish,
    (from, to): (&Organization, &Organization),
    out: &Transaction,
) -> Result<(), DbError> {
    // amounts are texts there: its values are read by programs that know only floats
    let of = |name: &'static str, other: &Organization| {
        Difference::new()
            .with("credits", wish.credits.to_string())
            .with(name, other.id.to_string())
            .with("note", wish.note.clone())
    };
    audit::record(tx, by, "credit.sent", out.id, Some(from.id), &of("to", to))?;
    audit::record(tx, by, "credit.received", out.id, Some(to.id), &of("from", from))
}
