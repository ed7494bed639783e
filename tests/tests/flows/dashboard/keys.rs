//! A key's life, by somebody with a keyboard.

use super::Desk;
use super::browser::{ENTER, ESCAPE};
use crate::flows::fixture::eventually;
use secrecy::ExposeSecret;
use std::process::Command;

/// Runs a line as somebody does who pastes it into a terminal; gives the status that came back.
fn status_of(line: &str) -> String {
    let script = format!("{line} -sS -o /dev/null -w '%{{http_code}}'");
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

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
    browser.wait_for("No keys yet");
    assert_eq!(browser.count("dialog[open]"), 0);
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
fn a_pasted_key_is_found_by_its_mask_and_goes_nowhere() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    for name in ["one", "two", "three"] {
        desk.flow.api().create_key(&desk.flow.project, name).unwrap();
    }
    let key = desk.flow.api().create_key(&desk.flow.project, "wanted").unwrap();
    browser.open(&desk.keys());
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
