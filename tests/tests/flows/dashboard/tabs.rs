//! Two tabs, one key.

use super::Desk;
use crate::flows::fixture::eventually;
use secrecy::ExposeSecret;

#[test]
fn a_receipt_follows_a_proxy_that_lags_and_another_tab_learns_of_the_revoking() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    let key = desk.flow.known_key("Shared");
    desk.flow.known_key("Other");
    let revoke = format!("a.tool.danger[href*='{}']", key.id);
    let asks = "dialog[open] button.danger";

    // Both tabs ask, before either revokes; a third shows the list.
    browser.open(&desk.keys());
    browser.click(&revoke);
    browser.find(asks);
    let first = browser.tab();
    let second = browser.new_tab();
    browser.open(&desk.keys());
    browser.click(&revoke);
    browser.find(asks);
    let third = browser.new_tab();
    browser.open(&desk.keys());
    browser.wait_for("1 to 2 of 2");

    // The only proxy hangs: the first tab says so, and goes on asking.
    browser.go_to_tab(&first);
    desk.flow.stack.envoy.freeze().unwrap();
    browser.click(asks);
    browser.wait_for("0 of 1 proxies");
    browser.wait_for("Not yet:");
    // The second finds it done, which is what it wanted.
    browser.go_to_tab(&second);
    browser.click(asks);
    browser.wait_for("Shared is revoked");
    // The third shows a list that is out of date, and learns that there is nothing left to confirm.
    browser.go_to_tab(&third);
    browser.click(&revoke);
    browser.wait_for("Shared is revoked already");
    assert_eq!(browser.count(asks), 0);
    browser.click("dialog a.primary");
    browser.wait_for("1 to 1 of 1");
    assert!(!browser.text().contains("Shared"));

    desk.flow.stack.envoy.thaw().unwrap();
    for tab in [first, second] {
        browser.go_to_tab(&tab);
        browser.wait_for("1 of 1 proxies refuse it");
    }
    let secret = key.secret.expose_secret();
    eventually("Envoy answers again", || desk.status(secret) == 401);
    assert_eq!(browser.console(), [""; 0]);
}
