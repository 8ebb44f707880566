//! The bars. Ratios are taken within one run, so they travel between machines.

use super::report::{Bar, Line, Unit};

const fn figure(key: &'static str, title: &'static str, unit: Unit) -> Line {
    Line { key, title, unit, bar: Bar::None }
}

const fn rate(key: &'static str, title: &'static str) -> Line {
    figure(key, title, Unit::PerSecond)
}

const fn times(key: &'static str, title: &'static str, permille: u64, of: &'static str) -> Line {
    Line { key, title, unit: Unit::PerSecond, bar: Bar::Times { of, permille } }
}

const fn under(key: &'static str, title: &'static str, unit: Unit, limit: u64) -> Line {
    Line { key, title, unit, bar: Bar::Under(limit) }
}

/// Everything that may be printed, in order.
pub(super) const LINES: &[Line] = &[
    rate("floor-1", "Floor, 1 event per transaction"),
    rate("floor-100", "Floor, 100 per transaction"),
    rate("floor-1000", "Floor, 1,000 per transaction"),
    rate("floor-ordered", "Floor, 1,000 per transaction, time-ordered ids"),
    rate("echo-64", "JSON echo, 64 connections"),
    rate("echo-256", "JSON echo, 256 connections"),
    rate("singles-64", "Single events, 64 connections"),
    rate("singles-256", "Single events, 256 connections"),
    rate("singles-ordered", "Single events, 64 connections, time-ordered ids"),
    times("singles", "Single events, better of the two", 550, "echo"),
    times("singles", "Single events, better of the two", 1_500, "floor-100"),
    under("singles-p99", "Single events, p99 of the better", Unit::Micros, 10_000),
    figure("singles-p50", "Single events, p50 of the better", Unit::Micros),
    figure("singles-max", "Single events, slowest answer", Unit::Micros),
    figure("singles-cpu", "Server's processor time per single event", Unit::Nanos),
    figure("singles-client", "Load generator's processor time per single event", Unit::Nanos),
    times("batch-random-many", "Batches of 1,000, random ids, many wallets", 3_000, "floor-1000"),
    times("batch-random-one", "Batches of 1,000, random ids, one wallet", 3_000, "floor-1000"),
    times("batch-ordered-many", "Batches of 1,000, time-ordered ids, many wallets", 4_000, "floor-1000"),
    times("batch-ordered-one", "Batches of 1,000, time-ordered ids, one wallet", 4_000, "floor-1000"),
    figure("batch-p99", "Batches, p99 of a request (random ids, many wallets)", Unit::Micros),
    figure("batch-cpu", "Server's processor time per event in a batch", Unit::Nanos),
    figure("batch-client", "Load generator's processor time per event in a batch", Unit::Nanos),
    rate("postgres-singles", "PostgreSQL, single events, 16 clients"),
    rate("postgres-sets", "PostgreSQL, sets of 1,000"),
    times("singles", "Single events", 4_000, "postgres-singles"),
    times("batch", "Batches, random ids, mean of one and many wallets", 1_500, "postgres-sets"),
    rate("authorize", "Calls asked for, extended and captured, 64 connections"),
    figure("authorize-p99", "Authorize alone, p99", Unit::Micros),
    rate("authorize-busy-events", "Half of full load, single events"),
    rate("authorize-busy", "Calls asked for meanwhile"),
    under("authorize-busy-p99", "Authorize at half of full load, p99", Unit::Micros, 5_000),
    rate("reads", "Balance reads, 64 connections"),
    under("reads-p99", "Balance reads, p99", Unit::Micros, 2_000),
    under("renewals", "10,000 plans renewed on the sandbox, in all", Unit::Micros, 60_000_000),
    rate("floor-full-1", "Floor on the full table, 1 per transaction"),
    rate("floor-full-100", "Floor on the full table, 100 per transaction"),
    rate("floor-full-1000", "Floor on the full table, 1,000 per transaction"),
    rate("fill", "Filling, batches of 1,000 with random ids"),
    rate("small-batches", "Batches at 100,000 events"),
    times("large-batches", "Batches at the full number of events", 900, "small-batches"),
    rate("small-singles", "Single events at 100,000 events"),
    times("large-singles", "Single events at the full number of events", 900, "small-singles"),
    under("large-reads-p99", "Balance reads on the full database, p99", Unit::Micros, 2_000),
    under("usage-report", "Usage report over 12 months by day and channel", Unit::Micros, 50_000),
    under("memory-load", "Memory at full load, peak", Unit::Bytes, 250 << 20),
    under("memory-idle", "Memory idle after a start", Unit::Bytes, 60 << 20),
    under("start", "Start to first answer", Unit::Micros, 300_000),
    under("disk", "Disk per event, everything included", Unit::Bytes, 250),
    figure("disk-stopped", "Disk per event after a clean stop", Unit::Bytes),
    figure("verify", "Verification of the whole book", Unit::Micros),
];
