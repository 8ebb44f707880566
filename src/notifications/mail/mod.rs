//! Mails: what they say, and how they look as text and as HTML.

mod compose;
mod smtp;
#[cfg(test)]
mod tests;

use askama::Template;

use super::{Channel, NewDelivery, Terms};
use crate::base::id::InvoiceId;
use crate::identity::Organization;

pub use compose::{alert_test, compose, invitation, password_reset, test};
pub(super) use smtp::Outgoing;
pub use smtp::{Sender, SmtpTerms};

/// Whom a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The organization's.
    Customer,
    /// The operator's.
    Operator,
}

/// Whom a mail is about, and who sends it.
pub struct About<'a> {
    /// Who sends it.
    pub terms: &'a Terms,
    /// Whom it is about.
    pub organization: Option<&'a Organization>,
}

/// What a mail says. It reads from top to bottom: what has happened, the figures, what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// Its subject, and its heading.
    pub subject: String,
    /// What has happened, a paragraph each.
    pub paragraphs: Vec<String>,
    /// The figures: what each is, and how much.
    pub facts: Vec<(&'static str, String)>,
    /// What to do: what the link says, and where it leads on this server.
    pub action: Option<(&'static str, String)>,
    /// Whose PDF is attached.
    pub invoice: Option<InvoiceId>,
}

#[derive(Template)]
#[template(path = "mail/message.html")]
struct Html<'a> {
    mail: &'a Mail,
    about: &'a About<'a>,
}

#[derive(Template)]
#[template(path = "mail/message.txt")]
struct Text<'a> {
    mail: &'a Mail,
    about: &'a About<'a>,
}

impl Mail {
    /// The mail to one address, ready to be sent or kept.
    #[must_use]
    pub fn delivery(&self, about: &About<'_>, target: String) -> NewDelivery {
        // writing to a string does not fail, and the templates were checked when this was built
        let html = Html { mail: self, about }.render().unwrap_or_default();
        let body = Text { mail: self, about }.render().unwrap_or_default();
        NewDelivery {
            event: None,
            organization: about.organization.map(|organization| organization.id),
            channel: Channel::Email,
            endpoint: None,
            target,
            subject: self.subject.clone(),
            body,
            html: Some(html),
            invoice: self.invoice,
            send: about.terms.mail,
        }
    }
}
