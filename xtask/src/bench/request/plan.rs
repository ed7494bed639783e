//! What a run compares: the feeds, the listeners, and the variants, each of which is a request to a listener.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::Options;
use super::authz::Authz;
use super::bootstrap::{Filter, Listener};
use super::feed::{Feed, Keys};
use super::scenario::{Scenario, Shape};
use super::variant::{Credential, Role, Variant};
use super::{empty, rules};
use crate::stack::ports::free as free_port;

/// Keys of the native filter, at most: with 100,000 it takes seconds to start and half a gigabyte.
const NATIVE_KEYS: usize = 1_000;
/// Keys of the table that the budget of an allowed request names.
const BUDGET_KEYS: u64 = 100_000;

/// All of it. The feeds and the server run as long as it lives.
#[derive(Debug)]
pub struct Plan {
    pub feeds: Vec<Feed>,
    /// What `ext_authz` asks.
    pub authz: Authz,
    pub listeners: Vec<Listener>,
    /// The baseline is the first.
    pub variants: Vec<Variant>,
    kinds: Vec<Keys>,
}

/// A module of the filter.
struct Module {
    /// Before each of its variants' names.
    name: String,
    path: String,
    bytes: Vec<u8>,
    /// Whether the goals are about it.
    current: bool,
}

impl Module {
    fn read(name: &str, path: &Path, current: bool) -> Result<Self> {
        let path = std::fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned();
        Ok(Self { name: name.to_owned(), path, bytes, current })
    }

    /// Whether its configuration has this field: an older one refuses what it does not know. The names of fields stand in a
    /// module as text.
    fn knows(&self, field: &str) -> bool {
        self.bytes.windows(field.len()).any(|window| window == field.as_bytes())
    }
}

impl Plan {
    /// Makes the modules that are needed in `folder` and starts the feeds and the server, a program.
    pub fn make(options: &Options, wasm: &Path, authz: &Path, folder: &Path) -> Result<Self> {
        let mut sizes = options.keys.clone();
        sizes.sort_unstable();
        sizes.dedup();
        let Some(least) = sizes.first().copied().filter(|least| *least > 0) else {
            bail!("--keys must be above 0");
        };
        let keys = Keys { count: budget(&sizes).unwrap_or(least), scopes: String::new() };
        let feed = Feed::start(&keys)?;
        let authz = Authz::start(authz, &feed.secrets, folder)?;
        let (feeds, kinds) = (vec![feed], vec![keys]);
        let mut plan = Self { feeds, authz, listeners: Vec::new(), variants: Vec::new(), kinds };
        plan.references(least, folder)?;
        let current = Module::read("keyplane", wasm, true)?;
        plan.module(&current, &sizes)?;
        for given in &options.wasm {
            let (name, path) = named(given);
            plan.module(&Module::read(&name, &path, false)?, &sizes)?;
        }
        for (name, scenario) in scenarios(options)? {
            let keys = scenario.keys.clone().unwrap_or(Keys { count: least, scopes: String::new() });
            let feed = plan.feed(&keys)?;
            let listener = plan.keyplane(&current, scenario.plugin, feed)?;
            plan.variant(&name, Role::Other, listener, &scenario.shape, Credential::Of(feed))?;
        }
        Ok(plan)
    }

    /// What Keyplane is compared with.
    fn references(&mut self, least: u64, folder: &Path) -> Result<()> {
        let feed = self.feed(&Keys { count: least, scopes: String::new() })?;
        let path = folder.join("empty.wasm");
        std::fs::write(&path, empty::module()).with_context(|| format!("cannot write {}", path.display()))?;
        let module = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned();
        let secrets: Vec<String> = self.feeds[feed].secrets.iter().take(NATIVE_KEYS).cloned().collect();
        let native = format!("api_key_auth, {} keys", grouped(secrets.len() as u64));
        for (name, role, filter) in [
            ("no filter", Role::Baseline, Filter::None),
            ("no filter again", Role::Control, Filter::None),
            ("empty wasm filter", Role::Empty, Filter::Empty { module }),
        ] {
            let listener = self.listener(filter)?;
            self.variant(name, role, listener, &Shape::usual(200), Credential::Of(feed))?;
        }
        // The feed's keys beyond the native filter's would be refused by it.
        let feed = if secrets.len() == self.feeds[feed].secrets.len() {
            feed
        } else {
            self.feed(&Keys { count: secrets.len() as u64, scopes: String::new() })?
        };
        let secrets = self.feeds[feed].secrets.clone();
        let listener = self.listener(Filter::Native { secrets })?;
        self.variant(&native, Role::Other, listener, &Shape::usual(200), Credential::Of(feed))?;
        // The server has the keys of the first feed.
        let name = format!("ext_authz, {} keys", grouped(self.feeds[0].secrets.len() as u64));
        let listener = self.listener(Filter::Authz { port: self.authz.port })?;
        self.variant(&name, Role::Authz, listener, &Shape::usual(200), Credential::Of(0))
    }

    /// What is measured of each module: requests that pass with each size of the table, and requests that are refused.
    fn module(&mut self, module: &Module, sizes: &[u64]) -> Result<()> {
        let role = |role| if module.current { role } else { Role::Other };
        let budget = budget(sizes);
        for size in sizes {
            let feed = self.feed(&Keys { count: *size, scopes: String::new() })?;
            let listener = self.keyplane(module, Map::new(), feed)?;
            let name = format!("{}: allowed, {} keys", module.name, grouped(*size));
            let allow = Role::Allow { keys: *size, goal: Some(*size) == budget };
            self.variant(&name, role(allow), listener, &Shape::usual(200), Credential::Of(feed))?;
            if Some(*size) != budget {
                continue;
            }
            if module.current {
                // Word for word what the budget says; by default there are no rules and four headers.
                let plugin = json!({
                    "rules": [{ "name": "api", "paths": ["/v1/**"] }],
                    "identity": { "headers": { "project": null, "environment": null } },
                });
                let plugin = plugin.as_object().cloned().unwrap_or_default();
                let listener = self.keyplane(module, plugin, feed)?;
                let name = format!("{name}, one rule, two headers");
                self.variant(&name, allow, listener, &Shape::usual(200), Credential::Of(feed))?;
            }
            let mut plugin = Map::new();
            if module.knows("guessing") {
                // One an hour, so that all but the first are one too many.
                let strict = [("guessing".to_owned(), json!({ "failures": 1, "seconds": 3_600 }))];
                let listener = self.keyplane(module, strict.into_iter().collect(), feed)?;
                let name = format!("{}: refused, too many wrong keys", module.name);
                self.variant(&name, role(Role::Deny), listener, &Shape::usual(429), Credential::Unknown)?;
                if let Some(variant) = self.variants.last_mut() {
                    variant.optional = true;
                }
                // And here none are counted, or the figure would soon be that of the former.
                plugin.insert("guessing".into(), json!({ "failures": 0 }));
            }
            let listener = self.keyplane(module, plugin, feed)?;
            let name = format!("{}: refused, unknown key", module.name);
            self.variant(&name, role(Role::Deny), listener, &Shape::usual(401), Credential::Unknown)?;
            let name = format!("{}: refused, no key", module.name);
            self.variant(&name, role(Role::Deny), listener, &Shape::without_key(401), Credential::Unknown)?;
        }
        Ok(())
    }

    /// The feed of these keys, started if there is none yet.
    fn feed(&mut self, keys: &Keys) -> Result<usize> {
        if let Some(feed) = self.kinds.iter().position(|kind| kind == keys) {
            return Ok(feed);
        }
        self.feeds.push(Feed::start(keys)?);
        self.kinds.push(keys.clone());
        Ok(self.feeds.len() - 1)
    }

    fn listener(&mut self, filter: Filter) -> Result<usize> {
        self.listeners.push(Listener { port: free_port()?, filter });
        Ok(self.listeners.len() - 1)
    }

    fn keyplane(&mut self, module: &Module, plugin: Map<String, Value>, feed: usize) -> Result<usize> {
        let feed = self.feeds[feed].port;
        self.listener(Filter::Keyplane { module: module.path.clone(), plugin, feed })
    }

    fn variant(
        &mut self,
        name: &str,
        role: Role,
        listener: usize,
        shape: &Shape,
        credential: Credential,
    ) -> Result<()> {
        let template = shape.template().with_context(|| format!("the request of {name}"))?;
        let name = name.to_owned();
        self.variants.push(Variant {
            name,
            role,
            listener,
            template,
            credential,
            status: shape.status,
            optional: false,
        });
        Ok(())
    }
}

/// Of these sizes, which ascend, the one that the budget names, or the nearest that there is.
fn budget(sizes: &[u64]) -> Option<u64> {
    sizes.iter().copied().find(|size| *size >= BUDGET_KEYS).or(sizes.last().copied())
}

fn scenarios(options: &Options) -> Result<Vec<(String, Scenario)>> {
    let rules = options
        .rules
        .iter()
        .map(|count| Ok((format!("with {} rules", grouped((*count).into())), rules::scenario(*count))));
    let given = options.plugin.iter().map(|given| {
        let (name, path) = named(given);
        Ok((name, Scenario::read(&path)?))
    });
    rules.chain(given).collect()
}

/// `NAME=FILE`, or a file that gives the name.
fn named(given: &str) -> (String, PathBuf) {
    if let Some((name, path)) = given.split_once('=') {
        return (name.to_owned(), path.into());
    }
    let path = PathBuf::from(given);
    (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
}

/// `100,000`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(7, "7"), (999, "999"), (1_000, "1,000"), (100_000, "100,000"), (1_000_000, "1,000,000")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_file_is_named_by_its_stem_or_outright() {
        assert_eq!(named("old/before.wasm"), ("before".into(), "old/before.wasm".into()));
        assert_eq!(named("b=x.wasm"), ("b".into(), "x.wasm".into()));
    }
}
