//! The book itself: accounts, transfers, lines, and the hash chain over every commit.
//!
//! Two ledgers are kept side by side, credits (micro-credits) and money (minor units per currency). In each the
//! sum over all accounts is zero: a transfer debits one account and credits another by the same amount, and
//! nothing else changes an account.

mod canon;
mod journal;
mod sql;
pub mod verify;

use std::fmt;

pub use canon::Canon;
pub use journal::{Journal, NewTransaction};
pub use sql::{
    MoneyMoved, account_balance, changes_of, commit_of, ensure_account, money_moved, new_grant_account,
    set_pending, transaction_by_id, transaction_from_row,
};

use crate::base::id::MeterKind;
use crate::base::id::{AccountId, GrantId, OrganizationId, TransactionId};
use crate::base::{Credits, Id, Timestamp};
use crate::db::DbError;

/// Which ledger an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Book {
    /// Micro-credits.
    Credits,
    /// Minor units of one currency.
    Money(crate::base::Currency),
}

impl Book {
    /// The name in the `ledger` column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Credits => "credits",
            Self::Money(currency) => currency.code(),
        }
    }
}

/// What an account means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// What remains of one grant.
    Grant,
    /// What an organization has used beyond its credit.
    Overdraft(OrganizationId),
    /// Source of welcome and promotional credit.
    IssuedFree,
    /// Source of the credit that plans grant.
    IssuedPlan,
    /// Source of credit that was paid for.
    IssuedPaid,
    /// Credit used, by meter.
    Usage(Id<MeterKind>),
    /// Credit that expired unused.
    Expired,
    /// Credit given up for a refund.
    Refunded,
    /// Credit taken back after a lost dispute.
    ClawedBack,
    /// Credit on its way between two organizations, and the money that was paid for it.
    Transferred,
    /// Money: received and held at the provider or in the bank.
    Cash,
    /// Money: received for credit that is not used yet.
    DeferredRevenue,
    /// Money: earned by credit being used.
    Revenue,
    /// Money: kept for paid credit that expired or was taken back.
    Breakage,
    /// Money: received as tax, owed to the state.
    TaxPayable,
    /// Money: given back for credit that was not used.
    Refunds,
    /// Money: taken back by a customer's bank.
    Disputes,
}

impl AccountKind {
    /// The name in the `kind` column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Overdraft(_) => "overdraft",
            Self::IssuedFree => "issued_free",
            Self::IssuedPlan => "issued_plan",
            Self::IssuedPaid => "issued_paid",
            Self::Usage(_) => "usage",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::ClawedBack => "clawed_back",
            Self::Transferred => "transferred",
            Self::Cash => "cash",
            Self::DeferredRevenue => "deferred_revenue",
            Self::Revenue => "revenue",
            Self::Breakage => "breakage",
            Self::TaxPayable => "tax_payable",
            Self::Refunds => "refunds",
            Self::Disputes => "disputes",
        }
    }
}

/// What a line is, as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionType {
    /// Credit bought.
    Purchase,
    /// Credit used.
    Usage,
    /// Credit given at sign-up.
    WelcomeBonus,
    /// Credit granted by a plan.
    PlanGrant,
    /// Credit given or taken by the operator.
    Adjustment,
    /// Credit given up for money back.
    Refund,
    /// Credit that expired.
    Expiry,
    /// Credit received from another organization.
    TransferIn,
    /// Credit sent to another organization.
    TransferOut,
    /// Monthly rent of a number.
    NumberRental,
    /// Credit taken back after a lost dispute.
    Clawback,
    /// A charge or an expiry that was taken back.
    Reversal,
}

impl TransactionType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Purchase,
        Self::Usage,
        Self::WelcomeBonus,
        Self::PlanGrant,
        Self::Adjustment,
        Self::Refund,
        Self::Expiry,
        Self::TransferIn,
        Self::TransferOut,
        Self::NumberRental,
        Self::Clawback,
        Self::Reversal,
    ];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Usage => "usage",
            Self::WelcomeBonus => "welcome_bonus",
            Self::PlanGrant => "plan_grant",
            Self::Adjustment => "adjustment",
            Self::Refund => "refund",
            Self::Expiry => "expiry",
            Self::TransferIn => "transfer_in",
            Self::TransferOut => "transfer_out",
            Self::NumberRental => "number_rental",
            Self::Clawback => "clawback",
            Self::Reversal => "reversal",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

impl fmt::Display for TransactionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A line that is not usage, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its place in the one sequence of lines.
    pub id: TransactionId,
    /// Whose.
    pub organization: OrganizationId,
    /// What it is.
    pub kind: TransactionType,
    /// What it added (or took, below zero).
    pub amount: Credits,
    /// The balance after it.
    pub balance_after: Credits,
    /// For people.
    pub description: String,
    /// When it was posted.
    pub created_at: Timestamp,
    /// The organization's line before this one; 0 for its first.
    pub prev_line: i64,
    /// The grant that it made, or whose rest expired.
    pub grant: Option<GrantId>,
    /// A hash of all that the grant it made said then, so that the chain covers it.
    pub grant_terms: Option<[u8; 32]>,
    /// The line it corrects.
    pub corrects: Option<TransactionId>,
    /// Who did it, in the audit log's spelling; empty for the system.
    pub actor: String,
    /// A JSON object from the caller.
    pub metadata: Option<String>,
}

impl Transaction {
    /// The bytes that the hash chain covers.
    pub fn canonical(&self, out: &mut Canon) {
        out.int(self.id.number())
            .int(self.organization.number())
            .text(self.kind.name())
            .int(self.amount.micros())
            .int(self.balance_after.micros())
            .text(&self.description)
            .int(self.created_at.millis())
            .int(self.prev_line)
            .maybe_int(self.grant.map(Id::number))
            .blob(self.grant_terms.as_ref().map_or(&[], |terms| terms.as_slice()))
            .maybe_int(self.corrects.map(Id::number))
            .text(&self.actor)
            .maybe_text(self.metadata.as_deref());
    }
}

/// A movement between two accounts of one ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Gives.
    pub debit: AccountId,
    /// Receives.
    pub credit: AccountId,
    /// Micro-credits or minor units, by the accounts' ledger. Above zero.
    pub amount: i64,
}

/// What a transaction did to one account of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// A grant's account, or the overdraft.
    pub account: AccountId,
    /// What it gained; below zero for what it lost.
    pub amount: Credits,
}

/// The commit that a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Its number.
    pub id: i64,
    /// Its first transfer.
    pub first_transfer: i64,
    /// Its last transfer.
    pub last_transfer: i64,
    /// Its place in the chain.
    pub hash: [u8; 32],
}

/// Turns an overflow into the error it must never become silently.
///
/// # Errors
/// When `value` is `None`.
pub fn within_range<T>(value: Option<T>) -> Result<T, DbError> {
    value.ok_or_else(|| DbError::Commit("an amount left the range of 64 bits".into()))
}
