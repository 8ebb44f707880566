//! One organization, as the operator sees it.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::list::{DAYS, flags};
use super::{ADMIN, about, crumbs, page_of};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp};
use crate::catalog::Snapshot;
use crate::db::{DbError, ReadTx};
use crate::grants::{self, Class};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::pages::chrome::{html, show};
use crate::http::pages::components::{FormState, Notice, Tone};
use crate::http::pages::customer::{Grants, actor};
use crate::http::pages::views::{BalanceParts, Crumb, GrantRow, KeyRow, NoteRow, OrganizationPage, UserRow};
use crate::http::pages::{forms, outlook};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::identity::{KeyOwner, Organization, Role, Status, keys, organizations, sessions, users};
use crate::metering::statement::{self, LineFilter};
use crate::wallet::Summary;
use crate::{calls, metering, wallet};

/// How many transactions, people and keys are shown.
const RECENT: usize = 10;
const SHOWN: u32 = 100;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, "/operator/organizations/{id}", ADMIN, detail);
}

/// What was just done, in one word of ours.
struct Done(Option<&'static str>);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(match params.text("done").as_deref() {
            Some("created") => Some("The organization has been created."),
            Some("given") => Some("The credit has been given."),
            Some("taken") => Some("The credit has been taken back."),
            Some("suspended") => {
                Some("The organization is suspended: new work is refused, its people may only look.")
            }
            Some("resumed") => Some("The organization may act again."),
            Some("noted") => Some("The note has been added."),
            Some("person") => Some("The person can sign in."),
            Some("invited") => Some("The invitation is on its way by mail."),
            Some("revoked") => Some("The key has been revoked. It stopped working at once."),
            Some("prices") => {
                Some("The prices have been changed, from now on. What was charged keeps its price.")
            }
            _ => None,
        }))
    }
}

async fn detail(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    Query(Done(done)): Query<Done>,
) -> Result<HttpResponse, ApiError> {
    let shared = state.clone();
    let mut page = state.db.read(move |tx| page(&shared, &admitted, tx, id, FormState::default())).await?;
    page.chrome.notice = done.map(|text| Notice { tone: Tone::Good, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

/// The page; `note` is what was typed as a new note, if that was refused.
pub(super) fn page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: OrganizationId,
    note: FormState,
) -> Result<OrganizationPage, ApiError> {
    let organization = organizations::get(tx, id)?;
    let catalog = state.catalog.get(tx)?;
    let summary = wallet::summary(tx, id, tx.now())?;
    let show = show(state, &organization);
    let window = (organization.zone.day_of(tx.now()), DAYS);
    let available = outlook::spendable(&summary);
    let lasts_ms = outlook::pace(tx, &organization)?.lasts_ms(available);
    let has_usage = metering::has_usage(tx, id)?;
    let filter = LineFilter { from: None, to: None, types: Vec::new() };
    let lines = statement::lines(tx, id, &filter, None, RECENT)?.items;
    let mut moved = Grants::new(tx, &show);
    let recent: Result<_, DbError> = lines.iter().map(|line| moved.row(id, line, &catalog)).collect();
    let recent = recent?;
    let way = crumbs(vec![Crumb::here(organization.name.clone())]);
    Ok(OrganizationPage {
        chrome: about(state, admitted, tx, &organization, way)?,
        id: id.to_string(),
        external_id: organization.external_id.clone().unwrap_or_default(),
        created: organization.created_at,
        rate_card: prices(tx, &organization, &catalog)?,
        available,
        parts: parts(&summary, calls::live_count(tx, id)?, tx.now()),
        lasts_ms,
        flags: flags(&organization, available, lasts_ms, has_usage),
        spend: outlook::spend_chart(tx, id, &catalog, &show, window)?,
        runway: outlook::runway_chart(tx, id, &show, window, available, lasts_ms)?,
        grants: summary
            .grants
            .iter()
            .map(|grant| grant_row(tx, grant, &catalog))
            .collect::<Result<_, ApiError>>()?,
        recent,
        users: people(tx, id)?,
        keys: keys_of(tx, id)?,
        see_as: Some(format!("{}/see-as", page_of(id))),
        suspended: match organization.status {
            Status::Active => None,
            Status::Suspended { reason } => Some(reason),
        },
        notes: notes(tx, id)?,
        note,
        idempotency_key: forms::fresh_key(admitted),
        name: organization.name,
        show,
    })
}

/// What prices its usage, by the name people know.
pub(super) fn prices(
    tx: &ReadTx<'_>,
    organization: &Organization,
    catalog: &Snapshot,
) -> Result<String, ApiError> {
    let terms = metering::price_terms(tx, organization.id, tx.now())?;
    let plan = terms.and_then(|terms| terms.plan_version).and_then(|id| catalog.plan_version(id));
    let card =
        organization.rate_card_id.or_else(|| catalog.default_card()).and_then(|id| catalog.rate_card(id));
    Ok(match (plan, card) {
        (Some((plan, version)), _) => format!("Plan {}, version {}", plan.name, version.version),
        (None, Some(card)) => card.name.clone(),
        (None, None) => "None".into(),
    })
}

/// The classes without what is held, as the bar shows them.
fn parts(summary: &Summary, live_calls: u64, now: Timestamp) -> BalanceParts {
    let free = |class: Class| {
        let own = summary.grants.iter().filter(|g| g.terms.order.class == class && g.terms.is_live(now));
        own.fold(Credits::ZERO, |sum, grant| {
            let left = grant.remaining.checked_sub(grant.held).unwrap_or(Credits::ZERO);
            sum.checked_add(left).unwrap_or(sum)
        })
    };
    let expiring = summary.grants.iter().filter(|grant| grant.terms.is_live(now));
    let expiring = expiring.filter_map(|grant| Some((grant.remaining, grant.terms.order.expires_at?)));
    BalanceParts {
        free: free(Class::Free),
        plan: free(Class::Plan),
        paid: free(Class::Paid),
        held: summary.held,
        live_calls,
        overdraft: summary.overdraft,
        next_expiry: expiring.min_by_key(|(_, at)| *at),
    }
}

/// The tint of a class.
pub(super) const fn tone(class: Class) -> Tone {
    match class {
        Class::Free => Tone::Free,
        Class::Plan => Tone::Plan,
        Class::Paid => Tone::Paid,
    }
}

fn grant_row(tx: &ReadTx<'_>, grant: &grants::GrantRow, catalog: &Snapshot) -> Result<GrantRow, ApiError> {
    let line = statement::line(tx, grant.organization, grant.transaction)?;
    let meters = grant.terms.meters.iter().flatten();
    let names: Vec<&str> =
        meters.map(|id| catalog.meter(*id).map_or("?", |meter| meter.name.as_str())).collect();
    Ok(GrantRow {
        id: grant.id.to_string(),
        class: tone(grant.terms.order.class),
        source: line.map_or_else(|| grant.source.clone(), |line| line.description),
        original: grant.original,
        remaining: grant.remaining,
        received: grant.terms.order.created_at,
        expires: grant.terms.order.expires_at,
        meters: names.join(", "),
    })
}

fn notes(tx: &ReadTx<'_>, id: OrganizationId) -> Result<Vec<NoteRow>, ApiError> {
    let mut rows = Vec::new();
    for note in organizations::notes(tx, id, None, SHOWN)?.items {
        let author = actor(tx, &note.author.to_string(), true)?.unwrap_or_default();
        rows.push(NoteRow { author, at: note.created_at, body: note.body });
    }
    Ok(rows)
}

fn people(tx: &ReadTx<'_>, id: OrganizationId) -> Result<Vec<UserRow>, ApiError> {
    let mut rows = Vec::new();
    for member in users::members(tx, id, None, SHOWN)?.items {
        let seen = sessions::list(tx, member.user.id, tx.now())?;
        rows.push(UserRow {
            email: member.user.email,
            role: match member.role {
                Role::Owner => "Owner".into(),
                Role::Billing => "Billing".into(),
                Role::Member => "Member".into(),
            },
            last_seen: seen.iter().map(|session| session.last_seen_at).max(),
        });
    }
    Ok(rows)
}

fn keys_of(tx: &ReadTx<'_>, id: OrganizationId) -> Result<Vec<KeyRow>, ApiError> {
    let keys = keys::list(tx, KeyOwner::Organization(id), None, SHOWN)?.items;
    let row = |key: keys::ApiKey| KeyRow {
        id: key.id.to_string(),
        revoked: key.is_revoked(tx.now()),
        name: if key.name.is_empty() { "Without a name".into() } else { key.name },
        prefix: key.prefix,
        scopes: key.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        last_used: key.last_used_at,
    };
    Ok(keys.into_iter().map(row).collect())
}
