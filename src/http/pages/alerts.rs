//! `/alerts`: below which balances people are told, and how.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Chip, Notice, Tone};
use super::forms;
use super::views::telling::{AlertRow, AlertsPage, label};
use super::views::{Crumb, Section};
use crate::alerts::rules::State as Standing;
use crate::alerts::{self, Alert, Change, Wish};
use crate::base::Credits;
use crate::base::time::HOUR_MS;
use crate::db::{DbError, ReadTx};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::api::alerts::{change, masked, send_test};
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::params::{FromParams, Params, Query};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::notifications::{self, Channel, Filter};

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::BillingWrite);
const FIELDS: [&str; 5] = ["threshold", "channels", "slack_url", "sms_to", "snooze"];

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/alerts", READ, page);
    table.page(Method::POST, "/alerts", WRITE, add);
    table.page(Method::POST, "/alerts/remove", WRITE, remove);
    table.page(Method::POST, "/alerts/targets", WRITE, set_targets);
    table.page(Method::POST, "/alerts/snooze", WRITE, snooze);
    table.page(Method::POST, "/alerts/test", WRITE, test);
}

/// What was just done.
struct Done(Option<&'static str>);

impl FromParams for Done {
    fn from_params(params: &mut Params) -> Option<Self> {
        Some(Self(match params.text("done").as_deref() {
            Some("saved") => Some("Saved."),
            Some("tested") => Some("A test is on its way over every channel that the alerts use."),
            _ => None,
        }))
    }
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    Query(Done(done)): Query<Done>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state.db.read_blocking(|tx| read(tx, &state, &admitted, None))?;
    page.chrome.notice = done.map(|text| Notice { tone: Tone::Good, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: Option<FormState>,
) -> Result<AlertsPage, ApiError> {
    let organization = admitted.organization()?;
    let crumbs = vec![Crumb::link("My Credit", "/overview"), Crumb::here("Alerts")];
    let chrome = chrome::chrome(state, admitted, tx, Section::Alerts, crumbs)?;
    let all = alerts::of(tx, organization, &state.thresholds)?;
    let mut failing = Vec::new();
    for channel in Channel::ALL {
        if is_failing(tx, organization, channel)? {
            failing.push(channel.name());
        }
    }
    let suggested = alerts::suggested(tx, organization)?.into_iter().flatten();
    let suggested =
        suggested.filter(|credits| credits.is_positive()).map(|credits| credits.to_string()).collect();
    let form = form.unwrap_or_else(|| {
        let values = [
            ("channels", "email,webhook".to_owned()),
            ("sms_to", all.settings.targets.sms_to.clone().unwrap_or_default()),
            ("snooze", "24".to_owned()),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value));
        FormState { values: values.into(), ..FormState::default() }
    });
    Ok(AlertsPage {
        alerts: all.alerts.iter().map(|alert| row(alert, &failing, &chrome.show)).collect(),
        is_default: !all.settings.chosen,
        may_edit: admitted.principal()?.may_in_session(Scope::BillingWrite, organization).is_ok(),
        snoozed_until: all.settings.snoozed_until.filter(|until| *until > tx.now()),
        suggested,
        slack: all.settings.targets.slack_url.as_deref().map(masked),
        problem: (!failing.is_empty()).then(|| Notice {
            tone: Tone::Bad,
            text: format!(
                "The newest message did not arrive: {}.",
                failing.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ")
            ),
            link: None,
        }),
        form,
        chrome,
    })
}

/// Whether the newest message over a channel was given up.
fn is_failing(
    tx: &ReadTx<'_>,
    organization: crate::base::id::OrganizationId,
    channel: Channel,
) -> Result<bool, DbError> {
    let filter =
        Filter { organization: Some(Some(organization)), channel: Some(channel), ..Filter::default() };
    let newest = notifications::list(tx, &filter, None, 1)?;
    Ok(newest.items.first().is_some_and(|delivery| delivery.state == notifications::State::Dead))
}

fn row(alert: &Alert, failing: &[&str], show: &super::format::Show) -> AlertRow {
    let chip = match alert.state {
        Standing::Armed => Chip::new(Tone::Good, "Armed"),
        Standing::Fired => Chip::new(Tone::Warn, "Told"),
        Standing::Below => Chip::new(Tone::Neutral, "Below it already"),
        Standing::New => Chip::new(Tone::Neutral, "Waits for credit"),
    };
    AlertRow {
        threshold: alert.threshold.to_string(),
        label: show.amount_text(alert.threshold),
        channels: alert.channels.iter().map(|name| label(name)).collect::<Vec<_>>().join(", "),
        chip,
        last_fired: alert.last_fired_at,
        failing: alert.channels.iter().any(|name| failing.contains(&name.as_str())),
    }
}

/// Does what a form asks for, and shows it again with what is wrong.
async fn save(
    state: &State,
    admitted: &Admitted,
    mut typed: FormState,
    wanted: Result<Change, ()>,
) -> Result<HttpResponse, ApiError> {
    // what is none is said beside its field already
    let Ok(wanted) = wanted else {
        let page = state.db.read_blocking(|tx| read(tx, state, admitted, Some(typed)))?;
        return html(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let Err(error) = change(state, admitted, admitted.organization()?, wanted).await else {
        return Ok(redirect("/alerts?done=saved"));
    };
    // the last threshold is the one that was typed
    for wrong in error.wrong_fields() {
        let field = if wrong.param.ends_with(".threshold") {
            "threshold"
        } else if wrong.param.ends_with(".channels") {
            "channels"
        } else {
            continue;
        };
        typed.errors.insert(field.into(), wrong.message.clone());
    }
    if !typed.errors.is_empty() {
        let page = state.db.read_blocking(|tx| read(tx, state, admitted, Some(typed)))?;
        return html(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let status = forms::explain(&mut typed, &FIELDS, error, &admitted.request_id.to_string())?;
    let page = state.db.read_blocking(|tx| read(tx, state, admitted, Some(typed)))?;
    html(status, &page)
}

/// The thresholds there are but one.
fn others(state: &State, admitted: &Admitted, but: Credits) -> Result<Vec<Wish>, ApiError> {
    let organization = admitted.organization()?;
    let all = state.db.read_blocking(|tx| alerts::of(tx, organization, &state.thresholds))?;
    let others = all.alerts.into_iter().filter(|alert| alert.threshold != but);
    Ok(others.map(|alert| Wish { threshold: alert.threshold, channels: alert.channels }).collect())
}

async fn add(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let mut typed = forms::typed(&form, &FIELDS);
    let wanted = match forms::read::<Credits>(&mut typed, "threshold") {
        None => Err(()),
        Some(threshold) => {
            let mut wishes = others(&state, &admitted, threshold)?;
            wishes.push(Wish { threshold, channels: form.all("channels").to_vec() });
            Ok(Change { alerts: Some(wishes), ..Change::default() })
        }
    };
    save(&state, &admitted, typed, wanted).await
}

async fn remove(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let threshold: Credits = form.text("threshold").parse().unwrap_or_default();
    let alerts = Some(others(&state, &admitted, threshold)?);
    save(&state, &admitted, FormState::default(), Ok(Change { alerts, ..Change::default() })).await
}

async fn set_targets(
    state: web::Data<State>,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let slack_url = match form.text("slack_url") {
        "" => None,
        "none" => Some(None),
        url => Some(Some(url.to_owned())),
    };
    let sms_to = form.text("sms_to");
    let sms_to = Some((!sms_to.is_empty()).then(|| sms_to.to_owned()));
    let change = Change { slack_url, sms_to, ..Change::default() };
    save(&state, &admitted, forms::typed(&form, &FIELDS), Ok(change)).await
}

async fn snooze(state: web::Data<State>, admitted: Admitted, form: Form) -> Result<HttpResponse, ApiError> {
    let hours: Option<i64> = form.text("snooze").parse().ok();
    let until = hours.map(|hours| state.clock.now().plus_ms(hours.saturating_mul(HOUR_MS)));
    let change = Change { snoozed_until: Some(until), ..Change::default() };
    save(&state, &admitted, forms::typed(&form, &FIELDS), Ok(change)).await
}

async fn test(state: web::Data<State>, admitted: Admitted, _: Form) -> Result<HttpResponse, ApiError> {
    send_test(&state, admitted.organization()?).await?;
    Ok(redirect("/alerts?done=tested"))
}
