//! Answers in HTML, with the headers that each goes with, and error pages.

use super::assets;
use crate::domain::id::RequestId;
use crate::error::{Code, Error};
use crate::http::problem::{self, Problem, Rendered};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

/// Everything comes from this server, nothing is written into the page, and nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// What a handler of a page answers.
pub type Answer = Result<Response, Problem>;

/// A whole page.
pub fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Keyplane" }
                link rel="icon" href=(assets::icon()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::style());
                script src=(assets::script()) defer {}
            }
            (body)
        }
    };
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        // With `no-referrer` browsers send forms with `Origin: null`.
        (REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
    ];
    (status, headers, Html(document.into_string())).into_response()
}

/// Leads on to `path`, with GET.
pub fn see_other(path: &str) -> Response {
    match HeaderValue::from_str(path) {
        Ok(path) => (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response(),
        Err(_) => (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response(),
    }
}

/// Turns failures of the dashboard into pages that say what happened, instead of problem documents.
pub async fn html_errors(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => {
            let error = problem.error();
            problem::log(error);
            rendered(error_page(error, id))
        }
        None if is_html(response.headers()) => rendered(response),
        None => response,
    }
}

/// What there is not: a page for browsers, a problem document for programs.
pub async fn missing(request: Request) -> Response {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accepts.contains("text/html") || request.uri().path().starts_with("/v1/") {
        return Problem::from(Code::NotFound).into_response();
    }
    let error = Error::with_detail(Code::NotFound, "There is no page at this address.");
    rendered(error_page(&error, request.extensions().get::<RequestId>().copied()))
}

/// Says that an answer is finished as it is, whatever its status.
fn rendered(mut response: Response) -> Response {
    response.extensions_mut().insert(Rendered);
    response
}

fn is_html(headers: &HeaderMap) -> bool {
    let value = headers.get(axum::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.starts_with("text/html"))
}

fn error_page(error: &Error, request: Option<RequestId>) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = html! {
        body.plain {
            main #main {
                p.brand { span.mark aria-hidden="true" {} "Keyplane" }
                h1 { (error.code.title()) }
                p { (error.detail) }
                p.quiet {
                    "Code " code { (error.code.name()) }
                    @if let Some(id) = request { ", request " code { (id) } }
                }
                p { a.button.primary href="/" { "To the dashboard" } }
            }
        }
    };
    let mut response = page(status, error.code.title(), &body);
    if let Some(wait) = error.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}
