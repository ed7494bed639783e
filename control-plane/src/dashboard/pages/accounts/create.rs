//! `/accounts/new`: the operator makes an account.

use super::super::projects::allows;
use super::{PAGE, may_create};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::components::Field;
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, attempt, is_about_form, name_field, number};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::name::Name;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_account::{NewAccount, create_account};
use crate::service::once::once;
use axum::extract::State;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    if !may_create(&view) {
        return Err(Error::new(Code::Forbidden).into());
    }
    form(&app, &view, "", app.plans.default_plan(), Wrong(None))
}

/// Makes the account, and leads to its first project.
pub async fn create(State(app): State<App>, view: View, sent: Form) -> Answer {
    let (name, plan) = (sent.text("name"), sent.text("plan"));
    let attempt = attempt(&view, &sent, "/accounts/new")?;
    let work = async {
        let parsed = Name::parse(name)
            .map_err(|error| Error::fields(Code::InvalidRequest, vec![FieldError::new("name", error)]))?;
        let new = NewAccount { name: parsed, plan: Some(plan.to_owned()), external_id: None };
        let pending = create_account(&app, view.origin(), new).await?;
        pending.try_map(|account| Ok(format!("/accounts/{}/projects", account.id)))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(made) => Ok(see_other(&Done::CREATED.at(&made.answer))),
        Err(error) if is_about_form(&error) => form(&app, &view, name, plan, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn form(app: &App, view: &View, name: &str, plan: &str, wrong: Wrong<'_>) -> Answer {
    let errors = [wrong.with("name", "The name"), wrong.with("plan", "The plan")];
    let [of_name, of_plan] = errors.each_ref().map(Option::as_deref);
    let plans: Vec<_> =
        app.plans.iter().map(|(name, cap)| (name.to_owned(), format!("{name}: {}", allows(cap)))).collect();
    let content = html! {
        p.back { a href="/accounts" { "Accounts" } }
        h1 { "Create an account" }
        (wrong.above(errors.iter().any(Option::is_some), "The account was not created."))
        form.wide method="post" action="/accounts/new" {
            (view.token())
            (number(app)?)
            (name_field(Field { name: "name", label: "Name", hint: "One for each of your customers, or one for yourself.", error: of_name }, name))
            (Field { name: "plan", label: "Plan", hint: "It can be changed at any time.", error: of_plan }.select(&plans, plan))
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create account" }
                a.button href="/accounts" { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Create an account", &content))
}
