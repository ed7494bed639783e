//! Every page, in each look, as each kind of people sees it.

use super::Desk;
use super::crawl::crawl;
use secrecy::ExposeSecret;
use serde_json::json;

/// What there is in an account that somebody works with, so that pages have something to show.
fn furnish(desk: &Desk) {
    let api = desk.flow.api();
    for (name, scopes) in [
        (
            "Ada's laptop, for the migration of the old exports",
            &["jobs:read", "jobs:write", "exports:read", "exports:write"][..],
        ),
        ("Staging", &["jobs:read"]),
    ] {
        let end = "2031-01-15T00:00:00.000Z";
        let body = json!({ "project_id": desk.flow.project, "environment": "test", "name": name, "scopes": scopes, "expires_at": end,
            "allowed_cidrs": ["203.0.113.0/24"] });
        api.create_key_with(&body).unwrap();
    }
    let gone = desk.flow.known_key("Old server");
    let used = desk.flow.known_key("Production server");
    desk.make("/v1/admin_keys", &json!({ "name": "deployments", "access": "read" }));
    desk.make("/v1/proxy_tokens", &json!({ "name": "next" }));
    let client = api.client();
    assert_eq!(client.delete(&format!("/v1/keys/{}?reason=replaced", gone.id)).unwrap().status, 200);
    for _ in 0..20 {
        desk.flow.get(&used);
        desk.flow.get(&gone);
        desk.status("uk_live_unknown");
    }
    // So that there is a last use and usage to be seen.
    let known = || !api.key(&used.id).unwrap()["last_used_at"].is_null();
    crate::flows::fixture::eventually("the use is known", known);
}

/// What needs somebody's attention: a key that is replaced and still used, a project without room, and people
/// with tokens. Gives the id of the replaced key.
fn neglect(desk: &Desk) -> String {
    let api = desk.flow.api();
    let account = desk.account();
    desk.person("Grace", "owner");
    let replaced = desk.flow.known_key("Reports");
    desk.make(&format!("/v1/keys/{}/rotate", replaced.id), &json!({ "grace_seconds": 86_400 }));
    for _ in 0..3 {
        desk.flow.get(&replaced);
    }
    let sources = format!("/v1/keys/{}", replaced.id);
    crate::flows::fixture::eventually("the use of the replaced key is known", || {
        !api.client().get(&sources, &[]).unwrap().json()["last_used_at"].is_null()
    });
    let changed = api.client().patch(&format!("/v1/accounts/{account}"), &json!({ "plan": "free" })).unwrap();
    assert_eq!(changed.status, 200, "{}", changed.text());
    replaced.id
}

#[test]
fn every_page_shuts_nobody_out_and_fits_every_screen() {
    let desk = Desk::new(true);
    let browser = &desk.browser;
    browser.open(&desk.keys());
    desk.examine("keys-empty");
    furnish(&desk);
    let found = crawl(browser, &desk.base, |page| desk.examine(&page.name));
    let names: Vec<_> = found.iter().map(|page| page.name.as_str()).collect();
    println!("{} pages: {}", names.len(), names.join(" "));
    for name in ["keys", "keys-new", "keys-id", "keys-id-rename", "keys-id-revoke", "accounts"] {
        assert!(names.contains(&name), "no link leads to {name}: {names:?}");
    }

    // What no link leads to.
    browser.open(&format!("{}/new", desk.keys()));
    browser.type_into("#name", "Continuous integration");
    browser.click("details.more summary");
    browser.type_into("#scopes", "Not! a scope");
    browser.click("main form button.primary");
    browser.wait_for("was not created");
    browser.console();
    desk.examine("new-wrong");
    browser.run("document.getElementById('scopes').value = 'jobs:read jobs:write'");
    browser.click("main form button.primary");
    browser.wait_for("only time");
    desk.examine("created");
    browser.open(&desk.keys());
    browser.click("a.tool.danger");
    browser.find("dialog[open] #dialog-title");
    desk.examine("revoke");
    browser.click("dialog button.danger");
    browser.wait_for("is revoked");
    desk.examine("receipt");
    let replaced = neglect(&desk);
    for (page, name, words) in [
        ("overview", "overview-busy", "When you have time"),
        ("projects", "projects-full", "of 2"),
        ("keys/new", "new-full", "is full"),
        (&format!("keys/{replaced}"), "key-replaced", "still use"),
        ("team", "team-people", "Grace"),
        ("tokens", "tokens-people", "laptop"),
    ] {
        browser.open(&format!("{}/accounts/{}/{page}", desk.base, desk.account()));
        browser.wait_for(words);
        desk.examine(name);
    }
    browser.open(&format!("{}/no-such-page", desk.base));
    browser.console();
    desk.examine("missing");
    browser.open(&desk.keys());
    browser.click(".viewer summary");
    browser.click(".viewer form:first-of-type button");
    browser.wait_for("You are signed out");
    desk.examine("sign-in");
    browser.open(&desk.keys());
    browser.find("#credential");
}

#[test]
fn nobody_is_shown_a_link_that_refuses_them() {
    let desk = Desk::new(true);
    desk.flow.api().create_key(&desk.flow.project, "Production server").unwrap();
    let reader = desk.make("/v1/admin_keys", &json!({ "name": "auditor", "access": "read" }));
    let people = [
        ("admin key", desk.flow.stack.control_plane.admin_key().expose_secret().to_owned()),
        ("admin key that may look", reader["key"].as_str().unwrap().to_owned()),
        ("owner", desk.person("Grace", "owner")),
        ("member", desk.person("Ada", "member")),
    ];
    let mut counts = Vec::new();
    for (who, credential) in people {
        desk.sign_in(&credential);
        // That each page answers 200 is looked at there.
        let found = crawl(&desk.browser, &desk.base, |page| match who {
            "member" => desk.examine(&format!("{who}-{}", page.name)),
            _ => assert_eq!(desk.browser.console(), [""; 0], "{who}, {}", page.name),
        });
        let names: Vec<_> = found.into_iter().map(|page| page.name).collect();
        println!("{who}, {} pages: {}", names.len(), names.join(" "));
        assert!(names.contains(&"keys-id".to_owned()), "{who}: {names:?}");
        let changes = names.contains(&"keys-new".to_owned()) && names.contains(&"keys-id-revoke".to_owned());
        assert_eq!(changes, who != "admin key that may look", "{who}: {names:?}");
        counts.push((who, names.len()));
    }
    let count = |who: &str| counts.iter().find(|(found, _)| *found == who).unwrap().1;
    assert!(count("member") <= count("owner") && count("owner") <= count("admin key"), "{counts:?}");
}
