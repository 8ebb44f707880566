//! Form fields that keep what was typed and say what is wrong with it.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;

use super::notice::{ErrorSummary, Problem};

/// What was typed and what is wrong with it, by field name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormState {
    /// What was typed. Passwords are never put back.
    pub values: BTreeMap<String, String>,
    /// What is wrong, as a sentence after the field's label: `must be at least 0.01`.
    pub errors: BTreeMap<String, String>,
    /// What is wrong with the whole.
    pub problem: Option<Problem>,
}

impl FormState {
    /// What was typed into a field, or nothing.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, name: &str) -> Option<&String> {
        self.errors.get(name)
    }

    /// The box above the form that lists every error, or nothing when there is none.
    #[must_use]
    pub fn summary(&self, fields: &[&Field]) -> Option<ErrorSummary> {
        let items: Vec<(String, String)> = fields
            .iter()
            .filter_map(|field| {
                let error = field.error.as_ref()?;
                Some((format!("#{}", field.name), format!("{} {error}", field.label)))
            })
            .collect();
        if items.is_empty() && self.problem.is_none() {
            return None;
        }
        Some(ErrorSummary { problem: self.problem.clone(), items })
    }
}

/// One of the answers to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
}

impl Choice {
    /// A choice.
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into() }
    }
}

/// How a field is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// One line; the text is the input's `type`.
    Line(&'static str),
    /// Several lines.
    Text,
    /// One of a list.
    Select(Vec<Choice>),
    /// One of a few, all in sight.
    Radio(Vec<Choice>),
    /// Any of a few, all in sight. The field's value is those that are ticked, with commas between.
    Checks(Vec<Choice>),
    /// Yes or no.
    Check,
    /// Not in sight: what the page knows and sends back.
    Hidden,
}

/// A labelled field.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/field.html")]
pub struct Field {
    /// Name and id: unique on the page.
    pub name: String,
    /// What it asks for.
    pub label: String,
    /// How it is entered.
    pub control: Control,
    /// What stands in it.
    pub value: String,
    /// Help under the label.
    pub hint: Option<String>,
    /// What is wrong, continuing the label.
    pub error: Option<String>,
    /// True when it must be filled in.
    pub required: bool,
    /// True adds "(optional)" to the label.
    pub marked_optional: bool,
    /// The `autocomplete` token.
    pub autocomplete: Option<&'static str>,
    /// The keyboard to offer: `decimal`, `numeric`, `email`.
    pub inputmode: Option<&'static str>,
    /// The unit after the input.
    pub suffix: Option<String>,
    /// A list of suggestions for a line.
    pub suggestions: Vec<String>,
}

impl HtmlSafe for Field {}

impl Field {
    /// A required field that takes its value and error from what was sent.
    #[must_use]
    pub fn new(state: &FormState, name: &str, label: &str, control: Control) -> Self {
        let value = if control == Control::Line("password") { "" } else { state.value(name) };
        Self {
            name: name.into(),
            label: label.into(),
            value: value.into(),
            error: state.error(name).cloned(),
            control,
            hint: None,
            required: true,
            marked_optional: false,
            autocomplete: None,
            inputmode: None,
            suffix: None,
            suggestions: Vec::new(),
        }
    }

    /// One line of text.
    #[must_use]
    pub fn line(state: &FormState, name: &str, label: &str) -> Self {
        Self::new(state, name, label, Control::Line("text"))
    }

    /// What the page knows and sends back.
    #[must_use]
    pub fn hidden(name: &str, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..Self::new(&FormState::default(), name, "", Control::Hidden) }
    }

    /// A field that may stay empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self.marked_optional = true;
        self
    }

    /// A field of a filter: empty means everything.
    #[must_use]
    pub fn filter(mut self) -> Self {
        self.required = false;
        self
    }

    /// Help under the label.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the browser may fill in.
    #[must_use]
    pub fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = Some(token);
        self
    }

    /// The keyboard to offer.
    #[must_use]
    pub fn inputmode(mut self, mode: &'static str) -> Self {
        self.inputmode = Some(mode);
        self
    }

    /// The unit after the input.
    #[must_use]
    pub fn suffix(mut self, unit: impl Into<String>) -> Self {
        self.suffix = Some(unit.into());
        self
    }

    /// Suggestions for a line.
    #[must_use]
    pub fn suggestions(mut self, list: Vec<String>) -> Self {
        self.suggestions = list;
        self
    }

    /// True when a choice is ticked.
    #[must_use]
    pub fn is_ticked(&self, choice: &str) -> bool {
        self.value.split(',').any(|ticked| ticked == choice)
    }

    /// The ids that describe the input: hint and error.
    #[must_use]
    pub fn described_by(&self) -> Option<String> {
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.name));
        let error = self.error.as_ref().map(|_| format!("{}-error", self.name));
        match (hint, error) {
            (Some(hint), Some(error)) => Some(format!("{hint} {error}")),
            (one, other) => one.or(other),
        }
    }
}
