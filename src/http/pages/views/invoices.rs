//! Invoices: the list, one document, and the billing details they are made out to.

use askama::Template;

use super::chrome::Chrome;
use crate::http::pages::components::field::{Choice, Control, Field, FormState};
use crate::http::pages::components::{EmptyState, Notice, Pager};

/// A document in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceRow {
    /// Its id, as in the address.
    pub id: String,
    /// The number that people know it by.
    pub number: String,
    /// What it is: `Invoice` or `Credit note`.
    pub kind: &'static str,
    /// The day that is printed on it.
    pub day: String,
    /// Without tax.
    pub net: String,
    /// The tax.
    pub tax: String,
    /// With tax.
    pub total: String,
    /// How it stands.
    pub status: &'static str,
}

/// What the list is narrowed to. Lives in the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvoiceFilter {
    /// Names: `from`, `to` (days, both included), `kind`. Wrong input comes back with its error.
    pub form: FormState,
    /// True when anything narrows the list.
    pub active: bool,
}

impl InvoiceFilter {
    fn fields(&self) -> Vec<Field> {
        let kinds = vec![
            Choice::new("", "All"),
            Choice::new("invoice", "Invoices"),
            Choice::new("credit_note", "Credit notes"),
        ];
        vec![
            Field::new(&self.form, "from", "From", Control::Line("date")).filter(),
            Field::new(&self.form, "to", "To", Control::Line("date")).filter(),
            Field::new(&self.form, "kind", "Kind", Control::Select(kinds)).filter(),
        ]
    }
}

/// `GET /invoices`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/invoices.html")]
pub struct InvoicesPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What is to be known about how sales are taxed.
    pub tax: Notice,
    /// What the list is narrowed to.
    pub filter: InvoiceFilter,
    /// The rows, newest first.
    pub rows: Vec<InvoiceRow>,
    /// The way to the neighbouring pages.
    pub pager: Pager,
    /// Address of the same rows as CSV.
    pub csv: String,
}

impl InvoicesPage {
    fn empty(&self) -> EmptyState {
        if self.filter.active {
            EmptyState {
                title: "Nothing matches".into(),
                text: "No invoice fits this filter.".into(),
                action: Some(("/invoices".into(), "Clear the filter".into())),
            }
        } else {
            EmptyState {
                title: "No invoices yet".into(),
                text: "Your first top-up makes one.".into(),
                action: Some(("/topup".into(), "Top up".into())),
            }
        }
    }
}

/// A line of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// What was sold.
    pub description: String,
    /// How much of it.
    pub quantity: String,
    /// Without tax.
    pub net: String,
}

/// `GET /invoices/{id}`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/invoice.html")]
pub struct InvoicePage {
    /// What stands around it.
    pub chrome: Chrome,
    /// What the list says of it.
    pub row: InvoiceRow,
    /// Its lines.
    pub lines: Vec<InvoiceLine>,
    /// The tax's name and rate.
    pub tax_label: String,
    /// What credit notes have given back; empty for nothing.
    pub credited: String,
    /// When and with what it was paid; empty when it was not.
    pub paid: String,
    /// Of a credit note, its invoice: id and number.
    pub corrects: Option<(String, String)>,
    /// Of a credit note, why it was issued; empty otherwise.
    pub reason: String,
    /// What the law wants said about the tax; may be empty.
    pub note: String,
    /// Who issued it, line by line.
    pub seller: Vec<String>,
    /// Whom it went to, line by line.
    pub buyer: Vec<String>,
}

/// `GET /billing-details`.
#[derive(Debug, Clone, Template)]
#[template(path = "pages/billing_details.html")]
pub struct BillingDetailsPage {
    /// What stands around it.
    pub chrome: Chrome,
    /// How a purchase would be taxed, and what is known about the VAT id.
    pub tax: Notice,
    /// More about that, one fact a line: name and what it is.
    pub facts: Vec<(&'static str, String)>,
    /// Names: those of the billing details.
    pub form: FormState,
    /// Countries to choose from.
    pub countries: Vec<Choice>,
    /// False for who may only look.
    pub may_edit: bool,
}

impl BillingDetailsPage {
    fn fields(&self) -> Vec<Field> {
        detail_fields(&self.form, self.countries.clone())
    }
}

/// The fields of billing details, a customer's or the seller's.
#[must_use]
pub fn detail_fields(form: &FormState, countries: Vec<Choice>) -> Vec<Field> {
    let languages = vec![
        Choice::new("en", "English"),
        Choice::new("de", "Deutsch"),
        Choice::new("es", "Español"),
        Choice::new("fr", "Français"),
        Choice::new("it", "Italiano"),
        Choice::new("nl", "Nederlands"),
        Choice::new("pt", "Português"),
    ];
    vec![
            Field::line(form, "company_name", "Company name").optional().autocomplete("organization"),
            Field::line(form, "address_line1", "Street and number").optional().autocomplete("address-line1"),
            Field::line(form, "address_line2", "More of the address")
                .optional()
                .autocomplete("address-line2"),
            Field::line(form, "postal_code", "Postal code").optional().autocomplete("postal-code"),
            Field::line(form, "city", "City").optional().autocomplete("address-level2"),
            Field::line(form, "region", "State or province").optional().autocomplete("address-level1"),
            Field::new(form, "country", "Country", Control::Select(countries))
                .optional()
                .autocomplete("country")
                .hint("Decides whose VAT is charged."),
            Field::line(form, "vat_id", "VAT ID")
                .optional()
                .autocomplete("off")
                .hint("With its prefix, such as ESB12345674. Only an id that the EU's register confirmed changes the tax."),
            Field::new(form, "billing_email", "Billing email", Control::Line("email"))
                .optional()
                .autocomplete("email")
                .inputmode("email"),
            Field::new(form, "locale", "Language of invoices", Control::Select(languages)),
        ]
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::samples;
    use super::*;
    use crate::http::pages::choices;
    use crate::http::pages::components::Tone;

    fn notice() -> Notice {
        Notice { tone: Tone::Warn, text: "VAT ID not confirmed: 21 % applies.".into(), link: None }
    }

    fn row() -> InvoiceRow {
        InvoiceRow {
            id: "inv_0".into(),
            number: "INV-2026-000042".into(),
            kind: "Invoice",
            day: "21 Nov 2026".into(),
            net: "€50.00".into(),
            tax: "€10.50".into(),
            total: "€60.50".into(),
            status: "Partly credited",
        }
    }

    impl InvoicesPage {
        /// An invoice and its credit note.
        pub(crate) fn sample() -> Self {
            let note = InvoiceRow {
                id: "inv_1".into(),
                number: "CN-2026-000001".into(),
                kind: "Credit note",
                status: "Refunded",
                ..row()
            };
            Self {
                chrome: samples::chrome(Section::Invoices, &[("My Credit", "/overview"), ("Invoices", "")]),
                tax: notice(),
                filter: InvoiceFilter::default(),
                rows: vec![note, row()],
                pager: Pager { position: "2 of 2 documents".into(), ..Pager::default() },
                csv: "/invoices.csv".into(),
            }
        }

        /// Nothing yet.
        pub(crate) fn sample_empty() -> Self {
            Self { rows: Vec::new(), pager: Pager::default(), ..Self::sample() }
        }
    }

    impl InvoicePage {
        /// A credit note: it has the most to say.
        pub(crate) fn sample() -> Self {
            let crumbs = [("My Credit", "/overview"), ("Invoices", "/invoices"), ("INV-2026-000042", "")];
            Self {
                chrome: samples::chrome(Section::Invoices, &crumbs),
                row: row(),
                lines: vec![InvoiceLine {
                    description: "5,000 credits".into(),
                    quantity: "5000".into(),
                    net: "€50.00".into(),
                }],
                tax_label: "21 % tax (ES)".into(),
                credited: "€1.21".into(),
                paid: "21 Nov 2026 with Visa •••• 4242".into(),
                corrects: Some(("inv_0".into(), "INV-2026-000041".into())),
                reason: "unused".into(),
                note: "Reverse charge".into(),
                seller: vec!["Vozia Telecom S.L.".into(), "Madrid".into()],
                buyer: vec!["Ribera Dental Clinics".into()],
            }
        }
    }

    impl BillingDetailsPage {
        /// With a mistake.
        pub(crate) fn sample() -> Self {
            let crumbs = [("My Credit", "/overview"), ("Billing details", "")];
            let mut form = FormState::default();
            form.values.insert("vat_id".into(), "ESB12345675".into());
            form.errors.insert("vat_id".into(), "has a typing error: its check digits do not fit".into());
            Self {
                chrome: samples::chrome(Section::BillingDetails, &crumbs),
                tax: notice(),
                facts: vec![("VAT ID", "not confirmed yet".into())],
                form,
                countries: choices::countries(),
                may_edit: true,
            }
        }
    }
}
