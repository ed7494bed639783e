//! An entry of the log as a sentence. Names and values are what was written then; what this release does not know is told as it stands.

use super::super::sessions::browser;
use crate::domain::audit::Recorded;
use maud::{Markup, html};
use serde_json::Value;

/// Longer values are cut.
const MOST: usize = 80;

/// What was done and to what, as by name in the log.
const VERBS: [(&str, &str, &str); 30] = [
    ("database.initialize", "made", "the database"),
    ("database.restore", "restored", "the database from a backup"),
    ("admin_key.create", "created", "admin key"),
    ("admin_key.rename", "renamed", "admin key"),
    ("admin_key.revoke", "revoked", "admin key"),
    ("proxy_token.create", "created", "proxy token"),
    ("proxy_token.rename", "renamed", "proxy token"),
    ("proxy_token.revoke", "revoked", "proxy token"),
    ("account.create", "created", "account"),
    ("account.update", "edited", "account"),
    ("account.change_plan", "changed the plan of", "the account"),
    ("account.suspend", "suspended", "account"),
    ("account.resume", "activated again", "account"),
    ("user.create", "added", "person"),
    ("user.update", "edited", "person"),
    ("user.remove", "removed", "person"),
    ("project.create", "created", "project"),
    ("project.update", "edited", "project"),
    ("key.create", "created", "key"),
    ("key.rename", "renamed", "key"),
    ("key.update", "changed what is allowed to", "a key"),
    ("key.disable", "switched off", "key"),
    ("key.enable", "switched on", "key"),
    ("key.rotate", "rotated", "key"),
    ("key.revoke", "revoked", "key"),
    ("key.retire", "took out of the feed", "key"),
    ("session.begin", "signed in with", ""),
    ("session.refuse", "was not let in with", ""),
    ("session.end", "signed out", ""),
    ("session.end_all", "signed out everywhere", ""),
];

/// With what somebody signed in, as by name in the log.
const WITH: [(&str, &str); 4] = [
    ("admin_key", "the admin key"),
    ("personal_token", "the personal token"),
    ("key", "the key"),
    ("login", "the login of"),
];

/// The sentence after who did it. `object`: where it is told what else was done to it.
pub fn sentence(entry: &Recorded, object: Option<&str>) -> Markup {
    let found = VERBS.iter().find(|(action, ..)| *action == entry.action);
    let (verb, kind) = found.map_or((entry.action.as_str(), ""), |(_, verb, kind)| (*verb, *kind));
    let detail = &entry.detail;
    let verb = if detail["elsewhere"] == true { "ended another session of theirs" } else { verb };
    let kind = WITH.iter().find(|(with, _)| detail["with"] == *with).map_or(kind, |(_, words)| *words);
    let name = name(detail);
    html! {
        (verb) " " (kind)
        @match (name, object) {
            (Some(name), Some(path)) => { " " a href=(path) { (cut(name)) } }
            (Some(name), None) => { " " strong { (cut(name)) } }
            (None, Some(path)) if !kind.is_empty() => { " (" a href=(path) { "its history" } ")" }
            (None, _) => {}
        }
        @if let Some(mask) = detail["key_prefix"].as_str() { " " code { (mask) } }
        @if let Some(reason) = detail["reason"].as_str() { ": " q { (reason) } }
        @for change in changes(detail) { span.quiet.below { (change) } }
    }
}

/// The object's name, as it was after.
fn name(detail: &Value) -> Option<&str> {
    let of = |value: &'_ Value| value["name"].as_str().is_some();
    [detail, &detail["to"], &detail["from"]]
        .into_iter()
        .find(|value| of(value))
        .and_then(|value| value["name"].as_str())
        .or_else(|| detail["issuer"].as_str())
}

/// What changed, each in words.
fn changes(detail: &Value) -> Vec<String> {
    match (&detail["from"], &detail["to"]) {
        (Value::Object(from), Value::Object(to)) => to
            .iter()
            .filter(|(field, value)| from.get(*field) != Some(*value))
            .map(|(field, value)| {
                let before = from.get(field).map(text).unwrap_or_default();
                format!("{}: {before} → {}", words(field), text(value))
            })
            .collect(),
        (Value::String(from), Value::String(to)) => vec![format!("{} → {}", cut(from), cut(to))],
        _ => [
            detail["metadata"].as_str().map(|_| "metadata".to_owned()),
            detail["browser"].as_str().map(browser),
            detail["sessions"].as_u64().map(|count| format!("{count} session{}", if count == 1 { "" } else { "s" })),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// A field's name for people.
fn words(field: &str) -> String {
    match field {
        "allowed_cidrs" => "allowed networks".to_owned(),
        "expires_at" => "end".to_owned(),
        field => field.replace('_', " "),
    }
}

/// A value for people.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => cut(text),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => cut(&values.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let pairs: Vec<_> =
                fields.iter().map(|(field, value)| format!("{} {}", words(field), text(value))).collect();
            cut(&pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::Action;
    use crate::domain::time::Time;
    use serde_json::json;

    fn told(action: &str, detail: Value) -> String {
        let entry = Recorded {
            no: 1,
            at: Time::from_millis(0),
            actor_kind: "system".to_owned(),
            actor_id: None,
            action: action.to_owned(),
            object_kind: String::new(),
            object_id: None,
            account_id: None,
            request_id: None,
            source: None,
            detail,
        };
        sentence(&entry, None).into_string()
    }

    #[test]
    fn every_action_has_words() {
        for action in Action::ALL {
            assert!(VERBS.iter().any(|(name, ..)| *name == action.name()), "{}", action.name());
        }
    }

    #[test]
    fn what_changed_is_told_and_what_is_not_known_stands_as_it_is() {
        let detail = json!({ "from": { "name": "A", "role": "member" }, "to": { "name": "A", "role": "admin" } });
        let sentence = told("user.update", detail);
        assert_eq!(sentence, "edited person <strong>A</strong><span class=\"quiet below\">role: member → admin</span>");
        let detail = json!({ "name": "K", "key_prefix": "uk_live_a...b", "reason": "<leak>" });
        assert_eq!(
            told("key.revoke", detail),
            "revoked key <strong>K</strong> <code>uk_live_a...b</code>: <q>&lt;leak&gt;</q>"
        );
        assert_eq!(told("moon.land", json!([1])), "moon.land ");
        let detail = json!({ "with": "login", "issuer": "https://id.example", "browser": "curl/8" });
        assert_eq!(
            told("session.begin", detail),
            "signed in with the login of <strong>https://id.example</strong><span class=\"quiet below\">curl</span>"
        );
        assert_eq!(told("session.end", json!({ "elsewhere": true })), "ended another session of theirs ");
        assert_eq!(
            told("session.end_all", json!({ "sessions": 3 })),
            "signed out everywhere <span class=\"quiet below\">3 sessions</span>"
        );
        assert_eq!(
            told("key.rename", json!({ "from": "A", "to": "B" })),
            "renamed key<span class=\"quiet below\">A → B</span>"
        );
    }
}
