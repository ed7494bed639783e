//! What people type is text, wherever it is shown.

use super::Desk;
use super::crawl::{Found, crawl};
use crate::flows::fixture::eventually;
use serde_json::json;

/// Text that would run, or make an element, if a page took it for more than text.
const PAYLOAD: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
/// What it would make.
const ELEMENTS: &str = "img[src=x], script:not([src]), [onerror]";
/// How many forms of a page are tried.
const FORMS: usize = 8;

/// Gives this name, or what holds one, to all that has a name.
fn furnish(desk: &Desk) {
    let api = desk.flow.api();
    let account = desk.account();
    let client = api.client();
    let patch = |path: &str| {
        let answer = client.patch(path, &json!({ "name": PAYLOAD })).unwrap();
        assert_eq!(answer.status, 200, "PATCH {path}: {}", answer.text());
    };
    patch(&format!("/v1/accounts/{account}"));
    patch(&format!("/v1/projects/{}", desk.flow.project));
    // A second project, so that pages tell which one a key is of.
    let body = json!({ "account_id": account, "name": PAYLOAD, "prefixes": { "live": "a_live", "test": "a_test" } });
    desk.make("/v1/projects", &body);
    let gone = api.create_key(&desk.flow.project, PAYLOAD).unwrap();
    api.create_key(&desk.flow.project, PAYLOAD).unwrap();
    let reason = PAYLOAD.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(client.delete(&format!("/v1/keys/{}?reason={reason}", gone.id)).unwrap().status, 200);
    desk.person(PAYLOAD, "member");
    desk.make("/v1/admin_keys", &json!({ "name": PAYLOAD, "access": "read" }));
    desk.make("/v1/proxy_tokens", &json!({ "name": PAYLOAD }));
}

/// Nothing of the payload became more than text.
#[track_caller]
fn is_text(desk: &Desk, place: &str) -> bool {
    assert!(!desk.browser.alerts(), "{place}: a script ran");
    assert_eq!(desk.browser.count(ELEMENTS), 0, "{place}: text became an element");
    let console = desk.browser.console();
    // A form that is refused answers with another status, which the console tells; and that text is no date.
    let is_told = |line: &&String| {
        line.contains("the server responded with a status of 4")
            || line.contains("does not conform to the required format")
    };
    let odd: Vec<_> = console.iter().filter(|line| !is_told(line)).collect();
    assert!(odd.is_empty(), "{place}: {odd:?}");
    desk.browser.text().contains(PAYLOAD)
}

/// Sends the form with this number on the page, with the payload in each of its fields for text. Gives whether it has any.
fn send(desk: &Desk, number: usize) -> bool {
    let script = format!(
        "window.before = true; \
         const form = document.querySelectorAll('main form')[{number}]; \
         const fields = form ? [...form.querySelectorAll('textarea, input:not([type=hidden], [type=radio], [type=checkbox])')] : []; \
         for (const field of fields) {{ \
             if (field.type !== 'textarea') field.type = 'text'; \
             field.removeAttribute('maxlength'); \
             field.value = {}; \
         }} \
         if (fields.length) setTimeout(() => HTMLFormElement.prototype.submit.call(form), 0); \
         return fields.length > 0",
        json!(PAYLOAD)
    );
    let is_sent = desk.browser.run(&script) == true;
    if is_sent {
        let is_there = "return window.before === undefined && document.readyState === 'complete'";
        eventually("the answer to a form is there", || desk.browser.run(is_there) == true);
    }
    is_sent
}

#[test]
fn what_people_type_is_text_on_every_page_and_in_the_answer_to_every_form() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    furnish(&desk);
    let (mut shown, mut sent) = (Vec::new(), Vec::new());
    let mut look = |page: &Found| {
        if is_text(&desk, &page.name) {
            shown.push(page.name.clone());
        }
    };
    let mut pages = crawl(browser, &desk.base, &mut look);
    // Last, because a revoked key has few forms left.
    pages.sort_by_key(|page| page.name.ends_with("revoke"));
    for page in &pages {
        for number in 0..FORMS {
            browser.open(&page.address);
            browser.console();
            if number >= browser.count("main form") {
                break;
            }
            if send(&desk, number) {
                let place = format!("{}, form {}", page.name, number + 1);
                is_text(&desk, &place);
                assert!(browser.status() < 500, "{place}: {}", browser.text());
                sent.push(place);
            }
        }
    }
    // What the forms have changed, on all pages.
    crawl(browser, &desk.base, &mut look);
    println!("shown on: {}\nsent: {}", shown.join(" "), sent.join("; "));
    for name in ["keys", "keys-new", "keys-id", "keys-id-rename", "keys-id-revoke", "accounts"] {
        assert!(shown.iter().any(|found| found == name), "{name} shows no text of people's: {shown:?}");
    }
    assert!(sent.len() >= 4, "{sent:?}");
}
