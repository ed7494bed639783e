//! A project: what an account's keys belong to. Its two prefixes tell live keys from test keys at sight.

use super::account::Account;
use super::id::{AccountId, ProjectId};
use super::name::Name;
use super::secret::{ADMIN_PREFIX, PROXY_PREFIX};
use super::time::Time;
use super::version::Version;
use keyplane_contract::key::Prefix;
use keyplane_contract::sync::Environment;

/// A project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// The number that other rows and the sync feed refer to it by.
    pub no: u32,
    /// Its id.
    pub id: ProjectId,
    /// Number of its account.
    pub account: u32,
    /// Id of its account.
    pub account_id: AccountId,
    /// Its name.
    pub name: Name,
    /// What its keys begin with.
    pub prefixes: Prefixes,
    /// When it was made.
    pub created_at: Time,
}

impl Project {
    /// The version of what can be edited.
    pub fn version(&self) -> Version {
        let (live, test) = (self.prefixes.of(Environment::Live), self.prefixes.of(Environment::Test));
        Version::of(&[self.name.as_str(), live.as_str(), test.as_str()])
    }
}

/// A project with the account that owns it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnedProject {
    /// The project.
    pub project: Project,
    /// Its account.
    pub account: Account,
}

/// Whether this prefix marks Keyplane's own credentials.
pub fn is_reserved(prefix: &Prefix) -> bool {
    matches!(prefix.as_str(), ADMIN_PREFIX | PROXY_PREFIX)
}

/// The prefixes of a project, one for each environment, never equal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefixes {
    live: Prefix,
    test: Prefix,
}

/// Why two prefixes do not go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrefixesError {
    /// Live and test keys could not be told apart.
    #[error("must differ from the live prefix, so that live and test keys can be told apart")]
    Equal,
    /// The live prefix is Keyplane's own.
    #[error("must not be `kp_admin` or `kp_proxy`: these mark Keyplane's own credentials")]
    LiveReserved,
    /// The test prefix is Keyplane's own.
    #[error("must not be `kp_admin` or `kp_proxy`: these mark Keyplane's own credentials")]
    TestReserved,
}

impl PrefixesError {
    /// The environment whose prefix is wrong.
    pub const fn environment(self) -> Environment {
        match self {
            Self::LiveReserved => Environment::Live,
            Self::Equal | Self::TestReserved => Environment::Test,
        }
    }
}

impl Prefixes {
    /// Checks that the two go together. Projects may share prefixes: the digest tells keys apart, not the prefix.
    pub fn new(live: Prefix, test: Prefix) -> Result<Self, PrefixesError> {
        if is_reserved(&live) {
            Err(PrefixesError::LiveReserved)
        } else if is_reserved(&test) {
            Err(PrefixesError::TestReserved)
        } else if live == test {
            Err(PrefixesError::Equal)
        } else {
            Ok(Self { live, test })
        }
    }

    /// What keys of `environment` begin with.
    pub const fn of(&self, environment: Environment) -> &Prefix {
        match environment {
            Environment::Live => &self.live,
            Environment::Test => &self.test,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_and_test_keys_can_be_told_apart() {
        let prefix = |text| Prefix::parse(text).unwrap();
        assert!(Prefixes::new(prefix("uk_live"), prefix("uk_test")).is_ok());
        assert_eq!(Prefixes::new(prefix("uk"), prefix("uk")), Err(PrefixesError::Equal));
        assert_eq!(Prefixes::new(prefix("kp_admin"), prefix("uk")), Err(PrefixesError::LiveReserved));
        assert_eq!(Prefixes::new(prefix("uk"), prefix("kp_proxy")), Err(PrefixesError::TestReserved));
    }
}
