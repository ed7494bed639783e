//! `/accounts/{account}/keys/{key}/rotate`: a new key takes the place of one that works, and the old one ends as its holder chooses.
//!
//! The new key is shown in the answer to the form, as that of a key that was created; see [`super::create`].

use super::super::super::answer::Answer;
use super::super::super::components::{Field, environment};
use super::super::super::forms::{attempt, number};
use super::super::super::gate::Form;
use super::super::super::receipt::{FIRST_WAIT, Words, is_complete, standing};
use super::super::super::view::View;
use super::created::{Made, to_copy};
use super::receipt::again;
use super::sources::end;
use super::{PAGE, WRITE, named, path};
use crate::domain::key::{Key, Status};
use crate::domain::time::{DAY, HOUR};
use crate::error::{Code, Error};
use crate::service::once::once;
use crate::service::receipt::receipt;
use crate::service::rotate_key::{Handover, RotatedKey, rotate_key};
use crate::service::{App, read};
use axum::extract::State;
use axum::http::StatusCode;
use maud::html;
use serde::{Deserialize, Serialize};

/// Presets of how the old key ends, by value and name, with the hours of its grace.
const ENDS: [(&str, &str, Option<u32>); 6] = [
    ("24", "After 24 hours", Some(24)),
    ("1", "After 1 hour", Some(1)),
    ("168", "After 7 days", Some(168)),
    ("own", "After a time of your choice", None),
    ("idle", "When nobody has used it for a while", None),
    ("0", "At once", Some(0)),
];

/// The longest grace and the longest time without a use, as at the API.
const MAX_DAYS: u32 = 90;

/// Of a rotation.
const ROTATED: Words = Words { they: "know the new key", each: "knows the new key", after: "the rotation" };
/// Of one that leaves no time.
const AT_ONCE: Words = Words {
    they: "know the new key and refuse the old one",
    each: "knows the new key and refuses the old one",
    after: "the rotation",
};

/// What the form holds.
struct Filled<'a> {
    end: &'a str,
    grace: &'a str,
    idle: &'a str,
    latest: &'a str,
}

/// What was made. It holds the secret, so it has no `Debug`.
#[derive(Serialize, Deserialize)]
struct Rotated {
    made: Made,
    revision: u64,
}

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let key = named(&app, &view).await?;
    form(&app, &view, &key, &Filled { end: "24", grace: "48", idle: "24", latest: "" }, None)
}

/// Rotates the key.
pub async fn rotate(State(app): State<App>, view: View, sent: Form) -> Answer {
    view.origin().may(WRITE)?;
    let old = named(&app, &view).await?;
    let filled = Filled {
        end: sent.text("end"),
        grace: sent.text("grace_hours"),
        idle: sent.text("idle_hours"),
        latest: sent.text("latest_days"),
    };
    let handover = match handover(&filled) {
        Ok(handover) => handover,
        Err(wrong) => return form(&app, &view, &old, &filled, Some(&wrong)),
    };
    let attempt = attempt(&view, &sent, &format!("{}/rotate", path(&view, &old)))?;
    let work = async {
        let pending = rotate_key(&app, view.origin(), old.id, handover).await?;
        pending.try_map(|RotatedKey { new, revision, .. }| {
            Ok(Rotated { made: Made::new(new.key.id, &new.secret), revision })
        })
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(found) => rotated(&app, &view, &old, found.answer, !found.replayed).await,
        Err(error) if error.code == Code::KeyLimitReached => {
            form(&app, &view, &old, &filled, Some(&Wrong { field: "", message: error.detail.into_owned() }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Shows the new key, this once.
async fn rotated(app: &App, view: &View, old: &Key, rotated: Rotated, first: bool) -> Answer {
    let (id, secret) = rotated.made.into_parts()?;
    let new = read::key(app, view.origin(), id).await?;
    let old = read::key(app, view.origin(), old.id).await?;
    let receipt = receipt(app, view.origin(), rotated.revision, FIRST_WAIT).await;
    let words = if old.status(view.now) == Status::Revoked { AT_ONCE } else { ROTATED };
    let content = html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        h1 { "Copy the new " q { (new.name) } " now" }
        p { (environment(new.environment)) }
        (to_copy(app, &secret))
        (standing(&receipt, words, first))
        p { "The old key " code { (old.mask) } " " (end(&old, view)) }
        div.buttons {
            a.button.primary href=(path(view, &new)) { "I have copied it: see who still uses the old one" }
            @if !is_complete(&receipt) { a.button href=(again(view, &new, &receipt)) data-dialog { "Look at the proxies again" } }
            a.button href=(view.path("/keys")) { "To the list" }
        }
    };
    Ok(view.page_with(StatusCode::CREATED, PAGE, "Copy the new key now", &content))
}

/// What is wrong with the form: the field, and a sentence.
struct Wrong {
    field: &'static str,
    message: String,
}

/// How the old key ends.
fn handover(filled: &Filled<'_>) -> Result<Handover, Wrong> {
    let number = |field: &'static str, text: &str, most: u32, unit: &str| match text.parse::<u32>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(Wrong { field, message: format!("The time must be whole {unit}, from 1 to {most}.") }),
    };
    let hours = |field, text: &str| Ok(HOUR * number(field, text, MAX_DAYS * 24, "hours")?);
    match filled.end {
        "own" => Ok(Handover { grace: Some(hours("grace_hours", filled.grace)?), idle_limit: None }),
        "idle" => {
            let idle_limit = Some(hours("idle_hours", filled.idle)?);
            let grace = match filled.latest {
                "" => None,
                text => Some(DAY * number("latest_days", text, MAX_DAYS, "days")?),
            };
            Ok(Handover { grace, idle_limit })
        }
        preset => match ENDS.iter().find(|(value, ..)| *value == preset) {
            Some((.., Some(hours))) => Ok(Handover { grace: Some(HOUR * *hours), idle_limit: None }),
            _ => Err(Wrong { field: "end", message: "The end must be one of the choices.".to_owned() }),
        },
    }
}

fn form(app: &App, view: &View, key: &Key, filled: &Filled<'_>, wrong: Option<&Wrong>) -> Answer {
    if key.status(view.now) != Status::Active {
        return Err(Error::new(Code::KeyNotActive).into());
    }
    let ends: Vec<_> = ENDS.iter().map(|(value, label, _)| ((*value).to_owned(), (*label).to_owned())).collect();
    let of = |field: &str| wrong.filter(|wrong| wrong.field == field).map(|wrong| wrong.message.as_str());
    let number_field = |name, label, hint, most: u32, value: &str| {
        let field = Field { name, label, hint, error: of(name) };
        field.around(&html! {
            input type="number" id=(name) name=(name) value=(value) min="1" max=(most) step="1" inputmode="numeric"
                aria-describedby=[field.described_by()] aria-invalid=[field.error.map(|_| "true")];
        })
    };
    let content = html! {
        p.back { a href=(path(view, key)) { (key.name) } }
        h1 { "Rotate " q { (key.name) } }
        p.pair { (environment(key.environment)) code { (key.mask) } }
        p { "A new key with the same name, scopes, networks and end takes its place. Both work until the old one ends, so that whoever uses it \
             can change over; meanwhile you see here who still uses it." }
        @if key.replaced_by.is_some() {
            p.once { "This key is being replaced already. Another rotation makes one key more, and the old key then ends as you say here." }
        }
        @if let Some(message) = of("") { p.problem role="alert" { (message) } }
        form.wide method="post" action={ (path(view, key)) "/rotate" } {
            (view.token())
            (number(app)?)
            (Field { name: "end", label: "The old key ends", hint: "", error: of("end") }.select(&ends, filled.end))
            div data-shown-by="end=own" {
                (number_field("grace_hours", "Hours until it ends", "Needed only for a time of your choice.", MAX_DAYS * 24, filled.grace))
            }
            div data-shown-by="end=idle" {
                (number_field("idle_hours", "Hours without a use", "Needed only for \"When nobody has used it for a while\". Then it is revoked by itself.", MAX_DAYS * 24, filled.idle))
                (number_field("latest_days", "At the latest after so many days", "Used or not. Empty: only when nobody uses it.", MAX_DAYS, filled.latest))
            }
            div.buttons {
                button.primary type="submit" data-busy="Rotating" { "Rotate key" }
                a.button href=(path(view, key)) { "Cancel" }
            }
        }
    };
    let status = match wrong {
        None => StatusCode::OK,
        Some(Wrong { field: "", .. }) => StatusCode::CONFLICT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(view.page_with(status, PAGE, "Rotate a key", &content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_choice_is_an_end_and_anything_else_is_none() {
        let chosen = |end, grace, idle| handover(&Filled { end, grace, idle, latest: "" }).map_err(|wrong| wrong.field);
        let latest =
            |latest| handover(&Filled { end: "idle", grace: "", idle: "1", latest }).map_err(|wrong| wrong.field);
        let hours = |hours| Some(Duration::from_hours(hours));
        for (end, grace) in [("0", 0), ("1", 1), ("24", 24), ("168", 168)] {
            assert_eq!(chosen(end, "", ""), Ok(Handover { grace: hours(grace), idle_limit: None }));
        }
        assert_eq!(chosen("own", "36", ""), Ok(Handover { grace: hours(36), idle_limit: None }));
        assert_eq!(chosen("idle", "", "2160"), Ok(Handover { grace: None, idle_limit: hours(2160) }));
        for text in ["", "0", "2161", "-1", "1.5", "x", "99999999999"] {
            assert_eq!(chosen("own", text, "1"), Err("grace_hours"), "{text}");
            assert_eq!(chosen("idle", "1", text), Err("idle_hours"), "{text}");
        }
        assert_eq!(chosen("never", "1", "1"), Err("end"));
        assert_eq!(latest("90"), Ok(Handover { grace: hours(2160), idle_limit: hours(1) }));
        for text in ["0", "91", "x"] {
            assert_eq!(latest(text), Err("latest_days"), "{text}");
        }
    }
}
