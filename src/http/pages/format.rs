//! How amounts, quantities and times are written for people. Integers throughout.
//!
//! Credits show two decimals and up to six where they are needed, so that nothing is hidden; a headline is rounded to two,
//! and says exactly what it is in its tooltip. Worth in money is rounded to the currency's minor unit. All rounding is half
//! away from zero, and for display only: no sum is ever made of what is shown.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::base::decimal::MICROS;
use crate::base::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::base::{Credits, Currency, Day, Money, Quantity, Timestamp, Zone};

/// A true minus sign, as wide as a plus.
const MINUS: &str = "\u{2212}";
/// Units of up to so many letters are taken for abbreviations.
const SHORTEST_WORD: usize = 3;
/// Keeps a number and its unit on one line.
const NBSP: char = '\u{a0}';

/// A small value, however a template hands it over: it binds by reference, and twice where a pattern did already.
pub trait Plain<T> {
    /// The value.
    fn plain(self) -> T;
}

impl<T: Copy> Plain<T> for T {
    fn plain(self) -> T {
        self
    }
}

impl<T: Copy> Plain<T> for &T {
    fn plain(self) -> T {
        *self
    }
}

impl<T: Copy> Plain<T> for &&T {
    fn plain(self) -> T {
        **self
    }
}

/// What a credit is worth: the wallet's currency and how many credits make one unit of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// The wallet's currency.
    pub currency: Currency,
    /// Credits that make one unit of the currency; 100 unless configured.
    pub credits_per_unit: i64,
}

impl Face {
    /// The worth of `credits`, rounded half away from zero to the minor unit; `None` when that is beyond money.
    #[must_use]
    pub fn money(self, credits: Credits) -> Option<Money> {
        let scaled = i128::from(credits.micros()).checked_mul(i128::from(self.currency.minor_per_unit()))?;
        let divisor = i128::from(self.credits_per_unit.max(1)).checked_mul(i128::from(MICROS))?;
        let half = if scaled < 0 { -(divisor / 2) } else { divisor / 2 };
        let minor = i64::try_from((scaled + half) / divisor).ok()?;
        Some(Money { minor, currency: self.currency })
    }
}

/// How one reader sees numbers and times: their organization's money and timezone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// What a credit is worth.
    pub face: Face,
    /// The timezone of every date on the page.
    pub zone: Zone,
    /// Whether they may know what credits are worth in money.
    pub with_worth: bool,
}

impl Show {
    /// `4,511.00 credits · €45.11`, marked up so that the parts can be told apart.
    #[must_use]
    pub fn amount(&self, credits: impl Plain<Credits>) -> Amount {
        let credits = credits.plain();
        Amount { credits: self::credits(credits), exact: None, money: self.worth(credits) }
    }

    /// Like [`Show::amount`] with two decimals; what that hides is in its tooltip.
    #[must_use]
    pub fn headline(&self, credits: impl Plain<Credits>) -> Amount {
        let credits = credits.plain();
        let (rounded, exact) = headline(credits);
        Amount { credits: rounded, exact, money: self.worth(credits) }
    }

    /// Like [`Show::amount`] with a plus before what came in.
    #[must_use]
    pub fn change(&self, credits: impl Plain<Credits>) -> Amount {
        let plus = |positive: bool, text: String| if positive { format!("+{text}") } else { text };
        let credits = credits.plain();
        let worth = self.face.money(credits);
        Amount {
            credits: plus(credits.is_positive(), self::credits(credits)),
            exact: None,
            money: if self.with_worth {
                plus(worth.is_some_and(|m| m.minor > 0), self.worth(credits))
            } else {
                String::new()
            },
        }
    }

    /// `4,511.00 credits · €45.11` as plain text.
    #[must_use]
    pub fn amount_text(&self, credits: impl Plain<Credits>) -> String {
        let credits = credits.plain();
        self.text(credits, &self::credits(credits))
    }

    /// Like [`Show::amount_text`] with two decimals.
    #[must_use]
    pub fn headline_text(&self, credits: impl Plain<Credits>) -> String {
        let credits = credits.plain();
        self.text(credits, &headline(credits).0)
    }

    fn text(&self, credits: Credits, written: &str) -> String {
        let text = format!("{written} credits");
        if self.with_worth { format!("{text} · {}", self.worth(credits)) } else { text }
    }

    /// The worth alone: `€45.11`; nothing for those who may not know it.
    #[must_use]
    pub fn worth(&self, credits: impl Plain<Credits>) -> String {
        if !self.with_worth {
            return String::new();
        }
        self.face.money(credits.plain()).map_or_else(|| "—".into(), money)
    }

    /// `21 Nov 2026, 10:30`, in the reader's timezone.
    #[must_use]
    pub fn when(&self, at: impl Plain<Timestamp>) -> Moment {
        let at = at.plain();
        let local = self.zone.local(at);
        Moment { machine: at.to_string(), people: local.strftime("%-d %b %Y, %H:%M").to_string() }
    }

    /// `21 Nov 2026, 10:30:05`, in the reader's timezone.
    #[must_use]
    pub fn when_exactly(&self, at: impl Plain<Timestamp>) -> Moment {
        let at = at.plain();
        let local = self.zone.local(at);
        Moment { machine: at.to_string(), people: local.strftime("%-d %b %Y, %H:%M:%S").to_string() }
    }

    /// `10:30:05`, in the reader's timezone.
    #[must_use]
    pub fn clock(&self, at: impl Plain<Timestamp>) -> Moment {
        let at = at.plain();
        let local = self.zone.local(at);
        Moment { machine: at.to_string(), people: local.strftime("%H:%M:%S").to_string() }
    }

    /// `21 Nov 2026`: the day of an instant in the reader's timezone.
    #[must_use]
    pub fn date(&self, at: impl Plain<Timestamp>) -> Moment {
        let at = at.plain();
        Moment { machine: at.to_string(), people: day(self.zone.day_of(at)) }
    }
}

/// Credits and their worth, as HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    credits: String,
    exact: Option<String>,
    money: String,
}

impl HtmlSafe for Amount {}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // all parts are digits, separators and a currency code of our own making: nothing to escape
        f.write_str("<span class=\"amount\"")?;
        if let Some(exact) = &self.exact {
            write!(f, " title=\"{exact}{NBSP}credits\"")?;
        }
        write!(f, "><span class=\"amount-credits\">{}{NBSP}credits</span>", self.credits)?;
        if !self.money.is_empty() {
            write!(
                f,
                " <span class=\"amount-money\"><span class=\"amount-dot\">·{NBSP}</span>{}</span>",
                self.money
            )?;
        }
        f.write_str("</span>")
    }
}

/// An instant, as HTML: for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    machine: String,
    people: String,
}

impl HtmlSafe for Moment {}

impl Moment {
    /// For people alone, where no HTML may stand.
    #[must_use]
    pub fn text(self) -> String {
        self.people
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<time datetime=\"{}\">{}</time>", self.machine, self.people)
    }
}

/// `4,511.00`: at least two decimals, up to six where they are not zero.
#[must_use]
pub fn credits(value: impl Plain<Credits>) -> String {
    let value = value.plain();
    signed(value.micros() < 0, &decimal(value.micros().unsigned_abs(), 2))
}

/// `4,511.00`, rounded to two decimals, and the exact amount where that hides something. What would be rounded to nothing is
/// left as it is.
#[must_use]
pub fn headline(value: impl Plain<Credits>) -> (String, Option<String>) {
    let cent = i128::from(MICROS) / 100;
    let exact = value.plain();
    let micros = i128::from(exact.micros());
    let half = if micros < 0 { -cent / 2 } else { cent / 2 };
    let rounded = (micros + half) / cent * cent;
    match i64::try_from(rounded) {
        Ok(rounded) if rounded != 0 && rounded != exact.micros() => {
            (credits(Credits::from_micros(rounded)), Some(credits(exact)))
        }
        _ => (credits(exact), None),
    }
}

/// `+1,000.00` or `−2.34`.
#[must_use]
pub fn credits_change(value: Credits) -> String {
    let text = credits(value);
    if value.is_positive() { format!("+{text}") } else { text }
}

/// `€45.11`, `−$0.07`, `SEK 1,204.50`.
#[must_use]
pub fn money(value: Money) -> String {
    let plain = Money { minor: value.minor.saturating_abs(), currency: value.currency }.amount();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let dot = if fraction.is_empty() { "" } else { "." };
    // only symbols that mean one currency to everybody; the others read better as their code
    let before = match value.currency.code() {
        "EUR" => "€".into(),
        "USD" => "$".into(),
        "GBP" => "£".into(),
        code => format!("{code}{NBSP}"),
    };
    signed(value.minor < 0, &format!("{before}{}{dot}{fraction}", grouped(whole)))
}

/// A quantity in its unit: seconds as a duration, everything else counted (`1,204 messages`).
#[must_use]
pub fn quantity(value: impl Plain<Quantity>, unit: impl AsRef<str>) -> String {
    let (value, unit) = (value.plain(), unit.as_ref());
    if matches!(unit, "second" | "seconds") {
        return duration_ms(value.micros() / (MICROS / SECOND_MS));
    }
    let number = signed(value.micros() < 0, &decimal(value.micros().unsigned_abs(), 0));
    format!("{number}{NBSP}{}", plural(unit, value.micros() == MICROS))
}

/// `messages` for many, `message` for one.
///
/// A unit is the operator's own word: an English one gets its regular plural, one that is a plural already stays, and so does
/// anything else, such as `GB` or `kWh`.
#[must_use]
pub fn plural(unit: &str, one: bool) -> String {
    let is_word = unit.len() > SHORTEST_WORD && unit.bytes().all(|b| b.is_ascii_lowercase() || b == b' ');
    let is_plural = unit.ends_with('s') && !unit.ends_with("ss");
    if one || is_plural || !(is_word || unit == "day") {
        return unit.into();
    }
    let before_y = unit.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    let hisses = unit.ends_with(['s', 'x', 'z']) || unit.ends_with("ch") || unit.ends_with("sh");
    match before_y {
        Some(stem) => format!("{stem}ies"),
        None if hisses => format!("{unit}es"),
        None => format!("{unit}s"),
    }
}

/// A count of things: `1 call`, `1,204 calls`.
#[must_use]
pub fn counted(number: impl Plain<u64>, unit: &str) -> String {
    let number = number.plain();
    format!("{}{NBSP}{}", count(number), plural(unit, number == 1))
}

/// A bare count: `1,204`.
#[must_use]
pub fn count(number: impl Plain<u64>) -> String {
    grouped(&number.plain().to_string())
}

/// Seconds as minutes with two decimals, rounded half up: `1,204.52 min`.
#[must_use]
pub fn minutes(seconds: impl Plain<Quantity>) -> String {
    let micros = i128::from(seconds.plain().micros());
    let sixtieth = i128::from(MICROS) * 60 / 100;
    let hundredths = (micros + if micros < 0 { -sixtieth / 2 } else { sixtieth / 2 }) / sixtieth;
    let magnitude = hundredths.unsigned_abs();
    let text = format!("{}.{:02}{NBSP}min", grouped(&(magnitude / 100).to_string()), magnitude % 100);
    signed(hundredths < 0, &text)
}

/// The two largest parts of a length of time: `45 s`, `1 min 24 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn duration_ms(ms: i64) -> String {
    let sign = ms < 0;
    let ms = ms.saturating_abs();
    let pair = |large_ms: i64, small_ms: i64, names: (&str, &str)| {
        let first = ms / large_ms;
        let second = ms % large_ms / small_ms;
        let first_text = format!("{}{NBSP}{}", grouped(&first.to_string()), names.0);
        if second == 0 { first_text } else { format!("{first_text} {second}{NBSP}{}", names.1) }
    };
    let text = if ms < MINUTE_MS {
        format!("{}{NBSP}s", decimal((ms * 1_000).unsigned_abs(), 0))
    } else if ms < HOUR_MS {
        pair(MINUTE_MS, SECOND_MS, ("min", "s"))
    } else if ms < DAY_MS {
        pair(HOUR_MS, MINUTE_MS, ("h", "min"))
    } else {
        pair(DAY_MS, HOUR_MS, ("d", "h"))
    };
    signed(sign, &text)
}

/// How long something lasts, roughly: `less than an hour`, `about 6 hours`, `about 9 days`, `over a year`.
#[must_use]
pub fn about_ms(ms: i64) -> String {
    let rounded = |unit_ms: i64| (ms + unit_ms / 2) / unit_ms;
    if ms < HOUR_MS {
        "less than an hour".into()
    } else if rounded(HOUR_MS) < 48 {
        let hours = rounded(HOUR_MS);
        format!("about {hours}{NBSP}{}", plural("hour", hours == 1))
    } else if rounded(DAY_MS) <= 365 {
        format!("about {}{NBSP}days", rounded(DAY_MS))
    } else {
        "over a year".into()
    }
}

/// `21 Nov 2026`.
#[must_use]
pub fn day(day: impl Plain<Day>) -> String {
    day.plain().date().strftime("%-d %b %Y").to_string()
}

/// `21 Nov`.
#[must_use]
pub fn day_short(day: impl Plain<Day>) -> String {
    day.plain().date().strftime("%-d %b").to_string()
}

/// `Saturday 21 November 2026`.
#[must_use]
pub fn day_long(day: impl Plain<Day>) -> String {
    day.plain().date().strftime("%A %-d %B %Y").to_string()
}

/// `Sat 21 Nov`.
#[must_use]
pub fn day_in_week(day: impl Plain<Day>) -> String {
    day.plain().date().strftime("%a %-d %b").to_string()
}

/// A part of a whole with one decimal, rounded half up: `12.3 %`; `—` of nothing.
#[must_use]
pub fn share(part: Credits, whole: Credits) -> String {
    if whole.micros() <= 0 || part.micros() < 0 {
        return "—".into();
    }
    let whole = i128::from(whole.micros());
    let tenths = (i128::from(part.micros()) * 1_000 + whole / 2) / whole;
    if tenths == 0 && part.is_positive() {
        return format!("<0.1{NBSP}%");
    }
    format!("{}.{}{NBSP}%", tenths / 10, tenths % 10)
}

fn signed(negative: bool, text: &str) -> String {
    if negative { format!("{MINUS}{text}") } else { text.to_owned() }
}

/// Millionths as a grouped decimal with `least` to six decimals.
fn decimal(micros: u64, least: usize) -> String {
    let scale = MICROS.unsigned_abs();
    let whole = grouped(&(micros / scale).to_string());
    let mut fraction = format!("{:06}", micros % scale);
    while fraction.len() > least && fraction.ends_with('0') {
        fraction.pop();
    }
    if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
}

/// A comma before every third digit from the right.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(text: &str) -> Credits {
        text.parse().expect(text)
    }

    fn face(code: &str) -> Face {
        Face { currency: code.parse().expect(code), credits_per_unit: 100 }
    }

    fn plain(text: &str) -> String {
        text.replace(NBSP, " ")
    }

    #[test]
    fn credits_hide_nothing() {
        for (from, to) in [
            ("4511", "4,511.00"),
            ("-0.07", "−0.07"),
            ("1234567.5", "1,234,567.50"),
            ("0.000001", "0.000001"),
            ("7.1234", "7.1234"),
            ("999", "999.00"),
            ("0", "0.00"),
        ] {
            assert_eq!(credits(c(from)), to);
        }
        assert_eq!(credits(Credits::from_micros(i64::MIN)), "−9,223,372,036,854.775808");
        assert_eq!(credits_change(c("1000")), "+1,000.00");
        assert_eq!(credits_change(c("0")), "0.00");
        assert_eq!(credits_change(c("-1000")), "−1,000.00");
    }

    #[test]
    fn headlines_are_rounded_and_say_so() {
        for (from, to, exact) in [
            ("5082.258332", "5,082.26", Some("5,082.258332")),
            ("0.005", "0.01", Some("0.005")),
            ("-0.995", "−1.00", Some("−0.995")),
            ("4511", "4,511.00", None),
            ("0.0049", "0.0049", None),
            ("0", "0.00", None),
        ] {
            assert_eq!(headline(c(from)), (to.to_owned(), exact.map(str::to_owned)), "{from}");
        }
        // beyond 64 bits when rounded
        assert_eq!(headline(Credits::from_micros(i64::MAX)).0, "9,223,372,036,854.775807");
        let show = Show { face: face("EUR"), zone: Zone::UTC, with_worth: true };
        let html = plain(&show.headline(c("5082.258332")).to_string());
        assert!(html.starts_with("<span class=\"amount\" title=\"5,082.258332 credits\"><span"), "{html}");
        assert!(html.contains("5,082.26 credits") && html.contains("€50.82"), "{html}");
        assert_eq!(plain(&show.headline_text(c("5082.258332"))), "5,082.26 credits · €50.82");
    }

    #[test]
    fn worth_is_rounded_half_away_from_zero() {
        let show = Show { face: face("EUR"), zone: Zone::UTC, with_worth: true };
        for (from, to) in [
            ("4511", "€45.11"),
            ("0.5", "€0.01"),
            ("0.499999", "€0.00"),
            ("-0.5", "−€0.01"),
            ("-0.4", "€0.00"),
            ("123456789", "€1,234,567.89"),
        ] {
            assert_eq!(show.worth(c(from)), to, "{from}");
        }
        let yen = Show { face: face("JPY"), zone: Zone::UTC, with_worth: true };
        assert_eq!(plain(&yen.worth(c("120050"))), "JPY 1,201");
        assert_eq!(plain(&show.amount_text(c("4511"))), "4,511.00 credits · €45.11");
        // a worth beyond 64 bits is left out rather than wrong
        let dear = Face { currency: face("EUR").currency, credits_per_unit: 1 };
        assert_eq!(dear.money(Credits::from_micros(i64::MAX)).map(|m| m.minor), Some(922_337_203_685_478));
    }

    #[test]
    fn quantities_follow_their_unit() {
        let q = |text: &str| text.parse::<Quantity>().expect(text);
        for (amount, unit, to) in [
            ("84", "second", "1 min 24 s"),
            ("45", "seconds", "45 s"),
            ("0.5", "second", "0.5 s"),
            ("3600", "second", "1 h"),
            ("7500", "second", "2 h 5 min"),
            ("273600", "second", "3 d 4 h"),
            ("1", "message", "1 message"),
            ("1204", "message", "1,204 messages"),
            ("1500000", "tokens", "1,500,000 tokens"),
            ("330", "search", "330 searches"),
            ("1", "search", "1 search"),
            ("2", "query", "2 queries"),
            ("2", "relay", "2 relays"),
            ("2", "pass", "2 passes"),
            ("2", "day", "2 days"),
            ("1", "tokens", "1 tokens"),
            ("2.5", "GB", "2.5 GB"),
            ("2", "kWh", "2 kWh"),
            ("2", "sms", "2 sms"),
            ("2", "Stück", "2 Stück"),
            ("0.5", "month", "0.5 months"),
        ] {
            assert_eq!(plain(&quantity(q(amount), unit)), to);
        }
        assert_eq!(plain(&minutes(q("84"))), "1.40 min");
        assert_eq!(plain(&minutes(q("72271"))), "1,204.52 min");
        assert_eq!(plain(&minutes(q("0.3"))), "0.01 min");
        assert_eq!(plain(&counted(1, "call")), "1 call");
        assert_eq!(plain(&counted(1204, "calls")), "1,204 calls");
    }

    #[test]
    fn rough_lengths_never_promise_more_than_they_know() {
        for (ms, to) in [
            (0, "less than an hour"),
            (HOUR_MS, "about 1 hour"),
            (6 * HOUR_MS + 20 * MINUTE_MS, "about 6 hours"),
            (9 * DAY_MS + HOUR_MS, "about 9 days"),
            (366 * DAY_MS, "over a year"),
        ] {
            assert_eq!(plain(&about_ms(ms)), to);
        }
    }

    #[test]
    fn times_are_in_the_readers_zone() {
        let show = Show { face: face("EUR"), zone: "Europe/Madrid".parse().expect("zone"), with_worth: true };
        let at: Timestamp = "2026-11-21T23:30:05Z".parse().expect("time");
        assert_eq!(
            show.when(at).to_string(),
            "<time datetime=\"2026-11-21T23:30:05Z\">22 Nov 2026, 00:30</time>"
        );
        let day: Day = "2026-11-21".parse().expect("day");
        assert_eq!(day_long(day), "Saturday 21 November 2026");
        assert_eq!(day_in_week(day), "Sat 21 Nov");
    }

    #[test]
    fn shares_add_up_by_eye() {
        assert_eq!(plain(&share(c("1"), c("3"))), "33.3 %");
        assert_eq!(plain(&share(c("0.0001"), c("300"))), "<0.1 %");
        assert_eq!(share(c("1"), c("0")), "—");
        assert_eq!(plain(&share(c("5"), c("5"))), "100.0 %");
    }
}
