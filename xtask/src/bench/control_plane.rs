//! `cargo xtask bench control-plane`: how fast the control plane answers with many keys in its database.
//!
//! Server and load share this machine and its cores, so the figures hold the load's own cost too; on two cores a good part of
//! a tail is the one waiting for the other.

use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::database::{Binaries, Database};
use super::load::{self, Dice, Latencies};
use super::plot;
use super::report::{Line, json as lines_as_json, machine, milliseconds, table};
use crate::project::Project;
use crate::stack::ports::free as free_port;
use crate::stack::process::Process;
use crate::stack::{Client, Response};

/// Requests a second of the mixed load.
const RATE: f64 = 200.0;
/// Connections of the mixed load: more than it ever needs unless the server stalls.
const CLIENTS: usize = 64;
/// Clients that create keys as fast as they are answered.
const CREATORS: usize = 64;
/// Rows of a page.
const PAGE: usize = 50;
/// How deep the deepest page is.
const DEPTH: usize = 1_000;
/// How often each of the two pages is asked for.
const LISTS: usize = 300;
const WARM_UP: Duration = Duration::from_secs(5);
/// How long a start or an end may take.
const START: Duration = Duration::from_mins(1);
/// How long the server does nothing before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

const GOAL_P99: Duration = Duration::from_millis(20);
const GOAL_CREATES: f64 = 500.0;
/// What "the same cost" means for pages at two depths.
const GOAL_DEPTH: f64 = 1.25;

/// How much is measured.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Keys in the database.
    #[arg(long, default_value_t = 1_000_000)]
    pub keys: u64,
    /// Seconds of the mixed load; the others take less.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
}

/// Kinds of requests in the mixed load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Get,
    First,
    Deep,
    Create,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Get, Self::First, Self::Deep, Self::Create];

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "get a key",
            Self::First => "list, first page",
            Self::Deep => "list, deep page",
            Self::Create => "create a key",
        }
    }

    /// Half are gets, the others about even.
    const fn of(roll: u64) -> Self {
        match roll % 100 {
            0..50 => Self::Get,
            50..65 => Self::First,
            65..80 => Self::Deep,
            _ => Self::Create,
        }
    }
}

/// Measures, prints a table, and writes `control-plane.json` and `control-plane.svg` to `target/bench/`.
///
/// # Errors
/// When something could not be measured. A missed goal is no error.
pub fn bench(project: &Project, options: &Options) -> Result<()> {
    let machine = machine();
    let binaries = Binaries::obtain(project)?;
    let database = Database::prepare(project, &binaries, options.keys)?;
    let folder = project.target().join("bench");
    let results = measure(&binaries, &database, &folder.join("run"), options)?;
    let lines = results.lines();
    let megabytes = results.bytes / 1_000_000;
    println!("\n{} keys, {megabytes} MB; {RATE} requests a second for {} s\n", options.keys, results.length.as_secs());
    print!("{}", table(&lines));

    let mut document = results.json();
    document["keys"] = options.keys.into();
    document["machine"] = machine;
    document["table"] = lines_as_json(&lines);
    let sets: Vec<_> = results.mixed.iter().map(|(kind, latencies)| (kind.name(), latencies)).collect();
    let title = format!("Control plane, {} keys, {RATE} requests a second: latency by quantile", options.keys);
    std::fs::write(folder.join("control-plane.svg"), plot::quantiles(&title, &sets, GOAL_P99))?;
    let file = folder.join("control-plane.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&document)?)?;
    println!("\nwritten to {} and control-plane.svg beside it", project.shown(&file));
    Ok(())
}

/// Runs a server on a copy of the database in `run`, a folder that is there only meanwhile.
fn measure(binaries: &Binaries, database: &Database, run: &Path, options: &Options) -> Result<Results> {
    let bytes = database.copy_to(&run.join("data"))?;
    let flush = flush_time(run)?;
    let port = free_port()?;
    let mut serve = Command::new(&binaries.keyplane);
    serve.arg("serve").arg("--data-dir").arg(run.join("data"));
    serve.arg("--listen").arg(format!("127.0.0.1:{port}"));
    serve.arg("--sync-listen").arg(format!("127.0.0.1:{}", free_port()?));
    let started = Instant::now();
    let mut server = Process::start("the control plane", serve, &run.join("log"))?;
    let client = Client::keeping(port, CLIENTS.max(CREATORS)).bearer(database.admin_key.clone());
    server.wait_until(START, || client.get("/readyz", &[]).is_ok_and(|answer| answer.status == 200))?;
    let start = started.elapsed();
    std::thread::sleep(REST);
    let rest = Memory::of(server.id())?;

    let load = Load { client: &client, database };
    let cursors = load.cursors()?;
    let (first, deep) = load.compare_depths(&cursors)?;
    let length = Duration::from_secs(options.seconds.max(1));
    load.mixed(&cursors, WARM_UP.min(length), 1)?;
    let used = processor_time(&server)?;
    let mixed = load.mixed(&cursors, length, 2)?;
    let processor = processor_time(&server)?.saturating_sub(used);
    let creates = load.creates(CREATORS, (length / 3).max(Duration::from_secs(1)))?;
    let alone = load.creates(1, (length / 12).max(Duration::from_secs(1)))?;
    let after = Memory::of(server.id())?;
    server.stop(START)?;
    std::fs::remove_dir_all(run).with_context(|| format!("cannot remove {}", run.display()))?;
    let pages = cursors.len() + 1;
    Ok(Results { length, bytes, flush, start, rest, after, first, deep, pages, mixed, processor, creates, alone })
}

/// What was measured.
struct Results {
    length: Duration,
    /// Size of the database.
    bytes: u64,
    flush: Latencies,
    start: Duration,
    rest: Memory,
    after: Memory,
    first: Latencies,
    deep: Latencies,
    /// How deep the deepest page is.
    pages: usize,
    mixed: Vec<(Kind, Latencies)>,
    /// The server's processor time during the mixed load.
    processor: Duration,
    creates: Creates,
    alone: Creates,
}

impl Results {
    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (kind, latencies) in &self.mixed {
            let figures = format!("{}  max {}", quantiles(latencies), milliseconds(latencies.quantile(1.0)));
            let met = latencies.quantile(0.99) < GOAL_P99;
            lines.push(Line::with_goal(kind.name(), figures, "p99 under 20 ms", met));
        }
        let share = 100.0 * self.processor.as_secs_f64() / self.length.as_secs_f64();
        lines.push(Line::plain("  the server meanwhile", format!("{share:.0} % of a core")));
        let Creates { rate, shared, latencies } = &self.creates;
        let what = format!("creates, {CREATORS} clients");
        let figures = format!("{rate:.0} a second, {shared:.1} in a commit");
        lines.push(Line::with_goal(&what, figures, "500 a second", *rate >= GOAL_CREATES));
        lines.push(Line::plain("  their latency", quantiles(latencies)));
        lines.push(Line::plain("creates, 1 client", format!("{:.0} a second", self.alone.rate)));
        lines.push(Line::plain("a flush of this disk (4 KiB)", quantiles(&self.flush)));
        let (near, far) = (milliseconds(self.first.quantile(0.5)), milliseconds(self.deep.quantile(0.5)));
        let what = format!("list, page {} against page 1", self.pages);
        let figures = format!("p50 {far} against {near}, ratio {:.2}", self.ratio());
        lines.push(Line::with_goal(&what, figures, "at most 1.25", self.ratio() <= GOAL_DEPTH));
        lines.push(Line::plain("memory at rest", format!("{} MiB", self.rest.now / 1_024)));
        let figures = format!("{} MiB, {} MiB", self.after.now / 1_024, self.after.peak / 1_024);
        lines.push(Line::plain("  after the load, and at most", figures));
        lines.push(Line::plain("start, until ready", milliseconds(self.start)));
        lines
    }

    /// The deepest page's cost by the first one's.
    fn ratio(&self) -> f64 {
        self.deep.quantile(0.5).as_secs_f64() / self.first.quantile(0.5).as_secs_f64()
    }

    fn json(&self) -> Value {
        let mixed = self.mixed.iter().map(|(kind, latencies)| (kind.name().to_owned(), figures_of(latencies)));
        let creates = |creates: &Creates| {
            json!({
                "per_second": creates.rate,
                "per_commit": creates.shared,
                "latency": figures_of(&creates.latencies),
            })
        };
        json!({
            "database_bytes": self.bytes,
            "seconds": self.length.as_secs(),
            "mixed": mixed.collect::<serde_json::Map<_, _>>(),
            "server_processor_seconds": self.processor.as_secs_f64(),
            "creates": creates(&self.creates),
            "creates_clients": CREATORS,
            "creates_alone": creates(&self.alone),
            "flush": figures_of(&self.flush),
            "list": {
                "first": figures_of(&self.first),
                "deep": figures_of(&self.deep),
                "page": self.pages,
                "ratio": self.ratio(),
            },
            "memory_kib": { "at_rest": self.rest.now, "after": self.after.now, "peak": self.after.peak },
            "start_ms": self.start.as_secs_f64() * 1e3,
        })
    }
}

/// Median and tail.
pub(super) fn quantiles(latencies: &Latencies) -> String {
    let figure = |share| milliseconds(latencies.quantile(share));
    format!("p50 {}  p99 {}", figure(0.5), figure(0.99))
}

/// Creates as fast as they are answered.
struct Creates {
    rate: f64,
    /// Operations in a commit.
    shared: f64,
    latencies: Latencies,
}

struct Load<'a> {
    client: &'a Client,
    database: &'a Database,
}

impl Load<'_> {
    /// The cursors of the large project's pages, from the second on.
    fn cursors(&self) -> Result<Vec<String>> {
        let mut cursors: Vec<String> = Vec::new();
        while cursors.len() + 1 < DEPTH {
            let page = self.list(cursors.last().map(String::as_str))?;
            match page.json()["next_cursor"].as_str() {
                Some(cursor) => cursors.push(cursor.to_owned()),
                None => break,
            }
        }
        if cursors.is_empty() {
            bail!("the large project has a single page: ask for more keys");
        }
        Ok(cursors)
    }

    fn list(&self, cursor: Option<&str>) -> Result<Response> {
        let project = &self.database.projects[0];
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/v1/keys?project_id={project}&limit={PAGE}{cursor}");
        let answer = self.client.get(&path, &[])?;
        if answer.status != 200 {
            bail!("GET {path} answered {}: {}", answer.status, answer.text());
        }
        Ok(answer)
    }

    fn get(&self, key: &str) -> Result<()> {
        let path = format!("/v1/keys/{key}");
        match self.client.get(&path, &[])? {
            answer if answer.status == 200 => Ok(()),
            answer => bail!("GET {path} answered {}: {}", answer.status, answer.text()),
        }
    }

    fn create(&self, project: &str, number: usize) -> Result<()> {
        let body =
            json!({ "project_id": project, "environment": "live", "name": format!("made by the benchmark {number}") });
        match self.client.post("/v1/keys", &body)? {
            answer if answer.status == 201 => Ok(()),
            answer => bail!("POST /v1/keys answered {}", answer.status),
        }
    }

    /// Page one and the deepest in turns, one request at a time.
    fn compare_depths(&self, cursors: &[String]) -> Result<(Latencies, Latencies)> {
        let (mut first, mut deep) = (Vec::new(), Vec::new());
        for _ in 0..LISTS {
            for (cursor, latencies) in [(None, &mut first), (cursors.last(), &mut deep)] {
                let sent = Instant::now();
                self.list(cursor.map(String::as_str))?;
                latencies.push(sent.elapsed());
            }
        }
        Ok((Latencies::of(first), Latencies::of(deep)))
    }

    /// The mixed load, the same for each run of one `seed`.
    fn mixed(&self, cursors: &[String], length: Duration, seed: u64) -> Result<Vec<(Kind, Latencies)>> {
        let mut dice = Dice::new(seed);
        let times = dice.arrivals(RATE, length);
        let rolls: Vec<(Kind, Dice)> = times.iter().map(|_| (Kind::of(dice.roll()), Dice::new(dice.roll()))).collect();
        let latencies = load::open(&times, CLIENTS, |number| {
            let (kind, mut dice) = rolls[number].clone();
            match kind {
                Kind::Get => self.get(dice.pick(&self.database.keys)),
                Kind::First => self.list(None).map(drop),
                Kind::Deep => self.list(Some(dice.pick(cursors))).map(drop),
                Kind::Create => self.create(dice.pick(&self.database.projects), number),
            }
        })?;
        let of_kind = |wanted| {
            let taken = rolls.iter().zip(&latencies).filter(|((kind, _), _)| *kind == wanted);
            (wanted, Latencies::of(taken.map(|(_, latency)| *latency).collect()))
        };
        Ok(Kind::ALL.map(of_kind).into())
    }

    fn creates(&self, clients: usize, length: Duration) -> Result<Creates> {
        let writes = || -> Result<(f64, f64)> {
            Ok((self.metric("keyplane_database_operations_total")?, self.metric("keyplane_database_commits_total")?))
        };
        let before = writes()?;
        let (latencies, took) = load::closed(length, clients, |number| {
            let projects = &self.database.projects;
            self.create(&projects[number % projects.len()], number)
        })?;
        let after = writes()?;
        #[allow(clippy::cast_precision_loss)]
        let rate = latencies.len() as f64 / took.as_secs_f64();
        Ok(Creates { rate, shared: (after.0 - before.0) / (after.1 - before.1), latencies: Latencies::of(latencies) })
    }

    fn metric(&self, name: &str) -> Result<f64> {
        let text = self.client.get("/metrics", &[])?.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).with_context(|| format!("/metrics has no {name}"))
    }
}

/// What a flush takes on the disk that holds `folder`.
fn flush_time(folder: &Path) -> Result<Latencies> {
    let path = folder.join("flush");
    let mut file = std::fs::File::create(&path)?;
    let mut taken = Vec::new();
    for number in 0..200 {
        file.seek(std::io::SeekFrom::Start(number * 4_096))?;
        file.write_all(&[7; 4_096])?;
        let sent = Instant::now();
        file.sync_data()?;
        taken.push(sent.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(Latencies::of(taken))
}

/// Resident memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Now.
    pub now: u64,
    /// At most so far.
    pub peak: u64,
}

impl Memory {
    /// Of the process with this id.
    pub fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/status");
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            value.and_then(|value| value.parse().ok()).with_context(|| format!("{path} has no {name}"))
        };
        Ok(Self { now: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

/// Processor time that a process has used.
fn processor_time(process: &Process) -> Result<Duration> {
    let path = format!("/proc/{}/stat", process.id());
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name in parentheses may hold anything; utime and stime are the 12th and 13th field after it (proc_pid_stat(5)),
    // in clock ticks, which Linux tells programs as hundredths of a second.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// For JSON.
pub(super) fn figures_of(latencies: &Latencies) -> Value {
    let milliseconds = |share| latencies.quantile(share).as_secs_f64() * 1e3;
    json!({
        "count": latencies.count(),
        "p50_ms": milliseconds(0.5),
        "p90_ms": milliseconds(0.9),
        "p99_ms": milliseconds(0.99),
        "p999_ms": milliseconds(0.999),
        "max_ms": milliseconds(1.0),
    })
}
