//! `tollbook bench`: what this machine does with Tollbook, beside the floor measured in the same run.
//!
//! The server under test is this very program in a child process, spoken to over HTTP on loopback. The load
//! generator checks what it is answered and, in the end, every balance: a fast server that is wrong does not pass.

mod calls;
mod client;
mod echo;
mod events;
mod floor;
mod histogram;
mod ids;
mod lines;
mod load;
mod machine;
mod phases;
mod postgres;
mod process;
pub mod renewals;
mod report;
mod site;
mod sql;

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How many organizations share the load.
const ORGANIZATIONS: usize = 1_000;

/// The arguments of `tollbook bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Short runs of everything, on a small database: to see that it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// How many events the database grows to [default: 5000000, or 200000 with --quick].
    #[arg(long)]
    events: Option<u64>,
    /// Only some parts.
    #[arg(long, value_name = "PART", value_enum, num_args = 1.., value_delimiter = ',')]
    only: Vec<Part>,
    /// Leave the files where they are.
    #[arg(long)]
    keep: bool,
    /// Also write the figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often each short part is run; the median counts [default: 3, or 1 with --quick].
    #[arg(long)]
    rounds: Option<u32>,
    /// Be the echo that the server is compared with.
    #[arg(long, hide = true)]
    echo_server: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Plain SQLite with the naive schema.
    Floor,
    /// The web server without any work.
    Echo,
    /// Events posted one by one.
    Singles,
    /// Events posted by the thousand.
    Batches,
    /// Calls asked for, extended and captured, alone and while events are posted.
    Calls,
    /// Balances read.
    Reads,
    /// The full number of events: throughput, reports, memory, disk, start, verification.
    Growth,
    /// Plain SQLite with the full number of events.
    FloorGrowth,
    /// Plans that are all renewed at the same time.
    Renewals,
    /// PostgreSQL, where installed.
    Postgres,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The machine refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A database that is read or filled past the server refused.
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
    /// An answer that is not right, or none.
    #[error("{0}")]
    Wrong(String),
}

/// Measures and prints. Says whether every bar was met.
///
/// `directory` is where to work, on the disk to be measured: a subdirectory is made in it, and removed.
///
/// # Errors
/// When something cannot be run, or answers wrongly.
pub fn run(options: &Options, directory: Option<&Path>) -> Result<bool, BenchError> {
    if options.echo_server {
        echo::serve()?;
        return Ok(true);
    }
    let parent = directory.map_or_else(std::env::temp_dir, Path::to_path_buf);
    std::fs::create_dir_all(&parent)?;
    let work = parent.canonicalize()?.join(format!("tollbook-bench-{}", std::process::id()));
    std::fs::create_dir(&work)?;
    let machine = machine::describe(&work);
    let mut out = std::io::stdout();
    writeln!(out, "{machine}")?;
    let mut bench = phases::Bench::new(options, work.clone());
    let measured = bench.measure();
    let (samples, notes) = bench.into_parts();
    let results = report::results(lines::LINES, &samples);
    write!(out, "{}", report::table(&results, &notes))?;
    if let Some(file) = &options.json {
        std::fs::write(file, report::document(&machine, &results, &notes))?;
    }
    if options.keep || measured.is_err() {
        writeln!(out, "files are in {}", work.display())?;
    } else {
        std::fs::remove_dir_all(&work)?;
    }
    measured.map(|()| results.iter().all(report::Figure::passes))
}
