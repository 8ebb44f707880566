//! The client for calls outside: one TLS stack, certificates compiled in, and a limit on everything.

mod guard;

use std::time::Duration;

pub use guard::{Guarded, Refused};

use crate::base::Mode;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// What is told of the caller.
const AGENT: &str = concat!("tollbook/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS library.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP library.
    #[error("http client: {0}")]
    Http(#[from] reqwest::Error),
}

/// What all clients have in common. They follow no redirect: who is told is who was configured.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn builder() -> Result<reqwest::ClientBuilder, Error> {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let provider = rustls::crypto::ring::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .user_agent(AGENT))
}

/// A client whose calls end after `timeout`. In live mode it speaks to nobody without TLS.
///
/// # Errors
/// When the libraries cannot be set up.
pub fn client(mode: Mode, timeout: Duration) -> Result<reqwest::Client, Error> {
    Ok(builder()?.https_only(mode == Mode::Live).timeout(timeout).build()?)
}
