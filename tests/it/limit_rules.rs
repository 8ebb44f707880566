//! What limits, agents' policies and the guard of toll-free numbers hold to.

use tollbook::base::id::OrganizationId;
use tollbook::base::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tollbook::base::{Credits, Day, Zone};
use tollbook::db::DbError;
use tollbook::grants::Class;
use tollbook::identity::audit::{Actor, By};
use tollbook::limits::{
    self, Action, AgentChange, Change, Choice, GuardChange, LimitKey, LimitKind, Notice, Status,
};
use tollbook::metering::{self, Direction, EventIn, Mode, Outcome, PriceTerms, Refusal, UsageEvent};

use crate::ledger_kit::{Kit, at, credits, event, grant, input};

use LimitKind::{Daily, PerAgent};
use Notice::{Reached, Warning};

const BY: By = By::actor(Actor::System);

/// Chat costs one credit each on the default card: as many messages as credits.
fn chat(id: &str, count: &str, kit: &Kit) -> UsageEvent {
    event(id, "chat", count, kit.now())
}

fn by_agent(agent: &str, event: UsageEvent) -> UsageEvent {
    UsageEvent { agent: Some(agent.into()), ..event }
}

fn enforced(event: UsageEvent) -> UsageEvent {
    UsageEvent { mode: Mode::Enforce, ..event }
}

fn monthly(amount: &str) -> Change {
    Change { monthly: Some(Some(credits(amount))), ..Change::default() }
}

fn daily(amount: &str) -> Change {
    Change { daily: Some(Some(credits(amount))), ..Change::default() }
}

impl Kit {
    async fn limit(&self, org: OrganizationId, change: Change) {
        self.write(move |tx| limits::set(tx, &BY, org, &change)).await.expect("limits");
    }

    async fn agent(&self, org: OrganizationId, agent: &'static str, change: AgentChange) {
        self.write(move |tx| limits::set_agent(tx, &BY, org, agent, &change)).await.expect("agent");
    }

    async fn resume(&self, org: OrganizationId, key: LimitKey) -> Result<(), limits::Error> {
        self.write(move |tx| limits::resume(tx, &BY, org, key)).await
    }

    /// Which limit refuses an event and what it leaves, or none when it is charged.
    async fn refused(&self, org: OrganizationId, event: UsageEvent) -> Option<(LimitKind, Credits)> {
        match self.record(org, vec![enforced(event)]).await.pop().expect("outcome") {
            Outcome::Charged(_) => None,
            Outcome::Refused(Refusal::Limit(cap)) => Some((cap.kind, cap.left)),
            other => panic!("{other:?}"),
        }
    }

    fn standing(&self, org: OrganizationId, zone: &Zone) -> limits::Standing {
        let today = zone.day_of(self.now());
        self.db().read_blocking(|tx| limits::standing(tx, org, today, 10)).expect("standing")
    }

    /// What was told, oldest first.
    fn told(&self, org: OrganizationId) -> Vec<(LimitKind, Notice, Credits, Credits)> {
        let all = self.db().read_blocking(|tx| limits::events(tx, org, Day::from_number(0), 100));
        let told = all.expect("events").into_iter().rev();
        told.map(|e| (e.key.kind, e.notice, e.amount, e.spent)).collect()
    }

    async fn wealthy(&self, zone: &str) -> OrganizationId {
        let org = self.organization("acme", zone).await;
        self.give(org, "1000000").await;
        org
    }
}

/// The complaint: a limit is set, and agents go on spending.
#[tokio::test]
async fn limit_that_does_not_limit() {
    let mut kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    kit.limit(org, daily("100")).await;
    // many at once, in one batch and in operations of their own: never more than the limit together
    let batch: Vec<UsageEvent> = (0..20).map(|i| enforced(chat(&format!("b{i}"), "3", &kit))).collect();
    let together = (0..40).map(|i| {
        let one = input(enforced(chat(&format!("c{i}"), "3", &kit)));
        kit.write(move |tx| metering::record(tx, Some(org), None, &[one]))
    });
    let (batched, singles) = tokio::join!(kit.record(org, batch), futures_util::future::join_all(together));
    let singles = singles.into_iter().flat_map(|outcome| outcome.expect("recorded"));
    let charged = batched.into_iter().chain(singles).filter(|o| matches!(o, Outcome::Charged(_))).count();
    assert_eq!(charged, 33);
    assert_eq!(kit.standing(org, &Zone::UTC).daily.spent, credits("99"));
    // exactly what is left is let in, a millionth more is not
    assert_eq!(
        kit.refused(org, chat("more", "1.000001", &kit)).await,
        Some((LimitKind::Daily, credits("1")))
    );
    assert_eq!(kit.refused(org, chat("last", "1", &kit)).await, None);
    assert_eq!(
        kit.refused(org, chat("over", "0.000001", &kit)).await,
        Some((LimitKind::Daily, Credits::ZERO))
    );
    // a restart forgets nothing
    kit.restart();
    assert_eq!(kit.refused(org, chat("over", "1", &kit)).await, Some((LimitKind::Daily, Credits::ZERO)));
    assert_eq!(kit.standing(org, &Zone::UTC).daily.status, Status::Paused);
    // what costs nothing is let in, and work that has happened is charged and counted
    assert_eq!(kit.refused(org, chat("nothing", "0", &kit)).await, None);
    kit.charge(org, chat("done", "50", &kit)).await;
    assert_eq!(kit.standing(org, &Zone::UTC).daily.spent, credits("150"));
    // the next day it starts over
    kit.clock.advance(DAY_MS);
    assert_eq!(kit.refused(org, chat("tomorrow", "100", &kit)).await, None);
    assert_eq!(kit.refused(org, chat("again", "1", &kit)).await, Some((LimitKind::Daily, Credits::ZERO)));
    kit.assert_sound();
}

#[tokio::test]
async fn each_limit_counts_its_own_window_and_the_tightest_decides() {
    let kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    let per_agent = Some(Some(credits("30")));
    let all = Change { daily: Some(Some(credits("50"))), per_agent, ..monthly("120") };
    kit.limit(org, all).await;
    // an agent that was never seen has all of the organization's limit for agents, and nothing more
    let cap = kit.refused(org, by_agent("new", chat("n", "31", &kit))).await;
    assert_eq!(cap, Some((LimitKind::PerAgent, credits("30"))));
    assert_eq!(kit.refused(org, by_agent("a", chat("1", "30", &kit))).await, None);
    let cap = kit.refused(org, by_agent("a", chat("2", "1", &kit))).await;
    assert_eq!(cap, Some((LimitKind::PerAgent, Credits::ZERO)));
    // another agent, until the day is spent; work of no agent counts for the day too
    assert_eq!(kit.refused(org, by_agent("b", chat("3", "15", &kit))).await, None);
    let cap = kit.refused(org, by_agent("b", chat("4", "6", &kit))).await;
    assert_eq!(cap, Some((LimitKind::Daily, credits("5"))));
    assert_eq!(kit.refused(org, chat("5", "5", &kit)).await, None);
    // the month goes on over days, and is spent on the third
    kit.clock.advance(DAY_MS);
    assert_eq!(kit.refused(org, chat("6", "50", &kit)).await, None);
    kit.clock.advance(DAY_MS);
    assert_eq!(kit.refused(org, chat("7", "21", &kit)).await, Some((LimitKind::Monthly, credits("20"))));
    let standing = kit.standing(org, &Zone::UTC);
    assert_eq!((standing.daily.spent, standing.monthly.spent), (Credits::ZERO, credits("100")));
    let agents: Vec<_> =
        standing.agents.iter().map(|a| (&*a.external_id, a.limit.spent, a.limit.status)).collect();
    assert_eq!(agents, [("a", credits("30"), Status::Paused), ("b", credits("15"), Status::Ok)]);
    // with the next month everything starts over
    kit.clock.advance(30 * DAY_MS);
    assert_eq!(kit.refused(org, by_agent("a", chat("8", "30", &kit))).await, None);
    kit.assert_sound();
}

#[tokio::test]
async fn what_only_alerts_refuses_nothing_and_tells_the_same() {
    let kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    let all = Change { action: Some(Action::AlertOnly), per_agent: Some(Some(credits("10"))), ..daily("20") };
    kit.limit(org, all).await;
    assert_eq!(kit.refused(org, by_agent("a", chat("1", "25", &kit))).await, None);
    assert_eq!(kit.standing(org, &Zone::UTC).daily.status, Status::Reached);
    let c = credits;
    assert_eq!(kit.told(org), [(Daily, Reached, c("20"), c("25")), (PerAgent, Reached, c("10"), c("25")),]);
    kit.assert_sound();
}

#[tokio::test]
async fn each_threshold_is_told_once_in_a_window() {
    let mut kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    kit.limit(org, daily("100")).await;
    let c = credits;
    let first = [(Daily, Warning, c("100"), c("80")), (Daily, Reached, c("100"), c("105"))];
    for (id, count) in [("1", "79"), ("2", "1"), ("3", "10"), ("4", "15"), ("5", "1")] {
        kit.charge(org, chat(id, count, &kit)).await;
    }
    assert_eq!(kit.told(org), first);
    // taken back and spent again, with a restart in between: nothing new
    kit.void(org, "4").await.expect("void");
    assert_eq!(kit.standing(org, &Zone::UTC).daily.status, Status::Warning);
    kit.restart();
    kit.charge(org, chat("6", "15", &kit)).await;
    assert_eq!(kit.told(org), first);
    // a raised limit is another one; below what is spent it is reached at once
    kit.limit(org, daily("130")).await;
    kit.limit(org, daily("90")).await;
    let mut told = first.to_vec();
    told.push((Daily, Warning, c("130"), c("106")));
    told.push((Daily, Reached, c("90"), c("106")));
    assert_eq!(kit.told(org), told);
    // a late report of the day before is counted there, and tells nothing about a day that is over
    kit.clock.advance(DAY_MS);
    let late = event("late", "chat", "500", kit.now().plus_ms(-DAY_MS));
    kit.charge(org, late).await;
    assert_eq!(kit.told(org), told);
    assert_eq!(kit.standing(org, &Zone::UTC).daily.spent, Credits::ZERO);
    assert_eq!(kit.refused(org, chat("today", "80", &kit)).await, None);
    told.push((Daily, Warning, c("90"), c("80")));
    assert_eq!(kit.told(org), told);
    kit.assert_sound();
}

#[tokio::test]
async fn a_lifted_limit_lets_work_go_on_until_its_window_ends_or_it_changes() {
    let mut kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    kit.limit(org, Change { per_agent: Some(Some(credits("5"))), ..daily("10") }).await;
    assert!(matches!(kit.resume(org, LimitKey::DAILY).await, Err(limits::Error::NotPaused)));
    assert!(matches!(kit.resume(org, LimitKey::MONTHLY).await, Err(limits::Error::NotPaused)));
    kit.charge(org, by_agent("a", chat("1", "10", &kit))).await;
    // each pause is lifted on its own
    kit.resume(org, LimitKey::DAILY).await.expect("resumed");
    kit.resume(org, LimitKey::DAILY).await.expect("resumed already");
    assert_eq!(kit.refused(org, chat("2", "10", &kit)).await, None);
    let by_a = |id: &str, kit: &Kit| by_agent("a", chat(id, "1", kit));
    assert_eq!(kit.refused(org, by_a("3", &kit)).await, Some((LimitKind::PerAgent, Credits::ZERO)));
    let agent = kit.standing(org, &Zone::UTC).agents[0].id;
    kit.resume(org, LimitKey::agent(agent)).await.expect("resumed");
    kit.restart();
    assert_eq!(kit.refused(org, by_a("4", &kit)).await, None);
    let standing = kit.standing(org, &Zone::UTC);
    assert_eq!((standing.daily.status, standing.agents[0].limit.status), (Status::Resumed, Status::Resumed));
    // the next day the limit for a day holds again, while the agent's month goes on
    kit.clock.advance(DAY_MS);
    assert_eq!(kit.refused(org, by_a("5", &kit)).await, None);
    assert_eq!(kit.refused(org, chat("6", "10", &kit)).await, Some((LimitKind::Daily, credits("9"))));
    // saying the same again changes nothing; another limit is not lifted
    kit.limit(org, Change { per_agent: Some(Some(credits("5"))), ..Change::default() }).await;
    assert_eq!(kit.refused(org, by_a("7", &kit)).await, None);
    kit.limit(org, Change { per_agent: Some(Some(credits("6"))), ..Change::default() }).await;
    assert_eq!(kit.refused(org, by_a("8", &kit)).await, Some((LimitKind::PerAgent, Credits::ZERO)));
    kit.limit(org, Change { per_agent: Some(Some(credits("5"))), ..Change::default() }).await;
    assert_eq!(kit.refused(org, by_a("9", &kit)).await, Some((LimitKind::PerAgent, Credits::ZERO)));
    kit.assert_sound();
}

#[tokio::test]
async fn what_is_said_about_an_agent_comes_first() {
    let kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    kit.limit(org, Change { per_agent: Some(Some(credits("10"))), ..Change::default() }).await;
    let own = |amount: &str| AgentChange { monthly_limit: Some(Some(credits(amount))), ..Default::default() };
    // set before it was ever seen
    kit.agent(org, "a", own("20")).await;
    assert_eq!(kit.refused(org, by_agent("a", chat("1", "20", &kit))).await, None);
    assert!(kit.refused(org, by_agent("a", chat("2", "1", &kit))).await.is_some());
    // at its limit it may be told to use the balance: then the limit only tells
    let goes_on = AgentChange { on_limit: Some(Some(Choice::UseBalance)), ..Default::default() };
    kit.agent(org, "a", goes_on).await;
    assert_eq!(kit.refused(org, by_agent("a", chat("3", "5", &kit))).await, None);
    // and one may stop where the organization's limits only alert
    kit.limit(org, Change { action: Some(Action::AlertOnly), ..Change::default() }).await;
    assert_eq!(kit.refused(org, by_agent("b", chat("4", "15", &kit))).await, None);
    kit.agent(org, "b", AgentChange { on_limit: Some(Some(Choice::Stop)), ..Default::default() }).await;
    assert!(kit.refused(org, by_agent("b", chat("5", "1", &kit))).await.is_some());
    // without a limit of its own again, and without anything said, it is as the others
    let nothing =
        AgentChange { monthly_limit: Some(None), on_limit: Some(None), on_plan_exhausted: Some(None) };
    kit.agent(org, "b", nothing).await;
    assert_eq!(kit.refused(org, by_agent("b", chat("6", "1", &kit))).await, None);
    // without any limit at all
    let none = Change { per_agent: Some(None), ..Change::default() };
    kit.limit(org, none).await;
    kit.agent(org, "a", nothing).await;
    assert_eq!(kit.refused(org, by_agent("a", chat("7", "500", &kit))).await, None);
    assert_eq!(kit.standing(org, &Zone::UTC).agents, []);
    kit.assert_sound();
}

#[tokio::test]
async fn an_agent_that_stops_with_the_plan_leaves_other_credit_alone() {
    let kit = Kit::new().await;
    let org = kit.organization("acme", "UTC").await;
    let version = kit.catalog().plan_by_code("starter").expect("plan").versions.last().expect("version").id;
    let terms = PriceTerms { starts_at: kit.now(), plan_version: Some(version), rate_card: None };
    kit.write(move |tx| metering::set_price_terms(tx, org, terms)).await.expect("terms");
    kit.give(org, "100").await;
    kit.credit(org, grant("50", Class::Free)).await.expect("free");
    let stop = AgentChange { on_plan_exhausted: Some(Some(Choice::Stop)), ..Default::default() };
    kit.agent(org, "a", stop).await;
    let transfer = |id: &str, agent: &str, seconds: &str| {
        enforced(by_agent(agent, event(id, "transfer_minute", seconds, kit.now())))
    };
    // what the plan includes is used up to nothing
    let included = enforced(by_agent("a", event("included", "voice", "30000", kit.now())));
    assert_eq!(kit.charge(org, included).await.credits, Credits::ZERO);
    // there is no plan credit: only that could be used
    let refused = kit.record(org, vec![transfer("1", "a", "60")]).await;
    let price = credits("3");
    let exhausted = Refusal::PlanExhausted { available: Credits::ZERO, required: price };
    assert_eq!(refused, [Outcome::Refused(exhausted)]);
    // with some, it is what is drawn, though free credit would come first
    kit.credit(org, grant("4", Class::Plan)).await.expect("plan");
    kit.charge(org, transfer("2", "a", "60")).await;
    let parts = kit.summary(org).parts;
    assert_eq!((parts.free, parts.plan, parts.paid), (credits("50"), credits("1"), credits("100")));
    let refused = kit.record(org, vec![transfer("3", "a", "60")]).await;
    let exhausted = Refusal::PlanExhausted { available: credits("1"), required: price };
    assert_eq!(refused, [Outcome::Refused(exhausted)]);
    // others use the balance, and so does work of this one that has happened already
    kit.charge(org, transfer("4", "b", "60")).await;
    kit.charge(org, UsageEvent { mode: Mode::Record, ..transfer("5", "a", "60") }).await;
    assert_eq!(kit.summary(org).parts.free, credits("44"));
    kit.assert_sound();
}

/// Day and month boundaries are those of the organization's timezone, on days of 23 and of 25 hours too.
#[tokio::test]
async fn windows_begin_at_midnight_where_the_organization_is() {
    for (zone, midnight) in [
        ("UTC", "2026-03-11T00:00:00Z"),
        ("Europe/Madrid", "2026-03-28T23:00:00Z"),
        // the clocks have gone forward on the 29th: it had 23 hours
        ("Europe/Madrid", "2026-03-29T22:00:00Z"),
        // and back on 25 October: it had 25
        ("Europe/Madrid", "2026-10-25T23:00:00Z"),
        ("America/Los_Angeles", "2026-03-09T07:00:00Z"),
        ("America/Los_Angeles", "2026-11-02T08:00:00Z"),
        // by half an hour
        ("Australia/Lord_Howe", "2026-04-04T13:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-05T13:30:00Z"),
        // midnight itself is skipped: the day begins at one
        ("America/Santiago", "2026-09-06T04:00:00Z"),
    ] {
        let midnight = at(midnight);
        let kit = Kit::at(&midnight.plus_ms(-20 * HOUR_MS).to_string()).await;
        let org = kit.wealthy(zone).await;
        kit.limit(org, daily("10")).await;
        kit.charge(org, chat("before", "10", &kit)).await;
        kit.clock.advance(20 * HOUR_MS - 1);
        let refused = kit.refused(org, chat("a", "1", &kit)).await;
        assert_eq!(refused, Some((LimitKind::Daily, Credits::ZERO)), "{zone} before {midnight}");
        let zoned: Zone = zone.parse().expect("zone");
        let standing = kit.standing(org, &zoned).daily;
        assert_eq!(zoned.start_of(standing.resets_on), midnight, "{zone}");
        kit.clock.advance(1);
        assert_eq!(kit.refused(org, chat("b", "10", &kit)).await, None, "{zone} at {midnight}");
        kit.assert_sound();
    }
}

#[tokio::test]
async fn a_month_ends_with_the_calendar_of_the_organization() {
    for (zone, end) in [
        ("UTC", "2026-12-01T00:00:00Z"),
        ("Europe/Madrid", "2026-10-31T23:00:00Z"),
        ("Asia/Tokyo", "2028-02-29T15:00:00Z"),
        ("America/Los_Angeles", "2027-01-01T08:00:00Z"),
    ] {
        let end = at(end);
        let kit = Kit::at(&end.plus_ms(-25 * DAY_MS).to_string()).await;
        let org = kit.wealthy(zone).await;
        kit.limit(org, Change { per_agent: Some(Some(credits("8"))), ..monthly("10") }).await;
        kit.charge(org, by_agent("a", chat("before", "10", &kit))).await;
        kit.clock.advance(25 * DAY_MS - MINUTE_MS);
        let refused = kit.refused(org, chat("1", "1", &kit)).await;
        assert_eq!(refused, Some((LimitKind::Monthly, Credits::ZERO)), "{zone}");
        kit.clock.advance(MINUTE_MS);
        let refused = kit.refused(org, by_agent("a", chat("2", "9", &kit))).await;
        assert_eq!(refused, Some((LimitKind::PerAgent, credits("8"))), "{zone}");
        assert_eq!(kit.refused(org, by_agent("a", chat("3", "8", &kit))).await, None, "{zone}");
        // what was done before midnight and is reported after it belongs to the month before
        let late = event("late", "chat", "5", end.plus_ms(-1));
        kit.charge(org, late).await;
        let zone: Zone = zone.parse().expect("zone");
        assert_eq!(kit.standing(org, &zone).monthly.spent, credits("8"));
        assert_eq!(kit.refused(org, chat("4", "2", &kit)).await, None, "{zone}");
        kit.assert_sound();
    }
}

#[tokio::test]
async fn what_is_undone_was_never_spent() {
    let kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    kit.limit(org, daily("10")).await;
    kit.charge(org, chat("1", "5", &kit)).await;
    let doomed = input(chat("2", "5", &kit));
    let failed: Result<(), DbError> = kit
        .write(move |tx| {
            tx.conn()?;
            metering::record(tx, Some(org), None, &[doomed])?;
            limits::set(tx, &BY, org, &daily("1000")).map_err(|e| DbError::Io(e.to_string()))?;
            Err(DbError::Io("on purpose".into()))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(kit.told(org), []);
    assert_eq!(kit.refused(org, chat("3", "6", &kit)).await, Some((LimitKind::Daily, credits("5"))));
    assert_eq!(kit.refused(org, chat("4", "5", &kit)).await, None);
    // what is taken back may be spent again
    kit.void(org, "1").await.expect("void");
    assert_eq!(kit.refused(org, chat("5", "6", &kit)).await, Some((LimitKind::Daily, credits("5"))));
    assert_eq!(kit.refused(org, chat("6", "5", &kit)).await, None);
    kit.assert_sound();
}

/// Counters in memory hold where another process has written meanwhile.
#[tokio::test]
async fn what_another_process_charges_counts() {
    let kit = Kit::new().await;
    let org = kit.wealthy("UTC").await;
    kit.limit(org, daily("10")).await;
    kit.charge(org, chat("1", "4", &kit)).await;
    let beside = kit.beside();
    let theirs: Vec<EventIn> = vec![input(chat("2", "4", &kit))];
    beside.write(move |tx| metering::record(tx, Some(org), None, &theirs)).await.expect("recorded");
    assert_eq!(kit.refused(org, chat("3", "3", &kit)).await, Some((LimitKind::Daily, credits("2"))));
    beside.write(move |tx| limits::set(tx, &BY, org, &daily("20"))).await.expect("set");
    assert_eq!(kit.refused(org, chat("4", "3", &kit)).await, None);
    kit.assert_sound();
}

#[tokio::test]
async fn a_toll_free_number_takes_in_what_its_guard_allows() {
    let kit = Kit::new().await;
    let org = kit.wealthy("Europe/Madrid").await;
    let guard =
        GuardChange { minutes_per_day: Some(Some(10)), calls_at_once: Some(Some(2)), suspended: None };
    kit.write(move |tx| limits::set_guard(tx, &BY, org, "+34900", guard)).await.expect("guard");
    let call = |id: &str, seconds: &str, now| UsageEvent {
        number: Some("+34900".into()),
        toll_free: true,
        direction: Some(Direction::Inbound),
        ..event(id, "voice", seconds, now)
    };
    let outcome = |event: UsageEvent| async { kit.record(org, vec![event]).await.pop().expect("outcome") };
    let refused = Outcome::Refused(Refusal::TollFreeGuard { minutes_per_day: 10 });
    kit.charge(org, enforced(call("1", "540", kit.now()))).await;
    assert_eq!(outcome(enforced(call("2", "61", kit.now()))).await, refused);
    // outgoing calls, other numbers and other calls are not counted
    let out = UsageEvent { direction: Some(Direction::Outbound), ..call("out", "900", kit.now()) };
    kit.charge(org, out).await;
    kit.charge(org, UsageEvent { number: Some("+34901".into()), ..call("other", "900", kit.now()) }).await;
    kit.charge(org, UsageEvent { toll_free: false, ..call("local", "900", kit.now()) }).await;
    kit.charge(org, enforced(call("3", "60", kit.now()))).await;
    assert_eq!(outcome(enforced(call("4", "1", kit.now()))).await, refused);
    // taken back, there is room again; the next day anyway
    kit.void(org, "3").await.expect("void");
    kit.charge(org, enforced(call("5", "60", kit.now()))).await;
    kit.assert_sound();
    kit.clock.advance(11 * HOUR_MS);
    kit.charge(org, enforced(call("6", "600", kit.now()))).await;
    kit.assert_sound();
}

#[tokio::test]
async fn verify_finds_what_was_changed_behind_the_books_back() {
    for (tampering, table) in [
        ("UPDATE toll_free_days SET quantity = quantity + 1", "toll_free_days"),
        ("DELETE FROM toll_free_days", "toll_free_days"),
        ("INSERT INTO toll_free_days VALUES (77, 20000, 1)", "toll_free_days"),
        (
            "INSERT INTO limit_events (organization_id, kind, agent_id, window_start, notice, amount, spent, pauses, at)
             VALUES (1, 'daily', 0, 20000, 'reached', 100, 99, 1, 0)",
            "limit_events",
        ),
        (
            "INSERT INTO limit_events (organization_id, kind, agent_id, window_start, notice, amount, spent, pauses, at)
             VALUES (1, 'per_agent', 77, 20000, 'reached', 100, 100, 1, 0)",
            "limit_events",
        ),
        ("INSERT INTO agent_policies (organization_id, agent_id, monthly, updated_at) VALUES (2, 1, 5, 0)", "agent_policies"),
        ("INSERT INTO number_guards (number_id, organization_id, updated_at) VALUES (1, 2, 0)", "number_guards"),
    ] {
        let mut kit = Kit::new().await;
        let org = kit.wealthy("UTC").await;
        kit.organization("other", "UTC").await;
        let call = UsageEvent { number: Some("+34900".into()), toll_free: true, ..event("1", "voice", "60", kit.now()) };
        kit.charge(org, by_agent("a", call)).await;
        kit.assert_sound();
        kit.break_in().execute_batch(tampering).expect(tampering);
        kit.reopen();
        let misfit = kit.verify().expect_err(tampering).to_string();
        assert!(misfit.starts_with(table), "{tampering}: {misfit}");
    }
}
