//! Nothing in the dashboard is refused to who sees it: for each role, every link is followed and every form is sent.

use crate::dashboard::{Browser, encode, person, post};
use crate::support::{ControlPlane, text};
use axum::body::Body;
use axum::http::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A form of a page.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Form {
    /// Those that end things are sent last, and after them those that end the session.
    rank: u8,
    action: String,
    fields: Vec<(String, String)>,
}

/// The value of an attribute in a tag, as a browser reads it.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next().unwrap_or_default();
    Some(value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

/// The tags of this name, each with what stands before the next tag.
fn tags<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    page.split('<').filter(move |tag| tag.split([' ', '>']).next() == Some(name))
}

fn forms(page: &str) -> Vec<Form> {
    let mut found = Vec::new();
    for part in page.split("<form").skip(1) {
        let form = part.split("</form>").next().unwrap();
        let (head, body) = form.split_once('>').unwrap();
        let action = attribute(head, "action").unwrap();
        if attribute(head, "method").as_deref() != Some("post") || action == "/sign-out" {
            continue;
        }
        let mut fields = Vec::new();
        for tag in tags(body, "input") {
            let Some(name) = attribute(tag, "name") else { continue };
            let is_choice = ["radio", "checkbox"].contains(&attribute(tag, "type").unwrap_or_default().as_str());
            if is_choice && !tag.contains(" checked") {
                continue;
            }
            let value = attribute(tag, "value").unwrap_or_default();
            let typed = match name.as_str() {
                "name" if value.is_empty() => "Typed",
                "email" if value.is_empty() => "typed@example.com",
                "prefix_live" if value.is_empty() => "typed_live",
                "prefix_test" if value.is_empty() => "typed_test",
                _ => &value,
            };
            fields.push((name, typed.to_owned()));
        }
        for select in body.split("<select").skip(1) {
            let (head, options) = select.split("</select>").next().unwrap().split_once('>').unwrap();
            let options: Vec<_> = tags(options, "option").collect();
            let chosen = options.iter().find(|tag| tag.contains(" selected")).or(options.first());
            let value = chosen.and_then(|tag| attribute(tag, "value")).unwrap_or_default();
            fields.push((attribute(head, "name").unwrap(), value));
        }
        for area in tags(body, "textarea") {
            fields.push((attribute(area, "name").unwrap(), area.split_once('>').unwrap().1.to_owned()));
        }
        let ends = ["/revoke", "/remove", "/status"].iter().any(|end| action.ends_with(end));
        let rank = if page.contains("signed out at once") { 2 } else { u8::from(ends) };
        found.push(Form { rank, action, fields });
    }
    found
}

/// Follows every link from `/`; gives the paths and the forms.
async fn walk(browser: &Browser<'_>) -> (BTreeSet<String>, BTreeSet<Form>) {
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    let mut variants = BTreeMap::<String, u32>::new();
    let mut next = VecDeque::from(["/".to_owned(), "/accounts".to_owned()]);
    while let Some(path) = next.pop_front() {
        let of_path = variants.entry(path.split('?').next().unwrap().to_owned()).or_default();
        // Lists can be narrowed in many ways.
        if *of_path >= 12 || !seen.insert(path.clone()) {
            continue;
        }
        *of_path += 1;
        let answer = browser.get(&path).await;
        if answer.status.is_redirection() {
            assert!(!answer.leads_to().starts_with("/sign-in"), "{path}");
            next.push_back(answer.leads_to().to_owned());
            continue;
        }
        let page = answer.page(200);
        let links = tags(&page, "a").filter_map(|tag| attribute(tag, "href"));
        next.extend(links.filter(|link| link.starts_with('/') && !link.starts_with("/docs")));
        // The fields' numbers differ from page to page; one form of each action is enough.
        for form in forms(&page) {
            if !found.iter().any(|known: &Form| known.action == form.action && known.fields.len() == form.fields.len())
            {
                found.insert(form);
            }
        }
    }
    (seen, found)
}

/// A world with something of everything; gives the account.
async fn world(plane: &ControlPlane) -> String {
    let (account, project) = plane.project().await;
    plane.key(&project, "live", "One").await;
    let revoked = text(&plane.key(&project, "test", "Two").await, "id");
    plane.delete(&format!("/v1/keys/{revoked}")).await;
    for (name, role) in [("olga", "owner"), ("adam", "admin"), ("mia", "member")] {
        person(plane, &account, &format!("other-{name}"), role).await;
    }
    let (_, foreign) = plane.project().await;
    plane.key(&foreign, "live", "Foreign").await;
    let request = plane
        .sync_request(Method::GET, &format!("/sync/v1/changes?epoch={}&after=0&wait=0", plane.app.store.epoch()))
        .header("x-keyplane-worker", format!("{:032x}", 1))
        .header("x-keyplane-proxy", "edge");
    plane.send_sync(request.body(Body::empty()).unwrap()).await;
    account
}

/// Walks as somebody, then sends each form once; gives the paths, and the forms' actions.
async fn try_all(plane: &ControlPlane, credential: &str) -> (BTreeSet<String>, Vec<String>) {
    let browser = Browser::signed_in(plane, credential).await;
    let (paths, forms) = walk(&browser).await;
    for form in &forms {
        let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = browser.send(post(&form.action), &encode(&fields)).await;
        if form.rank == 2 && answer.status.is_redirection() {
            // The session ended with the form before.
            assert!(answer.leads_to().starts_with("/sign-in"), "{form:?}: {answer:?}");
            continue;
        }
        // What the state of things does not allow (the last admin key, an edit of what a form before this one changed) is another
        // matter than what one may not do.
        let status = answer.status.as_u16();
        assert!([200, 201, 303, 409, 412].contains(&status), "{form:?}: {status}");
        assert!(status != 303 || !answer.leads_to().starts_with("/sign-in"), "{form:?}");
    }
    (paths, forms.into_iter().map(|form| form.action).collect())
}

#[tokio::test]
async fn every_link_and_form_that_somebody_sees_is_theirs_to_use() {
    for role in ["owner", "admin", "member"] {
        let plane = ControlPlane::start().await;
        let account = world(&plane).await;
        let (token, _) = person(&plane, &account, "self", role).await;
        let (paths, actions) = try_all(&plane, &token).await;
        let has = |part: &str| paths.iter().any(|path| path.contains(part));
        assert!(has("/projects") && has("/team") && has("/tokens") && has("/settings"), "{role}: {paths:?}");
        assert_eq!(has("/audit"), role != "member", "{role}");
        assert_eq!(has("/projects/new"), role != "member", "{role}");
        assert!(!has("/proxies") && !has("/admin-keys") && !has("/settings/plan"), "{role}: {paths:?}");
        let removes = actions.iter().filter(|action| action.ends_with("/remove")).count();
        assert_eq!(
            removes,
            match role {
                "owner" => 4,
                "admin" => 3,
                _ => 0,
            },
            "{role}: {actions:?}"
        );
    }
}

#[tokio::test]
async fn the_operator_can_do_all_that_is_shown_and_an_auditor_only_look() {
    let plane = ControlPlane::start().await;
    world(&plane).await;
    let auditor = plane.post("/v1/admin_keys", json!({ "name": "auditor", "access": "read" })).await.json();
    let (paths, actions) = try_all(&plane, &text(&auditor, "key")).await;
    assert!(
        paths.contains("/proxies") && paths.contains("/admin-keys") && paths.contains("/proxy-tokens"),
        "{paths:?}"
    );
    assert!(actions.is_empty(), "who may only look is shown no form: {actions:?}");
    let (paths, actions) = try_all(&plane, plane.admin.expose()).await;
    assert!(paths.iter().any(|path| path.ends_with("/settings/plan")) && paths.contains("/accounts/new"), "{paths:?}");
    assert!(actions.iter().any(|action| action.starts_with("/admin-keys/")), "{actions:?}");
}
