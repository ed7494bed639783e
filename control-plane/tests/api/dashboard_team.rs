//! People of an account in the dashboard.

use crate::dashboard::{Browser, person};
use crate::support::{ControlPlane, find, text};
use axum::http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_person_is_added_edited_and_removed_and_their_tokens_die_with_it() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (token, _) = person(&plane, &account, "olga", "owner").await;
    let olga = Browser::signed_in(&plane, &token).await;
    let team = format!("/accounts/{account}/team");
    let new = format!("{team}/new");
    let fields = [("name", "Mia"), ("email", "Mia@Example.com"), ("role", "member"), ("issuer", ""), ("subject", "")];
    let way = olga.submit(&new, &new, &fields).await.leads_to().to_owned();
    let page = olga.get(&way).await.page(200);
    assert!(page.contains("mia@example.com") && page.contains("The person is added."), "{page}");
    let users = plane.get(&format!("/v1/users?account_id={account}")).await.json();
    let id = text(find(&users, "email", "mia@example.com"), "id");
    let made = plane.post("/v1/personal_access_tokens", json!({ "user_id": id, "name": "t" })).await.json();
    let of_mia = text(&made, "key");
    // A second of the same address is said beside the field.
    let page = olga.submit(&new, &new, &fields).await.page(409);
    assert!(page.contains("The address belongs to another user") && page.contains("value=\"Mia\""), "{page}");
    let bad =
        [("name", ""), ("email", "nobody"), ("role", "king"), ("issuer", "https://login.example.com"), ("subject", "")];
    let page = olga.submit(&new, &new, &bad).await.page(422);
    for part in ["The name must", "The address must be a mail address", "The role must", "The subject must have 1"] {
        assert!(page.contains(part), "{part}: {page}");
    }

    let edit = format!("{team}/{id}/edit");
    let fields = [
        ("name", "Mia M."),
        ("email", "mia@example.com"),
        ("role", "admin"),
        ("issuer", "https://login.example.com"),
        ("subject", "42"),
    ];
    olga.submit(&edit, &edit, &fields).await.leads_to();
    let user = plane.get(&format!("/v1/users/{id}")).await.json();
    assert_eq!((&user["name"], &user["role"]), (&json!("Mia M."), &json!("admin")));
    assert_eq!(user["identity"], json!({ "issuer": "https://login.example.com", "subject": "42" }));
    assert!(olga.get(&team).await.page(200).contains("https://login.example.com"));
    let page = olga.get(&edit).await.page(200);
    assert!(page.contains("value=\"42\""), "{page}");

    let remove = format!("{team}/{id}/remove");
    let page = olga.get(&remove).await.page(200);
    assert!(page.contains("Mia M.") && page.contains("their personal token dies") && page.contains("cannot be undone"));
    assert_eq!(plane.call(&of_mia, "GET", "/v1/me", json!(null)).await.status, StatusCode::OK);
    let page = olga.submit(&remove, &remove, &[]).await.page(200);
    assert!(page.contains("is removed") && page.contains("No proxy is connected"), "{page}");
    assert_eq!(plane.call(&of_mia, "GET", "/v1/me", json!(null)).await.status, StatusCode::UNAUTHORIZED);
    olga.get(&remove).await.page(404);
    assert!(olga.get(&format!("{team}/receipt?revision=1")).await.page(200).contains("The person is removed"));
}

#[tokio::test]
async fn only_owners_change_owners_and_members_change_nobody() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (elsewhere, _) = plane.project().await;
    person(&plane, &elsewhere, "eve", "member").await;
    let foreign = plane.get(&format!("/v1/users?account_id={elsewhere}")).await.json();
    let foreign = text(&foreign["data"][0], "id");
    person(&plane, &account, "olga", "owner").await;
    let users = plane.get(&format!("/v1/users?account_id={account}")).await.json();
    let owner = text(&users["data"][0], "id");
    let (token, _) = person(&plane, &account, "adam", "admin").await;
    let adam = Browser::signed_in(&plane, &token).await;
    let team = format!("/accounts/{account}/team");
    let page = adam.get(&team).await.page(200);
    assert!(page.contains("olga@example.com") && !page.contains(&format!("{team}/{owner}")), "{page}");
    assert!(page.contains("(you)"), "{page}");
    assert!(!adam.get(&format!("{team}/new")).await.page(200).contains("value=\"owner\""));
    let fields = [("name", "x"), ("email", "x@example.com"), ("role", "owner")];
    adam.submit(&format!("{team}/new"), &format!("{team}/new"), &fields).await.page(403);
    for rest in ["edit", "remove"] {
        adam.get(&format!("{team}/{owner}/{rest}")).await.page(403);
        adam.submit(&team, &format!("{team}/{owner}/{rest}"), &fields).await.page(403);
        adam.get(&format!("{team}/{foreign}/{rest}")).await.page(404);
        adam.submit(&team, &format!("{team}/{foreign}/{rest}"), &fields).await.page(404);
    }
    let (token, _) = person(&plane, &account, "mia", "member").await;
    let mia = Browser::signed_in(&plane, &token).await;
    let page = mia.get(&team).await.page(200);
    assert!(page.contains("olga@example.com") && !page.contains("/edit") && !page.contains("Add person"), "{page}");
    mia.get(&format!("{team}/new")).await.page(403);
    mia.submit(&team, &format!("{team}/{owner}/remove"), &[]).await.page(403);
    let users = plane.get(&format!("/v1/users?account_id={account}")).await.json();
    assert_eq!(users["data"].as_array().unwrap().len(), 3, "{users}");
    assert_eq!(plane.get(&format!("/v1/users/{owner}")).await.json()["role"], "owner");
}
