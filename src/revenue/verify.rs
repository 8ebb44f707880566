//! Compares the money paid for credit with what has become of the credit.

use rusqlite::Connection;

use super::{Credit, sql};
use crate::ledger::verify::{VerifyError, expect_equal, none_of};

/// What was earned and kept of every grant follows from what had become of its credit when it was last looked at, nothing
/// is beyond its cost, a grant that is looked at no more is accounted for to the end, and the accounts come to the same.
///
/// # Errors
/// The first row that does not fit, by name.
pub fn run(conn: &Connection) -> Result<(), VerifyError> {
    sql::MISFITS.iter().try_for_each(|(table, query)| none_of(conn, table, query))?;
    sql::each_fee(conn, |fee| {
        expect_equal("fees", fee.payment.number(), "what was earned", &fee.earned, &fee.due(fee.earned_at))
    })?;
    sql::each(conn, |paid, settled| {
        let row = paid.grant.number();
        let posted = paid.posted;
        let due = paid.due(posted.credit, posted.returned);
        expect_equal("grant_money", row, "what was posted", &posted, &due)?;
        let Credit { gone, consumed } = posted.credit;
        if consumed > gone || gone > paid.original {
            return Err(VerifyError::misfit("grant_money", row, "more was used than there was"));
        }
        if paid.standing().deferred.minor < 0 {
            return Err(VerifyError::misfit("grant_money", row, "more has left than was paid"));
        }
        if settled {
            expect_equal("grant_money", row, "the credit that it follows", &posted.credit, &paid.credit)?;
        }
        Ok(())
    })
}
