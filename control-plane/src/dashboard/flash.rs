//! A word on what was done, on the page that comes after it. Only its name travels, in the address: it cannot carry anything else.

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done(&'static str);

/// Each by its name in addresses, and what the next page says.
const ALL: &[(&str, &str)] = &[
    ("renamed", "The key has its new name."),
    ("changed", "The change is saved."),
    ("ended", "The session is ended."),
    ("created", "It is made."),
    ("added", "The person is added. No mail was sent: tell them where to sign in."),
];

impl Done {
    /// A key got another name.
    pub const RENAMED: Self = Self("renamed");
    /// Something was changed.
    pub const CHANGED: Self = Self("changed");
    /// Something was made.
    pub const CREATED: Self = Self("created");
    /// A person was added to the account.
    pub const ADDED: Self = Self("added");

    /// A session was ended.
    pub const ENDED: Self = Self("ended");

    /// Reads what an address says.
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|(known, _)| *known == name).map(|(known, _)| Self(known))
    }

    /// Its name in addresses.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The address of a page, which may have a query already, so that it says this.
    pub fn at(self, path: &str) -> String {
        let mark = if path.contains('?') { '&' } else { '?' };
        format!("{path}{mark}done={}", self.0)
    }

    /// What the page says.
    pub fn text(self) -> &'static str {
        ALL.iter().find(|(known, _)| *known == self.0).map_or("", |(_, text)| text)
    }
}
