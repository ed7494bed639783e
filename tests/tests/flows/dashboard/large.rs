//! Many keys.

use super::browser::Browser;
use super::desk::sign_in;
use crate::flows::fixture::{parts, project};
use secrecy::ExposeSecret;
use std::process::Command;
use xtask::project::Project;
use xtask::run;
use xtask::stack::{ControlPlane, Ports};

const KEYS: u32 = 10_000;

/// Puts keys into a database that no server runs on.
fn fill(control_plane: &ControlPlane) {
    let project = Project::locate().unwrap();
    // As `cargo test` has built it already.
    run::read(project.cargo(["build", "--quiet", "--workspace", "--example", "many_keys"])).unwrap();
    let mut filler = Command::new(project.target().join("debug/examples/many_keys"));
    filler.arg(control_plane.data()).arg(KEYS.to_string());
    run::read(filler).unwrap();
}

#[test]
fn the_first_page_of_ten_thousand_keys_is_light_and_each_key_is_found() {
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::any().unwrap());
    let mut control_plane = ControlPlane::create(&parts().keyplane, folder.path(), ports.api, ports.sync).unwrap();
    let project = project(&control_plane.api());
    control_plane.stop().unwrap();
    fill(&control_plane);
    control_plane.start().unwrap();
    let account = control_plane.api().client().get(&format!("/v1/projects/{project}"), &[]).unwrap().json();
    let account = account["account_id"].as_str().unwrap().to_owned();

    let base = control_plane.client().base().to_owned();
    let browser = Browser::start(true);
    sign_in(&browser, &base, control_plane.admin_key().expose_secret());
    // Nothing is there from before.
    browser.forget_files();
    browser.open(&format!("{base}/accounts/{account}/keys"));
    browser.wait_for("1 to 50 of 10,000");
    let weight = browser.weight();
    assert!((1_000..100_000).contains(&weight), "the first page takes {weight} bytes on the wire");

    browser.click("a[rel=next]");
    browser.wait_for("51 to 100 of 10,000");
    browser.type_into("#q", "key 1234");
    browser.wait_for("1 to 1 of 1");
    assert!(browser.text_of("#list tbody").contains("key 1234"));

    let key = control_plane.api().create_key(&project, "wanted").unwrap();
    browser.open(&format!("{base}/accounts/{account}/keys?order=oldest"));
    browser.wait_for("1 to 50 of 10,0");
    browser.paste("#q", key.secret.expose_secret());
    browser.wait_for("This is the key \u{201c}wanted\u{201d}.");
    browser.wait_for("1 to 1 of 1");
}
