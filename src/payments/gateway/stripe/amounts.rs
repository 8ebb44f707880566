//! Stripe counts most currencies in their smallest unit, as we do, and some in another.

use crate::base::{Currency, Money};
use crate::payments::gateway::Trouble;

/// Of currencies with three decimals Stripe takes amounts whose last digit is zero. Tax does not round to that.
pub(super) fn takes(currency: Currency) -> bool {
    currency.places() <= 2
}

/// How many decimals Stripe gives a currency.
fn places(currency: Currency) -> u32 {
    match currency.code() {
        // without a smaller unit, but kept with two decimals that are zero
        "ISK" | "UGX" => 2,
        // with a smaller unit that is not taken
        "MGA" => 0,
        _ => currency.places(),
    }
}

/// An amount as Stripe wants it.
///
/// # Errors
/// [`Trouble::Refused`] when Stripe has no such amount.
pub(super) fn to_stripe(money: Money) -> Result<i64, Trouble> {
    if money.minor <= 0 {
        return Err(Trouble::Refused("the amount must be above zero".into()));
    }
    let (ours, theirs) = (money.currency.places(), places(money.currency));
    moved(money.minor, ours, theirs)
        .filter(|_| takes(money.currency))
        .ok_or_else(|| Trouble::Refused(format!("Stripe cannot be asked for {money}")))
}

/// An amount as Stripe says it.
///
/// # Errors
/// [`Trouble::Unreachable`] when it is none that is known here.
pub(super) fn from_stripe(minor: i64, currency: &str) -> Result<Money, Trouble> {
    let unknown = || Trouble::Unreachable(format!("an amount that is not understood: {minor} {currency}"));
    let currency: Currency = currency.to_ascii_uppercase().parse().map_err(|_| unknown())?;
    let minor = moved(minor, places(currency), currency.places()).ok_or_else(unknown)?;
    Ok(Money { minor, currency })
}

/// Counted with other decimals, where that is exact.
fn moved(minor: i64, from: u32, to: u32) -> Option<i64> {
    if from <= to {
        return minor.checked_mul(10_i64.checked_pow(to - from)?);
    }
    let unit = 10_i64.checked_pow(from - to)?;
    (minor % unit == 0).then_some(minor / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money { minor, currency: code.parse().unwrap() }
    }

    #[test]
    fn amounts_are_those_of_stripe_and_come_back_the_same() {
        for (minor, code, expected) in [
            (1_050, "EUR", 1_050),
            (1_050, "JPY", 1_050),
            (1_050, "HUF", 1_050),
            (12, "ISK", 1_200),
            (12, "UGX", 1_200),
            (1_200, "MGA", 12),
        ] {
            let amount = money(minor, code);
            assert_eq!(to_stripe(amount), Ok(expected), "{code}");
            assert_eq!(from_stripe(expected, &code.to_lowercase()), Ok(amount), "{code}");
        }
    }

    #[test]
    fn what_is_not_exact_is_not_asked_for_and_not_believed() {
        for amount in [
            money(1_250, "MGA"),
            money(i64::MAX, "ISK"),
            money(0, "EUR"),
            money(-1, "EUR"),
            money(1_050, "KWD"),
            money(1_055, "TND"),
        ] {
            assert!(matches!(to_stripe(amount), Err(Trouble::Refused(_))), "{amount}");
        }
        for (minor, code) in [(1_250, "isk"), (1, "xxx"), (1, ""), (i64::MAX, "mga")] {
            assert!(matches!(from_stripe(minor, code), Err(Trouble::Unreachable(_))), "{minor} {code}");
        }
    }
}
