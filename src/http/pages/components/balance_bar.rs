//! What a balance is made of: one bar, stacked by class.

use askama::Template;
use askama::filters::HtmlSafe;

use super::chip::Tone;
use super::scale::percent;
use crate::base::Credits;
use crate::http::pages::format::{Show, share};

/// One part of a balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Free, plan, paid or held.
    pub tone: Tone,
    /// Its name.
    pub label: String,
    /// How much.
    pub credits: Credits,
    /// What to know about it, such as the next expiry; empty for nothing.
    pub note: String,
    /// Where what is noted can be seen; none for nowhere.
    pub href: Option<String>,
}

/// A piece of the bar, in percentages of its width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The tone's class.
    pub class: &'static str,
    /// Where it starts.
    pub x: String,
    /// How wide it is.
    pub width: String,
    /// What it stands for.
    pub title: String,
}

/// The bar and its legend.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/balance_bar.html")]
pub struct BalanceBar {
    /// Unique on the page.
    pub id: String,
    /// The parts, in the order in which they are spent; what is held comes last.
    pub parts: Vec<Part>,
    /// How amounts are written.
    pub show: Show,
}

impl HtmlSafe for BalanceBar {}

impl BalanceBar {
    fn total(&self) -> Credits {
        Credits::from_micros(
            self.parts.iter().fold(0, |sum: i64, part| sum.saturating_add(part.credits.micros().max(0))),
        )
    }

    /// The pieces of the bar; parts of nothing have none.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let total = self.total();
        let mut start = 0_i64;
        let mut pieces = Vec::with_capacity(self.parts.len());
        for part in self.parts.iter().filter(|part| part.credits.is_positive()) {
            pieces.push(Piece {
                class: part.tone.class(),
                x: percent(start, total.micros()),
                width: percent(part.credits.micros(), total.micros()),
                title: format!(
                    "{}: {} ({})",
                    part.label,
                    self.show.amount_text(part.credits),
                    share(part.credits, total)
                ),
            });
            start = start.saturating_add(part.credits.micros());
        }
        pieces
    }

    /// The bar in words.
    #[must_use]
    pub fn summary(&self) -> String {
        let words: Vec<String> = self.pieces().into_iter().map(|piece| piece.title).collect();
        if words.is_empty() { "No credit.".into() } else { format!("{}.", words.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::views::samples;

    #[test]
    fn pieces_fill_the_bar_and_skip_nothing_held() {
        let part = |tone, label: &str, whole| Part {
            tone,
            label: label.into(),
            credits: Credits::from_whole(whole).expect("credits"),
            note: String::new(),
            href: None,
        };
        let bar = BalanceBar {
            id: "b".into(),
            parts: vec![
                part(Tone::Free, "Free", 100),
                part(Tone::Plan, "Plan", 0),
                part(Tone::Paid, "Paid", 300),
            ],
            show: samples::show(),
        };
        let pieces: Vec<_> = bar.pieces().into_iter().map(|p| (p.class, p.x, p.width)).collect();
        assert_eq!(
            pieces,
            [("free", "0.00%".into(), "25.00%".into()), ("paid", "25.00%".into(), "75.00%".into())]
        );
        assert!(bar.summary().starts_with("Free: 100.00 credits · €1.00 (25.0"));
    }
}
