//! `/operator/seller`: who writes the invoices. What was issued stays as it is.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{ADMIN, Answered};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::form::Form;
use crate::http::pages::billing_details::{FIELDS, countries, filled, stored};
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::{FormState, Notice, Tone};
use crate::http::pages::entry::ORGANIZATIONS;
use crate::http::pages::forms;
use crate::http::pages::views::invoices::detail_fields;
use crate::http::pages::views::{Crumb, FormPage, Section};
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::{Seller, settings};

const PATH: &str = "/operator/seller";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, page);
    table.page(Method::POST, PATH, ADMIN, save);
}

/// Whether something was just saved.
struct Done(bool);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.text("done").is_some()))
    }
}

async fn page(state: web::Data<State>, admitted: Admitted, Query(Done(done)): Query<Done>) -> Answered {
    show(&state, &admitted, None, done, StatusCode::OK)
}

/// The page with what was typed, or with what counts now: what is stored, else what is configured.
fn show(
    state: &State,
    admitted: &Admitted,
    typed: Option<FormState>,
    done: bool,
    status: StatusCode,
) -> Answered {
    let page = state.db.read_blocking(|tx| {
        let crumbs = vec![Crumb::here("Operator"), Crumb::here("Seller")];
        let mut chrome = chrome(state, admitted, tx, Section::Seller, crumbs)?;
        if done {
            chrome.notice = Some(Notice { tone: Tone::Good, text: "Saved.".into(), link: None });
        }
        let now = Seller::now(tx, &state.settings.seller_terms)?.details;
        let form = typed.unwrap_or_else(|| stored(&now));
        Ok::<_, crate::http::error::ApiError>(FormPage {
            chrome,
            title: "Seller".into(),
            lead: "Who writes the invoices. Nothing is sold before name and country are known; invoices that were issued \
                   stay as they are."
                .into(),
            action: PATH.into(),
            fields: detail_fields(&form, countries(&form)),
            form,
            submit: "Save".into(),
            cancel: ORGANIZATIONS.into(),
            idempotency_key: forms::fresh_key(admitted),
        })
    })?;
    html(status, &page)
}

async fn save(state: web::Data<State>, admitted: Admitted, form: Form) -> Answered {
    let by = admitted.by()?;
    let mut typed = forms::typed(&form, &FIELDS);
    let Some(details) = filled(&form, &mut typed) else {
        return show(&state, &admitted, Some(typed), false, StatusCode::UNPROCESSABLE_ENTITY);
    };
    match state.db.write(move |tx| settings::set_seller(tx, &by, &details)).await {
        Ok(()) => Ok(redirect("/operator/seller?done=saved")),
        Err(error) => {
            let request_id = admitted.request_id.to_string();
            let status = forms::explain(&mut typed, &FIELDS, error.into(), &request_id)?;
            show(&state, &admitted, Some(typed), false, status)
        }
    }
}
