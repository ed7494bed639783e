//! What the log is narrowed to, as the address says it. What it cannot mean is taken as not said.

use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, Filter};
use crate::domain::cursor::AuditCursor;
use crate::domain::id::parse;
use crate::domain::time::{DAY, Time};
use keyplane_contract::id::Id;

/// Kinds of those who act, by name in the log and for people.
pub const KINDS: [(&str, &str); 4] =
    [("user", "Anybody of the team"), ("key", "Any key"), ("admin_key", "The operator"), ("system", "Keyplane itself")];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Filters {
    pub what: &'static str,
    pub who: String,
    pub object: Option<Id>,
    pub from: String,
    pub to: String,
    pub everywhere: bool,
    pub cursor: Option<AuditCursor>,
}

impl Filters {
    /// Reads the address.
    pub fn of(view: &View) -> Self {
        let day = |name| Some(view.asked(name)).filter(|text| Time::parse_date(text).is_ok()).unwrap_or_default();
        let who = view.asked("who");
        let is_known = Actor::KINDS.contains(&who) || parse(who).is_some();
        Self {
            what: whats().find(|what| *what == view.asked("what")).unwrap_or_default(),
            who: if is_known { who.to_owned() } else { String::new() },
            object: parse(view.asked("object")),
            from: day("from").to_owned(),
            to: day("to").to_owned(),
            everywhere: view.origin().actor.is_operator() && view.asked("everywhere") == "yes",
            cursor: AuditCursor::parse(view.asked("cursor")),
        }
    }

    /// Whether something is said that leaves entries out.
    pub fn narrow(&self) -> bool {
        let texts = [self.what, &self.who, &self.from, &self.to];
        texts.iter().any(|text| !text.is_empty()) || self.object.is_some()
    }

    /// What is looked for.
    pub fn filter(&self) -> Filter {
        let day = |text: &str| Time::parse_date(text).ok();
        Filter {
            object_id: self.object,
            object_kind: Action::object_kinds().into_iter().find(|kind| *kind == self.what),
            actor_id: parse(&self.who),
            actor_kind: Actor::KINDS.into_iter().find(|kind| *kind == self.who),
            action: Action::ALL.iter().map(|action| action.name()).find(|name| *name == self.what),
            from: day(&self.from),
            // Through the whole of that day.
            to: day(&self.to).map(|day| day.after(DAY)),
        }
    }

    /// The address of the same log at another place.
    pub fn address(&self, path: &str, cursor: &str) -> String {
        let parameters = [
            ("what", self.what.to_owned()),
            ("who", self.who.clone()),
            ("object", self.object.map(|id| id.to_string()).unwrap_or_default()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("everywhere", if self.everywhere { "yes".to_owned() } else { String::new() }),
            ("cursor", cursor.to_owned()),
        ];
        with_query(path, parameters)
    }
}

/// Kinds of objects, and actions.
fn whats() -> impl Iterator<Item = &'static str> {
    Action::object_kinds().into_iter().chain(Action::ALL.iter().map(|action| action.name()))
}
