//! What is run, in which order. Short parts take turns, so that a machine that drifts drifts for all of them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::events::{Events, Shape, Wallets, When};
use super::floor::Floor;
use super::histogram::micros;
use super::ids::Ids;
use super::load::{Measured, Until, drive_one};
use super::postgres::Postgres;
use super::process::{Server, disk_bytes, memory, run, this_program};
use super::report::Samples;
use super::site::{Place, Reads, Site, copy, date_text, days_ago_ms};
use super::{BenchError, Options, Part, echo, renewals};
use crate::base::time::{DAY_MS, HOUR_MS};

/// Connections that post batches.
const BATCH_CONNECTIONS: usize = 8;
const BATCH: usize = 1_000;
/// Connections that lead calls, that post events meanwhile, and how many requests about calls are made in a second then.
const CALL_CONNECTIONS: usize = 64;
const INGEST_CONNECTIONS: usize = 64;
const CALL_RATE: u64 = 1_500;
/// The small database that growth is measured against.
const SMALL: u64 = 100_000;
const SINGLE: Shape = Shape { batch: 1, ids: Ids::Random, wallets: Wallets::Many, when: When::Now };

/// One run of the benchmark.
pub(super) struct Bench<'o> {
    options: &'o Options,
    work: PathBuf,
    samples: Samples,
    notes: Vec<String>,
    site: Option<Rc<Site>>,
}

impl<'o> Bench<'o> {
    pub(super) fn new(options: &'o Options, work: PathBuf) -> Self {
        Self { options, work, samples: Samples::default(), notes: Vec::new(), site: None }
    }

    pub(super) fn into_parts(self) -> (Samples, Vec<String>) {
        (self.samples, self.notes)
    }

    fn wants(&self, part: Part) -> bool {
        self.options.only.is_empty() || self.options.only.contains(&part)
    }

    fn rounds(&self) -> u32 {
        self.options.rounds.unwrap_or(if self.options.quick { 1 } else { 3 }).max(1)
    }

    fn events(&self) -> u64 {
        self.options.events.unwrap_or(if self.options.quick { 200_000 } else { 5_000_000 })
    }

    /// How long a short part takes.
    fn length(&self) -> Duration {
        Duration::from_millis(if self.options.quick { 1_000 } else { 4_000 })
    }

    fn until(&self) -> Until {
        Until::Time { warm: self.length() / 4, measured: self.length() }
    }

    /// Everything that was asked for.
    pub(super) fn measure(&mut self) -> Result<(), BenchError> {
        if self.options.quick {
            self.notes.push("--quick: the figures only show that everything runs".into());
        }
        let posts = [Part::Singles, Part::Batches, Part::Calls, Part::Reads];
        for round in 1..=self.rounds() {
            say(&format!("round {round} of {}", self.rounds()));
            if self.wants(Part::Floor) {
                self.floor()?;
            }
            if self.wants(Part::Echo) {
                self.echo()?;
            }
            if posts.iter().any(|part| self.wants(*part)) {
                self.posts()?;
            }
            if self.wants(Part::Postgres) {
                self.postgres()?;
            }
        }
        if self.wants(Part::Renewals) {
            self.renewals()?;
        }
        if self.wants(Part::FloorGrowth) {
            self.floor_growth()?;
        }
        if self.wants(Part::Growth) {
            self.growth()?;
        }
        Ok(())
    }

    fn floor(&mut self) -> Result<(), BenchError> {
        say("floor");
        for (key, per_transaction, ids) in [
            ("floor-1", 1, Ids::Random),
            ("floor-100", 100, Ids::Random),
            ("floor-1000", 1_000, Ids::Random),
            ("floor-ordered", 1_000, Ids::TimeOrdered),
        ] {
            let mut floor = Floor::create(&self.work, ids)?;
            self.samples.add(key, floor.run(per_transaction, self.length())?);
            floor.check()?;
        }
        Ok(())
    }

    fn floor_growth(&mut self) -> Result<(), BenchError> {
        say("floor on the full table: filling");
        let mut floor = Floor::filled(&self.work, Ids::Random, self.events())?;
        for _ in 0..self.rounds() {
            for (key, per_transaction) in
                [("floor-full-1", 1), ("floor-full-100", 100), ("floor-full-1000", 1_000)]
            {
                self.samples.add(key, floor.run(per_transaction, self.length())?);
            }
        }
        floor.check()
    }

    fn echo(&mut self) -> Result<(), BenchError> {
        say("echo");
        let server = Server::start(&["bench", "--echo-server"], &[], &self.work.join("echo.log"))?;
        let mut best = 0;
        for (key, connections) in [("echo-64", 64), ("echo-256", 256)] {
            let source = Rc::new(RefCell::new(Events::new(Rc::new(echo::site()), SINGLE)));
            let measured = drive_one(server.address, server.pid(), connections, self.until(), source)?;
            self.samples.add(key, measured.per_second());
            best = best.max(measured.per_second());
        }
        self.samples.add("echo", best);
        Ok(())
    }

    /// The site, made when it is first needed.
    fn site(&mut self) -> Result<Rc<Site>, BenchError> {
        if let Some(site) = &self.site {
            return Ok(site.clone());
        }
        say("setting up organizations");
        let site = Rc::new(Site::create(&self.template())?);
        self.site = Some(site.clone());
        Ok(site)
    }

    fn template(&self) -> PathBuf {
        self.work.join("template")
    }

    /// A server on a fresh copy of the site.
    fn place(&mut self, name: &str) -> Result<(Place, PathBuf), BenchError> {
        let site = self.site()?;
        let data = self.work.join(name);
        copy(&self.template(), &data)?;
        Ok((Place::open(&data, &site)?, data))
    }

    /// Everything that is posted to or read from a small database.
    fn posts(&mut self) -> Result<(), BenchError> {
        let (mut place, _) = self.place("round")?;
        if self.wants(Part::Singles) {
            self.singles(&mut place)?;
        }
        if self.wants(Part::Batches) {
            self.batches(&mut place)?;
        }
        if self.wants(Part::Calls) {
            self.calls(&mut place)?;
        }
        if self.wants(Part::Reads) {
            say("reads");
            let measured = self.reads(&place)?;
            self.samples.add("reads", measured.per_second());
            self.samples.add("reads-p99", measured.latency.quantile_us(990));
        }
        place.check()?;
        place.server.stop()
    }

    fn singles(&mut self, place: &mut Place) -> Result<(), BenchError> {
        say("singles");
        let few = place.ingest(SINGLE, 64, self.until())?;
        let many = place.ingest(SINGLE, 256, self.until())?;
        self.samples.add("singles-64", few.per_second());
        self.samples.add("singles-256", many.per_second());
        let best = if few.per_second() >= many.per_second() { few } else { many };
        self.samples.add("singles", best.per_second());
        self.samples.add("singles-p50", best.latency.quantile_us(500));
        self.samples.add("singles-p99", best.latency.quantile_us(990));
        self.samples.add("singles-max", best.latency.quantile_us(1_000));
        self.samples.add("singles-cpu", best.server_cpu_ns);
        self.samples.add("singles-client", best.client_cpu_ns);
        let ordered = place.ingest(Shape { ids: Ids::TimeOrdered, ..SINGLE }, 64, self.until())?;
        self.samples.add("singles-ordered", ordered.per_second());
        Ok(())
    }

    fn batches(&mut self, place: &mut Place) -> Result<(), BenchError> {
        say("batches");
        let mut random = 0;
        for (key, ids, wallets) in [
            ("batch-random-many", Ids::Random, Wallets::Many),
            ("batch-random-one", Ids::Random, Wallets::One),
            ("batch-ordered-many", Ids::TimeOrdered, Wallets::Many),
            ("batch-ordered-one", Ids::TimeOrdered, Wallets::One),
        ] {
            let shape = Shape { batch: BATCH, ids, wallets, when: When::Now };
            let measured = place.ingest(shape, BATCH_CONNECTIONS, self.until())?;
            self.samples.add(key, measured.per_second());
            if ids == Ids::Random {
                random += measured.per_second();
            }
            if key == "batch-random-many" {
                self.samples.add("batch-p99", measured.latency.quantile_us(990));
                self.samples.add("batch-cpu", measured.server_cpu_ns);
                self.samples.add("batch-client", measured.client_cpu_ns);
            }
        }
        self.samples.add("batch", random / 2);
        Ok(())
    }

    fn calls(&mut self, place: &mut Place) -> Result<(), BenchError> {
        say("calls");
        let alone = place.calls(CALL_CONNECTIONS, self.until())?;
        self.samples.add("authorize", alone.per_second());
        self.samples.add("authorize-p99", alone.latency.quantile_us(990));
        let full = place.ingest(SINGLE, INGEST_CONNECTIONS, self.until())?;
        let rates = (CALL_RATE, full.per_second() / 2);
        let connections = (CALL_CONNECTIONS, INGEST_CONNECTIONS);
        let [calls, events] = place.calls_while_ingesting(SINGLE, connections, rates, self.until())?;
        self.samples.add("authorize-busy", calls.per_second());
        self.samples.add("authorize-busy-p99", calls.latency.quantile_us(990));
        self.samples.add("authorize-busy-events", events.per_second());
        Ok(())
    }

    fn reads(&self, place: &Place) -> Result<Measured, BenchError> {
        place.drive(64, self.until(), Rc::new(RefCell::new(Reads::new(&place.site))))
    }

    fn postgres(&mut self) -> Result<(), BenchError> {
        let directory = self.work.join("postgres");
        let seconds = self.length().as_secs().max(1);
        let Some(postgres) = Postgres::start(&directory)? else {
            self.notes.push("PostgreSQL: not installed (postgresql with pgbench)".into());
            return Ok(());
        };
        say("PostgreSQL");
        if !self.notes.contains(&postgres.version) {
            self.notes.push(postgres.version.clone());
        }
        self.samples.add("postgres-singles", postgres.singles(seconds)?);
        self.samples.add("postgres-sets", postgres.sets(seconds)?);
        drop(postgres);
        std::fs::remove_dir_all(directory)?;
        Ok(())
    }

    fn renewals(&mut self) -> Result<(), BenchError> {
        say("renewals");
        let count = if self.options.quick { 500 } else { 10_000 };
        let taken = renewals::measure(&self.work.join("renewals"), count)?;
        self.samples.add("renewals", micros(taken));
        Ok(())
    }

    fn growth(&mut self) -> Result<(), BenchError> {
        let (mut large, data) = self.place("large")?;
        self.fill(&mut large)?;
        for _ in 0..self.rounds() {
            let (mut small, _) = self.place("small")?;
            say("small database");
            let shape = Shape { batch: BATCH, ids: Ids::Random, wallets: Wallets::Both, when: When::Now };
            small.ingest(shape, BATCH_CONNECTIONS, Until::Units(SMALL))?;
            // the two take turns within the round
            for (place, batches, singles) in [
                (&mut small, "small-batches", "small-singles"),
                (&mut large, "large-batches", "large-singles"),
            ] {
                let measured = place.ingest(shape, BATCH_CONNECTIONS, self.until())?;
                self.samples.add(batches, measured.per_second());
                let measured = place.ingest(SINGLE, 64, self.until())?;
                self.samples.add(singles, measured.per_second());
            }
            small.check()?;
            small.server.stop()?;
            say("full database");
            let measured = self.reads(&large)?;
            self.samples.add("large-reads-p99", measured.latency.quantile_us(990));
        }
        self.samples.add("memory-load", memory(large.server.pid())?.peak_bytes);
        large.check()?;
        self.samples.add("disk", disk_bytes(&data)? / large.events.max(1));
        let large = self.starts(large, &data)?;
        self.reports(&large)?;
        let events = large.events;
        large.server.stop()?;
        self.samples.add("disk-stopped", disk_bytes(&data)? / events.max(1));
        self.verify(&data)
    }

    /// Hands in a year of history.
    fn fill(&mut self, place: &mut Place) -> Result<(), BenchError> {
        let events = self.events();
        let (start_ms, length_ms) = (days_ago_ms(365), 365 * DAY_MS - HOUR_MS);
        let step = events.div_ceil(10).max(1);
        while place.events < events {
            let when = When::Past { start_ms, length_ms, events, done: place.events };
            let shape = Shape { batch: BATCH, ids: Ids::Random, wallets: Wallets::Both, when };
            let measured = place.ingest(shape, BATCH_CONNECTIONS, Until::Units(step))?;
            self.samples.add("fill", measured.per_second());
            say(&format!("{} events, {} per second", place.events, measured.per_second()));
        }
        Ok(())
    }

    fn starts(&mut self, mut place: Place, data: &Path) -> Result<Place, BenchError> {
        for _ in 0..self.rounds() {
            let (again, taken) = place.restart(data)?;
            place = again;
            self.samples.add("start", micros(taken));
            // whatever it does after a start is done by then
            std::thread::sleep(Duration::from_secs(1));
            self.samples.add("memory-idle", memory(place.server.pid())?.now_bytes);
        }
        Ok(place)
    }

    fn reports(&mut self, place: &Place) -> Result<(), BenchError> {
        let Some(first) = place.site.organizations.first() else { return Ok(()) };
        let (from, to) = (date_text(days_ago_ms(365)), date_text(days_ago_ms(-1)));
        let path = format!("/api/v1/billing/usage?from={from}&to={to}&group_by=day,channel");
        let request = place.site.get(&path, first);
        for _ in 0..self.rounds() {
            self.samples.add("usage-report", micros(place.read_repeatedly(&request, 9)?));
        }
        Ok(())
    }

    fn verify(&mut self, data: &Path) -> Result<(), BenchError> {
        say("verify");
        let begun = Instant::now();
        let summary = run(this_program()?.arg("verify").arg("--data").arg(data))?;
        self.samples.add("verify", micros(begun.elapsed()));
        self.notes.push(format!("verify: {}", summary.lines().next_back().unwrap_or_default()));
        Ok(())
    }
}

/// Progress, beside the table.
fn say(what: &str) {
    eprintln!("… {what}");
}
