//! Who may see an organization's pages.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::{Chip, Tone};

/// `GET /members`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/members.html")]
pub struct MembersPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The people, newest first.
    pub rows: Vec<MemberRow>,
    /// Whether the reader may invite and remove people.
    pub may_edit: bool,
    /// Where older ones are.
    pub older: Option<String>,
}

/// One person.
#[derive(Debug, Clone)]
pub struct MemberRow {
    /// The person's id, as forms name it.
    pub id: String,
    /// The address.
    pub email: String,
    /// What they are called; may be empty.
    pub name: String,
    /// As what.
    pub role: &'static str,
    /// What a member sees.
    pub workspaces: Vec<String>,
    /// Has not chosen a password yet.
    pub invited: bool,
    /// The reader.
    pub is_self: bool,
}

impl MemberRow {
    fn chip(&self) -> Option<Chip> {
        self.invited.then(|| Chip::new(Tone::Neutral, "Invited"))
    }
}

#[cfg(test)]
impl MembersPage {
    /// An owner, and somebody who was invited.
    pub(crate) fn sample() -> Self {
        use super::{Section, samples};
        let row = |email: &str, role, invited| MemberRow {
            id: "usr_0a".into(),
            email: email.into(),
            name: String::new(),
            role,
            workspaces: if role == "Member" { vec!["Clinics".into()] } else { Vec::new() },
            invited,
            is_self: !invited,
        };
        Self {
            chrome: samples::chrome(Section::Members, &[("My Credit", "/overview"), ("Members", "")]),
            rows: vec![
                row("luis@riberadental.example", "Member", true),
                row("marta@riberadental.example", "Owner", false),
            ],
            may_edit: true,
            older: Some("/members?before=7".into()),
        }
    }
}
