//! One call, from what was asked to what was charged.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::calls::{Now, duration, name};
use super::chrome::{self, html};
use super::customer::Grants;
use super::filter::workspaces_in_reach;
use super::format::{self, Show};
use super::usage_day::row;
use super::views::call::{CallPage, Leg, Step};
use super::views::calls::status_chip;
use super::views::transactions::Draw;
use super::views::usage_day::UsageItemRow;
use super::views::{Crumb, Section};
use crate::base::Credits;
use crate::base::id::TransactionId;
use crate::calls::{self, Call, CallRef, Ended, Hold, Reason, Rejection, State as CallState, Status};
use crate::catalog::Snapshot;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::pages::components::{Notice, Tone};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::identity::{Scope, Workspace};
use crate::metering::statement;

/// Adds the route.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/calls/{id}", Access::usage(Scope::BillingRead), page);
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(which): PathId<CallRef>,
) -> Result<HttpResponse, ApiError> {
    let shared = state.clone();
    let page = state.db.read(move |tx| read(tx, &shared, &admitted, &which));
    html(StatusCode::OK, &page.await?)
}

fn read(tx: &ReadTx<'_>, state: &State, admitted: &Admitted, which: &CallRef) -> Result<CallPage, ApiError> {
    let organization = admitted.organization()?;
    let in_reach =
        |call: &Call| admitted.reach.covers(call.parties.workspace.as_ref().map(|workspace| workspace.id));
    let call = calls::get(tx, organization, which)?.filter(in_reach);
    let call = call.ok_or_else(|| ApiError::new(Code::NotFound))?;
    let crumbs = vec![
        Crumb::link("My Credit", "/overview"),
        Crumb::link("Calls", "/calls"),
        Crumb::here(call.external.to_string()),
    ];
    let chrome = chrome::chrome(state, admitted, tx, Section::Calls, crumbs)?;
    let catalog = state.catalog.get(tx)?;
    let seen = workspaces_in_reach(tx, organization, &admitted.reach)?;
    // what credit there is, and was, is for those who may see the wallet
    let sees_money = admitted.principal()?.may(Scope::BillingRead, organization).is_ok();
    let charged = Charged::read(tx, &call, &catalog, &seen, &chrome.show)?;
    let hold = match &call.state {
        CallState::Live(hold) => Some(hold),
        CallState::Completed(_) | CallState::Expired(_) | CallState::Rejected(_) => None,
    };
    let now = hold.map(|hold| (hold, Now::of(hold, tx.now())));
    let holds = match hold.filter(|_| sees_money) {
        Some(hold) => Grants::new(tx, &chrome.show).of_holds(&hold.pins.credit)?,
        None => Vec::new(),
    };
    let legs = calls::legs(tx, organization, &call.external)?.into_iter();
    let legs = legs.filter(|leg| leg.id != call.id && in_reach(leg));
    let shown = name(&call, &catalog);
    Ok(CallPage {
        status: status_chip(call.status()),
        live: hold.is_some(),
        at: tx.now(),
        rejected: rejected(&call, sees_money),
        cost: now
            .map(|(hold, now)| calls::cost_at(&call, hold, now.lasting, &catalog))
            .or_else(|| call.charge().map(|charge| charge.credits)),
        duration: now.map(|(_, now)| now.lasting).or_else(|| duration(&call)),
        transfer: call.charge().and_then(|charge| charge.report.transfer),
        left: now.map(|(_, now)| now.left),
        held: Some(call.held()).filter(|held| hold.is_some() || held.is_positive()),
        life: life(&call, &chrome.show, sees_money),
        holds,
        held_included: hold.map(|hold| hold.pins.cycle.included).filter(|included| included.is_positive()),
        items: charged.items,
        draws: if sees_money { charged.draws } else { Vec::new() },
        workspace: workspace(&call, &seen),
        byok: call.byok,
        rate: rate(&call, &catalog),
        transactions: if sees_money { charged.transactions } else { Vec::new() },
        legs: legs.map(|leg| Leg { id: leg.id.to_string(), what: name(&leg, &catalog).what }).collect(),
        id: shown.id,
        external: shown.external,
        what: shown.what,
        agent: shown.agent,
        number: shown.number,
        chrome,
    })
}

/// What a call was charged.
#[derive(Default)]
struct Charged {
    items: Vec<UsageItemRow>,
    draws: Vec<Draw>,
    transactions: Vec<String>,
}

impl Charged {
    fn read(
        tx: &ReadTx<'_>,
        call: &Call,
        catalog: &Snapshot,
        seen: &[Workspace],
        show: &Show,
    ) -> Result<Self, ApiError> {
        let Some(charge) = call.charge() else { return Ok(Self::default()) };
        let (mut charged, mut all) = (Self::default(), Vec::new());
        for head in [Some(charge.head), charge.transfer_head].into_iter().flatten() {
            let items = statement::event(tx, call.organization, TransactionId::new(head))?;
            let voided = statement::voided_by(tx, head)?.is_some();
            charged.items.extend(items.iter().map(|item| row(item, voided, catalog, seen)));
            charged.transactions.push(TransactionId::new(head).to_string());
            all.extend(items);
        }
        charged.draws = Grants::new(tx, show).of_items(&all)?;
        Ok(charged)
    }
}

fn workspace(call: &Call, seen: &[Workspace]) -> String {
    let Some(named) = &call.parties.workspace else { return String::new() };
    let known = seen.iter().find(|workspace| workspace.id == named.id);
    known.map_or_else(|| named.name.to_string(), |workspace| workspace.name.clone())
}

fn rate(call: &Call, catalog: &Snapshot) -> String {
    let found = call.tariff.and_then(|tariff| catalog.rate_version(tariff.rate_version));
    found.map_or_else(String::new, |(card, version)| format!("{}, version {}", card.name, version.version))
}

/// Why the call was rejected, and where to do something about it.
fn rejected(call: &Call, sees_money: bool) -> Option<Notice> {
    let CallState::Rejected(rejection) = &call.state else { return None };
    let link = match rejection.reason {
        Reason::InsufficientCredits => Some(("/overview", "See the balance")),
        Reason::PlanExhausted
        | Reason::DailyLimit
        | Reason::MonthlyLimit
        | Reason::AgentLimit
        | Reason::TollFreeMinutes
        | Reason::TollFreeCalls => Some(("/limits", "See the limits")),
        Reason::OrganizationSuspended | Reason::NumberSuspended => None,
    };
    let link = link.filter(|_| sees_money).map(|(href, label)| (href.to_owned(), label.to_owned()));
    Some(Notice { tone: Tone::Bad, text: format!("Rejected: {}", lowered(rejection.reason.text())), link })
}

/// A sentence that goes on after a colon.
fn lowered(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn step(at: Option<crate::base::Timestamp>, title: &'static str, text: String) -> Step {
    Step { at, title, text, ahead: false }
}

/// What happened to a call, in order.
fn life(call: &Call, show: &Show, sees_money: bool) -> Vec<Step> {
    match &call.state {
        CallState::Live(hold) => live(call, hold),
        CallState::Rejected(rejection) => asked_and_rejected(call, rejection, show, sees_money),
        CallState::Completed(ended) | CallState::Expired(ended) => over(call, ended, show),
    }
}

fn seconds(quantity: crate::base::Quantity) -> String {
    format::quantity(quantity, "second")
}

fn live(call: &Call, hold: &Hold) -> Vec<Step> {
    let mut steps = vec![step(Some(call.started_at), "Allowed", String::new())];
    if hold.elapsed.is_positive() {
        let text = format!("It had lasted {}.", seconds(hold.elapsed));
        steps.push(step(Some(hold.extended_at), "Last heard of", text));
    }
    let text = format!(
        "Unless it is heard of until then. What is set aside lasts for {}, and it may last {} at most.",
        seconds(hold.covered),
        seconds(hold.most)
    );
    steps.push(Step { at: Some(hold.expires_at), title: "Ends by itself", text, ahead: true });
    steps
}

fn asked_and_rejected(call: &Call, rejection: &Rejection, show: &Show, sees_money: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    // asked again later, and rejected again
    if rejection.at != call.started_at {
        steps.push(step(Some(call.started_at), "Asked for", String::new()));
    }
    let mut text = rejection.reason.text().to_owned();
    if sees_money && rejection.reason == Reason::InsufficientCredits {
        let available = show.amount_text(rejection.available);
        let required = show.amount_text(rejection.required);
        text = format!("{text} Available: {available}. The shortest call needs {required}.");
    }
    steps.push(step(Some(rejection.at), "Rejected", text));
    steps
}

fn over(call: &Call, ended: &Ended, show: &Show) -> Vec<Step> {
    let asked = ended.held.is_positive() || ended.elapsed.is_positive() || ended.charge.is_none();
    let began = if asked { "Allowed" } else { "Began" };
    let mut steps = vec![step(Some(call.started_at), began, String::new())];
    if ended.elapsed.is_positive() {
        let text = format!("It had lasted {}.", seconds(ended.elapsed));
        steps.push(step(None, "Last heard of while it went on", text));
    }
    let title = match (call.status(), &ended.charge) {
        (Status::Expired, _) => "Ended by itself",
        (_, None) => "Released",
        (_, Some(_)) => "Completed",
    };
    steps.push(step(Some(ended.at), title, ending(call.status(), ended, show)));
    steps
}

/// What became of what was set aside.
fn ending(status: Status, ended: &Ended, show: &Show) -> String {
    let Some(charge) = &ended.charge else {
        return match status {
            Status::Expired => "Nothing was heard of it after it was allowed. It was not charged.".into(),
            Status::Live | Status::Completed | Status::Rejected => {
                "Nothing came of it. It was not charged.".into()
            }
        };
    };
    let why = match status {
        Status::Expired => {
            "It was not heard of in time, and is taken to have lasted as long as last reported. "
        }
        Status::Live | Status::Completed | Status::Rejected => "",
    };
    let above = charge.credits.checked_sub(ended.held).unwrap_or(Credits::ZERO);
    let compared = if ended.held.is_zero() {
        String::new()
    } else if above.is_positive() {
        format!(", {} more than was set aside", show.headline_text(above))
    } else if above.is_zero() {
        ", exactly what was set aside".into()
    } else {
        let freed = above.checked_neg().unwrap_or(Credits::ZERO);
        format!("; {} that were set aside are free again", show.headline_text(freed))
    };
    format!("{why}Charged {}{compared}.", show.headline_text(charge.credits))
}
