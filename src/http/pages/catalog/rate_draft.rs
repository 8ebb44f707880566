//! `/operator/rates/{code}/draft`: a version of a rate card that is being written, what it would cost, and its publication.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::rates::{page_of, page_of_draft, prices};
use super::{ADMIN, Answered, Asked, RATES, around, cost, drafting, words};
use crate::catalog::drafts::{self, Draft};
use crate::catalog::rules::{Code, Rate};
use crate::catalog::{CatalogError, DEFAULT_CARD, Snapshot};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code as ErrorCode};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::table::Cell;
use crate::http::pages::format::Show;
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::catalog::{Action, CatalogPage, Part};
use crate::http::pages::views::{Crumb, FormPage};
use crate::http::params::{PathId, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::metering::compare::Change;

const NEW: &str = "/operator/rates/new-card";
const DRAFT: &str = "/operator/rates/{id}/draft";

pub(super) fn routes(table: &mut Table) {
    // before the cards, whose codes are in the same place
    table.page(Method::GET, NEW, ADMIN, ask);
    table.page(Method::POST, NEW, ADMIN, create);
    table.page(Method::GET, DRAFT, ADMIN, page);
    table.page(Method::POST, DRAFT, ADMIN, begin);
    table.page(Method::POST, "/operator/rates/{id}/draft/discard", ADMIN, discard);
    table.page(Method::POST, "/operator/rates/{id}/draft/publish", ADMIN, publish);
}

fn new_page(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let catalog = state.catalog.get(tx)?;
    let cards = catalog.rate_cards().iter().map(|card| Choice::new(card.code.as_str(), &card.name)).collect();
    let way = vec![Crumb::link("Rates", RATES), Crumb::here("New rate card")];
    Ok(FormPage {
        chrome: around(state, admitted, tx, way, None)?,
        title: "New rate card".into(),
        lead: "It begins as a copy of another and is a draft until you publish it.".into(),
        action: NEW.into(),
        fields: vec![
            Field::line(&form, "code", "Code")
                .autocomplete("off")
                .hint("Its name in the API. It never changes."),
            Field::line(&form, "name", "Name").autocomplete("off"),
            Field::new(&form, "from", "Copy of", Control::Select(cards)),
        ],
        form,
        submit: "Begin the draft".into(),
        cancel: RATES.into(),
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
                    let rates = newest(&*crate::catalog::snapshot(tx)?, &from)
                        .ok_or_else(|| ApiError::field("from", "invalid_value", "is no rate card"))?;
                    drafts::begin_new(tx, &by, &code, &name, &rates)?;
                    Ok(code.to_string())
                })
            });
            write.await
        }
    };
    match done {
        Ok((code, _)) => Ok(redirect(&format!("{RATES}/{code}/draft"))),
        Err(error) => {
            let status = error.code().status();
            let form = refused(&form, &["code", "name", "from"], &[], error, &admitted)?;
            let page = state.db.read_blocking(|tx| new_page(&state, &admitted, tx, form))?;
            html(status, &page)
        }
    }
}

/// The rates of a card's newest version, also where it has not started yet.
fn newest(catalog: &Snapshot, code: &str) -> Option<Vec<Rate>> {
    let version = catalog.rate_card_by_code(code)?.versions.last()?;
    Some(version.rates.values().cloned().collect())
}

async fn begin(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<Code>) -> Answered {
    let (by, to) = (admitted.by()?, page_of_draft(&code));
    let write = state.db.write(move |tx| -> Result<_, ApiError> {
        let catalog = crate::catalog::snapshot(tx)?;
        let rates = newest(&catalog, code.as_str()).ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
        Ok(drafts::begin(tx, &by, &code, &rates)?)
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
    let draft = drafts::get::<Vec<Rate>>(tx, code)?;
    let catalog = state.catalog.get(tx)?;
    let card = catalog.rate_card_by_code(code.as_str());
    let mut way = vec![Crumb::link("Rates", RATES)];
    way.extend(card.map(|card| Crumb::link(card.name.clone(), page_of(code))));
    way.push(Crumb::here("Draft"));
    let chrome = around(state, admitted, tx, way, Some(asked))?;
    let before = card.and_then(|card| card.versions.last()).map(|version| {
        let after = words::rates(draft.terms.iter(), &catalog);
        (version.version, words::changes(&words::version(version, &catalog), &after))
    });
    let mut parts = vec![rates(&draft, &catalog), drafting::changes(before)];
    parts.extend(cost_parts(state, tx, &catalog, (&draft, asked), &chrome.show)?);
    parts.push(drafting::publish(
        admitted,
        (&form, draft.revision()?),
        format!("{}/publish", page_of_draft(code)),
        &chrome.show,
        "A published version never changes; another can replace it. It prices what is used from its start on, by everybody \
         on this card. Calls that are live keep the price that they began with.",
    ));
    Ok(CatalogPage {
        tab: "Rates",
        title: format!("Draft of {}", draft.name),
        lead: drafting::last_changed(tx, &draft, &chrome.show),
        actions: vec![Action::post("Discard the draft", format!("{}/discard", page_of_draft(code)))],
        chrome,
        form,
        parts,
    })
}

/// The draft's prices, and the meters that it does not price.
fn rates(draft: &Draft<Vec<Rate>>, catalog: &Snapshot) -> Part {
    let edit = |meter: &Code| format!("{}/meters/{meter}", page_of_draft(&draft.code));
    let mut table = prices(draft.terms.iter(), catalog, |meter| Some(edit(meter)));
    let is_default = draft.code.as_str() == DEFAULT_CARD;
    for meter in catalog.meters() {
        if draft.terms.iter().all(|rate| rate.meter != meter.code) {
            let mut row = vec![Cell::link(&meter.name, Some(edit(&meter.code)))];
            let not = if is_default {
                "not priced: its usage is refused"
            } else {
                "not priced here: as pay as you go has it"
            };
            row.extend(super::cells([not.into(), "—".into(), "—".into()]));
            table.rows.push(row);
        }
    }
    Part::new("prices", "Prices in this draft", table).note("A meter's name leads to its form")
}

/// Against whose usage it is held: the card's own customers, or those of another where it is new.
fn cost_parts(
    state: &State,
    tx: &ReadTx<'_>,
    catalog: &Snapshot,
    (draft, asked): (&Draft<Vec<Rate>>, &Asked),
    show: &Show,
) -> Result<Vec<Part>, ApiError> {
    let own = catalog.rate_card_by_code(draft.code.as_str());
    let wanted = asked.of.as_ref().and_then(|code| catalog.rate_card_by_code(code.as_str()));
    let default = catalog.default_card().and_then(|id| catalog.rate_card(id));
    let Some(card) = own.or(wanted).or(default) else { return Ok(Vec::new()) };
    let change = Change::Card(card.id, &draft.terms);
    let mut parts = cost::parts(state, tx, catalog, change, (show, &format!("on {}", card.name)))?;
    if own.is_none() {
        let tab = |other: &crate::catalog::RateCard| {
            let href = format!("{}?of={}", page_of_draft(&draft.code), other.code);
            (format!("Usage on {}", other.name), href, other.id == card.id)
        };
        let tabs = catalog.rate_cards().iter().map(tab);
        parts.iter_mut().take(1).for_each(|part| part.tabs = tabs.clone().collect());
    }
    Ok(parts)
}

async fn discard(state: web::Data<State>, admitted: Admitted, PathId(code): PathId<Code>) -> Answered {
    let by = admitted.by()?;
    let write = state.db.write(move |tx| match drafts::discard::<Vec<Rate>>(tx, &by, &code) {
        // sent twice
        Ok(()) | Err(CatalogError::NoDraft(_)) => Ok(()),
        Err(error) => Err(ApiError::from(error)),
    });
    write.await?;
    Ok(redirect("/operator/rates?done=discarded"))
}

async fn publish(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(code): PathId<Code>,
    form: Form,
) -> Answered {
    let action = format!("{}/publish", page_of_draft(&code));
    let once = Once::new(Owner::Operator, &action, &form)?;
    let (by, sent, card) = (admitted.by()?, form.clone(), code.clone());
    let zone = super::zone(&state)?;
    let write = state.db.write(move |tx| {
        once.act(tx, || {
            let starts_at = drafting::start(&sent, &zone, tx.now())?;
            let done = drafts::publish_rates(tx, &by, &card, sent.text(drafting::SEEN), starts_at);
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
