//! The form for a person, new or known.

use super::ROLES;
use crate::dashboard::components::{Field, choices};
use crate::dashboard::forms::{Wrong, name_field};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::name::Name;
use crate::domain::user::{Email, Identity, Role};
use crate::error::{Code, Error, FieldError};
use maud::{Markup, html};

/// What the form holds.
#[derive(Clone, Copy, Default)]
pub struct Filled<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub role: &'a str,
    pub issuer: &'a str,
    pub subject: &'a str,
}

/// A person as the form says.
pub struct Person {
    pub name: Name,
    pub email: Email,
    pub role: Role,
    pub identity: Option<Identity>,
}

impl<'a> Filled<'a> {
    /// Takes a form.
    pub fn of(sent: &'a Form) -> Self {
        let [name, email, role, issuer, subject] =
            ["name", "email", "role", "issuer", "subject"].map(|name| sent.text(name));
        Self { name, email, role, issuer, subject }
    }

    /// Reads what it holds.
    pub fn parse(&self) -> Result<Person, Error> {
        let mut errors = Vec::new();
        let mut keep = |field: &str, error: String| errors.push(FieldError::new(field, error));
        let name = Name::parse(self.name).map_err(|error| keep("name", error.to_string())).ok();
        let email = Email::parse(self.email).map_err(|error| keep("email", error.to_string())).ok();
        let role = Role::from_name(self.role);
        if role.is_none() {
            keep("role", "must be one of the choices".to_owned());
        }
        let identity = if self.issuer.is_empty() && self.subject.is_empty() {
            None
        } else {
            Identity::new(self.issuer, self.subject).map_err(|error| keep(error.field, error.to_string())).ok()
        };
        match (name, email, role) {
            (Some(name), Some(email), Some(role)) if errors.is_empty() => Ok(Person { name, email, role, identity }),
            _ => Err(Error::fields(Code::InvalidRequest, errors)),
        }
    }

    /// What is wrong, to stand above the form, and the fields. `nothing`: what was not done.
    pub fn fields(&self, view: &View, wrong: Wrong<'_>, nothing: &str) -> (Markup, Markup) {
        let errors = [
            wrong.with("name", "The name"),
            wrong.with("email", "The address"),
            wrong.with("role", "The role"),
            wrong.with("issuer", "The issuer"),
            wrong.with("subject", "The subject").or_else(|| wrong.with("identity", "The identity")),
        ];
        let [of_name, of_email, of_role, of_issuer, of_subject] = errors.each_ref().map(Option::as_deref);
        let mine: Vec<_> = ROLES
            .into_iter()
            .filter(|(role, ..)| view.origin().actor.rules_over(*role))
            .map(|(role, name, means)| (role.name(), name, means))
            .collect();
        let email = Field {
            name: "email",
            label: "Mail address",
            hint: "The only one of this address in the account. No mail is sent.",
            error: of_email,
        };
        let issuer = Field {
            name: "issuer",
            label: "Issuer",
            hint: "As the settings of this control plane name it (iss).",
            error: of_issuer,
        };
        let subject = Field { name: "subject", label: "Subject", hint: "Their id there (sub).", error: of_subject };
        let fields = html! {
            (name_field(Field { name: "name", label: "Name", hint: "", error: of_name }, self.name))
            (email.around(&html! {
                input type="email" id="email" name="email" value=(self.email) required maxlength="254" autocomplete="off"
                    aria-describedby=[email.described_by()] aria-invalid=[of_email.map(|_| "true")];
            }))
            (choices("role", "Role", &mine, self.role))
            @if let Some(error) = of_role { p.problem { (error) } }
            details.more open[!self.issuer.is_empty() || !self.subject.is_empty() || of_issuer.is_some() || of_subject.is_some()] {
                summary { "Who they are to an issuer of JWTs" }
                (issuer.text(self.issuer, false))
                (subject.text(self.subject, false))
            }
        };
        (wrong.above(errors.iter().any(Option::is_some), nothing), fields)
    }
}
