//! One organization, as the operator sees it.

use askama::Template;

use super::chrome::Chrome;
use super::overview::{BalanceParts, lasts};
use super::transactions::TransactionRow;
use crate::base::{Credits, Timestamp};
use crate::http::pages::components::field::{Control, Field, FormState};
use crate::http::pages::components::{Chip, Runway, StackedDays, Tone};
use crate::http::pages::format::{self, Show};

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Its id.
    pub id: String,
    /// Free, plan or paid.
    pub class: Tone,
    /// Where it came from: `Top-up`, `Welcome credit`, an operator's reason.
    pub source: String,
    /// What was received.
    pub original: Credits,
    /// What remains.
    pub remaining: Credits,
    /// When it was received.
    pub received: Timestamp,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// The meters it is restricted to; empty for none.
    pub meters: String,
}

impl GrantRow {
    fn chip(&self) -> Chip {
        Chip::of(self.class)
    }
}

/// A person of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// How they sign in.
    pub email: String,
    /// Owner, billing or member.
    pub role: String,
    /// When they last signed in.
    pub last_seen: Option<Timestamp>,
}

/// A remark of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteRow {
    /// Who wrote it.
    pub author: String,
    /// When.
    pub at: Timestamp,
    /// The remark.
    pub body: String,
}

/// An API key of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its visible beginning: `tb_test_4f…`.
    pub prefix: String,
    /// What it may do, one scope each.
    pub scopes: Vec<String>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
    /// True when it no longer works.
    pub revoked: bool,
}

/// `GET /operator/organizations/{id}`. Amounts and times are the organization's own.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/organization.html")]
pub struct OrganizationPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Its id, as in the address.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The platform's own id for it, or empty.
    pub external_id: String,
    /// Its money and timezone.
    pub show: Show,
    /// When it was created.
    pub created: Timestamp,
    /// The rate card or plan that prices it.
    pub rate_card: String,
    /// What it can spend now; negative when overdrawn.
    pub available: Credits,
    /// What that is made of.
    pub parts: BalanceParts,
    /// How long it lasts, in milliseconds; none without usage.
    pub lasts_ms: Option<i64>,
    /// `Runs dry`, `Overdrawn`, `New`, …
    pub flags: Vec<Chip>,
    /// Thirty days of spend by channel.
    pub spend: StackedDays,
    /// The balance over the same days, and ahead.
    pub runway: Runway,
    /// Grants with something left, in draw order.
    pub grants: Vec<GrantRow>,
    /// The latest transactions.
    pub recent: Vec<TransactionRow>,
    /// Its people.
    pub users: Vec<UserRow>,
    /// Its API keys.
    pub keys: Vec<KeyRow>,
    /// Where the form to see its pages as it does is sent; none while that is not offered.
    pub see_as: Option<String>,
    /// Why it is suspended; none while it is not.
    pub suspended: Option<String>,
    /// What the operator wants to remember, newest first.
    pub notes: Vec<NoteRow>,
    /// Names: `note`.
    pub note: FormState,
    /// Sent back as `idempotency_key` with a note, so that a form sent twice acts once.
    pub idempotency_key: String,
}

impl OrganizationPage {
    fn lasts(&self) -> String {
        lasts(self.available, self.lasts_ms)
    }

    fn note_field(&self) -> Field {
        Field::new(&self.note, "note", "New note", Control::Text).hint("Only the operator's people see it.")
    }
}

#[cfg(test)]
impl OrganizationPage {
    /// An organization in everyday use.
    pub(crate) fn sample() -> Self {
        use super::samples::{self, at, c};
        use super::{OverviewPage, Section};
        let overview = OverviewPage::sample();
        let grant =
            |class, source: &str, original: &str, remaining: &str, expires: Option<&str>, meters: &str| {
                GrantRow {
                    id: "grt_1".into(),
                    class,
                    source: source.into(),
                    original: c(original),
                    remaining: c(remaining),
                    received: at("2026-11-12T10:02:31Z"),
                    expires: expires.map(at),
                    meters: meters.into(),
                }
            };
        let crumbs =
            [("Operator", ""), ("Organizations", "/operator/organizations"), ("Ribera Dental Clinics", "")];
        let mut chrome = samples::chrome(Section::Organizations, &crumbs);
        chrome.person = Some("ops@vozia.example".into());
        Self {
            chrome,
            id: "org_0a".into(),
            name: "Ribera Dental Clinics".into(),
            external_id: "cust-204".into(),
            show: samples::show(),
            created: at("2026-10-02T09:00:00Z"),
            rate_card: "Growth".into(),
            available: overview.available,
            parts: overview.parts,
            lasts_ms: overview.lasts_ms,
            flags: vec![Chip::new(Tone::Good, "Active")],
            spend: samples::spend("spend"),
            runway: samples::runway("runway"),
            grants: vec![
                grant(Tone::Free, "Outage on 18 November", "500", "343", Some("2027-02-20T23:00:00Z"), ""),
                grant(
                    Tone::Plan,
                    "Growth, November",
                    "2000",
                    "1168",
                    Some("2026-12-01T00:00:00Z"),
                    "voice, chat",
                ),
                grant(Tone::Paid, "Top-up, €50.00", "5000", "3000", None, ""),
            ],
            recent: samples::transactions(),
            users: Self::sample_users(),
            keys: vec![KeyRow {
                id: "key_1".into(),
                name: "Backend".into(),
                prefix: "tb_test_4f9a".into(),
                scopes: vec!["usage:write".into(), "billing:read".into()],
                last_used: Some(at("2026-11-21T09:24:11Z")),
                revoked: false,
            }],
            see_as: Some("/operator/organizations/org_0a/see-as".into()),
            suspended: None,
            notes: vec![Self::sample_note()],
            note: FormState::default(),
            idempotency_key: "req_5t".into(),
        }
    }

    fn sample_note() -> NoteRow {
        NoteRow {
            author: "ops@vozia.example".into(),
            at: super::samples::at("2026-11-19T10:12:00Z"),
            body: "Called about the outage; credit promised.".into(),
        }
    }

    fn sample_users() -> Vec<UserRow> {
        let row = |email: &str, role: &str, last_seen: Option<&str>| UserRow {
            email: email.into(),
            role: role.into(),
            last_seen: last_seen.map(super::samples::at),
        };
        vec![
            row("marta@riberadental.example", "Owner", Some("2026-11-21T07:58:00Z")),
            row("administracion@riberadental.example", "Billing", None),
        ]
    }
}
