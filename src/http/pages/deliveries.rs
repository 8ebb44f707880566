//! Deliveries as pages show them: a customer's webhooks, and the operator's list of everything.

use super::components::table::Cell;
use super::components::{Chip, CodeBlock, DataTable, Tone};
use super::format::Show;
use super::views::Chrome;
use super::views::telling::{DeliveryPage, label};
use crate::notifications::{Attempt, Delivery, State};

/// A table of texts.
fn texts(caption: &str, labels: &[&str]) -> DataTable {
    let mut table = DataTable::new(caption, labels);
    for column in &mut table.columns {
        column.numeric = false;
    }
    table
}

/// Deliveries, each leading to its page.
pub(super) fn table(show: &Show, found: &[Delivery], page: impl Fn(&Delivery) -> String) -> DataTable {
    let mut table =
        texts("Deliveries, the newest first", &["What", "When", "To", "Status", "Attempts", "Last error"]);
    for delivery in found {
        table.rows.push(vec![
            Cell::link(delivery.subject.clone(), Some(page(delivery))),
            Cell::text(show.when(delivery.created_at).text()),
            Cell::text(format!("{}: {}", label(delivery.channel.name()), delivery.target)),
            Cell::text(delivery.state.name()),
            Cell::text(delivery.attempts.to_string()),
            Cell::text(delivery.last_error.clone().unwrap_or_default()),
        ]);
    }
    table
}

fn chip(state: State) -> Chip {
    let tone = match state {
        State::Waiting => Tone::Warn,
        State::Kept => Tone::Neutral,
        State::Delivered => Tone::Good,
        State::Dead => Tone::Bad,
    };
    Chip::new(tone, state.name())
}

/// The page of one delivery.
pub(super) fn page(
    chrome: Chrome,
    delivery: Delivery,
    log: &[Attempt],
    replay: Option<String>,
) -> DeliveryPage {
    let show = &chrome.show;
    let mut attempts = texts("Attempts, the newest first", &["Attempt", "When", "Took", "Status", "Answer"]);
    for attempt in log {
        attempts.rows.push(vec![
            Cell::text(attempt.number.to_string()),
            Cell::text(show.when(attempt.at).text()),
            Cell::text(format!("{} ms", attempt.took_ms)),
            Cell::text(attempt.status.map_or_else(|| "–".to_owned(), |status| status.to_string())),
            Cell::text(attempt.answer.clone()),
        ]);
    }
    let mut facts = vec![
        ("To", delivery.target.clone()),
        ("Channel", label(delivery.channel.name()).to_owned()),
        ("Written", show.when(delivery.created_at).text()),
        ("Id", delivery.id.to_string()),
    ];
    facts.extend(delivery.event.map(|event| ("Event", event.to_string())));
    facts.extend(delivery.invoice.map(|invoice| ("Attached", format!("the PDF of {invoice}"))));
    DeliveryPage {
        subject: delivery.subject,
        chip: chip(delivery.state),
        facts,
        body: CodeBlock { label: "What is sent".into(), text: delivery.body },
        attempts,
        replay,
        chrome,
    }
}
