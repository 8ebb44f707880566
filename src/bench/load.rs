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

    /// Checks the answer to it and says how many units of work it stands for.
    fn judge(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<u64, String>;
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
        if counts {
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

/// Drives `connections` at once against `address`, whose process is `server`.
///
/// One thread: on a small machine a second one would only take the server's place.
pub(super) fn drive<S: Source>(
    address: SocketAddr,
    server: u32,
    connections: usize,
    until: Until,
    source: &Rc<RefCell<S>>,
) -> Result<Measured, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut opened = Vec::with_capacity(connections);
        for _ in 0..connections {
            opened.push(Connection::open(address).await?);
        }
        let now = Instant::now();
        let progress = Rc::new(Progress {
            until,
            started: now,
            done: Cell::new(0),
            units: Cell::new(0),
            latency: RefCell::new(Histogram::new()),
            last: Cell::new(now),
        });
        let before = (process::cpu(std::process::id()), process::cpu(server));
        let tasks: Vec<_> = opened
            .into_iter()
            .enumerate()
            .map(|(index, connection)| {
                tokio::task::spawn_local(keep_busy(index, connection, source.clone(), progress.clone()))
            })
            .collect();
        for task in tasks {
            task.await.map_err(|error| BenchError::Wrong(error.to_string()))??;
        }
        let cpu_ns = |from: Duration, to: Duration| {
            let spent = to.saturating_sub(from).as_nanos() / u128::from(progress.done.get().max(1));
            u64::try_from(spent).unwrap_or(u64::MAX)
        };
        Ok(Measured {
            units: progress.units.get(),
            elapsed: progress.elapsed(),
            latency: progress.latency.borrow().clone(),
            client_cpu_ns: cpu_ns(before.0, process::cpu(std::process::id())),
            server_cpu_ns: cpu_ns(before.1, process::cpu(server)),
        })
    })
}

async fn keep_busy<S: Source>(
    index: usize,
    mut connection: Connection,
    source: Rc<RefCell<S>>,
    progress: Rc<Progress>,
) -> Result<(), BenchError> {
    let mut request = Vec::new();
    while !progress.over() {
        request.clear();
        source.borrow_mut().prepare(index, &mut request);
        let sent = Instant::now();
        let (status, body) = connection.exchange(&request).await?;
        let now = Instant::now();
        let units = source.borrow_mut().judge(index, status, body).map_err(|what| {
            let shown: String = String::from_utf8_lossy(body).chars().take(600).collect();
            BenchError::Wrong(format!("{what}: status {status}, {shown}"))
        })?;
        progress.record(sent, now, units);
    }
    Ok(())
}
