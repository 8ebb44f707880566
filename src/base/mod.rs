//! The words everything else is made of: amounts, ids, time.
//!
//! Nothing here does I/O except [`clock::SystemClock`], the one place where the time comes from.

pub mod clock;
pub mod decimal;
pub mod field;
pub mod id;
pub mod locale;
pub mod mode;
pub mod money;
pub mod page;
pub mod text;
pub mod time;

pub use clock::{Clock, SystemClock, TestClock};
pub use decimal::{Credits, DecimalError, Quantity};
pub use field::{FieldError, FieldErrors};
pub use id::{Id, IdError};
pub use locale::{Locale, LocaleError};
pub use mode::{Mode, ModeError};
pub use money::{Currency, Money, MoneyError};
pub use page::Page;
pub use text::Text;
pub use time::{Day, Timestamp, Zone};
