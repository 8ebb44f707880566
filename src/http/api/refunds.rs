//! Money going back: asked for by customers, given by the operator; and what banks dispute.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::id::{DisputeId, InvoiceId, OrganizationId, PaymentId, RefundId};
use crate::base::{Credits, Money, Page, Quantity, Timestamp};
use crate::db::WriteTx;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, FieldError};
use crate::http::idempotent::Keyed;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::{By, Scope, organizations};
use crate::payments::disputes::{self, Dispute as Disputed, State as DisputeState};
use crate::payments::refunds::{self, Reason, Refund as Given, State as Standing, Wish};

const LIST: &str = "refunds";
const DISPUTES: &str = "disputes";
const ADMIN: Access = Access::operator(Scope::Admin);
/// The longest note, in characters.
const MAX_NOTE: usize = 500;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
    table.api(__path_create, Access::organization(Scope::BillingWrite), create);
    table.api(__path_list_all, ADMIN, list_all);
    table.api(__path_approve, ADMIN, approve);
    table.api(__path_decline, ADMIN, decline);
    table.api(__path_list_disputes, ADMIN, list_disputes);
}

/// Money that went back, or is about to.
#[derive(Serialize, ToSchema)]
struct Refund {
    id: RefundId,
    payment_id: PaymentId,
    organization_id: OrganizationId,
    /// `requested`, `declined`, `pending`, `succeeded` or `failed`.
    status: &'static str,
    /// What goes back, with its tax.
    amount: Money,
    /// The tax in it; null until it is decided.
    tax: Option<Money>,
    /// The credit that goes for it, bonus included; null until it is decided.
    credits: Option<Credits>,
    /// `unused`, `outage`, `billing_error`, `duplicate`, or `elsewhere` for one that was made at the provider itself.
    reason: &'static str,
    note: String,
    /// The credit note that was issued for it.
    credit_note_id: Option<InvoiceId>,
    created_at: Timestamp,
    ended_at: Option<Timestamp>,
}

impl From<Given> for Refund {
    fn from(refund: Given) -> Self {
        let (ended_at, credit_note_id) = match &refund.state {
            Standing::Requested | Standing::Pending { .. } => (None, None),
            Standing::Declined { at } | Standing::Failed { at, .. } => (Some(*at), None),
            Standing::Succeeded { at, credit_note, .. } => (Some(*at), Some(*credit_note)),
        };
        Self {
            id: refund.id,
            payment_id: refund.payment,
            organization_id: refund.organization,
            status: refund.state.name(),
            amount: refund.total,
            tax: refund.taken.as_ref().map(|taken| taken.tax),
            credits: refund.taken.as_ref().and_then(|taken| taken.credits.checked_add(taken.bonus)),
            reason: refund.reason.name(),
            note: refund.note,
            credit_note_id,
            created_at: refund.created_at,
            ended_at,
        }
    }
}

/// Why money is to be given back.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum RefundReason {
    /// The credit was not used: it goes, at its cost.
    Unused,
    /// What was charged should have worked: only money goes back.
    Outage,
    /// What was charged was wrong: only money goes back.
    BillingError,
    /// It was paid twice: the credit goes, at its cost.
    Duplicate,
}

impl From<RefundReason> for Reason {
    fn from(reason: RefundReason) -> Self {
        match reason {
            RefundReason::Unused => Self::Unused,
            RefundReason::Outage => Self::Outage,
            RefundReason::BillingError => Self::BillingError,
            RefundReason::Duplicate => Self::Duplicate,
        }
    }
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundInput {
    payment_id: PaymentId,
    /// How much, with its tax, in units of the payment's currency; everything that can be given back, if absent.
    #[schema(value_type = Option<f64>)]
    amount: Option<Quantity>,
    /// The operator has to say; a customer asks for what is unused.
    reason: Option<RefundReason>,
    /// In words.
    #[schema(max_length = 500)]
    #[serde(default)]
    note: String,
}

/// Ask for money back, or give it
///
/// A customer asks for the unused part of a payment within the days that the operator allows; the operator decides. Sent
/// by the operator, with a reason, it is decided already. Credit that goes is set aside until the provider has
/// answered; should it say no, nothing has changed. A bonus that came with the purchase goes with the first part of it that is
/// given back.
#[utoipa::path(post, path = "/billing/refunds", tag = "billing",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 visible characters, new for each refund.")),
    request_body(content = RefundInput, example = json!({"payment_id": "pay_0000000000000", "reason": "unused"})),
    responses((status = 201, description = "The refund: `requested`, or `pending` when the operator gives it.", body = Refund),
        (status = 409, description = "`refund_too_late`, it was asked for already, or the key was used for another \
            request: `idempotency_conflict`.")))]
async fn create(
    state: web::Data<State>,
    admitted: Admitted,
    request: Keyed<RefundInput>,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let operator = admitted.principal()?.is_operator();
    let within_days = state.settings.refund_days;
    check(request.value(), operator)?;
    let done = request.once(&state, &admitted, move |tx, input| {
        let wish = wish(tx, organization, input)?;
        let refund = if operator {
            of_organization(tx, organization, wish.payment)?;
            refunds::give(tx, &by, &wish)?
        } else {
            refunds::request(tx, &by, organization, &wish, within_days)?
        };
        Ok(Reply(StatusCode::CREATED, Refund::from(refund)))
    });
    done.await
}

/// What can be said without the database.
fn check(input: &RefundInput, operator: bool) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    match (operator, input.reason) {
        (true, None) => errors.push(FieldError::new("reason", "required", "is required")),
        (false, Some(RefundReason::Outage | RefundReason::BillingError | RefundReason::Duplicate)) => {
            errors.push(FieldError::new("reason", "invalid_value", "is for the operator to give"));
        }
        (true, Some(_)) | (false, _) => {}
    }
    if input.note.chars().count() > MAX_NOTE || input.note.chars().any(char::is_control) {
        let text = format!("must be one line of at most {MAX_NOTE} characters");
        errors.push(FieldError::new("note", "invalid_value", text));
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::fields(errors)) }
}

fn wish(tx: &WriteTx<'_>, organization: OrganizationId, input: RefundInput) -> Result<Wish, ApiError> {
    let currency = organizations::get(tx.conn()?, organization)?.currency;
    let total = input.amount.map(|amount| {
        Money::parse(&amount.to_string(), currency)
            .map_err(|error| ApiError::field("amount", "invalid_value", error.to_string()))
    });
    Ok(Wish {
        payment: input.payment_id,
        total: total.transpose()?,
        reason: input.reason.map_or(Reason::Unused, Reason::from),
        note: input.note,
    })
}

/// A payment of this organization, for the operator who names both.
pub(in crate::http) fn of_organization(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    payment: PaymentId,
) -> Result<(), ApiError> {
    let found = crate::payments::get(tx.conn()?, payment)?;
    if found.organization == organization { Ok(()) } else { Err(crate::payments::Error::NotFound.into()) }
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

fn page(
    state: &State,
    organization: Option<OrganizationId>,
    window: &Window<1>,
) -> Result<List<Refund>, ApiError> {
    let rows = state.db.read_blocking(|tx| {
        refunds::list(tx, organization, window.before().map(RefundId::new), window.fetch())
    })?;
    let page = Page::cut(rows, window.limit, |refund| refund.id.number());
    Ok(List::from_page(LIST, page, Refund::from))
}

/// List refunds, newest first
#[utoipa::path(get, path = "/billing/refunds", tag = "billing", params(Paging),
    responses((status = 200, description = "A page of refunds.", body = List<Refund>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Refund>> {
    Ok(Reply::ok(page(&state, Some(admitted.organization()?), &window)?))
}

/// List everybody's refunds, newest first
#[utoipa::path(get, path = "/admin/refunds", tag = "admin", params(Paging),
    responses((status = 200, description = "A page of refunds.", body = List<Refund>)))]
async fn list_all(
    state: web::Data<State>,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<Refund>> {
    Ok(Reply::ok(page(&state, None, &window)?))
}

/// Give back what a customer asked for
///
/// Where less is left by now than was asked for, that is given back.
#[utoipa::path(post, path = "/admin/refunds/{id}/approve", tag = "admin",
    params(("id" = RefundId, Path, description = "The refund.")),
    responses((status = 200, description = "The refund, now pending.", body = Refund),
        (status = 409, description = "It was decided already.")))]
async fn approve(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<RefundId>,
) -> Answer<Refund> {
    decide(&state, &admitted, move |tx, by| refunds::approve(tx, by, id)).await
}

/// Do not give back what a customer asked for
#[utoipa::path(post, path = "/admin/refunds/{id}/decline", tag = "admin",
    params(("id" = RefundId, Path, description = "The refund.")),
    responses((status = 200, description = "The refund, now declined.", body = Refund),
        (status = 409, description = "It was decided already.")))]
async fn decline(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<RefundId>,
) -> Answer<Refund> {
    decide(&state, &admitted, move |tx, by| refunds::decline(tx, by, id)).await
}

async fn decide(
    state: &State,
    admitted: &Admitted,
    operation: impl FnOnce(&WriteTx<'_>, &By) -> Result<Given, refunds::Error> + Send + 'static,
) -> Answer<Refund> {
    let by = admitted.by()?;
    let done = state.db.write(move |tx| operation(tx, &by)).await?;
    Ok(Reply::ok(done.into()))
}

/// A payment that the customer's bank disputes.
#[derive(Serialize, ToSchema)]
struct Dispute {
    id: DisputeId,
    payment_id: PaymentId,
    organization_id: OrganizationId,
    /// `open`, `won` or `lost`.
    status: &'static str,
    /// What is disputed, with its tax.
    amount: Money,
    /// What the customer told the bank.
    reason: String,
    /// The credit that was frozen.
    credits_frozen: Credits,
    /// The provider's id of it.
    reference: String,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
}

impl From<Disputed> for Dispute {
    fn from(dispute: Disputed) -> Self {
        Self {
            id: dispute.id,
            payment_id: dispute.payment,
            organization_id: dispute.organization,
            status: dispute.state.name(),
            amount: dispute.amount,
            reason: dispute.reason,
            credits_frozen: dispute.frozen,
            reference: dispute.reference,
            opened_at: dispute.opened_at,
            closed_at: match dispute.state {
                DisputeState::Open => None,
                DisputeState::Won { at } | DisputeState::Lost { at, .. } => Some(at),
            },
        }
    }
}

struct DisputesQuery(Window<1>);

impl FromParams for DisputesQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, DISPUTES)))
    }
}

/// List disputes, newest first
#[utoipa::path(get, path = "/admin/disputes", tag = "admin", params(Paging),
    responses((status = 200, description = "A page of disputes.", body = List<Dispute>)))]
async fn list_disputes(
    state: web::Data<State>,
    Query(DisputesQuery(window)): Query<DisputesQuery>,
) -> Answer<List<Dispute>> {
    let before = window.before().map(DisputeId::new);
    let rows = state.db.read_blocking(|tx| disputes::list(tx, before, window.fetch()))?;
    let page = Page::cut(rows, window.limit, |dispute| dispute.id.number());
    Ok(Reply::ok(List::from_page(DISPUTES, page, Dispute::from)))
}
