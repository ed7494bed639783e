//! Projects in the dashboard: made, looked at, edited; and what is told of the cap.

use crate::dashboard::{Browser, encode, hidden, person, post};
use crate::support::{ControlPlane, text};
use serde_json::json;

#[tokio::test]
async fn a_project_is_made_once_found_and_edited_and_its_keys_keep_their_prefix() {
    let plane = ControlPlane::start().await;
    let account = text(&plane.post("/v1/accounts", json!({ "name": "Acme" })).await.json(), "id");
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let projects = format!("/accounts/{account}/projects");
    let page = browser.get(&projects).await.page(200);
    assert!(page.contains("No projects yet") && page.contains("Create the first project"), "{page}");
    assert!(browser.get(&format!("/accounts/{account}/keys")).await.page(200).contains(&format!("{projects}/new")));

    let new = format!("{projects}/new");
    let page = browser.get(&new).await.page(200);
    let (csrf, once) = (hidden(&page, "csrf"), hidden(&page, "once"));
    let fields = [
        ("csrf", csrf.as_str()),
        ("once", &once),
        ("name", "Upload API"),
        ("prefix_live", "up_live"),
        ("prefix_test", "up_test"),
    ];
    let way = browser.send(post(&new), &encode(&fields)).await.leads_to().to_owned();
    // A second click makes no second project.
    assert_eq!(browser.send(post(&new), &encode(&fields)).await.leads_to(), way);
    let listed = plane.get("/v1/projects").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let project = text(&listed["data"][0], "id");
    assert_eq!(way, format!("{projects}/{project}?done=created"));
    let page = browser.get(&way).await.page(200);
    for part in ["Upload API", "up_live", "up_test", "It is made.", &format!("/keys/new?project={project}")] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let key = plane.key(&project, "live", "old").await;

    let edit = format!("{projects}/{project}/edit");
    let page = browser.get(&edit).await.page(200);
    assert!(page.contains("value=\"Upload API\"") && page.contains("value=\"up_live\""), "{page}");
    let fields = [("name", "Files"), ("prefix_live", "files"), ("prefix_test", "files_t")];
    let answer = browser.submit(&edit, &edit, &fields).await;
    assert_eq!(answer.leads_to(), format!("{projects}/{project}?done=changed"));
    let edited = plane.get(&format!("/v1/projects/{project}")).await.json();
    assert_eq!(
        (&edited["name"], &edited["prefixes"]),
        (&json!("Files"), &json!({ "live": "files", "test": "files_t" }))
    );
    assert!(text(&plane.key(&project, "live", "new").await, "key").starts_with("files_"));
    assert_eq!(plane.get(&format!("/v1/keys/{}", text(&key, "id"))).await.json()["key_prefix"], key["key_prefix"]);
    assert!(browser.get(&projects).await.page(200).contains("Files"));
}

#[tokio::test]
async fn what_is_wrong_with_a_project_is_said_beside_its_field_and_nothing_typed_is_lost() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    for path in [format!("/accounts/{account}/projects/new"), format!("/accounts/{account}/projects/{project}/edit")] {
        let send = async |name: &str, live: &str, test: &str| {
            let fields = [("name", name), ("prefix_live", live), ("prefix_test", test)];
            browser.submit(&path, &path, &fields).await.page(422)
        };
        let page = send("Kept", "Upper", "same").await;
        assert!(
            page.contains("The prefix for live keys is not one: a prefix begins with")
                && page.contains("value=\"Kept\""),
            "{page}"
        );
        assert!(page.contains("id=\"prefix_live-error\"") && page.contains("value=\"Upper\""), "{page}");
        assert!(send("n", "same", "same").await.contains("The prefix for test keys must differ"));
        assert!(send("n", "kp_admin", "b").await.contains("The prefix for live keys must not be"));
        assert!(send(" ", "a", "b").await.contains("The name must have at least one character"));
    }
    let listed = plane.get("/v1/projects").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"][0]["name"], "Upload");
}

#[tokio::test]
async fn a_project_tells_how_many_keys_it_has_of_those_allowed_and_at_the_cap_what_to_do() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let (projects, settings) = (format!("/accounts/{account}/projects"), format!("/accounts/{account}/settings"));
    let show = format!("{projects}/{project}");
    assert!(browser.get(&projects).await.page(200).contains("as many keys as you like"));
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "free" })).await;
    let first = text(&plane.key(&project, "live", "1").await, "id");
    let page = browser.get(&projects).await.page(200);
    assert!(page.contains("1 of 2") && page.contains("2 keys in each project") && !page.contains("is full"), "{page}");
    plane.key(&project, "test", "2").await;
    for path in [&projects, &show] {
        let page = browser.get(path).await.page(200);
        assert!(page.contains("2 of 2") && page.contains("is full"), "{page}");
        assert!(page.contains(&format!("/keys?project={project}&amp;order=unused")), "{page}");
        assert!(page.contains(&format!("{settings}/plan")), "the operator is led to the plan: {page}");
    }
    assert!(!browser.get(&show).await.page(200).contains("Create key"));
    // Who does not decide about the plan is told whom to ask.
    let (token, _) = person(&plane, &account, "olga", "owner").await;
    let olga = Browser::signed_in(&plane, &token).await;
    let page = olga.get(&show).await.page(200);
    assert!(page.contains("Ask who runs this service") && !page.contains(&format!("{settings}/plan")), "{page}");
    // A revoked key counts no more; nor does one on a larger plan stand in the way.
    plane.delete(&format!("/v1/keys/{first}")).await;
    let page = browser.get(&show).await.page(200);
    assert!(page.contains("1 of 2") && !page.contains("is full") && page.contains("Create key"), "{page}");
    // Another account's project is none of this one's.
    let (other, foreign) = plane.project().await;
    browser.get(&format!("{projects}/{foreign}")).await.page(404);
    browser.get(&format!("{projects}/{foreign}/edit")).await.page(404);
    assert!(!olga.get(&projects).await.page(200).contains(&foreign));
    olga.get(&format!("/accounts/{other}/projects")).await.page(404);
}
