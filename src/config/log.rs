//! `[log]`: what is logged, to standard error.

use super::reader::Reader;
use super::value::words;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

words!(LogFormat { Text = "text", Json = "json" });

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is worth a line, as in `info` or `info,tollbook::db=debug`.
    pub level: String,
}

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section("log");
        Self {
            format: section.value("format", LogFormat::Text),
            level: section.checked("level", "info".into(), check_level),
        }
    }
}

// the signature of a rule of a setting
#[allow(clippy::ptr_arg)]
fn check_level(level: &String) -> Result<(), String> {
    match tracing_subscriber::EnvFilter::builder().parse(level) {
        Ok(_) if !level.is_empty() => Ok(()),
        _ => {
            Err("must be error, warn, info, debug or trace, or a filter such as \"info,tollbook=debug\""
                .into())
        }
    }
}
