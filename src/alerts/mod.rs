//! Alerts: a balance that falls below a threshold is told once, over the channels that belong to it, and again only when
//! it has been above it in between.
//!
//! Nothing looks at balances from time to time. A wallet knows between which balances nothing is crossed
//! ([`rules::Levels`]); where it leaves them, work is written in the same transaction, once, and that work looks at every
//! threshold at the balance as it is then. What it finds, and where each threshold stands after it, is one transaction.

pub mod rules;
mod sql;

use rusqlite::Connection;

use rules::{ANYTHING, Levels, News, State};

use crate::base::id::OrganizationId;
use crate::base::{Credits, FieldError, Timestamp};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Level;
use crate::events::{self, Payload};
use crate::identity::audit::{self, By, Difference};
use crate::outbox;
use crate::outside::Guarded;

/// Work: a balance has crossed something, or a pause is over. The subject is the organization's number.
pub const CROSSED: &str = "alert.crossed";
/// As many thresholds an organization may have.
pub const MOST: usize = 20;
/// The highest.
const HIGHEST: Credits = Credits::from_micros(100_000_000_000_000_000);
/// The longest that alerts are put off: 90 days.
pub const SNOOZE_MAX_MS: i64 = 90 * crate::base::time::DAY_MS;
/// How people can be told.
pub const CHANNELS: [&str; 4] = ["email", "slack", "sms", "webhook"];
const EMAIL: &str = "email";
const WEBHOOK: &str = "webhook";

/// One threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// A balance below it is told.
    pub threshold: Credits,
    /// How: of [`CHANNELS`].
    pub channels: Vec<String>,
    /// Where it stands.
    pub state: State,
    /// When it was last told.
    pub last_fired_at: Option<Timestamp>,
}

/// Where messages go that need an address of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// An incoming webhook of Slack's. Whoever knows it can write there.
    pub slack_url: Option<String>,
    /// A telephone number.
    pub sms_to: Option<String>,
}

/// What belongs to all thresholds of an organization.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// It has chosen its thresholds itself.
    pub chosen: bool,
    /// Where messages go.
    pub targets: Targets,
    /// Until then nothing is told of thresholds.
    pub snoozed_until: Option<Timestamp>,
    /// Where it stands with having anything at all; that is told whatever was chosen.
    pub empty: State,
}

/// An organization's thresholds, the highest first, and what belongs to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// What belongs to all.
    pub settings: Settings,
    /// Each.
    pub alerts: Vec<Alert>,
}

/// A threshold that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// A balance below it is told.
    pub threshold: Credits,
    /// How.
    pub channels: Vec<String>,
}

/// What is asked for; what is left out stays as it is, and an inner none removes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// All thresholds.
    pub alerts: Option<Vec<Wish>>,
    /// Slack's incoming webhook.
    pub slack_url: Option<Option<String>>,
    /// The telephone number.
    pub sms_to: Option<Option<String>>,
    /// Until when nothing is told of thresholds.
    pub snoozed_until: Option<Option<Timestamp>>,
}

/// A balance as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What remains of all grants, less the overdraft.
    pub balance: Credits,
    /// What can be used.
    pub available: Credits,
}

/// Why alerts are not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Every field that is wrong.
    #[error("invalid input")]
    Invalid(Vec<FieldError>),
}

/// An organization's alerts: those that it has chosen, or `defaults` by mail and webhook.
///
/// # Errors
/// When the database fails.
pub fn of(conn: &Connection, organization: OrganizationId, defaults: &[Credits]) -> Result<Alerts, DbError> {
    let settings = sql::settings(conn, organization)?;
    let mut alerts = sql::alerts(conn, organization)?;
    if !settings.chosen {
        let known = std::mem::take(&mut alerts);
        let standing = |threshold| known.iter().find(|alert| alert.threshold == threshold);
        alerts.extend(defaults.iter().map(|&threshold| Alert {
            threshold,
            channels: vec![EMAIL.to_owned(), WEBHOOK.to_owned()],
            state: standing(threshold).map_or(State::New, |known| known.state),
            last_fired_at: standing(threshold).and_then(|known| known.last_fired_at),
        }));
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.threshold));
        alerts.dedup_by_key(|alert| alert.threshold);
    }
    Ok(Alerts { settings, alerts })
}

/// The thresholds that are suggested: a fifth and a twentieth of what was last bought. None before anything was.
///
/// # Errors
/// When the database fails.
pub fn suggested(conn: &Connection, organization: OrganizationId) -> Result<Option<[Credits; 2]>, DbError> {
    let bought = sql::last_bought(conn, organization)?;
    Ok(bought.map(|credits| {
        [20, 5].map(|percent| {
            let part = i128::from(credits.micros()) * percent / 100;
            // whole credits read better
            let whole = i64::try_from(part).unwrap_or_default() / 1_000_000 * 1_000_000;
            Credits::from_micros(whole)
        })
    }))
}

/// Changes an organization's alerts. Whoever calls it has the balance looked at in the same transaction: thresholds are
/// new until then.
///
/// # Errors
/// [`Error::Invalid`] names every field that is wrong.
pub fn set(
    tx: &WriteTx<'_>,
    by: &By,
    (guard, defaults): (&Guarded, &[Credits]),
    organization: OrganizationId,
    change: &Change,
) -> Result<(), Error> {
    let conn = tx.conn()?;
    let before = of(conn, organization, defaults)?;
    let mut settings = before.settings.clone();
    settings.targets = Targets {
        slack_url: change.slack_url.clone().unwrap_or(settings.targets.slack_url),
        sms_to: change.sms_to.clone().unwrap_or(settings.targets.sms_to),
    };
    settings.snoozed_until = change.snoozed_until.unwrap_or(settings.snoozed_until);
    settings.chosen |= change.alerts.is_some();
    let wishes = change.alerts.clone().unwrap_or_else(|| {
        let wish = |alert: &Alert| Wish { threshold: alert.threshold, channels: alert.channels.clone() };
        before.alerts.iter().map(wish).collect()
    });
    check(guard, change, &settings.targets, &wishes, tx.now())?;
    if let Some(until) = change.snoozed_until.flatten() {
        outbox::enqueue(tx, CROSSED, &organization.number().to_string(), until)?;
    }
    sql::put_settings(conn, organization, &settings)?;
    if change.alerts.is_some() {
        for alert in sql::alerts(conn, organization)? {
            if !wishes.iter().any(|wish| wish.threshold == alert.threshold) {
                sql::delete(conn, organization, alert.threshold)?;
            }
        }
        for wish in &wishes {
            let known = before.alerts.iter().find(|alert| alert.threshold == wish.threshold);
            let alert = Alert {
                threshold: wish.threshold,
                channels: in_order(&wish.channels),
                state: known.map_or(State::New, |known| known.state),
                last_fired_at: known.and_then(|known| known.last_fired_at),
            };
            sql::put(conn, organization, &alert)?;
        }
    }
    let text = |wishes: &[Wish]| {
        let all = wishes.iter().map(|wish| format!("{} ({})", wish.threshold, wish.channels.join(", ")));
        all.collect::<Vec<_>>().join("; ")
    };
    let difference = Difference::new()
        .with("alerts", text(&wishes))
        .with("slack", settings.targets.slack_url.is_some())
        .with("sms_to", settings.targets.sms_to.clone())
        .with("snoozed_until", settings.snoozed_until.map(|until| until.to_string()));
    audit::record(tx, by, "alerts.changed", organization, Some(organization), &difference)?;
    Ok(())
}

fn in_order(channels: &[String]) -> Vec<String> {
    let wanted = |name: &&&str| channels.iter().any(|channel| channel == **name);
    CHANNELS.iter().filter(wanted).map(|&name| name.to_owned()).collect()
}

fn check(
    guard: &Guarded,
    change: &Change,
    targets: &Targets,
    wishes: &[Wish],
    now: Timestamp,
) -> Result<(), Error> {
    let mut errors = Vec::new();
    let mut wrong = |field: String, code, message: String| errors.push(FieldError::new(field, code, message));
    if wishes.len() > MOST {
        wrong("alerts".into(), "too_many", format!("must be at most {MOST}"));
    }
    for (position, wish) in wishes.iter().enumerate() {
        let field = format!("alerts[{position}]");
        if !wish.threshold.is_positive() {
            wrong(format!("{field}.threshold"), "invalid_value", "must be above zero".into());
        } else if wish.threshold > HIGHEST {
            wrong(format!("{field}.threshold"), "too_large", format!("must be at most {HIGHEST}"));
        } else if wishes.iter().take(position).any(|other| other.threshold == wish.threshold) {
            wrong(format!("{field}.threshold"), "conflict", "is there twice".into());
        }
        if wish.channels.is_empty() {
            wrong(format!("{field}.channels"), "required", "must name at least one".into());
        }
        for channel in &wish.channels {
            let needs = match channel.as_str() {
                "slack" if targets.slack_url.is_none() => "needs slack_url",
                "sms" if targets.sms_to.is_none() => "needs sms_to",
                name if !CHANNELS.contains(&name) => "must be email, slack, sms or webhook",
                _ => continue,
            };
            wrong(format!("{field}.channels"), "invalid_value", format!("{channel}: {needs}"));
        }
    }
    if let Some(Some(url)) = &change.slack_url
        && let Err(refused) = guard.check(url)
    {
        wrong("slack_url".into(), "invalid_value", refused.to_string());
    }
    if let Some(Some(number)) = &change.sms_to
        && !rules::is_telephone(number)
    {
        let text = "must be an international number, such as +34600111222";
        wrong("sms_to".into(), "invalid_value", text.into());
    }
    if let Some(Some(until)) = change.snoozed_until {
        let ms = until.millis().saturating_sub(now.millis());
        if ms <= 0 || ms > SNOOZE_MAX_MS {
            wrong("snoozed_until".into(), "invalid_value", "must be within the next 90 days".into());
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

/// Looks at every threshold at a balance, tells what has been crossed, and answers between which balances nothing more
/// is.
///
/// # Errors
/// When the database fails.
pub fn look(
    tx: &WriteTx<'_>,
    organization: OrganizationId,
    defaults: &[Credits],
    standing: Standing,
) -> Result<Levels, DbError> {
    let conn = tx.conn()?;
    let Alerts { mut settings, mut alerts } = of(conn, organization, defaults)?;
    if settings.snoozed_until.is_some_and(|until| until <= tx.now()) {
        settings.snoozed_until = None;
    }
    let mut told = Told::default();
    let (empty, news) = settings.empty.look(standing.balance < ANYTHING);
    settings.empty = empty;
    told.empty = news;
    if settings.snoozed_until.is_none() {
        for alert in &mut alerts {
            let (state, news) = alert.state.look(standing.balance < alert.threshold);
            alert.state = state;
            if news == News::Fell {
                alert.last_fired_at = Some(tx.now());
            }
            told.note(alert, news);
            sql::put(conn, organization, alert)?;
        }
    }
    if !settings.chosen {
        // thresholds that are no longer the default
        for known in sql::alerts(conn, organization)? {
            if !alerts.iter().any(|alert| alert.threshold == known.threshold) {
                sql::delete(conn, organization, known.threshold)?;
            }
        }
    }
    sql::put_settings(conn, organization, &settings)?;
    told.emit(tx, organization, standing)?;
    let thresholds = alerts.iter().filter(|_| settings.snoozed_until.is_none());
    let thresholds = thresholds.map(|alert| (alert.threshold, alert.state));
    Ok(Levels::of(thresholds.chain([(ANYTHING, settings.empty)])))
}

/// What a look has found.
#[derive(Default)]
struct Told {
    empty: News,
    /// The lowest threshold below which the balance has fallen, and how that is told.
    fell: Option<(Credits, Vec<String>)>,
    /// The highest that it is no longer below.
    recovered: Option<Credits>,
}

impl Told {
    /// The highest comes first.
    fn note(&mut self, alert: &Alert, news: News) {
        match news {
            News::None => {}
            News::Fell => {
                let mut channels = self.fell.take().map_or_else(Vec::new, |(_, channels)| channels);
                channels.extend(alert.channels.iter().cloned());
                self.fell = Some((alert.threshold, in_order(&channels)));
            }
            News::Recovered => self.recovered = self.recovered.or(Some(alert.threshold)),
        }
    }

    /// One fall is told once over each channel: of a wallet that is empty, that it is.
    fn emit(self, tx: &WriteTx<'_>, organization: OrganizationId, standing: Standing) -> Result<(), DbError> {
        let level = |threshold, channels| Level {
            threshold,
            balance: standing.balance,
            available: standing.available,
            channels,
        };
        let is_empty = self.empty == News::Fell;
        let mut loud = vec![EMAIL.to_owned(), WEBHOOK.to_owned()];
        if let Some((threshold, mut channels)) = self.fell {
            if is_empty {
                loud.extend(channels.iter().cloned());
                channels.retain(|channel| channel == WEBHOOK);
            }
            let told = Payload::WalletLowBalance(level(threshold, channels));
            events::emit(tx, Some(organization), &told)?;
        }
        if is_empty {
            let told = Payload::WalletDepleted(level(Credits::ZERO, in_order(&loud)));
            events::emit(tx, Some(organization), &told)?;
        }
        let back = self.recovered.or((self.empty == News::Recovered).then_some(Credits::ZERO));
        if let Some(threshold) = back {
            events::emit(tx, Some(organization), &Payload::WalletRecovered(level(threshold, Vec::new())))?;
        }
        Ok(())
    }
}
