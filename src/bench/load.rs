//! Keeps a number of connections busy and counts what comes back.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::client::Connection;
use super::histogram::{Histogram, micros};
use super::{BenchError, process};

/// Where requests come from and who looks at the answers. One for all connections.
pub(super) trait Source: 'static {
    /// Writes the next request of this connection.
    fn prepare(&mut self, connection: usize, out: &mut Vec<u8>);

    /// Checks the answer to it and says how many units of work it stands for. The time of an answer of none is not noted.
    fn judge(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<u64, String>;
}

/// Connections that send requests of one source.
#[derive(Clone)]
pub(super) struct Crew {
    pub(super) connections: usize,
    pub(super) source: Rc<RefCell<dyn Source>>,
    /// How many requests they send in a second, all together; `None`: the next one as soon as one is answered.
    pub(super) per_second: Option<u64>,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    /// After this time, of which the first part only warms up.
    Time { warm: Duration, measured: Duration },
    /// When this many units are done.
    Units(u64),
}

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) units: u64,
    pub(super) elapsed: Duration,
    pub(super) latency: Histogram,
    /// Processor time per unit, in nanoseconds: the load generator's and the server's.
    pub(super) client_cpu_ns: u64,
    pub(super) server_cpu_ns: u64,
}

impl Measured {
    pub(super) fn per_second(&self) -> u64 {
        self.units.saturating_mul(1_000_000) / micros(self.elapsed).max(1)
    }
}

struct Progress {
    until: Until,
    started: Instant,
    /// All units, also those of the warm-up.
    done: Cell<u64>,
    units: Cell<u64>,
    latency: RefCell<Histogram>,
    last: Cell<Instant>,
}

impl Progress {
    fn new(until: Until, now: Instant) -> Self {
        Self {
            until,
            started: now,
            done: Cell::new(0),
            units: Cell::new(0),
            latency: RefCell::new(Histogram::new()),
            last: Cell::new(now),
        }
    }

    fn over(&self) -> bool {
        match self.until {
            Until::Time { warm, measured } => self.started.elapsed() >= warm + measured,
            Until::Units(units) => self.done.get() >= units,
        }
    }

    fn record(&self, sent: Instant, now: Instant, units: u64) {
        self.done.set(self.done.get() + units);
        let counts = match self.until {
            Until::Time { warm, measured } => {
                let at = now.duration_since(self.started);
                at >= warm && at < warm + measured
            }
            Until::Units(_) => true,
        };
        if counts && units > 0 {
            self.units.set(self.units.get() + units);
            self.latency.borrow_mut().record(now.duration_since(sent));
            self.last.set(now);
        }
    }

    fn elapsed(&self) -> Duration {
        match self.until {
            Until::Time { measured, .. } => measured,
            Until::Units(_) => self.last.get().duration_since(self.started),
        }
    }
}

/// Puts `crews` to work at once against `address`, whose process is `server`; what was seen of each. Processor time is
/// per unit of all crews together.
///
/// One thread: on a small machine a second one would only take the server's place.
pub(super) fn drive(
    address: SocketAddr,
    server: u32,
    until: Until,
    crews: &[Crew],
) -> Result<Vec<Measured>, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut opened = Vec::with_capacity(crews.len());
        for crew in crews {
            let mut connections = Vec::with_capacity(crew.connections);
            for _ in 0..crew.connections {
                connections.push(Connection::open(address).await?);
            }
            opened.push(connections);
        }
        let now = Instant::now();
        let progress: Vec<_> = crews.iter().map(|_| Rc::new(Progress::new(until, now))).collect();
        let before = (process::cpu(std::process::id()), process::cpu(server));
        let mut tasks = Vec::new();
        for ((crew, connections), progress) in crews.iter().zip(opened).zip(&progress) {
            for (place, connection) in connections.into_iter().enumerate() {
                let worker = Worker {
                    place,
                    connection,
                    schedule: crew.per_second.map(|rate| Schedule::new(now, rate, crew.connections, place)),
                    source: crew.source.clone(),
                    progress: progress.clone(),
                };
                tasks.push(tokio::task::spawn_local(worker.keep_busy()));
            }
        }
        for task in tasks {
            task.await.map_err(|error| BenchError::Wrong(error.to_string()))??;
        }
        let done: u64 = progress.iter().map(|progress| progress.done.get()).sum();
        let cpu_ns = |from: Duration, to: Duration| {
            let spent = to.saturating_sub(from).as_nanos() / u128::from(done.max(1));
            u64::try_from(spent).unwrap_or(u64::MAX)
        };
        let client_cpu_ns = cpu_ns(before.0, process::cpu(std::process::id()));
        let server_cpu_ns = cpu_ns(before.1, process::cpu(server));
        let measured = progress.iter().map(|progress| Measured {
            units: progress.units.get(),
            elapsed: progress.elapsed(),
            latency: progress.latency.borrow().clone(),
            client_cpu_ns,
            server_cpu_ns,
        });
        Ok(measured.collect())
    })
}

/// Keeps `connections` busy with one source.
pub(super) fn drive_one<S: Source>(
    address: SocketAddr,
    server: u32,
    connections: usize,
    until: Until,
    source: Rc<RefCell<S>>,
) -> Result<Measured, BenchError> {
    let measured = drive(address, server, until, &[Crew { connections, source, per_second: None }])?;
    measured.into_iter().next().ok_or_else(|| BenchError::Wrong("nothing was measured".into()))
}

/// When a connection of a crew with a pace sends.
struct Schedule {
    next: Instant,
    every: Duration,
}

impl Schedule {
    /// Of the connection in `place`, so that all of them together keep the pace evenly.
    fn new(start: Instant, per_second: u64, connections: usize, place: usize) -> Self {
        let share = |parts: usize| {
            let nanos =
                u64::try_from(parts).unwrap_or(u64::MAX).saturating_mul(1_000_000_000) / per_second.max(1);
            Duration::from_nanos(nanos)
        };
        Self { next: start + share(place), every: share(connections) }
    }

    /// Waits for the next time to send, and says since when it is due. An answer that came late does not move the ones
    /// after it: their time counts from when they should have been sent.
    async fn wait(&mut self) -> Instant {
        let due = self.next;
        self.next += self.every;
        if Instant::now() >= due {
            return due;
        }
        tokio::time::sleep_until(due.into()).await;
        // the timer's own lateness is not the server's
        Instant::now()
    }
}

struct Worker {
    place: usize,
    connection: Connection,
    schedule: Option<Schedule>,
    source: Rc<RefCell<dyn Source>>,
    progress: Rc<Progress>,
}

impl Worker {
    async fn keep_busy(mut self) -> Result<(), BenchError> {
        let mut request = Vec::new();
        while !self.progress.over() {
            request.clear();
            self.source.borrow_mut().prepare(self.place, &mut request);
            let sent = match &mut self.schedule {
                Some(schedule) => schedule.wait().await,
                None => Instant::now(),
            };
            let (status, body) = self.connection.exchange(&request).await?;
            let now = Instant::now();
            let units = self.source.borrow_mut().judge(self.place, status, body).map_err(|what| {
                let shown: String = String::from_utf8_lossy(body).chars().take(600).collect();
                BenchError::Wrong(format!("{what}: status {status}, {shown}"))
            })?;
            self.progress.record(sent, now, units);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_keep_the_pace_together() {
        let start = Instant::now();
        let first = Schedule::new(start, 1_000, 64, 0);
        let last = Schedule::new(start, 1_000, 64, 63);
        assert_eq!((first.next, first.every), (start, Duration::from_millis(64)));
        assert_eq!(last.next, start + Duration::from_millis(63));
    }
}
