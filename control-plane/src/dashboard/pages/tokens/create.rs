//! `/accounts/{account}/tokens/new`: the form for a new token. A person makes their own; the operator makes one for somebody, to set
//! things up. The token is shown in the answer to the form, the only time that it leaves.

use super::{PAGE, WRITE, people};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::Field;
use crate::dashboard::ends;
use crate::dashboard::forms::{Made, Wrong, attempt, is_about_form, name_field, number};
use crate::dashboard::gate::Form;
use crate::dashboard::restrictions;
use crate::dashboard::view::View;
use crate::domain::actor::Actor;
use crate::domain::id::UserId;
use crate::domain::user::User;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_key::CreatedKey;
use crate::service::create_personal_token::{NewPersonalToken, create_personal_token};
use crate::service::once::once;
use axum::extract::State;
use maud::html;

/// What is said of a token's scopes.
const OF_TOKEN: &str =
    "What it may be used for behind the proxies, such as jobs:read. Here it has its person's rights.";

/// What the form holds.
#[derive(Default)]
struct Filled<'a> {
    user: &'a str,
    name: &'a str,
    networks: &'a str,
    scopes: &'a str,
    end: &'a str,
    date: &'a str,
}

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let others = others(&app, &view).await?;
    let filled = Filled { end: "90", user: view.asked("user"), ..Filled::default() };
    form(&app, &view, &others, &filled, Wrong(None))
}

/// Makes the token.
pub async fn create(State(app): State<App>, view: View, sent: Form) -> Answer {
    let others = others(&app, &view).await?;
    let filled = Filled {
        user: sent.text("user_id"),
        name: sent.text("name"),
        networks: sent.text("allowed_cidrs"),
        scopes: sent.text("scopes"),
        end: sent.text("end"),
        date: sent.text("expires_at"),
    };
    let attempt = attempt(&view, &sent, &view.path("/tokens/new"))?;
    let work = async {
        let new = parse(&view, &others, &filled, &sent)?;
        let pending = create_personal_token(&app, view.origin(), new).await?;
        pending.try_map(|CreatedKey { key, secret }| Ok(Made::new(&key.id, &key.name, &secret)))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(made) => {
            let back = view.path(if is_person(&view) { "/tokens" } else { "/tokens?whose=all" });
            Ok(made.answer.page(&view, PAGE, (&back, "Personal tokens"), "token", |_| None))
        }
        Err(error) if is_about_form(&error) => form(&app, &view, &others, &filled, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn is_person(view: &View) -> bool {
    matches!(view.origin().actor, Actor::User { .. })
}

/// For whom one can be made, beside oneself.
async fn others(app: &App, view: &View) -> Result<Vec<User>, crate::http::problem::Problem> {
    if is_person(view) { Ok(Vec::new()) } else { people(app, view).await }
}

fn parse(view: &View, others: &[User], filled: &Filled<'_>, sent: &Form) -> Result<NewPersonalToken, Error> {
    let mut errors = Vec::new();
    let user_id = if is_person(view) {
        None
    } else {
        let found = UserId::parse(filled.user).filter(|id| others.iter().any(|user| user.id == *id));
        if found.is_none() {
            errors.push(FieldError::new("user_id", "must be one of the account's people"));
        }
        found
    };
    let end = ends::read(sent, view.now).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    match restrictions::read(sent, filled.name, end, &mut errors) {
        Some(terms) if errors.is_empty() => Ok(NewPersonalToken { user_id, terms }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}

fn form(app: &App, view: &View, others: &[User], filled: &Filled<'_>, wrong: Wrong<'_>) -> Answer {
    let errors = [
        wrong.with("name", "The name"),
        wrong.with("user_id", "The person"),
        wrong.with("scopes", "Scope"),
        wrong.with("allowed_cidrs", "Network"),
        wrong.with("expires_at", "The end"),
    ];
    let [of_name, of_user, ..] = errors.each_ref().map(Option::as_deref);
    let people: Vec<_> =
        others.iter().map(|user| (user.id.to_string(), format!("{}, {}", user.name, user.email.as_str()))).collect();
    let content = html! {
        p.back { a href=(view.path("/tokens")) { "Personal tokens" } }
        h1 { "Create a personal token" }
        (wrong.above(errors.iter().any(Option::is_some), "The token was not created."))
        @if is_person(view) {
            p { "It acts as you: who holds it can do here and at the API what you can." }
        } @else {
            p { "It acts as the person that you choose. Hand it over on a safe way, and have them make their own soon." }
        }
        form.wide method="post" action=(view.path("/tokens/new")) {
            (view.token())
            (number(app)?)
            (name_field(Field { name: "name", label: "Name", hint: "Where it will be kept, such as \"Laptop\".", error: of_name }, filled.name))
            @if !is_person(view) {
                (Field { name: "user_id", label: "Person", hint: "", error: of_user }.select(&people, filled.user))
            }
            (ends::fields(&[], filled.end, filled.date, wrong))
            (restrictions::folded(OF_TOKEN, filled.scopes, filled.networks, wrong))
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create token" }
                a.button href=(view.path("/tokens")) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Create a personal token", &content))
}
