//! What forms share: what is wrong beside each field, that sending one twice makes one thing, to ask once more, and to show a secret once.

use super::components::{Field, copyable, pencil};
use super::gate::Form;
use super::link::hex;
use super::pages::Page;
use super::view::View;
use crate::domain::idempotency::{Asked, Attempt, IdempotencyKey, Sender};
use crate::domain::secret::Secret;
use crate::error::{Code, Error};
use crate::service::App;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// A number for a form that makes something: sent twice (a second click, a reload), it makes one.
pub fn number(app: &App) -> Result<Markup, Error> {
    let mut number = [0; 16];
    app.random.fill(&mut number)?;
    Ok(html! { input type="hidden" name="once" value=(hex(&number)); })
}

/// The form as one that may have been sent before.
pub fn attempt(view: &View, sent: &Form, path: &str) -> Result<Option<Attempt>, Error> {
    let sender = Sender::Credential(&view.by.held);
    let Ok(key) = IdempotencyKey::parse(sent.text("once").as_bytes(), sender) else { return Ok(None) };
    let body = serde_json::to_vec(sent.fields()).map_err(Error::internal)?;
    let asked = Asked { method: "POST", path, query: None, body: &body };
    Ok(Some(Attempt::new(sender, &key, asked).map_err(Error::internal)?))
}

/// Whether an error is about what was filled in, so that the form is shown again with it; others have a page of their own.
pub fn is_about_form(error: &Error) -> bool {
    let is_elsewhere = matches!(error.code, Code::Forbidden | Code::AccountSuspended | Code::NotFound);
    error.code.status() < 500 && (!is_elsewhere || !error.fields.is_empty())
}

/// What is wrong with a form that was sent; nothing with one that was not.
#[derive(Clone, Copy, Debug)]
pub struct Wrong<'a>(pub Option<&'a Error>);

impl Wrong<'_> {
    /// What is wrong with a field, as a sentence that begins with `label`.
    pub fn with(self, field: &str, label: &str) -> Option<String> {
        let found = self.0?.fields.iter().find(|error| error.field.split('[').next() == Some(field))?;
        let place = found.field.strip_prefix(field).and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
        Some(match place.and_then(|place| place.parse::<usize>().ok()) {
            Some(place) => format!("{label} {} {}.", place.saturating_add(1), found.message),
            None => format!("{label} {}.", found.message),
        })
    }

    /// What stands above the form. `is_marked`: a field says what is wrong; `nothing`: what was not done.
    pub fn above(self, is_marked: bool, nothing: &str) -> Markup {
        html! {
            @if let Some(error) = self.0 {
                p.problem role="alert" {
                    @if is_marked { (nothing) " See what is marked below." } @else { (error.detail) }
                }
            }
        }
    }

    /// The status of the answer that shows the form.
    pub fn status(self) -> StatusCode {
        self.0.map_or(StatusCode::OK, |error| {
            StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
        })
    }
}

/// A field for a name, where the reader begins.
pub fn name_field(field: Field<'_>, value: &str) -> Markup {
    field.around(&html! {
        input type="text" id=(field.name) name=(field.name) value=(value) required maxlength="100" autofocus autocomplete="off"
            aria-describedby=[field.described_by()] aria-invalid=[field.error.map(|_| "true")];
    })
}

/// Something that has a name, of which only the name changes.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// What it is, such as `token`.
    pub kind: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The form to rename it.
    pub rename: &'a str,
    /// Where to go back to, and what that is called.
    pub back: (&'a str, &'a str),
}

impl Named<'_> {
    /// Its name in a list, with the way to change it for who may.
    pub fn shown(&self, may_rename: bool) -> Markup {
        let id = format!("name-{}", self.id);
        html! {
            span.name id=(id) {
                (self.name)
                @if may_rename {
                    a.tool href=(self.rename) data-part=(id) { (pencil()) span.unseen { "Rename " (self.name) } }
                }
            }
        }
    }

    /// The form to rename it, which takes the name's place where there is JavaScript.
    pub fn form(&self, view: &View, page: Page, value: &str, error: Option<&str>) -> Response {
        let (back, label) = self.back;
        let id = format!("name-{}", self.id);
        let title = format!("Rename the {}", self.kind);
        let content = html! {
            p.back { a href=(back) { (label) } }
            h1 { (title) }
            div id=(id) {
                form.rename method="post" action=(self.rename) data-part=(id) {
                    (view.token())
                    (name_field(Field { name: "name", label: "New name", hint: "", error }, value))
                    div.buttons {
                        button.primary type="submit" { "Rename" }
                        a.button href=(back) data-part=(id) { "Cancel" }
                    }
                }
            }
        };
        let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        view.page_with(status, page, &title, &content)
    }
}

/// A question before something is done that should not be done by accident.
#[derive(Debug)]
pub struct Question<'a> {
    /// Where to go back to, and what that is called.
    pub back: (&'a str, &'a str),
    /// The question, which names what it is about.
    pub asks: Markup,
    /// What will happen, and whether it can be undone.
    pub says: Markup,
    /// Fields of the form.
    pub fields: Markup,
    /// Where the form goes.
    pub action: &'a str,
    /// What the button says.
    pub button: &'a str,
    /// What it says while it is being done.
    pub busy: &'a str,
    /// What the way out says.
    pub keep: &'a str,
}

impl Question<'_> {
    /// Its page, which is shown in the dialog where there is JavaScript.
    pub fn page(&self, view: &View, page: Page, status: StatusCode, title: &str) -> Response {
        let (back, label) = self.back;
        let content = html! {
            p.back { a href=(back) { (label) } }
            div data-dialog-body {
                h1 #dialog-title { (self.asks) }
                (self.says)
                form method="post" action=(self.action) data-dialog-form {
                    (view.token())
                    (self.fields)
                    div.buttons {
                        button.danger type="submit" data-busy=(self.busy) { (self.button) }
                        a.button href=(back) data-close { (self.keep) }
                    }
                }
            }
        };
        view.page_with(status, page, title, &content)
    }
}

/// What was just made, with its secret. It is kept, sealed, so that a form that is sent twice is answered twice; so it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    secret: String,
}

impl Made {
    /// A new object with its secret.
    pub fn new(id: &impl ToString, name: &impl ToString, secret: &Secret) -> Self {
        Self { id: id.to_string(), name: name.to_string(), secret: secret.expose().to_owned() }
    }

    /// The answer that shows the secret, the only one. `line`: what to do with it, by label and text.
    pub fn page(
        self,
        view: &View,
        page: Page,
        back: (&str, &str),
        kind: &str,
        line: impl Fn(&str) -> Option<(&'static str, String)>,
    ) -> Response {
        let secret = Secret::new(self.secret);
        let (back, label) = back;
        let content = html! {
            p.back { a href=(back) { (label) } }
            h1 { "Copy " q { (self.name) } " now" }
            p.once { strong { "This is the only time that the " (kind) " is shown." } " Only its digest is stored, so nobody can show it to you again." }
            (copyable("secret", "Secret", secret.expose()))
            @if let Some((label, text)) = line(secret.expose()) { (copyable("line", label, &text)) }
            div.buttons { a.button.primary href=(back) { "I have copied it" } }
        };
        view.page_with(StatusCode::CREATED, page, &format!("Copy the {kind} now"), &content)
    }
}
