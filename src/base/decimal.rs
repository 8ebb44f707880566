//! Exact decimal numbers with six places, kept as 64-bit integers.
//!
//! JSON numbers are parsed from their text, so no float ever stands between a client and the ledger.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How many micro-units make one unit.
pub const MICROS: i64 = 1_000_000;
/// The longest decimal text that is looked at; anything longer is malformed.
const MAX_TEXT: usize = 40;

/// Why a text is not an exact six-place decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number at all.
    #[error("is not a decimal number")]
    Malformed,
    /// More places than can be kept exactly.
    #[error("has more than {0} decimals")]
    TooManyDecimals(u32),
    /// Larger than a 64-bit count of the smallest unit.
    #[error("is too large")]
    Overflow,
}

/// Parses a JSON number (or a plain decimal text) into an integer count of `10^-places`.
///
/// Trailing zeros do not count as decimals, and an exponent is applied exactly: `1.5e2` is 150.
///
/// # Errors
/// [`DecimalError`] says what is wrong with the text; nothing is ever rounded.
pub fn parse_scaled(text: &str, places: u32) -> Result<i64, DecimalError> {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(DecimalError::Malformed);
    }
    // nearly every number is a short whole one: eighteen digits fit 64 bits
    if text.len() + places as usize <= 18 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole = text.bytes().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        return Ok(whole * 10_i64.pow(places));
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return Err(DecimalError::Malformed),
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    if whole.is_empty() {
        return Err(DecimalError::Malformed);
    }
    let mut digits: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(DecimalError::Malformed);
        }
        // at most 40 digits fit the text, and 38 fit an i128
        digits = digits
            .checked_mul(10)
            .and_then(|d| d.checked_add(i128::from(byte - b'0')))
            .ok_or(DecimalError::Overflow)?;
    }
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| DecimalError::Malformed)?;
    let places_signed = i32::try_from(places).map_err(|_| DecimalError::Overflow)?;
    let shift = places_signed + exponent - fraction_len;
    let scaled = shift_decimal(digits, shift, places)?;
    let value = i64::try_from(scaled).map_err(|_| DecimalError::Overflow)?;
    Ok(if negative { -value } else { value })
}

fn parse_exponent(text: &str) -> Result<i32, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    // an exponent that long can only be an overflow or more decimals than we keep
    let magnitude = digits.parse::<i32>().unwrap_or(10_000).min(10_000);
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

fn shift_decimal(digits: i128, shift: i32, places: u32) -> Result<i128, DecimalError> {
    if digits == 0 {
        return Ok(0);
    }
    if shift >= 0 {
        let factor =
            u32::try_from(shift).ok().and_then(|s| 10_i128.checked_pow(s)).ok_or(DecimalError::Overflow)?;
        return digits.checked_mul(factor).ok_or(DecimalError::Overflow);
    }
    let divisor = 10_i128.checked_pow(shift.unsigned_abs()).ok_or(DecimalError::TooManyDecimals(places))?;
    if digits % divisor != 0 {
        return Err(DecimalError::TooManyDecimals(places));
    }
    Ok(digits / divisor)
}

/// Writes a count of `10^-places` as the shortest exact decimal text.
///
/// # Errors
/// Only when the formatter itself fails.
pub fn write_scaled(out: &mut impl fmt::Write, value: i64, places: u32) -> fmt::Result {
    let scale = 10_u64.pow(places);
    let magnitude = value.unsigned_abs();
    if value < 0 {
        out.write_char('-')?;
    }
    write!(out, "{}", magnitude / scale)?;
    let mut fraction = magnitude % scale;
    if fraction == 0 {
        return Ok(());
    }
    let mut width = places as usize;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    write!(out, ".{fraction:0width$}")
}

/// The longest text of a six-place decimal of 64 bits: sign, thirteen digits, point, six digits.
const LONGEST: usize = 21;

/// A printed decimal, kept in place: many are printed per answer.
#[derive(Default)]
struct Printed {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Printed {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

macro_rules! six_places {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// From a count of millionths.
            #[must_use]
            pub const fn from_micros(micros: i64) -> Self {
                Self(micros)
            }

            /// The count of millionths.
            #[must_use]
            pub const fn micros(self) -> i64 {
                self.0
            }

            /// From whole units; `None` when that overflows.
            #[must_use]
            pub const fn from_whole(whole: i64) -> Option<Self> {
                match whole.checked_mul(MICROS) {
                    Some(micros) => Some(Self(micros)),
                    None => None,
                }
            }

            /// The sum; `None` when it overflows.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The difference; `None` when it overflows.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }

            /// True for nothing at all.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// True below zero.
            #[must_use]
            pub const fn is_negative(self) -> bool {
                self.0 < 0
            }

            /// True above zero.
            #[must_use]
            pub const fn is_positive(self) -> bool {
                self.0 > 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_scaled(f, self.0, 6)
            }
        }

        impl FromStr for $name {
            type Err = DecimalError;

            fn from_str(text: &str) -> Result<Self, DecimalError> {
                parse_scaled(text, 6).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if self.0 % MICROS == 0 {
                    return serializer.serialize_i64(self.0 / MICROS);
                }
                let mut text = Printed::default();
                fmt::write(&mut text, format_args!("{self}")).map_err(serde::ser::Error::custom)?;
                let raw: &RawValue = serde_json::from_str(text.as_str()).map_err(serde::ser::Error::custom)?;
                raw.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            /// From the text of a JSON number. Works with `serde_json::from_str` and `from_slice`
            /// only: a buffered value (`untagged`, `flatten`) has lost the text.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = <&RawValue>::deserialize(deserializer)?;
                let text = raw.get();
                if text.starts_with(['"', '{', '[', 't', 'f', 'n']) {
                    return Err(de::Error::custom("is not a number"));
                }
                text.parse().map_err(de::Error::custom)
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(rusqlite::types::ToSqlOutput::from(self.0))
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(
                value: rusqlite::types::ValueRef<'_>,
            ) -> rusqlite::types::FromSqlResult<Self> {
                value.as_i64().map(Self)
            }
        }
    };
}

six_places! {
    /// An amount of credit: a signed count of micro-credits (10⁻⁶ credit).
    Credits
}

six_places! {
    /// A measured quantity in the meter's unit (seconds, messages, tokens, …), to a millionth.
    Quantity
}

impl Credits {
    /// The amount without its sign; `None` for the one value that has no counterpart.
    #[must_use]
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_exactly_or_says_why_not() {
        let cases: &[(&str, Result<i64, DecimalError>)] = &[
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("1", Ok(1_000_000)),
            ("-1.5", Ok(-1_500_000)),
            ("0.000001", Ok(1)),
            ("33909.0", Ok(33_909_000_000)),
            ("1.50000000", Ok(1_500_000)),
            ("1e3", Ok(1_000_000_000)),
            ("1.5E-2", Ok(15_000)),
            ("25e-1", Ok(2_500_000)),
            ("0e99999", Ok(0)),
            ("0.0000001", Err(DecimalError::TooManyDecimals(6))),
            ("1e-7", Err(DecimalError::TooManyDecimals(6))),
            ("1e-99999999999", Err(DecimalError::TooManyDecimals(6))),
            ("9223372036854.775807", Ok(i64::MAX)),
            ("9223372036854.775808", Err(DecimalError::Overflow)),
            ("1e300", Err(DecimalError::Overflow)),
            ("", Err(DecimalError::Malformed)),
            ("-", Err(DecimalError::Malformed)),
            (".5", Err(DecimalError::Malformed)),
            ("5.", Err(DecimalError::Malformed)),
            ("1e", Err(DecimalError::Malformed)),
            ("NaN", Err(DecimalError::Malformed)),
            ("1_000", Err(DecimalError::Malformed)),
            ("+1", Err(DecimalError::Malformed)),
            (" 1", Err(DecimalError::Malformed)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_scaled(text, 6), *expected, "{text}");
        }
    }

    #[test]
    fn json_round_trips_without_a_float() {
        for text in ["0", "12.34", "-0.000001", "9223372036854.775807", "1000000"] {
            let credits: Credits = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&credits).expect(text), text);
        }
        for text in ["\"1\"", "null", "true", "[1]", "{}", "0.0000001"] {
            assert!(serde_json::from_str::<Credits>(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_then_parsing_gives_the_same_amount(micros in i64::MIN + 1..=i64::MAX) {
            let credits = Credits::from_micros(micros);
            proptest::prop_assert_eq!(credits.to_string().parse::<Credits>(), Ok(credits));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,48}") {
            let _ = text.parse::<Credits>();
        }
    }
}
