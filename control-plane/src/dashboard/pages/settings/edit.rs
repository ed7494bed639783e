//! `/accounts/{account}/settings/edit`: the account's name, and for the operator what issuers of JWTs call it.

use super::{PAGE, WRITE, decides};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::components::Field;
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, is_about_form, name_field};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::account::ExternalId;
use crate::domain::name::Name;
use crate::domain::version::Expected;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::update_account::{AccountChange, update_account};
use axum::extract::State;
use axum::response::Response;
use maud::html;

/// Shows the form.
pub async fn show(view: View) -> Answer {
    view.origin().may(WRITE)?;
    let account = view.account()?;
    let external_id = account.external_id.as_ref().map_or("", ExternalId::as_str);
    Ok(form(&view, account.name.as_str(), external_id, Wrong(None)))
}

/// Edits the account.
pub async fn edit(State(app): State<App>, view: View, sent: Form) -> Answer {
    let account = view.account()?.id;
    let (name, external_id) = (sent.text("name"), sent.text("external_id"));
    let work = async {
        let change = parse(name, decides(&view).then_some(external_id))?;
        update_account(&app, view.origin(), account, &Expected::Any, change).await
    };
    match work.await {
        Ok(_) => Ok(see_other(&Done::CHANGED.at(&view.path("/settings")))),
        Err(error) if is_about_form(&error) => Ok(form(&view, name, external_id, Wrong(Some(&error)))),
        Err(error) => Err(error.into()),
    }
}

fn parse(name: &str, external_id: Option<&str>) -> Result<AccountChange, Error> {
    let mut errors = Vec::new();
    let name = Name::parse(name).map_err(|error| errors.push(FieldError::new("name", error))).ok();
    let external_id = external_id.map(|text| match text {
        "" => None,
        text => ExternalId::parse(text).map_err(|error| errors.push(FieldError::new("external_id", error))).ok(),
    });
    let change = AccountChange { name, external_id, ..AccountChange::default() };
    if errors.is_empty() { Ok(change) } else { Err(Error::fields(Code::InvalidRequest, errors)) }
}

fn form(view: &View, name: &str, external_id: &str, wrong: Wrong<'_>) -> Response {
    let errors = [wrong.with("name", "The name"), wrong.with("external_id", "The external id")];
    let [of_name, of_external_id] = errors.each_ref().map(Option::as_deref);
    let external = Field {
        name: "external_id",
        label: "External id",
        hint: "What issuers of JWTs call the account, such as Clerk's org_id. Empty for nothing.",
        error: of_external_id,
    };
    let content = html! {
        p.back { a href=(view.path("/settings")) { "Settings" } }
        h1 { "Edit the account" }
        (wrong.above(errors.iter().any(Option::is_some), "Nothing was changed."))
        form.wide method="post" action=(view.path("/settings/edit")) {
            (view.token())
            (name_field(Field { name: "name", label: "Name", hint: "", error: of_name }, name))
            @if decides(view) { (external.text(external_id, false)) }
            div.buttons {
                button.primary type="submit" data-busy="Saving" { "Save" }
                a.button href=(view.path("/settings")) { "Cancel" }
            }
        }
    };
    view.page_with(wrong.status(), PAGE, "Edit the account", &content)
}
