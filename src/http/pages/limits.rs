//! Limits and agents: what is spent of each limit, and the forms that change them.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Bullet, Chip, Notice, Tone};
use super::format::{self, Show};
use super::forms;
use super::views::limits::{AgentLimitPage, AgentRow, LimitCard, LimitsPage, ToldRow};
use super::views::{Crumb, Section};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Day, Timestamp};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code, FieldError};
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::{Scope, organizations};
use crate::limits::rules::projected_hit_ms;
use crate::limits::{
    self, Action, AgentChange, AgentPolicy, AgentStanding, AgentTerms, Change, Choice, LimitEvent, LimitKey,
    LimitKind, LimitStanding, Notice as Told, OrganizationLimits, Status,
};

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::organization(Scope::LimitsWrite);
const FIELDS: [&str; 4] = ["daily_limit", "monthly_limit", "per_agent_limit", "action_on_limit"];
const AGENT_FIELDS: [&str; 3] = ["monthly_limit", "on_limit", "on_plan_exhausted"];
/// Agents on one page of the list.
const AGENTS: usize = 25;
/// Things told lately.
const LATELY: u32 = 6;
/// A pace is told after a forty-eighth of the window: half an hour of a day, fifteen hours of a month.
const PACE_AFTER: i64 = 48;

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/limits", READ, page);
    table.page(Method::POST, "/limits", WRITE, save);
    table.page(Method::POST, "/limits/resume", WRITE, resume);
    table.page(Method::GET, "/limits/agent", READ, agent_page);
    table.page(Method::POST, "/limits/agent", WRITE, save_agent);
}

/// Which page of the list of agents, and what was just done.
struct Wanted {
    page: usize,
    done: Option<&'static str>,
}

impl FromParams for Wanted {
    fn from_params(params: &mut Params) -> Option<Self> {
        let page = params.optional::<u32>("page").unwrap_or(1).max(1);
        let done = match params.text("done").as_deref() {
            Some("saved") => Some("The limits have been saved."),
            Some("agent") => Some("What holds for the agent has been saved."),
            Some("resumed") => Some("Work goes on until the limit starts over or changes."),
            _ => None,
        };
        Some(Self { page: usize::try_from(page).unwrap_or(1), done })
    }
}

/// What is shown of a form.
struct Shown {
    /// None: as things are.
    form: Option<FormState>,
    confirm: Option<(Notice, String)>,
    page: usize,
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(wanted): Query<Wanted>,
) -> Result<HttpResponse, ApiError> {
    let shown = Shown { form: None, confirm: None, page: wanted.page };
    let shared = state.clone();
    let mut page = state.db.read(move |tx| read(tx, &shared, &admitted, shown)).await?;
    page.chrome.notice = wanted.done.map(|text| Notice { tone: Tone::Good, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

fn read(tx: &ReadTx<'_>, state: &State, admitted: &Admitted, shown: Shown) -> Result<LimitsPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Limits & agents")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Limits, crumbs)?;
    let today = chrome.show.zone.day_of(tx.now());
    let standing = limits::standing(tx, organization, today, 0)?;
    let skip = (shown.page - 1).saturating_mul(AGENTS);
    let (agents, total) = limits::agents_by_share(tx, organization, today, skip, AGENTS)?;
    let card = |of: &LimitStanding, label| card(of, label, &chrome.show, tx.now());
    let cards = vec![card(&standing.daily, "Today"), card(&standing.monthly, "This month")];
    let rows: Vec<AgentRow> = agents.iter().map(|agent| agent_row(agent, &chrome.show, tx.now())).collect();
    let at = |page: usize| format!("/limits?page={page}#agents");
    let first = today.first_of_month();
    let told = limits::events(tx, organization, first, LATELY)?;
    Ok(LimitsPage {
        warning: warning(&cards, &rows),
        cards,
        position: format!(
            "{} to {} of {}",
            skip + 1,
            skip + rows.len(),
            format::counted(number(total), "agent")
        ),
        previous: (shown.page > 1).then(|| at(shown.page - 1)),
        next: (skip + rows.len() < total).then(|| at(shown.page + 1)),
        agents: rows,
        told: told.iter().map(|event| told_row(tx, event)).collect::<Result<_, _>>()?,
        form: shown.form.unwrap_or_else(|| as_set(&standing.limits)),
        may_edit: admitted.principal()?.may(Scope::LimitsWrite, organization).is_ok(),
        confirm: shown.confirm,
        chrome,
    })
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The form filled with what is set.
fn as_set(limits: &OrganizationLimits) -> FormState {
    let mut form = FormState::default();
    let amounts = [limits.daily, limits.monthly, limits.per_agent];
    for (name, amount) in FIELDS.into_iter().zip(amounts) {
        form.values.insert(name.into(), amount.map(|a| a.to_string()).unwrap_or_default());
    }
    form.values.insert("action_on_limit".into(), limits.action.name().into());
    form
}

/// What is held up, and where to do something about it.
fn warning(cards: &[LimitCard], agents: &[AgentRow]) -> Option<Notice> {
    let whole = cards.iter().find(|card| card.paused).map(|card| match card.kind {
        "daily" => "Today's limit is spent: work not yet done is refused until midnight.".to_owned(),
        _ => "The month's limit is spent: work not yet done is refused until it ends.".to_owned(),
    });
    let paused = agents.iter().filter(|agent| agent.limit.paused).count();
    let (text, link) = match (whole, paused) {
        (Some(text), _) => (text, None),
        (None, 0) => return None,
        (None, 1) => ("1 agent is paused by its limit.".to_owned(), Some("#agents")),
        (None, more) => (format!("{more} agents are paused by their limits."), Some("#agents")),
    };
    let link = link.map(|href| (href.to_owned(), "See which".to_owned()));
    Some(Notice { tone: Tone::Bad, text, link })
}

/// A limit as it is drawn.
fn card(of: &LimitStanding, label: &str, show: &Show, now: Timestamp) -> LimitCard {
    let (start, end) = (show.zone.start_of(of.window), show.zone.start_of(of.resets_on));
    let (elapsed, whole) = (now.millis() - start.millis(), end.millis() - start.millis());
    let has_pace = elapsed.saturating_mul(PACE_AFTER) >= whole && of.spent.is_positive();
    let bullet = of.limit.map(|limit| Bullet {
        label: label.to_owned(),
        spent: of.spent.micros(),
        limit: limit.micros(),
        projected: (has_pace && of.spent < limit).then(|| ahead(of.spent, elapsed, whole)),
        text: format!("{} of {} credits", format::credits(of.spent), format::credits(limit)),
    });
    let hit =
        of.limit.filter(|_| has_pace).and_then(|limit| projected_hit_ms(limit, of.spent, elapsed, whole));
    LimitCard {
        label: label.to_owned(),
        kind: of.key.kind.name(),
        spent: of.spent,
        bullet,
        chip: chip(of.status),
        note: note(of, show, hit.map(|ms| start.plus_ms(ms))),
        paused: of.status == Status::Paused,
    }
}

/// What will be spent by the end of the window at the pace so far.
fn ahead(spent: Credits, elapsed_ms: i64, whole_ms: i64) -> i64 {
    let ahead = i128::from(spent.micros()) * i128::from(whole_ms) / i128::from(elapsed_ms.max(1));
    i64::try_from(ahead).unwrap_or(i64::MAX)
}

fn chip(status: Status) -> Option<Chip> {
    match status {
        Status::Warning => Some(Chip::new(Tone::Warn, "Nearly spent")),
        // a spent limit is marked by its bar
        Status::Unlimited | Status::Ok | Status::Reached | Status::Paused | Status::Resumed => None,
    }
}

/// What happens now, or what the pace leads to.
fn note(of: &LimitStanding, show: &Show, hit: Option<Timestamp>) -> String {
    let until = match of.key.kind {
        LimitKind::Daily => "midnight".to_owned(),
        LimitKind::Monthly | LimitKind::PerAgent => format::day(of.resets_on),
    };
    let action = if of.pauses { "Pauses at the limit" } else { "Alerts only" };
    match (of.status, hit) {
        (Status::Unlimited, _) => String::new(),
        (Status::Paused, _) => format!("Paused: new work is refused until {until}."),
        (Status::Resumed, _) => format!("Resumed: nothing is refused until {until}."),
        (Status::Reached, _) => format!("Alerts only: nothing is refused. It starts over with {until}."),
        (Status::Ok | Status::Warning, None) => format!("{action} · not reached at this pace"),
        (Status::Ok | Status::Warning, Some(hit)) => {
            let local = show.zone.local(hit);
            let when = match of.key.kind {
                LimitKind::Daily => format!("at {}", local.strftime("%H:%M")),
                LimitKind::Monthly | LimitKind::PerAgent => {
                    format!("on {}", format::day(show.zone.day_of(hit)))
                }
            };
            format!("{action} · reached {when} at this pace")
        }
    }
}

fn agent_row(agent: &AgentStanding, show: &Show, now: Timestamp) -> AgentRow {
    let label =
        agent.limit.percent().map_or_else(|| "This month".to_owned(), |percent| format!("{percent} %"));
    let mut limit = card(&agent.limit, &label, show, now);
    if limit.bullet.is_none() {
        limit.label = String::new();
    }
    AgentRow {
        id: agent.external_id.clone(),
        href: agent_href(&agent.external_id),
        limit,
        whose: match (agent.terms.limit, agent.terms.own) {
            (None, _) => "",
            (Some(_), true) => "Its own",
            (Some(_), false) => "Every agent's",
        },
        on_limit: match (agent.terms.limit, agent.terms.on_limit) {
            (None, _) => "",
            (Some(_), Choice::Stop) => "Stops",
            (Some(_), Choice::UseBalance) => "Goes on, alerts only",
        },
        on_plan_exhausted: match agent.terms.on_plan_exhausted {
            Choice::Stop => "Stops",
            Choice::UseBalance => "Uses the balance",
        },
    }
}

fn agent_href(id: &str) -> String {
    let query = serde_urlencoded::to_string([("id", id)]).unwrap_or_default();
    format!("/limits/agent?{query}")
}

fn told_row(tx: &ReadTx<'_>, event: &LimitEvent) -> Result<ToldRow, ApiError> {
    let agent = event.key.agent.map(|agent| limits::agent_name(tx, agent)).transpose()?.flatten();
    Ok(ToldRow {
        at: event.at,
        of: match event.key.kind {
            LimitKind::Daily => "Day".to_owned(),
            LimitKind::Monthly => "Month".to_owned(),
            LimitKind::PerAgent => agent.unwrap_or_default(),
        },
        chip: match (event.notice, event.pauses) {
            (Told::Warning, _) => Chip::new(Tone::Warn, "80 % spent"),
            (Told::Reached, true) => Chip::new(Tone::Bad, "Paused"),
            (Told::Reached, false) => Chip::new(Tone::Warn, "Reached"),
        },
        spent: event.spent,
        limit: event.amount,
    })
}

/// An amount that may be left empty; what is wrong with it is noted beside its field.
fn amount(typed: &mut FormState, name: &str) -> Option<Credits> {
    if typed.value(name).is_empty() { None } else { forms::read(typed, name) }
}

/// Fails with what is wrong with what was typed, as the operation would.
fn refuse_wrong(typed: &FormState) -> Result<(), ApiError> {
    let wrong = typed.errors.iter();
    let wrong: Vec<FieldError> =
        wrong.map(|(name, text)| FieldError::new(name.clone(), "invalid_value", text.clone())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::fields(wrong)) }
}

/// What was typed, to be sent back by whoever means it.
fn meant(typed: &FormState, names: &[&str]) -> String {
    names.iter().map(|name| typed.value(name)).collect::<Vec<_>>().join("|")
}

fn confirmation(
    would: &[String],
    typed: &FormState,
    names: &[&str],
    form: &Form,
) -> Option<(Notice, String)> {
    let meant = meant(typed, names);
    if would.is_empty() || form.text("confirm") == meant {
        return None;
    }
    let text = format!("{} Save again if that is meant.", would.join(" "));
    Some((Notice { tone: Tone::Warn, text, link: None }, meant))
}

/// What became of a form.
enum Saved {
    Done,
    /// It would hold something up, and nobody said that this is meant.
    ToConfirm((Notice, String)),
}

async fn save(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(&form, &FIELDS);
    let saved = try_save(&state, &admitted, &form, &mut typed).await;
    let (confirm, status) = match saved {
        Ok(Saved::Done) => return Ok(redirect("/limits?done=saved")),
        Ok(Saved::ToConfirm(confirm)) => (Some(confirm), StatusCode::OK),
        Err(error) => (None, explain(&mut typed, &FIELDS, error, &admitted)?),
    };
    let shown = Shown { form: Some(typed), confirm, page: 1 };
    let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, shown))?;
    html(status, &page)
}

async fn try_save(
    state: &State,
    admitted: &Admitted,
    form: &Form,
    typed: &mut FormState,
) -> Result<Saved, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let after = OrganizationLimits {
        daily: amount(typed, "daily_limit"),
        monthly: amount(typed, "monthly_limit"),
        per_agent: amount(typed, "per_agent_limit"),
        action: Action::from_name(typed.value("action_on_limit")).unwrap_or_default(),
    };
    refuse_wrong(typed)?;
    let would = state.db.read_blocking(|tx| would_pause(tx, organization, &after))?;
    if let Some(confirm) = confirmation(&would, typed, &FIELDS, form) {
        return Ok(Saved::ToConfirm(confirm));
    }
    let change = Change {
        daily: Some(after.daily),
        monthly: Some(after.monthly),
        per_agent: Some(after.per_agent),
        action: Some(after.action),
    };
    state.db.write(move |tx| limits::set(tx, &by, organization, &change)).await?;
    Ok(Saved::Done)
}

fn explain(
    typed: &mut FormState,
    names: &[&str],
    error: ApiError,
    admitted: &Admitted,
) -> Result<StatusCode, ApiError> {
    typed.errors.clear();
    forms::explain(typed, names, error, &admitted.request_id.to_string())
}

/// What the limits would hold up at once that is not held up now.
fn would_pause(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    after: &OrganizationLimits,
) -> Result<Vec<String>, ApiError> {
    let today = organizations::get(tx, organization)?.zone.day_of(tx.now());
    let now = limits::standing(tx, organization, today, 0)?;
    let (agents, _) = limits::agents_by_share(tx, organization, today, 0, usize::MAX)?;
    let mut would = Vec::new();
    let spent_of = |spent, limit| format!("{} of {} credits", format::credits(spent), format::credits(limit));
    let windows = [(&now.daily, after.daily, "today"), (&now.monthly, after.monthly, "this month")];
    let acts = now.limits.action != after.action;
    for (standing, limit, when) in windows {
        let is_new = acts || standing.limit != limit;
        let Some(limit) = limit.filter(|_| is_new) else { continue };
        if after.action == Action::Pause && standing.spent >= limit && standing.status != Status::Paused {
            let what = spent_of(standing.spent, limit);
            would.push(format!("This pauses everything at once: {what} are spent {when}."));
        }
    }
    let pauses = |agent: &&AgentStanding| {
        let terms = AgentTerms::of(after, agent.policy);
        let reached = terms.limit.is_some_and(|limit| agent.limit.spent >= limit);
        terms != agent.terms
            && reached
            && terms.on_limit == Choice::Stop
            && agent.limit.status != Status::Paused
    };
    match agents.iter().filter(pauses).count() {
        0 => {}
        1 => would.push("This pauses 1 agent at once.".to_owned()),
        more => would.push(format!("This pauses {more} agents at once.")),
    }
    Ok(would)
}

async fn resume(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let kind = LimitKind::from_name(form.text("limit")).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let agent = form.verbatim("agent").to_owned();
    let resumed = state.db.write(move |tx| -> Result<(), ApiError> {
        let key = match kind {
            LimitKind::Daily => LimitKey::DAILY,
            LimitKind::Monthly => LimitKey::MONTHLY,
            LimitKind::PerAgent => {
                let found = limits::agent_standing(tx.conn()?, organization, &agent, Day::from_number(0))?;
                LimitKey::agent(found.ok_or(limits::Error::NotFound("agent"))?.id)
            }
        };
        Ok(limits::resume(tx, &by, organization, key)?)
    });
    match resumed.await {
        Ok(()) => Ok(redirect("/limits?done=resumed")),
        // the window ended or the limit changed meanwhile: what holds now is on the page
        Err(error) if error.code() == Code::LimitNotPaused => Ok(redirect("/limits")),
        Err(error) => Err(error),
    }
}

/// Which agent.
struct Which(String);

impl FromParams for Which {
    fn from_params(params: &mut Params) -> Option<Self> {
        params.required::<String>("id").map(Self)
    }
}

async fn agent_page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Which(id)): Query<Which>,
) -> Result<HttpResponse, ApiError> {
    let shown = Shown { form: None, confirm: None, page: 1 };
    let page = state.db.read_blocking(|tx| read_agent(tx, &state, &admitted, &id, shown))?;
    html(StatusCode::OK, &page)
}

fn read_agent(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    id: &str,
    shown: Shown,
) -> Result<AgentLimitPage, ApiError> {
    let organization = admitted.organization()?;
    if !limits::is_external_id(id) {
        return Err(limits::Error::NotFound("agent").into());
    }
    let crumbs = vec![
        Crumb::link("My Credit", "/overview"),
        Crumb::link("Limits & agents", "/limits"),
        Crumb::here(id),
    ];
    let chrome = chrome::chrome(state, admitted, tx, Section::Limits, crumbs)?;
    let today = chrome.show.zone.day_of(tx.now());
    let limits = limits::limits(tx, organization)?;
    let found = limits::agent_standing(tx, organization, id, today)?;
    let policy = found.as_ref().map(|agent| agent.policy).unwrap_or_default();
    let limit = found.as_ref().map_or_else(|| unseen(&limits, today), |agent| agent.limit);
    Ok(AgentLimitPage {
        id: id.to_owned(),
        first_seen: found.as_ref().map(|agent| agent.first_seen_at),
        limit: card(&limit, "This month", &chrome.show, tx.now()),
        organization_limit: limits.per_agent,
        organization_action: limits.action.name(),
        form: shown.form.unwrap_or_else(|| as_said(policy)),
        may_edit: admitted.principal()?.may(Scope::LimitsWrite, organization).is_ok(),
        confirm: shown.confirm,
        chrome,
    })
}

/// The limit of an agent that was never seen.
fn unseen(limits: &OrganizationLimits, today: Day) -> LimitStanding {
    let terms = AgentTerms::of(limits, AgentPolicy::default());
    let pauses = terms.on_limit == Choice::Stop;
    let kind = LimitKind::PerAgent;
    LimitStanding {
        key: LimitKey { kind, agent: None },
        limit: terms.limit,
        spent: Credits::ZERO,
        status: Status::of(terms.limit, Credits::ZERO, pauses, false),
        pauses,
        window: kind.window(today),
        resets_on: kind.window_end(today),
    }
}

/// The form filled with what was said about an agent.
fn as_said(policy: AgentPolicy) -> FormState {
    let mut form = FormState::default();
    let choice = |choice: Option<Choice>| choice.map(Choice::name).unwrap_or_default().to_owned();
    let amount = policy.monthly_limit.map(|a| a.to_string()).unwrap_or_default();
    form.values.insert("monthly_limit".into(), amount);
    form.values.insert("on_limit".into(), choice(policy.on_limit));
    form.values.insert("on_plan_exhausted".into(), choice(policy.on_plan_exhausted));
    form
}

async fn save_agent(
    state: web::Data<State>,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let id = form.verbatim("id").to_owned();
    let mut typed = forms::typed(&form, &AGENT_FIELDS);
    let saved = try_save_agent(&state, &admitted, &form, &mut typed).await;
    let (confirm, status) = match saved {
        Ok(Saved::Done) => return Ok(redirect("/limits?done=agent")),
        Ok(Saved::ToConfirm(confirm)) => (Some(confirm), StatusCode::OK),
        Err(error) => (None, explain(&mut typed, &AGENT_FIELDS, error, &admitted)?),
    };
    let shown = Shown { form: Some(typed), confirm, page: 1 };
    let page = state.db.read_blocking(|tx| read_agent(tx, &state, &admitted, &id, shown))?;
    html(status, &page)
}

async fn try_save_agent(
    state: &State,
    admitted: &Admitted,
    form: &Form,
    typed: &mut FormState,
) -> Result<Saved, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let id = form.verbatim("id").to_owned();
    let after = AgentPolicy {
        monthly_limit: amount(typed, "monthly_limit"),
        on_limit: Choice::from_name(typed.value("on_limit")),
        on_plan_exhausted: Choice::from_name(typed.value("on_plan_exhausted")),
    };
    refuse_wrong(typed)?;
    let would = state.db.read_blocking(|tx| would_pause_agent(tx, organization, &id, after))?;
    if let Some(confirm) = confirmation(&would, typed, &AGENT_FIELDS, form) {
        return Ok(Saved::ToConfirm(confirm));
    }
    let change = AgentChange {
        monthly_limit: Some(after.monthly_limit),
        on_plan_exhausted: Some(after.on_plan_exhausted),
        on_limit: Some(after.on_limit),
    };
    state.db.write(move |tx| limits::set_agent(tx, &by, organization, &id, &change)).await?;
    Ok(Saved::Done)
}

fn would_pause_agent(
    tx: &ReadTx<'_>,
    organization: OrganizationId,
    id: &str,
    after: AgentPolicy,
) -> Result<Vec<String>, ApiError> {
    let today = organizations::get(tx, organization)?.zone.day_of(tx.now());
    let Some(agent) = limits::agent_standing(tx, organization, id, today)? else { return Ok(Vec::new()) };
    let terms = AgentTerms::of(&limits::limits(tx, organization)?, after);
    let spent = agent.limit.spent;
    let Some(limit) = terms.limit.filter(|limit| spent >= *limit) else { return Ok(Vec::new()) };
    if terms == agent.terms || terms.on_limit != Choice::Stop || agent.limit.status == Status::Paused {
        return Ok(Vec::new());
    }
    let (spent, limit) = (format::credits(spent), format::credits(limit));
    Ok(vec![format!("This pauses the agent at once: {spent} of {limit} credits are spent.")])
}
