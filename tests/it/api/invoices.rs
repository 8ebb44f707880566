//! Invoices over the API: lists, one with its lines, its PDF.

use tollbook::base::id::{InvoiceId, OrganizationId};
use tollbook::base::{Currency, Money, Quantity, Zone};
use tollbook::identity::{BillingDetails, Scope, Seller, organizations};
use tollbook::invoices::{self, Invoice, NewCreditNote, NewInvoice, NewLine, Paid, Quote};
use tollbook::tax::Prices;

use crate::helpers::{BY, TestApp, at};

async fn start() -> (TestApp, OrganizationId, String) {
    let app = TestApp::start_with(|config| {
        config.tax.oss = true;
    })
    .await;
    let acme = app.organization("Acme").await;
    let details =
        BillingDetails { company_name: "Acme GmbH".into(), country: "DE".into(), ..Default::default() };
    app.db().write(move |tx| organizations::set_details(tx, &BY, acme, &details)).await.unwrap();
    let key = app.organization_key(acme, &[Scope::BillingRead]).await;
    (app, acme, key)
}

/// A sale of so many cents before tax.
pub async fn sell(app: &TestApp, organization: OrganizationId, reference: &str, cents: i64) -> Invoice {
    let line = NewLine {
        description: "1,000 credits".into(),
        quantity: Quantity::from_micros(1_000_000),
        price: cents,
    };
    let terms = app.app.state.settings.seller_terms.clone();
    let reference = reference.to_owned();
    let issued = app.db().write(move |tx| {
        let (conn, on) = (tx.conn()?, Zone::UTC.day_of(tx.now()));
        let quote =
            Quote::of(conn, &Seller::now(conn, &terms)?, organization, &[line], Prices::ExcludeTax, on)?;
        let paid = Some(Paid { at: tx.now(), with: "Visa •••• 4242".into() });
        let new = NewInvoice { organization, reference, quote, evidence: Vec::new(), paid };
        invoices::issue(tx, &BY, &new)
    });
    issued.await.unwrap()
}

/// Gives so many cents, with their tax, back.
pub async fn give_back(app: &TestApp, invoice: InvoiceId, reference: &str, cents: i64) -> Invoice {
    let new = NewCreditNote {
        invoice,
        reference: reference.into(),
        total: Money { minor: cents, currency: Currency::EUR },
        reason: "=unused".into(),
        paid: Some(Paid { at: at("2026-11-22T09:00:00Z"), with: "Visa •••• 4242".into() }),
    };
    app.db().write(move |tx| invoices::credit_note(tx, &BY, &new)).await.unwrap()
}

#[actix_web::test]
async fn documents_are_listed_newest_first_and_as_they_stand() {
    let (app, acme, key) = start().await;
    let first = sell(&app, acme, "pay_1", 1_000).await;
    app.it_becomes("2026-11-22T09:00:00Z");
    let second = sell(&app, acme, "pay_2", 2_000).await;
    let note = give_back(&app, first.id, "ref_1", 190).await;
    let list = async |query: &str| {
        let got = app.get(&format!("/api/v1/billing/invoices{query}")).bearer(&key).send().await.expect(200);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let items = got.json["items"].as_array().unwrap();
        let found: Vec<_> = items.iter().map(|item| (text(&item["number"]), text(&item["status"]))).collect();
        (found, got.json)
    };
    let item = |number: &str, status: &str| (number.to_owned(), status.to_owned());
    let all = [
        item("CN-2026-000001", "refunded"),
        item("INV-2026-000002", "paid"),
        item("INV-2026-000001", "partly_credited"),
    ];
    let (found, json) = list("").await;
    assert_eq!((found.as_slice(), &json["total"], &json["has_more"]), (&all[..], &3.into(), &false.into()));
    let newest = &json["items"][0];
    assert_eq!(newest["corrects"], first.id.to_string());
    assert_eq!((&newest["reason"], &newest["kind"]), (&"=unused".into(), &"credit_note".into()));
    assert_eq!(newest["total"]["amount"], "1.90");
    let oldest = &json["items"][2];
    for (name, value) in [("net", "10.00"), ("tax", "1.90"), ("total", "11.90"), ("credited", "1.90")] {
        assert_eq!(oldest[name]["amount"], value, "{name}");
    }
    assert_eq!((&oldest["tax_rate"], &oldest["treatment"]), (&"19".into(), &"destination".into()));
    assert_eq!((&oldest["issue_date"], &oldest["tax_country"]), (&"2026-11-21".into(), &"DE".into()));
    // narrowed, and page by page
    assert_eq!(list("?kind=invoice").await.0, all[1..]);
    assert_eq!(list("?kind=credit_note").await.0, all[..1]);
    assert_eq!(list("?to=2026-11-22T00:00:00Z").await.0, all[2..]);
    assert_eq!(list("?from=2026-11-22T00:00:00Z").await.1["total"], 2);
    let (page, json) = list("?limit=2").await;
    assert_eq!(page, all[..2]);
    let cursor = json["next_cursor"].as_str().unwrap();
    assert_eq!(list(&format!("?limit=2&cursor={cursor}")).await.0, all[2..]);
    // all of it given back
    give_back(&app, first.id, "ref_2", 1_000).await;
    assert_eq!(list("?to=2026-11-22T00:00:00Z").await.0, [item("INV-2026-000001", "credited")]);
    let wrong =
        app.get("/api/v1/billing/invoices?kind=x&from=y&limit=0").bearer(&key).send().await.expect(422);
    let names: Vec<_> = wrong.wrong().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["from", "kind", "limit"]);
    drop((second, note));
}

#[actix_web::test]
async fn a_document_is_given_with_its_lines_and_as_the_same_pdf_each_time() {
    let (app, acme, key) = start().await;
    let issued = sell(&app, acme, "pay_1", 1_000).await;
    let path = format!("/api/v1/billing/invoices/{}", issued.id);
    let got = app.get(&path).bearer(&key).send().await.expect(200);
    assert_eq!(got.json["lines"][0]["description"], "1,000 credits");
    assert_eq!(got.json["lines"][0]["net"]["amount"], "10.00");
    assert_eq!(got.json["seller"]["company_name"], "Vozia Telecom S.L.");
    assert_eq!(got.json["buyer"]["country"], "DE");
    let url = got.json["pdf_url"].as_str().unwrap();
    assert_eq!(url, format!("{}{path}/pdf", app.app.url()));
    let first = app.get(&format!("{path}/pdf")).bearer(&key).bytes().await;
    assert_eq!(first.0["content-type"], "application/pdf");
    assert_eq!(first.0["content-disposition"], "attachment; filename=\"INV-2026-000001.pdf\"");
    assert!(first.1.starts_with(b"%PDF-") && first.1.len() > 10_000);
    assert_eq!(app.get(&format!("{path}/pdf")).bearer(&key).bytes().await.1, first.1);
    // nobody else's
    let other = app.organization("Other").await;
    let foreign = app.organization_key(other, &[Scope::BillingRead]).await;
    for path in [path.clone(), format!("{path}/pdf"), "/api/v1/billing/invoices/inv_0000000000000".into()] {
        let refused = app.get(&path).bearer(&foreign).send().await.expect(404);
        assert_eq!(refused.code(), "not_found", "{path}");
    }
    let empty = app.get("/api/v1/billing/invoices").bearer(&foreign).send().await.expect(200);
    assert_eq!(empty.json["items"].as_array().unwrap().len(), 0);
}
