//! The balance over time, and where it is heading: past days, a projection, thresholds and what happened.

use askama::Template;
use askama::filters::HtmlSafe;

use super::scale::{percent, permille, round_up};
use super::stacked_days::{Tick, axis, levels};
use super::table::{Cell, DataTable};
use crate::base::{Credits, Day};
use crate::http::pages::format::{Show, credits, day, day_in_week, day_short, headline};

/// A level below zero gets a label of its own from this part of the height on, in percent.
const LABEL_PERCENT: i64 = 10;
/// Nearer than this to "today", in percent of the width, another date would run into it.
const NEAR_PERCENT: i64 = 14;

/// The balance at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The day, in the reader's timezone.
    pub day: Day,
    /// What was, or will be, left.
    pub balance: Credits,
}

/// A level worth a line across the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What happens there: `Alert below`, `Auto-reload below`.
    pub label: String,
    /// The level.
    pub balance: Credits,
}

/// Something that happened on a day: a top-up, a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The day.
    pub day: Day,
    /// What it was.
    pub label: String,
}

/// A dot on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dot {
    /// Distance from the left.
    pub x: String,
    /// Distance from the top.
    pub y: String,
    /// What it stands for.
    pub title: String,
}

/// The chart.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/runway.html")]
pub struct Runway {
    /// Unique on the page.
    pub id: String,
    /// The heading.
    pub title: String,
    /// The past, oldest first; the last point is now.
    pub past: Vec<Point>,
    /// Where it is heading, after now, oldest first; empty when unknown. An end at zero is the day it runs dry.
    pub projection: Vec<Point>,
    /// Lines across.
    pub marks: Vec<Mark>,
    /// What happened on the way.
    pub events: Vec<Event>,
    /// How amounts are written.
    pub show: Show,
}

impl HtmlSafe for Runway {}

impl Runway {
    fn top(&self) -> i64 {
        let points = self.past.iter().chain(&self.projection).map(|p| p.balance.micros());
        round_up(points.chain(self.marks.iter().map(|m| m.balance.micros())).max().unwrap_or(0))
    }

    /// The end of the axis below zero, where more was used than there was; else zero.
    fn floor(&self) -> i64 {
        let points = self.past.iter().chain(&self.projection).map(|p| p.balance.micros());
        match points.min().filter(|least| *least < 0) {
            Some(least) => -round_up(least.saturating_neg()),
            None => 0,
        }
    }

    fn height(&self) -> i64 {
        self.top().saturating_sub(self.floor())
    }

    fn first_day(&self) -> Day {
        self.past.first().or(self.projection.first()).map_or(Day::from_number(0), |p| p.day)
    }

    fn span(&self) -> i64 {
        let last = self.projection.last().or(self.past.last()).map_or(self.first_day(), |p| p.day);
        i64::from(last.number() - self.first_day().number()).max(1)
    }

    fn offset(&self, day: Day) -> i64 {
        i64::from(day.number() - self.first_day().number()).clamp(0, self.span())
    }

    fn below_top(&self, balance: Credits) -> i64 {
        self.top().saturating_sub(balance.micros().clamp(self.floor(), self.top()))
    }

    /// The corners of the past's line in a plot of 1,000 by 1,000.
    #[must_use]
    pub fn line(&self) -> String {
        self.corners(self.past.iter())
    }

    /// The past's line closed along zero.
    #[must_use]
    pub fn area(&self) -> String {
        let (Some(first), Some(last)) = (self.past.first(), self.past.last()) else {
            return String::new();
        };
        let span = self.span();
        let zero = permille(self.top(), self.height());
        let foot = |point: &Point| format!("{},{zero}", permille(self.offset(point.day), span));
        format!("{} {} {}", foot(first), self.line(), foot(last))
    }

    /// The corners of the projection, from now on.
    #[must_use]
    pub fn ahead(&self) -> String {
        if self.projection.is_empty() {
            return String::new();
        }
        self.corners(self.past.last().into_iter().chain(&self.projection))
    }

    fn corners<'a>(&self, points: impl Iterator<Item = &'a Point>) -> String {
        let (span, height) = (self.span(), self.height());
        let corners: Vec<String> = points
            .map(|p| {
                format!(
                    "{},{}",
                    permille(self.offset(p.day), span),
                    permille(self.below_top(p.balance), height)
                )
            })
            .collect();
        corners.join(" ")
    }

    /// The horizontal grid.
    #[must_use]
    pub fn levels(&self) -> Vec<Tick> {
        let (top, floor, height) = (self.top(), self.floor(), self.height());
        let mut ticks = levels(top, height);
        if floor.saturating_mul(-100) / height >= LABEL_PERCENT {
            ticks.push(Tick { at: percent(height, height), label: axis(floor), anchor: "end" });
        }
        ticks
    }

    /// The thresholds.
    #[must_use]
    pub fn lines(&self) -> Vec<Tick> {
        let height = self.height();
        self.marks
            .iter()
            .map(|mark| Tick {
                at: percent(self.below_top(mark.balance), height),
                label: format!("{} {}", mark.label, credits(mark.balance)),
                anchor: "start",
            })
            .collect()
    }

    /// The dates under the plot: the first, now and the last.
    #[must_use]
    pub fn dates(&self) -> Vec<Tick> {
        let mut ticks = Vec::new();
        // a date that would run into "today" is left out
        let now = self.past.last().map_or(0, |p| self.offset(p.day));
        let clear = |distance: i64| distance * 100 / self.span() >= NEAR_PERCENT;
        if let Some(first) = self.past.first().filter(|_| clear(now)) {
            ticks.push(Tick { at: percent(0, 1), label: day_short(first.day), anchor: "start" });
        }
        if let Some(last) = self.projection.last().filter(|_| clear(self.span() - now)) {
            ticks.push(Tick { at: percent(1, 1), label: day_short(last.day), anchor: "end" });
        }
        ticks
    }

    /// How the word under now is anchored, so that it stays within the plot.
    #[must_use]
    pub fn now_anchor(&self) -> &'static str {
        let now = self.past.last().map_or(0, |p| self.offset(p.day));
        if now * 100 / self.span() < NEAR_PERCENT {
            "start"
        } else if (self.span() - now) * 100 / self.span() < NEAR_PERCENT {
            "end"
        } else {
            "middle"
        }
    }

    /// Where now is, if the chart looks ahead.
    #[must_use]
    pub fn now(&self) -> Option<Dot> {
        let last = self.past.last()?;
        Some(Dot {
            x: percent(self.offset(last.day), self.span()),
            y: percent(self.below_top(last.balance), self.height()),
            title: format!("Now: {}", self.show.amount_text(last.balance)),
        })
    }

    /// What happened, on the line.
    #[must_use]
    pub fn dots(&self) -> Vec<Dot> {
        let on = |event: &Event| self.past.iter().find(|point| point.day == event.day);
        self.events
            .iter()
            .filter_map(|event| {
                let point = on(event)?;
                Some(Dot {
                    x: percent(self.offset(point.day), self.span()),
                    y: percent(self.below_top(point.balance), self.height()),
                    title: format!("{}: {}", day_in_week(event.day), event.label),
                })
            })
            .collect()
    }

    /// The chart in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let Some(now) = self.past.last() else {
            return "No balance yet.".into();
        };
        let left = self.show.headline_text(now.balance);
        match self.projection.last() {
            None if now.balance.is_negative() => format!("{left}: more was used than there was."),
            None => format!("{left} left."),
            Some(end) if end.balance.is_positive() => {
                let rest = headline(end.balance).0;
                format!("{left} left. At this pace {rest} credits are left on {}.", day(end.day))
            }
            Some(end) => format!("{left} left. At this pace it runs out on {}.", day(end.day)),
        }
    }

    /// The table behind the picture: what is ahead, then the past, newest first.
    #[must_use]
    pub fn table(&self) -> DataTable {
        let mut table =
            DataTable::new(format!("{}, in credits", self.title), &["Day", "Balance", "What happened"]);
        let ahead = self.projection.iter().rev().map(|p| (p, "projected".to_owned()));
        let past = self.past.iter().rev().map(|p| {
            let labels: Vec<&str> =
                self.events.iter().filter(|e| e.day == p.day).map(|e| e.label.as_str()).collect();
            (p, labels.join(", "))
        });
        table.rows = ahead
            .chain(past)
            .map(|(p, note)| {
                vec![Cell::text(day_in_week(p.day)), Cell::text(credits(p.balance)), Cell::text(note)]
            })
            .collect();
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::views::samples;

    fn point(day: &str, whole: i64) -> Point {
        Point { day: day.parse().expect(day), balance: Credits::from_whole(whole).expect("credits") }
    }

    #[test]
    fn what_is_owed_is_drawn_below_zero() {
        let mut chart = Runway {
            id: "r".into(),
            title: "Balance".into(),
            past: vec![point("2026-11-19", 300), point("2026-11-20", 0), point("2026-11-21", -100)],
            projection: Vec::new(),
            marks: Vec::new(),
            events: Vec::new(),
            show: samples::show(),
        };
        assert_eq!(chart.line(), "0.00,0.00 500.00,750.00 1000.00,1000.00");
        assert!(chart.area().starts_with("0.00,750.00 ") && chart.area().ends_with(" 1000.00,750.00"));
        let levels: Vec<_> = chart.levels().into_iter().map(|tick| (tick.at, tick.label)).collect();
        let of = |at: &str, label: &str| (at.to_owned(), label.to_owned());
        assert_eq!(
            levels,
            [of("75.00%", "0"), of("37.50%", "150"), of("0.00%", "300"), of("100.00%", "−100")]
        );
        assert_eq!(chart.now().map(|now| now.y).as_deref(), Some("100.00%"));
        // too little for a label that would run into zero's
        chart.past = vec![point("2026-11-20", 300), point("2026-11-21", -1)];
        assert_eq!(chart.levels().len(), 3);
    }

    #[test]
    fn lines_run_from_the_first_day_to_the_last() {
        let chart = Runway {
            id: "r".into(),
            title: "Balance".into(),
            past: vec![point("2026-11-01", 100), point("2026-11-03", 50)],
            projection: vec![point("2026-11-05", 0)],
            marks: vec![Mark {
                label: "Alert below".into(),
                balance: Credits::from_whole(20).expect("credits"),
            }],
            events: vec![Event { day: "2026-11-01".parse().expect("day"), label: "Top-up".into() }],
            show: samples::show(),
        };
        assert_eq!(chart.line(), "0.00,0.00 500.00,500.00");
        assert_eq!(chart.ahead(), "500.00,500.00 1000.00,1000.00");
        assert_eq!(chart.area(), "0.00,1000.00 0.00,0.00 500.00,500.00 500.00,1000.00");
        assert_eq!(chart.lines()[0].at, "80.00%");
        assert_eq!(chart.dots()[0].x, "0.00%");
        assert!(chart.summary().ends_with("At this pace it runs out on 5 Nov 2026."));
        assert_eq!(chart.table().rows.len(), 3);
    }

    #[test]
    fn an_overdrawn_balance_has_no_outlook() {
        let chart = Runway {
            id: "r".into(),
            title: "Balance".into(),
            past: vec![point("2026-11-01", 10), point("2026-11-02", -5)],
            projection: Vec::new(),
            marks: Vec::new(),
            events: Vec::new(),
            show: samples::show(),
        };
        assert_eq!(chart.line(), "0.00,0.00 1000.00,1000.00");
        assert_eq!(chart.ahead(), "");
        assert_eq!(chart.table().rows[0][1].text, "−5.00");
    }
}
