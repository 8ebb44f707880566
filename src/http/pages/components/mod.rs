//! View components: each a struct of what is shown, rendered by a template of its own in `templates/components`.
//!
//! A component is safe HTML: its template has escaped every value. Charts are drawn here, in integers, as SVG
//! without style attributes, so that they pass a strict content security policy; each carries a text summary and
//! the table behind it.

pub mod balance_bar;
pub mod chip;
pub mod code;
pub mod field;
pub mod gauge;
pub mod notice;
pub mod runway;
pub mod scale;
pub mod sparkline;
pub mod stacked_days;
pub mod table;

pub use balance_bar::BalanceBar;
pub use chip::{Chip, Tone};
pub use code::{Checklist, CodeBlock, Step};
pub use field::{Choice, Field, FormState};
pub use gauge::{Bullet, Gauge};
pub use notice::{EmptyState, ErrorSummary, Notice, Pager, Problem, Tile};
pub use runway::Runway;
pub use sparkline::Sparkline;
pub use stacked_days::StackedDays;
pub use table::DataTable;
