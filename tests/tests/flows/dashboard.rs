//! The dashboard in a real browser, on a real stack: what people do there, with the keyboard, with and without JavaScript, and what a
//! real Envoy does afterwards.

use super::browser::{Browser, ENTER, ESCAPE, LOOKS};
use super::fixture::{Flow, PATH, eventually};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use xtask::project::Project;

/// Text that would run if a page took it for more than text.
const PAYLOAD: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";

/// A stack and a browser that is signed in with the admin key.
struct Desk {
    flow: Flow,
    browser: Browser,
    base: String,
}

impl Desk {
    fn new(script: bool) -> Self {
        let flow = Flow::start();
        let base = flow.stack.control_plane.client().base().to_owned();
        let browser = Browser::start(script);
        let desk = Self { flow, browser, base };
        desk.browser.open(&desk.base);
        let key = desk.flow.stack.control_plane.admin_key().expose_secret().to_owned();
        desk.browser.type_into("#credential", &key);
        desk.browser.type_into("#credential", ENTER);
        desk.browser.wait_for("Overview");
        desk.browser.click(".side nav a[href$='/keys']");
        desk.browser.find("#q");
        desk
    }

    /// What Envoy answers to a request with this key.
    fn status(&self, key: &str) -> u16 {
        self.flow.proxy().get(PATH, &[("x-api-key", key)]).unwrap().status
    }

    /// Looks at the page in each look: keeps a picture, and holds it against axe-core.
    #[track_caller]
    fn examine(&self, name: &str) {
        for look in LOOKS {
            self.browser.look(look);
            self.browser.screenshot(&screenshots().join(format!("{name}-{}.png", look.name)));
            let violations = self.browser.violations();
            assert!(violations.is_empty(), "{name}, {}: {}", look.name, violations.join("\n"));
            let overflow =
                self.browser.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth");
            assert_eq!(overflow, false, "{name}, {}: wider than the window", look.name);
        }
        self.browser.look(LOOKS[0]);
    }
}

fn screenshots() -> PathBuf {
    Project::locate().unwrap().target().join("screenshots")
}

#[test]
fn a_key_is_made_copied_used_renamed_and_revoked_with_the_keyboard_alone_and_envoy_refuses_it() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    browser.tab_to("a.primary[href$='/keys/new']");
    browser.press(ENTER);
    browser.find("#name");
    browser.press(&format!("Production{ENTER}"));
    browser.wait_for("only time");
    let secret = browser.text_of("#secret");
    assert!(secret.starts_with("uk_live_"), "{}", secret.len());
    browser.tab_to("button[data-copy='#secret']");
    browser.press(ENTER);
    browser.wait_for("Copied");
    eventually("Envoy accepts the new key", || desk.status(&secret) == 200);

    browser.tab_to("a.primary[href$='/keys']");
    browser.press(ENTER);
    browser.wait_for("1 to 1 of 1");
    assert!(!browser.text().contains(&secret));
    browser.tab_to("#list .name a.tool");
    browser.press(ENTER);
    browser.find("#list form.rename input#name");
    browser.press(&format!("Old server{ENTER}"));
    browser.wait_for("Old server");
    assert!(browser.address().ends_with("/keys"), "it was renamed in place");

    // Escape keeps the key, and the focus goes back to where it was.
    browser.tab_to("a.tool.danger");
    browser.press(ENTER);
    browser.find("dialog[open] #dialog-title");
    assert!(browser.text_of("dialog").contains("Old server"));
    browser.press(ESCAPE);
    browser.tab_to("a.tool.danger");
    assert_eq!(desk.status(&secret), 200);
    browser.press(ENTER);
    browser.find("dialog[open] #dialog-title");
    browser.tab_to("dialog button.danger");
    browser.press(ENTER);
    browser.wait_for("is revoked");
    browser.wait_for("1 of 1 proxies refuse it");
    assert_eq!(desk.status(&secret), 401, "what the receipt says is so");
    browser.tab_to("dialog a.primary");
    browser.press(ENTER);
    browser.wait_for("No keys yet");
    assert_eq!(browser.count("dialog[open]"), 0);
}

#[test]
fn a_pasted_key_is_found_by_its_mask_and_goes_nowhere() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    for name in ["one", "two", "three"] {
        desk.flow.api().create_key(&desk.flow.project, name).unwrap();
    }
    let key = desk.flow.api().create_key(&desk.flow.project, "wanted").unwrap();
    browser.open(&browser.address());
    browser.wait_for("1 to 4 of 4");
    let secret = key.secret.expose_secret();
    browser.run(&format!(
        "const data = new DataTransfer(); data.setData('text', '{secret}'); const field = document.getElementById('q'); field.focus(); \
         field.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data, bubbles: true, cancelable: true }}))"
    ));
    browser.wait_for("1 to 1 of 1");
    assert!(browser.text().contains("wanted") && !browser.address().contains(secret), "{}", browser.address());
    let log = std::fs::read_to_string(desk.flow.stack.folder().join("control-plane.log")).unwrap();
    assert!(!log.contains(secret));
}

#[test]
fn without_javascript_a_key_is_made_and_revoked_all_the_same() {
    let desk = Desk::new(false);
    let browser = &desk.browser;
    browser.click("a.primary[href$='/keys/new']");
    browser.type_into("#name", "Plain");
    browser.click("button.primary");
    browser.wait_for("only time");
    let secret = browser.text_of("#secret");
    eventually("Envoy accepts the new key", || desk.status(&secret) == 200);
    browser.click("a.primary[href$='/keys']");
    browser.click("a.tool.danger");
    browser.wait_for("cannot be undone");
    browser.click("button.danger");
    browser.wait_for("1 of 1 proxies refuse it");
    assert_eq!(desk.status(&secret), 401);
}

#[test]
fn names_are_text_pages_shut_nobody_out_and_fit_every_screen() {
    let desk = Desk::new(true);
    let (browser, api) = (&desk.browser, desk.flow.api());
    let keys = browser.address();
    desk.examine("keys-empty");
    let named = api.create_key(&desk.flow.project, PAYLOAD).unwrap();
    for name in ["Production server", "Staging", "Ada's laptop, for the migration of the old exports"] {
        api.create_key(&desk.flow.project, name).unwrap();
    }
    browser.open(&keys);
    browser.wait_for(PAYLOAD);
    assert!(!browser.alerts());
    desk.examine("keys");
    for (name, path) in
        [("new", "/new".to_owned()), ("key", format!("/{}", named.id)), ("rename", format!("/{}/rename", named.id))]
    {
        browser.open(&format!("{keys}{path}"));
        browser.find("h1");
        desk.examine(name);
        assert!(!browser.alerts(), "{name}");
    }
    browser.open(&format!("{keys}/new"));
    browser.type_into("#name", PAYLOAD);
    browser.click("details.more summary");
    browser.type_into("#scopes", "Not! a scope");
    browser.click("button.primary");
    browser.wait_for("was not created");
    desk.examine("new-wrong");
    browser.run("document.getElementById('scopes').value = 'jobs:read jobs:write'");
    browser.click("button.primary");
    browser.wait_for("only time");
    desk.examine("created");
    browser.open(&keys);
    browser.click("a.tool.danger");
    browser.find("dialog[open] #dialog-title");
    desk.examine("revoke");
    browser.click("dialog button.danger");
    browser.wait_for("is revoked");
    desk.examine("receipt");
    assert!(!browser.alerts());
    browser.open(&format!("{}/accounts", desk.base));
    browser.find("table");
    desk.examine("accounts");
    browser.open(&format!("{}/no-such-page", desk.base));
    desk.examine("missing");
    // A second tab that signs out: the first is led to where one signs in.
    browser.open(&keys);
    browser.click(".viewer summary");
    browser.click(".viewer form:first-of-type button");
    browser.wait_for("You are signed out");
    desk.examine("sign-in");
    browser.open(&keys);
    browser.find("#credential");
}
