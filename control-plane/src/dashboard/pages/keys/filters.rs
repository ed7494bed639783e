//! What the list is narrowed to, as the address says it. What it cannot mean is taken as not said.

use super::super::super::link::with_query;
use super::super::super::view::View;
use crate::domain::id::{AccountId, ProjectId};
use crate::service::search_keys::{KeyOrder, StatusFilter, Wanted};
use keyplane_contract::sync::Environment;

/// How many keys are on a page.
pub const PER_PAGE: u32 = 50;

/// The most words that are looked for.
const MAX_WORDS: usize = 5;
/// The longest text that is looked for.
const MAX_TEXT: usize = 64;

/// By value, name and what it is.
pub const STATUSES: [(&str, &str, StatusFilter); 9] = [
    ("", "Not revoked", StatusFilter::Unrevoked),
    ("active", "Active", StatusFilter::Active),
    ("disabled", "Disabled", StatusFilter::Disabled),
    ("expired", "Expired", StatusFilter::Expired),
    ("revoked", "Revoked", StatusFilter::Revoked),
    ("unused", "Not used for 30 days", StatusFilter::Unused),
    ("ending", "Ending within 30 days", StatusFilter::Ending),
    ("replaced", "Being replaced", StatusFilter::Replaced),
    ("all", "All", StatusFilter::Any),
];

/// By value, name and what it is.
pub const ORDERS: [(&str, &str, KeyOrder); 7] = [
    ("", "Newest first", KeyOrder::Newest),
    ("oldest", "Oldest first", KeyOrder::Oldest),
    ("name", "Name, A to Z", KeyOrder::Name),
    ("name-desc", "Name, Z to A", KeyOrder::NameDescending),
    ("used", "Used last", KeyOrder::LastUsed),
    ("unused", "Unused longest", KeyOrder::Unused),
    ("expiry", "Expiring soonest", KeyOrder::Expiry),
];

/// By value, name and what it is.
pub const ENVIRONMENTS: [(&str, &str, Option<Environment>); 3] =
    [("", "Live and test", None), ("live", "Live", Some(Environment::Live)), ("test", "Test", Some(Environment::Test))];

/// What the list is narrowed to.
#[derive(Clone, Debug)]
pub struct Filters {
    pub text: String,
    pub project: Option<ProjectId>,
    pub environment: &'static str,
    pub status: &'static str,
    pub order: &'static str,
    pub page: u32,
}

impl Filters {
    /// Reads the address.
    pub fn of(view: &View) -> Self {
        let text: String = view.asked("q").chars().take(MAX_TEXT).collect();
        Self {
            text,
            project: ProjectId::parse(view.asked("project")),
            environment: known(&ENVIRONMENTS, view.asked("environment")),
            status: known(&STATUSES, view.asked("status")),
            order: known(&ORDERS, view.asked("order")),
            page: view.asked("page").parse::<u32>().unwrap_or(1).saturating_sub(1),
        }
    }

    /// Whether something is said that leaves keys out.
    pub fn narrow(&self) -> bool {
        !self.text.is_empty() || self.project.is_some() || !self.environment.is_empty() || !self.status.is_empty()
    }

    /// What is looked for.
    pub fn wanted(&self, account: AccountId) -> Wanted {
        Wanted {
            account,
            project: self.project,
            environment: meaning(&ENVIRONMENTS, self.environment).flatten(),
            status: meaning(&STATUSES, self.status).unwrap_or_default(),
            words: self.text.split_whitespace().take(MAX_WORDS).map(str::to_owned).collect(),
            order: meaning(&ORDERS, self.order).unwrap_or_default(),
            page: self.page,
            per_page: PER_PAGE,
        }
    }

    /// The address of the same list at another page, from 0.
    pub fn address(&self, path: &str, page: u32) -> String {
        let page = if page == 0 { String::new() } else { page.saturating_add(1).to_string() };
        let project = self.project.map(|id| id.to_string()).unwrap_or_default();
        let parameters = [
            ("q", self.text.clone()),
            ("project", project),
            ("environment", self.environment.to_owned()),
            ("status", self.status.to_owned()),
            ("order", self.order.to_owned()),
            ("page", page),
        ];
        with_query(path, parameters)
    }
}

/// Values and names, for a `select`.
pub fn options<T>(all: &[(&'static str, &'static str, T)]) -> Vec<(String, String)> {
    all.iter().map(|(value, label, _)| ((*value).to_owned(), (*label).to_owned())).collect()
}

fn known<T>(all: &[(&'static str, &'static str, T)], asked: &str) -> &'static str {
    all.iter().find(|(value, ..)| *value == asked).map_or("", |(value, ..)| value)
}

fn meaning<T: Copy>(all: &[(&'static str, &'static str, T)], value: &str) -> Option<T> {
    all.iter().find(|(found, ..)| *found == value).map(|(.., meaning)| *meaning)
}
