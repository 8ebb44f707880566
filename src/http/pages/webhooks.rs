//! `/webhooks`: a customer's endpoints, what was sent to them, and how that went.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::chrome::{self, html, redirect};
use super::components::field::FormState;
use super::components::{Chip, CodeBlock, Notice, Pager, Tile, Tone};
use super::deliveries;
use super::forms::{self, Once, fresh_key, refused};
use super::views::telling::{EndpointRow, WebhookPage, WebhookSecretPage, WebhooksPage};
use super::views::{Crumb, Section};
use crate::base::Day;
use crate::base::id::{DeliveryId, OrganizationId, WebhookEndpointId};
use crate::base::time::DAY_MS;
use crate::db::ReadTx;
use crate::events::Kind;
use crate::http::State;
use crate::http::access::{Access, Admitted};
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::list::{List, Window};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::{Scope, organizations};
use crate::notifications::endpoints::{self, Change, Disabled, Endpoint};
use crate::notifications::{self, Channel, Filter};

const READ: Access = Access::organization(Scope::BillingRead);
const WRITE: Access = Access::session(Scope::WebhooksWrite);
const FIELDS: [&str; 3] = ["url", "description", "types"];
const LIST: &str = "webhook_deliveries";

/// Adds the routes.
pub fn register(table: &mut Table) {
    table.page(Method::GET, "/webhooks", READ, list);
    table.page(Method::POST, "/webhooks", WRITE, create);
    table.page(Method::GET, "/webhooks/endpoints/{id}", READ, show);
    table.page(Method::POST, "/webhooks/endpoints/{id}/test", WRITE, test);
    table.page(Method::POST, "/webhooks/endpoints/{id}/rotate", WRITE, rotate);
    table.page(Method::POST, "/webhooks/endpoints/{id}/switch", WRITE, switch);
    table.page(Method::POST, "/webhooks/endpoints/{id}/remove", WRITE, remove);
    table.page(Method::POST, "/webhooks/endpoints/{id}/replay", WRITE, replay_range);
    table.page(Method::GET, "/webhooks/deliveries/{id}", READ, delivery);
    table.page(Method::POST, "/webhooks/deliveries/{id}/replay", WRITE, replay);
}

fn around(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    here: Option<String>,
) -> Result<super::views::Chrome, ApiError> {
    let mut crumbs = vec![Crumb::link("My Credit", "/overview")];
    match here {
        None => crumbs.push(Crumb::here("Webhooks")),
        Some(here) => crumbs.extend([Crumb::link("Webhooks", "/webhooks"), Crumb::here(here)]),
    }
    chrome::chrome(state, admitted, tx, Section::Webhooks, crumbs)
}

fn may_edit(admitted: &Admitted, organization: OrganizationId) -> Result<bool, ApiError> {
    Ok(admitted.principal()?.may_in_session(Scope::WebhooksWrite, organization).is_ok())
}

fn read(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    form: FormState,
) -> Result<WebhooksPage, ApiError> {
    let organization = admitted.organization()?;
    let mut rows = Vec::new();
    for endpoint in endpoints::list(tx, Some(organization))? {
        let (arrived, of) = endpoints::success(tx, endpoint.id)?;
        rows.push(EndpointRow {
            href: format!("/webhooks/endpoints/{}", endpoint.id),
            chip: chip(&endpoint),
            success: if of == 0 { "–".to_owned() } else { format!("{arrived} of {of}") },
            last_error: endpoint.last_error.unwrap_or_default(),
            url: endpoint.url,
            description: endpoint.description,
        });
    }
    Ok(WebhooksPage {
        chrome: around(state, admitted, tx, None)?,
        endpoints: rows,
        may_edit: may_edit(admitted, organization)?,
        form,
        types: Kind::ALL.iter().map(|kind| kind.name()).collect(),
        idempotency_key: fresh_key(admitted),
    })
}

fn chip(endpoint: &Endpoint) -> Chip {
    match (endpoint.disabled, endpoint.failing_since) {
        (Some((_, Disabled::Asked)), _) => Chip::new(Tone::Neutral, "Off"),
        (Some((_, Disabled::Failing)), _) => Chip::new(Tone::Bad, "Off: it failed for days"),
        (None, Some(_)) => Chip::new(Tone::Warn, "Failing"),
        (None, None) => Chip::new(Tone::Good, "On"),
    }
}

async fn list(state: web::Data<State>, admitted: Admitted) -> Result<HttpResponse, ApiError> {
    let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, FormState::default()))?;
    html(StatusCode::OK, &page)
}

async fn create(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let once = Once::new(Owner::Organization(organization), req.path(), &form)?;
    let (by, guard) = (admitted.by()?, state.guard.clone());
    let types = form.text("types").split(',').map(|name| name.trim().to_owned());
    let change = Change {
        url: Some(form.text("url").to_owned()),
        description: Some(form.text("description").to_owned()),
        types: Some(types.filter(|name| !name.is_empty()).collect()),
        enabled: None,
    };
    let made = state.db.write(move |tx| -> Result<_, ApiError> {
        let mut secret = None;
        let (id, _) = once.act(tx, || {
            let made = endpoints::create(tx, &by, &guard, Some(organization), &change)?;
            secret = Some(made.secret);
            // what is kept of the form tells which one it was, never its secret
            Ok(made.id.to_string())
        })?;
        Ok((id, secret))
    });
    match made.await {
        Ok((id, secret)) => secret_page(&state, &admitted, &id, secret),
        Err(error) => {
            let status = error.code().status();
            // of a list of types, one is wrong
            let types = error.wrong_fields().iter().any(|wrong| wrong.param.starts_with("types["));
            let mut form = refused(&form, &FIELDS, &[], error, &admitted)?;
            if types {
                form.errors.insert("types".into(), "name one that is not a type of event".into());
                form.problem = None;
            }
            let page = state.db.read_blocking(|tx| read(tx, &state, &admitted, form))?;
            html(status, &page)
        }
    }
}

fn secret_page(
    state: &State,
    admitted: &Admitted,
    id: &str,
    secret: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let (tone, text) = match secret {
        Some(_) => (Tone::Warn, "Copy it now: it is not shown again."),
        None => (Tone::Neutral, "This form had been sent already: the secret was shown then."),
    };
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        Ok(WebhookSecretPage {
            chrome: around(state, admitted, tx, Some("Secret".into()))?,
            secret: secret.map(|text| CodeBlock { label: "The secret".into(), text }),
            advice: Notice { tone, text: text.into(), link: None },
            back: format!("/webhooks/endpoints/{id}"),
        })
    })?;
    html(StatusCode::OK, &page)
}

/// Which part of the log, and what was just done.
struct Shown {
    window: Window<1>,
    done: Option<&'static str>,
}

impl FromParams for Shown {
    fn from_params(params: &mut Params) -> Option<Self> {
        let done = match params.text("done").as_deref() {
            Some("tested") => Some("A test is on its way."),
            Some("saved") => Some("Saved."),
            Some("replayed") => Some("They are sent again."),
            _ => None,
        };
        Some(Self { window: Window::from_params(params, LIST), done })
    }
}

async fn show(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    Query(shown): Query<Shown>,
) -> Result<HttpResponse, ApiError> {
    let mut page = state
        .db
        .read_blocking(|tx| endpoint_page(tx, &state, &admitted, id, (shown.window, FormState::default())))?;
    page.chrome.notice = shown.done.map(|text| Notice { tone: Tone::Good, text: text.into(), link: None });
    html(StatusCode::OK, &page)
}

fn endpoint_page(
    tx: &ReadTx<'_>,
    state: &State,
    admitted: &Admitted,
    id: WebhookEndpointId,
    (window, form): (Window<1>, FormState),
) -> Result<WebhookPage, ApiError> {
    let organization = admitted.organization()?;
    let endpoint = endpoints::get(tx, Some(organization), id)?;
    let (arrived, of) = endpoints::success(tx, id)?;
    let chrome = around(state, admitted, tx, Some(endpoint.url.clone()))?;
    let filter = Filter { endpoint: Some(id), ..own(organization) };
    let found = notifications::list(tx, &filter, window.before(), window.limit)?;
    let href = format!("/webhooks/endpoints/{id}");
    let table =
        deliveries::table(&chrome.show, &found.items, |one| format!("/webhooks/deliveries/{}", one.id));
    let rest = List::from_page(LIST, found, |_| ());
    let last = endpoint.last_success_at.map_or_else(|| "never".into(), |at| chrome.show.when(at).text());
    let rate = if of == 0 { "–".to_owned() } else { (arrived * 100 / of).to_string() };
    Ok(WebhookPage {
        problem: problem(&endpoint, &chrome.show),
        enabled: endpoint.disabled.is_none(),
        tiles: vec![
            Tile::new("Arrived", rate, "%", format!("{arrived} of the newest {of}")),
            Tile::new("Last success", last, "", ""),
        ],
        types: endpoint.types,
        may_edit: may_edit(admitted, organization)?,
        deliveries: table,
        pager: Pager {
            first: window.after.map(|_| href.clone()),
            next: rest.next_cursor.map(|cursor| format!("{href}?cursor={cursor}")),
            position: String::new(),
        },
        form,
        idempotency_key: fresh_key(admitted),
        href,
        url: endpoint.url,
        description: endpoint.description,
        chrome,
    })
}

fn problem(endpoint: &Endpoint, show: &super::format::Show) -> Option<Notice> {
    let error = endpoint.last_error.clone().unwrap_or_default();
    let (tone, text) = match (endpoint.disabled, endpoint.failing_since) {
        (Some((_, Disabled::Asked)), _) => (Tone::Neutral, "It is switched off.".to_owned()),
        (Some((at, Disabled::Failing)), _) => (
            Tone::Bad,
            format!("It was switched off on {}, after days without success: {error}", show.when(at).text()),
        ),
        (None, Some(since)) => {
            (Tone::Warn, format!("Every attempt since {} has failed: {error}", show.when(since).text()))
        }
        (None, None) => return None,
    };
    Some(Notice { tone, text, link: None })
}

fn own(organization: OrganizationId) -> Filter {
    let channel = Some(Channel::Webhook);
    Filter { organization: Some(Some(organization)), channel, ..Filter::default() }
}

async fn test(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    _: Form,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    state.db.write(move |tx| endpoints::test(tx, Some(organization), id)).await?;
    Ok(redirect(&format!("/webhooks/endpoints/{id}?done=tested")))
}

async fn rotate(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let once = Once::new(Owner::Organization(organization), req.path(), &form)?;
    let by = admitted.by()?;
    let rotated = state.db.write(move |tx| -> Result<_, ApiError> {
        let mut secret = None;
        once.act(tx, || {
            secret = Some(endpoints::rotate(tx, &by, Some(organization), id, DAY_MS)?.secret);
            Ok(id.to_string())
        })?;
        Ok(secret)
    });
    secret_page(&state, &admitted, &id.to_string(), rotated.await?)
}

async fn switch(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by, guard) = (admitted.organization()?, admitted.by()?, state.guard.clone());
    let change = Change { enabled: Some(form.is_set("enabled")), ..Change::default() };
    let done =
        state.db.write(move |tx| endpoints::update(tx, &by, &guard, Some(organization), (id, &change)));
    done.await?;
    Ok(redirect(&format!("/webhooks/endpoints/{id}?done=saved")))
}

async fn remove(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    _: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    state.db.write(move |tx| endpoints::delete(tx, &by, Some(organization), id)).await?;
    Ok(redirect("/webhooks"))
}

async fn replay_range(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<WebhookEndpointId>,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let mut typed = forms::typed(&form, &["from", "to"]);
    let (from, to) = (forms::read::<Day>(&mut typed, "from"), forms::read::<Day>(&mut typed, "to"));
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        typed.errors.insert("to".into(), "must not be before the first day".into());
    }
    let (Some(from), Some(to), true) = (from, to, typed.errors.is_empty()) else {
        let window = Window { limit: 20, after: None };
        let page = state.db.read_blocking(|tx| endpoint_page(tx, &state, &admitted, id, (window, typed)))?;
        return html(StatusCode::UNPROCESSABLE_ENTITY, &page);
    };
    let filter = Filter { endpoint: Some(id), ..own(organization) };
    // looked for where nobody waits: there may be many
    let found = state.db.read(move |tx| -> Result<_, ApiError> {
        endpoints::get(tx, Some(organization), id)?;
        let zone = organizations::get(tx, organization)?.zone;
        let range = (zone.start_of(from), zone.start_of(to.plus_days(1)));
        Ok((range, notifications::between(tx, &filter, range)?))
    });
    let (range, found) = found.await?;
    state.db.write(move |tx| notifications::replay_all(tx, &by, &filter, (range, &found))).await?;
    Ok(redirect(&format!("/webhooks/endpoints/{id}?done=replayed")))
}

async fn delivery(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<DeliveryId>,
) -> Result<HttpResponse, ApiError> {
    let organization = admitted.organization()?;
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let found = notifications::get(tx, &own(organization), id)?;
        let log = notifications::attempts(tx, id)?;
        let chrome = around(&state, &admitted, tx, Some(found.subject.clone()))?;
        let replay = may_edit(&admitted, organization)?.then(|| format!("/webhooks/deliveries/{id}/replay"));
        Ok(deliveries::page(chrome, found, &log, replay))
    })?;
    html(StatusCode::OK, &page)
}

async fn replay(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<DeliveryId>,
    _: Form,
) -> Result<HttpResponse, ApiError> {
    let (organization, by) = (admitted.organization()?, admitted.by()?);
    let found = state.db.write(move |tx| notifications::replay(tx, &by, &own(organization), id)).await?;
    let endpoint = found.endpoint.ok_or_else(|| ApiError::new(Code::NotFound))?;
    Ok(redirect(&format!("/webhooks/endpoints/{endpoint}?done=replayed")))
}
