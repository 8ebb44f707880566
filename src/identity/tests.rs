//! The rules, against a real database and a clock that is told what time it is.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::audit::{self, Difference};
use super::organizations::{self, Change};
use super::settings::Defaults;
use super::*;
use crate::base::id::{OrganizationId, SessionId, UserId, WorkspaceId};
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::base::{Clock, Mode, TestClock, Zone};
use crate::db::{Db, DbError, DbOptions, Parts, WriteTx};

const PASSWORD: &str = "correct horse";
/// How long a setup link works here.
const VALID_MS: i64 = HOUR_MS;

struct House {
    dir: TempDir,
    db: Db,
    clock: Arc<TestClock>,
    door: Authenticator,
}

fn options() -> Options {
    Options {
        passwords: PasswordPolicy::hashed(Hardness::TRIVIAL),
        // so that nothing in these tests grows old unless it is meant to
        remember: Duration::from_hours(1),
        session: SessionPolicy { idle_ms: 2 * HOUR_MS, absolute_ms: 5 * HOUR_MS },
        per_account: Rate { burst: 3, every_ms: MINUTE_MS },
        per_network: Rate { burst: 5, every_ms: MINUTE_MS },
        ..Options::new(Mode::Test)
    }
}

impl House {
    fn open() -> Self {
        Self::with(options())
    }

    fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::frozen("2026-11-21T09:00:00Z".parse().unwrap()));
        let generation = Generation::new();
        let parts = Parts::new().with(Invalidate::new(generation.clone()));
        let db = Db::open(dir.path(), &DbOptions::default(), clock.clone(), parts).unwrap();
        let door = Authenticator::new(db.clone(), &generation, options);
        Self { dir, db, clock, door }
    }

    /// Another process on the same file.
    fn neighbour(&self) -> Db {
        Db::open(self.dir.path(), &DbOptions::default(), self.clock.clone(), Parts::new()).unwrap()
    }

    fn write<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&WriteTx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // also callable from within a runtime
        std::thread::scope(|scope| scope.spawn(|| self.db.write_blocking(operation)).join().unwrap())
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Error>) -> T {
        self.db.read_blocking(|tx| query(tx)).unwrap()
    }

    fn organization(&self, name: &str) -> Organization {
        let new = new_organization(name, Some(&format!("ext-{name}")));
        self.write(move |tx| organizations::create(tx, &cli(), &new)).unwrap()
    }

    fn user(&self, email: &str, place: Option<(OrganizationId, Role)>) -> User {
        let new = self.new_user(email);
        self.write(move |tx| match place {
            Some((organization, role)) => users::create_member(tx, &cli(), &new, organization, role, &[]),
            None => users::create_operator(tx, &cli(), &new),
        })
        .unwrap()
    }

    fn new_user(&self, email: &str) -> NewUser {
        let password = self.door.passwords().hash_blocking(PASSWORD).unwrap();
        NewUser { email: email.into(), name: String::new(), password }
    }

    fn key(&self, owner: KeyOwner, scopes: &[Scope]) -> Issued {
        let new = NewKey { owner, mode: Mode::Test, scopes: Scopes::of(scopes), name: "server".into() };
        self.write(move |tx| keys::issue(tx, &cli(), &new, Issuer::Operator)).unwrap()
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, Error> {
        self.door.sign_in(email, password.into(), Origin::default()).await
    }

    fn entries(&self, action: &str) -> Vec<audit::Entry> {
        let filter = audit::Filter { action: Some(action.into()), ..audit::Filter::default() };
        self.read(|c| audit::list(c, &filter, None, 100)).items
    }
}

fn cli() -> By {
    By { actor: Actor::CommandLine, request_id: Some("req_1".into()) }
}

fn new_organization(name: &str, external_id: Option<&str>) -> NewOrganization {
    NewOrganization {
        name: name.into(),
        external_id: external_id.map(Into::into),
        currency: "EUR".parse().unwrap(),
        zone: "Europe/Madrid".parse().unwrap(),
        rate_card_id: None,
    }
}

fn fields(error: Error) -> Vec<String> {
    match error {
        Error::Invalid(fields) => fields.iter().map(|f| format!("{} {}", f.field, f.code)).collect(),
        other => panic!("{other:?}"),
    }
}

fn denied<T: std::fmt::Debug>(result: Result<T, Error>) -> Denied {
    match result {
        Err(Error::Denied(denied)) => denied,
        other => panic!("{other:?}"),
    }
}

fn form(email: &str) -> setup::Form {
    setup::Form {
        email: email.into(),
        name: "Ada".into(),
        password: PASSWORD.into(),
        defaults: Defaults { currency: "EUR".parse().unwrap(), zone: "Europe/Madrid".parse().unwrap() },
        seller: BillingDetails {
            company_name: "Tolls S.L.".into(),
            country: "es".into(),
            ..Default::default()
        },
    }
}

// --- organizations

#[test]
fn an_organization_is_found_by_either_id() {
    let house = House::open();
    let acme = house.organization("Acme");
    assert_eq!(house.read(|c| organizations::get(c, acme.id)), acme);
    for name in [acme.id.to_string(), "ext:ext-Acme".into()] {
        let name: OrganizationRef = name.parse().unwrap();
        assert_eq!(house.read(|c| organizations::find(c, &name)), acme);
        assert_eq!(*house.door.organization(&name).unwrap(), acme);
    }
    for bad in ["", "Acme", "ext:", "ext:a b", "usr_0000000000000"] {
        assert!(bad.parse::<OrganizationRef>().is_err(), "{bad}");
    }
    let nobody = house.door.organization(&OrganizationRef::External("nobody".into()));
    assert!(matches!(nobody, Err(Error::NotFound("organization"))));
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_the_platforms_id_is_unique() {
    let house = House::open();
    let acme = house.organization("Acme");
    let bad = new_organization(" ", Some("a b"));
    let error = house.write(move |tx| organizations::create(tx, &cli(), &bad)).unwrap_err();
    assert_eq!(fields(error), ["name required", "external_id invalid"]);
    let again = new_organization("Other", Some("ext-Acme"));
    let error = house.write(move |tx| organizations::create(tx, &cli(), &again)).unwrap_err();
    assert!(matches!(error, Error::Taken("external_id")));
    let other = house.organization("Other");
    let take = Change { external_id: Some(Some("ext-Acme".into())), ..Change::default() };
    let error = house.write(move |tx| organizations::update(tx, &cli(), other.id, &take, false)).unwrap_err();
    assert!(matches!(error, Error::Taken("external_id")));
    let same = Change { external_id: Some(Some("ext-Acme".into())), ..Change::default() };
    assert_eq!(
        house.write(move |tx| organizations::update(tx, &cli(), acme.id, &same, false)).unwrap(),
        acme
    );
    // several without one are fine
    for name in ["a", "b"] {
        let none = new_organization(name, None);
        house.write(move |tx| organizations::create(tx, &cli(), &none)).unwrap();
    }
}

#[test]
fn a_timezone_changes_only_while_there_is_no_usage() {
    let house = House::open();
    let id = house.organization("Acme").id;
    let change = Change { zone: Some(Zone::UTC), name: Some("Acme Ltd".into()), ..Change::default() };
    let with_usage = change.clone();
    let error = house.write(move |tx| organizations::update(tx, &cli(), id, &with_usage, true)).unwrap_err();
    assert!(matches!(error, Error::TimezoneFixed));
    assert_eq!(house.read(|c| organizations::get(c, id)).name, "Acme", "nothing of it was kept");
    house.clock.advance(1);
    let changed = house.write(move |tx| organizations::update(tx, &cli(), id, &change, false)).unwrap();
    assert_eq!((changed.name.as_str(), changed.zone.name()), ("Acme Ltd", "UTC"));
    assert_eq!(changed.updated_at.millis() - changed.created_at.millis(), 1);
    assert_eq!(house.read(|c| organizations::get(c, id)), changed);
    let entry = &house.entries("organization.updated")[0];
    let expected = serde_json::json!({"name": ["Acme", "Acme Ltd"], "timezone": ["Europe/Madrid", "UTC"]});
    assert_eq!(entry.difference, expected);
    // the same zone again is no change, usage or not
    let same = Change { zone: Some(Zone::UTC), ..Change::default() };
    house.write(move |tx| organizations::update(tx, &cli(), id, &same, true)).unwrap();
    assert_eq!(house.entries("organization.updated").len(), 1);
}

#[test]
fn the_currency_never_changes_and_organizations_stay() {
    let house = House::open();
    house.organization("Acme");
    let conn = Connection::open(house.db.file()).unwrap();
    assert!(conn.execute("UPDATE organizations SET currency = 'USD'", []).is_err());
    assert!(conn.execute("DELETE FROM organizations", []).is_err());
}

#[test]
fn organizations_are_listed_searched_and_paged() {
    let house = House::open();
    for number in 1..=5 {
        house.organization(&format!("Shop_{number}"));
    }
    let percent = house.organization("100%").id;
    house.write(move |tx| organizations::suspend(tx, &cli(), percent, "unpaid")).unwrap();
    let list = |search: &str, suspended, before, limit| {
        let filter = organizations::Filter { search: Some(search.into()), suspended };
        let page = house.read(|c| organizations::list(c, &filter, before, limit));
        let count = house.read(|c| organizations::count(c, &filter));
        (page.items.into_iter().map(|o| o.name).collect::<Vec<_>>(), page.next, count)
    };
    let (first, next, count) = list("shop", None, None, 2);
    assert_eq!((first, count), (vec!["Shop_5".into(), "Shop_4".into()], 5));
    let (second, next, _) = list("shop", None, next, 2);
    assert_eq!(second, ["Shop_3", "Shop_2"]);
    let (third, next, _) = list("shop", None, next, 2);
    assert_eq!((third, next), (vec!["Shop_1".into()], None));
    assert_eq!(list("%", None, None, 10).0, ["100%"], "what people type is no pattern");
    assert_eq!(list("p_5", None, None, 10).0, ["Shop_5"]);
    assert_eq!(list("ext-SHOP_3", None, None, 10).0, ["Shop_3"]);
    assert_eq!(list("", Some(true), None, 10).0, ["100%"]);
    assert_eq!(list(" ", Some(false), None, 10).2, 5);
    assert_eq!(list("nothing", None, None, 10), (vec![], None, 0));
}

#[test]
fn details_and_notes_are_kept_tidily() {
    let house = House::open();
    let id = house.organization("Acme").id;
    let details = BillingDetails {
        company_name: " Acme S.L. ".into(),
        country: "es".into(),
        vat_id: "ES B-12345674".into(),
        billing_email: "Bills@Acme.example".into(),
        ..BillingDetails::default()
    };
    let kept = house.write(move |tx| organizations::set_details(tx, &cli(), id, &details)).unwrap().details;
    assert_eq!(
        (&*kept.company_name, &*kept.country, &*kept.vat_id, &*kept.billing_email),
        ("Acme S.L.", "ES", "ESB12345674", "bills@acme.example")
    );
    assert_eq!(house.read(|c| organizations::get(c, id)).details, kept);
    let bad = BillingDetails { country: "Spain".into(), billing_email: "x".into(), ..Default::default() };
    let error = house.write(move |tx| organizations::set_details(tx, &cli(), id, &bad)).unwrap_err();
    assert_eq!(fields(error), ["country invalid", "billing_email invalid"]);
    for text in ["first", "second"] {
        house.write(move |tx| organizations::add_note(tx, &cli(), id, text)).unwrap();
    }
    let notes = house.read(|c| organizations::notes(c, id, None, 10)).items;
    assert_eq!(notes.iter().map(|n| &*n.body).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(notes[0].author, Actor::CommandLine);
}

#[test]
fn workspaces_are_made_on_first_sight_and_belong_to_one_organization() {
    let house = House::open();
    let (acme, other) = (house.organization("Acme").id, house.organization("Other").id);
    let see = |organization, external: &'static str| {
        house.write(move |tx| workspaces::ensure(tx, organization, external))
    };
    let sales = see(acme, "sales").unwrap();
    assert_eq!(see(acme, "sales").unwrap(), sales);
    assert_ne!(see(other, "sales").unwrap(), sales);
    assert_eq!(fields(see(acme, "a b").unwrap_err()), ["workspace invalid"]);
    assert!(see(OrganizationId::new(99), "sales").is_err());
    let support = house.write(move |tx| workspaces::create(tx, &cli(), acme, "support", "Support")).unwrap();
    let again = house.write(move |tx| workspaces::create(tx, &cli(), acme, "support", "Again"));
    assert!(matches!(again, Err(Error::Taken("external_id"))));
    let names: Vec<_> = house.read(|c| workspaces::list(c, acme, None, 10)).items;
    assert_eq!(names.iter().map(|w| &*w.name).collect::<Vec<_>>(), ["Support", "sales"]);
    let foreign = house.db.read_blocking(|tx| workspaces::get(tx, other, support.id));
    assert!(matches!(foreign, Err(Error::NotFound("workspace"))));
    let renamed = house.write(move |tx| workspaces::rename(tx, &cli(), acme, support.id, "Help")).unwrap();
    assert_eq!(house.read(|c| workspaces::get(c, acme, support.id)), renamed);
}

// --- people

#[test]
fn addresses_are_unique_whatever_their_case() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let ada = house.user("Ada@Example.com", Some((acme, Role::Owner)));
    assert_eq!(ada.email, "ada@example.com");
    let again = house.new_user(" ADA@example.com");
    let error = house.write(move |tx| users::create_operator(tx, &cli(), &again)).unwrap_err();
    assert!(matches!(error, Error::Taken("email")));
    let bad = NewUser { email: "nobody".into(), name: "a\u{0}".into(), ..house.new_user("x") };
    let error = house.write(move |tx| users::create_operator(tx, &cli(), &bad)).unwrap_err();
    assert_eq!(fields(error), ["email invalid", "name invalid"]);
    assert_eq!(house.read(|c| users::by_email(c, "ADA@EXAMPLE.COM")), ada);
    let new = house.new_user("eve@example.com");
    let error = house
        .write(move |tx| users::create_member(tx, &cli(), &new, OrganizationId::new(99), Role::Owner, &[]))
        .unwrap_err();
    assert!(matches!(error, Error::NotFound("organization")));
}

#[test]
fn an_organization_keeps_an_owner_and_the_operator_an_account() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let ada = house.user("ada@example.com", Some((acme, Role::Owner))).id;
    let demote = || house.write(move |tx| users::set_membership(tx, &cli(), ada, acme, Role::Billing, &[]));
    let remove = || house.write(move |tx| users::remove_membership(tx, &cli(), ada, acme));
    assert!(matches!(demote(), Err(Error::Last("owner"))));
    assert!(matches!(remove(), Err(Error::Last("owner"))));
    let bob = house.user("bob@example.com", Some((acme, Role::Owner))).id;
    house.write(move |tx| users::disable(tx, &cli(), bob)).unwrap();
    assert!(matches!(remove(), Err(Error::Last("owner"))), "somebody who cannot sign in does not count");
    house.write(move |tx| users::enable(tx, &cli(), bob)).unwrap();
    demote().unwrap();
    remove().unwrap();
    assert!(matches!(remove(), Err(Error::NotFound("member"))));
    assert_eq!(house.read(|c| users::members(c, acme, None, 10)).items.len(), 1);

    let root = house.user("root@example.com", None).id;
    let disable = || house.write(move |tx| users::disable(tx, &cli(), root));
    assert!(matches!(disable(), Err(Error::Last("operator"))));
    house.user("second@example.com", None);
    assert!(disable().unwrap().disabled_at.is_some());
    assert_eq!(house.read(|c| users::list(c, true, None, 10)).items.len(), 2);
    assert_eq!(house.read(|c| users::list(c, false, None, 10)).items.len(), 4);
}

#[tokio::test]
async fn a_member_sees_the_workspaces_given_and_no_foreign_one_can_be_given() {
    let house = House::open();
    let (acme, other) = (house.organization("Acme").id, house.organization("Other").id);
    let sales = house.write(move |tx| workspaces::ensure(tx, acme, "sales")).unwrap();
    let foreign = house.write(move |tx| workspaces::ensure(tx, other, "sales")).unwrap();
    let user = house.user("mia@example.com", Some((acme, Role::Member))).id;
    let give = |workspaces: Vec<WorkspaceId>| {
        house.write(move |tx| users::set_membership(tx, &cli(), user, acme, Role::Member, &workspaces))
    };
    assert!(matches!(give(vec![foreign]), Err(Error::NotFound("workspace"))));
    let token = house.sign_in("mia@example.com", PASSWORD).await.unwrap().token;
    let reach =
        || async { house.door.session(token.expose()).await.unwrap().0.may_read_usage(acme).unwrap() };
    assert_eq!(reach().await, Reach::Workspaces(vec![]));
    give(vec![sales, sales]).unwrap();
    assert_eq!(reach().await, Reach::Workspaces(vec![sales]));
    assert_eq!(house.read(|c| users::members(c, acme, None, 10)).items[0].workspaces, [sales]);
    give(vec![]).unwrap();
    assert_eq!(reach().await, Reach::Workspaces(vec![]));
}

// --- sessions

#[tokio::test]
async fn a_session_opens_what_the_person_may() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let ada = house.user("ada@example.com", Some((acme, Role::Billing)));
    let signed_in = house.sign_in(" Ada@Example.com ", PASSWORD).await.unwrap();
    let token = signed_in.token.expose();
    assert!(token.starts_with("tbs_"));
    let principal = house.door.bearer(token).await.unwrap();
    assert_eq!(principal.user_id(), Some(ada.id));
    assert_eq!(principal.may_in_session(Scope::BillingWrite, acme), Ok(()));
    assert_eq!(principal.may(Scope::MembersWrite, acme), Err(Denied::Role));
    house.write(move |tx| organizations::suspend(tx, &cli(), acme, "unpaid")).unwrap();
    let principal = house.door.bearer(token).await.unwrap();
    assert_eq!(principal.may(Scope::BillingRead, acme), Ok(()));
    assert_eq!(principal.may(Scope::BillingWrite, acme), Err(Denied::Suspended));
    let stored: Vec<u8> =
        house.read(|c| Ok(c.query_row("SELECT token_hash FROM sessions", [], |r| r.get(0)).unwrap()));
    assert_eq!(stored, SecretHash::of(token).bytes());
    for bad in ["", "tbs_", "tb_test_x", &token[1..], &format!("{token}x")] {
        assert_eq!(denied(house.door.bearer(bad).await), Denied::Unauthenticated, "{bad}");
    }
}

#[tokio::test]
async fn a_session_ends_exactly_when_it_has_idled_long_enough() {
    let house = House::open();
    house.user("root@example.com", None);
    let token = house.sign_in("root@example.com", PASSWORD).await.unwrap().token;
    house.clock.advance(2 * HOUR_MS - 1);
    assert!(house.door.session(token.expose()).await.is_ok(), "and is noted as used");
    house.clock.advance(2 * HOUR_MS - 1);
    assert!(house.door.session(token.expose()).await.is_ok());
    // the third stretch would end after the absolute limit of five hours
    let left = 5 * HOUR_MS - 2 * (2 * HOUR_MS - 1);
    house.clock.advance(left - 1);
    assert!(house.door.session(token.expose()).await.is_ok());
    house.clock.advance(1);
    assert_eq!(denied(house.door.session(token.expose()).await), Denied::Unauthenticated);

    let idle = house.sign_in("root@example.com", PASSWORD).await.unwrap().token;
    house.clock.advance(2 * HOUR_MS);
    assert_eq!(denied(house.door.session(idle.expose()).await), Denied::Unauthenticated);
}

#[tokio::test]
async fn the_use_of_a_session_is_written_at_most_once_a_minute() {
    let house = House::open();
    house.user("root@example.com", None);
    let signed_in = house.sign_in("root@example.com", PASSWORD).await.unwrap();
    let begun = signed_in.session.created_at;
    let seen_after = |advance_ms| {
        house.clock.advance(advance_ms);
        let (house, token) = (&house, signed_in.token.expose());
        async move {
            house.door.session(token).await.unwrap();
            let user = signed_in.session.user_id;
            let seen = house.read(|c| sessions::list(c, user, house.clock.now()))[0].last_seen_at;
            seen.millis() - begun.millis()
        }
    };
    assert_eq!(seen_after(MINUTE_MS - 1).await, 0);
    assert_eq!(seen_after(1).await, MINUTE_MS);
    assert_eq!(seen_after(MINUTE_MS - 1).await, MINUTE_MS);
    assert_eq!(seen_after(1).await, 2 * MINUTE_MS);
    // a clock that steps back does not make it look unused
    assert_eq!(seen_after(-HOUR_MS).await, 2 * MINUTE_MS);
}

#[tokio::test]
async fn signing_in_again_takes_a_new_token_and_ends_the_old_session() {
    let house = House::open();
    let user = house.user("root@example.com", None).id;
    let first = house.sign_in("root@example.com", PASSWORD).await.unwrap().token;
    let origin = Origin {
        previous: Some(first.expose().into()),
        user_agent: format!("Browser\r\n{}", "x".repeat(500)),
        ..Origin::default()
    };
    let second = house.door.sign_in("root@example.com", PASSWORD.into(), origin).await.unwrap();
    assert_ne!(first.expose(), second.token.expose());
    assert!(house.door.session(first.expose()).await.is_err());
    assert!(house.door.session(second.token.expose()).await.is_ok());
    let listed = house.read(|c| sessions::list(c, user, house.clock.now()));
    assert_eq!(listed.len(), 1);
    assert!(listed[0].user_agent.starts_with("Browserxxx") && listed[0].user_agent.len() == 200);
}

#[tokio::test]
async fn signing_out_ends_one_session_or_all_of_them() {
    let house = House::open();
    let user = house.user("root@example.com", None).id;
    let stranger = house.user("other@example.com", None).id;
    let mut signed_in = Vec::new();
    for _ in 0..3 {
        signed_in.push(house.sign_in("root@example.com", PASSWORD).await.unwrap());
    }
    let alive = || async {
        let mut alive = Vec::new();
        for one in &signed_in {
            alive.push(house.door.session(one.token.expose()).await.is_ok());
        }
        alive
    };
    let (first, last) = (signed_in[0].session.id, signed_in[2].session.id);
    let end = |user: UserId, id: SessionId| house.write(move |tx| sessions::end(tx, &cli(), user, id));
    assert!(matches!(end(stranger, first), Err(Error::NotFound("session"))));
    end(user, first).unwrap();
    assert_eq!(alive().await, [false, true, true]);
    house.write(move |tx| sessions::end_all(tx, &cli(), user, Some(last))).unwrap();
    assert_eq!(alive().await, [false, false, true]);
    house.write(move |tx| sessions::end_all(tx, &cli(), user, None)).unwrap();
    assert_eq!(alive().await, [false, false, false]);
}

#[tokio::test]
async fn sessions_do_not_pile_up() {
    let house = House::open();
    let user = house.user("root@example.com", None).id;
    let policy = SessionPolicy { idle_ms: HOUR_MS, absolute_ms: HOUR_MS };
    for _ in 0..103 {
        house.write(move |tx| sessions::create(tx, &cli(), user, policy, "", None)).unwrap();
    }
    assert_eq!(house.read(|c| sessions::list(c, user, house.clock.now())).len(), 100);
    let purge = || house.write(|tx| sessions::purge(tx, 60)).unwrap();
    house.clock.advance(HOUR_MS - 1);
    assert_eq!(purge(), 0);
    house.clock.advance(1);
    assert_eq!((purge(), purge(), purge()), (60, 40, 0));
}

#[tokio::test]
async fn wrong_unknown_and_disabled_look_the_same() {
    let house = House::open();
    let user = house.user("ada@example.com", None).id;
    house.user("root@example.com", None);
    house.write(move |tx| users::disable(tx, &cli(), user)).unwrap();
    for (email, password) in [
        ("root@example.com", "wrong horse"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("ada@example.com", PASSWORD),
    ] {
        let result = house.sign_in(email, password).await;
        assert!(matches!(result, Err(Error::WrongCredentials)), "{email}");
    }
}

#[tokio::test]
async fn being_disabled_ends_sessions_at_once() {
    let house = House::open();
    let user = house.user("ada@example.com", None).id;
    house.user("root@example.com", None);
    let token = house.sign_in("ada@example.com", PASSWORD).await.unwrap().token;
    house.write(move |tx| users::disable(tx, &cli(), user)).unwrap();
    assert_eq!(denied(house.door.session(token.expose()).await), Denied::Unauthenticated);
    house.write(move |tx| users::enable(tx, &cli(), user)).unwrap();
    assert!(house.door.session(token.expose()).await.is_err(), "the old session stays ended");
    house.sign_in("ada@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn guessing_is_slowed_per_account_and_per_network() {
    let house = House::open();
    house.user("ada@example.com", None);
    let from = |address: &str| Origin { address: Some(address.parse().unwrap()), ..Origin::default() };
    let attempt = |email: &'static str, password: &'static str, address: &'static str| {
        house.door.sign_in(email, password.into(), from(address))
    };
    // good ones cost nothing
    for _ in 0..8 {
        attempt("ada@example.com", PASSWORD, "192.0.2.1").await.unwrap();
    }
    for _ in 0..3 {
        let wrong = attempt("ada@example.com", "wrong horse", "192.0.2.1").await;
        assert!(matches!(wrong, Err(Error::WrongCredentials)));
    }
    let refused = attempt("ADA@example.com", PASSWORD, "192.0.2.1").await;
    assert!(matches!(refused, Err(Error::TooManyAttempts { retry_after_ms: MINUTE_MS })), "{refused:?}");
    // the person is not locked out elsewhere
    attempt("ada@example.com", PASSWORD, "198.51.100.7").await.unwrap();
    // four of the network's five are gone: three wrong ones and the refused one
    let other = attempt("bob@example.com", "wrong horse", "192.0.2.1").await;
    assert!(matches!(other, Err(Error::WrongCredentials)));
    let other = attempt("eve@example.com", "wrong horse", "192.0.2.1").await;
    assert!(matches!(other, Err(Error::TooManyAttempts { .. })));
    house.clock.advance(MINUTE_MS);
    attempt("ada@example.com", PASSWORD, "192.0.2.1").await.unwrap();
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_the_other_sessions() {
    let house = House::open();
    let user = house.user("ada@example.com", None).id;
    let here = house.sign_in("ada@example.com", PASSWORD).await.unwrap();
    let elsewhere = house.sign_in("ada@example.com", PASSWORD).await.unwrap();
    let change = |current: &str, new: &str| {
        house.door.change_password(cli(), (user, here.session.id), current.into(), new.into(), None)
    };
    assert!(matches!(change("wrong horse", "battery staple").await, Err(Error::WrongCredentials)));
    assert_eq!(fields(change(PASSWORD, "short").await.unwrap_err()), ["password too_short"]);
    change(PASSWORD, "battery staple").await.unwrap();
    assert!(house.door.session(here.token.expose()).await.is_ok());
    assert!(house.door.session(elsewhere.token.expose()).await.is_err());
    assert!(house.sign_in("ada@example.com", PASSWORD).await.is_err());
    house.sign_in("ada@example.com", "battery staple").await.unwrap();
    assert_eq!(house.entries("user.password_changed").len(), 1);
}

#[tokio::test]
async fn a_password_hashed_less_hard_is_hashed_anew_when_it_is_next_used() {
    let house = House::with(Options {
        passwords: PasswordPolicy::hashed(Hardness { memory_kib: 16, ..Hardness::TRIVIAL }),
        ..options()
    });
    let password = Passwords::new(PasswordPolicy::hashed(Hardness::TRIVIAL)).hash_blocking(PASSWORD).unwrap();
    let new = NewUser { password: password.clone(), ..house.new_user("ada@example.com") };
    let user = house.write(move |tx| users::create_operator(tx, &cli(), &new)).unwrap().id;
    house.sign_in("ada@example.com", PASSWORD).await.unwrap();
    let stored = house.read(|c| Ok(sql::password_of(c, user)?)).unwrap();
    assert_ne!(stored, password);
    assert!(stored.as_str().contains("m=16,"), "{}", stored.as_str());
    house.sign_in("ada@example.com", PASSWORD).await.unwrap();
}

// --- keys

#[test]
fn a_key_is_shown_once_and_stored_as_a_hash() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let issued = house.key(KeyOwner::Organization(acme), &[Scope::UsageWrite]);
    let secret = issued.secret.expose().to_owned();
    assert!(secret.starts_with("tb_test_") && secret.starts_with(&issued.key.prefix));
    assert_eq!(issued.key.prefix.len(), 14);
    let principal = house.door.key(&secret).unwrap();
    assert_eq!(principal.may(Scope::UsageWrite, acme), Ok(()));
    assert!(!principal.is_operator());
    assert!(
        house.door.key(house.key(KeyOwner::Operator, &[Scope::Admin]).secret.expose()).unwrap().is_operator()
    );
    let listed = house.read(|c| keys::list(c, KeyOwner::Organization(acme), None, 10)).items;
    assert_eq!(listed, std::slice::from_ref(&issued.key));
    assert_eq!(house.read(|c| keys::list(c, KeyOwner::Operator, None, 10)).items.len(), 1);
    // the secret is in no table, and not in the audit log either
    let file = std::fs::read(house.db.file()).unwrap();
    let log = std::fs::read(house.db.file().with_extension("db-wal")).unwrap_or_default();
    for bytes in [file, log] {
        assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
    }
    assert!(!house.entries("key.issued")[1].difference.to_string().contains(&secret));
}

#[test]
fn keys_of_the_other_mode_and_unknown_keys_are_turned_away() {
    let house = House::open();
    let live =
        NewKey { owner: KeyOwner::Operator, mode: Mode::Live, scopes: Scopes::ALL, name: String::new() };
    let live = house.write(move |tx| keys::issue(tx, &cli(), &live, Issuer::Operator)).unwrap();
    assert_eq!(denied(house.door.key(live.secret.expose())), Denied::WrongMode);
    for bad in ["", "tb_test_", "Bearer", Secret::mint("tb_test_").expose()] {
        assert_eq!(denied(house.door.key(bad)), Denied::Unauthenticated, "{bad}");
    }
}

#[test]
fn a_customer_cannot_mint_credit_with_an_own_key() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let owner = KeyOwner::Organization(acme);
    let issue = |owner, scopes: &[Scope], issuer| {
        let new = NewKey { owner, mode: Mode::Test, scopes: Scopes::of(scopes), name: "x".into() };
        house.write(move |tx| keys::issue(tx, &cli(), &new, issuer))
    };
    for scope in Scope::ALL {
        let result = issue(owner, &[scope], Issuer::Customer);
        if matches!(scope, Scope::BillingWrite | Scope::Admin) {
            assert_eq!(fields(result.unwrap_err()), ["scopes operator_only"]);
        } else {
            result.unwrap();
        }
    }
    let operators = issue(KeyOwner::Operator, &[Scope::UsageRead], Issuer::Customer);
    assert_eq!(denied(operators), Denied::OperatorRequired);
    assert_eq!(fields(issue(owner, &[], Issuer::Operator).unwrap_err()), ["scopes required"]);
    // nor by rotating one that the operator issued
    let strong = issue(owner, &[Scope::BillingWrite], Issuer::Operator).unwrap().key.id;
    let rotate = |issuer| house.write(move |tx| keys::rotate(tx, &cli(), owner, strong, 0, issuer));
    assert_eq!(denied(rotate(Issuer::Customer)), Denied::OperatorRequired);
    rotate(Issuer::Operator).unwrap();
}

#[test]
fn revoking_works_at_once_through_the_cache_and_only_on_ones_own() {
    let house = House::open();
    let (acme, other) = (house.organization("Acme").id, house.organization("Other").id);
    let issued = house.key(KeyOwner::Organization(acme), &[Scope::UsageWrite]);
    let (id, secret) = (issued.key.id, issued.secret);
    let neighbour = house.key(KeyOwner::Organization(other), &[Scope::UsageWrite]).secret;
    for _ in 0..3 {
        house.door.key(secret.expose()).unwrap();
        house.door.key(neighbour.expose()).unwrap();
    }
    let foreign = house.write(move |tx| keys::revoke(tx, &cli(), KeyOwner::Organization(other), id));
    assert!(matches!(foreign, Err(Error::NotFound("key"))));
    house.door.key(secret.expose()).unwrap();
    let revoke = || house.write(move |tx| keys::revoke(tx, &cli(), KeyOwner::Organization(acme), id));
    let revoked = revoke().unwrap();
    assert_eq!(denied(house.door.key(secret.expose())), Denied::Unauthenticated);
    house.door.key(neighbour.expose()).unwrap();
    house.clock.advance(1);
    assert_eq!(revoke().unwrap(), revoked, "the first time counts");
    assert_eq!(house.entries("key.revoked").len(), 1);
}

#[test]
fn a_rotated_key_works_exactly_as_long_as_it_was_given() {
    let house = House::open();
    let owner = KeyOwner::Organization(house.organization("Acme").id);
    let old = house.key(owner, &[Scope::UsageWrite, Scope::UsageRead]);
    house.door.key(old.secret.expose()).unwrap();
    let rotate = |id, overlap_ms| {
        house.write(move |tx| keys::rotate(tx, &cli(), owner, id, overlap_ms, Issuer::Customer))
    };
    let new = rotate(old.key.id, HOUR_MS).unwrap();
    assert_eq!((new.key.scopes, &new.key.name), (old.key.scopes, &old.key.name));
    assert!(matches!(rotate(old.key.id, 0), Err(Error::NotFound("key"))), "not twice");
    house.clock.advance(HOUR_MS - 1);
    house.door.key(old.secret.expose()).unwrap();
    house.clock.advance(1);
    assert_eq!(denied(house.door.key(old.secret.expose())), Denied::Unauthenticated);
    house.door.key(new.secret.expose()).unwrap();
    let newest = rotate(new.key.id, 0).unwrap();
    assert!(house.door.key(new.secret.expose()).is_err());
    let capped = rotate(newest.key.id, 365 * DAY_MS).unwrap();
    house.clock.advance(keys::OVERLAP_MAX_MS);
    assert!(house.door.key(newest.secret.expose()).is_err());
    // a key in its overlap can still be cut off at once
    let last = rotate(capped.key.id, HOUR_MS).unwrap();
    house.door.key(capped.secret.expose()).unwrap();
    house.write(move |tx| keys::revoke(tx, &cli(), owner, capped.key.id)).unwrap();
    assert!(house.door.key(capped.secret.expose()).is_err());
    house.door.key(last.secret.expose()).unwrap();
}

#[test]
fn suspending_reaches_keys_and_remembered_organizations_at_once() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let secret = house.key(KeyOwner::Organization(acme), &[Scope::UsageWrite, Scope::UsageRead]).secret;
    let name: OrganizationRef = "ext:ext-Acme".parse().unwrap();
    let state = || {
        let may = house.door.key(secret.expose()).unwrap().may(Scope::UsageWrite, acme);
        (may, house.door.organization(&name).unwrap().status.is_suspended())
    };
    assert_eq!(state(), (Ok(()), false));
    house.write(move |tx| organizations::suspend(tx, &cli(), acme, "fraud")).unwrap();
    assert_eq!(state(), (Err(Denied::Suspended), true));
    let reason = Status::Suspended { reason: "fraud".into() };
    assert_eq!(house.read(|c| organizations::get(c, acme)).status, reason);
    assert_eq!(house.door.key(secret.expose()).unwrap().may(Scope::UsageRead, acme), Ok(()));
    house.write(move |tx| organizations::resume(tx, &cli(), acme)).unwrap();
    assert_eq!(state(), (Ok(()), false));
    // another id: the old name is gone, the new one is known
    let change = Change { external_id: Some(Some("moved".into())), ..Change::default() };
    house.write(move |tx| organizations::update(tx, &cli(), acme, &change, true)).unwrap();
    assert!(matches!(house.door.organization(&name), Err(Error::NotFound(_))));
    assert_eq!(house.door.organization(&"ext:moved".parse().unwrap()).unwrap().id, acme);
}

#[test]
fn what_another_process_revokes_is_noticed_in_time() {
    let house = House::with(Options { remember: Duration::from_millis(50), ..options() });
    let acme = house.organization("Acme").id;
    let issued = house.key(KeyOwner::Organization(acme), &[Scope::UsageWrite]);
    house.door.key(issued.secret.expose()).unwrap();
    let neighbour = house.neighbour();
    neighbour
        .write_blocking(move |tx| keys::revoke(tx, &cli(), KeyOwner::Organization(acme), issued.key.id))
        .unwrap();
    std::thread::sleep(Duration::from_millis(55));
    assert_eq!(denied(house.door.key(issued.secret.expose())), Denied::Unauthenticated);
}

#[test]
fn what_another_process_revokes_is_noticed_with_the_next_write() {
    let house = House::open();
    let acme = house.organization("Acme").id;
    let issued = house.key(KeyOwner::Organization(acme), &[Scope::UsageWrite]);
    house.door.key(issued.secret.expose()).unwrap();
    house
        .neighbour()
        .write_blocking(move |tx| keys::revoke(tx, &cli(), KeyOwner::Organization(acme), issued.key.id))
        .unwrap();
    house.write(move |tx| workspaces::ensure(tx, acme, "any")).unwrap();
    assert_eq!(denied(house.door.key(issued.secret.expose())), Denied::Unauthenticated);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_lazily() {
    let house = House::open();
    let owner = KeyOwner::Organization(house.organization("Acme").id);
    let issued = house.key(owner, &[Scope::UsageWrite]);
    let id = issued.key.id;
    let used = || house.read(|c| keys::get(c, owner, id)).last_used_at;
    let begun = house.clock.now();
    house.door.key(issued.secret.expose()).unwrap();
    assert_eq!(used(), None, "not before it is written down");
    house.door.flush_used().await.unwrap();
    assert_eq!(used(), Some(begun));
    house.clock.advance(MINUTE_MS - 1);
    house.door.key(issued.secret.expose()).unwrap();
    house.door.flush_used().await.unwrap();
    assert_eq!(used(), Some(begun), "at most once a minute");
    house.clock.advance(1);
    house.door.key(issued.secret.expose()).unwrap();
    house.door.flush_used().await.unwrap();
    assert_eq!(used(), Some(begun.plus_ms(MINUTE_MS)));
    house.write(move |tx| keys::note_used(tx, &[(id, begun)])).unwrap();
    assert_eq!(used(), Some(begun.plus_ms(MINUTE_MS)), "never back");
}

// --- setup

#[tokio::test]
async fn setup_makes_the_operator_and_the_settings() {
    let house = House::open();
    let token = house.write(|tx| setup::mint(tx, VALID_MS)).unwrap().unwrap();
    let user = house.door.complete_setup(token.expose().into(), form("Ada@Example.com"), None).await.unwrap();
    assert!(user.operator);
    let defaults = house.read(settings::defaults).unwrap();
    assert_eq!((defaults.currency.code(), defaults.zone.name()), ("EUR", "Europe/Madrid"));
    let seller = house.read(settings::seller);
    assert_eq!((&*seller.company_name, &*seller.country), ("Tolls S.L.", "ES"));
    house.sign_in("ada@example.com", PASSWORD).await.unwrap();
    let again = house.door.complete_setup(token.expose().into(), form("eve@example.com"), None).await;
    assert!(matches!(again, Err(Error::SetupComplete)));
    assert!(house.write(|tx| setup::mint(tx, VALID_MS)).unwrap().is_none(), "no new link either");
    let actions: Vec<_> = house.entries("").into_iter().map(|e| (e.action, e.actor)).collect();
    assert!(actions.contains(&("setup.completed".into(), Actor::Setup)));
}

#[tokio::test]
async fn a_setup_link_works_as_long_as_said_and_only_the_latest() {
    let house = House::open();
    let check = |token: &Secret| {
        let token = token.expose().to_owned();
        house.db.read_blocking(|tx| setup::check(tx, &token, tx.now()))
    };
    let never = Secret::mint("tb_setup_");
    assert!(matches!(check(&never), Err(Error::SetupToken)));
    let first = house.write(|tx| setup::mint(tx, VALID_MS)).unwrap().unwrap();
    let second = house.write(|tx| setup::mint(tx, VALID_MS)).unwrap().unwrap();
    for bad in [&first, &never] {
        assert!(matches!(check(bad), Err(Error::SetupToken)));
    }
    check(&second).unwrap();
    house.clock.advance(VALID_MS - 1);
    check(&second).unwrap();
    house.clock.advance(1);
    assert!(matches!(check(&second), Err(Error::SetupToken)));
    let late = house.door.complete_setup(second.expose().into(), form("ada@example.com"), None).await;
    assert!(matches!(late, Err(Error::SetupToken)));
    assert!(house.read(setup::is_open));
    house.user("root@example.com", None);
    assert!(!house.read(setup::is_open), "an operator made on the command line completes it too");
    assert!(matches!(check(&never), Err(Error::SetupComplete)));
}

#[tokio::test]
async fn two_who_complete_the_setup_at_once_make_one_operator() {
    let house = House::open();
    let token = house.write(|tx| setup::mint(tx, VALID_MS)).unwrap().unwrap();
    let complete = |email: &str| house.door.complete_setup(token.expose().into(), form(email), None);
    let (one, two) = tokio::join!(complete("one@example.com"), complete("two@example.com"));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    let lost = one.err().or(two.err()).unwrap();
    assert!(matches!(lost, Error::SetupComplete), "{lost:?}");
    assert_eq!(house.read(|c| users::list(c, false, None, 10)).items.len(), 1);
    assert_eq!(house.entries("setup.completed").len(), 1);
}

#[tokio::test]
async fn everything_wrong_with_the_setup_is_said_at_once() {
    let house = House::open();
    let token = house.write(|tx| setup::mint(tx, VALID_MS)).unwrap().unwrap();
    let seller = BillingDetails { country: "Spain".into(), ..BillingDetails::default() };
    let bad = setup::Form { password: "short".into(), seller, ..form("nobody") };
    let error = house.door.complete_setup(token.expose().into(), bad, None).await.unwrap_err();
    assert_eq!(fields(error), ["email invalid", "password too_short", "country invalid"]);
    house.door.complete_setup(token.expose().into(), form("ada@example.com"), None).await.unwrap();
}

// --- audit log

#[test]
fn the_audit_log_cannot_be_rewritten() {
    let house = House::open();
    house.organization("Acme");
    let conn = Connection::open(house.db.file()).unwrap();
    for statement in [
        "UPDATE audit_log SET actor = 'system'",
        "DELETE FROM audit_log",
        "INSERT OR REPLACE INTO audit_log (id, at, actor, action, target, difference)
         VALUES (1, 0, 'system', 'x', 'y', '{}')",
    ] {
        let error = conn.execute(statement, []).unwrap_err().to_string();
        assert!(error.contains("the audit log is final"), "{error}");
    }
    assert_eq!(house.entries("").len(), 1);
}

#[test]
fn the_audit_log_is_filtered_and_paged() {
    let house = House::open();
    let (acme, other) = (house.organization("Acme").id, house.organization("Other").id);
    let ada = house.user("ada@example.com", Some((acme, Role::Owner))).id;
    house.clock.advance(1_000);
    let by = By { actor: Actor::User(ada), request_id: Some("req_9".into()) };
    let acting = by.clone();
    house.write(move |tx| organizations::suspend(tx, &acting, acme, "test")).unwrap();
    house.write(move |tx| organizations::resume(tx, &by, acme)).unwrap();
    let list = |filter: audit::Filter, before, limit| {
        let page = house.read(|c| audit::list(c, &filter, before, limit));
        (page.items.into_iter().map(|e| e.action).collect::<Vec<_>>(), page.next)
    };
    let all = audit::Filter::default;
    let (first, next) = list(all(), None, 4);
    assert_eq!(first, ["organization.resumed", "organization.suspended", "member.set", "user.created"]);
    assert_eq!(
        list(all(), next, 4),
        (vec!["organization.created".into(), "organization.created".into()], None)
    );
    let of_other = audit::Filter { organization: Some(other), ..all() };
    assert_eq!(list(of_other, None, 9).0, ["organization.created"]);
    let by_ada = audit::Filter { actor: Some(Actor::User(ada)), ..all() };
    assert_eq!(list(by_ada, None, 9).0.len(), 2);
    let about_ada = audit::Filter { target: Some(ada.to_string()), ..all() };
    assert_eq!(list(about_ada, None, 9).0, ["member.set", "user.created"]);
    let now = house.clock.now();
    assert_eq!(list(audit::Filter { from: Some(now), ..all() }, None, 9).0.len(), 2);
    assert_eq!(list(audit::Filter { to: Some(now), ..all() }, None, 9).0.len(), 4);
    assert_eq!(list(audit::Filter { action: Some("organization.s%".into()), ..all() }, None, 9).0.len(), 0);
    let entry = &house.entries("organization.suspended")[0];
    assert_eq!((entry.actor, entry.request_id.as_deref()), (Actor::User(ada), Some("req_9")));
    assert_eq!(entry.organization, Some(acme));
    assert_eq!(entry.difference, serde_json::json!({"status": ["active", "suspended"], "reason": "test"}));
}

#[test]
fn what_fails_is_not_recorded() {
    let house = House::open();
    let result: Result<(), Error> = house.write(|tx| {
        organizations::create(tx, &cli(), &new_organization("Acme", None))?;
        audit::record(tx, &cli(), "test", "x", None, &Difference::new())?;
        Err(Error::Db(DbError::Stopped))
    });
    assert!(result.is_err());
    assert_eq!(house.entries("").len(), 0);
    assert_eq!(house.read(|c| organizations::count(c, &organizations::Filter::default())), 0);
}

#[test]
fn actors_survive_their_text() {
    for actor in [
        Actor::User(UserId::new(7)),
        Actor::Key(crate::base::id::ApiKeyId::new(7)),
        Actor::CommandLine,
        Actor::System,
        Actor::Setup,
        Actor::Anonymous,
    ] {
        assert_eq!(actor.to_string().parse(), Ok(actor));
    }
    assert!("org_0000000000000".parse::<Actor>().is_err());
}

// --- settings

#[test]
fn settings_come_back_as_they_went_and_nonsense_is_an_error() {
    let house = House::open();
    assert_eq!(house.read(|c| settings::get::<Vec<u32>>(c, "test")), None);
    house.write(|tx| settings::set(tx, "test", &vec![1, 2])).unwrap();
    house.write(|tx| settings::set(tx, "test", &vec![3])).unwrap();
    assert_eq!(house.read(|c| settings::get::<Vec<u32>>(c, "test")), Some(vec![3]));
    assert!(house.db.read_blocking(|tx| settings::get::<String>(tx, "test")).is_err());
    house.write(|tx| settings::remove(tx, "test")).unwrap();
    assert_eq!(house.read(|c| settings::get::<Vec<u32>>(c, "test")), None);
}
