//! Every manifest of `examples/istio` and `examples/envoy-gateway` fits the typed model of its kind, and what it configures works in a real
//! Envoy: the settings of the filter, the clusters to the control plane, and the patches of Envoy's own configuration.
//!
//! No cluster runs here. What Istio and Envoy Gateway make of a manifest is put together as their documentation says: the filter's JSON, the
//! names of variables and the answer to faults as the manifest has them, in the configuration of `examples/envoy/envoy.yaml`.

use super::fixture::{Loose, PATH, WORKERS, envoy_settings, eventually, project};
use super::lifecycle::crashing;
use super::tls::Authority;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use serde_json_path::{JsonPath, NormalizedPath};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use xtask::manifests::{self, Manifests};
use xtask::project::Project;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy, EnvoySettings, Stack};

/// How the manifests call the control plane where they name its address.
const SERVICE: &str = "keyplane.keyplane.svc.cluster.local";
/// Where they keep the authority of its certificate.
const AUTHORITY: &str = "/etc/keyplane/ca.pem";

pub fn models() -> Manifests {
    manifests::obtain(&Project::locate().unwrap()).unwrap()
}

/// The YAML files of a folder of `examples/`.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Project::locate().unwrap().root().join("examples").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|is| is == "yaml"));
    files.sort();
    files
}

/// All documents of both folders, with the names of their files.
fn documents() -> Vec<(String, Value)> {
    let checked = models().check(&[files("istio"), files("envoy-gateway")].concat()).unwrap();
    assert!(checked.wrong.is_empty(), "{}", checked.wrong.join("\n"));
    checked.documents
}

/// `examples/envoy/envoy.yaml` as JSON, with this Envoy's ports and module.
pub fn bootstrap(settings: &EnvoySettings) -> Value {
    let file = Project::locate().unwrap().root().join("examples/envoy/envoy.yaml");
    let mut sample = models().check(&[file]).unwrap().documents.remove(0).1;
    let endpoint = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    for (at, port) in [
        ("/admin/address/socket_address/port_value".to_owned(), settings.admin_port),
        ("/static_resources/listeners/0/address/socket_address/port_value".to_owned(), settings.proxy_port),
        (format!("/static_resources/clusters/0/{endpoint}"), settings.sync_port),
        (format!("/static_resources/clusters/1/{endpoint}"), settings.upstream_port),
    ] {
        *sample.pointer_mut(&at).unwrap() = port.into();
    }
    filter(&mut sample)["vm_config"]["code"]["local"]["filename"] = settings.wasm.to_str().unwrap().into();
    sample
}

/// The chain of HTTP filters: Keyplane's, then the router.
pub fn filters(bootstrap: &mut Value) -> &mut Vec<Value> {
    let chain = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    bootstrap.pointer_mut(chain).unwrap().as_array_mut().unwrap()
}

/// The configuration of Keyplane's filter.
pub fn filter(bootstrap: &mut Value) -> &mut Value {
    &mut filters(bootstrap)[0]["typed_config"]["config"]
}

pub fn clusters(bootstrap: &mut Value) -> &mut Vec<Value> {
    bootstrap["static_resources"]["clusters"].as_array_mut().unwrap()
}

/// What a manifest says of a filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Plugin {
    root: String,
    settings: String,
    variables: Vec<String>,
    failure_policy: &'static str,
}

impl Plugin {
    /// The filter of a document, if it has one.
    fn of(document: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let spec = &document["spec"];
        let wasm = match document["kind"].as_str().unwrap() {
            "TrafficExtension" => &spec["wasm"],
            "WasmPlugin" => spec,
            "EnvoyExtensionPolicy" => {
                let [wasm] = &spec["wasm"].as_array().unwrap()[..] else { panic!("one filter in {document}") };
                let names = wasm["env"]["hostKeys"].as_array().unwrap();
                assert_eq!(wasm["failOpen"], false);
                return Some(Self {
                    root: text(&wasm["rootID"]),
                    settings: wasm["config"].to_string(),
                    variables: names.iter().map(text).collect(),
                    failure_policy: "FAIL_CLOSED",
                });
            }
            _ => return None,
        };
        assert_eq!(wasm["failStrategy"], "FAIL_RELOAD");
        let variables = wasm["vmConfig"]["env"].as_array().unwrap();
        // A value that stands in the manifest would show in /config_dump.
        assert!(variables.iter().all(|one| one["valueFrom"] == "HOST" && one.get("value").is_none()));
        Some(Self {
            root: text(&wasm["pluginName"]),
            settings: wasm["pluginConfig"].to_string(),
            variables: variables.iter().map(|one| text(&one["name"])).collect(),
            failure_policy: "FAIL_RELOAD",
        })
    }

    fn cluster(&self) -> String {
        let settings: Value = serde_json::from_str(&self.settings).unwrap();
        settings["control_plane"]["cluster"].as_str().unwrap().to_owned()
    }

    /// Puts it in the place of the sample's filter.
    fn put(&self, bootstrap: &mut Value) {
        let config = filter(bootstrap);
        config["root_id"] = self.root.clone().into();
        config["configuration"]["value"] = self.settings.clone().into();
        config["failure_policy"] = self.failure_policy.into();
        config["vm_config"]["environment_variables"]["host_env_keys"] = json!(self.variables);
        if self.failure_policy != "FAIL_RELOAD" {
            config.as_object_mut().unwrap().remove("reload_config");
            // Envoy Gateway's filters are off, and each route that a policy is for switches them on.
            let filter = &mut filters(bootstrap)[0];
            filter["disabled"] = true.into();
            let name = filter["name"].as_str().unwrap().to_owned();
            let on = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} });
            let listener = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
            let host = &mut listener["typed_config"]["route_config"]["virtual_hosts"][0];
            host["routes"][0]["typed_per_filter_config"] = json!({ name: on });
        }
    }
}

/// An Envoy with this configuration decides about keys: the control plane's table has come to it.
fn decides(loose: &Loose, key: &CreatedKey, bootstrap: &Value, name: &str) {
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    let folder = loose.folder.path();
    let mut envoy = Envoy::start_rendered(settings, &bootstrap.to_string(), &[], folder, name).unwrap();
    eventually(&format!("{name} lets the key pass"), || status(&envoy.client(), Some(key)) == 200);
    for _ in 0..4 * WORKERS {
        assert_eq!(status(&envoy.client(), None), 401, "{name}");
    }
    envoy.stop().unwrap();
}

fn status(proxy: &Client, key: Option<&CreatedKey>) -> u16 {
    let header = key.map(|key| ("x-api-key", key.secret.expose_secret()));
    proxy.get(PATH, header.as_slice()).unwrap().status
}

fn key(loose: &Loose) -> CreatedKey {
    let api = loose.control_plane.api();
    api.create_key(&project(&api), "manifests").unwrap()
}

fn settings(loose: &Loose) -> EnvoySettings {
    envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin())
}

#[test]
fn every_manifest_fits_the_model_of_its_kind_and_each_model_refuses_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kinds, mut misspelt) = (BTreeSet::new(), Vec::new());
    for (_, mut document) in documents() {
        let kind = document["kind"].as_str().unwrap().to_owned();
        // Secrets and ConfigMaps have no `spec`.
        let place = if document.get("spec").is_some() { "spec" } else { "metadata" };
        document[place][format!("unknown{kind}")] = json!({});
        if kinds.insert(kind) {
            misspelt.push(document.to_string());
        }
    }
    let file = folder.path().join("misspelt.yaml");
    std::fs::write(&file, misspelt.join("\n---\n")).unwrap();
    let wrong = models().check(&[file]).unwrap().wrong;
    for kind in &kinds {
        let field = format!("unknown{kind}");
        let is_named = |wrong: &String| wrong.contains(&format!("{field}\"'")) || wrong.contains(&format!("{field}:"));
        assert!(wrong.iter().any(is_named), "{kind} is taken with a field unknown: {wrong:#?}");
    }
    let wanted =
        ["TrafficExtension", "WasmPlugin", "EnvoyFilter", "ServiceEntry", "DestinationRule", "AuthorizationPolicy"];
    let wanted = wanted.iter().chain(&["PeerAuthentication", "EnvoyExtensionPolicy", "EnvoyProxy", "Gateway"]);
    let wanted = wanted.chain(&["EnvoyPatchPolicy"]);
    assert!(wanted.clone().all(|kind| kinds.contains(*kind)), "{kinds:?}");
}

#[test]
fn a_value_that_a_kind_cannot_have_is_refused_though_its_type_is_right() {
    let (mut documents, folder) = (documents(), tempfile::tempdir().unwrap());
    let gateway = |(_, document): &&mut (String, Value)| {
        document["kind"] == "Gateway" && document["spec"]["listeners"][0]["port"] == 443
    };
    let (_, document) = documents.iter_mut().find(gateway).unwrap();
    document["spec"]["listeners"][0]["port"] = 70_000.into();
    document["spec"]["listeners"][0]["hostname"] = "no host name".into();
    let file = folder.path().join("wrong.yaml");
    std::fs::write(&file, document.to_string()).unwrap();
    let wrong = models().check(&[file]).unwrap().wrong;
    assert!(
        ["listeners/0/port", "listeners/0/hostname"].iter().all(|field| wrong.concat().contains(field)),
        "{wrong:?}"
    );
}

/// Else `kubectl apply` of a second file would change what the first made: the filter of a sidecar became that of a waypoint.
#[test]
fn no_two_manifests_have_one_name_unless_they_say_the_same() {
    let mut seen = std::collections::BTreeMap::new();
    for (file, document) in documents() {
        // Envoy Gateway's two ways to fetch the filter have one name on purpose: the second takes the place of the first.
        if document["kind"] == "EnvoyExtensionPolicy" {
            continue;
        }
        let metadata = &document["metadata"];
        let name = [&document["kind"], &metadata["namespace"], &metadata["name"]].map(ToString::to_string);
        if let Some((first, other)) = seen.insert(name.clone(), (file.clone(), document.clone())) {
            assert_eq!(other, document, "{name:?} is in {first} and in {file}");
        }
    }
    assert!(seen.len() > 20, "{}", seen.len());
}

#[test]
fn the_filter_of_every_manifest_works_in_envoy_as_it_stands_there() {
    let loose = Loose::start();
    let key = key(&loose);
    let plugins: Vec<_> = documents().iter().filter_map(|(_, document)| Plugin::of(document)).collect();
    // Three in each of Istio's two kinds, two of Envoy Gateway's.
    assert_eq!(plugins.len(), 8);
    // Those that are alike are tried once.
    let plugins: BTreeSet<_> = plugins.into_iter().collect();
    for (number, plugin) in plugins.iter().enumerate() {
        let mut bootstrap = bootstrap(&settings(&loose));
        plugin.put(&mut bootstrap);
        // Istio makes this cluster by itself, and the manifests add the other: the next test has it.
        clusters(&mut bootstrap)[0]["name"] = plugin.cluster().into();
        decides(&loose, &key, &bootstrap, &format!("plugin-{number}"));
    }
}

/// The control plane starts anew with these settings.
fn set(loose: &mut Loose, settings: &str) {
    std::fs::write(loose.control_plane.data().join("keyplane.toml"), settings).unwrap();
    loose.control_plane.stop().unwrap();
    loose.control_plane.start().unwrap();
}

/// A control plane with a certificate for its name in the cluster, and the file of its authority.
fn with_certificate() -> (Loose, PathBuf) {
    let mut loose = Loose::start();
    let (authority, folder) = (Authority::new(), loose.folder.path().to_owned());
    std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
    authority.issue(SERVICE, &folder, "sync");
    let file = |name: &str| folder.join(name).display().to_string();
    let text = format!("sync_tls_cert = {:?}\nsync_tls_key = {:?}\n", file("sync.pem"), file("sync-key.pem"));
    set(&mut loose, &text);
    (loose, folder.join("ca.pem"))
}

/// The same with addresses and files of this machine.
fn here(patch: &Value, loose: &Loose, authority: &Path) -> Value {
    let mut patch = patch.clone();
    let socket = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    let socket = patch.pointer_mut(socket).unwrap();
    assert_eq!(*socket, json!({ "address": SERVICE, "port_value": 8081 }));
    *socket = json!({ "address": "127.0.0.1", "port_value": loose.ports.sync });
    let file = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
    let file = patch.pointer_mut(file).unwrap();
    assert_eq!(*file, AUTHORITY);
    *file = authority.to_str().unwrap().into();
    patch
}

#[test]
fn the_clusters_that_manifests_add_reach_the_control_plane_over_tls() {
    let (loose, authority) = with_certificate();
    let key = key(&loose);
    let documents = documents();
    let patches = documents.iter().flat_map(|(_, document)| match document["kind"].as_str().unwrap() {
        "EnvoyFilter" => list(&document["spec"]["configPatches"], |one| {
            (one["applyTo"] == "CLUSTER" && one["patch"]["operation"] == "ADD").then(|| {
                // The only context whose clusters Istio gives to a waypoint, which is what this one is for.
                assert_eq!(one["match"], json!({ "context": "SIDECAR_INBOUND" }));
                one["patch"]["value"].clone()
            })
        }),
        "EnvoyProxy" => list(&document["spec"]["bootstrap"]["jsonPatches"], |one| {
            (one["op"] == "add" && one["path"] == "/static_resources/clusters/-").then(|| one["value"].clone())
        }),
        _ => Vec::new(),
    });
    let patches: Vec<_> = patches.collect();
    assert_eq!(patches.len(), 2);
    for (number, patch) in patches.iter().enumerate() {
        let mut bootstrap = bootstrap(&settings(&loose));
        clusters(&mut bootstrap)[0] = here(patch, &loose, &authority);
        decides(&loose, &key, &bootstrap, &format!("cluster-{number}"));
    }
}

fn list(values: &Value, pick: impl Fn(&Value) -> Option<Value>) -> Vec<Value> {
    values.as_array().unwrap().iter().filter_map(pick).collect()
}

#[test]
fn the_filter_of_the_envoy_filter_is_fetched_from_the_control_plane_and_works() {
    let mut loose = Loose::start();
    let module = loose.parts.wasm.clone();
    set(&mut loose, &format!("filter_modules = [{:?}]\n", module.display().to_string()));
    let key = key(&loose);
    let documents = documents();
    let patches =
        documents.iter().filter(|(_, document)| document["kind"] == "EnvoyFilter").flat_map(|(_, document)| {
            list(&document["spec"]["configPatches"], |one| {
                (one["applyTo"] == "HTTP_FILTER").then(|| one["patch"]["value"].clone())
            })
        });
    let [mut patch] = patches.collect::<Vec<_>>().try_into().unwrap();
    let config = &mut patch["typed_config"]["config"];
    let plugin: Value = serde_json::from_str(config["configuration"]["value"].as_str().unwrap()).unwrap();
    let remote = &mut config["vm_config"]["code"]["remote"];
    remote["sha256"] = sha256(&module).into();
    let (source, uri) = (remote["http_uri"]["cluster"].clone(), remote["http_uri"]["uri"].as_str().unwrap());
    assert_eq!(uri, format!("http://{SERVICE}:8081/filter/keyplane.wasm"));

    let mut bootstrap = bootstrap(&settings(&loose));
    // Before the router, as the patch says.
    filters(&mut bootstrap)[0] = patch;
    // One cluster for both, that of the sync port.
    assert_eq!(plugin["control_plane"]["cluster"], source);
    clusters(&mut bootstrap)[0]["name"] = source;
    decides(&loose, &key, &bootstrap, "envoyfilter");
}

/// The digest of a file, in hexadecimal.
fn sha256(file: &Path) -> String {
    Sha256::digest(std::fs::read(file).unwrap()).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What Envoy Gateway makes of a policy and its target, in the place of the sample's filter and listener, with the names that patches go by.
fn as_envoy_gateway_makes_it(policy: &Value, mut bootstrap: Value) -> Value {
    let name = |of: &Value| format!("{}/{}", of["namespace"].as_str().unwrap(), of["name"].as_str().unwrap());
    let plugin = Plugin::of(policy).unwrap();
    plugin.put(&mut bootstrap);
    clusters(&mut bootstrap)[0]["name"] = plugin.cluster().into();
    let filter_name = format!("envoyextensionpolicy/{}/wasm/0", name(&policy["metadata"]));
    let config = filter(&mut bootstrap);
    // It has no word for what follows a fault.
    config.as_object_mut().unwrap().remove("failure_policy");
    config["vm_config"]["vm_id"] = filter_name.clone().into();
    let filter_name = format!("envoy.filters.http.wasm/{filter_name}");
    filters(&mut bootstrap)[0]["name"] = filter_name.clone().into();
    let listener = &mut bootstrap["static_resources"]["listeners"][0];
    let gateway =
        json!({ "namespace": policy["metadata"]["namespace"], "name": policy["spec"]["targetRefs"][0]["name"] });
    listener["name"] = format!("{}/https", name(&gateway)).into();
    let route = "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";
    listener.pointer_mut(route).unwrap()["typed_per_filter_config"] = json!({
        filter_name: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} },
    });
    bootstrap
}

/// Applies the patches of a policy to the listener that each names. One that finds nothing is an error, as Envoy Gateway's documentation says.
fn patch(bootstrap: &mut Value, policy: &Value) {
    let listener = &mut bootstrap["static_resources"]["listeners"][0];
    for patch in policy["spec"]["jsonPatches"].as_array().unwrap() {
        assert_eq!(patch["type"], "type.googleapis.com/envoy.config.listener.v3.Listener");
        assert_eq!(patch["name"], listener["name"]);
        let operation = &patch["operation"];
        assert_eq!(operation["op"], "add");
        let field = operation["path"].as_str().unwrap().strip_prefix('/').unwrap();
        let found = JsonPath::parse(operation["jsonPath"].as_str().unwrap()).unwrap();
        let places: Vec<_> = found.query_located(listener).locations().map(NormalizedPath::to_json_pointer).collect();
        assert_eq!(places.len(), 1, "{places:?}");
        let object = listener.pointer_mut(&places[0]).unwrap().as_object_mut().unwrap();
        object.insert(field.to_owned(), operation["value"].clone());
    }
}

#[test]
fn with_the_patch_for_envoy_gateway_a_filter_that_fails_is_started_anew_and_without_it_refuses_on() {
    let mut loose = Loose::start();
    let key = key(&loose);
    let wasm = loose.folder.path().join("crashing.wasm");
    std::fs::write(&wasm, crashing::crashing(&std::fs::read(&loose.parts.wasm).unwrap())).unwrap();
    loose.parts.wasm = wasm;
    let documents = documents();
    let of = |kind: &'static str| documents.iter().map(|(_, document)| document).filter(move |one| one["kind"] == kind);
    let [reload] = of("EnvoyPatchPolicy").collect::<Vec<_>>().try_into().unwrap();
    // Whichever way the module comes, it is the same filter.
    for policy in of("EnvoyExtensionPolicy") {
        patch(&mut as_envoy_gateway_makes_it(policy, bootstrap(&settings(&loose))), reload);
    }
    let policy = of("EnvoyExtensionPolicy").next().unwrap();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let log = json!([{
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "text_format_source": { "inline_string": "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n" } },
        },
    }]);
    for is_patched in [false, true] {
        let mut bootstrap = as_envoy_gateway_makes_it(policy, bootstrap(&settings(&loose)));
        bootstrap.pointer_mut(manager).unwrap()["access_log"] = log.clone();
        if is_patched {
            patch(&mut bootstrap, reload);
        }
        let name = if is_patched { "patched" } else { "unpatched" };
        let folder = loose.folder.path();
        let mut envoy = Envoy::start_rendered(settings(&loose), &bootstrap.to_string(), &[], folder, name).unwrap();
        let statuses = || (0..4 * WORKERS).map(|_| status(&envoy.client(), Some(&key))).collect::<Vec<_>>();
        let all = |wanted: u16| move |statuses: Vec<u16>| statuses.iter().all(|status| *status == wanted);
        eventually("the key passes", || all(200)(statuses()));
        assert_eq!(status(&envoy.client(), None), 401);
        eventually("each worker's filter fails", || {
            let failed = envoy.client().get(PATH, &[(crashing::HEADER, "1")]).unwrap().status >= 500;
            failed && (is_patched || all(503)(statuses()))
        });
        if is_patched {
            eventually("the filter is back at each worker", || all(200)(statuses()));
            assert_eq!(status(&envoy.client(), None), 401);
        } else {
            std::thread::sleep(std::time::Duration::from_secs(2));
            assert!(all(503)(statuses()), "a filter that failed came back by itself");
            assert_eq!(envoy.client().get(PATH, &[]).unwrap().text(), "");
            let said = "503 wasm_fail_stream";
            eventually("the access log says why, as the guide tells", || envoy.process().logged().contains(said));
        }
        envoy.stop().unwrap();
    }
}
