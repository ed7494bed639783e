//! The SDK's examples as programs of their own, against the real control plane and the real Envoy.

use super::fixture::{Flow, eventually};
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;
use xtask::project::Project;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy, EnvoySettings, Ports, Process, Response, Stack};

/// How long a service may take to listen. Far above what it takes.
const START_LIMIT: Duration = Duration::from_secs(20);

/// An example's program: beside the other programs if these are given, else built.
fn example(name: &str) -> PathBuf {
    let project = Project::locate().unwrap();
    let folder = std::env::var_os("KEYPLANE_BINARIES").map_or_else(
        || {
            let build = ["build", "--package", "keyplane-sdk", "--features", "axum", "--examples"];
            assert!(project.cargo(build).status().unwrap().success(), "the examples do not build");
            project.target().join("debug")
        },
        PathBuf::from,
    );
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is missing: cargo build --package keyplane-sdk --features axum --examples",
        program.display()
    );
    program
}

/// A run of an example that works with the flow's control plane.
fn run(flow: &Flow, name: &str, arguments: &[&str]) -> Output {
    let control_plane = &flow.stack.control_plane;
    let mut command = Command::new(example(name));
    command.args(arguments).env("KEYPLANE_URL", control_plane.client().base());
    command.env("KEYPLANE_API_KEY", control_plane.admin_key().expose_secret()).output().unwrap()
}

/// What a run said on stdout, which must have ended well.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_key_is_issued_used_and_revoked_by_the_example() {
    let flow = Flow::start();
    let service = format!("{}/v1/hello", flow.proxy().base());
    let said = said(&run(&flow, "issue_and_use", &[&service]));
    let called: Vec<_> = said.lines().filter(|line| line.starts_with("called ")).collect();
    assert!(called.len() == 2 && called[0].ends_with(": 200 OK"), "{said}");
    assert!(said.contains("renamed key") && said.contains("revoked  ex_live_"), "{said}");
}

#[test]
fn a_key_is_rotated_by_the_example_and_no_call_is_lost() {
    let flow = Flow::start();
    let file = flow.stack.folder().join("rotated-key");
    let output = run(&flow, "rotate_without_downtime", &[flow.proxy().base(), file.to_str().unwrap()]);
    let said = said(&output);
    assert!(said.contains("calls were answered well, 0 were not"), "{said}");
    assert!(said.contains(": 1 of 1 proxies refuse it"), "{said}");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(!said.contains(&secret) && secret.starts_with("ex_live_"));
}

/// The example service with an Envoy before it.
struct Service {
    envoy: Envoy,
    address: Client,
    _process: Process,
}

fn service(flow: &Flow) -> Service {
    let mut command = Command::new(example("axum_service"));
    command.arg("127.0.0.1:0");
    let mut process = Process::start("axum_service", command, &flow.stack.folder().join("axum_service.log")).unwrap();
    let log = process.log().to_owned();
    let port = || {
        let log = std::fs::read_to_string(&log).ok()?;
        log.lines().find_map(|line| line.strip_prefix("listening on http://127.0.0.1:")?.parse().ok())
    };
    process.wait_until(START_LIMIT, || port().is_some()).unwrap();
    let (upstream_port, at): (u16, _) = (port().unwrap(), Ports::any().unwrap());
    let plugin = json!({
        "control_plane": { "cluster": "keyplane" },
        "guessing": { "failures": 0 },
        "rules": [{ "name": "welcome", "paths": ["/"], "access": "public" }],
    });
    let settings = EnvoySettings {
        proxy_port: at.proxy,
        admin_port: at.admin,
        upstream_port,
        plugin,
        ..flow.stack.envoy.settings().clone()
    };
    let envoy = Envoy::start(settings, flow.stack.folder(), "before-axum").unwrap();
    Service { envoy, address: Client::new(upstream_port), _process: process }
}

fn key(flow: &Flow, scopes: &[&str]) -> CreatedKey {
    let body = json!({ "project_id": flow.project, "environment": "live", "name": "axum", "scopes": scopes });
    flow.api().create_key_with(&body).unwrap()
}

#[test]
fn a_service_of_axum_knows_who_calls_and_asks_for_scopes() {
    let flow = Flow::with_plugin(&Stack::usual_plugin());
    let service = service(&flow);
    let (reader, writer) = (key(&flow, &["files:read"]), key(&flow, &["files:write", "reports:read"]));
    let proxy = service.envoy.client();
    let call = |method: &str, path: &str, key: &CreatedKey| -> Response {
        let headers = [("x-api-key", key.secret.expose_secret()), ("x-keyplane-scopes", "files:write admin")];
        proxy.send(method, path, &headers, &[]).unwrap()
    };
    eventually("both workers know the keys", || {
        (0..12).all(|_| [&reader, &writer].iter().all(|key| call("GET", "/v1/whoami", key).status == 200))
    });

    let account = flow.api().key(&reader.id).unwrap()["account_id"].as_str().unwrap().to_owned();
    let whoami = call("GET", "/v1/whoami", &reader).text();
    let (project, id) = (&flow.project, &reader.id);
    let expected = format!("account {account}\nproject {project}\nkey {id}\nenvironment live\nscopes files:read\n");
    assert_eq!(whoami, expected);

    // A scope that the caller writes itself does not arrive.
    for (method, path, scope) in [("POST", "/v1/files", "files:write"), ("GET", "/v1/report", "reports:read")] {
        let refused = call(method, path, &reader);
        assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("scope_missing")));
        assert!(refused.json()["detail"].as_str().unwrap().contains(scope), "{}", refused.text());
        assert_eq!(call(method, path, &writer).status, 200);
    }
    assert_eq!(call("POST", "/v1/files", &writer).text(), format!("stored for {account}\n"));

    // On a public path nobody is anybody, whatever they send.
    assert_eq!(call("GET", "/", &reader).text(), "welcome, stranger\n");
    assert_eq!(proxy.get("/v1/whoami", &[]).unwrap().status, 401);
    assert_eq!(proxy.get("/v1/whoami", &[]).unwrap().json()["code"], "credential_missing");
}

/// The documentation says so, and it is why nobody else may reach the service.
#[test]
fn past_envoy_whoever_writes_the_headers_is_believed_and_whoever_does_not_is_nobody() {
    let flow = Flow::start();
    let service = service(&flow);
    let nobody = service.address.get("/v1/whoami", &[]).unwrap();
    assert_eq!((nobody.status, nobody.json()["code"].as_str()), (401, Some("identity_missing")));
    let forged = service.address.get("/v1/whoami", &[("x-keyplane-account", "anybody")]).unwrap();
    assert!(forged.status == 200 && forged.text().starts_with("account anybody\n"), "{}", forged.text());
    let half = service.address.get("/v1/whoami", &[("x-keyplane-key-id", "01890a5d-ac96-774b-bcce-b302099a8057")]);
    assert_eq!(half.unwrap().json()["code"], "identity_invalid");
}
