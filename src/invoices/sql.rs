//! The statements.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Filter, Invoice, Kind, Line, Paid};
use crate::base::id::{InvoiceId, OrganizationId};
use crate::base::{Currency, Money, Timestamp};
use crate::db::DbError;
use crate::tax::{Amounts, Rate};

type Made<T> = Result<T, DbError>;

const TABLE: &str = "invoices";

macro_rules! columns {
    () => {
        "id, kind, series, number, organization_id, corrects, reference, issued_at, issue_day, currency, net, tax,
         total, treatment, rate, tax_country, note, reason, seller, buyer, vat_id_status, vat_id_checked_at,
         vat_id_answer, evidence, paid_at, paid_with"
    };
}

/// The rows of an organization (`?1`) that a filter (`?2` to `?4`) lets through.
macro_rules! filtered {
    () => {
        "organization_id = ?1 AND (?2 IS NULL OR issued_at >= ?2) AND (?3 IS NULL OR issued_at < ?3)
         AND (?4 IS NULL OR kind = ?4)"
    };
}

fn parsed<T: FromStr<Err: Display>>(text: &str, row: i64) -> Made<T> {
    text.parse().map_err(|e| DbError::bad_row(TABLE, row, format_args!("{text:?} {e}")))
}

fn from_json<T: DeserializeOwned>(text: &str, row: i64) -> Made<T> {
    serde_json::from_str(text).map_err(|e| DbError::bad_row(TABLE, row, e))
}

fn json<T: Serialize>(value: &T, row: i64) -> Made<String> {
    serde_json::to_string(value).map_err(|e| DbError::bad_row(TABLE, row, e))
}

fn text(row: &Row<'_>, column: usize) -> Made<String> {
    Ok(row.get(column)?)
}

/// A document without its lines.
fn invoice(row: &Row<'_>) -> Made<Invoice> {
    let id: i64 = row.get(0)?;
    let currency: Currency = row.get(9)?;
    let money = |column: usize| Ok::<_, DbError>(Money { minor: row.get(column)?, currency });
    let kind = text(row, 1)?;
    let kind =
        Kind::from_name(&kind).ok_or_else(|| DbError::bad_row(TABLE, id, format_args!("kind {kind:?}")))?;
    let asked: (Option<Timestamp>, Option<String>) = (row.get(21)?, row.get(22)?);
    let paid_at: Option<Timestamp> = row.get(24)?;
    let paid_with = text(row, 25)?;
    Ok(Invoice {
        id: InvoiceId::new(id),
        kind,
        series: text(row, 2)?,
        number: row.get(3)?,
        organization: row.get(4)?,
        corrects: row.get(5)?,
        reference: text(row, 6)?,
        issued_at: row.get(7)?,
        issue_day: row.get(8)?,
        amounts: Amounts { net: money(10)?, tax: money(11)?, total: money(12)? },
        treatment: parsed(&text(row, 13)?, id)?,
        rate: Rate::from_basis_points(row.get(14)?),
        tax_country: row.get::<_, Option<String>>(15)?.map(|code| parsed(&code, id)).transpose()?,
        note: text(row, 16)?,
        reason: text(row, 17)?,
        seller: from_json(&text(row, 18)?, id)?,
        buyer: from_json(&text(row, 19)?, id)?,
        vat_id_status: text(row, 20)?,
        vat_id_evidence: asked.0.zip(asked.1),
        evidence: from_json(&text(row, 23)?, id)?,
        paid: paid_at.map(|at| Paid { at, with: paid_with }),
        lines: Vec::new(),
    })
}

fn with_lines(conn: &Connection, invoice: Invoice) -> Made<Invoice> {
    let mut statement = conn.prepare_cached(
        "SELECT description, quantity, net FROM invoice_lines WHERE invoice_id = ?1 ORDER BY position",
    )?;
    let currency = invoice.currency();
    let lines = statement.query_map([invoice.id], |row| {
        let net = Money { minor: row.get(2)?, currency };
        Ok(Line { description: row.get(0)?, quantity: row.get(1)?, net })
    })?;
    let lines = lines.collect::<Result<Vec<Line>, _>>()?;
    Ok(Invoice { lines, ..invoice })
}

fn one(conn: &Connection, statement: &str, bound: impl rusqlite::Params) -> Made<Option<Invoice>> {
    let mut statement = conn.prepare_cached(statement)?;
    let mut rows = statement.query(bound)?;
    let found = rows.next()?.map(invoice).transpose()?;
    found.map(|found| with_lines(conn, found)).transpose()
}

pub(super) fn by_id(conn: &Connection, id: InvoiceId) -> Made<Option<Invoice>> {
    one(conn, concat!("SELECT ", columns!(), " FROM invoices WHERE id = ?1"), [id])
}

pub(super) fn by_reference(conn: &Connection, kind: Kind, reference: &str) -> Made<Option<Invoice>> {
    let statement = concat!("SELECT ", columns!(), " FROM invoices WHERE kind = ?1 AND reference = ?2");
    one(conn, statement, params![kind.name(), reference])
}

pub(super) fn list(
    conn: &Connection,
    organization: OrganizationId,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Made<Vec<Invoice>> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM invoices WHERE ",
        filtered!(),
        " AND id < ?5 ORDER BY id DESC LIMIT ?6"
    ))?;
    let (before, limit) = (before.unwrap_or(i64::MAX), i64::from(limit) + 1);
    let kind = filter.kind.map(Kind::name);
    let mut rows = statement.query(params![organization, filter.from, filter.to, kind, before, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(with_lines(conn, invoice(row)?)?);
    }
    Ok(found)
}

pub(super) fn count(conn: &Connection, organization: OrganizationId, filter: &Filter) -> Made<i64> {
    let statement = concat!("SELECT count(*) FROM invoices WHERE ", filtered!());
    let bound = params![organization, filter.from, filter.to, filter.kind.map(Kind::name)];
    Ok(conn.prepare_cached(statement)?.query_row(bound, |row| row.get(0))?)
}

/// Net and tax of all credit notes of an invoice.
pub(super) fn credited(conn: &Connection, id: InvoiceId) -> Made<(i64, i64)> {
    let mut statement = conn.prepare_cached(
        "SELECT ifnull(sum(net), 0), ifnull(sum(tax), 0) FROM invoices WHERE corrects = ?1",
    )?;
    Ok(statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// The id of the next document: lines are stored before it.
pub(super) fn next_id(conn: &Connection) -> Made<InvoiceId> {
    let mut statement = conn.prepare_cached("SELECT ifnull(max(id), 0) + 1 FROM invoices")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Takes the next number of a series, which begins with this if there was none.
pub(super) fn take_number(conn: &Connection, series: &str) -> Made<i64> {
    let mut next = conn.prepare_cached(
        "UPDATE invoice_series SET last_number = last_number + 1 WHERE name = ?1 RETURNING last_number",
    )?;
    if let Some(number) = next.query_row([series], |row| row.get(0)).optional()? {
        return Ok(number);
    }
    conn.prepare_cached("INSERT INTO invoice_series (name, last_number) VALUES (?1, 0)")?
        .execute([series])?;
    Ok(next.query_row([series], |row| row.get(0))?)
}

pub(super) fn insert(conn: &Connection, new: &Invoice) -> Made<()> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO invoice_lines (invoice_id, position, description, quantity, net) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, line) in (1_i64..).zip(&new.lines) {
        statement.execute(params![new.id, position, line.description, line.quantity, line.net.minor])?;
    }
    let mut statement = conn.prepare_cached(concat!(
        "INSERT INTO invoices (",
        columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
             ?22, ?23, ?24, ?25, ?26)"
    ))?;
    let row = new.id.number();
    let asked = new.vat_id_evidence.as_ref();
    statement.execute(params![
        new.id,
        new.kind.name(),
        new.series,
        new.number,
        new.organization,
        new.corrects,
        new.reference,
        new.issued_at,
        new.issue_day,
        new.currency(),
        new.amounts.net.minor,
        new.amounts.tax.minor,
        new.amounts.total.minor,
        new.treatment.name(),
        new.rate.basis_points(),
        new.tax_country.map(crate::tax::Country::code),
        new.note,
        new.reason,
        json(&new.seller, row)?,
        json(&new.buyer, row)?,
        new.vat_id_status,
        asked.map(|(at, _)| at),
        asked.map(|(_, answer)| answer),
        json(&new.evidence, row)?,
        new.paid.as_ref().map(|paid| paid.at),
        new.paid.as_ref().map_or("", |paid| paid.with.as_str()),
    ])?;
    Ok(())
}

/// The PDF of a document, if it was ever made.
pub(super) fn pdf(conn: &Connection, id: InvoiceId) -> Made<Option<Vec<u8>>> {
    let mut statement = conn.prepare_cached("SELECT content FROM invoice_pdfs WHERE invoice_id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}

pub(super) fn insert_pdf(conn: &Connection, id: InvoiceId, content: &[u8], now: Timestamp) -> Made<()> {
    conn.prepare_cached("INSERT INTO invoice_pdfs (invoice_id, content, made_at) VALUES (?1, ?2, ?3)")?
        .execute(params![id, content, now])?;
    Ok(())
}

/// Every document, oldest first, for [`super::verify`].
pub(super) fn each<E: From<DbError>>(
    conn: &Connection,
    mut visit: impl FnMut(&Invoice) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement =
        conn.prepare(concat!("SELECT ", columns!(), " FROM invoices ORDER BY id")).map_err(DbError::from)?;
    let mut rows = statement.query([]).map_err(DbError::from)?;
    while let Some(row) = rows.next().map_err(DbError::from)? {
        visit(&with_lines(conn, invoice(row)?)?)?;
    }
    Ok(())
}

/// What must find nothing: the table it is about, and a query that gives the row and what is wrong with it.
pub(super) const MISFITS: [(&str, &str); 6] = [
    (
        "invoice_series",
        "SELECT s.last_number, s.name || ' counts to ' || s.last_number || ', but has '
             || (SELECT count(*) FROM invoices i WHERE i.series = s.name) || ' documents'
         FROM invoice_series s
         WHERE s.last_number <> (SELECT count(*) FROM invoices i WHERE i.series = s.name)",
    ),
    (
        "invoices",
        "SELECT id, 'its series ' || series || ' does not exist' FROM invoices
         WHERE series NOT IN (SELECT name FROM invoice_series)",
    ),
    (
        "invoices",
        "SELECT id, 'number ' || number || ' of ' || series || ' follows ' || before
         FROM (SELECT id, series, number, lag(number, 1, 0) OVER (PARTITION BY series ORDER BY id) AS before
               FROM invoices)
         WHERE number <> before + 1",
    ),
    (
        "invoices",
        "SELECT c.id, 'a credit note has to be of an invoice of the same organization and currency'
         FROM invoices c LEFT JOIN invoices i ON i.id = c.corrects
         WHERE (c.kind = 'credit_note') <> (c.corrects IS NOT NULL)
            OR (c.kind = 'credit_note' AND (i.id IS NULL OR i.kind <> 'invoice' OR i.id > c.id
                OR i.organization_id <> c.organization_id OR i.currency <> c.currency))",
    ),
    (
        "invoice_lines",
        "SELECT invoice_id, 'belongs to no document' FROM invoice_lines
         WHERE invoice_id NOT IN (SELECT id FROM invoices)",
    ),
    (
        "invoice_pdfs",
        "SELECT invoice_id, 'belongs to no document' FROM invoice_pdfs
         WHERE invoice_id NOT IN (SELECT id FROM invoices)",
    ),
];
