//! `[server]`: how it is reached.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::reader::Reader;
use super::secret::Secret;
use super::value::{Misfit, Raw, Value, words};
use crate::base::Mode;

words!(Mode { Test = "test", Live = "live" });

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        // an IPv4 peer of a socket that listens on IPv6
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Value for Network {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        let text = String::read(raw)?;
        let (address, bits) = text.split_once('/').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
        let wrong =
            || Misfit::from(format!("must be an address or a network, such as 10.0.0.0/8, not {text}"));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if prefix_bits > most { Err(wrong()) } else { Ok(Self { address, prefix_bits }) }
    }

    fn show(&self) -> String {
        format!("\"{}/{}\"", self.address, self.prefix_bits)
    }
}

/// How it is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// How people and programs reach it from outside, without a slash at the end.
    pub public_url: Option<String>,
    /// Whether money is real.
    pub mode: Mode,
    /// Threads that answer requests; 0 is one per core.
    pub workers: usize,
    /// Connections open at once, in all.
    pub max_connections: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Largest request body, in bytes.
    pub body_limit_bytes: usize,
    /// Largest body of a batch of usage events, in bytes.
    pub batch_body_limit_bytes: usize,
    /// How long an idle connection is kept, in seconds.
    pub keep_alive_seconds: u64,
    /// How long a client may take to send a request's headers, in seconds.
    pub request_timeout_seconds: u64,
    /// How long running requests may take to end once the server is told to stop, in seconds.
    pub shutdown_seconds: u64,
    /// What `/metrics` asks for as a bearer token; without it only loopback may read them.
    pub metrics_token: Option<Secret>,
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("server");
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let body_limit_bytes = section.bounded("body_limit_bytes", 1 << 20, 1 << 10..=64 << 20);
        Self {
            listen: section.value("listen", listen),
            public_url: section.checked("public_url", None, check_url),
            mode: section.value("mode", Mode::Live),
            workers: section.bounded("workers", 0, 0..=256),
            max_connections: section.bounded("max_connections", 4_096, 1..=1_000_000),
            trusted_proxies: section.value("trusted_proxies", Vec::new()),
            body_limit_bytes,
            batch_body_limit_bytes: section.bounded(
                "batch_body_limit_bytes",
                (4 << 20).max(body_limit_bytes),
                body_limit_bytes..=64 << 20,
            ),
            keep_alive_seconds: section.bounded("keep_alive_seconds", 75, 1..=3_600),
            request_timeout_seconds: section.bounded("request_timeout_seconds", 10, 1..=600),
            shutdown_seconds: section.bounded("shutdown_seconds", 30, 1..=600),
            metrics_token: section.secret("metrics_token"),
        }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ref_option)]
fn check_url(url: &Option<String>) -> Result<(), String> {
    let Some(url) = url else { return Ok(()) };
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host)
            if !host.is_empty()
                && !url.ends_with('/')
                && !host
                    .contains(|c: char| c.is_whitespace() || c.is_control() || "?#@\\\"'<>".contains(c)) =>
        {
            Ok(())
        }
        _ => Err("must begin with https:// or http:// and not end with a slash".into()),
    }
}
