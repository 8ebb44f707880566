//! Telling people what has happened.

mod alerts;
mod happenings;
mod mails;
mod receiver;
mod webhooks;

pub use receiver::Receiver;

/// The network of this machine alone, which the tests' receivers are in.
pub fn loopback() -> tollbook::config::Network {
    let read = tollbook::config::Config::load_with(
        None,
        |name| (name == "TOLLBOOK_WEBHOOKS_ALLOWED_NETWORKS").then(|| "127.0.0.0/8".to_owned()),
        &[],
    );
    read.unwrap().webhooks.allowed_networks.remove(0)
}
