//! The list of transactions: everything that moved the balance, one line each.

use actix_web::web;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::usage_items::UsageItem;
use crate::base::id::{GrantId, TransactionId};
use crate::base::{Credits, Page, Quantity, Timestamp};
use crate::catalog::Snapshot;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::list::{Between, List, Paging, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::ledger::{self, TransactionType};
use crate::metering::statement::{self, Line, LineFilter, UsageLine};
use crate::wallet;

const LIST: &str = "transactions";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::BillingRead), list);
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
}

/// One line of the list of transactions.
#[derive(Serialize, ToSchema)]
pub(super) struct Transaction {
    id: TransactionId,
    /// `purchase`, `usage`, `welcome_bonus`, `plan_grant`, `adjustment`, `refund`, `expiry`, `transfer_in`, `transfer_out`,
    /// `number_rental`, `clawback` or `reversal`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What it added to the balance; below zero for what it took.
    amount: Credits,
    description: String,
    /// The balance after it.
    balance_after: Credits,
    created_at: Timestamp,
    /// What was sent with it; of usage, what was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

impl From<ledger::Transaction> for Transaction {
    fn from(transaction: ledger::Transaction) -> Self {
        Self {
            id: transaction.id,
            kind: transaction.kind.name(),
            amount: transaction.amount,
            description: transaction.description,
            balance_after: transaction.balance_after,
            created_at: transaction.created_at,
            metadata: raw(transaction.metadata),
        }
    }
}

impl Transaction {
    fn of_line(line: Line, catalog: &Snapshot) -> Self {
        let (description, metadata) = match &line.usage {
            None => (line.description, raw(line.metadata)),
            Some(usage) => (describe(line.kind, usage, catalog), used(usage, catalog)),
        };
        Self {
            id: line.id,
            kind: line.kind.name(),
            amount: line.amount,
            description,
            balance_after: line.balance_after,
            created_at: line.created_at,
            metadata,
        }
    }
}

fn raw(metadata: Option<String>) -> Option<Box<RawValue>> {
    metadata.and_then(|text| RawValue::from_string(text).ok())
}

/// Usage in a few words.
pub(in crate::http) fn describe(kind: TransactionType, usage: &UsageLine, catalog: &Snapshot) -> String {
    let (name, unit) = catalog.meter(usage.meter).map_or(("Usage", "unit"), |m| (&*m.name, &*m.unit));
    let quantity = usage.quantity.max(Quantity::ZERO.checked_sub(usage.quantity).unwrap_or(usage.quantity));
    let plural = if Some(quantity) == Quantity::from_whole(1) { "" } else { "s" };
    match kind {
        TransactionType::Reversal => format!("{name} taken back: {quantity} {unit}{plural}"),
        _ => format!("{name}: {quantity} {unit}{plural}"),
    }
}

/// What a usage line charged for, as metadata.
fn used(usage: &UsageLine, catalog: &Snapshot) -> Option<Box<RawValue>> {
    #[derive(Serialize)]
    struct Used<'a> {
        event_id: &'a str,
        channel: &'a str,
        quantity: Quantity,
        unit: &'a str,
        occurred_at: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        call_id: Option<&'a str>,
    }
    let (channel, unit) = catalog.meter(usage.meter).map_or(("", ""), |m| (m.code.as_str(), &*m.unit));
    let used = Used {
        event_id: &usage.event_id,
        channel,
        quantity: usage.quantity,
        unit,
        occurred_at: usage.occurred_at,
        call_id: usage.call_id.as_deref(),
    };
    serde_json::value::to_raw_value(&used).ok()
}

/// Which transactions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct Which {
    /// Only these types, separated by commas.
    #[param(example = "purchase,adjustment")]
    r#type: Option<String>,
}

struct ListQuery(LineFilter, Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        let period = params.period();
        let mut types = Vec::new();
        for name in params.text("type").iter().flat_map(|text| text.split(',')) {
            let found = TransactionType::from_name(name.trim());
            types.extend(found);
            if found.is_none() {
                let all: Vec<_> = TransactionType::ALL.into_iter().map(TransactionType::name).collect();
                params.error("type", "invalid_value", format!("must be of {}", all.join(", ")));
            }
        }
        let filter = LineFilter { from: period.from, to: period.to, types };
        Some(Self(filter, Window::from_params(params, LIST)))
    }
}

/// List transactions, newest first
///
/// `total` is there when nothing is filtered. A filtered page may hold fewer items than asked for, or none, and still have
/// more after it.
#[utoipa::path(get, path = "/billing/transactions", tag = "billing", params(Which, Between, Paging),
    responses((status = 200, description = "A page of transactions.", body = List<Transaction>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(filter, window)): Query<ListQuery>,
) -> Answer<List<Transaction>> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let at = window.before().map(TransactionId::new);
        let page = statement::lines(tx, organization, &filter, at, limit)?;
        let page = Page { items: page.items, next: page.next.map(TransactionId::number) };
        let catalog = shared.catalog.get(tx)?;
        let list = List::from_page(LIST, page, |line| Transaction::of_line(line, &catalog));
        let unfiltered = filter.from.is_none() && filter.to.is_none() && filter.types.is_empty();
        if !unfiltered {
            return Ok(list);
        }
        let count = wallet::line_count(tx, organization)?;
        Ok(list.with_total(u64::try_from(count).unwrap_or(0)))
    });
    Ok(Reply::ok(found.await?))
}

/// A transaction with what belongs to it.
#[derive(Serialize, ToSchema)]
struct TransactionDetail {
    #[serde(flatten)]
    transaction: Transaction,
    /// The grant it made.
    grant_id: Option<GrantId>,
    /// The transaction that it corrects.
    corrects: Option<TransactionId>,
    /// The transaction that took it back.
    voided_by: Option<TransactionId>,
    /// Of usage: the charges.
    items: Vec<UsageItem>,
}

/// Get a transaction
#[utoipa::path(get, path = "/billing/transactions/{id}", tag = "billing",
    params(("id" = TransactionId, Path, description = "The transaction.")),
    responses((status = 200, description = "The transaction.", body = TransactionDetail)))]
async fn get(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<TransactionId>,
) -> Answer<TransactionDetail> {
    let organization = admitted.organization()?;
    state.db.read_blocking(|tx| {
        let line = statement::line(tx, organization, id)?.ok_or_else(|| ApiError::new(Code::NotFound))?;
        let catalog = state.catalog.get(tx)?;
        let of_event =
            if line.usage.is_some() { statement::event(tx, organization, id)? } else { Vec::new() };
        Ok(Reply::ok(TransactionDetail {
            grant_id: line.grant,
            corrects: line.corrects,
            voided_by: statement::voided_by(tx, id.number())?.map(TransactionId::new),
            items: of_event.into_iter().map(|item| UsageItem::new(item, &catalog)).collect(),
            transaction: Transaction::of_line(line, &catalog),
        }))
    })
}
