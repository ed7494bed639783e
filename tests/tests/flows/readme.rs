//! The README's tour is true: its commands, as they stand there, against a running stack.

use super::fixture::Flow;
use std::process::Command;
use xtask::project::Project;

#[test]
fn the_tour_of_the_readme_works_as_written() {
    let flow = Flow::start();
    let project = Project::locate().unwrap();
    let readme = std::fs::read_to_string(project.root().join("README.md")).unwrap();
    let blocks: Vec<_> = readme.split("```sh tour\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 5, "the README has another number of tour blocks");
    // Only addresses differ from a reader's. A new key may need a moment, as a reader does.
    let key = flow.stack.folder().join("admin-key");
    let script = blocks
        .join("sleep 1\n")
        .replace("http://127.0.0.1:8080", flow.stack.control_plane.client().base())
        .replace("http://127.0.0.1:10000", flow.proxy().base())
        .replace("target/up/admin-key", key.to_str().unwrap());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{errors}");
    let mut rest = shown.as_ref();
    for expected in [
        "x-keyplane-account",
        "credential_missing",
        "\"next_cursor\":null",
        "Production server (old)",
        "\"status\":\"revoked\"",
        "credential_invalid",
    ] {
        let at = rest.find(expected).unwrap_or_else(|| panic!("no {expected} in {rest}"));
        rest = &rest[at + expected.len()..];
    }
}
