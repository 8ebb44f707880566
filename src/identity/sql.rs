//! The statements. Rows become domain types, or an error that names them.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::audit::{self, Actor, By, Difference};
use super::invitations::Invitation;
use super::keys::{ApiKey, KeyOwner};
use super::organizations::{self, BillingDetails, NewOrganization, Note, Organization, Status};
use super::passwords::PasswordHash;
use super::principal::Membership;
use super::scopes::Role;
use super::secrets::SecretHash;
use super::sessions::Session;
use super::users::{Credentials, Member, User};
use super::vat::VatStanding;
use super::workspaces::Workspace;
use crate::base::Timestamp;
use crate::base::id::{ApiKeyId, InvitationId, OrganizationId, RateCardId, SessionId, UserId, WorkspaceId};
use crate::db::DbError;

type Made<T> = Result<T, DbError>;

/// Parses a stored text, or says which row it is in.
fn parsed<T: FromStr<Err: Display>>(text: &str, table: &'static str, row: i64) -> Made<T> {
    text.parse().map_err(|e| DbError::bad_row(table, row, format_args!("{text:?} {e}")))
}

/// The one row there is at most.
fn one<T>(
    conn: &Connection,
    statement: &str,
    bound: impl rusqlite::Params,
    make: impl FnOnce(&Row<'_>) -> Made<T>,
) -> Made<Option<T>> {
    let mut statement = conn.prepare_cached(statement)?;
    let mut rows = statement.query(bound)?;
    rows.next()?.map(make).transpose()
}

/// All rows.
fn all<T>(
    conn: &Connection,
    statement: &str,
    bound: impl rusqlite::Params,
    make: impl Fn(&Row<'_>) -> Made<T>,
) -> Made<Vec<T>> {
    let mut statement = conn.prepare_cached(statement)?;
    let mut rows = statement.query(bound)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(make(row)?);
    }
    Ok(items)
}

fn run(conn: &Connection, statement: &str, bound: impl rusqlite::Params) -> Made<usize> {
    Ok(conn.prepare_cached(statement)?.execute(bound)?)
}

/// A text to look for with `LIKE … ESCAPE '\'`, anywhere.
fn anywhere(text: &str) -> String {
    format!("%{}%", escaped(text))
}

fn escaped(text: &str) -> String {
    text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Where a list read downwards begins, and how many rows are read to know whether there are more.
fn window(before: Option<i64>, limit: u32) -> (i64, i64) {
    (before.unwrap_or(i64::MAX), i64::from(limit) + 1)
}

// --- settings

pub(super) fn setting(conn: &Connection, name: &str) -> Made<Option<String>> {
    one(conn, "SELECT value FROM settings WHERE name = ?1", [name], |row| Ok(row.get(0)?))
}

pub(super) fn put_setting(conn: &Connection, name: &str, value: &str, now: Timestamp) -> Made<()> {
    run(
        conn,
        "INSERT INTO settings (name, value, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        params![name, value, now],
    )
    .map(drop)
}

pub(super) fn delete_setting(conn: &Connection, name: &str) -> Made<()> {
    run(conn, "DELETE FROM settings WHERE name = ?1", [name]).map(drop)
}

// --- organizations

macro_rules! organization_columns {
    () => {
        "id, name, external_id, currency, timezone, status, status_reason, rate_card_id, company_name,
         address_line1, address_line2, postal_code, city, region, country, vat_id, billing_email,
         locale, vat_id_status, vat_id_checked_at, vat_id_answer, created_at, updated_at"
    };
}

fn organization(row: &Row<'_>) -> Made<Organization> {
    let id: i64 = row.get(0)?;
    let table = "organizations";
    let status: String = row.get(5)?;
    let status = match status.as_str() {
        "active" => Status::Active,
        "suspended" => Status::Suspended { reason: row.get(6)? },
        other => return Err(DbError::bad_row(table, id, format_args!("status {other:?}"))),
    };
    Ok(Organization {
        id: OrganizationId::new(id),
        name: row.get(1)?,
        external_id: row.get(2)?,
        currency: parsed(row.get_ref(3)?.as_str().unwrap_or_default(), table, id)?,
        zone: parsed(row.get_ref(4)?.as_str().unwrap_or_default(), table, id)?,
        status,
        rate_card_id: row.get::<_, Option<RateCardId>>(7)?,
        details: BillingDetails {
            company_name: row.get(8)?,
            address_line1: row.get(9)?,
            address_line2: row.get(10)?,
            postal_code: row.get(11)?,
            city: row.get(12)?,
            region: row.get(13)?,
            country: row.get(14)?,
            vat_id: row.get(15)?,
            billing_email: row.get(16)?,
            locale: parsed(row.get_ref(17)?.as_str().unwrap_or_default(), table, id)?,
        },
        vat: vat_standing(row, id)?,
        created_at: row.get(21)?,
        updated_at: row.get(22)?,
    })
}

fn vat_standing(row: &Row<'_>, id: i64) -> Made<VatStanding> {
    let status: String = row.get(18)?;
    let evidence: (Option<Timestamp>, Option<String>) = (row.get(19)?, row.get(20)?);
    match (status.as_str(), evidence) {
        ("unconfirmed", _) => Ok(VatStanding::Unconfirmed),
        ("confirmed", (Some(checked_at), Some(answer))) => Ok(VatStanding::Confirmed { checked_at, answer }),
        ("invalid", (Some(checked_at), Some(answer))) => Ok(VatStanding::Invalid { checked_at, answer }),
        (other, _) => Err(DbError::bad_row("organizations", id, format_args!("VAT id status {other:?}"))),
    }
}

pub(super) fn organization_by_id(conn: &Connection, id: OrganizationId) -> Made<Option<Organization>> {
    let statement = concat!("SELECT ", organization_columns!(), " FROM organizations WHERE id = ?1");
    one(conn, statement, [id], organization)
}

pub(super) fn organization_by_external_id(conn: &Connection, external: &str) -> Made<Option<Organization>> {
    let statement = concat!("SELECT ", organization_columns!(), " FROM organizations WHERE external_id = ?1");
    one(conn, statement, [external], organization)
}

pub(super) fn insert_organization(
    conn: &Connection,
    new: &NewOrganization,
    now: Timestamp,
) -> Made<OrganizationId> {
    run(
        conn,
        "INSERT INTO organizations
             (name, external_id, currency, timezone, status, rate_card_id, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6, ?6)",
        params![new.name, new.external_id, new.currency, new.zone.name(), new.rate_card_id, now],
    )?;
    Ok(OrganizationId::new(conn.last_insert_rowid()))
}

pub(super) fn update_organization(conn: &Connection, changed: &Organization) -> Made<()> {
    let reason = match &changed.status {
        Status::Active => "",
        Status::Suspended { reason } => reason,
    };
    let (details, evidence) = (&changed.details, changed.vat.evidence());
    run(
        conn,
        "UPDATE organizations SET name = ?2, external_id = ?3, timezone = ?4, status = ?5, status_reason = ?6,
             rate_card_id = ?7, company_name = ?8, address_line1 = ?9, address_line2 = ?10, postal_code = ?11,
             city = ?12, region = ?13, country = ?14, vat_id = ?15, billing_email = ?16, updated_at = ?17, locale = ?18,
             vat_id_status = ?19, vat_id_checked_at = ?20, vat_id_answer = ?21
         WHERE id = ?1",
        params![
            changed.id,
            changed.name,
            changed.external_id,
            changed.zone.name(),
            changed.status.name(),
            reason,
            changed.rate_card_id,
            details.company_name,
            details.address_line1,
            details.address_line2,
            details.postal_code,
            details.city,
            details.region,
            details.country,
            details.vat_id,
            details.billing_email,
            changed.updated_at,
            details.locale.tag(),
            changed.vat.name(),
            evidence.map(|(at, _)| at),
            evidence.map(|(_, answer)| answer),
        ],
    )
    .map(drop)
}

macro_rules! organization_filter {
    () => {
        " (?1 IS NULL OR name LIKE ?1 ESCAPE '\\' OR external_id LIKE ?1 ESCAPE '\\'
             OR company_name LIKE ?1 ESCAPE '\\')
          AND (?2 IS NULL OR status = ?2)"
    };
}

fn organization_filter(filter: &organizations::Filter) -> (Option<String>, Option<&'static str>) {
    let search = filter.search.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(anywhere);
    (search, filter.suspended.map(|suspended| if suspended { "suspended" } else { "active" }))
}

pub(super) fn list_organizations(
    conn: &Connection,
    filter: &organizations::Filter,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<Organization>> {
    let (search, status) = organization_filter(filter);
    let (before, limit) = window(before, limit);
    let statement = concat!(
        "SELECT ",
        organization_columns!(),
        " FROM organizations WHERE",
        organization_filter!(),
        " AND id < ?3 ORDER BY id DESC LIMIT ?4"
    );
    all(conn, statement, params![search, status, before, limit], organization)
}

pub(super) fn count_organizations(conn: &Connection, filter: &organizations::Filter) -> Made<i64> {
    let (search, status) = organization_filter(filter);
    let statement = concat!("SELECT count(*) FROM organizations WHERE", organization_filter!());
    Ok(conn.prepare_cached(statement)?.query_row(params![search, status], |row| row.get(0))?)
}

pub(super) fn insert_note(
    conn: &Connection,
    organization: OrganizationId,
    author: Actor,
    body: &str,
    now: Timestamp,
) -> Made<()> {
    run(
        conn,
        "INSERT INTO organization_notes (organization_id, author, body, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![organization, author.to_string(), body, now],
    )
    .map(drop)
}

pub(super) fn list_notes(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<Note>> {
    let (before, limit) = window(before, limit);
    all(
        conn,
        "SELECT id, author, body, created_at FROM organization_notes
         WHERE organization_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
        params![organization, before, limit],
        |row| {
            let number = row.get(0)?;
            let author: String = row.get(1)?;
            Ok(Note {
                number,
                author: parsed(&author, "organization_notes", number)?,
                body: row.get(2)?,
                created_at: row.get(3)?,
            })
        },
    )
}

// --- workspaces

fn workspace(row: &Row<'_>) -> Made<Workspace> {
    Ok(Workspace {
        id: row.get(0)?,
        organization: row.get(1)?,
        external_id: row.get(2)?,
        name: row.get(3)?,
        created_at: row.get(4)?,
    })
}

pub(super) fn workspace_id(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
) -> Made<Option<WorkspaceId>> {
    one(
        conn,
        "SELECT id FROM workspaces WHERE organization_id = ?1 AND external_id = ?2",
        params![organization, external_id],
        |row| Ok(row.get(0)?),
    )
}

pub(super) fn insert_workspace(
    conn: &Connection,
    organization: OrganizationId,
    external_id: &str,
    name: &str,
    now: Timestamp,
) -> Made<WorkspaceId> {
    run(
        conn,
        "INSERT INTO workspaces (organization_id, external_id, name, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![organization, external_id, name, now],
    )?;
    Ok(WorkspaceId::new(conn.last_insert_rowid()))
}

pub(super) fn rename_workspace(conn: &Connection, id: WorkspaceId, name: &str) -> Made<()> {
    run(conn, "UPDATE workspaces SET name = ?2 WHERE id = ?1", params![id, name]).map(drop)
}

pub(super) fn workspace_by_id(conn: &Connection, id: WorkspaceId) -> Made<Option<Workspace>> {
    let statement = "SELECT id, organization_id, external_id, name, created_at FROM workspaces WHERE id = ?1";
    one(conn, statement, [id], workspace)
}

pub(super) fn list_workspaces(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<Workspace>> {
    let (before, limit) = window(before, limit);
    all(
        conn,
        "SELECT id, organization_id, external_id, name, created_at FROM workspaces
         WHERE organization_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
        params![organization, before, limit],
        workspace,
    )
}

// --- people

macro_rules! user_columns {
    () => {
        "users.id, email, users.name, operator, disabled_at, users.created_at"
    };
}

fn user(row: &Row<'_>) -> Made<User> {
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        operator: row.get(3)?,
        disabled_at: row.get(4)?,
        created_at: row.get(5)?,
    })
}

pub(super) fn user_by_id(conn: &Connection, id: UserId) -> Made<Option<User>> {
    let statement = concat!("SELECT ", user_columns!(), " FROM users WHERE id = ?1");
    one(conn, statement, [id], user)
}

pub(super) fn user_by_email(conn: &Connection, email: &str) -> Made<Option<User>> {
    let statement = concat!("SELECT ", user_columns!(), " FROM users WHERE email = ?1");
    one(conn, statement, [email], user)
}

pub(super) fn insert_user(
    conn: &Connection,
    email: &str,
    name: &str,
    password: &PasswordHash,
    operator: bool,
    now: Timestamp,
) -> Made<UserId> {
    run(
        conn,
        "INSERT INTO users (email, name, password, operator, created_at, password_changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        params![email, name, password.as_str(), operator, now],
    )?;
    Ok(UserId::new(conn.last_insert_rowid()))
}

pub(super) fn credentials(conn: &Connection, email: &str) -> Made<Option<Credentials>> {
    let statement = "SELECT id, password, disabled_at IS NOT NULL FROM users WHERE email = ?1";
    one(conn, statement, [email], |row| {
        Ok(Credentials {
            user_id: row.get(0)?,
            password: PasswordHash::from_stored(row.get(1)?),
            disabled: row.get(2)?,
        })
    })
}

pub(super) fn password_of(conn: &Connection, id: UserId) -> Made<Option<PasswordHash>> {
    let statement = "SELECT password FROM users WHERE id = ?1";
    one(conn, statement, [id], |row| Ok(PasswordHash::from_stored(row.get(0)?)))
}

/// `changed_at` is none when it is the same password, hashed anew.
pub(super) fn update_password(
    conn: &Connection,
    id: UserId,
    password: &PasswordHash,
    changed_at: Option<Timestamp>,
) -> Made<()> {
    run(
        conn,
        "UPDATE users SET password = ?2, password_changed_at = ifnull(?3, password_changed_at) WHERE id = ?1",
        params![id, password.as_str(), changed_at],
    )
    .map(drop)
}

/// Adds a link; a person's that are too old go.
pub(super) fn insert_link(
    conn: &Connection,
    user: UserId,
    hash: &SecretHash,
    (now, expires_at): (Timestamp, Timestamp),
) -> Made<()> {
    run(conn, "DELETE FROM password_links WHERE user_id = ?1 AND expires_at <= ?2", params![user, now])?;
    let insert = "INSERT INTO password_links (token_hash, user_id, expires_at) VALUES (?1, ?2, ?3)";
    run(conn, insert, params![hash.bytes(), user, expires_at]).map(drop)
}

pub(super) fn link_by_hash(conn: &Connection, hash: &SecretHash) -> Made<Option<(UserId, Timestamp)>> {
    let statement = "SELECT user_id, expires_at FROM password_links WHERE token_hash = ?1";
    one(conn, statement, [hash.bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn delete_links(conn: &Connection, user: UserId) -> Made<()> {
    run(conn, "DELETE FROM password_links WHERE user_id = ?1", [user]).map(drop)
}

const INVITATION: &str =
    "SELECT id, organization_id, email, name, role, workspaces, created_at, expires_at FROM invitations";

fn invitation(row: &Row<'_>) -> Made<Invitation> {
    let id: InvitationId = row.get(0)?;
    let bad = |what| DbError::bad_row("invitations", id.number(), what);
    let workspaces: Vec<i64> =
        serde_json::from_str(row.get_ref(5)?.as_str().unwrap_or_default()).map_err(|_| bad("workspaces"))?;
    Ok(Invitation {
        id,
        organization: row.get(1)?,
        email: row.get(2)?,
        name: row.get(3)?,
        role: role(row, 4, id.number())?,
        workspaces: workspaces.into_iter().map(WorkspaceId::new).collect(),
        created_at: row.get(6)?,
        expires_at: row.get(7)?,
    })
}

/// Adds an invitation, or puts it in the place of the one that the same address had.
pub(super) fn put_invitation(conn: &Connection, new: &Invitation, hash: &SecretHash) -> Made<InvitationId> {
    let numbers: Vec<i64> = new.workspaces.iter().map(|id| id.number()).collect();
    let workspaces = serde_json::to_string(&numbers)
        .map_err(|error| DbError::bad_row("invitations", new.id.number(), error))?;
    let statement = "INSERT INTO invitations (organization_id, email, name, role, workspaces, token_hash, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (organization_id, email) DO UPDATE SET name = ?3, role = ?4, workspaces = ?5, token_hash = ?6,
             created_at = ?7, expires_at = ?8
         RETURNING id";
    let bound = params![
        new.organization,
        new.email,
        new.name,
        new.role.name(),
        workspaces,
        hash.bytes(),
        new.created_at,
        new.expires_at
    ];
    Ok(conn.prepare_cached(statement)?.query_row(bound, |row| row.get(0))?)
}

pub(super) fn invitation_by_hash(conn: &Connection, hash: &SecretHash) -> Made<Option<Invitation>> {
    one(conn, &format!("{INVITATION} WHERE token_hash = ?1"), [hash.bytes()], invitation)
}

pub(super) fn invitation_of(
    conn: &Connection,
    organization: OrganizationId,
    id: InvitationId,
) -> Made<Option<Invitation>> {
    let statement = format!("{INVITATION} WHERE id = ?1 AND organization_id = ?2");
    one(conn, &statement, params![id, organization], invitation)
}

pub(super) fn list_invitations(
    conn: &Connection,
    organization: OrganizationId,
    limit: u32,
) -> Made<Vec<Invitation>> {
    let statement = format!("{INVITATION} WHERE organization_id = ?1 ORDER BY id DESC LIMIT ?2");
    all(conn, &statement, params![organization, limit], invitation)
}

pub(super) fn delete_invitation(conn: &Connection, id: InvitationId) -> Made<()> {
    run(conn, "DELETE FROM invitations WHERE id = ?1", [id]).map(drop)
}

pub(super) fn set_disabled(conn: &Connection, id: UserId, at: Option<Timestamp>) -> Made<()> {
    run(conn, "UPDATE users SET disabled_at = ?2 WHERE id = ?1", params![id, at]).map(drop)
}

/// Whether there is an operator at all, disabled or not: setup never opens again.
pub(super) fn has_operator(conn: &Connection) -> Made<bool> {
    let statement = "SELECT EXISTS (SELECT 1 FROM users WHERE operator = 1)";
    Ok(conn.prepare_cached(statement)?.query_row([], |row| row.get(0))?)
}

pub(super) fn has_other_operator(conn: &Connection, than: UserId) -> Made<bool> {
    let statement =
        "SELECT EXISTS (SELECT 1 FROM users WHERE operator = 1 AND id <> ?1 AND disabled_at IS NULL)";
    Ok(conn.prepare_cached(statement)?.query_row([than], |row| row.get(0))?)
}

pub(super) fn list_users(
    conn: &Connection,
    operators_only: bool,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<User>> {
    let (before, limit) = window(before, limit);
    all(
        conn,
        concat!(
            "SELECT ",
            user_columns!(),
            " FROM users WHERE id < ?1 AND (NOT ?2 OR operator = 1) ORDER BY id DESC LIMIT ?3"
        ),
        params![before, operators_only, limit],
        user,
    )
}

// --- memberships

fn role(row: &Row<'_>, column: usize, user: i64) -> Made<Role> {
    let text: String = row.get(column)?;
    parsed(&text, "memberships", user)
}

pub(super) fn member_role(
    conn: &Connection,
    user: UserId,
    organization: OrganizationId,
) -> Made<Option<Role>> {
    one(
        conn,
        "SELECT role FROM memberships WHERE user_id = ?1 AND organization_id = ?2",
        params![user, organization],
        |row| role(row, 0, user.number()),
    )
}

/// Whether somebody else who can sign in owns the organization.
pub(super) fn has_other_owner(conn: &Connection, than: UserId, organization: OrganizationId) -> Made<bool> {
    let statement = "SELECT EXISTS (SELECT 1 FROM memberships JOIN users ON users.id = user_id
         WHERE organization_id = ?1 AND role = 'owner' AND user_id <> ?2 AND disabled_at IS NULL)";
    Ok(conn.prepare_cached(statement)?.query_row(params![organization, than], |row| row.get(0))?)
}

pub(super) fn put_membership(
    conn: &Connection,
    user: UserId,
    organization: OrganizationId,
    role: Role,
    workspaces: &[WorkspaceId],
    now: Timestamp,
) -> Made<()> {
    run(
        conn,
        "INSERT INTO memberships (user_id, organization_id, role, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id, organization_id) DO UPDATE SET role = excluded.role",
        params![user, organization, role.name(), now],
    )?;
    run(
        conn,
        "DELETE FROM membership_workspaces WHERE user_id = ?1 AND organization_id = ?2",
        params![user, organization],
    )?;
    for workspace in workspaces {
        run(
            conn,
            "INSERT OR IGNORE INTO membership_workspaces (user_id, organization_id, workspace_id)
             VALUES (?1, ?2, ?3)",
            params![user, organization, workspace],
        )?;
    }
    Ok(())
}

pub(super) fn delete_membership(conn: &Connection, user: UserId, organization: OrganizationId) -> Made<()> {
    run(
        conn,
        "DELETE FROM memberships WHERE user_id = ?1 AND organization_id = ?2",
        params![user, organization],
    )
    .map(drop)
}

pub(super) fn member_workspaces(
    conn: &Connection,
    user: UserId,
    organization: OrganizationId,
) -> Made<Vec<WorkspaceId>> {
    all(
        conn,
        "SELECT workspace_id FROM membership_workspaces WHERE user_id = ?1 AND organization_id = ?2",
        params![user, organization],
        |row| Ok(row.get(0)?),
    )
}

pub(super) fn memberships_of(conn: &Connection, user: UserId) -> Made<Vec<Membership>> {
    let mut memberships = all(
        conn,
        "SELECT organization_id, role, status = 'suspended' FROM memberships
         JOIN organizations ON organizations.id = organization_id WHERE user_id = ?1 ORDER BY organization_id",
        [user],
        |row| {
            Ok(Membership {
                organization: row.get(0)?,
                role: role(row, 1, user.number())?,
                suspended: row.get(2)?,
                workspaces: Vec::new(),
            })
        },
    )?;
    for membership in memberships.iter_mut().filter(|m| m.role == Role::Member) {
        membership.workspaces = member_workspaces(conn, user, membership.organization)?;
    }
    Ok(memberships)
}

pub(super) fn list_members(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<Member>> {
    let (before, limit) = window(before, limit);
    let mut members = all(
        conn,
        concat!(
            "SELECT ",
            user_columns!(),
            ", role FROM memberships JOIN users ON users.id = user_id
             WHERE organization_id = ?1 AND user_id < ?2 ORDER BY user_id DESC LIMIT ?3"
        ),
        params![organization, before, limit],
        |row| {
            let user = user(row)?;
            let role = role(row, 6, user.id.number())?;
            Ok(Member { user, role, workspaces: Vec::new() })
        },
    )?;
    for member in &mut members {
        member.workspaces = member_workspaces(conn, member.user.id, organization)?;
    }
    Ok(members)
}

// --- sessions

fn session(row: &Row<'_>) -> Made<Session> {
    Ok(Session {
        id: row.get(0)?,
        user_id: row.get(1)?,
        user_agent: row.get(2)?,
        created_at: row.get(3)?,
        last_seen_at: row.get(4)?,
        idle_ms: row.get(5)?,
        expires_at: row.get(6)?,
    })
}

pub(super) fn insert_session(conn: &Connection, new: &Session, hash: &SecretHash) -> Made<SessionId> {
    run(
        conn,
        "INSERT INTO sessions (token_hash, user_id, user_agent, created_at, last_seen_at, idle_ms, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            hash.bytes(),
            new.user_id,
            new.user_agent,
            new.created_at,
            new.last_seen_at,
            new.idle_ms,
            new.expires_at
        ],
    )?;
    Ok(SessionId::new(conn.last_insert_rowid()))
}

pub(super) fn session_by_hash(conn: &Connection, hash: &SecretHash) -> Made<Option<Session>> {
    one(
        conn,
        "SELECT id, user_id, user_agent, created_at, last_seen_at, idle_ms, expires_at FROM sessions
         WHERE token_hash = ?1",
        [hash.bytes()],
        session,
    )
}

pub(super) fn list_sessions(conn: &Connection, user: UserId) -> Made<Vec<Session>> {
    all(
        conn,
        "SELECT id, user_id, user_agent, created_at, last_seen_at, idle_ms, expires_at FROM sessions
         WHERE user_id = ?1 ORDER BY id DESC",
        [user],
        session,
    )
}

pub(super) fn touch_session(conn: &Connection, id: SessionId, now: Timestamp) -> Made<()> {
    run(conn, "UPDATE sessions SET last_seen_at = max(last_seen_at, ?2) WHERE id = ?1", params![id, now])
        .map(drop)
}

pub(super) fn delete_session(conn: &Connection, user: UserId, id: SessionId) -> Made<bool> {
    Ok(run(conn, "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2", params![id, user])? > 0)
}

pub(super) fn delete_session_by_hash(conn: &Connection, hash: &SecretHash) -> Made<()> {
    run(conn, "DELETE FROM sessions WHERE token_hash = ?1", [hash.bytes()]).map(drop)
}

pub(super) fn delete_sessions_of(conn: &Connection, user: UserId, keep: Option<SessionId>) -> Made<usize> {
    run(conn, "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2", params![user, keep])
}

pub(super) fn delete_oldest_sessions(conn: &Connection, user: UserId, kept: u32) -> Made<()> {
    run(
        conn,
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE user_id = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)",
        params![user, kept],
    )
    .map(drop)
}

pub(super) fn delete_expired_sessions(conn: &Connection, now: Timestamp, limit: u32) -> Made<usize> {
    run(
        conn,
        "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        params![now, limit],
    )
}

// --- API keys

/// A key as authentication needs it.
pub(super) struct LoadedKey {
    pub(super) key: ApiKey,
    pub(super) hash: SecretHash,
    pub(super) suspended: bool,
}

macro_rules! key_columns {
    () => {
        "api_keys.id, prefix, organization_id, mode, scopes, api_keys.name, created_by, api_keys.created_at,
         last_used_at, revoked_at"
    };
}

fn key(row: &Row<'_>) -> Made<ApiKey> {
    let id: i64 = row.get(0)?;
    let table = "api_keys";
    let mode: String = row.get(3)?;
    let scopes: String = row.get(4)?;
    let created_by: String = row.get(6)?;
    Ok(ApiKey {
        id: ApiKeyId::new(id),
        prefix: row.get(1)?,
        owner: row.get::<_, Option<OrganizationId>>(2)?.map_or(KeyOwner::Operator, KeyOwner::Organization),
        mode: parsed(&mode, table, id)?,
        scopes: parsed(&scopes, table, id)?,
        name: row.get(5)?,
        created_by: parsed(&created_by, table, id)?,
        created_at: row.get(7)?,
        last_used_at: row.get(8)?,
        revoked_at: row.get(9)?,
    })
}

pub(super) fn insert_key(conn: &Connection, new: &ApiKey, hash: &SecretHash) -> Made<ApiKeyId> {
    run(
        conn,
        "INSERT INTO api_keys (hash, prefix, organization_id, mode, scopes, name, created_by, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            hash.bytes(),
            new.prefix,
            new.owner.organization(),
            new.mode.name(),
            new.scopes.to_string(),
            new.name,
            new.created_by.to_string(),
            new.created_at
        ],
    )?;
    Ok(ApiKeyId::new(conn.last_insert_rowid()))
}

pub(super) fn key_by_hash(conn: &Connection, hash: &SecretHash) -> Made<Option<LoadedKey>> {
    let statement = concat!(
        "SELECT ",
        key_columns!(),
        ", hash, ifnull(status = 'suspended', 0) FROM api_keys
         LEFT JOIN organizations ON organizations.id = organization_id WHERE hash = ?1"
    );
    one(conn, statement, [hash.bytes()], |row| {
        let key = key(row)?;
        let bytes: Vec<u8> = row.get(10)?;
        let hash = SecretHash::from_bytes(&bytes)
            .ok_or_else(|| DbError::bad_row("api_keys", key.id.number(), "hash of another length"))?;
        Ok(LoadedKey { key, hash, suspended: row.get(11)? })
    })
}

pub(super) fn key_by_id(conn: &Connection, id: ApiKeyId) -> Made<Option<ApiKey>> {
    one(conn, concat!("SELECT ", key_columns!(), " FROM api_keys WHERE id = ?1"), [id], key)
}

pub(super) fn list_keys(
    conn: &Connection,
    owner: KeyOwner,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<ApiKey>> {
    let (before, limit) = window(before, limit);
    let owner = owner.organization().map_or(0, OrganizationId::number);
    let statement = concat!(
        "SELECT ",
        key_columns!(),
        " FROM api_keys WHERE ifnull(organization_id, 0) = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
    );
    all(conn, statement, params![owner, before, limit], key)
}

pub(super) fn set_key_revoked(conn: &Connection, id: ApiKeyId, at: Timestamp) -> Made<()> {
    run(conn, "UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1", params![id, at]).map(drop)
}

pub(super) fn set_key_used(conn: &Connection, id: ApiKeyId, at: Timestamp) -> Made<()> {
    run(
        conn,
        "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND ifnull(last_used_at, ?2 - 1) < ?2",
        params![id, at],
    )
    .map(drop)
}

// --- audit log

pub(super) fn insert_audit(
    conn: &Connection,
    now: Timestamp,
    by: &By,
    action: &str,
    target: &str,
    organization: Option<OrganizationId>,
    difference: &Difference,
) -> Made<()> {
    run(
        conn,
        "INSERT INTO audit_log (at, actor, action, target, organization_id, difference, request_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            now,
            by.actor.to_string(),
            action,
            target,
            organization,
            difference.to_string(),
            by.request_id
        ],
    )
    .map(drop)
}

fn entry(row: &Row<'_>) -> Made<audit::Entry> {
    let id: i64 = row.get(0)?;
    let actor: String = row.get(2)?;
    let difference: String = row.get(6)?;
    let difference = serde_json::from_str::<Value>(&difference)
        .map_err(|e| DbError::bad_row("audit_log", id, format_args!("difference: {e}")))?;
    Ok(audit::Entry {
        id: crate::base::id::AuditId::new(id),
        at: row.get(1)?,
        actor: parsed(&actor, "audit_log", id)?,
        action: row.get(3)?,
        target: row.get(4)?,
        organization: row.get(5)?,
        difference,
        request_id: row.get(7)?,
    })
}

pub(super) fn list_audit(
    conn: &Connection,
    filter: &audit::Filter,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<audit::Entry>> {
    let (before, limit) = window(before, limit);
    let actor = filter.actor.map(|actor| actor.to_string());
    let action = filter.action.as_deref().map(|action| format!("{}%", escaped(action)));
    // one statement for each way in, so that an organization's entries are found by their index
    let scope = if filter.organization.is_some() { "organization_id = ?1" } else { "?1 IS NULL" };
    let statement = format!(
        "SELECT id, at, actor, action, target, organization_id, difference, request_id FROM audit_log
         WHERE {scope} AND id < ?2 AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR action LIKE ?4 ESCAPE '\\')
           AND (?5 IS NULL OR target = ?5) AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at < ?7)
         ORDER BY id DESC LIMIT ?8"
    );
    all(
        conn,
        &statement,
        params![filter.organization, before, actor, action, filter.target, filter.from, filter.to, limit],
        entry,
    )
}
