//! The operator's rates and plans: who is on what, drafts, and when what is published counts.

mod cost;
mod meanwhile;

use serde_json::{Value, json};
use tollbook::catalog::drafts;
use tollbook::catalog::rules::{PlanTerms, Rate};
use tollbook::identity::{Role, Scope, audit};
use tollbook::onboarding::Prices;
use tollbook::payments::gateway::sandbox::{self, Card};

use super::browsing::{Browser, person, sign_in};
use crate::helpers::TestApp;

const RATES: &str = "/operator/rates";
const PLANS: &str = "/operator/plans";
const GROWTH: &str = "/operator/rates/growth";
const DRAFT: &str = "/operator/rates/growth/draft";
const VOICE: &str = "/operator/rates/growth/draft/meters/voice";
/// What stands in the form of growth's voice, but for its price.
const TYPED: [(&str, &str); 8] = [
    ("priced", "on"),
    ("unit_size", "60"),
    ("increment", "1"),
    ("minimum", "0"),
    ("byok_price", "2.25"),
    ("toll_free_surcharge", "2"),
    ("pass_through", "toll_free"),
    ("rounding", "0.000001"),
];

async fn operator(app: &TestApp) -> Browser<'_> {
    person(app, "op@example.com", None).await;
    sign_in(app, "op@example.com").await
}

fn on_plan(plan: &str) -> Prices {
    Prices { plan: Some(plan.into()), rate_card: None }
}

fn actions(app: &TestApp) -> Vec<String> {
    let entries = app.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 50)).unwrap();
    let actions = entries.items.into_iter().rev().map(|entry| entry.action);
    actions.filter(|action| action.starts_with("rate_card.") || action.starts_with("plan.")).collect()
}

/// Voice with something else in some of its fields.
fn voice<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields: Vec<(&str, &str)> = TYPED.into();
    fields.retain(|(name, _)| changes.iter().all(|(other, _)| other != name));
    fields.extend_from_slice(changes);
    fields
}

/// What a minute of voice costs an organization that occurs now.
async fn minute(app: &TestApp, key: &str) -> Value {
    let event = json!({ "meter": "voice", "quantity": 60, "occurred_at": app.db().now().to_string() });
    let path = "/api/v1/usage/estimate";
    app.post(path, &event.to_string()).bearer(key).send().await.expect(200).json["credits"].clone()
}

#[actix_web::test]
async fn cards_and_plans_say_who_is_on_them() {
    let app = TestApp::start().await;
    app.organization("Acme").await;
    app.organization_with("Beta", None, on_plan("growth")).await;
    let own = Prices { plan: None, rate_card: Some("growth".into()) };
    app.organization_with("Gamma", None, own).await;
    let operator = operator(&app).await;
    let list = operator.get(RATES).await.expect(200);
    list.says("Pay as you go payg version 1 the beginning — 0 1 —");
    list.says("Growth growth version 1 the beginning — 1 2 —");
    list.says("Voice voice second Pay as you go, Starter, Growth, Scale");
    assert!(list.links(PLANS).contains(&PLANS.to_owned()) && !list.links("/operator/packages").is_empty());
    let card = operator.get(GROWTH).await.expect(200);
    card.says(
        "Voice 5.5 credits per minute in steps of 1 s With an own provider key: 2.25 credits per minute",
    );
    card.says(
        "Toll-free surcharge: 2 credits per minute; Carrier cost: of toll-free calls, above the surcharge",
    );
    card.says("1 the beginning 21 Nov 2026, 09:00 in force 2 the first");
    card.says("Growth 1 €99.00 a month");
    card.says("Beta plan Growth, version 1 Gamma a card of its own");
    card.does_not_say("Acme");
    operator.get("/operator/rates/payg").await.expect(200).says("Acme pay as you go");
    operator.get("/operator/rates/nothing").await.expect(404);
    operator
        .get(PLANS)
        .await
        .expect(200)
        .says("Growth growth version 1 the beginning — €99.00 a month 0 0 —");
    let plan = operator.get("/operator/plans/growth").await.expect(200);
    plan.says("Voice included 2,000 min a month");
    plan.says("Plan credit 500.00 credits a month Unused plan credit expires with its month");
    plan.says("1 the beginning in force 0 1 the first");
    plan.says("Beta 1 given by you, without a fee");
    plan.does_not_say("Gamma");
    operator.get("/operator/plans/nothing").await.expect(404);
    operator.get("/operator/packages").await.expect(200).says("Rates Plans Packages");
}

#[actix_web::test]
async fn a_draft_is_kept_and_prices_nothing_until_the_day_it_is_published_from() {
    let app = TestApp::start().await;
    let id =
        app.organization_with("Beta", None, Prices { plan: None, rate_card: Some("growth".into()) }).await;
    let key = app.organization_key(id, &[Scope::UsageWrite, Scope::UsageRead]).await;
    let operator = operator(&app).await;
    let card = operator.get(GROWTH).await.expect(200);
    let begun = operator.fill(&card, DRAFT, &[]).await;
    let draft = operator.get(begun.location()).await.expect(200);
    draft.says("Last changed by op@example.com, 21 Nov 2026, 09:00");
    draft.says("Nothing so far It says what version 1 says.");
    assert!(draft.links(VOICE).contains(&VOICE.to_owned()));

    let form = operator.get(VOICE).await.expect(200);
    assert_eq!((form.value("unit_size").as_str(), form.value("byok_price").as_str()), ("60", "2.25"));
    assert!(form.html().contains(">5.5</textarea>"));
    let bad = voice(&[("kind", "flat"), ("price", "six"), ("minimum", "half"), ("byok_price", "-1")]);
    let wrong = operator.fill(&form, VOICE, &bad).await.expect(422);
    wrong.says("Price is not a decimal");
    wrong.says("At least is not a decimal");
    assert_eq!((wrong.value("minimum").as_str(), wrong.value("byok_price").as_str()), ("half", "-1"));
    assert!(wrong.html().contains(">six</textarea>"));
    let bad = voice(&[("kind", "flat"), ("price", "6"), ("increment", "60"), ("minimum", "90")]);
    let wrong = operator.fill(&wrong, VOICE, &bad).await.expect(422);
    wrong.says("At least must be a whole number of increments of 60");
    assert_eq!(wrong.value("minimum"), "90");
    let bad = voice(&[("kind", "graduated"), ("price", "600: 6\nbeyond 5")]);
    operator.fill(&wrong, VOICE, &bad).await.expect(422).says("Price has a mistake in line 2");
    let bad = voice(&[("kind", "graduated"), ("price", "600: 6\r\n500: 5\r\nbeyond: 4")]);
    operator.fill(&wrong, VOICE, &bad).await.expect(422).says("Price must be above 600");
    let good = voice(&[("kind", "graduated"), ("price", "600: 6\r\nbeyond: 4")]);
    let kept = operator.fill(&wrong, VOICE, &good).await;
    assert_eq!(kept.location(), format!("{DRAFT}?done=saved"));

    // it is still there for whoever comes back, once, and changes no price
    let again = operator.get(GROWTH).await.expect(200);
    again.says("Go on with the draft");
    operator.send(DRAFT, &[("csrf", &again.hidden("/sign-out")[0].1)]).await.location();
    let draft = operator.get(DRAFT).await.expect(200);
    draft.says("Voice: price 5.5 credits per minute by step: 6 credits per minute up to 10 min, 4 credits per minute beyond");
    operator.get(RATES).await.expect(200).says("— 1 1 Draft");
    assert_eq!(minute(&app, &key).await, json!(5.5));

    let publish = format!("{DRAFT}/publish");
    let wrong = operator.fill(&draft, &publish, &[("date", "2026-11-20")]).await.expect(422);
    wrong.says("From the beginning of must not be in the past");
    assert_eq!(wrong.value("date"), "2026-11-20");
    let wrong = operator.fill(&wrong, &publish, &[("date", "soon")]).await.expect(422);
    assert_eq!(wrong.value("date"), "soon");
    let done = operator.fill(&wrong, &publish, &[("date", "2026-11-25")]).await;
    assert_eq!(done.location(), format!("{GROWTH}?done=published"));
    // sent twice by mistake
    operator.fill(&wrong, &publish, &[("date", "2026-11-25")]).await.location();
    let card = operator.get(done.location()).await.expect(200);
    card.says("Published.");
    card.says(
        "2 25 Nov 2026, 00:00 21 Nov 2026, 09:00 to come 0 Voice: price 5.5 credits per minute → by step: 6",
    );
    card.says("Version 1, since the beginning");
    operator.get(DRAFT).await.expect(404);
    operator
        .get(RATES)
        .await
        .expect(200)
        .says("Growth growth version 1 the beginning 2, from 25 Nov 2026, 00:00");
    app.it_becomes("2026-11-24T23:59:59Z");
    assert_eq!(minute(&app, &key).await, json!(5.5));
    app.it_becomes("2026-11-25T00:00:00Z");
    assert_eq!(minute(&app, &key).await, json!(6));
    assert_eq!(actions(&app), ["rate_card.published"]);
}

#[actix_web::test]
async fn a_published_day_begins_in_the_operators_timezone() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let set = tollbook::identity::settings::Defaults {
        currency: "EUR".parse().unwrap(),
        zone: "America/New_York".parse().unwrap(),
    };
    app.db()
        .write(move |tx| tollbook::identity::settings::set_defaults(tx, &crate::helpers::BY, &set))
        .await
        .unwrap();
    let card = operator.get(GROWTH).await.expect(200);
    operator.fill(&card, DRAFT, &[]).await.location();
    let draft = operator.get(DRAFT).await.expect(200);
    draft.says("A day in America/New_York");
    operator.fill(&draft, &format!("{DRAFT}/publish"), &[("date", "2026-12-01")]).await.location();
    let catalog = app.db().read_blocking(|tx| app.app.state.catalog.get(tx)).unwrap();
    let card = catalog.rate_card_by_code("growth").unwrap();
    assert_eq!(card.versions[1].starts_at.to_string(), "2026-12-01T05:00:00Z");
}

#[actix_web::test]
async fn a_card_is_copied_under_a_new_code_and_a_draft_can_be_thrown_away() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let new = "/operator/rates/new-card";
    let form = operator.get(new).await.expect(200);
    let wrong =
        operator.fill(&form, new, &[("code", "A B"), ("name", "Mine"), ("from", "growth")]).await.expect(422);
    wrong.says("Code must be 1 to 32 lowercase letters");
    assert_eq!((wrong.value("code").as_str(), wrong.value("name").as_str()), ("A B", "Mine"));
    let taken = [("code", "scale"), ("name", "Mine"), ("from", "growth")];
    operator.fill(&wrong, new, &taken).await.expect(422).says("Code is taken already");
    // a word that means something in an address is a code like any other
    let good = [("code", "draft"), ("name", "Partners"), ("from", "growth")];
    let begun = operator.fill(&wrong, new, &good).await;
    assert_eq!(begun.location(), "/operator/rates/draft/draft");
    let draft = operator.get(begun.location()).await.expect(200);
    draft.says("Draft of Partners");
    draft.says("All of it is new");
    draft.says("Voice 5.5 credits per minute");
    draft.says("Usage on Pay as you go");
    operator.get(RATES).await.expect(200).says("Partners draft not published");
    operator.get("/operator/rates/draft").await.expect(404);
    // a meter that it does not price goes by the other card
    let chat = "/operator/rates/draft/draft/meters/chat";
    let form = operator.get(chat).await.expect(200);
    operator.fill(&form, chat, &[("kind", "flat"), ("price", "0.8")]).await.location();
    let draft = operator.get(begun.location()).await.expect(200);
    draft.says("Chat not priced here: as pay as you go has it");
    operator.fill(&draft, "/operator/rates/draft/draft/publish", &[("date", "")]).await.location();
    let catalog = app.db().read_blocking(|tx| app.app.state.catalog.get(tx)).unwrap();
    let card = catalog.rate_card_by_code("draft").unwrap();
    assert_eq!((card.name.as_str(), card.versions.len(), card.versions[0].rates.len()), ("Partners", 1, 3));
    assert_eq!(card.versions[0].starts_at, app.db().now());

    let card = operator.get(GROWTH).await.expect(200);
    operator.fill(&card, DRAFT, &[]).await.location();
    let draft = operator.get(DRAFT).await.expect(200);
    let gone = operator.fill(&draft, &format!("{DRAFT}/discard"), &[]).await;
    operator.get(gone.location()).await.expect(200).says("The draft is gone.");
    operator.get(DRAFT).await.expect(404);
    let left = app.db().read_blocking(|tx| drafts::all::<Vec<Rate>>(tx)).unwrap();
    assert!(left.is_empty());
    assert_eq!(actions(&app), ["rate_card.published", "rate_card.draft_discarded"]);
}

#[actix_web::test]
async fn a_plans_draft_says_what_is_wrong_and_is_published() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let page = operator.get("/operator/plans/growth").await.expect(200);
    let begun = operator.fill(&page, "/operator/plans/growth/draft", &[]).await;
    let path = "/operator/plans/growth/draft/terms";
    assert_eq!(begun.location(), "/operator/plans/growth/draft");
    let form = operator.get(path).await.expect(200);
    for (name, value) in
        [("price", "99.00"), ("included_voice", "120000"), ("plan_credits", "500"), ("name", "Growth")]
    {
        assert_eq!(form.value(name), value);
    }
    let mut typed = vec![
        ("name", "Growth"),
        ("price", "a lot"),
        ("currency", "EUR"),
        ("interval", "month"),
        ("rate_card", "growth"),
        ("plan_credits", "600"),
        ("included_voice", "-1"),
        ("included_chat", "many"),
        ("rollover_cap", "100"),
        ("listed", "on"),
    ];
    let set = |typed: &mut Vec<(&'static str, &'static str)>, name: &str, value: &'static str| {
        typed.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value;
    };
    let wrong = operator.fill(&form, path, &typed).await.expect(422);
    wrong.says("Fee is not a decimal");
    wrong.says("Chat included a month is not a decimal");
    for (name, value) in [("price", "a lot"), ("included_chat", "many"), ("plan_credits", "600")] {
        assert_eq!(wrong.value(name), value);
    }
    set(&mut typed, "price", "109");
    set(&mut typed, "included_chat", "2500");
    let wrong = operator.fill(&wrong, path, &typed).await.expect(422);
    wrong.says("Voice included a month must be above 0");
    wrong.says("At most so much of it stays goes only with rollover");
    set(&mut typed, "included_voice", "150000");
    set(&mut typed, "rollover_cap", "");
    operator.fill(&wrong, path, &typed).await.location();
    let draft = operator.get("/operator/plans/growth/draft").await.expect(200);
    draft.says("Fee €99.00 a month €109.00 a month");
    draft.says("Voice included 2,000 min a month 2,500 min a month");
    draft.says("Plan credit 500.00 credits a month 600.00 credits a month");
    operator.fill(&draft, "/operator/plans/growth/draft/publish", &[("date", "2026-12-01")]).await.location();
    let page = operator.get("/operator/plans/growth").await.expect(200);
    page.says("2 1 Dec 2026, 00:00 to come 0 0 Fee €99.00 a month → €109.00 a month;");
    page.says("Version 1, since the beginning");
    assert_eq!(actions(&app), ["plan.published"]);

    let new = "/operator/plans/new-plan";
    let form = operator.get(new).await.expect(200);
    let begun = operator.fill(&form, new, &[("code", "mini"), ("name", "Mini"), ("from", "starter")]).await;
    let draft = operator.get(begun.location()).await.expect(200);
    draft.says("Draft of Mini");
    draft.says("Usage on Starter");
    operator.fill(&draft, "/operator/plans/mini/draft/discard", &[]).await.location();
    assert!(app.db().read_blocking(|tx| drafts::all::<PlanTerms>(tx)).unwrap().is_empty());
}

#[actix_web::test]
async fn subscribers_are_moved_to_the_new_price_after_it_was_announced() {
    let app = TestApp::start().await;
    let (_, owner) = app.member(app.organization("Acme").await, Role::Owner).await;
    let made = app.post("/api/v1/billing/subscription", r#"{"plan_id":"growth"}"#).bearer(&owner);
    let made = made.send().await.expect(201).json;
    let reference = made["checkout_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    app.db().write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await.unwrap();
    let admin = app.operator_key(&[Scope::Admin]).await;
    let later = app.post("/api/v1/admin/clock", r#"{"advance_seconds":2}"#).bearer(&admin);
    later.send().await.expect(200);
    let operator = operator(&app).await;
    let path = "/operator/plans/growth/migrate";
    let page = operator.get("/operator/plans/growth").await.expect(200);
    page.says("Acme 1 pays");
    page.does_not_say("Move subscribers");
    operator.fill(&page, "/operator/plans/growth/draft", &[]).await.location();
    let terms = "/operator/plans/growth/draft/terms";
    let form = operator.get(terms).await.expect(200);
    let typed = [
        ("name", "Growth"),
        ("price", "109"),
        ("currency", "EUR"),
        ("interval", "month"),
        ("rate_card", "growth"),
    ];
    operator.fill(&form, terms, &typed).await.location();
    let draft = operator.get("/operator/plans/growth/draft").await.expect(200);
    draft.says("1 1 €99.00 a month €109.00 a month +€10.00 a month");
    operator.fill(&draft, "/operator/plans/growth/draft/publish", &[("date", "")]).await.location();
    operator
        .get(PLANS)
        .await
        .expect(200)
        .says("Growth growth version 2 21 Nov 2026, 09:00 — €109.00 a month 1 1 —");
    let page = operator.get("/operator/plans/growth").await.expect(200);
    assert!(page.links(path).contains(&path.to_owned()));
    let form = operator.get(path).await.expect(200);
    form.says("1 subscriber on an older version. The newest is version 2, €109.00 a month");
    form.says("at least 30 days before it is charged");
    let wrong = operator.fill(&form, path, &[("from", "2026-11-30")]).await.expect(422);
    wrong.says("Renewals from must be at least 30 days from now");
    assert_eq!(wrong.value("from"), "2026-11-30");
    let done = operator.fill(&wrong, path, &[("from", "2027-01-01")]).await;
    let page = operator.get(done.location()).await.expect(200);
    page.says("1 subscriber will change to the new price, and was told.");
    page.says("Acme 1 pays, changes to version 2");
    page.says("1 the beginning replaced 1, 1 change to a new price 0 the first");
    let shown = app.get("/api/v1/billing/subscription").bearer(&owner).send().await.expect(200).json;
    assert_eq!(shown["next_charge"]["amount"]["amount"], "99.00", "before the day");
    assert_eq!(actions(&app), ["plan.published", "plan.migrated"]);
    let entries = app.db().read_blocking(|tx| audit::list(tx, &audit::Filter::default(), None, 50)).unwrap();
    let of_plans = entries.items.iter().filter(|entry| entry.action.starts_with("plan."));
    assert!(of_plans.map(|entry| entry.target.as_str()).eq(["growth", "growth"]), "by its code, each time");
}

#[actix_web::test]
async fn a_meter_is_added_and_priced() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let path = "/operator/rates/new-meter";
    let form = operator.get(path).await.expect(200);
    let wrong =
        operator.fill(&form, path, &[("code", "voice"), ("name", "Web search"), ("unit", "search")]).await;
    let wrong = wrong.expect(409);
    wrong.says("Code is taken already");
    assert_eq!(wrong.value("name"), "Web search");
    let good = [("code", "web_search"), ("name", "Web search"), ("unit", "search")];
    let added = operator.fill(&wrong, path, &good).await;
    operator.get(added.location()).await.expect(200).says("Web search web_search search no card yet");
    let card = operator.get("/operator/rates/payg").await.expect(200);
    operator.fill(&card, "/operator/rates/payg/draft", &[]).await.location();
    let draft = operator.get("/operator/rates/payg/draft").await.expect(200);
    draft.says("Web search not priced: its usage is refused");
    let path = "/operator/rates/payg/draft/meters/web_search";
    let form = operator.get(path).await.expect(200);
    let typed = [
        ("priced", "on"),
        ("kind", "flat"),
        ("price", "1.5"),
        ("unit_size", "1"),
        ("increment", "1"),
        ("minimum", "0"),
        ("rounding", "0.01"),
    ];
    operator.fill(&form, path, &typed).await.location();
    operator.get("/operator/rates/payg/draft").await.expect(200).says("Web search 1.5 credits per search");
    operator.get("/operator/rates/payg/draft/meters/nothing").await.expect(404);
}
