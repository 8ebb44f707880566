use super::*;
use crate::events::Payload;
use crate::events::payload::Level;

fn terms() -> Terms {
    Terms { brand: "Vozia".into(), public_url: "https://billing.example.com".into(), mail: true, sms: false }
}

#[test]
fn text_and_html_say_the_same_and_html_is_escaped() {
    let terms = terms();
    let about = About { terms: &terms, organization: None };
    let mail = Mail {
        subject: "A & B".into(),
        paragraphs: vec!["<b>bold</b>".into()],
        facts: vec![("Balance", "1 credit".into())],
        action: Some(("Top up", "https://billing.example.com/topup".into())),
        invoice: None,
    };
    let made = mail.delivery(&about, "a@example.com".into());
    let html = made.html.unwrap();
    for part in ["Balance", "1 credit", "Top up", "https://billing.example.com/topup"] {
        assert!(made.body.contains(part) && html.contains(part), "{part}");
    }
    assert!(made.body.contains("<b>bold</b>"));
    assert!(!html.contains("<b>bold</b>") && html.contains("A &#38; B"));
    assert!(made.send);
}

/// One that takes the connection and says nothing would hold up everybody's mail.
#[tokio::test]
async fn a_mail_server_that_says_nothing_is_left_alone() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let terms = SmtpTerms {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        security: crate::config::MailSecurity::None,
        account: None,
        from: "Vozia <billing@example.com>".into(),
        timeout: std::time::Duration::from_millis(50),
        domain: "example.com".into(),
    };
    let mail = Outgoing {
        to: "ana@example.com",
        message_id: "dlv_1",
        subject: "Hello",
        text: "Hello",
        html: "<p>Hello</p>",
        attachment: None,
    };
    let sent = Sender::new(&terms).unwrap().send(mail).await;
    assert!(matches!(sent, Err(crate::outbox::Failure::Later(_))), "{sent:?}");
}

/// The words for programs are not what people read.
#[test]
fn what_happens_to_a_plan_is_said_in_sentences() {
    let terms = terms();
    let about = About { terms: &terms, organization: None };
    for word in
        ["upgraded", "plan_changes", "plan_changed", "cancels", "pauses", "paused", "goes_on", "new_price"]
    {
        let plan = crate::events::payload::Subscription {
            subscription_id: crate::base::id::SubscriptionId::new(1),
            plan: "growth".into(),
            plan_name: "Growth".into(),
            status: "active".into(),
            price: crate::base::Money { minor: 9_900, currency: crate::base::Currency::EUR },
            current_period_start: "2026-11-21T09:00:00Z".parse().unwrap(),
            current_period_end: "2026-12-21T09:00:00Z".parse().unwrap(),
            reason: Some(word.into()),
            next_at: Some("2026-12-21T09:00:00Z".parse().unwrap()),
        };
        let (_, mail) = compose(&Payload::SubscriptionUpdated(plan), &about).unwrap();
        // a word with an underscore, or alone, is for programs
        assert!(mail.paragraphs.iter().all(|text| text != word && !text.contains('_')), "{mail:?}");
        assert!(mail.paragraphs[0].ends_with('.') && mail.paragraphs[0].contains(' '), "{mail:?}");
    }
}

#[test]
fn why_a_charge_came_to_nothing_is_said_in_sentences() {
    use crate::payments::gateway::Decline;
    let terms = terms();
    let about = About { terms: &terms, organization: None };
    let others = ["refused", "monthly_cap", "card_removed", "price", "given_up", "abandoned", "unanswered"];
    let more = ["no_card", "payments_unavailable"];
    for word in Decline::ALL.map(Decline::name).into_iter().chain(others).chain(more) {
        let reload = crate::events::payload::Reload {
            payment_id: None,
            reason: Some(word.into()),
            retry_at: Some("2026-12-21T09:00:00Z".parse().unwrap()),
        };
        let (_, mail) = compose(&Payload::AutoReloadFailed(reload), &about).unwrap();
        assert!(!mail.paragraphs[0].starts_with("Reason:"), "{word}: {mail:?}");
    }
}

#[test]
fn a_low_balance_says_how_much_is_left_and_where_to_top_up() {
    let terms = terms();
    let about = About { terms: &terms, organization: None };
    let level = Level {
        threshold: "500".parse().unwrap(),
        balance: "499.5".parse().unwrap(),
        available: "480".parse().unwrap(),
        channels: vec!["email".into()],
    };
    let (audience, mail) = compose(&Payload::WalletLowBalance(level), &about).unwrap();
    assert_eq!(audience, Audience::Customer);
    assert_eq!(mail.subject, "Low balance: 480 credits left");
    assert!(mail.paragraphs[0].contains("500 credits"));
    assert_eq!(mail.action.unwrap().1, "https://billing.example.com/topup");
}
