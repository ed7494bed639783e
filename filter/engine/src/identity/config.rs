//! The part `identity` of the plugin configuration, and how it is checked.

use super::facts::Field;
use super::owned::{Owned, folded};
use super::{Identity, Named, What};
use crate::config::ConfigError;
use keyplane_contract::header;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// The longest header name.
const MAX_NAME: usize = 64;
/// The most names in each part.
const MAX_ENTRIES: usize = 64;
/// Where the filter state's names begin; the host puts `wasm.` before it.
const STATE_PREFIX: &str = "keyplane.";
/// How metadata are told from fields in `filter_state`.
const METADATA_PREFIX: &str = "metadata.";

/// How identities are passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The headers to begin with.
    pub preset: Preset,
    /// Other names for fields; `null` leaves one out.
    pub headers: Entries<Option<String>>,
    /// Header names for metadata of the key.
    pub metadata: Entries<String>,
    /// What is written to filter state: names of fields, or `metadata.` and the name of one.
    pub filter_state: Vec<String>,
}

/// A known set of headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// `x-keyplane-*`.
    #[default]
    Keyplane,
    /// The names that Kong's authentication plugins use.
    Kong,
    /// None.
    None,
}

impl Preset {
    const fn headers(self) -> &'static [(Field, &'static str)] {
        match self {
            Self::Keyplane => &[
                (Field::KeyId, header::KEY_ID),
                (Field::Account, header::ACCOUNT),
                (Field::Project, header::PROJECT),
                (Field::User, header::USER),
                (Field::Environment, header::ENVIRONMENT),
                (Field::Scopes, header::SCOPES),
            ],
            Self::Kong => &[
                (Field::Account, "x-consumer-id"),
                (Field::AccountName, "x-consumer-username"),
                (Field::AccountExternalId, "x-consumer-custom-id"),
                (Field::KeyId, "x-credential-identifier"),
                (Field::Anonymous, "x-anonymous-consumer"),
            ],
            Self::None => &[],
        }
    }

    /// Beginnings of names that an upstream behind such a gateway trusts, whether or not they are set here.
    const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Kong => &["x-consumer-", "x-credential-", "x-authenticated-", "x-anonymous-consumer"],
            Self::Keyplane | Self::None => &[],
        }
    }
}

/// A JSON object in its order. A name that is there twice is refused: one of the two would silently not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries<T>(pub Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(String, T)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            if entries.len() == MAX_ENTRIES {
                return Err(A::Error::custom(format!("it has more than {MAX_ENTRIES} names")));
            }
            entries.push((name, map.next_value()?));
        }
        Ok(Entries(entries))
    }
}

impl IdentityConfig {
    /// Checks it and makes what a request needs.
    ///
    /// # Errors
    /// Names the field that is wrong and says what is wrong with it.
    pub fn compile(&self) -> Result<Identity, ConfigError> {
        let mut own = Vec::new();
        for (name, header) in &self.headers.0 {
            let path = format!("identity.headers.{name}");
            let field = Field::parse(name).ok_or_else(|| ConfigError::new(&path, unknown(name)))?;
            own.push((path, What::Field(field), header.as_deref()));
        }
        for (name, header) in &self.metadata.0 {
            let path = format!("identity.metadata.{name}");
            own.push((path, What::Metadata(name.as_str().into()), Some(header)));
        }
        let preset =
            self.preset.headers().iter().map(|(field, name)| (What::Field(*field), Box::from(name.as_bytes())));
        let preset = preset.filter(|(what, _)| own.iter().all(|(_, own, _)| own != what));
        let mut headers: Vec<Named> = preset.collect();
        for (path, what, name) in own {
            let Some(name) = name else { continue };
            let name = check_name(&path, name)?;
            if headers.iter().any(|(_, known)| folded(known) == folded(&name)) {
                return Err(ConfigError::new(&path, "another field has this name already"));
            }
            headers.push((what, name));
        }
        let owned = Owned::new(self.preset.prefixes(), headers.iter().map(|(_, name)| &**name));
        Ok(Identity { headers: headers.into(), state: self.state()?, owned })
    }

    /// What goes to filter state, with its name there.
    fn state(&self) -> Result<Box<[Named]>, ConfigError> {
        let error =
            |at: usize, message: String| Err(ConfigError::new(&format!("identity.filter_state[{at}]"), message));
        if self.filter_state.len() > MAX_ENTRIES {
            let message = format!("it has more than {MAX_ENTRIES} names");
            return Err(ConfigError::new("identity.filter_state", message));
        }
        let mut state: Vec<Named> = Vec::new();
        for (at, name) in self.filter_state.iter().enumerate() {
            let what = match (Field::parse(name), name.strip_prefix(METADATA_PREFIX)) {
                (Some(field), _) => What::Field(field),
                (None, Some(key)) if is_state_name(key) => What::Metadata(key.into()),
                (None, Some(_)) => {
                    let message = format!("metadata here have names of at most {MAX_NAME} letters, digits, _ and -");
                    return error(at, message);
                }
                (None, None) => return error(at, unknown(name) + ", or metadata.<name>"),
            };
            let full = [STATE_PREFIX, name].concat().into_bytes().into_boxed_slice();
            if state.iter().any(|(_, known)| *known == full) {
                return error(at, format!("`{name}` is there twice"));
            }
            state.push((what, full));
        }
        Ok(state.into())
    }
}

fn unknown(name: &str) -> String {
    format!("`{name}` is no field; write one of {}", Field::ALL.map(Field::name).join(", "))
}

/// A part of a name in filter state: what access log formats and CEL take without quoting.
fn is_state_name(key: &str) -> bool {
    (1..=MAX_NAME).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// Names that mean something to HTTP, to Envoy or to what stands before it. Folded, as names are compared.
const TAKEN: &[&str] = &[
    "authorization",
    "b3",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "www-authenticate",
    "x-api-key",
    "x-client-trace-id",
    "x-ot-span-context",
    "x-real-ip",
    "x-request-id",
];

/// The same for beginnings of names.
const TAKEN_PREFIXES: &[&str] = &[
    "accept",
    "access-control-",
    "content-",
    "grpc-",
    "if-",
    "proxy-",
    "sec-",
    "x-b3-",
    "x-envoy-",
    "x-forwarded-",
    "x-http-method",
    "x-method-",
];

/// The header name as hosts carry it.
fn check_name(path: &str, name: &str) -> Result<Box<[u8]>, ConfigError> {
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_name {
        let message = format!("it must be a header name: 1 to {MAX_NAME} letters, digits, - and _");
        return Err(ConfigError::new(path, message));
    }
    let compared = folded(name.as_bytes());
    if TAKEN.iter().any(|taken| taken.as_bytes() == &*compared)
        || TAKEN_PREFIXES.iter().any(|taken| compared.starts_with(taken.as_bytes()))
    {
        return Err(ConfigError::new(path, format!("`{name}` has a meaning of its own; choose another name")));
    }
    Ok(name.to_ascii_lowercase().into_bytes().into())
}
