//! The real binary and its database: what an operator has.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The admin key of every server here.
pub const ADMIN_KEY: &str = "0123456789-an-admin-key-of-an-operator";
/// The proxy token of every server here.
pub const PROXY_TOKEN: &str = "0123456789-a-proxy-token-of-an-operator";

/// The binary with these arguments and nothing of `KEYPLANE_*` in its environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyplane"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KEYPLANE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the binary.
pub fn keyplane(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// What the binary said on stderr; it must have failed.
#[track_caller]
pub fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

/// What the binary said on stdout; it must have succeeded.
#[track_caller]
pub fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An answer of the server.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

/// A running control plane; killed when it goes.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    pub management: String,
    pub sync: String,
}

impl Server {
    /// Starts it on the database in `folder`, making one if there is none.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let any = "127.0.0.1:0";
        let mut serve = command(&["serve", "--data-dir", text(folder), "--listen", any, "--sync-listen", any]);
        serve.envs(variables.iter().copied());
        Self::spawn(serve)
    }

    /// The same, on the addresses of the settings file.
    pub fn start_as_set(folder: &Path) -> Self {
        Self::spawn(command(&["serve", "--data-dir", text(folder)]))
    }

    fn spawn(mut serve: Command) -> Self {
        serve.env("KEYPLANE_ADMIN_KEY", ADMIN_KEY).env("KEYPLANE_PROXY_TOKEN", PROXY_TOKEN);
        let child = serve.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut server = Self { child, log: log.clone(), management: String::new(), sync: String::new() };
        let mut lines = BufReader::new(server.child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let entry: Value = loop {
            let line = lines.next().expect("the server ended before it listened");
            log.lock().unwrap().extend([&line, "\n"]);
            let entry: Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == "listening" {
                break entry;
            }
        };
        let address = |name: &str| entry[name].as_str().unwrap().to_owned();
        (server.management, server.sync) = (address("listen"), address("sync_listen"));
        // A full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(|line| log.lock().unwrap().extend([&line, "\n"])));
        server
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged `text`.
    #[track_caller]
    pub fn logs(&self, text: &str) {
        eventually(&format!("it logs `{text}`"), || self.log().contains(text));
    }

    /// Asks it to stop (SIGTERM); gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }

    /// A request to the management listener with the admin key.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        request(&self.management, method, path, Some(ADMIN_KEY), body)
    }

    /// A request to the management listener without a credential.
    pub fn get(&self, path: &str) -> Answer {
        request(&self.management, "GET", path, None, None)
    }

    /// The first page of the sync feed.
    pub fn snapshot(&self) -> Vec<u8> {
        let answer = exchange(&self.sync, "GET", "/sync/v1/changes", Some(PROXY_TOKEN), None);
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        answer[end + 4..].to_vec()
    }

    /// Makes an account, a project and a key; gives the key's id.
    pub fn issue(&self, name: &str) -> String {
        let made = |path: &str, body: &Value| {
            let answer = self.call("POST", path, Some(body));
            assert_eq!(answer.status, 201, "{}", answer.body);
            answer.json()["id"].as_str().unwrap().to_owned()
        };
        let account = made("/v1/accounts", &json!({ "name": name }));
        let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
        let project = made("/v1/projects", &json!({ "account_id": account, "name": name, "prefixes": prefixes }));
        made("/v1/keys", &json!({ "project_id": project, "environment": "live", "name": name }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own.
pub fn request(address: &str, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Answer {
    answer(&exchange(address, method, path, key, body))
}

fn exchange(address: &str, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Vec<u8> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    exchange_on(stream, method, path, key, body).unwrap()
}

/// One request on this connection, which ends with it; gives the bytes of the answer.
pub fn exchange_on(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> std::io::Result<Vec<u8>> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: keyplane\r\nConnection: close\r\n{key}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// An answer from its bytes. A body that is no text is not whole.
pub fn answer(bytes: &[u8]) -> Answer {
    let answer = String::from_utf8_lossy(bytes);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Waits until `is_so`, or fails with `what`.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within 30 s: {what}");
}

/// The database file, opened beside whoever has it.
pub async fn sql(database: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(database).connect().await.unwrap()
}
