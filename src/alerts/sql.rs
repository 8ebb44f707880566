//! Statements of alerts.

use rusqlite::{Connection, OptionalExtension, params};

use super::rules::State;
use super::{Alert, Settings, Targets};
use crate::base::Credits;
use crate::base::id::OrganizationId;
use crate::db::{self, DbError};

pub(super) fn settings(conn: &Connection, organization: OrganizationId) -> Result<Settings, DbError> {
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, Settings)> {
        let found = Settings {
            chosen: row.get(0)?,
            targets: Targets { slack_url: row.get(1)?, sms_to: row.get(2)? },
            snoozed_until: row.get(3)?,
            empty: State::New,
        };
        Ok((row.get(4)?, found))
    };
    let found = conn
        .prepare_cached(
            "SELECT chosen, slack_url, sms_to, snoozed_until, empty FROM alert_settings WHERE organization_id = ?",
        )?
        .query_row([organization], row)
        .optional()?;
    let Some((empty, found)) = found else { return Ok(Settings::default()) };
    let empty = State::from_name(&empty);
    let empty = empty.ok_or_else(|| DbError::bad_row("alert_settings", organization.number(), "empty"))?;
    Ok(Settings { empty, ..found })
}

pub(super) fn put_settings(
    conn: &Connection,
    organization: OrganizationId,
    new: &Settings,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO alert_settings (organization_id, chosen, slack_url, sms_to, snoozed_until, empty)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (organization_id) DO UPDATE SET chosen = excluded.chosen, slack_url = excluded.slack_url,
             sms_to = excluded.sms_to, snoozed_until = excluded.snoozed_until, empty = excluded.empty",
    )?
    .execute(params![
        organization,
        new.chosen,
        new.targets.slack_url,
        new.targets.sms_to,
        new.snoozed_until,
        new.empty.name()
    ])?;
    Ok(())
}

/// The highest first.
pub(super) fn alerts(conn: &Connection, organization: OrganizationId) -> Result<Vec<Alert>, DbError> {
    let statement = "SELECT threshold, channels, state, last_fired_at FROM alerts WHERE organization_id = ?
                     ORDER BY threshold DESC";
    db::collect(conn, statement, [organization], |row| {
        let bad = |column| DbError::bad_row("alerts", organization.number(), column);
        let (channels, state): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Alert {
            threshold: row.get(0)?,
            channels: serde_json::from_str(&channels).map_err(|_| bad("channels"))?,
            state: State::from_name(&state).ok_or_else(|| bad("state"))?,
            last_fired_at: row.get(3)?,
        })
    })
}

pub(super) fn put(conn: &Connection, organization: OrganizationId, alert: &Alert) -> Result<(), DbError> {
    let channels = serde_json::to_string(&alert.channels);
    let channels = channels.map_err(|e| DbError::bad_row("alerts", organization.number(), e))?;
    conn.prepare_cached(
        "INSERT INTO alerts (organization_id, threshold, channels, state, last_fired_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (organization_id, threshold) DO UPDATE SET channels = excluded.channels, state = excluded.state,
             last_fired_at = excluded.last_fired_at",
    )?
    .execute(params![organization, alert.threshold, channels, alert.state.name(), alert.last_fired_at])?;
    Ok(())
}

pub(super) fn delete(
    conn: &Connection,
    organization: OrganizationId,
    threshold: Credits,
) -> Result<(), DbError> {
    conn.prepare_cached("DELETE FROM alerts WHERE organization_id = ? AND threshold = ?")?
        .execute(params![organization, threshold])?;
    Ok(())
}

/// What was last bought.
pub(super) fn last_bought(
    conn: &Connection,
    organization: OrganizationId,
) -> Result<Option<Credits>, DbError> {
    let statement = "SELECT original FROM grants WHERE organization_id = ? AND class = 'paid' ORDER BY account_id DESC LIMIT 1";
    Ok(conn.prepare_cached(statement)?.query_row([organization], |row| row.get(0)).optional()?)
}
