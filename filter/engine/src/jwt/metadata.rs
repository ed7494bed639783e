//! Reading Envoy's dynamic metadata where it lies: the protobuf message `envoy.config.core.v3.Metadata`, whose maps hold
//! `google.protobuf.Struct`s, which are JSON objects.
//!
//! Format: <https://protobuf.dev/programming-guides/encoding/>. Only what these messages need is here. Fields that are not known are skipped; of a
//! field that is there twice the last counts, as the format has it. Nothing is recursive: how deep it goes is up to whoever asks.

/// These bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A value of JSON, `google.protobuf.Value`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// A number; all of them are doubles.
    Number(f64),
    /// A text, whose bytes have not been checked.
    Text(&'a [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// An object, for [`field`].
    Struct(&'a [u8]),
    /// A list, for [`items`].
    List(&'a [u8]),
}

/// What one filter wrote, as a struct for [`field`]; `None` when it wrote nothing.
pub fn namespace<'a>(metadata: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
    entry(metadata, name)
}

/// A field of a struct; `None` when it has none of this name.
pub fn field<'a>(fields: &'a [u8], name: &[u8]) -> Result<Option<Value<'a>>, Malformed> {
    entry(fields, name)?.map(Value::parse).transpose()
}

/// A value by its path of names; `None` when it is not there, or something on the way is no struct.
pub fn at<'a>(fields: &'a [u8], path: &[Box<str>]) -> Result<Option<Value<'a>>, Malformed> {
    let mut value = Value::Struct(fields);
    for name in path {
        let Value::Struct(fields) = value else { return Ok(None) };
        match field(fields, name.as_bytes())? {
            Some(inner) => value = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// The values of a list.
pub fn items(list: &[u8]) -> impl Iterator<Item = Result<Value<'_>, Malformed>> {
    Fields(list).filter_map(|field| match field {
        Ok((1, Wire::Bytes(value))) => Some(Value::parse(value)),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    })
}

impl<'a> Value<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut value = Self::Null;
        for field in Fields(message) {
            value = match field? {
                (1, Wire::Varint(_)) => Self::Null,
                (2, Wire::Eight(bytes)) => Self::Number(f64::from_le_bytes(bytes)),
                (3, Wire::Bytes(text)) => Self::Text(text),
                (4, Wire::Varint(number)) => Self::Bool(number != 0),
                (5, Wire::Bytes(fields)) => Self::Struct(fields),
                (6, Wire::Bytes(list)) => Self::List(list),
                _ => value,
            };
        }
        Ok(value)
    }
}

/// The value of a map's entry. In all messages that are read here the map that counts is field 1.
fn entry<'a>(message: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
    let mut found = None;
    for field in Fields(message) {
        let (1, Wire::Bytes(entry)) = field? else { continue };
        let (mut key, mut value) = (&[][..], &[][..]);
        for part in Fields(entry) {
            match part? {
                (1, Wire::Bytes(bytes)) => key = bytes,
                (2, Wire::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        if key == name {
            found = Some(value);
        }
    }
    Ok(found)
}

/// A field as it is on the wire.
enum Wire<'a> {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
    Four,
}

/// The fields of a message, by number. It ends after the first fault.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Eight(self.take(8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Four)?,
            // Groups, which these messages do not have, and numbers that mean nothing.
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Writing the same messages, for tests.
#[cfg(test)]
pub mod write {
    use serde_json::Value as Json;

    /// Metadata of these namespaces.
    pub fn metadata(namespaces: &Json) -> Vec<u8> {
        namespaces.as_object().unwrap().iter().flat_map(|(name, fields)| entry(name, &object(fields))).collect()
    }

    /// A struct of these fields.
    pub fn object(fields: &Json) -> Vec<u8> {
        fields.as_object().unwrap().iter().flat_map(|(name, json)| entry(name, &value(json))).collect()
    }

    fn entry(name: &str, value: &[u8]) -> Vec<u8> {
        bytes(1, &[bytes(1, name.as_bytes()), bytes(2, value)].concat())
    }

    fn value(json: &Json) -> Vec<u8> {
        match json {
            Json::Null => vec![0x08, 0],
            Json::Number(number) => [&[0x11][..], &number.as_f64().unwrap().to_le_bytes()].concat(),
            Json::String(text) => bytes(3, text.as_bytes()),
            Json::Bool(bool) => vec![0x20, u8::from(*bool)],
            Json::Object(_) => bytes(5, &object(json)),
            Json::Array(items) => bytes(6, &items.iter().flat_map(|item| bytes(1, &value(item))).collect::<Vec<_>>()),
        }
    }

    fn bytes(field: u8, bytes: &[u8]) -> Vec<u8> {
        let mut length = bytes.len();
        let mut written = vec![field << 3 | 2];
        while length >= 0x80 {
            written.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        written.push(u8::try_from(length).unwrap());
        [written, bytes.to_vec()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value as Json, json};

    /// What Envoy 1.40 answered for the claims below, byte for byte.
    const ENVOY: &str = "0ac4020a1c656e766f792e66696c746572732e687474702e6a77745f617574686e12a3020aa0020a077061796c6f61641294022a91020a0b0a\
        05656d70747912021a000a1b0a046c697374121332110a061a04726561640a071a0577726974650a200a1768747470733a2f2f67656e2e70726f2f6163636f756e741\
        2051a0375726c0a100a036e756d12091100000000801cc8400a1e0a066e657374656412142a120a100a076163636f756e7412051a036163630a120a03697373120b1a\
        0968747470733a2f2f610a0a0a04626f6f6c120220010a1f0a056d69786564121632140a031a01610a0911000000000000f03f0a0208000a0a0a046e756c6c1202080\
        00a0f0a0373756212081a06757365725f310a100a03657870120911000040e35ac0da410a0f0a09656d7074796c697374120232000a100a0362696712091100000000\
        00004043";

    fn claims() -> Json {
        json!({
            "iss": "https://a", "sub": "user_1", "exp": 1_795_255_181, "num": 12345, "big": 9_007_199_254_740_993_u64,
            "list": ["read", "write"], "emptylist": [], "mixed": ["a", 1, null], "nested": { "account": "acc" }, "null": null, "bool": true,
            "empty": "", "https://gen.pro/account": "url",
        })
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// A struct as JSON again.
    fn object(fields: &[u8], names: &Map<String, Json>) -> Json {
        let read =
            |name: &String| (name.clone(), json_of(field(fields, name.as_bytes()).unwrap().unwrap(), &names[name]));
        names.keys().map(read).collect::<Map<_, _>>().into()
    }

    fn json_of(value: Value<'_>, like: &Json) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(std::str::from_utf8(text).unwrap()),
            Value::Bool(bool) => json!(bool),
            Value::Struct(fields) => object(fields, like.as_object().unwrap()),
            Value::List(list) => {
                items(list).zip(like.as_array().unwrap()).map(|(item, like)| json_of(item.unwrap(), like)).collect()
            }
        }
    }

    /// All numbers as the doubles that they arrive as.
    fn doubles(json: &Json) -> Json {
        match json {
            Json::Number(number) => json!(number.as_f64().unwrap()),
            Json::Array(items) => items.iter().map(doubles).collect(),
            Json::Object(fields) => {
                fields.iter().map(|(name, json)| (name.clone(), doubles(json))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    #[test]
    fn what_envoy_answers_reads_back_with_its_types() {
        let metadata = hex(ENVOY);
        let namespace = namespace(&metadata, b"envoy.filters.http.jwt_authn").unwrap().unwrap();
        let Some(Value::Struct(payload)) = field(namespace, b"payload").unwrap() else { panic!("no struct") };
        assert_eq!(object(payload, claims().as_object().unwrap()), doubles(&claims()));
        assert_eq!(field(payload, b"missing"), Ok(None));
        // As written here, but for the order of a map.
        let written = write::metadata(&json!({ "envoy.filters.http.jwt_authn": { "payload": claims() } }));
        assert_eq!(written.len(), metadata.len());
    }

    #[test]
    fn a_path_leads_through_structs_only() {
        let fields = write::object(&json!({ "a": { "b": { "c": "deep" }, "text": "x", "list": [{ "c": "no" }] } }));
        let read = |path: &[&str]| {
            let path: Vec<Box<str>> = path.iter().map(|name| (*name).into()).collect();
            at(&fields, &path).unwrap()
        };
        assert_eq!(read(&["a", "b", "c"]), Some(Value::Text(b"deep")));
        for path in [
            &["b"][..],
            &["a", "b", "c", "d"],
            &["a", "text", "c"],
            &["a", "list", "c"],
            &["a", "list", "0"],
            &["a.b.c"],
        ] {
            assert_eq!(read(path), None, "{path:?}");
        }
    }

    #[test]
    fn of_a_name_that_is_there_twice_the_last_counts() {
        let (one, two) = (write::object(&json!({ "a": "one" })), write::object(&json!({ "a": "two" })));
        assert_eq!(field(&[one, two].concat(), b"a"), Ok(Some(Value::Text(b"two"))));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        for bytes in
            [&[0x0a][..], &[0x0a, 5, 1], &[0x0b], &[0x0c], &[0x0e], &[0x11, 1, 2], &[0x15, 1], &[0x80; 11], &[0xff; 10]]
        {
            assert_eq!(field(bytes, b"a"), Err(Malformed), "{bytes:x?}");
        }
        // A length of nearly 2^64.
        assert_eq!(field(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], b"a"), Err(Malformed));
        // Fields of another number are skipped, whatever their kind.
        let skipped = [
            &[0x10, 0xff, 1, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x22, 1, 9, 0x2d, 0, 0, 0, 0][..],
            &write::object(&json!({ "a": true })),
        ];
        assert_eq!(field(&skipped.concat(), b"a"), Ok(Some(Value::Bool(true))));
    }

    /// Any JSON that a token may hold, some levels deep.
    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<f64>().prop_filter("JSON has no such number", |number| number.is_finite()).prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|fields| Json::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_struct_reads_back(fields in prop::collection::btree_map(any::<String>(), any_json(), 0..6)) {
            let fields: Map<_, _> = fields.into_iter().collect();
            let written = write::object(&Json::Object(fields.clone()));
            prop_assert_eq!(object(&written, &fields), doubles(&Json::Object(fields)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, name: Vec<u8>) {
            let _ = field(&bytes, &name);
            let _ = namespace(&bytes, &name);
            let _ = at(&bytes, &["a".into(), "b".into()]);
            items(&bytes).for_each(drop);
        }
    }
}
