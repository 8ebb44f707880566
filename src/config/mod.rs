//! Configuration: a TOML file, the environment, the command line.
//!
//! Stronger first: a command line argument, the environment variable `TOLLBOOK_<SECTION>_<KEY>`, the file, the default.
//! An empty environment variable counts as absent. Secrets can also be given as the name of a file that holds them, by
//! `…_FILE` in the environment or `…_file` in the file. Everything wrong is reported at once.

mod alerts;
mod auth;
mod brand;
mod calls;
mod credits;
mod database;
mod invoices;
mod limits;
mod log;
mod mail;
mod numbers;
mod payments;
mod reader;
mod secret;
mod seller;
mod server;
mod subscriptions;
mod tax;
mod usage;
mod value;
mod webhooks;

use std::path::Path;

pub use crate::base::Mode;
pub use alerts::Alerts;
pub use auth::Auth;
pub use brand::Brand;
pub use calls::Calls;
pub use credits::CreditsConfig;
pub use database::Database;
pub use invoices::Invoices;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use mail::{Mail, MailSecurity};
pub use numbers::Numbers;
pub use payments::{Payments, Stripe};
pub use reader::{Argument, ConfigError, ConfigErrors, Setting, Source};
pub use secret::Secret;
pub use seller::Seller;
pub use server::{Network, Server};
pub use subscriptions::Subscriptions;
pub use tax::{Tax, VIES};
pub use usage::Usage;
pub use webhooks::{Sms, Webhooks};

use reader::Reader;

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// How it is reached.
    pub server: Server,
    /// Where its data is, and how much memory and queue it may use.
    pub database: Database,
    /// How the pages look.
    pub brand: Brand,
    /// What a credit is.
    pub credits: CreditsConfig,
    /// Which usage is taken.
    pub usage: Usage,
    /// What is set aside for calls, and how long they may last.
    pub calls: Calls,
    /// What becomes of a rented number whose rent is not paid.
    pub numbers: Numbers,
    /// What customers may buy.
    pub payments: Payments,
    /// Sign-in.
    pub auth: Auth,
    /// How fast requests may come.
    pub limits: Limits,
    /// What is logged.
    pub log: Log,
    /// Who sells, for invoices.
    pub seller: Seller,
    /// How its sales are taxed.
    pub tax: Tax,
    /// How mail is sent.
    pub mail: Mail,
    /// Which addresses customers may have told of what happens.
    pub webhooks: Webhooks,
    /// Below which balances people are told.
    pub alerts: Alerts,
    /// Unpaid periods, and new prices.
    pub subscriptions: Subscriptions,
    /// Through whom text messages are sent.
    pub sms: Sms,
    /// How its documents are numbered.
    pub invoices: Invoices,
    settings: Vec<Setting>,
}

impl Config {
    /// Reads the file, where there is one, and the environment.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(file: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        Self::load_with(file, env, &[])
    }

    /// Like [`Config::load`], with values from the command line on top.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn load_with(
        file: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
        arguments: &[Argument],
    ) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(file, &env, arguments);
        let config = Self::read(&mut reader);
        let settings = reader.finish()?;
        Ok(Self { settings, ..config })
    }

    /// Reads every section; a value that does not fit is noted by the reader and stands at its default.
    fn read(reader: &mut Reader<'_>) -> Self {
        let server = Server::read(reader);
        let mode = server.mode;
        let (database, brand) = (Database::read(reader), Brand::read(reader));
        let credits = CreditsConfig::read(reader);
        let (usage, calls) = (Usage::read(reader), Calls::read(reader));
        let numbers = Numbers::read(reader);
        let payments = Payments::read(reader, mode);
        if payments.stripe.secret_key.is_some() && credits.currency.places() > 2 {
            let mut section = reader.section("credits");
            let source = section.source_of("currency");
            let message = format!("{} has three decimals, of which Stripe takes two", credits.currency);
            section.error("currency", message, source);
        }
        Self {
            server,
            database,
            brand,
            credits,
            usage,
            calls,
            numbers,
            payments,
            auth: Auth::read(reader),
            limits: Limits::read(reader),
            log: Log::read(reader),
            seller: Seller::read(reader),
            tax: Tax::read(reader),
            mail: Mail::read(reader),
            webhooks: Webhooks::read(reader),
            alerts: Alerts::read(reader),
            subscriptions: Subscriptions::read(reader),
            sms: Sms::read(reader),
            invoices: Invoices::read(reader),
            settings: Vec::new(),
        }
    }

    /// Every setting as it is in force, with where it came from; secrets are not shown.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

impl Default for Config {
    fn default() -> Self {
        let mut reader = Reader::new(None, &|_| None, &[]);
        let config = Self::read(&mut reader);
        Self { settings: reader.finish().unwrap_or_default(), ..config }
    }
}

/// Equal when every value is; where they came from does not matter.
impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.server == other.server
            && self.database == other.database
            && self.numbers == other.numbers
            && self.brand == other.brand
            && self.credits == other.credits
            && self.usage == other.usage
            && self.calls == other.calls
            && self.payments == other.payments
            && self.auth == other.auth
            && self.limits == other.limits
            && self.log == other.log
            && self.seller == other.seller
            && self.tax == other.tax
            && self.mail == other.mail
            && self.webhooks == other.webhooks
            && self.alerts == other.alerts
            && self.subscriptions == other.subscriptions
            && self.sms == other.sms
            && self.invoices == other.invoices
    }
}

#[cfg(test)]
mod tests;
