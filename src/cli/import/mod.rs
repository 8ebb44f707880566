//! `tollbook import usage`: charges a platform's call records, once, however often the file is given.

mod columns;
mod progress;
mod refused;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use csv::{ByteRecord, Reader, StringRecord};

use super::{Common, Failure, Outcome, existing_file, init_log};
use crate::app::{Clocks, Opened, make_dir};
use crate::base::Credits;
use crate::calls;
use crate::db::{self, Db, DbError, DirLock};
use crate::identity::OrganizationRef;
use crate::ledger::Canon;
use crate::metering::{EventIn, Outcome as Charged, Refusal};
use columns::Header;
use progress::Progress;
use refused::{Refused, Row};

/// Rows in one transaction.
const BATCH: usize = 1_000;
/// How often a batch is tried while the database is busy, and how long to wait in between.
const ATTEMPTS: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);

/// Bring records in.
#[derive(Debug, Subcommand)]
pub(super) enum Import {
    /// Charge usage from a CSV file; rows that were charged before are not charged again
    #[command(after_help = COLUMNS_HELP)]
    Usage(ImportUsage),
}

const COLUMNS_HELP: &str = "\
The first line names the columns, in any order:
  id            the platform's id of the event; the same id is never charged twice (required)
  organization  org_…, or ext: and the platform's own id (required, or give --organization)
  meter         voice, chat, transfer_minute, number, or one of your own (required)
  quantity      in the meter's unit: seconds, messages, months; at most six decimals (required)
  occurred_at   RFC 3339, such as 2026-11-21T09:30:00Z (required)
  agent_id, number_id, workspace, call_id   the platform's ids
  direction     inbound or outbound
  toll_free, byok   true or false
  carrier_cost  what the carrier charged, in credits
  metadata      a JSON object";

#[derive(Debug, Args)]
pub(super) struct ImportUsage {
    /// The file, in UTF-8
    file: PathBuf,
    /// Whose usage it is, when the file has no such column
    #[arg(long, value_name = "ID")]
    organization: Option<OrganizationRef>,
    /// Check and price every row on a copy of the database; charge nothing
    #[arg(long)]
    dry_run: bool,
    /// Skip columns that are not known
    #[arg(long)]
    ignore_unknown: bool,
    /// Write refused rows to this file, with line and reason
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// How many days ago usage may have occurred, instead of the configured number
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_600))]
    max_age_days: Option<u32>,
}

/// What came of the rows.
#[derive(Default)]
struct Tally {
    rows: u64,
    charged: u64,
    duplicates: u64,
    credits: i128,
}

impl Import {
    pub(super) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::Usage(command) => command.run(common),
        }
    }
}

impl ImportUsage {
    fn run(self, common: &Common) -> Outcome {
        let mut config = common.config(&[])?;
        init_log(&config);
        existing_file(&config)?;
        if let Some(days) = self.max_age_days {
            config.usage.max_age_days = days;
        }
        let mut source = Source::open(&self.file)?;
        let header = source.header(self.organization.clone(), self.ignore_unknown)?;
        let copy = self.dry_run.then(|| ScratchCopy::of(&config.database.data_dir)).transpose()?;
        if let Some(copy) = &copy {
            config.database.data_dir.clone_from(&copy.0);
        }
        // without a server on this data the index of event ids is this process's to keep
        let lock = DirLock::acquire(&config.database.data_dir)?;
        let clocks = Clocks::of(config.server.mode);
        let opened = Opened::new(&config, clocks.clock.clone(), lock.is_some())?;
        clocks.restore(&opened.db)?;
        let mut refused = Refused::new(self.refused.as_deref(), &source.names)?;
        let charging = Charging { db: &opened.db, beside_server: lock.is_none() };
        let tally = charging.all(&mut source, &header, &mut refused)?;
        let refused = refused.finish()?;
        println!("{}", summary(&tally, refused, self.dry_run));
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The file.
struct Source {
    reader: Reader<File>,
    names: ByteRecord,
    bytes: u64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Failure> {
        let readable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|e| readable(&e))?;
        let bytes = file.metadata().map_err(|e| readable(&e))?.len();
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let names = reader.byte_headers().map_err(|e| readable(&e))?.clone();
        Ok(Self { reader, names, bytes })
    }

    fn header(&self, organization: Option<OrganizationRef>, ignore: bool) -> Result<Header, Failure> {
        let names = StringRecord::from_byte_record(self.names.clone())
            .map_err(|_| "the first line is not in UTF-8")?;
        Ok(Header::new(&names, organization, ignore)?)
    }

    fn next(&mut self) -> Result<Option<Row>, Failure> {
        let mut fields = ByteRecord::new();
        if !self.reader.read_byte_record(&mut fields)? {
            return Ok(None);
        }
        let line = fields.position().map_or(0, csv::Position::line);
        Ok(Some(Row { line, fields }))
    }
}

struct Charging<'a> {
    db: &'a Db,
    beside_server: bool,
}

impl Charging<'_> {
    fn all(&self, source: &mut Source, header: &Header, refused: &mut Refused) -> Result<Tally, Failure> {
        let mut progress = Progress::new(source.bytes);
        let mut tally = Tally::default();
        let mut canon = Canon::default();
        let mut rows = Vec::with_capacity(BATCH);
        let mut events = Vec::with_capacity(BATCH);
        while let Some(row) = source.next()? {
            tally.rows += 1;
            match parse(header, &row, &mut canon) {
                Ok(event) => {
                    rows.push(row);
                    events.push(event);
                }
                Err(reason) => refused.add(&source.names, &row, &reason)?,
            }
            if events.len() == BATCH {
                self.batch(&source.names, &mut rows, &mut events, refused, &mut tally)?;
            }
            progress.at(source.reader.position().byte(), tally.rows);
        }
        self.batch(&source.names, &mut rows, &mut events, refused, &mut tally)?;
        progress.done();
        Ok(tally)
    }

    /// Charges what has been gathered.
    fn batch(
        &self,
        names: &ByteRecord,
        rows: &mut Vec<Row>,
        events: &mut Vec<EventIn>,
        refused: &mut Refused,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let outcomes = self.record(std::mem::take(events), tally)?;
        for (row, outcome) in rows.drain(..).zip(outcomes) {
            match outcome {
                Charged::Charged(receipt) => {
                    tally.charged += 1;
                    tally.credits += i128::from(receipt.credits.micros());
                }
                Charged::Duplicate(_) => tally.duplicates += 1,
                Charged::Refused(refusal) => refused.add(names, &row, &reason(&refusal))?,
            }
        }
        if self.beside_server {
            // the server's own work comes between
            std::thread::sleep(began.elapsed());
        }
        Ok(())
    }

    fn record(&self, events: Vec<EventIn>, tally: &Tally) -> Result<Vec<Charged>, Failure> {
        let events = std::sync::Arc::new(events);
        let mut attempt = 1;
        loop {
            let batch = events.clone();
            match self.db.write_blocking(move |tx| calls::record(tx, None, None, &batch)) {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) if error.is_temporary() && attempt < ATTEMPTS => {
                    attempt += 1;
                    std::thread::sleep(WAIT);
                }
                Err(error) => return Err(stopped(&error, tally)),
            }
        }
    }
}

/// What is charged stays charged, and is not charged again.
fn stopped(error: &DbError, tally: &Tally) -> Failure {
    format!("{error}\nstopped after {} charged events; run it again to go on", tally.charged).into()
}

fn parse(header: &Header, row: &Row, canon: &mut Canon) -> Result<EventIn, String> {
    let text = StringRecord::from_byte_record(row.fields.clone()).map_err(|_| "is not in UTF-8")?;
    header.event(&text, canon).map_err(|wrong| wrong.to_string())
}

/// A refusal with the column that it is about.
fn reason(refusal: &Refusal) -> String {
    let column = match refusal {
        Refusal::UnknownMeter(_) | Refusal::NoRate => "meter",
        Refusal::UnknownOrganization | Refusal::ForeignOrganization | Refusal::Suspended => "organization",
        Refusal::NumberSuspended => "number_id",
        Refusal::Negative(column) => column,
        Refusal::TooMuch(_)
        | Refusal::Unpriceable
        | Refusal::TooMuchForOneDay
        | Refusal::InsufficientCredits { .. }
        | Refusal::Limit(_)
        | Refusal::PlanExhausted { .. }
        | Refusal::TollFreeGuard { .. } => "quantity",
        Refusal::TooOld(_) | Refusal::InTheFuture(_) => "occurred_at",
        Refusal::Conflict | Refusal::ReservedId => "id",
    };
    format!("{column}: {refusal}")
}

fn summary(tally: &Tally, refused: u64, dry_run: bool) -> String {
    let credits = i64::try_from(tally.credits).map_or(Credits::ZERO, Credits::from_micros);
    let (charged, had_been, were) = if dry_run {
        ("would be charged", "have been charged before", "would be refused")
    } else {
        ("charged", "had been charged before", "refused")
    };
    format!(
        "{} rows: {} {charged} ({credits} credits), {} {had_been}, {refused} {were}",
        tally.rows, tally.charged, tally.duplicates
    )
}

/// A copy of the database for a dry run; gone when dropped.
struct ScratchCopy(PathBuf);

impl ScratchCopy {
    fn of(data_dir: &Path) -> Result<Self, Failure> {
        let copy = Self(data_dir.join(format!("dry-run-{}", std::process::id())));
        make_dir(&copy.0)?;
        db::copy(data_dir, &copy.0)?;
        Ok(copy)
    }
}

impl Drop for ScratchCopy {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("tollbook: {} is left: {error}", self.0.display());
        }
    }
}
