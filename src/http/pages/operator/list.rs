//! The list of organizations.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::ADMIN;
use crate::base::Credits;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::list::{Window, encode};
use crate::http::pages::chrome::{chrome, html, show};
use crate::http::pages::components::field::FormState;
use crate::http::pages::components::{Chip, Pager, Tile, Tone};
use crate::http::pages::entry::ORGANIZATIONS;
use crate::http::pages::format::count;
use crate::http::pages::outlook;
use crate::http::pages::views::{Crumb, OrganizationRow, OrganizationsPage, Section};
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::Organization;
use crate::identity::organizations::{self, Filter};
use crate::ledger::TransactionType;
use crate::metering::statement::{self, LineFilter};
use crate::{metering, wallet};

const LIST: &str = "organization pages";
/// How many days of spend are shown.
pub(super) const DAYS: i32 = 30;
/// The most organizations looked at for one page of a list narrowed by state.
const LOOK: usize = 500;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, ORGANIZATIONS, ADMIN, list);
}

/// What the list is narrowed to beyond what its table can tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    Risk,
    Overdrawn,
}

struct Wanted {
    search: Option<String>,
    flag: Option<Flag>,
    window: Window<1>,
}

impl FromParams for Wanted {
    fn from_params(params: &mut Params) -> Option<Self> {
        let flag = match params.text("flag").as_deref() {
            None => None,
            Some("risk") => Some(Flag::Risk),
            Some("overdrawn") => Some(Flag::Overdrawn),
            Some(_) => {
                params.error("flag", "invalid_value", "must be risk or overdrawn");
                None
            }
        };
        Some(Self { search: params.text("q"), flag, window: Window::from_params(params, LIST) })
    }
}

impl Wanted {
    fn form(&self) -> FormState {
        let mut form = FormState::default();
        form.values.insert("q".into(), self.search.clone().unwrap_or_default());
        let flag = match self.flag {
            None => "",
            Some(Flag::Risk) => "risk",
            Some(Flag::Overdrawn) => "overdrawn",
        };
        form.values.insert("flag".into(), flag.into());
        form
    }

    /// The address of a page of this list.
    fn href(&self, cursor: Option<i64>) -> String {
        let mut pairs: Vec<(String, String)> =
            self.form().values.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        if let Some(cursor) = cursor {
            pairs.push(("cursor".into(), encode(&[cursor], LIST)));
        }
        let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
        if query.is_empty() { ORGANIZATIONS.to_owned() } else { format!("{ORGANIZATIONS}?{query}") }
    }

    fn lets_through(&self, row: &OrganizationRow) -> bool {
        match self.flag {
            None => true,
            Some(Flag::Risk) => row.lasts_ms.is_some_and(|ms| ms <= outlook::RISK_MS),
            Some(Flag::Overdrawn) => row.available.is_negative(),
        }
    }
}

async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(wanted): Query<Wanted>,
) -> Result<HttpResponse, ApiError> {
    let shared = state.clone();
    let page = state.db.read(move |tx| page(&shared, &admitted, tx, &wanted)).await?;
    html(StatusCode::OK, &page)
}

fn page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    wanted: &Wanted,
) -> Result<OrganizationsPage, ApiError> {
    let crumbs = vec![Crumb::here("Operator"), Crumb::here("Organizations")];
    let filter = Filter { search: wanted.search.clone(), suspended: None };
    let limit = usize::try_from(wanted.window.limit).unwrap_or(usize::MAX);
    let (mut rows, mut before, mut looked) = (Vec::new(), wanted.window.before(), 0);
    // what a row's state is shows only once it is computed; the cursor is where the looking ended
    loop {
        let found = organizations::list(tx, &filter, before, wanted.window.limit)?;
        before = found.next;
        for organization in found.items {
            let number = organization.id.number();
            looked += 1;
            let row = row(state, tx, organization)?;
            if wanted.lets_through(&row) {
                rows.push(row);
                if rows.len() == limit && wanted.flag.is_some() {
                    before = Some(number);
                    break;
                }
            }
        }
        if before.is_none() || rows.len() >= limit || looked >= LOOK {
            break;
        }
    }
    let total = u64::try_from(organizations::count(tx, &filter)?).unwrap_or(0);
    let position = if wanted.flag.is_some() {
        format!("{} shown", rows.len())
    } else {
        format!("{} of {}", rows.len(), count(total))
    };
    let everything = wanted.search.is_none() && wanted.flag.is_none();
    Ok(OrganizationsPage {
        chrome: chrome(state, admitted, tx, Section::Organizations, crumbs)?,
        form: wanted.form(),
        tiles: if everything && total > 0 { tiles(tx, total)? } else { Vec::new() },
        rows,
        pager: Pager {
            first: wanted.window.before().map(|_| wanted.href(None)),
            next: before.map(|next| wanted.href(Some(next))),
            position,
        },
    })
}

fn tiles(tx: &ReadTx<'_>, total: u64) -> Result<Vec<Tile>, ApiError> {
    let totals = wallet::totals(tx)?;
    let suspended = organizations::count(tx, &Filter { suspended: Some(true), search: None })?;
    let number = |of: i64| count(u64::try_from(of).unwrap_or(0));
    Ok(vec![
        Tile::new("Organizations", count(total), "", ""),
        Tile::amount("Credit owed", totals.owed, "received and still to be used"),
        Tile::new("Overdrawn", number(totals.overdrawn), "", "used more than there was"),
        Tile::new("Suspended", number(suspended), "", ""),
    ])
}

fn row(state: &State, tx: &ReadTx<'_>, organization: Organization) -> Result<OrganizationRow, ApiError> {
    let summary = wallet::summary(tx, organization.id, tx.now())?;
    let available = outlook::spendable(&summary);
    let spend = outlook::daily(tx, organization.id, organization.zone.day_of(tx.now()), DAYS)?;
    let has_usage = metering::has_usage(tx, organization.id)?;
    let last_usage = if has_usage {
        let usage = LineFilter { from: None, to: None, types: vec![TransactionType::Usage] };
        statement::lines(tx, organization.id, &usage, None, 1)?.items.first().map(|line| line.created_at)
    } else {
        None
    };
    let lasts_ms = outlook::pace(tx, &organization)?.lasts_ms(available);
    Ok(OrganizationRow {
        id: organization.id.to_string(),
        show: show(state, &organization),
        flags: flags(&organization, available, lasts_ms, has_usage),
        name: organization.name,
        external_id: organization.external_id.unwrap_or_default(),
        available,
        lasts_ms,
        spend,
        last_usage,
    })
}

/// What the operator should know about an organization at a glance.
pub(super) fn flags(
    organization: &Organization,
    available: Credits,
    lasts_ms: Option<i64>,
    has_usage: bool,
) -> Vec<Chip> {
    let mut flags = Vec::new();
    if organization.status.is_suspended() {
        flags.push(Chip::new(Tone::Bad, "Suspended"));
    }
    if available.is_negative() {
        flags.push(Chip::new(Tone::Bad, "Overdrawn"));
    } else if lasts_ms.is_some_and(|ms| ms <= outlook::RISK_MS) {
        flags.push(Chip::new(Tone::Warn, "Runs dry"));
    }
    if !has_usage {
        flags.push(Chip::new(Tone::Neutral, "New"));
    }
    flags
}
