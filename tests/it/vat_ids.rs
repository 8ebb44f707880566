//! What counts as a confirmed VAT id, and for how long.

use tollbook::base::id::OrganizationId;
use tollbook::identity::{Actor, BillingDetails, By, Error, Organization, VatAnswer, organizations};
use tollbook::tax::VatId;

use crate::ledger_kit::Kit;

const BY: By = By::actor(Actor::System);

fn german(vat_id: &str) -> BillingDetails {
    BillingDetails {
        company_name: "Acme GmbH".into(),
        country: "DE".into(),
        vat_id: vat_id.into(),
        ..BillingDetails::default()
    }
}

async fn set(kit: &Kit, id: OrganizationId, details: BillingDetails) -> Result<Organization, Error> {
    kit.write(move |tx| organizations::set_details(tx, &BY, id, &details)).await
}

async fn answer(kit: &Kit, id: OrganizationId, asked: &str, valid: bool) -> Option<Organization> {
    let asked: VatId = asked.parse().unwrap();
    let answer = VatAnswer { valid, text: format!(r#"{{"valid":{valid}}}"#) };
    kit.write(move |tx| organizations::set_vat_answer(tx, &BY, id, &asked, answer)).await.unwrap()
}

fn stored(kit: &Kit, id: OrganizationId) -> Organization {
    kit.db().read_blocking(|tx| organizations::get(tx, id)).unwrap()
}

#[tokio::test]
async fn an_answer_counts_for_the_id_that_was_asked_for_alone() {
    let kit = Kit::new().await;
    let acme = kit.organization("acme", "UTC").await;
    let first = set(&kit, acme, german("DE 136.695.976")).await.unwrap();
    assert_eq!((&*first.details.vat_id, first.vat.name()), ("DE136695976", "unconfirmed"));
    assert_eq!(first.confirmed_vat_id(), None, "nobody is exempt by claiming an id");
    let confirmed = answer(&kit, acme, "DE136695976", true).await.unwrap();
    assert_eq!(confirmed.confirmed_vat_id(), "DE136695976".parse().ok());
    assert_eq!(confirmed.vat.evidence(), Some((kit.now(), r#"{"valid":true}"#)));
    assert_eq!(stored(&kit, acme), confirmed);
    // the same id again, at another address, stays confirmed
    let moved = BillingDetails { city: "Berlin".into(), ..german("DE136695976") };
    assert!(set(&kit, acme, moved).await.unwrap().vat.is_confirmed());
    // another id begins anew, and a late answer about the first says nothing about it
    let other = set(&kit, acme, german("DE129273398")).await.unwrap();
    assert_eq!((other.vat.name(), other.confirmed_vat_id()), ("unconfirmed", None));
    assert_eq!(answer(&kit, acme, "DE136695976", true).await, None);
    assert_eq!(stored(&kit, acme), other);
    let invalid = answer(&kit, acme, "DE129273398", false).await.unwrap();
    assert_eq!((invalid.vat.name(), invalid.confirmed_vat_id()), ("invalid", None));
    assert_eq!(stored(&kit, acme), invalid);
}

#[tokio::test]
async fn details_name_every_field_that_is_wrong() {
    let kit = Kit::new().await;
    let acme = kit.organization("acme", "UTC").await;
    let before = stored(&kit, acme);
    let wrong = BillingDetails {
        country: "ZZ".into(),
        vat_id: "DE136695970".into(),
        billing_email: "nobody".into(),
        ..BillingDetails::default()
    };
    let Err(Error::Invalid(fields)) = set(&kit, acme, wrong).await else { panic!("taken") };
    let names: Vec<&str> = fields.iter().map(|wrong| wrong.field.as_ref()).collect();
    assert_eq!(names, ["country", "vat_id", "billing_email"]);
    assert_eq!(stored(&kit, acme), before);
}
