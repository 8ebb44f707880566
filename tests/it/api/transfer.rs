//! Credit sent from one organization to another.

use futures_util::future::join_all;
use tollbook::base::id::OrganizationId;
use tollbook::identity::{Role, Scope, users};
use tollbook::onboarding::Prices;

use super::desk::{Desk, names, number};
use crate::helpers::{Answer, BY, Call};

const PAID: &str =
    r#"{"credits":100,"class":"paid","reason":"By bank","cost":{"amount":"50.00","currency":"EUR"}}"#;

/// Two organizations of the same owner, the first on a plan that allows it, with a hundred paid credits.
struct Two {
    desk: Desk,
    other: OrganizationId,
    owner: String,
    person: tollbook::base::id::UserId,
}

impl Two {
    async fn new(plan: &str) -> Self {
        let desk = Desk::on_plan(plan).await;
        let other = desk.app.organization_with("Branch", Some("branch"), Prices::default()).await;
        let (person, owner) = desk.app.member(desk.organization, Role::Owner).await;
        let two = Self { desk, other, owner, person };
        two.join(other, Role::Billing).await;
        two.desk.credit(PAID).await.expect(201);
        two
    }

    async fn join(&self, organization: OrganizationId, role: Role) {
        let person = self.person;
        let joined = self
            .desk
            .app
            .db()
            .write(move |tx| users::set_membership(tx, &BY, person, organization, role, &[]));
        joined.await.unwrap();
    }

    fn call(&self, token: &str, key: &str, body: &str) -> Call {
        let call = self.desk.app.post("/api/v1/billing/wallet/transfer", body).bearer(token);
        call.organization(self.desk.organization).header("Idempotency-Key", key)
    }

    async fn send(&self, key: &str, body: &str) -> Answer {
        self.call(&self.owner, key, body).send().await
    }

    async fn balance_of(&self, organization: OrganizationId) -> String {
        let call = self.desk.app.get("/api/v1/billing/balance").bearer(&self.desk.operator);
        number(&call.organization(organization).send().await.expect(200).text, "balance")
    }
}

#[actix_web::test]
async fn credit_is_sent_once_and_both_see_it() {
    let two = Two::new("scale").await;
    let body = r#"{"to":"ext:branch","credits":40.5,"note":" For December "}"#;
    let first = two.send("one", body).await.expect(201);
    assert_eq!(names(&first.json), ["parts", "to", "transaction"]);
    assert_eq!(first.json["transaction"]["type"], "transfer_out");
    assert_eq!(first.json["transaction"]["description"], "To Branch: For December");
    assert_eq!(number(&first.text, "amount"), "-40.5");
    assert_eq!(first.json["to"], two.other.to_string());
    let again = two.send("one", body).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), &again.text), (Some("true"), &first.text));
    assert_eq!(two.send("one", &body.replace("40.5", "41")).await.expect(409).code(), "idempotency_conflict");
    assert_eq!(two.balance_of(two.desk.organization).await, "59.5");
    assert_eq!(two.balance_of(two.other).await, "40.5");
    let theirs = two.desk.app.get("/api/v1/billing/transactions").bearer(&two.owner).organization(two.other);
    let theirs = theirs.send().await.expect(200);
    assert_eq!(theirs.json["items"][0]["type"], "transfer_in");
    assert_eq!(theirs.json["items"][0]["description"], "From Acme: For December");
    // the operator, between any two
    let third = two.desk.other(r#"{"name":"Third","currency":"EUR"}"#).await;
    let body = format!(r#"{{"to":"{third}","credits":9.5}}"#);
    two.call(&two.desk.operator, "two", &body).send().await.expect(201);
    assert_eq!(
        (two.balance_of(two.desk.organization).await, two.balance_of(third).await),
        ("50".into(), "9.5".into())
    );
}

#[actix_web::test]
async fn nobody_learns_which_organizations_there_are() {
    let two = Two::new("scale").await;
    let foreign = two.desk.other(r#"{"name":"Foreign","currency":"EUR","external_id":"foreign"}"#).await;
    let only_member = two.desk.other(r#"{"name":"Looked at","currency":"EUR"}"#).await;
    two.join(only_member, Role::Member).await;
    let nowhere = OrganizationId::new(9_999);
    let mut told = Vec::new();
    for to in [
        foreign.to_string(),
        "ext:foreign".into(),
        only_member.to_string(),
        nowhere.to_string(),
        "ext:nowhere".into(),
    ] {
        let answer = two.send("x", &format!(r#"{{"to":"{to}","credits":1}}"#)).await.expect(422);
        assert_eq!(answer.wrong(), [("to".to_owned(), "unknown".to_owned())], "{to}");
        told.push(answer.json["error"]["message"].clone());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    let operator = two.call(&two.desk.operator, "x", &format!(r#"{{"to":"{nowhere}","credits":1}}"#));
    assert_eq!(operator.send().await.expect(422).wrong(), [("to".to_owned(), "unknown".to_owned())]);
    // a key stands for one organization, whatever it may do there
    let key = two.desk.app.organization_key(two.desk.organization, &Scope::ALL).await;
    let answer = two.call(&key, "x", r#"{"to":"ext:branch","credits":1}"#).send().await.expect(403);
    assert_eq!(answer.code(), "session_required");
}

#[actix_web::test]
async fn refusals_name_the_field_and_leave_nothing() {
    let two = Two::new("scale").await;
    for (body, wrong) in [
        (r#"{"to":"branch","credits":1}"#, [("to", "invalid_value")].as_slice()),
        (r#"{"to":"ext:branch","credits":0}"#, &[("credits", "invalid_value")]),
        (
            r#"{"to":"nobody","credits":-1,"note":"a\nb"}"#,
            &[("to", "invalid_value"), ("credits", "invalid_value"), ("note", "invalid_value")],
        ),
        (r#"{"to":"ext:acme","credits":1}"#, &[("to", "conflict")]),
    ] {
        let answer = two.send("one-key-since-a-refusal-leaves-nothing", body).await;
        assert_eq!(answer.status.as_u16(), 422, "{body} {}", answer.text);
        let wrong: Vec<_> =
            wrong.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect();
        assert_eq!(answer.wrong(), wrong, "{body}");
    }
    let answer = two.send("much", r#"{"to":"ext:branch","credits":100.000001}"#).await.expect(422);
    assert_eq!((answer.code(), &answer.json["error"]["param"]), ("not_enough_credit", &"credits".into()));
    assert_eq!(number(&answer.text, "available"), "100");
    let path = "/api/v1/billing/wallet/transfer";
    let without = two.desk.app.post(path, r#"{"to":"ext:branch","credits":1}"#).bearer(&two.owner);
    let without = without.organization(two.desk.organization).send().await.expect(400);
    assert_eq!(without.code(), "idempotency_key_required");
    assert_eq!(two.balance_of(two.other).await, "0");
    let growth = Two::new("growth").await;
    let answer = growth.send("x", r#"{"to":"ext:branch","credits":1}"#).await.expect(409);
    assert_eq!(answer.code(), "credit_transfer_not_allowed");
}

#[actix_web::test]
async fn many_at_once_send_what_one_balance_covers() {
    let two = Two::new("scale").await;
    let answers =
        join_all((0..40).map(|n| {
            let two = &two;
            async move {
                two.send(&format!("race-{n}"), r#"{"to":"ext:branch","credits":7}"#).await.status.as_u16()
            }
        }));
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 14);
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 26);
    assert_eq!(
        (two.balance_of(two.desk.organization).await, two.balance_of(two.other).await),
        ("2".into(), "98".into())
    );
}

/// What was sent on is the receiver's to use: the operator cannot give its money back as if the buyer had used it.
#[actix_web::test]
async fn credit_that_was_sent_on_is_not_given_back_as_used() {
    use tollbook::payments::gateway::sandbox::{self, Card};
    let two = Two::new("scale").await;
    let app = &two.desk.app;
    let buy = app.post("/api/v1/billing/wallet/topup", r#"{"amount":10}"#).bearer(&two.owner);
    let bought = buy.organization(two.desk.organization).send().await.expect(201);
    let url = bought.json["checkout_url"].as_str().unwrap().to_owned();
    let reference = url.rsplit('/').next().unwrap().to_owned();
    app.db().write(move |tx| sandbox::pay(tx, &reference, Card::Pays)).await.unwrap();
    app.clock.advance(2_000);
    app.app.state.worker.work().await.unwrap();
    // the hundred that were there first, and six hundred of those bought
    two.send("on", r#"{"to":"ext:branch","credits":700}"#).await.expect(201);
    let payment = bought.json["payment_id"].as_str().unwrap();
    let give = |key: &'static str, reason: &str| {
        let body = format!(r#"{{"payment_id":"{payment}","reason":"{reason}"}}"#);
        let call = app.post("/api/v1/billing/refunds", &body).bearer(&two.desk.operator);
        call.organization(two.desk.organization).header("Idempotency-Key", key)
    };
    assert_eq!(give("k1", "outage").send().await.expect(422).json["error"]["param"], "amount");
    let given = give("k2", "unused").send().await.expect(201);
    assert_eq!(given.json["amount"]["amount"], "4.84");
    app.clock.advance(2_000);
    app.app.state.worker.work().await.unwrap();
    assert_eq!(two.balance_of(two.desk.organization).await, "0");
    assert_eq!(two.balance_of(two.other).await, "700");
}
