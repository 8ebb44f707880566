//! A plain table of texts: the one behind a chart, or a list without moving parts. Cards on narrow screens.

use askama::Template;
use askama::filters::HtmlSafe;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub label: String,
    /// Set right-aligned, in figures of one width.
    pub numeric: bool,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What it reads.
    pub text: String,
    /// Where it leads.
    pub href: Option<String>,
}

impl Cell {
    /// A cell of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), href: None }
    }

    /// A cell that leads somewhere.
    #[must_use]
    pub fn link(text: impl Into<String>, href: Option<String>) -> Self {
        Self { text: text.into(), href }
    }
}

/// A table; the first cell of a row names it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/table.html")]
pub struct DataTable {
    /// What it lists; read by screen readers.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each with one cell a column.
    pub rows: Vec<Vec<Cell>>,
}

impl HtmlSafe for DataTable {}

impl DataTable {
    /// An empty table; the first column is text, the others figures.
    #[must_use]
    pub fn new(caption: impl Into<String>, labels: &[&str]) -> Self {
        let columns = labels
            .iter()
            .enumerate()
            .map(|(index, label)| Column { label: (*label).into(), numeric: index > 0 })
            .collect();
        Self { caption: caption.into(), columns, rows: Vec::new() }
    }
}
