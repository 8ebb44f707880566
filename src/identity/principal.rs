//! Who is calling, and whether they may.

use std::sync::Arc;

use super::scopes::{Role, Scope, Scopes};
use crate::base::id::{ApiKeyId, OrganizationId, SessionId, UserId, WorkspaceId};

/// A person's place in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Where.
    pub organization: OrganizationId,
    /// As what.
    pub role: Role,
    /// The organization is suspended.
    pub suspended: bool,
    /// The workspaces whose usage a [`Role::Member`] sees. Other roles see all.
    pub workspaces: Vec<WorkspaceId>,
}

/// With what they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An API key.
    Key {
        /// Which.
        key_id: ApiKeyId,
        /// The organization it belongs to; none for an operator's key.
        organization: Option<OrganizationId>,
        /// That organization is suspended.
        suspended: bool,
        /// What it was issued for.
        scopes: Scopes,
    },
    /// A signed-in person.
    Session {
        /// Which session.
        session_id: SessionId,
        /// Who.
        user_id: UserId,
        /// The person is an operator.
        operator: bool,
        /// Where else the person belongs.
        memberships: Arc<[Membership]>,
    },
}

/// Why a caller may not. Exhaustive: the HTTP layer has one answer for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential, or one that is unknown, revoked or expired.
    #[error("a valid API key or session is required")]
    Unauthenticated,
    /// The key is for the other mode (test keys never work on live money).
    #[error("this key is for the other mode")]
    WrongMode,
    /// A key came where only a signed-in person may.
    #[error("this needs a signed-in person")]
    SessionRequired,
    /// The key lacks a scope.
    #[error("the key lacks the scope {0}")]
    MissingScope(Scope),
    /// The person's role does not allow it.
    #[error("your role does not allow this")]
    Role,
    /// Only the operator may.
    #[error("only the operator may do this")]
    OperatorRequired,
    /// The organization is somebody else's.
    #[error("this organization is not yours")]
    ForeignOrganization,
    /// Several organizations come into question, and none was named.
    #[error("name an organization in the Tollbook-Organization header")]
    OrganizationRequired,
    /// The organization is suspended: its own people and keys may look, no more.
    #[error("the organization is suspended")]
    Suspended,
}

/// How far into an organization's usage a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Reach {
    /// All of it.
    Organization,
    /// These workspaces only.
    Workspaces(Vec<WorkspaceId>),
}

impl Reach {
    /// True when usage of `workspace` (none: not attributed to one) is in reach.
    #[must_use]
    pub fn covers(&self, workspace: Option<WorkspaceId>) -> bool {
        match self {
            Self::Organization => true,
            Self::Workspaces(own) => workspace.is_some_and(|w| own.contains(&w)),
        }
    }
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// With what they came.
    pub caller: Caller,
}

impl Principal {
    /// True for an operator's key or session: may act for any organization.
    #[must_use]
    pub const fn is_operator(&self) -> bool {
        match &self.caller {
            Caller::Key { organization, .. } => organization.is_none(),
            Caller::Session { operator, .. } => *operator,
        }
    }

    /// The signed-in person, if it is one.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        match &self.caller {
            Caller::Key { .. } => None,
            Caller::Session { user_id, .. } => Some(*user_id),
        }
    }

    /// The organization this request is about: the named one if it is theirs, or the only one they have.
    ///
    /// # Errors
    /// [`Denied::ForeignOrganization`]; [`Denied::OrganizationRequired`] when there is a choice to make.
    pub fn organization(&self, named: Option<OrganizationId>) -> Result<OrganizationId, Denied> {
        if let Some(named) = named {
            self.belongs(named)?;
            return Ok(named);
        }
        match &self.caller {
            Caller::Key { organization: Some(own), .. } => Ok(*own),
            Caller::Key { organization: None, .. } => Err(Denied::OrganizationRequired),
            Caller::Session { memberships, .. } => match memberships.as_ref() {
                [only] => Ok(only.organization),
                _ => Err(Denied::OrganizationRequired),
            },
        }
    }

    /// Whether they may do what `scope` stands for in the whole of `organization`.
    ///
    /// A member's view of usage is narrower than an organization: see [`Principal::may_read_usage`].
    ///
    /// # Errors
    /// The first reason why not.
    pub fn may(&self, scope: Scope, organization: OrganizationId) -> Result<(), Denied> {
        self.belongs(organization)?;
        let suspended = match &self.caller {
            Caller::Key { scopes, .. } if !scopes.contains(scope) => return Err(Denied::MissingScope(scope)),
            Caller::Key { suspended, organization, .. } => organization.is_some() && *suspended,
            Caller::Session { operator: true, .. } => false,
            Caller::Session { operator: false, .. } => {
                let membership = self.membership(organization).ok_or(Denied::ForeignOrganization)?;
                if !membership.role.scopes().contains(scope) {
                    return Err(Denied::Role);
                }
                membership.suspended
            }
        };
        if suspended && !scope.is_read() {
            return Err(Denied::Suspended);
        }
        Ok(())
    }

    /// [`Principal::may`] where an API key will not do.
    ///
    /// # Errors
    /// [`Denied::SessionRequired`] for a key, else as [`Principal::may`].
    pub fn may_in_session(&self, scope: Scope, organization: OrganizationId) -> Result<(), Denied> {
        self.belongs(organization)?;
        match &self.caller {
            Caller::Key { .. } => Err(Denied::SessionRequired),
            Caller::Session { .. } => self.may(scope, organization),
        }
    }

    /// How much of the organization's usage they may see.
    ///
    /// # Errors
    /// The first reason why none.
    pub fn may_read_usage(&self, organization: OrganizationId) -> Result<Reach, Denied> {
        self.reach(Scope::UsageRead, organization)
    }

    /// How much of the organization's usage they may see where `scope` lets one see all of it.
    ///
    /// # Errors
    /// The first reason why none.
    pub fn reach(&self, scope: Scope, organization: OrganizationId) -> Result<Reach, Denied> {
        if let Some(Membership { role: Role::Member, workspaces, .. }) = self.membership(organization)
            && !self.is_operator()
        {
            return Ok(Reach::Workspaces(workspaces.clone()));
        }
        self.may(scope, organization)?;
        Ok(Reach::Organization)
    }

    /// Whether they may do what `scope` stands for as the operator: for any organization, and with
    /// [`Scope::Admin`] on the operator's own resources.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn may_as_operator(&self, scope: Scope) -> Result<(), Denied> {
        match &self.caller {
            Caller::Key { organization: Some(_), .. } | Caller::Session { operator: false, .. } => {
                Err(Denied::OperatorRequired)
            }
            Caller::Key { organization: None, scopes, .. } if !scopes.contains(scope) => {
                Err(Denied::MissingScope(scope))
            }
            Caller::Key { organization: None, .. } | Caller::Session { operator: true, .. } => Ok(()),
        }
    }

    /// The person's place in `organization`.
    #[must_use]
    pub fn membership(&self, organization: OrganizationId) -> Option<&Membership> {
        match &self.caller {
            Caller::Key { .. } => None,
            Caller::Session { memberships, .. } => {
                memberships.iter().find(|m| m.organization == organization)
            }
        }
    }

    fn belongs(&self, organization: OrganizationId) -> Result<(), Denied> {
        let theirs = self.is_operator()
            || match &self.caller {
                Caller::Key { organization: own, .. } => *own == Some(organization),
                Caller::Session { .. } => self.membership(organization).is_some(),
            };
        if theirs { Ok(()) } else { Err(Denied::ForeignOrganization) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: OrganizationId = OrganizationId::new(1);
    const TWO: OrganizationId = OrganizationId::new(2);

    fn key(organization: Option<OrganizationId>, suspended: bool, scopes: &[Scope]) -> Principal {
        let scopes = Scopes::of(scopes);
        Principal { caller: Caller::Key { key_id: ApiKeyId::new(1), organization, suspended, scopes } }
    }

    fn session(operator: bool, memberships: Vec<Membership>) -> Principal {
        Principal {
            caller: Caller::Session {
                session_id: SessionId::new(1),
                user_id: UserId::new(1),
                operator,
                memberships: memberships.into(),
            },
        }
    }

    fn place(organization: OrganizationId, role: Role, suspended: bool) -> Membership {
        Membership { organization, role, suspended, workspaces: vec![WorkspaceId::new(7)] }
    }

    #[test]
    fn a_key_does_what_its_scopes_say_and_only_at_home() {
        let own = key(Some(ONE), false, &[Scope::BillingRead]);
        assert_eq!(own.may(Scope::BillingRead, ONE), Ok(()));
        for scope in Scope::ALL {
            assert_eq!(own.may(scope, TWO), Err(Denied::ForeignOrganization), "{scope}");
            assert_eq!(own.may_in_session(scope, ONE), Err(Denied::SessionRequired), "{scope}");
            assert_eq!(own.may_as_operator(scope), Err(Denied::OperatorRequired), "{scope}");
            if scope != Scope::BillingRead {
                assert_eq!(own.may(scope, ONE), Err(Denied::MissingScope(scope)), "{scope}");
            }
        }
        assert_eq!(own.may_read_usage(ONE), Err(Denied::MissingScope(Scope::UsageRead)));
        assert_eq!(own.organization(None), Ok(ONE));
        assert_eq!(own.organization(Some(TWO)), Err(Denied::ForeignOrganization));
    }

    #[test]
    fn an_operator_key_reaches_everywhere_but_stays_within_its_scopes() {
        let operator = key(None, false, &[Scope::BillingWrite]);
        assert_eq!(operator.may(Scope::BillingWrite, TWO), Ok(()));
        assert_eq!(operator.may(Scope::BillingRead, TWO), Err(Denied::MissingScope(Scope::BillingRead)));
        assert_eq!(operator.may_as_operator(Scope::BillingWrite), Ok(()));
        assert_eq!(operator.may_as_operator(Scope::Admin), Err(Denied::MissingScope(Scope::Admin)));
        assert_eq!(operator.organization(None), Err(Denied::OrganizationRequired));
        assert_eq!(operator.organization(Some(TWO)), Ok(TWO));
    }

    #[test]
    fn a_customers_key_with_admin_is_still_not_the_operator() {
        let own = key(Some(ONE), false, &Scope::ALL);
        assert_eq!(own.may_as_operator(Scope::Admin), Err(Denied::OperatorRequired));
        assert_eq!(own.may_as_operator(Scope::BillingWrite), Err(Denied::OperatorRequired));
    }

    #[test]
    fn suspended_may_look_but_not_act_except_for_the_operator() {
        let own = key(Some(ONE), true, &Scope::ALL);
        let person = session(false, vec![place(ONE, Role::Owner, true)]);
        for scope in Scope::ALL {
            let expected = if scope.is_read() { Ok(()) } else { Err(Denied::Suspended) };
            assert_eq!(own.may(scope, ONE), expected, "{scope}");
            if scope != Scope::Admin {
                assert_eq!(person.may(scope, ONE), expected, "{scope}");
            }
        }
        let operator = session(true, vec![place(ONE, Role::Member, true)]);
        assert_eq!(operator.may(Scope::BillingWrite, ONE), Ok(()));
    }

    #[test]
    fn roles_open_what_they_should() {
        for role in Role::ALL {
            let person = session(false, vec![place(ONE, role, false)]);
            for scope in Scope::ALL {
                let expected = if role.scopes().contains(scope) { Ok(()) } else { Err(Denied::Role) };
                assert_eq!(person.may(scope, ONE), expected, "{role} {scope}");
                assert_eq!(person.may_in_session(scope, ONE), expected, "{role} {scope}");
                assert_eq!(person.may(scope, TWO), Err(Denied::ForeignOrganization), "{role} {scope}");
                assert_eq!(person.may_in_session(scope, TWO), Err(Denied::ForeignOrganization));
            }
            let reach = match role {
                Role::Owner | Role::Billing => Reach::Organization,
                Role::Member => Reach::Workspaces(vec![WorkspaceId::new(7)]),
            };
            assert_eq!(person.may_read_usage(ONE), Ok(reach), "{role}");
            assert_eq!(person.may_read_usage(TWO), Err(Denied::ForeignOrganization), "{role}");
        }
    }

    #[test]
    fn a_member_sees_the_own_workspaces_and_not_what_belongs_to_none() {
        let reach = Reach::Workspaces(vec![WorkspaceId::new(7)]);
        assert!(reach.covers(Some(WorkspaceId::new(7))));
        assert!(!reach.covers(Some(WorkspaceId::new(8))));
        assert!(!reach.covers(None));
        assert!(Reach::Organization.covers(None));
    }

    #[test]
    fn the_organization_is_the_only_one_or_must_be_named() {
        let both = session(false, vec![place(ONE, Role::Owner, false), place(TWO, Role::Billing, false)]);
        assert_eq!(both.organization(None), Err(Denied::OrganizationRequired));
        assert_eq!(both.organization(Some(TWO)), Ok(TWO));
        assert_eq!(both.may(Scope::MembersWrite, TWO), Err(Denied::Role));
        assert_eq!(session(false, vec![]).organization(None), Err(Denied::OrganizationRequired));
        assert_eq!(session(true, vec![]).organization(Some(TWO)), Ok(TWO));
    }
}
