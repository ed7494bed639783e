//! `/accounts/{account}/settings/plan`: the operator gives an account another plan.

use super::super::projects::allows;
use super::{PAGE, must_decide};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::components::choices;
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, is_about_form};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::update_account::{AccountChange, update_account};
use axum::extract::State;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    must_decide(&view)?;
    form(&app, &view, Wrong(None))
}

/// Changes the plan.
pub async fn change(State(app): State<App>, view: View, sent: Form) -> Answer {
    let account = view.account()?.id;
    let change = AccountChange { plan: Some(sent.text("plan").to_owned()), ..AccountChange::default() };
    match update_account(&app, view.origin(), account, &Expected::Any, change).await {
        Ok(_) => Ok(see_other(&Done::CHANGED.at(&view.path("/settings")))),
        Err(error) if is_about_form(&error) => form(&app, &view, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn form(app: &App, view: &View, wrong: Wrong<'_>) -> Answer {
    let account = view.account()?;
    let plans: Vec<_> = app.plans.iter().map(|(name, cap)| (name, allows(cap))).collect();
    let plans: Vec<_> = plans.iter().map(|(name, allows)| (*name, *name, allows.as_str())).collect();
    let content = html! {
        p.back { a href=(view.path("/settings")) { "Settings" } }
        h1 { "Change the plan of " q { (account.name) } }
        (wrong.above(wrong.with("plan", "The plan").is_some(), "Nothing was changed: the plan must be one of these."))
        form.wide method="post" action=(view.path("/settings/plan")) {
            (view.token())
            (choices("plan", "Plan", &plans, &account.plan))
            p.hint { "Keys beyond a lower bound work on; there are just no new ones. It can be changed back at any time." }
            div.buttons {
                button.primary type="submit" data-busy="Saving" { "Change plan" }
                a.button href=(view.path("/settings")) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Change the plan", &content))
}
