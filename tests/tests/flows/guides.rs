//! The guides of `docs/` are true: their commands, as they stand there, against running parts; their settings in a real Envoy; and each line of a log
//! that they show is one that is printed when they say so.

use super::fixture::{Flow, Loose, PATH, envoy_settings, eventually, parts, project, seen};
use super::manifests::{bootstrap, clusters, filter, filters, models};
use super::module::Module;
use super::tls::with_tls;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::process::Command;
use xtask::project::Project;
use xtask::stack::{Client, Envoy, Stack};

/// The code blocks of a guide with this heading, such as `sh incident`.
fn blocks(guide: &str, heading: &str) -> Vec<String> {
    let guide = Project::locate().unwrap().root().join(format!("docs/{guide}.md"));
    let guide = std::fs::read_to_string(guide).unwrap();
    let start = format!("```{heading}\n");
    guide.split(&start).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

fn block(guide: &str, heading: &str) -> String {
    let [block] = blocks(guide, heading).try_into().unwrap_or_else(|found| panic!("{heading} in {guide}: {found:?}"));
    block
}

/// What a script prints; the folder holds the files that guides name.
fn run(flow: &Flow, script: &str) -> String {
    let path = format!("{}:{}", parts().keyplane.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).current_dir(flow.stack.folder()).env("PATH", path);
    let output = bash.output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{shown}\n{errors}");
    shown.into_owned()
}

/// Each text stands in the output, in this order.
fn in_order(shown: &str, expected: &[&str]) {
    let mut rest = shown;
    for text in expected {
        let at = rest.find(text).unwrap_or_else(|| panic!("no {text} in {rest}"));
        rest = &rest[at + text.len()..];
    }
}

/// The blocks of a guide as one script, with the shell variables that a reader has.
fn script(flow: &Flow, guide: &str, variables: &[(&str, &str)]) -> String {
    let blocks = blocks(guide, &format!("sh {guide}")).join("\n");
    let blocks = blocks.replace("http://127.0.0.1:8080", flow.stack.control_plane.client().base());
    let variables: Vec<_> = variables.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    variables.concat() + &blocks
}

#[test]
fn a_key_is_replaced_as_the_guide_says() {
    let flow = Flow::start();
    let key = flow.known_key("nightly");
    let script = script(&flow, "rotating", &[("project", &flow.project), ("id", &key.id)]);
    let shown = run(&flow, &script);
    in_order(&shown, &["nightly", "uk_live_", "48 hours", "revoked", "key.revoke", "key.rotate", "key.create"]);
    assert_eq!(flow.get(&key).status, 401);
}

#[test]
fn a_leaked_key_is_ended_as_the_guide_says() {
    let flow = Flow::start();
    let key = flow.known_key("leaky");
    let listed = flow.api().client().get(&format!("/v1/keys/{}", key.id), &[]).unwrap().json();
    let (mask, account) = (listed["key_prefix"].as_str().unwrap(), listed["account_id"].as_str().unwrap());
    let variables =
        [("leaked", key.secret.expose_secret()), ("mask", mask), ("project", &flow.project), ("account", account)];
    let shown = run(&flow, &script(&flow, "incident", &variables));
    in_order(&shown, &[&key.id, mask, "revoked", "uk_live_", "key.revoke", "suspended", "active"]);
    assert_eq!(flow.get(&key).status, 401);
    assert!(!shown.contains(key.secret.expose_secret()));
}

#[test]
fn envoy_is_checked_and_started_as_the_guide_says() {
    let loose = Loose::start();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "guide").unwrap();
    let (folder, at) = (loose.folder.path(), loose.ports);
    let settings = envoy_settings(&loose.parts, &loose.control_plane, at, &Stack::usual_plugin());
    std::fs::create_dir_all(folder.join("examples/envoy")).unwrap();
    // With one thing that a reader's has not: another Envoy may run beside it.
    std::fs::write(folder.join("examples/envoy/envoy.yaml"), settings.render().unwrap()).unwrap();
    std::fs::write(folder.join("proxy-token"), loose.control_plane.proxy_token().expose_secret()).unwrap();
    std::fs::write(folder.join("key"), key.secret.expose_secret()).unwrap();
    let script = blocks("envoy", "sh envoy").join("\n");
    let script = script
        .replace("127.0.0.1:9901", &format!("127.0.0.1:{}", at.admin))
        .replace("127.0.0.1:10000", &format!("127.0.0.1:{}", at.proxy))
        .replace("envoy --config-path", "envoy --disable-hot-restart --config-path");
    std::os::unix::fs::symlink(&loose.parts.envoy, folder.join("envoy")).unwrap();
    // Envoy ends with the script, whatever becomes of it.
    let script = format!("PATH=$PWD:$PATH\ntrap 'kill $!; wait' EXIT\n{script}");
    let mut bash = Command::new("timeout");
    let output = bash.args(["60", "bash", "-euo", "pipefail", "-c", &script]).current_dir(folder).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(shown.contains("keyplane_synced: 1"), "{shown}\n{errors}");
    in_order(&shown, &["keyplane_synced: 1", "401\n", "200\n"]);
}

/// A request with each kind of key, and what it is answered.
fn answers(proxy: &Client, key: &str) -> Vec<(u16, String)> {
    let status = |path: &str, headers: &[(&str, &str)]| {
        let answer = proxy.get(path, headers).unwrap();
        let refused = if answer.status == 200 { String::new() } else { answer.text() };
        (answer.status, refused)
    };
    vec![
        status(PATH, &[("x-api-key", key)]),
        status(&format!("{PATH}?api_key={key}&page=2"), &[]),
        status(PATH, &[("cookie", &format!("a=b; api_key={key}"))]),
        status(PATH, &[]),
        status(PATH, &[("x-api-key", "")]),
        status(PATH, &[("x-api-key", "wrong")]),
        status(&format!("{PATH}?api_key=wrong"), &[]),
        status(PATH, &[("authorization", &format!("Bearer {key}"))]),
    ]
}

#[test]
fn what_comes_from_api_key_auth_answers_as_before() {
    let loose = Loose::start();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "migrated").unwrap();
    let settings = || envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    let folder = loose.folder.path();

    let old = folder.join("old.yaml");
    std::fs::write(&old, block("migrating", "yaml api_key_auth")).unwrap();
    let old = models().check(&[old]).unwrap().documents.remove(0).1;
    let mut configuration = bootstrap(&settings());
    filters(&mut configuration)[0] = old;
    let mut envoy = Envoy::start_rendered(settings(), &configuration.to_string(), &[], folder, "before").unwrap();
    let old_key = "a-key-in-the-configuration";
    let before = answers(&envoy.client(), old_key);
    let told = envoy.client().get(PATH, &[("x-api-key", old_key), ("x-client-id", "forged")]).unwrap();
    assert_eq!((seen(&told, "x-client-id"), seen(&told, "x-api-key")), (vec!["Acme".to_owned()], vec![]));
    envoy.stop().unwrap();
    let statuses: Vec<_> = before.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 401, 401, 401, 401, 401]);

    let plugin: Value = serde_json::from_str(&block("migrating", "json api_key_auth")).unwrap();
    let envoy = loose.envoy(&plugin).unwrap();
    let secret = key.secret.expose_secret();
    eventually("the new key works", || envoy.client().get(PATH, &[("x-api-key", secret)]).unwrap().status == 200);
    assert_eq!(answers(&envoy.client(), secret), before);
    let told = envoy.client().get(PATH, &[("x-api-key", secret), ("x-client-id", "forged")]).unwrap();
    assert_eq!((seen(&told, "x-client-id"), seen(&told, "x-api-key")), (vec!["Acme".to_owned()], vec![]));
}

#[test]
fn what_comes_from_kong_has_its_headers_and_its_answers() {
    let plugin: Value = serde_json::from_str(&block("migrating", "json kong")).unwrap();
    let flow = Flow::with_plugin(&plugin);
    let key = flow.api().create_key(&flow.project, "migrated").unwrap();
    let (proxy, secret) = (flow.proxy(), key.secret.expose_secret());
    eventually("the key works", || proxy.get(PATH, &[("apikey", secret)]).unwrap().status == 200);
    let told = proxy.get(&format!("{PATH}?apikey={secret}"), &[("x-consumer-username", "forged")]).unwrap();
    assert_eq!(seen(&told, "x-consumer-username"), ["Acme"]);
    assert_eq!(seen(&told, "x-credential-identifier"), [key.id.as_str()]);
    assert_eq!(seen(&told, "x-consumer-id").len(), 1);
    let said = |headers: &[(&str, &str)]| {
        let answer = proxy.get(PATH, headers).unwrap();
        (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(said(&[]), (401, "No API key found in request".to_owned()));
    assert_eq!(said(&[("apikey", "wrong")]), (401, "Unauthorized".to_owned()));
    assert_eq!(said(&[("apikey", secret), ("apikey", secret)]), (401, "Duplicate API key found".to_owned()));
}

/// Starts an Envoy that has something wrong, and waits for what the guide says that its log says.
fn says(
    loose: &Loose,
    heading: &str,
    configuration: &Value,
    edit: impl FnOnce(&mut xtask::stack::EnvoySettings),
) -> Envoy {
    let mut settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    edit(&mut settings);
    let lines = blocks("troubleshooting", &format!("text {heading}"));
    assert!(!lines.is_empty(), "the guide has no {heading}");
    let folder = loose.folder.path();
    let mut envoy = Envoy::start_rendered(settings, &configuration.to_string(), &[], folder, heading).unwrap();
    for line in lines {
        eventually(&format!("the log of {heading} has `{line}`"), || envoy.process().logged().contains(&line));
    }
    envoy
}

/// What a caller with a well-formed key is answered.
fn answer(envoy: &Envoy) -> (u16, Value) {
    let key = "uk_live_00000000000000000000000000000000000000";
    let answer = envoy.client().get(PATH, &[("authorization", &format!("Bearer {key}"))]).unwrap();
    (answer.status, answer.json()["code"].clone())
}

/// What `keyplane doctor` says is wrong with this Envoy, as `check: message`.
pub fn diagnosis(loose: &Loose, admin: &str) -> Vec<String> {
    let output = Command::new(&loose.parts.keyplane).args(["doctor", "--json", "--envoy-admin", admin]).output();
    let output = output.unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"] == true, output.status.success());
    assert!(!report.to_string().contains(loose.control_plane.proxy_token().expose_secret()));
    let failed = report["checks"].as_array().unwrap().iter().filter(|check| check["level"] == "fail");
    failed
        .map(|check| format!("{}: {}", check["check"].as_str().unwrap(), check["message"].as_str().unwrap()))
        .collect()
}

/// The same of an Envoy with its admin interface on a port: each finding begins with a check, and has a word.
fn diagnosed(loose: &Loose, expected: &[(&str, &str)]) {
    let found = diagnosis(loose, &format!("http://127.0.0.1:{}", loose.ports.admin));
    let is_so = |(found, (check, word)): (&String, &(&str, &str))| found.starts_with(check) && found.contains(word);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_so), "{found:?}");
}

fn quick(loose: &Loose) -> Value {
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    let mut configuration = bootstrap(&settings);
    filter(&mut configuration)["configuration"]["value"] =
        json!({ "control_plane": { "cluster": "keyplane" }, "hold": { "milliseconds": 50 } }).to_string().into();
    configuration
}

#[test]
fn a_proxy_without_keys_says_why_as_the_guide_tells() {
    let loose = Loose::start();
    let not_ready = (503, Value::from("table_not_ready"));

    let mut configuration = quick(&loose);
    clusters(&mut configuration)[0]["name"] = "another".into();
    let mut envoy = says(&loose, "missing-cluster", &configuration, |_| {});
    assert_eq!(answer(&envoy), not_ready);
    diagnosed(&loose, &[("cluster", "no such cluster"), ("table", "does not answer")]);
    envoy.stop().unwrap();

    let mut configuration = quick(&loose);
    let port = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    *clusters(&mut configuration)[0].pointer_mut(port).unwrap() = loose.ports.api.into();
    let mut envoy = says(&loose, "wrong-port", &configuration, |_| {});
    assert_eq!(answer(&envoy), not_ready);
    diagnosed(&loose, &[("table", "`sync_listen`")]);
    envoy.stop().unwrap();

    let wrong = |settings: &mut xtask::stack::EnvoySettings| settings.proxy_token = "kp_proxy_wrong".to_owned().into();
    let mut envoy = says(&loose, "wrong-token", &quick(&loose), wrong);
    assert_eq!(answer(&envoy), not_ready);
    assert!(envoy.stats("keyplane_sync_faults_unauthorized").unwrap().values().sum::<u64>() > 0);
    diagnosed(&loose, &[("table", "KEYPLANE_PROXY_TOKEN")]);
    envoy.stop().unwrap();
    diagnosed(&loose, &[("envoy", "cannot be asked")]);
}

#[test]
fn a_proxy_without_a_certificate_says_so_as_the_guide_tells() {
    let (loose, _authority) = with_tls();
    // Plain HTTP gets an alert, which is no HTTP.
    let mut envoy = says(&loose, "wrong-port", &quick(&loose), |_| {});
    envoy.stop().unwrap();

    let mut configuration = quick(&loose);
    clusters(&mut configuration)[0]["transport_socket"] = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "keyplane.internal",
        },
    });
    let mut envoy = says(&loose, "strict-mtls", &configuration, |_| {});
    assert_eq!(answer(&envoy), (503, Value::from("table_not_ready")));
    let line = block("troubleshooting", "text strict-mtls-control-plane");
    let log = || std::fs::read_to_string(loose.control_plane.log()).unwrap();
    eventually("the control plane's log says so", || log().contains(&line));
    envoy.stop().unwrap();
}

#[test]
fn a_module_that_is_not_there_and_one_that_istio_replaced_look_as_the_guide_tells() {
    let loose = Loose::start();
    let mut configuration = quick(&loose);
    let module = Module::answer("404 Not Found", b"no such module".to_vec());
    clusters(&mut configuration).push(module.cluster("module"));
    let source = json!({ "uri": "http://keyplane/filter/keyplane.wasm", "cluster": "module", "timeout": "5s" });
    filter(&mut configuration)["vm_config"]["code"] =
        json!({ "remote": { "http_uri": source, "sha256": "0".repeat(64) } });
    let mut envoy = says(&loose, "no-module", &configuration, |_| {});
    let refused = envoy.client().get(PATH, &[]).unwrap();
    assert_eq!((refused.status, refused.body.len()), (503, 0));
    diagnosed(&loose, &[("module", "could not be fetched")]);
    envoy.stop().unwrap();

    // What istio-agent puts in the filter's place.
    let mut configuration = quick(&loose);
    filters(&mut configuration)[0] = json!({
        "name": "keyplane",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": "DENY", "policies": { "wasm-default-deny": {
                "permissions": [{ "any": true }], "principals": [{ "any": true }],
            }}},
        },
    });
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    configuration.pointer_mut(manager).unwrap()["access_log"] = json!([{
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": { "text_format_source": { "inline_string": "%RESPONSE_CODE_DETAILS%\n" } },
        },
    }]);
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    let folder = loose.folder.path();
    let mut envoy = Envoy::start_rendered(settings, &configuration.to_string(), &[], folder, "istio").unwrap();
    let refused = envoy.client().get(PATH, &[]).unwrap();
    assert_eq!((refused.status, refused.text().as_str()), (403, "RBAC: access denied"));
    let line = block("troubleshooting", "text istio-denies");
    eventually("the access log says so", || envoy.process().logged().contains(&line));
    diagnosed(&loose, &[("filter", "no filter of Keyplane")]);
}

#[test]
fn a_proxy_with_all_it_needs_is_found_so_by_the_command_of_the_guide() {
    let flow = Flow::start();
    flow.known_key("healthy");
    let admin = format!("http://127.0.0.1:{}", flow.stack.envoy.settings().admin_port);
    let shown = run(&flow, &block("troubleshooting", "sh doctor").replace("http://127.0.0.1:9901", &admin));
    in_order(
        &shown,
        &["ok    filter", "ok    token", "ok    cluster", "ok    module", "ok    table", "1 keys at revision"],
    );
    assert_eq!(shown.lines().count(), 5, "{shown}");
}

#[test]
fn settings_that_are_refused_are_named_as_the_guide_tells() {
    let loose = Loose::start();
    let settings = || envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    let plugin = json!({ "control_plane": { "cluster": "keyplane" }, "forward_credentials": true });
    let mut wrong = bootstrap(&settings());
    filter(&mut wrong)["configuration"]["value"] = plugin.to_string().into();
    let mut without = bootstrap(&settings());
    filter(&mut without)["vm_config"]["environment_variables"]["host_env_keys"] = json!(["PATH"]);
    for (heading, configuration) in [("wrong-settings", wrong), ("no-token", without)] {
        let folder = loose.folder.path();
        let refused = Envoy::start_rendered(settings(), &configuration.to_string(), &[], folder, heading).unwrap_err();
        let (said, line) = (format!("{refused:#}"), block("troubleshooting", &format!("text {heading}")));
        assert!(said.contains(&line), "no `{line}` in {said}");
    }
}
