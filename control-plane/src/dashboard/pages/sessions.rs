//! `/sessions`: where who looks is signed in, and the way to end one of it.

use super::super::answer::{Answer, see_other};
use super::super::components::{Tone, badge, time};
use super::super::flash::Done;
use super::super::gate::Form;
use super::super::link::hex;
use super::super::view::View;
use super::{Page, Place};
use crate::domain::session::{OwnSession, SignedInWith};
use crate::error::Error;
use crate::service::who::{Who, who};
use crate::service::{App, sessions};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use maud::{Markup, html};

/// The page. It is not in the navigation: the way to it is beside the way out.
const PAGE: Page = Page { label: "Your sessions", path: "/sessions", place: Place::Operator, right: None, routes };

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/sessions", get(show)).route("/sessions/end", post(end))
}

async fn show(State(app): State<App>, view: View) -> Answer {
    let own = sessions::own(&app, &view.by.session).await?;
    let here = view.by.held.digest();
    let limits = app.dashboard.sessions;
    let login = login(&app, &view).await?;
    let content = html! {
        h1 { "Your sessions" }
        p { "Where you are signed in to this dashboard. A session ends after " (minutes(limits.idle)) " without a use, at the latest "
            (minutes(limits.total)) " after the sign-in, and at once when what you signed in with is revoked." }
        div.scroll tabindex="0" role="region" aria-label="Your sessions" {
            table.cards {
                thead {
                    tr {
                        th scope="col" { "Browser" }
                        th scope="col" { "Address" }
                        th scope="col" { "Signed in with" }
                        th scope="col" { "Signed in" }
                        th scope="col" { "Last seen" }
                        th scope="col" { span.unseen { "Actions" } }
                    }
                }
                tbody {
                    @for session in &own { (row(&view, session, session.digest == here, &login)) }
                }
            }
        }
        form method="post" action="/sign-out" {
            (view.token())
            input type="hidden" name="everywhere" value="yes";
            div.buttons {
                button.danger type="submit" data-busy="Signing out" { "Sign out everywhere" }
                span.quiet { "Here too. What you signed in with goes on working." }
            }
        }
    };
    Ok(view.page(PAGE, "Your sessions", &content))
}

/// What the login is called with which who looks may sign in.
async fn login(app: &App, view: &View) -> Result<String, Error> {
    let issuer = match who(app, view.origin()).await? {
        Who::User(user) => user.identity.map(|identity| identity.issuer().to_owned()),
        Who::AdminKey { .. } | Who::Key(_) => None,
    };
    let provider = app.jwt.providers().iter().find(|provider| Some(provider.issuer()) == issuer.as_deref());
    Ok(provider.map_or_else(|| "Your login".to_owned(), |provider| format!("Your login at {}", provider.label())))
}

fn row(view: &View, own: &OwnSession, is_here: bool, login: &str) -> Markup {
    let session = &own.session;
    let source = session.source.map_or_else(|| "Unknown".to_owned(), |source| source.to_string());
    let with = match session.with {
        SignedInWith::AdminKey(_) => "Admin key",
        SignedInWith::PersonalToken(_) => "Personal access token",
        SignedInWith::User(_) => login,
    };
    let browser = browser(&own.agent);
    html! {
        tr {
            th scope="row" data-label="Browser" {
                span title=(own.agent) { (browser) }
                // Below: on a phone the button is beside the name.
                @if is_here { span.below { (badge(Tone::Good, "This one")) } }
            }
            td data-label="Address" { code { (source) } }
            td data-label="Signed in with" { (with) }
            td data-label="Signed in" { (time(session.created_at, view.now)) }
            td data-label="Last seen" { (time(session.seen_at, view.now)) }
            td.tools {
                form method="post" action=(if is_here { "/sign-out" } else { "/sessions/end" }) {
                    (view.token())
                    input type="hidden" name="session" value=(hex(own.handle().as_bytes()));
                    button type="submit" {
                        @if is_here { "Sign out" } @else { "End" span.unseen { " the session of " (browser) " at " (source) } }
                    }
                }
            }
        }
    }
}

async fn end(State(app): State<App>, view: View, sent: Form) -> Answer {
    let own = sessions::own(&app, &view.by.session).await?;
    if let Some(found) = own.iter().find(|own| hex(own.handle().as_bytes()) == sent.text("session")) {
        sessions::end(&app, view.origin(), found).await?;
    }
    Ok(see_other(&format!("/sessions?done={}", Done::ENDED.name())))
}

/// A length of time in words.
fn minutes(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 if !seconds.is_multiple_of(3_600) => (seconds / 60, "minute"),
        _ => (seconds / 3_600, "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// What a browser is, for people, by what it says of itself.
pub fn browser(agent: &str) -> String {
    // The order matters: each says what those after it say too.
    let names = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |all: &[(&str, &'static str)]| all.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(&names), find(&systems)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "Unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_what_only_they_say() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("", "Unknown browser"),
        ] {
            assert_eq!(browser(agent), expected);
        }
    }

    #[test]
    fn limits_are_told_in_words() {
        let words = |seconds| minutes(std::time::Duration::from_secs(seconds));
        assert_eq!(
            [words(30), words(900), words(3_600), words(43_200)],
            ["30 seconds", "15 minutes", "1 hour", "12 hours"]
        );
    }
}
