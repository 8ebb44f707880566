//! Compares documents with their lines, their rates and each other.

use std::collections::HashMap;

use rusqlite::Connection;

use super::{Kind, sql};
use crate::ledger::verify::{VerifyError, expect_equal, none_of};
use crate::tax::{Amounts, Kind as TaxKind, Prices};

/// Looks at every document; answers how many there are.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn run(conn: &Connection) -> Result<u64, VerifyError> {
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))?;
    let mut count = 0;
    // net and tax that credit notes may still give back
    let mut left = HashMap::new();
    sql::each(conn, |document| {
        count += 1;
        let (id, amounts) = (document.id.number(), document.amounts);
        let (net, tax) = (amounts.net.minor, amounts.tax.minor);
        expect_equal("invoices", id, "the total", &amounts.total.minor, &net.saturating_add(tax))?;
        let lines = document.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.net.minor));
        expect_equal("invoices", id, "the net", &net, &lines)?;
        let taxed = matches!(document.treatment, TaxKind::Domestic | TaxKind::Destination);
        if !taxed && (tax, document.rate.basis_points()) != (0, 0) {
            return Err(VerifyError::misfit("invoices", id, "charges tax on an untaxed sale"));
        }
        match (document.kind, document.corrects) {
            (Kind::Invoice, _) => {
                // the same whether prices held the tax or not: a total leads back to its net
                let derived = Amounts::of(amounts.total, document.rate, Prices::IncludeTax).ok();
                let fits = derived.is_some_and(|derived| derived.tax == amounts.tax);
                if !fits {
                    return Err(VerifyError::misfit("invoices", id, "the tax does not follow from the rate"));
                }
                left.insert(document.id, (net, tax));
            }
            (Kind::CreditNote, of) => {
                let within = of.and_then(|of| left.get_mut(&of)).is_some_and(|(net_left, tax_left)| {
                    *net_left -= net;
                    *tax_left -= tax;
                    *net_left >= 0 && *tax_left >= 0
                });
                if !within {
                    return Err(VerifyError::misfit("invoices", id, "gives back more than was invoiced"));
                }
            }
        }
        Ok(())
    })?;
    Ok(count)
}
