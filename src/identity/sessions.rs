//! Signed-in people.

use rusqlite::Connection;

use super::audit::{self, Actor, By, Difference};
use super::error::Error;
use super::principal::{Caller, Denied, Principal};
use super::secrets::{self, Secret, SecretHash};
use super::{sql, users};
use crate::base::Timestamp;
use crate::base::id::{SessionId, UserId};
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::db::WriteTx;

/// What a session's token begins with.
pub const PREFIX: &str = "tbs_";
/// How many sessions one person can have; the oldest ends when there would be more.
const PER_USER: u32 = 100;
/// What is kept of a browser's description of itself.
const USER_AGENT_MAX: usize = 200;

/// When sessions end by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// After this long without a request.
    pub idle_ms: i64,
    /// After this long in any case.
    pub absolute_ms: i64,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self { idle_ms: 12 * HOUR_MS, absolute_ms: 7 * DAY_MS }
    }
}

/// A session, as its owner sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// What the browser called itself.
    pub user_agent: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Last used, to a minute.
    pub last_seen_at: Timestamp,
    /// How long it may idle.
    pub idle_ms: i64,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

impl Session {
    /// True when it has ended by itself.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.expires_at || now >= self.last_seen_at.plus_ms(self.idle_ms)
    }

    /// True when its use is worth noting: at most once a minute.
    #[must_use]
    pub fn is_touch_due(&self, now: Timestamp) -> bool {
        now >= self.last_seen_at.plus_ms(MINUTE_MS.min(self.idle_ms / 4))
    }
}

/// Signs a person in: a new session with a new token. `previous` is the token that the browser came with, if any;
/// its session ends.
///
/// # Errors
/// [`Error::WrongCredentials`] when the person is disabled.
pub fn create(
    tx: &WriteTx<'_>,
    by: &By,
    user: UserId,
    policy: SessionPolicy,
    user_agent: &str,
    previous: Option<&str>,
) -> Result<(Session, Secret), Error> {
    let conn = tx.conn()?;
    let found = users::get(conn, user)?;
    if found.disabled_at.is_some() {
        return Err(Error::WrongCredentials);
    }
    if let Some(previous) = previous {
        sql::delete_session_by_hash(conn, &SecretHash::of(previous))?;
    }
    let secret = Secret::mint(PREFIX);
    let mut session = Session {
        id: SessionId::new(0),
        user_id: user,
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect(),
        created_at: tx.now(),
        last_seen_at: tx.now(),
        idle_ms: policy.idle_ms,
        expires_at: tx.now().plus_ms(policy.absolute_ms),
    };
    session.id = sql::insert_session(conn, &session, &secret.hash())?;
    sql::delete_oldest_sessions(conn, user, PER_USER)?;
    let by = By { actor: Actor::User(user), request_id: by.request_id.clone() };
    audit::record(tx, &by, "session.created", session.id, None, &Difference::new())?;
    Ok((session, secret))
}

/// Who comes with this token.
///
/// # Errors
/// [`Denied::Unauthenticated`] when the token is unknown or its session over.
pub fn authenticate(conn: &Connection, token: &str, now: Timestamp) -> Result<(Principal, Session), Error> {
    if !secrets::well_formed(token, PREFIX) {
        return Err(Denied::Unauthenticated.into());
    }
    let hash = SecretHash::of(token);
    let session = sql::session_by_hash(conn, &hash)?
        .filter(|session| !session.is_over(now))
        .ok_or(Denied::Unauthenticated)?;
    let user = users::get(conn, session.user_id)?;
    if user.disabled_at.is_some() {
        return Err(Denied::Unauthenticated.into());
    }
    let memberships = sql::memberships_of(conn, user.id)?;
    let caller = Caller::Session {
        session_id: session.id,
        user_id: user.id,
        operator: user.operator,
        memberships: memberships.into(),
    };
    Ok((Principal { caller }, session))
}

/// Notes that a session is in use.
///
/// # Errors
/// Those of the database.
pub fn touch(tx: &WriteTx<'_>, id: SessionId) -> Result<(), Error> {
    sql::touch_session(tx.conn()?, id, tx.now())?;
    Ok(())
}

/// Ends one of a person's sessions.
///
/// # Errors
/// [`Error::NotFound`] when it is not that person's.
pub fn end(tx: &WriteTx<'_>, by: &By, user: UserId, id: SessionId) -> Result<(), Error> {
    if !sql::delete_session(tx.conn()?, user, id)? {
        return Err(Error::NotFound("session"));
    }
    audit::record(tx, by, "session.ended", id, None, &Difference::new())?;
    Ok(())
}

/// Ends all of a person's sessions, or all but `keep`. Answers how many.
///
/// # Errors
/// Those of the database.
pub fn end_all(tx: &WriteTx<'_>, by: &By, user: UserId, keep: Option<SessionId>) -> Result<usize, Error> {
    let ended = sql::delete_sessions_of(tx.conn()?, user, keep)?;
    audit::record(tx, by, "session.all_ended", user, None, &Difference::new().with("sessions", ended))?;
    Ok(ended)
}

/// A person's sessions that are not over, newest first.
///
/// # Errors
/// Those of the database.
pub fn list(conn: &Connection, user: UserId, now: Timestamp) -> Result<Vec<Session>, Error> {
    let mut sessions = sql::list_sessions(conn, user)?;
    sessions.retain(|session| !session.is_over(now));
    Ok(sessions)
}

/// One step of tidying up: forgets at most `limit` sessions that are over. Answers how many.
///
/// # Errors
/// Those of the database.
pub fn purge(tx: &WriteTx<'_>, limit: u32) -> Result<usize, Error> {
    Ok(sql::delete_expired_sessions(tx.conn()?, tx.now(), limit)?)
}
