use std::sync::Arc;

use super::rules::{Interval, PassThrough, Price};
use super::seed::{SeedOptions, seed};
use super::*;
use crate::base::time::DAY_MS;
use crate::base::{Clock, Credits, Money, Quantity, TestClock};
use crate::db::{Db, DbOptions, Parts};

const EUR: SeedOptionsText = SeedOptionsText("EUR", 100);

#[derive(Clone, Copy)]
struct SeedOptionsText(&'static str, i64);

impl SeedOptionsText {
    fn options(self) -> SeedOptions {
        SeedOptions { currency: self.0.parse().expect("currency"), credits_per_unit: self.1 }
    }
}

struct Fixture {
    db: Db,
    clock: Arc<TestClock>,
    readers: SnapshotCache,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn empty() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let clock = Arc::new(TestClock::frozen("2026-11-21T09:00:00Z".parse().expect("time")));
        let parts = Parts::new().with(CatalogPart::default());
        let db = Db::open(dir.path(), &DbOptions::default(), clock.clone(), parts).expect("db");
        Self { db, clock, readers: SnapshotCache::default(), _dir: dir }
    }

    fn seeded() -> Self {
        let fixture = Self::empty();
        assert!(fixture.write(|tx| seed(tx, &EUR.options())).expect("seeded"));
        fixture
    }

    fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&WriteTx<'_>) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.db.write_blocking(operation)
    }

    /// The catalog as readers see it; checked to be what the writer and the database have.
    fn catalog(&self) -> Arc<Snapshot> {
        let of_reader = self.db.read_blocking(|tx| self.readers.get(tx)).expect("catalog");
        let of_writer = self.db.write_blocking(snapshot).expect("catalog");
        let of_database = self.db.read_blocking(|tx| Snapshot::load(tx)).expect("catalog");
        for copy in [&*of_writer, &of_database] {
            assert_eq!(copy.revision(), of_reader.revision());
            assert_eq!(copy.meters(), of_reader.meters());
            assert_eq!(copy.rate_cards(), of_reader.rate_cards());
            assert_eq!(copy.plans(), of_reader.plans());
        }
        of_reader
    }
}

fn code(text: &str) -> Code {
    text.parse().expect(text)
}

fn flat(meter: &str, credits: &str) -> Rate {
    serde_json::from_str(&format!(r#"{{"meter":"{meter}","price":{{"flat":{credits}}}}}"#)).expect("rate")
}

fn version(card: &str, rates: Vec<Rate>) -> NewRateVersion {
    NewRateVersion { card: code(card), name: None, starts_at: None, rates }
}

fn problems<T: std::fmt::Debug>(result: Result<T, CatalogError>) -> Vec<String> {
    match result {
        Err(CatalogError::Invalid(problems)) => problems.0.into_iter().map(|p| p.field).collect(),
        other => panic!("expected problems: {other:?}"),
    }
}

#[test]
fn a_new_installation_prices_a_call() {
    let fixture = Fixture::seeded();
    let catalog = fixture.catalog();
    let codes: Vec<&str> = catalog.meters().iter().map(|m| m.code.as_str()).collect();
    assert_eq!(codes, [VOICE, CHAT, TRANSFER_MINUTE, NUMBER]);
    let voice = catalog.meter_id(VOICE).expect("voice");
    let per_minute = |card: &str| {
        let card = catalog.rate_card_by_code(card).expect("card").id;
        let (_, rate) = catalog.rate(card, voice, fixture.clock.now()).expect("rate");
        assert_eq!(rate.unit_size.to_string(), "60");
        assert_eq!(rate.pass_through, PassThrough::TollFree);
        let Price::Flat(price) = rate.price else { panic!("{rate:?}") };
        (price.to_string(), rate.toll_free_surcharge.expect("surcharge").to_string())
    };
    let prices = [DEFAULT_CARD, "starter", "growth", "scale"].map(per_minute);
    assert_eq!(prices, ["7", "6.5", "5.5", "4.5"].map(|price| (price.into(), "2".into())));
}

#[test]
fn plans_include_minutes_below_the_pay_as_you_go_price() {
    let catalog = Fixture::seeded().catalog();
    let per_minute = |plan: &Plan| {
        let terms = &plan.versions[0].terms;
        let minutes = terms.allowances["voice"].micros() / 60_000_000;
        (terms.price.minor * 1_000_000 - terms.plan_credits.micros()) / minutes
    };
    let fees: Vec<i64> = catalog.plans().iter().map(per_minute).collect();
    assert_eq!(fees, [5_800_000, 4_700_000, 3_740_000], "micro-credits a minute, against 7 credits");
    for plan in catalog.plans() {
        let version = plan.in_force(Timestamp::from_millis(0)).expect("in force");
        assert_eq!(catalog.plan_version(version.id).expect("by id").0.code, plan.code);
        assert_eq!(version.terms.rate_card, plan.code);
        assert_eq!(version.terms.interval, Interval::Month);
    }
}

#[test]
fn seeding_twice_changes_nothing() {
    let fixture = Fixture::seeded();
    let before = fixture.catalog();
    assert!(!fixture.write(|tx| seed(tx, &EUR.options())).expect("nothing to do"));
    assert_eq!(fixture.catalog().revision(), before.revision());
}

#[test]
fn seeded_prices_keep_their_worth_in_other_credits_and_currencies() {
    let cases = [
        // currency, credits per unit, voice minute, fee of Starter
        ("USD", 100, "7", "29.00 USD"),
        ("EUR", 1, "0.07", "29.00 EUR"),
        ("EUR", 10_000, "700", "29.00 EUR"),
        ("JPY", 1, "7", "2900 JPY"),
        ("KWD", 100, "7", "29.000 KWD"),
    ];
    for (currency, credits_per_unit, minute, fee) in cases {
        let fixture = Fixture::empty();
        let options = SeedOptionsText(currency, credits_per_unit).options();
        fixture.write(move |tx| seed(tx, &options)).expect(currency);
        let catalog = fixture.catalog();
        let voice = catalog.meter_id(VOICE).expect("voice");
        let (_, by) =
            catalog.rate(catalog.default_card().expect("card"), voice, fixture.clock.now()).expect("rate");
        assert_eq!(by.price, Price::Flat(minute.parse().expect(minute)), "{currency}");
        assert_eq!(catalog.plan_by_code("starter").expect("plan").versions[0].terms.price.to_string(), fee);
    }
}

#[test]
fn an_operator_adds_a_meter_and_prices_it() {
    let fixture = Fixture::seeded();
    let new = NewMeter { code: code("tokens"), name: "Tokens".into(), unit: "token".into() };
    let meter = fixture.write(move |tx| add_meter(tx, &new)).expect("added");
    let catalog = fixture.catalog();
    let scale = catalog.rate_card_by_code("scale").expect("card").id;
    assert_eq!(catalog.meter(meter.id), Some(&meter));
    assert_eq!(catalog.rate(scale, meter.id, fixture.clock.now()), None, "no price yet");

    let mut tokens = flat("tokens", "30");
    tokens.unit_size = "1000000".parse().expect("quantity");
    let rates: Vec<Rate> = vec![flat("voice", "7"), tokens.clone()];
    let published =
        fixture.write(|tx| publish_rate_card(tx, &version(DEFAULT_CARD, rates))).expect("published");
    let catalog = fixture.catalog();
    let now = fixture.clock.now();
    // a plan's card that says nothing of it falls back to the default card
    assert_eq!(catalog.rate(scale, meter.id, now), Some((published, &tokens)));
    let number = catalog.meter_id(NUMBER).expect("number");
    let default = catalog.default_card().expect("default");
    assert_eq!(catalog.rate(default, number, now), None, "the new version no longer prices it");
    assert!(
        catalog.rate(default, number, now.plus_ms(-1)).is_some(),
        "the old one does for what occurred before"
    );
}

#[test]
fn a_meter_needs_a_free_code_and_readable_names() {
    let fixture = Fixture::seeded();
    let again = NewMeter { code: code("voice"), name: "Voice".into(), unit: "second".into() };
    let refused = fixture.write(move |tx| add_meter(tx, &again));
    assert!(matches!(refused, Err(CatalogError::MeterExists(_))), "{refused:?}");
    let nameless = NewMeter { code: code("x"), name: " ".into(), unit: "a\u{7}b".into() };
    assert_eq!(problems(fixture.write(move |tx| add_meter(tx, &nameless))), ["name", "unit"]);
    for bad in ["", "1a", "_a", "Voice", "a-b", "a b", "é", &"a".repeat(33)] {
        assert!(bad.parse::<Code>().is_err(), "{bad}");
    }
    assert!("a".repeat(32).parse::<Code>().is_ok());
}

#[test]
fn a_version_in_force_is_never_rewritten() {
    let fixture = Fixture::seeded();
    let now = fixture.clock.now();
    let publish = |starts_at: Timestamp, credits: &str| {
        let new = NewRateVersion {
            starts_at: Some(starts_at),
            ..version(DEFAULT_CARD, vec![flat("voice", credits)])
        };
        fixture.write(move |tx| publish_rate_card(tx, &new))
    };
    assert_eq!(problems(publish(now.plus_ms(-1), "1")), ["starts_at"]);
    // version 2 in ten days, replaced before it starts by 3 in five days; 4 in twenty days
    publish(now.plus_ms(10 * DAY_MS), "2").expect("published");
    publish(now.plus_ms(5 * DAY_MS), "3").expect("published");
    publish(now.plus_ms(20 * DAY_MS), "4").expect("published");
    let catalog = fixture.catalog();
    let card = catalog.rate_card_by_code(DEFAULT_CARD).expect("card");
    let number_at = |days: i64| card.in_force(now.plus_ms(days * DAY_MS)).map(|v| v.version);
    assert_eq!([0, 5, 10, 20, 999].map(number_at), [Some(1), Some(3), Some(3), Some(4), Some(4)]);
    assert_eq!(card.in_force(Timestamp::from_millis(-1)), None);
    let last = card.versions.last().expect("versions");
    assert_eq!(
        catalog.rate_version(last.id).map(|(card, v)| (card.code.as_str(), v.version)),
        Some(("payg", 4))
    );
}

#[test]
fn all_problems_of_a_rate_card_are_named_at_once() {
    let fixture = Fixture::seeded();
    let json = r#"[
        {"meter":"voice","unit_size":0,"increment":6,"minimum":10,"price":{"flat":-1},"rounding":0},
        {"meter":"voice","price":{"graduated":[{"up_to":5,"price":1},{"up_to":5,"price":1},{"price":-2},{"up_to":9,"price":1}]}},
        {"meter":"nothing","price":{"volume":[]},"byok_price":-1,"toll_free_surcharge":1e10},
        {"meter":"chat","price":{"graduated":[{"up_to":5,"price":1},{"up_to":9,"price":1}]}}
    ]"#;
    let rates: Vec<Rate> = serde_json::from_str(json).expect("shape");
    let new = NewRateVersion { starts_at: Some(Timestamp::from_millis(5)), ..version("payg", rates) };
    assert_eq!(
        problems(fixture.write(move |tx| publish_rate_card(tx, &new))),
        [
            "rates[0].unit_size",
            "rates[0].minimum",
            "rates[0].rounding",
            "rates[0].price.flat",
            "rates[1].meter",
            "rates[1].price.graduated[1].up_to",
            "rates[1].price.graduated[2].price",
            "rates[1].price.graduated[2].up_to",
            "rates[1].price.graduated[3].up_to",
            "rates[2].meter",
            "rates[2].byok_price",
            "rates[2].toll_free_surcharge",
            "rates[2].price.volume",
            "rates[3].price.graduated[1].up_to",
            "starts_at",
        ]
    );
    assert_eq!(
        problems(fixture.write(|tx| publish_rate_card(tx, &version("fresh", vec![])))),
        ["rates", "name"]
    );
}

#[test]
fn rates_are_read_strictly_and_exactly() {
    let rate: Rate = serde_json::from_str(
        r#"{"meter":"voice","unit_size":60,"increment":1,"price":{"flat":0.123456},"pass_through":"toll_free"}"#,
    )
    .expect("rate");
    assert_eq!(rate.price, Price::Flat(Credits::from_micros(123_456)));
    assert_eq!(rate.pass_through, PassThrough::TollFree);
    let text = serde_json::to_string(&rate).expect("json");
    assert_eq!(serde_json::from_str::<Rate>(&text).expect("again"), rate);
    for bad in [
        r#"{"meter":"voice","price":{"flat":7},"colour":1}"#,
        r#"{"meter":"voice","price":{"flat":0.1234567}}"#,
        r#"{"meter":"voice","price":{"flat":"7"}}"#,
        r#"{"meter":"voice","price":{"free":7}}"#,
        r#"{"meter":"voice","price":7}"#,
        r#"{"meter":"Voice","price":{"flat":7}}"#,
        r#"{"meter":"voice"}"#,
        r#"{"meter":"voice","price":{"graduated":[{"price":1,"upto":4}]}}"#,
    ] {
        assert!(serde_json::from_str::<Rate>(bad).is_err(), "{bad}");
    }
}

#[test]
fn all_problems_of_a_plan_are_named_at_once() {
    let fixture = Fixture::seeded();
    let unpriced = NewMeter { code: code("unpriced"), name: "Unpriced".into(), unit: "piece".into() };
    fixture.write(move |tx| add_meter(tx, &unpriced)).expect("added");
    let terms: PlanTerms = serde_json::from_str(
        r#"{"price":{"amount":"-1.00","currency":"EUR"},"interval":"year","plan_credits":-1,
            "allowances":{"voice":0,"nothing":1,"unpriced":1},"rate_card":"missing"}"#,
    )
    .expect("shape");
    let new = NewPlanVersion { plan: code("custom"), name: None, starts_at: None, terms: terms.clone() };
    assert_eq!(
        problems(fixture.write(move |tx| publish_plan(tx, &new))),
        [
            "price",
            "plan_credits",
            "rate_card",
            "allowances.nothing",
            "allowances.unpriced",
            "allowances.voice",
            "name"
        ]
    );
    let terms = PlanTerms {
        price: Money { minor: 0, ..terms.price },
        plan_credits: Credits::ZERO,
        allowances: [(code("voice"), Quantity::from_micros(1))].into(),
        rate_card: code("payg"),
        ..terms
    };
    let new = NewPlanVersion { plan: code("custom"), name: Some("Custom".into()), starts_at: None, terms };
    let id = fixture.write(move |tx| publish_plan(tx, &new)).expect("published");
    let catalog = fixture.catalog();
    let (plan, version) = catalog.plan_version(id).expect("found");
    assert_eq!((plan.name.as_str(), version.version), ("Custom", 1));
}

#[test]
fn a_name_given_again_renames() {
    let fixture = Fixture::seeded();
    let new =
        NewRateVersion { name: Some("Metered".into()), ..version(DEFAULT_CARD, vec![flat("voice", "1")]) };
    fixture.write(move |tx| publish_rate_card(tx, &new)).expect("published");
    assert_eq!(fixture.catalog().rate_card_by_code(DEFAULT_CARD).expect("card").name, "Metered");
}

#[test]
fn a_publication_that_fails_is_in_nobodys_copy() {
    let fixture = Fixture::seeded();
    let before = fixture.catalog();
    let refused = fixture.write(|tx| {
        publish_rate_card(tx, &version(DEFAULT_CARD, vec![flat("voice", "99")]))?;
        // the operation sees its own change, and then gives up
        assert_eq!(snapshot(tx)?.rate_card_by_code(DEFAULT_CARD).expect("card").versions.len(), 2);
        Err::<(), _>(CatalogError::MeterExists(code("any")))
    });
    assert!(refused.is_err());
    assert_eq!(fixture.catalog().revision(), before.revision());
    assert_eq!(fixture.catalog().rate_card_by_code(DEFAULT_CARD).expect("card").versions.len(), 1);
}

#[test]
fn published_rows_cannot_be_changed_and_a_bad_one_is_named() {
    let fixture = Fixture::seeded();
    let conn = rusqlite::Connection::open(fixture.db.file()).expect("open");
    for statement in [
        "UPDATE rate_versions SET rates = '[]' WHERE id = 1",
        "DELETE FROM rate_versions",
        "UPDATE plan_versions SET starts_at = 5",
        "DELETE FROM plan_versions",
        "UPDATE meters SET unit = 'minute' WHERE code = 'voice'",
        "DELETE FROM meters",
        "UPDATE plans SET code = 'other'",
    ] {
        assert!(conn.execute(statement, []).is_err(), "{statement}");
    }
    let insert = "INSERT INTO rate_versions (id, rate_card_id, version, starts_at, rates, created_at) VALUES (77, 1, 9, 0, ?1, 0)";
    let bad = r#"[{"meter":"ghost","price":{"flat":1}}]"#;
    conn.execute(insert, [bad]).expect("inserted");
    conn.execute("UPDATE catalog_state SET revision = revision + 1", []).expect("bumped");
    let of_reader = fixture.db.read_blocking(|tx| fixture.readers.get(tx)).map(|_| ());
    let of_writer = fixture.db.write_blocking(snapshot).map(|_| ());
    for error in [of_reader, of_writer] {
        assert_eq!(error.expect_err("refused").to_string(), "rate_versions row 77: no meter ghost");
    }
}
