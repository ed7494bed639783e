//! Lists and their cursors.

use crate::support::{ControlPlane, text};
use axum::http::StatusCode;
use serde_json::json;
use std::time::Duration;

/// All names of a list, page by page, with `between` done after each page.
async fn walk(plane: &ControlPlane, path: &str, limit: usize, mut between: impl AsyncFnMut()) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = plane.get(&format!("{path}{separator}limit={limit}{cursor}")).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let page = page.json();
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= limit);
        names.extend(rows.iter().map(|row| text(row, "name")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return names,
        }
        between().await;
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_a_key_when_others_are_added_meanwhile() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    for number in 0..7 {
        plane.clock.advance(Duration::from_millis(1));
        plane.key(&project, "live", &number.to_string()).await;
    }
    let names = walk(&plane, "/v1/keys", 3, async || {
        plane.clock.advance(Duration::from_millis(1));
        plane.key(&project, "live", "later").await;
    })
    .await;
    assert_eq!(names, ["6", "5", "4", "3", "2", "1", "0"]);
}

#[tokio::test]
async fn a_list_whose_last_page_is_full_has_no_next_page() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    for name in ["a", "b"] {
        plane.key(&project, "live", name).await;
    }
    let page = plane.get("/v1/keys?limit=2").await.json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["next_cursor"]), (2, &json!(null)));
}

#[tokio::test]
async fn keys_are_listed_by_project_and_environment() {
    let plane = ControlPlane::start().await;
    let (_, first) = plane.project().await;
    let (_, second) = plane.project().await;
    for (project, environment, name) in
        [(&first, "live", "a"), (&first, "test", "b"), (&second, "live", "c"), (&first, "live", "d")]
    {
        plane.clock.advance(Duration::from_millis(1));
        plane.key(project, environment, name).await;
    }
    let list = async |query: &str| walk(&plane, &format!("/v1/keys{query}"), 1, async || {}).await;
    assert_eq!(list("").await, ["d", "c", "b", "a"]);
    assert_eq!(list(&format!("?project_id={first}")).await, ["d", "b", "a"]);
    assert_eq!(list(&format!("?project_id={first}&environment=live")).await, ["d", "a"]);
    assert_eq!(list("?environment=live").await, ["d", "c", "a"]);
}

#[tokio::test]
async fn accounts_and_projects_are_listed_newest_first() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    plane.clock.advance(Duration::from_millis(1));
    plane.post("/v1/accounts", json!({ "name": "Later" })).await;
    assert_eq!(walk(&plane, "/v1/accounts", 1, async || {}).await, ["Later", "Acme"]);
    let (other, _) = plane.project().await;
    for owner in [&account, &other] {
        let path = format!("/v1/projects?account_id={owner}");
        assert_eq!(walk(&plane, &path, 1, async || {}).await, ["Upload"]);
    }
    assert_eq!(walk(&plane, "/v1/projects", 1, async || {}).await.len(), 2);
}

#[tokio::test]
async fn a_wrong_query_parameter_is_named() {
    let plane = ControlPlane::start().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=a", "limit"),
        ("limit=", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("environment=prod", "environment"),
        ("project_id=7", "project_id"),
        ("offset=3", "offset"),
        ("limit=1&limit=2", "limit"),
    ] {
        plane.get(&format!("/v1/keys?{query}")).await.field(400, "invalid_query", field);
    }
}
