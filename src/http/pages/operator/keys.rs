//! `/operator/organizations/{id}/keys/…`: API keys of a customer.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};

use super::{ADMIN, Answered, around, done_at};
use crate::base::id::{ApiKeyId, OrganizationId};
use crate::db::ReadTx;
use crate::http::State;
use crate::http::access::Admitted;
use crate::http::error::{ApiError, Code};
use crate::http::form::Form;
use crate::http::pages::chrome::{html, redirect};
use crate::http::pages::components::field::{Choice, Control, Field};
use crate::http::pages::components::{CodeBlock, FormState, Notice, Tone};
use crate::http::pages::forms::{Once, fresh_key, refused};
use crate::http::pages::views::{FormPage, KeyIssuedPage};
use crate::http::params::PathId;
use crate::http::route::Table;
use crate::idempotency::Owner;
use crate::identity::{Issuer, KeyOwner, NewKey, Scope, Scopes, keys, organizations};

const PATH: &str = "/operator/organizations/{id}/keys/new";

pub(super) fn routes(table: &mut Table) {
    table.page(Method::GET, PATH, ADMIN, show);
    table.page(Method::POST, PATH, ADMIN, issue);
    table.page(Method::POST, "/operator/organizations/{id}/keys/{key}/revoke", ADMIN, revoke);
}

/// The scopes that a customer's key can have, in words.
const fn words(scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::UsageWrite => Some("report usage, authorize calls"),
        Scope::UsageRead => Some("read usage"),
        Scope::BillingRead => Some("read balance, transactions, plans"),
        Scope::LimitsWrite => Some("change spending limits"),
        Scope::WebhooksWrite => Some("manage webhooks"),
        Scope::MembersWrite => Some("manage workspaces"),
        Scope::BillingWrite => Some("change billing details"),
        // the operator's own
        Scope::Admin => None,
    }
}

fn view(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: OrganizationId,
    form: FormState,
) -> Result<FormPage, ApiError> {
    let organization = organizations::get(tx, id)?;
    let scopes = Scope::ALL
        .into_iter()
        .filter_map(|scope| Some(Choice::new(scope.name(), format!("{scope}: {}", words(scope)?))));
    Ok(FormPage {
        chrome: around(state, admitted, tx, &organization, "New API key")?,
        title: "Issue an API key".into(),
        lead: format!("It acts for {} alone. The key is shown once, on the next page.", organization.name),
        action: format!("/operator/organizations/{id}/keys/new"),
        fields: vec![
            Field::line(&form, "name", "Name")
                .optional()
                .autocomplete("off")
                .hint("Where it is used, such as “Production backend”."),
            Field::new(&form, "scopes", "What it may do", Control::Checks(scopes.collect()))
                .filter()
                .hint("As little as it needs."),
        ],
        form,
        submit: "Issue the key".into(),
        cancel: format!("/operator/organizations/{id}"),
        idempotency_key: fresh_key(admitted),
    })
}

async fn show(state: web::Data<State>, admitted: Admitted, PathId(id): PathId<OrganizationId>) -> Answered {
    let mut form = FormState::default();
    form.values.insert("scopes".into(), Scope::UsageWrite.name().into());
    let shared = state.clone();
    let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
    html(StatusCode::OK, &read.await?)
}

fn scopes(form: &Form) -> Result<Scopes, ApiError> {
    form.all("scopes")
        .iter()
        .map(|name| match name.parse::<Scope>() {
            Ok(scope) if words(scope).is_some() => Ok(scope),
            _ => {
                Err(ApiError::field("scopes", "invalid_value", "hold one that a customer's key cannot have"))
            }
        })
        .collect()
}

async fn issue(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
    form: Form,
) -> Answered {
    let once = Once::new(Owner::OperatorFor(id), req.path(), &form)?;
    let by = admitted.by()?;
    let (name, mode) = (form.text("name").to_owned(), state.settings.mode);
    let done = match scopes(&form) {
        Err(error) => Err(error),
        Ok(scopes) => {
            let new = NewKey { owner: KeyOwner::Organization(id), mode, scopes, name };
            let write = state.db.write(move |tx| {
                let mut secret = None;
                once.act(tx, || {
                    let issued = keys::issue(tx, &by, &new, Issuer::Operator)?;
                    secret = Some(issued.secret.expose().to_owned());
                    // what is kept of the form tells which key it was, never the key
                    Ok(issued.key.id.to_string())
                })?;
                Ok::<_, ApiError>(secret)
            });
            write.await
        }
    };
    match done {
        Ok(secret) => {
            let shared = state.clone();
            let read = state.db.read(move |tx| issued(&shared, &admitted, tx, id, secret));
            html(StatusCode::OK, &read.await?)
        }
        Err(error) => {
            let form = refused(&form, &["name", "scopes"], &[], error, &admitted)?;
            let shared = state.clone();
            let read = state.db.read(move |tx| view(&shared, &admitted, tx, id, form));
            html(StatusCode::UNPROCESSABLE_ENTITY, &read.await?)
        }
    }
}

fn issued(
    state: &State,
    admitted: &Admitted,
    tx: &ReadTx<'_>,
    id: OrganizationId,
    secret: Option<String>,
) -> Result<KeyIssuedPage, ApiError> {
    let organization = organizations::get(tx, id)?;
    let url = &state.settings.public_url;
    let example = secret
        .as_ref()
        .map(|secret| format!("curl {url}/api/v1/auth/me \\\n  -H \"Authorization: Bearer {secret}\""));
    let (tone, text) = match secret {
        Some(_) => (Tone::Warn, "Copy it now: it is not shown again, and nobody can look it up."),
        None => (
            Tone::Neutral,
            "This form had been sent already: the key was issued and shown then. Revoke it if it was lost.",
        ),
    };
    Ok(KeyIssuedPage {
        chrome: around(state, admitted, tx, &organization, "New API key")?,
        organization: organization.name,
        key: secret.map(|text| CodeBlock { label: "The key".into(), text }),
        example: example.map(|text| CodeBlock { label: "Try it".into(), text }),
        advice: Notice { tone, text: text.into(), link: None },
        back: format!("/operator/organizations/{id}"),
    })
}

async fn revoke(
    req: HttpRequest,
    state: web::Data<State>,
    admitted: Admitted,
    PathId(id): PathId<OrganizationId>,
) -> Answered {
    let key: ApiKeyId = req
        .match_info()
        .get("key")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiError::new(Code::NotFound))?;
    let by = admitted.by()?;
    state.db.write(move |tx| keys::revoke(tx, &by, KeyOwner::Organization(id), key)).await?;
    Ok(redirect(&done_at(id, "revoked")))
}
