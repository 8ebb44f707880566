//! The pages of calls: what they show is what was asked for, reported and charged.

use serde_json::json;
use tollbook::base::id::OrganizationId;
use tollbook::base::time::SECOND_MS;
use tollbook::grants::Class;
use tollbook::identity::{Role, Scope};

use super::browsing::{Browser, credit, person, sign_in};
use crate::helpers::{Answer, TestApp};

const AUTHORIZATIONS: &str = "/api/v1/usage/authorizations";

struct Site {
    app: TestApp,
    organization: OrganizationId,
    key: String,
    owner: String,
}

impl Site {
    /// An organization with so much credit.
    async fn new(credits: i64) -> Self {
        let app = TestApp::start().await;
        let organization = app.organization("Clinics").await;
        if credits > 0 {
            credit(&app, organization, credits, Class::Paid, None).await;
        }
        let key = app.organization_key(organization, &[Scope::UsageWrite]).await;
        let (_, owner) = app.member(organization, Role::Owner).await;
        Self { app, organization, key, owner }
    }

    fn owner(&self) -> Browser<'_> {
        Browser::with_session(&self.app, &self.owner)
    }

    /// Asks for a call by this agent, and maybe in a workspace.
    async fn ask(&self, call: &str, direction: &str, agent: &str, workspace: Option<&str>) -> Answer {
        let body = json!({ "call_id": call, "direction": direction, "agent_id": agent, "number_id": "+34910",
            "workspace": workspace });
        self.app.post(AUTHORIZATIONS, &body.to_string()).bearer(&self.key).send().await
    }

    /// A call that began, by its id.
    async fn begin(&self, call: &str) -> String {
        id(&self.ask(call, "inbound", "reception", None).await.expect(201))
    }

    async fn step(&self, id: &str, what: &str, body: &str) -> Answer {
        let path = format!("{AUTHORIZATIONS}/{id}/{what}");
        self.app.post(&path, body).bearer(&self.key).send().await.expect(200)
    }

    async fn extend(&self, id: &str, seconds: u32) {
        self.step(id, "extend", &json!({ "elapsed_seconds": seconds }).to_string()).await;
    }

    async fn capture(&self, id: &str, seconds: u32) {
        self.step(id, "capture", &json!({ "duration_seconds": seconds }).to_string()).await;
    }

    /// Some seconds go by.
    fn wait(&self, seconds: i64) {
        self.app.clock.advance(seconds * SECOND_MS);
    }

    /// Calls that nobody reports any more end.
    async fn end_forgotten(&self) {
        self.app.db().write(|tx| tollbook::calls::expire_due(tx, 100)).await.unwrap();
    }
}

fn id(answer: &Answer) -> String {
    answer.json["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_call_in_progress_is_shown_as_it_stands_now() {
    let site = Site::new(70).await;
    let owner = site.owner();
    let page = owner.get("/calls").await.expect(200);
    page.says("No calls in progress");
    page.says("No calls yet");
    let call = site.begin("call-1").await;
    site.wait(30);
    let page = owner.get("/calls").await.expect(200);
    page.says("1 call in progress As of 09:00:30");
    page.says("call-1 Voice · inbound · 09:00:00 reception +34910 30 s 9 min 30 s 3.50 credits · €0.04 7.00 credits");
    assert!(page.html().contains("data-refresh"), "{}", page.html());
    // it was heard of, so more is set aside, and it goes on from there
    site.extend(&call, 35).await;
    site.wait(5);
    let page = owner.get("/calls").await.expect(200);
    page.says("40 s 9 min 20 s 4.67 credits · €0.05 11.08 credits");
    // no longer than what is set aside lasts: then it is only waited for
    site.wait(100);
    let page = owner.get(&format!("/calls/{call}")).await.expect(200);
    page.says("Cost so far In progress 11.083333 credits");
    page.says("Lasting 1 min 35 s");
    page.says("Paid credit of 21 Nov 2026 Paid 11.083333 credits");
    page.says("Last heard of 21 Nov 2026, 09:00:30 It had lasted 35 s.");
    page.says("Ends by itself 21 Nov 2026, 09:02:00");
    owner.get("/calls").await.expect(200).says("Not heard of ends by itself at 09:02:00");
}

#[actix_web::test]
async fn the_overview_shows_what_is_on_hold_and_leads_to_the_calls() {
    let site = Site::new(70).await;
    let owner = site.owner();
    let page = owner.get("/overview").await.expect(200);
    assert!(page.links("/calls?").is_empty());
    site.begin("call-1").await;
    let page = owner.get("/overview").await.expect(200);
    page.says("Paid 63.00 credits");
    page.says("On hold 7.00 credits · €0.07 for the call in progress");
    assert!(page.html().contains("On hold: 7.00 credits"), "the bar in words");
    assert_eq!(page.links("/calls?"), ["/calls?status=live"]);
    site.begin("call-2").await;
    owner.get("/overview").await.expect(200).says("for 2 calls in progress");
    let live = owner.get("/calls?status=live").await.expect(200);
    live.says("2 calls in progress");
    live.does_not_say("Log");
    let operator = Browser::with_session(&site.app, &site.app.operator().await.1);
    let detail = operator.get(&format!("/operator/organizations/{}", site.organization)).await.expect(200);
    detail.says("On hold 14.00 credits · €0.14 for 2 calls in progress");
    assert!(detail.links("/calls").is_empty());
}

#[actix_web::test]
async fn a_call_that_is_over_shows_its_life_and_what_it_was_charged() {
    let site = Site::new(70).await;
    let owner = site.owner();
    let call = site.begin("call-1").await;
    site.wait(30);
    site.extend(&call, 30).await;
    site.wait(54);
    let report = json!({ "duration_seconds": 84, "transfer_seconds": 60 });
    let captured = site.step(&call, "capture", &report.to_string()).await;
    let page = owner.get("/calls").await.expect(200);
    page.says("No calls in progress");
    page.says("Completed 1 min 24 s then forwarded, 1 min 12.80 credits · €0.13 1 shown");
    let page = owner.get(&page.links("/calls/auth_").remove(0)).await.expect(200);
    page.says("Charged Completed 12.80 credits · €0.13 Lasted 1 min 24 s Then forwarded 1 min");
    page.says("Voice Usage 1 min 24 s 9.80 credits");
    page.says("Call transfer Usage 1 min 3.00 credits");
    page.says("Paid credit of 21 Nov 2026 Paid −12.80 credits");
    page.says("Allowed 21 Nov 2026, 09:00:00 Last heard of while it went on It had lasted 30 s.");
    page.says("Completed 21 Nov 2026, 09:01:24 Charged 12.80 credits · €0.13, 2.30 credits");
    let mut items = page.links("/usage/items/use_");
    assert_eq!(items.len(), 2);
    assert_eq!(items[0], format!("/usage/items/{}", captured.json["items"][0]["id"].as_str().unwrap()));
    assert_eq!(page.links("/transactions/txn_").len(), 2);
    // and back again
    let item = owner.get(&items.remove(1)).await.expect(200);
    assert_eq!(item.links("/calls/auth_"), [format!("/calls/{call}")]);
    owner.get("/calls/ext:call-1").await.expect(200).says(&call);
    owner.get("/calls/ext:call-2").await.expect(404);
    owner.get("/calls/auth_nothing").await.expect(404);
}

#[actix_web::test]
async fn calls_that_came_to_nothing_say_why() {
    let site = Site::new(10).await;
    let owner = site.owner();
    let released = site.begin("call-1").await;
    site.step(&released, "release", "{}").await;
    let reported = site.begin("call-2").await;
    site.wait(20);
    site.extend(&reported, 20).await;
    let silent = id(&site.ask("call-3", "outbound", "reception", None).await.expect(201));
    let refused = site.ask("call-4", "outbound", "reception", None).await.expect(402);
    site.wait(600);
    site.end_forgotten().await;
    let page = owner.get("/calls").await.expect(200);
    page.says("Rejected There is not enough credit.");
    page.says("Expired Nothing was ever heard of it. — —");
    page.says("Expired 20 s 2.333333 credits");
    page.says("Completed Released: nothing came of it. — —");
    let page = owner.get("/calls/ext:call-4").await.expect(200);
    page.says("Rejected: there is not enough credit. See the balance");
    page.says("Not charged Rejected —");
    page.says("Available: 0.083334 credits · €0.00. The shortest call needs 0.116667 credits");
    assert!(refused.text.contains("insufficient_credits"));
    let page = owner.get(&format!("/calls/{reported}")).await.expect(200);
    page.says("is taken to have lasted as long as last reported. Charged 2.33 credits");
    owner.get(&format!("/calls/{silent}")).await.expect(200).says("It was not charged.");
    owner.get(&format!("/calls/{released}")).await.expect(200).says("Released 21 Nov 2026, 09:00:00");
}

#[actix_web::test]
async fn the_log_is_narrowed_and_turned_page_by_page() {
    let site = Site::new(1_000).await;
    let owner = site.owner();
    for number in 0..60 {
        let (way, agent) =
            if number % 2 == 0 { ("inbound", "reception") } else { ("outbound", "a&b <agent>") };
        let call = id(&site.ask(&format!("call-{number:02}"), way, agent, None).await.expect(201));
        site.wait(10);
        site.capture(&call, 10).await;
    }
    site.begin("call-live").await;
    let mut path = "/calls".to_owned();
    let mut seen = Vec::new();
    for (place, count) in [25, 25, 10].into_iter().enumerate() {
        let page = owner.get(&path).await.expect(200);
        page.says(&format!("{count} shown"));
        let all = page.links("/calls/auth_");
        // those in progress stand on the first page alone
        assert_eq!(all.len(), if place == 0 { count + 1 } else { count });
        seen.extend(all);
        path = page.links("/calls?cursor=").pop().unwrap_or_default();
        assert_eq!(path.is_empty(), place == 2);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 61);

    let page = owner.get("/calls?direction=outbound&agent=a%26b+%3Cagent%3E").await.expect(200);
    page.says("None fits this filter.");
    page.says("25 shown");
    page.does_not_say("inbound · ");
    assert!(page.links("/calls?agent=a%26b+%3Cagent%3E&").iter().any(|link| link.contains("cursor=")));
    owner.get("/calls?agent=nobody").await.expect(200).says("Nothing matches");
    owner.get("/calls?number=%2B34910&status=completed").await.expect(200).says("25 shown");
    owner.get("/calls?number=%2B1&status=completed").await.expect(200).says("No call fits this filter.");
    let page = owner.get("/calls?status=rejected").await.expect(200);
    page.says("Nothing matches");
    page.does_not_say("in progress As of");
    owner.get("/calls?from=2026-11-21&to=2026-11-21").await.expect(200).says("25 shown");
    owner.get("/calls?to=2026-11-20").await.expect(200).says("Nothing matches");
    let page = owner.get("/calls?status=over&direction=up&from=today").await.expect(200);
    page.says("Status is not one of a call");
    page.says("Direction must be inbound or outbound");
    page.says("From is not a day");
}

#[actix_web::test]
async fn csv_holds_what_is_filtered_and_runs_nothing() {
    let site = Site::new(70).await;
    let owner = site.owner();
    let call = id(&site.ask("=1+1", "inbound", "@reception", None).await.expect(201));
    site.wait(84);
    site.capture(&call, 84).await;
    let live = site.begin("call-2").await;
    site.wait(6);
    let page = owner.get("/calls?status=completed").await.expect(200);
    assert_eq!(page.links("/calls.csv"), ["/calls.csv?status=completed"]);
    let csv = owner.get("/calls.csv?status=completed").await.expect(200);
    assert_eq!(csv.answer.header("content-disposition"), Some("attachment; filename=\"calls.csv\""));
    let headings = "call,id,status,reason,began,ended,timezone,channel,direction,toll_free,agent,number,workspace,\
                    duration_seconds,transfer_seconds,held,credits";
    let completed = format!(
        "'=1+1,{call},completed,,2026-11-21T09:00:00,2026-11-21T09:01:24,UTC,voice,inbound,no,'@reception,'+34910,,84,,0,9.8"
    );
    assert_eq!(csv.html().lines().collect::<Vec<_>>(), [headings, &completed]);
    let csv = owner.get("/calls.csv").await.expect(200);
    let going =
        format!("call-2,{live},live,,2026-11-21T09:01:24,,UTC,voice,inbound,no,reception,'+34910,,6,,7,0.7");
    assert_eq!(csv.html().lines().collect::<Vec<_>>(), [headings, &going, &completed]);
    owner.get("/calls.csv?status=over").await.expect(422);
    owner.get("/calls.csv?from=today").await.expect(422);
}

#[actix_web::test]
async fn a_member_sees_the_calls_of_the_own_workspaces_and_no_money() {
    let site = Site::new(70).await;
    let north = id(&site.ask("call-1", "inbound", "reception", Some("north")).await.expect(201));
    let south = id(&site.ask("call-2", "inbound", "reception", Some("south")).await.expect(201));
    let nowhere = site.begin("call-3").await;
    let place = Some((site.organization, Role::Member, &["north"][..]));
    person(&site.app, "member@example.com", place).await;
    let member = sign_in(&site.app, "member@example.com").await;
    let page = member.get("/calls").await.expect(200);
    assert_eq!(page.links("/calls/auth_"), [format!("/calls/{north}")]);
    page.does_not_say("€");
    page.does_not_say("Overview");
    let page = member.get(&format!("/calls/{north}")).await.expect(200);
    page.does_not_say("Top-up of 70");
    page.does_not_say("€");
    site.capture(&north, 10).await;
    let page = member.get(&format!("/calls/{north}")).await.expect(200);
    assert!(page.links("/transactions").is_empty());
    assert_eq!(page.links("/usage/items/use_").len(), 1);
    member.get(&format!("/calls/{south}")).await.expect(404);
    member.get(&format!("/calls/{nowhere}")).await.expect(404);
    member.get("/calls/ext:call-2").await.expect(404);
    let csv = member.get("/calls.csv").await.expect(200);
    assert_eq!(csv.html().lines().count(), 2);
    member.get("/usage").await.expect(200).says("Calls");
}
