//! Who is signed in, for how long, and that nobody else's page acts for them.

use super::Desk;
use super::browser::Browser;
use super::desk::{examine, sign_in};
use super::elsewhere::Elsewhere;
use crate::flows::fixture::{eventually, parts, project};
use crate::flows::tls::Authority;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use xtask::stack::{ControlPlane, Ports, Process};

/// A name that leads to this machine in the test's browser alone, so that it is no machine of the browser's own.
pub const HOST: &str = "keys.example";

fn start(settings: &str) -> (ControlPlane, Ports, TempDir) {
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::any().unwrap());
    let made = ControlPlane::create_with(&parts().keyplane, folder.path(), ports.api, ports.sync, settings).unwrap();
    project(&made.api());
    (made, ports, folder)
}

/// Serves it over HTTPS from now on, with a certificate for [`HOST`] and these settings besides.
pub fn over_https(control_plane: &mut ControlPlane, ports: Ports, folder: &Path, settings: &str) -> Process {
    control_plane.stop().unwrap();
    Authority::new().issue(HOST, folder, "tls");
    let (certificate, key) = (folder.join("tls.pem"), folder.join("tls-key.pem"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = folder.join("tls.toml");
    let tls = format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", certificate.display(), key.display());
    std::fs::write(&file, tls + settings).unwrap();
    let mut serve = Command::new(&parts().keyplane);
    serve.arg("serve").arg("--data-dir").arg(control_plane.data()).arg("--config").arg(&file);
    serve.args(["--listen", &format!("127.0.0.1:{}", ports.api)]);
    serve.args(["--sync-listen", &format!("127.0.0.1:{}", ports.sync)]);
    let mut process = Process::start("the control plane", serve, &folder.join("tls.log")).unwrap();
    let listens = || TcpStream::connect(("127.0.0.1", ports.api)).is_ok();
    process.wait_until(Duration::from_mins(1), listens).unwrap();
    process
}

#[test]
fn over_https_the_session_is_a_cookie_of_this_host_alone_that_no_script_reads() {
    let (mut control_plane, ports, folder) = start("");
    let _process = over_https(&mut control_plane, ports, folder.path(), "");
    let base = format!("https://{HOST}:{}", ports.api);
    let browser = Browser::start(true);
    sign_in(&browser, &base, control_plane.admin_key().expose_secret());
    let cookies = browser.cookies();
    assert_eq!(cookies.len(), 1, "one cookie, and no other");
    let cookie = &cookies[0];
    assert_eq!(cookie["name"], "__Host-keyplane_session");
    assert_eq!(
        (&cookie["secure"], &cookie["httpOnly"], &cookie["sameSite"]),
        (&true.into(), &true.into(), &"Lax".into())
    );
    assert_eq!((&cookie["domain"], &cookie["path"]), (&HOST.into(), &"/".into()));
    assert_eq!(cookie["expiry"], Value::Null, "it ends with the browser");
    assert_eq!(browser.run("return document.cookie"), "");
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn a_session_that_nobody_uses_ends_and_a_form_from_before_does_nothing() {
    let (control_plane, _ports, _folder) = start("session_idle_limit = \"5s\"\n");
    let base = control_plane.client().base().to_owned();
    let browser = Browser::start(true);
    sign_in(&browser, &base, control_plane.admin_key().expose_secret());
    browser.click(".side nav a[href$='/keys']");
    browser.click(".title a.primary[href$='/keys/new']");
    browser.type_into("#name", "Too late");
    let form = browser.tab();
    browser.new_tab();
    eventually("the session ends", || {
        browser.open(&format!("{base}/accounts"));
        browser.count("#credential") == 1
    });
    browser.go_to_tab(&form);
    browser.click("main form button.primary");
    browser.find("#credential");
    let keys = control_plane.api().client().get("/v1/keys", &[]).unwrap().json();
    assert_eq!(keys["data"], serde_json::json!([]));
    assert_eq!(browser.cookies().len(), 0, "the cookie is forgotten");
}

#[test]
fn signing_out_everywhere_ends_the_session_of_another_browser_and_signing_out_does_not() {
    let (control_plane, _ports, _folder) = start("");
    let (base, key) = (control_plane.client().base().to_owned(), control_plane.admin_key().expose_secret().to_owned());
    let (one, other) = (Browser::start(true), Browser::start(true));
    let leave = |browser: &Browser, button: &str| {
        browser.click(".viewer summary");
        browser.click(button);
        browser.wait_for("You are signed out");
    };
    sign_in(&one, &base, &key);
    sign_in(&other, &base, &key);
    leave(&one, ".viewer form:not(:has([name=everywhere])) button");
    assert_eq!(one.cookies().len(), 0);
    other.open(&format!("{base}/accounts"));
    other.wait_for("Acme");

    sign_in(&one, &base, &key);
    leave(&one, ".viewer form:has([name=everywhere]) button");
    other.open(&format!("{base}/accounts"));
    other.find("#credential");
    assert!(!other.text().contains("Acme"));
    // Back and forth shows nothing that was there before.
    one.run("history.back()");
    one.find("#credential");
    assert!(!one.text().contains("Acme"));
}

#[test]
fn where_one_is_signed_in_is_listed_and_what_is_ended_from_elsewhere_is_out_at_its_next_click() {
    let (control_plane, _ports, _folder) = start("");
    let (base, key) = (control_plane.client().base().to_owned(), control_plane.admin_key().expose_secret().to_owned());
    let api = control_plane.api();
    let projects = api.client().get("/v1/projects", &[]).unwrap().json();
    let (project, account) = (&projects["data"][0]["id"], &projects["data"][0]["account_id"]);
    api.create_key(project.as_str().unwrap(), "Kept").unwrap();
    let keys = format!("{base}/accounts/{}/keys", account.as_str().unwrap());
    let (one, other) = (Browser::start(true), Browser::start(true));
    let rows = || one.count("main tbody tr");
    sign_in(&one, &base, &key);
    sign_in(&other, &base, &key);
    other.open(&keys);
    other.wait_for("Kept");

    // By the menu, as people find it.
    one.click(".viewer summary");
    one.click(".viewer a[href='/sessions']");
    one.wait_for("This one");
    assert_eq!((rows(), one.count("main tbody .badge")), (2, 1));
    for row in ["tr:has(.badge)", "tr:not(:has(.badge))"] {
        let row = one.text_of(&format!("main tbody {row}"));
        for told in ["Chrome on Linux", "127.0.0.1", "Admin key"] {
            assert!(row.contains(told), "{told}: {row}");
        }
    }
    let times =
        "return [...document.querySelectorAll('main tbody time')].map(time => Date.now() - Date.parse(time.dateTime))";
    let times = one.run(times);
    let times: Vec<_> = times.as_array().unwrap().iter().map(|age| age.as_f64().unwrap()).collect();
    assert_eq!(times.len(), 4, "since when and last seen, of each");
    assert!(times.iter().all(|age| (-1_000.0..120_000.0).contains(age)), "{times:?}");
    examine(&one, "sessions");

    let end = "main tbody tr:not(:has(.badge)) button";
    one.click(end);
    one.wait_for("The session is ended.");
    assert_eq!(rows(), 1);
    examine(&one, "sessions-ended");
    // Its next click is one that the script sends.
    other.click("a.tool.danger");
    other.find("#credential");
    assert!(!other.text().contains("Kept") && other.cookies().is_empty());
    assert_eq!(api.client().get("/v1/keys", &[]).unwrap().json()["data"][0]["status"], "active");

    // Everywhere, from the page: here too.
    sign_in(&other, &base, &key);
    one.open(&format!("{base}/sessions"));
    assert_eq!(rows(), 2);
    one.click("main form:has([name=everywhere]) button");
    one.wait_for("You are signed out");
    other.click(".side nav a[href$='/keys']");
    other.find("#credential");
    for browser in [&one, &other] {
        browser.open(&keys);
        browser.find("#credential");
        assert!(browser.cookies().is_empty() && !browser.text().contains("Kept"));
    }
    // The operator's log has it, newest first, as the guide asks for it.
    let mut audit = Command::new(&parts().keyplane);
    audit.args(["audit", "--object-kind", "session", "--since", "24h", "--json"]);
    audit.env("KEYPLANE_URL", &base).env("KEYPLANE_API_KEY", &key);
    let log = xtask::run::read(audit).unwrap();
    let entries = serde_json::Deserializer::from_str(&log).into_iter::<Value>().map(Result::unwrap);
    let mut actions: Vec<_> = entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
    actions.reverse();
    assert_eq!(actions, ["session.begin", "session.begin", "session.end", "session.begin", "session.end_all"]);
}

#[test]
fn a_page_from_elsewhere_revokes_nothing_frames_nothing_and_reads_nothing() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    let key = desk.flow.known_key("Kept");
    let revoke = format!("{}/{}/revoke", desk.keys(), key.id);
    browser.open(&revoke);
    // Even if it had stolen what each form holds.
    let token = browser.run("return document.querySelector('main [name=csrf]').value");
    let (token, own) = (token.as_str().unwrap(), browser.tab());
    let page = format!(
        "<!doctype html><title>Elsewhere</title><form method=post action='{revoke}'><input type=hidden name=csrf value='{token}'>\
         <button>Win a prize</button></form><iframe src='{}'></iframe>",
        desk.keys()
    );
    let elsewhere = Elsewhere::serve(&page);
    // The same host at another port is of the same site, so the cookie is sent; a name is another site.
    let told =
        [("127.0.0.1", "does not come from a page of this dashboard"), ("evil.example", "Admin key or personal")];
    for (host, told) in told {
        let address = format!("http://{host}:{}/", elsewhere.port);
        browser.new_tab();
        browser.open(&address);
        browser.click("button");
        browser.wait_for(told);

        browser.open(&address);
        browser.go_into_frame();
        assert!(!browser.text().contains("Kept") && browser.count(".viewer, #credential") == 0, "{host}: in a frame");

        browser.open(&address);
        let read = format!(
            "fetch('{}', {{ credentials: 'include' }}).then(() => done('read'), () => done('refused'))",
            desk.keys()
        );
        assert_eq!(browser.run_until_done(&read), "refused", "{host}");
    }
    assert_eq!(desk.flow.api().key(&key.id).unwrap()["status"], "active");
    assert_eq!(desk.flow.get(&key).status, 200);
    // The page that it was stolen from still works.
    browser.go_to_tab(&own);
    browser.click("main form button.danger");
    browser.wait_for("1 of 1 proxies refuse it");
}
