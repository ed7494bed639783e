//! How old a table may become is the operator's choice.

use std::time::Duration;

use keyplane_tests::host::{Answer, Metric, Verdict};

use super::{
    bench::{Bench, counters},
    control_plane::{ControlPlane, secret},
};

fn bench(plane: &ControlPlane, staleness: &str) -> Bench {
    let config = format!(
        r#"{{"control_plane": {{"cluster": "keyplane"}}, "unknown_keys": {{"wait_milliseconds": 0}} {staleness}}}"#
    );
    let mut bench = Bench::with_config(&config);
    bench.catch_up(plane);
    bench
}

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane
}

/// The control plane is away for so long.
fn outage(bench: &mut Bench, time: Duration) {
    for _ in 0..time.as_millis() / 100 {
        if let Some(poll) = bench.waiting("/sync/v1/changes") {
            bench.answer(&poll, Answer::unavailable());
        }
        bench.pass(Duration::from_millis(100));
    }
}

fn age(bench: &Bench) -> Option<Metric> {
    bench.host.metric("keyplane_table_age_milliseconds")
}

#[test]
fn without_a_bound_a_table_serves_for_ever() {
    let mut bench = bench(&plane(), "");
    outage(&mut bench, Duration::from_mins(10));
    assert!(bench.allows(1) && !bench.allows(9));
    assert!(matches!(age(&bench), Some(Metric::Gauge(age)) if age >= 599_000), "{:?}", age(&bench));
}

#[test]
fn past_its_bound_a_table_decides_no_key_and_the_next_word_makes_it_good_again() {
    let plane = plane();
    let mut bench = bench(&plane, r#", "staleness": {"max_seconds": 60}"#);
    outage(&mut bench, Duration::from_millis(59_900));
    assert!(bench.allows(1));
    assert_eq!(counters(&bench.host, "keyplane_stale_milliseconds"), 0);
    // A tick late at most.
    outage(&mut bench, Duration::from_millis(1_200));
    for number in [1, 9] {
        let stream = bench.send_key(number);
        let answer = bench.assert_refused(stream, 503, "table_too_old");
        assert_eq!(answer.headers.get_all("retry-after").len(), 1);
    }
    // What needs no table to be decided is decided.
    let none: [(&str, &str); 0] = [];
    let missing = bench.send(&none);
    bench.assert_refused(missing, 401, "credential_missing");
    let both = bench.send(&[("x-api-key", secret(1)), ("authorization", format!("Bearer {}", secret(1)))]);
    bench.assert_refused(both, 400, "multiple_credentials");
    assert_eq!(counters(&bench.host, "keyplane_decisions_stale"), 2);
    outage(&mut bench, Duration::from_mins(1));
    let stale = counters(&bench.host, "keyplane_stale_milliseconds");
    assert!((58_000..=62_000).contains(&stale), "{stale}");
    let poll = bench.poll();
    bench.answer(&poll, plane.answer(&poll));
    assert!(bench.allows(1) && !bench.allows(9));
    let then = counters(&bench.host, "keyplane_stale_milliseconds");
    bench.pass(Duration::from_secs(10));
    assert_eq!(counters(&bench.host, "keyplane_stale_milliseconds"), then);
}

#[test]
fn a_quiet_control_plane_makes_no_table_old() {
    let plane = plane();
    let mut bench = bench(&plane, r#", "staleness": {"max_seconds": 31}"#);
    for _ in 0..10 {
        // Each poll is held open for all of its time and then says that there is nothing new.
        bench.pass(Duration::from_millis(25_900));
        assert!(bench.allows(1));
        let poll = bench.poll();
        bench.answer(&poll, plane.answer(&poll));
        assert!(bench.allows(1));
    }
}

#[test]
fn an_old_table_serves_where_the_operator_wants_it_and_is_told_of() {
    let mut bench = bench(&plane(), r#", "staleness": {"max_seconds": 60, "then": "serve"}"#);
    outage(&mut bench, Duration::from_secs(90));
    assert!(bench.allows(1) && !bench.allows(9));
    assert_eq!(counters(&bench.host, "keyplane_decisions_stale"), 0);
    assert!(counters(&bench.host, "keyplane_stale_milliseconds") >= 28_000);
}

#[test]
fn a_rule_chooses_for_its_requests() {
    let mut bench = bench(
        &plane(),
        r#", "staleness": {"max_seconds": 60, "then": "deny"}, "rules": [
            {"paths": ["/health"], "access": "public"}, {"paths": ["/read/**"], "when_stale": "serve"}]"#,
    );
    outage(&mut bench, Duration::from_secs(70));
    let mut send = |path: &str| {
        let headers = [(":method", "GET"), (":path", path), (":authority", "api.example.com"), (":scheme", "https")];
        let mut headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.push(("x-api-key".to_owned(), secret(1)));
        let stream = bench.vm.request(bench.root, &headers).unwrap();
        bench.verdict(stream)
    };
    assert_eq!((send("/health"), send("/read/1")), (Verdict::Allowed, Verdict::Allowed));
    assert!(matches!(send("/write/1"), Verdict::Refused(answer) if answer.status == 503));
}

#[test]
fn a_clock_that_is_set_back_makes_no_table_young() {
    let mut bench = bench(&plane(), r#", "staleness": {"max_seconds": 60}"#);
    outage(&mut bench, Duration::from_secs(50));
    let back = bench.host.clock_ns() - 3_600_000_000_000;
    bench.host.set_clock_ns(back);
    outage(&mut bench, Duration::from_secs(5));
    assert!(bench.allows(1));
    outage(&mut bench, Duration::from_secs(7));
    let stream = bench.send_key(1);
    assert!(matches!(bench.verdict(stream), Verdict::Refused(answer) if answer.status == 503));
}
