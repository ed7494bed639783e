//! A key's life, by somebody with a keyboard.

use super::Desk;
use super::browser::{ENTER, ESCAPE};
use crate::flows::fixture::eventually;
use secrecy::ExposeSecret;
use std::process::Command;
use std::time::Duration;

/// Runs a line as somebody does who pastes it into a terminal; gives the status that came back.
fn status_of(line: &str) -> String {
    let script = format!("{line} -sS -o /dev/null -w '%{{http_code}}'");
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// G6, G7, G8, G15, K10, K11: made on a page, shown once with a line for the environment, revoked by the bin after a question, refused at once.
#[test]
fn a_key_is_made_copied_used_renamed_and_revoked_with_the_keyboard_alone_and_envoy_refuses_it() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    browser.open(&desk.keys());
    browser.tab_to("a.primary[href$='/keys/new']");
    browser.press(ENTER);
    browser.find("#name");
    browser.press(&format!("Production{ENTER}"));
    browser.wait_for("only time");
    let secret = browser.text_of("#secret");
    assert!(secret.starts_with("uk_live_"), "{}", secret.len());
    let copied = |id: &str| {
        let button = format!("button[data-copy='#{id}']");
        browser.tab_to(&button);
        browser.press(ENTER);
        eventually("the button says that it copied", || browser.text_of(&button) == "Copied");
    };
    copied("secret");
    assert!(browser.clipboard() == secret, "what was copied is not the key");
    // What is shown to try it works, pasted as it is.
    copied("curl");
    let line = browser.clipboard();
    assert!(line.starts_with("curl http://127.0.0.1:") && line.contains(&secret), "{}", line.len());
    eventually("the line that is shown is answered", || status_of(&line) == "200");
    // Where a page may not write to the clipboard, it has the browser copy what it selects.
    browser.run("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })");
    copied("env");
    browser.run("delete navigator.clipboard");
    assert!(browser.clipboard() == format!("API_KEY={secret}"), "what was copied is not the line");

    browser.tab_to("a.primary[href$='/keys']");
    browser.press(ENTER);
    browser.wait_for("1 to 1 of 1");
    assert!(!browser.text().contains(&secret));
    // Going back does not show it again: the browser asks whether to send the form once more, or has an empty one.
    browser.run("history.back()");
    eventually("the page before is there", || browser.count("#name") == 1 || browser.text().contains("ERR_CACHE_MISS"));
    assert!(!browser.text().contains(&secret));
    browser.open(&desk.keys());
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
    let is_back = "return document.activeElement.matches('a.tool.danger')";
    eventually("the focus is back", || browser.run(is_back) == true);
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
    browser.wait_for("Every key is revoked");
    assert_eq!(browser.count("dialog[open]"), 0);
    assert_eq!(browser.console(), [""; 0]);
}

/// A key of the right shape that nobody has.
const NOBODYS: &str = "uk_live_0000000000000000000000000000000043Jw1g";

/// K6, K7: the mask is enough to recognise a key that somebody holds.
#[test]
fn a_pasted_key_is_recognised_by_its_mask_alone_and_one_that_cannot_be_is_not_asked_for() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    for name in ["one", "two", "three"] {
        desk.flow.api().create_key(&desk.flow.project, name).unwrap();
    }
    let key = desk.flow.api().create_key(&desk.flow.project, "wanted").unwrap();
    let secret = key.secret.expose_secret();
    let mask = desk.flow.api().key(&key.id).unwrap()["key_prefix"].as_str().unwrap().to_owned();
    // Of the key, what no mask shows.
    let hidden = &secret[mask.len() - 7..secret.len() - 4];
    let rows = || browser.count("#list tbody tr");
    let paste = |text: &str| {
        browser.open(&desk.keys());
        browser.wait_for("Paste a whole key");
        browser.forget_requests();
        browser.paste("#q", text);
    };

    // What cannot be a key of here is told, and nothing is asked.
    let last = if secret.ends_with('0') { "1" } else { "0" };
    for (wrong, said) in [
        (format!("{}{last}", &secret[..secret.len() - 1]), "its last six characters do not go with the others"),
        (secret[..secret.len() - 9].to_owned(), "of another product"),
        (format!("{secret}{secret}"), "of another product"),
        (format!("sk-proj-{}", &secret[8..]), "Nothing was looked for"),
    ] {
        paste(&wrong);
        browser.wait_for(said);
        // Longer than it waits while somebody types.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!((browser.requests(), rows()), (String::new(), 4), "{said}");
        assert_eq!(browser.run("return document.getElementById('q').value"), "", "{said}");
        assert_eq!(browser.address(), desk.keys());
    }
    desk.examine("keys-no-key");

    let found = |text: &str| {
        paste(text);
        browser.wait_for("This is the key \u{201c}wanted\u{201d}.");
        browser.wait_for("1 to 1 of 1");
        assert_eq!((browser.text_of("#list tbody .name > a"), rows()), ("wanted".to_owned(), 1));
        let asked = browser.requests();
        assert!(asked.lines().count() == 1 && asked.contains(&mask), "only the mask is sent: {asked}");
        for place in [asked, browser.address(), browser.text()] {
            assert!(!place.contains(hidden), "the key is in what is sent, in the address or on the page");
        }
    };
    found(secret);
    desk.examine("keys-recognised");
    // With the white space that is copied along; by its mask, as it is shown here and as others write it.
    found(&format!("  {secret} "));
    found(&mask);
    found(&mask.replace("...", "\u{2026}"));
    // One that is revoked is among those that are not shown.
    desk.flow.api().revoke_key(&key.id).unwrap();
    browser.open(&desk.keys());
    browser.wait_for("1 to 3 of 3");
    found(secret);
    assert!(browser.text_of("#list tbody").contains("Revoked"));
    // Words are words, and a key of elsewhere is nobody's here.
    paste("two");
    browser.wait_for("1 to 1 of 1");
    assert_eq!(browser.text_of("#list tbody .name > a"), "two");
    paste(NOBODYS);
    browser.wait_for("No key of this account has this mask");
    assert_eq!(browser.console(), [""; 0]);
    // The log has the requests, and of the key nothing.
    let log = std::fs::read_to_string(desk.flow.stack.control_plane.log()).unwrap();
    assert!(log.contains("/accounts/{account}/keys") && !log.contains(hidden) && !log.contains(&NOBODYS[16..]));
}
