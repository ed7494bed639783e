//! The pages of `docs/`, compiled in.

use super::reference;
use crate::http::openapi::document;

/// Name of the page that is made from the code.
pub const REFERENCE: &str = "api";

/// The pages: name and text.
pub const PAGES: &[(&str, &str)] = &[
    ("architecture", include_str!("../../../../docs/architecture.md")),
    ("authorization", include_str!("../../../../docs/authorization.md")),
    ("conventions", include_str!("../../../../docs/conventions.md")),
    ("dashboard", include_str!("../../../../docs/dashboard.md")),
    ("envoy", include_str!("../../../../docs/envoy.md")),
    ("envoy-gateway", include_str!("../../../../docs/envoy-gateway.md")),
    ("errors", include_str!("../../../../docs/errors.md")),
    ("filter", include_str!("../../../../docs/filter.md")),
    ("incident", include_str!("../../../../docs/incident.md")),
    ("istio", include_str!("../../../../docs/istio.md")),
    ("jwt", include_str!("../../../../docs/jwt.md")),
    ("jwt-in-envoy", include_str!("../../../../docs/jwt-in-envoy.md")),
    ("migrating", include_str!("../../../../docs/migrating.md")),
    ("operations", include_str!("../../../../docs/operations.md")),
    ("packaging", include_str!("../../../../docs/packaging.md")),
    ("performance", include_str!("../../../../docs/performance.md")),
    ("protocol", include_str!("../../../../docs/protocol.md")),
    ("recipes", include_str!("../../../../docs/recipes.md")),
    ("rotating", include_str!("../../../../docs/rotating.md")),
    ("rows", include_str!("../../../../docs/rows.md")),
    ("troubleshooting", include_str!("../../../../docs/troubleshooting.md")),
    ("upgrading", include_str!("../../../../docs/upgrading.md")),
];

/// The page of this name.
pub fn markdown(name: &str) -> Option<String> {
    if name == REFERENCE {
        return Some(reference::markdown(document()));
    }
    PAGES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
}

/// A page's first heading.
pub fn title(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_in_docs_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut found: Vec<_> = names.filter_map(|name| name.strip_suffix(".md").map(str::to_owned)).collect();
        found.sort();
        assert_eq!(found, PAGES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "list it in PAGES");
        assert!(PAGES.iter().all(|(_, text)| !title(text).is_empty()));
    }
}
