//! What was measured, beside what it has to be.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

/// How a figure is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    PerSecond,
    Micros,
    Nanos,
    Bytes,
}

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bar {
    /// Only for information.
    None,
    /// At least so many thousandths of another figure of the same run.
    Times { of: &'static str, permille: u64 },
    /// Below this, in the figure's unit.
    Under(u64),
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) bar: Bar,
}

/// Figures by key, one for every round.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<&'static str, Vec<u64>>);

impl Samples {
    pub(super) fn add(&mut self, key: &'static str, value: u64) {
        self.0.entry(key).or_default().push(value);
    }

    fn get(&self, key: &str) -> &[u64] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// The ratio of two figures in thousandths: the median over the rounds when both were measured in each.
    fn permille(&self, key: &str, of: &str) -> Option<u64> {
        let (own, other) = (self.get(key), self.get(of));
        let ratio = |(own, other): (&u64, &u64)| own.saturating_mul(1_000) / (*other).max(1);
        if own.len() == other.len() {
            return median(&own.iter().zip(other).map(ratio).collect::<Vec<_>>());
        }
        Some(ratio((&median(own)?, &median(other)?)))
    }
}

fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// A line with its figures.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    median: u64,
    samples: Vec<u64>,
    /// What it is compared with, in words.
    bar: Option<String>,
    ratio_permille: Option<u64>,
    met: Option<bool>,
    #[serde(skip)]
    shown: String,
}

impl Figure {
    /// Whether its bar, if it has one, was met.
    pub(super) fn passes(&self) -> bool {
        self.met != Some(false)
    }
}

impl Line {
    fn result(&self, samples: &Samples) -> Option<Figure> {
        let values = samples.get(self.key);
        let median = median(values)?;
        let (bar, ratio_permille, met) = match self.bar {
            Bar::None => (None, None, None),
            Bar::Under(limit) => (
                Some(format!("under {}", self.unit.show(limit))),
                Some(median.saturating_mul(1_000) / limit.max(1)),
                Some(median < limit),
            ),
            Bar::Times { of, permille } => {
                let ratio = samples.permille(self.key, of)?;
                (Some(format!("{} × {of}", decimal(permille))), Some(ratio), Some(ratio >= permille))
            }
        };
        let range = match (values.iter().min(), values.iter().max()) {
            (Some(low), Some(high)) if low != high => {
                format!(" ({} to {})", self.unit.show(*low), self.unit.show(*high))
            }
            _ => String::new(),
        };
        let shown = format!("{}{range}", self.unit.show(median));
        Some(Figure {
            key: self.key,
            title: self.title,
            unit: self.unit.name(),
            median,
            samples: values.to_vec(),
            bar,
            ratio_permille,
            met,
            shown,
        })
    }
}

/// The lines that were measured.
pub(super) fn results(lines: &[Line], samples: &Samples) -> Vec<Figure> {
    lines.iter().filter_map(|line| line.result(samples)).collect()
}

/// The table for people.
pub(super) fn table(results: &[Figure], notes: &[String]) -> String {
    let head = ["what", "measured, median of rounds (range)", "bar", "ratio", ""].map(str::to_owned);
    let rows = results.iter().map(|row| {
        [
            row.title.to_owned(),
            row.shown.clone(),
            row.bar.clone().unwrap_or_default(),
            row.ratio_permille.map(decimal).unwrap_or_default(),
            row.met.map_or("", |met| if met { "met" } else { "MISSED" }).to_owned(),
        ]
    });
    let cells: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0_usize; 5];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &cells {
        let padded: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    for note in notes {
        text.push_str(note);
        text.push('\n');
    }
    let count = |wanted| results.iter().filter(|row| row.met == Some(wanted)).count();
    text + &format!("{} bars met, {} missed\n", count(true), count(false))
}

/// The same for programs.
pub(super) fn document(machine: &str, results: &[Figure], notes: &[String]) -> String {
    let document = json!({ "machine": machine, "results": results, "notes": notes });
    format!("{document:#}\n")
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "per_second",
            Self::Micros => "us",
            Self::Nanos => "ns",
            Self::Bytes => "bytes",
        }
    }

    fn show(self, value: u64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Micros if value < 1_000 => format!("{value} µs"),
            Self::Micros => format!("{} ms", decimal(value)),
            Self::Nanos => format!("{} µs", decimal(value)),
            Self::Bytes if value < 10_240 => format!("{} B", grouped(value)),
            Self::Bytes => format!("{} MiB", decimal(value.saturating_mul(1_000) >> 20)),
        }
    }
}

/// Thousandths as a decimal number with two places, or one above a hundred.
fn decimal(thousandths: u64) -> String {
    if thousandths >= 100_000 {
        return format!("{}.{}", thousandths / 1_000, thousandths % 1_000 / 100);
    }
    format!("{}.{:02}", thousandths / 1_000, thousandths % 1_000 / 10)
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Line = Line {
        key: "fast",
        title: "Fast",
        unit: Unit::PerSecond,
        bar: Bar::Times { of: "slow", permille: 3_000 },
    };
    const QUICK: Line = Line { key: "quick", title: "Quick", unit: Unit::Micros, bar: Bar::Under(10_000) };

    #[test]
    fn a_bar_is_met_or_missed() {
        let mut samples = Samples::default();
        for (slow, fast, quick) in [(100, 290, 9_999), (100, 310, 12_000), (200, 600, 9_000)] {
            samples.add("slow", slow);
            samples.add("fast", fast);
            samples.add("quick", quick);
        }
        let [fast, quick] = results(&[FAST, QUICK], &samples).try_into().unwrap();
        assert_eq!((fast.median, fast.ratio_permille, fast.met), (310, Some(3_000), Some(true)));
        assert_eq!((quick.median, quick.met), (9_999, Some(true)));
        samples.add("quick", 10_000);
        samples.add("quick", 10_000);
        assert_eq!(QUICK.result(&samples).unwrap().met, Some(false));
        samples.add("slow", 1);
        assert_eq!(FAST.result(&samples).unwrap().ratio_permille, Some(3_100), "ratio of medians");
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let mut samples = Samples::default();
        samples.add("fast", 1);
        assert!(results(&[FAST, QUICK], &samples).is_empty());
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(Unit::PerSecond.show(1_234_567), "1,234,567/s");
        assert_eq!(Unit::Micros.show(9_870), "9.87 ms");
        assert_eq!(Unit::Micros.show(987), "987 µs");
        assert_eq!(Unit::Bytes.show(249), "249 B");
        assert_eq!(Unit::Bytes.show(60 << 20), "60.00 MiB");
        assert_eq!(Unit::Bytes.show(250 << 20), "250.0 MiB");
        assert_eq!(decimal(550), "0.55");
    }
}
