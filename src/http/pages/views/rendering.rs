//! Renders every page's samples and holds them to what each page owes its readers.

use askama::Template;

use super::telling::{
    AlertsPage, DeliveriesPage, DeliveryPage, WebhookPage, WebhookSecretPage, WebhooksPage,
};
use super::*;

fn pages() -> Vec<(&'static str, String)> {
    fn html(page: &impl Template) -> String {
        page.render().expect("renders")
    }
    vec![
        ("setup", html(&SetupPage::sample())),
        ("sign-in", html(&OutsidePage::sample())),
        ("password", html(&OutsidePage::sample_choose())),
        ("invitation", html(&OutsidePage::sample_invitation())),
        ("members", html(&MembersPage::sample())),
        ("overview", html(&OverviewPage::sample())),
        ("overview-new", html(&OverviewPage::sample_new())),
        ("overview-overdrawn", html(&OverviewPage::sample_overdrawn())),
        ("usage", html(&UsagePage::sample())),
        ("usage-empty", html(&UsagePage::sample_empty())),
        ("usage-day", html(&UsageDayPage::sample())),
        ("usage-item", html(&UsageItemPage::sample())),
        ("calls", html(&CallsPage::sample())),
        ("calls-empty", html(&CallsPage::sample_empty())),
        ("call", html(&CallPage::sample())),
        ("call-live", html(&CallPage::sample_live())),
        ("call-rejected", html(&CallPage::sample_rejected())),
        ("transactions", html(&TransactionsPage::sample())),
        ("transactions-empty", html(&TransactionsPage::sample_empty())),
        ("transaction", html(&TransactionPage::sample())),
        ("limits", html(&LimitsPage::sample())),
        ("limits-none", html(&LimitsPage::sample_none())),
        ("plan", html(&PlanPage::sample())),
        ("plan-none", html(&PlanPage::sample_none())),
        ("plan-step", html(&PlanStepPage::sample())),
        ("topup", html(&TopUpPage::sample())),
        ("topup_review", html(&ReviewPage::sample())),
        ("payment", html(&PaymentPage::sample())),
        ("payment-fee", html(&PaymentPage::sample_fee())),
        ("invoices", html(&InvoicesPage::sample())),
        ("invoices-empty", html(&InvoicesPage::sample_empty())),
        ("invoice", html(&InvoicePage::sample())),
        ("billing-details", html(&BillingDetailsPage::sample())),
        ("payment-methods", html(&PaymentMethodsPage::sample())),
        ("auto-reload", html(&AutoReloadPage::sample())),
        ("sandbox", html(&SandboxPage::sample())),
        ("transfer", html(&super::transfer::TransferPage::sample())),
        ("transfer-review", html(&super::transfer::TransferReviewPage::sample())),
        ("agent-limit", html(&AgentLimitPage::sample())),
        ("organizations", html(&OrganizationsPage::sample())),
        ("organizations-empty", html(&OrganizationsPage::sample_empty())),
        ("organization-new", html(&NewOrganizationPage::sample())),
        ("organization", html(&OrganizationPage::sample())),
        ("money", html(&MoneyPage::sample())),
        ("packages", html(&PackagesPage::sample())),
        ("packages-empty", html(&PackagesPage::sample_empty())),
        ("catalog", html(&CatalogPage::sample())),
        ("reports", html(&ReportsPage::sample())),
        ("reports-empty", html(&ReportsPage::sample_empty())),
        ("jobs", html(&JobsPage::sample())),
        ("numbers", html(&NumbersPage::sample())),
        ("numbers-none", html(&NumbersPage::sample_none())),
        ("credit", html(&CreditPage::sample())),
        ("credit-preview", html(&CreditPage::sample_preview())),
        ("form", html(&FormPage::sample())),
        ("key-issued", html(&KeyIssuedPage::sample())),
        ("alerts", html(&AlertsPage::sample())),
        ("webhooks", html(&WebhooksPage::sample())),
        ("webhook", html(&WebhookPage::sample())),
        ("webhook-secret", html(&WebhookSecretPage::sample())),
        ("deliveries", html(&DeliveriesPage::sample())),
        ("delivery", html(&DeliveryPage::sample())),
        ("failure", html(&FailurePage::sample())),
    ]
}

/// The start tags of a page, each without its angle brackets.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter(|tag| !tag.starts_with(['/', '!']))
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag.get(start..)?.split('"').next()
}

fn named<'a>(tags: &[&'a str], name: &str) -> Vec<&'a str> {
    tags.iter().copied().filter(|tag| tag.split_whitespace().next() == Some(name)).collect()
}

#[test]
fn every_page_has_its_essentials() {
    for (name, html) in pages() {
        let tags = tags(&html);
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}: doctype and language");
        assert_eq!(named(&tags, "h1").len(), 1, "{name}: one heading");
        assert_eq!(named(&tags, "main").len(), 1, "{name}: one main");
        assert!(html.contains("href=\"#main\"") && html.contains("id=\"main\""), "{name}: skip link");
        assert!(html.contains("Europe/Madrid"), "{name}: timezone");
        assert!(html.contains("TEST"), "{name}: test mode");
        assert!(html.contains("req_01jd6z7k2m"), "{name}: request id");
        let title =
            html.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).expect("title");
        assert!(title.ends_with(" · Vozia") && title.len() > 9, "{name}: {title}");
    }
}

#[test]
fn no_page_needs_a_loose_content_security_policy() {
    for (name, html) in pages() {
        for tag in tags(&html) {
            assert!(attribute(tag, "style").is_none(), "{name}: style attribute in <{tag}>");
            assert!(!tag.starts_with("style"), "{name}: style element");
            let names: String = tag.split('"').step_by(2).collect();
            assert!(!names.contains(" on"), "{name}: event handler in <{tag}>");
            assert!(!tag.contains("javascript:"), "{name}: script address in <{tag}>");
            if tag.starts_with("script") {
                assert!(
                    attribute(tag, "src").is_some_and(|src| src.starts_with("/static/")),
                    "{name}: <{tag}>"
                );
            }
        }
    }
}

#[test]
fn every_input_has_a_label_and_every_form_its_token() {
    for (name, html) in pages() {
        let tags = tags(&html);
        let labels: Vec<_> =
            named(&tags, "label").into_iter().filter_map(|tag| attribute(tag, "for")).collect();
        for kind in ["input", "select", "textarea"] {
            for tag in named(&tags, kind) {
                if matches!(attribute(tag, "type"), Some("hidden" | "radio")) {
                    continue;
                }
                let id = attribute(tag, "id").unwrap_or_else(|| panic!("{name}: <{tag}> has no id"));
                assert!(labels.contains(&id), "{name}: no label for {id}");
            }
        }
        let posts =
            named(&tags, "form").into_iter().filter(|tag| attribute(tag, "method") == Some("post")).count();
        let tokens = html.matches("name=\"csrf\" value=\"c3d1f0a9\"").count();
        assert_eq!(posts, tokens, "{name}: a token in every form that changes something");
    }
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    for (name, html) in pages() {
        let tags = tags(&html);
        let mut ids: Vec<_> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name}: doubled id");
        for tag in &tags {
            for reference in ["for", "aria-labelledby", "aria-describedby", "list"] {
                for id in attribute(tag, reference).unwrap_or("").split_whitespace() {
                    assert!(ids.contains(&id), "{name}: {reference}={id} leads nowhere");
                }
            }
            if let Some(id) = attribute(tag, "href").and_then(|href| href.strip_prefix('#')) {
                assert!(ids.contains(&id), "{name}: #{id} leads nowhere");
            }
        }
    }
}

#[test]
fn every_picture_has_words_and_every_chart_its_table() {
    for (name, html) in pages() {
        let tags = tags(&html);
        for tag in named(&tags, "svg") {
            let outer = !tag.contains("viewBox=\"0 0 1000 1000\"");
            let told = attribute(tag, "aria-label").is_some_and(|label| !label.is_empty())
                || attribute(tag, "aria-labelledby").is_some();
            let hidden = attribute(tag, "aria-hidden") == Some("true");
            assert!(!outer || hidden || (told && attribute(tag, "role") == Some("img")), "{name}: <{tag}>");
        }
        let charts = html.matches("class=\"chart\"").count();
        assert_eq!(html.matches("class=\"behind\"").count(), charts, "{name}: tables behind charts");
        for table in html.split("<table").skip(1) {
            assert!(table.contains("<caption"), "{name}: a table without a caption");
        }
        for cell in named(&tags, "td") {
            assert!(
                attribute(cell, "data-label").is_some(),
                "{name}: <{cell}> has no name on narrow screens"
            );
        }
    }
}

#[test]
fn what_was_typed_is_escaped_and_kept() {
    let mut page = NewOrganizationPage::sample();
    page.form.values.insert("name".into(), "<b>\"Sons\" & Co</b>".into());
    let html = page.render().expect("renders");
    assert!(!html.contains("<b>"), "unescaped");
    assert!(html.contains("value=\"&#60;b&#62;&#34;Sons&#34; &#38; Co&#60;/b&#62;\""), "kept");
    assert!(html.contains("aria-describedby=\"external_id-hint external_id-error\""));
    let sign_in = OutsidePage::sample();
    assert_eq!(sign_in.form.value("password"), "correct horse");
    assert!(!sign_in.render().expect("renders").contains("correct horse"), "a password is never sent back");
}
