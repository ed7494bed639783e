//! `/admin-keys`: with which the operator's people and programs call the API and sign in here. One for each, so that each can be revoked
//! alone.

use super::credentials::{Row, table};
use super::{Page, Place};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::components::{Field, choices};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Made, Named, Question, Wrong, attempt, is_about_form, name_field, number};
use crate::dashboard::gate::Form;
use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::credential::AdminKey;
use crate::domain::cursor::{Cursor, PageRequest};
use crate::domain::id::AdminKeyId;
use crate::domain::name::Name;
use crate::domain::rights::{Access, Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error, FieldError};
use crate::http::problem::Problem;
use crate::service::create_admin_key::{CreatedAdminKey, create_admin_key};
use crate::service::once::once;
use crate::service::revoke_admin_key::revoke_admin_key;
use crate::service::update_admin_key::update_admin_key;
use crate::service::{App, read};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use maud::html;

const PATH: &str = "/admin-keys";
const LABEL: &str = "Admin keys";
/// How many are on a page.
const PER_PAGE: u32 = 50;

/// The page in the navigation.
pub const PAGE: Page =
    Page { label: LABEL, path: PATH, place: Place::Operator, right: Some(Right::read(Resource::AdminKeys)), routes };

const WRITE: Right = Right::write(Resource::AdminKeys);

fn routes() -> Router<App> {
    Router::new()
        .route("/admin-keys", get(list))
        .route("/admin-keys/new", get(new).post(create))
        .route("/admin-keys/{key}/rename", get(ask_name).post(rename))
        .route("/admin-keys/{key}/revoke", get(ask).post(revoke))
}

async fn list(State(app): State<App>, view: View) -> Answer {
    let page = PageRequest { cursor: Cursor::parse(view.asked("cursor")), limit: PER_PAGE };
    let found = read::admin_keys(&app, view.origin(), page).await?;
    let rows: Vec<_> = found.data.iter().map(|key| row(&view, key)).collect();
    let content = html! {
        div.title {
            h1 { (LABEL) }
            @if view.may(WRITE) { a.button.primary href={ (PATH) "/new" } { "Create admin key" } }
        }
        p { "Who holds one is the operator: they see every account, and change everything unless the key may only look. Give each person and each program its own." }
        div #list {
            (table(&view, LABEL, PATH, "admin key", &rows, view.may(WRITE)))
            @if let Some(cursor) = &found.next_cursor {
                p { a.button rel="next" href=(with_query(PATH, [("cursor", cursor.clone())])) { "Older keys" } }
            }
        }
    };
    Ok(view.page(PAGE, LABEL, &content))
}

fn row<'a>(view: &View, key: &'a AdminKey) -> Row<'a> {
    Row {
        id: key.id.to_string(),
        name: key.name.as_str(),
        mask: &key.mask,
        access: Some(key.access),
        created_at: key.created_at,
        revoked_at: key.revoked_at,
        is_own: is_own(view, key),
    }
}

fn is_own(view: &View, key: &AdminKey) -> bool {
    view.origin().actor.id() == Some(key.id.0)
}

/// The key that the address names, for who may change it.
async fn named(app: &App, view: &View) -> Result<AdminKey, Problem> {
    view.origin().may(WRITE)?;
    let id = AdminKeyId::parse(view.parameter("key")).ok_or_else(|| Error::not_found("admin key"))?;
    Ok(read::admin_key(app, view.origin(), id).await?)
}

async fn new(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    form(&app, &view, ("", Access::Write.name()), Wrong(None))
}

async fn create(State(app): State<App>, view: View, sent: Form) -> Answer {
    let filled = (sent.text("name"), sent.text("access"));
    let attempt = attempt(&view, &sent, "/admin-keys/new")?;
    let work = async {
        let (name, access) = parse(filled)?;
        let pending = create_admin_key(&app, view.origin(), name, access).await?;
        pending.try_map(|CreatedAdminKey { key, secret }| Ok(Made::new(&key.id, &key.name, &secret)))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(made) => Ok(made.answer.page(&view, PAGE, (PATH, LABEL), "key", |_| None)),
        Err(error) if is_about_form(&error) => form(&app, &view, filled, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn parse((name, access): (&str, &str)) -> Result<(Name, Access), Error> {
    let mut errors = Vec::new();
    let name = Name::parse(name).map_err(|error| errors.push(FieldError::new("name", error))).ok();
    let access = Access::from_name(access);
    if access.is_none() {
        errors.push(FieldError::new("access", "must be one of the choices"));
    }
    match (name, access) {
        (Some(name), Some(access)) => Ok((name, access)),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}

fn form(app: &App, view: &View, (name, access): (&str, &str), wrong: Wrong<'_>) -> Answer {
    let error = wrong.with("name", "The name");
    let field = Field {
        name: "name",
        label: "Name",
        hint: "Who or what will hold it, such as \"Ada\" or \"Terraform\".",
        error: error.as_deref(),
    };
    let accesses = [
        (Access::Write.name(), "Look and change", "Everything, other admin keys included."),
        (Access::Read.name(), "Look only", "Sees everything and changes nothing: for dashboards and audits."),
    ];
    let content = html! {
        p.back { a href=(PATH) { (LABEL) } }
        h1 { "Create an admin key" }
        (wrong.above(error.is_some(), "The key was not created."))
        form.wide method="post" action={ (PATH) "/new" } {
            (view.token())
            (number(app)?)
            (name_field(field, name))
            (choices("access", "It may", &accesses, access))
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create admin key" }
                a.button href=(PATH) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Create an admin key", &content))
}

async fn ask_name(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    Ok(name_form(&view, &key, key.name.as_str(), None))
}

async fn rename(State(app): State<App>, view: View, sent: Form) -> Answer {
    let key = named(&app, &view).await?;
    match Name::parse(sent.text("name")) {
        Ok(name) => {
            update_admin_key(&app, view.origin(), key.id, &Expected::Any, name).await?;
            Ok(see_other(&Done::CHANGED.at(PATH)))
        }
        Err(error) => Ok(name_form(&view, &key, sent.text("name"), Some(&format!("The name {error}.")))),
    }
}

fn name_form(view: &View, key: &AdminKey, value: &str, error: Option<&str>) -> Response {
    let (id, rename) = (key.id.to_string(), format!("{PATH}/{}/rename", key.id));
    let named = Named { kind: "admin key", id: &id, name: key.name.as_str(), rename: &rename, back: (PATH, LABEL) };
    named.form(view, PAGE, value, error)
}

async fn ask(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    Ok(question(&view, &key, Wrong(None)))
}

fn question(view: &View, key: &AdminKey, wrong: Wrong<'_>) -> Response {
    let action = format!("{PATH}/{}/revoke", key.id);
    let question = Question {
        back: (PATH, LABEL),
        asks: html! { "Revoke " q { (key.name) } "?" },
        says: html! {
            (wrong.above(false, ""))
            p { code { (key.mask) } }
            p { "This control plane refuses it from now on, and who is signed in with it is signed out. Keys that were made with it stay." }
            @if is_own(view, key) { p { strong { "You are signed in with this key: you will be signed out at once." } } }
            p { strong { "This cannot be undone." } }
        },
        fields: html! {},
        action: &action,
        button: "Revoke key",
        busy: "Revoking",
        keep: "Keep it",
    };
    question.page(view, PAGE, wrong.status(), "Revoke an admin key")
}

async fn revoke(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    let key = match revoke_admin_key(&app, view.origin(), key.id, &Expected::Any).await {
        Ok(key) => key,
        Err(error) if is_about_form(&error) => return Ok(question(&view, &key, Wrong(Some(&error)))),
        Err(error) => return Err(error.into()),
    };
    let content = html! {
        p.back { a href=(PATH) { (LABEL) } }
        div data-dialog-body data-changed {
            h1 #dialog-title { q { (key.name) } " is revoked" }
            p.receipt.complete { "This control plane refuses it from now on." @if is_own(&view, &key) { " You were signed in with it, so this session is over." } }
            div.buttons { a.button.primary href=(PATH) data-close { "Done" } }
        }
    };
    Ok(view.page(PAGE, "Key revoked", &content))
}
