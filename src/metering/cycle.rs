//! What is used of organizations' cycles, and what calls in progress have set aside of them.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::rating::{ItemKind, Rated};
use super::row::ItemRow;
use super::sql;
use crate::base::id::{MeterId, OrganizationId};
use crate::base::{Quantity, Timestamp};
use crate::db::DbError;

/// One organization's cycle of one meter.
pub(super) type CycleKey = (OrganizationId, MeterId, Timestamp);

/// What of a cycle is used, and what calls in progress have set aside.
#[derive(Clone, Copy)]
pub(super) struct Cycle {
    billed: Quantity,
    included: Quantity,
    held: CycleHold,
    /// `billed` or `included` differs from what is stored.
    used_changed: bool,
    /// `held` differs from what is stored.
    held_changed: bool,
}

/// Quantities of a cycle that calls in progress have set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CycleHold {
    /// Units that count towards tiers.
    pub billed: Quantity,
    /// Units of the allowance.
    pub included: Quantity,
}

impl Cycle {
    /// Where nothing depends on what was used before.
    const UNUSED: Self = Self {
        billed: Quantity::ZERO,
        included: Quantity::ZERO,
        held: CycleHold { billed: Quantity::ZERO, included: Quantity::ZERO },
        used_changed: false,
        held_changed: false,
    };

    /// Where the next unit stands among the tiers.
    pub(super) const fn position(&self) -> Quantity {
        sum(self.billed, self.held.billed)
    }

    /// What is gone of the allowance.
    pub(super) const fn taken(&self) -> Quantity {
        sum(self.included, self.held.included)
    }
}

/// The cycles that were touched lately; they are written once per commit.
#[derive(Default)]
pub(super) struct Cycles {
    known: HashMap<CycleKey, Cycle>,
    changed: BTreeSet<CycleKey>,
}

impl Cycles {
    pub(super) fn get(
        &mut self,
        conn: &Connection,
        organization: OrganizationId,
        meter: MeterId,
        start: Option<Timestamp>,
    ) -> Result<Cycle, DbError> {
        let Some(start) = start else { return Ok(Cycle::UNUSED) };
        let key = (organization, meter, start);
        if let Some(cycle) = self.known.get(&key) {
            return Ok(*cycle);
        }
        let (billed, included) = sql::cycle_usage(conn, organization, meter, start)?;
        let held = sql::cycle_hold(conn, organization, meter, start)?;
        let cycle = Cycle { billed, included, held, ..Cycle::UNUSED };
        self.known.insert(key, cycle);
        Ok(cycle)
    }

    fn set(&mut self, key: CycleKey, cycle: Cycle) {
        self.known.insert(key, cycle);
        self.changed.insert(key);
    }

    /// Counts a charge in the cycle that was looked at for its price.
    pub(super) fn add(
        &mut self,
        organization: OrganizationId,
        meter: MeterId,
        start: Option<Timestamp>,
        rated: &Rated,
    ) {
        let Some(start) = start else { return };
        let key = (organization, meter, start);
        let Some(cycle) = self.known.get(&key).copied() else { return };
        let billed = sum(cycle.billed, rated.tier_used);
        let included = sum(cycle.included, rated.allowance_used);
        self.set(key, Cycle { billed, included, used_changed: true, ..cycle });
    }

    /// Sets `now` aside instead of `before`.
    pub(super) fn hold(
        &mut self,
        conn: &Connection,
        (organization, meter, start): (OrganizationId, MeterId, Option<Timestamp>),
        before: CycleHold,
        now: CycleHold,
    ) -> Result<(), DbError> {
        let Some(start) = start.filter(|_| before != now) else { return Ok(()) };
        let cycle = self.get(conn, organization, meter, Some(start))?;
        let held = CycleHold {
            billed: less(sum(cycle.held.billed, now.billed), before.billed),
            included: less(sum(cycle.held.included, now.included), before.included),
        };
        self.set((organization, meter, start), Cycle { held, held_changed: true, ..cycle });
        Ok(())
    }

    /// Takes a voided event's quantities out of its cycle.
    pub(super) fn uncount(&mut self, conn: &Connection, rows: &[ItemRow]) -> Result<(), DbError> {
        let Some((head, event)) = rows.first().and_then(|row| Some((row, row.event.as_ref()?))) else {
            return Ok(());
        };
        let Some(start) = event.cycle_start else { return Ok(()) };
        let mut cycle = self.get(conn, head.organization, head.meter, Some(start))?;
        for row in rows {
            match row.kind {
                ItemKind::Included => cycle.included = less(cycle.included, row.quantity),
                ItemKind::Base | ItemKind::Overage => cycle.billed = less(cycle.billed, row.quantity),
                ItemKind::Surcharge | ItemKind::PassThrough | ItemKind::Byok => {}
            }
        }
        self.set((head.organization, head.meter, start), Cycle { used_changed: true, ..cycle });
        Ok(())
    }

    pub(super) fn flush(&mut self, conn: &Connection) -> Result<(), DbError> {
        for key in std::mem::take(&mut self.changed) {
            let Some(cycle) = self.known.get_mut(&key) else { continue };
            let (organization, meter, start) = key;
            if std::mem::take(&mut cycle.used_changed) {
                sql::set_cycle_usage(conn, organization, meter, start, cycle.billed, cycle.included)?;
            }
            if std::mem::take(&mut cycle.held_changed) {
                sql::set_cycle_hold(conn, organization, meter, start, cycle.held)?;
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.changed.clear();
    }

    /// Forgets what is written already, where it is more than `most`.
    pub(super) fn trim(&mut self, most: usize) {
        if self.known.len() > most {
            self.known.clear();
        }
    }
}

const fn sum(a: Quantity, b: Quantity) -> Quantity {
    Quantity::from_micros(a.micros().saturating_add(b.micros()))
}

/// What is left of `a`, not below zero.
fn less(a: Quantity, b: Quantity) -> Quantity {
    Quantity::from_micros(a.micros().saturating_sub(b.micros()).max(0))
}
