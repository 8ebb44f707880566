//! A line the size of a word.

use askama::Template;
use askama::filters::HtmlSafe;

use super::scale::permille;
use crate::base::Credits;

/// Thirty days in a table cell.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/sparkline.html")]
pub struct Sparkline {
    /// The values, oldest first; below zero is drawn as zero.
    pub values: Vec<Credits>,
    /// The line in words: `30-day spend: 1,204.00 credits`.
    pub summary: String,
}

impl HtmlSafe for Sparkline {}

impl Sparkline {
    /// The corners of the line in a plot of 1,000 by 1,000.
    #[must_use]
    pub fn corners(&self) -> String {
        let top = self.values.iter().map(|value| value.micros()).max().unwrap_or(0).max(1);
        let last = i64::try_from(self.values.len()).unwrap_or(1) - 1;
        let corners: Vec<String> = self
            .values
            .iter()
            .zip(0_i64..)
            .map(|(value, index)| {
                let below = top - value.micros().clamp(0, top);
                format!("{},{}", permille(index, last.max(1)), permille(below, top))
            })
            .collect();
        corners.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_span_the_plot() {
        let line = |values: &[i64]| Sparkline {
            values: values.iter().map(|v| Credits::from_micros(*v)).collect(),
            summary: String::new(),
        };
        assert_eq!(line(&[0, 5, 10]).corners(), "0.00,1000.00 500.00,500.00 1000.00,0.00");
        assert_eq!(line(&[0, 0]).corners(), "0.00,1000.00 1000.00,1000.00");
        assert_eq!(line(&[]).corners(), "");
    }
}
