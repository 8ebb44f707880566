//! What Linux says about a running process, and child processes that end with the benchmark.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BenchError;

/// `/proc` counts processor time in ticks of a hundredth of a second (`USER_HZ`, the same on every architecture
/// that Linux has kept).
const TICK: Duration = Duration::from_millis(10);
const READY: &str = "listening on http://";

/// Processor time that a process has used; zero when it is gone.
pub(super) fn cpu(pid: u32) -> Duration {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Duration::ZERO };
    // the second field is the program's name in parentheses and may hold anything
    let Some((_, rest)) = stat.rsplit_once(')') else { return Duration::ZERO };
    let ticks: u32 =
        rest.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// Resident memory of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) now_bytes: u64,
    pub(super) peak_bytes: u64,
}

pub(super) fn memory(pid: u32) -> Result<Memory, BenchError> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_ascii_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok())
            .map(|kib| kib * 1_024)
            .ok_or_else(|| BenchError::Wrong(format!("no {name} in /proc/{pid}/status")))
    };
    Ok(Memory { now_bytes: field("VmRSS:")?, peak_bytes: field("VmHWM:")? })
}

/// The size of every file in a directory.
pub(super) fn disk_bytes(directory: &Path) -> Result<u64, BenchError> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        sum += if meta.is_dir() { disk_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(sum)
}

/// This very program as a child, without the settings that the environment holds for it.
pub(super) fn this_program() -> Result<Command, BenchError> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TOLLBOOK_") {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// A server in a child process.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    /// When it was started.
    pub(super) started: Instant,
}

impl Server {
    /// Starts this very program with other arguments and waits until it says that it listens. What it logs goes
    /// to `log`.
    pub(super) fn start(
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: &Path,
    ) -> Result<Self, BenchError> {
        let started = Instant::now();
        let mut child = this_program()?
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log)?)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| BenchError::Wrong("no standard output".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(READY).map(|(_, rest)| rest.trim().to_owned()));
        // read on, or the server would one day block on a full pipe
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = address
            .and_then(|text| text.trim_end_matches('/').parse().ok())
            .ok_or_else(|| BenchError::Wrong(format!("no line `{READY}…`; its log:\n{}", tail(log))));
        match address {
            Ok(address) => Ok(Self { child, address, started }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits until it has.
    pub(super) fn stop(mut self) -> Result<(), BenchError> {
        run(Command::new("kill").arg("-TERM").arg(self.pid().to_string()))?;
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(BenchError::Wrong(format!("the server ended with {status}")))
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(BenchError::Wrong("the server did not end within 20 s of SIGTERM".into()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // already gone after `stop`
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}

/// Runs a program to its end; its standard output.
pub(super) fn run(command: &mut Command) -> Result<String, BenchError> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(BenchError::Wrong(format!(
            "{} ended with {}: {}",
            command.get_program().to_string_lossy(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
