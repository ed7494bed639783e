//! Rules as an operator of many services would write them, any number, and the request that the last one decides.

use serde_json::{Value, json};

use super::feed::Keys;
use super::scenario::{Scenario, Shape};

/// Rules of one resource, and resources of one host.
const KINDS: u32 = 4;
const RESOURCES: u32 = 10;

/// A configuration with `count` rules. Each host serves a few resources: lists and single objects are read with one scope,
/// changes need another, and each object has sub-resources.
pub fn scenario(count: u32) -> Scenario {
    let rules: Vec<Value> = (0..count).map(rule).collect();
    let (host, path, method) = request(count.saturating_sub(1));
    let mut shape = Shape::usual(200);
    (shape.method, shape.path) = (method.to_owned(), path);
    shape.headers.insert("host".into(), host);
    if method != "GET" {
        shape.headers.insert("content-length".into(), "0".into());
    }
    let plugin = [("rules".to_owned(), rules.into())].into_iter().collect();
    Scenario { plugin, keys: Some(Keys { count: 1_000, scopes: "things:read things:write".into() }), shape }
}

/// Host and resource of a rule.
fn place(number: u32) -> (String, String) {
    let resource = number / KINDS;
    (format!("service-{}.example.com", resource / RESOURCES), format!("/v1/resource-{}", resource % RESOURCES))
}

fn rule(number: u32) -> Value {
    let (host, resource) = place(number);
    let (path, methods, scope): (_, &[&str], _) = match number % KINDS {
        0 => (resource, &["GET"], "things:read"),
        1 => (format!("{resource}/*"), &["GET"], "things:read"),
        2 => (format!("{resource}/**"), &["POST", "PUT", "PATCH", "DELETE"], "things:write"),
        _ => (format!("{resource}/*/runs/*"), &["GET"], "things:read"),
    };
    json!({
        "name": format!("rule-{number}"),
        "hosts": [host],
        "paths": [path],
        "methods": methods,
        "scopes": { "all": [scope] },
    })
}

/// Host, path and method that this rule alone matches.
fn request(number: u32) -> (String, String, &'static str) {
    let (host, resource) = place(number);
    let (path, method) = match number % KINDS {
        0 => (resource, "GET"),
        1 => (format!("{resource}/0191b2c3"), "GET"),
        2 => (format!("{resource}/0191b2c3"), "DELETE"),
        _ => (format!("{resource}/0191b2c3/runs/7"), "GET"),
    };
    (host, path, method)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a path is one that a pattern of the above forms matches.
    fn matches(pattern: &str, path: &str) -> bool {
        if let Some(below) = pattern.strip_suffix("/**") {
            return path == below || path.strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
        }
        let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len()
            && pattern.iter().zip(path).all(|(wanted, found)| *wanted == "*" || *wanted == found)
    }

    #[test]
    fn the_request_is_the_last_rules_alone() {
        for count in [1, 2, 3, 4, 41, 100] {
            let (host, path, method) = request(count - 1);
            let decide: Vec<u32> = (0..count)
                .filter(|number| {
                    let rule = rule(*number);
                    rule["hosts"][0] == host.as_str()
                        && matches(rule["paths"][0].as_str().unwrap(), &path)
                        && rule["methods"].as_array().unwrap().contains(&method.into())
                })
                .collect();
            assert_eq!(decide, [count - 1]);
        }
    }
}
