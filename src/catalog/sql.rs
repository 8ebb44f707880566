//! Statements of the catalog.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rules::{Code, PlanTerms, Rate};
use crate::base::Timestamp;
use crate::base::id::{
    Id, IdKind, MeterId, MeterKind, PlanId, PlanKind, PlanVersionId, PlanVersionKind, RateCardId,
    RateCardKind, RateVersionId, RateVersionKind,
};
use crate::db::{self, DbError};

/// A row of `meters`, `rate_cards` or `plans`: what has a code and a name.
#[derive(Debug)]
pub(super) struct Named<K: IdKind> {
    pub id: Id<K>,
    pub code: Code,
    pub name: String,
    pub created_at: Timestamp,
}

/// A row of `rate_versions` or `plan_versions`, `body` parsed.
#[derive(Debug)]
pub(super) struct Version<K: IdKind, O: IdKind, B> {
    pub id: Id<K>,
    pub of: Id<O>,
    pub number: i64,
    pub starts_at: Timestamp,
    pub body: B,
    pub created_at: Timestamp,
}

pub(super) type RateVersionRow = Version<RateVersionKind, RateCardKind, Vec<Rate>>;
pub(super) type PlanVersionRow = Version<PlanVersionKind, PlanKind, PlanTerms>;

fn named<K: IdKind>(table: &'static str, row: &Row<'_>) -> Result<Named<K>, DbError> {
    let id: Id<K> = row.get("id")?;
    let code: String = row.get("code")?;
    Ok(Named {
        id,
        code: code.parse().map_err(|e| DbError::bad_row(table, id.number(), format!("code {code:?} {e}")))?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
    })
}

fn version<K: IdKind, O: IdKind, B: serde::de::DeserializeOwned>(
    table: &'static str,
    row: &Row<'_>,
) -> Result<Version<K, O, B>, DbError> {
    let id: Id<K> = row.get("id")?;
    let body: String = row.get("body")?;
    Ok(Version {
        id,
        of: row.get("of_id")?,
        number: row.get("version")?,
        starts_at: row.get("starts_at")?,
        body: serde_json::from_str(&body).map_err(|e| DbError::bad_row(table, id.number(), e))?,
        created_at: row.get("created_at")?,
    })
}

fn rows<T>(
    conn: &Connection,
    statement: &str,
    parse: impl Fn(&Row<'_>) -> Result<T, DbError>,
) -> Result<Vec<T>, DbError> {
    let mut statement = conn.prepare_cached(statement)?;
    let mut found = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.push(parse(row)?);
    }
    Ok(all)
}

pub(super) fn revision(conn: &Connection) -> Result<i64, DbError> {
    let mut statement = conn.prepare_cached("SELECT revision FROM catalog_state WHERE id = 1")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub(super) fn bump_revision(conn: &Connection) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE catalog_state SET revision = revision + 1 WHERE id = 1")?.execute([])?;
    Ok(())
}

/// All meters with their units, oldest first.
pub(super) fn meters(conn: &Connection) -> Result<Vec<(Named<MeterKind>, String)>, DbError> {
    rows(conn, "SELECT id, code, name, unit, created_at FROM meters ORDER BY id", |row| {
        Ok((named("meters", row)?, row.get("unit")?))
    })
}

pub(super) fn insert_meter(
    conn: &Connection,
    code: &Code,
    name: &str,
    unit: &str,
    now: Timestamp,
) -> Result<MeterId, DbError> {
    conn.prepare_cached("INSERT INTO meters (code, name, unit, created_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![code.as_str(), name, unit, now])?;
    Ok(MeterId::new(conn.last_insert_rowid()))
}

/// All rate cards, oldest first.
pub(super) fn rate_cards(conn: &Connection) -> Result<Vec<Named<RateCardKind>>, DbError> {
    rows(conn, "SELECT id, code, name, created_at FROM rate_cards ORDER BY id", |row| {
        named("rate_cards", row)
    })
}

/// All versions of all rate cards, by card and number.
pub(super) fn rate_versions(conn: &Connection) -> Result<Vec<RateVersionRow>, DbError> {
    let statement = "SELECT id, rate_card_id AS of_id, version, starts_at, rates AS body, created_at
                     FROM rate_versions ORDER BY rate_card_id, version";
    rows(conn, statement, |row| version("rate_versions", row))
}

/// All plans, oldest first.
pub(super) fn plans(conn: &Connection) -> Result<Vec<Named<PlanKind>>, DbError> {
    rows(conn, "SELECT id, code, name, created_at FROM plans ORDER BY id", |row| named("plans", row))
}

/// All versions of all plans, by plan and number.
pub(super) fn plan_versions(conn: &Connection) -> Result<Vec<PlanVersionRow>, DbError> {
    let statement = "SELECT id, plan_id AS of_id, version, starts_at, terms AS body, created_at
                     FROM plan_versions ORDER BY plan_id, version";
    rows(conn, statement, |row| version("plan_versions", row))
}

/// The rate card with this code, made or renamed as needed. `None` when it is new and has no name.
pub(super) fn rate_card_named(
    conn: &Connection,
    code: &Code,
    name: Option<&str>,
    now: Timestamp,
) -> Result<Option<RateCardId>, DbError> {
    const STATEMENTS: Upsert = Upsert {
        find: "SELECT id FROM rate_cards WHERE code = ?1",
        rename: "UPDATE rate_cards SET name = ?2 WHERE id = ?1",
        insert: "INSERT INTO rate_cards (code, name, created_at) VALUES (?1, ?2, ?3)",
    };
    Ok(STATEMENTS.run(conn, code, name, now)?.map(RateCardId::new))
}

/// The plan with this code, made or renamed as needed. `None` when it is new and has no name.
pub(super) fn plan_named(
    conn: &Connection,
    code: &Code,
    name: Option<&str>,
    now: Timestamp,
) -> Result<Option<PlanId>, DbError> {
    const STATEMENTS: Upsert = Upsert {
        find: "SELECT id FROM plans WHERE code = ?1",
        rename: "UPDATE plans SET name = ?2 WHERE id = ?1",
        insert: "INSERT INTO plans (code, name, created_at) VALUES (?1, ?2, ?3)",
    };
    Ok(STATEMENTS.run(conn, code, name, now)?.map(PlanId::new))
}

struct Upsert {
    find: &'static str,
    rename: &'static str,
    insert: &'static str,
}

impl Upsert {
    fn run(
        &self,
        conn: &Connection,
        code: &Code,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<i64>, DbError> {
        let found: Option<i64> =
            conn.prepare_cached(self.find)?.query_row([code.as_str()], |row| row.get(0)).optional()?;
        match (found, name) {
            (Some(id), Some(name)) => {
                conn.prepare_cached(self.rename)?.execute(params![id, name])?;
                Ok(Some(id))
            }
            (Some(id), None) => Ok(Some(id)),
            (None, Some(name)) => {
                conn.prepare_cached(self.insert)?.execute(params![code.as_str(), name, now])?;
                Ok(Some(conn.last_insert_rowid()))
            }
            (None, None) => Ok(None),
        }
    }
}

pub(super) fn insert_rate_version(
    conn: &Connection,
    card: RateCardId,
    starts_at: Timestamp,
    rates_json: &str,
    now: Timestamp,
) -> Result<RateVersionId, DbError> {
    conn.prepare_cached(
        "INSERT INTO rate_versions (rate_card_id, version, starts_at, rates, created_at)
         VALUES (?1, (SELECT ifnull(max(version), 0) + 1 FROM rate_versions WHERE rate_card_id = ?1), ?2, ?3, ?4)",
    )?
    .execute(params![card, starts_at, rates_json, now])?;
    Ok(RateVersionId::new(conn.last_insert_rowid()))
}

pub(super) fn insert_plan_version(
    conn: &Connection,
    plan: PlanId,
    starts_at: Timestamp,
    terms_json: &str,
    now: Timestamp,
) -> Result<PlanVersionId, DbError> {
    conn.prepare_cached(
        "INSERT INTO plan_versions (plan_id, version, starts_at, terms, created_at)
         VALUES (?1, (SELECT ifnull(max(version), 0) + 1 FROM plan_versions WHERE plan_id = ?1), ?2, ?3, ?4)",
    )?
    .execute(params![plan, starts_at, terms_json, now])?;
    Ok(PlanVersionId::new(conn.last_insert_rowid()))
}

/// A row of `catalog_drafts`.
#[derive(Debug)]
pub(super) struct DraftRow {
    pub code: Code,
    pub name: String,
    /// Whether the name is the draft's own.
    pub renames: bool,
    /// JSON.
    pub terms: String,
    pub actor: String,
    pub changed_at: Timestamp,
}

/// The drafts of a kind in the order of their codes; only the one with `code`, if that is given.
pub(super) fn drafts(conn: &Connection, kind: &str, code: Option<&Code>) -> Result<Vec<DraftRow>, DbError> {
    let statement = "SELECT code, coalesce(name, CASE kind
                         WHEN 'plan' THEN (SELECT name FROM plans p WHERE p.code = d.code)
                         ELSE (SELECT name FROM rate_cards c WHERE c.code = d.code) END, code),
                         name IS NOT NULL, terms, actor, changed_at FROM catalog_drafts d
                     WHERE kind = ?1 AND (?2 IS NULL OR code = ?2) ORDER BY code";
    db::collect(conn, statement, params![kind, code.map(Code::as_str)], |row| {
        let code: String = row.get(0)?;
        Ok(DraftRow {
            code: code.parse().map_err(|e| DbError::bad_row("catalog_drafts", 0, format!("{code:?} {e}")))?,
            name: row.get(1)?,
            renames: row.get(2)?,
            terms: row.get(3)?,
            actor: row.get(4)?,
            changed_at: row.get(5)?,
        })
    })
}

pub(super) fn put_draft(conn: &Connection, kind: &str, draft: &DraftRow) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO catalog_drafts (kind, code, name, terms, actor, changed_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET name = excluded.name, terms = excluded.terms, actor = excluded.actor,
                                   changed_at = excluded.changed_at",
    )?
    .execute(params![
        kind,
        draft.code.as_str(),
        draft.renames.then_some(&draft.name),
        draft.terms,
        draft.actor,
        draft.changed_at
    ])?;
    Ok(())
}

/// Whether there was one.
pub(super) fn delete_draft(conn: &Connection, kind: &str, code: &Code) -> Result<bool, DbError> {
    let mut statement = conn.prepare_cached("DELETE FROM catalog_drafts WHERE kind = ? AND code = ?")?;
    Ok(statement.execute([kind, code.as_str()])? > 0)
}
