//! What drafts of cards and of plans have in common.

use crate::base::{Credits, Day, Timestamp, Zone};
use crate::catalog::CatalogError;
use crate::catalog::drafts::Draft;
use crate::db::ReadTx;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::form::Form;
use crate::http::pages::components::EmptyState;
use crate::http::pages::components::field::{Control, Field, FormState};
use crate::http::pages::format::Show;
use crate::http::pages::forms::{self, fresh_key};
use crate::http::pages::views::catalog::{Body, Part, PartForm};

use super::words::Changes;
use super::{cells, table, who};

/// The revision that a page shows, and its form sends back.
pub(super) const SEEN: &str = "seen";

/// The field of it: of what was sent before, where that was refused for something else, or of what there is.
pub(super) fn seen(form: &FormState, revision: String) -> Field {
    Field::hidden(SEEN, Some(form.value(SEEN).to_owned()).filter(|sent| !sent.is_empty()).unwrap_or(revision))
}

/// The form again, after it was refused. Where that was because the draft is another one by now, it knows no revision: that is
/// what [`tell_apart`] is for.
pub(super) fn refused(
    form: &Form,
    names: &[&str],
    error: ApiError,
    admitted: &Admitted,
) -> Result<FormState, ApiError> {
    let is_old = error.code() == ErrorCode::Conflict;
    let names: Vec<&str> = names.iter().copied().chain([SEEN]).collect();
    let mut state = forms::refused(form, &names, &[], error, admitted)?;
    if is_old {
        state.values.remove(SEEN);
    }
    Ok(state)
}

/// Says beside what was typed into a form about an older draft what stands in the draft now.
pub(super) fn tell_apart(fields: &mut [Field], typed: &FormState, draft: &FormState) {
    if !typed.value(SEEN).is_empty() {
        return;
    }
    for field in fields.iter_mut().filter(|field| field.control != Control::Hidden) {
        let now = draft.value(&field.name);
        if !is_same(&field.value, now) {
            field.error = Some(format!("is {} in the draft now", stands(&field.control, now)));
        }
    }
}

fn is_same(typed: &str, now: &str) -> bool {
    let number = |text: &str| text.parse::<Credits>().ok();
    typed.lines().eq(now.lines()) || number(typed).is_some_and(|typed| number(now) == Some(typed))
}

fn stands(control: &Control, value: &str) -> String {
    let label = match control {
        Control::Check if value.is_empty() => return "not ticked".into(),
        Control::Check => return "ticked".into(),
        Control::Select(choices) | Control::Radio(choices) => {
            choices.iter().find(|choice| choice.value == value).map(|choice| choice.label.clone())
        }
        _ => None,
    };
    match label.unwrap_or_else(|| value.lines().collect::<Vec<_>>().join(", ")) {
        nothing if nothing.is_empty() => "empty".into(),
        text => format!("“{text}”"),
    }
}

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
    (form, revision): (&FormState, String),
    action: String,
    show: &Show,
    lead: &str,
) -> Part {
    let date = Field::new(form, "date", "From the beginning of", Control::Line("date")).optional();
    let date = date.hint(format!("A day in {}. Empty: from the moment it is published.", show.zone.name()));
    let fields = vec![seen(form, revision), date];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::components::field::Choice;

    #[test]
    fn what_an_older_form_does_not_know_is_said_beside_its_fields() {
        let stored = |values: &[(&str, &str)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            FormState { values: values.collect(), ..FormState::default() }
        };
        let draft =
            [("fee", "109.00"), ("by", "year"), ("listed", "on"), ("steps", "6: 5\nbeyond: 4"), ("cap", "")];
        let draft = stored(&draft);
        let mut typed =
            stored(&[("fee", "109"), ("by", "month"), ("steps", "6: 5\r\nbeyond: 4"), ("cap", "0")]);
        let errors = |typed: &FormState| {
            let by = Control::Radio(vec![Choice::new("month", "Month"), Choice::new("year", "Year")]);
            let mut fields = vec![
                Field::line(typed, "fee", "Fee"),
                Field::new(typed, "by", "Paid by the", by),
                Field::new(typed, "listed", "Listed", Control::Check),
                Field::new(typed, "steps", "Price", Control::Text),
                Field::line(typed, "cap", "Cap"),
                seen(typed, "now".into()),
            ];
            tell_apart(&mut fields, typed, &draft);
            let found =
                fields.into_iter().filter_map(|field| Some(format!("{} {}", field.label, field.error?)));
            found.collect::<Vec<_>>()
        };
        let told = [
            "Paid by the is “Year” in the draft now",
            "Listed is ticked in the draft now",
            "Cap is empty in the draft now",
        ];
        assert_eq!(errors(&typed), told);
        // what was refused for something else still says what it has seen
        typed.values.insert(SEEN.into(), "then".into());
        assert_eq!(errors(&typed), [""; 0]);
        assert_eq!(seen(&typed, "now".into()).value, "then");
    }
}
