//! What tells of Keyplane, from Keyplane itself: the API's description and reference, the pages of `docs/`, and one page for
//! each error code. As HTML for people and as Markdown for programs; nothing is loaded from anywhere else.
//!
//! No credential is needed: all of it is public, and whoever has no working credential needs the pages most.

mod errors;
mod html;
mod pages;
mod reference;

use super::problem::Problem;
use crate::error::{Code, Error};
use crate::http::openapi::document;
use crate::service::App;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

/// Style sheets come from this server; scripts, frames and all else from nowhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(async || ([(CACHE_CONTROL, "no-cache")], Json(document()))))
        .route("/docs", get(async || page("Keyplane", &index(true))))
        .route("/docs.md", get(async || markdown(index(true))))
        .route("/docs/style.css", get(async || text("text/css; charset=utf-8", html::STYLE.to_owned())))
        .route("/docs/{name}", get(async |Path(name): Path<String>| show(&name, "page", pages::markdown)))
        .route("/errors/{name}", get(async |Path(name): Path<String>| show(&name, "error code", errors::markdown)))
        .route("/llms.txt", get(async || markdown(index(false))))
        .route("/llms-full.txt", get(async || markdown(everything())))
}

/// `<name>.md` as Markdown, `<name>` as HTML.
fn show(name: &str, kind: &str, find: fn(&str) -> Option<String>) -> Result<Response, Problem> {
    let (name, plain) = name.strip_suffix(".md").map_or((name, false), |name| (name, true));
    let found = find(name);
    let found = found.ok_or_else(|| Error::with_detail(Code::NotFound, format!("There is no {kind} of this name.")))?;
    Ok(if plain { markdown(found) } else { page(name, &found) })
}

/// The table of contents, in the form of <https://llmstxt.org>; for people with the reference below it.
fn index(with_reference: bool) -> String {
    let suffix = if with_reference { "" } else { ".md" };
    let link = |title: &str, path: &str| format!("- [{title}]({path}{suffix})\n");
    let pages = pages::PAGES.iter().map(|(name, text)| link(pages::title(text), &format!("/docs/{name}")));
    let errors = errors::codes().into_iter().map(|code| link(code, &format!("/errors/{code}")));
    let mut text = format!(
        "# Keyplane\n\n> Issues API keys and checks them inside Envoy.\n\n## Pages\n\n{}{}\
         - [OpenAPI document](/openapi.json)\n\n## Errors\n\n{}",
        pages.collect::<String>(),
        link("API reference", &format!("/docs/{}", pages::REFERENCE)),
        errors.collect::<String>(),
    );
    if with_reference {
        text.push('\n');
        text.push_str(&reference::markdown(document()));
    }
    text
}

/// Every page in one.
fn everything() -> String {
    let pages = pages::PAGES.iter().map(|(_, source)| (*source).to_owned());
    pages.chain([reference::markdown(document())]).collect::<Vec<_>>().join("\n\n")
}

fn page(title: &str, markdown: &str) -> Response {
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-cache")];
    (headers, html::page(title, markdown)).into_response()
}

fn markdown(text: String) -> Response {
    self::text("text/markdown; charset=utf-8", text)
}

fn text(media_type: &'static str, text: String) -> Response {
    ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_leads_to_every_page_and_code() {
        let index = index(false);
        for (name, _) in pages::PAGES {
            assert!(index.contains(&format!("(/docs/{name}.md)")), "{name}");
            assert!(pages::markdown(name).is_some(), "{name}");
        }
        for code in Code::ALL {
            assert!(index.contains(&format!("(/errors/{}.md)", code.name())), "{}", code.name());
        }
    }

    #[test]
    fn everything_holds_every_operation() {
        let everything = everything();
        for (path, _) in document()["paths"].as_object().unwrap() {
            assert!(everything.contains(&format!("`{path}`")) || everything.contains(&format!(" {path}")), "{path}");
        }
    }
}
