//! Finds the pages of the dashboard as people do: by their links.

use super::browser::Browser;
use std::collections::{BTreeSet, VecDeque};

/// What is served beside the dashboard, and looked at by other tests.
const ELSEWHERE: [&str; 5] = ["/docs", "/errors", "/openapi.json", "/llms.txt", "/filter"];
/// Far more than there are.
const MOST: usize = 120;

/// A page: one of each kind, such as one key's for the pages of all keys.
#[derive(Clone, Debug)]
pub struct Found {
    /// A name made of its address: `keys-id-rename`.
    pub name: String,
    /// Where it is.
    pub address: String,
}

/// Visits one page of each kind that links lead to from `/`, each as it was loaded.
#[track_caller]
pub fn crawl(browser: &Browser, base: &str, mut visit: impl FnMut(&Found)) -> Vec<Found> {
    let mut queue = VecDeque::from([format!("{base}/")]);
    let (mut queued, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut all = Vec::new();
    while let Some(address) = queue.pop_front() {
        browser.open(&address);
        let address = browser.address();
        let name = name(base, &address);
        if !seen.insert(name.clone()) {
            continue;
        }
        assert!(all.len() < MOST, "no end of pages: {seen:?}");
        assert_eq!(browser.status(), 200, "a link leads to {address}:\n{}", browser.text());
        assert_ne!(name, "sign-in", "a link leads out of the dashboard");
        let links = browser.run("return [...document.querySelectorAll('a[href]')].map(link => link.href)");
        for link in links.as_array().unwrap().iter().filter_map(|link| link.as_str()) {
            let link = link.split('#').next().unwrap();
            let is_ours = link.strip_prefix(base).is_some_and(|path| {
                path.starts_with('/') && !ELSEWHERE.iter().any(|elsewhere| path.starts_with(elsewhere))
            });
            if is_ours && queued.insert(self::name(base, link)) {
                queue.push_back(link.to_owned());
            }
        }
        let found = Found { name, address };
        visit(&found);
        all.push(found);
    }
    all
}

/// What kind of page an address is of: its path, with ids left out.
fn name(base: &str, address: &str) -> String {
    let path = address.strip_prefix(base).unwrap_or(address);
    let path = path.split(['?', '#']).next().unwrap();
    let kind = |segment: &str| if is_id(segment) { "id".to_owned() } else { segment.to_owned() };
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).map(kind).collect();
    let name = segments.join("-");
    match name.strip_prefix("accounts-id-") {
        Some(rest) => rest.to_owned(),
        None if name.is_empty() => "home".to_owned(),
        None => name,
    }
}

/// Whether a part of a path is a UUID.
fn is_id(segment: &str) -> bool {
    segment.len() == 36 && segment.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
