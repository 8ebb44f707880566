//! Handing mail over to a mail server.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::config::{MailSecurity, Secret};
use crate::outbox::Failure;

/// Where mail is handed over, and in whose name.
#[derive(Debug, Clone)]
pub struct SmtpTerms {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// Who signs in there, and with what.
    pub account: Option<(String, Secret)>,
    /// Whom mail is from.
    pub from: String,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The host after the `@` of message ids.
    pub domain: String,
}

/// Hands mail over.
#[derive(Clone)]
pub struct Sender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    domain: String,
    timeout: Duration,
}

/// A mail on its way.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Whom to.
    pub to: &'a str,
    /// What stands in front of the `@` of its message id.
    pub message_id: &'a str,
    /// Its subject.
    pub subject: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The same as HTML.
    pub html: &'a str,
    /// A file's name and content.
    pub attachment: Option<(String, Vec<u8>)>,
}

impl Sender {
    /// One for this server.
    ///
    /// # Errors
    /// When the TLS library cannot be set up, or the address that mail is from is none.
    pub fn new(terms: &SmtpTerms) -> Result<Self, String> {
        let tls = || TlsParameters::new(terms.host.clone()).map_err(|e| e.to_string());
        let tls = match terms.security {
            MailSecurity::StartTls => Tls::Required(tls()?),
            MailSecurity::Tls => Tls::Wrapper(tls()?),
            MailSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&terms.host)
            .port(terms.port)
            .tls(tls)
            .timeout(Some(terms.timeout));
        if let Some((user, password)) = &terms.account {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        let from = terms.from.parse().map_err(|_| "mail.from is not an address".to_owned())?;
        Ok(Self { transport: builder.build(), from, domain: terms.domain.clone(), timeout: terms.timeout })
    }

    /// Hands one over.
    ///
    /// # Errors
    /// Why not, and whether it may work later.
    pub(crate) async fn send(&self, mail: Outgoing<'_>) -> Result<(), Failure> {
        let message = self.message(mail).map_err(Failure::Never)?;
        // the library limits no more than the making of the connection
        let sent = tokio::time::timeout(self.timeout, self.transport.send(message)).await;
        match sent {
            Err(_) => Err(Failure::Later("the mail server does not answer".into())),
            Ok(Ok(_)) => Ok(()),
            // the server says that it never will: 5yz (RFC 5321, section 4.2.1); but not because of how we sign in, which
            // is 53z (RFC 4954, section 6) and ours to mend
            Ok(Err(error)) if error.is_permanent() && !is_about_us(&error) => {
                Err(Failure::Never(error.to_string()))
            }
            Ok(Err(error)) => Err(Failure::Later(error.to_string())),
        }
    }

    fn message(&self, mail: Outgoing<'_>) -> Result<Message, String> {
        let to: Mailbox = mail.to.parse().map_err(|_| "is not a mail address".to_owned())?;
        let text = MultiPart::alternative_plain_html(mail.text.to_owned(), mail.html.to_owned());
        let builder = Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.message_id, self.domain)))
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject);
        let message = match mail.attachment {
            None => builder.multipart(text),
            Some((name, content)) => {
                let kind = ContentType::parse("application/pdf").map_err(|e| e.to_string())?;
                let file: SinglePart = Attachment::new(name).body(content, kind);
                builder.multipart(MultiPart::mixed().multipart(text).singlepart(file))
            }
        };
        message.map_err(|e| e.to_string())
    }
}

fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| code.to_string().starts_with("53"))
}
