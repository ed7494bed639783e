//! The shell around each page: where one is, where one can go, as whom, and what was just done.

use super::components::drawings;
use super::flash::Done;
use super::pages::{PAGES, Page, Place};
use super::view::View;
use maud::{Markup, html};

/// A page's body.
pub fn shell(view: &View, current: Page, done: Option<Done>, content: &Markup) -> Markup {
    html! {
        body {
            a.skip href="#main" { "Skip to content" }
            div.shell {
                header.side {
                    a.brand href="/" { span.mark aria-hidden="true" {} "Keyplane" }
                    (switcher(view))
                    nav aria-label="Pages" {
                        (pages(view, current, Place::Account))
                        (pages(view, current, Place::Operator))
                    }
                    (account_of_viewer(view))
                }
                main #main tabindex="-1" {
                    @if let Some(done) = done {
                        p.flash role="status" { (done.text()) }
                    }
                    (content)
                }
            }
            (drawings())
            div #live.unseen role="status" {}
            dialog #dialog aria-labelledby="dialog-title" {}
        }
    }
}

/// The pages of one place.
fn pages(view: &View, current: Page, place: Place) -> Markup {
    let shown: Vec<_> = PAGES.iter().filter(|page| page.place == place && is_shown(view, page)).collect();
    let is_operators = place == Place::Operator;
    html! {
        @if !shown.is_empty() {
            @if is_operators { p #operator-pages { "Operator" } }
            ul aria-labelledby=[is_operators.then_some("operator-pages")] {
                @for page in shown {
                    li {
                        a href=(address(view, page)) aria-current=[(page.label == current.label).then_some("page")] { (page.label) }
                    }
                }
            }
        }
    }
}

/// Whether a page is there for who looks.
fn is_shown(view: &View, page: &Page) -> bool {
    let has_account = page.place == Place::Operator || view.account.is_some();
    has_account && page.right.is_none_or(|right| view.may(right))
}

/// Where a page is, for the account that is looked at.
pub fn address(view: &View, page: &Page) -> String {
    match page.place {
        Place::Account => view.path(page.path),
        Place::Operator => page.path.to_owned(),
    }
}

/// The account that is looked at, and others to go to.
fn switcher(view: &View) -> Markup {
    let Some(account) = &view.account else { return html! {} };
    if !view.origin().actor.is_operator() {
        return html! { p.account { span.quiet { "Account" } strong { (account.name) } } };
    }
    html! {
        details.switcher {
            summary { span.quiet { "Account" } strong { (account.name) } }
            ul {
                @for other in &view.others {
                    li {
                        a href={ "/accounts/" (other.id) "/keys" } aria-current=[(other.id == account.id).then_some("true")] {
                            (other.name)
                        }
                    }
                }
                li { a.all href="/accounts" { "All accounts" } }
            }
        }
    }
}

/// Who looks, and the ways out.
fn account_of_viewer(view: &View) -> Markup {
    let (name, what) = &view.who;
    html! {
        details.viewer {
            summary { strong { (name) } span.quiet { (what) } }
            form method="post" action="/sign-out" {
                (view.token())
                button.plain type="submit" { "Sign out" }
            }
            form method="post" action="/sign-out" {
                (view.token())
                input type="hidden" name="everywhere" value="yes";
                button.plain type="submit" { "Sign out everywhere" }
            }
            a href="/sessions" { "Your sessions" }
            a href="/docs" { "Documentation" }
        }
    }
}
