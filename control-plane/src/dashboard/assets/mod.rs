//! Style sheet, script and icon, from the binary. Their addresses hold a digest of their content, so that browsers keep them for
//! good and never use an old one with a new page.

use super::link::hex;
use crate::error::Code;
use crate::http::problem::Problem;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use keyplane_contract::digest::Digest;
use std::sync::LazyLock;

struct Asset {
    path: String,
    media_type: &'static str,
    text: &'static str,
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
        Self { path: format!("/assets/{name}-{hash}.{ending}"), media_type, text }
    }
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
pub async fn serve(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    let asset = found.ok_or(Code::NotFound)?;
    let headers = [(CONTENT_TYPE, asset.media_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.text).into_response())
}
