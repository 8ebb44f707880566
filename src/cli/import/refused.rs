//! Rows that were not charged, and why.

use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, Writer};

use super::Failure;
use super::columns::ADDED;

/// How many are shown; the rest is counted, and in the file.
const SHOWN: u64 = 20;

/// Collects refused rows as they come.
pub(super) struct Refused {
    count: u64,
    file: Option<Writer<File>>,
}

impl Refused {
    /// Rows also go to the file at `path`, with the line and the reason in two more columns.
    pub(super) fn new(path: Option<&Path>, header: &ByteRecord) -> Result<Self, Failure> {
        let mut file = None;
        if let Some(path) = path {
            let made = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
            // rows keep the number of fields that they came with
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(made);
            // a list of refused rows that is imported again already has the two
            let names = header.iter().filter(|name| !is_added(name));
            writer.write_record(names.chain(ADDED.map(str::as_bytes)))?;
            file = Some(writer);
        }
        Ok(Self { count: 0, file })
    }

    pub(super) fn add(&mut self, header: &ByteRecord, row: &Row, reason: &str) -> Result<(), Failure> {
        self.count += 1;
        if self.count <= SHOWN {
            eprintln!("line {}: {reason}", row.line);
        }
        if let Some(file) = &mut self.file {
            let fields = row.fields.iter().enumerate();
            let kept = fields.filter(|(place, _)| !header.get(*place).is_some_and(is_added));
            let line = row.line.to_string();
            file.write_record(kept.map(|(_, field)| field).chain([line.as_bytes(), reason.as_bytes()]))?;
        }
        Ok(())
    }

    /// How many there were, once they are all written.
    pub(super) fn finish(mut self) -> Result<u64, Failure> {
        if self.count > SHOWN {
            let hint = if self.file.is_some() { "" } else { " (--refused FILE lists all)" };
            eprintln!("… and {} more{hint}", self.count - SHOWN);
        }
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        Ok(self.count)
    }
}

fn is_added(name: &[u8]) -> bool {
    ADDED.iter().any(|added| added.as_bytes() == name.trim_ascii())
}

/// A row as it came, and where.
pub(super) struct Row {
    pub line: u64,
    pub fields: ByteRecord,
}
