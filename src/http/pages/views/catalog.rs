//! The operator's prices: pages of parts, each a table or a form.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::field::{Field, FormState};
use crate::http::pages::components::{DataTable, EmptyState};

/// A page about rates or plans.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/catalog.html")]
pub struct CatalogPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Which of the three: `Rates`, `Plans` or `Packages`.
    pub tab: &'static str,
    /// The heading.
    pub title: String,
    /// What it is; empty for nothing.
    pub lead: String,
    /// What can be done about the whole: what is sent to itself, and links.
    pub actions: Vec<Action>,
    /// What was typed into its form, and what is wrong with it.
    pub form: FormState,
    /// From top to bottom.
    pub parts: Vec<Part>,
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What the button says.
    pub label: &'static str,
    /// Where it leads.
    pub href: String,
    /// It changes something: a form without fields.
    pub posts: bool,
    /// It is what most come for.
    pub primary: bool,
}

impl Action {
    /// A link.
    #[must_use]
    pub fn link(label: &'static str, href: impl Into<String>) -> Self {
        Self { label, href: href.into(), posts: false, primary: false }
    }

    /// A button that changes something.
    #[must_use]
    pub fn post(label: &'static str, href: impl Into<String>) -> Self {
        Self { posts: true, ..Self::link(label, href) }
    }

    /// The same, in colour.
    #[must_use]
    pub fn primary(self) -> Self {
        Self { primary: true, ..self }
    }
}

/// A part of the page.
#[derive(Debug, Clone)]
pub struct Part {
    /// Unique on the page.
    pub id: &'static str,
    /// Its heading.
    pub title: String,
    /// Beside the heading; empty for nothing.
    pub note: String,
    /// Before what it shows; empty for nothing.
    pub lead: String,
    /// To look at it in another way: label, address, whether it is this one.
    pub tabs: Vec<(String, String, bool)>,
    /// What it shows.
    pub body: Vec<Body>,
}

impl Part {
    /// A part.
    #[must_use]
    pub fn new(id: &'static str, title: impl Into<String>, body: impl Into<Body>) -> Self {
        let (note, lead) = (String::new(), String::new());
        Self { id, title: title.into(), note, lead, tabs: Vec::new(), body: vec![body.into()] }
    }

    /// With something beside its heading.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// With a sentence before what it shows.
    #[must_use]
    pub fn lead(self, lead: impl Into<String>) -> Self {
        Self { lead: lead.into(), ..self }
    }
}

/// What a part shows.
#[derive(Debug, Clone)]
pub enum Body {
    /// Rows.
    Table(DataTable),
    /// That there is nothing.
    Empty(EmptyState),
    /// Something to fill in.
    Form(PartForm),
}

impl From<DataTable> for Body {
    fn from(table: DataTable) -> Self {
        Self::Table(table)
    }
}

impl From<EmptyState> for Body {
    fn from(empty: EmptyState) -> Self {
        Self::Empty(empty)
    }
}

impl From<PartForm> for Body {
    fn from(form: PartForm) -> Self {
        Self::Form(form)
    }
}

/// A form in a part.
#[derive(Debug, Clone)]
pub struct PartForm {
    /// Where it is sent.
    pub action: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// What its button says.
    pub submit: &'static str,
    /// Sent back as `idempotency_key`.
    pub idempotency_key: String,
}

impl CatalogPage {
    fn fields(&self) -> Vec<&Field> {
        let mut fields = Vec::new();
        for body in self.parts.iter().flat_map(|part| &part.body) {
            if let Body::Form(form) = body {
                fields.extend(&form.fields);
            }
        }
        fields
    }
}

#[cfg(test)]
impl CatalogPage {
    /// A draft of a card.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        use crate::http::pages::components::field::Control;
        use crate::http::pages::components::table::Cell;
        let crumbs = [("Operator", ""), ("Rates", "/operator/rates"), ("Draft", "")];
        let mut form = FormState::default();
        form.values.insert("date".into(), "2026-11-01".into());
        form.errors.insert("date".into(), "must not be in the past".into());
        let mut table = DataTable::new("Prices", &["Meter", "Price"]);
        table.rows.push(vec![
            Cell::link("Voice", Some("/operator/rates/growth/draft/meters/voice".into())),
            Cell::text("5.5 credits per minute"),
        ]);
        let empty = EmptyState { title: "Nothing".into(), text: "It is as it was.".into(), action: None };
        let fields = vec![Field::new(&form, "date", "From", Control::Line("date")).optional()];
        let action = "/operator/rates/growth/draft/publish".to_owned();
        let publish = PartForm { action, fields, submit: "Publish", idempotency_key: "req_5t".into() };
        Self {
            chrome: samples::chrome(Section::Prices, &crumbs),
            tab: "Rates",
            title: "Draft of Growth".into(),
            lead: "It prices nothing until it is published.".into(),
            actions: vec![
                Action::link("See the card", "/operator/rates/growth"),
                Action::post("Discard the draft", "/operator/rates/growth/draft/discard"),
            ],
            form,
            parts: vec![
                Part::new("prices", "Prices", table).note("From version 3"),
                Part::new("changes", "What changes", empty),
                Part::new("publish", "Publish", publish).lead("What was charged keeps its price."),
            ],
        }
    }
}
