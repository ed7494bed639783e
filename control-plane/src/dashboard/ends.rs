//! When something that is made ends: presets, or a date.

use super::components::Field;
use super::forms::Wrong;
use super::gate::Form;
use crate::domain::time::{DAY, Time};
use crate::error::FieldError;
use maud::{Markup, html};

/// Presets by value and name, with their days.
const ENDS: [(&str, &str, u32); 6] = [
    ("never", "Never", 0),
    ("7", "In 7 days", 7),
    ("30", "In 30 days", 30),
    ("90", "In 90 days", 90),
    ("365", "In a year", 365),
    ("date", "On a date", 0),
];

/// The end that a form names.
pub fn read(sent: &Form, now: Time) -> Result<Option<Time>, FieldError> {
    match sent.text("end") {
        "never" => Ok(None),
        "date" => match Time::parse_date(sent.text("expires_at")) {
            // Through the whole of that day.
            Ok(day) => Ok(Some(day.after(DAY))),
            Err(_) => Err(FieldError::new("expires_at", "must be a date such as 2030-01-15")),
        },
        preset => {
            let days = ENDS.iter().find(|(value, ..)| *value == preset).map(|(.., days)| *days);
            let days = days.ok_or_else(|| FieldError::new("expires_at", "must be one of the choices"))?;
            Ok(Some(now.after(DAY * days)))
        }
    }
}

/// The fields, filled in. `more`: choices before the presets, by value and name.
pub fn fields(more: &[(String, String)], end: &str, date: &str, wrong: Wrong<'_>) -> Markup {
    let error = wrong.with("expires_at", "The end");
    let presets = ENDS.iter().map(|(value, label, _)| ((*value).to_owned(), (*label).to_owned()));
    let ends: Vec<_> = more.iter().cloned().chain(presets).collect();
    let field = Field {
        name: "expires_at",
        label: "Last day",
        hint: "In UTC. Needed only for \"On a date\".",
        error: error.as_deref(),
    };
    html! {
        (Field { name: "end", label: "Expires", hint: "", error: None }.select(&ends, end))
        div data-shown-by="end=date" {
            (field.around(&html! {
                input type="date" id="expires_at" name="expires_at" value=(date)
                    aria-describedby=[field.described_by()] aria-invalid=[error.as_ref().map(|_| "true")];
            }))
        }
    }
}
