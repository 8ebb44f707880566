//! Credit given and taken back by the operator.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::grants::Grant;
use super::transactions::Transaction;
use crate::base::id::{GrantId, MeterId, OrganizationId};
use crate::base::{Credits, Money, Timestamp};
use crate::catalog::{self, Snapshot};
use crate::db::WriteTx;
use crate::grants::Class;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, FieldError};
use crate::http::idempotent::Keyed;
use crate::http::reply::Reply;
use crate::http::route::Table;
use crate::identity::audit::{self, Difference};
use crate::identity::{By, Scope, organizations};
use crate::ledger::TransactionType;
use crate::wallet::{self, NewCredit, TakeBack};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;
/// The longest metadata, in bytes.
const MAX_METADATA: usize = 4_096;
/// Priorities are on the scale of the classes' own: 100, 200, 300.
const MAX_PRIORITY: i64 = 1_000;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_credit, Access::operator_for_organization(Scope::BillingWrite), credit);
}

/// Credit to be given or, below zero, taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreditInput {
    /// How much; below zero takes back.
    pub(in crate::http) credits: Credits,
    pub(in crate::http) class: CreditClass,
    /// Why; customers see it as the description.
    #[schema(min_length = 1, max_length = 500)]
    pub(in crate::http) reason: String,
    /// When what is left of it expires.
    pub(in crate::http) expires_at: Option<Timestamp>,
    /// Overrides the turn of its class (free 100, plan 200, paid 300); lower is drawn earlier.
    #[schema(minimum = 0, maximum = 1000)]
    pub(in crate::http) priority: Option<i64>,
    /// The codes of the meters it is restricted to.
    pub(in crate::http) meters: Option<Vec<String>>,
    /// The money received for it, outside of Tollbook.
    pub(in crate::http) cost: Option<Money>,
    /// Kept with the transaction; at most 4096 bytes.
    #[schema(value_type = Option<Object>)]
    pub(in crate::http) metadata: Option<Box<RawValue>>,
}

/// Free credit is drawn first, then plan credit, then paid.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum CreditClass {
    Free,
    Plan,
    Paid,
}

impl From<CreditClass> for Class {
    fn from(class: CreditClass) -> Self {
        match class {
            CreditClass::Free => Self::Free,
            CreditClass::Plan => Self::Plan,
            CreditClass::Paid => Self::Paid,
        }
    }
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Credited {
    transaction: Transaction,
    /// The grant that was made; null when credit was taken back.
    grant: Option<Grant>,
    /// The grants from which credit was taken back, in draw order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken_from: Vec<TakenFrom>,
}

/// Credit taken from one grant.
#[derive(Serialize, ToSchema)]
struct TakenFrom {
    grant_id: GrantId,
    credits: Credits,
}

/// Give or take back credit
///
/// A positive amount makes a grant; an overdraft is repaid from it first. A negative amount takes back from grants of that
/// class, in the order in which they are drawn, and never more than is there: 422 `not_enough_credit`.
///
/// The header `Idempotency-Key` is required. The same key with the same body gets the same answer and changes nothing.
#[utoipa::path(post, path = "/billing/wallet/credit", tag = "billing",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 visible characters, new for each credit.")),
    request_body(content = CreditInput, example = json!({
        "credits": 500, "class": "free", "reason": "Sorry for the outage of 20 November" })),
    responses((status = 201, description = "The transaction and the grant.", body = Credited),
        (status = 409, description = "The key was used for another request: `idempotency_conflict`.")))]
async fn credit(
    state: web::Data<State>,
    admitted: Admitted,
    request: Keyed<CreditInput>,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    check(request.value())?;
    let done = request.once(&state, &admitted, move |tx, input| {
        Ok(Reply(StatusCode::CREATED, perform(tx, &by, organization, input)?))
    });
    done.await
}

/// Gives credit or takes it back, with its line in the audit log. The input was checked.
pub(in crate::http) fn perform(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    input: CreditInput,
) -> Result<Credited, ApiError> {
    if input.credits.is_negative() {
        take(tx, by, organization, input)
    } else {
        let catalog = catalog::snapshot(tx)?;
        give(tx, by, organization, input, &catalog)
    }
}

/// What can be said without the database.
pub(in crate::http) fn check(input: &CreditInput) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let mut wrong = |param: &str, code: &'static str, message: String| {
        errors.push(FieldError::new(param, code, message));
    };
    if input.credits.is_zero() {
        wrong("credits", "invalid_value", "must not be zero".into());
    }
    if input.reason.trim().is_empty() {
        wrong("reason", "required", "is required".into());
    }
    if input.reason.chars().count() > MAX_REASON || input.reason.chars().any(char::is_control) {
        wrong("reason", "invalid_value", format!("must be one line of at most {MAX_REASON} characters"));
    }
    if let Some(metadata) = &input.metadata {
        if !metadata.get().starts_with('{') {
            wrong("metadata", "invalid_type", "must be an object".into());
        }
        if metadata.get().len() > MAX_METADATA {
            wrong("metadata", "too_long", format!("must be at most {MAX_METADATA} bytes long"));
        }
    }
    if input.priority.is_some_and(|priority| !(0..=MAX_PRIORITY).contains(&priority)) {
        wrong("priority", "invalid_value", format!("must be from 0 to {MAX_PRIORITY}"));
    }
    if input.cost.is_some_and(|cost| cost.minor < 0) {
        wrong("cost", "negative", "must not be negative".into());
    }
    if input.meters.as_ref().is_some_and(Vec::is_empty) {
        wrong("meters", "invalid_value", "must name at least one meter".into());
    }
    if input.credits.is_negative() {
        let only_given = [
            ("expires_at", input.expires_at.is_some()),
            ("priority", input.priority.is_some()),
            ("meters", input.meters.is_some()),
            ("cost", input.cost.is_some()),
        ];
        for (param, _) in only_given.into_iter().filter(|(_, is_there)| *is_there) {
            wrong(param, "conflict", "does not go with credit that is taken back".into());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::fields(errors)) }
}

fn give(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    input: CreditInput,
    catalog: &Snapshot,
) -> Result<Credited, ApiError> {
    let currency = organizations::get(tx.conn()?, organization)?.currency;
    if input.cost.is_some_and(|cost| cost.currency != currency) {
        return Err(ApiError::field("cost", "invalid_value", format!("must be in {currency}")));
    }
    let new = NewCredit {
        amount: input.credits,
        class: input.class.into(),
        priority: input.priority,
        expires_at: input.expires_at,
        meters: input.meters.as_deref().map(|codes| meters(codes, catalog)).transpose()?,
        cost: input.cost.filter(|cost| cost.minor > 0),
        tax: None,
        source: "operator",
        kind: TransactionType::Adjustment,
        description: input.reason.trim().to_owned(),
        actor: by.actor.to_string(),
        metadata: input.metadata.map(|raw| raw.get().to_owned()),
    };
    let difference = difference(new.amount, new.class, &new.description)
        .with("expires_at", new.expires_at.map(|at| at.to_string()))
        .with("cost", new.cost.map(|cost| cost.to_string()));
    let (transaction, grant) = wallet::credit(tx, organization, new)?;
    audit::record(tx, by, "credit.given", transaction.id, Some(organization), &difference)?;
    Ok(Credited {
        transaction: transaction.into(),
        grant: Some(Grant::new(grant, catalog, tx.now())),
        taken_from: Vec::new(),
    })
}

fn take(
    tx: &WriteTx<'_>,
    by: &By,
    organization: OrganizationId,
    input: CreditInput,
) -> Result<Credited, ApiError> {
    let amount = input.credits.checked_neg();
    let amount =
        amount.ok_or_else(|| ApiError::field("credits", "too_large", "is too large for the balance"))?;
    let take = TakeBack {
        amount,
        class: input.class.into(),
        description: input.reason.trim().to_owned(),
        actor: by.actor.to_string(),
        metadata: input.metadata.map(|raw| raw.get().to_owned()),
    };
    let difference = difference(input.credits, take.class, &take.description);
    let (transaction, draws) = wallet::take_back(tx, organization, take)?;
    audit::record(tx, by, "credit.taken_back", transaction.id, Some(organization), &difference)?;
    let taken_from = draws
        .into_iter()
        .map(|draw| TakenFrom { grant_id: GrantId::new(draw.account.number()), credits: draw.amount });
    Ok(Credited { transaction: transaction.into(), grant: None, taken_from: taken_from.collect() })
}

/// For the audit log. Amounts are texts there: its values are read by programs that know only floats.
fn difference(credits: Credits, class: Class, reason: &str) -> Difference {
    Difference::new().with("credits", credits.to_string()).with("class", class.name()).with("reason", reason)
}

fn meters(codes: &[String], catalog: &Snapshot) -> Result<Vec<MeterId>, ApiError> {
    let mut errors = Vec::new();
    let mut ids = Vec::new();
    for (index, code) in codes.iter().enumerate() {
        match catalog.meter_id(code) {
            Some(id) if ids.contains(&id) => {
                errors.push(FieldError::new(format!("meters[{index}]"), "duplicate", "is there twice"));
            }
            Some(id) => ids.push(id),
            None => {
                errors.push(FieldError::new(
                    format!("meters[{index}]"),
                    "unknown",
                    "is not the code of a meter",
                ));
            }
        }
    }
    if errors.is_empty() { Ok(ids) } else { Err(ApiError::fields(errors)) }
}
