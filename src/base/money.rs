//! Money: integers of a currency's smallest unit. Never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::decimal::{DecimalError, parse_scaled};

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// Why an amount or a currency is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency that money is kept in.
    #[error("is not an ISO 4217 currency code with a minor unit, such as EUR")]
    Currency,
    /// The amount is not an exact decimal of that currency.
    #[error(transparent)]
    Amount(#[from] DecimalError),
    /// Two currencies met in one sum.
    #[error("mixes two currencies")]
    Mixed,
}

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals its minor unit has (2 for EUR, 0 for JPY).
    #[must_use]
    pub fn places(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// The symbol people know it by.
    #[must_use]
    pub fn symbol(self) -> String {
        self.0.symbol().to_string()
    }

    /// How many minor units make one unit.
    #[must_use]
    pub fn minor_per_unit(self) -> i64 {
        10_i64.pow(self.places())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let currency = iso_currency::Currency::from_code(text).ok_or(MoneyError::Currency)?;
        // gold, test codes and other entries without a minor unit cannot be counted
        if currency.exponent().is_none() {
            return Err(MoneyError::Currency);
        }
        Ok(Self(currency))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl rusqlite::ToSql for Currency {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::from(self.code()))
    }
}

impl rusqlite::types::FromSql for Currency {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|e: MoneyError| rusqlite::types::FromSqlError::Other(Box::new(e)))
    }
}

/// An amount of one currency, in its minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Count of the minor unit (cents for EUR).
    pub minor: i64,
    /// What is counted.
    pub currency: Currency,
}

impl Money {
    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum overflows.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(DecimalError::Overflow)?;
        Ok(Self { minor, currency: self.currency })
    }

    /// Parses an exact decimal amount.
    ///
    /// # Errors
    /// When the text is malformed, too large, or has more decimals than the currency.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        Ok(Self { minor: parse_scaled(amount, currency.places())?, currency })
    }

    /// The amount alone with all its decimals, such as `12.30`.
    #[must_use]
    pub fn amount(self) -> String {
        let places = self.currency.places() as usize;
        let scale = self.currency.minor_per_unit().unsigned_abs();
        let sign = if self.minor < 0 { "-" } else { "" };
        let magnitude = self.minor.unsigned_abs();
        if places == 0 {
            return format!("{sign}{magnitude}");
        }
        format!("{sign}{}.{:0places$}", magnitude / scale, magnitude % scale)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyJson {
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MoneyJson { amount: self.amount(), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = MoneyJson::deserialize(deserializer)?;
        Self::parse(&json.amount, json.currency).map_err(|e| serde::de::Error::custom(format!("amount {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_every_decimal_of_its_currency() {
        let eur: Currency = "EUR".parse().expect("EUR");
        let jpy: Currency = "JPY".parse().expect("JPY");
        assert_eq!(Money::parse("12.3", eur).map(Money::amount), Ok("12.30".into()));
        assert_eq!(Money::parse("-0.05", eur).map(Money::amount), Ok("-0.05".into()));
        assert_eq!(Money::parse("500", jpy).map(Money::amount), Ok("500".into()));
        assert!(Money::parse("0.005", eur).is_err());
        assert!(Money::parse("1.5", jpy).is_err());
        for bad in ["eur", "EURO", "XAU", ""] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
        let json = serde_json::to_string(&Money { minor: 1234, currency: eur }).expect("json");
        assert_eq!(json, r#"{"amount":"12.34","currency":"EUR"}"#);
    }
}
