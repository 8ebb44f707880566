//! Password hashing: argon2id, off the async threads, few at once, as slow for unknown people as for known ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use rand::Rng;
use tokio::sync::Semaphore;

use super::error::Error;
use super::rules;

/// How many may wait before callers are told to come back.
const WAITING: usize = 64;

/// How hard hashing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardness {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Hardness {
    /// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1_024, passes: 2, lanes: 1 }
    }
}

impl Hardness {
    /// As little as the algorithm takes. For tests and demo data only.
    pub const TRIVIAL: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };
}

/// What is asked of passwords, and how they are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// How hard.
    pub hardness: Hardness,
    /// The fewest characters of a new one.
    pub min_chars: usize,
    /// How many are hashed at once: each takes a core for tens of milliseconds, and megabytes of memory.
    pub at_once: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { hardness: Hardness::default(), min_chars: 12, at_once: 2 }
    }
}

impl PasswordPolicy {
    /// The usual one, with passwords hashed so hard.
    #[must_use]
    pub fn hashed(hardness: Hardness) -> Self {
        Self { hardness, ..Self::default() }
    }
}

/// A hashed password, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// From its stored text.
    #[must_use]
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is the password, but hashed less hard than is asked for today: hash it again.
    RightButWeak,
    /// It is not.
    Wrong,
}

/// Hashes and checks passwords; cheap to clone.
#[derive(Debug, Clone)]
pub struct Passwords {
    policy: PasswordPolicy,
    slots: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Passwords {
    /// Under this policy.
    #[must_use]
    pub fn new(policy: PasswordPolicy) -> Self {
        Self { policy, slots: Arc::new(Semaphore::new(policy.at_once)), waiting: Arc::default() }
    }

    /// What is asked of passwords.
    #[must_use]
    pub const fn policy(&self) -> &PasswordPolicy {
        &self.policy
    }

    fn check(&self, password: &str) -> Result<(), Error> {
        rules::password("password", password, self.policy.min_chars).map_err(|e| vec![e].into())
    }

    fn argon2(&self) -> Result<Argon2<'static>, Error> {
        let Hardness { memory_kib, passes, lanes } = self.policy.hardness;
        let params =
            Params::new(memory_kib, passes, lanes, None).map_err(|e| Error::Hashing(e.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// Hashes a password that somebody wants to have, on this thread.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is too short or too long.
    pub fn hash_blocking(&self, password: &str) -> Result<PasswordHash, Error> {
        self.check(password)?;
        self.hash_any(password)
    }

    fn hash_any(&self, password: &str) -> Result<PasswordHash, Error> {
        let hash =
            self.argon2()?.hash_password(password.as_bytes()).map_err(|e| Error::Hashing(e.to_string()))?;
        Ok(PasswordHash(hash.to_string()))
    }

    /// Checks a password on this thread. Without a hash to check against it takes as long and is wrong.
    ///
    /// # Errors
    /// When hashing itself fails.
    pub fn verify_blocking(&self, password: &str, stored: Option<&PasswordHash>) -> Result<Verdict, Error> {
        let argon2 = self.argon2()?;
        let Some(stored) = stored else {
            let mut salt = [0_u8; 16];
            rand::rng().fill_bytes(&mut salt);
            argon2
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map_err(|e| Error::Hashing(e.to_string()))?;
            return Ok(Verdict::Wrong);
        };
        let parsed = Phc::new(stored.as_str()).map_err(|e| Error::Hashing(e.to_string()))?;
        if argon2.verify_password(password.as_bytes(), &parsed).is_err() {
            return Ok(Verdict::Wrong);
        }
        let used = Params::try_from(&parsed).map_err(|e| Error::Hashing(e.to_string()))?;
        let asked = self.policy.hardness;
        let weak = used.m_cost() < asked.memory_kib || used.t_cost() < asked.passes;
        Ok(if weak { Verdict::RightButWeak } else { Verdict::Right })
    }

    /// [`Passwords::hash_blocking`] off the async threads.
    ///
    /// # Errors
    /// As there; [`Error::Busy`] when too many are waiting.
    pub async fn hash(&self, password: String) -> Result<PasswordHash, Error> {
        // what will be refused anyway does not queue
        self.check(&password)?;
        self.in_slot(move |this| this.hash_blocking(&password)).await
    }

    /// Hashes a password that is in use already, whatever would be asked of a new one.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many are waiting.
    pub(super) async fn rehash(&self, password: String) -> Result<PasswordHash, Error> {
        self.in_slot(move |this| this.hash_any(&password)).await
    }

    /// [`Passwords::verify_blocking`] off the async threads.
    ///
    /// # Errors
    /// As there; [`Error::Busy`] when too many are waiting.
    pub async fn verify(&self, password: String, stored: Option<PasswordHash>) -> Result<Verdict, Error> {
        self.in_slot(move |this| this.verify_blocking(&password, stored.as_ref())).await
    }

    async fn in_slot<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Place::take(&self.waiting)?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        drop(place);
        let this = self.clone();
        tokio::task::spawn_blocking(move || {
            let result = work(&this);
            drop(slot);
            result
        })
        .await
        .map_err(|e| Error::Hashing(e.to_string()))?
    }
}

/// A place in the queue, given up when the caller goes away.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Result<Self, Error> {
        if waiting.fetch_add(1, Ordering::SeqCst) >= WAITING {
            waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::Busy);
        }
        Ok(Self(waiting.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_owasp_asks_for() {
        let hash = Passwords::new(PasswordPolicy::default()).hash_blocking("correct horse").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
    }

    #[test]
    fn the_policy_is_kept_to() {
        let hardness = Hardness { memory_kib: 64, passes: 3, lanes: 2 };
        let passwords = Passwords::new(PasswordPolicy { hardness, min_chars: 9, at_once: 1 });
        let hash = passwords.hash_blocking("ninechars").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=64,t=3,p=2$"), "{}", hash.as_str());
        assert!(matches!(passwords.hash_blocking("8letters"), Err(Error::Invalid(_))));
    }

    #[test]
    fn only_the_password_is_right() {
        let passwords = Passwords::new(PasswordPolicy::hashed(Hardness::TRIVIAL));
        let hash = passwords.hash_blocking("correct horse").unwrap();
        assert_ne!(hash, passwords.hash_blocking("correct horse").unwrap(), "the salt differs");
        assert_eq!(passwords.verify_blocking("correct horse", Some(&hash)).unwrap(), Verdict::Right);
        for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert_eq!(passwords.verify_blocking(wrong, Some(&hash)).unwrap(), Verdict::Wrong, "{wrong:?}");
        }
        assert_eq!(passwords.verify_blocking("correct horse", None).unwrap(), Verdict::Wrong);
        let harder = Passwords::new(PasswordPolicy::hashed(Hardness { memory_kib: 16, ..Hardness::TRIVIAL }));
        assert_eq!(harder.verify_blocking("correct horse", Some(&hash)).unwrap(), Verdict::RightButWeak);
        assert!(matches!(passwords.hash_blocking("short"), Err(Error::Invalid(_))));
    }

    #[test]
    fn an_unknown_person_takes_as_much_work_as_a_known_one() {
        let passwords =
            Passwords::new(PasswordPolicy::hashed(Hardness { memory_kib: 4_096, passes: 2, lanes: 1 }));
        let hash = passwords.hash_blocking("correct horse").unwrap();
        let quickest = |stored: Option<&PasswordHash>| {
            (0..7)
                .map(|_| {
                    let begun = std::time::Instant::now();
                    passwords.verify_blocking("wrong horse", stored).unwrap();
                    begun.elapsed()
                })
                .min()
                .unwrap()
        };
        let (known, unknown) = (quickest(Some(&hash)), quickest(None));
        assert!(unknown * 3 > known && known * 3 > unknown, "known {known:?}, unknown {unknown:?}");
    }

    #[tokio::test]
    async fn no_more_than_wished_at_once_and_a_bounded_queue() {
        let policy = PasswordPolicy { at_once: 3, ..PasswordPolicy::hashed(Hardness::TRIVIAL) };
        let passwords = Passwords::new(policy);
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let work = |running: Arc<AtomicUsize>, most: Arc<AtomicUsize>| {
            move |_: &Passwords| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(2));
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        };
        let all = (0..WAITING + 20).map(|_| {
            let (passwords, work) = (passwords.clone(), work(running.clone(), most.clone()));
            async move { passwords.in_slot(work).await }
        });
        let results = futures_util::future::join_all(all).await;
        assert_eq!(most.load(Ordering::SeqCst), 3);
        let busy = results.iter().filter(|r| matches!(r, Err(Error::Busy))).count();
        assert!(busy > 0 && busy <= 20, "{busy}");
        assert_eq!(passwords.waiting.load(Ordering::SeqCst), 0);
    }
}
