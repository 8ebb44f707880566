//! Wallets in the writer's memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::pocket::{self, Draw, Pocket, Work};
use super::{CAUGHT, sql};
use crate::alerts;
use crate::alerts::rules::Levels;
use crate::base::id::{AccountId, GrantId, MeterId, OrganizationId};
use crate::base::{Credits, Day, Timestamp, Zone};
use crate::db::{DbError, Part};
use crate::events::payload::Credit;
use crate::events::{self, Payload};
use crate::grants::{self, Class, GrantRow};
use crate::ledger::{self, AccountKind, Book, Journal, Move, NewTransaction, Transaction, TransactionType};
use crate::outbox;

/// Work: a balance has fallen below what is watched. The subject is the organization's number.
pub const FELL: &str = "payment.reload";
/// How many wallets stay in memory between commits.
const KEPT: usize = 20_000;

/// One organization's balance: its open grants in draw order, and what it owes.
#[derive(Debug, Clone)]
pub struct Wallet {
    organization: OrganizationId,
    zone: Zone,
    overdraft_account: AccountId,
    pockets: Vec<Pocket>,
    overdraft: Credits,
    balance: Credits,
    last_line: i64,
    line_count: i64,
    /// It has a line that its row does not know of yet.
    moved: bool,
    /// The day on which its row last moved, as it then stood; `None` before the first line.
    stored: Option<DayEnd>,
    /// A fall that is told. Of most wallets nothing is.
    watch: Option<Watch>,
    /// Between which balances nothing is crossed that is to be told.
    levels: Option<Levels>,
    /// What is wanted of grants beyond what is set aside of them: it is set aside as soon as it is free.
    claims: Vec<Draw>,
    /// What became free of that, and is set aside, but not written yet.
    caught: Vec<Draw>,
}

/// A balance that falls below something is told once, and again when it has been up there in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Below what.
    pub below: Credits,
    /// It has not been told since the balance was up there.
    pub armed: bool,
}

/// How a wallet stood at the end of a day, or stands so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayEnd {
    pub day: Day,
    pub balance: Credits,
    pub last_line: i64,
}

/// The wallets that were touched lately; they are written once per commit.
pub struct Wallets {
    grace_ms: i64,
    open: HashMap<OrganizationId, Wallet>,
    dirty: BTreeSet<OrganizationId>,
}

impl Wallet {
    /// Whose.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// What remains of all grants, less the overdraft.
    #[must_use]
    pub const fn balance(&self) -> Credits {
        self.balance
    }

    /// What was used beyond all credit; not negative.
    #[must_use]
    pub const fn overdraft(&self) -> Credits {
        self.overdraft
    }

    /// The account that is charged beyond all credit.
    #[must_use]
    pub const fn overdraft_account(&self) -> AccountId {
        self.overdraft_account
    }

    /// The newest line.
    #[must_use]
    pub const fn last_line(&self) -> i64 {
        self.last_line
    }

    /// The open grants in draw order.
    #[must_use]
    pub fn pockets(&self) -> &[Pocket] {
        &self.pockets
    }

    /// What `work` could be charged to without overdraft. Nothing while anything is owed.
    #[must_use]
    pub fn available(&self, work: &Work) -> Credits {
        pocket::sub(pocket::available(&self.pockets, work), self.overdraft)
    }

    /// What can be taken back from grants of a class.
    pub(super) fn of_class(&self, class: Class, now: Timestamp) -> Credits {
        self.pockets
            .iter()
            .filter(|p| p.class() == class && p.terms.is_live(now))
            .fold(Credits::ZERO, |sum, p| pocket::add(sum, p.free()))
    }

    /// Takes an amount that [`Wallet::of_class`] covers.
    pub(super) fn draw_class(&mut self, class: Class, amount: Credits, now: Timestamp) -> Vec<Draw> {
        let mut draws = Vec::new();
        pocket::take(&mut self.pockets, amount, |p| p.class() == class && p.terms.is_live(now), &mut draws);
        draws
    }

    /// Draws `amount` for `work`, the rest from the overdraft. The balance is the caller's to set with
    /// [`Wallet::usage_line`].
    pub fn draw(&mut self, work: &Work, amount: Credits, draws: &mut Vec<Draw>) {
        let rest = pocket::draw(&mut self.pockets, work, amount, draws);
        if rest.is_positive() {
            self.overdraft = pocket::add(self.overdraft, rest);
            draws.push(Draw { account: self.overdraft_account, amount: rest });
        }
    }

    /// A fall that was decided, as by a refund, is not told.
    pub(super) fn falls_silently(&mut self) -> Option<Watch> {
        let balance = self.balance;
        let watch = self.watch.as_mut().filter(|watch| watch.armed && balance < watch.below)?;
        watch.armed = false;
        Some(*watch)
    }

    pub(super) fn pockets_mut(&mut self) -> &mut [Pocket] {
        &mut self.pockets
    }

    /// What calls in progress, refunds and disputes have set aside.
    #[must_use]
    pub fn held(&self) -> Credits {
        self.pockets.iter().fold(Credits::ZERO, |sum, p| pocket::add(sum, p.held))
    }

    /// What can be set aside for `work`: credit that is still good, less what is owed; not below zero.
    #[must_use]
    pub fn pinnable(&self, work: &Work) -> Credits {
        let free = |work: &Work| {
            let may = self.pockets.iter().filter(|p| work.may_hold(p));
            may.fold(Credits::ZERO, |sum, p| pocket::add(sum, p.free()))
        };
        // what is owed is repaid by whatever credit there is
        free(work).min(pocket::sub(free(&work.plan_only(false)), self.overdraft)).max(Credits::ZERO)
    }

    /// Sets `amount` aside for `work`, as far as [`Wallet::pinnable`] covers it, and adds it to `pins`.
    pub fn pin(&mut self, work: &Work, amount: Credits, pins: &mut Vec<Draw>) {
        pocket::pin(&mut self.pockets, amount, |p| work.may_hold(p), pins);
    }

    /// Lets go of up to `amount` of what `pins` set aside, what would be drawn last first.
    pub fn unpin(&mut self, pins: &mut Vec<Draw>, amount: Credits) {
        pocket::unpin(&mut self.pockets, pins, amount);
        self.catch();
    }

    pub(super) fn set_claims(&mut self, claims: Vec<Draw>) {
        self.claims = claims;
    }

    /// Sets aside what is free of grants that somebody lays claim to.
    fn catch(&mut self) {
        for claim in &mut self.claims {
            let of_it = |p: &Pocket| p.account == claim.account;
            let mut pins = Vec::new();
            claim.amount = pocket::pin(&mut self.pockets, claim.amount, of_it, &mut pins);
            self.caught.append(&mut pins);
        }
    }

    /// Takes `amount` out of what `pins` set aside; returns what that did not cover.
    pub fn draw_pinned(
        &mut self,
        pins: &mut Vec<Draw>,
        meter: MeterId,
        amount: Credits,
        draws: &mut Vec<Draw>,
    ) -> Credits {
        pocket::take_pinned(&mut self.pockets, pins, meter, amount, draws)
    }

    /// What `pins` set aside that may be used for the meter.
    #[must_use]
    pub fn pinned(&self, pins: &[Draw], meter: MeterId) -> Credits {
        pocket::pinned(&self.pockets, pins, meter)
    }

    /// Notes a usage line: `total` was charged (below zero: given back).
    pub fn usage_line(&mut self, line: i64, balance_after: Credits) {
        self.balance = balance_after;
        self.last_line = line;
        self.line_count += 1;
        self.moved = true;
    }

    /// Notes a transaction.
    pub(super) fn line(&mut self, transaction: &Transaction) {
        self.usage_line(transaction.id.number(), transaction.balance_after);
    }

    /// A new grant, of which `repaid` went to the overdraft at once.
    pub(super) fn receive(&mut self, grant: &GrantRow, repaid: Credits, transaction: &Transaction) {
        self.overdraft = pocket::sub(self.overdraft, repaid);
        self.adopt(grant);
        self.line(transaction);
    }

    /// A grant whose credit is accounted for already.
    pub(super) fn adopt(&mut self, grant: &GrantRow) {
        self.pockets.push(Pocket::of(grant));
        self.pockets.sort_by_key(|p| p.terms.order);
    }

    /// Gives back what was drawn from the overdraft. Returns what is more than is owed.
    pub fn repay_overdraft(&mut self, amount: Credits) -> Credits {
        let repaid = self.overdraft.min(amount);
        self.overdraft = pocket::sub(self.overdraft, repaid);
        pocket::sub(amount, repaid)
    }

    /// Gives back what was drawn from a grant.
    ///
    /// # Errors
    /// When the grant cannot be read.
    pub fn give_back(&mut self, conn: &Connection, draw: Draw) -> Result<(), DbError> {
        if !self.pockets.iter().any(|p| p.account == draw.account) {
            let id = GrantId::new(draw.account.number());
            let grant = grants::get(conn, id)?
                .ok_or_else(|| DbError::bad_row("grants", id.number(), "does not exist"))?;
            self.adopt(&grant);
        }
        if let Some(found) = self.pockets.iter_mut().find(|p| p.account == draw.account) {
            found.remaining = ledger::within_range(found.remaining.checked_add(draw.amount))?;
        }
        self.catch();
        Ok(())
    }

    /// Brings back expired credit that `work` may still be charged to.
    ///
    /// # Errors
    /// When the database fails.
    pub fn revive(
        &mut self,
        conn: &Connection,
        journal: &mut Journal,
        work: &Work,
        amount: Credits,
    ) -> Result<(), DbError> {
        if self.pockets.iter().all(|p| p.expired.is_zero()) {
            return Ok(());
        }
        for (index, revived) in pocket::to_revive(&self.pockets, work, amount) {
            let Some(account) = self.pockets.get(index).map(|p| p.account) else { continue };
            let balance = ledger::within_range(self.balance.checked_add(revived))?;
            let sink = ledger::ensure_account(conn, Book::Credits, AccountKind::Expired)?;
            let moves = [Move { debit: sink, credit: account, amount: revived.micros() }];
            let new = self.of_system(
                TransactionType::Reversal,
                revived,
                balance,
                "Expired credit used by earlier usage",
            );
            let transaction = journal.post(conn, work.now, self.last_line, new, &moves)?;
            if let Some(p) = self.pockets.get_mut(index) {
                p.remaining = pocket::add(p.remaining, revived);
                p.expired = pocket::sub(p.expired, revived);
                p.expired_changed = true;
            }
            self.line(&transaction);
        }
        Ok(())
    }

    /// Moves what has expired, and no hold pins, out of the wallet.
    fn expire(&mut self, conn: &Connection, journal: &mut Journal, now: Timestamp) -> Result<bool, DbError> {
        let mut any = false;
        for index in 0..self.pockets.len() {
            let Some((account, rest)) = self
                .pockets
                .get(index)
                .filter(|p| !p.terms.is_live(now) && p.free().is_positive())
                .map(|p| (p.account, p.free()))
            else {
                continue;
            };
            self.lapse_of(conn, journal, (index, account, rest), "Credit expired", now)?;
            any = true;
        }
        Ok(any)
    }

    /// As [`super::lapse_above`].
    pub(super) fn lapse_above(
        &mut self,
        conn: &Connection,
        journal: &mut Journal,
        (grants, most): (&[GrantId], Credits),
        description: &str,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let is_meant = |p: &Pocket| {
            p.terms.order.expires_at.is_none() && grants.contains(&GrantId::new(p.account.number()))
        };
        let meant = self.pockets.iter().filter(|p| is_meant(p));
        let mut left = pocket::sub(meant.fold(Credits::ZERO, |sum, p| pocket::add(sum, p.free())), most);
        for index in 0..self.pockets.len() {
            let found = self.pockets.get(index).filter(|p| is_meant(p));
            let Some((account, part)) = found.map(|p| (p.account, p.free().min(left))) else { continue };
            if part.is_positive() {
                self.lapse_of(conn, journal, (index, account, part), description, now)?;
                left = pocket::sub(left, part);
            }
        }
        Ok(())
    }

    /// Moves a part of one grant to what has expired.
    fn lapse_of(
        &mut self,
        conn: &Connection,
        journal: &mut Journal,
        (index, account, part): (usize, AccountId, Credits),
        description: &str,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let balance = ledger::within_range(self.balance.checked_sub(part))?;
        let amount = ledger::within_range(part.checked_neg())?;
        let sink = ledger::ensure_account(conn, Book::Credits, AccountKind::Expired)?;
        let moves = [Move { debit: account, credit: sink, amount: part.micros() }];
        let mut new = self.of_system(TransactionType::Expiry, amount, balance, description);
        new.grant = Some(GrantId::new(account.number()));
        let transaction = journal.post(conn, now, self.last_line, new, &moves)?;
        if let Some(p) = self.pockets.get_mut(index) {
            let told = told(GrantId::new(account.number()), &p.terms.order, part);
            events::emit_now(conn, Some(self.organization), &Payload::CreditsExpired(told), now)?;
            p.remaining = pocket::sub(p.remaining, part);
            p.expired = pocket::add(p.expired, part);
            p.expired_changed = true;
        }
        self.line(&transaction);
        Ok(())
    }

    fn of_system(
        &self,
        kind: TransactionType,
        amount: Credits,
        balance_after: Credits,
        description: &str,
    ) -> NewTransaction {
        NewTransaction {
            organization: self.organization,
            kind,
            amount,
            balance_after,
            description: description.to_owned(),
            grant: None,
            grant_terms: None,
            corrects: None,
            actor: String::new(),
            metadata: None,
        }
    }
}

impl Wallets {
    /// No wallets yet. `grace_ms`: how long after an expiry earlier usage may still draw on it.
    #[must_use]
    pub fn new(grace_ms: i64) -> Self {
        Self { grace_ms, open: HashMap::new(), dirty: BTreeSet::new() }
    }

    /// How long after an expiry earlier usage may still draw on it, in milliseconds.
    #[must_use]
    pub const fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// What may be drawn for work, as this wallet book sees it.
    #[must_use]
    pub const fn work(&self, meter: MeterId, occurred_at: Timestamp, now: Timestamp) -> Work {
        Work { meter, occurred_at, now, grace_ms: self.grace_ms, plan_only: false }
    }

    /// The organization's wallet, read when it is not in memory. `None` when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn get(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
    ) -> Result<Option<&mut Wallet>, DbError> {
        match self.open.entry(organization) {
            Entry::Occupied(found) => Ok(Some(found.into_mut())),
            Entry::Vacant(place) => Ok(load(conn, organization)?.map(|wallet| place.insert(wallet))),
        }
    }

    /// The wallet will be written with this commit. Call after every change.
    pub fn mark(&mut self, organization: OrganizationId) {
        self.dirty.insert(organization);
    }

    /// The wallet is read anew when it is next needed: what it goes by has changed. It must not be marked.
    pub(super) fn forget(&mut self, organization: OrganizationId) {
        self.open.remove(&organization);
    }

    /// Moves out what has expired by `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn settle(
        &mut self,
        conn: &Connection,
        journal: &mut Journal,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let Some(wallet) = self.get(conn, organization)? else { return Ok(()) };
        if wallet.expire(conn, journal, now)? {
            self.mark(organization);
        }
        Ok(())
    }
}

/// What is told of a grant.
pub(super) fn told(grant_id: GrantId, order: &grants::DrawOrder, credits: Credits) -> Credit {
    Credit { grant_id, class: order.class.to_string(), credits, expires_at: order.expires_at }
}

pub(super) fn load(conn: &Connection, organization: OrganizationId) -> Result<Option<Wallet>, DbError> {
    let Some(row) = sql::wallet(conn, organization)? else { return Ok(None) };
    let pockets = grants::open_of(conn, organization)?.iter().map(Pocket::of).collect();
    let owed = -ledger::account_balance(conn, row.overdraft_account)?;
    let stored = row.day_end();
    Ok(Some(Wallet {
        organization,
        zone: row.zone,
        overdraft_account: row.overdraft_account,
        pockets,
        overdraft: Credits::from_micros(owed),
        balance: row.balance,
        last_line: row.last_line,
        line_count: row.line_count,
        moved: false,
        stored,
        watch: row.watch,
        levels: row.levels,
        claims: sql::claims(conn, organization)?,
        caught: Vec::new(),
    }))
}

impl Part for Wallets {
    fn flush(&mut self, conn: &Connection, now: Timestamp) -> Result<(), DbError> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut update = sql::wallet_writer(conn, now)?;
        for organization in std::mem::take(&mut self.dirty) {
            let Some(wallet) = self.open.get_mut(&organization) else { continue };
            for p in &mut wallet.pockets {
                let id = GrantId::new(p.account.number());
                if std::mem::take(&mut p.expired_changed) {
                    grants::set_expired(conn, id, p.expired)?;
                }
                if std::mem::take(&mut p.held_changed) {
                    ledger::set_pending(conn, p.account, p.held)?;
                }
                if std::mem::take(&mut p.reopen) {
                    grants::reopen(conn, id)?;
                }
                if p.is_done(now, self.grace_ms) {
                    grants::close(conn, id)?;
                }
            }
            let caught = std::mem::take(&mut wallet.caught);
            for draw in &caught {
                sql::add_caught(conn, organization, draw)?;
            }
            if !caught.is_empty() {
                outbox::enqueue_now(conn, CAUGHT, &organization.number().to_string(), now)?;
            }
            let grace_ms = self.grace_ms;
            wallet.pockets.retain(|p| !p.is_done(now, grace_ms));
            if std::mem::take(&mut wallet.moved) {
                let (balance, last_line) = (wallet.balance, wallet.last_line);
                let end = DayEnd { day: wallet.zone.day_of(now), balance, last_line };
                // a day's end is written when the next one begins: until then the wallet's own row is it
                if let Some(before) = wallet.stored.replace(end).filter(|before| before.day != end.day) {
                    sql::insert_wallet_day(conn, organization, before)?;
                    // where the clock was ahead and was set right, the day that begins may have ended once already
                    sql::delete_wallet_day(conn, end.day, organization)?;
                }
                update(organization, balance, last_line, wallet.line_count)?;
            }
            if wallet.levels.is_some_and(|levels| levels.is_crossed(wallet.balance)) {
                wallet.levels = None;
                sql::set_levels(conn, organization, Levels::default())?;
                outbox::enqueue_now(conn, alerts::CROSSED, &organization.number().to_string(), now)?;
            }
            if let Some(watch) = &mut wallet.watch
                && watch.armed == (wallet.balance < watch.below)
            {
                watch.armed = !watch.armed;
                sql::set_watch(conn, organization, Some(*watch))?;
                if !watch.armed {
                    outbox::enqueue_now(conn, FELL, &organization.number().to_string(), now)?;
                }
            }
        }
        Ok(())
    }

    fn undo(&mut self) {
        // what was flushed is in the tables, and everything else belonged to the operation that failed
        self.reset();
    }

    fn committed(&mut self) {
        if self.open.len() > KEPT {
            self.open.clear();
        }
    }

    fn reset(&mut self) {
        self.open.clear();
        self.dirty.clear();
    }
}
