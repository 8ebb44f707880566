//! Invoices as PDF, read back with other people's tools.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tollbook::base::id::OrganizationId;
use tollbook::base::{Currency, Locale, Money, Quantity, Zone};
use tollbook::identity::{Actor, BillingDetails, By, Seller, SellerTerms, VatAnswer, organizations};
use tollbook::invoices::pdf::{self, Letterhead, Logo};
use tollbook::invoices::{self, Invoice, NewCreditNote, NewInvoice, NewLine, Paid, Quote};
use tollbook::tax::Prices;

use crate::ledger_kit::Kit;

const BY: By = By::actor(Actor::System);

fn terms() -> SellerTerms {
    let details = BillingDetails {
        company_name: "Vozia Telecom S.L.".into(),
        address_line1: "Calle de Alcalá 42".into(),
        postal_code: "28014".into(),
        city: "Madrid".into(),
        country: "ES".into(),
        vat_id: "ESB12345674".into(),
        billing_email: "billing@vozia.example".into(),
        ..BillingDetails::default()
    };
    SellerTerms { details, oss: true, ..SellerTerms::default() }
}

fn german() -> BillingDetails {
    BillingDetails {
        company_name: "Müller & Söhne GmbH".into(),
        address_line1: "Unter den Linden 7".into(),
        postal_code: "10117".into(),
        city: "Berlin".into(),
        country: "DE".into(),
        vat_id: "DE136695976".into(),
        locale: Locale::De,
        ..BillingDetails::default()
    }
}

fn letterhead() -> Letterhead {
    Letterhead { name: "Vozia".into(), logo: None }
}

/// A picture of 4 by 2 blue pixels.
fn png() -> Logo {
    let bytes = hex::decode(concat!(
        "89504e470d0a1a0a0000000d4948445200000004000000020802000000f0caea34000000",
        "1049444154789c63908fdf0f470cc81c007be209e90a8cf4310000000049454e44ae426082"
    ));
    Logo { media_type: "image/png", bytes: bytes.unwrap() }
}

struct Desk {
    kit: Kit,
    buyer: OrganizationId,
}

impl Desk {
    async fn of(details: BillingDetails) -> Self {
        let kit = Kit::at("2026-11-21T09:00:00Z").await;
        let buyer = kit.organization("acme", "UTC").await;
        kit.write(move |tx| organizations::set_details(tx, &BY, buyer, &details)).await.unwrap();
        Self { kit, buyer }
    }

    async fn issue(&self, lines: Vec<(String, i64)>) -> Invoice {
        let line = |(description, price)| NewLine {
            description,
            quantity: Quantity::from_micros(1_234_500_000),
            price,
        };
        let lines: Vec<NewLine> = lines.into_iter().map(line).collect();
        let (organization, paid_at) = (self.buyer, self.kit.now());
        self.kit
            .write(move |tx| {
                let (conn, on) = (tx.conn()?, Zone::UTC.day_of(tx.now()));
                let seller = Seller::now(conn, &terms())?;
                let quote = Quote::of(conn, &seller, organization, &lines, Prices::ExcludeTax, on)?;
                let paid = Some(Paid { at: paid_at, with: "Visa •••• 4242".into() });
                let reference = "pay_1".into();
                invoices::issue(
                    tx,
                    &BY,
                    &NewInvoice { organization, reference, quote, evidence: Vec::new(), paid },
                )
            })
            .await
            .unwrap()
    }

    async fn one(&self) -> Invoice {
        self.issue(vec![("1,000 credits".into(), 1_234_567)]).await
    }
}

/// A file to be read by a tool; kept in the directory of `TOLLBOOK_PDF_DIR` for people to look at.
struct File {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl File {
    fn new(name: &str, content: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let kept = std::env::var_os("TOLLBOOK_PDF_DIR").map(PathBuf::from);
        let path = kept.unwrap_or_else(|| dir.path().to_owned()).join(format!("{name}.pdf"));
        std::fs::write(&path, content).unwrap();
        Self { path, _dir: dir }
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(name);
        command.args(arguments).arg(&self.path);
        if name == "pdftotext" {
            command.arg("-");
        }
        let ran = command.output().unwrap_or_else(|e| panic!("{name} (poppler-utils): {e}"));
        assert!(ran.status.success(), "{name}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{name}");
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Its text as it stands on the pages, with single spaces.
    fn text(&self) -> String {
        let text = self.tool("pdftotext", &["-layout"]);
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn pages(&self) -> usize {
        let info = self.tool("pdfinfo", &[]);
        let pages = info.lines().find_map(|line| line.strip_prefix("Pages:")).unwrap();
        pages.trim().parse().unwrap()
    }
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

fn rendered(name: &str, invoice: &Invoice) -> File {
    File::new(name, &pdf::render(&letterhead(), invoice, None).unwrap())
}

#[tokio::test]
async fn an_invoice_says_everything_in_the_language_of_the_buyer() {
    let desk = Desk::of(german()).await;
    let file = rendered("german", &desk.one().await);
    assert_eq!(file.pages(), 1);
    assert_has(
        &file.text(),
        &[
            "Vozia Rechnung",
            "Nummer INV-2026-000001",
            "Datum 21. November 2026",
            "Vozia Telecom S.L. Müller & Söhne GmbH",
            "28014 Madrid 10117 Berlin",
            "Spanien Deutschland",
            "USt-IdNr. ESB12345674 USt-IdNr. DE136695976",
            "1,000 credits 1.234,5 12.345,67 €",
            "Nettobetrag 12.345,67 €",
            "MwSt. 19 % (Deutschland) 2.345,68 €",
            "Gesamtbetrag 14.691,35 €",
            "BEZAHLT",
            "Visa •••• 4242",
            "Seite 1 von 1",
        ],
    );
    // every font is in the file, in part, and its text can be copied
    let fonts = file.tool("pdffonts", &[]);
    let fonts: Vec<&str> = fonts.lines().skip(2).collect();
    assert_eq!(fonts.len(), 2, "{fonts:?}");
    for font in fonts {
        assert!(font.contains("NotoSans") && font.contains("yes yes yes"), "{font}");
    }
    assert_has(&file.tool("pdfinfo", &[]), &["Title:           Rechnung INV-2026-000001"]);
    // PDF/A-3b by its own word
    assert_has(&file.tool("pdfinfo", &["-meta"]), &["pdfaid:part>3<", "pdfaid:conformance>B<"]);
}

#[tokio::test]
async fn every_language_is_written_with_the_letters_there_are() {
    for locale in Locale::ALL {
        let desk = Desk::of(BillingDetails { locale, ..german() }).await;
        let answer = VatAnswer { valid: true, text: "{}".into() };
        let (asked, buyer) = ("DE136695976".parse().unwrap(), desk.buyer);
        desk.kit
            .write(move |tx| organizations::set_vat_answer(tx, &BY, buyer, &asked, answer))
            .await
            .unwrap();
        let invoice = desk.one().await;
        let text = rendered(&format!("reverse-charge-{locale}"), &invoice).text();
        assert!(!text.contains('\u{fffd}'), "{text}");
        let note: String = invoice.note.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        assert_has(&text, &[&note, "2006/112/", "4242"]);
    }
}

#[tokio::test]
async fn many_lines_go_on_over_pages_that_repeat_the_heading() {
    let desk = Desk::of(BillingDetails { locale: Locale::En, ..german() }).await;
    let mut lines: Vec<(String, i64)> = (1..=60).map(|n| (format!("Package number {n}"), n * 100)).collect();
    lines[30].0 = "long description of what was sold ".repeat(20);
    lines[59].0 = "very long ".repeat(600);
    let file = rendered("sixty-lines", &desk.issue(lines).await);
    let (pages, text) = (file.pages(), file.text());
    assert!(pages >= 4, "{pages}");
    assert_eq!(text.matches("Description Quantity Amount without VAT").count(), pages);
    for page in 1..=pages {
        assert_has(&text, &[&format!("Page {page} of {pages}")]);
    }
    for n in (1..=60).filter(|n| *n != 31 && *n != 60) {
        assert_has(&text, &[&format!("Package number {n} 1,234.5 €{n}.00")]);
    }
    assert_eq!(text.matches("very").count(), 600);
    assert_has(&text, &["Net €1,830.00", "Total €2,177.70", "PAID"]);
    // everything stands inside of the page
    let boxes = file.tool("pdftotext", &["-bbox"]);
    let edge = |line: &str, name: &str| -> f64 {
        line.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
    };
    for line in boxes.lines().filter(|line| line.trim_start().starts_with("<word")) {
        assert!(edge(line, "xMin") >= 55.0 && edge(line, "xMax") <= 541.0, "{line}");
        assert!(edge(line, "yMin") >= 50.0 && edge(line, "yMax") <= 830.0, "{line}");
    }
}

#[tokio::test]
async fn names_may_be_long_or_of_letters_that_the_font_does_not_have() {
    let long = "Gesellschaft für außerordentlich lange Firmennamen ".repeat(3).trim().to_owned();
    let details = BillingDetails {
        company_name: long,
        address_line1: "W".repeat(200),
        address_line2: "株式会社東京".into(),
        postal_code: "W".repeat(200),
        city: "Łódź Ωμέγα Жуковский 🦀".into(),
        region: "W".repeat(200),
        ..german()
    };
    let desk = Desk::of(details).await;
    let file = rendered("names", &desk.one().await);
    let text = file.text();
    assert_has(&text, &["Łódź Ωμέγα Жуковский", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"]);
    assert_eq!(text.matches("Firmennamen").count(), 3);
    assert_eq!(text.matches('W').count(), 600);
}

#[tokio::test]
async fn a_credit_note_names_its_invoice_and_its_reason() {
    let desk = Desk::of(german()).await;
    let invoice = desk.one().await;
    let new = NewCreditNote {
        invoice: invoice.id,
        reference: "ref_1".into(),
        total: Money { minor: 119_000, currency: Currency::EUR },
        reason: "Unbenutztes Guthaben".into(),
        paid: Some(Paid { at: desk.kit.now(), with: "Visa •••• 4242".into() }),
    };
    let note = desk.kit.write(move |tx| invoices::credit_note(tx, &BY, &new)).await.unwrap();
    let (_, content) = pdf::fetch(desk.kit.db(), Arc::new(letterhead()), desk.buyer, note.id).await.unwrap();
    assert_has(
        &File::new("credit-note", &content).text(),
        &[
            "Rechnungskorrektur",
            "Nummer CN-2026-000001",
            "Korrigiert die Rechnung INV-2026-000001 vom 21. November 2026",
            "Grund: Unbenutztes Guthaben",
            "Nettobetrag 1.000,00 €",
            "Gesamtbetrag 1.190,00 €",
            "ERSTATTET",
        ],
    );
}

#[tokio::test]
async fn a_logo_is_drawn_and_one_that_cannot_be_leaves_the_name() {
    let desk = Desk::of(german()).await;
    let invoice = desk.one().await;
    let with = |logo: Logo| {
        let file = pdf::render(&Letterhead { name: "Vozia".into(), logo: Some(logo) }, &invoice, None);
        let file = File::new("logo", &file.unwrap());
        (file.tool("pdfimages", &["-list"]).lines().count() - 2, file.text().starts_with("Vozia Rechnung"))
    };
    assert_eq!(with(png()), (1, false));
    let cut_off = Logo { bytes: png().bytes[..45].to_vec(), ..png() };
    assert_eq!(with(cut_off), (0, true));
    assert_eq!(with(Logo { bytes: b"none".to_vec(), ..png() }), (0, true));
    let svg =
        Logo { media_type: "image/svg+xml", bytes: b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec() };
    assert_eq!(with(svg), (0, true));
}

#[tokio::test]
async fn the_same_bytes_are_given_for_ever() {
    let mut desk = Desk::of(german()).await;
    let invoice = desk.one().await;
    let made = pdf::render(&letterhead(), &invoice, None).unwrap();
    assert_eq!(pdf::render(&letterhead(), &invoice, None).unwrap(), made);
    let other = Letterhead { name: "Renamed".into(), logo: Some(png()) };
    assert_ne!(pdf::render(&other, &invoice, None).unwrap(), made);
    let fetch = async |desk: &Desk, letterhead: Letterhead| {
        pdf::fetch(desk.kit.db(), Arc::new(letterhead), desk.buyer, invoice.id).await.unwrap().1
    };
    // two who ask at once get the same, and so does everybody after them
    let (one, two) = tokio::join!(fetch(&desk, letterhead()), fetch(&desk, other.clone()));
    assert_eq!(one, two);
    assert_eq!(fetch(&desk, other.clone()).await, one);
    desk.kit.restart();
    assert_eq!(fetch(&desk, other).await, one);
    let foreign = desk.kit.organization("other", "UTC").await;
    let refused = pdf::fetch(desk.kit.db(), Arc::new(letterhead()), foreign, invoice.id).await;
    assert!(matches!(refused, Err(pdf::Error::Invoice(invoices::Error::NotFound))));
    // and nobody changes them
    let conn = desk.kit.break_in();
    for change in [
        "UPDATE invoice_pdfs SET content = x'00'",
        "DELETE FROM invoice_pdfs",
        "INSERT OR REPLACE INTO invoice_pdfs SELECT invoice_id, x'00', made_at FROM invoice_pdfs",
    ] {
        assert!(conn.execute(change, []).is_err(), "{change}");
    }
    drop(conn);
    desk.kit.reopen();
    desk.kit.assert_sound();
}
