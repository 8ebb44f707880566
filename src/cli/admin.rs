//! `tollbook admin …`: the first operator, organization and key, from a shell on the server.

use std::io::Read;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Common, Failure, Outcome};
use crate::app::welcome;
use crate::base::id::OrganizationId;
use crate::base::{Currency, Zone};
use crate::identity::{
    Actor, By, Issuer, KeyOwner, NewKey, NewOrganization, NewUser, OrganizationRef, PasswordHash, Role,
    Scopes, keys, organizations, settings, users,
};
use crate::onboarding::{self, Prices};

/// The longest password that is read.
const PASSWORD_MAX: u64 = 4_096;

/// Create operators, organizations, people and keys.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Create an operator account; prints its id
    #[command(name = "create-operator")]
    Operator(CreateOperator),
    /// Create an organization, with the configured welcome credit; prints its id
    #[command(name = "create-organization")]
    Organization(CreateOrganization),
    /// Create a person in an organization; prints the id
    #[command(name = "create-user")]
    User(CreateUser),
    /// Issue an API key; prints it, this once
    #[command(name = "create-key")]
    Key(CreateKey),
}

#[derive(Debug, Args)]
pub(super) struct CreateOperator {
    /// The address to sign in with
    #[arg(long)]
    email: String,
    /// What people call them
    #[arg(long, default_value = "")]
    name: String,
    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct CreateOrganization {
    /// What people call it
    #[arg(long)]
    name: String,
    /// The platform's own id for it
    #[arg(long)]
    external_id: Option<String>,
    /// ISO 4217 code of its wallet's currency
    #[arg(long)]
    currency: Option<Currency>,
    /// IANA name of the timezone in which its days begin
    #[arg(long)]
    timezone: Option<Zone>,
    /// The code of the plan it is on
    #[arg(long)]
    plan: Option<String>,
    /// The code of its rate card
    #[arg(long)]
    rate_card: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CreateUser {
    /// `org_…`, or `ext:` and the platform's own id
    #[arg(long, value_name = "ID")]
    organization: OrganizationRef,
    /// The address to sign in with
    #[arg(long)]
    email: String,
    /// What people call them
    #[arg(long, default_value = "")]
    name: String,
    /// owner, billing or member
    #[arg(long)]
    role: Role,
    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct CreateKey {
    /// A key of the operator's, which acts for any organization
    #[arg(long, conflicts_with = "organization", required_unless_present = "organization")]
    operator: bool,
    /// The organization that it acts for: `org_…`, or `ext:` and the platform's own id
    #[arg(long, value_name = "ID")]
    organization: Option<OrganizationRef>,
    /// What it may be used for, with commas between
    #[arg(long)]
    scopes: Scopes,
    /// What people call it
    #[arg(long, default_value = "")]
    name: String,
}

const BY: By = By::actor(Actor::CommandLine);

impl Admin {
    pub(super) fn run(self, common: &Common) -> Outcome {
        let printed = match self {
            Self::Operator(command) => command.run(common)?,
            Self::Organization(command) => command.run(common)?,
            Self::User(command) => command.run(common)?,
            Self::Key(command) => command.run(common)?,
        };
        println!("{printed}");
        Ok(ExitCode::SUCCESS)
    }
}

impl CreateOperator {
    fn run(self, common: &Common) -> Result<String, Failure> {
        let (config, opened) = common.open()?;
        let password = hash_from_stdin(opened.door(&config).passwords()).map_err(readable)?;
        let new = NewUser { email: self.email, name: self.name, password };
        let user = opened.db.write_blocking(move |tx| users::create_operator(tx, &BY, &new));
        Ok(user.map_err(|e| readable(e.into()))?.id.to_string())
    }
}

impl CreateOrganization {
    fn run(self, common: &Common) -> Result<String, Failure> {
        let (config, opened) = common.open()?;
        let defaults = opened.db.read_blocking(|tx| settings::defaults(tx))?;
        let currency = self.currency.or(defaults.as_ref().map(|d| d.currency));
        let zone = self.timezone.or(defaults.map(|d| d.zone));
        let new = NewOrganization {
            name: self.name,
            external_id: self.external_id,
            currency: currency.unwrap_or(config.credits.currency),
            zone: zone.unwrap_or(Zone::UTC),
            rate_card_id: None,
        };
        let prices = Prices { plan: self.plan, rate_card: self.rate_card };
        let welcome = welcome(&config);
        let made = opened.db.write_blocking(move |tx| onboarding::create(tx, &BY, &new, &prices, welcome));
        match made {
            Ok(organization) => Ok(organization.id.to_string()),
            Err(onboarding::Error::Identity(error)) => Err(readable(error.into())),
            Err(error) => Err(error.into()),
        }
    }
}

impl CreateUser {
    fn run(self, common: &Common) -> Result<String, Failure> {
        let (config, opened) = common.open()?;
        let organization = find(&opened.db, &self.organization)?;
        let password = hash_from_stdin(opened.door(&config).passwords()).map_err(readable)?;
        let new = NewUser { email: self.email, name: self.name, password };
        let role = self.role;
        let user =
            opened.db.write_blocking(move |tx| users::create_member(tx, &BY, &new, organization, role, &[]));
        Ok(user.map_err(|e| readable(e.into()))?.id.to_string())
    }
}

impl CreateKey {
    fn run(self, common: &Common) -> Result<String, Failure> {
        let (config, opened) = common.open()?;
        let owner = match &self.organization {
            Some(name) => KeyOwner::Organization(find(&opened.db, name)?),
            None => KeyOwner::Operator,
        };
        let new = NewKey { owner, mode: config.server.mode, scopes: self.scopes, name: self.name };
        let issued = opened.db.write_blocking(move |tx| keys::issue(tx, &BY, &new, Issuer::Operator));
        Ok(issued.map_err(|e| readable(e.into()))?.secret.expose().to_owned())
    }
}

fn find(db: &crate::db::Db, name: &OrganizationRef) -> Result<OrganizationId, Failure> {
    Ok(db.read_blocking(|tx| organizations::find(tx, name))?.id)
}

fn hash_from_stdin(passwords: &crate::identity::Passwords) -> Result<PasswordHash, Failure> {
    let mut text = String::new();
    std::io::stdin().take(PASSWORD_MAX).read_to_string(&mut text)?;
    // the newline that a shell or an editor adds is not part of it
    let password = text.strip_suffix('\n').unwrap_or(&text);
    Ok(passwords.hash_blocking(password.strip_suffix('\r').unwrap_or(password))?)
}

/// Every field that is wrong, where that is the error.
fn readable(error: Failure) -> Failure {
    match error.downcast_ref::<crate::identity::Error>() {
        Some(crate::identity::Error::Invalid(fields)) => {
            let lines: Vec<String> = fields.iter().map(ToString::to_string).collect();
            lines.join("\n").into()
        }
        Some(_) | None => error,
    }
}
