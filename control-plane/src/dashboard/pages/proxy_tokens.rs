//! `/proxy-tokens`: with which proxies ask for keys and changes. At most two are valid at once, the one in use and its successor.

use super::credentials::{Row, table};
use super::{Page, Place};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::components::{Field, empty};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Made, Named, Question, Wrong, attempt, is_about_form, name_field, number};
use crate::dashboard::gate::Form;
use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::credential::{MAX_PROXY_TOKENS, ProxyToken};
use crate::domain::cursor::{Cursor, PageRequest};
use crate::domain::id::ProxyTokenId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error, FieldError};
use crate::http::problem::Problem;
use crate::service::create_proxy_token::{CreatedProxyToken, create_proxy_token};
use crate::service::once::once;
use crate::service::revoke_proxy_token::revoke_proxy_token;
use crate::service::update_proxy_token::update_proxy_token;
use crate::service::{App, read};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use maud::html;

/// Where it is.
pub const PATH: &str = "/proxy-tokens";
const LABEL: &str = "Proxy tokens";
/// How many are on a page.
const PER_PAGE: u32 = 50;

/// The page in the navigation.
pub const PAGE: Page =
    Page { label: LABEL, path: PATH, place: Place::Operator, right: Some(Right::read(Resource::ProxyTokens)), routes };

const WRITE: Right = Right::write(Resource::ProxyTokens);

fn routes() -> Router<App> {
    Router::new()
        .route("/proxy-tokens", get(list))
        .route("/proxy-tokens/new", get(new).post(create))
        .route("/proxy-tokens/{token}/rename", get(ask_name).post(rename))
        .route("/proxy-tokens/{token}/revoke", get(ask).post(revoke))
}

async fn list(State(app): State<App>, view: View) -> Answer {
    let page = PageRequest { cursor: Cursor::parse(view.asked("cursor")), limit: PER_PAGE };
    let found = read::proxy_tokens(&app, view.origin(), page).await?;
    let valid = found.data.iter().filter(|token| token.revoked_at.is_none()).count();
    let rows: Vec<_> = found.data.iter().map(row).collect();
    let content = html! {
        div.title {
            h1 { (LABEL) }
            @if view.may(WRITE) && valid < MAX_PROXY_TOKENS { a.button.primary href={ (PATH) "/new" } { "Create token" } }
        }
        p { "Proxies ask for keys and changes with a token from their environment (" code { "KEYPLANE_PROXY_TOKEN" } "). Two are valid at once, so that one can take the other's place:" }
        ol {
            li { "Create the new one." }
            li { "Give it to every proxy." }
            li { "Revoke the old one, when the proxies run with the new." }
        }
        div #list {
            @if rows.is_empty() && page.cursor.is_none() {
                (empty("No proxy token", &html! { p { "Without one no proxy hears of keys and changes." } }))
            } @else {
                (table(&view, LABEL, PATH, "token", &rows, view.may(WRITE)))
                @if let Some(cursor) = &found.next_cursor {
                    p { a.button rel="next" href=(with_query(PATH, [("cursor", cursor.clone())])) { "Older tokens" } }
                }
            }
        }
    };
    Ok(view.page(PAGE, LABEL, &content))
}

fn row(token: &ProxyToken) -> Row<'_> {
    Row {
        id: token.id.to_string(),
        name: token.name.as_str(),
        mask: &token.mask,
        access: None,
        created_at: token.created_at,
        revoked_at: token.revoked_at,
        is_own: false,
    }
}

async fn named(app: &App, view: &View) -> Result<ProxyToken, Problem> {
    view.origin().may(WRITE)?;
    let id = ProxyTokenId::parse(view.parameter("token")).ok_or_else(|| Error::not_found("proxy token"))?;
    Ok(read::proxy_token(app, view.origin(), id).await?)
}

async fn new(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    form(&app, &view, "", Wrong(None))
}

async fn create(State(app): State<App>, view: View, sent: Form) -> Answer {
    let name = sent.text("name");
    let attempt = attempt(&view, &sent, "/proxy-tokens/new")?;
    let work = async {
        let name = Name::parse(name)
            .map_err(|error| Error::fields(Code::InvalidRequest, vec![FieldError::new("name", error)]))?;
        let pending = create_proxy_token(&app, view.origin(), name).await?;
        pending.try_map(|CreatedProxyToken { token, secret }| Ok(Made::new(&token.id, &token.name, &secret)))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(made) => {
            let line = |secret: &str| Some(("For the proxies' environment", format!("KEYPLANE_PROXY_TOKEN={secret}")));
            Ok(made.answer.page(&view, PAGE, (PATH, LABEL), "token", line))
        }
        Err(error) if is_about_form(&error) => form(&app, &view, name, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn form(app: &App, view: &View, name: &str, wrong: Wrong<'_>) -> Answer {
    let error = wrong.with("name", "The name");
    let field = Field {
        name: "name",
        label: "Name",
        hint: "Which proxies have it, such as \"Edge, spring\".",
        error: error.as_deref(),
    };
    let content = html! {
        p.back { a href=(PATH) { (LABEL) } }
        h1 { "Create a proxy token" }
        (wrong.above(error.is_some(), "The token was not created."))
        form.wide method="post" action={ (PATH) "/new" } {
            (view.token())
            (number(app)?)
            (name_field(field, name))
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create token" }
                a.button href=(PATH) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Create a proxy token", &content))
}

async fn ask_name(State(app): State<App>, view: View) -> Answer {
    let token = named(&app, &view).await?;
    let (id, rename) = (token.id.to_string(), format!("{PATH}/{}/rename", token.id));
    let name = token.name.as_str();
    Ok(Named { kind: "proxy token", id: &id, name, rename: &rename, back: (PATH, LABEL) }.form(&view, PAGE, name, None))
}

async fn rename(State(app): State<App>, view: View, sent: Form) -> Answer {
    let token = named(&app, &view).await?;
    match Name::parse(sent.text("name")) {
        Ok(name) => {
            update_proxy_token(&app, view.origin(), token.id, &Expected::Any, name).await?;
            Ok(see_other(&Done::CHANGED.at(PATH)))
        }
        Err(error) => {
            let (id, rename) = (token.id.to_string(), format!("{PATH}/{}/rename", token.id));
            let named =
                Named { kind: "proxy token", id: &id, name: token.name.as_str(), rename: &rename, back: (PATH, LABEL) };
            Ok(named.form(&view, PAGE, sent.text("name"), Some(&format!("The name {error}."))))
        }
    }
}

async fn ask(State(app): State<App>, view: View) -> Answer {
    let token = named(&app, &view).await?;
    let page = PageRequest { cursor: None, limit: PER_PAGE };
    let others = read::proxy_tokens(&app, view.origin(), page).await?.data;
    let is_last = !others.iter().any(|other| other.revoked_at.is_none() && other.id != token.id);
    let action = format!("{PATH}/{}/revoke", token.id);
    let question = Question {
        back: (PATH, LABEL),
        asks: html! { "Revoke " q { (token.name) } "?" },
        says: html! {
            p { code { (token.mask) } }
            p { "Proxies that have this token, and no other, hear of no change any more: each goes on with the keys that it has, and one that starts anew lets none pass." }
            @if is_last { p { strong { "It is the only valid one: every proxy loses the connection." } } }
            p { strong { "This cannot be undone." } }
        },
        fields: html! {},
        action: &action,
        button: "Revoke token",
        busy: "Revoking",
        keep: "Keep it",
    };
    Ok(question.page(&view, PAGE, StatusCode::OK, "Revoke a proxy token"))
}

async fn revoke(State(app): State<App>, view: View) -> Answer {
    let token = named(&app, &view).await?;
    let token = revoke_proxy_token(&app, view.origin(), token.id, &Expected::Any).await?;
    let content = html! {
        p.back { a href=(PATH) { (LABEL) } }
        div data-dialog-body data-changed {
            h1 #dialog-title { q { (token.name) } " is revoked" }
            p.receipt.complete { "This control plane refuses it from now on; polls that waited with it were ended." }
            div.buttons { a.button.primary href=(PATH) data-close { "Done" } }
        }
    };
    Ok(view.page(PAGE, "Token revoked", &content))
}
