//! What the figures were taken on.

use std::fs;
use std::path::Path;

/// Processor, cores, kernel, load, file system: one line.
pub(super) fn describe(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let build = if cfg!(debug_assertions) { ", DEBUG BUILD" } else { "" };
    format!(
        "{cores} cores ({model}), Linux {}, load {load} before the start, {}{build}",
        kernel.trim(),
        file_system(directory)
    )
}

/// The file system under a directory. On one that lives in memory a durable write costs nothing.
fn file_system(directory: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let kind = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(mount, _)| directory.starts_with(mount))
        .max_by_key(|(mount, _)| mount.len())
        .map_or("unknown", |(_, kind)| kind);
    let warning =
        if matches!(kind, "tmpfs" | "ramfs") { " (IN MEMORY: nothing is durable here)" } else { "" };
    format!("{} on {kind}{warning}", directory.display())
}
