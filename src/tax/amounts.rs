//! Net, tax and total. One rounding rule: the tax of a document is rounded once, half away from zero.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::{Money, MoneyError};

/// A rate of tax in basis points (2,100 is 21 %).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u16);

/// Why a text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a percentage from 0 to 100 with at most two decimals")]
pub struct RateError;

const WHOLE: i128 = 10_000;

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From basis points.
    #[must_use]
    pub const fn from_basis_points(points: u16) -> Self {
        Self(points)
    }

    /// In basis points.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }
}

/// As percent, with no more decimals than it has: `21`, `25.5`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        match (hundredths, hundredths % 10) {
            (0, _) => write!(f, "{whole}"),
            (_, 0) => write!(f, "{whole}.{}", hundredths / 10),
            (..) => write!(f, "{whole}.{hundredths:02}"),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(decimals) || whole.len() > 3 || decimals.len() > 2 {
            return Err(RateError);
        }
        let points: u32 = format!("{whole}{decimals:0<2}").parse().map_err(|_| RateError)?;
        u16::try_from(points).ok().filter(|points| *points <= 10_000).map(Self).ok_or(RateError)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What prices are: without the tax, or with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prices {
    /// The tax comes on top.
    #[default]
    ExcludeTax,
    /// The tax is in them.
    IncludeTax,
}

/// Net and tax of one currency; their sum is the total, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Without tax.
    pub net: Money,
    /// The tax.
    pub tax: Money,
    /// What is paid.
    pub total: Money,
}

impl Amounts {
    /// What `price` comes to at a rate.
    ///
    /// # Errors
    /// When an amount overflows.
    pub fn of(price: Money, rate: Rate, prices: Prices) -> Result<Self, MoneyError> {
        let points = i128::from(rate.0);
        let base = match prices {
            Prices::ExcludeTax => WHOLE,
            Prices::IncludeTax => WHOLE + points,
        };
        let tax = minor(half_away(i128::from(price.minor) * points, base))?;
        let (net, total) = match prices {
            Prices::ExcludeTax => (price.minor, price.minor.checked_add(tax)),
            Prices::IncludeTax => (price.minor - tax, Some(price.minor)),
        };
        let money = |minor| Money { minor, currency: price.currency };
        let total = total.ok_or(crate::base::DecimalError::Overflow)?;
        Ok(Self { net: money(net), tax: money(tax), total: money(total) })
    }
}

/// `dividend / divisor` to the nearest integer, halves away from zero. The divisor is positive.
fn half_away(dividend: i128, divisor: i128) -> i128 {
    let magnitude = (2 * dividend.abs() + divisor) / (2 * divisor);
    if dividend < 0 { -magnitude } else { magnitude }
}

fn minor(value: i128) -> Result<i64, MoneyError> {
    i64::try_from(value).map_err(|_| crate::base::DecimalError::Overflow.into())
}

/// Divides `amount` among parts in proportion to their weights (none negative), so that the parts add up to it exactly: each
/// part is the difference of two rounded running sums. All to the last part when no weight is positive.
///
/// # Errors
/// When the weights overflow.
pub fn share(amount: i64, weights: &[i64]) -> Result<Vec<i64>, MoneyError> {
    let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if whole <= 0 {
        let mut parts = vec![0; weights.len()];
        if let Some(last) = parts.last_mut() {
            *last = amount;
        }
        return Ok(parts);
    }
    let (mut reached, mut given) = (0_i128, 0_i128);
    let mut parts = Vec::with_capacity(weights.len());
    for weight in weights {
        reached += i128::from(*weight);
        let product = i128::from(amount).checked_mul(reached).ok_or(crate::base::DecimalError::Overflow)?;
        let until = half_away(product, whole);
        parts.push(minor(until - given)?);
        given = until;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Currency;

    fn eur(minor: i64) -> Money {
        Money { minor, currency: Currency::EUR }
    }

    fn amounts(price: i64, points: u16, prices: Prices) -> (i64, i64, i64) {
        let found = Amounts::of(eur(price), Rate(points), prices).expect("amounts");
        (found.net.minor, found.tax.minor, found.total.minor)
    }

    #[test]
    fn tax_is_rounded_half_away_from_zero() {
        assert_eq!(amounts(1_000, 2_100, Prices::ExcludeTax), (1_000, 210, 1_210));
        assert_eq!(amounts(10, 2_550, Prices::ExcludeTax), (10, 3, 13));
        assert_eq!(amounts(50, 2_100, Prices::ExcludeTax), (50, 11, 61));
        assert_eq!(amounts(-50, 2_100, Prices::ExcludeTax), (-50, -11, -61));
        assert_eq!(amounts(1_210, 2_100, Prices::IncludeTax), (1_000, 210, 1_210));
        assert_eq!(amounts(1_000, 2_100, Prices::IncludeTax), (826, 174, 1_000));
        assert_eq!(amounts(1_000, 0, Prices::IncludeTax), (1_000, 0, 1_000));
        assert!(Amounts::of(eur(i64::MAX), Rate(2_100), Prices::ExcludeTax).is_err());
    }

    #[test]
    fn rates_print_and_parse() {
        for (points, text) in
            [(2_100, "21"), (2_550, "25.5"), (810, "8.1"), (825, "8.25"), (5, "0.05"), (0, "0")]
        {
            assert_eq!(Rate(points).to_string(), text);
            assert_eq!(text.parse(), Ok(Rate(points)));
        }
        assert_eq!("100".parse(), Ok(Rate(10_000)));
        for bad in ["", "-1", "100.01", "101", "8.123", "1e1", "1.", ".5", "+1", "21 "] {
            assert_eq!(bad.parse::<Rate>(), Err(RateError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn net_and_tax_are_the_total(price in -1_000_000_000_000_i64..=1_000_000_000_000, points in 0..=10_000_u16) {
            for prices in [Prices::ExcludeTax, Prices::IncludeTax] {
                let (net, tax, total) = amounts(price, points, prices);
                prop_assert_eq!(net + tax, total);
                prop_assert!(tax.signum() * price.signum() >= 0 && tax.abs() <= total.abs());
                // within half a minor unit of the exact tax on the net or in the total
                let exact = match prices {
                    Prices::ExcludeTax => (i128::from(price) * i128::from(points), WHOLE),
                    Prices::IncludeTax => (i128::from(price) * i128::from(points), WHOLE + i128::from(points)),
                };
                prop_assert!((2 * (i128::from(tax) * exact.1 - exact.0)).abs() <= exact.1);
            }
        }

        #[test]
        fn a_total_leads_back_to_its_net(net in -1_000_000_000_i64..=1_000_000_000, points in 0..=10_000_u16) {
            let (_, tax, total) = amounts(net, points, Prices::ExcludeTax);
            prop_assert_eq!(amounts(total, points, Prices::IncludeTax), (net, tax, total));
        }

        #[test]
        fn shares_add_up(amount in 0..=1_000_000_000_000_i64, weights in prop::collection::vec(0..=1_000_000_000_i64, 1..20)) {
            let parts = share(amount, &weights).expect("parts");
            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            prop_assert!(parts.iter().all(|part| *part >= 0));
        }
    }
}
