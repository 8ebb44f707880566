//! Somebody changes the file behind the program's back: whatever they touch, `verify` finds it and says where.

use rusqlite::Connection;
use tollbook::base::id::OrganizationId;
use tollbook::base::time::{DAY_MS, HOUR_MS};
use tollbook::base::{Credits, Money, Quantity};
use tollbook::calls::{self, CallRef, Report, Request};
use tollbook::db::{DbError, WriteTx};
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::ledger::verify::VerifyError;
use tollbook::ledger::{AccountKind, Journal};
use tollbook::metering::{Direction, ExternalId, PriceTerms, UsageEvent};
use tollbook::numbers::{self, Kind, NewRental};
use tollbook::wallet::{self, NewCredit};

use crate::ledger_kit::{Kit, credits, event, grant, take};

/// A book with a bit of everything: several grants, a charge over two of them, surcharges, an allowance, an expiry, a
/// debt, money, a void.
async fn lived_in() -> Kit {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "Europe/Madrid").await;
    let now = kit.now();
    let trial = NewCredit { expires_at: Some(now.plus_ms(HOUR_MS)), ..grant("3", Class::Free) };
    kit.credit(org, trial).await.expect("credit");
    let bought = NewCredit {
        cost: Some(Money { minor: 5_000, currency: "EUR".parse().expect("currency") }),
        ..grant("50", Class::Paid)
    };
    kit.credit(org, bought).await.expect("credit");
    kit.charge(org, event("over two grants", "chat", "5", now)).await;
    let toll_free = UsageEvent {
        toll_free: true,
        carrier_cost: Some(Credits::from_micros(9_000_000)),
        agent: Some("agent".into()),
        ..event("toll free", "voice", "90", now)
    };
    kit.charge(org, toll_free).await;
    let version = kit.catalog().plan_by_code("starter").expect("plan").versions[0].id;
    let terms = PriceTerms { starts_at: now, plan_version: Some(version), rate_card: None };
    kit.write(move |tx| tollbook::metering::set_price_terms(tx, org, terms)).await.expect("terms");
    kit.charge(org, event("included", "voice", "600", now)).await;
    let sixteen = ExternalId::new("sixteen letters.");
    kit.charge(org, UsageEvent { call: sixteen, ..event("sixteen letters.", "chat", "1", now) }).await;
    kit.charge(org, event("taken back", "chat", "2", now)).await;
    kit.void(org, "taken back").await.expect("void");
    kit.write(move |tx| wallet::take_back(tx, org, take("1", Class::Paid))).await.expect("taken");
    let late = NewCredit { expires_at: Some(now.plus_ms(HOUR_MS)), ..grant("2", Class::Plan) };
    kit.credit(org, late).await.expect("credit");
    kit.clock.advance(2 * HOUR_MS);
    kit.write(|tx| wallet::expire_due(tx, 10)).await.expect("expired");
    in_calls(&kit, org).await;
    let repaid = kit.organization("repaid", "UTC").await;
    kit.charge(repaid, event("repaid", "chat", "3", kit.now())).await;
    kit.give(repaid, "10").await;
    kit.void(repaid, "repaid").await.expect("void");
    let debtor = kit.organization("debtor", "UTC").await;
    kit.charge(debtor, event("owed", "chat", "7", kit.now())).await;
    // the day before is over, so its end is written
    kit.clock.advance(24 * HOUR_MS);
    kit.charge(org, event("next day", "chat", "1", kit.now())).await;
    earned(&kit).await;
    kit.assert_sound();
    kit
}

/// Credit that was paid for: used to the end, used in part, given up for money.
async fn earned(kit: &Kit) {
    let spender = kit.organization("spender", "UTC").await;
    let euros = |minor| Money { minor, currency: "EUR".parse().expect("currency") };
    let bought = |amount, minor| NewCredit { cost: Some(euros(minor)), ..grant(amount, Class::Paid) };
    let first = kit.credit(spender, bought("4", 77)).await.expect("credit").1;
    let second = kit.credit(spender, bought("40", 3_000)).await.expect("credit").1.id;
    let used = kit.charge(spender, event("earned", "chat", "5", kit.now())).await.credits;
    assert!(used > first.original, "{used}");
    kit.write(move |tx| {
        tollbook::revenue::post_due(tx, 10)?;
        let conn = tx.conn()?;
        let to = AccountKind::Refunds;
        let back = tollbook::revenue::give_back(tx, second, Credits::from_micros(10_000_000), euros(700), to);
        let back = back.expect("given back");
        tx.part::<Journal>()?.gather_money(conn, back.debit, back.credit, back.amount)?;
        wallet::take_back(tx, spender, take("10", Class::Paid)).expect("taken");
        Ok::<_, DbError>(())
    })
    .await
    .expect("posted");
}

/// A call in progress on the plan's allowance, one on credit, one that was charged, one that was refused.
async fn in_calls(kit: &Kit, org: OrganizationId) {
    let asked = |name: &str, byok: bool| Request {
        organization: None,
        workspace: None,
        agent: Some("agent".into()),
        number: None,
        external: ExternalId::new(name).expect("id"),
        meter: "voice".into(),
        direction: Direction::Outbound,
        toll_free: false,
        byok,
    };
    let requests = [asked("live", false), asked("held", true), asked("over", true)];
    kit.write(move |tx| {
        for request in &requests {
            calls::authorize(tx, Some(org), None, request)?.expect("asked");
        }
        let transfer = Some(Quantity::from_micros(30_000_000));
        let report = Report { duration: Quantity::from_micros(90_000_000), transfer, carrier_cost: None };
        let which = CallRef::External(ExternalId::new("over").expect("id"));
        calls::capture(tx, Some(org), None, &which, report, None)?.expect("captured");
        Ok::<_, DbError>(())
    })
    .await
    .expect("calls");
}

/// Takes every trigger away, as whoever edits the file could.
fn without_triggers(conn: &Connection) {
    let names: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .expect("triggers")
        .query_map([], |row| row.get(0))
        .expect("triggers")
        .map(|name| name.expect("name"))
        .collect();
    assert!(names.len() > 10);
    for name in names {
        conn.execute_batch(&format!("DROP TRIGGER {name}")).expect("drop");
    }
}

/// What is changed, and the tables that may be named for it: the row itself where it contradicts others, or the
/// commit whose hash covers it.
const CHANGES: &[(&str, &[&str])] = &[
    // items
    ("UPDATE usage_items SET credits = credits + 1 WHERE id = (SELECT max(id) FROM usage_items)", ITEM),
    ("UPDATE usage_items SET quantity = quantity + 1 WHERE kind = 0", ITEM),
    ("UPDATE usage_items SET total = total + 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET balance_after = balance_after + 1 WHERE event_id = 'owed'", ITEM),
    ("UPDATE usage_items SET reported = reported + 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET occurred_at = occurred_at + 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET posted_at = posted_at + 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET event_id = 'another' WHERE event_id = 'included'", ITEM),
    // the same bytes, but no longer the id that the platform sends again
    ("UPDATE usage_items SET event_id = CAST(event_id AS BLOB) WHERE event_id = 'sixteen letters.'", ITEM),
    ("UPDATE usage_items SET call_id = CAST(call_id AS BLOB) WHERE call_id = 'sixteen letters.'", ITEM),
    ("UPDATE usage_items SET fingerprint = fingerprint + 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET agent_id = NULL WHERE event_id = 'toll free'", ITEM),
    ("UPDATE usage_items SET flags = 0 WHERE event_id = 'toll free'", ITEM),
    ("UPDATE usage_items SET rate_version_id = 2 WHERE event_id = 'toll free'", ITEM),
    ("UPDATE usage_items SET cycle_start = cycle_start + 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET prev_line = 1 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET corrects = NULL WHERE corrects IS NOT NULL", ITEM),
    ("UPDATE usage_items SET organization_id = 2 WHERE event_id = 'included'", ITEM),
    ("UPDATE usage_items SET account_id = 1 WHERE event_id = 'owed'", ITEM),
    ("DELETE FROM usage_items WHERE event_id = 'included'", ITEM),
    ("DELETE FROM usage_items WHERE id = (SELECT max(id) FROM usage_items)", &["commits", "wallets"]),
    ("DELETE FROM usage_items WHERE head IS NOT NULL", &["usage_items", "commits"]),
    (
        "INSERT INTO usage_items (id, organization_id, head, kind, meter_id, quantity, credits, rate_version_id)
         VALUES (1000, 1, 999, 1, 1, 1, 0, 1)",
        &["usage_items"],
    ),
    ("UPDATE usage_draws SET amount = amount + 1", ITEM),
    ("UPDATE usage_draws SET amount = amount + CASE WHEN account_id = (SELECT min(account_id) FROM usage_draws) THEN 1 ELSE -1 END", ITEM),
    ("DELETE FROM usage_draws", ITEM),
    ("INSERT INTO usage_draws SELECT id, 1, 5 FROM usage_items WHERE event_id = 'included'", &["usage_draws"]),
    // voids
    ("DELETE FROM usage_voids", &["usage_voids"]),
    ("UPDATE usage_voids SET void_id = head", &["usage_voids"]),
    ("INSERT INTO usage_voids SELECT id, id FROM usage_items WHERE event_id = 'included'", &["usage_voids"]),
    // what reports read
    ("UPDATE usage_rollups SET credits = credits + 1 WHERE credits > 0", &["usage_rollups"]),
    ("UPDATE usage_rollups SET quantity = quantity + 1", &["usage_rollups"]),
    ("UPDATE usage_rollups SET reported = reported - 1", &["usage_rollups"]),
    ("UPDATE usage_rollups SET events = events + 1", &["usage_rollups"]),
    ("DELETE FROM usage_rollups WHERE agent_id <> 0", &["usage_rollups"]),
    ("INSERT INTO usage_rollups VALUES (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)", &["usage_rollups"]),
    ("UPDATE usage_days SET last_head = last_head - 1", &["usage_days"]),
    ("UPDATE usage_days SET events = events + 1", &["usage_days"]),
    ("DELETE FROM usage_days WHERE organization_id = 2", &["usage_days"]),
    ("UPDATE cycle_usage SET included = included - 1", &["cycle_usage"]),
    ("UPDATE cycle_usage SET billed = billed + 1", &["cycle_usage"]),
    ("DELETE FROM cycle_usage", &["cycle_usage"]),
    ("DELETE FROM agents", &["agents"]),
    // the index that keeps events from being charged twice
    ("INSERT INTO usage_id_runs VALUES (1, 0, 5, 2, zeroblob(32))", &["usage_id_runs"]),
    ("INSERT INTO usage_id_runs VALUES (1, 0, 5, 0, zeroblob(32))", &["usage_id_runs"]),
    // lines
    ("UPDATE transactions SET amount = amount + 1 WHERE id = 1", LINE),
    ("UPDATE transactions SET balance_after = balance_after + 1 WHERE id = 1", LINE),
    ("UPDATE transactions SET description = 'another'", LINE),
    ("UPDATE transactions SET created_at = created_at + 1", LINE),
    ("UPDATE transactions SET actor = 'somebody else'", LINE),
    ("UPDATE transactions SET grant_id = NULL WHERE id = 1", LINE),
    ("DELETE FROM transactions WHERE id = 1", LINE),
    // transfers
    ("UPDATE transfers SET amount = amount + 1 WHERE id = 3", MOVE),
    ("UPDATE transfers SET debit_account_id = credit_account_id, credit_account_id = debit_account_id WHERE id = 3", MOVE),
    ("UPDATE transfers SET transaction_id = NULL WHERE id = 1", MOVE),
    ("UPDATE transfers SET commit_id = commit_id + 1 WHERE id = 1", MOVE),
    ("DELETE FROM transfers WHERE id = 2", MOVE),
    ("DELETE FROM transfers WHERE id = (SELECT max(id) FROM transfers)", MOVE),
    (
        "INSERT INTO transfers SELECT max(id) + 1, max(commit_id), NULL, 1, 2, 5 FROM transfers",
        &["transfers"],
    ),
    // commits
    ("UPDATE commits SET hash = zeroblob(32) WHERE id = 2", &["commits"]),
    ("UPDATE commits SET committed_at = committed_at + 1 WHERE id = 2", &["commits"]),
    ("DELETE FROM commits WHERE id = 2", &["commits"]),
    ("DELETE FROM commits WHERE id = (SELECT max(id) FROM commits)", &["transactions", "transfers"]),
    // accounts
    ("UPDATE accounts SET debits_posted = debits_posted + 1 WHERE id = 2", &["accounts"]),
    ("UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = 2", &["accounts"]),
    (
        "UPDATE accounts SET credits_posted = credits_posted + 1, debits_posted = debits_posted + 1 WHERE id = 2",
        &["accounts"],
    ),
    ("UPDATE accounts SET debits_pending = 1 WHERE id = 2", &["accounts", "grants"]),
    ("UPDATE accounts SET ledger = 'EUR' WHERE kind = 'overdraft'", &["accounts", "transfers"]),
    ("DELETE FROM accounts WHERE kind = 'expired'", &["accounts", "transfers"]),
    // wallets
    ("UPDATE wallets SET balance = balance + 1 WHERE organization_id = 1", &["wallets"]),
    ("UPDATE wallets SET last_line = 1 WHERE organization_id = 1", &["wallets"]),
    ("UPDATE wallets SET line_count = line_count - 1 WHERE organization_id = 1", &["wallets"]),
    ("UPDATE wallets SET overdraft_account_id = 1 WHERE organization_id = 2", &["wallets"]),
    ("DELETE FROM wallets WHERE organization_id = 2", &["wallets"]),
    ("UPDATE wallet_days SET balance = balance + 1 WHERE organization_id = 1", &["wallet_days"]),
    ("UPDATE wallet_days SET last_line = last_line - 1 WHERE organization_id = 1", &["wallet_days"]),
    ("DELETE FROM wallet_days WHERE organization_id = 1", &["wallet_days"]),
    ("INSERT INTO wallet_days SELECT day + 40, 2, 0, 1 FROM wallet_days LIMIT 1", &["wallet_days"]),
    ("UPDATE wallets SET updated_at = updated_at - 86400000 WHERE organization_id = 1", &["wallets"]),
    // grants
    ("UPDATE grants SET original = original + 1 WHERE class = 'paid'", &["grants"]),
    ("UPDATE grants SET expired = expired + 1 WHERE class = 'free'", &["grants"]),
    ("UPDATE grants SET expired = expired + 1 WHERE class = 'plan'", &["grants"]),
    ("UPDATE grants SET open = 0 WHERE class = 'paid'", &["grants"]),
    ("UPDATE grants SET organization_id = 2 WHERE class = 'paid'", &["grants", "wallets"]),
    ("UPDATE grants SET class = 'free' WHERE class = 'paid'", &["grants"]),
    ("UPDATE grants SET cost_minor = 1 WHERE class = 'paid'", &["grants"]),
    ("UPDATE grants SET transaction_id = 2 WHERE transaction_id = 1", &["grants"]),
    ("UPDATE grants SET expires_at = expires_at + 86400000 WHERE class = 'free'", TERMS),
    ("UPDATE grants SET expires_at = NULL WHERE class = 'plan'", TERMS),
    ("UPDATE grants SET priority = 1 WHERE class = 'paid'", TERMS),
    ("UPDATE grants SET meters = '[1]' WHERE class = 'paid'", TERMS),
    ("UPDATE grants SET created_at = created_at + 1 WHERE class = 'paid'", TERMS),
    ("UPDATE grants SET source = 'welcome' WHERE class = 'paid'", TERMS),
    ("UPDATE grants SET expires_at = 1 WHERE source = 'reversal'", TERMS),
    ("UPDATE grants SET meters = '[1]' WHERE source = 'reversal'", TERMS),
    ("UPDATE grants SET created_at = created_at - 1 WHERE source = 'reversal'", TERMS),
    ("UPDATE transactions SET grant_terms = zeroblob(32) WHERE id = 1", TERMS),
    // calls
    ("UPDATE accounts SET debits_pending = debits_pending + 1 WHERE debits_pending > 0", &["accounts"]),
    ("UPDATE accounts SET debits_pending = 0", &["accounts"]),
    ("UPDATE accounts SET credits_pending = 1 WHERE id = 2", &["accounts"]),
    ("UPDATE holds SET amount = amount + 1", &["calls", "accounts"]),
    ("DELETE FROM holds", &["calls"]),
    ("UPDATE holds SET account_id = 1", &["holds"]),
    ("UPDATE holds SET call_id = (SELECT id FROM calls WHERE call_id = 'over')", &["holds"]),
    ("UPDATE calls SET held = held + 1 WHERE call_id = 'held'", &["calls"]),
    ("UPDATE calls SET held_included = held_included - 1 WHERE call_id = 'live'", &["cycle_holds"]),
    ("UPDATE calls SET status = 'completed', ended_at = 1, expires_at = NULL WHERE call_id = 'held'", &["holds"]),
    ("UPDATE calls SET status = 'rejected' WHERE call_id = 'live'", &["calls", "cycle_holds"]),
    ("UPDATE calls SET expires_at = NULL WHERE call_id = 'live'", &["calls"]),
    ("UPDATE calls SET duration = duration + 1 WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET transfer = transfer + 1 WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET credits = credits + 1 WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET surcharge = surcharge + 1 WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET carried = carried - 1 WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET carrier_cost = 1 WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET head = transfer_head WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET head = NULL, duration = NULL, credits = NULL WHERE call_id = 'over'", &["calls"]),
    ("UPDATE calls SET organization_id = 9 WHERE call_id = 'live'", &["calls", "cycle_holds"]),
    ("UPDATE calls SET started_at = started_at - 1 WHERE call_id = 'over'", &["calls"]),
    ("DELETE FROM calls WHERE call_id = 'over'", &["calls"]),
    ("UPDATE cycle_holds SET included = included + 1", &["cycle_holds"]),
    ("DELETE FROM cycle_holds", &["cycle_holds"]),
    ("INSERT INTO cycle_holds VALUES (7, 1, 0, 0, 0)", &["cycle_holds"]),
    // money
    ("UPDATE money_days SET amount = amount + 1", &["money_days"]),
    ("UPDATE money_days SET day = day - 1", &["money_days"]),
    ("UPDATE money_days SET debit_account_id = credit_account_id", &["money_days"]),
    ("DELETE FROM money_days WHERE amount < 1000", &["money_days"]),
    ("INSERT INTO money_days SELECT day + 9, debit_account_id, credit_account_id, 1 FROM money_days LIMIT 1", &["money_days"]),
    ("UPDATE grant_money SET earned = earned + 1", EARNED),
    ("UPDATE grant_money SET earned = earned - 1, breakage = breakage + 1 WHERE earned > 0", EARNED),
    ("UPDATE grant_money SET breakage = breakage - 1 WHERE breakage > 0", EARNED),
    ("UPDATE grant_money SET returned = returned + 1 WHERE returned > 0", EARNED),
    ("UPDATE grant_money SET returned = 0, breakage = breakage + returned", EARNED),
    ("UPDATE grant_money SET consumed = consumed / 2", &["grant_money"]),
    ("UPDATE grant_money SET gone = gone * 2", &["grant_money"]),
    ("UPDATE grant_money SET gone = gone - 1, consumed = consumed - 1 WHERE earned = 77", &["grant_money"]),
    ("DELETE FROM grant_money WHERE earned = 77", EARNED),
    ("DELETE FROM grant_money WHERE returned > 0", EARNED),
    ("INSERT INTO grant_money SELECT account_id, 0, 0, 0, 0, 0 FROM grants WHERE class = 'plan'", &["grant_money"]),
    ("UPDATE grants SET settled = 1 WHERE class = 'paid'", &["grants"]),
    ("UPDATE grants SET withdrawn = withdrawn + 1 WHERE class = 'paid'", &["grants"]),
    ("UPDATE grants SET withdrawn = 0 WHERE class = 'paid'", &["grants"]),
    ("DELETE FROM grants WHERE class = 'plan'", &["grants", "wallets", "transactions"]),
];

const EARNED: &[&str] = &["grant_money", "accounts"];
const ITEM: &[&str] = &["usage_items", "commits", "usage_draws"];
const TERMS: &[&str] = &["grants", "commits"];
const LINE: &[&str] = &["transactions", "commits"];
const MOVE: &[&str] = &["transfers", "commits"];

#[tokio::test]
async fn whatever_is_changed_is_found_and_named() {
    let mut kit = lived_in().await;
    let conn = kit.break_in();
    without_triggers(&conn);
    let mut missed = Vec::new();
    for (change, named) in CHANGES {
        conn.execute_batch("SAVEPOINT change").expect("savepoint");
        let changed = conn.execute(change, []).expect(change);
        assert!(changed > 0, "changed nothing: {change}");
        match tollbook::calls::verify::run(&conn) {
            Ok(_) => missed.push(format!("not noticed: {change}")),
            Err(VerifyError::Misfit { table, .. }) if named.contains(&table) => {}
            Err(error) => missed.push(format!("{error} is not what was done: {change}")),
        }
        conn.execute_batch("ROLLBACK TO change; RELEASE change").expect("rollback");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    tollbook::calls::verify::run(&conn).expect("sound again");
}

/// Posted rows cannot be changed at all without taking the triggers away first.
#[tokio::test]
async fn the_database_itself_refuses_to_change_what_is_posted() {
    let mut kit = lived_in().await;
    let conn = kit.break_in();
    for table in ["usage_items", "usage_draws", "transactions", "transfers", "commits"] {
        let column = if table == "usage_draws" { "amount" } else { "rowid" };
        let update = conn.execute(&format!("UPDATE {table} SET {column} = {column}"), []);
        assert!(update.expect_err(table).to_string().contains("final"), "{table}");
        let delete = conn.execute(&format!("DELETE FROM {table}"), []);
        assert!(delete.expect_err(table).to_string().contains("final"), "{table}");
    }
    for column in ["expires_at", "priority", "meters", "source", "original"] {
        let update = conn.execute(&format!("UPDATE grants SET {column} = {column}"), []);
        assert!(update.expect_err(column).to_string().contains("keep their terms"), "{column}");
    }
    for table in ["accounts", "grants"] {
        let delete = conn.execute(&format!("DELETE FROM {table}"), []);
        assert!(delete.expect_err(table).to_string().contains("stay"), "{table}");
    }
    drop(conn);
    kit.reopen();
    kit.assert_sound();
}

/// The index of event ids decides whether an event is charged again, so it must hold the ids themselves.
#[tokio::test]
async fn an_index_that_no_longer_knows_its_events_is_found() {
    let mut kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let now = kit.now();
    for batch in 0..100 {
        let events = (0..20).map(|n| event(&format!("{batch}-{n}"), "chat", "1", now)).collect();
        kit.record(org, events).await;
    }
    kit.assert_sound();
    let conn = kit.break_in();
    let count = |query| conn.query_row(query, [], |row| row.get::<_, i64>(0)).expect(query);
    assert!(count("SELECT count(*) FROM usage_id_runs") > 1, "enough events for several runs");
    assert!(count("SELECT max(level) FROM usage_id_runs") > 0, "and for merging some");
    for change in [
        "UPDATE usage_ids SET id_key = id_key + 1 WHERE item_id = (SELECT min(item_id) FROM usage_ids)",
        "UPDATE usage_ids SET item_id = item_id + 1 WHERE item_id = (SELECT min(last_item) FROM usage_id_runs)",
        "DELETE FROM usage_ids WHERE item_id = (SELECT min(last_item) FROM usage_id_runs)",
        "DELETE FROM usage_id_runs WHERE run = (SELECT min(run) FROM usage_id_runs)",
        "UPDATE usage_id_runs SET filter = zeroblob(length(filter))",
        "UPDATE usage_id_runs SET last_item = last_item + 1",
    ] {
        conn.execute_batch("SAVEPOINT change").expect("savepoint");
        assert!(conn.execute(change, []).expect(change) > 0);
        let found = tollbook::metering::verify::run(&conn);
        assert!(
            matches!(found, Err(VerifyError::Misfit { table: "usage_id_runs", .. })),
            "{found:?}: {change}"
        );
        conn.execute_batch("ROLLBACK TO change; RELEASE change").expect("rollback");
    }
}

/// Numbers of every state, and thresholds that stand differently.
async fn rented_and_watched() -> Kit {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "Europe/Madrid").await;
    let by = || By::actor(Actor::System);
    let watched = move |tx: &WriteTx<'_>| {
        wallet::await_alerts(tx, org)?;
        wallet::look_at_alerts(tx, org, &[credits("900"), credits("100")])
    };
    kit.give(org, "1150").await;
    kit.write(watched).await.expect("thresholds");
    let terms = numbers::Terms { grace_days: 7, release_days: 30 };
    for (name, later_ms) in
        [("released", 1), ("suspended", 1), ("grace", 19 * DAY_MS), ("active", 15 * DAY_MS)]
    {
        let new = NewRental { external_id: name.into(), kind: Kind::Local, agent: None };
        kit.write(move |tx| numbers::register(tx, &by(), org, &new)).await.expect("rented");
        kit.clock.advance(later_ms);
    }
    kit.write(move |tx| numbers::give_up(tx, &by(), org, "released")).await.expect("given up");
    for _ in 0..40 {
        kit.clock.advance(DAY_MS / 2);
        let due = move |tx: &WriteTx<'_>| -> Result<(), numbers::Error> {
            let due = numbers::due(tx.conn()?, tx.now(), None, 100)?;
            due.into_iter().try_for_each(|(_, id)| numbers::step(tx, id, terms))
        };
        kit.write(due).await.expect("rents");
    }
    kit.write(move |tx| wallet::look_at_alerts(tx, org, &[credits("900"), credits("100")]))
        .await
        .expect("look");
    kit.assert_sound();
    kit
}

const RENTS_AND_THRESHOLDS: &[(&str, &str)] = &[
    ("UPDATE number_rentals SET charges = charges + 1", "number_rentals"),
    ("UPDATE number_rentals SET charges = charges - 1, months = 1 WHERE state = 'active'", "number_rentals"),
    ("UPDATE number_rentals SET organization_id = 9", "number_rentals"),
    ("UPDATE number_rentals SET number_id = number_id + 1 WHERE state = 'released'", "number_rentals"),
    ("UPDATE number_rentals SET id = 77 WHERE state = 'suspended'", "number_rentals"),
    ("DELETE FROM number_rentals WHERE state = 'released'", "number_rentals"),
    ("UPDATE number_rentals SET next_at = next_at + 1 WHERE state = 'active'", "number_rentals"),
    ("UPDATE number_rentals SET until = until + 1 WHERE state = 'grace'", "number_rentals"),
    ("UPDATE number_rentals SET warned = 1 - warned WHERE state = 'grace'", "number_rentals"),
    ("UPDATE number_rentals SET state = 'grace', warned = 1 WHERE state = 'suspended'", "number_rentals"),
    ("UPDATE number_guards SET unpaid = 1 - unpaid", "number_rentals"),
    ("UPDATE wallets SET alert_below = alert_below + 1", "wallets"),
    ("UPDATE wallets SET alert_above = alert_above - 1", "wallets"),
    ("UPDATE wallets SET alert_below = NULL", "wallets"),
    ("UPDATE wallets SET alert_below = NULL, alert_above = NULL", "wallets"),
    ("UPDATE alerts SET state = 'armed' WHERE state = 'fired'", "wallets"),
    ("UPDATE alerts SET threshold = threshold - 1 WHERE state = 'armed'", "wallets"),
    ("UPDATE alert_settings SET snoozed_until = 1", "wallets"),
    ("UPDATE alert_settings SET empty = 'fired'", "wallets"),
    ("DELETE FROM alerts", "wallets"),
];

#[tokio::test]
async fn rents_that_were_not_charged_and_thresholds_that_are_not_watched_are_found() {
    let mut kit = rented_and_watched().await;
    let conn = kit.break_in();
    without_triggers(&conn);
    conn.pragma_update(None, "foreign_keys", false).expect("pragma");
    let states = "SELECT group_concat(DISTINCT state) FROM (SELECT state FROM number_rentals ORDER BY state)";
    let states: String = conn.query_row(states, [], |row| row.get(0)).expect("states");
    assert_eq!(states, "active,grace,released,suspended");
    // nobody waits to look at the balance
    conn.execute("DELETE FROM outbox", []).expect("delete");
    for (change, wanted) in RENTS_AND_THRESHOLDS {
        conn.execute_batch("SAVEPOINT change").expect("savepoint");
        assert!(conn.execute(change, []).expect(change) > 0, "changed nothing: {change}");
        let found = tollbook::calls::verify::run(&conn).map(|_| ()).and_then(|()| numbers::verify(&conn));
        assert!(
            matches!(&found, Err(VerifyError::Misfit { table, .. }) if table == wanted),
            "{found:?}: {change}"
        );
        conn.execute_batch("ROLLBACK TO change; RELEASE change").expect("rollback");
    }
}
