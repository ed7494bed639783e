//! Rights over Keyplane itself, and the management scopes that give them to keys.
//!
//! A key's scopes are the operator's own words, but for those that begin with `keyplane:`: they are
//! `keyplane:<resource>:read` and `keyplane:<resource>:write`, and let the key call the management API for its account.

use super::scope::Scopes;

/// What every management scope begins with.
const MARK: &str = "keyplane:";

/// What a right is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Resource {
    /// Accounts.
    Accounts,
    /// Projects.
    Projects,
    /// Keys of projects.
    Keys,
    /// Users.
    Users,
    /// Usage.
    Usage,
    /// The audit log.
    Audit,
    /// Personal access tokens. No scope opens them: a key is nobody.
    PersonalTokens,
    /// The operator's admin keys.
    AdminKeys,
    /// The operator's proxy tokens.
    ProxyTokens,
    /// The operator's proxies.
    Proxies,
    /// Metrics of the control plane.
    Metrics,
}

/// Those that management scopes can open, by their names there.
const SCOPED: [(Resource, &str); 6] = [
    (Resource::Accounts, "accounts"),
    (Resource::Projects, "projects"),
    (Resource::Keys, "keys"),
    (Resource::Users, "users"),
    (Resource::Usage, "usage"),
    (Resource::Audit, "audit"),
];

/// Looking or changing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Looking.
    Read,
    /// Changing, and looking.
    Write,
}

impl Access {
    /// Whether who has this access has `other` too.
    pub const fn includes(self, other: Self) -> bool {
        matches!((self, other), (Self::Write, _) | (Self::Read, Self::Read))
    }

    /// `read` or `write`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Reads its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Write].into_iter().find(|access| access.name() == name)
    }
}

/// What an operation takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Right {
    /// What it is about.
    pub resource: Resource,
    /// Looking or changing.
    pub access: Access,
}

impl Right {
    /// To look at `resource`.
    pub const fn read(resource: Resource) -> Self {
        Self { resource, access: Access::Read }
    }

    /// To change `resource`.
    pub const fn write(resource: Resource) -> Self {
        Self { resource, access: Access::Write }
    }

    /// Every right.
    #[cfg(test)]
    pub fn all() -> impl Iterator<Item = Self> {
        let operators = [
            Resource::PersonalTokens,
            Resource::AdminKeys,
            Resource::ProxyTokens,
            Resource::Proxies,
            Resource::Metrics,
        ];
        let resources = SCOPED.map(|(resource, _)| resource).into_iter().chain(operators);
        resources.flat_map(|resource| [Self::read(resource), Self::write(resource)])
    }
}

/// The management rights of a key: a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights(u16);

/// A scope that begins with `keyplane:` and is none of Keyplane's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "begins with `keyplane:`, which is for rights over Keyplane: `keyplane:<resource>:<read or write>`, with a resource of \
     accounts, projects, keys, users, usage and audit"
)]
pub struct UnknownRight {
    /// Its place among the scopes, from 0.
    pub at: usize,
}

impl Rights {
    /// All that scopes can give.
    pub const ALL: Self = Self((1 << (2 * SCOPED.len())) - 1);

    /// The rights that these scopes give. Other scopes give none.
    pub fn of(scopes: &Scopes) -> Self {
        scopes.as_slice().iter().filter_map(|scope| right_of(scope)).fold(Self::default(), |rights, right| {
            let reading = bit(Right { access: Access::Read, ..right });
            Self(rights.0 | bit(right) | reading)
        })
    }

    /// Whether this right is among them.
    pub fn include(self, right: Right) -> bool {
        let bit = bit(right);
        bit != 0 && self.0 & bit == bit
    }

    /// Whether all of `other` are among them.
    pub const fn cover(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Refuses scopes that look like management scopes and are none.
    pub fn check<T: AsRef<str>>(scopes: &[T]) -> Result<(), UnknownRight> {
        let wrong = |scope: &T| scope.as_ref().starts_with(MARK) && right_of(scope.as_ref()).is_none();
        scopes.iter().position(wrong).map_or(Ok(()), |at| Err(UnknownRight { at }))
    }
}

fn right_of(scope: &str) -> Option<Right> {
    let (resource, access) = scope.strip_prefix(MARK)?.split_once(':')?;
    let (resource, _) = SCOPED.iter().find(|(_, name)| *name == resource)?;
    Some(Right { resource: *resource, access: Access::from_name(access)? })
}

/// The right's place in the set; 0 for one that scopes do not give.
fn bit(right: Right) -> u16 {
    let index = SCOPED.iter().position(|(resource, _)| *resource == right.resource);
    index.map_or(0, |index| 1 << (2 * index + usize::from(right.access == Access::Write)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(scopes: &[&str]) -> Rights {
        Rights::of(&Scopes::parse(scopes).unwrap())
    }

    #[test]
    fn writing_includes_reading_and_nothing_of_another_resource() {
        let keys = rights(&["keyplane:keys:write"]);
        assert!(keys.include(Right::read(Resource::Keys)) && keys.include(Right::write(Resource::Keys)));
        assert!(!keys.include(Right::read(Resource::Users)));
        assert!(!rights(&["keyplane:keys:read"]).include(Right::write(Resource::Keys)));
        assert!(!Rights::ALL.include(Right::read(Resource::AdminKeys)));
    }

    #[test]
    fn a_set_covers_itself_and_less() {
        let (less, more) = (rights(&["keyplane:keys:read"]), rights(&["keyplane:keys:write"]));
        assert!(more.cover(less) && more.cover(more) && !less.cover(more));
        assert!(Rights::ALL.cover(more) && !Rights::default().cover(less));
    }

    #[test]
    fn a_mistyped_management_scope_is_refused_by_its_place() {
        assert_eq!(Rights::check(&["read", "keyplane:key:read"]), Err(UnknownRight { at: 1 }));
        assert_eq!(Rights::check(&["keyplane:keys:delete"]), Err(UnknownRight { at: 0 }));
        assert_eq!(Rights::check(&["keyplane:keys:read", "read"]), Ok(()));
    }
}
