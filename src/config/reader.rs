//! Where settings are looked up, and what is remembered about each.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::secret::Secret;
use super::value::{Misfit, Raw, Value};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Which line of it, from 1.
        line: usize,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// A command line argument, by its name.
    Argument(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Argument(name) => f.write_str(name),
        }
    }
}

/// A value given on the command line.
#[derive(Debug, Clone)]
pub struct Argument {
    /// The argument, as in `--listen`.
    pub name: &'static str,
    /// What it sets, as in `server.listen`.
    pub key: &'static str,
    /// To what.
    pub value: String,
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Section and key, as in `server.listen`.
    pub key: String,
    /// The value as it would be written in the file; `[hidden]` for a secret.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.source)
    }
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Section and key, or the file's name where the file as a whole cannot be read.
    pub key: String,
    /// What is wrong; never holds a secret.
    pub message: String,
    /// Where.
    pub source: Source,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.key, self.message, self.source)
    }
}

/// Everything wrong with the configuration, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Looks settings up, and notes for each what was found.
pub(super) struct Reader<'a> {
    path: PathBuf,
    /// Section and key to what the file says; what nobody asked for is unknown.
    file: BTreeMap<(String, String), (Raw, usize)>,
    env: &'a dyn Fn(&str) -> Option<String>,
    arguments: &'a [Argument],
    known_sections: Vec<&'static str>,
    settings: Vec<Setting>,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        file: Option<&Path>,
        env: &'a dyn Fn(&str) -> Option<String>,
        arguments: &'a [Argument],
    ) -> Self {
        let mut reader = Self {
            path: file.map(Path::to_path_buf).unwrap_or_default(),
            file: BTreeMap::new(),
            env,
            arguments,
            known_sections: Vec::new(),
            settings: Vec::new(),
            errors: Vec::new(),
        };
        if let Some(path) = file {
            match std::fs::read_to_string(path) {
                Ok(content) => reader.parse(&content),
                Err(error) => {
                    reader.error(
                        path.display().to_string(),
                        format!("cannot be read: {error}"),
                        Source::Default,
                    );
                }
            }
        }
        reader
    }

    /// The settings of one section, such as `payments`, or of one inside of it, such as `payments.stripe`.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 'a> {
        self.known_sections.push(name);
        if let Some((outer, inner)) = name.split_once('.') {
            let place = (outer.to_owned(), inner.to_owned());
            match self.file.remove(&place) {
                Some((Raw::Table(keys), _)) => {
                    self.file.extend(keys.into_iter().map(|(key, found)| ((name.to_owned(), key), found)));
                }
                // something else under that name is unknown
                Some(other) => drop(self.file.insert(place, other)),
                None => {}
            }
        }
        Section { reader: self, name }
    }

    /// All settings, once every section was read.
    pub(super) fn finish(mut self) -> Result<Vec<Setting>, ConfigErrors> {
        for ((section, key), (_, line)) in std::mem::take(&mut self.file) {
            let is_known = self.known_sections.contains(&section.as_str());
            let (name, message) = match (section.as_str(), key.as_str()) {
                (_, "") if is_known => continue,
                (section, "") => (format!("[{section}]"), "is not a known section"),
                // the section itself is reported
                (section, _) if !is_known && !section.is_empty() => continue,
                ("", key) => (key.to_owned(), "is not in a section"),
                (section, key) => (format!("{section}.{key}"), "is not a known setting"),
            };
            let source = Source::File { path: self.path.clone(), line };
            self.error(name, message.into(), source);
        }
        if self.errors.is_empty() { Ok(self.settings) } else { Err(ConfigErrors(self.errors)) }
    }

    fn error(&mut self, key: String, message: String, source: Source) {
        self.errors.push(ConfigError { key, message, source });
    }

    fn parse(&mut self, content: &str) {
        let line_of = |offset: usize| {
            content.get(..offset).unwrap_or(content).bytes().filter(|byte| *byte == b'\n').count() + 1
        };
        let (table, errors) = DeTable::parse_recoverable(content);
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(span.start));
            let source = Source::File { path: self.path.clone(), line };
            self.error("the file".into(), format!("is not valid TOML: {}", error.message()), source);
        }
        for (name, value) in table.get_ref() {
            let (section, line) = (name.get_ref().to_string(), line_of(name.span().start));
            if let DeValue::Table(keys) = value.get_ref() {
                for (key, value) in keys {
                    let place = (section.clone(), key.get_ref().to_string());
                    let found = match value.get_ref() {
                        DeValue::Table(inner) => Raw::Table(
                            inner
                                .iter()
                                .map(|(key, value)| {
                                    (key.get_ref().to_string(), (raw(value), line_of(key.span().start)))
                                })
                                .collect(),
                        ),
                        _ => raw(value),
                    };
                    self.file.insert(place, (found, line_of(key.span().start)));
                }
                // so that an empty section can be found to be unknown too
                self.file.insert((section, String::new()), (Raw::Other("table"), line));
            } else {
                self.file.insert((String::new(), section), (raw(value), line));
            }
        }
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Raw::Number(number.as_str().to_owned()),
        DeValue::Float(number) => Raw::Number(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .map(Raw::List)
            .or_else(|| numbers(items.iter().map(Spanned::get_ref)).map(Raw::Numbers))
            .unwrap_or(Raw::Other("a mixed list")),
        other => Raw::Other(other.type_str()),
    }
}

fn numbers<'v>(items: impl Iterator<Item = &'v DeValue<'v>>) -> Option<Vec<String>> {
    let digits = |item: &DeValue<'_>| match item {
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        _ => None,
    };
    items.map(digits).collect()
}

/// One section of the configuration while it is read.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: &'static str,
}

impl Section<'_, '_> {
    /// A setting that takes any value of its type.
    pub(super) fn value<T: Value>(&mut self, key: &str, default: T) -> T {
        self.checked(key, default, |_| Ok(()))
    }

    /// A setting with a rule of its own; the rule's error says what it must be.
    pub(super) fn checked<T: Value>(
        &mut self,
        key: &str,
        default: T,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> T {
        self.read(key, default, |value| Ok(check(value)?), "is too large")
    }

    /// A setting that lies in a range.
    pub(super) fn bounded<T: Value + PartialOrd>(
        &mut self,
        key: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let bounds = format!("must be from {} to {}", range.start().show(), range.end().show());
        let check = |value: &T| if range.contains(value) { Ok(()) } else { Err(Misfit::Range) };
        self.read(key, default, check, &bounds)
    }

    fn read<T: Value>(
        &mut self,
        key: &str,
        default: T,
        check: impl Fn(&T) -> Result<(), Misfit>,
        out_of_range: &str,
    ) -> T {
        let (value, source) = match self.find(key) {
            None => (default, Source::Default),
            Some((raw, source)) => match T::read(&raw).and_then(|value| check(&value).map(|()| value)) {
                Ok(value) => (value, source),
                Err(misfit) => {
                    self.error(key, misfit.says(out_of_range), source.clone());
                    (default, source)
                }
            },
        };
        self.note(key, value.show(), source);
        value
    }

    /// A secret: given as itself, or as the name of a file that holds it.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        self.checked_secret(key, |_| Ok(()))
    }

    /// A secret with a rule of its own; the rule's error says what it must be, and does not repeat it.
    pub(super) fn checked_secret(
        &mut self,
        key: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<Secret> {
        let read = |raw: &Raw| {
            let text = String::read(raw)?;
            check(&text)?;
            Ok(Secret::new(text))
        };
        self.hidden(key, "\"\"", read, |text| read(&Raw::Text(text)))
    }

    /// Several secrets: a list, or the name of a file with one on each line. The rule is for each of them.
    pub(super) fn secrets(&mut self, key: &str, check: impl Fn(&str) -> Result<(), String>) -> Vec<Secret> {
        let read = |texts: Vec<String>| {
            texts.iter().try_for_each(|text| check(text))?;
            Ok(texts.into_iter().map(Secret::new).collect())
        };
        let given = |raw: &Raw| read(Vec::<String>::read(raw)?);
        let lines = |text: String| read(text.lines().map(|line| line.trim().to_owned()).collect());
        self.hidden(key, "[]", given, lines).unwrap_or_default()
    }

    /// What is not shown: given as itself, or as the name of a file that holds it. `absent`: how it is written that there is
    /// none.
    fn hidden<T>(
        &mut self,
        key: &str,
        absent: &str,
        as_given: impl Fn(&Raw) -> Result<T, Misfit>,
        from_text: impl Fn(String) -> Result<T, Misfit>,
    ) -> Option<T> {
        let file_key = format!("{key}_file");
        let direct = self.find(key).filter(|(raw, _)| !is_empty(raw));
        let by_file = self.find(&file_key).filter(|(raw, _)| !is_empty(raw));
        let from_file =
            |raw: &Raw| String::read(raw).and_then(|path| Ok(read_secret(&path)?)).and_then(&from_text);
        // a stronger place wins, whichever of the two ways it uses
        let (value, source) = match (direct, by_file) {
            (None, None) => {
                self.note(key, absent.to_owned(), Source::Default);
                return None;
            }
            (Some((raw, source)), None) => (as_given(&raw), source),
            (None, Some((raw, source))) => (from_file(&raw), source),
            (Some((raw, a)), Some((_, b))) if strength(&a) > strength(&b) => (as_given(&raw), a),
            (Some((_, a)), Some((raw, b))) if strength(&b) > strength(&a) => (from_file(&raw), b),
            (Some(_), Some((_, source))) => {
                (Err(format!("is given twice: as itself and by {file_key}").into()), source)
            }
        };
        self.note(key, "[hidden]".into(), source.clone());
        match value {
            Ok(value) => Some(value),
            Err(misfit) => {
                self.error(key, misfit.says("is too large"), source);
                None
            }
        }
    }

    /// Notes that settings which fit by themselves do not fit together.
    pub(super) fn error(&mut self, key: &str, message: String, source: Source) {
        let key = format!("{}.{key}", self.name);
        self.reader.error(key, message, source);
    }

    /// Where a setting that was already read came from.
    pub(super) fn source_of(&self, key: &str) -> Source {
        let key = format!("{}.{key}", self.name);
        self.reader.settings.iter().find(|s| s.key == key).map_or(Source::Default, |s| s.source.clone())
    }

    fn note(&mut self, key: &str, value: String, source: Source) {
        let key = format!("{}.{key}", self.name);
        self.reader.settings.push(Setting { key, value, source });
    }

    /// The strongest place that gives this setting.
    fn find(&mut self, key: &str) -> Option<(Raw, Source)> {
        // taken out even when something stronger wins, so that what is left over is unknown
        let in_file = self.reader.file.remove(&(self.name.to_owned(), key.to_owned()));
        let full = format!("{}.{key}", self.name);
        if let Some(argument) = self.reader.arguments.iter().find(|argument| argument.key == full) {
            return Some((Raw::Untyped(argument.value.clone()), Source::Argument(argument.name)));
        }
        let variable = format!("TOLLBOOK_{}_{}", self.name, key).to_uppercase().replace('.', "_");
        if let Some(text) = (self.reader.env)(&variable).filter(|text| !text.is_empty()) {
            return Some((Raw::Untyped(text), Source::Environment(variable)));
        }
        let (raw, line) = in_file?;
        Some((raw, Source::File { path: self.reader.path.clone(), line }))
    }
}

fn is_empty(raw: &Raw) -> bool {
    match raw {
        Raw::Text(text) | Raw::Untyped(text) => text.is_empty(),
        Raw::List(items) => items.is_empty(),
        _ => false,
    }
}

const fn strength(source: &Source) -> u8 {
    match source {
        Source::Default => 0,
        Source::File { .. } => 1,
        Source::Environment(_) => 2,
        Source::Argument(_) => 3,
    }
}

/// A secret in a file of its own; editors and `echo` end it with a newline that is not part of it.
fn read_secret(path: &str) -> Result<String, String> {
    let content = std::fs::read_to_string(path).map_err(|e| format!("cannot be read from {path}: {e}"))?;
    let secret = content.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Err(format!("is empty in {path}")) } else { Ok(secret.to_owned()) }
}
