//! Every route, with every kind of caller: who is let in, and what the others are told.
//!
//! The table below is written by hand, apart from the one in the program: a new route fails here until somebody has
//! decided who may call it.

use tollbook::http::route::Surface;
use tollbook::identity::{Role, Scope, organizations};

use crate::helpers::{BY, TestApp};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code)]
enum Who {
    Anyone,
    Credential,
    Person,
    Organization(Scope),
    InSession(Scope),
    Usage(Scope),
    Items(Scope),
    EvenSuspended(Scope),
    OperatorFor(Scope),
    Operator(Scope),
    Monitoring,
}

use Scope::{
    Admin, BillingRead, BillingWrite, LimitsWrite, MembersWrite, UsageRead, UsageWrite, WebhooksWrite,
};
use Who::{
    Anyone, Credential, EvenSuspended, InSession, Items, Monitoring, Operator, OperatorFor, Organization,
    Person, Usage,
};

const ROUTES: &[(&str, &str, Who)] = &[
    ("GET", "/api/v1/webhook-endpoints", Items(WebhooksWrite)),
    ("POST", "/api/v1/webhook-endpoints", Items(WebhooksWrite)),
    ("GET", "/api/v1/webhook-endpoints/{id}", Items(WebhooksWrite)),
    ("PUT", "/api/v1/webhook-endpoints/{id}", Items(WebhooksWrite)),
    ("DELETE", "/api/v1/webhook-endpoints/{id}", Items(WebhooksWrite)),
    ("POST", "/api/v1/webhook-endpoints/{id}/test", Items(WebhooksWrite)),
    ("POST", "/api/v1/webhook-endpoints/{id}/rotate", Items(WebhooksWrite)),
    ("GET", "/api/v1/webhook-endpoints/{id}/deliveries", Items(WebhooksWrite)),
    ("POST", "/api/v1/webhook-endpoints/{id}/replay", Items(WebhooksWrite)),
    ("GET", "/api/v1/webhook-deliveries/{id}", Items(WebhooksWrite)),
    ("POST", "/api/v1/webhook-deliveries/{id}/replay", Items(WebhooksWrite)),
    ("GET", "/api/v1/admin/deliveries", Operator(Admin)),
    ("GET", "/api/v1/admin/deliveries/{id}", Operator(Admin)),
    ("POST", "/api/v1/admin/deliveries/{id}/replay", Operator(Admin)),
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/metrics", Monitoring),
    ("GET", "/openapi.json", Anyone),
    ("GET", "/docs", Anyone),
    ("GET", "/static/{file:.*}", Anyone),
    ("GET", "/static/brand.css", Anyone),
    ("GET", "/static/logo", Anyone),
    ("POST", "/webhooks/{gateway}", Anyone),
    ("POST", "/api/v1/auth/sessions", Anyone),
    ("DELETE", "/api/v1/auth/sessions", Person),
    ("GET", "/api/v1/auth/me", Credential),
    ("POST", "/api/v1/auth/password-links", Anyone),
    ("POST", "/api/v1/auth/passwords", Anyone),
    ("POST", "/api/v1/auth/invitations", Anyone),
    ("GET", "/api/v1/billing/plans", Organization(BillingRead)),
    ("GET", "/api/v1/billing/details", Organization(BillingRead)),
    ("PUT", "/api/v1/billing/details", Organization(BillingWrite)),
    ("GET", "/api/v1/billing/wallet", Organization(BillingRead)),
    ("POST", "/api/v1/billing/wallet/credit", OperatorFor(BillingWrite)),
    ("POST", "/api/v1/billing/wallet/topup", InSession(BillingWrite)),
    ("GET", "/api/v1/billing/wallet/auto-reload", Organization(BillingRead)),
    ("PUT", "/api/v1/billing/wallet/auto-reload", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/auto-recharge", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/checkout", InSession(BillingWrite)),
    ("GET", "/api/v1/billing/payment-methods", Organization(BillingRead)),
    ("POST", "/api/v1/billing/payment-methods", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/payment-methods/{id}/default", InSession(BillingWrite)),
    ("DELETE", "/api/v1/billing/payment-methods/{id}", InSession(BillingWrite)),
    // a customer's key gets as far as the handler, which needs a person to know which organizations are theirs
    ("POST", "/api/v1/billing/wallet/transfer", Organization(BillingWrite)),
    ("GET", "/api/v1/billing/packages", Organization(BillingRead)),
    ("GET", "/api/v1/billing/refunds", Organization(BillingRead)),
    ("POST", "/api/v1/billing/refunds", Organization(BillingWrite)),
    ("GET", "/api/v1/billing/balance", Organization(BillingRead)),
    ("GET", "/api/v1/billing/invoices", Organization(BillingRead)),
    ("GET", "/api/v1/billing/invoices/{id}", Organization(BillingRead)),
    ("GET", "/api/v1/billing/invoices/{id}/pdf", Organization(BillingRead)),
    ("GET", "/api/v1/billing/transactions", Organization(BillingRead)),
    ("GET", "/api/v1/billing/transactions/{id}", Organization(BillingRead)),
    ("GET", "/api/v1/billing/grants", Organization(BillingRead)),
    ("GET", "/api/v1/billing/usage", Usage(BillingRead)),
    ("GET", "/api/v1/billing/usage/items", Usage(BillingRead)),
    ("GET", "/api/v1/billing/usage/items/{id}", Usage(BillingRead)),
    ("GET", "/api/v1/billing/subscription", Organization(BillingRead)),
    ("POST", "/api/v1/billing/subscription", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/subscription/cancel", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/subscription/pause", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/subscription/resume", InSession(BillingWrite)),
    ("POST", "/api/v1/billing/subscription/retry", InSession(BillingWrite)),
    ("POST", "/api/v1/admin/plans/{id}/migrate", Operator(Admin)),
    ("GET", "/api/v1/billing/limits", Organization(BillingRead)),
    ("POST", "/api/v1/billing/limits", Organization(LimitsWrite)),
    ("GET", "/api/v1/billing/alerts", Organization(BillingRead)),
    ("POST", "/api/v1/billing/alerts", Organization(BillingWrite)),
    ("POST", "/api/v1/billing/alerts/test", Organization(BillingWrite)),
    ("POST", "/api/v1/billing/limits/resume", Organization(LimitsWrite)),
    ("GET", "/api/v1/agents", Organization(BillingRead)),
    ("GET", "/api/v1/agents/{id}", Organization(BillingRead)),
    ("PUT", "/api/v1/agents/{id}", Organization(LimitsWrite)),
    ("POST", "/api/v1/agents/{id}/resume", Organization(LimitsWrite)),
    ("GET", "/api/v1/numbers", Organization(UsageRead)),
    ("POST", "/api/v1/numbers", Organization(UsageWrite)),
    ("GET", "/api/v1/numbers/{id}", Organization(UsageRead)),
    ("DELETE", "/api/v1/numbers/{id}", Organization(UsageWrite)),
    ("GET", "/api/v1/numbers/{id}/guard", Organization(BillingRead)),
    ("PUT", "/api/v1/numbers/{id}/guard", Organization(LimitsWrite)),
    ("GET", "/api/v1/organization", Organization(BillingRead)),
    ("GET", "/api/v1/usage", Usage(UsageRead)),
    ("POST", "/api/v1/usage/events", Items(UsageWrite)),
    ("POST", "/api/v1/usage/events/{id}/void", OperatorFor(UsageWrite)),
    ("POST", "/api/v1/usage/estimate", Items(UsageRead)),
    ("POST", "/api/v1/usage/authorizations", EvenSuspended(UsageWrite)),
    ("POST", "/api/v1/usage/authorizations/{id}/extend", EvenSuspended(UsageWrite)),
    ("POST", "/api/v1/usage/authorizations/{id}/capture", EvenSuspended(UsageWrite)),
    ("POST", "/api/v1/usage/authorizations/{id}/release", EvenSuspended(UsageWrite)),
    ("GET", "/api/v1/calls", Usage(UsageRead)),
    ("GET", "/api/v1/calls/{id}", Usage(UsageRead)),
    ("GET", "/api/v1/calls/message", Organization(UsageRead)),
    ("PUT", "/api/v1/calls/message", Organization(LimitsWrite)),
    ("DELETE", "/api/v1/calls/message", Organization(LimitsWrite)),
    ("GET", "/api/v1/workspaces", Usage(UsageRead)),
    ("POST", "/api/v1/workspaces", Organization(MembersWrite)),
    ("GET", "/api/v1/workspaces/{id}", Usage(UsageRead)),
    ("PATCH", "/api/v1/workspaces/{id}", Organization(MembersWrite)),
    ("GET", "/api/v1/members", Organization(MembersWrite)),
    ("PUT", "/api/v1/members/{id}", InSession(MembersWrite)),
    ("DELETE", "/api/v1/members/{id}", InSession(MembersWrite)),
    ("GET", "/api/v1/invitations", Organization(MembersWrite)),
    ("POST", "/api/v1/invitations", InSession(MembersWrite)),
    ("DELETE", "/api/v1/invitations/{id}", InSession(MembersWrite)),
    ("GET", "/api/v1/keys", InSession(MembersWrite)),
    ("POST", "/api/v1/keys", InSession(MembersWrite)),
    ("POST", "/api/v1/keys/{id}/rotate", InSession(MembersWrite)),
    ("DELETE", "/api/v1/keys/{id}", InSession(MembersWrite)),
    ("GET", "/api/v1/admin/organizations", Operator(Admin)),
    ("POST", "/api/v1/admin/organizations", Operator(Admin)),
    ("GET", "/api/v1/admin/organizations/{id}", Operator(Admin)),
    ("PATCH", "/api/v1/admin/organizations/{id}", Operator(Admin)),
    ("POST", "/api/v1/admin/organizations/{id}/suspend", Operator(Admin)),
    ("POST", "/api/v1/admin/organizations/{id}/resume", Operator(Admin)),
    ("PUT", "/api/v1/admin/organizations/{id}/prices", Operator(Admin)),
    ("GET", "/api/v1/admin/users", Operator(Admin)),
    ("POST", "/api/v1/admin/users", Operator(Admin)),
    ("GET", "/api/v1/admin/users/{id}", Operator(Admin)),
    ("POST", "/api/v1/admin/users/{id}/disable", Operator(Admin)),
    ("POST", "/api/v1/admin/users/{id}/enable", Operator(Admin)),
    ("PUT", "/api/v1/admin/users/{id}/memberships", Operator(Admin)),
    ("POST", "/api/v1/admin/users/{id}/memberships/remove", Operator(Admin)),
    ("GET", "/api/v1/admin/jobs", Operator(Admin)),
    ("POST", "/api/v1/admin/jobs/{name}/run", Operator(Admin)),
    ("GET", "/api/v1/admin/keys", Operator(Admin)),
    ("POST", "/api/v1/admin/keys", Operator(Admin)),
    ("POST", "/api/v1/admin/keys/{id}/rotate", Operator(Admin)),
    ("DELETE", "/api/v1/admin/keys/{id}", Operator(Admin)),
    ("GET", "/api/v1/admin/catalog/meters", Operator(Admin)),
    ("POST", "/api/v1/admin/catalog/meters", Operator(Admin)),
    ("GET", "/api/v1/admin/catalog/rate-cards", Operator(Admin)),
    ("POST", "/api/v1/admin/catalog/rate-cards", Operator(Admin)),
    ("GET", "/api/v1/admin/catalog/rate-cards/{id}", Operator(Admin)),
    ("GET", "/api/v1/admin/catalog/plans", Operator(Admin)),
    ("POST", "/api/v1/admin/catalog/plans", Operator(Admin)),
    ("GET", "/api/v1/admin/catalog/plans/{id}", Operator(Admin)),
    ("GET", "/api/v1/admin/catalog/packages", Operator(Admin)),
    ("POST", "/api/v1/admin/catalog/packages", Operator(Admin)),
    ("PATCH", "/api/v1/admin/catalog/packages/{id}", Operator(Admin)),
    ("GET", "/api/v1/admin/audit", Operator(Admin)),
    ("GET", "/api/v1/admin/reports/liability", Operator(Admin)),
    ("GET", "/api/v1/admin/refunds", Operator(Admin)),
    ("POST", "/api/v1/admin/refunds/{id}/approve", Operator(Admin)),
    ("POST", "/api/v1/admin/refunds/{id}/decline", Operator(Admin)),
    ("GET", "/api/v1/admin/disputes", Operator(Admin)),
    ("GET", "/api/v1/admin/clock", Operator(Admin)),
    ("POST", "/api/v1/admin/clock", Operator(Admin)),
];

const SCOPES: [Scope; 8] =
    [BillingRead, BillingWrite, UsageRead, UsageWrite, LimitsWrite, WebhooksWrite, MembersWrite, Admin];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Nobody,
    BadToken,
    OperatorKey(Scope),
    OperatorSession,
    OwnKey(Scope),
    SuspendedKey(Scope),
    Session(Role),
}

/// For whom they ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    None,
    Own,
    Foreign,
}

/// What a role opens in its own organization, as the design says it.
fn role_opens(role: Role, scope: Scope) -> bool {
    match role {
        Role::Owner => scope != Admin,
        Role::Billing => matches!(scope, BillingRead | BillingWrite | UsageRead | LimitsWrite),
        Role::Member => false,
    }
}

/// The code of the refusal, or none for those who are let in.
fn refusal(who: Who, caller: Caller, named: Named) -> Option<&'static str> {
    if who == Anyone {
        return None;
    }
    if matches!(caller, Caller::Nobody | Caller::BadToken) {
        // the test comes from the loopback address
        return (who != Monitoring).then_some("unauthorized");
    }
    match who {
        Anyone | Credential | Monitoring => None,
        Person => match caller {
            Caller::OperatorSession | Caller::Session(_) => None,
            _ => Some("session_required"),
        },
        Operator(scope) | OperatorFor(scope) => match caller {
            Caller::OperatorKey(own) if own != scope => Some("insufficient_scope"),
            Caller::OperatorKey(_) | Caller::OperatorSession => {
                (matches!(who, OperatorFor(_)) && named == Named::None).then_some("organization_required")
            }
            _ => Some("operator_required"),
        },
        Organization(scope) | InSession(scope) | Items(scope) | EvenSuspended(scope) => {
            in_organization(who, scope, caller, named)
        }
        Usage(scope) => match caller {
            Caller::Session(Role::Member) if named != Named::Foreign => None,
            _ => in_organization(who, scope, caller, named),
        },
    }
}

fn in_organization(who: Who, scope: Scope, caller: Caller, named: Named) -> Option<&'static str> {
    let is_operator = matches!(caller, Caller::OperatorKey(_) | Caller::OperatorSession);
    if named == Named::Foreign && !is_operator {
        return Some("forbidden");
    }
    if named == Named::None && is_operator && !matches!(who, Items(_) | EvenSuspended(_)) {
        return Some("organization_required");
    }
    let is_key = matches!(caller, Caller::OperatorKey(_) | Caller::OwnKey(_) | Caller::SuspendedKey(_));
    if is_key && matches!(who, InSession(_)) {
        return Some("session_required");
    }
    match caller {
        Caller::OperatorKey(own) | Caller::OwnKey(own) | Caller::SuspendedKey(own) if own != scope => {
            Some("insufficient_scope")
        }
        Caller::SuspendedKey(_)
            if !matches!(scope, BillingRead | UsageRead) && !matches!(who, EvenSuspended(_)) =>
        {
            Some("organization_suspended")
        }
        Caller::Session(role) if !role_opens(role, scope) => Some("insufficient_role"),
        _ => None,
    }
}

const REFUSALS: &[&str] = &[
    "unauthorized",
    "forbidden",
    "insufficient_scope",
    "insufficient_role",
    "session_required",
    "operator_required",
    "organization_required",
    "organization_suspended",
    "cross_site",
];

#[actix_web::test]
async fn the_table_names_every_route() {
    let app = TestApp::start().await;
    let mut served: Vec<String> = app
        .app
        .table
        .endpoints()
        .filter(|endpoint| endpoint.surface != Surface::Page || endpoint.path == "/docs")
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    let mut listed: Vec<String> = ROUTES.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    served.sort();
    listed.sort();
    assert_eq!(served, listed);
}

#[actix_web::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let app = TestApp::start().await;
    let (own, foreign) = (app.organization("Own").await, app.organization("Foreign").await);
    let suspended = app.organization("Suspended").await;
    app.db().write(move |tx| organizations::suspend(tx, &BY, suspended, "test")).await.unwrap();
    let mut callers = vec![
        (Caller::Nobody, String::new()),
        (Caller::BadToken, "tb_test_0000000000000000000000000000000000000000000".to_owned()),
        (Caller::OperatorSession, app.operator().await.1),
    ];
    for scope in SCOPES {
        callers.push((Caller::OperatorKey(scope), app.operator_key(&[scope]).await));
        callers.push((Caller::OwnKey(scope), app.organization_key(own, &[scope]).await));
        callers.push((Caller::SuspendedKey(scope), app.organization_key(suspended, &[scope]).await));
    }
    for role in Role::ALL {
        callers.push((Caller::Session(role), app.member(own, role).await.1));
    }
    let mut failures = Vec::new();
    for (method, path, who) in ROUTES {
        // signing out would end the session that the other routes are tried with
        if *path == "/docs" || (*method, *path) == ("DELETE", "/api/v1/auth/sessions") {
            continue;
        }
        for (caller, token) in &callers {
            for named in [Named::None, Named::Own, Named::Foreign] {
                let home = if matches!(caller, Caller::SuspendedKey(_)) { suspended } else { own };
                let expected = refusal(*who, *caller, named);
                // an id that cannot exist: whoever is let in finds nothing, and changes nothing
                let path = path.replace("{id}", "nothing").replace("{file:.*}", "nothing");
                let mut call = app.call(method, &path);
                if *caller != Caller::Nobody {
                    call = call.bearer(token);
                }
                call = match named {
                    Named::None => call,
                    Named::Own => call.organization(home),
                    Named::Foreign => call.organization(foreign),
                };
                // not a body that any operation takes
                let answer = if *method == "GET" { call } else { call.json("[0]") }.send().await;
                let code = answer.json["error"]["code"].as_str().unwrap_or_default();
                let refused = REFUSALS.contains(&code).then_some(code);
                if refused != expected || answer.status.is_server_error() {
                    failures.push(format!(
                        "{method} {path} as {caller:?} naming {named:?}: {} {code:?}, expected {expected:?}",
                        answer.status
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

#[actix_web::test]
async fn a_revoked_key_and_an_ended_session_are_worth_nothing_at_once() {
    let app = TestApp::start().await;
    let organization = app.organization("Acme").await;
    let key = app.organization_key(organization, &[BillingRead]).await;
    let admin = app.operator_key(&[Admin]).await;
    let me = app.get("/api/v1/auth/me").bearer(&key).send().await.expect(200);
    let id = me.json["key_id"].as_str().unwrap();
    app.call("DELETE", &format!("/api/v1/admin/keys/{id}")).bearer(&admin).send().await.expect(200);
    let answer = app.get("/api/v1/auth/me").bearer(&key).send().await.expect(401);
    assert_eq!(answer.code(), "unauthorized");

    let (_, session) = app.member(organization, Role::Owner).await;
    app.call("DELETE", "/api/v1/auth/sessions").bearer(&session).send().await.expect(204);
    app.get("/api/v1/auth/me").bearer(&session).send().await.expect(401);
    // and a session that nobody uses ends by itself
    let (user, session) = app.member(organization, Role::Billing).await;
    app.get("/api/v1/auth/me").bearer(&session).send().await.expect(200);
    app.clock.advance(8 * 86_400_000);
    app.get("/api/v1/auth/me").bearer(&session).send().await.expect(401);
    let session = app.session(user).await;
    app.get("/api/v1/auth/me").bearer(&session).send().await.expect(200);
}

#[actix_web::test]
async fn the_other_modes_keys_are_turned_away() {
    let app = TestApp::start().await;
    let key = app.operator_key(&[Admin]).await.replace("tb_test_", "tb_live_");
    let answer = app.get("/api/v1/auth/me").bearer(&key).send().await.expect(401);
    assert!(answer.text.contains("other mode"), "{}", answer.text);
}
