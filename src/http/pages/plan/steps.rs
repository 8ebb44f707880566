//! Every step of changing a plan, said before it is taken; and what was said, in one line, so that nothing else is done.

use rusqlite::Connection;

use super::super::chrome;
use super::super::components::{Notice, Tone};
use super::super::format;
use super::super::forms;
use super::super::views::plan::{Deed, PlanStepPage};
use super::super::views::{Crumb, Section};
use super::look::{self, Look};
use super::words::{Side, units};
use crate::base::Timestamp;
use crate::base::id::{OrganizationId, PlanId};
use crate::catalog::Snapshot;
use crate::db::{DbError, ReadTx};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::identity::SellerTerms;
use crate::payments::cards::{self, Method as Card};
use crate::subscriptions::{self, Offer, Pending, State as Stands, Step, Subscription};
use crate::tax::Amounts;

/// The card that is charged unless another is named.
pub(super) fn default_card(conn: &Connection, organization: OrganizationId) -> Result<Option<Card>, DbError> {
    Ok(cards::list(conn, organization)?.into_iter().find(|card| card.is_default))
}

/// A subscription, and what going on with it would cost.
pub(super) struct Asked {
    pub(super) sub: Subscription,
    /// What is charged at once; none where nothing is.
    pub(super) amounts: Option<Amounts>,
    card: Option<Card>,
}

impl Asked {
    pub(super) fn of(look: &Look<'_>, sub: &Subscription) -> Result<Self, ApiError> {
        let seller = &look.state.desk.seller;
        Self::new(look.tx, &look.catalog, seller, sub.clone(), look.tx.now())
    }

    pub(super) fn new(
        conn: &Connection,
        catalog: &Snapshot,
        seller: &SellerTerms,
        sub: Subscription,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let is_charged = matches!(sub.state, Stands::PastDue | Stands::Paused);
        let version = catalog.plan_version(sub.version).filter(|_| is_charged);
        let price = version.map(|(_, version)| version.terms.price);
        let amounts = match price {
            Some(price) => subscriptions::with_tax(conn, seller, sub.organization, price, now)?,
            None => None,
        };
        let card = if is_charged { default_card(conn, sub.organization)? } else { None };
        Ok(Self { sub, amounts, card })
    }

    /// What whoever looks agrees to: where anything of it is different, it is looked at again.
    pub(super) fn agreed(&self) -> String {
        let end = self.sub.cycle.map(|cycle| cycle.end.to_string()).unwrap_or_default();
        let state = self.sub.state.name();
        format!("{} {state} {end} {} {}", self.sub.id, total(self.amounts), named(self.card.as_ref()))
    }
}

fn total(amounts: Option<Amounts>) -> String {
    amounts.map_or_else(|| "nothing".into(), |amounts| format!("{} + {} tax", amounts.net, amounts.tax))
}

fn named(card: Option<&Card>) -> String {
    card.map_or_else(|| "no card".into(), |card| card.id.to_string())
}

/// The same of a change of plans. What is given for the rest of a month grows less by the moment, as does its price; who agrees
/// to the price agrees to that.
pub(super) fn agreed(offer: &Offer, card: Option<&Card>) -> String {
    let how = match &offer.step {
        Step::Begin => format!("begins with {}", offer.credits_now),
        Step::Upgrade { until, .. } => format!("goes up, first until {until}"),
        Step::Later => format!("comes at {}", offer.effective_at),
    };
    let (now, next) = (total(Some(offer.charge_now)), total(Some(offer.next_charge)));
    format!("{} {how}, {now}, then {next}, {}", offer.version, named(card))
}

/// `GET /plan/review`.
pub(super) fn review(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    code: &str,
) -> Result<PlanStepPage, ApiError> {
    let look = Look::new(tx, state, admitted)?;
    let plan = plan_of(&look.catalog, code)?;
    let seller = &state.desk.seller;
    let offer = subscriptions::offer(tx, &look.catalog, seller, look.id(), plan, tx.now())?;
    let card = default_card(tx, look.id())?;
    let version = look.version(offer.version)?.1;
    let then = Side::of(&look.catalog, &version.terms, offer.effective_at);
    let changes = look.now()?.changes(&then, &look.catalog);
    let before = look.standing.as_ref().map(|standing| look.version(standing.version)).transpose()?;
    let before = before.map(|(plan, _)| plan.name.as_str()).filter(|name| *name != offer.name);
    let title = match before {
        Some(before) => format!("{} instead of {before}", offer.name),
        None => offer.name.clone(),
    };
    let crumbs =
        vec![Crumb::link("My Credit", "/overview"), Crumb::link("Plan", "/plan"), Crumb::here(&offer.name)];
    let closed = look::closed(&look).or_else(|| no_card(&offer, card.as_ref()));
    let total = format::money(offer.charge_now.total);
    Ok(PlanStepPage {
        chrome: chrome::chrome(state, admitted, tx, Section::Plan, crumbs)?,
        lead: lead(&look, &offer),
        facts: facts(&look, &offer),
        then: match offer.step {
            Step::Later => format!("From {}", look.date(offer.effective_at)),
            Step::Begin | Step::Upgrade { .. } => format!("With {}", offer.name),
        },
        notes: notes(&look, &offer, card.as_ref()),
        deed: closed.is_none().then(|| Deed {
            action: "/plan",
            label: match (offer.charge_now.total.minor, &offer.step) {
                (0, Step::Later) => format!("Change on {}", look.date(offer.effective_at)),
                (0, _) => format!("Begin {}", offer.name),
                _ => format!("Pay {total}"),
            },
            agreed: agreed(&offer, card.as_ref()),
            plan: code.to_owned(),
            idempotency_key: forms::fresh_key(admitted),
        }),
        title,
        changes,
        closed,
        back: "Choose something else",
    })
}

pub(super) fn plan_of(catalog: &Snapshot, code: &str) -> Result<PlanId, ApiError> {
    let unknown = || ApiError::field("plan", "unknown", "is not on offer");
    catalog.plan_by_code(code).map(|plan| plan.id).ok_or_else(unknown)
}

/// The difference to a dearer plan is charged to a saved card.
fn no_card(offer: &Offer, card: Option<&Card>) -> Option<Notice> {
    let needs = matches!(offer.step, Step::Upgrade { .. }) && offer.charge_now.total.minor > 0;
    (needs && card.is_none()).then(|| Notice {
        tone: Tone::Warn,
        text: "This is charged to a saved card, and none is saved.".into(),
        link: Some(("/payment-methods".into(), "Save one".into())),
    })
}

fn lead(look: &Look<'_>, offer: &Offer) -> String {
    match &offer.step {
        Step::Begin => "It begins as soon as it is paid.".to_owned(),
        Step::Upgrade { .. } => "At once, for what is left of the period that you have paid.".to_owned(),
        Step::Later => format!(
            "On {}, when the period that you have paid ends. Until then everything stays as it is, and nothing is charged.",
            look.date(offer.effective_at)
        ),
    }
}

/// What is paid and given, now and later.
fn facts(look: &Look<'_>, offer: &Offer) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |label: &str, text: String| facts.push((label.to_owned(), text));
    let now = offer.charge_now;
    if !matches!(offer.step, Step::Later) {
        fact("Price now", format::money(now.net));
        fact("Tax", format::money(now.tax));
        fact("Paid now", format::money(now.total));
        if offer.credits_now.is_positive() {
            fact("Credit now", look.show.headline_text(offer.credits_now));
        }
    }
    if let Step::Upgrade { until, first_cycle } = &offer.step {
        for (id, included) in first_cycle {
            let Some(meter) = look.catalog.meter(*id) else { continue };
            let text = format!("{} in the month to {}", units(*included, &meter.unit), look.date(*until));
            fact(&meter.name, text);
        }
    }
    let next = offer.next_charge;
    let tax = if next.tax.minor == 0 {
        String::new()
    } else {
        format!(" ({} with tax)", format::money(next.total))
    };
    fact("Next renewal", format!("{}: {}{tax}", look.date(offer.next_charge_at), format::money(next.net)));
    facts
}

fn notes(look: &Look<'_>, offer: &Offer, card: Option<&Card>) -> Vec<String> {
    let mut notes = Vec::new();
    let pays = offer.charge_now.total.minor > 0;
    match (&offer.step, card) {
        (Step::Later, Some(card)) => notes.push(format!("Renewals are charged to {}.", card.label())),
        (Step::Later, None) => notes.push("Renewals are charged to a saved card, and none is saved.".into()),
        (_, Some(card)) if pays => {
            notes.push(format!("{} is charged, now and for renewals.", card.label()));
        }
        (Step::Begin, None) if pays => {
            notes.push("You pay on the provider's page. The card is saved, and charged for renewals.".into());
        }
        _ => {}
    }
    match (look.standing.as_ref(), look.sub()) {
        (Some(_), None) => notes.push("It comes instead of the plan that was given to you.".into()),
        (_, Some(sub)) => match sub.pending {
            Some(Pending::Cancel) => notes.push("The plan does not end, then.".into()),
            Some(Pending::Pause) => notes.push("The plan does not pause, then.".into()),
            Some(Pending::Plan(_)) | None => {}
        },
        _ => {}
    }
    notes
}

/// How a plan is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Cancel,
    Pause,
}

/// `GET /plan/cancel`, `/plan/pause`; none where there is nothing to leave.
pub(super) fn leave(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    how: Leaving,
) -> Result<Option<PlanStepPage>, ApiError> {
    let look = Look::new(tx, state, admitted)?;
    let Some(sub) = look.sub() else { return Ok(None) };
    let active = sub.cycle.filter(|_| sub.state == Stands::Active);
    let (name, terms) = look.version(sub.version).map(|(plan, version)| (&plan.name, &version.terms))?;
    let (verb, does, action) = match how {
        Leaving::Cancel => ("Cancel", "ends", "/plan/cancel"),
        Leaving::Pause if active.is_none() => return Ok(None),
        Leaving::Pause => ("Pause", "pauses", "/plan/pause"),
    };
    let title = format!("{verb} {name}");
    let crumbs =
        vec![Crumb::link("My Credit", "/overview"), Crumb::link("Plan", "/plan"), Crumb::here(&title)];
    let (lead, label) = match active {
        Some(cycle) => {
            let when = look.date(cycle.end);
            let lead = format!(
                "{name} {does} on {when}. Until then it stays as it is; from then on nothing is charged for it, and it includes nothing."
            );
            (lead, format!("{verb} on {when}"))
        }
        None => (format!("{name} ends now. Nothing more is charged for it."), format!("{verb} now")),
    };
    let mut notes = Vec::new();
    if active.is_some() {
        if terms.plan_credits.is_positive() {
            let becomes = if terms.rollover { "stays yours" } else { "expires" };
            notes.push(format!("Plan credit that is left then {becomes}."));
        }
        notes.push(
            "All usage is charged to your credit from then on, at what it costs without a plan.".into(),
        );
        notes.push(match how {
            Leaving::Cancel => "You can take that back until then.".into(),
            Leaving::Pause => "You can resume it at any time: a new period begins, and is paid, then.".into(),
        });
    }
    Ok(Some(PlanStepPage {
        chrome: chrome::chrome(state, admitted, tx, Section::Plan, crumbs)?,
        title,
        lead,
        facts: Vec::new(),
        changes: Vec::new(),
        then: String::new(),
        notes,
        deed: if look.may {
            Some(Deed {
                action,
                label,
                agreed: Asked::of(&look, sub)?.agreed(),
                plan: String::new(),
                idempotency_key: forms::fresh_key(admitted),
            })
        } else {
            None
        },
        closed: None,
        back: "Keep it",
    }))
}
