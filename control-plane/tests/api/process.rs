//! The binary: how it starts, how it refuses to, and how it stops.

use keyplane_contract::sync::Page;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const ANY_PORT: &str = "127.0.0.1:0";
const ADMIN: &str = "0123456789-an-admin-key-of-an-operator";
const IDEMPOTENCY_KEY: &str = "canary-of-an-idempotency-key";
const PROXY: &str = "0123456789-a-proxy-token-of-an-operator";

fn keyplane(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyplane"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYPLANE_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn serve(folder: &Path) -> Command {
    let folder = folder.to_str().unwrap();
    keyplane(&["serve", "--data-dir", folder, "--listen", ANY_PORT, "--sync-listen", ANY_PORT])
}

/// Asserts that the command failed with one line, and gives it.
#[track_caller]
fn one_line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty());
    text.trim_end().to_owned()
}

/// A running control plane.
struct Running {
    child: Child,
    management: String,
    sync: String,
    log: mpsc::Receiver<String>,
    lines: Vec<String>,
}

impl Running {
    /// Starts it and waits until it listens.
    fn start(mut command: Command) -> Self {
        let (sender, log) = mpsc::channel();
        let child = command.spawn().unwrap();
        let mut running = Self { child, management: String::new(), sync: String::new(), log, lines: Vec::new() };
        let stderr = BufReader::new(running.child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        loop {
            let line = running.log.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("never listened: {:?}", running.lines));
            let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON line: {line}"));
            running.lines.push(line);
            if entry["message"] == "listening" {
                let address = |name: &str| entry[name].as_str().unwrap().to_owned();
                (running.management, running.sync) = (address("listen"), address("sync_listen"));
                return running;
            }
        }
    }

    /// Tells it to stop; gives its exit code and its log.
    fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        self.lines.extend(self.log.iter());
        (status.code(), self.lines.join("\n"))
    }
}

/// A test that fails leaves no process behind.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one request; gives status and body.
fn http(address: &str, request: &str, headers: &[(&str, &str)], body: &str) -> (u16, Vec<u8>) {
    try_http(address, request, headers, body).unwrap()
}

/// The same where the server may be gone.
fn try_http(
    address: &str,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, Vec<u8>), Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut text =
        format!("{request} HTTP/1.1\r\nhost: keyplane\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n")?;
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no whole answer")?;
    let status = std::str::from_utf8(&answer[9..12])?.parse()?;
    Ok((status, answer[end + 4..].to_vec()))
}

fn post(address: &str, path: &str, credential: &str, body: &Value) -> Value {
    let headers = [("x-api-key", credential), ("content-type", "application/json")];
    let (status, body) = http(address, &format!("POST {path}"), &headers, &body.to_string());
    let body = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 201, "{body}");
    body
}

/// Makes a key with this `Idempotency-Key`. `None`: the server is gone.
fn once(address: &str, idempotency_key: &str, body: &Value) -> Option<Value> {
    let json = ("content-type", "application/json");
    let headers = [("x-api-key", ADMIN), json, ("idempotency-key", idempotency_key)];
    let (status, answer) = try_http(address, "POST /v1/keys", &headers, &body.to_string()).ok()?;
    let answer = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 201, "{answer}");
    Some(answer)
}

#[test]
fn init_prints_the_first_credentials_once_and_they_work() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let arguments = ["init", "--data-dir", folder.to_str().unwrap(), "--json"];
    let output = keyplane(&arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| printed[name].as_str().unwrap().to_owned();
    assert_eq!(text("database"), folder.join("keyplane.db").to_str().unwrap());

    let again = one_line(&keyplane(&arguments).output().unwrap());
    assert!(again.ends_with("keyplane.db exists already; nothing was changed"), "{again}");

    let running = Running::start(serve(&folder));
    let bearer = format!("Bearer {}", text("proxy_token"));
    assert_eq!(http(&running.management, "GET /v1/keys", &[("x-api-key", &text("admin_key"))], "").0, 200);
    assert_eq!(http(&running.sync, "GET /sync/v1/changes", &[("authorization", &bearer)], "").0, 200);
    let second = one_line(&serve(&folder).output().unwrap());
    assert!(second.contains("another keyplane process uses"), "{second}");
    assert_eq!(running.stop("INT").0, Some(0));
}

#[test]
fn serve_says_how_to_get_a_database_and_makes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    for variables in [&[][..], &[("KEYPLANE_PROXY_TOKEN", PROXY)][..]] {
        let line = one_line(&serve(&folder).envs(variables.iter().copied()).output().unwrap());
        assert!(line.contains("there is no database in") && line.contains("keyplane init --data-dir"), "{line}");
        assert!(line.contains("KEYPLANE_ADMIN_KEY"), "{line}");
        assert!(!folder.exists());
    }
}

#[test]
fn an_address_in_use_is_named_with_its_setting_and_nothing_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let taken = TcpListener::bind(ANY_PORT).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, listen, sync) in [("listen", address.as_str(), ANY_PORT), ("sync_listen", ANY_PORT, address.as_str())]
    {
        let arguments = ["serve", "--data-dir", folder.to_str().unwrap(), "--listen", listen, "--sync-listen", sync];
        let output = keyplane(&arguments).env("KEYPLANE_ADMIN_KEY", ADMIN).output().unwrap();
        let line = one_line(&output);
        assert!(line.contains(&format!("cannot listen on {address} (setting `{setting}`)")), "{line}");
        assert!(!folder.exists());
    }
}

#[test]
fn a_weak_or_damaged_credential_in_the_environment_is_refused_without_being_shown() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    for bad in
        ["hunter2", "kp_admin_0123456789ABCDEFGHIJabcdefghijKLxxxxxx", "kp_proxy_cut_off_somewhere_in_the_middle of"]
    {
        let line = one_line(&serve(&folder).env("KEYPLANE_ADMIN_KEY", bad).output().unwrap());
        assert!(line.contains("KEYPLANE_ADMIN_KEY cannot be used") && !line.contains(bad), "{line}");
        assert!(!folder.exists());
    }
}

#[test]
fn a_wrong_setting_is_named_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let line = one_line(&serve(folder.path()).env("KEYPLANE_REVOKED_RETENTION", "soon").output().unwrap());
    assert!(line.contains("revoked_retention") && line.contains("KEYPLANE_"), "{line}");
    std::fs::write(folder.path().join("keyplane.toml"), "lisen = '127.0.0.1:1'\n").unwrap();
    let line = one_line(&serve(folder.path()).output().unwrap());
    assert!(line.contains("lisen") && line.contains("keyplane.toml"), "{line}");
}

#[test]
fn a_stop_answers_the_waiting_polls_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.env("KEYPLANE_ADMIN_KEY", ADMIN).env("KEYPLANE_PROXY_TOKEN", PROXY);
    let running = Running::start(command);
    let sync = running.sync.clone();
    let bearer = format!("Bearer {PROXY}");
    let (status, page) = http(&sync, "GET /sync/v1/changes", &[("authorization", &bearer)], "");
    assert_eq!(status, 200);
    let epoch = Page::decode(&page).unwrap().header.epoch;
    let waiting = std::thread::spawn(move || {
        http(&sync, &format!("GET /sync/v1/changes?epoch={epoch}&after=0&wait=55"), &[("authorization", &bearer)], "")
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    let start = Instant::now();
    let (code, log) = running.stop("TERM");
    let (status, page) = waiting.join().unwrap();
    assert_eq!((code, status), (Some(0), 200), "{log}");
    assert!(Page::decode(&page).unwrap().header.last);
    assert!(start.elapsed() < Duration::from_secs(9), "it did not wait for the grace to run out");
}

#[test]
fn no_secret_is_in_the_most_talkative_log_or_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.env("KEYPLANE_ADMIN_KEY", ADMIN).env("KEYPLANE_PROXY_TOKEN", PROXY).env("KEYPLANE_LOG", "trace");
    let running = Running::start(command);
    let address = running.management.clone();
    let account = post(&address, "/v1/accounts", ADMIN, &json!({ "name": "Acme" }));
    let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
    let project = json!({ "account_id": account["id"], "name": "P", "prefixes": prefixes });
    let project = post(&address, "/v1/projects", ADMIN, &project);
    let key = json!({ "project_id": project["id"], "environment": "live", "name": "k" });
    let created = once(&address, IDEMPOTENCY_KEY, &key).unwrap();
    assert_eq!(once(&address, IDEMPOTENCY_KEY, &key).unwrap(), created);
    let secret = created["key"].as_str().unwrap();

    // Secrets where they do not belong: as a wrong credential, in a path, a query, a field's name and a value.
    let bearer = format!("Bearer {secret}");
    let json = ("content-type", "application/json");
    let mut answers = vec![
        http(&address, "GET /v1/keys", &[("authorization", &bearer)], ""),
        http(&address, &format!("GET /v1/keys/{secret}"), &[("x-api-key", ADMIN)], ""),
        http(&address, &format!("GET /v1/keys?cursor={secret}"), &[("x-api-key", ADMIN)], ""),
        http(&address, &format!("GET /v1/keys?{secret}=1"), &[("x-api-key", ADMIN)], ""),
        http(&address, "GET /v1/keys", &[("x-api-key", ADMIN), ("x-request-id", secret)], ""),
        http(&running.sync, "GET /sync/v1/changes", &[("authorization", &bearer)], ""),
        http(&running.sync, "GET /sync/v1/changes", &[("authorization", &format!("Bearer {PROXY}"))], ""),
    ];
    for body in [json!({ secret: 1 }), json!({ "project_id": secret, "environment": secret, "name": [secret] })] {
        answers.push(http(&address, "POST /v1/keys", &[("x-api-key", ADMIN), json], &body.to_string()));
    }
    let (code, log) = running.stop("TERM");
    assert_eq!(code, Some(0));
    assert!(log.contains("TRACE") && log.matches("answered").count() >= 12, "the log was talkative: {log}");
    let mut places = vec![("log".to_owned(), log.into_bytes())];
    places.extend(answers.into_iter().map(|(status, body)| (format!("answer {status}"), body)));
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    for (place, bytes) in places {
        // All but the parts that the mask shows.
        for hidden in [&secret[12..42], &ADMIN[..34], &PROXY[..34], IDEMPOTENCY_KEY] {
            let found = bytes.windows(hidden.len()).position(|window| window == hidden.as_bytes());
            assert_eq!(
                found,
                None,
                "{place}: {}",
                String::from_utf8_lossy(&bytes[found.unwrap_or(0)..]).chars().take(300).collect::<String>()
            );
        }
    }
}

#[test]
fn an_unknown_variable_is_warned_of_and_does_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.env("KEYPLANE_ADMIN_KEY", ADMIN).env("KEYPLANE_LISTNE", "127.0.0.1:1");
    let (code, log) = Running::start(command).stop("TERM");
    assert_eq!(code, Some(0));
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains("KEYPLANE_LISTNE")), "{log}");
    assert!(log.contains("there is no proxy token"), "{log}");
}

/// An operation and its remembered answer are one: after the end there are both or none.
#[test]
fn what_kill_9_cut_off_can_be_sent_again_and_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serve(folder.path());
    command.env("KEYPLANE_ADMIN_KEY", ADMIN);
    let mut running = Running::start(command);
    let account = post(&running.management, "/v1/accounts", ADMIN, &json!({ "name": "Acme" }));
    let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
    let project = json!({ "account_id": account["id"], "name": "P", "prefixes": prefixes });
    let project = post(&running.management, "/v1/projects", ADMIN, &project);
    let body = json!({ "project_id": project["id"], "environment": "live", "name": "k" });

    let mut sent = Vec::new();
    for round in 0..3 {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (address, body) = (running.management.clone(), body.clone());
                std::thread::spawn(move || {
                    let mut answers = Vec::new();
                    loop {
                        let key = format!("{round}-{writer}-{}", answers.len());
                        let answer = once(&address, &key, &body);
                        let gone = answer.is_none();
                        answers.push((key, answer));
                        if gone {
                            return answers;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        running.stop("KILL");
        sent.extend(writers.into_iter().flat_map(|writer| writer.join().unwrap()));
        running = Running::start(serve(folder.path()));
    }
    let acknowledged = sent.iter().filter(|(_, answer)| answer.is_some()).count();
    assert!(acknowledged > 12 && sent.len() == acknowledged + 12, "{acknowledged} of {}", sent.len());
    let mut made = std::collections::BTreeSet::new();
    for (key, first) in &sent {
        let again = once(&running.management, key, &body).unwrap();
        assert!(first.as_ref().is_none_or(|first| *first == again));
        made.insert(again["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(made.len(), sent.len());
    let (mut listed, mut cursor) = (0, String::new());
    loop {
        let path = format!("GET /v1/keys?limit=200{cursor}");
        let (_, page) = http(&running.management, &path, &[("x-api-key", ADMIN)], "");
        let page: Value = serde_json::from_slice(&page).unwrap();
        listed += page["data"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, sent.len(), "each was made once");
}
