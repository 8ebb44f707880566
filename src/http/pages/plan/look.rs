//! The page: the plan as it stands, what of it is left, and the plans on offer.

use std::sync::Arc;

use super::super::catalog::words::fee;
use super::super::chrome;
use super::super::components::{Chip, Gauge, Notice, Problem, Tone};
use super::super::customer::usable;
use super::super::format::{self, Show};
use super::super::forms;
use super::super::views::plan::{CurrentPlan, Deed, IncludedRow, OfferCard, PlanPage};
use super::super::views::{Crumb, Section};
use super::steps::Asked;
use super::words::{self, Side, units};
use crate::base::Timestamp;
use crate::base::id::{OrganizationId, PlanVersionId};
use crate::base::time::DAY_MS;
use crate::catalog::{Plan, PlanVersion, Snapshot};
use crate::db::{DbError, ReadTx};
use crate::grants::Class;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::identity::{Organization, Scope, organizations};
use crate::subscriptions::rules::{Ahead, Month};
use crate::subscriptions::{self, Included, Pending, Standing, State as Stands, Subscription};
use crate::wallet;

/// For how long a plan that has ended is spoken of.
const REMEMBERED_MS: i64 = 60 * DAY_MS;

/// What the pages about plans look at.
pub(super) struct Look<'a> {
    pub(super) tx: &'a ReadTx<'a>,
    pub(super) state: &'a State,
    pub(super) admitted: &'a Admitted,
    pub(super) organization: Organization,
    pub(super) catalog: Arc<Snapshot>,
    pub(super) standing: Option<Standing>,
    pub(super) show: Show,
    /// The reader may change the plan.
    pub(super) may: bool,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        tx: &'a ReadTx<'a>,
        state: &'a State,
        admitted: &'a Admitted,
    ) -> Result<Self, ApiError> {
        let organization = organizations::get(tx, admitted.organization()?)?;
        let catalog = state.catalog.get(tx)?;
        let seller = &state.desk.seller;
        let standing = subscriptions::standing(tx, &catalog, seller, organization.id, tx.now())?;
        let may = admitted.principal()?.may_in_session(Scope::BillingWrite, organization.id).is_ok();
        let show = chrome::show(state, &organization);
        Ok(Self { tx, state, admitted, organization, catalog, standing, show, may })
    }

    pub(super) fn id(&self) -> OrganizationId {
        self.organization.id
    }

    pub(super) fn sub(&self) -> Option<&Subscription> {
        self.standing.as_ref()?.subscription.as_ref()
    }

    pub(super) fn version(&self, id: PlanVersionId) -> Result<(&Plan, &PlanVersion), ApiError> {
        let gone = || DbError::bad_row("plan_versions", id.number(), "is not there");
        Ok(self.catalog.plan_version(id).ok_or_else(gone)?)
    }

    pub(super) fn date(&self, at: Timestamp) -> String {
        self.show.date(at).text()
    }

    /// What is had and paid now.
    pub(super) fn now(&self) -> Result<Side, ApiError> {
        let is_paid_for = self.sub().is_some_and(|sub| sub.state == Stands::Active);
        Ok(Side::now(self.tx, &self.catalog, self.id(), is_paid_for)?)
    }

    fn deed(&self, action: &'static str, label: String, asked: &Asked) -> Deed {
        Deed {
            action,
            label,
            agreed: asked.agreed(),
            plan: String::new(),
            idempotency_key: forms::fresh_key(self.admitted),
        }
    }
}

/// `GET /plan`.
pub(super) fn page(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    problem: Option<Problem>,
) -> Result<PlanPage, ApiError> {
    let look = Look::new(tx, state, admitted)?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Plan")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Plan, crumbs)?;
    let closed = closed(&look);
    let included = look.standing.as_ref().map_or(&[][..], |standing| &standing.included);
    let month = look.standing.as_ref().and_then(|standing| standing.month);
    let prices = words::prices(tx, &look.catalog, look.id())?;
    let price_of = |used: &Included| {
        let found = prices.iter().find(|(meter, _)| meter.id == used.meter);
        found.map(|(_, price)| price.clone()).unwrap_or_default()
    };
    let beyond = prices.iter().filter(|(meter, _)| included.iter().all(|used| used.meter != meter.id));
    let beyond = beyond.map(|(meter, price)| (meter.name.clone(), price.clone())).collect();
    let rows = included.iter().filter_map(|of| Some((Used::of(&look, of, month?)?, price_of(of))));
    let mut rows: Vec<(Used, String)> = rows.collect();
    rows.sort_by_key(|(used, _)| used.of.meter);
    Ok(PlanPage {
        notices: notices(&look)?,
        problem,
        current: current(&look)?,
        deeds: deeds(&look)?,
        steps: steps(&look),
        gauges: rows.iter().map(|(used, _)| used.gauge()).collect(),
        included: rows.iter().map(|(used, price)| used.row(price)).collect(),
        month: month.map(|month| span(&look, (month.start, month.end))).unwrap_or_default(),
        coming: coming(&look)?,
        prices: beyond,
        offers: offers(&look, closed.is_none()),
        closed,
        chrome,
    })
}

fn span(look: &Look<'_>, (from, to): (Timestamp, Timestamp)) -> String {
    format!("{} to {}", look.date(from), look.date(to))
}

fn say(tone: Tone, text: impl Into<String>, link: Option<(&str, &str)>) -> Notice {
    Notice { tone, text: text.into(), link: link.map(|(to, label)| (to.to_owned(), label.to_owned())) }
}

/// Why no other plan can be chosen, by whoever looks.
pub(super) fn closed(look: &Look<'_>) -> Option<Notice> {
    let neutral = |text: &str| Some(say(Tone::Neutral, text, None));
    if !look.may {
        return neutral("Plans are chosen by owners and people with the billing role.");
    }
    if !look.state.desk.is_open() {
        return neutral("Plans cannot be chosen here: no payment provider is configured.");
    }
    match look.sub().map(|sub| (sub.state, sub.payment)) {
        Some((Stands::PastDue, _)) => neutral("Pay the unpaid period, or cancel, before changing plans."),
        Some((Stands::Paused, _)) => neutral("Resume the plan, or cancel it, before changing plans."),
        Some((Stands::Active, Some(_))) => {
            neutral("A payment is on its way: plans can be changed when it has come.")
        }
        Some((Stands::Incomplete | Stands::Active | Stands::Canceled, _)) | None => None,
    }
}

/// What is used of a meter.
struct Used {
    meter: String,
    unit: String,
    of: Included,
    ahead: Ahead,
    said: String,
}

impl Used {
    fn of(look: &Look<'_>, of: &Included, month: Month) -> Option<Self> {
        let meter = look.catalog.meter(of.meter)?;
        let ahead = month.ahead(of.included, of.used, look.tx.now());
        let said = match ahead {
            _ if !of.left.is_positive() => "used up".to_owned(),
            Ahead::Unknown => String::new(),
            Ahead::Lasts(_) => "lasts to the end".to_owned(),
            Ahead::UsedUp(at) => format!("used up about {}", look.date(at)),
        };
        Some(Self { meter: meter.name.clone(), unit: meter.unit.clone(), of: *of, ahead, said })
    }

    fn gauge(&self) -> Gauge {
        let Included { used, included, .. } = self.of;
        Gauge {
            label: self.meter.clone(),
            used: used.micros(),
            included: included.micros(),
            ahead: match self.ahead {
                Ahead::Unknown => None,
                Ahead::Lasts(units) => Some(units.micros()),
                Ahead::UsedUp(_) => Some(included.micros()),
            },
            text: format!("{} of {}", bare(&units(used, &self.unit)), units(included, &self.unit)),
            note: self.said.clone(),
        }
    }

    fn row(&self, price: &str) -> IncludedRow {
        IncludedRow {
            meter: self.meter.clone(),
            included: units(self.of.included, &self.unit),
            used: units(self.of.used, &self.unit),
            left: units(self.of.left, &self.unit),
            ahead: if self.said.is_empty() { "too early to say".to_owned() } else { self.said.clone() },
            after: price.to_owned(),
        }
    }
}

/// A number without its unit.
fn bare(units: &str) -> &str {
    units.split_once('\u{a0}').map_or(units, |(number, _)| number)
}

fn chip(sub: Option<&Subscription>) -> Chip {
    match sub.map(|sub| sub.state) {
        None => Chip::new(Tone::Plan, "Given to you"),
        Some(Stands::Incomplete) => Chip::new(Tone::Warn, "Not paid yet"),
        Some(Stands::Active) => Chip::new(Tone::Good, "Active"),
        Some(Stands::PastDue) => Chip::new(Tone::Bad, "Payment failed"),
        Some(Stands::Paused) => Chip::new(Tone::Neutral, "Paused"),
        Some(Stands::Canceled) => Chip::new(Tone::Neutral, "Ended"),
    }
}

fn current(look: &Look<'_>) -> Result<Option<CurrentPlan>, ApiError> {
    let Some(standing) = &look.standing else { return Ok(None) };
    let (plan, version) = look.version(standing.version)?;
    let sub = standing.subscription.as_ref();
    let mut facts = Vec::new();
    let mut fact = |label: &str, text: String| facts.push((label.to_owned(), text));
    match sub {
        Some(_) => fact("Fee", format!("{}, before tax", fee(&version.terms))),
        None => fact("Fee", format!("none: {} gave it to you", look.state.settings.looks.name)),
    }
    if let (Some(_), Some(period)) = (sub, standing.period) {
        let label = if sub.is_some_and(|sub| sub.state == Stands::Active) { "Paid" } else { "Last paid" };
        fact(label, span(look, period));
    }
    if let Some(text) = renewal(look, standing)? {
        fact("Next renewal", text);
    }
    let credit = words::credit(&version.terms).filter(|_| sub.is_some());
    let gives_credit = credit.is_some();
    if let Some(text) = credit {
        fact("Plan credit", text);
    }
    match credit_left(look)? {
        Some(left) => fact("Plan credit left", left),
        None if gives_credit => fact("Plan credit left", "none".to_owned()),
        None => {}
    }
    Ok(Some(CurrentPlan { name: plan.name.clone(), chip: chip(sub), facts }))
}

/// When what is charged to which card; none where nothing will be by itself.
fn renewal(look: &Look<'_>, standing: &Standing) -> Result<Option<String>, ApiError> {
    let is_active = look.sub().is_some_and(|sub| sub.state == Stands::Active);
    let Some(at) = standing.next_charge_at.filter(|_| is_active) else { return Ok(None) };
    let Some(amounts) = standing.next_charge else {
        return Ok(Some(format!("{}, for nothing", look.date(at))));
    };
    let card = match super::steps::default_card(look.tx, look.id())? {
        Some(card) => format!("charged to {}", card.label()),
        None => "no card is saved that could be charged".to_owned(),
    };
    Ok(Some(format!("{}: {} with tax, {card}", look.date(at), format::money(amounts.total))))
}

fn credit_left(look: &Look<'_>) -> Result<Option<String>, ApiError> {
    let now = look.tx.now();
    let summary = wallet::summary(look.tx, look.id(), now)?;
    let left = usable(&summary, Class::Plan, now);
    if !left.is_positive() {
        return Ok(None);
    }
    let of_plans =
        summary.grants.iter().filter(|g| g.terms.order.class == Class::Plan && g.terms.is_live(now));
    let ends = of_plans.filter_map(|grant| grant.terms.order.expires_at).min();
    let ends = ends.map(|at| format!(", expires on {}", look.date(at))).unwrap_or_default();
    Ok(Some(format!("{}{ends}", look.show.headline_text(left))))
}

/// What can be done without looking at it first: each button says what it does.
fn deeds(look: &Look<'_>) -> Result<Vec<Deed>, ApiError> {
    let Some(asked) = look.sub().filter(|_| look.may).map(|sub| Asked::of(look, sub)).transpose()? else {
        return Ok(Vec::new());
    };
    let sub = &asked.sub;
    let name = &look.version(sub.version)?.0.name;
    let pay = asked.amounts.map(|amounts| format::money(amounts.total));
    Ok(match (sub.state, sub.pending, sub.payment) {
        (Stands::Active, Some(_), None) => vec![look.deed("/plan/resume", format!("Keep {name}"), &asked)],
        (Stands::Paused, _, None) => {
            let label = match pay {
                Some(pay) => format!("Resume and pay {pay}"),
                None => "Resume".to_owned(),
            };
            vec![look.deed("/plan/resume", label, &asked)]
        }
        (Stands::PastDue, _, None) if sub.due_at.is_some() => {
            pay.map(|pay| look.deed("/plan/retry", format!("Pay {pay} now"), &asked)).into_iter().collect()
        }
        _ => Vec::new(),
    })
}

fn steps(look: &Look<'_>) -> Vec<(&'static str, &'static str)> {
    let (pause, cancel) = (("/plan/pause", "Pause"), ("/plan/cancel", "Cancel the plan"));
    let Some(sub) = look.sub().filter(|_| look.may) else { return Vec::new() };
    match (sub.state, sub.pending) {
        (Stands::Active, Some(Pending::Cancel)) => vec![pause],
        (Stands::Active, Some(Pending::Plan(_)) | None) => vec![pause, cancel],
        (Stands::Active | Stands::Incomplete | Stands::PastDue | Stands::Paused, _) => vec![cancel],
        (Stands::Canceled, _) => Vec::new(),
    }
}

/// What has happened, will happen, or is to be done.
fn notices(look: &Look<'_>) -> Result<Vec<Notice>, ApiError> {
    let Some(sub) = look.sub() else { return ended(look) };
    let name = &look.version(sub.version)?.0.name;
    let mut all = Vec::new();
    if let Some(payment) = sub.payment {
        let text = match sub.state {
            Stands::Incomplete => format!("{name} begins when it is paid."),
            _ => "A payment is on its way.".to_owned(),
        };
        all.push(say(Tone::Warn, text, Some((&format!("/topup/{payment}"), "See the payment"))));
    }
    let reason = sub.reason.as_deref();
    match (sub.state, reason) {
        (Stands::PastDue, _) => all.push(unpaid(look, sub, name)),
        (Stands::Paused, None) => {
            let text = format!("{name} is paused: nothing is charged for it, and nothing is included.");
            all.push(say(Tone::Neutral, text, None));
        }
        (Stands::Paused, Some(reason)) => {
            let text = format!("{} {name} is still paused.", words::why(reason));
            all.push(say(Tone::Bad, text, Some(("/payment-methods", "Save another card"))));
        }
        (Stands::Active, Some(reason)) if sub.payment.is_none() => {
            let text = format!("{} {name} stays as it is.", words::why(reason));
            all.push(say(Tone::Bad, text, Some(("/payment-methods", "Save another card"))));
        }
        _ => {}
    }
    if let (Some(pending), Some(cycle)) = (sub.pending, sub.cycle) {
        let when = look.date(cycle.end);
        let text = match pending {
            Pending::Cancel => format!("{name} ends on {when}. Until then it stays as it is."),
            Pending::Pause => format!("{name} pauses on {when}. Until then it stays as it is."),
            Pending::Plan(version) => {
                let next = &look.version(version)?.0.name;
                format!("{next} comes instead of {name} on {when}. Until then it stays as it is.")
            }
        };
        all.push(say(Tone::Warn, text, None));
    }
    if let Some((_, at)) = subscriptions::migrates(sub, &look.organization.zone) {
        let text = format!("{name} changes with its renewal on {}: see below.", look.date(at));
        all.push(say(Tone::Warn, text, None));
    }
    Ok(all)
}

/// A period could not be paid: what that means, and until when something can be done.
fn unpaid(look: &Look<'_>, sub: &Subscription, name: &str) -> Notice {
    let why = sub.reason.as_deref().unwrap_or_default();
    let Some(next) = sub.due_at else {
        let text = match sub.payment {
            Some(_) => format!("{name} could not be renewed yet. Nothing is included until it is paid."),
            None => format!(
                "It is not known whether your card was charged for {name}: we are looking into it. Nothing is included until then."
            ),
        };
        return say(Tone::Bad, text, None);
    };
    let days = look.state.office.shop().terms.dunning_days.iter().max().copied().unwrap_or(0);
    let last = sub.failed_at.map(|at| at.plus_ms(i64::from(days) * DAY_MS));
    let last = last.map_or_else(String::new, |at| {
        format!(" If it cannot be paid by {}, {name} ends.", look.show.when(at).text())
    });
    let text = format!(
        "{} {name} is not renewed, and nothing is included until it is paid. It is tried again {}.{last}",
        words::why(why),
        look.show.when(next).text()
    );
    say(Tone::Bad, text, Some(("/payment-methods", "Save another card")))
}

/// A plan that has ended lately.
fn ended(look: &Look<'_>) -> Result<Vec<Notice>, ApiError> {
    let Some(last) = subscriptions::of(look.tx, look.id())? else { return Ok(Vec::new()) };
    let Some(at) = last.ended_at.filter(|at| at.plus_ms(REMEMBERED_MS) > look.tx.now()) else {
        return Ok(Vec::new());
    };
    let name = &look.version(last.version)?.0.name;
    let when = look.date(at);
    Ok(match (last.reason.as_deref(), last.number) {
        (Some("asked" | "replaced") | None, 0) => Vec::new(),
        (Some("asked" | "replaced") | None, _) => {
            vec![say(Tone::Neutral, format!("{name} ended on {when}, as you wished."), None)]
        }
        (Some(reason), 0) => {
            vec![say(Tone::Bad, format!("{} {name} has not begun.", words::why(reason)), None)]
        }
        (Some(reason), _) => {
            let text = format!("{name} ended on {when}, because it was not paid. {}", words::why(reason));
            vec![say(Tone::Bad, text, None)]
        }
    })
}

/// What the operator's change brings.
fn coming(look: &Look<'_>) -> Result<Option<(String, Vec<super::super::views::plan::ChangeRow>)>, ApiError> {
    let Some(sub) = look.sub() else { return Ok(None) };
    let Some((version, at)) = subscriptions::migrates(sub, &look.organization.zone) else { return Ok(None) };
    let then = Side::of(&look.catalog, &look.version(version)?.1.terms, at);
    let changes = look.now()?.changes(&then, &look.catalog);
    Ok(Some((format!("From {}", look.date(at)), changes)))
}

/// The plans that can be paid for in the wallet's currency.
fn offers(look: &Look<'_>, open: bool) -> Vec<OfferCard> {
    let now = look.tx.now();
    let listed = look.catalog.plans().iter().filter_map(|plan| Some((plan, plan.in_force(now)?)));
    let listed = listed.filter(|(_, version)| {
        version.terms.listed && version.terms.price.currency == look.organization.currency
    });
    listed.map(|(plan, version)| offer(look, plan, version, open)).collect()
}

fn offer(look: &Look<'_>, plan: &Plan, version: &PlanVersion, open: bool) -> OfferCard {
    let of = |id| look.catalog.plan_version(id).is_some_and(|(other, _)| other.id == plan.id);
    let sub = look.sub();
    let is_own = sub.is_some_and(|sub| of(sub.version));
    let is_next = sub.is_some_and(|sub| matches!(sub.pending, Some(Pending::Plan(next)) if of(next)));
    let is_given = sub.is_none() && look.standing.as_ref().is_some_and(|standing| of(standing.version));
    let mark = match (is_own || is_given, is_next) {
        (true, _) => Some(Chip::new(Tone::Plan, "Your plan")),
        (_, true) => Some(Chip::new(Tone::Warn, "Comes next")),
        _ => None,
    };
    let can_choose = open && !is_own && !is_next;
    OfferCard {
        mark,
        choose: can_choose.then(|| format!("/plan/review?plan={}", plan.code)),
        ..words::card(&look.catalog, &plan.name, version, look.tx.now())
    }
}
