//! The floor's work in PostgreSQL, where that is installed: loopback is not even touched, a Unix socket serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::run;
use super::{BenchError, sql};

/// What a careful administrator would set on a small machine; durability stays on.
const SETTINGS: &[&str] = &[
    "listen_addresses=''",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
];
const DEBIAN: &str = "/usr/lib/postgresql";

/// A private cluster, stopped when dropped.
pub(super) struct Postgres {
    programs: PathBuf,
    directory: PathBuf,
    as_user: bool,
    pub(super) version: String,
}

/// Where PostgreSQL's programs are, or `None` when it is not installed.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    found.sort();
    found.extend(std::env::split_paths(&on_path));
    found.into_iter().rev().find(|directory| {
        ["initdb", "pg_ctl", "psql", "pgbench"].iter().all(|name| directory.join(name).is_file())
    })
}

impl Postgres {
    /// A new cluster in `directory`; `None` when PostgreSQL is not installed.
    pub(super) fn start(directory: &Path) -> Result<Option<Self>, BenchError> {
        let Some(programs) = programs() else { return Ok(None) };
        fs::create_dir_all(directory)?;
        // PostgreSQL refuses to run as root
        let as_user = run(Command::new("id").arg("-u"))? == "0";
        if as_user {
            run(Command::new("chown").arg("postgres:").arg(directory))?;
        }
        let mut made = Self { programs, directory: directory.to_owned(), as_user, version: String::new() };
        made.version = run(&mut made.program("postgres", &["--version"]))?;
        let data = made.path("data");
        run(&mut made.program("initdb", &["-D", &data, "-A", "trust", "-U", "bench", "--no-sync"]))?;
        let mut options = format!("-c unix_socket_directories='{}'", directory.display());
        for setting in SETTINGS {
            options.push_str(" -c ");
            options.push_str(setting);
        }
        let log = made.path("server.log");
        run(&mut made.program("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]))?;
        fs::write(directory.join("schema.sql"), sql::POSTGRES_SCHEMA)?;
        fs::write(directory.join("single.sql"), sql::POSTGRES_SINGLE)?;
        fs::write(directory.join("set.sql"), sql::POSTGRES_SET)?;
        let (host, schema) = (made.path(""), made.path("schema.sql"));
        let arguments =
            ["-h", &host, "-U", "bench", "-d", "postgres", "-q", "-v", "ON_ERROR_STOP=1", "-f", &schema];
        run(&mut made.program("psql", &arguments))?;
        Ok(Some(made))
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let path = self.programs.join(name);
        let mut command = if self.as_user {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.args(arguments).current_dir(&self.directory);
        command
    }

    /// Single events of many wallets; events per second.
    pub(super) fn singles(&self, seconds: u64) -> Result<u64, BenchError> {
        Ok(self.pgbench("single.sql", "16", seconds)? / 1_000)
    }

    /// Sets of a thousand events; events per second.
    pub(super) fn sets(&self, seconds: u64) -> Result<u64, BenchError> {
        // a thousand events in each, and the figure is in thousandths
        self.pgbench("set.sql", "4", seconds)
    }

    /// Transactions per second, in thousandths.
    fn pgbench(&self, script: &str, clients: &str, seconds: u64) -> Result<u64, BenchError> {
        let (host, script, seconds) = (self.path(""), self.path(script), seconds.to_string());
        let arguments = [
            "-h", &host, "-U", "bench", "-n", "-M", "prepared", "-c", clients, "-j", "1", "-T", &seconds,
            "-f", &script, "postgres",
        ];
        let printed = run(&mut self.program("pgbench", &arguments))?;
        transactions_per_second_milli(&printed)
            .ok_or_else(|| BenchError::Wrong(format!("pgbench said no tps: {printed}")))
    }
}

/// `tps = 123.456789 (without initial connection time)`, in thousandths.
fn transactions_per_second_milli(printed: &str) -> Option<u64> {
    let figure = printed.lines().find_map(|line| line.strip_prefix("tps = "))?.split(' ').next()?;
    let (whole, fraction) = figure.split_once('.').unwrap_or((figure, ""));
    let milli: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u64>().ok()? * 1_000 + milli.parse::<u64>().ok()?)
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.path("data");
        if let Err(error) = run(&mut self.program("pg_ctl", &["-D", &data, "-m", "immediate", "stop"])) {
            eprintln!("PostgreSQL did not stop: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_pgbench_prints() {
        let printed = "latency average = 1.7 ms\ntps = 9123.456789 (without initial connection time)\n";
        assert_eq!(transactions_per_second_milli(printed), Some(9_123_456));
        assert_eq!(transactions_per_second_milli("tps = 57 (x)"), Some(57_000));
        assert_eq!(transactions_per_second_milli("nothing"), None);
    }
}
