//! From rules as written to rules that are found quickly. What could never be for any request, or would not mean what it seems to say, is refused.

use super::config::RuleConfig;
use super::hosts::{HostPattern, Hosts};
use super::path::{MAX_SEGMENTS, Paths, split};
use super::scopes::NeededScopes;
use super::tree::{End, Entry, MAX_NODES, MAX_STEPS, Step, Tree, TreeError};
use super::{Accept, Access, DEFAULT, Rule, Rules};
use crate::config::ConfigError;
use crate::percent::Decoded;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The most rules.
const MAX_RULES: usize = 20_000;
/// The most hosts, paths or methods of a rule.
const MAX_LIST: usize = 64;
/// The most pairs of a host and a path in all rules together.
const MAX_ENTRIES: usize = 100_000;
/// The most methods that all rules name together.
const MAX_METHODS: usize = 256;
/// The longest path of a rule, and the longest name, in bytes.
const MAX_PATH_LEN: usize = 1_024;
const MAX_NAME_LEN: usize = 64;

impl Rules {
    /// Refuses scopes that no key has in rules that take keys alone. `default` is accepted where a rule does not say.
    pub fn check_scopes(&self, default: Accept) -> Result<(), ConfigError> {
        let of_keys = self.all.iter().filter(|rule| rule.accept.unwrap_or(default) == Accept::Key);
        for rule in of_keys {
            if let Some(at) = rule.scopes.impossible_for_keys() {
                let message = "no key has such a scope; it must begin with a-z or 0-9 and go on with at most 63 of a-z, 0-9, `_`, `.`, `:`, `*` and `-`";
                return Err(ConfigError::new(&format!("rules[{}].scopes.{at}", rule.place), message));
            }
        }
        Ok(())
    }

    /// Checks and compiles the rules. Errors name the field's path.
    pub fn compile(rules: &[RuleConfig], paths: Paths) -> Result<Self, ConfigError> {
        if rules.len() > MAX_RULES {
            let message = format!("there are {} rules; at most {MAX_RULES} are taken", rules.len());
            return Err(ConfigError::new("rules", message));
        }
        let mut compiler = Compiler { paths, ..Compiler::default() };
        let mut made = Vec::with_capacity(rules.len());
        for (place, rule) in rules.iter().enumerate() {
            made.push(compiler.rule(rule, place)?);
        }
        let Compiler { methods, hosts, entries, .. } = compiler;
        let any_host = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        // The numbers so far were given out as the methods came up; a request's method is found by their order.
        let mut in_order = vec![0; methods.len()];
        for (place, number) in methods.values().enumerate() {
            if let (Some(new), Ok(place)) = (in_order.get_mut(usize::from(*number)), u16::try_from(place)) {
                *new = place;
            }
        }
        let entries = entries.into_iter().map(|entry| Entry {
            host: entry.host.unwrap_or(any_host),
            path: entry.path,
            methods: entry.methods.map(|list| {
                list.iter().map(|number| in_order.get(usize::from(*number)).copied().unwrap_or_default()).collect()
            }),
            rule: entry.rule,
        });
        let tree = Tree::new(entries.collect(), any_host.saturating_add(1)).map_err(tree_error)?;
        Ok(Self {
            all: made,
            default: Rule {
                place: u32::MAX,
                name: DEFAULT.into(),
                access: Access::Protected,
                accept: None,
                scopes: NeededScopes::default(),
                environment: None,
                when_stale: None,
                forward_credential: None,
            },
            paths,
            methods: methods.into_keys().collect(),
            hosts: Hosts::new(hosts),
            any_host,
            tree,
        })
    }
}

fn tree_error(error: TreeError) -> ConfigError {
    match error {
        TreeError::TooManyNodes => {
            let message = format!("their paths have more than {MAX_NODES} segments together that differ");
            ConfigError::new("rules", message)
        }
        TreeError::TooManySteps { rule } => {
            let message = format!(
                "so many paths with a `*` beside a name overlap with its own that a request could need more than {MAX_STEPS} steps; use fewer `*`, or `/**` at the end"
            );
            ConfigError::new(&format!("rules[{rule}].paths"), message)
        }
    }
}

/// An [`Entry`] while hosts are still being numbered.
struct Draft {
    /// `None` for any.
    host: Option<u32>,
    path: Option<(Rc<[Step]>, End)>,
    methods: Option<Rc<[u16]>>,
    rule: u32,
}

#[derive(Default)]
struct Compiler {
    paths: Paths,
    names: BTreeSet<Box<str>>,
    methods: BTreeMap<Box<[u8]>, u16>,
    hosts: BTreeMap<HostPattern, u32>,
    entries: Vec<Draft>,
}

impl Compiler {
    fn rule(&mut self, rule: &RuleConfig, place: usize) -> Result<Rule, ConfigError> {
        let at = format!("rules[{place}]");
        let name = self.name(rule.name.as_deref(), place, &at)?;
        let needs = [
            ("accept", rule.accept.is_some()),
            ("scopes", rule.scopes.is_some()),
            ("environment", rule.environment.is_some()),
            ("when_stale", rule.when_stale.is_some()),
        ];
        if let (Access::Public, Some((field, _))) = (rule.access, needs.iter().find(|(_, is_there)| *is_there)) {
            let message = "a public rule lets everyone pass, so it cannot ask for anything";
            return Err(ConfigError::new(&format!("{at}.{field}"), message));
        }
        let scopes = rule.scopes.as_ref().map(|scopes| NeededScopes::compile(scopes, &format!("{at}.scopes")));
        self.places(rule, place, &at)?;
        Ok(Rule {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            name,
            access: rule.access,
            accept: rule.accept,
            scopes: scopes.transpose()?.unwrap_or_default(),
            environment: rule.environment.map(Into::into),
            when_stale: rule.when_stale,
            forward_credential: rule.forward_credential,
        })
    }

    fn name(&mut self, name: Option<&str>, place: usize, at: &str) -> Result<Box<str>, ConfigError> {
        let path = format!("{at}.name");
        let name: Box<str> = name.map_or_else(|| format!("rule-{place}").into(), Into::into);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-');
        if name.is_empty() || name.len() > MAX_NAME_LEN || !name.bytes().all(plain) {
            let message = format!("it must be 1 to {MAX_NAME_LEN} of a-z, 0-9, `_`, `.` and `-`");
            return Err(ConfigError::new(&path, message));
        }
        if *name == *DEFAULT {
            return Err(ConfigError::new(&path, "this is the name of what no rule is for"));
        }
        if !self.names.insert(name.clone()) {
            return Err(ConfigError::new(&path, format!("another rule is named `{name}` too")));
        }
        Ok(name)
    }

    /// Notes which requests the rule is for.
    fn places(&mut self, rule: &RuleConfig, place: usize, at: &str) -> Result<(), ConfigError> {
        let hosts = each(rule.hosts.as_deref(), &format!("{at}.hosts"), |text| self.host(text))?;
        let paths = each(rule.paths.as_deref(), &format!("{at}.paths"), |text| self.path(text))?;
        let methods = each(rule.methods.as_deref(), &format!("{at}.methods"), |text| self.methods(text))?;
        let methods: Option<Rc<[u16]>> = methods.map(|lists| lists.concat().into());
        // One entry that stands for any, where there is no list.
        let hosts = hosts.map_or_else(|| vec![None], |hosts| hosts.into_iter().map(Some).collect());
        let paths = paths.map_or_else(|| vec![None], |paths| paths.into_iter().map(Some).collect());
        if self.entries.len() + hosts.len() * paths.len() > MAX_ENTRIES {
            let message = format!("with this rule there are more than {MAX_ENTRIES} pairs of a host and a path");
            return Err(ConfigError::new(at, message));
        }
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        for host in hosts {
            let drafts =
                paths.iter().map(|path| Draft { host, path: path.clone(), methods: methods.clone(), rule: number });
            self.entries.extend(drafts);
        }
        Ok(())
    }

    fn host(&mut self, text: &str) -> Result<u32, String> {
        let host = HostPattern::parse(text)?;
        let next = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        Ok(*self.hosts.entry(host).or_insert(next))
    }

    /// The numbers of a method and of those that it covers.
    fn methods(&mut self, text: &str) -> Result<Vec<u16>, String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || text.len() > MAX_NAME_LEN || !text.bytes().all(token) {
            return Err("it is no method".to_owned());
        }
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(format!("methods are told apart by case; write {}", text.to_ascii_uppercase()));
        }
        let mut number = |text: &str| {
            let next = u16::try_from(self.methods.len()).unwrap_or(u16::MAX);
            *self.methods.entry(text.as_bytes().into()).or_insert(next)
        };
        // A HEAD is answered as a GET would be, without its body (RFC 9110, 9.3.2).
        let numbers = if text == "GET" { vec![number(text), number("HEAD")] } else { vec![number(text)] };
        if self.methods.len() > MAX_METHODS {
            return Err(format!("with this one the rules name more than {MAX_METHODS} methods"));
        }
        Ok(numbers)
    }

    fn path(&self, text: &str) -> Result<(Rc<[Step]>, End), String> {
        let (path, end) = match text.strip_suffix("/**") {
            Some(path) => (path, End::Below),
            None => (text, End::Here),
        };
        if text.len() > MAX_PATH_LEN {
            return Err(format!("it has {} bytes; at most {MAX_PATH_LEN} are taken", text.len()));
        }
        if text.contains(['?', '#']) {
            return Err("rules look at the path alone; leave out what begins with `?` or `#`".to_owned());
        }
        if path.is_empty() && end == End::Below {
            return Ok((Rc::new([]), end));
        }
        let Some(mut rest) = path.strip_prefix('/').map(str::as_bytes) else {
            return Err("it must begin with `/`".to_owned());
        };
        if path.ends_with('/') && end == End::Below {
            return Err("it has `//`, which no accepted request has".to_owned());
        }
        if self.paths.ignore_case && !Decoded::new(path.as_bytes()).all(|byte| byte.is_ascii()) {
            return Err(
                "with `paths.ignore_case` it must be ASCII, because servers differ in the case of the rest".to_owned()
            );
        }
        if !self.paths.accepts(path.as_bytes()) {
            let message = format!(
                "no accepted request has this path: look for `//`, `.` and `..`, `;`, `\\`, encoded slashes, wrong escapes, or more than {MAX_SEGMENTS} segments"
            );
            return Err(message);
        }
        let mut steps = Vec::new();
        loop {
            let (segment, after) = split(rest);
            steps.push(self.step(segment)?);
            match after {
                Some(after) => rest = after,
                None => return Ok((steps.into(), end)),
            }
        }
    }

    fn step(&self, segment: &[u8]) -> Result<Step, String> {
        match segment {
            b"*" => Ok(Step::Any),
            b"**" => Err("`**` stands at the end only".to_owned()),
            _ if segment.contains(&b'*') => {
                Err("a `*` stands for a whole segment; for the character itself write %2A".to_owned())
            }
            _ => {
                let mut text: Vec<u8> = Decoded::new(segment).collect();
                if self.paths.ignore_case {
                    text.make_ascii_lowercase();
                }
                Ok(Step::Text(text.into()))
            }
        }
    }
}

/// Reads each text of a list; an error names its place in the list.
fn each<T>(
    list: Option<&[String]>,
    path: &str,
    mut read: impl FnMut(&str) -> Result<T, String>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(list) = list else { return Ok(None) };
    if list.is_empty() || list.len() > MAX_LIST {
        let message = format!("it has {} entries; it must have 1 to {MAX_LIST}. Leave it out to say any", list.len());
        return Err(ConfigError::new(path, message));
    }
    let mut all = Vec::with_capacity(list.len());
    for (at, text) in list.iter().enumerate() {
        all.push(read(text).map_err(|message| ConfigError::new(&format!("{path}[{at}]"), message))?);
    }
    Ok(Some(all))
}
