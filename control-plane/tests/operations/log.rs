//! The log: JSON lines, joined to what callers see by the request's id.

use crate::fixture::{Server, request};
use serde_json::Value;

#[test]
fn each_request_is_a_json_line_with_the_id_that_its_caller_has() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let good = server.call("GET", "/v1/keys", None);
    let refused = server.call("GET", "/v1/keys/nothing", None);
    let unknown = request(&server.management, "GET", "/v1/keys", Some("somebody"), None);
    server.logs(r#""status":401"#);
    let log = server.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (answer, route) in [(&good, "/v1/keys"), (&refused, "/v1/keys/{id}"), (&unknown, "/v1/keys")] {
        let id = answer.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        let mut of_it = lines.iter().filter(|line| line["span"]["request_id"] == id);
        let line = of_it.next().unwrap_or_else(|| panic!("no line has {id}: {log}"));
        assert_eq!(line["status"], answer.status);
        assert_eq!((&line["span"]["route"], &line["span"]["method"]), (&route.into(), &"GET".into()));
        if answer.status >= 400 {
            assert_eq!(answer.json()["request_id"], id);
        }
    }
}
