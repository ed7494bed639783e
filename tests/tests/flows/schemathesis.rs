//! The API keeps to its own description: Schemathesis makes requests of it, right and wrong ones, alone and in chains, and
//! holds each answer against it.

use super::fixture::{parts, project};
use secrecy::ExposeSecret;
use std::time::{Duration, Instant};
use xtask::project::Project;
use xtask::schemathesis::obtain;
use xtask::stack::process::Process;
use xtask::stack::{ControlPlane, Ports};

/// Far above what it takes, which is bounded by the number of examples in `schemathesis.toml`.
const LIMIT: Duration = Duration::from_mins(4);

#[test]
fn every_answer_is_as_the_description_says_and_none_is_a_fault() {
    let schemathesis = obtain(&Project::locate().unwrap()).unwrap();
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::any().unwrap());
    let control_plane = ControlPlane::create(&parts().keyplane, folder.path(), ports.api, ports.sync).unwrap();
    // Something to find: it takes ids from the lists, and this one from here.
    let (api, key) = (control_plane.api(), control_plane.admin_key());
    let made = api.create_key(&project(&api), "k").unwrap();

    let mut run = schemathesis.run(control_plane.client().base(), key.expose_secret(), folder.path());
    run.env("KEYPLANE_KEY_ID", &made.id);
    let mut run = Process::start("Schemathesis", run, &folder.path().join("schemathesis.log")).unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = run.ended().unwrap() {
            break status;
        }
        assert!(started.elapsed() < LIMIT, "no end after {} s:\n{}", LIMIT.as_secs(), run.logged());
        std::thread::sleep(Duration::from_millis(100));
    };
    let report = run.logged();
    assert!(status.success(), "Schemathesis found what it should not:\n{report}");
    // It ran, on every operation. It may warn of what hangs on the values that it drew.
    let told = |what: &str| report.lines().find_map(|line| line.trim().strip_prefix(what)).unwrap_or_default();
    let (selected, tested) = (told("Selected: "), told("Tested: "));
    assert!(!tested.is_empty() && selected == format!("{tested}/{tested}"), "{report}");
}
