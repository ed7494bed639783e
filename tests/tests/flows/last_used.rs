//! What was used is known, soon, and once.

use super::fixture::{Flow, eventually};
use serde_json::Value;
use std::time::Duration;

#[test]
fn the_last_use_of_a_key_is_known_within_15_seconds() {
    let flow = Flow::start();
    let key = flow.known_key("to use");
    let used = |key: &str| flow.api().key(key).unwrap()["last_used_at"].clone();
    let mut last = Value::Null;
    // The stated bound, and a little for a busy machine.
    let mut waited = 0;
    while last.is_null() {
        assert!(waited <= 17, "not known after {waited} s");
        std::thread::sleep(Duration::from_secs(1));
        waited += 1;
        last = used(&key.id);
    }
    let text = last.as_str().unwrap();
    let created = flow.api().key(&key.id).unwrap()["created_at"].as_str().unwrap().to_owned();
    assert_eq!(text.len(), "2024-01-15T10:30:00.000Z".len());
    assert!(text > created.as_str() || text[..19] == created[..19], "used {text}, created {created}");
    // Used again: a later time.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(flow.get(&key).status, 200);
    eventually("a later use is known", || used(&key.id).as_str().is_some_and(|later| later > text));
    // A key that nobody used says so.
    let idle = flow.api().create_key(&flow.project, "idle").unwrap();
    assert_eq!(used(&idle.id), Value::Null);
}
