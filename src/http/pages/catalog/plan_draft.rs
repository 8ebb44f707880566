//! `/operator/plans/{code}/draft`: a version of a plan that is being written, what it would cost, and its publication.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::plans::{page_of, page_of_draft, terms};
use super::{ADMIN, Answered, Asked, PLANS, around, cost, drafting, words};
use crate::catalog::drafts::{self, Draft};
use crate::catalog::rules::{Code, PlanTerms};
use crate::catalog::{self, CatalogError, Snapshot};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::format::Show;
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::catalog::{Action, CatalogPage, Part};
use crate::http::pages::views::{Crumb, FormPage};
use crate::http::params::{PathId, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::metering::compare::Change;

const NEW: &str = "/operator/plans/new-plan";
const DRAFT: &str = "/operator/plans/{id}/draft";

pub(super) fn routes(table: &mut Table) {
    // before the plans, whose codes are in the same place
    table.page(Method::GET, NEW, ADMIN, ask);
    table.page(Method::POST, NEW, ADMIN, create);
    table.page(Method::GET, DRAFT, ADMIN, page);
    table.page(Method::POST, DRAFT, ADMIN, begin);
    table.page(Method::POST, "/operator/plans/{id}/draft/discard", ADMIN, discard);
    table.page(Method::POST, "/operator/plans/{id}/draft/publish", ADMIN, publish);
}

fn new_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let catalog = state.catalog.get(tx)?;
    let plans = catalog.plans().iter().map(|plan| Choice::new(plan.code.as_str(), &plan.name)).collect();
    let way = vec![Crumb::link("Plans", PLANS), Crumb::here("New plan")];
    Ok(FormPage {
        chrome: around(state, admitted, tx, way, None)?,
        title: "New plan".into(),
        lead: "It begins as a copy of another and is a draft until you publish it.".into(),
        action: NEW.into(),
        fields: vec![
            Field::line(&form, "code", "Code")
                .autocomplete("off")
                .hint("Its name in the API. It never changes."),
            Field::line(&form, "name", "Name").autocomplete("off").hint("What customers read."),
            Field::new(&form, "from", "Copy of", Control::Select(plans)),
        ],
        form,
        submit: "Begin the draft".into(),
        cancel: PLANS.into(),
        idempotency_key: fresh_key(admitted),
    })
}

async fn ask(state: web::Data<State>, admitted: Admitted) -> Answered {
    let page = state.db.read_blocking(|tx| new_page(&state, &admitted, tx, FormState::default()))?;
    html(StatusCode::OK, &page)
}

async fn create(state: web::Data<State>, admitted: Admitted, form: Form) -> Answered {
    let once = Once::new(Owner::Operator, NEW, &form)?;
    let (by, name, from) = (admitted.by()?, form.text("name").to_owned(), form.text("from").to_owned());
    let done = match form.text("code").parse::<Code>() {
        Err(error) => Err(ApiError::field("code", "invalid_value", format!("{error}"))),
        Ok(code) => {
            let write = state.db.write(move |tx| {
                once.act(tx, || {
                    let terms = newest(&*catalog::snapshot(tx)?, &from)
                        .ok_or_else(|| ApiError::field("from", "invalid_value", "is no plan"))?;
                    drafts::begin_new(tx, &by, &code, &name, &terms)?;
                    Ok(code.to_string())
                })
            });
            write.await
        }
    };
    match done {
        Ok((code, _)) => Ok(redirect(&format!("{PLANS}/{code}/draft"))),
        Err(error) => {
            let status = error.code().status();
            let form = refused(&form, &["code", "name", "from"], &[], error, &admitted)?;
            let page = state.db.read_blocking(|tx| new_page(&state, &admitted, tx, form))?;
            html(status, &page)
        }
    }
}

/// The terms of a plan's newest version, also where it has not started yet.
fn newest(catalog: &Snapshot, code: &str) -> Option<PlanTerms> {
    Some(catalog.plan_by_code(code)?.versions.last()?.terms.clone())
}

async fn begin(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<Code>) -> Answered {
    let (by, to) = (admitted.by()?, page_of_draft(&code));
    let write = state.db.write(move |tx| -> Result<_, ApiError> {
        let catalog = catalog::snapshot(tx)?;
        let terms = newest(&catalog, code.as_str()).ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
        Ok(drafts::begin(tx, &by, &code, &terms)?)
    });
    write.await?;
    Ok(redirect(&to))
}

async fn page(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<Code>,
    Query(asked): Query<Asked>,
) -> Answered {
    let shared = state.clone();
    let page = state.db.read(move |tx| view(&shared, &admitted, tx, &code, &asked, FormState::default()));
    html(StatusCode::OK, &page.await?)
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    code: &Code,
    asked: &Asked,
    form: FormState,
) -> Result<CatalogPage, ApiError> {
    let draft = drafts::get::<PlanTerms>(tx, code)?;
    let catalog = state.catalog.get(tx)?;
    let plan = catalog.plan_by_code(code.as_str());
    let mut way = vec![Crumb::link("Plans", PLANS)];
    way.extend(plan.map(|plan| Crumb::link(plan.name.clone(), page_of(code))));
    way.push(Crumb::here("Draft"));
    let chrome = around(state, admitted, tx, way, Some(asked))?;
    let before = plan.and_then(|plan| Some((&plan.name, plan.versions.last()?))).map(|(name, version)| {
        let all = |name: &str, terms: &PlanTerms| {
            let mut all = vec![("Name, at once when published".to_owned(), name.to_owned())];
            all.extend(words::plan(terms, &catalog));
            all
        };
        (version.version, words::changes(&all(name, &version.terms), &all(&draft.name, &draft.terms)))
    });
    let mut parts = vec![
        Part::new("terms", "Terms in this draft", terms(&draft.terms, &catalog)),
        drafting::changes(before),
    ];
    parts.extend(cost_parts(state, tx, &catalog, (&draft, asked), &chrome.show)?);
    parts.push(drafting::publish(
        admitted,
        (&form, draft.revision()?),
        format!("{}/publish", page_of_draft(code)),
        &chrome.show,
        "A published version never changes; another can replace it. Whoever subscribes from its start on gets it. Subscribers \
         keep theirs until you move them, which is announced to them.",
    ));
    Ok(CatalogPage {
        tab: "Plans",
        title: format!("Draft of {}", draft.name),
        lead: drafting::last_changed(tx, &draft, &chrome.show),
        actions: vec![
            Action::post("Discard the draft", format!("{}/discard", page_of_draft(code))),
            Action::link("Change the terms", format!("{}/terms", page_of_draft(code))).primary(),
        ],
        chrome,
        form,
        parts,
    })
}

/// Against whose usage it is held: the plan's own customers, or those of another where it is new. Fees only of its own.
fn cost_parts(
    state: &State,
    tx: &ReadTx<'_>,
    catalog: &Snapshot,
    (draft, asked): (&Draft<PlanTerms>, &Asked),
    show: &Show,
) -> Result<Vec<Part>, ApiError> {
    let own = catalog.plan_by_code(draft.code.as_str());
    let wanted = asked.of.as_ref().and_then(|code| catalog.plan_by_code(code.as_str()));
    let Some(plan) = own.or(wanted).or(catalog.plans().first()) else { return Ok(Vec::new()) };
    let change = Change::Plan(plan.id, &draft.terms);
    let mut parts = cost::parts(state, tx, catalog, change, (show, &format!("on {}", plan.name)))?;
    if own.is_some() {
        parts.push(cost::fees(tx, plan, &draft.terms)?);
        return Ok(parts);
    }
    let tab = |other: &catalog::Plan| {
        let href = format!("{}?of={}", page_of_draft(&draft.code), other.code);
        (format!("Usage on {}", other.name), href, other.id == plan.id)
    };
    let tabs = catalog.plans().iter().map(tab);
    parts.iter_mut().take(1).for_each(|part| part.tabs = tabs.clone().collect());
    Ok(parts)
}

async fn discard(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<Code>) -> Answered {
    let by = admitted.by()?;
    let write = state.db.write(move |tx| match drafts::discard::<PlanTerms>(tx, &by, &code) {
        // sent twice
        Ok(()) | Err(CatalogError::NoDraft(_)) => Ok(()),
        Err(error) => Err(ApiError::from(error)),
    });
    write.await?;
    Ok(redirect("/operator/plans?done=discarded"))
}

async fn publish(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<Code>,
    form: Form,
) -> Answered {
    let action = format!("{}/publish", page_of_draft(&code));
    let once = Once::new(Owner::Operator, &action, &form)?;
    let (by, sent, plan) = (admitted.by()?, form.clone(), code.clone());
    let zone = super::zone(&state)?;
    let write = state.db.write(move |tx| {
        once.act(tx, || {
            let starts_at = drafting::start(&sent, &zone, tx.now())?;
            let done = drafts::publish_terms(tx, &by, &plan, sent.text(drafting::SEEN), starts_at);
            done.map_err(|error| drafting::about_fields(error, |path| path.replace("starts_at", "date")))?;
            Ok(String::new())
        })
    });
    let Err(error) = write.await else { return Ok(redirect(&format!("{}?done=published", page_of(&code)))) };
    let status = error.code().status();
    let form = drafting::refused(&form, &["date"], error, &admitted)?;
    let asked = Asked { done: None, of: None };
    let shared = state.clone();
    let page = state.db.read(move |tx| view(&shared, &admitted, tx, &code, &asked, form));
    html(status, &page.await?)
}
