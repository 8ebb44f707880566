//! Old and new cost on last month's real usage.

use super::{cells, last_month};
use crate::base::{Credits, Currency, Money};
use crate::catalog::rules::{Interval, PlanTerms};
use crate::catalog::{Plan, Snapshot};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::pages::components::table::Cell;
use crate::http::pages::components::{DataTable, EmptyState};
use crate::http::pages::format::{self, Face, Show};
use crate::http::pages::views::catalog::{Body, Part};
use crate::identity::organizations;
use crate::metering::compare::{Change, Comparison, Cost, MOST_EVENTS, MOST_OF_ONE, compare};
use crate::subscriptions;

/// So many organizations are listed; the sums are of all.
const MOST_ROWS: usize = 20;
const LABELS: [&str; 4] = ["", "By today's prices", "By this draft", "Difference"];

/// What a change would cost whoever it meets. `who`: whose usage, such as `on Growth`.
pub(super) fn parts(
    state: &State,
    tx: &ReadTx<'_>,
    catalog: &Snapshot,
    change: Change<'_>,
    (show, who): (&Show, &str),
) -> Result<Vec<Part>, ApiError> {
    let days = last_month(&show.zone, tx.now());
    let month = days.0.date().strftime("%B %Y").to_string();
    let found = compare(tx, catalog, change, days, tx.now())?;
    let part = |body: Body| Part::new("cost", "Old and new cost", body).note(format!("Usage of {month}"));
    if found.organizations.is_empty() && found.left_out == 0 {
        let text = format!("No usage in {month} of anybody {who} would be priced differently.");
        return Ok(vec![part(EmptyState { title: "No difference".into(), text, action: None }.into())]);
    }
    let rows = Rows::read(state, tx, &found)?;
    let meters = part(rows.meters(catalog, &found).into()).lead(told(&month, who, &found));
    let title = "Old and new cost by organization";
    let organizations = Part::new("cost-organizations", title, rows.organizations(&found));
    Ok(vec![meters, organizations.note(format!("Usage of {month}"))])
}

/// What exactly is compared.
fn told(month: &str, who: &str, found: &Comparison) -> String {
    let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    let count = |of: usize| format::count(number(of));
    let counted = |of: usize, what: &str| format::counted(number(of), what);
    let mut said = vec![format!(
        "{} of {month}, of {} {who} that would be priced differently, priced again in the order in which they were charged: \
         by the prices that are in force today, and by this draft, with minimums, steps, allowances and tiers counted anew \
         for each. Events that were taken back are left out, and so are plans' fees and credit. {} credits were charged for \
         them in fact; that differs from today's prices where those have changed since.",
        counted(found.events, "event"),
        counted(found.organizations.len(), "organization"),
        format::headline(found.total().charged).0,
    )];
    let cut = found.organizations.iter().filter(|one| one.until.is_some()).count();
    if cut > 0 || found.left_out > 0 {
        said.push(format!(
            "Not all of it was looked at: at most {} events in all and {} of one organization, by whole days. In it with \
             their first days only: {}; not at all: {}.",
            count(usize::try_from(MOST_EVENTS).unwrap_or(0)),
            count(usize::try_from(MOST_OF_ONE).unwrap_or(0)),
            counted(cut, "organization"),
            counted(found.left_out, "organization")
        ));
    }
    let unpriced: u64 = found.organizations.iter().map(|one| one.unpriced).sum();
    if unpriced > 0 {
        said.push(format!(
            "Without a price on one side, and in no sum: {}.",
            format::counted(unpriced, "event")
        ));
    }
    said.join(" ")
}

/// What the rows need to know of organizations.
struct Rows {
    /// In the order of the comparison: name and money.
    named: Vec<(String, Face)>,
    /// Where all of them have the same money.
    face: Option<Face>,
}

impl Rows {
    fn read(state: &State, tx: &ReadTx<'_>, found: &Comparison) -> Result<Self, ApiError> {
        let credits_per_unit = state.settings.credits_per_unit;
        let named = found.organizations.iter().map(|one| {
            let organization = organizations::get(tx, one.organization)?;
            Ok((organization.name, Face { currency: organization.currency, credits_per_unit }))
        });
        let named: Vec<(String, Face)> = named.collect::<Result<_, ApiError>>()?;
        let face = named.first().map(|(_, face)| *face);
        let face = face.filter(|face| named.iter().all(|(_, other)| other == face));
        Ok(Self { named, face })
    }

    fn meters(&self, catalog: &Snapshot, found: &Comparison) -> DataTable {
        let mut table = costs("By meter", "Meter");
        for (id, cost) in found.meters() {
            let name = catalog.meter(id).map_or("", |meter| &meter.name);
            table.rows.push(row(Cell::text(name), &cost, self.face));
        }
        table.rows.push(row(Cell::text("All together"), &found.total(), self.face));
        table
    }

    fn organizations(&self, found: &Comparison) -> DataTable {
        let mut table = costs("By organization", "Organization");
        for (one, (name, face)) in found.organizations.iter().zip(&self.named).take(MOST_ROWS) {
            let page = format!("/operator/organizations/{}", one.organization);
            let until =
                one.until.map_or_else(String::new, |day| format!(" (until {})", format::day_short(day)));
            table.rows.push(row(Cell::link(format!("{name}{until}"), Some(page)), &one.total, Some(*face)));
        }
        let more = found.organizations.iter().skip(MOST_ROWS);
        let (mut rest, count) = (Cost::default(), more.clone().count());
        more.for_each(|one| rest.add(one.total));
        if count > 0 {
            table.rows.push(row(Cell::text(format!("{count} more")), &rest, self.face));
        }
        table
    }
}

fn costs(caption: &str, first: &str) -> DataTable {
    let mut table = DataTable::new(caption, &LABELS);
    if let Some(column) = table.columns.first_mut() {
        first.clone_into(&mut column.label);
    }
    table
}

fn row(name: Cell, cost: &Cost, face: Option<Face>) -> Vec<Cell> {
    let text = |credits: Credits| amount(credits, face, "");
    let more = cost.difference();
    let plus = if more.is_positive() { "+" } else { "" };
    vec![name, Cell::text(text(cost.old)), Cell::text(text(cost.new)), Cell::text(amount(more, face, plus))]
}

/// `+1,204.50 · +€12.05`; the headline of it, for nothing is added up from what is shown.
fn amount(credits: Credits, face: Option<Face>, plus: &str) -> String {
    let written = format!("{plus}{}", format::headline(credits).0);
    match face.and_then(|face| face.money(credits)) {
        Some(worth) => format!("{written} · {plus}{}", format::money(worth)),
        None => written,
    }
}

/// What the subscribers of a plan pay, and would pay.
pub(super) fn fees(tx: &ReadTx<'_>, plan: &Plan, new: &PlanTerms) -> Result<Part, ApiError> {
    let standings = subscriptions::standings(tx)?;
    let labels = ["On version", "Subscribers", "Fee now", "Fee by this draft", "Difference"];
    let mut rows = DataTable::new("Fees by version", &labels);
    for version in plan.versions.iter().rev() {
        let Some((count, _)) = standings.get(&version.id) else { continue };
        let (old_fee, new_fee) = (super::words::fee(&version.terms), super::words::fee(new));
        let more = fee_change(&version.terms, new, *count).map_or_else(
            || "another currency".into(),
            |(more, by)| {
                let plus = if more.minor > 0 { "+" } else { "" };
                format!("{plus}{} a {by}", format::money(more))
            },
        );
        rows.rows.push(cells([version.version.to_string(), count.to_string(), old_fee, new_fee, more]));
    }
    let none = || EmptyState {
        title: "No subscribers".into(),
        text: "Nobody pays for this plan, so no fee would change.".into(),
        action: None,
    };
    let are_some = !rows.rows.is_empty();
    let body: Body = if are_some { rows.into() } else { none().into() };
    let lead = "What all subscribers of each version pay, without tax. They keep their version and its fee until you move them.";
    let lead = if are_some { lead } else { "" };
    Ok(Part::new("fees", "Old and new fees", body).lead(lead))
}

/// What so many subscribers pay more: by the month where both fees are, else by the year.
fn fee_change(old: &PlanTerms, new: &PlanTerms, count: i64) -> Option<(Money, &'static str)> {
    let currency: Currency = old.price.currency;
    if currency != new.price.currency {
        return None;
    }
    let both = (old.interval, new.interval);
    let (times, by) = match both {
        (Interval::Month, Interval::Month) => ((1, 1), "month"),
        (old, new) => ((a_year(old), a_year(new)), "year"),
    };
    let each = i128::from(new.price.minor) * times.1 - i128::from(old.price.minor) * times.0;
    let minor = i64::try_from(each.checked_mul(i128::from(count))?).ok()?;
    Some((Money { minor, currency }, by))
}

const fn a_year(interval: Interval) -> i128 {
    match interval {
        Interval::Month => 12,
        Interval::Year => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_of_months_and_years_are_compared_by_the_year() {
        let plan = |minor: i64, interval: &str| -> PlanTerms {
            let json = format!(
                r#"{{"price":{{"amount":"{}","currency":"EUR"}},"interval":"{interval}","rate_card":"payg"}}"#,
                Money { minor, currency: Currency::EUR }.amount()
            );
            serde_json::from_str(&json).expect("terms")
        };
        for (old, new, count, more) in [
            ((9_900, "month"), (10_900, "month"), 3, (3_000, "month")),
            ((10_900, "month"), (9_900, "month"), 3, (-3_000, "month")),
            ((9_900, "month"), (99_000, "year"), 2, (-39_600, "year")),
            ((99_000, "year"), (9_900, "month"), 1, (19_800, "year")),
        ] {
            let found = fee_change(&plan(old.0, old.1), &plan(new.0, new.1), count);
            assert_eq!(found.map(|(money, by)| (money.minor, by)), Some(more), "{old:?} {new:?}");
        }
        let mut yen = plan(1, "month");
        yen.price.currency = "JPY".parse().expect("JPY");
        assert_eq!(fee_change(&plan(1, "month"), &yen, 1), None);
    }
}
