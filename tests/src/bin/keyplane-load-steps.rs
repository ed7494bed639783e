//! How long the filter's single steps are while it loads, follows and loads anew a large table: each callback timed, in the real `.wasm`.
//!
//! A step inside Envoy cannot be told from outside, so this drives the filter in the test host: `cargo xtask bench load` runs it and reads what it
//! prints, one JSON object. The guest is compiled to the same machine code whatever the profile of this program. It counts its instructions as it runs,
//! as in all tests, which makes every step a little longer than it is in a proxy. A step's time is the processor time of the thread: what else runs on the
//! machine does not count.
//!
//! ```text
//! keyplane-load-steps 1000000            # keys
//! keyplane-load-steps 1000000 2000       # and the most rows of a page
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::key::{Prefix, assemble};
use keyplane_contract::sync::{Account, Key, PageWriter, Project, Record};
use keyplane_tests::host::{Answer, Callout, ContextId, Host, Metric, Module, Plugin, Verdict, Vm};
use nix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CONFIGURATION: &str = r#"{"control_plane": {"cluster": "keyplane"}}"#;
/// As many rows as the control plane puts into a page.
const ROWS: usize = 3_000;
/// Changes that are applied one by one.
const DELTAS: u64 = 200;
/// Rows before the first key: the account and the project.
const OWNERS: u64 = 2;
/// Ticks that are taken after a table was replaced: what is left of the old one goes in them.
const TICKS: usize = 30;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let keys: u64 = arguments.next().ok_or("say how many keys")?.parse()?;
    let rows = arguments.next().map_or(Ok(ROWS), |rows| rows.parse())?;
    let mut worker = Worker::start()?;
    let empty = worker.vm.memory_bytes();

    let mut load = Steps::default();
    let started = Instant::now();
    worker.load(&pages(Id([1; 16]), keys, rows)?, &mut load)?;
    let whole = started.elapsed();
    let loaded = worker.vm.memory_bytes();
    worker.must_allow()?;

    let mut deltas = Steps::default();
    for change in 1..=DELTAS {
        let mut page = PageWriter::new(OWNERS + keys + change - 1);
        page.push(&Record::Key(key(OWNERS + keys + change, change % keys)?))?;
        let page = page.finish_last(Id([1; 16]), OWNERS + keys + change, keys, false);
        worker.answer(&page, &mut deltas)?;
    }

    let mut resync = Steps::default();
    worker.load(&pages(Id([2; 16]), keys, rows)?, &mut resync)?;
    let resynced = worker.vm.memory_bytes();
    let mut afterwards = Steps::default();
    for _ in 0..TICKS {
        worker.pass(Duration::from_secs(1), &mut afterwards)?;
    }
    worker.must_allow()?;

    let Some(Metric::Gauge(table)) = worker.gauge("table_bytes") else {
        return Err("no gauge of the table's bytes".into());
    };
    println!(
        "{{\"keys\": {keys}, \"rows\": {rows}, \"guest_ms\": {:.3}, \"whole_ms\": {:.3}, \"load\": {}, \"delta\": {}, \"resync\": {}, \
         \"after_resync\": {}, \"table_bytes\": {table}, \"memory_empty\": {empty}, \"memory_loaded\": {loaded}, \
         \"memory_resynced\": {resynced}}}",
        milliseconds(load.taken.iter().map(|(time, _)| *time).sum()),
        milliseconds(whole),
        load.json(),
        deltas.json(),
        resync.json(),
        afterwards.json(),
    );
    Ok(())
}

/// Callbacks, with the fuel of each.
#[derive(Default)]
struct Steps {
    taken: Vec<(Duration, u64)>,
}

impl Steps {
    /// Times one callback.
    fn take(&mut self, vm: &mut Vm, call: impl FnOnce(&mut Vm) -> Result<()>) -> Result<()> {
        let used = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
        let before = used()?;
        call(vm)?;
        self.taken.push((used()?.saturating_sub(before), vm.fuel_used()));
        Ok(())
    }

    fn json(&self) -> String {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
        let (median, longest) = (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)));
        let fuel = sorted.iter().map(|(_, fuel)| *fuel).max().unwrap_or_default();
        format!(
            "{{\"steps\": {}, \"median_ms\": {:.4}, \"longest_ms\": {:.4}, \"most_instructions\": {fuel}}}",
            sorted.len(),
            milliseconds(median.0),
            milliseconds(longest.0)
        )
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One worker that runs the filter.
struct Worker {
    host: Host,
    vm: Vm,
    root: ContextId,
}

impl Worker {
    fn start() -> Result<Self> {
        let host = Host::new(&Module::filter()?);
        host.add_cluster("keyplane");
        host.set_env("KEYPLANE_PROXY_TOKEN", "kp_proxy_of_the_benchmark");
        // The first two VMs get no request in Envoy, and load nothing.
        for _ in 0..2 {
            let mut spare = host.start_vm()?;
            let root = spare.create_root(Plugin::new(CONFIGURATION))?;
            spare.configure(root)?;
        }
        let mut vm = host.start_vm()?;
        let root = vm.create_root(Plugin::new(CONFIGURATION))?;
        if !vm.configure(root)? {
            return Err(format!("the filter refuses its configuration: {:?}", host.logs()).into());
        }
        Ok(Self { host, vm, root })
    }

    /// Time passes, and the worker is ticked.
    fn pass(&mut self, time: Duration, steps: &mut Steps) -> Result<()> {
        self.host.advance(time);
        let root = self.root;
        steps.take(&mut self.vm, |vm| Ok(vm.tick(root)?))
    }

    /// Answers the next poll with this page.
    fn answer(&mut self, page: &[u8], steps: &mut Steps) -> Result<()> {
        let is_poll = |callout: &&Callout| callout.header(":path").starts_with("/sync/v1/changes");
        let mut token = None;
        for _ in 0..100 {
            token = self.vm.callouts().iter().find(is_poll).map(|callout| callout.token);
            if token.is_some() {
                break;
            }
            self.pass(Duration::from_millis(50), steps)?;
        }
        let token = token.ok_or_else(|| format!("the filter does not poll: {:?}", self.host.logs()))?;
        // A little later: an answer at once would seem not to have been held open.
        self.host.advance(Duration::from_millis(200));
        let answer = Answer::response(200, &[("content-type", "application/vnd.keyplane.sync")], page);
        steps.take(&mut self.vm, |vm| Ok(vm.answer_callout(token, answer)?))
    }

    fn load(&mut self, pages: &[Vec<u8>], steps: &mut Steps) -> Result<()> {
        pages.iter().try_for_each(|page| self.answer(page, steps))
    }

    /// The table is the right one: a key is let through, and another is not.
    fn must_allow(&mut self) -> Result<()> {
        let good = secret(0)?;
        for (key, allowed) in [(good.as_str(), true), ("uk_live_nobody", false)] {
            let headers = [(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-api-key", key)];
            let stream = self.vm.request(self.root, &headers)?;
            let verdict = self.vm.state(stream)?.verdict();
            if (verdict == Verdict::Allowed) != allowed {
                return Err(format!("a wrong answer: {verdict:?}; {:?}", self.host.logs()).into());
            }
        }
        Ok(())
    }

    fn gauge(&self, name: &str) -> Option<Metric> {
        let metrics = self.host.metrics();
        metrics.into_iter().find(|(found, _)| found.ends_with(name)).map(|(_, metric)| metric)
    }
}

/// All keys, of one project, in the pages of a snapshot.
fn pages(epoch: Id, keys: u64, rows: usize) -> Result<Vec<Vec<u8>>> {
    let head = OWNERS + keys;
    let (mut pages, mut page, mut taken) = (Vec::new(), PageWriter::new(0), 0);
    for revision in 1..=head {
        let record = match revision {
            1 => Record::Account(Account {
                revision,
                id: Id([1; 16]),
                no: 1,
                suspended: false,
                name: "Example Corp",
                external_id: "",
            }),
            2 => Record::Project(Project { revision, id: Id([2; 16]), no: 1, account: 1 }),
            _ => Record::Key(key(revision, revision - OWNERS - 1)?),
        };
        if taken == rows || !page.push(&record)? {
            let next = PageWriter::new(page.until());
            pages.push(std::mem::replace(&mut page, next).finish_more(epoch, head));
            taken = 0;
            page.push(&record)?;
        }
        taken += 1;
    }
    pages.push(page.finish_last(epoch, head, keys, false));
    Ok(pages)
}

/// The row of the key of this number. Only the first is asked for, so the others' digests need not be of any secret.
fn key(revision: u64, number: u64) -> Result<Key> {
    let digest = if number == 0 {
        Digest::of(secret(0)?.as_bytes())
    } else {
        let mut bytes = [0; Digest::LEN];
        for (place, part) in bytes.chunks_mut(8).zip(0_u64..) {
            place.copy_from_slice(&mixed(number * 4 + part).to_le_bytes());
        }
        Digest::from_bytes(bytes)
    };
    Ok(Key::of_project(1, revision, Id(u128::from(number).to_be_bytes()), digest))
}

/// A well-formed key.
fn secret(number: u64) -> Result<String> {
    let part: [u8; 32] =
        format!("{number:032}").into_bytes().try_into().map_err(|_| "a number has 20 digits at most")?;
    let prefix = Prefix::parse("uk_live").map_err(|error| error.to_string())?;
    Ok(assemble(&prefix, &part).ok_or("a key is base62")?)
}

/// Numbers that look like random ones, the same in each run (`SplitMix64`).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
