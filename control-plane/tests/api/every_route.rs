//! What holds for every route, walked from the `OpenAPI` document.

use crate::calls::{Call, Operation, Tenant, operations};
use crate::store::connect;
use crate::support::{Answer, ControlPlane};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use sqlx::Row as _;

/// Everything that a request could have changed: the audit log and the rows that proxies are told.
async fn state(plane: &ControlPlane) -> (i64, i64) {
    let mut connection = connect(plane.folder.path()).await;
    let sql = "SELECT (SELECT count(*) FROM audit) AS audit, revision FROM meta";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    (row.get("audit"), row.get("revision"))
}

/// Sends a body as it is, with the admin key.
async fn raw(plane: &ControlPlane, call: &Call, content_type: Option<&str>, body: Vec<u8>) -> Answer {
    let request =
        Request::builder().method(call.method.clone()).uri(&call.path).header("x-api-key", plane.admin.expose());
    let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
    plane.send(request.body(Body::from(body)).unwrap()).await
}

async fn with_body(plane: &ControlPlane) -> Vec<(Operation, Call)> {
    let tenant = Tenant::make(plane).await;
    let mut found = Vec::new();
    for operation in operations().into_iter().filter(|operation| operation.takes_body) {
        let call = Call::of(&operation, plane, &tenant).await;
        found.push((operation, call));
    }
    assert!(found.len() >= 5);
    found
}

#[tokio::test]
async fn a_good_call_of_every_operation_is_answered_as_described() {
    let plane = ControlPlane::start().await;
    let tenant = Tenant::make(&plane).await;
    for operation in operations() {
        let call = Call::of(&operation, &plane, &tenant).await;
        let answer = call.send(&plane, plane.admin.expose()).await;
        assert_eq!(answer.status.as_u16(), operation.success, "{}: {answer:?}", operation.id);
    }
}

#[tokio::test]
async fn every_body_that_cannot_be_taken_is_refused_by_kind_and_changes_nothing() {
    let plane = ControlPlane::start().await;
    let json = Some("application/json");
    for (operation, call) in with_body(&plane).await {
        let before = state(&plane).await;
        let good = call.body.clone().unwrap();
        let bytes = good.to_string().into_bytes();
        raw(&plane, &call, None, bytes.clone()).await.problem(415, "unsupported_media_type");
        raw(&plane, &call, Some("text/plain"), bytes.clone()).await.problem(415, "unsupported_media_type");
        raw(&plane, &call, json, Vec::new()).await.problem(400, "malformed_json");
        raw(&plane, &call, json, bytes[..bytes.len() - 1].to_vec()).await.problem(400, "malformed_json");
        raw(&plane, &call, json, [bytes, b"{}".to_vec()].concat()).await.problem(400, "malformed_json");
        raw(&plane, &call, json, b"[]".to_vec()).await.field(422, "invalid_request", "body");
        let mut unknown = good.clone();
        unknown["no_such_field"] = json!(1);
        let answer = raw(&plane, &call, json, unknown.to_string().into_bytes()).await;
        answer.field(422, "invalid_request", "no_such_field");
        let mut large = good;
        large["name"] = json!("a".repeat(128 * 1024));
        let answer = raw(&plane, &call, json, large.to_string().into_bytes()).await;
        answer.problem(413, "body_too_large");
        assert_eq!(state(&plane).await, before, "{}", operation.id);
    }
}

#[tokio::test]
async fn every_field_of_another_type_is_named_and_changes_nothing() {
    let plane = ControlPlane::start().await;
    for (operation, call) in with_body(&plane).await {
        let before = state(&plane).await;
        for name in call.body.as_ref().unwrap().as_object().unwrap().keys() {
            let mut body = call.body.clone().unwrap();
            body[name] = json!([[]]);
            let answer = raw(&plane, &call, Some("application/json"), body.to_string().into_bytes()).await;
            let document = answer.problem(422, "invalid_request");
            let named = document["errors"][0]["field"].as_str().unwrap();
            assert!(named.starts_with(name.as_str()), "{}: {name} is told as {named}", operation.id);
        }
        assert_eq!(state(&plane).await, before, "{}", operation.id);
    }
}

#[tokio::test]
async fn an_id_that_is_none_or_names_nothing_is_not_found_everywhere() {
    let plane = ControlPlane::start().await;
    let tenant = Tenant::make(&plane).await;
    for operation in operations().into_iter().filter(|operation| operation.path.contains("{id}")) {
        let call = Call::of(&operation, &plane, &tenant).await;
        let before = state(&plane).await;
        for id in ["x", "%00", "01890a5d-ac96-774b-bcce-b302099a8057", "01890A5D-AC96-774B-BCCE-B302099A8057"] {
            let path = operation.path.replace("{id}", id);
            let answer = Call { path, ..call.clone() }.send(&plane, plane.admin.expose()).await;
            answer.problem(404, "not_found");
        }
        assert_eq!(state(&plane).await, before, "{}", operation.id);
    }
}

#[tokio::test]
async fn every_query_parameter_is_known_and_given_once() {
    let plane = ControlPlane::start().await;
    let tenant = Tenant::make(&plane).await;
    for operation in operations().into_iter().filter(|operation| !operation.query.is_empty()) {
        let call = Call::of(&operation, &plane, &tenant).await;
        let query = async |query: String| {
            let path = format!("{}?{query}", call.path);
            Call { path, ..call.clone() }.send(&plane, plane.admin.expose()).await
        };
        query("no_such=1".to_owned()).await.field(400, "invalid_query", "no_such");
        for name in &operation.query {
            query(format!("{name}=%01")).await.field(400, "invalid_query", name);
            query(format!("{name}=1&{name}=1")).await.field(400, "invalid_query", name);
        }
    }
}
