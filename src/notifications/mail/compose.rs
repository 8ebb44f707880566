//! What is said about what has happened. English; figures as they are in the API.

use super::{About, Audience, Mail};
use crate::base::{Credits, Timestamp, Zone};
use crate::events::Payload;
use crate::events::payload::{
    CardEnds, Credit, Dispute, Document, Endpoint, Level, LimitState, Number, Refund, Reload, Subscription,
};

/// The mail about an event, and for whom; none for those that nobody is written about.
#[must_use]
pub fn compose(payload: &Payload, about: &About<'_>) -> Option<(Audience, Mail)> {
    let to_customer = |mail| Some((Audience::Customer, mail));
    let to_operator = |mail| Some((Audience::Operator, mail));
    match payload {
        Payload::WalletLowBalance(level) => to_customer(low_balance(level, about)),
        Payload::WalletDepleted(level) => to_customer(depleted(level, about)),
        Payload::AutoReloadSucceeded(_) => to_customer(reloaded(about)),
        // one that is not tried again is told of as switched off
        Payload::AutoReloadFailed(reload) => to_customer(reload_failed(reload, reload.retry_at?, about)),
        Payload::AutoReloadTooSmall(_) => to_customer(reload_too_small(about)),
        Payload::AutoReloadDisabled(reload) => to_customer(reload_off(reload, about)),
        Payload::AutoReloadActionRequired(_) => to_customer(reload_waits(about)),
        Payload::PaymentMethodExpiring(card) => to_customer(card_ends(card, about)),
        Payload::CreditsExpiring(credit) => to_customer(expiring(credit, about)),
        Payload::LimitWarning(limit) => to_customer(limit_mail(limit, false, about)),
        Payload::LimitReached(limit) => to_customer(limit_mail(limit, true, about)),
        Payload::SubscriptionCreated(s) => to_customer(subscribed(s, about)),
        Payload::SubscriptionRenewed(s) => to_customer(renewed(s, about)),
        Payload::SubscriptionUpdated(s) => to_customer(plan_changed(s, about)),
        Payload::SubscriptionPastDue(s) => to_customer(payment_failed(s, about)),
        Payload::SubscriptionCanceled(s) => to_customer(canceled(s, about)),
        Payload::InvoiceCreated(document) => to_customer(document_mail("Invoice", document, about)),
        Payload::CreditNoteCreated(document) => to_customer(document_mail("Credit note", document, about)),
        Payload::RefundFailed(refund) => to_operator(refund_failed(refund, about)),
        Payload::DisputeOpened(dispute) => to_operator(disputed(dispute, about)),
        Payload::DisputeClosed(dispute) => to_operator(dispute_over(dispute, about)),
        Payload::NumberPaymentDue(number) => to_customer(rent_due(number, about)),
        Payload::NumberSuspended(number) => to_customer(number_suspended(number, about)),
        Payload::NumberReleased(number) => to_customer(number_released(number, about)),
        Payload::NumberReactivated(number) => to_customer(number_back(number, about)),
        Payload::WebhookDisabled(endpoint) => to_customer(webhook_off(endpoint, about)),
        Payload::WalletRecovered(_)
        | Payload::TopupSucceeded(_)
        | Payload::TopupFailed(_)
        | Payload::CreditsGranted(_)
        | Payload::CreditsExpired(_)
        | Payload::LimitReset(_)
        | Payload::CallRejected(_)
        | Payload::CallCutOff(_)
        | Payload::RefundSucceeded(_)
        | Payload::WebhookTest(_) => None,
    }
}

/// A mail with a link to a page of this server.
fn mail(
    subject: impl Into<String>,
    paragraphs: &[&str],
    (label, path): (&'static str, &str),
    about: &About<'_>,
) -> Mail {
    Mail {
        subject: subject.into(),
        paragraphs: paragraphs.iter().map(|&text| text.to_owned()).collect(),
        action: Some((label, format!("{}{path}", about.terms.public_url))),
        ..Mail::default()
    }
}

fn credits(amount: Credits) -> String {
    format!("{amount} credits")
}

/// A time of day and date where the organization is.
fn when(at: Timestamp, about: &About<'_>) -> String {
    let utc = Zone::UTC;
    let zone = about.organization.map_or(&utc, |organization| &organization.zone);
    format!("{} ({})", zone.local(at).strftime("%-d %B %Y, %H:%M"), zone.name())
}

fn name<'a>(about: &'a About<'_>) -> &'a str {
    about.organization.map_or("the organization", |organization| &organization.name)
}

fn low_balance(level: &Level, about: &About<'_>) -> Mail {
    let subject = format!("Low balance: {} left", credits(level.available));
    let text = format!(
        "The balance of {} has fallen below {}. When nothing is left, calls and messages are refused.",
        name(about),
        credits(level.threshold)
    );
    Mail {
        facts: vec![("Balance", credits(level.balance)), ("Available", credits(level.available))],
        ..mail(subject, &[&text], ("Top up", "/topup"), about)
    }
}

fn depleted(level: &Level, about: &About<'_>) -> Mail {
    let text = format!(
        "{} has no credit left. Calls and messages are refused until credit is bought; usage that has already happened is \
         still recorded.",
        name(about)
    );
    Mail {
        facts: vec![("Balance", credits(level.balance))],
        ..mail("No credit left", &[&text], ("Top up now", "/topup"), about)
    }
}

fn reloaded(about: &About<'_>) -> Mail {
    let text = format!(
        "The balance of {} had fallen below the threshold of auto-reload, so the saved card was charged and the credit \
         added. The invoice comes in a mail of its own.",
        name(about)
    );
    mail("Credit was reloaded", &[&text], ("See auto-reload", "/auto-reload"), about)
}

/// Why a charge came to nothing, for people.
fn reason(word: Option<&String>) -> String {
    match word.map(String::as_str) {
        Some("insufficient_funds") => "The bank says that the card lacks funds.".into(),
        Some("card_declined") => "The bank declined the card.".into(),
        Some("expired_card") => "The card has expired.".into(),
        Some("authentication_failed") => "The payment was not confirmed with the bank.".into(),
        Some("refused" | "payments_unavailable") => "The payment provider did not take the charge.".into(),
        Some("unanswered") => {
            "It was not learned whether the card was charged, so somebody looks at it first.".into()
        }
        Some("given_up" | "abandoned") => "Nothing came of the charge.".into(),
        Some("price") => "What is bought each time has no price any more.".into(),
        Some("monthly_cap") => "The monthly cap that you set for auto-reload is reached.".into(),
        Some("authentication_required" | "action_required") => {
            "The bank wants you to confirm the payment.".into()
        }
        Some("card_gone" | "no_card" | "card_removed") => "The card is not there any more.".into(),
        Some(word) if !word.is_empty() => format!("Reason: {}.", word.replace('_', " ")),
        _ => "The charge did not go through.".into(),
    }
}

fn reload_failed(reload: &Reload, retry_at: Timestamp, about: &About<'_>) -> Mail {
    let why = reason(reload.reason.as_ref());
    let text = format!(
        "Nothing was charged. It is tried again on {}; you can also top up yourself.",
        when(retry_at, about)
    );
    mail("Auto-reload did not work", &[&why, &text], ("Top up", "/topup"), about)
}

fn reload_too_small(about: &About<'_>) -> Mail {
    let text = format!(
        "Credit was bought, but the balance of {} is still below the threshold of auto-reload, so nothing more is bought by \
         itself. Top up, or have more bought each time.",
        name(about)
    );
    mail("Auto-reload buys too little", &[&text], ("See auto-reload", "/auto-reload"), about)
}

fn reload_off(reload: &Reload, about: &About<'_>) -> Mail {
    let why = reason(reload.reason.as_ref());
    let text =
        "Auto-reload is switched off until somebody switches it on again. The card is not charged any more.";
    mail("Auto-reload was switched off", &[&why, text], ("See auto-reload", "/auto-reload"), about)
}

fn reload_waits(about: &About<'_>) -> Mail {
    let text = "The bank wants you to confirm the payment, so the card could not be charged by itself. Top up once with the \
                card to confirm it.";
    mail("Auto-reload needs your confirmation", &[text], ("Confirm", "/topup"), about)
}

fn card_ends(card: &CardEnds, about: &About<'_>) -> Mail {
    let text = format!(
        "The {} card ending in {} works until {}. Add another one, so that auto-reload and your plan go on.",
        card.brand, card.last4, card.expires
    );
    mail("A saved card is about to expire", &[&text], ("Payment methods", "/payment-methods"), about)
}

fn expiring(credit: &Credit, about: &About<'_>) -> Mail {
    let at = credit.expires_at.map_or_else(String::new, |at| when(at, about));
    let subject = format!("{} will expire soon", credits(credit.credits));
    let text =
        format!("Of the {} credit of {}, this is left and will be gone then:", credit.class, name(about));
    Mail {
        facts: vec![("Credits", credits(credit.credits)), ("Expires", at)],
        ..mail(subject, &[&text], ("See your credit", "/"), about)
    }
}

fn limit_mail(limit: &LimitState, reached: bool, about: &About<'_>) -> Mail {
    let which = match (limit.limit.as_str(), &limit.agent_id) {
        (_, Some(agent)) => format!("the monthly limit of agent {agent}"),
        ("daily", None) => "the daily limit".into(),
        _ => "the monthly limit".into(),
    };
    let (subject, text) = match (reached, limit.action.as_str()) {
        (true, "pause") => (
            format!("Limit reached: {which}"),
            "Calls and messages are refused until the next window begins or the limit is raised.",
        ),
        (true, _) => (format!("Limit reached: {which}"), "Nothing is stopped: the limit is for alerts only."),
        (false, "pause") => (
            format!("Most of {which} is spent"),
            "When it is spent, calls and messages are refused until the next window begins.",
        ),
        (false, _) => {
            (format!("Most of {which} is spent"), "Nothing will be stopped: it is for alerts only.")
        }
    };
    Mail {
        facts: vec![("Spent", credits(limit.spent)), ("Limit", credits(limit.credits))],
        ..mail(subject, &[text], ("See your limits", "/limits"), about)
    }
}

/// What all mails about a plan show.
fn plan_mail(subject: String, paragraphs: &[&str], s: &Subscription, about: &About<'_>) -> Mail {
    let period = format!("{} to {}", when(s.current_period_start, about), when(s.current_period_end, about));
    Mail {
        facts: vec![
            ("Plan", s.plan_name.clone()),
            ("Fee, before tax", s.price.to_string()),
            ("Current period", period),
        ],
        ..mail(subject, paragraphs, ("See your plan", "/plan"), about)
    }
}

fn subscribed(s: &Subscription, about: &About<'_>) -> Mail {
    let text = format!("{} is on the plan {} now.", name(about), s.plan_name);
    plan_mail(format!("Your plan: {}", s.plan_name), &[&text], s, about)
}

fn renewed(s: &Subscription, about: &About<'_>) -> Mail {
    let text = "Another period has begun; what the plan includes is there again. The invoice comes in a mail of its own.";
    plan_mail(format!("Your plan {} was renewed", s.plan_name), &[text], s, about)
}

fn plan_changed(s: &Subscription, about: &About<'_>) -> Mail {
    let at = s.next_at.map_or_else(|| "the end of the period".to_owned(), |at| when(at, about));
    let (subject, what) = match s.reason.as_deref() {
        Some("upgraded") => {
            ("Your plan has changed", format!("{} is on the plan {} now.", name(about), s.plan_name))
        }
        Some("plan_changes") => ("Your plan will change", format!("Another plan begins on {at}.")),
        Some("cancels") => ("Your plan will end", format!("It ends on {at}, and is not renewed.")),
        Some("pauses") => {
            ("Your plan will pause", format!("It pauses from {at}, and nothing is charged for it."))
        }
        Some("paused") => ("Your plan is paused", "Nothing is charged for it until it is resumed.".into()),
        Some("goes_on") => ("Your plan goes on", format!("It is renewed on {at} as it is.")),
        Some("new_price") => (
            "The price of your plan changes",
            format!("The new price holds from the first renewal after {at}."),
        ),
        _ => ("Your plan has changed", format!("{} is on the plan {}.", name(about), s.plan_name)),
    };
    plan_mail(subject.into(), &[&what], s, about)
}

fn payment_failed(s: &Subscription, about: &About<'_>) -> Mail {
    let why = reason(s.reason.as_ref());
    let next = s.next_at.map_or_else(
        || "It is not tried again.".to_owned(),
        |at| {
            format!(
                "It is tried again on {}. Until then what the plan includes is not there.",
                when(at, about)
            )
        },
    );
    let mut made = plan_mail(format!("Payment failed: {}", s.plan_name), &[&why, &next], s, about);
    made.action = Some(("Change the card", format!("{}/payment-methods", about.terms.public_url)));
    made
}

fn canceled(s: &Subscription, about: &About<'_>) -> Mail {
    let text = format!("{} is not on the plan {} any more, and pays as it goes.", name(about), s.plan_name);
    plan_mail(format!("Your plan {} has ended", s.plan_name), &[&text], s, about)
}

fn document_mail(what: &str, document: &Document, about: &About<'_>) -> Mail {
    let text = format!("{what} {} is attached.", document.number);
    Mail {
        facts: vec![("Total", document.total.to_string())],
        invoice: Some(document.invoice_id),
        ..mail(format!("{what} {}", document.number), &[&text], ("See your invoices", "/invoices"), about)
    }
}

fn refund_failed(refund: &Refund, about: &About<'_>) -> Mail {
    let text = format!("The provider did not give back {} to {}.", refund.amount, name(about));
    mail("A refund failed", &[&text], ("See payments", "/operator/payments"), about)
}

fn disputed(dispute: &Dispute, about: &About<'_>) -> Mail {
    let text = format!(
        "{} is disputed by the bank of {}. What is left of the credit is frozen until it is decided.",
        dispute.amount,
        name(about)
    );
    mail("A payment is disputed", &[&text], ("See payments", "/operator/payments"), about)
}

fn dispute_over(dispute: &Dispute, about: &About<'_>) -> Mail {
    let text = format!("The dispute over {} of {} was {}.", dispute.amount, name(about), dispute.status);
    let subject = format!("A dispute was {}", dispute.status);
    mail(subject, &[&text], ("See payments", "/operator/payments"), about)
}

fn rent_due(number: &Number, about: &About<'_>) -> Mail {
    let until = number.next_at.map_or_else(String::new, |at| format!(" on {}", when(at, about)));
    let text = format!(
        "There is not enough credit for the monthly rent of {}. Unless there is, it is suspended{until}.",
        number.number_id
    );
    mail(format!("The rent of {} could not be paid", number.number_id), &[&text], ("Top up", "/topup"), about)
}

fn number_suspended(number: &Number, about: &About<'_>) -> Mail {
    let until =
        number.next_at.map_or_else(String::new, |at| format!(" It is released on {}.", when(at, about)));
    let text = format!(
        "The rent of {} was not paid, so it takes no calls. Pay it to have it back.{until}",
        number.number_id
    );
    mail(format!("{} is suspended", number.number_id), &[&text], ("See your numbers", "/numbers"), about)
}

fn number_released(number: &Number, about: &About<'_>) -> Mail {
    let text = format!("{} is not rented any more; nothing is charged for it.", number.number_id);
    mail(format!("{} was released", number.number_id), &[&text], ("See your numbers", "/numbers"), about)
}

fn number_back(number: &Number, about: &About<'_>) -> Mail {
    let text = format!("The rent of {} is paid, and it takes calls again.", number.number_id);
    mail(format!("{} is back", number.number_id), &[&text], ("See your numbers", "/numbers"), about)
}

fn webhook_off(endpoint: &Endpoint, about: &About<'_>) -> Mail {
    let text = format!(
        "{} failed for days without one success, so it is not told anything any more. What was missed can be sent again \
         once it is switched on.",
        endpoint.url
    );
    let page = if about.organization.is_some() { "/webhooks" } else { "/operator/deliveries" };
    mail("A webhook was switched off", &[&text], ("See webhooks", page), about)
}

/// The mail by which somebody is invited to an organization.
#[must_use]
pub fn invitation(about: &About<'_>, link: &str) -> Mail {
    let brand = &about.terms.brand;
    let text = format!("You are invited to the pages of {} at {brand}.", name(about));
    let ends = "The link works once, for seven days. If you do not know who invites you, ignore this mail: nothing happens.";
    Mail {
        action: Some(("See the invitation", link.to_owned())),
        ..mail(format!("Your invitation to {brand}"), &[&text, ends], ("", ""), about)
    }
}

/// The mail that lets somebody choose another password.
#[must_use]
pub fn password_reset(about: &About<'_>, link: &str) -> Mail {
    let text = "Somebody, probably you, asked for another password. If it was not you, ignore this mail: nothing has changed.";
    Mail {
        action: Some(("Choose another password", link.to_owned())),
        ..mail("Choose another password", &[text, "The link works once, for an hour."], ("", ""), about)
    }
}

/// The mail by which a customer sees that alerts arrive.
#[must_use]
pub fn alert_test(about: &About<'_>) -> Mail {
    let text = format!("This is a test: alerts of {} arrive here.", name(about));
    mail("Alerts arrive here", &[&text], ("See your alerts", "/alerts"), about)
}

/// The mail by which an operator sees that mail arrives.
#[must_use]
pub fn test(about: &About<'_>) -> Mail {
    mail("Mail works", &["This mail was sent to see whether it arrives."], ("Open", "/"), about)
}
