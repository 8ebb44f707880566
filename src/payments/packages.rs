//! Credit at a fixed price, with a bonus.

use rusqlite::Connection;

use super::rules::{Purchase, Terms};
use super::sql;
use crate::base::{Credits, Currency, Money};
use crate::db::{DbError, WriteTx};

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// By which it is ordered.
    pub code: String,
    /// For people.
    pub name: String,
    /// What it costs, before tax.
    pub price: Money,
    /// The credit that is paid for.
    pub credits: Credits,
    /// Credit on top, for free.
    pub bonus: Credits,
}

impl Package {
    /// Buying it.
    #[must_use]
    pub fn purchase(&self) -> Purchase {
        Purchase {
            price: self.price,
            credits: self.credits,
            bonus: self.bonus,
            package: Some(self.code.clone()),
        }
    }
}

/// What a new installation sells: price in units of its currency, and the bonus in percent.
const SEEDED: [(&str, &str, i64, i64); 3] =
    [("starter", "Starter", 10, 0), ("growth", "Growth", 50, 5), ("scale", "Scale", 200, 10)];

/// The packages for sale in a currency, in the order in which they are shown.
///
/// # Errors
/// When the database fails.
pub fn list(conn: &Connection, currency: Currency) -> Result<Vec<Package>, DbError> {
    sql::packages(conn, currency)
}

/// Puts the first packages on sale, where there never were any. Answers whether it did.
///
/// # Errors
/// When the database fails.
pub fn seed(tx: &WriteTx<'_>, terms: &Terms, currency: Currency) -> Result<bool, DbError> {
    let conn = tx.conn()?;
    if sql::has_packages(conn)? {
        return Ok(false);
    }
    for (position, (code, name, units, percent)) in (1..).zip(SEEDED) {
        let micros = i128::from(units) * i128::from(terms.credits_per_unit) * 1_000_000;
        let credits = i64::try_from(micros).map(Credits::from_micros);
        let bonus = i64::try_from(micros * i128::from(percent) / 100).map(Credits::from_micros);
        let (Ok(credits), Ok(bonus)) = (credits, bonus) else { continue };
        let package = Package {
            code: code.into(),
            name: name.into(),
            price: Money { minor: units.saturating_mul(currency.minor_per_unit()), currency },
            credits,
            bonus,
        };
        sql::insert_package(conn, &package, position)?;
    }
    Ok(true)
}
