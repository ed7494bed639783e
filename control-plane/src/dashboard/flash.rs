//! A word on what was done, on the page that comes after it. Only its name travels, in the address: it cannot carry anything else.

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done(&'static str);

/// Each by its name in addresses, and what the next page says.
const ALL: &[(&str, &str)] = &[
    ("renamed", "The key has its new name."),
    ("changed", "The change is saved."),
    ("ended", "The session is ended."),
];

impl Done {
    /// A key got another name.
    pub const RENAMED: Self = Self("renamed");

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

    /// What the page says.
    pub fn text(self) -> &'static str {
        ALL.iter().find(|(known, _)| *known == self.0).map_or("", |(_, text)| text)
    }
}
