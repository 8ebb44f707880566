//! What is for sale at a fixed price, as the operator keeps it.

use askama::Template;

use super::chrome::Chrome;
use crate::base::Currency;
use crate::http::pages::components::table::Cell;
use crate::http::pages::components::{DataTable, EmptyState};
use crate::http::pages::format;
use crate::payments::packages::Kept;

/// `GET /operator/packages`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/packages.html")]
pub struct PackagesPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// By currency, in the order in which customers see them.
    pub packages: Vec<Kept>,
}

impl PackagesPage {
    /// A table for each currency.
    fn tables(&self) -> Vec<(Currency, DataTable)> {
        let mut tables: Vec<(Currency, DataTable)> = Vec::new();
        let labels = ["Package", "Code", "Price before tax", "Credits", "Bonus", "Place", "For sale"];
        for kept in &self.packages {
            let currency = kept.package.price.currency;
            if tables.last().is_none_or(|(last, _)| *last != currency) {
                tables.push((currency, DataTable::new(format!("Packages in {currency}"), &labels)));
            }
            if let Some((_, table)) = tables.last_mut() {
                table.rows.push(cells(kept));
            }
        }
        tables
    }

    fn empty() -> EmptyState {
        EmptyState {
            title: "No packages".into(),
            text: "Customers buy amounts of their own. A package gives them a fixed price to choose, and a bonus if you like."
                .into(),
            action: None,
        }
    }
}

fn cells(kept: &Kept) -> Vec<Cell> {
    let package = &kept.package;
    let bonus = if package.bonus.is_positive() {
        format!("{} ({})", format::credits(package.bonus), format::share(package.bonus, package.credits))
    } else {
        "—".into()
    };
    vec![
        Cell::link(&package.name, Some(format!("/operator/packages/{}", package.code))),
        Cell::text(&package.code),
        Cell::text(format::money(package.price)),
        Cell::text(format::credits(package.credits)),
        Cell::text(bonus),
        Cell::text(kept.position.to_string()),
        Cell::text(if kept.active { "yes" } else { "no" }),
    ]
}

#[cfg(test)]
impl PackagesPage {
    /// Two in euros, one of them off sale, and one in yen.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, c};
        use crate::base::Money;
        use crate::payments::Package;
        let kept = |code: &str, name: &str, (minor, currency): (i64, &str), credits, bonus, active| Kept {
            package: Package {
                code: code.into(),
                name: name.into(),
                price: Money { minor, currency: currency.parse().expect(currency) },
                credits: c(credits),
                bonus: c(bonus),
            },
            position: 1,
            active,
        };
        Self {
            chrome: samples::chrome(Section::Prices, &[("Operator", ""), ("Packages", "")]),
            packages: vec![
                kept("starter", "Starter", (1_000, "EUR"), "1000", "0", true),
                kept("summer_26", "Summer & sun", (5_000, "EUR"), "5000", "250", false),
                kept("starter-jp", "Starter", (2_000, "JPY"), "1000", "0", true),
            ],
        }
    }

    /// Without any.
    pub(crate) fn sample_empty() -> Self {
        Self { packages: Vec::new(), ..Self::sample() }
    }
}
