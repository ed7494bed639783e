//! Where credentials may be: `credentials` of the plugin configuration, checked and compiled.
//!
//! A source that would be taken from Envoy or from Keyplane itself (the host, the length of the body, an identity header) is refused here,
//! because a credential is removed from where it was. So are two sources that would both find the same one.

use crate::config::ConfigError;
use crate::identity::Identity;
use serde::Deserialize;
use std::fmt;

/// The most sources that there can be.
pub const MAX_SOURCES: usize = 16;
/// The longest name of a header, a parameter or a cookie, in bytes.
const MAX_NAME: usize = 128;
/// Headers that are needed for something else. Those that begin with `:` are no tokens anyway.
const RESERVED: [&str; 16] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// One entry of `credentials`: exactly one of `header`, `bearer`, `query` and `cookie`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// A header whose whole value is the credential, or what follows `scheme`.
    header: Option<String>,
    /// The authentication scheme before the credential, in any case of letters; only with `header`.
    scheme: Option<String>,
    /// Short for a header with the scheme Bearer.
    bearer: Option<String>,
    /// A parameter of the query, as it is called when decoded.
    query: Option<String>,
    /// A cookie.
    cookie: Option<String>,
}

/// `credentials`, in order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SourceConfigs(Vec<SourceConfig>);

impl Default for SourceConfigs {
    fn default() -> Self {
        let api_key = SourceConfig { header: Some("X-API-Key".to_owned()), ..SourceConfig::default() };
        let bearer = SourceConfig { bearer: Some("Authorization".to_owned()), ..SourceConfig::default() };
        Self(vec![api_key, bearer])
    }
}

/// One place where a credential may be. Names are as the operator wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A header.
    Header {
        /// Its name.
        name: String,
        /// What stands before the credential; none if it is the whole value.
        scheme: Option<String>,
    },
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
}

impl Source {
    /// The authentication scheme to name in a challenge. Where HTTP knows none, it is Keyplane's own.
    #[must_use]
    pub fn challenge(&self) -> &str {
        match self {
            Self::Header { scheme: Some(scheme), .. } => scheme,
            _ => OWN_SCHEME,
        }
    }

    /// Whether two would find the same credential, or might.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, scheme }, Self::Header { name: other, scheme: other_scheme }) => {
                let same_scheme = match (scheme, other_scheme) {
                    (Some(scheme), Some(other)) => scheme.eq_ignore_ascii_case(other),
                    // The whole value includes every scheme.
                    _ => true,
                };
                name.eq_ignore_ascii_case(other) && same_scheme
            }
            (Self::Query(name), Self::Query(other)) | (Self::Cookie(name), Self::Cookie(other)) => name == other,
            _ => false,
        }
    }
}

/// As in "Send your API key in ...".
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, scheme: None } => write!(f, "in the {name} header"),
            Self::Header { name, scheme: Some(scheme) } => write!(f, "in the {name} header as: {scheme} <key>"),
            Self::Query(name) => write!(f, "in the query parameter {name}"),
            Self::Cookie(name) => write!(f, "in the cookie {name}"),
        }
    }
}

/// The scheme of RFC 6750.
pub const BEARER: &str = "Bearer";
/// The scheme that is told to callers whose credentials have none of HTTP's.
pub const OWN_SCHEME: &str = "ApiKey";

impl SourceConfigs {
    /// Checks them all. An error names the entry by its place.
    pub fn compile(&self, identity: &Identity) -> Result<Vec<Source>, ConfigError> {
        let at = |index: usize| format!("credentials[{index}]");
        if self.0.is_empty() {
            return Err(ConfigError::new("credentials", "it is empty; no request could carry a key"));
        }
        if self.0.len() > MAX_SOURCES {
            let message = format!("{} entries are too many; at most {MAX_SOURCES}", self.0.len());
            return Err(ConfigError::new("credentials", message));
        }
        let mut sources: Vec<Source> = Vec::with_capacity(self.0.len());
        for (index, config) in self.0.iter().enumerate() {
            let source = config.source(identity).map_err(|(field, message)| match field {
                "" => ConfigError::new(&at(index), message),
                field => ConfigError::new(&format!("{}.{field}", at(index)), message),
            })?;
            if let Some(earlier) = sources.iter().position(|earlier| earlier.overlaps(&source)) {
                let message = format!("`{}` would find the same credential; each would count twice", at(earlier));
                return Err(ConfigError::new(&at(index), message));
            }
            sources.push(source);
        }
        Ok(sources)
    }
}

/// A field and what is wrong with it.
type Fault = (&'static str, String);

impl SourceConfig {
    fn source(&self, identity: &Identity) -> Result<Source, Fault> {
        let Self { header, scheme, bearer, query, cookie } = self;
        let source = match (header, bearer, query, cookie) {
            (Some(name), None, None, None) => Source::Header { name: name.clone(), scheme: scheme.clone() },
            (None, Some(name), None, None) => Source::Header { name: name.clone(), scheme: Some(BEARER.to_owned()) },
            (None, None, Some(name), None) => Source::Query(name.clone()),
            (None, None, None, Some(name)) => Source::Cookie(name.clone()),
            _ => return Err(("", "write exactly one of `header`, `bearer`, `query` and `cookie`".to_owned())),
        };
        let field = match &source {
            Source::Header { .. } if bearer.is_some() => "bearer",
            Source::Header { .. } => "header",
            Source::Query(_) => "query",
            Source::Cookie(_) => "cookie",
        };
        match &source {
            Source::Header { name, .. } => header_name(name, identity),
            Source::Query(name) => query_name(name),
            Source::Cookie(name) => token(name),
        }
        .map_err(|message| (field, message))?;
        match scheme {
            Some(_) if header.is_none() => Err(("scheme", "it belongs to a `header`".to_owned())),
            Some(scheme) => token(scheme).map(|()| source).map_err(|message| ("scheme", message)),
            None => Ok(source),
        }
    }
}

fn header_name(name: &str, identity: &Identity) -> Result<(), String> {
    token(name)?;
    let lower = name.to_ascii_lowercase();
    if lower == "cookie" {
        return Err("name the cookie: {\"cookie\": \"...\"}".to_owned());
    }
    if identity.owns(name.as_bytes()) {
        return Err(format!(
            "`{name}` carries the identity to the upstream; what callers send under it is removed unread"
        ));
    }
    if RESERVED.contains(&lower.as_str()) {
        return Err(format!("`{name}` is needed for something else, and a credential is removed from where it was"));
    }
    Ok(())
}

fn query_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"&=+%#".contains(&byte);
    sized(name)?;
    if name.bytes().all(is_plain) {
        Ok(())
    } else {
        Err(format!("`{}` is no name of a parameter; write it decoded, without & = + % #", name.escape_debug()))
    }
}

/// RFC 9110, 5.6.2.
fn token(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    sized(name)?;
    if name.bytes().all(is_token) { Ok(()) } else { Err(format!("`{}` is no name", name.escape_debug())) }
}

fn sized(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("it is empty".to_owned()),
        1..=MAX_NAME => Ok(()),
        length => Err(format!("it has {length} bytes; at most {MAX_NAME}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityConfig;

    fn usual() -> Identity {
        IdentityConfig::default().compile().unwrap()
    }

    fn compile(json: &str) -> Result<Vec<Source>, String> {
        let configs: SourceConfigs = serde_json::from_str(json).map_err(|error| error.to_string())?;
        configs.compile(&usual()).map_err(|error| error.to_string())
    }

    fn header(name: &str, scheme: Option<&str>) -> Source {
        Source::Header { name: name.to_owned(), scheme: scheme.map(str::to_owned) }
    }

    #[test]
    fn each_kind_of_source_is_taken() {
        let expected = [header("X-API-Key", None), header("Authorization", Some("Bearer"))];
        assert_eq!(SourceConfigs::default().compile(&usual()).unwrap(), expected);
        let all = r#"[{"header": "apikey"}, {"header": "Authorization", "scheme": "ApiKey"}, {"bearer": "authorization"},
            {"query": "api_key"}, {"query": "Api_Key"}, {"cookie": "api_key"}]"#;
        let expected = [
            header("apikey", None),
            header("Authorization", Some("ApiKey")),
            header("authorization", Some("Bearer")),
            Source::Query("api_key".to_owned()),
            Source::Query("Api_Key".to_owned()),
            Source::Cookie("api_key".to_owned()),
        ];
        assert_eq!(compile(all).unwrap(), expected);
    }

    #[test]
    fn a_wrong_source_is_refused_and_its_place_named() {
        let many = format!("[{}]", vec![r#"{"query": "a"}"#; 17].join(","));
        let long = format!(r#"[{{"cookie": "{}"}}]"#, "a".repeat(129));
        for (json, named) in [
            ("[]", "`credentials`: it is empty"),
            (&many, "`credentials`: 17 entries"),
            ("[{}]", "`credentials[0]`: write exactly one"),
            (r#"[{"header": "a", "query": "b"}]"#, "`credentials[0]`: write exactly one"),
            (r#"[{"header": "a"}, {"scheme": "b"}]"#, "`credentials[1]`: write exactly one"),
            (r#"[{"bearer": "a", "scheme": "b"}]"#, "`credentials[0].scheme`"),
            (r#"[{"header": "a", "scheme": "b c"}]"#, "`credentials[0].scheme`: `b c`"),
            (r#"[{"headers": "a"}]"#, "unknown field `headers`"),
            (r#"[{"header": ""}]"#, "`credentials[0].header`: it is empty"),
            (r#"[{"header": ":path"}]"#, "`credentials[0].header`"),
            (r#"[{"header": "a b"}]"#, "`credentials[0].header`"),
            (r#"[{"header": "Cookie"}]"#, "name the cookie"),
            (r#"[{"header": "Host"}]"#, "`Host` is needed"),
            (r#"[{"bearer": "Content-Length"}]"#, "`credentials[0].bearer`"),
            (r#"[{"header": "X_Keyplane-Key"}]"#, "carries the identity"),
            (r#"[{"query": "a=b"}]"#, "`credentials[0].query`"),
            (r#"[{"query": "a b"}]"#, "`credentials[0].query`"),
            (r#"[{"query": "schlüssel"}]"#, "`credentials[0].query`"),
            (r#"[{"cookie": "a;b"}]"#, "`credentials[0].cookie`"),
            (&long, "129 bytes"),
            (r#"[{"header": "a"}, {"query": "a"}, {"header": "A"}]"#, "`credentials[2]`: `credentials[0]` would find"),
            (r#"[{"header": "a"}, {"bearer": "a"}]"#, "`credentials[1]`"),
            (r#"[{"bearer": "a"}, {"header": "A", "scheme": "bEARER"}]"#, "`credentials[1]`"),
            (r#"[{"cookie": "a"}, {"cookie": "a"}]"#, "`credentials[1]`"),
            (r#"[{"query": "a"}, {"query": "a"}]"#, "`credentials[1]`"),
        ] {
            let error = compile(json).unwrap_err();
            assert!(error.contains(named), "{json}: `{named}` is not in: {error}");
        }
    }

    #[test]
    fn a_source_is_told_to_the_caller_in_words() {
        for (json, text, challenge) in [
            (r#"[{"header": "X-API-Key"}]"#, "in the X-API-Key header", "ApiKey"),
            (r#"[{"bearer": "Authorization"}]"#, "in the Authorization header as: Bearer <key>", "Bearer"),
            (r#"[{"header": "A", "scheme": "Token"}]"#, "in the A header as: Token <key>", "Token"),
            (r#"[{"query": "api_key"}]"#, "in the query parameter api_key", "ApiKey"),
            (r#"[{"cookie": "key"}]"#, "in the cookie key", "ApiKey"),
        ] {
            let source = &compile(json).unwrap()[0];
            assert_eq!((source.to_string().as_str(), source.challenge()), (text, challenge));
        }
    }
}
