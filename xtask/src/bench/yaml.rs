//! JSON as YAML in block style, as people write it: Envoy reads the two with different parsers, whose times differ much.

use std::fmt::Write as _;

use serde_json::Value;

/// The document.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// Writes what follows on `key:` or `-`, which stand at the end of the text, or the document itself.
fn write(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (number, (name, value)) in fields.iter().enumerate() {
                begin(text, number, depth);
                // Any JSON string is a YAML scalar in double quotes. Writing to a string cannot fail.
                let _ = write!(text, "{}:", Value::from(name.as_str()));
                nested(text, value, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                begin(text, number, depth);
                text.push_str("- ");
                write(text, item, depth + 1);
            }
        }
        // Empty ones, too, are the same in both.
        scalar => {
            let _ = writeln!(text, "{scalar}");
        }
    }
}

/// The value of a field: on the field's line if it is a scalar, else below.
fn nested(text: &mut String, value: &Value, depth: usize) {
    let is_block = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    text.push_str(if is_block { "\n" } else { " " });
    write(text, value, depth);
}

/// The beginning of a line. The first one of an item stands behind its `- `, which is as wide as a step.
fn begin(text: &mut String, number: usize, depth: usize) {
    if number > 0 || text.is_empty() || text.ends_with('\n') {
        text.extend(std::iter::repeat_n("  ", depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_written_in_blocks() {
        let document = json!({ "a": [{ "key": "x: \"1\"", "client": "c" }, [1, 2], {}], "b": { "c": null, "d": [] } });
        let lines = [
            "\"a\":",
            "  - \"client\": \"c\"",
            "    \"key\": \"x: \\\"1\\\"\"",
            "  - - 1",
            "    - 2",
            "  - {}",
            "\"b\":",
            "  \"c\": null",
            "  \"d\": []",
        ];
        assert_eq!(yaml(&document).lines().collect::<Vec<_>>(), lines);
    }
}
