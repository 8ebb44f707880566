//! A bar on standard error, where there is somebody to look at it.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

/// How far a file has been read.
pub(super) struct Progress {
    shown: bool,
    total_bytes: u64,
    began: Instant,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(total_bytes: u64) -> Self {
        Self { shown: std::io::stderr().is_terminal(), total_bytes, began: Instant::now(), last: None }
    }

    /// Draws the bar, not more often than anybody can see.
    pub(super) fn at(&mut self, bytes: u64, rows: u64) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let line = line(bytes, self.total_bytes, rows, self.began.elapsed());
        // a closed standard error is no reason to stop
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }

    /// Takes the bar away.
    pub(super) fn done(&self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(bytes: u64, total_bytes: u64, rows: u64, elapsed: Duration) -> String {
    let of = |whole: u64| {
        let part = u128::from(bytes.min(total_bytes)) * u128::from(whole);
        part.checked_div(u128::from(total_bytes)).map_or(whole, |part| u64::try_from(part).unwrap_or(whole))
    };
    let filled = of(WIDTH);
    let bar: String = (0..WIDTH).map(|place| if place < filled { '#' } else { '.' }).collect();
    let speed = u128::from(rows) * 1_000 / elapsed.as_millis().max(1);
    format!("[{bar}] {:>3} %  {rows} rows  {speed}/s", of(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_an_empty_file_is_done() {
        let second = Duration::from_secs(1);
        assert_eq!(line(0, 10, 0, second), format!("[{}]   0 %  0 rows  0/s", ".".repeat(30)));
        assert_eq!(
            line(5, 10, 400, 2 * second),
            format!("[{}{}]  50 %  400 rows  200/s", "#".repeat(15), ".".repeat(15))
        );
        assert_eq!(line(0, 0, 0, second), format!("[{}] 100 %  0 rows  0/s", "#".repeat(30)));
    }
}
