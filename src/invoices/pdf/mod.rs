//! Documents as PDF.
//!
//! An issued document never changes, and neither does its PDF: the bytes are stored when it is first asked for and given
//! again for ever, whatever becomes of logo, fonts and this program. The file is PDF/A-3b: fonts and colours are in it.

mod countries;
mod draw;
mod fonts;
mod layout;
mod words;

use std::sync::Arc;

use krilla::image::Image;
use rusqlite::Connection;

use super::{Error as InvoiceError, Invoice, sql};
use crate::base::id::{InvoiceId, OrganizationId};
use crate::db::{Db, DbError, WriteTx};
use fonts::Fonts;

/// What the operator's paper looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letterhead {
    /// The operator's name; stands where there is no picture that can be drawn.
    pub name: String,
    /// A picture.
    pub logo: Option<Logo>,
}

/// A picture as it is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// Its media type. PNG, JPEG and WebP can be drawn; for anything else, the name stands there.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// There is no such document, or it cannot be read.
    #[error(transparent)]
    Invoice(#[from] InvoiceError),
    /// A font in this program cannot be used.
    #[error("a font cannot be read")]
    Font,
    /// The file cannot be written.
    #[error("the PDF cannot be written: {0}")]
    Write(String),
}

/// What is put on paper.
struct Paper<'a> {
    brand: &'a str,
    invoice: &'a Invoice,
    /// Of a credit note, its invoice.
    corrected: Option<&'a Invoice>,
}

/// The PDF of a document. The same document on the same letterhead makes the same bytes.
///
/// # Errors
/// [`Error::Font`] and [`Error::Write`].
pub fn render(
    letterhead: &Letterhead,
    invoice: &Invoice,
    corrected: Option<&Invoice>,
) -> Result<Vec<u8>, Error> {
    let fonts = Fonts::new()?;
    let paper = Paper { brand: &letterhead.name, invoice, corrected };
    let with = |logo: Option<&Image>| {
        let about = draw::About {
            title: layout::title(invoice),
            author: invoice.seller.company_name.clone(),
            language: invoice.buyer.locale.tag(),
            day: invoice.issue_day,
        };
        let pages = layout::pages(&fonts, &paper, logo.map(Image::size));
        draw::file(&fonts, about, &pages, logo)
    };
    if let Some(logo) = letterhead.logo.as_ref().and_then(picture) {
        match with(Some(&logo)) {
            Ok(file) => return Ok(file),
            // whether its pixels can be read shows only now
            Err(error) => tracing::warn!(%error, "the logo cannot be drawn on an invoice"),
        }
    }
    with(None)
}

fn picture(logo: &Logo) -> Option<Image> {
    let data = || logo.bytes.clone().into();
    // not smoothed: PDF/A forbids it
    match logo.media_type {
        "image/png" => Image::from_png(data(), false).ok(),
        "image/jpeg" => Image::from_jpeg(data(), false).ok(),
        "image/webp" => Image::from_webp(data(), false).ok(),
        _ => None,
    }
}

/// A document of this organization with its PDF as it was first made; it is made now if it never was. Neither making it nor
/// asking for it waits in a transaction of others.
///
/// # Errors
/// See [`Error`]; [`InvoiceError::NotFound`] also for another organization's.
pub async fn fetch(
    db: &Db,
    letterhead: Arc<Letterhead>,
    organization: OrganizationId,
    id: InvoiceId,
) -> Result<(Invoice, Vec<u8>), Error> {
    let found = db.read(move |tx| -> Result<_, Error> {
        let invoice = super::get(tx, organization, id)?;
        if let Some(stored) = sql::pdf(tx, id)? {
            return Ok((invoice, stored, true));
        }
        let corrected = corrected(tx, &invoice)?;
        let made = render(&letterhead, &invoice, corrected.as_ref())?;
        Ok((invoice, made, false))
    });
    let (invoice, file, is_stored) = found.await?;
    if is_stored {
        return Ok((invoice, file));
    }
    let file = db.write(move |tx| keep(tx, id, file)).await?;
    Ok((invoice, file))
}

/// Of a credit note, its invoice.
fn corrected(conn: &Connection, invoice: &Invoice) -> Result<Option<Invoice>, Error> {
    let Some(id) = invoice.corrects else { return Ok(None) };
    Ok(Some(sql::by_id(conn, id)?.ok_or(InvoiceError::NotFound)?))
}

/// Stores the PDF of a document, unless there is one by now; answers with the one that counts.
fn keep(tx: &WriteTx<'_>, id: InvoiceId, made: Vec<u8>) -> Result<Vec<u8>, Error> {
    let conn = tx.conn()?;
    if let Some(stored) = sql::pdf(conn, id)? {
        return Ok(stored);
    }
    sql::insert_pdf(conn, id, &made, tx.now())?;
    Ok(made)
}
