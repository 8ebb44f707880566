//! Compares calls with what they hold and what they were charged.

mod sql;

use std::collections::HashMap;

use rusqlite::Connection;

use crate::invoices;
use crate::ledger::verify::{VerifyError, expect_equal, none_of};
use crate::metering::{self, Extra};
use crate::revenue;

/// What a call's carrier charged is what was reported with the call, and by events that came after its charge and were not
/// taken back.
fn carried(conn: &Connection) -> Result<(), VerifyError> {
    let mut late: HashMap<i64, i64> = HashMap::new();
    sql::each_late(conn, |call, extra| {
        let cost = Extra::read(Some(extra)).carrier_cost.unwrap_or_default();
        let sum = late.entry(call).or_default();
        *sum = sum.saturating_add(cost.micros());
    })?;
    sql::each_charged(conn, |call, carried, reported| {
        let derived = reported.saturating_add(late.get(&call).copied().unwrap_or_default());
        expect_equal("calls", call, "what its carrier charged", &carried, &derived)
    })
}

/// What was looked at, all of it found right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The book and all usage.
    pub usage: metering::verify::Summary,
    /// Calls, whatever became of them.
    pub calls: u64,
    /// Invoices and credit notes.
    pub invoices: u64,
}

/// Verifies the whole database in one snapshot.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn run(conn: &Connection) -> Result<Summary, VerifyError> {
    let usage = metering::verify::run(conn)?;
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))?;
    carried(conn)?;
    revenue::verify::run(conn)?;
    let invoices = invoices::verify::run(conn)?;
    Ok(Summary { usage, calls: sql::count(conn)?, invoices })
}
