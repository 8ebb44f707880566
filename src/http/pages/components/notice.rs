//! What a page says apart from its content: notices, problems, empty places, tiles and the way to the next page.

use askama::Template;
use askama::filters::HtmlSafe;

use super::chip::Tone;
use crate::base::Credits;
use crate::http::pages::format::headline;

/// One sentence after something was done, or a warning above the content.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/notice.html")]
pub struct Notice {
    /// Good, warn, bad or neutral.
    pub tone: Tone,
    /// What is said.
    pub text: String,
    /// Where to go on: address and label.
    pub link: Option<(String, String)>,
}

impl HtmlSafe for Notice {}

/// A failure, told so that nobody has to guess.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/problem.html")]
pub struct Problem {
    /// What happened.
    pub what: String,
    /// Whether credit or money moved: `No credit was moved.`
    pub moved: String,
    /// What to do next.
    pub next: String,
    /// The request's id, for support.
    pub request_id: String,
}

impl HtmlSafe for Problem {}

/// All that is wrong with a form, above it, with a way to each field.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/error_summary.html")]
pub struct ErrorSummary {
    /// What is wrong with the whole.
    pub problem: Option<Problem>,
    /// Address of the field and what is wrong with it.
    pub items: Vec<(String, String)>,
}

impl HtmlSafe for ErrorSummary {}

/// What stands where there is nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/empty.html")]
pub struct EmptyState {
    /// What is missing: `No transactions in this range`.
    pub title: String,
    /// What would fill it.
    pub text: String,
    /// Where to go: address and label.
    pub action: Option<(String, String)>,
}

impl HtmlSafe for EmptyState {}

/// One figure with its name.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/tile.html")]
pub struct Tile {
    /// Its name.
    pub label: String,
    /// The figure.
    pub value: String,
    /// What it is counted in, smaller after it.
    pub unit: String,
    /// A line under it; empty for none.
    pub note: String,
    /// What the figure is exactly, where it is rounded.
    pub exact: Option<String>,
}

impl HtmlSafe for Tile {}

impl Tile {
    /// A tile.
    #[must_use]
    pub fn new(
        label: impl Into<String>,
        value: impl Into<String>,
        unit: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self { label: label.into(), value: value.into(), unit: unit.into(), note: note.into(), exact: None }
    }

    /// A tile with an amount.
    #[must_use]
    pub fn amount(label: impl Into<String>, credits: Credits, note: impl Into<String>) -> Self {
        let (rounded, exact) = headline(credits);
        Self { exact, ..Self::new(label, rounded, "credits", note) }
    }
}

/// Links to the neighbouring pages of a list that is read by cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "components/pager.html")]
pub struct Pager {
    /// Address of the first page, when this is a later one.
    pub first: Option<String>,
    /// Address of the next page, if there is one.
    pub next: Option<String>,
    /// What is shown: `Rows 1 to 20` or `20 of 1,204`.
    pub position: String,
}

impl HtmlSafe for Pager {}
