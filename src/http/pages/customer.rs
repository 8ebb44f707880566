//! What the customer's pages have in common: whose they are, and how lines of the ledger read.

use std::collections::HashMap;

use rusqlite::Connection;
use serde_json::value::RawValue;

use crate::base::id::{AccountId, GrantId, OrganizationId};
use crate::base::{Credits, Quantity};
use crate::catalog::Snapshot;
use crate::db::DbError;
use crate::grants::{self, Class, GrantRow};
use crate::http::pages::components::Tone;
use crate::http::pages::format::{self, Show};
use crate::http::pages::views::transactions::{Draw, TransactionRow, kind_label};
use crate::identity::{Actor, Error, users};
use crate::ledger::{self, TransactionType};
use crate::metering::statement::{self, Line, UsageLine};
use crate::wallet;

/// The tone of a class of credit.
#[must_use]
pub const fn tone(class: Class) -> Tone {
    match class {
        Class::Free => Tone::Free,
        Class::Plan => Tone::Plan,
        Class::Paid => Tone::Paid,
    }
}

/// The same credits with the other sign.
#[must_use]
pub fn negated(credits: Credits) -> Credits {
    credits.checked_neg().unwrap_or(Credits::ZERO)
}

/// A sum of credits; wallets are kept far within the range.
#[must_use]
pub fn plus(one: Credits, other: Credits) -> Credits {
    one.checked_add(other).unwrap_or(one)
}

/// Grants by account, each read once.
pub struct Grants<'a> {
    conn: &'a Connection,
    show: &'a Show,
    known: HashMap<AccountId, Option<(GrantRow, String)>>,
}

impl<'a> Grants<'a> {
    /// Nothing read yet.
    #[must_use]
    pub fn new(conn: &'a Connection, show: &'a Show) -> Self {
        Self { conn, show, known: HashMap::new() }
    }

    /// What was drawn from one account: a grant's, or the overdraft.
    fn draw(&mut self, account: AccountId, amount: Credits) -> Result<Draw, DbError> {
        if !self.known.contains_key(&account) {
            let grant = grants::get(self.conn, GrantId::new(account.number()))?;
            let named = grant.map(|grant| {
                let label = label(&grant, self.show);
                (grant, label)
            });
            self.known.insert(account, named);
        }
        Ok(match self.known.get(&account).and_then(Option::as_ref) {
            Some((grant, label)) => {
                Draw { class: tone(grant.terms.order.class), label: label.clone(), amount }
            }
            None => Draw { class: Tone::Bad, label: "Overdraft".into(), amount },
        })
    }

    /// What some charges drew on, account by account.
    ///
    /// # Errors
    /// When the database fails.
    pub fn of_items(&mut self, items: &[statement::Item]) -> Result<Vec<Draw>, DbError> {
        let mut order: Vec<AccountId> = Vec::new();
        let mut sums: HashMap<AccountId, Credits> = HashMap::new();
        for drawn in items.iter().flat_map(|item| item.row.draws()).filter(|draw| !draw.amount.is_zero()) {
            if !sums.contains_key(&drawn.account) {
                order.push(drawn.account);
            }
            let sum = sums.entry(drawn.account).or_insert(Credits::ZERO);
            *sum = plus(*sum, drawn.amount);
        }
        order
            .into_iter()
            .map(|account| self.draw(account, negated(sums.get(&account).copied().unwrap_or(Credits::ZERO))))
            .collect()
    }

    /// What is set aside, account by account.
    ///
    /// # Errors
    /// When the database fails.
    pub fn of_holds(&mut self, pins: &[wallet::Draw]) -> Result<Vec<Draw>, DbError> {
        pins.iter().map(|pin| self.draw(pin.account, pin.amount)).collect()
    }

    /// What a line moved: of usage what it drew on, else the grants it filled or emptied, and the overdraft it repaid.
    ///
    /// # Errors
    /// When the database fails.
    pub fn of_line(&mut self, organization: OrganizationId, line: &Line) -> Result<Vec<Draw>, DbError> {
        if line.usage.is_some() {
            let items = statement::event(self.conn, organization, line.id)?;
            return self.of_items(&items);
        }
        let changes = ledger::changes_of(self.conn, line.id)?;
        changes.into_iter().map(|change| self.draw(change.account, change.amount)).collect()
    }

    /// A line as its list shows it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn row(
        &mut self,
        organization: OrganizationId,
        line: &Line,
        catalog: &Snapshot,
    ) -> Result<TransactionRow, DbError> {
        let draws = self.of_line(organization, line)?;
        let came_in = line.grant.filter(|_| line.amount.is_positive());
        let made = came_in
            .and_then(|grant| self.known.get(&AccountId::new(grant.number())).and_then(Option::as_ref));
        let expires = made.and_then(|(grant, _)| grant.terms.order.expires_at);
        let mut classes: Vec<Tone> = Vec::new();
        for draw in &draws {
            if !classes.contains(&draw.class) {
                classes.push(draw.class);
            }
        }
        Ok(TransactionRow {
            id: line.id.to_string(),
            at: line.created_at,
            kind: line.kind.name().to_owned(),
            description: describe(line, catalog),
            amount: line.amount,
            balance_after: line.balance_after,
            classes,
            expires,
        })
    }
}

/// Where credit came from: `Welcome credit`, `Top-up of 12 Nov 2026`.
#[must_use]
pub fn label(grant: &GrantRow, show: &Show) -> String {
    let day = format::day(show.zone.day_of(grant.terms.order.created_at));
    match grant.source.as_str() {
        "welcome" => "Welcome credit".to_owned(),
        _ => match grant.terms.order.class {
            Class::Free => format!("Free credit of {day}"),
            Class::Plan => format!("Plan credit of {day}"),
            Class::Paid => format!("Paid credit of {day}"),
        },
    }
}

/// What a line was, in a few words.
#[must_use]
pub fn describe(line: &Line, catalog: &Snapshot) -> String {
    match &line.usage {
        Some(usage) => used(line.kind, usage, catalog),
        None if line.description.is_empty() => kind_label(line.kind.name()).to_owned(),
        None => line.description.clone(),
    }
}

fn used(kind: TransactionType, usage: &UsageLine, catalog: &Snapshot) -> String {
    let (name, unit) = catalog.meter(usage.meter).map_or(("Usage", "unit"), |m| (&*m.name, &*m.unit));
    let micros = usage.quantity.micros().saturating_abs();
    let quantity = format::quantity(Quantity::from_micros(micros), unit);
    match kind {
        TransactionType::Reversal => format!("{name} taken back: {quantity}"),
        _ => format!("{name}: {quantity}"),
    }
}

/// What the integration attached, one line a name; what is nested stays JSON.
#[must_use]
pub fn attached(json: Option<&str>) -> Vec<(String, String)> {
    let Some(json) = json else { return Vec::new() };
    let parsed: Result<std::collections::BTreeMap<String, Box<RawValue>>, _> = serde_json::from_str(json);
    let plain =
        |raw: &RawValue| serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().into());
    parsed.unwrap_or_default().into_iter().map(|(name, raw)| (name, plain(&raw))).collect()
}

/// The classes of a wallet's usable credit, without what is held.
#[must_use]
pub fn usable(summary: &wallet::Summary, class: Class, now: crate::base::Timestamp) -> Credits {
    let of_class = summary.grants.iter().filter(|g| g.terms.order.class == class && g.terms.is_live(now));
    of_class.fold(Credits::ZERO, |sum, grant| {
        plus(sum, grant.remaining.checked_sub(grant.held).unwrap_or(Credits::ZERO))
    })
}

/// Who did something, as far as the reader may know: customers learn that it was the operator, not who there.
///
/// # Errors
/// When the database fails.
pub fn actor(conn: &Connection, text: &str, for_operator: bool) -> Result<Option<String>, Error> {
    let Ok(actor) = text.parse::<Actor>() else { return Ok(None) };
    Ok(Some(match actor {
        Actor::User(id) => match users::get(conn, id) {
            Ok(user) if user.operator && !for_operator => "The operator".into(),
            Ok(user) => user.email,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        },
        Actor::Key(id) if for_operator => format!("API key {id}"),
        Actor::Key(_) => "An API key".into(),
        Actor::CommandLine | Actor::Setup => "The operator".into(),
        Actor::System => "Tollbook".into(),
        Actor::Anonymous => return Ok(None),
    }))
}
