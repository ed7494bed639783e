//! Accounts and their settings in the dashboard.

use crate::dashboard::{Browser, person};
use crate::support::{ControlPlane, text};
use serde_json::json;

#[tokio::test]
async fn the_operator_makes_an_account_and_is_led_to_its_first_project() {
    let plane = ControlPlane::start().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let page = browser.get("/").await.page(200);
    assert!(page.contains("There is no account yet") && page.contains("/accounts/new"), "{page}");
    let fields = [("name", "Acme"), ("plan", "pro")];
    let way = browser.submit("/accounts/new", "/accounts/new", &fields).await.leads_to().to_owned();
    let account = plane.get("/v1/accounts").await.json()["data"][0].clone();
    assert_eq!((&account["name"], &account["plan"]), (&json!("Acme"), &json!("pro")));
    assert_eq!(way, format!("/accounts/{}/projects?done=created", text(&account, "id")));
    assert!(browser.get(&way).await.page(200).contains("Create the first project"));
    let page = browser.submit("/accounts/new", "/accounts/new", &[("name", " "), ("plan", "pro")]).await.page(422);
    assert!(page.contains("The name must have"), "{page}");
    let page = browser.submit("/accounts/new", "/accounts/new", &[("name", "Kept"), ("plan", "x")]).await.page(422);
    assert!(page.contains("The plan must be one of") && page.contains("value=\"Kept\""), "{page}");
}

#[tokio::test]
async fn people_name_their_account_and_the_operator_decides_about_plan_and_status() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (token, _) = person(&plane, &account, "olga", "owner").await;
    let olga = Browser::signed_in(&plane, &token).await;
    let settings = format!("/accounts/{account}/settings");
    let page = olga.get(&settings).await.page(200);
    for part in ["enterprise", "uk_live", "uk_test", &format!("/projects/{project}/edit"), "10 keys in each project"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("/settings/plan") && !page.contains("/settings/status"), "{page}");
    let edit = format!("{settings}/edit");
    olga.submit(&edit, &edit, &[("name", "Acme Ltd"), ("external_id", "stolen")]).await.leads_to();
    let seen = plane.get(&format!("/v1/accounts/{account}")).await.json();
    assert_eq!((&seen["name"], &seen["external_id"]), (&json!("Acme Ltd"), &json!(null)));
    assert!(olga.submit(&edit, &edit, &[("name", "")]).await.page(422).contains("The name must have"));
    for (rest, field) in [("plan", ("plan", "free")), ("status", ("status", "suspended"))] {
        olga.get(&format!("{settings}/{rest}")).await.page(403);
        olga.submit(&settings, &format!("{settings}/{rest}"), &[field]).await.page(403);
    }

    let operator = Browser::signed_in(&plane, plane.admin.expose()).await;
    operator.submit(&edit, &edit, &[("name", "Acme"), ("external_id", "org_1")]).await.leads_to();
    let plan = format!("{settings}/plan");
    operator.submit(&plan, &plan, &[("plan", "pro")]).await.leads_to();
    assert!(operator.submit(&plan, &plan, &[("plan", "none")]).await.page(422).contains("Nothing was changed"));
    let status = format!("{settings}/status");
    let page = operator.get(&status).await.page(200);
    assert!(page.contains("Suspend account") && page.contains("Nothing is lost"), "{page}");
    let page = operator.submit(&status, &status, &[("status", "suspended")]).await.page(200);
    assert!(page.contains("is suspended") && page.contains("No proxy is connected"), "{page}");
    let seen = plane.get(&format!("/v1/accounts/{account}")).await.json();
    let wanted = (json!("pro"), json!("suspended"), json!("org_1"));
    assert_eq!((&seen["plan"], &seen["status"], &seen["external_id"]), (&wanted.0, &wanted.1, &wanted.2));
    olga.get(&settings).await.page(403);
    // Sent twice it is the same as once; and it is undone as it was done.
    operator.submit(&status, &status, &[("status", "suspended")]).await.page(200);
    assert!(operator.get(&status).await.page(200).contains("Activate account"));
    let page = operator.submit(&status, &status, &[("status", "active")]).await.page(200);
    assert!(page.contains("is active again"), "{page}");
    olga.get(&settings).await.page(200);
    let (other, _) = plane.project().await;
    olga.get(&format!("/accounts/{other}/settings")).await.page(404);
}
