//! Things to copy: a command or a key, and the checklist of a first start.

use askama::Template;
use askama::filters::HtmlSafe;

/// Text to copy. The button appears only where the script runs.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/code.html")]
pub struct CodeBlock {
    /// What it is, for the button and for screen readers: `Charge a call`.
    pub label: String,
    /// The text itself.
    pub text: String,
}

impl HtmlSafe for CodeBlock {}

/// One step of a [`Checklist`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub title: String,
    /// Why, or how.
    pub text: String,
    /// True when it has happened.
    pub done: bool,
    /// A command that does it.
    pub code: Option<CodeBlock>,
    /// Where to do it: address and label.
    pub link: Option<(String, String)>,
}

/// The first steps, each done or not.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "components/checklist.html")]
pub struct Checklist {
    /// The heading.
    pub title: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl HtmlSafe for Checklist {}

impl Checklist {
    /// How many steps are done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|step| step.done).count()
    }
}
