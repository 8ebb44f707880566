//! Commands that look and do not touch: configuration, database, machine, server.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use rusqlite::{Connection, OpenFlags};

use super::{Common, Failure, Outcome, existing_file};
use crate::app;
use crate::base::{Clock, SystemClock};
use crate::calls;
use crate::config::Config;
use crate::db::SCHEMA_VERSION;
use crate::numbers;
use crate::payments;
use crate::subscriptions;

const WAIT: Duration = Duration::from_secs(5);
/// A clock that is further behind the file than this has stepped back.
const CLOCK_SLACK: Duration = Duration::from_mins(1);

/// Look at the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what is wrong; else print every value in force and where it comes from
    Check,
}

impl ConfigCommand {
    pub(super) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::Check => {
                let config = common.config(&[])?;
                app::looks(&config)?;
                for setting in config.settings() {
                    println!("{setting}");
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Opening the database brings it to this version's schema.
pub(super) fn migrate(common: &Common) -> Outcome {
    let (_, opened) = common.open()?;
    println!("schema version {SCHEMA_VERSION} in {}", opened.db.file().display());
    Ok(ExitCode::SUCCESS)
}

/// Re-derives everything.
pub(super) fn verify(common: &Common) -> Outcome {
    existing_file(&common.config(&[])?)?;
    let (_, opened) = common.open()?;
    let (calls::verify::Summary { usage: summary, calls, invoices }, payments) =
        opened.db.read_blocking(|tx| -> Result<_, crate::ledger::verify::VerifyError> {
            let found = (calls::verify::run(tx.conn())?, payments::verify::run(tx.conn())?);
            subscriptions::verify(tx.conn())?;
            numbers::verify(tx.conn())?;
            Ok(found)
        })?;
    println!(
        "verified: {} commits, {} transfers, {} accounts, {} wallets, {} events, {} items, {} rollups, {calls} calls, \
         {payments} payments, {invoices} invoices",
        summary.book.commits,
        summary.book.transfers,
        summary.book.accounts,
        summary.wallets,
        summary.events,
        summary.items,
        summary.rollups,
    );
    Ok(ExitCode::SUCCESS)
}

/// What one look at the machine found.
struct Finding {
    good: bool,
    what: String,
}

/// Looks at the machine.
pub(super) fn doctor(common: &Common) -> Outcome {
    let config = common.config(&[])?;
    let file = existing_file(&config)?;
    let findings = [permissions(&file)?, clock(&file)?, schema(&file)?, access(&config)];
    for finding in &findings {
        println!("{} {}", if finding.good { "ok  " } else { "BAD " }, finding.what);
    }
    let healthy = findings.iter().all(|finding| finding.good);
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Others on this machine must not read the book: neither the file nor the directory may let them in.
fn permissions(file: &Path) -> Result<Finding, Failure> {
    let mode = |path: &Path| std::fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
    let (file_mode, dir_mode) = (mode(file)?, mode(file.parent().unwrap_or(file))?);
    Ok(Finding {
        good: file_mode % 0o10 == 0 || dir_mode % 0o10 == 0,
        what: format!("{} has mode {file_mode:03o} in a directory of mode {dir_mode:03o}", file.display()),
    })
}

fn clock(file: &Path) -> Result<Finding, Failure> {
    let millis = u64::try_from(SystemClock.now().millis()).unwrap_or(0);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    let written = std::fs::metadata(file)?.modified()?;
    let good = written <= now + CLOCK_SLACK;
    let what = if good { "the clock is not behind the database" } else { "the clock is behind the database" };
    Ok(Finding { good, what: what.into() })
}

/// Looks at the file as it is: opening it as the server does would bring it up to date.
fn schema(file: &Path) -> Result<Finding, Failure> {
    // not read-only: that cannot open a file in WAL mode whose log is gone
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(Finding {
        good: usize::try_from(found).is_ok_and(|found| found <= SCHEMA_VERSION),
        what: format!("the schema has version {found}; this program writes {SCHEMA_VERSION}"),
    })
}

/// Writes and removes a file where the data is: a full or read-only disk shows here.
fn access(config: &Config) -> Finding {
    const PROBE_BYTES: usize = 16 << 20;
    let probe = config.database.data_dir.join(".doctor");
    let written = std::fs::write(&probe, vec![0; PROBE_BYTES]);
    let removed = std::fs::remove_file(&probe);
    match written.and(removed) {
        Ok(()) => {
            Finding { good: true, what: format!("{} takes 16 MiB more", config.database.data_dir.display()) }
        }
        Err(error) => {
            Finding { good: false, what: format!("{}: {error}", config.database.data_dir.display()) }
        }
    }
}

/// Asks the server whether it is ready.
pub(super) fn healthcheck(common: &Common) -> Outcome {
    let config = common.config(&[])?;
    let mut addr = config.server.listen;
    if addr.ip().is_unspecified() {
        addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), addr.port());
    }
    let mut stream = TcpStream::connect_timeout(&addr, WAIT)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(65_536).read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        println!("ready");
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("not ready: {}", answer.lines().next().unwrap_or("no answer")).into())
}
