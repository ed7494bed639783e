//! The client and the API's document say the same, both ways: each operation has a method and each method is an
//! operation; each field and word of one is in the other.

use super::calls::{self, Told};
use super::document::{Document, Operation, Sample, Sampler};
use super::server::{Reply, Request, Server};
use super::shape::names;
use super::{HIDDEN, VERSION, client, ok};
use keyplane_sdk::{
    Access, Account, AccountStatus, AdminKey, AuditEntry, AuditParty, Environment, Identity, Key, KeySource, KeyStatus,
    LaggingProxy, LaggingWorker, OwnAdminKey, Page, PersonalToken, Prefixes, Project, Proxy, ProxyList, ProxyToken,
    ProxyWorker, Receipt, Role, UsagePage, UsageRow, User,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Operations without a method, and why.
const LEFT_OUT: [(&str, &str); 2] = [
    ("alive", "a probe for what keeps the process running, without a credential"),
    ("ready", "a probe for what sends requests to the process, without a credential"),
];
/// Header parameters that no call says, and why.
const UNSAID: [(&str, &str); 1] = [("accept", "the pager reads the audit log to its end, page by page")];
/// Schemas of answers without a type, and why.
const UNREAD: [(&str, &str); 3] = [
    ("Health", "see the operations without a method"),
    ("Problem", "read into ApiError, whose tests have every field"),
    ("FieldError", "read into ApiError, whose tests have every field"),
];

/// Whether a request is this operation's: an id fits in place of a name in braces.
fn is(operation: &Operation, method: &str, path: &str) -> bool {
    let (template, path) = (operation.path.split('/'), path.split('/'));
    operation.method == method
        && template.clone().count() == path.clone().count()
        && template.zip(path).all(|(expected, found)| expected.starts_with('{') || expected == found)
}

fn operation_of<'a>(operations: &'a [Operation], request: &Request) -> Option<&'a Operation> {
    let mut words = request.line.split([' ', '?']);
    let (method, path) = (words.next()?, words.next()?);
    operations.iter().find(|operation| is(operation, method, path))
}

/// Makes every call once. Gives what came of each, what was asked, and what was answered.
async fn converse(sample: Sample, shape: usize) -> Vec<(Told, Request, Value)> {
    let (send, answers) = std::sync::mpsc::channel();
    let server = Server::answering(move |request| {
        let document = Document::read();
        let operations = document.operations();
        let Some(operation) = operation_of(&operations, request) else {
            send.send(Value::Null).unwrap();
            return Reply::Close;
        };
        let answer = Sampler { document, sample, shape, number: 0 }.make(&operation.answer, "answer");
        let mut reply = ok(&answer);
        if let Reply::Answer(_, headers, _) = &mut reply
            && operation.is_versioned
        {
            headers.push(Box::leak(format!("etag: \"{VERSION}\"").into_boxed_str()));
        }
        send.send(answer).unwrap();
        reply
    })
    .await;
    let told = calls::all(&client(&server)).await;
    let requests = server.requests();
    assert_eq!(told.len(), requests.len(), "a call was not one request");
    told.into_iter().zip(requests).zip(answers).map(|((told, request), answer)| (told, request, answer)).collect()
}

/// Missing and null are the same to a reader.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_operation_has_a_method_that_can_say_all_of_it_and_nothing_else() {
    let document = Document::read();
    let operations = document.operations();
    let mut faults = Vec::new();
    let mut met = BTreeSet::new();
    for (told, request, _) in converse(Sample::Full, 0).await {
        let Some(operation) = operation_of(&operations, &request) else {
            faults.push(format!("{} calls {}, which is no operation", told.operation, request.line));
            continue;
        };
        let id = &operation.id;
        assert_eq!(told.operation, id, "{}", request.line);
        met.insert(id.clone());
        let target = request.line.split(' ').nth(1).unwrap();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let sent: BTreeSet<_> =
            query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split('=').next().unwrap()).collect();
        let known: BTreeSet<_> = operation.query.iter().map(String::as_str).collect();
        faults.extend(known.difference(&sent).map(|name| format!("{id}: the parameter {name} is never sent")));
        faults.extend(sent.difference(&known).map(|name| format!("{id}: the parameter {name} is not in the document")));
        for header in operation.headers.iter().filter(|header| UNSAID.iter().all(|(name, _)| name != header)) {
            assert!(["idempotency-key", "if-match"].contains(&&**header), "{id}: this test does not know {header}");
        }
        let takes = |name: &str| operation.headers.iter().any(|header| header == name);
        assert_eq!(request.header("idempotency-key").is_some(), takes("idempotency-key"), "{id}");
        let condition = format!("\"{VERSION}\"");
        assert_eq!(request.header("if-match"), takes("if-match").then_some(condition.as_str()), "{id}");
        // What can be edited on a condition can be read with what the condition names.
        let reads = format!("get_{}", id.split_once('_').map_or("", |(_, object)| object));
        let is_read_so = |one: &&Operation| one.id == reads && one.is_versioned;
        assert!(!takes("if-match") || operations.iter().any(|one| is_read_so(&one)), "{id}");
        match &operation.body {
            Some(schema) => {
                let sent = serde_json::from_str(&request.body).unwrap();
                faults.extend(document.faults(schema, &sent, id));
            }
            None => assert_eq!(request.body, "", "{id} sends a body"),
        }
    }
    let left_out = LEFT_OUT.map(|(id, _)| id.to_owned());
    let methods: BTreeSet<_> = met.iter().chain(&left_out).cloned().collect();
    let all: BTreeSet<_> = operations.iter().map(|operation| operation.id.clone()).collect();
    faults.extend(all.difference(&methods).map(|id| format!("{id} has no method")));
    faults.extend(left_out.iter().filter(|id| met.contains(*id) || !all.contains(*id)).cloned());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn every_answer_is_read_whole() {
    // An answer with one of several shapes has three of them: who calls.
    for (sample, shape) in [
        (Sample::Full, 0),
        (Sample::Full, 1),
        (Sample::Full, 2),
        (Sample::Bare, 0),
        (Sample::Bare, 1),
        (Sample::Bare, 2),
    ] {
        for (told, _, mut answer) in converse(sample, shape).await {
            if told.operation == "list_key_sources" {
                // One page holds all of them.
                answer.as_object_mut().unwrap().remove("next_cursor");
            }
            let read = told.json.unwrap_or_else(|| panic!("{}, {sample:?}: {}", told.operation, told.shown));
            assert_eq!(without_nulls(&read), without_nulls(&answer), "{}, {sample:?}", told.operation);
            assert!(!told.shown.contains(HIDDEN), "{}: {}", told.operation, told.shown);
        }
    }
}

#[tokio::test]
async fn a_newer_server_with_more_fields_and_words_is_still_understood() {
    for (told, _, answer) in converse(Sample::Newer, 0).await {
        assert!(answer.to_string().contains("a_newer_field"), "{}", told.operation);
        assert!(told.json.is_some(), "{}: {}", told.operation, told.shown);
    }
}

#[test]
fn every_type_has_the_fields_of_its_schema() {
    let document = Document::read();
    let types = [
        ("Account", names::<Account>()),
        ("Actor", names::<AuditParty>()),
        ("AdminKey", names::<AdminKey>()),
        ("AuditEntry", names::<AuditEntry>()),
        ("AuditObject", names::<AuditParty>()),
        ("Identity", names::<Identity>()),
        ("Key", names::<Key>()),
        ("KeySource", names::<KeySource>()),
        ("LaggingProxy", names::<LaggingProxy>()),
        ("LaggingWorker", names::<LaggingWorker>()),
        ("OwnAdminKey", names::<OwnAdminKey>()),
        ("PersonalAccessToken", names::<PersonalToken>()),
        ("Prefixes", names::<Prefixes>()),
        ("Project", names::<Project>()),
        ("Proxies", names::<ProxyList>()),
        ("Proxy", names::<Proxy>()),
        ("ProxyToken", names::<ProxyToken>()),
        ("Receipt", names::<Receipt>()),
        ("Usage", names::<UsagePage>()),
        ("UsageRow", names::<UsageRow>()),
        ("User", names::<User>()),
        ("Worker", names::<ProxyWorker>()),
    ];
    for (schema, fields) in &types {
        let fields: BTreeSet<_> = fields.iter().copied().collect();
        let expected: BTreeSet<_> = document.properties(document.schema(schema)).into_keys().collect();
        assert_eq!(fields, expected, "{schema}");
    }
    let page: BTreeSet<_> = names::<Page<Key>>().into_iter().collect();
    for name in document.objects() {
        // What is sent is held by the calls; what is created, and who calls, by the answers that are read whole.
        let sent =
            ["Create", "Update", "Rename", "Rotate", "Set", "Rotated"].iter().any(|start| name.starts_with(start));
        let listed = types.iter().any(|(schema, _)| *schema == name) || UNREAD.iter().any(|(known, _)| *known == name);
        if name.starts_with("Page_") {
            let expected: BTreeSet<_> = document.properties(document.schema(&name)).into_keys().collect();
            assert_eq!(page, expected, "{name}");
        } else {
            assert!(sent || listed, "{name} has no type");
        }
    }
}

#[test]
fn every_enum_has_the_words_of_its_schema() {
    let document = Document::read();
    let enums = [
        ("Access", names::<Access>()),
        ("AccountStatus", names::<AccountStatus>()),
        ("Environment", names::<Environment>()),
        ("KeyStatus", names::<KeyStatus>()),
        ("Role", names::<Role>()),
    ];
    let known: Vec<_> = enums.iter().map(|(name, _)| *name).collect();
    let words = document.words();
    assert_eq!(words.keys().map(String::as_str).collect::<Vec<_>>(), known);
    for (name, variants) in enums {
        let mut expected: BTreeSet<_> = words[name].iter().map(String::as_str).collect();
        expected.insert("other");
        assert_eq!(variants.into_iter().collect::<BTreeSet<_>>(), expected, "{name}");
    }
}
