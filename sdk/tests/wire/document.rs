//! The API's document, as far as it says what is sent: operations, parameters, and samples of each schema.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the control plane generates and its own tests keep up to date.
const TEXT: &str = include_str!("../../../control-plane/openapi.json");

/// A document that was read.
pub struct Document(Value);

/// One operation of the API.
pub struct Operation {
    pub id: String,
    pub method: String,
    /// With `{id}` where an id stands.
    pub path: String,
    pub query: Vec<String>,
    pub headers: Vec<String>,
    pub body: Option<Value>,
    /// Whether the answer tells the object's version.
    pub is_versioned: bool,
    /// What it answers with, as JSON.
    pub answer: Value,
}

/// Which of all answers that fit a schema.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sample {
    /// Everything is there.
    Full,
    /// What may be missing is missing, what may be null is null, lists are empty.
    Bare,
    /// From a later version: with fields and words that the document does not know.
    Newer,
}

/// Makes samples whose values differ from one another.
pub struct Sampler<'a> {
    pub document: &'a Document,
    pub sample: Sample,
    /// Which one of several shapes, where an answer has one of several.
    pub shape: usize,
    pub number: u64,
}

impl Document {
    pub fn read() -> &'static Self {
        static DOCUMENT: LazyLock<Document> = LazyLock::new(|| Document(serde_json::from_str(TEXT).unwrap()));
        &DOCUMENT
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.resolve(self.0.pointer(reference.strip_prefix('#').unwrap()).unwrap()),
            None => value,
        }
    }

    pub fn schema(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(!schema.is_null(), "there is no schema {name}");
        schema
    }

    /// Schemas of objects, by name.
    pub fn objects(&self) -> Vec<String> {
        let all = self.0["components"]["schemas"].as_object().unwrap();
        all.keys().filter(|name| !self.properties(&all[*name]).is_empty()).cloned().collect()
    }

    /// Schemas of words, by name.
    pub fn words(&self) -> BTreeMap<String, Vec<String>> {
        let all = self.0["components"]["schemas"].as_object().unwrap();
        let words = |schema: &Value| Some(schema["enum"].as_array()?.iter().map(text).collect());
        all.iter().filter_map(|(name, schema)| Some((name.clone(), words(schema)?))).collect()
    }

    /// The fields of a schema, also of one that is put together.
    pub fn properties<'a>(&'a self, schema: &'a Value) -> BTreeMap<&'a str, &'a Value> {
        let schema = self.resolve(schema);
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| (name.as_str(), field));
        let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| self.properties(part));
        own.chain(parts).collect()
    }

    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                operations.push(self.operation(path, method, operation));
            }
        }
        operations
    }

    fn operation(&self, path: &str, method: &str, operation: &Value) -> Operation {
        let named = |place: &str| {
            let all = operation["parameters"].as_array().into_iter().flatten().map(|one| self.resolve(one));
            all.filter(|one| one["in"] == place).map(|one| text(&one["name"]).to_ascii_lowercase()).collect()
        };
        let json = |content: &Value| content["content"]["application/json"]["schema"].clone();
        let body = json(&operation["requestBody"]);
        let responses = operation["responses"].as_object().unwrap();
        let (_, answer) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
        Operation {
            id: text(&operation["operationId"]),
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: named("query"),
            headers: named("header"),
            body: (!body.is_null()).then_some(body),
            is_versioned: !answer["headers"]["etag"].is_null(),
            answer: json(answer),
        }
    }

    /// What is wrong with a body in which everything was set: a field of the schema that is missing, or one too many.
    pub fn faults(&self, schema: &Value, sent: &Value, at: &str) -> Vec<String> {
        let schema = self.not_null(schema);
        let known = self.properties(schema);
        match sent {
            Value::Object(fields) if !known.is_empty() => {
                let missing = known.keys().filter(|name| !fields.contains_key(**name));
                let strange = fields.keys().filter(|name| !known.contains_key(name.as_str()));
                let inner = known.iter().filter_map(|(name, schema)| Some((*name, *schema, fields.get(*name)?)));
                missing
                    .map(|name| format!("{at}.{name} is never sent"))
                    .chain(strange.map(|name| format!("{at}.{name} is not in the document")))
                    .chain(inner.flat_map(|(name, schema, sent)| self.faults(schema, sent, &format!("{at}.{name}"))))
                    .collect()
            }
            Value::Array(items) => {
                items.iter().flat_map(|item| self.faults(&schema["items"], item, &format!("{at}[]"))).collect()
            }
            sent if allows(schema, sent) => Vec::new(),
            sent => vec![format!("{at} is sent as {sent}, which is no {}", schema["type"])],
        }
    }

    /// The schema behind "this or null".
    fn not_null<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let schema = self.resolve(schema);
        match schema["oneOf"].as_array() {
            Some(choices) if choices.iter().any(is_null) => {
                self.not_null(choices.iter().find(|one| !is_null(one)).unwrap())
            }
            _ => schema,
        }
    }
}

impl Sampler<'_> {
    /// An answer of this schema, which stands in a field of this name.
    pub fn make(&mut self, schema: &Value, name: &str) -> Value {
        let document = self.document;
        let schema = document.resolve(schema);
        let choices = schema["oneOf"].as_array();
        let may_be_null = choices.is_some_and(|choices| choices.iter().any(is_null))
            || schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
        if may_be_null && self.sample == Sample::Bare {
            return Value::Null;
        }
        if let Some(choices) = choices {
            let choice = if may_be_null { document.not_null(schema) } else { &choices[self.shape % choices.len()] };
            return self.make(choice, name);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts: Vec<_> = parts.iter().map(|part| self.make(part, name)).collect();
            return Value::Object(parts.iter().flat_map(|part| part.as_object().unwrap().clone()).collect());
        }
        self.number += 1;
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind {
            Some("object") => self.object(schema),
            Some("array") if self.sample == Sample::Bare => json!([]),
            Some("array") => json!([self.make(&schema["items"], name), self.make(&schema["items"], name)]),
            Some("integer") => json!(self.number),
            Some("boolean") => json!(self.sample != Sample::Bare),
            Some("string") => self.text(schema, name).into(),
            kind => panic!("{name} has a type that the samples do not know: {kind:?}"),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if self.sample != Sample::Bare || required.contains(&json!(name)) {
                object.insert(name.clone(), self.make(field, name));
            }
        }
        if self.sample == Sample::Full && object.is_empty() {
            object.insert("any".to_owned(), json!(self.number));
        }
        if self.sample == Sample::Newer && schema["properties"].is_object() {
            object.insert("a_newer_field".to_owned(), json!({"of": ["any", "shape"]}));
        }
        Value::Object(object)
    }

    fn text(&self, schema: &Value, name: &str) -> String {
        if let Some(words) = schema["enum"].as_array() {
            return if self.sample == Sample::Newer { "a_newer_word".to_owned() } else { text(&words[0]) };
        }
        let number = self.number;
        match (schema["format"].as_str(), name) {
            (Some("uuid"), _) => format!("01890a5d-ac96-774b-bcce-{number:012x}"),
            (Some("date-time"), _) => format!("2030-01-02T03:04:05.{:03}Z", number % 90 * 10 + 101),
            (Some("date"), _) => "2030-01-02".to_owned(),
            (_, "key") => super::SECRET.to_owned(),
            (_, "source") => format!("203.0.113.{}", number % 250),
            _ => format!("{name} {number}"),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

/// Whether the schema's type allows the value.
fn allows(schema: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = &schema["type"];
    types == kind || types.as_array().is_some_and(|types| types.contains(&json!(kind)))
}
