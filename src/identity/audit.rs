//! The audit log: who did what to what, and what changed. Append-only; the database refuses anything else.

use std::fmt;
use std::str::FromStr;

use rusqlite::Connection;
use serde_json::{Map, Value};

use super::error::Error;
use super::principal::{Caller, Principal};
use super::sql;
use crate::base::id::{ApiKeyId, AuditId, OrganizationId, UserId};
use crate::base::{Page, Timestamp};
use crate::db::{DbError, WriteTx};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person.
    User(UserId),
    /// Whoever holds this API key.
    Key(ApiKeyId),
    /// Whoever has a shell on the server.
    CommandLine,
    /// The program itself, on schedule.
    System,
    /// Whoever held the one-time setup link.
    Setup,
    /// Nobody known yet: somebody who is signing in.
    Anonymous,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
            Self::CommandLine => f.write_str("cli"),
            Self::System => f.write_str("system"),
            Self::Setup => f.write_str("setup"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// Why a text is not an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither a user, a key, cli, system, setup nor anonymous")]
pub struct ActorError;

impl FromStr for Actor {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self, ActorError> {
        match text {
            "cli" => Ok(Self::CommandLine),
            "system" => Ok(Self::System),
            "setup" => Ok(Self::Setup),
            "anonymous" => Ok(Self::Anonymous),
            other => (other.parse().map(Self::User))
                .or_else(|_| other.parse().map(Self::Key))
                .map_err(|_| ActorError),
        }
    }
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Self {
        match &principal.caller {
            Caller::Key { key_id, .. } => Self::Key(*key_id),
            Caller::Session { user_id, .. } => Self::User(*user_id),
        }
    }
}

/// On whose behalf, and in which request, an operation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// The request, if there is one.
    pub request_id: Option<String>,
}

impl By {
    /// A caller's request.
    #[must_use]
    pub fn request(principal: &Principal, request_id: impl Into<String>) -> Self {
        Self { actor: principal.into(), request_id: Some(request_id.into()) }
    }

    /// Outside of any request.
    #[must_use]
    pub const fn actor(actor: Actor) -> Self {
        Self { actor, request_id: None }
    }
}

/// What changed: per field, the value before and the value after.
#[derive(Debug, Clone, Default)]
pub struct Difference(Map<String, Value>);

impl Difference {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A field of something new.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    /// A field's values before and after; left out when they are the same.
    #[must_use]
    pub fn changed(mut self, field: &str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        let (before, after) = (before.into(), after.into());
        if before != after {
            self.0.insert(field.to_owned(), Value::Array(vec![before, after]));
        }
        self
    }

    /// True when nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // of a map of values: cannot fail
        f.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What, such as `organization.suspended`.
    pub action: String,
    /// To what: an id, or the name of a setting.
    pub target: String,
    /// Whose, if it concerns one organization.
    pub organization: Option<OrganizationId>,
    /// What changed: an object of fields.
    pub difference: Value,
    /// In which request.
    pub request_id: Option<String>,
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this organization.
    pub organization: Option<OrganizationId>,
    /// By this actor.
    pub actor: Option<Actor>,
    /// Actions that begin with this.
    pub action: Option<String>,
    /// About this.
    pub target: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// Adds an entry.
///
/// # Errors
/// Those of the database.
pub fn record(
    tx: &WriteTx<'_>,
    by: &By,
    action: &str,
    target: impl fmt::Display,
    organization: Option<OrganizationId>,
    difference: &Difference,
) -> Result<(), DbError> {
    sql::insert_audit(tx.conn()?, tx.now(), by, action, &target.to_string(), organization, difference)
}

/// Entries, newest first.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &Connection,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Entry>, Error> {
    let items = sql::list_audit(conn, filter, before, limit)?;
    Ok(Page::cut(items, limit, |entry| entry.id.number()))
}
