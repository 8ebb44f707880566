//! `[mail]`: how mail is sent.

use super::reader::Reader;
use super::secret::Secret;
use super::value::words;

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// By TLS, asked for after connecting (port 587 as a rule).
    StartTls,
    /// By TLS from the beginning (port 465 as a rule).
    Tls,
    /// Not at all: for a server on this machine.
    None,
}

words!(MailSecurity { StartTls = "starttls", Tls = "tls", None = "none" });

/// How mail is sent. Without a host it is kept, to be read on the page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The server that takes mail.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// Who signs in there; nobody unless given.
    pub username: Option<String>,
    /// With what.
    pub password: Option<Secret>,
    /// Whom mail is from, as in `Tollbook <billing@example.com>`.
    pub from: String,
    /// How long one attempt may take.
    pub timeout_seconds: u32,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("mail");
        let security = section.value("security", MailSecurity::StartTls);
        let port = match security {
            MailSecurity::StartTls => 587,
            MailSecurity::Tls => 465,
            MailSecurity::None => 25,
        };
        Self {
            host: section.value("host", None),
            port: section.bounded("port", port, 1..=u16::MAX),
            security,
            username: section.value("username", None),
            password: section.secret("password"),
            from: section.checked("from", "Tollbook <tollbook@localhost>".into(), check_address),
            timeout_seconds: section.bounded("timeout_seconds", 30, 1..=100),
        }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ptr_arg)]
fn check_address(text: &String) -> Result<(), String> {
    let parsed: Result<lettre::message::Mailbox, _> = text.parse();
    parsed.map(|_| ()).map_err(|_| "must be an address, such as Tollbook <billing@example.com>".into())
}
