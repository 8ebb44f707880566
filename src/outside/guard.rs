//! Addresses that customers give: calls to them must not reach this machine's neighbours.
//!
//! A name is resolved here, and what it resolves to is checked before a connection is made: the same addresses are then
//! connected to, so a name that answers differently the second time gains nothing. No redirect is followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Error, builder};
use crate::base::Mode;

/// Says which addresses may be called although they are not public.
type Allowed = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// A client for addresses that customers give.
#[derive(Clone)]
pub struct Guarded {
    client: reqwest::Client,
    allowed: Allowed,
    mode: Mode,
}

/// Why an address is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no URL of the web.
    #[error("is not an http or https URL with a host")]
    Malformed,
    /// What is told would be read by whoever is on the way.
    #[error("must begin with https://")]
    Plain,
    /// It carries a name and password, which would be stored and shown.
    #[error("must not carry a name or password")]
    Credentials,
    /// It leads to this machine or to its network.
    #[error("leads to a private address")]
    Private,
}

impl Guarded {
    /// A client whose calls end after `timeout`, to public addresses and those that are `allowed`. In live mode only the latter are
    /// called without TLS.
    ///
    /// # Errors
    /// When the libraries cannot be set up.
    pub fn new(
        mode: Mode,
        timeout: Duration,
        allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let allowed: Allowed = Arc::new(allowed);
        let resolver = Arc::new(Resolver { allowed: allowed.clone() });
        // a proxy would resolve names by itself
        let client = builder()?.no_proxy().timeout(timeout).dns_resolver(resolver).build()?;
        Ok(Self { client, allowed, mode })
    }

    /// Whether a URL may be called, as far as can be told without resolving its name.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, url: &str) -> Result<Url, Refused> {
        let url = Url::parse(url).map_err(|_| Refused::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Malformed);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Refused::Malformed)?;
        // an address is not resolved, so it is looked at here
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse::<IpAddr>().ok();
        let is_allowed = address.is_some_and(|address| (self.allowed)(address));
        if !is_allowed && address.is_some_and(|address| !is_public(address)) {
            return Err(Refused::Private);
        }
        if !is_allowed && self.mode == Mode::Live && url.scheme() != "https" {
            return Err(Refused::Plain);
        }
        Ok(url)
    }

    /// A request to a URL that may be called.
    ///
    /// # Errors
    /// Why it may not.
    pub fn post(&self, url: &str) -> Result<reqwest::RequestBuilder, Refused> {
        Ok(self.client.post(self.check(url)?))
    }
}

struct Resolver {
    allowed: Allowed,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // one private address among public ones is refused as well: which one is taken is not ours to say
            if found.iter().any(|socket| !is_public(socket.ip()) && !allowed(socket.ip())) {
                return Err(Refused::Private.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public network. What is reserved for other uses is listed by IANA in its
/// special-purpose address registries (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // shared by carriers (RFC 6598)
        || (a == 100 && (64..128).contains(&b))
        // the host of Azure's machines, at an address that looks public
        || address == Ipv4Addr::new(168, 63, 129, 16)
        // protocol assignments, 6to4 relays, benchmarks
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // only 2000::/3 is given out as global unicast (RFC 4291, IANA)
    let is_global = first & 0xE000 == 0x2000;
    let is_documentation = (first == 0x2001 && second == 0x0DB8) || first == 0x3FFF;
    // each of these wraps an IPv4 address that nobody has looked at: Teredo, 6to4
    let is_tunnel = (first == 0x2001 && second == 0) || first == 0x2002;
    is_global && !is_documentation && !is_tunnel
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Guarded {
        Guarded::new(Mode::Test, Duration::from_secs(5), |_| false).unwrap()
    }

    #[test]
    fn only_public_addresses_are_called() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.9",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "93.184.216.34", "100.128.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn urls_are_looked_at_before_anything_is_sent() {
        let client = client();
        for (url, why) in [
            ("http://127.0.0.1/hook", Refused::Private),
            ("https://[::1]:8443/", Refused::Private),
            // the URL standard reads these as 127.0.0.1
            ("http://2130706433/", Refused::Private),
            ("http://0x7f.1/", Refused::Private),
            ("ftp://example.com/", Refused::Malformed),
            ("/hook", Refused::Malformed),
            ("", Refused::Malformed),
            ("https://user@example.com/", Refused::Credentials),
            ("https://user:pass@example.com/", Refused::Credentials),
        ] {
            assert_eq!(client.check(url).map(|_| ()), Err(why), "{url}");
        }
        assert!(client.check("https://example.com/hook?x=1").is_ok());
        let lenient = Guarded::new(Mode::Live, Duration::from_secs(5), |ip| ip.is_loopback()).unwrap();
        assert!(lenient.check("http://127.0.0.1:9/").is_ok());
        assert_eq!(lenient.check("http://10.0.0.1/").map(|_| ()), Err(Refused::Private));
        for plain in ["http://example.com/hook", "http://1.1.1.1/"] {
            assert_eq!(lenient.check(plain).map(|_| ()), Err(Refused::Plain));
            assert!(client.check(plain).is_ok(), "in test mode");
        }
        assert!(lenient.check("https://example.com/hook").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_not_called() {
        let sent = client().post("http://localhost:9/").unwrap().send().await;
        let error = format!("{:?}", sent.unwrap_err());
        assert!(error.contains("private address") || error.contains("Private"), "{error}");
    }
}
