//! People who sign in with the login that they have already, at a provider of its own, and what they are told when that fails.

use super::browser::Browser;
use super::desk::{examine, sign_in};
use super::provider::{CLIENT, Provider, SECRET};
use super::sessions::{HOST, over_https};
use crate::flows::fixture::{eventually, parts, project};
use secrecy::ExposeSecret;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;
use xtask::stack::{ControlPlane, Ports};

const WITH_ACME: &str = "a.button[href^='/sign-in/with/0']";
const WITH_NOBODY: &str = "a.button[href^='/sign-in/with/1']";
const STALE: &str = "begun in another browser";

/// A control plane at which people sign in with a provider, and with one that nobody runs.
struct Place {
    provider: Provider,
    control_plane: ControlPlane,
    base: String,
    account: String,
    ports: Ports,
    folder: TempDir,
}

/// Settings of an issuer with which people sign in to the dashboard at `base`; its secret is in this folder.
fn issuer(url: &str, label: &str, base: &str, folder: &Path) -> String {
    let secret = folder.join("client-secret");
    std::fs::write(&secret, SECRET).unwrap();
    format!(
        "[[jwt.issuers]]\nissuer = \"{url}\"\ndiscovery = true\naudiences = [\"api\"]\n\
         [jwt.issuers.sign_in]\nlabel = \"{label}\"\nclient_id = \"{CLIENT}\"\nclient_secret_file = \"{}\"\n\
         redirect_url = \"{base}/sign-in/callback\"\n",
        secret.display()
    )
}

impl Place {
    fn new() -> Self {
        let (provider, folder, ports) = (Provider::start(), tempfile::tempdir().unwrap(), Ports::any().unwrap());
        let base = format!("http://127.0.0.1:{}", ports.api);
        let nobody = format!("http://localhost:{}", ports.upstream);
        let settings = issuer(&provider.url, "Acme", &base, folder.path()) + &issuer(&nobody, "Nobody", &base, folder.path())
            // The longest label that settings take, without a place to break it.
            + &issuer("http://localhost:9", &"W".repeat(60), &base, folder.path());
        let control_plane =
            ControlPlane::create_with(&parts().keyplane, folder.path(), ports.api, ports.sync, &settings).unwrap();
        let api = control_plane.api();
        let project = api.client().get(&format!("/v1/projects/{}", project(&api)), &[]).unwrap().json();
        let account = project["account_id"].as_str().unwrap().to_owned();
        for (subject, name, role) in [("mia", "Mia M.", "member"), ("olga", "Olga O.", "owner")] {
            let identity = json!({ "issuer": provider.url, "subject": subject });
            let user = json!({ "account_id": account, "email": format!("{subject}@acme.example"), "name": name, "role": role,
                "identity": identity });
            let made = api.client().post("/v1/users", &user).unwrap();
            assert_eq!(made.status, 201, "{}", made.text());
        }
        Self { provider, control_plane, base, account, ports, folder }
    }

    fn keys(&self) -> String {
        format!("{}/accounts/{}/keys", self.base, self.account)
    }

    /// From the page to sign in on to the provider's.
    fn go(&self, browser: &Browser) {
        browser.click(WITH_ACME);
        browser.wait_for("Acme login");
        assert!(browser.address().starts_with(&self.provider.url), "{}", browser.address());
    }

    /// The same, and has the provider show where it would lead to as this person; gives that.
    fn way_back(&self, browser: &Browser, who: &str) -> String {
        browser.open(&format!("{}/sign-in", self.base));
        self.go(browser);
        browser.click("[name=show]");
        browser.click(&as_who(who));
        browser.wait_for("You would be led to");
        browser.run("return document.getElementById('back').href").as_str().unwrap().to_owned()
    }

    /// Whether the browser is signed in.
    fn is_in(&self, browser: &Browser) -> bool {
        is_in(browser, &self.base)
    }
}

fn is_in(browser: &Browser, base: &str) -> bool {
    browser.open(&format!("{base}/sessions"));
    browser.count(".viewer") == 1
}

/// The button of a person at the provider.
fn as_who(who: &str) -> String {
    format!("button[value='{who}']")
}

fn cookies(browser: &Browser) -> Vec<String> {
    browser.cookies().iter().map(|cookie| cookie["name"].as_str().unwrap().to_owned()).collect()
}

/// Signs out by the menu.
fn leave(browser: &Browser) {
    browser.click(".viewer summary");
    browser.click(".viewer form:not(:has([name=everywhere])) button");
    browser.wait_for("You are signed out");
}

#[test]
fn somebody_signs_in_at_their_provider_and_is_there_as_whom_it_names_with_what_their_role_allows() {
    let place = Place::new();
    let browser = Browser::start(true);
    browser.open(&place.keys());
    browser.wait_for("Sign in with Acme");
    examine(&browser, "sign-in-with");
    // With the keyboard there, as everywhere.
    browser.tab_to(WITH_ACME);
    browser.press(super::browser::ENTER);
    browser.wait_for("Acme login");
    browser.click(&as_who("mia"));
    browser.find(".viewer");
    assert_eq!(browser.address(), place.keys(), "where she wanted to be, and nothing of the way in the address");
    let text = browser.text();
    assert!(text.contains("Mia M.") && text.contains("member") && text.contains("Create key"), "{text}");
    assert_eq!(cookies(&browser), ["keyplane_session"], "what she took along on the way is gone");
    // What the role does not allow has no link, and no page.
    assert_eq!(browser.count("nav a[href$='/audit'], nav a[href='/proxies'], nav a[href='/admin-keys']"), 0);
    browser.open(&format!("{}/accounts/{}/audit", place.base, place.account));
    assert_eq!(browser.status(), 403);
    // The browser says so itself in its console.
    browser.console();
    browser.open(&format!("{}/sessions", place.base));
    browser.wait_for("Your login at Acme");
    assert_eq!(browser.count("main tbody tr"), 1);
    assert_eq!(browser.console(), [""; 0]);

    // Signing out ends it here; at the provider she may be somebody else then.
    leave(&browser);
    assert!(!place.is_in(&browser) && cookies(&browser).is_empty());
    place.go(&browser);
    browser.click(&as_who("olga"));
    browser.find(".viewer");
    browser.open(&format!("{}/accounts/{}/audit?what=session", place.base, place.account));
    let log = browser.text();
    for told in
        ["Mia M. signed in with the login of", "Mia M. signed out", "Olga O. signed in", "Chrome on Linux", "127.0.0.1"]
    {
        assert!(log.contains(told), "{told}: {log}");
    }
    examine(&browser, "audit-sessions");
    assert_eq!(place.provider.redeemed(), 2);
}

#[test]
fn who_is_not_let_in_is_told_why_and_may_go_another_way() {
    let place = Place::new();
    let browser = Browser::start(true);
    let told = |what: &str, name: &str| {
        browser.wait_for(what);
        assert_eq!(browser.count("[role=alert]"), 1, "{what}");
        assert!(cookies(&browser).is_empty(), "{what}: {:?}", cookies(&browser));
        // Chromium notes in its console that the page came with an error.
        browser.console();
        examine(&browser, name);
    };
    let begin = || browser.open(&format!("{}/sign-in", place.base));
    begin();
    place.go(&browser);
    browser.click(&as_who(""));
    told("Acme did not let you in, or you did not agree there", "sign-in-declined");
    // Somebody with a login, of no account.
    place.go(&browser);
    browser.click(&as_who("eve"));
    told("it names no user of an account here", "sign-in-unknown");
    // One that nobody runs, and one that stops when the code is to be exchanged.
    browser.click(WITH_NOBODY);
    told("Nobody cannot be reached from here now", "sign-in-down");
    place.go(&browser);
    place.provider.set_down(true);
    browser.click(&as_who("mia"));
    told("Acme cannot be reached from here now", "sign-in-down-late");
    // Whatever happened, each way in is open.
    sign_in(&browser, &place.base, place.control_plane.admin_key().expose_secret());
    leave(&browser);
    place.provider.set_down(false);
    begin();
    place.go(&browser);
    browser.click(&as_who("mia"));
    browser.find(".viewer");
    assert!(browser.text().contains("Mia M."));
    let log = std::fs::read_to_string(place.control_plane.log()).unwrap();
    assert!(log.contains("a sign-in with another login failed"), "{log}");
    for secret in [SECRET, "code-1", "eyJ"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_way_back_counts_once_in_the_browser_that_began_it() {
    let place = Place::new();
    let (one, other) = (Browser::start(true), Browser::start(true));
    let refused = |browser: &Browser, way: &str, why: &str| {
        let redeemed = place.provider.redeemed();
        browser.open(way);
        browser.wait_for(STALE);
        assert_eq!(browser.status(), 400, "{why}");
        assert_eq!(place.provider.redeemed(), redeemed, "{why}: the provider is asked nothing");
    };
    // Somebody lures another into their own account: the other's browser has begun nothing, or something else.
    let way = place.way_back(&one, "olga");
    refused(&other, &way, "nothing was begun there");
    place.way_back(&other, "mia");
    refused(&other, &way, "something else was begun there");
    assert!(!place.is_in(&other));
    // With another state, not even the browser that began; and that was its one time.
    let (rest, state) = way.rsplit_once("state=").unwrap();
    let wrong: String = state.chars().rev().collect();
    refused(&one, &format!("{rest}state={wrong}"), "another state");
    refused(&one, &way, "its one time is over");
    assert!(!place.is_in(&one));

    let way = place.way_back(&one, "olga");
    one.open(&way);
    one.find(".viewer");
    refused(&one, &way, "a second time");
    refused(&other, &way, "a second time, elsewhere");
    assert!(place.is_in(&one) && !place.is_in(&other));
    // Signing out everywhere ends what the other has begun since.
    place.way_back(&other, "olga");
    other.click("#back");
    other.find(".viewer");
    one.open(&format!("{}/sessions", place.base));
    one.wait_for("This one");
    assert_eq!(one.count("main tbody tr"), 2);
    one.click("main form:has([name=everywhere]) button");
    one.wait_for("You are signed out");
    eventually("the other is out too", || !place.is_in(&other));
}

#[test]
fn over_https_the_way_there_and_back_is_held_by_cookies_of_this_host_alone() {
    let mut place = Place::new();
    let base = format!("https://{HOST}:{}", place.ports.api);
    let settings = issuer(&place.provider.url, "Acme", &base, place.folder.path());
    let _process = over_https(&mut place.control_plane, place.ports, place.folder.path(), &settings);
    // Without JavaScript, too.
    let browser = Browser::start(false);
    browser.open(&format!("{base}/accounts"));
    place.go(&browser);
    browser.click(&as_who("mia"));
    browser.find(".viewer");
    assert_eq!(browser.address(), format!("{base}/accounts"));
    assert_eq!(cookies(&browser), ["__Host-keyplane_session"]);
    assert!(is_in(&browser, &base) && browser.text().contains("Mia M."));
    leave(&browser);
    assert!(!is_in(&browser, &base) && cookies(&browser).is_empty());
    assert_eq!(browser.console(), [""; 0]);
    // Elsewhere than where the provider leads back to, that is said before anybody goes there.
    browser.open(&format!("https://127.0.0.1:{}/sign-in", place.ports.api));
    browser.click(WITH_ACME);
    browser.wait_for(&format!("leads back to {base} only"));
}
