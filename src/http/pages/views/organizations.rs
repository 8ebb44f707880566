//! The operator's list of organizations, and the form for a new one.

use askama::Template;

use super::chrome::Chrome;
use crate::base::{Credits, Timestamp};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Chip, EmptyState, Pager, Sparkline, Tile};
use crate::http::pages::format::{self, Show, about_ms};

/// An organization in the list. Amounts are in its own currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRow {
    /// Its id, as in the address.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The platform's own id for it, or empty.
    pub external_id: String,
    /// Its money and timezone.
    pub show: Show,
    /// What it can spend now; negative when overdrawn.
    pub available: Credits,
    /// How long that lasts, in milliseconds; none without usage.
    pub lasts_ms: Option<i64>,
    /// What it spent on each of the last thirty days, oldest first.
    pub spend: Vec<Credits>,
    /// `Runs dry`, `Overdrawn`, `New`, …
    pub flags: Vec<Chip>,
    /// When usage last arrived.
    pub last_usage: Option<Timestamp>,
}

impl OrganizationRow {
    fn spent(&self) -> Credits {
        Credits::from_micros(self.spend.iter().fold(0, |sum: i64, day| sum.saturating_add(day.micros())))
    }

    fn sparkline(&self) -> Sparkline {
        let summary = format!("Spent in 30 days: {}", self.show.amount_text(self.spent()));
        Sparkline { values: self.spend.clone(), summary }
    }

    fn lasts(&self) -> String {
        match self.lasts_ms {
            _ if self.available.is_negative() => "nothing left".into(),
            Some(ms) => about_ms(ms),
            None => "—".into(),
        }
    }
}

/// `GET /operator/organizations`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/organizations.html")]
pub struct OrganizationsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Names: `q` (in name or id), `flag` (`risk`, `overdrawn` or empty).
    pub form: FormState,
    /// A few figures over all organizations.
    pub tiles: Vec<Tile>,
    /// The rows.
    pub rows: Vec<OrganizationRow>,
    /// The way to the neighbouring pages.
    pub pager: Pager,
}

impl OrganizationsPage {
    fn fields(&self) -> Vec<Field> {
        let flags = vec![
            Choice::new("", "All"),
            Choice::new("risk", "Runs dry within 2 days"),
            Choice::new("overdrawn", "Overdrawn"),
        ];
        vec![
            Field::new(&self.form, "q", "Name or id", Control::Line("search")).filter(),
            Field::new(&self.form, "flag", "State", Control::Select(flags)).filter(),
        ]
    }

    fn empty(&self) -> EmptyState {
        if self.form.values.values().any(|value| !value.is_empty()) {
            EmptyState {
                title: "Nothing matches".into(),
                text: "No organization fits this filter.".into(),
                action: Some(("/operator/organizations".into(), "Show all".into())),
            }
        } else {
            EmptyState {
                title: "No organizations yet".into(),
                text: "An organization is a customer: one wallet, one currency, one timezone.".into(),
                action: Some(("/operator/organizations/new".into(), "Create the first".into())),
            }
        }
    }
}

/// `GET /operator/organizations/new`; the form posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/organization_new.html")]
pub struct NewOrganizationPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Names: `name`, `external_id`, `currency`, `timezone`, `plan`.
    pub form: FormState,
    /// Currencies by code.
    pub currencies: Vec<Choice>,
    /// Timezones to suggest.
    pub timezones: Vec<String>,
    /// Plans by code, and none.
    pub plans: Vec<Choice>,
    /// The welcome credit that it will receive.
    pub welcome: Credits,
    /// Sent back as `idempotency_key`, so that a form sent twice acts once.
    pub idempotency_key: String,
}

impl NewOrganizationPage {
    fn fields(&self) -> Vec<Field> {
        let form = &self.form;
        vec![
            Field::line(form, "name", "Name").autocomplete("off"),
            Field::line(form, "external_id", "Your platform's id")
                .optional()
                .autocomplete("off")
                .hint("So that usage can be reported by an id you already have, as ext:…"),
            Field::new(form, "currency", "Currency", Control::Select(self.currencies.clone()))
                .hint("Cannot be changed later."),
            Field::line(form, "timezone", "Timezone")
                .hint("Where its days and months begin, such as Europe/Madrid.")
                .suggestions(self.timezones.clone()),
            Field::new(form, "plan", "Plan", Control::Select(self.plans.clone())).filter(),
        ]
    }
}

#[cfg(test)]
impl OrganizationsPage {
    /// Three organizations in three states.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, at, c};
        use crate::base::time::{DAY_MS, HOUR_MS};
        use crate::http::pages::components::{Tone, stacked_days::DayStack};
        let spend: Vec<Credits> = samples::spend("x").days.iter().map(DayStack::total).collect();
        let row = |id: &str, name: &str, ext: &str, available: &str, lasts_ms, flags| OrganizationRow {
            id: id.into(),
            name: name.into(),
            external_id: ext.into(),
            show: samples::show(),
            available: c(available),
            lasts_ms,
            spend: spend.clone(),
            flags,
            last_usage: Some(at("2026-11-21T09:24:11Z")),
        };
        let mut rows = vec![
            row("org_0a", "Ribera Dental Clinics", "cust-204", "4511", Some(9 * DAY_MS), Vec::new()),
            row(
                "org_0b",
                "Talleres Norte",
                "cust-117",
                "61.2",
                Some(6 * HOUR_MS),
                vec![Chip::new(Tone::Warn, "Runs dry")],
            ),
            row(
                "org_0c",
                "Hotel Mirador & Sons",
                "cust-311",
                "-18.25",
                Some(0),
                vec![Chip::new(Tone::Bad, "Overdrawn")],
            ),
            row("org_0d", "Nube Legal", "", "500", None, vec![Chip::new(Tone::Neutral, "New")]),
        ];
        rows[3].spend = vec![Credits::ZERO; 30];
        rows[3].last_usage = None;
        rows[1].spend.reverse();
        let mut chrome = samples::chrome(Section::Organizations, &[("Operator", ""), ("Organizations", "")]);
        chrome.person = Some("ops@vozia.example".into());
        Self {
            chrome,
            form: FormState::default(),
            tiles: vec![
                Tile::new("Organizations", "4", "", "1 new this month"),
                Tile::new("Credit owed", "5,072.20", "credits", "€50.72"),
                Tile::new("Spent in 30 days", "28,730.14", "credits", "€287.30"),
                Tile::new("At risk", "2", "", "dry within 2 days, or overdrawn"),
            ],
            rows,
            pager: Pager { first: None, next: None, position: "4 organizations".into() },
        }
    }

    /// A fresh installation.
    pub(crate) fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.rows.clear();
        page.tiles.clear();
        page.pager = Pager::default();
        page
    }
}

#[cfg(test)]
impl NewOrganizationPage {
    /// A form that came back with two mistakes.
    pub(crate) fn sample() -> Self {
        use super::Section;
        use super::samples::{self, c};
        let mut form = FormState::default();
        form.values.insert("external_id".into(), "cust-204".into());
        form.values.insert("timezone".into(), "Europe/Madrid".into());
        form.errors.insert("name".into(), "is missing".into());
        form.errors.insert("external_id".into(), "belongs to another organization already".into());
        let crumbs = [("Operator", ""), ("Organizations", "/operator/organizations"), ("New", "")];
        Self {
            chrome: samples::chrome(Section::Organizations, &crumbs),
            form,
            currencies: vec![Choice::new("EUR", "EUR · Euro"), Choice::new("USD", "USD · US dollar")],
            timezones: vec!["Europe/Madrid".into(), "UTC".into()],
            plans: vec![Choice::new("", "None: pay as you go"), Choice::new("growth", "Growth")],
            welcome: c("500"),
            idempotency_key: "req_5t".into(),
        }
    }
}
