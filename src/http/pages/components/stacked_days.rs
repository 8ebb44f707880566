//! Spend per day, stacked by series (channel, agent, number or workspace).

use askama::Template;
use askama::filters::HtmlSafe;

use super::scale::{percent, round_up, slot};
use super::table::{Cell, DataTable};
use crate::base::decimal::MICROS;
use crate::base::{Credits, Day};
use crate::http::pages::format::{Show, credits, day, day_in_week, day_short, headline};

/// One day of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayStack {
    /// The day, in the reader's timezone.
    pub day: Day,
    /// Where its items are.
    pub href: Option<String>,
    /// What was spent, one amount a series, in the order of [`StackedDays::series`].
    pub values: Vec<Credits>,
}

impl DayStack {
    /// What was spent that day.
    #[must_use]
    pub fn total(&self) -> Credits {
        Credits::from_micros(self.values.iter().fold(0, |sum: i64, value| sum.saturating_add(value.micros())))
    }
}

/// A block of a bar, in percentages of the plot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The series' class.
    pub class: String,
    /// Distance from the top.
    pub y: String,
    /// Its height.
    pub height: String,
}

/// A bar of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Distance of the bar from the left.
    pub x: String,
    /// Its width.
    pub width: String,
    /// Distance of the whole day's place from the left.
    pub place_x: String,
    /// The width of that place.
    pub place_width: String,
    /// Where the day's items are.
    pub href: Option<String>,
    /// What was spent, in words.
    pub title: String,
    /// The blocks, from the bottom.
    pub blocks: Vec<Block>,
}

/// A line of the grid with its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Distance from the top or the left.
    pub at: String,
    /// What stands beside it.
    pub label: String,
    /// The text anchor.
    pub anchor: &'static str,
}

/// The chart.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/stacked_days.html")]
pub struct StackedDays {
    /// Unique on the page.
    pub id: String,
    /// The heading.
    pub title: String,
    /// Names of the series.
    pub series: Vec<String>,
    /// The days, oldest first, without gaps.
    pub days: Vec<DayStack>,
    /// True when the figures are made up, to show what will be here.
    pub sample: bool,
    /// How amounts are written.
    pub show: Show,
}

impl HtmlSafe for StackedDays {}

impl StackedDays {
    /// Thirty made-up days that show what will be here, labelled so.
    #[must_use]
    pub fn sample(id: &str, last: Day, show: &Show) -> Self {
        let days = (0_i32..30)
            .map(|index| {
                let weekend = if matches!(index % 7, 5 | 6) { 4 } else { 1 };
                let part = |base: i64, by: i64| {
                    Credits::from_micros((base + i64::from(index * 37 % 23) * by) * MICROS / weekend)
                };
                DayStack {
                    day: last.plus_days(index - 29),
                    href: None,
                    values: vec![part(60, 4), part(14, 1)],
                }
            })
            .collect();
        Self {
            id: id.into(),
            title: "Spend per day".into(),
            series: vec!["Voice".into(), "Chat".into()],
            days,
            sample: true,
            show: show.clone(),
        }
    }

    fn top(&self) -> i64 {
        round_up(self.days.iter().map(|d| d.total().micros()).max().unwrap_or(0))
    }

    /// The whole range's sum.
    #[must_use]
    pub fn total(&self) -> Credits {
        Credits::from_micros(self.days.iter().fold(0, |sum: i64, d| sum.saturating_add(d.total().micros())))
    }

    /// The chart in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let (Some(first), Some(last)) = (self.days.first(), self.days.last()) else {
            return "No days in this range.".into();
        };
        let range = format!("{} to {}", day(first.day), day(last.day));
        let Some(highest) = self.days.iter().max_by_key(|d| d.total()).filter(|d| d.total().is_positive())
        else {
            return format!("{range}: nothing spent.");
        };
        format!(
            "{range}: {} spent; most on {} ({} credits).",
            self.show.headline_text(self.total()),
            day_in_week(highest.day),
            headline(highest.total()).0,
        )
    }

    /// The bars, oldest first.
    #[must_use]
    pub fn bars(&self) -> Vec<Bar> {
        let top = self.top();
        // each day has a place of ten parts, of which the bar takes seven
        let parts = i64::try_from(self.days.len()).unwrap_or(1) * 10;
        let mut left = 0_i64;
        let mut bars = Vec::with_capacity(self.days.len());
        for stack in &self.days {
            let mut below = 0_i64;
            let mut blocks = Vec::new();
            for (index, value) in stack.values.iter().enumerate().filter(|(_, v)| v.is_positive()) {
                below = below.saturating_add(value.micros());
                blocks.push(Block {
                    class: slot(index),
                    y: percent(top - below, top),
                    height: percent(value.micros(), top),
                });
            }
            bars.push(Bar {
                x: percent(left * 2 + 3, parts * 2),
                width: percent(7, parts),
                place_x: percent(left, parts),
                place_width: percent(10, parts),
                href: stack.href.clone(),
                title: self.day_title(stack),
                blocks,
            });
            left += 10;
        }
        bars
    }

    fn day_title(&self, stack: &DayStack) -> String {
        let mut title = format!("{}: {}", day_in_week(stack.day), self.show.amount_text(stack.total()));
        if self.series.len() > 1 {
            for (name, value) in self.series.iter().zip(&stack.values).filter(|(_, v)| v.is_positive()) {
                title.push('\n');
                title.push_str(name);
                title.push_str(": ");
                title.push_str(&credits(*value));
            }
        }
        title
    }

    /// The horizontal grid.
    #[must_use]
    pub fn levels(&self) -> Vec<Tick> {
        levels(self.top(), self.top())
    }

    /// A few dates under the plot, in the middle of their day's place.
    #[must_use]
    pub fn dates(&self) -> Vec<Tick> {
        let count = self.days.len();
        let step = count.div_ceil(5).max(1);
        self.days
            .iter()
            .enumerate()
            .step_by(step)
            .map(|(index, stack)| {
                let twice = i64::try_from(index).unwrap_or(0) * 2 + 1;
                Tick {
                    at: percent(twice, i64::try_from(count).unwrap_or(1) * 2),
                    label: day_short(stack.day),
                    anchor: "middle",
                }
            })
            .collect()
    }

    /// The legend: class and name.
    #[must_use]
    pub fn legend(&self) -> Vec<(String, &String)> {
        self.series.iter().enumerate().map(|(index, name)| (slot(index), name)).collect()
    }

    /// The table behind the picture, newest first.
    #[must_use]
    pub fn table(&self) -> DataTable {
        let mut labels = vec!["Day"];
        labels.extend(self.series.iter().map(String::as_str));
        labels.push("Total");
        let mut table = DataTable::new(format!("{}, in credits", self.title), &labels);
        table.rows = self
            .days
            .iter()
            .rev()
            .map(|stack| {
                let mut row = vec![Cell::link(day_in_week(stack.day), stack.href.clone())];
                row.extend(stack.values.iter().map(|value| Cell::text(credits(*value))));
                row.push(Cell::text(credits(stack.total())));
                row
            })
            .collect();
        table
    }
}

/// Grid lines at nothing, half and all of `top`, on an axis of this height that ends there.
#[must_use]
pub fn levels(top: i64, height: i64) -> Vec<Tick> {
    [0, 1, 2]
        .into_iter()
        .map(|half| {
            let value = if half == 2 { top } else { top / 2 * half };
            Tick { at: percent(top - value, height), label: axis(value), anchor: "end" }
        })
        .collect()
}

/// A short figure for an axis: `500`, `2.5k`, `−1M`. Axis ends are round, so nothing is lost.
#[must_use]
pub fn axis(micros: i64) -> String {
    let (scaled, unit) = match (micros / MICROS).abs() {
        ..10_000 => (micros, ""),
        10_000..1_000_000 => (micros / 1_000, "k"),
        _ => (micros / 1_000_000, "M"),
    };
    let text = credits(Credits::from_micros(scaled));
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{}{unit}", if text.is_empty() { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::views::samples;

    fn chart(values: &[&[i64]]) -> StackedDays {
        let first: Day = "2026-11-01".parse().expect("day");
        let days = values
            .iter()
            .zip(0..)
            .map(|(stack, index)| DayStack {
                day: first.plus_days(index),
                href: None,
                values: stack.iter().map(|v| Credits::from_whole(*v).expect("credits")).collect(),
            })
            .collect();
        StackedDays {
            id: "c".into(),
            title: "Spend".into(),
            series: vec!["Voice".into(), "Chat".into()],
            days,
            sample: false,
            show: samples::show(),
        }
    }

    #[test]
    fn blocks_stand_on_each_other() {
        let bars = chart(&[&[30, 20], &[0, 100]]).bars();
        let blocks = &bars[0].blocks;
        assert_eq!((blocks[0].y.as_str(), blocks[0].height.as_str()), ("70.00%", "30.00%"));
        assert_eq!((blocks[1].y.as_str(), blocks[1].height.as_str()), ("50.00%", "20.00%"));
        assert_eq!((bars[0].x.as_str(), bars[0].width.as_str()), ("7.50%", "35.00%"));
        assert_eq!(bars[1].blocks.len(), 1);
        assert_eq!(bars[1].blocks[0].class, "s2");
    }

    #[test]
    fn words_and_table_say_what_the_picture_says() {
        let chart = chart(&[&[30, 20], &[0, 100]]);
        assert_eq!(
            chart.summary().replace('\u{a0}', " "),
            "1 Nov 2026 to 2 Nov 2026: 150.00 credits · €1.50 spent; most on Mon 2 Nov (100.00 credits)."
        );
        let table = chart.table();
        let first: Vec<&str> = table.rows[0].iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(first, ["Mon 2 Nov", "0.00", "100.00", "100.00"]);
        assert_eq!(self::chart(&[]).summary(), "No days in this range.");
    }

    #[test]
    fn axes_are_short() {
        for (whole, text) in
            [(0, "0"), (5, "5"), (100, "100"), (2_500, "2,500"), (25_000, "25k"), (5_000_000, "5M")]
        {
            assert_eq!(axis(whole * MICROS), text);
        }
        assert_eq!(axis(500_000), "0.5");
    }
}
