//! Tables as CSV (RFC 4180), made so that a spreadsheet that opens them runs nothing.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;

use crate::http::error::ApiError;

/// Says that what is filtered does not fit into a file of `rows`.
pub fn too_many(rows: usize) -> ApiError {
    let message = format!("makes more than {rows} rows, or too many to look through: take fewer days");
    ApiError::field("from", "too_many", message)
}

/// A CSV file being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Csv {
    out: String,
    row_begun: bool,
}

impl Csv {
    /// A file with its line of headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        let mut csv = Self::default();
        for heading in headings {
            csv.text(heading);
        }
        csv.end();
        csv
    }

    /// A cell of text. What a spreadsheet would take for a formula gets an apostrophe before it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        self.separate();
        if text.contains([',', '"', '\n', '\r']) {
            self.out.push('"');
            self.out.push_str(guard);
            self.out.push_str(&text.replace('"', "\"\""));
            self.out.push('"');
        } else {
            self.out.push_str(guard);
            self.out.push_str(text);
        }
        self
    }

    /// A cell with a number, as it is.
    pub fn number(&mut self, number: impl std::fmt::Display) -> &mut Self {
        self.separate();
        self.out.push_str(&number.to_string());
        self
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.out.push_str("\r\n");
        self.row_begun = false;
    }

    fn separate(&mut self) {
        if self.row_begun {
            self.out.push(',');
        }
        self.row_begun = true;
    }

    /// The file as an answer, to be saved under `name`.
    #[must_use]
    pub fn answer(self, name: &str) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
            .body(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_runs_nowhere_and_numbers_stay_numbers() {
        let mut csv = Csv::new(&["name", "credits"]);
        csv.text("=1+1").number(-5).end();
        csv.text("a \"b\", c").number("7.25").end();
        csv.text("@SUM(A1)\nB").number(0).end();
        csv.text("").text("\tx").end();
        assert_eq!(
            csv.out,
            "name,credits\r\n'=1+1,-5\r\n\"a \"\"b\"\", c\",7.25\r\n\"'@SUM(A1)\nB\",0\r\n,'\tx\r\n"
        );
    }
}
