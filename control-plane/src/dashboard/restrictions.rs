//! What a form asks for to restrict a key or a token: scopes and networks. How they are read, with name and end.

use super::components::Field;
use super::forms::Wrong;
use super::gate::Form;
use crate::domain::time::Time;
use crate::error::FieldError;
use crate::http::v1::terms::TermsFields;
use crate::service::create_key::Terms;
use maud::{Markup, html};

/// What is said of a key's scopes.
pub const OF_KEY: &str =
    "What it may be used for, in your own words: jobs:read jobs:write. Your rules in Envoy ask for them.";

/// Name, end, and what restricts it, by the API's rules; what is wrong is added to `errors`.
pub fn read(sent: &Form, name: &str, end: Option<Time>, errors: &mut Vec<FieldError>) -> Option<Terms> {
    let end = end.map(|end| end.to_string());
    let (scopes, networks) = (sent.words("scopes"), sent.words("allowed_cidrs"));
    let fields = TermsFields {
        name,
        scopes: Some(&scopes),
        allowed_cidrs: Some(&networks),
        expires_at: end.as_deref(),
        metadata: None,
    };
    fields.parse(errors)
}

/// The fields, filled in. `hint`: what is said of the scopes.
pub fn fields(hint: &str, scopes: &str, networks: &str, wrong: Wrong<'_>) -> Markup {
    let (of_scopes, of_networks) = (wrong.with("scopes", "Scope"), wrong.with("allowed_cidrs", "Network"));
    html! {
        (Field { name: "scopes", label: "Scopes", hint, error: of_scopes.as_deref() }.area(scopes, 2))
        (Field { name: "allowed_cidrs", label: "Allowed networks", hint: "From where it may be used, such as 203.0.113.0/24, one on a line. Empty: from everywhere.", error: of_networks.as_deref() }
            .area(networks, 3))
    }
}

/// The same, out of the way until somebody asks for them or has filled them in.
pub fn folded(hint: &str, scopes: &str, networks: &str, wrong: Wrong<'_>) -> Markup {
    html! {
        details.more open[!scopes.is_empty() || !networks.is_empty()] {
            summary { "Restrict it" }
            (fields(hint, scopes, networks, wrong))
        }
    }
}
