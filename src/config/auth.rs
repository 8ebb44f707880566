//! `[auth]`: sign-in.

use super::reader::Reader;

/// Sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// After how long without a request a session ends, in minutes.
    pub session_idle_minutes: u32,
    /// After how long a session ends in any case, in hours.
    pub session_absolute_hours: u32,
    /// Failed sign-ins per account and per address before further ones have to wait.
    pub login_attempts: u32,
    /// Over how long failed sign-ins count, in minutes.
    pub login_window_minutes: u32,
    /// Shortest password, in characters.
    pub password_min_length: usize,
    /// Memory of one password hash, in KiB.
    pub argon2_memory_kib: u32,
    /// Passes of one password hash.
    pub argon2_iterations: u32,
    /// Lanes of one password hash.
    pub argon2_parallelism: u32,
    /// Password hashes computed at once; further ones wait.
    pub argon2_concurrency: usize,
    /// How long the one-time setup URL works, in minutes.
    pub setup_url_minutes: u32,
}

impl Auth {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("auth");
        let auth = Self {
            session_idle_minutes: section.bounded("session_idle_minutes", 480, 1..=43_200),
            session_absolute_hours: section.bounded("session_absolute_hours", 168, 1..=8_784),
            login_attempts: section.bounded("login_attempts", 10, 1..=1_000),
            login_window_minutes: section.bounded("login_window_minutes", 15, 1..=1_440),
            password_min_length: section.bounded("password_min_length", 12, 8..=128),
            // OWASP's recommendation for argon2id is also the least that is accepted
            // (https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html)
            argon2_memory_kib: section.bounded("argon2_memory_kib", 19_456, 19_456..=1_048_576),
            argon2_iterations: section.bounded("argon2_iterations", 2, 2..=100),
            argon2_parallelism: section.bounded("argon2_parallelism", 1, 1..=16),
            argon2_concurrency: section.bounded("argon2_concurrency", 2, 1..=16),
            setup_url_minutes: section.bounded("setup_url_minutes", 60, 1..=10_080),
        };
        if auth.session_idle_minutes > auth.session_absolute_hours * 60 {
            let source = section.source_of("session_idle_minutes");
            section.error(
                "session_idle_minutes",
                "must not be longer than session_absolute_hours".into(),
                source,
            );
        }
        auth
    }
}
