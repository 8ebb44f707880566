//! `/operator/plans/{code}/migrate`: moves subscribers on older versions to the new price.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::plans::page_of;
use super::{ADMIN, Answered, PLANS, around, words};
use crate::base::Day;
use crate::catalog::rules::Code;
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Control, Field, FormState};
use crate::http::pages::format;
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::{Crumb, FormPage};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::subscriptions;

const PATH: &str = "/operator/plans/{id}/migrate";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, ask);
    table.page(Method::POST, PATH, ADMIN, migrate);
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    code: &Code,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let catalog = state.catalog.get(tx)?;
    let plan = catalog.plan_by_code(code.as_str());
    let found = plan.and_then(|plan| Some((plan, plan.versions.last()?)));
    let (plan, newest) = found.ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let standings = subscriptions::standings(tx)?;
    let older = plan.versions.iter().filter(|version| version.version < newest.version);
    let older: i64 = older.filter_map(|version| standings.get(&version.id)).map(|(count, _)| *count).sum();
    let chrome = around(
        state,
        admitted,
        tx,
        vec![
            Crumb::link("Plans", PLANS),
            Crumb::link(plan.name.clone(), page_of(code)),
            Crumb::here("New price"),
        ],
        None,
    )?;
    let days = state.office.shop().terms.notice_days;
    let starts = words::since(newest.starts_at, &chrome.show);
    Ok(FormPage {
        title: format!("Move subscribers of {} to the new price", plan.name),
        lead: format!(
            "{} on an older version. The newest is version {}, {}, from {starts} on. They are told now, and change at \
             their first renewal from the day below on, to the version that is in force then; until then everything stays as \
             it is. A new price is announced at least {days} days before it is charged. Whoever you gave the plan to without a \
             fee is not moved.",
            format::counted(u64::try_from(older).unwrap_or(0), "subscriber"),
            newest.version,
            words::fee(&newest.terms),
        ),
        action: format!("{}/migrate", page_of(code)),
        fields: vec![Field::new(&form, "from", "Renewals from", Control::Line("date")).hint(format!(
            "The beginning of a day in {}, at least {days} days from now.",
            chrome.show.zone.name()
        ))],
        chrome,
        form,
        submit: "Announce the new price".into(),
        cancel: page_of(code),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<Code>) -> Answered {
    let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, &code, FormState::default()))?;
    html(StatusCode::OK, &page)
}

async fn migrate(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<Code>,
    form: Form,
) -> Answered {
    let once = Once::new(Owner::Operator, &format!("{}/migrate", page_of(&code)), &form)?;
    let by = admitted.by()?;
    let day: Result<Option<Day>, _> = form.parse("from");
    let done = match day {
        Err(error) => Err(ApiError::field("from", "invalid_value", format!("{error}"))),
        Ok(None) => Err(ApiError::field("from", "required", "is required")),
        Ok(Some(day)) => {
            let from = super::zone(&state)?.start_of(day);
            let (terms, plan) = (state.office.shop().terms.clone(), code.clone());
            let write = state.db.write(move |tx| {
                once.act(tx, || Ok(subscriptions::migrate(tx, &terms, &by, plan.as_str(), from)?.to_string()))
            });
            write.await
        }
    };
    match done {
        Ok((count, _)) => Ok(redirect(&format!("{}?done=migrated-{count}", page_of(&code)))),
        Err(error) => {
            let status = error.code().status();
            let form = refused(&form, &["from"], &[], error, &admitted)?;
            let page = state.db.read_blocking(|tx| view(&state, &admitted, tx, &code, form))?;
            html(status, &page)
        }
    }
}
