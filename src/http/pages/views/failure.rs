//! The page that says what went wrong.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::Problem;

/// Any failed request of a page.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/failure.html")]
pub struct FailurePage {
    /// What stands around it; outside of the navigation when nobody is known to be signed in.
    pub chrome: Chrome,
    /// The HTTP status.
    pub status: u16,
    /// A few words: `Page not found`.
    pub title: String,
    /// What happened, whether money moved, what to do next.
    pub problem: Problem,
    /// Where to go: address and label.
    pub action: Option<(String, String)>,
}

#[cfg(test)]
impl FailurePage {
    /// A full queue.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        Self {
            chrome: samples::chrome(Section::Outside, &[]),
            status: 503,
            title: "Too busy for a moment".into(),
            problem: Problem {
                what: "The server has more to write than it can take right now.".into(),
                moved: "No credit was moved.".into(),
                next: "Wait a few seconds and send it again.".into(),
                request_id: "req_01jd6z7k2m".into(),
            },
            action: Some(("/overview".into(), "Back to the overview".into())),
        }
    }
}
