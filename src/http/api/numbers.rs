//! Phone numbers that are rented by the month.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::{Credits, Timestamp};
use crate::catalog::Snapshot;
use crate::db::DbError;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::error::ApiError;
use crate::http::list::{List, Paging, Window};
use crate::http::params::{FromParams, Params, Query};
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::numbers::{self, Kind, NewRental, Rental, State as Standing};

const LIST: &str = "numbers";

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, Access::organization(Scope::UsageRead), list);
    table.api(__path_register, Access::organization(Scope::UsageWrite), register);
    table.api(__path_get, Access::organization(Scope::UsageRead), get);
    table.api(__path_give_up, Access::organization(Scope::UsageWrite), give_up);
}

/// A rented number.
#[derive(Serialize, ToSchema)]
struct RentedNumber {
    /// The platform's own id.
    #[schema(example = "+34910000117")]
    number_id: String,
    /// `local` or `toll_free`.
    kind: &'static str,
    /// Whose rent it is.
    agent_id: Option<String>,
    /// `active`, `grace` (the rent is owed), `suspended` (it takes no calls) or `released`.
    state: &'static str,
    /// What the next month costs beyond what the plan includes; null where nothing prices it any more.
    rent: Option<Credits>,
    /// The end of the month that was paid last.
    paid_until: Timestamp,
    /// When the next month is charged; null where none will be.
    next_charge_at: Option<Timestamp>,
    /// In `grace`: when it is suspended unless the rent is paid.
    suspends_at: Option<Timestamp>,
    /// When it is released: at the end of the month where that was asked for; of a suspended one unless the rent is paid.
    releases_at: Option<Timestamp>,
    registered_at: Timestamp,
    released_at: Option<Timestamp>,
}

impl RentedNumber {
    fn new(
        tx: &rusqlite::Connection,
        catalog: &Snapshot,
        rental: Rental,
        now: Timestamp,
    ) -> Result<Self, DbError> {
        let rent = numbers::rent(tx, catalog, rental.organization, rental.kind, now)?;
        let mut number = Self {
            number_id: rental.external_id,
            kind: rental.kind.name(),
            agent_id: rental.agent,
            state: rental.state.name(),
            rent,
            paid_until: rental.paid_until,
            next_charge_at: None,
            suspends_at: None,
            releases_at: None,
            registered_at: rental.registered_at,
            released_at: None,
        };
        match rental.state {
            Standing::Active { ends: false } => number.next_charge_at = Some(rental.paid_until),
            Standing::Active { ends: true } => number.releases_at = Some(rental.paid_until),
            Standing::Grace { until, .. } => number.suspends_at = Some(until),
            Standing::Suspended { until } => number.releases_at = Some(until),
            Standing::Released { at } => number.released_at = Some(at),
        }
        Ok(number)
    }
}

struct ListQuery(Window<1>);

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(Window::from_params(params, LIST)))
    }
}

/// List rented numbers, released ones included, newest first
#[utoipa::path(get, path = "/numbers", tag = "numbers", params(Paging),
    responses((status = 200, description = "A page of numbers.", body = List<RentedNumber>)))]
async fn list(
    state: web::Data<State>,
    admitted: Admitted,
    Query(ListQuery(window)): Query<ListQuery>,
) -> Answer<List<RentedNumber>> {
    let organization = admitted.organization()?;
    let shared = state.clone();
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        let catalog = shared.catalog.get(tx)?;
        let page = numbers::list(tx, organization, window.before(), window.limit)?;
        let (mut items, next) = (Vec::new(), page.next);
        for rental in page.items {
            items.push(RentedNumber::new(tx, &catalog, rental, tx.now())?);
        }
        Ok(List::from_page(LIST, crate::base::Page { items, next }, |number| number))
    });
    Ok(Reply::ok(found.await?))
}

/// A number to rent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// The platform's own id.
    #[schema(example = "+34910000117")]
    number_id: String,
    /// `local` or `toll_free`.
    #[schema(example = "local")]
    kind: String,
    /// Whose rent it is.
    agent_id: Option<String>,
}

/// Rent a number: its first month is charged now, the next ones each on the same day of the month
///
/// A number that is rented already stays as it is; if it was to be released at the end of the month, it is kept. Where credit
/// does not cover a later month, the number is suspended after some days of grace and released after that; as soon as credit is
/// there the rent is charged and it is active again. Months in which it was suspended are not charged.
#[utoipa::path(post, path = "/numbers", tag = "numbers", request_body = Registration,
    responses((status = 201, description = "The number.", body = RentedNumber),
        (status = 402, description = "`insufficient_credits`: the first month is not covered, and nothing was changed."),
        (status = 409, description = "`conflict`: it is rented already, as another kind.")))]
async fn register(
    state: web::Data<State>,
    admitted: Admitted,
    Json(input): Json<Registration>,
) -> Answer<RentedNumber> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let kind = Kind::from_name(&input.kind)
        .ok_or_else(|| ApiError::field("kind", "invalid_value", "must be local or toll_free"))?;
    let new = NewRental { external_id: input.number_id, kind, agent: input.agent_id };
    let rental = state.db.write(move |tx| numbers::register(tx, &by, organization, &new)).await?;
    Ok(Reply::with(StatusCode::CREATED, shown(&state, rental)?))
}

fn shown(state: &State, rental: Rental) -> Result<RentedNumber, ApiError> {
    state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let catalog = state.catalog.get(tx)?;
        Ok(RentedNumber::new(tx, &catalog, rental, tx.now())?)
    })
}

/// Get a rented number
#[utoipa::path(get, path = "/numbers/{id}", tag = "numbers",
    params(("id" = String, Path, description = "The number, by the platform's own id.")),
    responses((status = 200, description = "The number.", body = RentedNumber)))]
async fn get(state: web::Data<State>, admitted: Admitted, id: web::Path<String>) -> Answer<RentedNumber> {
    let organization = admitted.organization()?;
    let rental = state.db.read_blocking(|tx| numbers::get(tx, organization, &id))?;
    Ok(Reply::ok(shown(&state, rental)?))
}

/// Give a number up: it is released at the end of the month that is paid for, or at once where its rent is owed
///
/// Renting it again before then keeps it.
#[utoipa::path(delete, path = "/numbers/{id}", tag = "numbers",
    params(("id" = String, Path, description = "The number, by the platform's own id.")),
    responses((status = 200, description = "The number.", body = RentedNumber)))]
async fn give_up(state: web::Data<State>, admitted: Admitted, id: web::Path<String>) -> Answer<RentedNumber> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let rental = state.db.write(move |tx| numbers::give_up(tx, &by, organization, &id)).await?;
    Ok(Reply::ok(shown(&state, rental)?))
}
