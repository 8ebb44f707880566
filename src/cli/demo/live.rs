//! A trickle of calls, for whoever watches.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::cast::PROFILES;
use super::random::Random;
use super::usage;
use crate::db::Db;
use crate::ledger::Canon;
use crate::metering::{self, Mode};

/// Seconds between two calls, at least and at most.
const PAUSE_S: (i64, i64) = (2, 9);
/// How often each organization is called.
const WEIGHTS: [i64; 3] = [7, 2, 3];

/// Keeps calls coming until the task is aborted.
pub(super) fn start(db: Db) -> JoinHandle<()> {
    // not the story's seed: what is added is added after it
    let mut random = Random::new(db.now().millis().unsigned_abs());
    actix_web::rt::spawn(async move {
        loop {
            let seconds = random.between(PAUSE_S.0, PAUSE_S.1);
            tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())).await;
            let Some(profile) = PROFILES.get(random.weighted(&WEIGHTS)) else { continue };
            let mut canon = Canon::default();
            let reported = usage::call_now(profile, db.now(), &mut random);
            let mut events: Vec<_> = reported.into_iter().map(|r| r.input(&mut canon)).collect();
            for input in &mut events {
                // a wallet that runs dry while nobody watches stays at zero
                input.event.mode = Mode::Enforce;
                input.digests = input.event.digests(&mut canon);
            }
            match db.write(move |tx| metering::record(tx, None, None, &events)).await {
                Ok(_) => tracing::debug!(organization = profile.name, "a call of the demo"),
                Err(error) => tracing::warn!(%error, "a call of the demo"),
            }
        }
    })
}
