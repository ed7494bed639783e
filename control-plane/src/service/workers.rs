//! The workers that poll: who is alive, and which table each decides by. From it come receipts and the list of proxies.
//!
//! A poll after revision R acknowledges R, if it is one that would wait: the filter has put R in service before it asks so. A poll that
//! would not wait is one of a worker that loads a table beside the one it decides by, and acknowledges nothing.
//!
//! In memory only: after a restart each worker polls again within seconds. Bounded, because whoever has the proxy token
//! could name workers without end. Who waits for all workers to have a revision is woken when the least of their revisions
//! rises, not at each poll.

use crate::domain::time::{Clock, Time};
use keyplane_contract::id::Id;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A worker not seen for so long is gone: the longest wait of a poll, and as much again for its answer and retries.
pub const LIFETIME: Duration = Duration::from_mins(2);

/// A worker whose connection broke while it waited is gone if it is not back after so long. Longer than the longest pause of a
/// filter between two attempts, which is 10 s.
pub const RETURN: Duration = Duration::from_secs(15);

/// The most workers that are remembered.
const CAPACITY: usize = 16_384;

/// A poll, as it counts here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Poll {
    /// The worker.
    pub worker: Id,
    /// Its proxy's own name; empty when it says none.
    pub proxy: String,
    /// The filter's version; empty when it says none.
    pub filter: String,
    /// What it says of the worker's table.
    pub says: Says,
}

/// What a poll says of its worker's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// It asks for the first page of all.
    Nothing,
    /// It has a table of another history.
    Other,
    /// It loads one of this history, beside the one that it decides by, if it has one.
    Loading,
    /// It decides by this revision of this history.
    Revision(u64),
}

/// What a worker decides by, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Nothing: requests wait until it has its first table, so it lets no key pass.
    Nothing,
    /// A table that is of another history or of an unknown revision.
    Other,
    /// This revision of this history.
    Revision(u64),
}

impl Held {
    /// What it is after a poll that says this. `before`: as it was, if the worker is known.
    fn after(says: Says, before: Option<Self>) -> Self {
        match (says, before) {
            (Says::Revision(revision), _) => Self::Revision(revision),
            (Says::Other, _) | (Says::Loading, None) => Self::Other,
            // A worker that starts over decides by its old table meanwhile.
            (Says::Nothing | Says::Loading, Some(before)) => before,
            (Says::Nothing, None) => Self::Nothing,
        }
    }

    /// The least revision whose changes it may lack, counted from; `None` when it cannot let a key pass.
    const fn floor(self) -> Option<u64> {
        match self {
            Self::Nothing => None,
            Self::Other => Some(0),
            Self::Revision(revision) => Some(revision),
        }
    }

    /// Whether it may decide by a table without the change of this revision.
    pub fn lacks(self, revision: u64) -> bool {
        self.floor().is_some_and(|floor| floor < revision)
    }
}

/// Where a worker's last poll is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    /// It waits.
    Open,
    /// It was answered.
    Answered,
    /// Its connection broke then.
    Broken(Time),
}

/// A worker, as it was last seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    /// Its id.
    pub id: Id,
    /// Its proxy's own name; empty when it says none.
    pub proxy: String,
    /// The filter's version; empty when it says none.
    pub filter: String,
    /// What it decides by.
    pub held: Held,
    /// When its last poll began.
    pub seen_at: Time,
    /// When it was last known to have all there was; before that, when it was first seen.
    fresh_at: Time,
    /// Whether it had all there was when its last poll began.
    was_fresh: bool,
    line: Line,
    /// Its last poll, so that the end of an earlier one is not taken for this one's.
    number: u64,
}

impl Worker {
    /// The revision that it has acknowledged; `None` when that is not known.
    pub const fn revision(&self) -> Option<u64> {
        match self.held {
            Held::Revision(revision) => Some(revision),
            Held::Nothing | Held::Other => None,
        }
    }

    /// Whether it has not acknowledged all there is.
    pub fn lags(&self, head: u64) -> bool {
        self.revision().is_none_or(|revision| revision < head)
    }

    /// For how long it has not had all there is; zero while it has.
    pub fn age(&self, head: u64, now: Time) -> Duration {
        let answer_is_due = self.was_fresh && self.line == Line::Open;
        if answer_is_due || !self.lags(head) { Duration::ZERO } else { now.since(self.fresh_at) }
    }

    /// When it is gone, if nothing is heard of it until then.
    fn gone_at(&self) -> Time {
        let silent = self.seen_at.after(LIFETIME);
        match self.line {
            Line::Broken(at) => silent.min(at.after(RETURN)),
            Line::Open | Line::Answered => silent,
        }
    }
}

/// Who has a revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Live proxies.
    pub proxies: usize,
    /// Workers that may decide without it, by proxy and id.
    pub lagging: Vec<Worker>,
    /// How long until the first of those is gone, if it is not heard of.
    pub stands_for: Duration,
}

impl Standing {
    /// The workers that lag, by proxy.
    pub fn by_proxy(&self) -> impl Iterator<Item = &[Worker]> {
        self.lagging.chunk_by(|a, b| a.proxy == b.proxy)
    }

    /// How many live proxies have it at all their workers.
    pub fn applied(&self) -> usize {
        self.proxies - self.by_proxy().count()
    }
}

/// The workers that poll.
#[derive(Debug)]
pub struct Workers {
    seen: Mutex<Seen>,
    floor: watch::Sender<u64>,
    revocations: watch::Sender<()>,
}

impl Default for Workers {
    fn default() -> Self {
        Self { seen: Mutex::default(), floor: watch::Sender::new(u64::MAX), revocations: watch::Sender::default() }
    }
}

#[derive(Debug, Default)]
struct Seen {
    workers: HashMap<Id, Worker>,
    /// How many workers have each floor.
    floors: BTreeMap<u64, usize>,
    polls: u64,
}

impl Seen {
    fn put(&mut self, worker: Worker) {
        if let Some(floor) = worker.held.floor() {
            *self.floors.entry(floor).or_default() += 1;
        }
        self.workers.insert(worker.id, worker);
    }

    fn take(&mut self, id: Id) -> Option<Worker> {
        let worker = self.workers.remove(&id)?;
        if let Some(floor) = worker.held.floor()
            && let Some(count) = self.floors.get_mut(&floor)
        {
            *count -= 1;
            if *count == 0 {
                self.floors.remove(&floor);
            }
        }
        Some(worker)
    }

    /// Forgets those that went away.
    fn prune(&mut self, now: Time) {
        let gone: Vec<_> =
            self.workers.values().filter(|worker| worker.gone_at() <= now).map(|worker| worker.id).collect();
        for id in gone {
            self.take(id);
        }
    }

    fn make_room(&mut self, now: Time) {
        self.prune(now);
        if self.workers.len() >= CAPACITY {
            let oldest = self.workers.values().min_by_key(|worker| worker.seen_at).map(|worker| worker.id);
            oldest.and_then(|id| self.take(id));
        }
    }
}

impl Workers {
    /// Takes note of a poll that begins, when `head` is the last change. It is open until what is given is answered or dropped.
    pub fn begin(self: &Arc<Self>, poll: Poll, head: u64, clock: &Arc<dyn Clock>) -> OpenPoll {
        let Poll { worker: id, proxy, filter, says } = poll;
        let now = clock.now();
        let mut seen = self.lock();
        let before = seen.take(id);
        if seen.workers.len() >= CAPACITY {
            seen.make_room(now);
        }
        seen.polls += 1;
        let number = seen.polls;
        let table = Held::after(says, before.as_ref().map(|before| before.held));
        let was_fresh = says == Says::Revision(head);
        let fresh_at = if was_fresh { now } else { before.map_or(now, |before| before.fresh_at) };
        let line = Line::Open;
        seen.put(Worker { id, proxy, filter, held: table, seen_at: now, fresh_at, was_fresh, line, number });
        self.tell(&seen);
        drop(seen);
        let (workers, clock, revocations) = (Arc::clone(self), Arc::clone(clock), self.revocations());
        OpenPoll { workers, clock, revocations, worker: id, number, answered: false }
    }

    fn end(&self, id: Id, number: u64, broken: bool, now: Time) {
        let mut seen = self.lock();
        if let Some(worker) = seen.workers.get_mut(&id).filter(|worker| worker.number == number) {
            worker.line = if broken { Line::Broken(now) } else { Line::Answered };
            if worker.was_fresh {
                worker.fresh_at = now;
            }
        }
    }

    /// Tells waiting polls that a proxy token was revoked: it may be theirs.
    pub fn tell_of_revocation(&self) {
        self.revocations.send_replace(());
    }

    /// Changes each time that a proxy token is revoked.
    pub fn revocations(&self) -> watch::Receiver<()> {
        self.revocations.subscribe()
    }

    /// The least revision that a worker decides by, for those who wait for it to rise.
    pub fn floor(&self) -> watch::Receiver<u64> {
        self.floor.subscribe()
    }

    /// The live workers, by proxy and id. Those that went away are forgotten.
    pub fn live(&self, now: Time) -> Vec<Worker> {
        let mut seen = self.lock();
        seen.prune(now);
        self.tell(&seen);
        sorted(seen.workers.values())
    }

    /// Who has this revision. Those that went away are forgotten.
    pub fn standing(&self, revision: u64, now: Time) -> Standing {
        let mut seen = self.lock();
        seen.prune(now);
        self.tell(&seen);
        let mut names: Vec<_> = seen.workers.values().map(|worker| worker.proxy.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let lagging = sorted(seen.workers.values().filter(|worker| worker.held.lacks(revision)));
        let stands_for = lagging.iter().map(|worker| worker.gone_at().since(now)).min().unwrap_or(LIFETIME);
        Standing { proxies: names.len(), lagging, stands_for }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for the floor, if it moved. While the lock is held, so that they learn of it in order.
    fn tell(&self, seen: &Seen) {
        let floor = seen.floors.first_key_value().map_or(u64::MAX, |(floor, _)| *floor);
        self.floor.send_if_modified(|told| std::mem::replace(told, floor) != floor);
    }
}

fn sorted<'a>(workers: impl Iterator<Item = &'a Worker>) -> Vec<Worker> {
    let mut workers: Vec<_> = workers.cloned().collect();
    workers.sort_unstable_by(|a, b| (&a.proxy, a.id).cmp(&(&b.proxy, b.id)));
    workers
}

/// A poll that waits for its answer. Dropped without one, its connection broke.
#[must_use = "a poll that is dropped counts as a connection that broke"]
pub struct OpenPoll {
    workers: Arc<Workers>,
    clock: Arc<dyn Clock>,
    revocations: watch::Receiver<()>,
    worker: Id,
    number: u64,
    answered: bool,
}

impl OpenPoll {
    /// It has its answer.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for OpenPoll {
    fn drop(&mut self) {
        // A poll that was cut off because its token was revoked says nothing of the worker, which decides on.
        let cut_off = self.revocations.has_changed().unwrap_or(true);
        self.workers.end(self.worker, self.number, !self.answered && !cut_off, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    const START: i64 = 1_000_000;

    struct ManualClock(AtomicI64);

    impl Clock for ManualClock {
        fn now(&self) -> Time {
            Time::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    /// Workers, and a clock that the test sets.
    struct World {
        workers: Arc<Workers>,
        clock: Arc<ManualClock>,
        as_clock: Arc<dyn Clock>,
    }

    impl World {
        fn new() -> Self {
            let clock = Arc::new(ManualClock(AtomicI64::new(START)));
            Self { workers: Arc::default(), as_clock: Arc::<ManualClock>::clone(&clock), clock }
        }

        /// Sets the clock to so many seconds after the start.
        fn at(&self, seconds: i64) {
            self.clock.0.store(START + seconds * 1000, Ordering::Relaxed);
        }

        fn poll(&self, worker: u128, proxy: &str, says: Says, head: u64) -> OpenPoll {
            let worker = Id(worker.to_be_bytes());
            let poll = Poll { worker, proxy: proxy.to_owned(), filter: String::new(), says };
            self.workers.begin(poll, head, &self.as_clock)
        }

        /// Live proxies, those that have `revision` at all workers, and the workers that lack it.
        fn standing(&self, revision: u64) -> (usize, usize, Vec<u128>) {
            let standing = self.workers.standing(revision, self.clock.now());
            let lagging = standing.lagging.iter().map(|worker| u128::from_be_bytes(worker.id.0)).collect();
            (standing.proxies, standing.applied(), lagging)
        }

        fn floor(&self) -> u64 {
            *self.workers.floor().borrow()
        }
    }

    #[test]
    fn a_worker_counts_until_it_has_been_silent_for_its_lifetime() {
        let world = World::new();
        world.poll(1, "edge", Says::Revision(5), 5).answered();
        world.at(60);
        world.poll(2, "edge", Says::Revision(5), 5).answered();
        world.at(61);
        world.poll(2, "edge", Says::Revision(6), 6).answered();
        world.at(119);
        let live = world.workers.live(world.clock.now());
        assert_eq!(live.iter().map(Worker::revision).collect::<Vec<_>>(), [Some(5), Some(6)]);
        world.at(120);
        assert_eq!(world.workers.live(world.clock.now()).len(), 1);
        assert_eq!(world.floor(), 6, "whoever waits for the others is told");
    }

    #[test]
    fn a_worker_whose_connection_broke_stops_counting_soon_unless_it_comes_back() {
        let world = World::new();
        let (first, second) =
            (world.poll(1, "edge", Says::Revision(5), 5), world.poll(2, "edge", Says::Revision(5), 5));
        drop((first, second));
        world.at(14);
        assert_eq!(world.standing(6), (1, 0, vec![1, 2]));
        let again = world.poll(2, "edge", Says::Revision(5), 6);
        world.at(15);
        assert_eq!(world.standing(6), (1, 0, vec![2]));
        // The end of an earlier poll is not the end of this one.
        let (old, new) = (world.poll(3, "edge", Says::Revision(6), 6), world.poll(3, "edge", Says::Revision(6), 6));
        drop(old);
        world.at(60);
        assert_eq!(world.standing(7), (1, 0, vec![2, 3]));
        drop((again, new));
    }

    #[test]
    fn a_worker_whose_token_was_revoked_decides_on_and_counts_for_its_lifetime() {
        let world = World::new();
        let poll = world.poll(1, "edge", Says::Revision(5), 5);
        world.workers.tell_of_revocation();
        drop(poll);
        world.at(119);
        assert_eq!(world.standing(6), (1, 0, vec![1]));
    }

    #[test]
    fn a_worker_that_loads_a_table_is_taken_at_the_one_that_it_decides_by() {
        let world = World::new();
        // A new one lets nobody pass until its table is complete.
        world.poll(1, "new", Says::Nothing, 9).answered();
        world.poll(1, "new", Says::Loading, 9).answered();
        // One with a table of this history starts over.
        world.poll(2, "over", Says::Revision(4), 9).answered();
        world.poll(2, "over", Says::Nothing, 9).answered();
        world.poll(2, "over", Says::Loading, 9).answered();
        // One with a table of another history, and one of which it is not known, begin to load.
        world.poll(3, "restored", Says::Other, 9).answered();
        world.poll(3, "restored", Says::Loading, 9).answered();
        world.poll(4, "unknown", Says::Loading, 9).answered();
        assert_eq!(world.standing(4), (4, 2, vec![3, 4]));
        assert_eq!(world.standing(5), (4, 1, vec![2, 3, 4]));
        for worker in 1..=4 {
            let proxy = ["new", "over", "restored", "unknown"][usize::try_from(worker - 1).unwrap()];
            world.poll(worker, proxy, Says::Revision(9), 9).answered();
        }
        assert_eq!(world.standing(9), (4, 4, Vec::new()));
    }

    #[test]
    fn a_proxy_has_a_revision_when_all_its_workers_have_it() {
        let world = World::new();
        let _polls = [
            world.poll(1, "a", Says::Revision(9), 9),
            world.poll(2, "a", Says::Revision(8), 9),
            world.poll(3, "b", Says::Revision(9), 9),
        ];
        assert_eq!((world.standing(9), world.floor()), ((2, 1, vec![2]), 8));
        let _last = world.poll(2, "a", Says::Revision(9), 9);
        assert_eq!((world.standing(9), world.floor()), ((2, 2, Vec::new()), 9));
    }

    #[test]
    fn the_age_is_the_time_since_a_worker_had_all_there_was() {
        let world = World::new();
        let poll = world.poll(1, "edge", Says::Revision(5), 5);
        let age = |head| world.workers.live(world.clock.now())[0].age(head, world.clock.now()).as_secs();
        world.at(50);
        assert_eq!(age(5), 0);
        assert_eq!(age(6), 0, "its answer is on the way");
        poll.answered();
        world.at(53);
        assert_eq!((age(5), age(6)), (0, 3));
        world.poll(1, "edge", Says::Revision(6), 7).answered();
        world.at(54);
        assert_eq!(age(7), 4);
        world.poll(1, "edge", Says::Revision(7), 7).answered();
        assert_eq!(age(7), 0);
    }

    #[test]
    fn invented_workers_take_a_bounded_amount_of_memory() {
        let world = World::new();
        for worker in 0..u128::try_from(CAPACITY).unwrap() + 100 {
            world.clock.0.fetch_add(1, Ordering::Relaxed);
            world.poll(worker, "edge", Says::Revision(u64::try_from(worker).unwrap()), 0).answered();
        }
        let live = world.workers.live(Time::from_millis(START));
        assert_eq!(live.len(), CAPACITY);
        assert!(live.iter().all(|worker| worker.seen_at > Time::from_millis(START + 100)));
        assert_eq!((world.floor(), world.workers.lock().floors.len()), (100, CAPACITY));
    }
}
