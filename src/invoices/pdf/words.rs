//! What a document says, and how it writes numbers and days, in the language of whoever gets it.

use super::super::Kind;
use crate::base::{Currency, Day, Locale, Money, Quantity};
use crate::tax::Rate;

/// Keeps a number and what belongs to it on one line.
const NBSP: char = '\u{a0}';

/// The fixed words of a document.
#[derive(Debug)]
pub(super) struct Words {
    invoice: &'static str,
    credit_note: &'static str,
    pub number: &'static str,
    pub date: &'static str,
    pub seller: &'static str,
    pub buyer: &'static str,
    pub vat_id: &'static str,
    pub description: &'static str,
    pub quantity: &'static str,
    pub amount: &'static str,
    pub net: &'static str,
    pub vat: &'static str,
    pub total: &'static str,
    pub paid: &'static str,
    pub refunded: &'static str,
    /// Stands before the number of the invoice that a credit note is about.
    pub corrects: &'static str,
    /// Stands between a document's number and its day.
    of_day: &'static str,
    pub reason: &'static str,
    page: &'static str,
    of_pages: &'static str,
    months: [&'static str; 12],
}

impl Words {
    pub(super) const fn of(locale: Locale) -> &'static Self {
        match locale {
            Locale::En => &EN,
            Locale::De => &DE,
            Locale::Es => &ES,
            Locale::Fr => &FR,
            Locale::It => &IT,
            Locale::Nl => &NL,
            Locale::Pt => &PT,
        }
    }

    pub(super) const fn title(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Invoice => self.invoice,
            Kind::CreditNote => self.credit_note,
        }
    }

    /// Which page of how many.
    pub(super) fn page(&self, number: usize, count: usize) -> String {
        format!("{} {number} {} {count}", self.page, self.of_pages)
    }

    /// A document by its number and its day.
    pub(super) fn document(&self, label: &str, day: &str) -> String {
        format!("{label} {} {day}", self.of_day)
    }
}

const EN: Words = Words {
    invoice: "Invoice",
    credit_note: "Credit note",
    number: "Number",
    date: "Date",
    seller: "From",
    buyer: "To",
    vat_id: "VAT ID",
    description: "Description",
    quantity: "Quantity",
    amount: "Amount without VAT",
    net: "Net",
    vat: "VAT",
    total: "Total",
    paid: "Paid",
    refunded: "Refunded",
    corrects: "Corrects invoice",
    of_day: "of",
    reason: "Reason",
    page: "Page",
    of_pages: "of",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
};

const DE: Words = Words {
    invoice: "Rechnung",
    // "Gutschrift" is another thing in German law: an invoice that the customer writes
    credit_note: "Rechnungskorrektur",
    number: "Nummer",
    date: "Datum",
    seller: "Rechnungssteller",
    buyer: "Rechnungsempfänger",
    vat_id: "USt-IdNr.",
    description: "Beschreibung",
    quantity: "Menge",
    amount: "Betrag ohne MwSt.",
    net: "Nettobetrag",
    vat: "MwSt.",
    total: "Gesamtbetrag",
    paid: "Bezahlt",
    refunded: "Erstattet",
    corrects: "Korrigiert die Rechnung",
    of_day: "vom",
    reason: "Grund",
    page: "Seite",
    of_pages: "von",
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
};

const ES: Words = Words {
    invoice: "Factura",
    credit_note: "Factura rectificativa",
    number: "Número",
    date: "Fecha",
    seller: "Emisor",
    buyer: "Cliente",
    vat_id: "NIF-IVA",
    description: "Descripción",
    quantity: "Cantidad",
    amount: "Importe sin IVA",
    net: "Base imponible",
    vat: "IVA",
    total: "Total",
    paid: "Pagada",
    refunded: "Reembolsada",
    corrects: "Rectifica la factura",
    of_day: "de",
    reason: "Motivo",
    page: "Página",
    of_pages: "de",
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
};

const FR: Words = Words {
    invoice: "Facture",
    credit_note: "Avoir",
    number: "Numéro",
    date: "Date",
    seller: "Émetteur",
    buyer: "Client",
    vat_id: "N° de TVA",
    description: "Désignation",
    quantity: "Quantité",
    amount: "Montant HT",
    net: "Total HT",
    vat: "TVA",
    total: "Total TTC",
    paid: "Payée",
    refunded: "Remboursé",
    corrects: "Rectifie la facture",
    of_day: "du",
    reason: "Motif",
    page: "Page",
    of_pages: "sur",
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
};

const IT: Words = Words {
    invoice: "Fattura",
    credit_note: "Nota di credito",
    number: "Numero",
    date: "Data",
    seller: "Fornitore",
    buyer: "Cliente",
    vat_id: "Partita IVA",
    description: "Descrizione",
    quantity: "Quantità",
    amount: "Importo senza IVA",
    net: "Imponibile",
    vat: "IVA",
    total: "Totale",
    paid: "Pagata",
    refunded: "Rimborsata",
    corrects: "Rettifica la fattura",
    of_day: "del",
    reason: "Motivo",
    page: "Pagina",
    of_pages: "di",
    months: [
        "gennaio",
        "febbraio",
        "marzo",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "agosto",
        "settembre",
        "ottobre",
        "novembre",
        "dicembre",
    ],
};

const NL: Words = Words {
    invoice: "Factuur",
    credit_note: "Creditfactuur",
    number: "Nummer",
    date: "Datum",
    seller: "Leverancier",
    buyer: "Klant",
    vat_id: "Btw-id",
    description: "Omschrijving",
    quantity: "Aantal",
    amount: "Bedrag zonder btw",
    net: "Totaal zonder btw",
    vat: "Btw",
    total: "Totaal",
    paid: "Betaald",
    refunded: "Terugbetaald",
    corrects: "Corrigeert factuur",
    of_day: "van",
    reason: "Reden",
    page: "Pagina",
    of_pages: "van",
    months: [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
};

const PT: Words = Words {
    invoice: "Fatura",
    credit_note: "Nota de crédito",
    number: "Número",
    date: "Data",
    seller: "Fornecedor",
    buyer: "Cliente",
    vat_id: "N.º de IVA",
    description: "Descrição",
    quantity: "Quantidade",
    amount: "Valor sem IVA",
    net: "Total sem IVA",
    vat: "IVA",
    total: "Total",
    paid: "Paga",
    refunded: "Reembolsada",
    corrects: "Retifica a fatura",
    of_day: "de",
    reason: "Motivo",
    page: "Página",
    of_pages: "de",
    months: [
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ],
};

/// A day in full.
pub(super) fn day(day: Day, locale: Locale) -> String {
    let date = day.date();
    let months = &Words::of(locale).months;
    let index = usize::try_from(date.month() - 1).unwrap_or_default();
    let (number, month, year) = (date.day(), months.get(index).copied().unwrap_or_default(), date.year());
    match locale {
        Locale::De => format!("{number}.{NBSP}{month} {year}"),
        Locale::Es | Locale::Pt => format!("{number} de {month} de {year}"),
        Locale::Fr if number == 1 => format!("1er{NBSP}{month} {year}"),
        Locale::En | Locale::Fr | Locale::It | Locale::Nl => format!("{number}{NBSP}{month} {year}"),
    }
}

/// What stands between thousands, and before decimals.
const fn marks(locale: Locale) -> (char, char) {
    match locale {
        Locale::En => (',', '.'),
        Locale::De | Locale::Es | Locale::It | Locale::Nl => ('.', ','),
        Locale::Fr | Locale::Pt => (NBSP, ','),
    }
}

/// A decimal as it is written in code (`-1234.5`), as people there write it.
fn decimal(plain: &str, locale: Locale) -> String {
    let (thousands, point) = marks(locale);
    let (sign, magnitude) = plain.strip_prefix('-').map_or(("", plain), |rest| ("-", rest));
    let (whole, decimals) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let mut written = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            written.push(thousands);
        }
        written.push(digit);
    }
    if !decimals.is_empty() {
        written.push(point);
        written.push_str(decimals);
    }
    written
}

pub(super) fn quantity(quantity: Quantity, locale: Locale) -> String {
    decimal(&quantity.to_string(), locale)
}

/// An amount with its currency: euros by their sign, others by their code, since there are many dollars.
pub(super) fn money(money: Money, locale: Locale) -> String {
    let amount = decimal(&money.amount(), locale);
    if money.currency != Currency::EUR {
        return format!("{amount}{NBSP}{}", money.currency.code());
    }
    match locale {
        Locale::En => format!("€{amount}"),
        Locale::Nl => format!("€{NBSP}{amount}"),
        Locale::De | Locale::Es | Locale::Fr | Locale::It | Locale::Pt => format!("{amount}{NBSP}€"),
    }
}

pub(super) fn rate(rate: Rate, locale: Locale) -> String {
    let percent = decimal(&rate.to_string(), locale);
    match locale {
        Locale::De | Locale::Es | Locale::Fr => format!("{percent}{NBSP}%"),
        Locale::En | Locale::It | Locale::Nl | Locale::Pt => format!("{percent}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_days_are_written_as_their_readers_do() {
        let on: Day = "2026-03-01".parse().expect("day");
        let eur = Money { minor: 123_456_789, currency: Currency::EUR };
        for (locale, written, amount, percent) in [
            (Locale::En, "1 March 2026", "€1,234,567.89", "25.5%"),
            (Locale::De, "1. März 2026", "1.234.567,89 €", "25,5 %"),
            (Locale::Es, "1 de marzo de 2026", "1.234.567,89 €", "25,5 %"),
            (Locale::Fr, "1er mars 2026", "1 234 567,89 €", "25,5 %"),
            (Locale::It, "1 marzo 2026", "1.234.567,89 €", "25,5%"),
            (Locale::Nl, "1 maart 2026", "€ 1.234.567,89", "25,5%"),
            (Locale::Pt, "1 de março de 2026", "1 234 567,89 €", "25,5%"),
        ] {
            let plain = |text: String| text.replace(NBSP, " ");
            assert_eq!(plain(day(on, locale)), written);
            assert_eq!(plain(money(eur, locale)), amount);
            assert_eq!(plain(rate(Rate::from_basis_points(2_550), locale)), percent);
        }
        let usd = Money { minor: 100, currency: "USD".parse().expect("USD") };
        assert_eq!(money(usd, Locale::En), "1.00\u{a0}USD");
        let jpy = Money { minor: 1_000, currency: "JPY".parse().expect("JPY") };
        assert_eq!(money(jpy, Locale::De), "1.000\u{a0}JPY");
        assert_eq!(quantity(Quantity::from_micros(1_234_500_000), Locale::De), "1.234,5");
        assert_eq!(quantity(Quantity::from_micros(999_000_000), Locale::En), "999");
    }
}
