//! `cargo xtask bench dashboard`: how long the control plane takes for each page of the dashboard, for an account with 10,000 keys.
//!
//! One request at a time, as a person clicks, with the pages in turns, so that what the machine does besides falls on all of them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::control_plane::{figures_of, quantiles};
use super::database::{Binaries, Database};
use super::load::Latencies;
use super::report::{Line, json as lines_as_json, machine, table};
use crate::project::Project;
use crate::stack::Client;
use crate::stack::ports::free as free_port;
use crate::stack::process::Process;
use secrecy::ExposeSecret;

/// Keys in the database. A quarter belongs to the first project, so that its account has 10,000 and some more.
const KEYS: u64 = 40_000;
const GOAL: Duration = Duration::from_millis(100);
const START: Duration = Duration::from_mins(1);

/// How much is measured.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// How often each page is asked for.
    #[arg(long, default_value_t = 200)]
    pub rounds: usize,
}

/// Measures, prints a table, and writes `dashboard.json` to `target/bench/`.
///
/// # Errors
/// When something could not be measured. A missed goal is no error.
pub fn bench(project: &Project, options: &Options) -> Result<()> {
    let machine = machine();
    let binaries = Binaries::obtain(project)?;
    let database = Database::prepare(project, &binaries, KEYS)?;
    let folder = project.target().join("bench");
    let run = folder.join("run-dashboard");
    database.copy_to(&run.join("data"))?;
    let port = free_port()?;
    let mut serve = Command::new(&binaries.keyplane);
    serve.arg("serve").arg("--data-dir").arg(run.join("data"));
    serve.arg("--listen").arg(format!("127.0.0.1:{port}"));
    serve.arg("--sync-listen").arg(format!("127.0.0.1:{}", free_port()?));
    let mut server = Process::start("the control plane", serve, &run.join("log"))?;
    let client = Client::new(port);
    server.wait_until(START, || client.get("/readyz", &[]).is_ok_and(|answer| answer.status == 200))?;

    let visit = Visit::begin(client, &database)?;
    let pages = visit.pages();
    let mut taken = vec![Vec::new(); pages.len()];
    let mut bytes = vec![0; pages.len()];
    // The first round warms up.
    for round in 0..=options.rounds.max(1) {
        for (place, (_, path)) in pages.iter().enumerate() {
            let sent = Instant::now();
            bytes[place] = visit.get(path)?.len();
            if round > 0 {
                taken[place].push(sent.elapsed());
            }
        }
    }
    server.stop(START)?;
    std::fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;

    let taken: Vec<_> = taken.into_iter().map(Latencies::of).collect();
    let lines: Vec<_> = pages
        .iter()
        .zip(taken.iter().zip(&bytes))
        .map(|((name, _), (latencies, bytes))| {
            let figures = format!("{}  {} KB", quantiles(latencies), bytes / 1_000);
            Line::with_goal(name, figures, "p99 under 100 ms", latencies.quantile(0.99) < GOAL)
        })
        .collect();
    println!(
        "\n{KEYS} keys, {} of them in this account; the bytes are those of the page alone, not packed\n",
        visit.keys
    );
    print!("{}", table(&lines));
    let figures: serde_json::Map<_, _> =
        pages.iter().zip(&taken).map(|((name, _), latencies)| ((*name).to_owned(), figures_of(latencies))).collect();
    let document = json!({
        "keys": visit.keys, "machine": machine, "pages": figures, "table": lines_as_json(&lines),
    });
    let file = folder.join("dashboard.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&document)?)?;
    println!("\nwritten to {}", project.shown(&file));
    Ok(())
}

/// Somebody who is signed in.
struct Visit {
    client: Client,
    cookie: String,
    account: String,
    /// A key of the account.
    key: String,
    /// How many keys the account has, as the page says it.
    keys: String,
}

impl Visit {
    fn begin(client: Client, database: &Database) -> Result<Self> {
        let origin = client.base().to_owned();
        // Keys of the benchmark have no character that a form would write otherwise.
        let form = format!("credential={}&next=%2F", database.admin_key.expose_secret());
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &origin),
            ("sec-fetch-site", "same-origin"),
        ];
        let answer = client.send("POST", "/sign-in", &headers, form.as_bytes())?;
        let cookie = answer.header("set-cookie").and_then(|value| value.split(';').next());
        let cookie = cookie
            .with_context(|| format!("the sign-in was answered with {} and no cookie", answer.status))?
            .to_owned();
        let api = client.clone().bearer(database.admin_key.clone());
        let of = |path: &str, member: &str| -> Result<String> {
            let answer = api.get(path, &[])?.json();
            Ok(answer[member].as_str().with_context(|| format!("{path} has no {member}"))?.to_owned())
        };
        let project = &database.projects[0];
        let account = of(&format!("/v1/projects/{project}"), "account_id")?;
        let newest = api.get(&format!("/v1/keys?project_id={project}&limit=1"), &[])?.json();
        let key = newest["data"][0]["id"].as_str().context("the large project has no key")?.to_owned();
        let mut visit = Self { client, cookie, account, key, keys: String::new() };
        let list = visit.get(&visit.path("/keys"))?;
        let count = list.split(" to 50 of ").nth(1).and_then(|rest| rest.split('<').next());
        visit.keys = String::from(count.context("the list does not say how many keys there are")?);
        Ok(visit)
    }

    fn path(&self, page: &str) -> String {
        format!("/accounts/{}{page}", self.account)
    }

    /// What people look at, by name and path.
    fn pages(&self) -> Vec<(&'static str, String)> {
        let key = format!("/keys/{}", self.key);
        [
            ("API keys", "/keys"),
            ("API keys, page 100", "/keys?page=100"),
            ("API keys, by name", "/keys?order=name"),
            ("API keys, unused longest", "/keys?order=unused"),
            ("search of a name", "/keys?q=key+1234&status=all"),
            ("search without a match", "/keys?q=nowhere+to+be+found"),
            ("one key", &key),
            ("overview", "/overview"),
            ("usage, 30 days", "/usage"),
            ("projects", "/projects"),
            ("audit log", "/audit"),
        ]
        .map(|(name, page)| (name, self.path(page)))
        .into()
    }

    fn get(&self, path: &str) -> Result<String> {
        let answer = self.client.get(path, &[("cookie", &self.cookie), ("accept", "text/html")])?;
        if answer.status != 200 {
            bail!("GET {path} answered {}", answer.status);
        }
        Ok(answer.text())
    }
}
