//! Who may see an organization's pages.

use askama::Template;

use super::chrome::Chrome;
use crate::base::Timestamp;
use crate::identity::Role;

/// `GET /members`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/members.html")]
pub struct MembersPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The people, newest first.
    pub rows: Vec<MemberRow>,
    /// Who was invited and has not accepted, newest first.
    pub invitations: Vec<InvitationRow>,
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
    pub role: Role,
    /// What a member sees.
    pub workspaces: Vec<String>,
    /// The reader.
    pub is_self: bool,
}

/// Somebody who was invited.
#[derive(Debug, Clone)]
pub struct InvitationRow {
    /// The invitation's id, as forms name it.
    pub id: String,
    /// The address.
    pub email: String,
    /// As what.
    pub role: Role,
    /// Until when it can be accepted.
    pub expires: Timestamp,
    /// It is too late.
    pub is_over: bool,
}

/// A role, for people.
#[must_use]
pub const fn role_label(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Billing => "Billing",
        Role::Member => "Member",
    }
}

impl MemberRow {
    fn role(&self) -> &'static str {
        role_label(self.role)
    }

    /// What they see the usage of.
    fn sees(&self) -> String {
        match self.role {
            Role::Owner | Role::Billing => "All".into(),
            Role::Member if self.workspaces.is_empty() => "None".into(),
            Role::Member => self.workspaces.join(", "),
        }
    }
}

impl InvitationRow {
    fn role(&self) -> &'static str {
        role_label(self.role)
    }
}

#[cfg(test)]
impl MembersPage {
    /// An owner, a member, and two who were invited.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at};
        let row = |email: &str, role, workspaces: &[&str]| MemberRow {
            id: "usr_0a".into(),
            email: email.into(),
            name: String::new(),
            role,
            workspaces: workspaces.iter().map(|name| (*name).to_owned()).collect(),
            is_self: role == Role::Owner,
        };
        let invited = |email: &str, expires: &str, is_over| InvitationRow {
            id: "ivt_0a".into(),
            email: email.into(),
            role: Role::Billing,
            expires: at(expires),
            is_over,
        };
        Self {
            chrome: samples::chrome(Section::Members, &[("My Credit", "/overview"), ("Members", "")]),
            rows: vec![
                row("luis@riberadental.example", Role::Member, &["Clinics"]),
                row("nina@riberadental.example", Role::Member, &[]),
                row("marta@riberadental.example", Role::Owner, &[]),
            ],
            invitations: vec![
                invited("jan@riberadental.example", "2026-11-28T09:00:00Z", false),
                invited("eva@riberadental.example", "2026-11-18T09:00:00Z", true),
            ],
            may_edit: true,
            older: Some("/members?before=7".into()),
        }
    }
}
