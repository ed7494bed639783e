//! The pictures of the documentation, of real pages: `cargo xtask screenshots` puts them in place.

use super::Desk;
use super::browser::{Browser, LOOKS, Look};
use super::desk::screenshots;
use crate::flows::fixture::eventually;
use serde_json::json;
use std::path::PathBuf;
use xtask::project::Project;

/// The largest that a picture may be, in bytes.
const LARGEST: u64 = 120_000;
/// The part of a page that a picture shows.
const FRAME: Look = Look { width: 1280, height: 660, ..LOOKS[0] };

fn file(name: &str) -> PathBuf {
    screenshots().join("docs").join(format!("{name}.png"))
}

fn take(browser: &Browser, look: Look, name: &str) {
    browser.look(look);
    browser.picture(&file(name));
    browser.look(LOOKS[0]);
}

/// Names of the pictures that the documentation shows.
fn shown() -> Vec<String> {
    let root = Project::locate().unwrap().root().to_owned();
    let text = ["README.md", "docs/dashboard.md"].map(|file| std::fs::read_to_string(root.join(file)).unwrap());
    let mut names: Vec<_> = text.iter().flat_map(|text| text.split("images/").skip(1)).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|rest| rest.split(".png").next().unwrap().to_owned()).collect()
}

#[test]
fn the_pictures_of_the_documentation_are_of_real_pages_and_small() {
    let desk = Desk::new(true);
    let (browser, api) = (&desk.browser, desk.flow.api());
    let account = desk.account();
    api.client().patch(&format!("/v1/projects/{}", desk.flow.project), &json!({ "name": "Uploads" })).unwrap();
    let exports =
        json!({ "account_id": account, "name": "Exports", "prefixes": { "live": "ex_live", "test": "ex_test" } });
    let exports = desk.make("/v1/projects", &exports)["id"].as_str().unwrap().to_owned();
    for (project, environment, name, scopes, end) in [
        (&exports, "live", "Nightly export", &["exports:write"][..], None),
        (&desk.flow.project, "test", "Ada's laptop", &[], Some("2031-01-15T00:00:00.000Z")),
        (&desk.flow.project, "test", "Continuous integration", &["uploads:write", "jobs:read"], None),
        (&desk.flow.project, "live", "Old server", &["uploads:write"], None),
    ] {
        let body = json!({ "project_id": project, "environment": environment, "name": name, "scopes": scopes, "expires_at": end });
        api.create_key_with(&body).unwrap();
    }
    let used = desk.flow.known_key("Production server");
    eventually("the use is known", || {
        desk.flow.get(&used);
        !api.key(&used.id).unwrap()["last_used_at"].is_null()
    });

    browser.open(&desk.keys());
    browser.wait_for("1 to 5 of 5");
    take(browser, FRAME, "keys");
    take(browser, Look { dark: true, ..FRAME }, "keys-dark");
    browser.click("tr:has(th):nth-of-type(2) a.tool.danger");
    browser.find("dialog[open] #dialog-title");
    browser.click("dialog button.danger");
    browser.wait_for("1 of 1 proxies refuse it");
    take(browser, FRAME, "revoked");
    browser.open(&format!("{}/new", desk.keys()));
    browser.type_into("#name", "Uploader");
    browser.click("main form button.primary");
    browser.wait_for("only time");
    take(browser, FRAME, "created");

    let shown = shown();
    assert!(shown.len() >= 3, "{shown:?}");
    let images = Project::locate().unwrap().root().join("docs/images");
    for name in shown {
        assert!(file(&name).is_file(), "no picture is taken for docs/images/{name}.png");
        // When they are taken anew, those that are kept may be what is wrong.
        if std::env::var_os("KEYPLANE_NEW_PICTURES").is_none() {
            let kept = images.join(format!("{name}.png"));
            let size = std::fs::metadata(&kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display())).len();
            assert!(size < LARGEST, "{}: {size} bytes", kept.display());
        }
    }
}
