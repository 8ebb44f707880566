//! What an invoice comes to, and what of it can be given back. Pure.

use super::{Error, Kind, Line, NewLine};
use crate::base::{Currency, Day, DecimalError, Money};
use crate::tax::{Amounts, Prices, Rate, share};

/// Lines on one document.
const MOST_LINES: usize = 1_000;
/// Characters in a reference.
const REFERENCE_MAX: usize = 200;

pub(super) fn check_reference(reference: &str) -> Result<(), Error> {
    if reference.is_empty() || reference.chars().count() > REFERENCE_MAX {
        return Err(Error::Invalid("a reference has 1 to 200 characters"));
    }
    Ok(())
}

pub(super) fn check_lines(lines: &[NewLine]) -> Result<(), Error> {
    if lines.is_empty() || lines.len() > MOST_LINES {
        return Err(Error::Invalid("an invoice has 1 to 1,000 lines"));
    }
    if lines.iter().any(|line| line.price < 0) {
        return Err(Error::Invalid("a price is not negative"));
    }
    if lines.iter().any(|line| line.description.trim().is_empty()) {
        return Err(Error::Invalid("a line says what was sold"));
    }
    Ok(())
}

/// The amounts of a document, and its lines without tax. The tax is rounded once, on the sum; what is then the net is divided
/// among the lines in proportion to their prices.
pub(super) fn priced(
    lines: &[NewLine],
    rate: Rate,
    prices: Prices,
    currency: Currency,
) -> Result<(Amounts, Vec<Line>), Error> {
    let amounts = amounts(lines, rate, prices, currency)?;
    let weights: Vec<i64> = lines.iter().map(|line| line.price).collect();
    let nets = share(amounts.net.minor, &weights)?;
    let line = |(line, net): (&NewLine, i64)| Line {
        description: line.description.trim().to_owned(),
        quantity: line.quantity,
        net: Money { minor: net, currency },
    };
    Ok((amounts, lines.iter().zip(nets).map(line).collect()))
}

fn amounts(lines: &[NewLine], rate: Rate, prices: Prices, currency: Currency) -> Result<Amounts, Error> {
    let mut price = Money::zero(currency);
    for line in lines {
        price = price.checked_add(Money { minor: line.price, currency })?;
    }
    Ok(Amounts::of(price, rate, prices)?)
}

/// What is left after net and tax were given back.
pub(super) fn less(all: Amounts, (net, tax): (i64, i64)) -> Amounts {
    let minus = |money: Money, by: i64| Money { minor: money.minor.saturating_sub(by), ..money };
    let (net_left, tax_left) = (minus(all.net, net), minus(all.tax, tax));
    Amounts { net: net_left, tax: tax_left, total: minus(all.total, net.saturating_add(tax)) }
}

/// Net and tax of a total that is given back. The last part takes exactly what is left, so that the parts of an invoice add
/// up to it whatever was rounded before.
pub(super) fn credited(total: Money, rate: Rate, left: Amounts) -> Result<Amounts, Error> {
    if total.currency != left.total.currency {
        return Err(crate::base::MoneyError::Mixed.into());
    }
    if total.minor <= 0 {
        return Err(Error::Invalid("what is given back is more than nothing"));
    }
    if total.minor > left.total.minor {
        return Err(Error::Exceeds { asked: total, left: left.total });
    }
    let fair = Amounts::of(total, rate, Prices::IncludeTax)?.tax.minor;
    let least = total
        .minor
        .checked_sub(left.net.minor)
        .ok_or(crate::base::MoneyError::from(DecimalError::Overflow))?;
    let tax = fair.max(least).min(left.tax.minor);
    let money = |minor| Money { minor, ..total };
    Ok(Amounts { net: money(total.minor - tax), tax: money(tax), total })
}

/// The series of the documents of a kind that are issued on a day.
pub(super) fn series(prefix: &str, kind: Kind, day: Day) -> String {
    let own = format!("{}-{}", kind.series_word(), day.date().year());
    if prefix.is_empty() { own } else { format!("{prefix}-{own}") }
}

/// What the name of an invoice's series begins with.
pub(super) fn prefix(series: &str) -> &str {
    let at = series.rfind(Kind::Invoice.series_word());
    at.and_then(|at| series.get(..at)).map_or("", |prefix| prefix.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Quantity;

    fn eur(minor: i64) -> Money {
        Money { minor, currency: Currency::EUR }
    }

    fn line(price: i64) -> NewLine {
        NewLine { description: "Credit".into(), quantity: Quantity::from_micros(1_000_000), price }
    }

    #[test]
    fn an_invoice_needs_something_to_say() {
        assert!(check_lines(&[]).is_err());
        assert!(check_lines(&[line(-1)]).is_err());
        assert!(check_lines(&[NewLine { description: " ".into(), ..line(1) }]).is_err());
        assert!(check_lines(&vec![line(1); 1_001]).is_err());
        assert!(check_lines(&[line(0)]).is_ok());
        assert!(check_reference("").is_err() && check_reference(&"x".repeat(201)).is_err());
    }

    #[test]
    fn tax_is_rounded_on_the_sum_and_not_on_each_line() {
        let lines = [line(50), line(50), line(50)];
        let rate = Rate::from_basis_points(2_100);
        let (amounts, _) = priced(&lines, rate, Prices::ExcludeTax, Currency::EUR).expect("priced");
        assert_eq!((amounts.net, amounts.tax, amounts.total), (eur(150), eur(32), eur(182)));
        let (amounts, lines) = priced(&lines, rate, Prices::IncludeTax, Currency::EUR).expect("priced");
        assert_eq!((amounts.net, amounts.tax, amounts.total), (eur(124), eur(26), eur(150)));
        let nets: Vec<i64> = lines.iter().map(|line| line.net.minor).collect();
        assert_eq!(nets, [41, 42, 41]);
    }

    proptest! {
        #[test]
        fn parts_given_back_add_up_to_the_invoice(
            price in 1..=10_000_000_i64,
            points in 0..=3_000_u16,
            parts in prop::collection::vec(1..=5_000_000_i64, 0..12),
        ) {
            let rate = Rate::from_basis_points(points);
            let all = Amounts::of(eur(price), rate, Prices::ExcludeTax).expect("amounts");
            let mut left = all;
            for part in parts.into_iter().chain([i64::MAX]) {
                let total = part.min(left.total.minor);
                if total == 0 {
                    break;
                }
                let back = credited(eur(total), rate, left).expect("within");
                prop_assert_eq!(back.net.minor + back.tax.minor, total);
                prop_assert!(back.net.minor >= 0 && back.tax.minor >= 0);
                left = less(left, (back.net.minor, back.tax.minor));
                prop_assert!(left.net.minor >= 0 && left.tax.minor >= 0);
                prop_assert_eq!(left.net.minor + left.tax.minor, left.total.minor);
            }
            prop_assert_eq!((left.net, left.tax, left.total), (eur(0), eur(0), eur(0)));
            prop_assert!(credited(eur(1), rate, left).is_err());
        }

        #[test]
        fn lines_add_up_to_the_net(
            prices in prop::collection::vec(0..=1_000_000_000_i64, 1..20),
            points in 0..=3_000_u16,
            include in any::<bool>(),
        ) {
            let lines: Vec<NewLine> = prices.iter().map(|price| line(*price)).collect();
            let kind = if include { Prices::IncludeTax } else { Prices::ExcludeTax };
            let rate = Rate::from_basis_points(points);
            let (amounts, lines) = priced(&lines, rate, kind, Currency::EUR).expect("priced");
            prop_assert_eq!(lines.iter().map(|line| line.net.minor).sum::<i64>(), amounts.net.minor);
            if !include {
                prop_assert!(lines.iter().zip(prices).all(|(line, price)| line.net.minor == price));
            }
        }
    }

    #[test]
    fn a_credit_notes_series_begins_as_its_invoices_does() {
        let day: Day = "2026-11-21".parse().expect("day");
        for (of, invoices, notes) in [
            ("", "INV-2026", "CN-2026"),
            ("ACME", "ACME-INV-2026", "ACME-CN-2026"),
            ("INV", "INV-INV-2026", "INV-CN-2026"),
            ("A-1", "A-1-INV-2026", "A-1-CN-2026"),
        ] {
            assert_eq!(series(of, Kind::Invoice, day), invoices);
            assert_eq!(series(prefix(invoices), Kind::CreditNote, day), notes);
        }
    }
}
