//! A long poll, a probe and requests that wait, in whatever order the answers come.

use super::*;
use crate::config::Hold;
use crate::waiting::{UnknownKeys, Waiting};
use std::net::Ipv6Addr;

const BOUNDS: UnknownKeys = UnknownKeys { wait_milliseconds: 1_000, requests: 64 };

/// A call on its way: what it asked after, and the answer once the control plane has made it.
struct Call {
    after: u64,
    answer: Option<Vec<u8>>,
}

/// A request that waits: its key, whether that was made before the request came, and when it came.
struct Arrival {
    context: u32,
    digest: Digest,
    made: bool,
    at: u64,
}

/// One worker and a control plane whose key number N has revision N. Nothing is answered until the test says so.
struct World {
    sync: Sync,
    waiting: Waiting,
    now: u64,
    head: u64,
    poll: Option<Call>,
    probe: Option<Call>,
    probes: usize,
    next_context: u32,
    arrivals: Vec<Arrival>,
    allowed: usize,
    refused: usize,
    failed: bool,
}

impl World {
    /// A worker that has the table of `head` keys and waits for news.
    fn synced(head: u64) -> Self {
        let mut world = Self {
            sync: Bench::new().sync,
            waiting: Waiting::default(),
            now: 1_000_000,
            head,
            poll: None,
            probe: None,
            probes: 0,
            next_context: 1,
            arrivals: Vec::new(),
            allowed: 0,
            refused: 0,
            failed: false,
        };
        world.turn();
        world.serve_poll();
        world.answer_poll();
        assert!(world.sync.table().is_some());
        world
    }

    fn page(&self, after: u64) -> Vec<u8> {
        let records: Vec<_> = (after + 1..=self.head).map(|name| key(name, name, KeyState::Active)).collect();
        super::page(after, &records, self.head, self.head)
    }

    /// What the adapter does after each thing that happens: starts what is due, decides what is ready.
    fn turn(&mut self) {
        let asked = |poll: &Poll| poll.path.split(['=', '&']).nth(1).unwrap().parse().unwrap();
        if let Some(poll) = self.sync.poll_due(self.now, 5) {
            assert!(self.poll.is_none(), "two polls at once");
            self.poll = Some(Call { after: asked(&poll), answer: None });
        }
        if let Some(probe) = self.sync.probe_due(self.now) {
            assert!(self.probe.is_none(), "two probes at once");
            assert!(probe.path.ends_with("&wait=0"), "{}", probe.path);
            self.probe = Some(Call { after: asked(&probe), answer: None });
            self.probes += 1;
        }
        while let Some(held) = self.waiting.next(self.now, &self.sync) {
            let at = self.arrivals.iter().position(|arrival| arrival.context == held.context).unwrap();
            let arrival = self.arrivals.remove(at);
            let known = self.knows(&arrival.digest);
            if known {
                self.sync.reward_probe(self.now);
                self.allowed += 1;
            } else {
                let in_time = self.now < arrival.at + u64::from(BOUNDS.wait_milliseconds);
                assert!(!(arrival.made && in_time && !self.failed), "refused a key that was made before");
                self.refused += 1;
            }
        }
        for arrival in &self.arrivals {
            assert!(self.now < arrival.at + u64::from(BOUNDS.wait_milliseconds), "waits too long");
            assert!(!self.knows(&arrival.digest), "waits for a key that is there");
        }
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.sync.table().unwrap().keys.get(digest).is_some()
    }

    /// A request with the key of this number, from one of many addresses. Whether it waits.
    fn ask(&mut self, name: u64) -> bool {
        let digest = digest(name);
        if self.knows(&digest) {
            return false;
        }
        let context = self.next_context;
        self.next_context += 1;
        let source = Some(Ipv6Addr::from_bits(u128::from(context) << 64));
        let waits = self.waiting.for_key(context, BOUNDS, (digest, source), &self.sync, self.now);
        if waits {
            self.sync.want();
            self.arrivals.push(Arrival { context, digest, made: name <= self.head, at: self.now });
        }
        self.turn();
        waits
    }

    fn serve_poll(&mut self) {
        let Some(Call { after, .. }) = self.poll else { return };
        // Without news it goes on waiting.
        if after < self.head || self.sync.table().is_none() {
            self.poll = Some(Call { after, answer: Some(self.page(after)) });
        }
    }

    fn answer_poll(&mut self) {
        let Some(Call { answer: Some(page), .. }) = &self.poll else { return };
        let progress = self.sync.answered(self.now, 5, PollAnswer::Page(page));
        assert!(matches!(progress, Progress::Complete | Progress::Dropped), "{progress:?}");
        self.poll = None;
        self.turn();
    }

    fn serve_probe(&mut self) {
        let Some(Call { after, .. }) = self.probe else { return };
        self.probe = Some(Call { after, answer: Some(self.page(after)) });
    }

    fn answer_probe(&mut self) {
        let Some(Call { answer: Some(page), .. }) = &self.probe else { return };
        let progress = self.sync.probed(self.now, PollAnswer::Page(page));
        assert!(matches!(progress, Progress::Complete | Progress::Dropped), "{progress:?}");
        self.probe = None;
        self.turn();
    }

    fn fail_probe(&mut self) {
        if self.probe.take().is_some() {
            self.failed = true;
            let progress = self.sync.probed(self.now, PollAnswer::Unreachable);
            assert_eq!(progress, Progress::Failed(SyncFault::Unreachable));
            self.turn();
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 20 {
            self.now += 20;
            self.turn();
        }
    }
}

#[test]
fn a_key_made_before_the_request_is_allowed_however_slow_the_long_poll_is() {
    let mut world = World::synced(10);
    world.head += 1;
    // The long poll's answer hangs somewhere on the way.
    world.serve_poll();
    assert!(world.ask(11));
    assert_eq!((world.probes, world.allowed), (1, 0));
    world.serve_probe();
    world.answer_probe();
    assert_eq!((world.allowed, world.refused), (1, 0));
    // What hung comes at last: overtaken, no fault, and the next poll asks after what is there.
    world.answer_poll();
    assert_eq!(world.poll.as_ref().map(|poll| poll.after), Some(11));
    world.pass(5_000);
    assert_eq!(world.probes, 1);
}

#[test]
fn whichever_call_brings_the_key_ends_the_wait() {
    let mut world = World::synced(10);
    world.head += 1;
    assert!(world.ask(11));
    world.serve_probe();
    world.serve_poll();
    world.answer_poll();
    assert_eq!((world.allowed, world.refused), (1, 0));
    // The probe was overtaken, and there was nothing more to know.
    world.answer_probe();
    assert_eq!(world.sync.table().unwrap().revision, 11);
    assert!(!world.waiting.forget(1) && world.waiting.is_empty());
}

#[test]
fn an_invented_key_is_refused_by_the_next_word_of_the_control_plane() {
    let mut world = World::synced(10);
    assert!(world.ask(99));
    world.serve_probe();
    // One that came after the probe left has to wait for the next.
    assert!(world.ask(98));
    world.answer_probe();
    assert_eq!((world.refused, world.waiting.len(), world.probes), (1, 1, 1));
    world.pass(100);
    assert_eq!(world.probes, 2);
    world.serve_probe();
    world.answer_probe();
    assert_eq!((world.refused, world.waiting.len()), (2, 0));
}

#[test]
fn without_any_word_the_wait_ends_at_its_bound() {
    let mut world = World::synced(10);
    assert!(world.ask(99));
    world.pass(980);
    assert_eq!(world.refused, 0);
    world.pass(20);
    assert_eq!(world.refused, 1);
}

#[test]
fn while_the_control_plane_does_not_answer_hardly_anybody_waits() {
    let mut world = World::synced(10);
    world.sync.answered(world.now, 5, PollAnswer::Unreachable);
    world.poll = None;
    // The first one tries, and with the failure of its probe it is refused.
    assert!(world.ask(99));
    assert!(!world.ask(98), "waits for one that is not there");
    world.fail_probe();
    assert_eq!(world.refused, 1);
    assert!(!world.ask(97), "asked again at once");
    // When the control plane is back, a request finds out before the long poll does, and wakes it.
    world.now += LEAST_PAUSE_MILLISECONDS;
    world.head += 1;
    assert!(world.ask(11));
    world.serve_probe();
    world.answer_probe();
    assert_eq!(world.allowed, 1);
    assert!(world.poll.is_some(), "the long poll sleeps on");
}

#[test]
fn a_probe_of_another_history_is_left_to_the_long_poll() {
    let mut world = World::synced(10);
    assert!(world.ask(99));
    let other = page_of(OTHER_EPOCH, 0, &[key(1, 99, KeyState::Active)], 1, 1, true);
    assert_eq!(world.sync.probed(world.now, PollAnswer::Page(&other)), Progress::Dropped);
    world.probe = None;
    world.turn();
    assert!(world.probe.is_none(), "asks again without a pause");
    assert_eq!(world.sync.answered(world.now, 5, PollAnswer::Page(&other)), Progress::Complete);
    world.poll = None;
    world.turn();
    assert_eq!(world.allowed, 1);
}

#[test]
fn a_history_that_went_backwards_is_not_called_fresh_by_a_probe() {
    let mut world = World::synced(10);
    world.now += 5_000;
    assert!(world.ask(99));
    // A database restored without a new epoch: what was asked after is beyond its head.
    let restored = page(0, &[key(1, 1, KeyState::Active)], 1, 1);
    assert_eq!(world.sync.probed(world.now, PollAnswer::Page(&restored)), Progress::Dropped);
    world.sync.observe(world.now);
    assert_eq!(world.sync.age().milliseconds(), Some(5_000));
    let progress = world.sync.answered(world.now, 5, PollAnswer::Page(&restored));
    assert_eq!(progress, Progress::Failed(SyncFault::Backwards));
}

#[test]
fn a_probe_that_the_host_lost_is_not_the_last() {
    let mut world = World::synced(10);
    assert!(world.ask(99));
    world.pass(10_000);
    world.probe = None;
    assert!(world.ask(98));
    assert_eq!(world.probes, 2);
}

/// However many invented keys come, and whether or not the control plane answers.
#[test]
fn a_flood_of_invented_keys_makes_two_probes_a_second_and_fills_no_more_than_the_room() {
    for answers in [true, false] {
        let mut world = World::synced(10);
        let mut asked = 0;
        for _ in 0..1_000 {
            for _ in 0..20 {
                asked += 1;
                world.ask(1_000_000 + asked);
            }
            assert!(world.waiting.len() <= 64);
            if answers {
                world.serve_probe();
                world.answer_probe();
            } else {
                world.fail_probe();
            }
            world.now += 20;
            world.turn();
        }
        // 20 s: pauses of 50, 100, 200, 400 ms and then of half a second.
        assert!((30..=45).contains(&world.probes), "{} probes for {asked} keys", world.probes);
    }
}

#[test]
fn one_source_takes_an_eighth_of_the_places_and_the_oldest_gives_way() {
    let mut world = World::synced(10);
    let flooder = |last: u32| Some(Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(last)));
    let another = |n: u32| Some(Ipv6Addr::from_bits(u128::from(n) << 64));
    // Each one that comes in, and who goes for it.
    let mut ask = |context: u32, source| {
        let digest = digest(1_000 + u64::from(context));
        assert!(world.waiting.for_key(context, BOUNDS, (digest, source), &world.sync, world.now));
        std::iter::from_fn(|| world.waiting.next(world.now, &world.sync)).map(|held| held.context).collect::<Vec<_>>()
    };
    for n in 1..=8 {
        assert_eq!(ask(n, flooder(n)), [0; 0]);
    }
    for n in 9..=50 {
        assert_eq!(ask(n, flooder(n)), [n - 8], "the flooder's own oldest");
    }
    assert_eq!(ask(100, None), [0; 0], "no address");
    for n in 101..=155 {
        assert_eq!(ask(n, another(n)), [0; 0], "{n}");
    }
    // All places are taken: eight of them by the flooder, who was first.
    assert_eq!((ask(200, another(200)), ask(201, another(201))), (vec![43], vec![44]));
    assert_eq!(world.waiting.len(), 64);
    assert!(world.waiting.forget(50) && !world.waiting.forget(50) && !world.waiting.forget(43));
    assert_eq!(world.waiting.len(), 63);
}

#[test]
fn one_that_waited_for_the_table_may_wait_for_its_key_if_that_was_not_asked_for_since() {
    let (mut bench, mut waiting) = (Bench::new(), Waiting::default());
    let hold = Hold::default();
    assert!(waiting.for_table(1, &hold, &bench.sync, bench.now));
    bench.poll();
    assert!(waiting.for_table(2, &hold, &bench.sync, bench.now));
    assert_eq!(waiting.next(bench.now, &bench.sync), None);
    bench.sync.answered(bench.now, 5, PollAnswer::Page(&page(0, &[key(1, 1, KeyState::Active)], 1, 1)));
    let released: Vec<_> = std::iter::from_fn(|| waiting.next(bench.now, &bench.sync)).collect();
    let may: Vec<_> = released.iter().map(|held| (held.context, held.may_wait_for_key(&bench.sync))).collect();
    assert_eq!(may, [(1, false), (2, true)]);
}

#[derive(Debug, Clone)]
enum Step {
    Make,
    AskForNew,
    AskForInvented,
    ServePoll,
    AnswerPoll,
    ServeProbe,
    AnswerProbe,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Make),
        Just(Step::AskForNew),
        Just(Step::AskForInvented),
        Just(Step::ServePoll),
        Just(Step::AnswerPoll),
        Just(Step::ServeProbe),
        Just(Step::AnswerProbe),
        (0_u64..300).prop_map(Step::Pass),
    ]
}

proptest! {
    /// The checks are in `turn`: a key that was made before its request is allowed or waits to its bound, none waits longer, and each waits only
    /// as long as the table does not know its key. Here: the table never goes back, and once all is quiet it has everything.
    #[test]
    fn in_any_order_of_answers_a_key_that_was_made_is_not_refused(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::synced(3);
        let mut invented = 1_000_000;
        for step in steps {
            let revision = world.sync.table().unwrap().revision;
            match step {
                Step::Make => world.head += 1,
                Step::AskForNew => { world.ask(world.head); }
                Step::AskForInvented => { invented += 1; world.ask(invented); }
                Step::ServePoll => world.serve_poll(),
                Step::AnswerPoll => world.answer_poll(),
                Step::ServeProbe => world.serve_probe(),
                Step::AnswerProbe => world.answer_probe(),
                Step::Pass(time) => world.pass(time),
            }
            prop_assert!(world.sync.table().unwrap().revision >= revision);
        }
        for _ in 0..4 {
            world.serve_probe();
            world.answer_probe();
            world.serve_poll();
            world.answer_poll();
            world.pass(1_000);
        }
        prop_assert_eq!(world.sync.table().unwrap().revision, world.head);
        prop_assert!(world.waiting.is_empty() && world.arrivals.is_empty());
    }
}
