//! First start: the page that makes the operator's account, once.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::entry::{visitor, with_visitor};
use super::views::SetupPage;
use super::{choices, forms};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, FieldError};
use crate::http::failure::SIGN_IN;
use crate::http::form::Form;
use crate::http::params::{Params, PathId};
use crate::http::route::Table;
use crate::identity::settings::Defaults;
use crate::identity::{BillingDetails, setup};

const FIELDS: [&str; 9] = [
    "email",
    "password",
    "currency",
    "timezone",
    "seller_name",
    "seller_address",
    "seller_country",
    "seller_vat_id",
    "seller_email",
];

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, "/setup", Access::OPEN, link);
    table.page(Method::GET, "/setup/{id}", Access::OPEN, form);
    table.page(Method::POST, "/setup/{id}", Access::OPEN, complete);
}

/// The link as the server prints it.
async fn link(req: HttpRequest) -> HttpResponse {
    let token = Params::parse(req.query_string()).text("token").unwrap_or_default();
    let is_token =
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if is_token { redirect(&format!("/setup/{token}")) } else { redirect(SIGN_IN) }
}

async fn form(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(token): PathId<String>,
) -> Result<HttpResponse, ApiError> {
    let seller = &state.settings.seller;
    let configured = [
        ("seller_name", &seller.name),
        ("seller_address", &seller.address),
        ("seller_country", &seller.country),
        ("seller_vat_id", &seller.vat_id),
        ("seller_email", &seller.email),
    ];
    let mut typed = FormState::default();
    typed.values.insert("currency".into(), state.settings.currency.code().into());
    for (name, value) in configured {
        typed.values.insert(name.into(), value.clone().unwrap_or_default());
    }
    show(&state, &req, &admitted, &token, typed, StatusCode::OK)
}

fn show(
    state: &State,
    req: &HttpRequest,
    admitted: &Admitted,
    token: &str,
    form: FormState,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let (csrf, cookie) = visitor(state, req, admitted);
    let chrome = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        setup::check(tx, token, tx.now())?;
        chrome::outside(state, admitted, tx, csrf)
    })?;
    let page = SetupPage {
        chrome,
        token: token.to_owned(),
        form,
        currencies: choices::currencies(state.settings.currency),
        timezones: choices::timezones(),
        countries: choices::countries(),
        password_min: state.door.passwords().policy().min_chars,
    };
    with_visitor(state, html(status, &page)?, cookie)
}

async fn complete(
    state: web::Data<State>,
    req: HttpRequest,
    admitted: Admitted,
    PathId(token): PathId<String>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(&form, &FIELDS);
    typed.values.remove("password");
    let currency = forms::read(&mut typed, "currency");
    let zone = forms::read(&mut typed, "timezone");
    let request_id = admitted.request_id.to_string();
    let (Some(currency), Some(zone)) = (currency, zone) else {
        return show(&state, &req, &admitted, &token, typed, StatusCode::UNPROCESSABLE_ENTITY);
    };
    let filled = setup::Form {
        email: form.text("email").to_owned(),
        name: String::new(),
        password: form.verbatim("password").to_owned(),
        defaults: Defaults { currency, zone },
        seller: seller(&form),
    };
    match state.door.complete_setup(token.clone(), filled, Some(request_id.clone())).await {
        Ok(_) => Ok(redirect(SIGN_IN)),
        Err(error) => {
            // a link that is not good (any more) is found out again, and said, by `show`
            let error = as_typed(ApiError::from(error));
            let status = forms::explain(&mut typed, &FIELDS, error, &request_id)?;
            show(&state, &req, &admitted, &token, typed, status)
        }
    }
}

fn seller(form: &Form) -> BillingDetails {
    let mut lines = form.text("seller_address").lines().map(str::trim).filter(|line| !line.is_empty());
    BillingDetails {
        company_name: form.text("seller_name").to_owned(),
        address_line1: lines.next().unwrap_or_default().to_owned(),
        address_line2: lines.collect::<Vec<_>>().join(", "),
        country: form.text("seller_country").to_owned(),
        vat_id: form.text("seller_vat_id").to_owned(),
        billing_email: form.text("seller_email").to_owned(),
        ..BillingDetails::default()
    }
}

/// The seller's fields by the names they have on the page.
fn as_typed(error: ApiError) -> ApiError {
    if error.wrong_fields().is_empty() {
        return error;
    }
    let rename = |wrong: &FieldError| {
        let name = match wrong.param.as_str() {
            "company_name" => "seller_name",
            "address_line1" | "address_line2" => "seller_address",
            "country" => "seller_country",
            "vat_id" => "seller_vat_id",
            "billing_email" => "seller_email",
            other => other,
        };
        FieldError::new(name, wrong.code.clone(), wrong.message.clone())
    };
    ApiError::fields(error.wrong_fields().iter().map(rename).collect())
}
