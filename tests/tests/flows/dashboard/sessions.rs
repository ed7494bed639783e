//! Who is signed in, for how long, and that nobody else's page acts for them.

use super::Desk;
use super::browser::Browser;
use super::desk::sign_in;
use super::elsewhere::Elsewhere;
use crate::flows::fixture::{eventually, parts, project};
use crate::flows::tls::Authority;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use xtask::stack::{ControlPlane, Ports, Process};

/// A name that leads to this machine in the test's browser alone, so that it is no machine of the browser's own.
const HOST: &str = "keys.example";

fn start(settings: &str) -> (ControlPlane, Ports, TempDir) {
    let (folder, ports) = (tempfile::tempdir().unwrap(), Ports::any().unwrap());
    let made = ControlPlane::create_with(&parts().keyplane, folder.path(), ports.api, ports.sync, settings).unwrap();
    project(&made.api());
    (made, ports, folder)
}

#[test]
fn over_https_the_session_is_a_cookie_of_this_host_alone_that_no_script_reads() {
    let (mut control_plane, ports, folder) = start("");
    control_plane.stop().unwrap();
    Authority::new().issue(HOST, folder.path(), "tls");
    let (certificate, key) = (folder.path().join("tls.pem"), folder.path().join("tls-key.pem"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = folder.path().join("tls.toml");
    let settings = format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", certificate.display(), key.display());
    std::fs::write(&file, settings).unwrap();
    let mut serve = Command::new(&parts().keyplane);
    serve.arg("serve").arg("--data-dir").arg(control_plane.data()).arg("--config").arg(&file);
    serve.args(["--listen", &format!("127.0.0.1:{}", ports.api)]);
    serve.args(["--sync-listen", &format!("127.0.0.1:{}", ports.sync)]);
    let mut process = Process::start("the control plane", serve, &folder.path().join("tls.log")).unwrap();
    let listens = || TcpStream::connect(("127.0.0.1", ports.api)).is_ok();
    process.wait_until(Duration::from_mins(1), listens).unwrap();

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
