//! A trickle of calls, for whoever watches.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::calls;
use super::cast::PROFILES;
use super::random::Random;
use crate::base::time::SECOND_MS;
use crate::db::Db;

/// Seconds between the beginnings of two calls, at least and at most.
const PAUSE_S: (i64, i64) = (4, 18);
/// How often each organization is called.
const WEIGHTS: [i64; 3] = [7, 2, 3];
/// How often the calls in progress are looked after.
const TURN: Duration = Duration::from_secs(1);

/// Keeps calls coming until the task is aborted.
pub(super) fn start(db: Db) -> JoinHandle<()> {
    // not the story's seed: what is added is added after it
    let mut random = Random::new(db.now().millis().unsigned_abs());
    actix_web::rt::spawn(async move {
        let mut on = Vec::new();
        let mut next = db.now();
        loop {
            let now = db.now();
            if now >= next {
                next = now.plus_ms(random.between(PAUSE_S.0, PAUSE_S.1) * SECOND_MS);
                let profile = PROFILES.get(random.weighted(&WEIGHTS));
                on.extend(profile.and_then(|profile| calls::another(profile, now, &mut random)));
            }
            let turned = std::mem::take(&mut on);
            match db.write(move |tx| calls::turn(tx, turned)).await {
                Ok(still) => on = still,
                Err(error) => tracing::warn!(%error, "the demo's calls"),
            }
            tokio::time::sleep(TURN).await;
        }
    })
}
