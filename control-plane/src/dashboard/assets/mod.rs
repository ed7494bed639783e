//! Style sheet, script and icon, from the binary. Their addresses hold a digest of their content, so that browsers keep them for
//! good and never use an old one with a new page.
//!
//! They are packed for browsers that take gzip. Pages are not: they hold tokens beside what others may have typed, and how well both
//! pack together would tell of the token.

use super::link::hex;
use crate::error::Code;
use crate::http::problem::Problem;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use keyplane_contract::digest::Digest;
use std::io::Write as _;
use std::sync::LazyLock;

struct Asset {
    path: String,
    media_type: &'static str,
    text: &'static str,
    packed: Option<Vec<u8>>,
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("style.css")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("script", "js", "text/javascript; charset=utf-8", include_str!("script.js")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("icon.svg")));

impl Asset {
    fn new(name: &str, ending: &str, media_type: &'static str, text: &'static str) -> Self {
        let digest = Digest::of(text.as_bytes());
        let mut hash = hex(digest.as_bytes());
        hash.truncate(16);
        Self { path: format!("/assets/{name}-{hash}.{ending}"), media_type, text, packed: packed(text).ok() }
    }
}

fn packed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Whether a browser takes gzip: it names it, and does not say that it never wants it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(',')).map(|coding| coding.replace(' ', ""));
    codings.any(|coding| {
        let (name, quality) = coding.split_once(";q=").unwrap_or((&coding, "1"));
        name.eq_ignore_ascii_case("gzip") && quality.parse::<f32>().is_ok_and(|quality| quality > 0.0)
    })
}

/// Where the style sheet is.
pub fn style() -> &'static str {
    &STYLE.path
}

/// Where the script is.
pub fn script() -> &'static str {
    &SCRIPT.path
}

/// Where the icon is.
pub fn icon() -> &'static str {
    &ICON.path
}

/// `GET /assets/{name}`
pub async fn serve(Path(name): Path<String>, asked: HeaderMap) -> Result<Response, Problem> {
    let found = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    let asset = found.ok_or(Code::NotFound)?;
    let headers = [
        (CONTENT_TYPE, asset.media_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (VARY, "accept-encoding"),
    ];
    Ok(match &asset.packed {
        Some(packed) if takes_gzip(&asked) => (headers, [(CONTENT_ENCODING, "gzip")], packed.clone()).into_response(),
        _ => (headers, asset.text).into_response(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::io::Read as _;

    #[test]
    fn browsers_that_take_gzip_get_the_same_text_packed() {
        let asked = |value| HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        assert!(["gzip", "br, gzip", "gzip;q=0.5, *;q=0", "GZIP"].map(asked).iter().all(takes_gzip));
        assert!(
            !["", "br", "gzip;q=0", "x-gzip-like"].map(asked).iter().any(takes_gzip) && !takes_gzip(&HeaderMap::new())
        );
        let mut text = String::new();
        let packed = STYLE.packed.as_deref().unwrap();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, STYLE.text);
    }
}
