//! Credit sent from one organization to another.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::transactions::Transaction;
use crate::base::Credits;
use crate::base::id::OrganizationId;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, FieldError};
use crate::http::idempotent::Keyed;
use crate::http::reply::Reply;
use crate::http::route::Table;
use crate::identity::organizations::{self, OrganizationRef};
use crate::identity::{Denied, Error as IdentityError, Principal, Scope};
use crate::payments::transfers::{self, Sent, Wish};

/// The longest note, in characters.
const MAX_NOTE: usize = 200;

pub(super) fn routes(table: &mut Table) {
    table.api(__path_transfer, Access::organization(Scope::BillingWrite), transfer);
}

/// Credit to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TransferInput {
    /// The organization that receives it: `org_…`, or `ext:` and the platform's own id.
    to: String,
    /// How much; above zero.
    credits: Credits,
    /// For people, on both sides.
    #[schema(max_length = 200)]
    #[serde(default)]
    note: String,
}

/// What was sent.
#[derive(Serialize, ToSchema)]
struct Transferred {
    /// The sender's line.
    transaction: Transaction,
    /// Who received it.
    to: OrganizationId,
    /// Of what was sent, what each expiry and restriction comes to, in the order in which it was drawn.
    parts: Vec<TransferPart>,
}

/// What arrived as one grant.
#[derive(Serialize, ToSchema)]
struct TransferPart {
    credits: Credits,
    expires_at: Option<crate::base::Timestamp>,
}

impl Transferred {
    fn new(sent: Sent, to: OrganizationId) -> Self {
        let part = |grant: &crate::grants::GrantRow| TransferPart {
            credits: grant.original,
            expires_at: grant.terms.order.expires_at,
        };
        Self {
            parts: sent.received.iter().map(|(_, grant)| part(grant)).collect(),
            transaction: sent.out.into(),
            to,
        }
    }
}

/// Send credit to another organization
///
/// Sends credit that was paid for, has not expired and is not set aside, in the order in which it is drawn, and never more than is
/// there: 422 `not_enough_credit`. It keeps its expiry and its meters; what the receiver owes is repaid from it first, and it cannot be
/// given back for money any more. The sender's plan has to allow it. Both organizations have the same currency, and whoever sends
/// manages billing in both, or is the operator.
///
/// The header `Idempotency-Key` is required. The same key with the same body gets the same answer and changes nothing.
#[utoipa::path(post, path = "/billing/wallet/transfer", tag = "billing",
    params(("Idempotency-Key" = String, Header, description = "1 to 255 visible characters, new for each transfer.")),
    request_body(content = TransferInput, example = json!({"to": "ext:acme-berlin", "credits": 100, "note": "For December"})),
    responses((status = 201, description = "The sender's transaction, and what arrived.", body = Transferred),
        (status = 409, description = "`credit_transfer_not_allowed` by the sender's plan, or the key was used for another request: \
            `idempotency_conflict`.")))]
async fn transfer(
    state: web::Data<State>,
    admitted: Admitted,
    request: Keyed<TransferInput>,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let principal = admitted.principal()?.clone();
    if !principal.is_operator() && principal.user_id().is_none() {
        // a key knows of one organization alone
        return Err(Denied::SessionRequired.into());
    }
    let input = request.value();
    check(&input.to, input.credits, &input.note)?;
    let done = request.once(&state, &admitted, move |tx, input| {
        let to = receiver(tx.conn()?, &principal, &input.to)?;
        let note = input.note.trim().to_owned();
        let sent = transfers::send(tx, &by, &Wish { from: organization, to, credits: input.credits, note })?;
        Ok(Reply(StatusCode::CREATED, Transferred::new(sent, to)))
    });
    done.await
}

/// What can be said without the database.
///
/// # Errors
/// What is wrong with `to`, `credits` and `note`.
pub(in crate::http) fn check(to: &str, credits: Credits, note: &str) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    if let Err(error) = to.parse::<OrganizationRef>() {
        errors.push(FieldError::new("to", "invalid_value", error.to_string()));
    }
    if !credits.is_positive() {
        errors.push(FieldError::new("credits", "invalid_value", "must be above zero"));
    }
    if note.chars().count() > MAX_NOTE || note.chars().any(char::is_control) {
        let text = format!("must be one line of at most {MAX_NOTE} characters");
        errors.push(FieldError::new("note", "invalid_value", text));
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::fields(errors)) }
}

/// The organization of that name, where whoever asks may act for it. Nobody but the operator is told whether there is another.
///
/// # Errors
/// What is wrong with `to`, and those of the database.
pub(in crate::http) fn receiver(
    conn: &Connection,
    principal: &Principal,
    name: &str,
) -> Result<OrganizationId, ApiError> {
    let unknown = || {
        let text = "is not an organization in which you manage billing";
        ApiError::field(
            "to",
            "unknown",
            if principal.is_operator() { "is not an organization" } else { text },
        )
    };
    let name: OrganizationRef = name.parse().map_err(|_| unknown())?;
    let found = match organizations::find(conn, &name) {
        Ok(found) => found.id,
        Err(IdentityError::NotFound(_)) => return Err(unknown()),
        Err(error) => return Err(error.into()),
    };
    match principal.may(Scope::BillingWrite, found) {
        // it is theirs, and why it cannot receive is said later
        Ok(()) | Err(Denied::Suspended) => Ok(found),
        Err(_) => Err(unknown()),
    }
}
