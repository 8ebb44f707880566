//! What drafts of cards and of plans have in common.

use crate::base::{Day, Timestamp, Zone};
use crate::catalog::CatalogError;
use crate::catalog::drafts::Draft;
use crate::db::ReadTx;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::pages::components::EmptyState;
use crate::http::pages::components::field::{Control, Field, FormState};
use crate::http::pages::format::Show;
use crate::http::pages::forms::fresh_key;
use crate::http::pages::views::catalog::{Body, Part, PartForm};

use super::words::Changes;
use super::{cells, table, who};

/// `Last changed by … on …`.
pub(super) fn last_changed<T>(tx: &ReadTx<'_>, draft: &Draft<T>, show: &Show) -> String {
    format!(
        "It prices nothing until it is published. Last changed by {}, {}.",
        who(tx, &draft.actor),
        show.when(draft.changed_at).text()
    )
}

/// What differs from the newest version, where there is one.
pub(super) fn changes(before: Option<(i64, Changes)>) -> Part {
    let (note, body): (_, Body) = match before {
        None => {
            let text = "There is no version of it yet.".into();
            (String::new(), EmptyState { title: "All of it is new".into(), text, action: None }.into())
        }
        Some((version, changes)) if changes.is_empty() => {
            let title = "Nothing so far".into();
            let text = format!("It says what version {version} says.");
            (String::new(), EmptyState { title, text, action: None }.into())
        }
        Some((version, changes)) => {
            let mut table = table("What changes", &["What", "Now", "In this draft"]);
            table.rows = changes.into_iter().map(|(name, old, new)| cells([name, old, new])).collect();
            (format!("Against version {version}, the newest"), table.into())
        }
    };
    Part::new("changes", "What changes", body).note(note)
}

/// The form that publishes it.
pub(super) fn publish(
    admitted: &Admitted,
    form: &FormState,
    action: String,
    show: &Show,
    lead: &str,
) -> Part {
    let date = Field::new(form, "date", "From the beginning of", Control::Line("date")).optional();
    let fields =
        vec![date.hint(format!("A day in {}. Empty: from the moment it is published.", show.zone.name()))];
    let form = PartForm { action, fields, submit: "Publish", idempotency_key: fresh_key(admitted) };
    Part::new("publish", "Publish", form).lead(lead)
}

/// From when on it is to count; from now on where no day was typed.
pub(super) fn start(form: &Form, zone: &Zone, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let wrong = |text: String| ApiError::field("date", "invalid_value", text);
    let day: Option<Day> = form.parse("date").map_err(|e| wrong(format!("{e}")))?;
    let at = day.map(|day| zone.start_of(day));
    if at.is_some_and(|at| at < now) {
        return Err(wrong("must not be in the past: leave it empty to begin at once".into()));
    }
    Ok(at)
}

/// The same error about the fields of a form: `named` knows the one for a path such as `rates[2].minimum`.
pub(super) fn about_fields(error: CatalogError, named: impl Fn(&str) -> String) -> CatalogError {
    let CatalogError::Invalid(mut problems) = error else { return error };
    for problem in &mut problems.0 {
        problem.field = named(&problem.field);
    }
    CatalogError::Invalid(problems)
}
