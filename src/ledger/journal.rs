//! The writer's side of the book: numbers lines, gathers transfers over a commit, closes the commit with its hash.

use std::collections::BTreeMap;

use blake3::Hasher;
use rusqlite::Connection;

use super::canon::Canon;
use super::{Move, Transaction, TransactionType, sql};
use crate::base::id::{AccountId, GrantId, OrganizationId, TransactionId};
use crate::base::{Credits, Timestamp, Zone};
use crate::db::{DbError, Part};

/// Gathers what one commit moves.
///
/// Lines (transactions and usage items) are numbered from one sequence without gaps, and their canonical bytes are
/// absorbed in that order. Usage transfers are added up per pair of accounts and written once per commit.
#[derive(Default)]
pub struct Journal {
    /// `None` until first used.
    current: Option<Progress>,
    /// As it was when the operation in progress began.
    marked: Option<Progress>,
    pending: Pending,
    canon: Canon,
}

/// How far the open commit has come.
#[derive(Clone)]
struct Progress {
    commit: i64,
    previous_hash: [u8; 32],
    first_line: i64,
    next_line: i64,
    first_transfer: i64,
    next_transfer: i64,
    lines: Hasher,
    transfers: Hasher,
}

#[derive(Default)]
struct Pending {
    /// Canonical bytes of lines, hashed together: many at once are faster than one by one.
    lines: Canon,
    transactions: Vec<Transaction>,
    /// Of transactions, in order.
    moves: Vec<(TransactionId, Move)>,
    /// Of usage: (debit, credit) to amount.
    gathered: BTreeMap<(AccountId, AccountId), i64>,
    /// Of money that no line is about: (debit, credit) to amount.
    money: BTreeMap<(AccountId, AccountId), i64>,
}

impl Pending {
    /// Adds what moved in money to the sums of the day.
    fn count_money(&self, conn: &Connection, now: Timestamp) -> Result<(), DbError> {
        if self.moves.is_empty() && self.money.is_empty() {
            return Ok(());
        }
        let day = Zone::UTC.day_of(now);
        let mut add = sql::money_day_writer(conn, day)?;
        for (_, m) in &self.moves {
            if sql::is_money(conn, m.debit)? {
                add(*m)?;
            }
        }
        let gathered = self.money.iter().filter(|(_, minor)| **minor != 0);
        gathered.map(|(&(debit, credit), &minor)| net(debit, credit, minor)).try_for_each(add)
    }

    fn clear(&mut self) {
        self.lines.clear();
        self.transactions.clear();
        self.moves.clear();
        self.gathered.clear();
        self.money.clear();
    }
}

/// A transaction about to be posted.
#[derive(Debug, Clone)]
pub struct NewTransaction {
    /// Whose.
    pub organization: OrganizationId,
    /// What it is.
    pub kind: TransactionType,
    /// What it adds (or takes, below zero).
    pub amount: Credits,
    /// The balance after it.
    pub balance_after: Credits,
    /// For people.
    pub description: String,
    /// The grant that it makes, or whose rest expires.
    pub grant: Option<GrantId>,
    /// A hash of all that the grant it makes says.
    pub grant_terms: Option<[u8; 32]>,
    /// The line it corrects.
    pub corrects: Option<TransactionId>,
    /// Who does it.
    pub actor: String,
    /// A JSON object.
    pub metadata: Option<String>,
}

impl Journal {
    /// A journal that will read its place from the database.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn progress(&mut self, conn: &Connection) -> Result<&mut Progress, DbError> {
        if self.current.is_none() {
            let (commit, previous_hash, last_line, last_transfer) = sql::last_commit(conn)?;
            let progress = Progress {
                commit: commit + 1,
                previous_hash,
                first_line: last_line + 1,
                next_line: last_line + 1,
                first_transfer: last_transfer + 1,
                next_transfer: last_transfer + 1,
                lines: Hasher::new(),
                transfers: Hasher::new(),
            };
            self.current = Some(progress);
        }
        self.current.as_mut().ok_or_else(|| DbError::Commit("the journal is not open".into()))
    }

    /// Takes the next line's number for a usage item, and absorbs the bytes that `write` makes of it.
    ///
    /// # Errors
    /// When the journal cannot read its place.
    pub fn usage_line(
        &mut self,
        conn: &Connection,
        write: impl FnOnce(i64, &mut Canon),
    ) -> Result<i64, DbError> {
        let progress = self.progress(conn)?;
        let line = progress.next_line;
        progress.next_line += 1;
        write(line, &mut self.pending.lines);
        Ok(line)
    }

    /// The number that the next line will get.
    ///
    /// # Errors
    /// When the journal cannot read its place.
    pub fn next_line(&mut self, conn: &Connection) -> Result<i64, DbError> {
        Ok(self.progress(conn)?.next_line)
    }

    /// Moves credit for usage; gathered per pair of accounts until the commit.
    pub fn gather(&mut self, debit: AccountId, credit: AccountId, amount: Credits) {
        if amount.is_zero() {
            return;
        }
        *self.pending.gathered.entry((debit, credit)).or_insert(0) += amount.micros();
    }

    /// Moves money that no customer's line is about (`minor` units; below zero the other way); gathered per pair of accounts
    /// until the commit.
    ///
    /// # Errors
    /// When the journal cannot read its place, or the sum leaves the range of 64 bits.
    pub fn gather_money(
        &mut self,
        conn: &Connection,
        debit: AccountId,
        credit: AccountId,
        minor: i64,
    ) -> Result<(), DbError> {
        self.progress(conn)?;
        let sum = self.pending.money.entry((debit, credit)).or_insert(0);
        *sum = super::within_range(sum.checked_add(minor))?;
        Ok(())
    }

    /// Posts a transaction with its transfers.
    ///
    /// # Errors
    /// When the journal cannot read its place.
    pub fn post(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        prev_line: i64,
        new: NewTransaction,
        moves: &[Move],
    ) -> Result<Transaction, DbError> {
        let id = TransactionId::new(self.next_line(conn)?);
        let transaction = Transaction {
            id,
            organization: new.organization,
            kind: new.kind,
            amount: new.amount,
            balance_after: new.balance_after,
            description: new.description,
            created_at: now,
            prev_line,
            grant: new.grant,
            grant_terms: new.grant_terms,
            corrects: new.corrects,
            actor: new.actor,
            metadata: new.metadata,
        };
        self.usage_line(conn, |_, canon| transaction.canonical(canon))?;
        self.pending.moves.extend(moves.iter().filter(|m| m.amount > 0).map(|m| (id, *m)));
        self.pending.transactions.push(transaction.clone());
        Ok(transaction)
    }
}

impl Part for Journal {
    fn flush(&mut self, conn: &Connection, now: Timestamp) -> Result<(), DbError> {
        let Some(progress) = self.current.as_mut() else { return Ok(()) };
        progress.lines.update(self.pending.lines.bytes());
        for transaction in &self.pending.transactions {
            sql::insert_transaction(conn, transaction)?;
        }
        let mut deltas: BTreeMap<AccountId, (i64, i64)> = BTreeMap::new();
        let mut canon = std::mem::take(&mut self.canon);
        let mut write = sql::transfer_writer(conn, progress.commit)?;
        let own = self.pending.moves.iter().map(|(id, m)| (Some(*id), *m));
        let gathered = self
            .pending
            .gathered
            .iter()
            .chain(&self.pending.money)
            .filter(|(_, amount)| **amount != 0)
            .map(|(&(debit, credit), &amount)| (None, net(debit, credit, amount)));
        for (transaction, m) in own.chain(gathered) {
            let id = progress.next_transfer;
            canon.clear();
            transfer_canonical(&mut canon, id, transaction, m);
            progress.transfers.update(canon.bytes());
            write(id, transaction, m)?;
            progress.next_transfer += 1;
            deltas.entry(m.debit).or_default().0 += m.amount;
            deltas.entry(m.credit).or_default().1 += m.amount;
        }
        self.canon = canon;
        let mut add = sql::account_writer(conn)?;
        for (account, (debits, credits)) in deltas {
            add(account, debits, credits)?;
        }
        self.pending.count_money(conn, now)?;
        self.pending.clear();
        Ok(())
    }

    fn seal(&mut self, conn: &Connection, now: Timestamp) -> Result<(), DbError> {
        let Some(progress) = self.current.as_mut() else { return Ok(()) };
        if progress.next_line == progress.first_line && progress.next_transfer == progress.first_transfer {
            return Ok(());
        }
        let closed = CommitRow {
            id: progress.commit,
            committed_at: now,
            first_line: progress.first_line,
            last_line: progress.next_line - 1,
            first_transfer: progress.first_transfer,
            last_transfer: progress.next_transfer - 1,
        };
        let lines = std::mem::take(&mut progress.lines);
        let transfers = std::mem::take(&mut progress.transfers);
        let hash = closed.hash(&progress.previous_hash, &lines, &transfers);
        sql::insert_commit(conn, &closed, &hash)?;
        progress.commit += 1;
        progress.previous_hash = hash;
        progress.first_line = progress.next_line;
        progress.first_transfer = progress.next_transfer;
        Ok(())
    }

    fn mark(&mut self) {
        self.marked.clone_from(&self.current);
    }

    fn undo(&mut self) {
        self.pending.clear();
        self.current.clone_from(&self.marked);
    }

    fn committed(&mut self) {}

    fn reset(&mut self) {
        self.pending.clear();
        self.current = None;
        self.marked = None;
    }
}

/// A gathered amount below zero (more was taken back than charged) is a transfer the other way.
fn net(debit: AccountId, credit: AccountId, amount: i64) -> Move {
    if amount < 0 {
        Move { debit: credit, credit: debit, amount: -amount }
    } else {
        Move { debit, credit, amount }
    }
}

/// The bytes of a transfer that the hash chain covers.
pub(super) fn transfer_canonical(out: &mut Canon, id: i64, transaction: Option<TransactionId>, m: Move) {
    out.int(id)
        .maybe_int(transaction.map(TransactionId::number))
        .int(m.debit.number())
        .int(m.credit.number())
        .int(m.amount);
}

/// A commit without its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommitRow {
    pub id: i64,
    pub committed_at: Timestamp,
    pub first_line: i64,
    pub last_line: i64,
    pub first_transfer: i64,
    pub last_transfer: i64,
}

impl CommitRow {
    /// BLAKE3 over the hash before, this row, the digest of its lines and the digest of its transfers.
    pub(super) fn hash(&self, previous: &[u8; 32], lines: &Hasher, transfers: &Hasher) -> [u8; 32] {
        let mut canon = Canon::new();
        canon
            .blob(previous)
            .int(self.id)
            .int(self.committed_at.millis())
            .int(self.first_line)
            .int(self.last_line)
            .int(self.first_transfer)
            .int(self.last_transfer)
            .blob(lines.finalize().as_bytes())
            .blob(transfers.finalize().as_bytes());
        blake3::hash(canon.bytes()).into()
    }
}
