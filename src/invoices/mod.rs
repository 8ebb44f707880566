//! Invoices and credit notes: numbered without gaps, final from the moment they are issued.
//!
//! A number is taken in the transaction that issues the document, so what fails takes none. What is printed on a document is
//! stored with it: seller, buyer, rate and words stay as they were.

pub mod pdf;
mod quote;
mod rules;
mod sql;
pub mod verify;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

pub use quote::Quote;

use crate::base::id::{InvoiceId, OrganizationId};
use crate::base::{Currency, Day, Money, MoneyError, Page, Quantity, Timestamp, Zone};
use crate::db::{DbError, WriteTx};
use crate::events::payload::Document;
use crate::events::{self, Payload};
use crate::identity::audit::{self, Difference};
use crate::identity::{self, BillingDetails, By};
use crate::tax::{Amounts, Country, Kind as TaxKind, Rate};

/// What kind of document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was sold.
    Invoice,
    /// What of an invoice is given back.
    CreditNote,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Invoice, Self::CreditNote];

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
        }
    }

    /// What the names of its series say of it; the year of issue follows.
    const fn series_word(self) -> &'static str {
        match self {
            Self::Invoice => "INV",
            Self::CreditNote => "CN",
        }
    }
}

/// A line to be invoiced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    /// What was sold.
    pub description: String,
    /// How much of it.
    pub quantity: Quantity,
    /// Its price altogether, with or without tax as [`Quote::of`] is told. Minor units, not negative.
    pub price: i64,
}

/// Something that says in which country a buyer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What, such as `billing_address`, `card_country` or `ip_address`.
    pub source: String,
    /// Which country it says.
    pub country: Country,
}

/// A sale to be invoiced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvoice {
    /// Who bought.
    pub organization: OrganizationId,
    /// What is invoiced, such as a payment's id. There is one invoice for each.
    pub reference: String,
    /// What was agreed on.
    pub quote: Quote,
    /// What has been learned since about where the buyer is.
    pub evidence: Vec<Evidence>,
    /// Since when it is paid, and with what.
    pub paid: Option<Paid>,
}

/// How a document was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// When.
    pub at: Timestamp,
    /// With what, such as `Visa •••• 4242`.
    pub with: String,
}

/// Something to be given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCreditNote {
    /// Of which invoice.
    pub invoice: InvoiceId,
    /// What it is for, such as a refund's id. There is one credit note for each.
    pub reference: String,
    /// How much, with its tax. The invoice's own rate divides it.
    pub total: Money,
    /// Why; printed.
    pub reason: String,
    /// When and how the money went back, if it did.
    pub paid: Option<Paid>,
}

/// A line as it was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What was sold.
    pub description: String,
    /// How much of it.
    pub quantity: Quantity,
    /// Without tax.
    pub net: Money,
}

/// A document as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Its id.
    pub id: InvoiceId,
    /// What it is.
    pub kind: Kind,
    /// Its series, such as `INV-2026`.
    pub series: String,
    /// Its number there, from 1.
    pub number: i64,
    /// Whose.
    pub organization: OrganizationId,
    /// Of which invoice, for a credit note.
    pub corrects: Option<InvoiceId>,
    /// What it is for.
    pub reference: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The day that is printed, UTC.
    pub issue_day: Day,
    /// Net, tax and total; positive, also on a credit note.
    pub amounts: Amounts,
    /// How it is taxed.
    pub treatment: TaxKind,
    /// The rate.
    pub rate: Rate,
    /// Whose tax it is.
    pub tax_country: Option<Country>,
    /// What the law wants said about the tax; may be empty.
    pub note: String,
    /// Why it was issued, for a credit note.
    pub reason: String,
    /// Who issued it, as it was.
    pub seller: BillingDetails,
    /// Whom it went to, as it was.
    pub buyer: BillingDetails,
    /// What was known about the buyer's VAT id: `unconfirmed`, `confirmed` or `invalid`.
    pub vat_id_status: String,
    /// When that was asked, and what was answered.
    pub vat_id_evidence: Option<(Timestamp, String)>,
    /// What said where the buyer was.
    pub evidence: Vec<Evidence>,
    /// When and how it was paid.
    pub paid: Option<Paid>,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

impl Invoice {
    /// The number that people know it by, such as `INV-2026-000042`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}-{:06}", self.series, self.number)
    }

    /// How it stands, when `credited` of it has been given back.
    #[must_use]
    pub const fn status(&self, credited: Amounts) -> Status {
        match (self.kind, self.paid.is_some()) {
            (Kind::CreditNote, true) => Status::Refunded,
            (Kind::Invoice, _) if credited.total.minor > 0 => {
                if credited.total.minor < self.amounts.total.minor {
                    Status::PartlyCredited
                } else {
                    Status::Credited
                }
            }
            (Kind::Invoice, true) => Status::Paid,
            (Kind::Invoice | Kind::CreditNote, false) => Status::Open,
        }
    }

    /// Its currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.amounts.total.currency
    }
}

/// How a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The money has not moved yet.
    Open,
    /// An invoice is paid.
    Paid,
    /// Credit notes have given a part of it back.
    PartlyCredited,
    /// Credit notes have given all of it back.
    Credited,
    /// The money of a credit note went back.
    Refunded,
}

impl Status {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::PartlyCredited => "partly_credited",
            Self::Credited => "credited",
            Self::Refunded => "refunded",
        }
    }
}

/// Which documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not issued before.
    pub from: Option<Timestamp>,
    /// Issued before.
    pub to: Option<Timestamp>,
    /// Of this kind alone.
    pub kind: Option<Kind>,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The organization, or the seller as it is stored.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// An amount is too large, or of another currency.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// There is no such document.
    #[error("no such invoice")]
    NotFound,
    /// The seller's name or country is not known, and an invoice has to say both.
    #[error("the seller's legal name and country have to be set before anything is sold")]
    SellerUnknown,
    /// Nothing to invoice: no line, or a negative amount.
    #[error("{0}")]
    Invalid(&'static str),
    /// The reference has another document already.
    #[error("there is another document for {0}")]
    Conflict(String),
    /// More would be given back than is left of the invoice.
    #[error("{asked} is more than the {left} that is left of the invoice")]
    Exceeds {
        /// What was asked for.
        asked: Money,
        /// What is left.
        left: Money,
    },
}

/// Issues an invoice with the next number of its series. The same sale again (by its reference) gives the invoice that was
/// issued for it.
///
/// # Errors
/// See [`Error`]; nothing is left behind, and no number is taken.
pub fn issue(tx: &WriteTx<'_>, by: &By, new: &NewInvoice) -> Result<Invoice, Error> {
    rules::check_reference(&new.reference)?;
    let conn = tx.conn()?;
    let quote = new.quote.clone();
    if let Some(issued) = sql::by_reference(conn, Kind::Invoice, &new.reference)? {
        let same = issued.organization == new.organization
            && issued.amounts == quote.amounts
            && issued.lines == quote.lines;
        return if same { Ok(issued) } else { Err(Error::Conflict(new.reference.clone())) };
    }
    let issue_day = Zone::UTC.day_of(tx.now());
    let draft = Invoice {
        id: sql::next_id(conn)?,
        kind: Kind::Invoice,
        series: rules::series(&quote.series_prefix, Kind::Invoice, issue_day),
        number: 0,
        organization: new.organization,
        corrects: None,
        reference: new.reference.clone(),
        issued_at: tx.now(),
        issue_day,
        amounts: quote.amounts,
        treatment: quote.treatment,
        rate: quote.rate,
        tax_country: quote.tax_country,
        note: quote.note,
        reason: String::new(),
        seller: quote.seller,
        buyer: quote.buyer,
        vat_id_status: quote.vat_id_status,
        vat_id_evidence: quote.vat_id_evidence,
        evidence: quote.evidence.into_iter().chain(new.evidence.iter().cloned()).collect(),
        paid: new.paid.clone(),
        lines: quote.lines,
    };
    number_and_store(tx, by, draft, "invoice.issued")
}

/// Issues a credit note for a part or the rest of an invoice. The same one again (by its reference) gives the one that was
/// issued.
///
/// # Errors
/// See [`Error`]; nothing is left behind, and no number is taken.
pub fn credit_note(tx: &WriteTx<'_>, by: &By, new: &NewCreditNote) -> Result<Invoice, Error> {
    rules::check_reference(&new.reference)?;
    let conn = tx.conn()?;
    if let Some(issued) = sql::by_reference(conn, Kind::CreditNote, &new.reference)? {
        let is_same = issued.corrects == Some(new.invoice) && issued.amounts.total == new.total;
        return if is_same { Ok(issued) } else { Err(Error::Conflict(new.reference.clone())) };
    }
    let invoice = sql::by_id(conn, new.invoice)?.filter(|found| found.kind == Kind::Invoice);
    let invoice = invoice.ok_or(Error::NotFound)?;
    let left = rules::less(invoice.amounts, sql::credited(conn, invoice.id)?);
    let amounts = rules::credited(new.total, invoice.rate, left)?;
    let issue_day = Zone::UTC.day_of(tx.now());
    let description = format!("{} · {}", invoice.label(), new.reason.trim());
    let draft = Invoice {
        id: sql::next_id(conn)?,
        kind: Kind::CreditNote,
        series: rules::series(rules::prefix(&invoice.series), Kind::CreditNote, issue_day),
        number: 0,
        corrects: Some(invoice.id),
        reference: new.reference.clone(),
        issued_at: tx.now(),
        issue_day,
        amounts,
        reason: new.reason.trim().to_owned(),
        paid: new.paid.clone(),
        lines: vec![Line { description, quantity: Quantity::from_micros(1_000_000), net: amounts.net }],
        ..invoice
    };
    number_and_store(tx, by, draft, "credit_note.issued")
}

fn number_and_store(tx: &WriteTx<'_>, by: &By, draft: Invoice, action: &str) -> Result<Invoice, Error> {
    let conn = tx.conn()?;
    let issued = Invoice { number: sql::take_number(conn, &draft.series)?, ..draft };
    sql::insert(conn, &issued)?;
    let difference = Difference::new()
        .with("number", issued.label())
        .with("reference", issued.reference.as_str())
        .with("total", issued.amounts.total.to_string());
    audit::record(tx, by, action, issued.id, Some(issued.organization), &difference)?;
    let told = Document { invoice_id: issued.id, number: issued.label(), total: issued.amounts.total };
    let told = match issued.kind {
        Kind::Invoice => Payload::InvoiceCreated(told),
        Kind::CreditNote => Payload::CreditNoteCreated(told),
    };
    events::emit(tx, Some(issued.organization), &told)?;
    Ok(issued)
}

/// A document of this organization.
///
/// # Errors
/// [`Error::NotFound`], also when it is another organization's.
pub fn get(conn: &Connection, organization: OrganizationId, id: InvoiceId) -> Result<Invoice, Error> {
    sql::by_id(conn, id)?.filter(|found| found.organization == organization).ok_or(Error::NotFound)
}

/// The document of a kind that was issued for a reference.
///
/// # Errors
/// When the database fails.
pub fn by_reference(conn: &Connection, kind: Kind, reference: &str) -> Result<Option<Invoice>, Error> {
    Ok(sql::by_reference(conn, kind, reference)?)
}

/// What of an invoice can still be given back.
///
/// # Errors
/// When the database fails.
pub fn left(conn: &Connection, invoice: &Invoice) -> Result<Amounts, Error> {
    Ok(rules::less(invoice.amounts, sql::credited(conn, invoice.id)?))
}

/// Net and tax of a total that would be given back, where `left` is what can be.
///
/// # Errors
/// [`Error::Exceeds`], and when the total is not above zero or of another currency.
pub fn divided(invoice: &Invoice, left: Amounts, total: Money) -> Result<Amounts, Error> {
    rules::credited(total, invoice.rate, left)
}

/// What credit notes have given back of an invoice so far.
///
/// # Errors
/// When the database fails.
pub fn credited(conn: &Connection, invoice: &Invoice) -> Result<Amounts, Error> {
    let (net, tax) = sql::credited(conn, invoice.id)?;
    let money = |minor| Money { minor, currency: invoice.currency() };
    Ok(Amounts { net: money(net), tax: money(tax), total: money(net.saturating_add(tax)) })
}

/// Documents of an organization, newest first.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &Connection,
    organization: OrganizationId,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Invoice>, Error> {
    search(conn, organization, &Filter::default(), before, limit)
}

/// Documents of an organization that the filter lets through, newest first.
///
/// # Errors
/// When the database fails.
pub fn search(
    conn: &Connection,
    organization: OrganizationId,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Invoice>, Error> {
    let found = sql::list(conn, organization, filter, before, limit)?;
    Ok(Page::cut(found, limit, |invoice| invoice.id.number()))
}

/// How many documents of an organization the filter lets through.
///
/// # Errors
/// When the database fails.
pub fn count(conn: &Connection, organization: OrganizationId, filter: &Filter) -> Result<i64, Error> {
    Ok(sql::count(conn, organization, filter)?)
}
