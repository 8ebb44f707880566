//! Files inside the binary: style sheet, scripts, pictures.

use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use super::access::Access;
use super::error::{ApiError, Code};
use super::route::Table;

#[derive(rust_embed::Embed)]
#[folder = "static/"]
struct Static;

/// `/static/…`.
pub fn routes(table: &mut Table) {
    table.plain(Method::GET, "/static/{file:.*}", Access::OPEN, file);
}

/// Every embedded file's name.
pub fn names() -> impl Iterator<Item = String> {
    <Static as rust_embed::Embed>::iter().map(std::borrow::Cow::into_owned)
}

/// One file. Kept by browsers, and asked for again by its hash: names do not change with the content.
async fn file(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let name = req.match_info().get("file").unwrap_or_default();
    let file = <Static as rust_embed::Embed>::get(name).ok_or_else(|| ApiError::new(Code::NotFound))?;
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    let known = req.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "public, max-age=300, must-revalidate"));
    if unchanged {
        return Ok(response.finish());
    }
    let body = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Ok(response.content_type(file.metadata.mimetype()).body(body))
}
