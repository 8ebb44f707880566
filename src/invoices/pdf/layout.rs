//! Where on which page everything of a document stands.
//!
//! Everything flows from the top down, line by line, and goes on on the next page when one is full; so nothing is too long.
//! Lengths are thousandths of a point.

use super::super::{Invoice, Kind};
use super::draw::Ink;
use super::fonts::{Fonts, Weight};
use super::words::{self, Words};
use super::{Paper, countries};
use crate::base::{Locale, Zone};
use crate::identity::BillingDetails;

/// A4.
pub(super) const WIDTH: i32 = 595_276;
pub(super) const HEIGHT: i32 = 841_890;

const LEFT: i32 = 56_000;
const RIGHT: i32 = WIDTH - LEFT;
const TOP: i32 = 56_000;
/// Nothing but the footer stands below.
const BOTTOM: i32 = HEIGHT - 76_000;
/// Where the right one of two columns begins.
const MIDDLE: i32 = 310_000;
/// A logo is made to fit in here.
const LOGO: (i32, i32) = (190_000, 48_000);
/// Where the columns of the table of lines end.
const QUANTITY_RIGHT: i32 = 410_000;
const DESCRIPTION_WIDTH: i32 = 260_000;

const TEXT: i32 = 9_500;
const SMALL: i32 = 8_000;
const LINE: i32 = 13_500;

const BLACK: Ink = Ink(0x1a, 0x1a, 0x1a);
const GREY: Ink = Ink(0x5c, 0x5c, 0x5c);
const PALE: Ink = Ink(0xc4, 0xc4, 0xc4);
const GREEN: Ink = Ink(0x1b, 0x6e, 0x3c);

/// One thing to be drawn. `y` of a text is its base line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Text { x: i32, y: i32, weight: Weight, size: i32, ink: Ink, text: String },
    Rule { left: i32, right: i32, y: i32, ink: Ink },
    Frame { left: i32, top: i32, right: i32, bottom: i32, ink: Ink },
    Logo { x: i32, y: i32, width: i32, height: i32 },
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
struct Style(Weight, i32, Ink);

const PLAIN: Style = Style(Weight::Regular, TEXT, BLACK);
const STRONG: Style = Style(Weight::Bold, TEXT, BLACK);
const LABEL: Style = Style(Weight::Regular, SMALL, GREY);

/// The pages so far, and how far down the last of them is filled.
struct Flow<'a> {
    fonts: &'a Fonts,
    paper: &'a Paper<'a>,
    locale: Locale,
    words: &'static Words,
    pages: Vec<Vec<Op>>,
    page: Vec<Op>,
    y: i32,
}

/// All pages of a document.
pub(super) fn pages(fonts: &Fonts, paper: &Paper<'_>, logo_size: Option<(u32, u32)>) -> Vec<Vec<Op>> {
    let locale = paper.invoice.buyer.locale;
    let words = Words::of(locale);
    let mut flow = Flow { fonts, paper, locale, words, pages: Vec::new(), page: Vec::new(), y: TOP };
    flow.head(logo_size);
    flow.parties();
    flow.correction();
    flow.table();
    flow.totals();
    flow.note();
    flow.stamp();
    flow.finish()
}

impl Flow<'_> {
    fn put(&mut self, x: i32, y: i32, Style(weight, size, ink): Style, text: impl Into<String>) {
        self.page.push(Op::Text { x, y, weight, size, ink, text: text.into() });
    }

    fn put_right(&mut self, right: i32, y: i32, style: Style, text: &str) {
        let width = self.fonts.width(style.0, style.1, text);
        self.put(right.saturating_sub(width), y, style, text);
    }

    fn rule(&mut self, left: i32, y: i32) {
        self.page.push(Op::Rule { left, right: RIGHT, y, ink: PALE });
    }

    /// Moves on to the next page when there is less than that left of this one. Answers whether it did.
    fn room(&mut self, height: i32) -> bool {
        let full = self.y + height > BOTTOM;
        if full {
            self.pages.push(std::mem::take(&mut self.page));
            self.y = TOP;
        }
        full
    }

    /// A paragraph over the whole width.
    fn paragraph(&mut self, style: Style, text: &str) {
        for line in self.fonts.wrap(style.0, style.1, RIGHT - LEFT, text) {
            self.room(LINE);
            self.y += LINE;
            self.put(LEFT, self.y, style, line);
        }
    }

    /// Who it comes from, what it is, its number and its day.
    fn head(&mut self, logo_size: Option<(u32, u32)>) {
        let title = self.words.title(self.paper.invoice.kind);
        let mut left_bottom = TOP;
        if let Some((width, height)) = logo_size.map(|size| fitted(size, LOGO)) {
            self.page.push(Op::Logo { x: LEFT, y: TOP, width, height });
            left_bottom += height;
        } else {
            let style = Style(Weight::Bold, 15_000, BLACK);
            for line in self.fonts.wrap(style.0, style.1, MIDDLE - LEFT - 20_000, self.paper.brand) {
                left_bottom += 19_000;
                self.put(LEFT, left_bottom - 3_000, style, line);
            }
        }
        self.put_right(RIGHT, TOP + 18_000, Style(Weight::Bold, 20_000, BLACK), title);
        let mut y = TOP + 24_000;
        let issued_on = words::day(self.paper.invoice.issue_day, self.locale);
        for (label, value) in [(self.words.number, self.paper.invoice.label()), (self.words.date, issued_on)]
        {
            y += 15_000;
            let width = self.fonts.width(STRONG.0, STRONG.1, &value);
            self.put_right(RIGHT, y, STRONG, &value);
            self.put_right(RIGHT - width - 8_000, y, LABEL, label);
        }
        self.y = y.max(left_bottom) + 24_000;
    }

    /// Seller and buyer beside each other.
    fn parties(&mut self) {
        let words = self.words;
        self.y += SMALL;
        self.put(LEFT, self.y, LABEL, words.seller);
        self.put(MIDDLE, self.y, LABEL, words.buyer);
        let invoice = self.paper.invoice;
        let seller = self.party(&invoice.seller, MIDDLE - LEFT - 20_000);
        let buyer = self.party(&invoice.buyer, RIGHT - MIDDLE);
        for row in 0..seller.len().max(buyer.len()) {
            self.room(LINE);
            self.y += LINE;
            for (x, lines) in [(LEFT, &seller), (MIDDLE, &buyer)] {
                if let Some((style, line)) = lines.get(row) {
                    self.put(x, self.y, *style, line.clone());
                }
            }
        }
        self.y += 24_000;
    }

    fn party(&self, of: &BillingDetails, width: i32) -> Vec<(Style, String)> {
        let country = countries::name(&of.country, self.locale).to_owned();
        let town = format!("{} {}", of.postal_code, of.city);
        let vat_id =
            if of.vat_id.is_empty() { String::new() } else { format!("{} {}", self.words.vat_id, of.vat_id) };
        let parts = [
            (STRONG, &of.company_name),
            (PLAIN, &of.address_line1),
            (PLAIN, &of.address_line2),
            (PLAIN, &town),
            (PLAIN, &of.region),
            (PLAIN, &country),
            (PLAIN, &vat_id),
            (PLAIN, &of.billing_email),
        ];
        let wrapped = |(style, text): (Style, &String)| {
            let lines = self.fonts.wrap(style.0, style.1, width, text);
            lines.into_iter().map(move |line| (style, line))
        };
        parts.into_iter().flat_map(wrapped).collect()
    }

    /// Of a credit note: which invoice it is about, and why there is one.
    fn correction(&mut self) {
        let Some(corrected) = self.paper.corrected else { return };
        let issued_on = words::day(corrected.issue_day, self.locale);
        let about = self.words.document(&corrected.label(), &issued_on);
        self.paragraph(PLAIN, &format!("{} {about}", self.words.corrects));
        if !self.paper.invoice.reason.is_empty() {
            let why = format!("{}: {}", self.words.reason, self.paper.invoice.reason);
            self.paragraph(PLAIN, &why);
        }
        self.y += 14_000;
    }

    fn table_head(&mut self) {
        self.y += LINE;
        let style = Style(Weight::Bold, SMALL, BLACK);
        self.put(LEFT, self.y, style, self.words.description);
        self.put_right(QUANTITY_RIGHT, self.y, style, self.words.quantity);
        self.put_right(RIGHT, self.y, style, self.words.amount);
        self.y += 5_000;
        self.rule(LEFT, self.y);
        self.y += 2_000;
    }

    fn table(&mut self) {
        self.room(4 * LINE);
        self.table_head();
        let invoice = self.paper.invoice;
        for line in &invoice.lines {
            let quantity = words::quantity(line.quantity, self.locale);
            let net = words::money(line.net, self.locale);
            let mut description = self.fonts.wrap(PLAIN.0, PLAIN.1, DESCRIPTION_WIDTH, &line.description);
            if description.is_empty() {
                description.push(String::new());
            }
            for (index, part) in description.into_iter().enumerate() {
                if self.room(LINE + 6_000) {
                    self.table_head();
                }
                self.y += LINE;
                if index == 0 {
                    self.put_right(QUANTITY_RIGHT, self.y, PLAIN, &quantity);
                    self.put_right(RIGHT, self.y, PLAIN, &net);
                }
                self.put(LEFT, self.y, PLAIN, part);
            }
            self.y += 5_000;
            self.rule(LEFT, self.y);
        }
    }

    fn totals(&mut self) {
        let invoice = self.paper.invoice;
        let rate = words::rate(invoice.rate, self.locale);
        let country = invoice.tax_country.map(|country| countries::name(country.code(), self.locale));
        let country = country.map(|name| format!(" ({name})")).unwrap_or_default();
        let rows = [
            (PLAIN, self.words.net.to_owned(), invoice.amounts.net),
            (PLAIN, format!("{} {rate}{country}", self.words.vat), invoice.amounts.tax),
            (Style(Weight::Bold, 12_000, BLACK), self.words.total.to_owned(), invoice.amounts.total),
        ];
        self.room(6 * LINE);
        self.y += 8_000;
        for (style, label, amount) in rows {
            self.y += LINE + 3_000;
            self.put(MIDDLE, self.y, style, label);
            self.put_right(RIGHT, self.y, style, &words::money(amount, self.locale));
        }
        self.y += 7_000;
        self.rule(MIDDLE, self.y);
    }

    /// What the law wants said.
    fn note(&mut self) {
        if !self.paper.invoice.note.is_empty() {
            self.y += 14_000;
            self.paragraph(PLAIN, &self.paper.invoice.note);
        }
    }

    /// That it is paid, when, and with what.
    fn stamp(&mut self) {
        let Some(paid) = &self.paper.invoice.paid else { return };
        let word = match self.paper.invoice.kind {
            Kind::Invoice => self.words.paid,
            Kind::CreditNote => self.words.refunded,
        };
        let paid_on = words::day(Zone::UTC.day_of(paid.at), self.locale);
        let (strong, small) = (Style(Weight::Bold, 14_000, GREEN), Style(Weight::Regular, TEXT, GREEN));
        let mut lines = vec![(strong, word.to_uppercase()), (small, paid_on)];
        let means = self.fonts.wrap(small.0, small.1, MIDDLE - LEFT, &paid.with);
        lines.extend(means.into_iter().map(|line| (small, line)));
        let width = lines.iter().map(|(style, line)| self.fonts.width(style.0, style.1, line)).max();
        let rows = i32::try_from(lines.len()).unwrap_or(1);
        self.room(24_000 + 16_000 + LINE * rows);
        self.y += 24_000;
        let top = self.y;
        self.y += 4_000;
        for (style, line) in lines {
            self.y += if style.1 > TEXT { 16_000 } else { LINE };
            self.put(LEFT + 12_000, self.y, style, line);
        }
        self.y += 9_000;
        let right = LEFT + 24_000 + width.unwrap_or_default();
        self.page.push(Op::Frame { left: LEFT, top, right, bottom: self.y, ink: GREEN });
    }

    /// Puts under every page whose it is and which of how many.
    fn finish(mut self) -> Vec<Vec<Op>> {
        self.pages.push(std::mem::take(&mut self.page));
        let pages = std::mem::take(&mut self.pages);
        let count = pages.len();
        let invoice = self.paper.invoice;
        let whose = format!("{} · {}", invoice.seller.company_name, invoice.label());
        let whose = self.fonts.wrap(LABEL.0, LABEL.1, RIGHT - LEFT - 110_000, &whose);
        let mut finished = Vec::with_capacity(count);
        for (index, page) in pages.into_iter().enumerate() {
            self.page = page;
            self.rule(LEFT, HEIGHT - 62_000);
            let mut y = HEIGHT - 50_000;
            self.put_right(RIGHT, y, LABEL, &self.words.page(index + 1, count));
            for line in whose.iter().take(3) {
                self.put(LEFT, y, LABEL, line.clone());
                y += 11_000;
            }
            finished.push(std::mem::take(&mut self.page));
        }
        finished
    }
}

/// A picture of this many pixels, as large as it fits into a box.
fn fitted((width, height): (u32, u32), (most_wide, most_high): (i32, i32)) -> (i32, i32) {
    let (width, height) = (i64::from(width.max(1)), i64::from(height.max(1)));
    let (most_wide, most_high) = (i64::from(most_wide), i64::from(most_high));
    let (wide, high) = if width * most_high >= height * most_wide {
        (most_wide, (most_wide * height / width).max(1))
    } else {
        ((most_high * width / height).max(1), most_high)
    };
    (i32::try_from(wide).unwrap_or(1), i32::try_from(high).unwrap_or(1))
}

/// A label for who looks at the list of files.
pub(super) fn title(invoice: &Invoice) -> String {
    format!("{} {}", Words::of(invoice.buyer.locale).title(invoice.kind), invoice.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_keeps_its_shape() {
        assert_eq!(fitted((400, 100), (200, 50)), (200, 50));
        assert_eq!(fitted((100, 100), (200, 50)), (50, 50));
        assert_eq!(fitted((4_000, 10), (200, 50)), (200, 1));
        assert_eq!(fitted((0, 0), (200, 50)), (50, 50));
    }
}
