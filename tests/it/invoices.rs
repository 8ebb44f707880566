//! Invoices: numbers without gaps, documents that stay as they were issued, credit notes within.

use tollbook::base::id::{InvoiceId, OrganizationId};
use tollbook::base::{Currency, Money, Quantity, Zone};
use tollbook::db::WriteTx;
use tollbook::identity::{Actor, BillingDetails, By, Seller, SellerTerms, VatAnswer, organizations};
use tollbook::invoices::{
    self, Error, Evidence, Invoice, Kind, NewCreditNote, NewInvoice, NewLine, Paid, Quote,
};
use tollbook::tax::Prices;

use crate::ledger_kit::Kit;

const BY: By = By::actor(Actor::System);

fn eur(minor: i64) -> Money {
    Money { minor, currency: Currency::EUR }
}

fn terms() -> SellerTerms {
    let details = BillingDetails {
        company_name: "Vozia Telecom S.L.".into(),
        country: "ES".into(),
        vat_id: "ESB12345674".into(),
        ..BillingDetails::default()
    };
    SellerTerms { details, oss: true, ..SellerTerms::default() }
}

fn line(description: &str, price: i64) -> NewLine {
    NewLine { description: description.into(), quantity: Quantity::from_micros(1_000_000), price }
}

struct Sale {
    organization: OrganizationId,
    reference: String,
    lines: Vec<NewLine>,
    prices: Prices,
    paid: Option<Paid>,
}

fn sale(organization: OrganizationId, reference: &str, price: i64) -> Sale {
    Sale {
        organization,
        reference: reference.into(),
        lines: vec![line("1,000 credits", price)],
        prices: Prices::ExcludeTax,
        paid: None,
    }
}

impl Sale {
    fn invoice(&self, tx: &WriteTx<'_>, terms: &SellerTerms) -> Result<NewInvoice, Error> {
        let seller = Seller::now(tx.conn()?, terms)?;
        let on = Zone::UTC.day_of(tx.now());
        Ok(NewInvoice {
            organization: self.organization,
            reference: self.reference.clone(),
            quote: Quote::of(tx.conn()?, &seller, self.organization, &self.lines, self.prices, on)?,
            evidence: vec![Evidence { source: "card_country".into(), country: "DE".parse().unwrap() }],
            paid: self.paid.clone(),
        })
    }
}

async fn issue_as(kit: &Kit, terms: SellerTerms, sale: Sale) -> Result<Invoice, Error> {
    kit.write(move |tx| invoices::issue(tx, &BY, &sale.invoice(tx, &terms)?)).await
}

async fn issue(kit: &Kit, new: Sale) -> Result<Invoice, Error> {
    issue_as(kit, terms(), new).await
}

async fn give_back(kit: &Kit, invoice: InvoiceId, reference: &str, total: i64) -> Result<Invoice, Error> {
    let new = NewCreditNote {
        invoice,
        reference: reference.into(),
        total: eur(total),
        reason: "unused".into(),
        paid: None,
    };
    kit.write(move |tx| invoices::credit_note(tx, &BY, &new)).await
}

async fn german(kit: &Kit, name: &str) -> OrganizationId {
    let id = kit.organization(name, "UTC").await;
    let details = BillingDetails {
        company_name: "Acme GmbH".into(),
        city: "Berlin".into(),
        country: "DE".into(),
        vat_id: "DE136695976".into(),
        locale: "de".parse().unwrap(),
        ..BillingDetails::default()
    };
    kit.write(move |tx| organizations::set_details(tx, &BY, id, &details)).await.unwrap();
    id
}

fn minor(invoice: &Invoice) -> (i64, i64, i64) {
    let amounts = invoice.amounts;
    (amounts.net.minor, amounts.tax.minor, amounts.total.minor)
}

#[tokio::test]
async fn an_invoice_is_as_things_were_when_it_was_issued() {
    let kit = Kit::at("2026-11-21T09:00:00Z").await;
    let acme = german(&kit, "acme").await;
    let paid = Some(Paid { at: kit.now(), with: "Visa •••• 4242".into() });
    let first = issue(&kit, Sale { paid, ..sale(acme, "pay_1", 1_000) }).await.unwrap();
    assert_eq!((first.label(), minor(&first)), ("INV-2026-000001".into(), (1_000, 190, 1_190)));
    assert_eq!(
        (first.treatment.name(), &*first.note, &*first.vat_id_status),
        ("destination", "", "unconfirmed")
    );
    // confirmed: the next one is another
    let answer = VatAnswer { valid: true, text: "{}".into() };
    let asked = "DE136695976".parse().unwrap();
    kit.write(move |tx| organizations::set_vat_answer(tx, &BY, acme, &asked, answer)).await.unwrap();
    let second = issue(&kit, sale(acme, "pay_2", 1_000)).await.unwrap();
    assert_eq!((second.label(), minor(&second)), ("INV-2026-000002".into(), (1_000, 0, 1_000)));
    assert!(second.note.contains("Steuerschuldnerschaft"), "{}", second.note);
    assert_eq!(second.vat_id_evidence, Some((kit.now(), "{}".into())));
    // whoever moves or renames leaves what was issued alone
    let moved = BillingDetails { company_name: "Other".into(), country: "US".into(), ..Default::default() };
    kit.write(move |tx| organizations::set_details(tx, &BY, acme, &moved)).await.unwrap();
    let read = |id| kit.db().read_blocking(|tx| invoices::get(tx, acme, id));
    assert_eq!(read(first.id).unwrap(), first);
    assert_eq!((&*first.buyer.company_name, &*first.seller.vat_id), ("Acme GmbH", "ESB12345674"));
    let third = issue(&kit, sale(acme, "pay_3", 1_000)).await.unwrap();
    assert_eq!((third.treatment.name(), third.tax_country), ("outside_scope", None));
    // newest first, page by page; nobody else's
    let other = kit.organization("other", "UTC").await;
    let list = |whose, before| kit.db().read_blocking(|tx| invoices::list(tx, whose, before, 2)).unwrap();
    let page = list(acme, None);
    assert_eq!(page.items, [third, second]);
    assert_eq!(list(acme, page.next).items, std::slice::from_ref(&first));
    assert!(list(other, None).items.is_empty());
    let foreign = kit.db().read_blocking(|tx| invoices::get(tx, other, first.id));
    assert!(matches!(foreign, Err(Error::NotFound)));
    kit.assert_sound();
}

#[tokio::test]
async fn one_sale_has_one_invoice() {
    let kit = Kit::at("2026-11-21T09:00:00Z").await;
    let acme = german(&kit, "acme").await;
    let first = issue(&kit, sale(acme, "pay_1", 1_000)).await.unwrap();
    assert_eq!(issue(&kit, sale(acme, "pay_1", 1_000)).await.unwrap(), first);
    assert!(matches!(issue(&kit, sale(acme, "pay_1", 1_001)).await, Err(Error::Conflict(_))));
    let other = kit.organization("other", "UTC").await;
    assert!(matches!(issue(&kit, sale(other, "pay_1", 1_000)).await, Err(Error::Conflict(_))));
    let note = give_back(&kit, first.id, "ref_1", 190).await.unwrap();
    assert_eq!(give_back(&kit, first.id, "ref_1", 190).await.unwrap(), note);
    assert!(matches!(give_back(&kit, first.id, "ref_1", 191).await, Err(Error::Conflict(_))));
    assert_eq!(issue(&kit, sale(acme, "pay_2", 1)).await.unwrap().number, 2);
    let found = kit.db().read_blocking(|tx| invoices::by_reference(tx, Kind::CreditNote, "ref_1")).unwrap();
    assert_eq!(found, Some(note));
    kit.assert_sound();
}

#[tokio::test]
async fn credit_notes_never_exceed_their_invoice() {
    let kit = Kit::at("2026-11-21T09:00:00Z").await;
    let acme = german(&kit, "acme").await;
    let invoice = issue(&kit, sale(acme, "pay_1", 999)).await.unwrap();
    assert_eq!(minor(&invoice), (999, 190, 1_189));
    for bad in [0, -1] {
        assert!(matches!(give_back(&kit, invoice.id, "bad", bad).await, Err(Error::Invalid(_))));
    }
    assert!(matches!(give_back(&kit, invoice.id, "bad", 1_190).await, Err(Error::Exceeds { .. })));
    let first = give_back(&kit, invoice.id, "ref_1", 400).await.unwrap();
    assert_eq!((first.label(), minor(&first)), ("CN-2026-000001".into(), (336, 64, 400)));
    assert_eq!((first.corrects, &*first.reason), (Some(invoice.id), "unused"));
    assert!(matches!(give_back(&kit, invoice.id, "bad", 790).await, Err(Error::Exceeds { .. })));
    let rest = give_back(&kit, invoice.id, "ref_2", 789).await.unwrap();
    assert_eq!(minor(&rest), (663, 126, 789));
    let credited = kit.db().read_blocking(|tx| invoices::credited(tx, &invoice)).unwrap();
    assert_eq!(credited, invoice.amounts);
    assert!(matches!(give_back(&kit, invoice.id, "bad", 1).await, Err(Error::Exceeds { .. })));
    // a credit note has none of its own
    assert!(matches!(give_back(&kit, first.id, "bad", 1).await, Err(Error::NotFound)));
    kit.assert_sound();
}

#[tokio::test]
async fn nothing_is_sold_by_nobody() {
    let kit = Kit::at("2026-11-21T09:00:00Z").await;
    let acme = german(&kit, "acme").await;
    let unknown = issue_as(&kit, SellerTerms::default(), sale(acme, "pay_1", 1)).await;
    assert!(matches!(unknown, Err(Error::SellerUnknown)), "{unknown:?}");
    let empty = issue(&kit, Sale { lines: Vec::new(), ..sale(acme, "pay_1", 1) }).await;
    assert!(matches!(empty, Err(Error::Invalid(_))), "{empty:?}");
    assert_eq!(issue(&kit, sale(acme, "pay_1", 1)).await.unwrap().number, 1);
}

/// Many at once, every third of which fails after it took its number; and a restart in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_have_no_gaps_whoever_fails_and_whenever_it_restarts() {
    let mut kit = Kit::at("2026-12-31T23:00:00Z").await;
    let acme = german(&kit, "acme").await;
    let mut issued = Vec::new();
    for round in 0..3 {
        let mut tasks = Vec::new();
        for n in 0..60 {
            let (db, new) = (kit.db().clone(), sale(acme, &format!("pay_{round}_{n}"), 100 + n));
            tasks.push(tokio::spawn(async move {
                db.write(move |tx| {
                    let invoice = invoices::issue(tx, &BY, &new.invoice(tx, &terms())?)?;
                    if n % 3 == 0 { Err(Error::Invalid("on purpose")) } else { Ok(invoice) }
                })
                .await
            }));
        }
        for (n, task) in tasks.into_iter().enumerate() {
            let outcome = task.await.unwrap();
            assert_eq!(outcome.is_ok(), n % 3 != 0, "{outcome:?}");
            issued.extend(outcome);
        }
        kit.assert_sound();
        kit.restart();
    }
    let mut numbers: Vec<i64> = issued.iter().map(|invoice| invoice.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=120).collect::<Vec<i64>>());
    // each year begins its own series
    kit.clock.advance(2 * 3_600_000);
    assert_eq!(issue(&kit, sale(acme, "new year", 1)).await.unwrap().label(), "INV-2027-000001");
    kit.assert_sound();
}

const TRIGGERS: &str = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%invoice%'
    OR name LIKE 'credit_notes%'";

async fn with_documents() -> Kit {
    let kit = Kit::at("2026-11-21T09:00:00Z").await;
    let acme = german(&kit, "acme").await;
    let first = issue(&kit, sale(acme, "pay_1", 1_000)).await.unwrap();
    issue(&kit, sale(acme, "pay_2", 2_000)).await.unwrap();
    give_back(&kit, first.id, "ref_1", 190).await.unwrap();
    kit
}

#[tokio::test]
async fn the_database_refuses_to_change_what_was_issued() {
    let mut kit = with_documents().await;
    let conn = kit.break_in();
    for change in [
        "UPDATE invoices SET paid_at = 1 WHERE id = 1",
        "DELETE FROM invoices WHERE id = 2",
        "UPDATE invoice_lines SET description = 'x'",
        "DELETE FROM invoice_lines",
        "INSERT INTO invoice_lines VALUES (1, 2, 'more', 1, 0)",
        "INSERT OR REPLACE INTO invoice_lines VALUES (1, 1, 'other', 1, 1000)",
        "INSERT OR REPLACE INTO invoices SELECT * FROM invoices WHERE id = 1",
        "UPDATE invoice_series SET last_number = last_number + 2",
        "UPDATE invoice_series SET last_number = 0",
        "DELETE FROM invoice_series",
        "INSERT OR REPLACE INTO invoice_series VALUES ('INV-2026', 0)",
    ] {
        let refused = conn.execute(change, []);
        assert!(refused.is_err(), "{change}: {refused:?}");
    }
    drop(conn);
    kit.reopen();
    kit.assert_sound();
}

#[tokio::test]
async fn verify_finds_what_was_changed_behind_its_back() {
    for (change, table) in [
        (
            "DELETE FROM invoice_lines WHERE invoice_id = 2; DELETE FROM invoices WHERE id = 2",
            "invoice_series",
        ),
        ("UPDATE invoices SET number = 7 WHERE id = 2", "invoices"),
        ("UPDATE invoices SET series = 'INV-1999' WHERE id = 2", "invoice_series"),
        ("UPDATE invoice_series SET last_number = 9 WHERE name = 'INV-2026'", "invoice_series"),
        ("UPDATE invoices SET tax = tax + 1, total = total + 1 WHERE id = 2", "invoices"),
        ("UPDATE invoices SET net = net + 1, total = total + 1 WHERE id = 2", "invoices"),
        ("UPDATE invoice_lines SET net = net + 1 WHERE invoice_id = 2", "invoices"),
        ("UPDATE invoices SET rate = 700 WHERE id = 2", "invoices"),
        ("UPDATE invoices SET treatment = 'reverse_charge' WHERE id = 2", "invoices"),
        (
            "UPDATE invoices SET net = 1001, total = 1031 WHERE id = 3; UPDATE invoice_lines SET net = 1001 WHERE invoice_id = 3",
            "invoices",
        ),
        ("UPDATE invoices SET corrects = 3 WHERE id = 3", "invoices"),
        ("INSERT INTO invoice_lines VALUES (9, 1, 'nobody''s', 1, 0)", "invoice_lines"),
    ] {
        let mut kit = with_documents().await;
        let conn = kit.break_in();
        let names: Vec<String> = {
            let mut statement = conn.prepare(TRIGGERS).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        assert!(names.len() >= 10, "{names:?}");
        for name in names {
            conn.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}")).unwrap();
        drop(conn);
        kit.reopen();
        let found = kit.verify();
        let message = found.expect_err(change).to_string();
        assert!(message.starts_with(&format!("{table} ")), "{change}: {message}");
    }
}

#[tokio::test]
async fn a_prefix_begins_series_of_its_own() {
    let kit = Kit::new().await;
    let customer = german(&kit, "Kunde").await;
    let before = issue(&kit, sale(customer, "pay_1", 1_000)).await.unwrap();
    let prefixed = SellerTerms { series_prefix: "ACME".into(), ..terms() };
    let first = issue_as(&kit, prefixed.clone(), sale(customer, "pay_2", 1_000)).await.unwrap();
    let second = issue_as(&kit, prefixed, sale(customer, "pay_3", 1_000)).await.unwrap();
    let note = give_back(&kit, second.id, "ref_1", 100).await.unwrap();
    let other = give_back(&kit, before.id, "ref_2", 100).await.unwrap();
    let year = before.issue_day.date().year();
    let labels = [before, first, second, note, other].map(|issued| issued.label());
    let expected =
        ["INV-Y-000001", "ACME-INV-Y-000001", "ACME-INV-Y-000002", "ACME-CN-Y-000001", "CN-Y-000001"];
    assert_eq!(labels, expected.map(|label| label.replace('Y', &year.to_string())));
}
