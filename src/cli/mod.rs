//! The command line. Errors go to standard error with a non-zero exit; what a script needs is alone on standard output.

mod admin;
mod checks;
mod demo;
mod import;
mod serve;

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::app::{Clocks, Opened};
use crate::base::Clock;
use crate::bench;
use crate::config::{Argument, Config, LogFormat};
use crate::db::FILE_NAME;

/// Why a command failed, as it is printed.
type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<ExitCode, Failure>;

/// Prepaid billing for platforms that run AI agents.
#[derive(Debug, Parser)]
#[command(name = "tollbook", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// Where the configuration and the data are.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", env = "TOLLBOOK_CONFIG")]
    config: Option<PathBuf>,
    /// The directory of the database, instead of the configured one
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Whether money is real: `test` or `live`, instead of the configured one
    #[arg(long, global = true, value_name = "MODE")]
    mode: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// Run a server with demo data, in test mode
    Demo(demo::Demo),
    /// Create operators, organizations, people and keys; works beside a running server
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Bring the database to this version's schema, and end
    Migrate,
    /// Look at the configuration
    #[command(subcommand)]
    Config(checks::ConfigCommand),
    /// Re-derive every balance, counter and rollup, and walk the hash chain; names the first misfit
    Verify,
    /// Bring records in; works beside a running server
    #[command(subcommand)]
    Import(import::Import),
    /// Check disk space, file permissions, schema and clock
    Doctor,
    /// Ask a running server whether it is ready; for container health checks
    Healthcheck,
    /// Measure what this machine does, on a fresh database in a temporary directory (or one in `--data`)
    Bench(bench::Options),
}

/// Runs what the command line asks for.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(command) => command.run(&cli.common),
        Command::Demo(command) => command.run(&cli.common),
        Command::Admin(command) => command.run(&cli.common),
        Command::Migrate => checks::migrate(&cli.common),
        Command::Config(command) => command.run(&cli.common),
        Command::Verify => checks::verify(&cli.common),
        Command::Import(command) => command.run(&cli.common),
        Command::Doctor => checks::doctor(&cli.common),
        Command::Healthcheck => checks::healthcheck(&cli.common),
        Command::Bench(options) => measure(&options, &cli.common),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("tollbook: {error}");
        ExitCode::FAILURE
    })
}

/// `tollbook bench`. A missed bar is a figure, not a failure.
fn measure(options: &bench::Options, common: &Common) -> Outcome {
    bench::run(options, common.data.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

impl Common {
    /// The configuration, with the command line's values on top.
    fn config(&self, more: &[Argument]) -> Result<Config, Failure> {
        let mut arguments = more.to_vec();
        let mut argument = |name, key, value: Option<String>| {
            arguments.extend(value.map(|value| Argument { name, key, value }));
        };
        argument("--data", "database.data_dir", self.data.as_ref().map(|dir| dir.display().to_string()));
        argument("--mode", "server.mode", self.mode.clone());
        let env = |name: &str| std::env::var(name).ok();
        Ok(Config::load_with(self.config.as_deref(), env, &arguments)?)
    }

    /// The configuration and the database, for a command beside the server.
    fn open(&self) -> Result<(Config, Opened), Failure> {
        let config = self.config(&[])?;
        init_log(&config);
        let clocks = Clocks::of(config.server.mode);
        let clock: Arc<dyn Clock> = clocks.clock.clone();
        let opened = Opened::new(&config, clock, false)?;
        clocks.restore(&opened.db)?;
        Ok((config, opened))
    }
}

/// The database file of this configuration: a command that looks at a book does not begin one.
fn existing_file(config: &Config) -> Result<PathBuf, Failure> {
    let file = config.database.data_dir.join(FILE_NAME);
    if file.is_file() { Ok(file) } else { Err(format!("there is no database at {}", file.display()).into()) }
}

/// Logs go to standard error.
fn init_log(config: &Config) {
    // the server's own lines say what theirs would, and what a client sends is no error of ours; the configuration can
    // ask for them again
    let quiet = "actix_server=warn,actix_http=off,rusqlite_migration=warn";
    let filter = format!("{quiet},{}", config.log.level);
    let filter = EnvFilter::builder().parse_lossy(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // fails only when there is a log already
    let _ = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
