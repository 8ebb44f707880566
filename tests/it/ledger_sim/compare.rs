//! Holds every way of looking at the book against the model.

use std::collections::BTreeMap;

use tollbook::base::id::TransactionId;
use tollbook::base::time::DAY_MS;
use tollbook::base::{Day, Timestamp, Zone};
use tollbook::calls::{self, Filter, Status};
use tollbook::catalog::Snapshot;
use tollbook::grants;
use tollbook::ledger::TransactionType;
use tollbook::metering::reports::{self, Dimension};
use tollbook::metering::statement::{self, ItemFilter, LineFilter};
use tollbook::metering::{UsageEvent, estimate};
use tollbook::wallet;

use super::model::{Line, Model, Organization, Posted};
use super::op::{organization_id, rate_name};
use super::price::Micros;
use super::rng::Rng;
use crate::ledger_kit::Kit;

/// What is cheap to look at, for every organization.
pub fn balances(kit: &Kit, model: &Model) {
    for (place, expected) in model.organizations.iter().enumerate() {
        let now = Timestamp::from_millis(model.now);
        let found = kit
            .db()
            .read_blocking(|tx| wallet::summary(tx.conn(), organization_id(place), now))
            .expect("summary");
        let live: [Micros; 3] = [0, 1, 2].map(|class| expected.left(class, model.now));
        let usable = live.iter().sum::<Micros>() - expected.overdraft;
        let held: Micros = expected.grants.iter().map(|g| g.held).sum();
        assert_eq!(Micros::from(found.balance.micros()), usable, "balance of {}", expected.name);
        assert_eq!(
            Micros::from(found.available.micros()),
            (usable - held).max(0),
            "available to {}",
            expected.name
        );
        assert_eq!(Micros::from(found.held.micros()), held, "held for {}", expected.name);
        assert_eq!(Micros::from(found.overdraft.micros()), expected.overdraft, "owed by {}", expected.name);
        let parts = [found.parts.free, found.parts.plan, found.parts.paid];
        assert_eq!(parts.map(|p| Micros::from(p.micros())), live, "classes of {}", expected.name);
        let lines = i64::try_from(expected.lines.len()).expect("few");
        assert_eq!(found.line_count, lines, "lines of {}", expected.name);
        assert_eq!(found.last_line, expected.lines.last().map_or(0, |line| line.id));
        let in_order: Vec<(i64, Micros)> = expected
            .draw_order()
            .into_iter()
            .map(|place| &expected.grants[place])
            .filter(|g| g.remaining > 0 && (g.is_live(model.now) || g.held > 0))
            .map(|g| (g.line, g.remaining))
            .collect();
        let shown: Vec<(i64, Micros)> =
            found.grants.iter().map(|g| (g.transaction.number(), g.remaining.micros().into())).collect();
        assert_eq!(shown, in_order, "usable grants of {}", expected.name);
        live_calls(kit, place, expected);
    }
}

/// Calls in progress, each with what it has set aside.
fn live_calls(kit: &Kit, place: usize, expected: &Organization) {
    let filter = Filter { status: Some(Status::Live), ..Filter::default() };
    assert_eq!(
        listed(kit, place, &filter),
        super::calls::texts(expected, true),
        "live calls of {}",
        expected.name
    );
}

/// All calls that a filter lets through, in the order of their ids.
fn listed(kit: &Kit, place: usize, filter: &Filter) -> Vec<String> {
    let (mut found, mut at) = (Vec::new(), None);
    loop {
        let (page, next) = kit
            .db()
            .read_blocking(|tx| calls::list(tx.conn(), organization_id(place), filter, at, 7))
            .expect("calls");
        found.extend(page);
        at = next;
        if at.is_none() {
            break;
        }
    }
    found.sort_by_key(|call| call.id.number());
    found.iter().map(super::op::call_text).collect()
}

/// Everything about one organization.
pub fn history(kit: &Kit, model: &Model, place: usize, rng: &mut Rng) {
    let expected = &model.organizations[place];
    let catalog = kit.catalog();
    all_grants(kit, place, expected);
    assert_eq!(listed(kit, place, &Filter::default()), super::calls::texts(expected, false));
    let unfiltered = LineFilter::default();
    let all: Vec<&Line> = expected.lines.iter().rev().collect();
    lines(kit, &catalog, place, &unfiltered, &all, rng);
    filtered_lines(kit, &catalog, place, expected, model.now, rng);
    for _ in 0..3 {
        report(kit, &catalog, place, expected, rng);
    }
    events(kit, &catalog, place, expected, rng);
    closing_balances(kit, place, expected);
    for ((meter, cycle), (_, included)) in &expected.cycles {
        let (meter, cycle) = (catalog.meter_id(meter).expect("meter"), Timestamp::from_millis(*cycle));
        let found = kit
            .db()
            .read_blocking(|tx| reports::included_used(tx.conn(), organization_id(place), meter, cycle))
            .expect("included");
        assert_eq!(Micros::from(found.micros()), *included);
    }
}

fn all_grants(kit: &Kit, place: usize, expected: &Organization) {
    let mut found = kit
        .db()
        .read_blocking(|tx| grants::all_of(tx.conn(), organization_id(place), None, 100_000))
        .expect("grants");
    found.reverse();
    let found: Vec<_> = found
        .iter()
        .map(|g| {
            (g.transaction.number(), g.original.micros(), g.remaining.micros(), g.expired.micros(), g.open)
        })
        .map(|(line, a, b, c, open)| (line, Micros::from(a), Micros::from(b), Micros::from(c), open))
        .collect();
    let expected: Vec<_> =
        expected.grants.iter().map(|g| (g.line, g.original, g.remaining, g.expired, g.open)).collect();
    assert_eq!(found, expected, "line, original, remaining, expired, open of grants");
}

/// Walks pages of random length and compares line by line.
fn lines(
    kit: &Kit,
    catalog: &Snapshot,
    place: usize,
    filter: &LineFilter,
    expected: &[&Line],
    rng: &mut Rng,
) {
    let mut found = Vec::new();
    let mut at: Option<TransactionId> = None;
    loop {
        let limit = rng.index(40) + 1;
        let page = kit
            .db()
            .read_blocking(|tx| statement::lines(tx.conn(), organization_id(place), filter, at, limit))
            .expect("lines");
        assert!(page.items.len() <= limit);
        found.extend(page.items);
        at = page.next;
        if at.is_none() {
            break;
        }
    }
    let found: Vec<String> = found
        .iter()
        .map(|l| {
            let usage = l.usage.as_ref().map(|u| {
                let meter = catalog.meter(u.meter).expect("meter").code.to_string();
                (u.event_id.clone(), meter, Micros::from(u.quantity.micros()), u.occurred_at.millis())
            });
            let corrects = l.corrects.map(TransactionId::number);
            let (amount, after) = (l.amount.micros(), l.balance_after.micros());
            format!(
                "{} {} {amount} then {after} at {} corrects {corrects:?} {usage:?}",
                l.id.number(),
                l.kind,
                l.created_at.millis()
            )
        })
        .collect();
    let expected: Vec<String> = expected
        .iter()
        .map(|l| {
            format!(
                "{} {} {} then {} at {} corrects {:?} {:?}",
                l.id, l.kind, l.amount, l.after, l.at, l.corrects, l.usage
            )
        })
        .collect();
    assert_eq!(found, expected, "lines, newest first ({filter:?})");
}

fn filtered_lines(
    kit: &Kit,
    catalog: &Snapshot,
    place: usize,
    expected: &Organization,
    now: i64,
    rng: &mut Rng,
) {
    let first = expected.lines.first().map_or(now, |l| l.at);
    let from = rng.maybe(2, |rng| rng.between(first - DAY_MS, now + DAY_MS));
    let to = rng.maybe(2, |rng| rng.between(first - DAY_MS, now + DAY_MS));
    let types =
        if rng.one_in(2) { vec![TransactionType::Usage, TransactionType::Expiry] } else { Vec::new() };
    let filter = LineFilter {
        from: from.map(Timestamp::from_millis),
        to: to.map(Timestamp::from_millis),
        types: types.clone(),
    };
    let wanted: Vec<&Line> = expected
        .lines
        .iter()
        .rev()
        .filter(|l| from.is_none_or(|from| l.at >= from) && to.is_none_or(|to| l.at < to))
        .filter(|l| types.is_empty() || types.iter().any(|t| t.name() == l.kind))
        .collect();
    lines(kit, catalog, place, &filter, &wanted, rng);
}

fn day(date: jiff::civil::Date) -> Day {
    Day::from_date(date)
}

/// A random stretch of the days on which anything was used.
fn some_days(posted: &[Posted], rng: &mut Rng) -> Option<(Day, Day)> {
    let first = posted.iter().map(|p| day(p.day)).min()?;
    let last = posted.iter().map(|p| day(p.day)).max()?;
    if rng.one_in(2) {
        // a report reaches so far and no further
        return Some((first, last.plus_days(1).min(first.plus_days(reports::MAX_DAYS))));
    }
    let span = i64::from(last.number() - first.number());
    let from = first.plus_days(i32::try_from(rng.between(0, span)).expect("few"));
    let to = from.plus_days(i32::try_from(rng.between(1, 40)).expect("few"));
    Some((from, to))
}

fn report(kit: &Kit, catalog: &Snapshot, place: usize, expected: &Organization, rng: &mut Rng) {
    let Some((from, to)) = some_days(&expected.posted, rng) else { return };
    let group_by: Vec<Dimension> = Dimension::ALL.into_iter().filter(|_| rng.one_in(3)).collect();
    let meter = rng.maybe(4, |_| "voice".to_owned());
    let agent = rng.maybe(4, |_| "agent-1".to_owned());
    let query = reports::Query {
        from,
        to,
        group_by: group_by.clone(),
        meter: meter.as_ref().map(|code| catalog.meter_id(code).expect("meter")),
        agent: agent.clone(),
        workspaces: None,
    };
    let found = kit
        .db()
        .read_blocking(|tx| reports::usage(tx.conn(), organization_id(place), &query))
        .expect("report");
    let mut sums: BTreeMap<String, [Micros; 4]> = BTreeMap::new();
    let by = |dimension| group_by.contains(&dimension);
    for p in &expected.posted {
        let on = day(p.day);
        let wanted = on >= from
            && on < to
            && meter.as_ref().is_none_or(|m| *m == p.meter)
            && agent.as_ref().is_none_or(|a| *a == p.agent);
        if !wanted {
            continue;
        }
        let when = if by(Dimension::Day) {
            Some(on)
        } else {
            by(Dimension::Month).then(|| day(p.day.first_of_month()))
        };
        let key = format!(
            "{when:?} {:?} {:?} {:?} {:?}",
            by(Dimension::Channel).then_some(&p.meter),
            by(Dimension::Agent).then_some(&p.agent),
            by(Dimension::Number).then_some(&p.number),
            by(Dimension::Workspace).then_some(&p.workspace)
        );
        let sum = sums.entry(key).or_default();
        sum[0] += p.quantity;
        sum[1] += p.reported;
        sum[2] += p.credits;
        sum[3] += Micros::from(p.events);
    }
    let shown: Vec<(String, [Micros; 4])> = found
        .iter()
        .map(|g| {
            let meter = g.meter.map(|id| catalog.meter(id).expect("meter").code.to_string());
            let key = format!("{:?} {meter:?} {:?} {:?} {:?}", g.day, g.agent, g.number, g.workspace);
            let sums = [g.quantity.micros(), g.reported.micros(), g.credits.micros(), g.count];
            (key, sums.map(Micros::from))
        })
        .collect();
    assert_eq!(shown.len(), sums.len(), "groups of {query:?}");
    assert_eq!(shown.into_iter().collect::<BTreeMap<_, _>>(), sums, "report {query:?}");
}

fn events(kit: &Kit, catalog: &Snapshot, place: usize, expected: &Organization, rng: &mut Rng) {
    let Some((first, last)) = some_days(&expected.posted, rng) else { return };
    let zone: Zone = expected.zone.iana_name().expect("name").parse().expect("zone");
    let shift = rng.between(0, DAY_MS);
    let (from, to) = (zone.start_of(first).plus_ms(shift), zone.start_of(last));
    let agent = rng.maybe(4, |_| "agent-1".to_owned());
    let filter = ItemFilter { from, to, meter: None, agent: agent.clone(), number: None, workspaces: None };
    let mut found = Vec::new();
    let mut at = None;
    loop {
        let limit = rng.index(30) + 1;
        let page = kit
            .db()
            .read_blocking(|tx| {
                statement::events(tx.conn(), organization_id(place), &zone, &filter, at, limit)
            })
            .expect("events");
        found.extend(page.items);
        at = page.next;
        if at.is_none() {
            break;
        }
    }
    let mut wanted: Vec<&Posted> = expected
        .posted
        .iter()
        .filter(|p| p.occurred >= from.millis() && p.occurred < to.millis())
        .filter(|p| agent.as_ref().is_none_or(|a| *a == p.agent))
        .collect();
    wanted.sort_by_key(|p| std::cmp::Reverse((p.day, p.head)));
    let heads: Vec<i64> = wanted.iter().map(|p| p.head).collect();
    let shown: Vec<i64> = found.iter().map(|items| items[0].row.id).collect();
    assert_eq!(shown, heads, "events {filter:?}");
    for (items, posted) in found.iter().zip(wanted) {
        let sum: i64 = items.iter().map(|item| item.row.credits.micros()).sum();
        assert_eq!(Micros::from(sum), posted.credits, "items of line {}", posted.head);
        assert_eq!(items[0].agent.clone().unwrap_or_default(), posted.agent);
        assert_eq!(items[0].workspace.clone().unwrap_or_default(), posted.workspace);
        if posted.events > 0 {
            let event = &expected.events[&items[0].event.id.to_string()];
            assert_eq!(rate_name(catalog, items[0].row.rate_version), event.rate);
            let found: Vec<_> =
                items.iter().map(|i| (i.row.id, i.row.kind.as_str(), i.row.draws().count())).collect();
            let drawn: Vec<_> = event.items.iter().map(|i| (i.id, i.kind, i.drawn.len())).collect();
            assert_eq!(found, drawn, "draws of line {}", posted.head);
        }
    }
}

/// The chart's points: what the balance was when the day ended, where the organization is; and the one before them.
fn closing_balances(kit: &Kit, place: usize, expected: &Organization) {
    let (Some(first), Some(last)) = (expected.lines.first(), expected.lines.last()) else { return };
    let zone: Zone = expected.zone.iana_name().expect("name").parse().expect("zone");
    let on = |at: i64| zone.day_of(Timestamp::from_millis(at));
    let closing = |day: Day| expected.lines.iter().rev().find(|l| on(l.at) <= day).map_or(0, |l| l.after);
    let read = |from: Day, to: Day| {
        let points =
            kit.db().read_blocking(|tx| wallet::balance_days(tx.conn(), organization_id(place), from, to));
        points.expect("points")
    };
    let points = read(on(first.at), on(last.at));
    for from in [on(first.at).plus_days(1), on(last.at), on(last.at).plus_days(1)] {
        let before = expected.lines.iter().rev().map(|l| on(l.at)).find(|day| *day < from);
        let found = read(from, from.plus_days(2)).first().map(|p| p.day).filter(|day| *day < from);
        assert_eq!(found, before, "the last point before {from}");
    }
    for point in &points {
        assert_eq!(Micros::from(point.balance.micros()), closing(point.day), "at the end of {}", point.day);
    }
    for line in &expected.lines {
        assert!(points.iter().any(|p| p.day == on(line.at)), "no point on {}", on(line.at));
    }
}

/// Prices something without charging it.
pub fn estimated(kit: &Kit, model: &Model, place: usize, event: &UsageEvent) {
    let catalog = kit.catalog();
    let answer =
        kit.db().read_blocking(|tx| estimate(tx, &catalog, organization_id(place), event)).expect("estimate");
    let found = match answer {
        Ok((_, version, rated)) => {
            let items: Vec<_> = rated
                .lines
                .as_slice()
                .iter()
                .map(|l| {
                    (l.kind.as_str(), Micros::from(l.quantity.micros()), Micros::from(l.credits.micros()))
                })
                .collect();
            format!("{} {items:?}", rate_name(&catalog, version))
        }
        Err(tollbook::metering::Refusal::NoRate) => "no rate".into(),
        Err(tollbook::metering::Refusal::UnknownMeter(_)) => "no meter".into(),
        Err(tollbook::metering::Refusal::Unpriceable) => "unpriceable".into(),
        Err(other) => other.to_string(),
    };
    assert_eq!(found, model.estimate(place, event), "estimate of {event:?}");
}
