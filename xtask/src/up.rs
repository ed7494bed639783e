//! `cargo xtask up`: a person's first five minutes, with real parts.
//!
//! The same tour runs in both forms: it shows what happens and fails when it is not what should happen. `up` then stays for
//! the person to try; `up --check` looks for the secret in every place where it must not be, stops everything and ends.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::parts::Parts;
use crate::project::Project;
use crate::run::{self, BOLD, DIM, GOOD};
use crate::stack::api::CreatedKey;
use crate::stack::process::fresh_folder;
use crate::stack::{Ports, Response, Stack};

const WORKERS: u32 = 2;
/// How long a new or revoked key may take to be known; far above what it takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many answers in a row, each on a new connection, count as "every worker": with two, one run in half a million misses one.
const IN_A_ROW: u32 = 20;
/// Any path will do; this one looks like an application's.
const PATH: &str = "/v1/hello";

/// Builds, starts and shows everything; then stays until Ctrl-C, or with `check` ends.
pub fn up(project: &Project, check_only: bool) -> Result<()> {
    anstream::eprintln!("{BOLD}Keyplane{BOLD:#}: API keys, checked inside Envoy\n");
    let parts = Parts::obtain(project)?;
    if check_only {
        return check(&parts, project);
    }
    let place = Place::take(project, "up")?;
    let stack = start(&parts, &place.folder, Ports::usual()?)?;
    // From here on Ctrl-C means: stop in order. Before, it ends this program, and the kernel ends its children.
    let (interrupt, interrupted) = mpsc::channel();
    ctrlc::set_handler(move || {
        // A second Ctrl-C finds nobody listening: stopping is under way.
        let _ = interrupt.send(());
    })
    .context("cannot listen for Ctrl-C")?;

    let tour = Tour::run(&stack).with_context(|| format!("the logs are in {}", project.shown(&place.folder)))?;
    let key = stack.control_plane.api().create_key(&tour.project, "to try")?;
    invitation(project, &stack, &key);
    let ended = watch(stack, &interrupted)?;
    match ended {
        None => {
            anstream::println!("\n{GOOD}✓{GOOD:#} stopped; nothing is left running");
            Ok(())
        }
        Some(part) => bail!("{part} ended by itself; logs are in {}", project.shown(&place.folder)),
    }
}

/// The tour with free ports, then the places where no secret may be, then the end of all processes.
pub fn check(parts: &Parts, project: &Project) -> Result<()> {
    let place = Place::take(project, "up-check")?;
    let mut stack = start(parts, &place.folder, Ports::any()?)?;
    let tour = Tour::run(&stack).with_context(|| format!("the logs are in {}", project.shown(&place.folder)))?;

    let secrets = [
        ("the key", &tour.key.secret),
        ("the admin key", stack.control_plane.admin_key()),
        ("the proxy token", stack.control_plane.proxy_token()),
    ];
    let dump = stack.envoy.admin().get("/config_dump", &[])?.text();
    ensure!(dump.contains("KEYPLANE_PROXY_TOKEN"), "Envoy's /config_dump shows no configuration");
    let logs = logs(&place.folder)?;
    for (what, secret) in secrets {
        ensure!(!dump.contains(secret.expose_secret()), "{what} is in Envoy's /config_dump");
        for (log, text) in &logs {
            ensure!(!text.contains(secret.expose_secret()), "{what} is in {}", log.display());
        }
    }
    let mut processes = vec![stack.envoy.process().id(), stack.upstream.process().id()];
    processes.extend(stack.control_plane.process().map(|process| process.id()));
    stack.stop()?;
    for id in processes {
        ensure!(!Path::new(&format!("/proc/{id}")).exists(), "process {id} is still there");
    }
    anstream::println!(
        "\n{GOOD}✓{GOOD:#} all as it should be: no secret in any log or configuration, and all parts stopped"
    );
    Ok(())
}

fn start(parts: &Parts, folder: &Path, at: Ports) -> Result<Stack> {
    let started = Instant::now();
    let settings = format!("try_url = \"http://127.0.0.1:{}{PATH}\"\n", at.proxy);
    let stack = Stack::start_with(parts, folder, at, WORKERS, &Stack::usual_plugin(), &settings)?;
    run::done("started the control plane, an upstream, and Envoy with two workers", started.elapsed());
    Ok(stack)
}

/// What the tour leaves behind.
struct Tour {
    project: String,
    /// Revoked.
    key: CreatedKey,
}

impl Tour {
    /// Goes through a key's life by real requests, printing each and failing at the first wrong answer.
    fn run(stack: &Stack) -> Result<Self> {
        let api = stack.control_plane.api();
        let proxy = stack.envoy.client();

        title("An account, a project, a key");
        let started = Instant::now();
        let account = api.create_account("Acme")?;
        let project = api.create_project(&account, "Hello", "acme_live", "acme_test")?;
        let key = api.create_key(&project, "First key")?;
        let created = Instant::now();
        line("POST", "/v1/accounts, /v1/projects, /v1/keys", "", 201, created - started);
        note(&format!("key {}, shown once, stored only as a digest", key.mask));

        title("A request without a key");
        let refused = proxy.get(PATH, &[])?;
        expect_refusal("without a key", &refused, "credential_missing")?;
        line("GET", PATH, "", 401, refused.took);
        note(&format!("{}, www-authenticate: {}", code(&refused), refused.header("www-authenticate").unwrap_or("")));

        title("The same request with the key");
        let secret = key.secret.expose_secret();
        let forged = [("x-api-key", secret), ("x-keyplane-account", "forged")];
        let (allowed, known) = until_every_worker(
            "a new key is accepted",
            created,
            |answer| answer.status == 200,
            || proxy.get(PATH, &forged),
        )?;
        line("GET", PATH, &format!("X-API-Key: {}", key.mask), 200, allowed.took);
        for (name, value) in seen_by_upstream(&allowed, &account, &project, &key)? {
            note(&format!("upstream saw {name}: {value}"));
        }
        note("upstream did not see the key, nor the identity header that this caller had forged");
        note(&format!("Envoy, just started, accepted it {} after its creation", milliseconds(known)));
        let bearer = proxy.clone().bearer(key.secret.clone()).get(PATH, &[])?;
        ensure!(bearer.status == 200, "the key as `Authorization: Bearer` was answered {}", bearer.status);
        ensure!(!bearer.text().contains(secret), "the upstream saw the key sent as `Authorization: Bearer`");
        line("GET", PATH, &format!("Authorization: Bearer {}", key.mask), 200, bearer.took);

        title("Revoked");
        let revoked = api.revoke_key(&key.id)?;
        let since = Instant::now();
        line("DELETE", &format!("/v1/keys/{}", key.id), "", revoked.status, revoked.took);
        let (last, after) = until_every_worker(
            "a revoked key is refused",
            since,
            |answer| answer.status == 401,
            || proxy.get(PATH, &[("x-api-key", secret)]),
        )?;
        expect_refusal("with a revoked key", &last, "credential_invalid")?;
        line("GET", PATH, &format!("X-API-Key: {}", key.mask), 401, last.took);
        note(&format!(
            "{}; no worker accepted it later than {BOLD}{}{BOLD:#} after the revoke was answered",
            code(&last),
            milliseconds(after)
        ));
        Ok(Self { project, key })
    }
}

/// The identity headers that the upstream saw, each with the value that it must have.
fn seen_by_upstream(
    answer: &Response,
    account: &str,
    project: &str,
    key: &CreatedKey,
) -> Result<Vec<(String, String)>> {
    ensure!(!answer.text().contains(key.secret.expose_secret()), "the upstream saw the key");
    let answer = answer.json();
    let headers = answer["headers"].as_object().context("the upstream did not answer with the headers it got")?;
    ensure!(!headers.contains_key("x-api-key"), "the upstream saw an x-api-key header");
    let wanted = [
        ("x-keyplane-key-id", key.id.as_str()),
        ("x-keyplane-account", account),
        ("x-keyplane-project", project),
        ("x-keyplane-environment", "live"),
    ];
    for (name, value) in wanted {
        let seen = headers.get(name).unwrap_or(&Value::Null);
        ensure!(*seen == serde_json::json!([value]), "the upstream saw {name}: {seen} instead of {value}");
    }
    Ok(wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

fn expect_refusal(what: &str, answer: &Response, wanted: &str) -> Result<()> {
    let body = answer.json();
    ensure!(
        answer.status == 401 && body["code"] == wanted,
        "a request {what} was answered {} {} instead of 401 {wanted}",
        answer.status,
        answer.text()
    );
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    ensure!(
        challenge.starts_with("Bearer realm="),
        "the refusal of a request {what} has no WWW-Authenticate challenge"
    );
    ensure!(
        answer.header("content-type") == Some("application/problem+json"),
        "the refusal of a request {what} is no application/problem+json"
    );
    Ok(())
}

/// Asks until the answer is the hoped for many times in a row, so from every worker. Gives the last answer, and how long
/// after `since` the first of that row was complete.
fn until_every_worker(
    what: &str,
    since: Instant,
    hoped: impl Fn(&Response) -> bool,
    ask: impl Fn() -> Result<Response>,
) -> Result<(Response, Duration)> {
    let mut row = 0;
    let mut first = Duration::ZERO;
    loop {
        let answer = ask()?;
        if !hoped(&answer) {
            if since.elapsed() > PATIENCE {
                let (status, text) = (answer.status, answer.text());
                bail!("not within {} s: {what}; the last answer was {status} {text}", PATIENCE.as_secs());
            }
            row = 0;
            continue;
        }
        if row == 0 {
            first = since.elapsed();
        }
        row += 1;
        if row == IN_A_ROW {
            return Ok((answer, first));
        }
    }
}

/// Prints where everything is and what to try.
fn invitation(project: &Project, stack: &Stack, key: &CreatedKey) {
    let proxy = stack.envoy.client();
    let api = stack.control_plane.client();
    let folder = project.shown(stack.folder());
    title("Now you");
    anstream::println!("  dashboard  {}/  (sign in with what is in {folder}/admin-key)", api.base());
    anstream::println!("  proxy      {}", proxy.base());
    anstream::println!("  API        {}/v1", api.base());
    anstream::println!("  Envoy      {}", stack.envoy.admin().base());
    anstream::println!("  logs       {folder}/*.log\n");
    anstream::println!("  curl -i {}{PATH} -H 'X-API-Key: {}'", proxy.base(), key.secret.expose_secret());
    anstream::println!(
        "  curl -X DELETE {}/v1/keys/{} -H \"X-API-Key: $(cat {folder}/admin-key)\"",
        api.base(),
        key.id
    );
    anstream::println!("\n{DIM}Ctrl-C stops everything.{DIM:#}");
}

/// Waits for Ctrl-C, then stops all. Gives the part that ended before, if one did.
fn watch(mut stack: Stack, interrupted: &mpsc::Receiver<()>) -> Result<Option<&'static str>> {
    loop {
        if interrupted.recv_timeout(Duration::from_millis(500)).is_ok() {
            stack.stop()?;
            return Ok(None);
        }
        if let Some(part) = stack.ended()? {
            return Ok(Some(part));
        }
    }
}

/// A fresh folder that no other run uses meanwhile.
struct Place {
    folder: PathBuf,
    /// Released when this is dropped, or with the process.
    _lock: File,
}

impl Place {
    fn take(project: &Project, name: &str) -> Result<Self> {
        let folder = project.target().join(name);
        let path = project.target().join(format!("{name}.lock"));
        let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another run uses {}; stop it first", project.shown(&folder)),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the folder of this run"),
        }
        fresh_folder(&folder)?;
        Ok(Self { folder, _lock: lock })
    }
}

/// All log files with their text.
fn logs(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let logs =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
    logs.map(|path| {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((path, String::from_utf8_lossy(&bytes).into_owned()))
    })
    .collect()
}

fn code(answer: &Response) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

fn title(text: &str) {
    anstream::println!("\n{BOLD}{text}{BOLD:#}");
}

fn line(method: &str, path: &str, with: &str, status: u16, took: Duration) {
    let request = if with.is_empty() { format!("{method} {path} ") } else { format!("{method} {path}  {with} ") };
    let dots = "·".repeat(84_usize.saturating_sub(request.chars().count()));
    let took = milliseconds(took);
    anstream::println!("  {GOOD}✓{GOOD:#} {request}{DIM}{dots}{DIM:#} {BOLD}{status}{BOLD:#} {took:>9}");
}

fn note(text: &str) {
    anstream::println!("      {text}");
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
