//! How the text of a setting becomes a value, and back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::base::{Credits, Currency, DecimalError, MoneyError, Quantity};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// Outside TOML, where everything is text: the environment, the command line.
    Untyped(String),
    /// A TOML string.
    Text(String),
    /// A TOML number, its digits.
    Number(String),
    /// A TOML boolean.
    Flag(bool),
    /// A TOML array of strings.
    List(Vec<String>),
    /// A TOML array of whole numbers, their digits.
    Numbers(Vec<String>),
    /// A section inside of a section: what its keys say, and on which lines.
    Table(BTreeMap<String, (Raw, usize)>),
    /// Something that no setting takes: a deeper table, a date, a mixed array.
    Other(&'static str),
}

/// Why what was written is not a value of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A number that the type cannot hold.
    Range,
    /// Anything else: what it must be.
    Is(String),
}

impl Misfit {
    /// For people; `out_of_range` where the number itself was at fault.
    pub(super) fn says(self, out_of_range: &str) -> String {
        match self {
            Self::Range => out_of_range.to_owned(),
            Self::Is(message) => message,
        }
    }
}

impl From<&str> for Misfit {
    fn from(message: &str) -> Self {
        Self::Is(message.to_owned())
    }
}

impl From<String> for Misfit {
    fn from(message: String) -> Self {
        Self::Is(message)
    }
}

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// From what was written; the error says what it must be.
    fn read(raw: &Raw) -> Result<Self, Misfit>;
    /// As it would be written in the file.
    fn show(&self) -> String;
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn text(raw: &Raw) -> Result<&str, Misfit> {
    match raw {
        Raw::Untyped(text) | Raw::Text(text) => Ok(text),
        _ => Err("must be text in quotes".into()),
    }
}

fn digits<'r>(raw: &'r Raw, wanted: &str) -> Result<&'r str, Misfit> {
    match raw {
        Raw::Untyped(text) | Raw::Number(text) => Ok(text),
        _ => Err(format!("must be {wanted}, without quotes").into()),
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(raw: &Raw) -> Result<Self, Misfit> {
                const WANTED: &str = "a whole number";
                let digits = digits(raw, WANTED)?;
                // a number of that form that does not parse is below or above what the type holds
                digits.parse().map_err(|_| match digits.parse::<i128>() {
                    Ok(_) => Misfit::Range,
                    Err(_) => format!("must be {WANTED}").into(),
                })
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_numbers!(u16, u32, u64, usize, i64);

macro_rules! decimals {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(raw: &Raw) -> Result<Self, Misfit> {
                digits(raw, "a number")?.parse().map_err(|error| match error {
                    DecimalError::Overflow => Misfit::Range,
                    error => error.to_string().into(),
                })
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

decimals!(Credits, Quantity);

impl Value for bool {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        match raw {
            Raw::Flag(flag) => Ok(*flag),
            Raw::Untyped(text) if text == "true" => Ok(true),
            Raw::Untyped(text) if text == "false" => Ok(false),
            _ => Err("must be true or false".into()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        text(raw).map(str::to_owned)
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Value for PathBuf {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        match text(raw)? {
            "" => Err("must not be empty".into()),
            path => Ok(path.into()),
        }
    }

    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Value for SocketAddr {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        text(raw)?.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8080".into())
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Value for Currency {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        text(raw)?.parse().map_err(|e: MoneyError| e.to_string().into())
    }

    fn show(&self) -> String {
        quoted(self.code())
    }
}

/// Absent is written as empty text.
impl<T: Value> Value for Option<T> {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        match raw {
            Raw::Untyped(text) | Raw::Text(text) if text.is_empty() => Ok(None),
            _ => T::read(raw).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), T::show)
    }
}

/// Outside TOML the elements are separated by commas.
impl<T: Value> Value for Vec<T> {
    fn read(raw: &Raw) -> Result<Self, Misfit> {
        match raw {
            Raw::List(items) => items.iter().map(|item| T::read(&Raw::Text(item.clone()))).collect(),
            Raw::Numbers(items) => items.iter().map(|item| T::read(&Raw::Number(item.clone()))).collect(),
            Raw::Untyped(text) => {
                text.split(',').map(|item| T::read(&Raw::Untyped(item.trim().to_owned()))).collect()
            }
            _ => Err("must be a list of texts, such as [\"a\", \"b\"]".into()),
        }
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(T::show).collect();
        format!("[{}]", items.join(", "))
    }
}

/// Settings that take one of a few words.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $crate::config::value::Value for $type {
            fn read(
                raw: &$crate::config::value::Raw,
            ) -> Result<Self, $crate::config::value::Misfit> {
                match raw {
                    $($crate::config::value::Raw::Untyped(text) | $crate::config::value::Raw::Text(text)
                        if text == $word => Ok(Self::$variant),)*
                    _ => Err(concat!("must be one of", $(" \"", $word, "\""),*).into()),
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$variant => concat!("\"", $word, "\"").into(),)*
                }
            }
        }
    };
}
pub(super) use words;
