//! A VM's life: two configurations on one feed, a request that is held, one that waits for a new key, an update, and the end of one of
//! the two. Each hostcall on the way fails with each status. Once as a worker, once as the spare VM that a first request wakes.

use std::time::Duration;

use keyplane_tests::host::{Answer, Callout};

use super::super::{
    bench::{CONFIG, host, new_host},
    control_plane::{ACCOUNT, Poll},
};
use super::*;

/// How many calls of one name fail with each status: the first ones. Of later ones a few, spread over the whole life, fail with [`FEW`].
const EACH: usize = 3;
const LATER: usize = 5;
const FEW: [u32; 3] = [Status::NotFound as u32, Status::InternalFailure as u32, 77];

/// A key that the control plane makes only after the table is complete.
const NEW: u64 = 7;

struct Life {
    bench: Bench,
    /// With [`EVERYTHING`], and with the usual configuration; `None` when it did not come about.
    first: Option<ContextId>,
    second: Option<ContextId>,
    plane: ControlPlane,
    /// How many of the requests that may pass did.
    passed: usize,
}

/// Lives it; `None` if the VM did not come about.
fn live(fault: Option<&Fault>, host: Host) -> Option<Life> {
    let mut vm = with_debug_token(host.clone()).start_vm().ok()?;
    if let Some(fault) = fault {
        vm.inject(fault.clone());
    }
    let first = root(&mut vm, EVERYTHING);
    let second = root(&mut vm, CONFIG);
    let bench = Bench::of(host, vm, first.or(second)?);
    let mut life = Life { bench, first, second, plane: plane(), passed: 0 };
    let told = |life: &Life| format!("{fault:?}: {:#?}", life.bench.host.logs());

    // Held until there is a table; one of the two is a good one.
    let held = life.send(&Sent::get("held", "/jobs", true).with_key(1).forged(), first);
    let unknown = life.send(&Sent::get("held", "/jobs", false).with_key(3).forged(), second);
    life.pass(30);
    life.assert_right(held, true);
    life.assert_right(unknown, false);

    // Two that wait for their keys, of which one is there.
    life.plane.issue(NEW);
    let new = life.send(&Sent::get("new", "/jobs?x", true).with_key(NEW).with("x-keyplane-debug", DEBUG_TOKEN), first);
    let unknown = life.send(&Sent::get("unknown", "/jobs", false).with_key(3), first);
    let closed = life.send(&Sent::get("closed", "/admin", false).with_key(1), first);
    life.pass(10);
    life.assert_right(new, true);
    life.assert_right(unknown, false);
    life.assert_right(closed, false);

    // An update while one waits, and the end of the other configuration.
    let waits = life.send(&Sent::get("waits", "/jobs", false).with_key(8), first);
    if let Some(first) = first {
        life.bench.vm.configure(first).unwrap();
    }
    life.pass(5);
    life.assert_right(waits, false);
    if let Some(second) = life.second.take() {
        life.bench.vm.delete_root(second).unwrap();
    }
    life.pass(15);
    assert!(!life.bench.vm.failed(), "{}", told(&life));
    Some(life)
}

impl Life {
    fn send(&mut self, sent: &Sent, root: Option<ContextId>) -> Option<ContextId> {
        root.map(|root| sent.send(&mut self.bench.vm, root))
    }

    /// Time passes, in steps of 100 ms; the control plane answers all that it is asked.
    fn pass(&mut self, steps: usize) {
        for _ in 0..steps {
            self.bench.host.advance(Duration::from_millis(100));
            for root in [self.first, self.second].into_iter().flatten() {
                self.bench.vm.tick(root).unwrap();
            }
            let asked: Vec<Callout> = self.bench.vm.callouts().to_vec();
            for callout in asked {
                let answer = if callout.header(":path").starts_with("/sync/v1/usage") {
                    Answer::response(204, &[], "")
                } else if Poll::of(&callout).after == self.plane.head
                    && Poll::of(&callout).epoch == Some(self.plane.epoch)
                {
                    // Nothing new: it waits on.
                    continue;
                } else {
                    self.plane.answer(&callout)
                };
                // One that was cancelled by an answer before it.
                let _ = self.bench.vm.answer_callout(callout.token, answer);
            }
        }
    }

    /// A request that may not pass did not, one that may has its identity if it did. Then it ends.
    fn assert_right(&mut self, stream: Option<ContextId>, may_pass: bool) {
        let Some(stream) = stream else { return };
        let verdict = self.bench.verdict(stream);
        if verdict == Verdict::Allowed {
            assert!(may_pass);
            self.passed += 1;
            let seen = &self.bench.state(stream).request_headers;
            assert!(seen.get("x-api-key").is_none());
            assert!(seen.get_all("x-consumer-id") == [ACCOUNT.to_string().as_bytes()]);
            assert!(seen.get_all("x-scopes").iter().all(|value| *value == b"jobs:read"));
        } else {
            assert!(matches!(verdict, Verdict::Held | Verdict::Refused(_)), "{verdict:?}");
        }
        self.bench.vm.delete_stream(stream).unwrap();
    }

    fn verdict(&mut self, sent: &Sent) -> Verdict {
        let stream = sent.send(&mut self.bench.vm, self.bench.root);
        let verdict = self.bench.verdict(stream);
        self.bench.vm.delete_stream(stream).unwrap();
        verdict
    }

    /// With nothing failing any more: soon the good keys pass, and no others do. A configuration that did not come about lets nobody pass.
    fn assert_recovers(mut self, fault: &Fault) {
        self.bench.vm.clear_faults();
        let Some(first) = self.first else { return };
        self.bench.root = first;
        let good = |number| Sent::get("good", "/jobs", true).with_key(number);
        let recovered = (0..40).any(|_| {
            self.pass(10);
            self.verdict(&good(1)) == Verdict::Allowed && self.verdict(&good(NEW)) == Verdict::Allowed
        });
        assert!(recovered, "not recovered from {fault:?}: {:#?}", self.bench.host.logs());
        for number in [2, 3, 4, 6, 8] {
            assert_ne!(self.verdict(&good(number)), Verdict::Allowed, "key {number} after {fault:?}");
        }
    }
}

/// The faults of a healthy life.
fn faults(healthy: &Life) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (call, count) in healthy.bench.vm.hostcalls() {
        for nth in 0..count.min(EACH) {
            faults.extend(statuses().map(|status| Fault::nth(call, nth, status)));
        }
        if count > EACH {
            let later = (1..=LATER).map(|part| EACH + (count - EACH - 1) * part / LATER);
            let mut later: Vec<usize> = later.collect();
            later.dedup();
            faults.extend(later.into_iter().flat_map(|nth| FEW.map(|status| Fault::nth(call, nth, status))));
        }
        // And for good.
        faults.extend(FEW.map(|status| Fault::always(call, status)));
    }
    faults
}

fn sweep(host: impl Fn() -> Host) -> usize {
    let mut healthy = live(None, host()).unwrap();
    let logs = healthy.bench.host.logs();
    assert!(healthy.first.is_some() && !logs.iter().any(|line| line.message.contains("fail")), "{logs:#?}");
    assert_eq!(healthy.passed, 2, "neither may wait in vain");
    let new = healthy.verdict(&Sent::get("new", "/jobs", true).with_key(NEW));
    assert_eq!(new, Verdict::Allowed);
    let faults = faults(&healthy);
    for fault in &faults {
        if let Some(life) = live(Some(fault), host()) {
            life.assert_recovers(fault);
        }
    }
    faults.len()
}

#[test]
fn a_failing_hostcall_in_a_workers_life_opens_nothing_and_is_recovered_from() {
    let cases = sweep(host);
    println!("{cases} cases");
    assert!(cases > 1_000);
}

#[test]
fn a_failing_hostcall_in_a_spare_vms_life_opens_nothing_and_is_recovered_from() {
    let cases = sweep(new_host);
    println!("{cases} cases");
    assert!(cases > 1_000);
}
