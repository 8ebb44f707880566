//! Invoices on the pages, and the billing details they are made out to.

use tollbook::base::id::OrganizationId;
use tollbook::identity::{BillingDetails, Role, VatAnswer, organizations};

use super::browsing::Browser;
use crate::api::invoices::{give_back, sell};
use crate::helpers::{BY, TestApp};

async fn site() -> (TestApp, OrganizationId, String) {
    let app = TestApp::start_with(|config| config.tax.oss = true).await;
    let acme = app.organization("Acme").await;
    let (_, owner) = app.member(acme, Role::Owner).await;
    (app, acme, owner)
}

async fn answer(app: &TestApp, whose: OrganizationId, id: &str, valid: bool) {
    let asked = id.parse().unwrap();
    let answer = VatAnswer { valid, text: "{}".into() };
    let set = app.db().write(move |tx| organizations::set_vat_answer(tx, &BY, whose, &asked, answer));
    set.await.unwrap().expect("asked");
}

#[actix_web::test]
async fn invoices_are_listed_filtered_and_downloaded() {
    let (app, acme, owner) = site().await;
    let browser = Browser::with_session(&app, &owner);
    browser.get("/invoices").await.expect(200).says("Your first top-up makes one.");
    let first = sell(&app, acme, "pay_1", 5_000).await;
    app.it_becomes("2026-11-21T10:00:00Z");
    let note = give_back(&app, first.id, "ref_1", 121).await;
    let page = browser.get("/invoices").await.expect(200);
    for said in
        ["INV-2026-000001", "€50.00", "€10.50", "€60.50", "Partly credited", "CN-2026-000001", "Refunded"]
    {
        page.says(said);
    }
    page.says("2 of 2 documents");
    let invoices = browser.get("/invoices?kind=invoice").await.expect(200);
    assert!(!invoices.text().contains("CN-2026"), "{}", invoices.text());
    browser.get("/invoices?to=2026-11-20").await.expect(200).says("No invoice fits this filter.");
    browser.get("/invoices?kind=x").await.expect(200).says("must be invoice or credit_note");
    // one of them
    let page = browser.get(&format!("/invoices/{}", note.id)).await.expect(200);
    for said in ["INV-2026-000001", "=unused", "22 Nov 2026 with Visa •••• 4242", "21 % tax (ES)"] {
        page.says(said);
    }
    browser.get(&format!("/invoices/{}", first.id)).await.expect(200).says("€1.21");
    // as a file, the same as over the API
    let cookie = format!("tollbook={owner}");
    let pdf = async |path: String| app.get(&path).header("Cookie", &cookie).bytes().await;
    let file = pdf(format!("/invoices/{}/pdf", first.id)).await;
    assert_eq!(file.0["content-disposition"], "attachment; filename=\"INV-2026-000001.pdf\"");
    assert!(file.1.starts_with(b"%PDF-"));
    assert_eq!(pdf(format!("/invoices/{}/pdf", first.id)).await.1, file.1);
    // as a table: exactly what is filtered, and nothing a spreadsheet would run
    let csv = app.get("/invoices.csv").header("Cookie", &cookie).send().await.expect(200).text;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(
        csv.contains(
            "INV-2026-000001,invoice,2026-11-21,EUR,50.00,10.50,60.50,21,domestic,ES,partly_credited"
        )
    );
    assert!(csv.contains(",'=unused"), "{csv}");
    let csv =
        app.get("/invoices.csv?kind=credit_note").header("Cookie", &cookie).send().await.expect(200).text;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    // nobody else's
    let (_, other) = app.member(app.organization("Other").await, Role::Owner).await;
    let foreign = Browser::with_session(&app, &other);
    for path in [format!("/invoices/{}", first.id), format!("/invoices/{}/pdf", first.id)] {
        foreign.get(&path).await.expect(404);
    }
}

#[actix_web::test]
async fn billing_details_say_how_one_is_taxed() {
    let (app, acme, owner) = site().await;
    let browser = Browser::with_session(&app, &owner);
    let page = browser.get("/billing-details").await.expect(200);
    page.says("Your country is not known: 21 % applies, the rate of the seller's country.");
    let german = [
        ("company_name", "Müller & Söhne GmbH"),
        ("country", "DE"),
        ("vat_id", "DE 136 695 976"),
        ("billing_email", "rechnung@mueller.example"),
        ("locale", "de"),
    ];
    browser.fill(&page, "/billing-details", &german).await.expect(303);
    let page = browser.get("/billing-details?done=saved").await.expect(200);
    page.says("Saved.");
    page.says("VAT ID not confirmed: 19 % applies.");
    page.says("not confirmed yet");
    browser.get("/invoices").await.expect(200).says("VAT ID not confirmed: 19 % applies.");
    answer(&app, acme, "DE136695976", false).await;
    browser
        .get("/billing-details")
        .await
        .expect(200)
        .says("VAT ID not valid, says the EU's register: 19 % applies.");
    answer(&app, acme, "DE136695976", true).await;
    let page = browser.get("/billing-details").await.expect(200);
    page.says("VAT ID confirmed: no VAT is charged, it is yours to account for (reverse charge).");
    page.says("Steuerschuldnerschaft");
    page.says("confirmed, asked on 21 Nov 2026");
    // another id is another matter
    let other = [("country", "DE"), ("vat_id", "DE111111125"), ("locale", "de")];
    browser.fill(&page, "/billing-details", &other).await.expect(303);
    browser.get("/billing-details").await.expect(200).says("VAT ID not confirmed: 19 % applies.");
}

#[actix_web::test]
async fn a_mistake_stays_on_the_page_beside_its_field() {
    let (app, acme, owner) = site().await;
    let browser = Browser::with_session(&app, &owner);
    let page = browser.get("/billing-details").await.expect(200);
    let wrong = [
        ("company_name", "Acme <b>"),
        ("country", "DE"),
        ("vat_id", "DE136695977"),
        ("billing_email", "nobody"),
        ("locale", "de"),
    ];
    let page = browser.fill(&page, "/billing-details", &wrong).await.expect(422);
    for said in ["check digits do not fit", "is not an email address", "Nothing was saved"] {
        page.says(said);
    }
    for typed in ["value=\"DE136695977\"", "value=\"Acme &#60;b&#62;\"", "value=\"DE\" selected"] {
        assert!(page.html().contains(typed), "{typed} in {}", page.html());
    }
    let bad = [("locale", "xx")];
    browser.fill(&page, "/billing-details", &bad).await.expect(422).says("is not one of en, de");
    let kept = app.db().read_blocking(|tx| organizations::get(tx.conn(), acme)).unwrap();
    assert_eq!(kept.details, BillingDetails::default());
}

#[actix_web::test]
async fn the_operator_says_who_sells() {
    let (app, acme, owner) = site().await;
    let (_, operator) = app.operator().await;
    let desk = Browser::with_session(&app, &operator);
    let page = desk.get("/operator/seller").await.expect(200);
    // what is configured counts until something is saved
    assert!(page.html().contains("value=\"Vozia Telecom S.L.\""), "{}", page.html());
    let wrong =
        [("company_name", "Vozia GmbH"), ("country", "DE"), ("vat_id", "DE136695977"), ("locale", "de")];
    let again = desk.fill(&page, "/operator/seller", &wrong).await.expect(422);
    again.says("check digits do not fit");
    let right = [
        ("company_name", "Vozia GmbH"),
        ("address_line1", "Unter den Linden 7"),
        ("postal_code", "10117"),
        ("city", "Berlin"),
        ("country", "DE"),
        ("vat_id", "DE136695976"),
        ("locale", "de"),
    ];
    desk.fill(&again, "/operator/seller", &right).await.expect(303);
    desk.get("/operator/seller?done=saved").await.expect(200).says("Saved.");
    let issued = sell(&app, acme, "pay_1", 5_000).await;
    assert_eq!((&*issued.seller.company_name, &*issued.seller.city), ("Vozia GmbH", "Berlin"));
    assert_eq!(issued.rate.basis_points(), 1_900);
    Browser::with_session(&app, &owner).get("/operator/seller").await.expect(403);
}
