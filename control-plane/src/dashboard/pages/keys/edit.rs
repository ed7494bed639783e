//! `/accounts/{account}/keys/{key}/edit`: when a key ends, what it may be used for and from where.

use super::super::super::answer::{Answer, see_other};
use super::super::super::components::in_words;
use super::super::super::ends;
use super::super::super::forms::{Wrong, is_about_form};
use super::super::super::gate::Form;
use super::super::super::link::with_query;
use super::super::super::restrictions;
use super::super::super::view::View;
use super::{PAGE, WRITE, named, path};
use crate::domain::key::{Key, KeyKind, Status};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::update_key::{KeyChange, update_key};
use axum::extract::State;
use maud::html;

/// Name of what was done, in the address of the key's page.
pub const EDITED: &str = "edited";

/// Leaves the end as it is.
const KEEP: &str = "keep";

/// What the form holds.
struct Filled {
    end: String,
    date: String,
    scopes: String,
    networks: String,
    /// The version that was seen.
    version: String,
}

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let key = named(&app, &view).await?;
    let filled = Filled {
        end: KEEP.to_owned(),
        date: String::new(),
        scopes: key.scopes.joined(),
        networks: key.networks.to_string().replace(' ', "\n"),
        version: key.version().to_string(),
    };
    form(&view, &key, &filled, Wrong(None))
}

/// Saves what was changed, unless somebody else has changed the key since it was shown.
pub async fn edit(State(app): State<App>, view: View, sent: Form) -> Answer {
    view.origin().may(WRITE)?;
    let key = named(&app, &view).await?;
    let field = |name: &str| sent.text(name).to_owned();
    let filled = Filled {
        end: field("end"),
        date: field("expires_at"),
        scopes: field("scopes"),
        networks: field("allowed_cidrs"),
        version: field("version"),
    };
    let change = match parse(&view, &key, &filled, &sent) {
        Ok(change) => change,
        Err(error) => return form(&view, &key, &filled, Wrong(Some(&error))),
    };
    let expected = Expected::OneOf(vec![filled.version.clone()]);
    match update_key(&app, view.origin(), KeyKind::Key, key.id, &expected, change).await {
        Ok(changed) => {
            let parameters = [("done", EDITED.to_owned()), ("revision", changed.revision.to_string())];
            Ok(see_other(&with_query(&path(&view, &key), parameters)))
        }
        Err(error) if error.code == Code::PreconditionFailed => {
            let detail = "Somebody changed the key meanwhile. Below is what you typed; send it again to have it so all the same.";
            let filled = Filled { version: key.version().to_string(), ..filled };
            form(&view, &key, &filled, Wrong(Some(&Error::with_detail(Code::PreconditionFailed, detail))))
        }
        Err(error) if is_about_form(&error) => form(&view, &key, &filled, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn parse(view: &View, key: &Key, filled: &Filled, sent: &Form) -> Result<KeyChange, Error> {
    let mut errors = Vec::new();
    let end =
        if filled.end == KEEP { None } else { ends::read(sent, view.now).map_err(|error| errors.push(error)).ok() };
    match restrictions::read(sent, key.name.as_str(), None, &mut errors) {
        Some(terms) if errors.is_empty() => Ok(KeyChange {
            scopes: Some(terms.scopes),
            networks: Some(terms.networks),
            expires_at: end,
            ..KeyChange::default()
        }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}

fn form(view: &View, key: &Key, filled: &Filled, wrong: Wrong<'_>) -> Answer {
    if key.status(view.now) == Status::Revoked {
        return Err(Error::new(Code::KeyRevoked).into());
    }
    let now = match key.expires_at {
        Some(end) => format!("As it is: {}", in_words(end, view.now)),
        None => "As it is: never".to_owned(),
    };
    let is_marked = ["scopes", "allowed_cidrs", "expires_at"].iter().any(|field| wrong.with(field, "").is_some());
    let content = html! {
        p.back { a href=(path(view, key)) { (key.name) } }
        h1 { "Edit " q { (key.name) } }
        p { "Every proxy decides by the change within moments. The key itself stays the same." }
        (wrong.above(is_marked, "Nothing was changed."))
        form.wide method="post" action={ (path(view, key)) "/edit" } {
            (view.token())
            input type="hidden" name="version" value=(filled.version);
            (ends::fields(&[(KEEP.to_owned(), now)], &filled.end, &filled.date, wrong))
            (restrictions::fields(restrictions::OF_KEY, &filled.scopes, &filled.networks, wrong))
            div.buttons {
                button.primary type="submit" data-busy="Saving" { "Save" }
                a.button href=(path(view, key)) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Edit a key", &content))
}
