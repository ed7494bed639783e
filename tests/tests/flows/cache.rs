//! Proxies that load their tables through an HTTP cache: nginx, configured as docs/operations.md shows it.

use super::fixture::{Loose, PATH, envoy_settings, eventually, project};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use xtask::nginx;
use xtask::project::Project;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Api, Client, Envoy, Ports, Process};

/// Keys, each with scopes of its own of some 4 KB: a table of several pages.
const KEYS: usize = 600;
const SCOPES: usize = 60;
const MAKERS: usize = 4;

/// The example, with other addresses, and with a log of what the cache did.
fn configuration(folder: &Path, port: u16, sync_port: u16) -> String {
    let manual = Project::locate().unwrap().root().join("docs/operations.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let mut blocks = manual.split("```nginx\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let (example, more) = (blocks.next().expect("no example"), blocks.next());
    assert_eq!(more, None, "there is another example");
    let mut example = example.to_owned();
    for (from, to) in [
        ("/var/cache/nginx/keyplane", folder.join("pages").display().to_string()),
        ("listen 8081;", format!("listen 127.0.0.1:{port};")),
        ("keyplane.internal:8081", format!("127.0.0.1:{sync_port}")),
    ] {
        assert!(example.contains(from), "the example has no {from}");
        example = example.replace(from, &to);
    }
    let folder = folder.display();
    format!(
        "daemon off; user root; pid {folder}/pid; error_log stderr;
        events {{}}
        http {{
          client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
          uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
          log_format cache '$upstream_cache_status $status $request_uri';
          access_log {folder}/access cache;
          {example}
        }}"
    )
}

fn start_nginx(folder: &Path, port: u16, sync_port: u16) -> Process {
    std::fs::create_dir(folder).unwrap();
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration(folder, port, sync_port)).unwrap();
    let mut command = Command::new(nginx::obtain(&Project::locate().unwrap()).unwrap());
    command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(&file);
    let mut process = Process::start("nginx", command, &folder.join("log")).unwrap();
    let client = Client::new(port);
    let is_up = || client.get("/healthz", &[]).is_ok_and(|answer| answer.status == 200);
    process.wait_until(Duration::from_mins(1), is_up).unwrap();
    process
}

/// Makes all keys, gives the last.
fn make_keys(api: &Api, project: &str) -> CreatedKey {
    let make = |number: usize| {
        let scopes: Vec<_> = (0..SCOPES).map(|scope| format!("{number:0>60}:{scope:02}")).collect();
        let body = json!({ "project_id": project, "environment": "live", "name": "n", "scopes": scopes });
        api.create_key_with(&body).unwrap()
    };
    std::thread::scope(|threads| {
        for maker in 0..MAKERS {
            threads.spawn(move || (0..KEYS / MAKERS).for_each(|number| drop(make(maker * KEYS + number))));
        }
    });
    make(KEYS * MAKERS)
}

/// What the cache did: its word, the status, and what was asked.
fn log(folder: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(folder.join("access")).unwrap();
    let line = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap(), words.next().unwrap())
    };
    text.lines().map(line).collect()
}

fn both_workers_answer(envoy: &Envoy, key: &CreatedKey, status: u16) {
    let mut row = 0;
    eventually("both workers answer as they should", || {
        let answer = envoy.client().get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap();
        row = if answer.status == status { row + 1 } else { 0 };
        row >= 12
    });
}

#[test]
fn a_cache_as_in_the_manual_gives_closed_pages_to_the_next_proxy_and_no_other_answer() {
    let loose = Loose::start();
    let api = loose.control_plane.api();
    let key = make_keys(&api, &project(&api));
    let (folder, at) = (loose.folder.path().join("nginx"), Ports::any().unwrap());
    let _nginx = start_nginx(&folder, at.sync, loose.ports.sync);

    let plugin = json!({ "control_plane": { "cluster": "keyplane" }, "guessing": { "failures": 0 } });
    let proxies: Vec<_> = [("first", loose.ports), ("second", at)]
        .into_iter()
        .map(|(name, ports)| {
            let ports = Ports { sync: at.sync, upstream: loose.ports.upstream, ..ports };
            let settings = envoy_settings(&loose.parts, &loose.control_plane, ports, &plugin);
            let envoy = Envoy::start(settings, loose.folder.path(), name).unwrap();
            both_workers_answer(&envoy, &key, 200);
            envoy
        })
        .collect();

    let seen = log(&folder);
    let count = |word: &str| seen.iter().filter(|(found, ..)| found == word).count();
    assert!(count("MISS") > 0 && count("HIT") >= 2, "each worker of the second proxy has some: {seen:?}");
    let looked_up = |word: &str| ["HIT", "MISS"].contains(&word);
    let wrong =
        seen.iter().find(|(word, status, path)| looked_up(word) && (!path.contains("closed=1") || status != "200"));
    assert_eq!(wrong, None, "only closed pages are looked up");

    // What is kept is for who has the token.
    let (.., path) = seen.iter().find(|(word, ..)| word == "HIT").unwrap();
    let token = loose.control_plane.proxy_token().clone();
    for (client, status) in [
        (Client::new(at.sync).bearer(token), 200),
        (Client::new(at.sync).bearer(SecretString::from("kp_proxy_wrong")), 401),
        (Client::new(at.sync), 401),
    ] {
        assert_eq!(client.get(path, &[]).unwrap().status, status);
    }

    // Changes come through it as soon as without it.
    let answer = api.client().delete(&format!("/v1/keys/{}?wait=20s", key.id)).unwrap();
    let receipt = &answer.json()["receipt"];
    assert_eq!((&receipt["applied"], &receipt["lagging"]), (&receipt["proxies"], &json!([])), "{receipt}");
    for envoy in &proxies {
        both_workers_answer(envoy, &key, 401);
    }
}
