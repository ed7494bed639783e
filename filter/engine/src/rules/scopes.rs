//! The scopes that a rule needs, and whether a caller has them.

use super::config::ScopesConfig;
use crate::config::ConfigError;

/// The most scopes in a list of a rule, as many as a key can have.
const MAX_SCOPES: usize = 64;
/// The longest scope, in bytes.
const MAX_SCOPE_LEN: usize = 128;
/// The longest scope of a key.
const MAX_KEY_SCOPE_LEN: usize = 64;

/// What a caller's scopes must hold. A scope is a name as a whole: none contains another, and `*` in one is a character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededScopes {
    all: Box<[Box<str>]>,
    any: Box<[Box<str>]>,
}

impl NeededScopes {
    pub(super) fn compile(config: &ScopesConfig, path: &str) -> Result<Self, ConfigError> {
        if config.all.is_none() && config.any.is_none() {
            return Err(ConfigError::new(path, "it needs nothing; set `all`, `any` or both"));
        }
        let list = |list: &Option<Vec<String>>, name: &str| match list {
            Some(scopes) => compile_list(scopes, &format!("{path}.{name}")),
            None => Ok(Box::default()),
        };
        Ok(Self { all: list(&config.all, "all")?, any: list(&config.any, "any")? })
    }

    /// Where a scope stands that no key can have, such as `all[1]`. A rule that takes keys alone could never be met.
    #[must_use]
    pub fn impossible_for_keys(&self) -> Option<String> {
        [("all", &self.all), ("any", &self.any)].into_iter().find_map(|(name, list)| {
            let at = list.iter().position(|scope| !is_scope_of_keys(scope))?;
            Some(format!("{name}[{at}]"))
        })
    }

    /// Whether it needs none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// Whether these scopes, joined by spaces, are enough.
    #[must_use]
    pub fn are_met_by(&self, joined: &str) -> bool {
        let has = |needed: &str| joined.split(' ').any(|scope| scope == needed);
        self.all.iter().all(|scope| has(scope)) && (self.any.is_empty() || self.any.iter().any(|scope| has(scope)))
    }

    /// All that are named, joined by spaces: what RFC 6750, 3 has a challenge say.
    #[must_use]
    pub fn joined(&self) -> String {
        let mut named: Vec<&str> = self.all.iter().chain(&self.any).map(AsRef::as_ref).collect();
        named.sort_unstable();
        named.dedup();
        named.join(" ")
    }
}

fn compile_list(scopes: &[String], path: &str) -> Result<Box<[Box<str>]>, ConfigError> {
    if scopes.is_empty() || scopes.len() > MAX_SCOPES {
        let message = format!("it has {} scopes; it must have 1 to {MAX_SCOPES}", scopes.len());
        return Err(ConfigError::new(path, message));
    }
    if let Some(at) = scopes.iter().position(|scope| !is_scope(scope)) {
        let message = "it must be 1 to 128 visible ASCII characters without quotes and backslashes";
        return Err(ConfigError::new(&format!("{path}[{at}]"), message));
    }
    Ok(scopes.iter().map(|scope| scope.as_str().into()).collect())
}

/// RFC 6749, 3.3: what a scope of a token may be.
fn is_scope(text: &str) -> bool {
    (1..=MAX_SCOPE_LEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// The grammar that the control plane holds the scopes of keys to.
fn is_scope_of_keys(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_KEY_SCOPE_LEN
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'.' | b':' | b'*' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn needed(all: &[&str], any: &[&str]) -> NeededScopes {
        let list = |scopes: &[&str]| (!scopes.is_empty()).then(|| scopes.iter().map(|s| (*s).to_owned()).collect());
        NeededScopes::compile(&ScopesConfig { all: list(all), any: list(any) }, "scopes").unwrap()
    }

    #[test]
    fn a_scope_is_met_by_itself_alone() {
        let jobs = needed(&["jobs:read"], &[]);
        assert!(jobs.are_met_by("jobs:read") && jobs.are_met_by("admin jobs:read keys"));
        for other in ["", " ", "jobs", "jobs:*", "jobs:read2", "xjobs:read", "jobs:rea", "*"] {
            assert!(!jobs.are_met_by(other), "{other}");
        }
        assert!(NeededScopes::default().are_met_by("") && NeededScopes::default().is_empty());
        assert_eq!(needed(&["b", "a"], &["c", "a"]).joined(), "a b c");
    }

    proptest! {
        #[test]
        fn scopes_decide_as_sets_do(
            all in proptest::collection::vec("[abc]", 0..3),
            any in proptest::collection::vec("[abc]", 1..3),
            held in proptest::collection::btree_set("[abcd]", 0..4),
        ) {
            let borrowed = |list: &'_ [String]| list.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let (all_text, any_text) = (borrowed(&all), borrowed(&any));
            let needed = needed(
                &all_text.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>(),
                &any_text.split(' ').collect::<Vec<_>>(),
            );
            let joined = held.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let all: BTreeSet<_> = all.into_iter().collect();
            let any: BTreeSet<_> = any.into_iter().collect();
            let expected = all.is_subset(&held) && !any.is_disjoint(&held);
            prop_assert_eq!(needed.are_met_by(&joined), expected);
        }
    }
}
