//! The README is true: its commands, as they stand there, against running parts.

use super::fixture::{Flow, parts};
use std::process::Command;
use xtask::project::Project;
use xtask::stack::Ports;

/// The README's code blocks of this kind.
fn blocks(kind: &str) -> Vec<String> {
    let readme = Project::locate().unwrap().root().join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let start = format!("```sh {kind}\n");
    readme.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn shown(script: &str) -> String {
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", script]).output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{errors}");
    shown.into_owned()
}

/// Each text stands in the output, in this order.
fn in_order(shown: &str, expected: &[&str]) {
    let mut rest = shown;
    for text in expected {
        let at = rest.find(text).unwrap_or_else(|| panic!("no {text} in {rest}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn the_tour_and_the_command_line_work_as_written() {
    let flow = Flow::start();
    let (tour, cli) = (blocks("tour"), blocks("cli"));
    assert_eq!((tour.len(), cli.len()), (5, 1), "the README has another number of blocks");
    // Only addresses and folders differ from a reader's. A new key may need a moment, as a reader does.
    let key = flow.stack.folder().join("admin-key");
    let here = |script: &str| {
        script
            .replace("http://127.0.0.1:8080", flow.stack.control_plane.client().base())
            .replace("http://127.0.0.1:10000", flow.proxy().base())
            .replace("$PWD/target/debug", parts().keyplane.parent().unwrap().to_str().unwrap())
            .replace("target/up/admin-key", key.to_str().unwrap())
    };
    in_order(
        &shown(&here(&tour.join("sleep 1\n"))),
        &[
            "x-keyplane-account",
            "credential_missing",
            "\"next_cursor\":null",
            "Production server (old)",
            "\"status\":\"revoked\"",
            "credential_invalid",
        ],
    );
    let url = format!("export KEYPLANE_URL={}\n", flow.stack.control_plane.client().base());
    let expected = ["Acme", "Production server (old)", "\"status\":\"revoked\"", "Usage: keyplane keys create"];
    in_order(&shown(&(url + &here(&cli[0]))), &expected);
}

#[test]
fn the_commands_for_real_use_work_as_written() {
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::any().unwrap());
    let keyplane = parts().keyplane;
    let block = blocks("run");
    assert_eq!(block.len(), 1);
    let script = block[0]
        .replace("/var/lib/keyplane", folder.path().join("data").to_str().unwrap())
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", ports.api))
        .replace("127.0.0.1:8081", &format!("127.0.0.1:{}", ports.sync))
        // It serves until it is told to stop.
        .replace("keyplane serve", "timeout --preserve-status --signal TERM 3 keyplane serve");
    let path = format!("PATH={}:$PATH\n", keyplane.parent().unwrap().display());
    in_order(&shown(&(path + &script)), &["kp_admin_", "kp_proxy_", "listen"]);
}
