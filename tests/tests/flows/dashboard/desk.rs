//! A stack, and a browser that is signed in to its dashboard.

use super::browser::{Browser, ENTER, LOOKS, Look};
use crate::flows::fixture::{Flow, PATH};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;
use xtask::project::Project;
use xtask::stack::{Ports, Stack};

/// How much a page may move while it is loaded, as Chromium scores it. Below 0.1 counts as good; this is hardly to be seen.
const MOVES: f64 = 0.02;

/// A stack and a browser that is signed in with the admin key.
pub struct Desk {
    pub flow: Flow,
    pub browser: Browser,
    pub base: String,
}

impl Desk {
    /// Without `script`, pages run no JavaScript.
    pub fn new(script: bool) -> Self {
        let ports = Ports::any().unwrap();
        let settings = format!("try_url = \"http://127.0.0.1:{}{PATH}\"\n", ports.proxy);
        let flow = Flow::at(ports, &Stack::usual_plugin(), &settings);
        let base = flow.stack.control_plane.client().base().to_owned();
        let desk = Self { flow, browser: Browser::start(script), base };
        desk.sign_in(desk.flow.stack.control_plane.admin_key().expose_secret());
        desk
    }

    /// Signs in, as whoever holds this credential.
    #[track_caller]
    pub fn sign_in(&self, credential: &str) {
        sign_in(&self.browser, &self.base, credential);
    }

    /// What Envoy answers to a request with this key.
    pub fn status(&self, key: &str) -> u16 {
        self.flow.proxy().get(PATH, &[("x-api-key", key)]).unwrap().status
    }

    /// Id of the account.
    pub fn account(&self) -> String {
        let project = self.flow.api().client().get(&format!("/v1/projects/{}", self.flow.project), &[]).unwrap().json();
        project["account_id"].as_str().unwrap().to_owned()
    }

    /// Where the account's keys are.
    pub fn keys(&self) -> String {
        format!("{}/accounts/{}/keys", self.base, self.account())
    }

    /// A call of the API that makes something; gives the answer.
    #[track_caller]
    pub fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.flow.api().client().post(path, body).unwrap();
        assert_eq!(answer.status, 201, "POST {path}: {}", answer.text());
        answer.json()
    }

    /// A user of the account with a personal token; gives the token.
    pub fn person(&self, name: &str, role: &str) -> String {
        let email = format!("{role}@acme.example");
        let user = json!({ "account_id": self.account(), "email": email, "name": name, "role": role });
        let user = self.make("/v1/users", &user);
        let token = self.make("/v1/personal_access_tokens", &json!({ "user_id": user["id"], "name": "laptop" }));
        token["key"].as_str().unwrap().to_owned()
    }

    /// [`examine`]s the page.
    #[track_caller]
    pub fn examine(&self, name: &str) {
        examine(&self.browser, name);
    }
}

/// Holds the page against what every page keeps to: axe-core finds nothing, nothing is wider than the window, the page did not
/// move, the console is empty; and keeps a picture in each look.
#[track_caller]
pub fn examine(browser: &Browser, name: &str) {
    let jumps = browser.jumps();
    assert!(jumps < MOVES, "{name} moves while it is loaded: {jumps}");
    for look in LOOKS {
        examine_in(browser, name, look);
    }
    browser.look(LOOKS[0]);
    let console = browser.console();
    assert!(console.is_empty(), "{name}: {console:?}");
}

#[track_caller]
fn examine_in(browser: &Browser, name: &str, look: Look) {
    browser.look(look);
    browser.screenshot(look, &screenshots().join(format!("{name}-{}.png", look.name)));
    // Dark differs from light in nothing but its colours.
    let rules = look.dark.then_some(&["color-contrast"][..]);
    let violations = browser.violations(rules);
    assert!(violations.is_empty(), "{name}, {}: {}", look.name, violations.join("\n"));
    let overflow = browser.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth");
    assert_eq!(overflow, false, "{name}, {}: wider than the window", look.name);
}

/// Signs a browser in.
#[track_caller]
pub fn sign_in(browser: &Browser, base: &str, credential: &str) {
    browser.open(&format!("{base}/sign-in"));
    browser.type_into("#credential", credential);
    browser.type_into("#credential", ENTER);
    browser.find(".viewer");
}

/// Where pictures are kept.
pub fn screenshots() -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| Project::locate().unwrap().target().join("screenshots"));
    FOLDER.clone()
}
