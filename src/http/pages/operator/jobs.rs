//! `/operator/jobs`: what is done from time to time, how it went, and doing it now.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{ADMIN, Answered};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::api::jobs;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::{Notice, Tone};
use crate::http::pages::views::{Crumb, JobRow, JobsPage, Section};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::scheduler;

const PATH: &str = "/operator/jobs";
/// Runs and failures listed.
const LISTED: u32 = 20;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, page);
    table.page(Method::POST, "/operator/jobs/{id}", ADMIN, run);
}

/// Which job was just run.
struct Done(Option<String>);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.text("done")))
    }
}

async fn page(state: web::Data<State>, admitted: Admitted, Query(Done(done)): Query<Done>) -> Answered {
    let (mut chrome, all, failures, runs) = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::here("Operator"), Crumb::here("Jobs")];
        let chrome = chrome(&state, &admitted, tx, Section::Jobs, crumbs)?;
        let all = state.scheduler.statuses(tx)?;
        Ok((chrome, all, scheduler::failures(tx, LISTED)?, scheduler::runs(tx, LISTED)?))
    })?;
    if let Some(job) = done.as_deref().and_then(scheduler::Job::from_name) {
        let text = format!("{job} has run: what was due is done.");
        chrome.notice = Some(Notice { tone: Tone::Good, text, link: None });
    }
    let rows = jobs::with_next(&state, all).await;
    let rows = rows.into_iter().map(|(status, next)| JobRow { status, next }).collect();
    html(StatusCode::OK, &JobsPage { chrome, rows, failures, runs })
}

async fn run(state: web::Data<State>, PathId(name): PathId<String>, _: Form) -> Answered {
    let run = state.scheduler.run(jobs::job(&name)?).await?;
    Ok(redirect(&format!("{PATH}?done={}", run.job)))
}
