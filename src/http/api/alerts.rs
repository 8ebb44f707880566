//! Alerts of balances that fall below thresholds.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deliveries::Delivery;
use crate::alerts::{self, Alerts, Change, Wish};
use crate::base::id::OrganizationId;
use crate::base::{Credits, Timestamp};
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::input::present;
use crate::http::list::List;
use crate::http::reply::{Answer, Reply};
use crate::http::route::Table;
use crate::identity::Scope;
use crate::notifications::{self, Filter};
use crate::wallet;

const WRITE: Access = Access::organization(Scope::BillingWrite);

pub(super) fn routes(table: &mut Table) {
    table.api(__path_get, Access::organization(Scope::BillingRead), get);
    table.api(__path_set, WRITE, set);
    table.api(__path_test, WRITE, test);
}

/// A threshold, and how a fall below it is told.
#[derive(Serialize, ToSchema)]
struct Alert {
    threshold: Credits,
    /// Any of `email`, `slack`, `sms` and `webhook`.
    channels: Vec<String>,
    /// `armed` (a fall is told), `fired` (told, and not yet recovered), `below` (the balance was below it when it was set)
    /// or `new` (the balance has not moved yet).
    status: &'static str,
    last_fired_at: Option<Timestamp>,
}

/// An organization's alerts.
#[derive(Serialize, ToSchema)]
struct AlertSet {
    /// The highest threshold first.
    alerts: Vec<Alert>,
    /// The organization has not chosen any: these are the operator's.
    is_default: bool,
    /// The beginning and the end of Slack's incoming webhook: whoever knows all of it can write there.
    slack_url: Option<String>,
    sms_to: Option<String>,
    /// Until then nothing is told of thresholds, except that nothing is left.
    snoozed_until: Option<Timestamp>,
}

impl From<Alerts> for AlertSet {
    fn from(all: Alerts) -> Self {
        let alerts = all.alerts.into_iter().map(|alert| Alert {
            threshold: alert.threshold,
            channels: alert.channels,
            status: alert.state.name(),
            last_fired_at: alert.last_fired_at,
        });
        Self {
            alerts: alerts.collect(),
            is_default: !all.settings.chosen,
            slack_url: all.settings.targets.slack_url.as_deref().map(masked),
            sms_to: all.settings.targets.sms_to,
            snoozed_until: all.settings.snoozed_until,
        }
    }
}

/// An address without what only its owner may know.
pub(in crate::http) fn masked(url: &str) -> String {
    let host =
        url.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '@']).next()).unwrap_or_default();
    let end: String = url.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    format!("{host}/…{end}")
}

/// A threshold that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AlertInput {
    threshold: Credits,
    /// Any of `email`, `slack`, `sms` and `webhook`.
    channels: Vec<String>,
}

/// What to change; what is absent stays as it is, null removes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AlertChanges {
    /// All thresholds, at most 20; an empty list for none.
    alerts: Option<Vec<AlertInput>>,
    /// An incoming webhook of Slack's, for the channel `slack`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    slack_url: Option<Option<String>>,
    /// An international telephone number, such as `+34600111222`, for the channel `sms`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    sms_to: Option<Option<String>>,
    /// Within the next 90 days.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Timestamp>)]
    #[expect(clippy::option_option, reason = "absent, null and a value are three things")]
    snoozed_until: Option<Option<Timestamp>>,
}

impl From<AlertChanges> for Change {
    fn from(input: AlertChanges) -> Self {
        let wish = |alert: AlertInput| Wish { threshold: alert.threshold, channels: alert.channels };
        Self {
            alerts: input.alerts.map(|alerts| alerts.into_iter().map(wish).collect()),
            slack_url: input.slack_url,
            sms_to: input.sms_to,
            snoozed_until: input.snoozed_until,
        }
    }
}

/// Get the alerts of the balance
#[utoipa::path(get, path = "/billing/alerts", tag = "limits",
    responses((status = 200, description = "The alerts.", body = AlertSet)))]
async fn get(state: web::Data<State>, admitted: Admitted) -> Answer<AlertSet> {
    let organization = admitted.organization()?;
    let all = state.db.read_blocking(|tx| alerts::of(tx, organization, &state.thresholds))?;
    Ok(Reply::ok(all.into()))
}

/// Set the alerts of the balance
///
/// A fall below a threshold is told once over each of its channels, and again when the balance has been above it in between.
/// The list replaces the one before. That nothing is left is told by mail and webhook whatever is set.
#[utoipa::path(post, path = "/billing/alerts", tag = "limits",
    request_body(content = AlertChanges, example = json!({
        "alerts": [{"threshold": 5000, "channels": ["email", "slack"]}, {"threshold": 500, "channels": ["email"]}],
        "slack_url": "https://hooks.slack.com/services/T0/B0/x"})),
    responses((status = 200, description = "The alerts.", body = AlertSet)))]
async fn set(
    state: web::Data<State>,
    admitted: Admitted,
    body::Change(input): body::Change<AlertChanges>,
) -> Answer<AlertSet> {
    change(&state, &admitted, admitted.organization()?, input.into()).await?;
    get(state, admitted).await
}

/// Changes alerts, and has the balance looked at in the same transaction.
pub(in crate::http) async fn change(
    state: &State,
    admitted: &Admitted,
    organization: OrganizationId,
    change: Change,
) -> Result<(), ApiError> {
    let (by, guard, thresholds) = (admitted.by()?, state.guard.clone(), state.thresholds.clone());
    let changed = state.db.write(move |tx| -> Result<(), ApiError> {
        alerts::set(tx, &by, (&guard, &thresholds), organization, &change)?;
        Ok(wallet::look_at_alerts(tx, organization, &thresholds)?)
    });
    changed.await
}

/// Send a test over every channel that the alerts use
#[utoipa::path(post, path = "/billing/alerts/test", tag = "limits",
    responses((status = 202, description = "What is about to be sent.", body = List<Delivery>)))]
async fn test(state: web::Data<State>, admitted: Admitted) -> Answer<List<Delivery>> {
    let sent = send_test(&state, admitted.organization()?).await?;
    let items = sent.into_iter().map(Delivery::from).collect();
    Ok(Reply::with(StatusCode::ACCEPTED, List::whole(items)))
}

pub(in crate::http) async fn send_test(
    state: &State,
    organization: OrganizationId,
) -> Result<Vec<notifications::Delivery>, ApiError> {
    let (terms, thresholds) = (state.telling.clone(), state.thresholds.clone());
    let sent = state.db.write(move |tx| -> Result<_, ApiError> {
        let all = alerts::of(tx.conn()?, organization, &thresholds)?;
        let sent = notifications::test_alerts(tx, &terms, organization, &all)?;
        let get = |id| notifications::get(tx.conn()?, &Filter::default(), id);
        Ok(sent.into_iter().map(get).collect::<Result<Vec<_>, _>>()?)
    });
    sent.await
}

impl From<alerts::Error> for ApiError {
    fn from(error: alerts::Error) -> Self {
        match error {
            alerts::Error::Db(error) => error.into(),
            alerts::Error::Invalid(errors) => errors.into(),
        }
    }
}
