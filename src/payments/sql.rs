//! Statements of payments, of what providers told, of packages, and of the sandbox's own table.

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::asking::Asked;
use super::events::Event;
use super::gateway::sandbox::{Complaint, Session, Standing};
use super::gateway::{Checkout, Decline, DisputeStatus, Form, Order, RefundSeen, RefundStatus};
use super::packages::{Kept, Package};
use super::rules::{Progress, Purchase, Reason, Settled, State};
use super::{Extras, NewPayment, Payment};
use crate::base::id::{GrantId, InvoiceId, OrganizationId, PaymentId};
use crate::base::{Currency, Money, Timestamp};
use crate::db::{self, DbError};
use crate::invoices::Quote;

const SELECT: &str = "SELECT id, organization_id, gateway, amount_minor, currency, credits, bonus, package, actor, created_at,
    state, reference, client_secret, checkout_url, progress, reason, ended_at, grant_id, bonus_grant_id, intent, quote,
    charge, invoice_id, method_id, success_url, cancel_url, embedded, plan, keep_card
    FROM payments";

fn from_row(row: &Row<'_>) -> Result<Payment, DbError> {
    let id: PaymentId = row.get(0)?;
    Ok(Payment {
        id,
        organization: row.get(1)?,
        gateway: row.get(2)?,
        purchase: Purchase {
            price: Money { minor: row.get(3)?, currency: row.get(4)? },
            credits: row.get(5)?,
            bonus: row.get(6)?,
            package: row.get(7)?,
            plan: row.get(27)?,
        },
        quote: serde_json::from_str(&row.get::<_, String>(20)?)
            .map_err(|error| DbError::bad_row("payments", id.number(), error))?,
        actor: row.get(8)?,
        created_at: row.get(9)?,
        state: state(row)?.ok_or_else(|| DbError::bad_row("payments", id.number(), "state"))?,
        intent: row.get(19)?,
        extras: Extras {
            card: row.get(23)?,
            success_url: row.get(24)?,
            cancel_url: row.get(25)?,
            embedded: row.get(26)?,
            keep_card: row.get(28)?,
        },
    })
}

fn state(row: &Row<'_>) -> Result<Option<State>, DbError> {
    let reference: Option<String> = row.get(11)?;
    let ended_at: Option<Timestamp> = row.get(16)?;
    Ok(match row.get_ref(10)?.as_str().unwrap_or_default() {
        "created" => Some(State::Created),
        "pending" => {
            let progress = row.get::<_, Option<String>>(14)?.and_then(|name| progress(&name));
            let (client_secret, url) = (row.get(12)?, row.get(13)?);
            match (reference, progress) {
                (Some(reference), Some(progress)) => {
                    Some(State::Pending { checkout: Checkout { reference, client_secret, url }, progress })
                }
                _ => None,
            }
        }
        "settled" => {
            let invoice: Option<InvoiceId> = row.get(22)?;
            match (reference, row.get(21)?, ended_at, invoice) {
                (Some(reference), Some(charge), Some(at), Some(invoice)) => Some(State::Settled(Settled {
                    reference,
                    charge,
                    at,
                    grant: row.get(17)?,
                    bonus: row.get(18)?,
                    invoice,
                })),
                _ => None,
            }
        }
        "failed" => {
            let reason = row.get::<_, Option<String>>(15)?.and_then(|name| Reason::from_name(&name));
            reason.zip(ended_at).map(|(reason, at)| State::Failed { reference, at, reason })
        }
        _ => None,
    })
}

const fn progress_name(progress: Progress) -> &'static str {
    match progress {
        Progress::Open => "open",
        Progress::Processing => "processing",
        Progress::Declined(decline) => decline.name(),
    }
}

fn progress(name: &str) -> Option<Progress> {
    match name {
        "open" => Some(Progress::Open),
        "processing" => Some(Progress::Processing),
        other => Decline::from_name(other).map(Progress::Declined),
    }
}

fn one(conn: &Connection, tail: &str, params: impl rusqlite::Params) -> Result<Option<Payment>, DbError> {
    let mut statement = conn.prepare_cached(&format!("{SELECT} {tail}"))?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(from_row).transpose()
}

pub(super) fn get(conn: &Connection, id: PaymentId) -> Result<Option<Payment>, DbError> {
    one(conn, "WHERE id = ?", [id])
}

pub(super) fn by_reference(
    conn: &Connection,
    gateway: &str,
    reference: &str,
) -> Result<Option<Payment>, DbError> {
    one(conn, "WHERE gateway = ? AND reference = ?", [gateway, reference])
}

pub(super) fn by_charge(conn: &Connection, gateway: &str, charge: &str) -> Result<Option<Payment>, DbError> {
    one(conn, "WHERE gateway = ? AND charge = ?", [gateway, charge])
}

pub(super) fn by_intent(
    conn: &Connection,
    organization: OrganizationId,
    key: &str,
) -> Result<Option<Payment>, DbError> {
    one(conn, "WHERE organization_id = ? AND intent_key = ?", params![organization, key])
}

/// Newest first.
pub(super) fn of(
    conn: &Connection,
    organization: Option<OrganizationId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Payment>, DbError> {
    let (tail, whose) = match organization {
        Some(whose) => ("organization_id = ?1", whose.number()),
        None => ("?1 = 0", 0),
    };
    let query = format!("{SELECT} WHERE {tail} AND id < ?2 ORDER BY id DESC LIMIT ?3");
    db::collect(conn, &query, params![whose, before.unwrap_or(i64::MAX), limit], from_row)
}

pub(super) fn insert(
    conn: &Connection,
    new: &NewPayment,
    extras: &Extras,
    quote: &Quote,
    now: Timestamp,
) -> Result<PaymentId, DbError> {
    let agreed = serde_json::to_string(quote).map_err(|error| DbError::bad_row("payments", 0, error))?;
    conn.prepare_cached(
        "INSERT INTO payments (organization_id, gateway, amount_minor, tax_minor, quote, currency, credits, bonus, package, actor,
                               intent_key, intent, created_at, state, method_id, success_url, cancel_url, embedded, plan, keep_card)
         VALUES (:organization, :gateway, :amount, :tax, :quote, :currency, :credits, :bonus, :package, :actor,
                 :intent_key, :intent, :now, 'created', :method, :success_url, :cancel_url, :embedded, :plan, :keep_card)",
    )?
    .execute(named_params! {
        ":organization": new.organization,
        ":gateway": new.gateway,
        ":amount": quote.amounts.net.minor,
        ":tax": quote.amounts.tax.minor,
        ":quote": agreed,
        ":currency": new.purchase.price.currency,
        ":credits": new.purchase.credits,
        ":bonus": new.purchase.bonus,
        ":package": new.purchase.package,
        ":actor": new.actor,
        ":intent_key": new.intent.as_ref().map(|intent| &intent.key),
        ":intent": new.intent.as_ref().map(|intent| intent.fingerprint),
        ":now": now,
        ":method": extras.card,
        ":success_url": extras.success_url,
        ":cancel_url": extras.cancel_url,
        ":embedded": extras.embedded,
        ":plan": new.purchase.plan,
        ":keep_card": extras.keep_card,
    })?;
    Ok(PaymentId::new(conn.last_insert_rowid()))
}

/// Where it stands now. `ask_at`: when the provider is asked about it.
pub(super) fn set_state(
    conn: &Connection,
    id: PaymentId,
    state: &State,
    ask_at: Option<Timestamp>,
) -> Result<(), DbError> {
    let (mut checkout, mut now_at, mut reason, mut ended_at) = (None, None, None, None);
    let (mut made, reference) = (None, state.reference());
    match state {
        State::Created => {}
        State::Pending { checkout: made, progress } => {
            (checkout, now_at) = (Some(made), Some(progress_name(*progress)));
        }
        State::Settled(settled) => (ended_at, made) = (Some(settled.at), Some(settled)),
        State::Failed { at, reason: why, .. } => (ended_at, reason) = (Some(*at), Some(why.name())),
    }
    let changed = conn
        .prepare_cached(
            "UPDATE payments SET state = :state, reference = :reference, client_secret = :client_secret,
                 checkout_url = :url, progress = :progress, reason = :reason, ended_at = :ended_at, grant_id = :grant,
                 bonus_grant_id = :bonus, charge = :charge, invoice_id = :invoice, ask_at = :ask_at
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":state": state.name(),
            ":reference": reference,
            ":client_secret": checkout.and_then(|made| made.client_secret.as_ref()),
            ":url": checkout.and_then(|made| made.url.as_ref()),
            ":progress": now_at,
            ":reason": reason,
            ":ended_at": ended_at,
            ":grant": made.and_then(|settled| settled.grant),
            ":bonus": made.and_then(|settled| settled.bonus),
            ":charge": made.map(|settled| &settled.charge),
            ":invoice": made.map(|settled| settled.invoice),
            ":ask_at": ask_at,
            ":id": id,
        })?;
    if changed == 1 { Ok(()) } else { Err(DbError::bad_row("payments", id.number(), "does not exist")) }
}

/// Rows of a table about which the provider is due to be asked, and since when they are there.
pub(super) fn to_ask(
    conn: &Connection,
    Asked { table, since }: &Asked,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(i64, Timestamp)>, DbError> {
    let statement = format!("SELECT id, {since} FROM {table} WHERE ask_at <= ? ORDER BY ask_at, id LIMIT ?");
    db::collect(conn, &statement, params![now, limit], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The provider is asked about a row of a table then, unless it is asked no more.
pub(super) fn put_off(conn: &Connection, asked: &Asked, row: i64, at: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached(&format!(
        "UPDATE {} SET ask_at = ? WHERE id = ? AND ask_at IS NOT NULL",
        asked.table
    ))?
    .execute(params![at, row])?;
    Ok(())
}

/// An event as it was kept.
pub(super) struct KeptEvent {
    pub row: i64,
    /// How often it was told.
    pub times: i64,
    /// What became of it when it was dealt with.
    pub outcome: Option<String>,
}

/// Keeps an event, or counts that it was told again.
pub(super) fn keep_event(
    conn: &Connection,
    gateway: &str,
    event: &Event,
    body: &[u8],
    now: Timestamp,
) -> Result<KeptEvent, DbError> {
    Ok(conn
        .prepare_cached(
            "INSERT INTO payment_events (gateway, event_id, type, reference, body, received_at)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (gateway, event_id) DO UPDATE SET times = times + 1
             RETURNING id, times, outcome",
        )?
        .query_row(params![gateway, event.id, event.kind, event.reference, body, now], |row| {
            Ok(KeptEvent { row: row.get(0)?, times: row.get(1)?, outcome: row.get(2)? })
        })?)
}

/// Notes what became of an event, if it was dealt with, and about which payment it is. Answers false for one that had been dealt
/// with before.
pub(super) fn close_event(
    conn: &Connection,
    row: i64,
    outcome: Option<&str>,
    payment: Option<PaymentId>,
) -> Result<bool, DbError> {
    let changed = conn
        .prepare_cached(
            "UPDATE payment_events SET outcome = ?, payment_id = ? WHERE id = ? AND outcome IS NULL",
        )?
        .execute(params![outcome, payment, row])?;
    Ok(changed == 1)
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event { id: row.get(0)?, kind: row.get(1)?, reference: row.get(2)? })
}

/// An event that was not dealt with, and who told it.
pub(super) fn kept_event(conn: &Connection, row: i64) -> Result<Option<(String, Event)>, DbError> {
    let statement =
        "SELECT event_id, type, reference, gateway FROM payment_events WHERE id = ? AND outcome IS NULL";
    let found =
        conn.prepare_cached(statement)?.query_row([row], |row| Ok((row.get(3)?, event(row)?))).optional()?;
    Ok(found)
}

/// Events that wait for something about the payment of a charge, oldest first. No more than a few are looked at.
pub(super) fn kept_events_of(conn: &Connection, gateway: &str, charge: &str) -> Result<Vec<Event>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT e.event_id, e.type, e.reference FROM payment_events e JOIN payments p ON p.id = e.payment_id
         WHERE p.gateway = ? AND p.charge = ? AND e.outcome IS NULL ORDER BY e.id LIMIT 20",
    )?;
    let rows = statement.query_map([gateway, charge], event)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The word that a row of a table is told outside with.
pub(super) fn nonce(conn: &Connection, table: &'static str, row: i64) -> Result<Option<String>, DbError> {
    let statement = format!("SELECT nonce FROM {table} WHERE id = ?");
    Ok(conn.prepare_cached(&statement)?.query_row([row], |row| row.get(0)).optional()?)
}

/// The same of an organization as a provider knows it.
pub(super) fn customer_nonce(
    conn: &Connection,
    organization: OrganizationId,
    gateway: &str,
) -> Result<Option<String>, DbError> {
    let statement = "SELECT nonce FROM provider_customers WHERE organization_id = ? AND gateway = ?";
    Ok(conn
        .prepare_cached(statement)?
        .query_row(params![organization, gateway], |row| row.get(0))
        .optional()?)
}

const PACKAGES: &str =
    "SELECT code, name, currency, price_minor, credits, bonus, position, active FROM packages";

fn package(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let package = Package {
        code: row.get(0)?,
        name: row.get(1)?,
        price: Money { minor: row.get(3)?, currency: row.get(2)? },
        credits: row.get(4)?,
        bonus: row.get(5)?,
    };
    Ok(Kept { package, position: row.get(6)?, active: row.get(7)? })
}

pub(super) fn packages(conn: &Connection, currency: Currency) -> Result<Vec<Package>, DbError> {
    let mut statement = conn
        .prepare_cached(&format!("{PACKAGES} WHERE active = 1 AND currency = ? ORDER BY position, code"))?;
    let rows = statement.query_map([currency], |row| Ok(package(row)?.package))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn all_packages(conn: &Connection) -> Result<Vec<Kept>, DbError> {
    let mut statement = conn.prepare_cached(&format!("{PACKAGES} ORDER BY currency, position, code"))?;
    let rows = statement.query_map([], package)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn get_package(conn: &Connection, code: &str) -> Result<Option<Kept>, DbError> {
    let mut statement = conn.prepare_cached(&format!("{PACKAGES} WHERE code = ?"))?;
    Ok(statement.query_row([code], package).optional()?)
}

pub(super) fn has_packages(conn: &Connection) -> Result<bool, DbError> {
    Ok(conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM packages)")?.query_row([], |row| row.get(0))?)
}

/// The highest position of all packages; zero without any.
pub(super) fn last_position(conn: &Connection) -> Result<i64, DbError> {
    Ok(conn
        .prepare_cached("SELECT coalesce(max(position), 0) FROM packages")?
        .query_row([], |row| row.get(0))?)
}

pub(super) fn insert_package(conn: &Connection, kept: &Kept) -> Result<(), DbError> {
    let Kept { package, position, active } = kept;
    conn.prepare_cached(
        "INSERT INTO packages (code, name, currency, price_minor, credits, bonus, position, active)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        package.code,
        package.name,
        package.price.currency,
        package.price.minor,
        package.credits,
        package.bonus,
        position,
        active
    ])?;
    Ok(())
}

/// Writes everything of a package but its code and its currency.
pub(super) fn update_package(conn: &Connection, kept: &Kept) -> Result<(), DbError> {
    let Kept { package, position, active } = kept;
    conn.prepare_cached(
        "UPDATE packages SET name = ?, price_minor = ?, credits = ?, bonus = ?, position = ?, active = ? WHERE code = ?",
    )?
    .execute(params![
        package.name,
        package.price.minor,
        package.credits,
        package.bonus,
        position,
        active,
        package.code
    ])?;
    Ok(())
}

fn sandbox_row(row: &Row<'_>, public_url: &str) -> Result<Session, DbError> {
    let reference: String = row.get(0)?;
    let standing = Standing::from_name(&row.get::<_, String>(8)?);
    let decline: Option<String> = row.get(9)?;
    Ok(Session {
        order: Order {
            key: row.get(1)?,
            id: row.get(3)?,
            amount: Money { minor: row.get(4)?, currency: row.get(5)? },
            description: row.get(6)?,
            return_url: row.get(7)?,
            cancel_url: row.get(12)?,
            customer: row.get(13)?,
            form: Form::Hosted,
            keep_card: row.get(14)?,
        },
        card: row.get(15)?,
        standing: standing.ok_or_else(|| DbError::bad_row("sandbox_checkouts", 0, &reference))?,
        decline: decline.as_deref().and_then(Decline::from_name),
        last4: row.get(16)?,
        settles_at: row.get(10)?,
        expires_at: row.get(11)?,
        checkout: Checkout {
            url: Some(format!("{public_url}/sandbox/checkout/{reference}")),
            client_secret: Some(row.get(2)?),
            reference,
        },
    })
}

const SANDBOX: &str =
    "SELECT reference, request_key, client_secret, order_id, amount_minor, currency, description, return_url,
    status, decline, settles_at, expires_at, cancel_url, customer, keep_card, card, last4 FROM sandbox_checkouts";

fn one_sandbox(
    conn: &Connection,
    tail: &str,
    value: &str,
    public_url: &str,
) -> Result<Option<Session>, DbError> {
    let mut statement = conn.prepare_cached(&format!("{SANDBOX} {tail}"))?;
    let mut rows = statement.query([value])?;
    rows.next()?.map(|row| sandbox_row(row, public_url)).transpose()
}

pub(super) fn sandbox(
    conn: &Connection,
    reference: &str,
    public_url: &str,
) -> Result<Option<Session>, DbError> {
    one_sandbox(conn, "WHERE reference = ?", reference, public_url)
}

pub(super) fn sandbox_by_key(
    conn: &Connection,
    key: &str,
    public_url: &str,
) -> Result<Option<Session>, DbError> {
    one_sandbox(conn, "WHERE request_key = ?", key, public_url)
}

pub(super) fn insert_sandbox(conn: &Connection, session: &Session) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO sandbox_checkouts (reference, request_key, client_secret, order_id, amount_minor, currency,
                                        description, return_url, status, expires_at, cancel_url, customer, keep_card)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        session.checkout.reference,
        session.order.key,
        session.checkout.client_secret,
        session.order.id,
        session.order.amount.minor,
        session.order.amount.currency,
        session.order.description,
        session.order.return_url,
        session.standing.name(),
        session.expires_at,
        session.order.cancel_url,
        session.order.customer,
        session.order.keep_card
    ])?;
    Ok(())
}

pub(super) fn update_sandbox(conn: &Connection, session: &Session) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE sandbox_checkouts SET status = ?, decline = ?, last4 = ?, settles_at = ?, card = ? WHERE reference = ?",
    )?
    .execute(params![
        session.standing.name(),
        session.decline.map(Decline::name),
        session.last4,
        session.settles_at,
        session.card,
        session.checkout.reference
    ])?;
    Ok(())
}

/// What was charged under a reference, if it was.
pub(super) fn sandbox_charged(conn: &Connection, charge: &str) -> Result<Option<Money>, DbError> {
    let statement = "SELECT amount_minor, currency FROM sandbox_checkouts
            WHERE reference = ?1 AND status IN ('paid', 'processing')
        UNION ALL SELECT amount_minor, currency FROM sandbox_charges WHERE reference = ?1 AND decline IS NULL";
    Ok(conn
        .prepare_cached(statement)?
        .query_row([charge], |row| Ok(Money { minor: row.get(0)?, currency: row.get(1)? }))
        .optional()?)
}

/// What was given back of a charge, in minor units.
pub(super) fn sandbox_refunded(conn: &Connection, charge: &str) -> Result<i64, DbError> {
    let statement = "SELECT ifnull(sum(amount_minor), 0) FROM sandbox_refunds WHERE charge = ?";
    Ok(conn.prepare_cached(statement)?.query_row([charge], |row| row.get(0))?)
}

/// The refund with this in `column`.
pub(super) fn sandbox_refund(
    conn: &Connection,
    column: &'static str,
    value: &str,
) -> Result<Option<RefundSeen>, DbError> {
    let statement = format!(
        "SELECT reference, refund_id, charge, amount_minor, currency FROM sandbox_refunds WHERE {column} = ?"
    );
    let found = conn.prepare_cached(&statement)?.query_row([value], |row| {
        Ok(RefundSeen {
            reference: row.get(0)?,
            refund: row.get(1)?,
            charge: row.get(2)?,
            amount: Money { minor: row.get(3)?, currency: row.get(4)? },
            status: RefundStatus::Succeeded,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn insert_sandbox_refund(conn: &Connection, key: &str, new: &RefundSeen) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO sandbox_refunds (reference, request_key, refund_id, charge, amount_minor, currency)
         VALUES (?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        new.reference,
        key,
        new.refund,
        new.charge,
        new.amount.minor,
        new.amount.currency
    ])?;
    Ok(())
}

const fn dispute_status(status: DisputeStatus) -> &'static str {
    match status {
        DisputeStatus::Inquiry | DisputeStatus::Open | DisputeStatus::Dropped => "open",
        DisputeStatus::Won => "won",
        DisputeStatus::Lost => "lost",
    }
}

/// The dispute with this in `column`.
pub(super) fn sandbox_complaint(
    conn: &Connection,
    column: &'static str,
    value: &str,
) -> Result<Option<Complaint>, DbError> {
    let statement = format!(
        "SELECT reference, charge, amount_minor, currency, status FROM sandbox_disputes WHERE {column} = ?"
    );
    let found = conn.prepare_cached(&statement)?.query_row([value], |row| {
        let status: String = row.get(4)?;
        let all = [DisputeStatus::Open, DisputeStatus::Won, DisputeStatus::Lost];
        Ok(Complaint {
            reference: row.get(0)?,
            charge: row.get(1)?,
            amount: Money { minor: row.get(2)?, currency: row.get(3)? },
            status: all
                .into_iter()
                .find(|known| dispute_status(*known) == status)
                .unwrap_or(DisputeStatus::Open),
        })
    });
    Ok(found.optional()?)
}

pub(super) fn insert_sandbox_complaint(conn: &Connection, new: &Complaint) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO sandbox_disputes (reference, charge, amount_minor, currency, status) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![
        new.reference,
        new.charge,
        new.amount.minor,
        new.amount.currency,
        dispute_status(new.status)
    ])?;
    Ok(())
}

pub(super) fn set_sandbox_complaint(
    conn: &Connection,
    reference: &str,
    status: DisputeStatus,
) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE sandbox_disputes SET status = ? WHERE reference = ?")?
        .execute([dispute_status(status), reference])?;
    Ok(())
}

/// Settled payments and grants that do not belong together: each answers the row and what is wrong with it, and should
/// answer nothing.
pub(super) const MISFITS: [(&str, &str); 8] = [
    (
        "payments",
        "SELECT p.id, 'was settled, but its grant is not what was paid for' FROM payments p
         LEFT JOIN grants g ON g.account_id = p.grant_id
         WHERE p.state = 'settled' AND p.plan IS NULL
           AND (g.organization_id IS NOT p.organization_id OR g.class IS NOT 'paid' OR g.source IS NOT 'purchase'
                OR g.original IS NOT p.credits OR g.cost_minor IS NOT p.amount_minor
                OR g.cost_currency IS NOT p.currency)
         ORDER BY p.id LIMIT 1",
    ),
    (
        "payments",
        "SELECT p.id, 'was settled, but its bonus is not what was promised' FROM payments p
         LEFT JOIN grants g ON g.account_id = p.bonus_grant_id
         WHERE p.state = 'settled'
           AND CASE p.bonus WHEN 0 THEN p.bonus_grant_id IS NOT NULL
               ELSE g.organization_id IS NOT p.organization_id OR g.class IS NOT 'free' OR g.source IS NOT 'bonus'
                    OR g.original IS NOT p.bonus OR g.cost_minor IS NOT NULL END
         ORDER BY p.id LIMIT 1",
    ),
    (
        "payments",
        "SELECT id, 'has credit, but is not settled' FROM payments
         WHERE state <> 'settled' AND (grant_id IS NOT NULL OR bonus_grant_id IS NOT NULL) ORDER BY id LIMIT 1",
    ),
    (
        "grants",
        "WITH given AS (
             SELECT grant_id AS account FROM payments WHERE grant_id IS NOT NULL
             UNION ALL SELECT bonus_grant_id FROM payments WHERE bonus_grant_id IS NOT NULL)
         SELECT g.account_id, 'was bought, but belongs to ' || count(d.account) || ' payments' FROM grants g
         LEFT JOIN given d ON d.account = g.account_id
         WHERE g.source IN ('purchase', 'bonus') GROUP BY g.account_id HAVING count(d.account) <> 1
         ORDER BY 1 LIMIT 1",
    ),
    (
        "payments",
        "SELECT p.id, 'was settled, but its invoice does not say what was paid' FROM payments p
         LEFT JOIN invoices i ON i.id = p.invoice_id
         WHERE p.state = 'settled'
           AND (i.kind IS NOT 'invoice' OR i.organization_id IS NOT p.organization_id OR i.net IS NOT p.amount_minor
                OR i.tax IS NOT p.tax_minor OR i.currency IS NOT p.currency)
         ORDER BY p.id LIMIT 1",
    ),
    (
        "invoices",
        "SELECT i.id, 'was issued for ' || count(p.id) || ' payments' FROM invoices i
         LEFT JOIN payments p ON p.invoice_id = i.id
         WHERE i.kind = 'invoice' AND i.reference GLOB 'pay_?????????????' GROUP BY i.id HAVING count(p.id) <> 1
         ORDER BY 1 LIMIT 1",
    ),
    (
        "payments",
        "SELECT p.id, 'was settled, but its fee is not what was paid' FROM payments p
         LEFT JOIN fees f ON f.payment_id = p.id
         WHERE (p.state = 'settled' AND p.plan IS NOT NULL OR f.payment_id IS NOT NULL)
           AND (p.state <> 'settled' OR p.plan IS NULL OR f.organization_id IS NOT p.organization_id
                OR f.net_minor IS NOT p.amount_minor OR f.currency IS NOT p.currency)
         ORDER BY p.id LIMIT 1",
    ),
    // what credit cost was received for it with its tax, and nothing else was; but not again when it was sent on
    (
        "accounts",
        "WITH received AS (
             SELECT ledger, sum(debits_posted) AS minor FROM accounts WHERE kind = 'cash' GROUP BY ledger),
         sold AS (
             SELECT cost_currency AS ledger, cost_minor AS minor FROM grants
             WHERE cost_minor IS NOT NULL AND source <> 'transfer'
             UNION ALL SELECT currency, tax_minor FROM payments WHERE state = 'settled'
             UNION ALL SELECT currency, net_minor FROM fees
             UNION ALL SELECT currency, amount_minor FROM disputes WHERE state = 'won' AND withdrawn = 1),
         paid AS (SELECT ledger, sum(minor) AS minor FROM sold GROUP BY ledger)
         SELECT a.id, 'has received ' || coalesce(r.minor, 0) || ', but credit was sold for ' || coalesce(p.minor, 0)
         FROM accounts a LEFT JOIN received r ON r.ledger = a.ledger LEFT JOIN paid p ON p.ledger = a.ledger
         WHERE a.kind = 'cash' AND coalesce(r.minor, 0) <> coalesce(p.minor, 0) ORDER BY 1 LIMIT 1",
    ),
];

/// The grants that came with a plan's fee.
pub(super) fn fee_grants(conn: &Connection, payment: PaymentId) -> Result<Vec<GrantId>, DbError> {
    let statement = "SELECT grant_id FROM fee_grants WHERE payment_id = ? ORDER BY grant_id";
    db::collect(conn, statement, [payment], |row| Ok(row.get(0)?))
}

pub(super) fn insert_fee_grant(conn: &Connection, payment: PaymentId, grant: GrantId) -> Result<(), DbError> {
    conn.prepare_cached("INSERT INTO fee_grants (grant_id, payment_id) VALUES (?, ?)")?
        .execute(params![grant, payment])?;
    Ok(())
}

/// Settled payments.
pub(super) fn count_settled(conn: &Connection) -> Result<u64, DbError> {
    let count: i64 = conn
        .prepare_cached("SELECT count(*) FROM payments WHERE state = 'settled'")?
        .query_row([], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

pub(super) fn provider_customer(
    conn: &Connection,
    organization: OrganizationId,
    gateway: &str,
) -> Result<Option<String>, DbError> {
    let found: Option<Option<String>> = conn
        .prepare_cached("SELECT reference FROM provider_customers WHERE organization_id = ? AND gateway = ?")?
        .query_row(params![organization, gateway], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

pub(super) fn is_known_customer(conn: &Connection, organization: OrganizationId) -> Result<bool, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM provider_customers WHERE organization_id = ? AND reference IS NOT NULL)",
        )?
        .query_row([organization], |row| row.get(0))?)
}

/// That the provider is asked to know an organization.
pub(super) fn insert_customer(
    conn: &Connection,
    organization: OrganizationId,
    gateway: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO provider_customers (organization_id, gateway, created_at) VALUES (?, ?, ?)
         ON CONFLICT (organization_id, gateway) DO NOTHING",
    )?
    .execute(params![organization, gateway, now])?;
    Ok(())
}

/// The provider does not know a customer any more: it is made known anew.
pub(super) fn forget_customer(
    conn: &Connection,
    organization: OrganizationId,
    gateway: &str,
    reference: &str,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE provider_customers SET reference = NULL, times_gone = times_gone + 1
         WHERE organization_id = ? AND gateway = ? AND reference = ?",
    )?
    .execute(params![organization, gateway, reference])?;
    Ok(())
}

/// How often the provider did not know an organization any more.
pub(super) fn customer_times_gone(
    conn: &Connection,
    organization: OrganizationId,
    gateway: &str,
) -> Result<i64, DbError> {
    let statement = "SELECT times_gone FROM provider_customers WHERE organization_id = ? AND gateway = ?";
    let found = conn.prepare_cached(statement)?.query_row(params![organization, gateway], |row| row.get(0));
    Ok(found.optional()?.unwrap_or_default())
}

pub(super) fn set_customer(
    conn: &Connection,
    organization: OrganizationId,
    gateway: &str,
    reference: &str,
) -> Result<(), DbError> {
    conn.prepare_cached(
        "UPDATE provider_customers SET reference = ? WHERE organization_id = ? AND gateway = ? AND reference IS NULL",
    )?
    .execute(params![reference, organization, gateway])?;
    Ok(())
}
