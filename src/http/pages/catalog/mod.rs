//! The operator's pages of rates and plans: their versions, who is on each, and the version that is being written.

mod cost;
mod drafting;
mod meters;
mod migrate;
mod plan_draft;
mod plan_form;
mod plans;
mod rate_draft;
mod rate_form;
mod rates;
pub mod words;

use actix_web::{HttpRequest, HttpResponse};

use crate::base::{Timestamp, Zone};
use crate::catalog::rules::Code;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::pages::chrome::chrome;
use crate::http::pages::components::table::Cell;
use crate::http::pages::components::{DataTable, Notice, Tone};
use crate::http::pages::format::{self, Show};
use crate::http::pages::views::{Chrome, Crumb, Section};
use crate::http::params::{FromParams, Params};
use crate::http::route::Table;
use crate::identity::{Actor, Scope, settings, users};

const ADMIN: Access = Access::operator(Scope::Admin);
const RATES: &str = "/operator/rates";
const PLANS: &str = "/operator/plans";
/// At most so many organizations stand in one list.
const MOST_LISTED: usize = 50;

type Answered = Result<HttpResponse, ApiError>;

pub(super) fn routes(table: &mut Table) {
    rates::routes(table);
    rate_draft::routes(table);
    rate_form::routes(table);
    meters::routes(table);
    plans::routes(table);
    plan_draft::routes(table);
    plan_form::routes(table);
    migrate::routes(table);
}

/// What was just done, and whose usage a comparison is of.
struct Asked {
    done: Option<String>,
    of: Option<Code>,
}

impl FromParams for Asked {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self { done: params.text("done"), of: params.optional("of") })
    }
}

impl Asked {
    fn notice(&self) -> Option<Notice> {
        let text = match self.done.as_deref()? {
            "published" => "Published.".into(),
            "discarded" => "The draft is gone.".into(),
            "saved" => "Kept in the draft. It prices nothing until it is published.".into(),
            "meter" => "Added. Its usage can be charged once a rate card prices it.".into(),
            other => match other.strip_prefix("migrated-").and_then(|count| count.parse::<u64>().ok())? {
                0 => "Nobody is on an older version: nothing was changed.".into(),
                count => format!(
                    "{} will change to the new price, and {} told.",
                    format::counted(count, if count == 1 { "subscriber" } else { "subscribers" }),
                    if count == 1 { "was" } else { "were" }
                ),
            },
        };
        Some(Notice { tone: Tone::Good, text, link: None })
    }
}

/// What stands around a page below one of the lists.
fn around(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    way: Vec<Crumb>,
    asked: Option<&Asked>,
) -> Result<Chrome, ApiError> {
    let mut crumbs = vec![Crumb::here("Operator")];
    crumbs.extend(way);
    let mut chrome = chrome(state, admitted, tx, Section::Prices, crumbs)?;
    chrome.notice = asked.and_then(Asked::notice);
    Ok(chrome)
}

/// The meter that the path names.
fn meter_of(req: &HttpRequest) -> Result<Code, ApiError> {
    let code = req.match_info().get("meter").and_then(|text| text.parse().ok());
    code.ok_or_else(|| ApiError::new(ErrorCode::NotFound))
}

/// A table of words: all its columns begin on the left.
fn table(caption: impl Into<String>, labels: &[&str]) -> DataTable {
    let mut table = DataTable::new(caption, labels);
    table.columns.iter_mut().for_each(|column| column.numeric = false);
    table
}

fn cells<const N: usize>(texts: [String; N]) -> Vec<Cell> {
    texts.map(Cell::text).into()
}

/// Who that is, for people.
fn who(tx: &ReadTx<'_>, actor: &str) -> String {
    let user = match actor.parse() {
        Ok(Actor::User(id)) => users::get(tx, id).ok(),
        _ => None,
    };
    user.map_or_else(|| actor.to_owned(), |user| user.email)
}

/// The number of a version, and when it starts.
type Start = (i64, Timestamp);

/// Those that will be in force, the next one first: what a later version replaces before or when it starts never is.
fn to_come(versions: &[Start], now: Timestamp) -> Vec<Start> {
    let comes = |(number, at): &Start| {
        *at > now && !versions.iter().any(|(later, starts)| later > number && starts <= at)
    };
    let mut found: Vec<Start> = versions.iter().copied().filter(comes).collect();
    found.sort_by_key(|(_, at)| *at);
    found
}

/// What each of all versions is now.
fn standing(version: i64, in_force: Option<i64>, to_come: &[Start]) -> &'static str {
    if in_force == Some(version) {
        "in force"
    } else if to_come.iter().any(|(number, _)| *number == version) {
        "to come"
    } else {
        "replaced"
    }
}

/// `3, from 1 Dec 2026, 00:00`; a dash where nothing is to come.
fn next_of(to_come: &[Start], show: &Show) -> String {
    let next = to_come.first();
    next.map_or_else(|| "—".into(), |(version, at)| format!("{version}, from {}", show.when(*at).text()))
}

/// The month before the one that it is.
fn last_month(zone: &Zone, now: Timestamp) -> (crate::base::Day, crate::base::Day) {
    let last = zone.day_of(now).first_of_month().plus_days(-1);
    (last.first_of_month(), last)
}

/// The operator's timezone.
fn zone(state: &State) -> Result<Zone, ApiError> {
    let defaults = state.db.read_blocking(|tx| settings::defaults(tx))?;
    Ok(defaults.map_or(Zone::UTC, |defaults| defaults.zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_was_replaced_before_it_began_never_comes() {
        let at = Timestamp::from_millis;
        let versions = [(1, at(0)), (2, at(100)), (3, at(50)), (4, at(200))];
        let next = to_come(&versions, at(10));
        assert_eq!(next, [(3, at(50)), (4, at(200))]);
        let states = [1, 2, 3, 4].map(|version| standing(version, Some(1), &next));
        assert_eq!(states, ["in force", "replaced", "to come", "to come"]);
        assert_eq!(to_come(&versions, at(200)), []);
    }
}
