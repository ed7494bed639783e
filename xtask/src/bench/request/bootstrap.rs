//! The one Envoy of a run: a listener for each filter that is compared, all alike but for the filter.
//!
//! The routes answer by themselves (`direct_response`), so what is measured is Envoy and the filter, without an upstream. The
//! connection manager is set as in `examples/envoy/envoy.yaml`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::super::yaml::yaml;
use crate::stack::ports::free as free_port;
use crate::stack::{Client, Process, START_LIMIT};

/// Not secret: the feed takes any.
const TOKEN: &str = "kp_proxy_of_the_benchmark";

/// What stands before the router.
#[derive(Debug, Clone)]
pub enum Filter {
    /// Nothing.
    None,
    /// A module without a configuration.
    Empty {
        /// The module's path.
        module: String,
    },
    /// Envoy's own `api_key_auth` with these keys.
    Native {
        /// What callers present in `x-api-key`.
        secrets: Vec<String>,
    },
    /// Keyplane.
    Keyplane {
        /// The module's path.
        module: String,
        /// The plugin configuration without `control_plane`.
        plugin: Map<String, Value>,
        /// Port of the feed that it syncs from.
        feed: u16,
    },
    /// Envoy's HTTP `ext_authz`, which asks a server for each request.
    Authz {
        /// Where the server listens.
        port: u16,
    },
}

/// A listener and its filter.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where it listens, on loopback.
    pub port: u16,
    /// What stands before the router.
    pub filter: Filter,
}

/// How Envoy's configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As JSON, which is what programs write.
    Json,
    /// As YAML in blocks, which is what people write.
    Yaml,
}

/// A running Envoy with these listeners.
#[derive(Debug)]
pub struct Envoy {
    /// The process.
    pub process: Process,
    /// When it was started.
    pub started: Instant,
}

impl Envoy {
    /// Starts it with one worker. Configuration and log go to `folder`.
    pub fn start(binary: &Path, listeners: &[Listener], folder: &Path) -> Result<Self> {
        Self::start_within(START_LIMIT, binary, listeners, Form::Json, folder)
    }

    /// The same for one that may need another time to be ready.
    pub fn start_within(
        limit: Duration,
        binary: &Path,
        listeners: &[Listener],
        form: Form,
        folder: &Path,
    ) -> Result<Self> {
        let admin = free_port()?;
        let bootstrap = bootstrap(admin, listeners);
        let (name, text) = match form {
            Form::Json => ("envoy.json", bootstrap.to_string()),
            Form::Yaml => ("envoy.yaml", yaml(&bootstrap)),
        };
        let configuration = folder.join(name);
        std::fs::write(&configuration, text).with_context(|| format!("cannot write {}", configuration.display()))?;
        drop(bootstrap);
        let mut command = Command::new(binary);
        command
            .arg("--config-path")
            .arg(&configuration)
            .args(["--concurrency", "1", "--disable-hot-restart"])
            // The native filter warns once for each key.
            .args(["--log-level", "error"])
            .env("KEYPLANE_PROXY_TOKEN", TOKEN);
        let started = Instant::now();
        let mut process = Process::start("Envoy", command, &folder.join("envoy.log"))?;
        let admin = Client::new(admin);
        process.wait_until(limit, || admin.get("/ready", &[]).is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { process, started })
    }
}

fn bootstrap(admin: u16, listeners: &[Listener]) -> Value {
    let mut servers: Vec<u16> = listeners.iter().filter_map(Listener::server).collect();
    servers.sort_unstable();
    servers.dedup();
    let clusters: Vec<Value> = servers.into_iter().map(cluster).collect();
    let listeners: Vec<Value> =
        listeners.iter().enumerate().map(|(number, listener)| listener.render(number)).collect();
    json!({
        "node": { "id": "benchmark", "cluster": "benchmark" },
        "admin": { "address": address(admin) },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

fn cluster(server: u16) -> Value {
    let name = cluster_name(server);
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(server) } }] }],
        },
    });
    if cfg!(target_os = "linux") {
        cluster["upstream_bind_config"] = json!({ "socket_options": reno() });
    }
    cluster
}

fn cluster_name(server: u16) -> String {
    format!("server-{server}")
}

/// `IPPROTO_TCP`, `TCP_CONGESTION`, "reno". The generator says why.
fn reno() -> Value {
    json!([{ "level": 6, "name": 13, "buf_value": "cmVubw==", "state": "STATE_PREBIND" }])
}

impl Listener {
    /// The server that its filter asks.
    fn server(&self) -> Option<u16> {
        match self.filter {
            Filter::Keyplane { feed, .. } => Some(feed),
            Filter::Authz { port } => Some(port),
            _ => None,
        }
    }

    fn render(&self, number: usize) -> Value {
        let name = format!("listener-{number}");
        let mut filters: Vec<Value> = self.filter.render(&name).into_iter().collect();
        filters.push(extension("router", "router.v3.Router", json!({})));
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "use_remote_address": true,
            "normalize_path": true,
            "merge_slashes": true,
            "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
            "http_filters": filters,
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{
                    "match": { "prefix": "/" },
                    "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
                }],
            }] },
        });
        let mut listener = json!({
            "name": name,
            "address": address(self.port),
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }] }],
        });
        if cfg!(target_os = "linux") {
            // What is accepted inherits it.
            listener["socket_options"] = reno();
        }
        listener
    }
}

impl Filter {
    /// `listener` names its virtual machine: no two share one, or one would serve both with its own table.
    fn render(&self, listener: &str) -> Option<Value> {
        match self {
            Self::None => None,
            Self::Empty { module } => Some(wasm(&json!({
                "name": "empty",
                "root_id": "empty",
                "failure_policy": "FAIL_CLOSED",
                "vm_config": { "vm_id": listener, "runtime": "envoy.wasm.runtime.v8", "code": code(module) },
            }))),
            Self::Native { secrets } => {
                let keys = secrets.iter().enumerate();
                let credentials: Vec<Value> =
                    keys.map(|(number, key)| json!({ "key": key, "client": format!("client-{number}") })).collect();
                let key_sources = json!([{ "header": "x-api-key" }]);
                let config = json!({ "credentials": credentials, "key_sources": key_sources });
                Some(extension("api_key_auth", "api_key_auth.v3.ApiKeyAuth", config))
            }
            Self::Authz { port } => {
                let exact = |names: &[&str]| {
                    let patterns: Vec<Value> = names.iter().map(|name| json!({ "exact": name })).collect();
                    json!({ "patterns": patterns })
                };
                let server = json!({ "uri": "http://127.0.0.1", "cluster": cluster_name(*port), "timeout": "5s" });
                let config = json!({
                    "http_service": {
                        "server_uri": server,
                        "authorization_response": {
                            "allowed_upstream_headers": exact(&["x-keyplane-account", "x-keyplane-key"]),
                        },
                    },
                    // The server gets nothing that it does not need.
                    "allowed_headers": exact(&["x-api-key"]),
                });
                Some(extension("ext_authz", "ext_authz.v3.ExtAuthz", config))
            }
            Self::Keyplane { module, plugin, feed } => {
                let mut plugin = plugin.clone();
                // Polls as seldom as may be: a poll in a block would be counted as its requests'.
                let control_plane = json!({ "cluster": cluster_name(*feed), "wait_seconds": 55 });
                plugin.insert("control_plane".into(), control_plane);
                Some(wasm(&json!({
                    "name": "keyplane",
                    "root_id": "keyplane",
                    "failure_policy": "FAIL_RELOAD",
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": Value::from(plugin).to_string(),
                    },
                    "vm_config": {
                        "vm_id": listener,
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": code(module),
                        "environment_variables": { "host_env_keys": ["KEYPLANE_PROXY_TOKEN"] },
                    },
                })))
            }
        }
    }
}

fn code(module: &str) -> Value {
    json!({ "local": { "filename": module } })
}

fn wasm(config: &Value) -> Value {
    extension("wasm", "wasm.v3.Wasm", json!({ "config": config }))
}

/// An HTTP filter of Envoy's by its name and type.
fn extension(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}").into();
    json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": config })
}
