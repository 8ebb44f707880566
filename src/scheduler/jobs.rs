//! The jobs: what is done, how often it is looked at, and when the next thing is due.

use std::fmt;

macro_rules! jobs {
    ($($(#[$doc:meta])* $job:ident = $name:literal, $cron:literal, $what:literal;)*) => {
        /// Something that is done from time to time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Job {
            $($(#[$doc])* $job,)*
        }

        impl Job {
            /// Every job, in the order in which they are done where several are due.
            pub const ALL: &'static [Self] = &[$(Self::$job,)*];

            /// The name in the API and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$job => $name,)*
                }
            }

            /// When it is looked whether anything is due: second, minute, hour, day, month, day of the week, in UTC.
            #[must_use]
            pub const fn cron(self) -> &'static str {
                match self {
                    $(Self::$job => $cron,)*
                }
            }

            /// What it does, for people.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$job => $what,)*
                }
            }
        }
    };
}

jobs! {
    /// Ends calls that were not heard of in time.
    CallsEnd = "calls.end", "*/5 * * * * *", "Ends calls that were not heard of in time";
    /// Tells that credit will expire.
    CreditsExpiring = "credits.expiring", "5 * * * * *", "Tells that credit will expire soon";
    /// Moves out credit that has expired.
    CreditsExpire = "credits.expire", "10 * * * * *", "Moves out credit that has expired";
    /// Charges the rent of numbers.
    NumbersRent = "numbers.rent", "*/10 * * * * *", "Charges the rent of numbers; suspends and releases those that are not paid";
    /// Renews plans.
    SubscriptionsRenew = "subscriptions.renew", "*/15 * * * * *", "Renews plans, grants their credit, and tries unpaid ones again";
    /// Posts what was earned.
    RevenuePost = "revenue.post", "20 * * * * *", "Posts what was earned and what expired, once a UTC day";
    /// Has the register asked about VAT ids again.
    VatRecheck = "vat.recheck", "25 * * * * *", "Has VAT ids asked about that were not for long";
    /// Notes when keys were last used.
    KeysUsed = "keys.used", "30 * * * * *", "Notes when API keys were last used";
    /// Forgets sessions that are over.
    SessionsPurge = "sessions.purge", "35 * * * * *", "Forgets sessions that are over";
    /// Forgets old answers to idempotent requests.
    AnswersPurge = "answers.purge", "40 * * * * *", "Forgets old answers to idempotent requests";
    /// Forgets work that was done long ago.
    OutboxPurge = "outbox.purge", "45 * * * * *", "Forgets work that was done long ago";
    /// Forgets what was told long ago.
    DeliveriesPurge = "deliveries.purge", "50 * * * * *", "Forgets mails, webhooks and events of long ago";
    /// Forgets old runs.
    RunsPurge = "jobs.purge", "55 * * * * *", "Forgets old runs of jobs";
}

impl Job {
    /// The job with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|job| job.name() == name)
    }

    /// Its place among [`Job::ALL`].
    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|job| *job == self).unwrap_or_default()
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_are_each_jobs_own() {
        for job in Job::ALL {
            assert_eq!(Job::from_name(job.name()), Some(*job));
            assert_eq!(Job::ALL.iter().filter(|other| other.cron() == job.cron()).count(), 1, "{job}");
            assert_eq!(job.cron().split(' ').count(), 6, "{job}");
        }
    }
}
