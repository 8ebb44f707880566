//! Where a request comes from.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderName, VIA};

use super::State;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's, or what trusted proxies say of whom they speak for.
#[must_use]
pub fn client(state: &State, req: &HttpRequest) -> IpAddr {
    let peer = req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let is_trusted = |address: IpAddr| state.settings.trusted_proxies.iter().any(|net| net.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut hops: Vec<IpAddr> = Vec::new();
    for value in req.headers().get_all(FORWARDED_FOR) {
        let addresses = value.to_str().unwrap_or_default().split(',');
        hops.extend(addresses.filter_map(|text| text.trim().parse::<IpAddr>().ok()));
    }
    // the last one that no proxy of ours added for another is the client; what stands before it anybody can write
    hops.into_iter().rev().find(|hop| !is_trusted(*hop)).unwrap_or(peer)
}

/// True when the request was made on this machine and came through no proxy.
#[must_use]
pub fn is_local(req: &HttpRequest) -> bool {
    let forwarded = [FORWARDED, VIA, FORWARDED_FOR].iter().any(|name| req.headers().contains_key(name));
    !forwarded && req.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
}
