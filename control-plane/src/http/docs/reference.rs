//! The API reference as Markdown, from the `OpenAPI` document.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// All operations, by tag.
pub fn markdown(document: &Value) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# API reference\n\n{}", string(&document["info"]["description"]));
    for tag in array(&document["tags"]) {
        let _ = writeln!(text, "\n## {}\n\n{}", string(&tag["name"]), string(&tag["description"]));
        for (path, methods) in object(&document["paths"]) {
            for (method, operation) in object(methods) {
                if array(&operation["tags"]).first() == Some(&tag["name"]) {
                    write_operation(&mut text, document, method, path, operation);
                }
            }
        }
    }
    text
}

fn write_operation(text: &mut String, document: &Value, method: &str, path: &str, operation: &Value) {
    let _ = writeln!(text, "\n### {} {path}\n\n{}.", method.to_uppercase(), string(&operation["summary"]));
    if let Some(description) = operation["description"].as_str() {
        let _ = writeln!(text, "\n{description}");
    }
    let parameters = array(&operation["parameters"]);
    if !parameters.is_empty() {
        let _ = writeln!(text, "\n| parameter | in | type | |\n|---|---|---|---|");
        for parameter in parameters.iter().map(|parameter| followed(document, parameter)) {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                string(&parameter["name"]),
                string(&parameter["in"]),
                type_name(&parameter["schema"]),
                one_line(&parameter["description"]),
            );
        }
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = writeln!(text, "\nThe body, JSON:\n");
        write_fields(text, document, body);
    }
    for (status, answer) in object(&operation["responses"]) {
        let schema = &answer["content"]["application/json"]["schema"];
        if !schema.is_null() {
            let _ = writeln!(text, "\n{status}: {}\n", string(&answer["description"]));
            write_fields(text, document, schema);
        }
    }
    let problems = object(&operation["responses"]).filter(|(_, answer)| answer.get("$ref").is_some());
    let problems: Vec<_> = problems.map(|(status, _)| status.as_str()).filter(|status| *status != "default").collect();
    let _ = writeln!(text, "\nProblems: {}.", problems.join(", "));
}

/// What a reference stands for; anything else as it is.
fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn write_fields(text: &mut String, document: &Value, schema: &Value) {
    let _ = writeln!(text, "| field | type | |\n|---|---|---|");
    for part in parts(document, schema) {
        let required: Vec<_> = array(&part["required"]).iter().filter_map(Value::as_str).collect();
        for (name, field) in object(&part["properties"]) {
            let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
            let _ =
                writeln!(text, "| `{name}` | {}{optional} | {} |", type_name(field), one_line(&field["description"]));
        }
    }
}

/// The schemas that a schema is made of.
fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return parts(document, &document["components"]["schemas"][name]);
    }
    match array(&schema["allOf"]) {
        [] => vec![schema],
        all => all.iter().flat_map(|schema| parts(document, schema)).collect(),
    }
}

fn type_name(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let choices = [array(&schema["oneOf"]), array(&schema["allOf"])].concat();
    if !choices.is_empty() {
        return choices.iter().map(type_name).collect::<Vec<_>>().join(" or ");
    }
    if schema["type"] == "array" {
        return format!("array of {}", type_name(&schema["items"]));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(string).collect::<Vec<_>>().join(" or "),
        other => string(other).to_owned(),
    };
    schema["format"].as_str().map_or(types.clone(), |format| format!("{types} ({format})"))
}

fn one_line(value: &Value) -> String {
    string(value).replace('\n', " ").replace('|', "\\|")
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
