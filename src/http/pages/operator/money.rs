//! Payments, refunds and disputes of all customers: what the operator decides, and what only happens.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};

use super::{ADMIN, Answered};
use crate::base::id::{ConcernId, DisputeId, OrganizationId, PaymentId, RefundId};
use crate::base::{Money, Page};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::list::{decode, encode};
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::table::Cell;
use crate::http::pages::components::{DataTable, Pager};
use crate::http::pages::filter::Filter;
use crate::http::pages::format::{self, Show};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::{
    ConcernRow, Crumb, DisputeRow, FormPage, MoneyPage, Paged, RequestRow, Section,
};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::organizations;
use crate::outbox;
use crate::payments::concerns::{self, Concern, Kind as Concerned};
use crate::payments::disputes::{self, Dispute, State as DisputeState};
use crate::payments::gateway::sandbox;
use crate::payments::refunds::{self, Reason, Refund, State as Standing, Wish};
use crate::payments::{self, Payment};

const PATH: &str = "/operator/payments";
const REFUND: &str = "/operator/payments/{id}/refund";
const FIELDS: [&str; 3] = ["amount", "reason", "note"];
/// Rows on a page of each list.
const ROWS: u32 = 20;
/// One more tells whether there are more.
const FETCHED: u32 = ROWS + 1;
/// The most shown of what waits to be done: it gets shorter as it is done.
const LONGEST: u32 = 200;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, page);
    table.page(Method::GET, REFUND, ADMIN, ask);
    table.page(Method::POST, REFUND, ADMIN, give);
    table.page(Method::POST, "/operator/refunds/{id}", ADMIN, decide);
    table.page(Method::POST, "/operator/disputes/{id}", ADMIN, close);
    table.page(Method::POST, "/operator/payments/concerns/{id}", ADMIN, looked);
}

async fn page(state: web::Data<State>, admitted: Admitted, req: HttpRequest) -> Answered {
    let shared = state.clone();
    let lists = Lists(Filter::parse(req.query_string(), &Lists::NAMES));
    let page = state.db.read(move |tx| read(tx, &shared, &admitted, &lists)).await?;
    html(StatusCode::OK, &page)
}

/// Where each list of the page stands: its name is the parameter that holds its cursor, and turning its pages leaves the
/// others as they are.
struct Lists(Filter);

impl Lists {
    const NAMES: [&str; 4] = ["concerns", "disputes", "payments", "refunds"];

    fn at(&self, name: &str) -> Option<i64> {
        let cursor = self.0.text(name)?;
        decode::<1>(&cursor, name).map(|[at]| at)
    }

    fn pager(&self, name: &str, next: Option<i64>) -> Pager {
        Pager {
            first: self.at(name).map(|_| self.0.href(PATH, &[name], &[])),
            next: next.map(|next| self.0.href(PATH, &[name], &[(name, &encode(&[next], name))])),
            position: String::new(),
        }
    }
}

fn read(tx: &ReadTx<'_>, state: &State, admitted: &Admitted, lists: &Lists) -> Result<MoneyPage, ApiError> {
    let crumbs = vec![Crumb::here("Operator"), Crumb::here("Payments")];
    let chrome = chrome(state, admitted, tx, Section::Payments, crumbs)?;
    let name = |id: OrganizationId| organizations::get(tx, id).map(|found| found.name);
    let rows = |found: Vec<Refund>| -> Result<Vec<RequestRow>, ApiError> {
        let row = |refund: Refund| Ok(request_row(name(refund.organization)?, refund));
        found.into_iter().map(row).collect()
    };
    let found = concerns::open(tx, lists.at("concerns"), ROWS)?;
    let mut looks = Vec::new();
    for concern in found.items {
        let is_open = concerns::needs_decision(tx, &concern)?;
        looks.push(concern_row(concern.organization.map(&name).transpose()?, is_open, concern));
    }
    let looks = Paged { rows: looks, pager: lists.pager("concerns", found.next) };
    let before = lists.at("disputes").map(DisputeId::new);
    let found = Page::cut(disputes::list(tx, before, FETCHED)?, ROWS, |dispute| dispute.id.number());
    let mut rows_of = Vec::new();
    for dispute in found.items {
        rows_of.push(dispute_row(name(dispute.organization)?, dispute));
    }
    let disputes = Paged { rows: rows_of, pager: lists.pager("disputes", found.next) };
    let labels = ["Customer", "Begun", "Credits", "Total", "Status"];
    let mut payments = DataTable::new("Payments, the newest first", &labels);
    let found = payments::list(tx, None, lists.at("payments"), ROWS)?;
    for payment in found.items {
        payments.rows.push(payment_cells(&chrome.show, name(payment.organization)?, &payment));
    }
    let payments_pager = lists.pager("payments", found.next);
    let labels = ["Customer", "Begun", "Amount", "Reason", "Status"];
    let mut refunds = DataTable::new("Refunds, the newest first", &labels);
    let before = lists.at("refunds").map(RefundId::new);
    let found = Page::cut(refunds::list(tx, None, before, FETCHED)?, ROWS, |refund| refund.id.number());
    for refund in found.items {
        refunds.rows.push(refund_cells(&chrome.show, name(refund.organization)?, &refund));
    }
    Ok(MoneyPage {
        looks,
        stuck: rows(refunds::stuck(tx, tx.now(), LONGEST)?)?,
        requests: rows(refunds::requested(tx, LONGEST)?)?,
        disputes,
        payments,
        payments_pager,
        refunds,
        refunds_pager: lists.pager("refunds", found.next),
        dead: dead_work(tx)?,
        chrome,
    })
}

/// What is the matter, and what to do about it. `is_open`: a payment waits for that.
fn concern_row(who: Option<String>, is_open: bool, concern: Concern) -> ConcernRow {
    let (what, advice) = match concern.kind {
        Concerned::Mismatch => (
            "Another amount was paid",
            "Nothing was credited. Give it back at the provider, or credit it by hand.",
        ),
        Concerned::Twice => {
            ("Paid a second time", "It was credited once. Give the second payment back at the provider.")
        }
        Concerned::Unknown => (
            "Told of something unknown",
            "Look it up at the provider: another program may use the same account.",
        ),
        Concerned::Contradiction => (
            "A refund is not what it was said to be",
            "Nothing was changed here. Compare the amount at the provider with the refund.",
        ),
        Concerned::Dispute => (
            "A dispute goes on that had ended",
            "Nothing was changed here. Look at the provider, and take the credit back by hand if it is lost.",
        ),
        Concerned::Charge => (
            "A charge was not answered",
            "Look it up at the provider. Should it have been charged, it is credited when the provider tells; \
             should it stay here, give it back there first.",
        ),
        Concerned::Card => ("A card of somebody else", "It was not saved."),
        Concerned::NoUse => (
            "Paid for a plan that is not there any more",
            "Nothing was given for it. Give it back, from the list of payments.",
        ),
    };
    let give_up = match concern.kind {
        Concerned::Mismatch if is_open => Some("It was settled otherwise"),
        Concerned::Charge if is_open => Some("Nothing was charged"),
        _ => None,
    };
    ConcernRow {
        action: format!("/operator/payments/concerns/{}", concern.id),
        what,
        advice,
        give_up,
        who: who.unwrap_or_default(),
        organization: concern.organization.map(|id| format!("/operator/organizations/{id}")),
        at: concern.at,
        subject: concern.subject,
        detail: match concern.times {
            ..=1 => concern.detail,
            times => format!("{} ({times} times)", concern.detail),
        },
    }
}

/// Somebody has looked.
async fn looked(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<ConcernId>,
    form: Form,
) -> Answered {
    let by = admitted.by()?;
    let gives_up = form.text("decision") == "give_up";
    let done =
        state.db.write(
            move |tx| {
                if gives_up { concerns::give_up(tx, &by, id) } else { concerns::close(tx, &by, id) }
            },
        );
    done.await?;
    Ok(redirect(PATH))
}

fn refund_page(id: PaymentId) -> String {
    format!("{PATH}/{id}/refund")
}

fn request_row(who: String, refund: Refund) -> RequestRow {
    RequestRow {
        id: refund.id.to_string(),
        who,
        payment: refund_page(refund.payment),
        at: refund.created_at,
        amount: format::money(refund.total),
        note: refund.note,
    }
}

fn dispute_row(who: String, dispute: Dispute) -> DisputeRow {
    let sandbox = dispute.gateway == sandbox::NAME && dispute.state == DisputeState::Open;
    DisputeRow {
        who,
        payment: refund_page(dispute.payment),
        at: dispute.opened_at,
        amount: format::money(dispute.amount),
        frozen: format::credits(dispute.frozen),
        reason: dispute.reason,
        // while the bank only asks, no money is gone
        status: if dispute.state == DisputeState::Open && !dispute.withdrawn {
            "inquiry"
        } else {
            dispute.state.name()
        },
        decide: sandbox.then(|| format!("/operator/disputes/{}", dispute.id)),
    }
}

fn payment_cells(show: &Show, who: String, payment: &Payment) -> Vec<Cell> {
    let settled = matches!(payment.state, payments::State::Settled(_));
    vec![
        Cell::link(who, settled.then(|| refund_page(payment.id))),
        Cell::text(show.when(payment.created_at).text()),
        Cell::text(format::credits(payment.purchase.credits)),
        Cell::text(format::money(payment.quote.amounts.total)),
        Cell::text(payment.state.name()),
    ]
}

fn refund_cells(show: &Show, who: String, refund: &Refund) -> Vec<Cell> {
    let status = match &refund.state {
        Standing::Failed { why, .. } => format!("failed: {why}"),
        other => other.name().to_owned(),
    };
    vec![
        Cell::link(who, Some(refund_page(refund.payment))),
        Cell::text(show.when(refund.created_at).text()),
        Cell::text(format::money(refund.total)),
        Cell::text(refund.reason.name().replace('_', " ")),
        Cell::text(status),
    ]
}

fn dead_work(tx: &ReadTx<'_>) -> Result<DataTable, ApiError> {
    let mut table = DataTable::new("Work that was given up", &["Kind", "About", "Tries", "What went wrong"]);
    for work in outbox::dead(tx, LONGEST)? {
        table.rows.push(vec![
            Cell::text(work.kind),
            Cell::text(work.subject),
            Cell::text(work.attempts.to_string()),
            Cell::text(work.last_error.unwrap_or_default()),
        ]);
    }
    Ok(table)
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: PaymentId,
    mut form: FormState,
) -> Result<FormPage, ApiError> {
    let payment = payments::get(tx, id)?;
    let offer = refunds::offer(tx, id, tx.now())?;
    let who = organizations::get(tx, payment.organization)?.name;
    let crumbs = vec![Crumb::here("Operator"), Crumb::link("Payments", PATH), Crumb::here("Refund")];
    form.values.entry("reason".into()).or_insert_with(|| "unused".into());
    let label = |reason: Reason| match reason {
        Reason::Unused => "Unused: the credit goes, at its cost",
        Reason::Outage => "Outage: money only, for credit that was used",
        Reason::BillingError => "Billing error: money only, for credit that was used",
        Reason::Duplicate => "Paid twice: the credit goes, at its cost",
        Reason::Elsewhere => "",
    };
    let reasons = Reason::GIVEN.map(|reason| Choice::new(reason.name(), label(reason))).into();
    let (unused, used) = (format::money(offer.unused), format::money(offer.used));
    let fields = vec![
        Field::new(&form, "reason", "Reason", Control::Radio(reasons)),
        Field::line(&form, "amount", "Amount, with tax")
            .inputmode("decimal")
            .autocomplete("off")
            .suffix(payment.quote.amounts.total.currency.code())
            .optional()
            .hint("Empty for all that can be given back for the reason."),
        Field::line(&form, "note", "Note").optional().hint("Kept in the audit log."),
    ];
    Ok(FormPage {
        chrome: chrome(state, admitted, tx, Section::Payments, crumbs)?,
        title: format!("Give money back to {who}"),
        lead: format!(
            "Of {} paid, {unused} is for credit that is still there ({} credits go, bonus included), and {used} for \
             credit that was used.",
            format::money(payment.quote.amounts.total),
            format::credits(offer.credits),
        ),
        action: refund_page(id),
        fields,
        form,
        submit: "Give it back".into(),
        cancel: PATH.into(),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<PaymentId>) -> Answered {
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, FormState::default()));
    html(StatusCode::OK, &read.await?)
}

/// What the form says, in terms of the operation.
fn wish(form: &Form, payment: &Payment, reason: Option<Reason>) -> Result<Wish, ApiError> {
    let total = match form.text("amount") {
        "" => None,
        text => Some(
            Money::parse(text, payment.quote.amounts.total.currency)
                .map_err(|error| ApiError::field("amount", "invalid_value", error.to_string()))?,
        ),
    };
    let reason = reason.ok_or_else(|| ApiError::field("reason", "invalid_value", "is not one of these"))?;
    let note = form.text("note");
    if note.chars().count() > 500 || note.chars().any(char::is_control) {
        return Err(ApiError::field("note", "invalid_value", "must be one line of at most 500 characters"));
    }
    Ok(Wish { payment: payment.id, total, reason, note: note.to_owned() })
}

async fn give(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<PaymentId>,
    form: Form,
) -> Answered {
    let payment = state.db.read_blocking(|tx| payments::get(tx, id))?;
    let once = Once::new(Owner::OperatorFor(payment.organization), req.path(), &form)?;
    let by = admitted.by()?;
    let reason = Reason::GIVEN.into_iter().find(|reason| reason.name() == form.text("reason"));
    let done = match wish(&form, &payment, reason) {
        Ok(wish) => {
            let write =
                state.db.write(move |tx| once.act(tx, || Ok(refunds::give(tx, &by, &wish)?.id.to_string())));
            write.await
        }
        Err(error) => Err(error),
    };
    let Err(error) = done else { return Ok(redirect(PATH)) };
    let form = refused(&form, &FIELDS, &[], error, &admitted)?;
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
    html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
}

async fn decide(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<RefundId>,
    form: Form,
) -> Answered {
    let by = admitted.by()?;
    match form.text("decision") {
        "approve" => state.db.write(move |tx| refunds::approve(tx, &by, id)).await?,
        "decline" => state.db.write(move |tx| refunds::decline(tx, &by, id)).await?,
        "give_up" => state.db.write(move |tx| refunds::give_up(tx, &by, id)).await?,
        _ => return Err(ApiError::field("decision", "invalid_value", "is not one of these")),
    };
    Ok(redirect(PATH))
}

/// In test mode: what the sandbox's bank decides.
async fn close(state: web::Data<State>, PathId(id): PathId<DisputeId>, form: Form) -> Answered {
    let won = match form.text("decision") {
        "won" => true,
        "lost" => false,
        _ => return Err(ApiError::field("decision", "invalid_value", "is not one of these")),
    };
    let dispute = state.db.read_blocking(|tx| disputes::get(tx, id))?;
    if dispute.gateway != sandbox::NAME {
        return Err(ApiError::new(Code::NotTestMode));
    }
    state.db.write(move |tx| sandbox::decide(tx, &dispute.reference, won)).await?;
    Ok(redirect(PATH))
}
