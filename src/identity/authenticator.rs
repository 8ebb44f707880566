//! The door: from a token or a password to a [`Principal`].

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::attempts::{Attempts, Rate, network};
use super::audit::{Actor, By};
use super::cache::{self, Cache, Generation};
use super::error::Error;
use super::organizations::{self, Organization, OrganizationRef};
use super::passwords::{PasswordHash, PasswordPolicy, Passwords, Verdict};
use super::principal::{Caller, Denied, Principal};
use super::secrets::{Secret, SecretHash, well_formed};
use super::sessions::{self, Session, SessionPolicy};
use super::users::{self, NewUser, User};
use super::{invitations, keys, links, rules, setup, sql};
use crate::base::id::{ApiKeyId, SessionId, UserId};
use crate::base::time::MINUTE_MS;
use crate::base::{Mode, Timestamp};
use crate::db::Db;

/// Keys and organizations remembered.
const REMEMBERED: usize = 10_000;
/// Keys whose use waits to be noted.
const USED_MAX: usize = 4_096;

/// Mails that may be asked for, for one address: by whom and from one network, and in all, so that nobody fills a mailbox, and
/// nobody alone keeps its owner from asking.
const MAILS_FROM_ONE: Rate = Rate { burst: 5, every_ms: 10 * MINUTE_MS };
const MAILS_IN_ALL: Rate = Rate { burst: 40, every_ms: 5 * MINUTE_MS };

/// How the door is kept.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Keys of the other mode are turned away.
    pub mode: Mode,
    /// What is asked of passwords.
    pub passwords: PasswordPolicy,
    /// When sessions end.
    pub session: SessionPolicy,
    /// Attempts to sign in to one account from one network.
    pub per_account: Rate,
    /// Attempts to sign in from one network.
    pub per_network: Rate,
    /// How long a key or organization is remembered when another process may change it.
    pub remember: Duration,
}

impl Options {
    /// What is right for a server in this mode.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            passwords: PasswordPolicy::default(),
            session: SessionPolicy::default(),
            per_account: Rate { burst: 10, every_ms: MINUTE_MS / 2 },
            per_network: Rate { burst: 40, every_ms: MINUTE_MS / 12 },
            remember: cache::OLDEST,
        }
    }
}

/// Where somebody signs in from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The address; none on the command line.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: String,
    /// The token of the session that the browser has already; it ends.
    pub previous: Option<String>,
    /// The request.
    pub request_id: Option<String>,
}

/// Somebody who has just signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Its token, for the cookie or the bearer header.
    pub token: Secret,
}

/// A key, as remembered.
struct KnownKey {
    principal: Arc<Principal>,
    key_id: ApiKeyId,
    revoked_at: Option<Timestamp>,
    /// When its use was last noted, in milliseconds.
    noted_ms: AtomicI64,
}

/// Lets people and keys in; one per process.
pub struct Authenticator {
    db: Db,
    options: Options,
    passwords: Passwords,
    keys: Cache<SecretHash, Arc<KnownKey>>,
    organizations: Cache<OrganizationRef, Arc<Organization>>,
    used: Mutex<HashMap<ApiKeyId, Timestamp>>,
    per_account: Attempts,
    per_network: Attempts,
    mails_from_one: Attempts,
    mails_in_all: Attempts,
}

impl Authenticator {
    /// For this database, opened with an [`super::Invalidate`] of the same generation.
    #[must_use]
    pub fn new(db: Db, generation: &Generation, options: Options) -> Self {
        Self {
            db,
            options,
            passwords: Passwords::new(options.passwords),
            keys: Cache::new(generation.clone(), REMEMBERED, options.remember),
            organizations: Cache::new(generation.clone(), REMEMBERED, options.remember),
            used: Mutex::default(),
            per_account: Attempts::new(options.per_account),
            per_network: Attempts::new(options.per_network),
            mails_from_one: Attempts::new(MAILS_FROM_ONE),
            mails_in_all: Attempts::new(MAILS_IN_ALL),
        }
    }

    /// Hashes passwords for whoever creates people.
    #[must_use]
    pub const fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// The server's mode: that of the keys it issues.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.options.mode
    }

    /// Who comes with this bearer token, be it a key or a session.
    ///
    /// # Errors
    /// [`Error::Denied`] with [`Denied::Unauthenticated`] or [`Denied::WrongMode`].
    pub async fn bearer(&self, token: &str) -> Result<Arc<Principal>, Error> {
        if token.starts_with(sessions::PREFIX) {
            return self.session(token).await.map(|(principal, _)| principal);
        }
        self.key(token)
    }

    /// Who comes with this API key. From memory, but for one look at the database every second or so.
    ///
    /// # Errors
    /// As [`Authenticator::bearer`].
    pub fn key(&self, token: &str) -> Result<Arc<Principal>, Error> {
        let other_mode = match self.options.mode {
            Mode::Live => Mode::Test,
            Mode::Test => Mode::Live,
        };
        if well_formed(token, keys::prefix(other_mode)) {
            return Err(Denied::WrongMode.into());
        }
        if !well_formed(token, keys::prefix(self.options.mode)) {
            return Err(Denied::Unauthenticated.into());
        }
        let hash = SecretHash::of(token);
        let known = self.keys.get(&hash, || self.load_key(&hash))?.ok_or(Denied::Unauthenticated)?;
        let now = self.db.now();
        if known.revoked_at.is_some_and(|at| now >= at) {
            return Err(Denied::Unauthenticated.into());
        }
        self.note_use(&known, now);
        Ok(known.principal.clone())
    }

    fn load_key(&self, hash: &SecretHash) -> Result<Option<Arc<KnownKey>>, Error> {
        let loaded = self.db.read_blocking(|tx| sql::key_by_hash(tx, hash))?;
        // the index has found it; compare once more in a way that does not depend on where a difference is
        let Some(loaded) = loaded.filter(|loaded| loaded.hash.matches(hash)) else { return Ok(None) };
        let caller = Caller::Key {
            key_id: loaded.key.id,
            organization: loaded.key.owner.organization(),
            suspended: loaded.suspended,
            scopes: loaded.key.scopes,
        };
        Ok(Some(Arc::new(KnownKey {
            principal: Arc::new(Principal { caller }),
            key_id: loaded.key.id,
            revoked_at: loaded.key.revoked_at,
            noted_ms: AtomicI64::new(loaded.key.last_used_at.map_or(i64::MIN, Timestamp::millis)),
        })))
    }

    fn note_use(&self, known: &KnownKey, now: Timestamp) {
        let noted = known.noted_ms.load(Ordering::Relaxed);
        if now.millis().saturating_sub(noted) < MINUTE_MS {
            return;
        }
        known.noted_ms.store(now.millis(), Ordering::Relaxed);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // beyond that, somebody has forgotten to call `flush_used`
        if used.len() < USED_MAX || used.contains_key(&known.key_id) {
            used.insert(known.key_id, now);
        }
    }

    /// Writes down when keys were last used. To be called once a minute and at the end.
    ///
    /// # Errors
    /// Those of the database; what was to be written is then noted again with the next use.
    pub async fn flush_used(&self) -> Result<(), Error> {
        let used: Vec<_> = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.drain().collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        self.db.write_weighed(used.len(), move |tx| keys::note_used(tx, &used)).await
    }

    /// Who comes with this session's token. Notes at most once a minute that the session is in use.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`] when it is unknown or over.
    pub async fn session(&self, token: &str) -> Result<(Arc<Principal>, Session), Error> {
        let (principal, session) = self.db.read_blocking(|tx| sessions::authenticate(tx, token, tx.now()))?;
        if session.is_touch_due(self.db.now()) {
            let id = session.id;
            // a server too busy to note it still serves the page
            if let Err(error) = self.db.write(move |tx| sessions::touch(tx, id)).await {
                tracing::debug!(%error, "session use not noted");
            }
        }
        Ok((Arc::new(principal), session))
    }

    /// The organization so named, from memory like a key.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn organization(&self, name: &OrganizationRef) -> Result<Arc<Organization>, Error> {
        self.organizations
            .get(name, || {
                let found = self.db.read_blocking(|tx| organizations::lookup(tx, name))?;
                Ok::<_, Error>(found.map(Arc::new))
            })?
            .ok_or(Error::NotFound("organization"))
    }

    /// Signs a person in.
    ///
    /// # Errors
    /// [`Error::WrongCredentials`], [`Error::TooManyAttempts`], [`Error::Busy`].
    pub async fn sign_in(&self, email: &str, password: String, origin: Origin) -> Result<SignedIn, Error> {
        let account = (email.trim().to_lowercase(), origin.address.map(network));
        let verified = self.verify(&account, password, email.to_owned()).await?;
        let policy = self.options.session;
        let (session, token) = self
            .db
            .write(move |tx| {
                verified.still_holds(tx.conn()?)?;
                if let Some(stronger) = &verified.stronger {
                    sql::update_password(tx.conn()?, verified.user_id, stronger, None)?;
                }
                let by = By { actor: Actor::Anonymous, request_id: origin.request_id };
                let previous = origin.previous.as_deref();
                sessions::create(tx, &by, verified.user_id, policy, &origin.user_agent, previous)
            })
            .await?;
        Ok(SignedIn { session, token })
    }

    /// Changes a signed-in person's password; ends all their other sessions.
    ///
    /// # Errors
    /// [`Error::WrongCredentials`] when `current` is not the password, [`Error::Invalid`] for the new one,
    /// [`Error::TooManyAttempts`], [`Error::Busy`].
    pub async fn change_password(
        &self,
        by: By,
        (user, session): (UserId, SessionId),
        current: String,
        new: String,
        address: Option<IpAddr>,
    ) -> Result<(), Error> {
        let email = self.db.read_blocking(|tx| users::get(tx, user))?.email;
        let account = (email.clone(), address.map(network));
        let verified = self.verify(&account, current, email).await?;
        let hash = self.passwords.hash(new).await?;
        self.db
            .write(move |tx| {
                verified.still_holds(tx.conn()?)?;
                users::set_password(tx, &by, user, &hash, Some(session))
            })
            .await
    }

    async fn verify(
        &self,
        account: &(String, Option<IpAddr>),
        password: String,
        email: String,
    ) -> Result<Verified, Error> {
        let now = self.db.now();
        self.per_network.take(&account.1, now).map_err(too_many)?;
        self.per_account.take(account, now).map_err(too_many)?;
        let found = self.db.read(move |tx| users::credentials(tx, &email)).await?;
        let stored = found.as_ref().map(|f| f.password.clone());
        let verdict = self.passwords.verify(password.clone(), stored).await?;
        let right = match verdict {
            Verdict::Right | Verdict::RightButWeak => found.filter(|f| !f.disabled),
            Verdict::Wrong => None,
        };
        let found = right.ok_or(Error::WrongCredentials)?;
        self.per_network.give_back(&account.1);
        self.per_account.give_back(account);
        let stronger = match verdict {
            Verdict::RightButWeak => Some(self.passwords.rehash(password).await?),
            Verdict::Right | Verdict::Wrong => None,
        };
        Ok(Verified { user_id: found.user_id, password: found.password, stronger })
    }

    /// Counts that somebody without a session asked for a link to be mailed to `email`, be there such an account or not.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no address, [`Error::TooManyAttempts`].
    pub fn may_ask_for_link(&self, email: &str, address: Option<IpAddr>) -> Result<(), Error> {
        rules::email("email", email).map_err(|wrong| vec![wrong])?;
        let from = address.map(network);
        self.per_network.take(&from, self.db.now()).map_err(too_many)?;
        self.may_mail(email, &from)
    }

    /// Counts that `asker` has something mailed to an address that he names.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub fn may_mail<A: Hash>(&self, email: &str, asker: &A) -> Result<(), Error> {
        let (email, now) = (email.trim().to_lowercase(), self.db.now());
        self.mails_from_one.take(&(&email, asker), now).map_err(too_many)?;
        self.mails_in_all.take(&email, now).map_err(too_many)
    }

    /// Sets the password that somebody has chosen by the link they were sent. Ends all their sessions.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::Invalid`] for the password, [`Error::Busy`].
    pub async fn choose_password(
        &self,
        token: String,
        password: String,
        request_id: Option<String>,
    ) -> Result<User, Error> {
        self.db.read_blocking(|tx| links::check(tx, &token, tx.now()))?;
        let hash = self.passwords.hash(password).await?;
        self.db.write(move |tx| links::redeem(tx, request_id, &token, &hash)).await
    }

    /// Accepts an invitation by the link that was mailed. Who has no account yet chooses its password.
    ///
    /// # Errors
    /// [`Error::Link`], [`Error::Invalid`] for the password, [`Error::Busy`].
    pub async fn accept(
        &self,
        token: String,
        password: Option<String>,
        request_id: Option<String>,
    ) -> Result<User, Error> {
        let (_, known) = self.db.read_blocking(|tx| invitations::check(tx, &token, tx.now()))?;
        let hash = match (known, password) {
            (None, Some(password)) => Some(self.passwords.hash(password).await?),
            (Some(_), _) | (None, None) => None,
        };
        self.db.write(move |tx| invitations::accept(tx, request_id, &token, hash)).await
    }

    /// Completes the setup: the operator's account and the settings, once.
    ///
    /// # Errors
    /// [`Error::SetupComplete`], [`Error::SetupToken`], [`Error::Invalid`], [`Error::Busy`].
    pub async fn complete_setup(
        &self,
        token: String,
        form: setup::Form,
        request_id: Option<String>,
    ) -> Result<User, Error> {
        self.db.read_blocking(|tx| setup::check(tx, &token, tx.now()))?;
        setup::validate(&form, self.passwords.policy().min_chars)?;
        let password = self.passwords.hash(form.password).await?;
        let user = NewUser { email: form.email, name: form.name, password };
        let by = By { actor: Actor::Setup, request_id };
        self.db.write(move |tx| setup::complete(tx, &by, &token, &user, &form.defaults, &form.seller)).await
    }
}

const fn too_many(retry_after_ms: i64) -> Error {
    Error::TooManyAttempts { retry_after_ms }
}

/// A password that was right when it was checked.
struct Verified {
    user_id: UserId,
    password: PasswordHash,
    stronger: Option<PasswordHash>,
}

impl Verified {
    /// Hashing takes a while: the password may have been changed meanwhile.
    fn still_holds(&self, conn: &rusqlite::Connection) -> Result<(), Error> {
        if sql::password_of(conn, self.user_id)?.as_ref() == Some(&self.password) {
            return Ok(());
        }
        Err(Error::WrongCredentials)
    }
}
