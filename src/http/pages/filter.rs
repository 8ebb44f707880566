//! Filters that live in the address: whole days in the organization's timezone, choices, and links that keep them.

use std::collections::BTreeMap;

use crate::base::id::OrganizationId;
use crate::base::{Day, Zone};
use crate::db::ReadTx;
use crate::http::error::ApiError;
use crate::http::list::{decode, encode};
use crate::http::pages::components::FormState;
use crate::http::pages::components::field::Choice;
use crate::identity::{Error, Reach, Workspace, workspaces};

/// The most workspaces to choose from.
const MAX_WORKSPACES: u32 = 100;

/// What the address narrows a page to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// What was given, and what is wrong with it.
    pub form: FormState,
}

impl Filter {
    /// The parameters of these names.
    #[must_use]
    pub fn parse(query: &str, names: &[&str]) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if names.contains(&name.as_str()) && !value.trim().is_empty() {
                values.insert(name, value.trim().to_owned());
            }
        }
        Self { form: FormState { values, ..FormState::default() } }
    }

    /// The text of a parameter.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.form.values.get(name).cloned()
    }

    /// Notes that a parameter is wrong; reads on from its label.
    pub fn wrong(&mut self, name: &str, message: &str) {
        self.form.errors.insert(name.to_owned(), message.to_owned());
    }

    /// A parameter read by `read`; a wrong one is noted and counts as absent.
    pub fn read<T>(&mut self, name: &str, message: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = read(&text);
        if value.is_none() {
            self.wrong(name, message);
        }
        value
    }

    /// The days `from` and `to`, both included.
    pub fn days(&mut self) -> (Option<Day>, Option<Day>) {
        let message = "is not a day, such as 2026-11-21";
        let read = |text: &str| text.parse().ok().filter(is_near);
        let from = self.read("from", message, read);
        let to = self.read("to", message, read);
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            self.wrong("to", "must not be before From");
            return (None, None);
        }
        (from, to)
    }

    /// Refuses what is wrong, for answers that have no place to show it in.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn strictly(&self) -> Result<(), ApiError> {
        match self.form.errors.iter().next() {
            Some((name, message)) => Err(ApiError::field(name, "invalid_value", message)),
            None => Ok(()),
        }
    }

    /// True when anything is given besides `cursor` and `group`.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.form.values.keys().any(|name| name != "cursor" && name != "group")
    }

    /// The filter as a query, without `but` and with `and`.
    #[must_use]
    pub fn query(&self, but: &[&str], and: &[(&str, &str)]) -> String {
        let kept = self.form.values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs: Vec<(&str, &str)> =
            kept.filter(|(name, _)| !but.contains(name)).chain(and.iter().copied()).collect();
        serde_urlencoded::to_string(pairs).unwrap_or_default()
    }

    /// The address of `path` with this filter.
    #[must_use]
    pub fn href(&self, path: &str, but: &[&str], and: &[(&str, &str)]) -> String {
        let query = self.query(but, and);
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Where the list goes on, as the cursor in the address says.
    pub fn cursor<const N: usize>(&mut self, list: &str) -> Option<[i64; N]> {
        self.text("cursor").and_then(|text| decode::<N>(&text, list))
    }

    /// The address of the next page.
    #[must_use]
    pub fn next(&self, path: &str, list: &str, at: &[i64]) -> String {
        self.href(path, &["cursor"], &[("cursor", &encode(at, list))])
    }
}

/// True for days of this and the next century: beyond them there is no usage, and arithmetic stays simple.
#[must_use]
// as `Option::filter` calls it
#[allow(clippy::trivially_copy_pass_by_ref)]
pub fn is_near(day: &Day) -> bool {
    // 2000-01-01 to 2199-12-31
    (10_957..84_006).contains(&day.number())
}

/// The organization's workspaces that the reader sees.
///
/// # Errors
/// When the database fails.
pub fn workspaces_in_reach(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    reach: &Reach,
) -> Result<Vec<Workspace>, ApiError> {
    match reach {
        Reach::Organization => Ok(workspaces::list(tx, organization, None, MAX_WORKSPACES)?.items),
        Reach::Workspaces(ids) => {
            let mut found = Vec::new();
            for id in ids {
                match workspaces::get(tx, organization, *id) {
                    Ok(workspace) => found.push(workspace),
                    Err(Error::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(found)
        }
    }
}

/// The platform's ids to which usage is narrowed; `None` for all there is.
#[must_use]
pub fn narrowed(reach: &Reach, seen: &[Workspace], asked: Option<String>) -> Option<Vec<String>> {
    match (reach, asked) {
        (Reach::Organization, None) => None,
        (Reach::Organization, Some(asked)) => Some(vec![asked]),
        (Reach::Workspaces(_), asked) => {
            let own = seen.iter().map(|workspace| workspace.external_id.clone());
            Some(own.filter(|id| asked.as_ref().is_none_or(|asked| asked == id)).collect())
        }
    }
}

/// Workspaces to choose from.
#[must_use]
pub fn workspace_choices(seen: &[Workspace]) -> Vec<Choice> {
    seen.iter().map(|workspace| Choice::new(&workspace.external_id, &workspace.name)).collect()
}

/// The instants at which days begin and end.
#[must_use]
pub fn instants(zone: &Zone, from: Day, to: Day) -> (crate::base::Timestamp, crate::base::Timestamp) {
    (zone.start_of(from), zone.start_of(to.plus_days(1)))
}
