//! The operator's reports.

use askama::Template;

use super::chrome::Chrome;
use crate::base::{Day, Money};
use crate::http::pages::components::field::{Control, Field, FormState};
use crate::http::pages::components::{DataTable, EmptyState, table};
use crate::http::pages::format;
use crate::revenue::Liability;

/// `GET /operator/reports`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/reports.html")]
pub struct ReportsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Names: `from`, `to` (days in UTC, both included). Wrong input comes back with its error.
    pub form: FormState,
    /// The first day.
    pub from: Day,
    /// The last.
    pub to: Day,
    /// By currency.
    pub rows: Vec<Liability>,
    /// Where the same is as CSV.
    pub csv: String,
}

impl ReportsPage {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::new(&self.form, "from", "From", Control::Line("date")).filter(),
            Field::new(&self.form, "to", "To", Control::Line("date")).filter(),
        ]
    }

    fn period(&self) -> String {
        format!("{} to {}", format::day(self.from), format::day(self.to))
    }

    /// What is added is signed so that a row adds up from left to right.
    fn table(&self) -> DataTable {
        let labels = [
            "Currency",
            "Owed before",
            "Sold",
            "Earned by use",
            "Expired",
            "Refunded",
            "Disputed",
            "Owed after",
        ];
        let mut table = DataTable::new("What is owed to customers, by currency", &labels);
        let less = |money: Money| Money { minor: money.minor.saturating_neg(), ..money };
        for row in &self.rows {
            let figures = [
                row.open,
                row.sold,
                less(row.earned),
                less(row.expired),
                less(row.refunded),
                less(row.disputed),
                row.close,
            ];
            let mut cells = vec![table::Cell::text(row.open.currency.code())];
            cells.extend(figures.map(|money| table::Cell::text(format::money(money))));
            table.rows.push(cells);
        }
        table
    }

    fn empty() -> EmptyState {
        EmptyState {
            title: "Nothing was sold yet".into(),
            text: "Credit that was paid for is owed to the customer until it is used. By the end of these days there was none."
                .into(),
            action: None,
        }
    }
}

#[cfg(test)]
impl ReportsPage {
    /// A month in two currencies.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, day};
        let row = |currency: &str, figures: [i64; 7]| {
            let currency = currency.parse().expect(currency);
            let [open, sold, earned, expired, refunded, disputed, close] =
                figures.map(|minor| Money { minor, currency });
            Liability { open, sold, earned, expired, refunded, disputed, close }
        };
        let mut form = FormState::default();
        form.values.insert("from".into(), "2026-11-01".into());
        form.values.insert("to".into(), "2026-11-21".into());
        Self {
            chrome: samples::chrome(Section::Reports, &[("Operator", ""), ("Reports", "")]),
            form,
            from: day("2026-11-01"),
            to: day("2026-11-21"),
            rows: vec![
                row("EUR", [1_204_511, 530_000, 481_207, 2_500, 1_000, 5_000, 1_244_804]),
                row("JPY", [0, 20_000, -120, 0, 0, 0, 20_120]),
            ],
            csv: "/operator/reports.csv?from=2026-11-01&to=2026-11-21".into(),
        }
    }

    /// Before the first sale.
    pub(crate) fn sample_empty() -> Self {
        Self { rows: Vec::new(), ..Self::sample() }
    }
}
