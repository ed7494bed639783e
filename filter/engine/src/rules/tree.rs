//! The paths of all rules as a tree of segments, so that a request walks down its own path instead of past every rule.
//!
//! A step looks for the request's segment among its siblings by binary search, and follows a `*` beside it. What a walk can cost is bounded when
//! the tree is made ([`MAX_STEPS`]), not when a request comes. The nodes lie in flat lists: a walk allocates nothing.

use super::path::{Segment, split};
use std::rc::Rc;

/// The most nodes that a request may have to visit in the paths of one host. A tree without `*` needs one for each segment; a `*` beside a name
/// doubles what lies below.
pub const MAX_STEPS: u64 = 1_024;
/// The most nodes of all paths together.
pub const MAX_NODES: usize = 500_000;

/// No rule, no node.
const NONE: u32 = u32::MAX;

/// One segment of a rule's path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// This text; decoded, and in lower case if case does not count. Empty for what follows a `/` at the end.
    Text(Box<[u8]>),
    /// `*`: any segment that is not empty.
    Any,
}

/// Which paths a rule's path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The path itself.
    Here,
    /// `/**`: the path itself and everything below.
    Below,
}

/// A rule's path and methods, to be put into the tree of a host.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Number of the host.
    pub host: u32,
    /// The segments; `None` when the rule is for requests without a path too.
    pub path: Option<(Rc<[Step]>, End)>,
    /// Numbers of the methods; `None` for any.
    pub methods: Option<Rc<[u16]>>,
    /// Number of the rule.
    pub rule: u32,
}

/// The first rule for any method, and the first for each method that rules name.
#[derive(Debug, Clone, Copy)]
struct Ends {
    any: u32,
    /// Place and length in [`Tree::methods`].
    named: (u32, u32),
}

#[derive(Debug)]
struct Node {
    /// Place and length in [`Tree::children`].
    children: (u32, u32),
    /// The node behind a `*`.
    star: u32,
    here: Ends,
    below: Ends,
    /// The first rule of this node and all under it: a better one that is known already ends the walk.
    least: u32,
}

#[derive(Debug)]
struct Child {
    text: Box<[u8]>,
    node: u32,
}

/// What the rules say of a host.
#[derive(Debug)]
struct Site {
    /// Of rules without paths.
    any_path: Ends,
    root: u32,
}

/// The trees of all hosts.
#[derive(Debug, Default)]
pub struct Tree {
    sites: Vec<Site>,
    nodes: Vec<Node>,
    children: Vec<Child>,
    /// Method and rule, by method within each [`Ends`].
    methods: Vec<(u16, u32)>,
}

/// A request, as the tree sees it.
#[derive(Clone, Copy)]
pub struct Sought<'a> {
    /// Its path, accepted; `None` when it has none.
    pub path: Option<&'a [u8]>,
    /// Its method's number; `None` when no rule names it.
    pub method: Option<u16>,
    /// Whether case does not count in its path.
    pub ignore_case: bool,
}

/// Why a tree is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeError {
    /// More nodes than [`MAX_NODES`].
    TooManyNodes,
    /// More steps than [`MAX_STEPS`]. The rule is one of those that need them.
    TooManySteps {
        /// Its number.
        rule: u32,
    },
}

impl Tree {
    /// From entries in the order of their rules, for hosts 0 to `hosts` - 1.
    pub fn new(mut entries: Vec<Entry>, hosts: u32) -> Result<Self, TreeError> {
        // Stable: within one path the rules stay in order.
        entries.sort_by(|left, right| (left.host, steps(left)).cmp(&(right.host, steps(right))));
        let mut tree = Self::default();
        let mut rest = entries.as_slice();
        for host in 0..hosts {
            let of_host;
            (of_host, rest) = rest.split_at(rest.partition_point(|entry| entry.host <= host));
            let (no_path, paths) = of_host.split_at(of_host.partition_point(|entry| entry.path.is_none()));
            let any_path = tree.ends(no_path.iter());
            let (root, steps) = tree.node(paths, 0)?;
            if steps > MAX_STEPS {
                let most = paths.iter().max_by_key(|entry| stars(entry));
                return Err(TreeError::TooManySteps { rule: most.map_or(0, |entry| entry.rule) });
            }
            tree.sites.push(Site { any_path, root });
        }
        Ok(tree)
    }

    /// Makes the node of entries that are alike up to `depth`; gives its number and the most steps from it on.
    fn node(&mut self, entries: &[Entry], depth: usize) -> Result<(u32, u64), TreeError> {
        let (ending, mut rest) = entries.split_at(entries.partition_point(|entry| step(entry, depth).is_none()));
        let of = |end: End| ending.iter().filter(move |entry| entry.path.as_ref().is_some_and(|(_, is)| *is == end));
        let (here, below) = (self.ends(of(End::Here)), self.ends(of(End::Below)));
        let mut least = ending.iter().map(|entry| entry.rule).min().unwrap_or(NONE);
        let (mut children, mut star) = (Vec::new(), NONE);
        let (mut most_steps, mut star_steps) = (0, 0);
        while let Some(next) = rest.first().and_then(|entry| step(entry, depth)) {
            let alike;
            (alike, rest) = rest.split_at(rest.partition_point(|entry| step(entry, depth).is_some_and(|s| s <= next)));
            let (node, steps) = self.node(alike, depth + 1)?;
            least = least.min(self.nodes.get(place(node)).map_or(NONE, |node| node.least));
            match next {
                Step::Text(text) => {
                    children.push(Child { text: text.clone(), node });
                    most_steps = most_steps.max(steps);
                }
                Step::Any => (star, star_steps) = (node, steps),
            }
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(TreeError::TooManyNodes);
        }
        let range = (number(self.children.len()), number(children.len()));
        self.children.append(&mut children);
        self.nodes.push(Node { children: range, star, here, below, least });
        Ok((number(self.nodes.len() - 1), 1_u64.saturating_add(most_steps).saturating_add(star_steps)))
    }

    /// What these entries say at their end; they are in the order of their rules.
    fn ends<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> Ends {
        let mut any = NONE;
        let mut named: Vec<(u16, u32)> = Vec::new();
        for entry in entries {
            match &entry.methods {
                // What comes behind a rule for any method is never reached.
                _ if any != NONE => break,
                None => any = entry.rule,
                Some(methods) => named.extend(methods.iter().map(|method| (*method, entry.rule))),
            }
        }
        named.sort_unstable();
        named.dedup_by_key(|(method, _)| *method);
        let range = (number(self.methods.len()), number(named.len()));
        self.methods.append(&mut named);
        Ends { any, named: range }
    }

    /// The first rule of this host for the request, if it comes before `best`; else `best`.
    pub fn first(&self, host: u32, sought: Sought<'_>, best: u32) -> u32 {
        let Some(site) = self.sites.get(place(host)) else { return best };
        let best = self.end(site.any_path, sought, best);
        match sought.path.and_then(|path| path.split_first()) {
            // The slash that each path begins with.
            Some((_, rest)) => self.walk(site.root, Some(rest), sought, best),
            None => best,
        }
    }

    fn walk(&self, node: u32, rest: Option<&[u8]>, sought: Sought<'_>, best: u32) -> u32 {
        let Some(node) = self.nodes.get(place(node)).filter(|node| node.least < best) else { return best };
        let mut best = self.end(node.below, sought, best);
        let Some(rest) = rest else { return self.end(node.here, sought, best) };
        let (segment, rest) = split(rest);
        if node.children.1 > 0 {
            let text = Segment::new(segment, sought.ignore_case);
            let children = part(&self.children, node.children);
            let found = children.binary_search_by(|child| text.order_of(&child.text));
            if let Some(child) = found.ok().and_then(|at| children.get(at)) {
                best = self.walk(child.node, rest, sought, best);
            }
        }
        if node.star != NONE && !segment.is_empty() {
            best = self.walk(node.star, rest, sought, best);
        }
        best
    }

    fn end(&self, ends: Ends, sought: Sought<'_>, best: u32) -> u32 {
        let best = best.min(ends.any);
        let Some(method) = sought.method.filter(|_| ends.named.1 > 0) else { return best };
        let named = part(&self.methods, ends.named);
        let found = named.binary_search_by_key(&method, |(method, _)| *method);
        found.ok().and_then(|at| named.get(at)).map_or(best, |(_, rule)| best.min(*rule))
    }
}

fn steps(entry: &Entry) -> Option<&[Step]> {
    entry.path.as_ref().map(|(steps, _)| &**steps)
}

fn step(entry: &Entry, depth: usize) -> Option<&Step> {
    steps(entry)?.get(depth)
}

fn stars(entry: &Entry) -> usize {
    steps(entry).unwrap_or_default().iter().filter(|step| **step == Step::Any).count()
}

fn part<T>(all: &[T], (start, length): (u32, u32)) -> &[T] {
    let start = place(start);
    all.get(start..start.saturating_add(place(length))).unwrap_or_default()
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Lists are bounded far below where this would matter.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}
