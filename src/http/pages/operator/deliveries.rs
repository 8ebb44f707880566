//! `/operator/deliveries`: everything that was sent, or is kept, with every attempt.

use actix_web::http::{Method, StatusCode};
use actix_web::web;

use super::{ADMIN, Answered};
use crate::base::id::DeliveryId;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::ApiError;
use crate::http::form::Form;
use crate::http::list::{List, Window};
use crate::http::pages::chrome::{chrome, html, redirect};
use crate::http::pages::components::field::FormState;
use crate::http::pages::components::{Notice, Pager, Tone};
use crate::http::pages::deliveries;
use crate::http::pages::views::telling::DeliveriesPage;
use crate::http::pages::views::{Crumb, Section};
use crate::http::params::{FromParams, Params, PathId, Query};
use crate::http::route::Table;
use crate::notifications::{self, Channel, Filter, State as Standing};

const PATH: &str = "/operator/deliveries";
const ONE: &str = "/operator/deliveries/{id}";
const LIST: &str = "operator_deliveries";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, list);
    table.page(Method::GET, ONE, ADMIN, show);
    table.page(Method::POST, "/operator/deliveries/{id}/replay", ADMIN, replay);
}

/// Which deliveries.
struct Wanted {
    channel: Option<Channel>,
    status: Option<Standing>,
    window: Window<1>,
}

impl FromParams for Wanted {
    fn from_params(params: &mut Params) -> Option<Self> {
        // what is not known is everything, as where nothing was chosen
        Some(Self {
            channel: params.text("channel").as_deref().and_then(Channel::from_name),
            status: params.text("status").as_deref().and_then(Standing::from_name),
            window: Window::from_params(params, LIST),
        })
    }
}

async fn list(state: web::Data<State>, admitted: Admitted, Query(wanted): Query<Wanted>) -> Answered {
    let shared = state.clone();
    let page = state.db.read(move |tx| -> Result<_, ApiError> {
        let crumbs = vec![Crumb::here("Operator"), Crumb::here("Deliveries")];
        let chrome = chrome(&shared, &admitted, tx, Section::Deliveries, crumbs)?;
        let filter = Filter { channel: wanted.channel, state: wanted.status, ..Filter::default() };
        let window = wanted.window;
        let found = notifications::list(tx, &filter, window.before(), window.limit)?;
        let (channel, status) =
            (wanted.channel.map_or("", Channel::name), wanted.status.map_or("", Standing::name));
        let here = format!("{PATH}?channel={channel}&status={status}");
        let table = deliveries::table(&chrome.show, &found.items, |one| format!("{PATH}/{}", one.id));
        let rest = List::from_page(LIST, found, |_| ());
        let values = [("channel", channel), ("status", status)];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(DeliveriesPage {
            deliveries: table,
            pager: Pager {
                first: window.after.map(|_| here.clone()),
                next: rest.next_cursor.map(|cursor| format!("{here}&cursor={cursor}")),
                position: String::new(),
            },
            advice: (!shared.telling.mail).then(|| Notice {
                tone: Tone::Warn,
                text: "No mail server is configured: mails are kept here to be read, and can be sent later."
                    .into(),
                link: None,
            }),
            form: FormState { values: values.into(), ..FormState::default() },
            chrome,
        })
    });
    html(StatusCode::OK, &page.await?)
}

async fn show(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<DeliveryId>) -> Answered {
    let page = state.db.read_blocking(|tx| -> Result<_, ApiError> {
        let found = notifications::get(tx, &Filter::default(), id)?;
        let log = notifications::attempts(tx, id)?;
        let crumbs = vec![
            Crumb::here("Operator"),
            Crumb::link("Deliveries", PATH),
            Crumb::here(found.subject.clone()),
        ];
        let chrome = chrome(&state, &admitted, tx, Section::Deliveries, crumbs)?;
        Ok(deliveries::page(chrome, found, &log, Some(format!("{PATH}/{id}/replay"))))
    })?;
    html(StatusCode::OK, &page)
}

async fn replay(
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<DeliveryId>,
    _: Form,
) -> Answered {
    let by = admitted.by()?;
    state.db.write(move |tx| notifications::replay(tx, &by, &Filter::default(), id)).await?;
    Ok(redirect(&format!("{PATH}/{id}")))
}
