//! `/operator/clock`: the clock of test mode. Live there is none.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{ADMIN, Answered};
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::base::{Timestamp, Zone};
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::api::clock::MOST_MS;
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Notice, Tone};
use crate::http::pages::forms;
use crate::http::pages::views::{Crumb, FormPage, Section};
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;

const PATH: &str = "/operator/clock";
/// So far the clock goes by days or hours; further by a date.
const MOST: i64 = 3_650;

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, page);
    table.page(Method::POST, PATH, ADMIN, advance);
}

/// Whether the clock was just moved.
struct Done(bool);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(params.text("done").is_some()))
    }
}

async fn page(state: web::Data<State>, admitted: Admitted, Query(Done(done)): Query<Done>) -> Answered {
    show(&state, &admitted, FormState::default(), done, StatusCode::OK)
}

fn show(state: &State, admitted: &Admitted, form: FormState, done: bool, status: StatusCode) -> Answered {
    if state.test_clock.is_none() {
        return Err(ApiError::new(Code::NotTestMode));
    }
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::here("Operator"), Crumb::here("Clock")];
        let mut chrome = chrome(state, admitted, tx, Section::Clock, crumbs)?;
        let now = chrome.show.zone.local(tx.now()).strftime("%-d %b %Y, %H:%M").to_string();
        let zone = chrome.show.zone.name().to_owned();
        if done {
            let text = format!("It is {now} now, and everything that was due by then is done.");
            chrome.notice = Some(Notice { tone: Tone::Good, text, link: None });
        }
        let units = ["hours", "days", "months"].map(|unit| Choice::new(unit, unit)).to_vec();
        Ok(FormPage {
            chrome,
            title: "Clock".into(),
            lead: format!(
                "It is {now} ({zone}). The clock goes forward only; what is due on the way is done in order and at its own \
                 time, before this page answers. Sessions end on the way as well: you may have to sign in again."
            ),
            action: PATH.into(),
            fields: vec![
                Field::new(&form, "by", "Forward by", Control::Line("text")).inputmode("numeric").optional(),
                Field::new(&form, "unit", "Unit", Control::Select(units)),
                Field::new(&form, "to", "Or to the beginning of a day", Control::Line("date")).optional(),
            ],
            form,
            submit: "Move the clock".into(),
            cancel: "/operator/jobs".into(),
            idempotency_key: forms::fresh_key(admitted),
        })
    })?;
    html(status, &page)
}

/// Where the clock is to go: exactly one of the two must be typed.
fn wanted(form: &mut FormState, now: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let typed = |form: &FormState, name: &str| !form.value(name).trim().is_empty();
    let (name, to) = match (typed(form, "by"), typed(form, "to")) {
        (true, false) => {
            let Ok(by) = form.value("by").trim().parse::<i64>() else {
                form.errors.insert("by".into(), "must be a whole number".into());
                return None;
            };
            let to = (1..=MOST).contains(&by).then(|| match form.value("unit") {
                "days" => zone_days(zone, now, by),
                "months" => zone.months_after(now, i32::try_from(by).unwrap_or(i32::MAX)),
                _ => now.plus_ms(by * HOUR_MS),
            });
            ("by", to)
        }
        (false, true) => ("to", Some(zone.start_of(forms::read(form, "to")?))),
        (true, true) => {
            form.errors.insert("to".into(), "does not go with the other".into());
            return None;
        }
        (false, false) => {
            form.errors.insert("by".into(), "is required, or a day".into());
            return None;
        }
    };
    let within = |to: &Timestamp| *to > now && to.millis().saturating_sub(now.millis()) <= MOST_MS;
    let found = to.filter(within);
    if found.is_none() {
        form.errors.insert(name.into(), "must lead forward, by at most ten years".into());
    }
    found
}

/// The same time of day so many days later.
fn zone_days(zone: &Zone, now: Timestamp, days: i64) -> Timestamp {
    let today = zone.day_of(now);
    let then = today.plus_days(i32::try_from(days).unwrap_or(i32::MAX));
    let since = now.millis().saturating_sub(zone.start_of(today).millis());
    // a day on which the clocks change may be too short for that
    zone.start_of(then).plus_ms(since.min(DAY_MS - MINUTE_MS))
}

async fn advance(state: web::Data<State>, admitted: Admitted, form: Form) -> Answered {
    let by = admitted.by()?;
    let clock = state.test_clock.clone().ok_or_else(|| ApiError::new(Code::NotTestMode))?;
    let mut typed = forms::typed(&form, &["by", "unit", "to"]);
    let zone = state.db.read_blocking(|tx| crate::identity::settings::defaults(tx))?;
    let zone = zone.map_or(Zone::UTC, |defaults| defaults.zone);
    let Some(to) = wanted(&mut typed, state.clock.now(), &zone) else {
        return show(&state, &admitted, typed, false, StatusCode::UNPROCESSABLE_ENTITY);
    };
    state.scheduler.advance(&clock, by, to).await?;
    Ok(redirect(&format!("{PATH}?done=moved")))
}
