//! The packages, as the operator keeps them: those that are not for sale too.

use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::{Credits, Money};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body::Json;
use crate::http::list::List;
use crate::http::params::PathId;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::payments::packages::{self, Kept, Wanted};

const ADMIN: Access = Access::operator(Scope::Admin);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_list, ADMIN, list);
    table.api(__path_create, ADMIN, create);
    table.api(__path_change, ADMIN, change);
}

/// Credit at a fixed price, as the operator keeps it.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogPackage)]
struct Package {
    /// Its code, such as `growth`.
    id: String,
    name: String,
    /// Before tax.
    price: Money,
    /// The credit that is paid for.
    credits: Credits,
    /// Free credit on top.
    bonus_credits: Credits,
    /// Its place among the others; the lowest comes first.
    position: i64,
    /// Whether it is for sale.
    active: bool,
}

impl From<Kept> for Package {
    fn from(kept: Kept) -> Self {
        let Kept { package, position, active } = kept;
        Self {
            id: package.code,
            name: package.name,
            price: package.price,
            credits: package.credits,
            bonus_credits: package.bonus,
            position,
            active,
        }
    }
}

/// List packages, those off sale too
#[utoipa::path(get, path = "/admin/catalog/packages", tag = "catalog",
    responses((status = 200, description = "All packages, by currency and position.", body = List<Package>)))]
async fn list(state: web::Data<State>) -> Answer<List<Package>> {
    let found = state.db.read_blocking(|tx| packages::all(tx))?;
    Ok(Reply::ok(List::whole(found.into_iter().map(Package::from).collect())))
}

/// A package to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPackage)]
struct New {
    /// 1 to 40 lowercase letters, digits, `-` and `_`; never changes.
    code: String,
    /// One line of at most 80 characters.
    name: String,
    /// Before tax; above zero. Its currency never changes.
    price: Money,
    /// The credit that is paid for; above zero.
    credits: Credits,
    /// Free credit on top; none unless given.
    bonus_credits: Option<Credits>,
    /// Its place among the others, 0 to 9999; the last unless given.
    position: Option<i64>,
    /// Whether it is for sale at once, as it is unless told otherwise.
    active: Option<bool>,
}

/// Create a package
#[utoipa::path(post, path = "/admin/catalog/packages", tag = "catalog",
    request_body(content = New, example = json!({
        "code": "growth", "name": "Growth", "price": {"amount": "50.00", "currency": "EUR"}, "credits": 5000,
        "bonus_credits": 250
    })),
    responses((status = 201, description = "Created.", body = Package),
        (status = 409, description = "There is one with this code.")))]
async fn create(state: web::Data<State>, admitted: Admitted, Json(input): Json<New>) -> Answer<Package> {
    let by = admitted.by()?;
    let wanted = Wanted {
        name: Some(input.name),
        price: Some(Ok(input.price)),
        credits: Some(Ok(input.credits)),
        bonus: input.bonus_credits.map(Ok),
        position: input.position.map(Ok),
        active: input.active,
    };
    let made = state.db.write(move |tx| packages::create(tx, &by, &input.code, wanted));
    Ok(Reply::created(made.await?.into()))
}

/// What to change; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PackageChanges)]
struct Changes {
    name: Option<String>,
    /// In the package's currency.
    price: Option<Money>,
    credits: Option<Credits>,
    bonus_credits: Option<Credits>,
    position: Option<i64>,
    /// `false` takes it off sale, `true` puts it back.
    active: Option<bool>,
}

/// Change a package, or take it off sale; what was agreed on in payments stays
#[utoipa::path(patch, path = "/admin/catalog/packages/{id}", tag = "catalog", request_body = Changes,
    params(("id" = String, Path, description = "The package's code.")),
    responses((status = 200, description = "The package.", body = Package)))]
async fn change(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<String>,
    Json(input): Json<Changes>,
) -> Answer<Package> {
    let by = admitted.by()?;
    let wanted = Wanted {
        name: input.name,
        price: input.price.map(Ok),
        credits: input.credits.map(Ok),
        bonus: input.bonus_credits.map(Ok),
        position: input.position.map(Ok),
        active: input.active,
    };
    let changed = state.db.write(move |tx| packages::change(tx, &by, &code, wanted));
    Ok(Reply::ok(changed.await?.into()))
}
