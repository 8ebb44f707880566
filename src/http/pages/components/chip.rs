//! Chips: a short word in a tinted pill. The word carries the meaning; the tint and the mark only help.

use askama::Template;
use askama::filters::HtmlSafe;

/// What a chip's tint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Free credit.
    Free,
    /// Plan credit.
    Plan,
    /// Paid credit.
    Paid,
    /// Credit set aside by a hold.
    Held,
    /// Nothing special.
    Neutral,
    /// All well.
    Good,
    /// Needs a look.
    Warn,
    /// Needs action.
    Bad,
}

impl Tone {
    /// The modifier of its class.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Plan => "plan",
            Self::Paid => "paid",
            Self::Held => "held",
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A word in a pill.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/chip.html")]
pub struct Chip {
    /// The tint.
    pub tone: Tone,
    /// The word.
    pub label: String,
}

impl HtmlSafe for Chip {}

impl Chip {
    /// A chip of any tone.
    #[must_use]
    pub fn new(tone: Tone, label: impl Into<String>) -> Self {
        Self { tone, label: label.into() }
    }

    /// The chip of a class of credit, or of what was used beyond all.
    #[must_use]
    pub fn of(class: Tone) -> Self {
        let label = match class {
            Tone::Free => "Free",
            Tone::Plan => "Plan",
            Tone::Paid => "Paid",
            Tone::Held => "On hold",
            Tone::Bad => "Overdraft",
            Tone::Neutral | Tone::Good | Tone::Warn => "Credit",
        };
        Self::new(class, label)
    }
}
