//! Without JavaScript: more pages are loaded, and that is all.

use super::Desk;
use crate::flows::fixture::eventually;

/// K4, K5: a key is created with a name and Live or Test; afterwards only the mask is left.
#[test]
fn without_javascript_a_key_is_made_found_renamed_and_revoked_all_the_same() {
    let desk = Desk::new(false);
    let browser = &desk.browser;
    desk.flow.api().create_key(&desk.flow.project, "Another").unwrap();
    browser.open(&desk.keys());
    browser.click("a.primary[href$='/keys/new']");
    browser.type_into("#name", "Plain");
    browser.click("input[name=environment][value=test]");
    browser.click("main form button.primary");
    browser.wait_for("only time");
    assert_eq!(browser.count("button[data-copy]:not([hidden])"), 0, "a button that would do nothing");
    let secret = browser.text_of("#secret");
    assert!(secret.starts_with("uk_test_"), "{}", secret.len());
    eventually("Envoy accepts the new key", || desk.status(&secret) == 200);
    browser.click("a.primary[href$='/keys']");
    browser.wait_for("1 to 2 of 2");
    let mask = format!("{}...{}", &secret[..12], &secret[secret.len() - 4..]);
    assert!(browser.text().contains(&mask) && !browser.text().contains(&secret));
    browser.type_into("#q", "plain");
    browser.click("form[role=search] button");
    browser.wait_for("1 to 1 of 1");
    browser.click("#list .name a.tool");
    browser.run("document.getElementById('name').value = ''");
    browser.type_into("#name", "Plain server");
    browser.click("main form button.primary");
    browser.wait_for("The key has its new name.");
    browser.click("a.danger[href$='/revoke']");
    browser.wait_for("cannot be undone");
    browser.click("main form button.danger");
    browser.wait_for("1 of 1 proxies refuse it");
    assert_eq!(desk.status(&secret), 401);
    browser.click("a.primary[href$='/keys']");
    browser.wait_for("1 to 1 of 1");
    assert!(!browser.text().contains("Plain"));
}
