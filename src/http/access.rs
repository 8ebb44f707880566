//! Who may call a route. Every route declares it, and nothing reaches a handler that does not satisfy it.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

use super::error::{ApiError, Code};
use super::request_id::RequestId;
use crate::base::id::OrganizationId;
use crate::identity::{By, Denied, Principal, Reach, Scope, csrf_token};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// On whose behalf.
    pub on_behalf: OnBehalf,
    /// The scope an API key needs, and a person's role must include. None: any key and any role will do.
    pub scope: Option<Scope>,
    /// Only a signed-in person: an API key is refused whatever its scopes.
    pub session_only: bool,
    /// Also for a suspended organization, which may do nothing but look elsewhere.
    pub even_suspended: bool,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBehalf {
    /// Nobody: no credential is asked for.
    Anyone,
    /// Whoever is asking, themselves.
    Oneself,
    /// One organization: a customer's own, or the one an operator names.
    Organization,
    /// One organization's usage, of which a member sees the own workspaces.
    Usage,
    /// A customer's own organization, or whichever an operator names, if not in the header then in each item.
    Items,
    /// One organization that an operator names; its own people and keys are refused.
    OperatorForOrganization,
    /// The operator's own resources.
    Operator,
    /// Whoever watches the server: the configured token, this very machine, or an operator's key.
    Monitoring,
}

impl Access {
    /// Anyone, without a credential.
    pub const OPEN: Self =
        Self { on_behalf: OnBehalf::Anyone, scope: None, session_only: false, even_suspended: false };
    /// Anyone with a credential.
    pub const ONESELF: Self =
        Self { on_behalf: OnBehalf::Oneself, scope: None, session_only: false, even_suspended: false };
    /// A signed-in person.
    pub const PERSON: Self =
        Self { on_behalf: OnBehalf::Oneself, scope: None, session_only: true, even_suspended: false };
    /// Usage of one organization, as far as the caller sees.
    pub const USAGE: Self = Self::usage(Scope::UsageRead);

    /// Whoever watches the server.
    pub const MONITORING: Self = Self {
        on_behalf: OnBehalf::Monitoring,
        scope: Some(Scope::UsageRead),
        session_only: false,
        even_suspended: false,
    };

    /// Usage of one organization, as far as the caller sees: all of it with a scope, a member the own workspaces.
    #[must_use]
    pub const fn usage(scope: Scope) -> Self {
        Self { on_behalf: OnBehalf::Usage, scope: Some(scope), session_only: false, even_suspended: false }
    }

    /// One organization, with a scope.
    #[must_use]
    pub const fn organization(scope: Scope) -> Self {
        Self {
            on_behalf: OnBehalf::Organization,
            scope: Some(scope),
            session_only: false,
            even_suspended: false,
        }
    }

    /// One organization, in a session of somebody whose role includes the scope.
    #[must_use]
    pub const fn session(scope: Scope) -> Self {
        Self {
            on_behalf: OnBehalf::Organization,
            scope: Some(scope),
            session_only: true,
            even_suspended: false,
        }
    }

    /// One organization or several, named item by item.
    #[must_use]
    pub const fn items(scope: Scope) -> Self {
        Self { on_behalf: OnBehalf::Items, scope: Some(scope), session_only: false, even_suspended: false }
    }

    /// The same, and a suspended organization too.
    #[must_use]
    pub const fn even_suspended(scope: Scope) -> Self {
        Self { even_suspended: true, ..Self::items(scope) }
    }

    /// The operator, for a named organization.
    #[must_use]
    pub const fn operator_for_organization(scope: Scope) -> Self {
        Self {
            on_behalf: OnBehalf::OperatorForOrganization,
            scope: Some(scope),
            session_only: false,
            even_suspended: false,
        }
    }

    /// The operator.
    #[must_use]
    pub const fn operator(scope: Scope) -> Self {
        Self { on_behalf: OnBehalf::Operator, scope: Some(scope), session_only: false, even_suspended: false }
    }

    /// True when a credential is needed.
    #[must_use]
    pub const fn needs_credential(&self) -> bool {
        !matches!(self.on_behalf, OnBehalf::Anyone)
    }

    /// True when an operator has to say which organization is meant.
    #[must_use]
    pub const fn is_about_organization(&self) -> bool {
        match self.on_behalf {
            OnBehalf::Organization
            | OnBehalf::Usage
            | OnBehalf::Items
            | OnBehalf::OperatorForOrganization => true,
            OnBehalf::Anyone | OnBehalf::Oneself | OnBehalf::Operator | OnBehalf::Monitoring => false,
        }
    }

    /// Admits `principal`, or says why not. `named` is the organization the request names.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit(
        &self,
        principal: Arc<Principal>,
        named: Option<OrganizationId>,
    ) -> Result<Admitted, Denied> {
        let mut organization = None;
        let mut reach = Reach::Organization;
        match self.on_behalf {
            OnBehalf::Anyone => {}
            OnBehalf::Oneself => {
                if self.session_only && principal.user_id().is_none() {
                    return Err(Denied::SessionRequired);
                }
            }
            OnBehalf::Organization => {
                let meant = principal.organization(named)?;
                self.may(&principal, meant)?;
                organization = Some(meant);
            }
            OnBehalf::Usage => {
                let meant = principal.organization(named)?;
                reach = principal.reach(self.scope.unwrap_or(Scope::UsageRead), meant)?;
                organization = Some(meant);
            }
            OnBehalf::Items => {
                organization = match principal.organization(named) {
                    Err(Denied::OrganizationRequired) if principal.is_operator() => None,
                    other => Some(other?),
                };
                match (organization, self.scope) {
                    (Some(meant), _) => self.may(&principal, meant)?,
                    (None, Some(scope)) => principal.may_as_operator(scope)?,
                    (None, None) => {}
                }
            }
            OnBehalf::OperatorForOrganization => {
                self.may_as_operator(&principal)?;
                organization = Some(principal.organization(named)?);
            }
            OnBehalf::Operator | OnBehalf::Monitoring => self.may_as_operator(&principal)?,
        }
        Ok(Admitted { organization, reach, ..Admitted::known(principal) })
    }

    fn may(self, principal: &Principal, organization: OrganizationId) -> Result<(), Denied> {
        let admitted = match (self.scope, self.session_only) {
            (Some(scope), true) => principal.may_in_session(scope, organization),
            (Some(scope), false) => principal.may(scope, organization),
            (None, _) => principal.organization(Some(organization)).map(|_| ()),
        };
        match admitted {
            // it is the last reason to be looked for
            Err(Denied::Suspended) if self.even_suspended => Ok(()),
            admitted => admitted,
        }
    }

    fn may_as_operator(self, principal: &Principal) -> Result<(), Denied> {
        if !principal.is_operator() {
            return Err(Denied::OperatorRequired);
        }
        if self.session_only && principal.user_id().is_none() {
            return Err(Denied::SessionRequired);
        }
        self.scope.map_or(Ok(()), |scope| principal.may_as_operator(scope))
    }
}

/// A request that was let in: who asks, and for which organization.
#[derive(Debug, Clone)]
pub struct Admitted {
    principal: Option<Arc<Principal>>,
    organization: Option<OrganizationId>,
    session_token: Option<String>,
    /// How much of the organization's usage may be shown.
    pub reach: Reach,
    /// The request's id, for the audit log and for errors on pages.
    pub request_id: RequestId,
}

impl Admitted {
    /// Somebody without a credential.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            principal: None,
            organization: None,
            session_token: None,
            reach: Reach::Organization,
            request_id: RequestId::NONE,
        }
    }

    /// Somebody known, on a route that does not ask.
    #[must_use]
    pub fn known(principal: Arc<Principal>) -> Self {
        Self { principal: Some(principal), ..Self::anonymous() }
    }

    /// The same, in the session of a browser.
    #[must_use]
    pub fn with_session(mut self, token: Option<String>) -> Self {
        self.session_token = token;
        self
    }

    /// The same, under a request id.
    #[must_use]
    pub fn under(mut self, request_id: RequestId) -> Self {
        self.request_id = request_id;
        self
    }

    /// Who asks.
    ///
    /// # Errors
    /// Only on a route that is open to anyone.
    pub fn principal(&self) -> Result<&Principal, ApiError> {
        self.principal.as_deref().ok_or_else(|| ApiError::new(Code::Unauthorized))
    }

    /// Who asks, where that is known.
    #[must_use]
    pub fn principal_if_known(&self) -> Option<&Principal> {
        self.principal.as_deref()
    }

    /// On whose behalf an operation runs, for the audit log.
    ///
    /// # Errors
    /// As [`Admitted::principal`].
    pub fn by(&self) -> Result<By, ApiError> {
        Ok(By::request(self.principal()?, self.request_id.to_string()))
    }

    /// The token of the browser's session.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// What the forms of a page carry, see [`super::form::TOKEN_FIELD`]. Empty outside of a session.
    #[must_use]
    pub fn form_token(&self) -> String {
        self.session_token().map(csrf_token).unwrap_or_default()
    }

    /// The organization the request is about.
    ///
    /// # Errors
    /// Only on a route that is about none, or whose items name theirs.
    pub fn organization(&self) -> Result<OrganizationId, ApiError> {
        self.organization.ok_or_else(|| ApiError::new(Code::OrganizationRequired))
    }

    /// The organization the request is about, where items may name theirs instead.
    #[must_use]
    pub const fn organization_if_named(&self) -> Option<OrganizationId> {
        self.organization
    }
}

impl FromRequest for Admitted {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let admitted = req.extensions().get::<Self>().cloned();
        ready(admitted.ok_or_else(|| ApiError::internal("a handler outside the route table")))
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Unauthenticated | Denied::WrongMode => Code::Unauthorized,
            Denied::SessionRequired => Code::SessionRequired,
            Denied::MissingScope(_) => Code::InsufficientScope,
            Denied::Role => Code::InsufficientRole,
            Denied::OperatorRequired => Code::OperatorRequired,
            Denied::ForeignOrganization => Code::Forbidden,
            Denied::OrganizationRequired => Code::OrganizationRequired,
            Denied::Suspended => Code::OrganizationSuspended,
        };
        let error = Self::new(code);
        match denied {
            Denied::MissingScope(scope) => {
                #[derive(serde::Serialize)]
                struct Details {
                    required_scope: Scope,
                }
                error
                    .message(format!("The API key lacks the scope {scope}."))
                    .details(&Details { required_scope: scope })
            }
            Denied::WrongMode => error.message("This key belongs to the other mode (test or live)."),
            Denied::ForeignOrganization => error.message("This organization is not yours."),
            Denied::Unauthenticated
            | Denied::SessionRequired
            | Denied::Role
            | Denied::OperatorRequired
            | Denied::OrganizationRequired
            | Denied::Suspended => error,
        }
    }
}
