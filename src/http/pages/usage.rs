//! Usage over a range of days, added up from rollups, and its CSV.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html};
use super::csv::Csv;
use super::customer::plus;
use super::filter::{Filter, narrowed, workspace_choices, workspaces_in_reach};
use super::format::Show;
use super::views::usage::{Group, GroupRow, UsageFilter, UsagePage, UsageTotals};
use super::views::{Crumb, Section};
use crate::base::id::{MeterId, OrganizationId};
use crate::base::{Credits, Day, Quantity};
use crate::catalog::{Snapshot, VOICE};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::ApiError;
use crate::http::pages::components::StackedDays;
use crate::http::pages::components::field::Choice;
use crate::http::pages::components::stacked_days::DayStack;
use crate::http::route::Table;
use crate::identity::{Reach, Scope, Workspace, organizations};
use crate::metering::reports::{self, Dimension};

const PATH: &str = "/usage";
const NAMES: [&str; 5] = ["from", "to", "channel", "workspace", "group"];
/// The range unless another is asked for, in days.
const USUAL_DAYS: i32 = 30;
/// Series of the chart; what is beyond the dearest is one series of the rest.
const SERIES: usize = 5;
/// Rows of the table by agent, number or workspace.
const GROUP_ROWS: usize = 200;
/// Rows of one CSV file at most.
const CSV_ROWS: usize = 50_000;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, PATH, Access::usage(Scope::BillingRead), page);
    table.page(Method::GET, "/usage.csv", Access::usage(Scope::BillingRead), csv);
}

const fn dimension(group: Group) -> Dimension {
    match group {
        Group::Channel => Dimension::Channel,
        Group::Agent => Dimension::Agent,
        Group::Number => Dimension::Number,
        Group::Workspace => Dimension::Workspace,
    }
}

/// What is wanted, checked against what there is.
struct Wanted {
    filter: Filter,
    group: Group,
    from: Day,
    /// Included.
    to: Day,
    today: Day,
    meter: Option<MeterId>,
    workspaces: Option<Vec<String>>,
}

impl Wanted {
    fn new(query: &str, today: Day, catalog: &Snapshot, reach: &Reach, seen: &[Workspace]) -> Self {
        let mut filter = Filter::parse(query, &NAMES);
        let group = filter.read("group", "is not one to split by", |text| {
            Group::ALL.into_iter().find(|group| group.code() == text)
        });
        let meter = filter.read("channel", "is not a channel", |code| catalog.meter_id(code));
        let (from, to) = filter.days();
        let mut to = to.unwrap_or_else(|| from.map_or(today, |from| today.max(from)));
        let mut from = from.unwrap_or_else(|| to.plus_days(1 - USUAL_DAYS));
        if i64::from(to.number()) - i64::from(from.number()) >= i64::from(reports::MAX_DAYS) {
            filter.wrong("from", &format!("must be less than {} days before To", reports::MAX_DAYS));
            (from, to) = (today.plus_days(1 - USUAL_DAYS), today);
        }
        let workspaces = narrowed(reach, seen, filter.text("workspace"));
        Self { filter, group: group.unwrap_or(Group::Channel), from, to, today, meter, workspaces }
    }

    fn report(
        &self,
        tx: &ReadTx<'_>,
        organization: OrganizationId,
        by: &[Dimension],
    ) -> Result<Vec<reports::Group>, ApiError> {
        let query = reports::Query {
            from: self.from,
            to: self.to.plus_days(1),
            group_by: by.to_vec(),
            meter: self.meter,
            agent: None,
            workspaces: self.workspaces.clone(),
        };
        Ok(reports::usage(tx, organization, &query)?)
    }

    fn shown(mut self, catalog: &Snapshot, seen: &[Workspace]) -> UsageFilter {
        let today = self.today;
        let range = |label: &str, from: Day, to: Day| {
            let (first, last) = (from.to_string(), to.to_string());
            let and = [("from", first.as_str()), ("to", last.as_str())];
            let href = self.filter.href(PATH, &["from", "to"], &and);
            (label.to_owned(), href, from == self.from && to == self.to)
        };
        let last_month = today.first_of_month().plus_days(-1);
        let ranges = vec![
            range("Today", today, today),
            range("Last 7 days", today.plus_days(-6), today),
            range("Last 30 days", today.plus_days(-29), today),
            range("This month", today.first_of_month(), today),
            range("Last month", last_month.first_of_month(), last_month),
        ];
        let query = self.filter.query(&["group"], &[]);
        for (name, day) in [("from", self.from), ("to", self.to)] {
            self.filter.form.values.entry(name.to_owned()).or_insert_with(|| day.to_string());
        }
        UsageFilter {
            form: self.filter.form,
            group: self.group,
            channels: channel_choices(catalog),
            workspaces: workspace_choices(seen),
            ranges,
            query,
        }
    }
}

/// Channels to choose from.
#[must_use]
pub fn channel_choices(catalog: &Snapshot) -> Vec<Choice> {
    catalog.meters().iter().map(|meter| Choice::new(meter.code.as_str(), &meter.name)).collect()
}

/// Names of what usage is grouped by.
struct Names<'a> {
    catalog: &'a Snapshot,
    workspaces: &'a [Workspace],
}

impl Names<'_> {
    fn of(&self, by: Group, record: &reports::Group) -> String {
        let id = match by {
            Group::Channel => {
                let meter = record.meter.and_then(|id| self.catalog.meter(id));
                return meter.map_or_else(|| "Usage".to_owned(), |meter| meter.name.clone());
            }
            Group::Agent => record.agent.clone(),
            Group::Number => record.number.clone(),
            Group::Workspace => {
                let known =
                    self.workspaces.iter().find(|w| Some(&w.external_id) == record.workspace.as_ref());
                known.map(|workspace| workspace.name.clone()).or_else(|| record.workspace.clone())
            }
        };
        id.filter(|id| !id.is_empty()).unwrap_or_else(|| "Not attributed".to_owned())
    }
}

/// What was spent in all.
#[must_use]
pub fn spent(records: &[reports::Group]) -> Credits {
    records.iter().fold(Credits::ZERO, |sum, record| plus(sum, record.credits))
}

/// The figures of records by channel.
fn totals(records: &[reports::Group], catalog: &Snapshot) -> UsageTotals {
    let unit_of = |record: &reports::Group| {
        record.meter.and_then(|id| catalog.meter(id)).map_or("", |meter| meter.unit.as_str())
    };
    let voice_meter = catalog.meter_id(VOICE);
    let voice = records.iter().find(|record| record.meter.is_some() && record.meter == voice_meter);
    let messages = records.iter().filter(|record| unit_of(record) == "message");
    let messages: i64 = messages.map(|record| record.reported.micros() / 1_000_000).sum();
    UsageTotals {
        spent: spent(records),
        calls: voice.and_then(|record| u64::try_from(record.count).ok()).unwrap_or(0),
        voice: voice.map_or(Quantity::ZERO, |record| record.reported),
        voice_spent: voice.map_or(Credits::ZERO, |record| record.credits),
        messages: u64::try_from(messages).unwrap_or(0),
    }
}

/// The table by the group, dearest first. A group of several channels has a quantity only where they share a unit.
fn groups(records: &[reports::Group], by: Group, names: &Names<'_>) -> Vec<GroupRow> {
    let mut rows: BTreeMap<String, GroupRow> = BTreeMap::new();
    let mut mixed: Vec<String> = Vec::new();
    for record in records {
        let name = names.of(by, record);
        let unit = record.meter.and_then(|id| names.catalog.meter(id)).map(|meter| meter.unit.clone());
        let row = rows.entry(name.clone()).or_insert_with(|| GroupRow {
            name: name.clone(),
            quantity: unit.clone().map(|unit| (Quantity::ZERO, unit)),
            items: 0,
            credits: Credits::ZERO,
        });
        row.items += u64::try_from(record.count).unwrap_or(0);
        row.credits = plus(row.credits, record.credits);
        match &mut row.quantity {
            Some((sum, known)) if unit.as_ref() == Some(known) => {
                *sum = sum.checked_add(record.quantity).unwrap_or(*sum);
            }
            _ => mixed.push(name),
        }
    }
    for name in mixed {
        if let Some(row) = rows.get_mut(&name) {
            row.quantity = None;
        }
    }
    let mut rows: Vec<GroupRow> = rows.into_values().collect();
    rows.sort_by(|one, other| other.credits.cmp(&one.credits).then_with(|| one.name.cmp(&other.name)));
    rows
}

/// The rest of the groups as one, so that the table adds up however many there are.
fn folded(mut rows: Vec<GroupRow>) -> Vec<GroupRow> {
    if rows.len() > GROUP_ROWS {
        let rest = rows.split_off(GROUP_ROWS - 1);
        rows.push(GroupRow {
            name: format!("{} others", rest.len()),
            quantity: None,
            items: rest.iter().map(|row| row.items).sum(),
            credits: rest.iter().fold(Credits::ZERO, |sum, row| plus(sum, row.credits)),
        });
    }
    rows
}

/// Days split by series: the dearest of them, and the rest as one.
fn chart(
    id: &str,
    (from, to): (Day, Day),
    records: &[reports::Group],
    name: impl Fn(&reports::Group) -> String,
    catalog: &Snapshot,
    show: &Show,
) -> StackedDays {
    let mut sums: BTreeMap<String, Credits> = BTreeMap::new();
    for record in records {
        let sum = sums.entry(name(record)).or_insert(Credits::ZERO);
        *sum = plus(*sum, record.credits);
    }
    let mut order: Vec<(String, Credits)> = sums.into_iter().collect();
    // a channel keeps its place, and so its colour, from page to page; anything else comes by what it cost
    let channel = |name: &str| catalog.meters().iter().position(|meter| meter.name == name);
    order.sort_by_key(|(name, sum)| (channel(name).unwrap_or(usize::MAX), Reverse(*sum), name.clone()));
    let mut series: Vec<String> = order.into_iter().map(|(name, _)| name).collect();
    if series.len() > SERIES {
        series.truncate(SERIES - 1);
        series.push("Other".to_owned());
    }
    let last = series.len().saturating_sub(1);
    let place = |name: &str| series.iter().position(|known| known == name).unwrap_or(last);
    let mut days: BTreeMap<Day, Vec<Credits>> = (from.number()..=to.number())
        .map(|number| (Day::from_number(number), vec![Credits::ZERO; series.len()]))
        .collect();
    for record in records {
        let values = record.day.and_then(|day| days.get_mut(&day));
        if let Some(value) = values.and_then(|values| values.get_mut(place(&name(record)))) {
            *value = plus(*value, record.credits);
        }
    }
    let days = days.into_iter();
    let days = days.map(|(day, values)| DayStack { day, href: Some(format!("/usage/{day}")), values });
    StackedDays {
        id: id.into(),
        title: "Spend per day".into(),
        days: days.collect(),
        series,
        sample: false,
        show: show.clone(),
    }
}

/// Days split by channel, for the first page. None when nothing was used.
#[must_use]
pub fn by_channel(
    id: &str,
    range: (Day, Day),
    records: &[reports::Group],
    catalog: &Snapshot,
    show: &Show,
) -> Option<StackedDays> {
    let names = Names { catalog, workspaces: &[] };
    let name = |record: &reports::Group| names.of(Group::Channel, record);
    (!records.is_empty()).then(|| chart(id, range, records, name, catalog, show))
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let query = req.query_string().to_owned();
    let shared = state.clone();
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Usage")];
        let chrome = chrome::chrome(&shared, &admitted, tx, Section::Usage, crumbs)?;
        let catalog = shared.catalog.get(tx)?;
        let seen = workspaces_in_reach(tx, organization, &admitted.reach)?;
        let today = chrome.show.zone.day_of(tx.now());
        let wanted = Wanted::new(&query, today, &catalog, &admitted.reach, &seen);
        let channels = wanted.report(tx, organization, &[Dimension::Channel])?;
        let split = dimension(wanted.group);
        let days = wanted.report(tx, organization, &[Dimension::Day, split])?;
        let by_group = wanted.report(tx, organization, &[Dimension::Channel, split])?;
        let names = Names { catalog: &catalog, workspaces: &seen };
        let name = |record: &reports::Group| names.of(wanted.group, record);
        let range = (wanted.from, wanted.to);
        Ok(UsagePage {
            totals: totals(&channels, &catalog),
            chart: chart("days", range, &days, name, &catalog, &chrome.show),
            groups: folded(groups(&by_group, wanted.group, &names)),
            counted_until: None,
            csv: csv_address(&wanted),
            filter: wanted.shown(&catalog, &seen),
            chrome,
        })
    });
    html(StatusCode::OK, &page.await?)
}

/// The same figures: with the days spelled out, so that the link means the same tomorrow.
fn csv_address(wanted: &Wanted) -> String {
    let (from, to) = (wanted.from.to_string(), wanted.to.to_string());
    wanted.filter.href("/usage.csv", &["from", "to"], &[("from", &from), ("to", &to)])
}

/// A row a day, channel and group.
async fn csv(
    state: web::Data<State>,
    admitted: Admitted,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let query = req.query_string().to_owned();
    let shared = state.clone();
    let csv = state.db.read(move |tx| -> Result<_, ApiError> {
        let zone = organizations::get(tx, organization)?.zone;
        let catalog = shared.catalog.get(tx)?;
        let seen = workspaces_in_reach(tx, organization, &admitted.reach)?;
        let wanted = Wanted::new(&query, zone.day_of(tx.now()), &catalog, &admitted.reach, &seen);
        wanted.filter.strictly()?;
        let by = [Dimension::Day, Dimension::Channel, dimension(wanted.group)];
        let records = wanted.report(tx, organization, &by)?;
        if records.len() > CSV_ROWS {
            let message = format!("makes more than {CSV_ROWS} rows: take fewer days");
            return Err(ApiError::field("from", "too_many", message));
        }
        let names = Names { catalog: &catalog, workspaces: &seen };
        Ok(table(&records, wanted.group, &names))
    });
    Ok(csv.await?.answer("usage.csv"))
}

fn table(records: &[reports::Group], by: Group, names: &Names<'_>) -> Csv {
    let mut headings = vec!["day", "channel"];
    if by != Group::Channel {
        headings.push(by.code());
    }
    headings.extend(["events", "quantity", "unit", "credits"]);
    let mut csv = Csv::new(&headings);
    for record in records {
        let meter = record.meter.and_then(|id| names.catalog.meter(id));
        csv.text(&record.day.map(|day| day.to_string()).unwrap_or_default());
        csv.text(&names.of(Group::Channel, record));
        if by != Group::Channel {
            csv.text(&names.of(by, record));
        }
        csv.number(record.count)
            .number(record.quantity)
            .text(meter.map_or("", |meter| meter.unit.as_str()))
            .number(record.credits)
            .end();
    }
    csv
}
