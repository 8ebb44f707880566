//! Whom people have told, and how that went: alerts, webhooks, deliveries.

use askama::Template;

use super::chrome::Chrome;
use crate::alerts::CHANNELS;
use crate::base::Timestamp;
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{Chip, CodeBlock, DataTable, EmptyState, Notice, Pager, Tile};

/// A threshold in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Sent by its form as `threshold`.
    pub threshold: String,
    /// For people: `5,000.00 credits`.
    pub label: String,
    /// `email, Slack`.
    pub channels: String,
    /// How it stands.
    pub chip: Chip,
    /// When it was last told.
    pub last_fired: Option<Timestamp>,
    /// The newest delivery over one of its channels failed.
    pub failing: bool,
}

/// `GET /alerts`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/alerts.html")]
pub struct AlertsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The thresholds, the highest first.
    pub alerts: Vec<AlertRow>,
    /// The organization has not chosen any: these are the operator's.
    pub is_default: bool,
    /// The reader may change them.
    pub may_edit: bool,
    /// Nothing is told until then.
    pub snoozed_until: Option<Timestamp>,
    /// Thresholds that go with what was last bought.
    pub suggested: Vec<String>,
    /// Where messages go to Slack, without what only its owner may know.
    pub slack: Option<String>,
    /// A channel that does not work.
    pub problem: Option<Notice>,
    /// Names: `threshold`, `channels`, `slack_url`, `sms_to`, `snooze`.
    pub form: FormState,
}

impl AlertsPage {
    fn fields(&self) -> Vec<Field> {
        let channels = CHANNELS.map(|name| Choice::new(name, label(name))).to_vec();
        let hint = match self.suggested.as_slice() {
            [] => "In credits.".to_owned(),
            all => {
                format!("In credits; a fifth and a twentieth of what was last bought: {}.", all.join(" and "))
            }
        };
        vec![
            Field::line(&self.form, "threshold", "When the balance falls below")
                .inputmode("decimal")
                .autocomplete("off")
                .suffix("credits")
                .suggestions(self.suggested.clone())
                .hint(hint),
            Field::new(&self.form, "channels", "Tell by", Control::Checks(channels)).filter(),
        ]
    }

    fn targets(&self) -> Vec<Field> {
        let slack = match &self.slack {
            Some(known) => format!("Now {known}. Empty: it stays; “none” removes it."),
            None => "An incoming webhook, from Slack’s own settings.".to_owned(),
        };
        vec![
            Field::new(&self.form, "slack_url", "Slack", Control::Line("text")).optional().hint(slack),
            Field::new(&self.form, "sms_to", "Telephone for text messages", Control::Line("tel"))
                .optional()
                .autocomplete("tel")
                .hint("With the country’s number, such as +34600111222."),
        ]
    }

    fn snooze(&self) -> Field {
        let choices =
            [("4", "For four hours"), ("24", "For a day"), ("168", "For a week"), ("", "Not any more")];
        let choices = choices.map(|(value, label)| Choice::new(value, label)).to_vec();
        Field::new(&self.form, "snooze", "Put alerts off", Control::Select(choices)).filter()
    }
}

/// A channel for people.
#[must_use]
pub fn label(channel: &str) -> &str {
    match channel {
        "email" => "Email",
        "slack" => "Slack",
        "sms" => "Text message",
        "webhook" => "Webhook",
        other => other,
    }
}

/// An endpoint in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// Its page.
    pub href: String,
    /// Where it leads.
    pub url: String,
    /// What people call it.
    pub description: String,
    /// Whether it is on.
    pub chip: Chip,
    /// `98 of 100`.
    pub success: String,
    /// What went wrong last.
    pub last_error: String,
}

/// `GET /webhooks`. Its form posts to the same address.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/webhooks.html")]
pub struct WebhooksPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The endpoints.
    pub endpoints: Vec<EndpointRow>,
    /// The reader may change them.
    pub may_edit: bool,
    /// Names: `url`, `description`, `types`.
    pub form: FormState,
    /// All types there are.
    pub types: Vec<&'static str>,
    /// Makes the form act once.
    pub idempotency_key: String,
}

impl WebhooksPage {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::new(&self.form, "url", "Address", Control::Line("url"))
                .autocomplete("off")
                .hint("Where events are sent, beginning with https://, on a public address."),
            Field::line(&self.form, "description", "Description").optional().autocomplete("off"),
            Field::line(&self.form, "types", "Events")
                .optional()
                .autocomplete("off")
                .hint("With commas between, such as wallet.low_balance, invoice.created. Empty for all."),
        ]
    }
}

/// The page that shows a secret, this once.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/webhook_secret.html")]
pub struct WebhookSecretPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The secret; none when the form was sent a second time.
    pub secret: Option<CodeBlock>,
    /// What to know about it.
    pub advice: Notice,
    /// Where one goes on.
    pub back: String,
}

/// `GET /webhooks/{id}`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/webhook.html")]
pub struct WebhookPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Its page.
    pub href: String,
    /// Where it leads.
    pub url: String,
    /// What people call it.
    pub description: String,
    /// Why it is off, or what goes wrong.
    pub problem: Option<Notice>,
    /// It is on.
    pub enabled: bool,
    /// Success rate, last success.
    pub tiles: Vec<Tile>,
    /// What it is told; empty for all.
    pub types: Vec<String>,
    /// The reader may change it.
    pub may_edit: bool,
    /// What was sent, the newest first.
    pub deliveries: DataTable,
    /// To older ones.
    pub pager: Pager,
    /// Names: `from`, `to`.
    pub form: FormState,
    /// Makes the form that exchanges the secret act once.
    pub idempotency_key: String,
}

impl WebhookPage {
    fn range(&self) -> [Field; 2] {
        let day = |name, label| Field::new(&self.form, name, label, Control::Line("date"));
        [
            day("from", "From"),
            day("to", "Until").hint("That day included. At most 1,000, each under its old id."),
        ]
    }
}

/// One delivery, with what is sent and every attempt.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/delivery.html")]
pub struct DeliveryPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// Of a mail; else the event's type.
    pub subject: String,
    /// How it stands.
    pub chip: Chip,
    /// To whom, how, when.
    pub facts: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: CodeBlock,
    /// Every attempt, the newest first.
    pub attempts: DataTable,
    /// Where the form is sent that sends it again; none for who may not.
    pub replay: Option<String>,
}

/// `GET /operator/deliveries`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/deliveries.html")]
pub struct DeliveriesPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// The newest first.
    pub deliveries: DataTable,
    /// To older ones.
    pub pager: Pager,
    /// There is no mail server.
    pub advice: Option<Notice>,
    /// Names: `channel`, `status`.
    pub form: FormState,
}

impl DeliveriesPage {
    fn fields(&self) -> [Field; 2] {
        let choices = |first: &str, all: &[&str]| {
            let mut choices = vec![Choice::new("", first)];
            choices.extend(all.iter().map(|&name| Choice::new(name, label(name))));
            Control::Select(choices)
        };
        let states = ["waiting", "kept", "delivered", "dead"];
        [
            Field::new(&self.form, "channel", "Channel", choices("All", &CHANNELS)).filter(),
            Field::new(&self.form, "status", "Status", choices("All", &states)).filter(),
        ]
    }

    fn empty() -> EmptyState {
        EmptyState {
            title: "Nothing was sent".into(),
            text: "Mails, webhooks, messages to Slack and text messages are listed here, with every attempt."
                .into(),
            action: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::samples::{self, at};
    use super::*;
    use crate::http::pages::components::Tone;
    use crate::http::pages::components::table::Cell;

    fn table() -> DataTable {
        let mut table = DataTable::new("Deliveries, the newest first", &["What", "Status"]);
        table.rows.push(vec![Cell::link("wallet.low_balance", Some("/x".into())), Cell::text("delivered")]);
        table
    }

    impl AlertsPage {
        /// Two thresholds, of which one was told.
        pub(crate) fn sample() -> Self {
            let row = |threshold: &str, chip, last_fired, failing| AlertRow {
                threshold: threshold.into(),
                label: format!("{threshold} credits"),
                channels: "Email, Slack".into(),
                chip,
                last_fired,
                failing,
            };
            Self {
                chrome: samples::chrome(Section::Alerts, &[("My Credit", "/overview"), ("Alerts", "")]),
                alerts: vec![
                    row("5000", Chip::new(Tone::Warn, "Below"), Some(at("2026-11-20T09:00:00Z")), true),
                    row("500", Chip::new(Tone::Good, "Armed"), None, false),
                ],
                is_default: true,
                may_edit: true,
                snoozed_until: Some(at("2026-11-22T09:00:00Z")),
                suggested: vec!["1000".into(), "250".into()],
                slack: Some("hooks.slack.com/…x".into()),
                problem: Some(Notice { tone: Tone::Bad, text: "Slack fails.".into(), link: None }),
                form: FormState::default(),
            }
        }
    }

    impl WebhooksPage {
        /// One endpoint.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(Section::Webhooks, &[("My Credit", "/overview"), ("Webhooks", "")]),
                endpoints: vec![EndpointRow {
                    href: "/webhooks/we_1".into(),
                    url: "https://example.com/hook".into(),
                    description: "Production".into(),
                    chip: Chip::new(Tone::Good, "On"),
                    success: "98 of 100".into(),
                    last_error: "500: no".into(),
                }],
                may_edit: true,
                form: FormState::default(),
                types: vec!["wallet.low_balance"],
                idempotency_key: "req_5t".into(),
            }
        }
    }

    impl WebhookSecretPage {
        /// A new one.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(Section::Webhooks, &[("Webhooks", "/webhooks"), ("Secret", "")]),
                secret: Some(CodeBlock { label: "The secret".into(), text: "whsec_x".into() }),
                advice: Notice { tone: Tone::Warn, text: "Copy it now.".into(), link: None },
                back: "/webhooks".into(),
            }
        }
    }

    impl WebhookPage {
        /// One that fails.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(Section::Webhooks, &[("Webhooks", "/webhooks"), ("One", "")]),
                href: "/webhooks/we_1".into(),
                url: "https://example.com/hook".into(),
                description: "Production".into(),
                problem: Some(Notice { tone: Tone::Bad, text: "500: no".into(), link: None }),
                enabled: true,
                tiles: vec![Tile::new("Arrived", "98", "%", "of the newest 100")],
                types: vec!["wallet.low_balance".into()],
                may_edit: true,
                deliveries: table(),
                pager: Pager::default(),
                form: FormState::default(),
                idempotency_key: "req_5t".into(),
            }
        }
    }

    impl DeliveryPage {
        /// A mail that is kept.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(Section::Deliveries, &[("Operator", ""), ("Deliveries", "")]),
                subject: "Low balance".into(),
                chip: Chip::new(Tone::Neutral, "kept"),
                facts: vec![("To", "ana@example.com".into())],
                body: CodeBlock { label: "What is sent".into(), text: "Hello".into() },
                attempts: table(),
                replay: Some("/operator/deliveries/dlv_1/replay".into()),
            }
        }
    }

    impl DeliveriesPage {
        /// One delivery.
        pub(crate) fn sample() -> Self {
            Self {
                chrome: samples::chrome(Section::Deliveries, &[("Operator", ""), ("Deliveries", "")]),
                deliveries: table(),
                pager: Pager::default(),
                advice: Some(Notice { tone: Tone::Warn, text: "No mail server.".into(), link: None }),
                form: FormState::default(),
            }
        }
    }
}
