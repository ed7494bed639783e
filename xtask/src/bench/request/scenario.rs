//! What one measured request is: a plugin configuration, a request, and the answer that it must get.
//!
//! `--plugin NAME=FILE.json` brings one from a file, either a bare plugin configuration (then the usual request is sent and must
//! be let through), or
//!
//! ```json
//! {
//!   "plugin": { "credentials": [{ "query": "api_key" }] },
//!   "keys": { "count": 1000, "scopes": "runs:read" },
//!   "request": { "method": "GET", "path": "/v1/runs?api_key={key}", "headers": { "host": "api.example.com" }, "status": 200 }
//! }
//! ```
//!
//! `{key}` stands where the credential belongs. `control_plane` is put in by the benchmark.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::feed::Keys;
use super::generator::{PLACEHOLDER, Template};

/// A request and what must become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// `GET`, ...
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case. `host` and what a client always sends are there if nothing else is said.
    pub headers: BTreeMap<String, String>,
    /// The status that each answer must have.
    pub status: u16,
}

impl Shape {
    /// A client's usual request, with a key in `x-api-key`.
    pub fn usual(status: u16) -> Self {
        let mut shape = Self::without_key(status);
        shape.headers.insert("x-api-key".into(), PLACEHOLDER.into());
        shape
    }

    /// The same without a key.
    pub fn without_key(status: u16) -> Self {
        let headers = [
            ("host", "api.example.com"),
            ("user-agent", "keyplane-bench/1"),
            ("accept", "application/json"),
            ("accept-encoding", "gzip, br"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { method: "GET".into(), path: "/v1/runs?limit=20".into(), headers, status }
    }

    /// The request's bytes.
    pub fn template(&self) -> Result<Template> {
        let Self { method, path, headers, .. } = self;
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        Template::new(&request)
    }
}

/// A plugin configuration with its keys and its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The configuration without `control_plane`.
    pub plugin: Map<String, Value>,
    /// The keys in the table; `None` for the benchmark's smallest table.
    pub keys: Option<Keys>,
    /// The request.
    pub shape: Shape,
}

impl Scenario {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let value = serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        Self::parse(value).with_context(|| file.display().to_string())
    }

    fn parse(value: Value) -> Result<Self> {
        let Value::Object(mut parts) = value else { bail!("a JSON object is needed") };
        let Some(plugin) = parts.remove("plugin") else {
            return Ok(Self { plugin: parts, keys: None, shape: Shape::usual(200) });
        };
        let Value::Object(plugin) = plugin else { bail!("`plugin` must be an object") };
        let keys = parts.remove("keys").map(|keys| parse_keys(&keys)).transpose()?;
        let shape = parts.remove("request").map_or_else(|| Ok(Shape::usual(200)), |request| parse_shape(&request))?;
        if let Some(name) = parts.keys().next() {
            bail!("`{name}` is not known beside `plugin`, `keys` and `request`");
        }
        Ok(Self { plugin, keys, shape })
    }
}

fn parse_keys(keys: &Value) -> Result<Keys> {
    let count = keys["count"].as_u64().context("`keys.count` must be a number")?;
    let scopes = keys.get("scopes").map_or(Some(""), Value::as_str).context("`keys.scopes` must be a text")?;
    Ok(Keys { count, scopes: scopes.into() })
}

fn parse_shape(request: &Value) -> Result<Shape> {
    let text = |name: &str, usual: &str| {
        let value = request.get(name).map_or(Some(usual), Value::as_str);
        value.map(str::to_owned).with_context(|| format!("`request.{name}` must be a text"))
    };
    let status = request.get("status").map_or(Some(200), Value::as_u64).and_then(|status| status.try_into().ok());
    let usual = Shape::usual(status.context("`request.status` must be a status")?);
    let path = text("path", &usual.path)?;
    // A key in the path takes the place of the one in the header.
    let mut headers = if path.contains(PLACEHOLDER) { Shape::without_key(0).headers } else { usual.headers };
    if let Some(given) = request.get("headers") {
        let given = given.as_object().context("`request.headers` must be an object")?;
        if given.values().any(|value| value.as_str().is_some_and(|value| value.contains(PLACEHOLDER))) {
            headers.remove("x-api-key");
        }
        for (name, value) in given {
            let value = value.as_str().with_context(|| format!("`request.headers.{name}` must be a text"))?;
            headers.insert(name.to_ascii_lowercase(), value.into());
        }
    }
    Ok(Shape { method: text("method", &usual.method)?, path, headers, status: usual.status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bare_configuration_gets_the_usual_request() {
        let scenario = Scenario::parse(json!({ "forward_credential": true })).unwrap();
        assert_eq!(scenario.plugin["forward_credential"], true);
        assert_eq!((scenario.keys, scenario.shape), (None, Shape::usual(200)));
    }

    #[test]
    fn a_key_elsewhere_takes_the_place_of_the_usual_one() {
        let of = |request: Value| Scenario::parse(json!({ "plugin": {}, "request": request })).unwrap().shape;
        let query = of(json!({ "path": "/?k={key}", "status": 401 }));
        assert_eq!((query.status, query.headers.get("x-api-key")), (401, None));
        let bearer = of(json!({ "headers": { "Authorization": "Bearer {key}", "host": "a" } }));
        assert_eq!((bearer.headers.get("x-api-key"), bearer.headers["host"].as_str()), (None, "a"));
        assert!(bearer.template().is_ok());
    }

    #[test]
    fn a_misspelt_part_is_refused() {
        assert!(Scenario::parse(json!({ "plugin": {}, "requests": {} })).is_err());
        assert!(Scenario::parse(json!({ "plugin": {}, "keys": { "count": "1" } })).is_err());
        assert!(Scenario::parse(json!([])).is_err());
    }
}
