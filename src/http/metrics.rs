//! Counters and timings in Prometheus' text format.

use std::time::Duration;

use actix_web::http::StatusCode;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use crate::db::Db;

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    commits: IntCounter,
    operations: IntCounter,
    failed_commits: IntCounter,
    queued: IntGauge,
}

/// The counters of one route, looked up once.
#[derive(Clone)]
pub struct RouteMetrics {
    informational: IntCounter,
    success: IntCounter,
    redirect: IntCounter,
    client_error: IntCounter,
    server_error: IntCounter,
    seconds: Histogram,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Errors
    /// When two have the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("tollbook_http_requests_total", "Requests answered."),
            &["method", "path", "status"],
        )?;
        let buckets = vec![0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];
        let seconds = HistogramVec::new(
            HistogramOpts::new("tollbook_http_request_seconds", "Time to answer.").buckets(buckets),
            &["method", "path"],
        )?;
        let commits = IntCounter::new("tollbook_db_commits_total", "Transactions committed by the writer.")?;
        let operations = IntCounter::new("tollbook_db_operations_total", "Operations run by the writer.")?;
        let failed_commits =
            IntCounter::new("tollbook_db_failed_commits_total", "Transactions that could not be committed.")?;
        let queued = IntGauge::new("tollbook_db_queued", "Operations waiting for the writer.")?;
        let registry = Registry::new();
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(commits.clone()))?;
        registry.register(Box::new(operations.clone()))?;
        registry.register(Box::new(failed_commits.clone()))?;
        registry.register(Box::new(queued.clone()))?;
        Ok(Self { registry, requests, seconds, commits, operations, failed_commits, queued })
    }

    /// The counters of a route.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> RouteMetrics {
        let counter = |status| self.requests.with_label_values(&[method, path, status]);
        RouteMetrics {
            informational: counter("1xx"),
            success: counter("2xx"),
            redirect: counter("3xx"),
            client_error: counter("4xx"),
            server_error: counter("5xx"),
            seconds: self.seconds.with_label_values(&[method, path]),
        }
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self, db: &Db) -> Vec<u8> {
        let stats = db.stats();
        advance(&self.commits, stats.commits);
        advance(&self.operations, stats.operations);
        advance(&self.failed_commits, stats.failed);
        self.queued.set(i64::try_from(stats.queued).unwrap_or(i64::MAX));
        let mut text = Vec::new();
        // writing to memory does not fail
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

/// Brings a counter up to a total that is kept elsewhere.
fn advance(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

impl RouteMetrics {
    /// Counts one answer.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        match status.as_u16() {
            0..200 => self.informational.inc(),
            200..300 => self.success.inc(),
            300..400 => self.redirect.inc(),
            400..500 => self.client_error.inc(),
            _ => self.server_error.inc(),
        }
        self.seconds.observe(took.as_secs_f64());
    }
}
