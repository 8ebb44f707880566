//! Files inside the binary (style sheet, scripts, pictures), and the operator's own: colours and logo.

use std::io::Read;
use std::path::Path;

use actix_web::http::{Method, header};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::State;
use super::access::Access;
use super::error::{ApiError, Code};
use super::pages::brand::{Colour, stylesheet};
use super::route::Table;
use crate::invoices::pdf::{Letterhead, Logo};

/// A logo is shown on every page: it has to stay small.
const MAX_LOGO_BYTES: u64 = 1 << 20;
/// How much of a hash stands in an address.
const VERSION_CHARS: usize = 12;
/// An address with the content's hash in it never has other content.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const FOR_MINUTES: &str = "public, max-age=300, must-revalidate";

#[derive(rust_embed::Embed)]
#[folder = "static/"]
struct Static;

/// `/static/…`.
pub fn routes(table: &mut Table) {
    table.plain(Method::GET, "/static/brand.css", Access::OPEN, brand_stylesheet);
    table.plain(Method::GET, "/static/logo", Access::OPEN, logo);
    table.plain(Method::GET, "/static/{file:.*}", Access::OPEN, file);
}

/// Every embedded file's name.
pub fn names() -> impl Iterator<Item = String> {
    <Static as rust_embed::Embed>::iter().map(std::borrow::Cow::into_owned)
}

/// The address of an embedded file, which changes with its content.
#[must_use]
pub fn href(name: &str) -> String {
    match <Static as rust_embed::Embed>::get(name) {
        Some(file) => address(name, &hex::encode(file.metadata.sha256_hash())),
        None => format!("/static/{name}"),
    }
}

fn address(name: &str, tag: &str) -> String {
    format!("/static/{name}?v={}", tag.get(..VERSION_CHARS).unwrap_or(tag))
}

/// A file that is not in the binary.
#[derive(Debug, Clone)]
pub struct OwnFile {
    content: Bytes,
    media_type: &'static str,
    tag: String,
    href: String,
}

impl OwnFile {
    fn new(name: &str, content: Bytes, media_type: &'static str) -> Self {
        let tag = hex::encode(Sha256::digest(&content));
        Self { href: address(name, &tag), content, media_type, tag }
    }

    /// Its address.
    #[must_use]
    pub fn href(&self) -> &str {
        &self.href
    }
}

/// How the operator wants the pages to look.
#[derive(Debug, Clone)]
pub struct Looks {
    /// The operator's name.
    pub name: String,
    /// The accent colour, as a style sheet.
    pub stylesheet: OwnFile,
    /// A picture for the top bar.
    pub logo: Option<OwnFile>,
}

/// Why a logo is not shown.
#[derive(Debug, thiserror::Error)]
pub enum LogoError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// It is large.
    #[error("is larger than {} KiB", MAX_LOGO_BYTES >> 10)]
    TooLarge,
    /// It is a directory or the like.
    #[error("is not a file")]
    NotAFile,
    /// It stands on invoices as well, where it cannot be drawn.
    #[error("is an SVG, which cannot be drawn on invoices: give a PNG, JPEG or WebP file")]
    Svg,
    /// It is something else.
    #[error("must be a PNG, JPEG or WebP file, by its name and by what is in it")]
    Kind,
}

impl Looks {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// When there is a logo, but none that can be shown.
    pub fn new(name: &str, accent: Option<Colour>, logo: Option<&Path>) -> Result<Self, LogoError> {
        let style = accent.map(stylesheet).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            stylesheet: OwnFile::new("brand.css", Bytes::from(style), "text/css; charset=utf-8"),
            logo: logo.map(read_logo).transpose()?,
        })
    }

    /// The same on paper.
    #[must_use]
    pub fn letterhead(&self) -> Letterhead {
        let logo =
            self.logo.as_ref().map(|file| Logo { media_type: file.media_type, bytes: file.content.to_vec() });
        Letterhead { name: self.name.clone(), logo }
    }
}

fn read_logo(path: &Path) -> Result<OwnFile, LogoError> {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(LogoError::NotAFile);
    }
    let mut content = Vec::new();
    file.take(MAX_LOGO_BYTES + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_LOGO_BYTES {
        return Err(LogoError::TooLarge);
    }
    // what a browser is told has to be what it gets: it does not look for itself
    let (media_type, fits) = match ending.as_deref() {
        Some("svg" | "svgz") => return Err(LogoError::Svg),
        Some("png") => ("image/png", content.starts_with(b"\x89PNG\r\n\x1a\n")),
        Some("jpg" | "jpeg") => ("image/jpeg", content.starts_with(b"\xff\xd8\xff")),
        Some("webp") => {
            ("image/webp", content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP".as_slice()))
        }
        _ => return Err(LogoError::Kind),
    };
    if fits { Ok(OwnFile::new("logo", Bytes::from(content), media_type)) } else { Err(LogoError::Kind) }
}

async fn brand_stylesheet(req: HttpRequest, state: web::Data<State>) -> HttpResponse {
    own(&req, &state.settings.looks.stylesheet)
}

async fn logo(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let logo = state.settings.looks.logo.as_ref().ok_or_else(|| ApiError::new(Code::NotFound))?;
    Ok(own(&req, logo))
}

fn own(req: &HttpRequest, file: &OwnFile) -> HttpResponse {
    answer(req, &file.tag, file.media_type, || file.content.clone())
}

/// One file.
async fn file(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let name = req.match_info().get("file").unwrap_or_default();
    let file = <Static as rust_embed::Embed>::get(name).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let tag = hex::encode(file.metadata.sha256_hash());
    Ok(answer(&req, &tag, file.metadata.mimetype(), || match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    }))
}

/// Kept by browsers for good under an address with the hash in it, else asked for again by it.
fn answer(req: &HttpRequest, tag: &str, media_type: &str, content: impl FnOnce() -> Bytes) -> HttpResponse {
    let quoted = format!("\"{tag}\"");
    let known = req.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|one| one.trim() == quoted));
    let version = req.query_string().strip_prefix("v=").unwrap_or_default();
    let exact = version.len() >= VERSION_CHARS && tag.starts_with(version);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, quoted))
        .insert_header((header::CACHE_CONTROL, if exact { FOR_GOOD } else { FOR_MINUTES }));
    if unchanged { response.finish() } else { response.content_type(media_type).body(content()) }
}
