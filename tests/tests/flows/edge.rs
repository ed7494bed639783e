//! `examples/envoy/edge.yaml` is run as it stands but for names, ports and files: TLS in front, the module fetched and checked by its digest, the
//! access log, and an admin interface that shows two paths.

use super::fixture::{Loose, PATH, envoy_settings, eventually, project};
use super::guides::diagnosis;
use super::manifests::models;
use super::module::Module;
use super::tls::Authority;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use xtask::project::Project;
use xtask::stack::{Envoy, Stack};

/// A control plane with a certificate for `keyplane.internal`, and beside it all files that the example names.
fn with_files() -> Loose {
    let mut loose = Loose::start();
    let (authority, folder) = (Authority::new(), loose.folder.path().to_owned());
    std::fs::write(folder.join("keyplane-ca.pem"), &authority.pem).unwrap();
    authority.issue("keyplane.internal", &folder, "sync");
    authority.issue("api.example.com", &folder, "api");
    let file = |name: &str| folder.join(name).display().to_string();
    let text = format!("sync_tls_cert = {:?}\nsync_tls_key = {:?}\n", file("sync.pem"), file("sync-key.pem"));
    std::fs::write(loose.control_plane.data().join("keyplane.toml"), text).unwrap();
    loose.control_plane.stop().unwrap();
    loose.control_plane.start().unwrap();
    loose
}

/// The example with this machine's addresses, and the module from this server.
fn configuration(loose: &Loose, module: &Module, sha256: &str) -> Value {
    let file = Project::locate().unwrap().root().join("examples/envoy/edge.yaml");
    let example = models().check(&[file]).unwrap().documents.remove(0).1.to_string();
    let folder = format!("{}/", loose.folder.path().display());
    let unknown = "0".repeat(64);
    let example = example.replace("/etc/envoy/", &folder).replace("/run/envoy/", &folder).replace(&unknown, sha256);
    let mut example: Value = serde_json::from_str(&example).unwrap();
    let resources = &mut example["static_resources"];
    let socket = |port: u16| json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    resources["listeners"][0]["address"] = socket(loose.ports.proxy);
    resources["listeners"][1]["address"] = socket(loose.ports.admin);
    for cluster in resources["clusters"].as_array_mut().unwrap() {
        let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
        match cluster["name"].as_str().unwrap() {
            "keyplane" => *cluster.pointer_mut(endpoint).unwrap() = socket(loose.ports.sync),
            "application" => *cluster.pointer_mut(endpoint).unwrap() = socket(loose.ports.upstream),
            "keyplane_module" => *cluster = module.cluster("keyplane_module"),
            other => assert_eq!(other, "admin"),
        }
    }
    example
}

fn start(loose: &Loose, configuration: &Value) -> Envoy {
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    Envoy::start_rendered(settings, &configuration.to_string(), &[], loose.folder.path(), "edge").unwrap()
}

/// The status of a request over TLS.
fn status(loose: &Loose, key: Option<&str>) -> String {
    let port = loose.ports.proxy;
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
        .arg(loose.folder.path().join("keyplane-ca.pem"))
        .args(["--noproxy", "*", "--resolve", &format!("api.example.com:{port}:127.0.0.1")])
        .arg(format!("https://api.example.com:{port}{PATH}?page=2"));
    if let Some(key) = key {
        curl.args(["--header", &format!("X-API-Key: {key}")]);
    }
    String::from_utf8(curl.output().unwrap().stdout).unwrap()
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("edge.log")).unwrap()
}

#[test]
fn the_edge_example_serves_tls_fetches_the_module_and_logs_who_called() {
    let loose = with_files();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "edge").unwrap();
    let module = Module::serve(&loose.parts.wasm);
    let envoy = start(&loose, &configuration(&loose, &module, module.sha256()));
    let secret = key.secret.expose_secret();
    eventually("the module is there and knows the key", || status(&loose, Some(secret)) == "200");
    assert_eq!(status(&loose, None), "401");

    let lines =
        || log(loose.folder.path()).lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>();
    eventually("both are in the access log", || {
        let found = |status: u16, key: &Value, reason: &str| {
            lines().iter().any(|line| line["status"] == status && line["key"] == *key && line["reason"] == reason)
        };
        found(200, &Value::from(key.id.clone()), "allowed") && found(401, &Value::Null, "missing")
    });
    assert!(lines().iter().all(|line| line["path"] == PATH), "{:?}", lines());
    assert!(!log(loose.folder.path()).contains(secret));

    // Two paths of the admin interface, and no others.
    let admin = envoy.admin();
    assert_eq!(admin.get("/ready", &[]).unwrap().status, 200);
    assert!(admin.get("/stats/prometheus", &[]).unwrap().text().contains("keyplane_synced"));
    for closed in ["/config_dump", "/stats", "/quitquitquit", "/"] {
        assert_eq!(admin.get(closed, &[]).unwrap().status, 404, "{closed}");
    }
    assert_eq!(admin.send("POST", "/ready", &[], &[]).unwrap().status, 404);
    // Who may open the socket may ask for all.
    let socket = loose.folder.path().join("admin.sock");
    assert_eq!(diagnosis(&loose, socket.to_str().unwrap()), Vec::<String>::new());
}

#[test]
fn a_module_of_another_digest_is_refused_and_nothing_passes() {
    let loose = with_files();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "edge").unwrap();
    let module = Module::serve(&loose.parts.wasm);
    let _envoy = start(&loose, &configuration(&loose, &module, &"1".repeat(64)));
    eventually("Envoy says so", || log(loose.folder.path()).contains("Plugin keyplane failed to load"));
    assert_eq!(status(&loose, Some(key.secret.expose_secret())), "503");
    assert_eq!(status(&loose, None), "503");
}
