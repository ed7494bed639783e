//! `/accounts/{account}/settings/status`: the operator suspends an account, or lets it go on; then it is told which proxies know.

use super::receipt::told;
use super::{PAGE, must_decide};
use crate::dashboard::answer::Answer;
use crate::dashboard::forms::Question;
use crate::dashboard::gate::Form;
use crate::dashboard::receipt::FIRST_WAIT;
use crate::dashboard::view::View;
use crate::domain::account::AccountStatus;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::receipt::receipt;
use crate::service::update_account::{AccountChange, update_account};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};

/// Asks.
pub async fn show(view: View) -> Answer {
    must_decide(&view)?;
    let account = view.account()?;
    let (back, action) = (view.path("/settings"), view.path("/settings/status"));
    let wanted = |status: AccountStatus| html! { input type="hidden" name="status" value=(status.name()); };
    let (asks, says, fields, button, busy): (Markup, Markup, Markup, _, _) = match account.status {
        AccountStatus::Active => (
            html! { "Suspend " q { (account.name) } "?" },
            html! {
                p { "Every proxy refuses all its keys and tokens within moments, and its people cannot sign in." }
                p { "Nothing is lost: activate it again, and all works as before." }
            },
            wanted(AccountStatus::Suspended),
            "Suspend account",
            "Suspending",
        ),
        AccountStatus::Suspended => (
            html! { "Activate " q { (account.name) } " again?" },
            html! { p { "Its keys and tokens work again within moments, but for those that were revoked or have expired." } },
            wanted(AccountStatus::Active),
            "Activate account",
            "Activating",
        ),
    };
    let question =
        Question { back: (&back, "Settings"), asks, says, fields, action: &action, button, busy, keep: "Leave it" };
    Ok(question.page(&view, PAGE, StatusCode::OK, button))
}

/// Does it. The form says what is wanted, so that sending it twice is the same as once.
pub async fn change(State(app): State<App>, view: View, sent: Form) -> Answer {
    must_decide(&view)?;
    let account = view.account()?.id;
    let status = AccountStatus::from_name(sent.text("status"));
    let change = AccountChange { status, ..AccountChange::default() };
    let changed = update_account(&app, view.origin(), account, &Expected::Any, change).await?;
    let receipt = receipt(&app, view.origin(), changed.revision, FIRST_WAIT).await;
    Ok(view.page(PAGE, "Account changed", &told(&view, &changed.account, &receipt, true)))
}
