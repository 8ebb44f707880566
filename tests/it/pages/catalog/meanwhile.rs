//! Two people, or two tabs, at one draft: what was not looked at is neither published nor overwritten.

use tollbook::catalog::NewPlanVersion;
use tollbook::onboarding::Prices;

use super::{DRAFT, GROWTH, VOICE, on_plan, operator, voice};
use crate::helpers::TestApp;
use crate::pages::browsing::{Browser, Page};

const PLAN: &str = "/operator/plans/growth";
const PLAN_DRAFT: &str = "/operator/plans/growth/draft";
const TERMS: &str = "/operator/plans/growth/draft/terms";
const CHANGED: &str = "The draft was changed since this page was opened. It is shown as it is now.";

async fn begin(operator: &Browser<'_>, page: &str, draft: &str) -> Page {
    let page = operator.get(page).await.expect(200);
    operator.fill(&page, draft, &[]).await.location();
    operator.get(draft).await.expect(200)
}

fn terms<'a>(name: &'a str, price: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("name", name),
        ("price", price),
        ("currency", "EUR"),
        ("interval", "month"),
        ("rate_card", "growth"),
        ("listed", "on"),
    ]
}

/// The number of versions, the name, and the newest fee of growth.
fn growth(app: &TestApp) -> (usize, String, String) {
    let catalog = app.db().read_blocking(|tx| app.app.state.catalog.get(tx)).unwrap();
    let plan = catalog.plan_by_code("growth").unwrap();
    (plan.versions.len(), plan.name.clone(), plan.versions.last().unwrap().terms.price.amount())
}

#[actix_web::test]
async fn only_the_prices_that_were_looked_at_are_published() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let seen = begin(&operator, GROWTH, DRAFT).await;
    let form = operator.get(VOICE).await.expect(200);
    operator.fill(&form, VOICE, &voice(&[("kind", "flat"), ("price", "6")])).await.location();
    let publish = format!("{DRAFT}/publish");
    let refused = operator.fill(&seen, &publish, &[("date", "2026-12-01")]).await.expect(409);
    refused.says(CHANGED);
    refused.says("Voice: price 5.5 credits per minute 6 credits per minute");
    assert_eq!(refused.value("date"), "2026-12-01");
    operator.get(GROWTH).await.expect(200).does_not_say("to come");
    // now it was looked at
    operator.fill(&refused, &publish, &[("date", "2026-12-01")]).await.location();
    operator.get(GROWTH).await.expect(200).says("to come");
}

#[actix_web::test]
async fn only_the_terms_that_were_looked_at_are_published() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let seen = begin(&operator, PLAN, PLAN_DRAFT).await;
    let form = operator.get(TERMS).await.expect(200);
    operator.fill(&form, TERMS, &terms("Growth", "109")).await.location();
    let publish = format!("{PLAN_DRAFT}/publish");
    let refused = operator.fill(&seen, &publish, &[("date", "2026-12-01")]).await.expect(409);
    refused.says(CHANGED);
    refused.says("Fee €99.00 a month €109.00 a month");
    assert_eq!((refused.value("date").as_str(), growth(&app).0), ("2026-12-01", 1));
    operator.fill(&refused, &publish, &[("date", "2026-12-01")]).await.location();
    assert_eq!(growth(&app), (2, "Growth".into(), "109.00".into()));
}

#[actix_web::test]
async fn an_old_form_of_terms_overwrites_nothing_unseen() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    begin(&operator, PLAN, PLAN_DRAFT).await;
    let (mine, theirs) = (operator.get(TERMS).await.expect(200), operator.get(TERMS).await.expect(200));
    operator.fill(&theirs, TERMS, &terms("Growth", "109")).await.location();
    let refused = operator.fill(&mine, TERMS, &terms("Growth", "119")).await.expect(409);
    refused.says(CHANGED);
    refused.says("Fee is “109.00” in the draft now");
    refused.does_not_say("Name is");
    assert_eq!(refused.value("price"), "119", "what was typed is still there");
    operator.get(PLAN_DRAFT).await.expect(200).says("Fee €99.00 a month €109.00 a month");
    operator.fill(&refused, TERMS, &terms("Growth", "119")).await.location();
    operator.get(PLAN_DRAFT).await.expect(200).says("Fee €99.00 a month €119.00 a month");
}

#[actix_web::test]
async fn an_old_form_of_a_price_overwrites_nothing_unseen() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    begin(&operator, GROWTH, DRAFT).await;
    let chat = VOICE.replace("voice", "chat");
    let (mine, theirs) = (operator.get(VOICE).await.expect(200), operator.get(VOICE).await.expect(200));
    let other = operator.get(&chat).await.expect(200);
    operator
        .fill(&theirs, VOICE, &voice(&[("kind", "graduated"), ("price", "600: 6\nbeyond: 4")]))
        .await
        .location();
    let refused = operator.fill(&mine, VOICE, &voice(&[("kind", "flat"), ("price", "7")])).await.expect(409);
    refused.says(CHANGED);
    refused.says("How the price goes is “By steps: each unit by the step it falls in” in the draft now");
    refused.says("Price is “600: 6, beyond: 4” in the draft now");
    assert!(refused.html().contains(">7</textarea>"));
    operator.fill(&refused, VOICE, &voice(&[("kind", "flat"), ("price", "7")])).await.location();
    operator.get(DRAFT).await.expect(200).says("Voice: price 5.5 credits per minute 7 credits per minute");
    // the form of another meter is as current as it was
    operator.fill(&other, &chat, &[]).await.location();
}

#[actix_web::test]
async fn a_new_name_counts_at_once_and_an_old_one_undoes_none() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let rename = async |name: &str| {
        let catalog = app.db().read_blocking(|tx| app.app.state.catalog.get(tx)).unwrap();
        let plan = catalog.plan_by_code("growth").unwrap();
        let (plan, terms) = (plan.code.clone(), plan.versions.last().unwrap().terms.clone());
        let new = NewPlanVersion { plan, name: Some(name.to_owned()), starts_at: None, terms };
        app.db().write(move |tx| tollbook::catalog::publish_plan(tx, &new)).await.unwrap();
    };
    let draft = begin(&operator, PLAN, PLAN_DRAFT).await;
    rename("Growing").await;
    let form = operator.get(TERMS).await.expect(200);
    form.says("A new name counts at once when the draft is published; prices begin on their day.");
    assert_eq!(form.value("name"), "Growing");
    let publish = format!("{PLAN_DRAFT}/publish");
    operator.fill(&draft, &publish, &[("date", "")]).await.expect(409).says("Draft of Growing");
    operator.fill(&form, TERMS, &terms("Growing", "109")).await.location();
    let draft = operator.get(PLAN_DRAFT).await.expect(200);
    draft.does_not_say("Name, at once when published");
    operator.fill(&draft, &publish, &[("date", "2026-12-01")]).await.location();
    assert_eq!(growth(&app), (3, "Growing".into(), "109.00".into()));

    begin(&operator, PLAN, PLAN_DRAFT).await;
    let form = operator.get(TERMS).await.expect(200);
    operator.fill(&form, TERMS, &terms("Growth Plus", "119")).await.location();
    let draft = operator.get(PLAN_DRAFT).await.expect(200);
    draft.says("Name, at once when published Growing Growth Plus");
    operator.fill(&draft, &publish, &[("date", "2027-01-01")]).await.location();
    assert_eq!(growth(&app), (4, "Growth Plus".into(), "119.00".into()));
}

#[actix_web::test]
async fn more_organizations_than_are_listed_are_counted() {
    let app = TestApp::start().await;
    for number in 0..53 {
        app.organization_with(&format!("Given {number:02}"), None, on_plan("growth")).await;
    }
    let own = Prices { plan: None, rate_card: Some("growth".into()) };
    app.organization_with("Another", None, own).await;
    let operator = operator(&app).await;
    let plan = operator.get(PLAN).await.expect(200);
    plan.says("50 of 53 organizations");
    plan.says("1 the beginning in force 0 53 the first");
    assert!(plan.text().contains("Given 49") && !plan.text().contains("Given 50"));
    let card = operator.get(GROWTH).await.expect(200);
    card.says("50 of 54 organizations");
    assert!(card.text().contains("Another a card of its own") && !card.text().contains("Given 49"));
    operator.get("/operator/rates").await.expect(200).says("Growth growth version 1 the beginning — 1 54 —");
}
