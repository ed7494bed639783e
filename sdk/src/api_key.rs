//! A key as the application that calls with it holds it.
//!
//! The type exists so that a key is checked where the program starts and not at its first request, and so that it
//! cannot reach a log by accident: [`Debug`](fmt::Debug) and [`Display`](fmt::Display) show the mask, and
//! there is one way to the full text, [`ApiKey::expose`], which is easy to search a code base for.
//!
//! The checks are offline. They tell a typing error, a cut-off paste and a test key in place of a live one; whether a
//! key is known and not revoked only a request can tell.

use keyplane_contract::key::{KeyError, KeyParts, MAX_CREDENTIAL_LEN};
use serde::{Deserialize, Deserializer, de};
use std::env::VarError;
use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;
use zeroize::{Zeroize as _, Zeroizing};

/// An API key whose shape and checksum are right. Never prints itself; wiped from memory when dropped.
///
/// The wiping covers the copy that this type holds. Copies that an HTTP library or the environment of the process holds
/// are out of its reach.
///
/// ```
/// use keyplane_sdk::ApiKey;
///
/// let key: ApiKey = "uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni".parse()?;
/// assert_eq!(key.prefix(), "uk_live");
/// assert_eq!(key.to_string(), "uk_live_0123...xXni");
/// assert_eq!(format!("{key:?}"), "ApiKey(uk_live_0123...xXni)");
/// # Ok::<(), keyplane_sdk::ApiKeyError>(())
/// ```
#[derive(Clone)]
pub struct ApiKey {
    text: Zeroizing<String>,
    /// Length of the prefix in bytes: it is the start of `text`.
    prefix: usize,
    mask: String,
    origin: Origin,
}

impl ApiKey {
    /// Checks `text`, which must be the key and nothing else.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        Self::check(Zeroizing::new(text.to_owned()), Origin::Text)
    }

    /// Reads the environment variable `name`.
    ///
    /// ```no_run
    /// use keyplane_sdk::ApiKey;
    ///
    /// let key = ApiKey::from_env("UPLOADKIT_API_KEY")?.expect_prefix("uk_live")?;
    /// # Ok::<(), keyplane_sdk::ApiKeyError>(())
    /// ```
    pub fn from_env(name: &str) -> Result<Self, ApiKeyError> {
        Self::from_variable(name, std::env::var(name))
    }

    /// As [`ApiKey::from_env`], with what the environment said: tests cannot set variables without a race.
    pub(crate) fn from_variable(name: &str, value: Result<String, VarError>) -> Result<Self, ApiKeyError> {
        let origin = Origin::Variable(harmless(name));
        match value {
            Ok(text) => Self::check(Zeroizing::new(text), origin),
            Err(VarError::NotPresent) => Err(ApiKeyError { origin, reason: ApiKeyErrorReason::NotSet }),
            Err(VarError::NotUnicode(_)) => Err(ApiKeyError { origin, reason: ApiKeyErrorReason::NotText }),
        }
    }

    /// Reads a file that holds the key, such as a mounted secret. One line end after the key is allowed.
    ///
    /// It blocks for the time of a short read; call it where the program starts.
    ///
    /// ```no_run
    /// use keyplane_sdk::ApiKey;
    ///
    /// let key = ApiKey::from_file("/run/secrets/uploadkit_api_key")?;
    /// # Ok::<(), keyplane_sdk::ApiKeyError>(())
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ApiKeyError> {
        let path = path.as_ref();
        let origin = Origin::File(harmless(&path.display().to_string()));
        let bytes = match read_short(path) {
            Ok(bytes) => bytes,
            Err(error) => return Err(ApiKeyError { origin, reason: ApiKeyErrorReason::Unreadable(error.kind()) }),
        };
        if bytes.len() > MAX_FILE_LEN {
            return Err(ApiKeyError { origin, reason: ApiKeyErrorReason::TooLong });
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(ApiKeyError { origin, reason: ApiKeyErrorReason::NotText });
        };
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        Self::check(Zeroizing::new(text.to_owned()), origin)
    }

    /// Refuses a key of another product or environment, for a program that knows which it needs.
    ///
    /// `prefix` is without the underscore that follows it in the key: `uk_live`.
    ///
    /// ```
    /// use keyplane_sdk::ApiKey;
    ///
    /// let test = ApiKey::parse("uk_test_0123456789ABCDEFGHIJabcdefghijKL4SYJYx")?;
    /// let error = test.expect_prefix("uk_live").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the key has the prefix uk_test where uk_live was expected: it looks like a test key"
    /// );
    /// # Ok::<(), keyplane_sdk::ApiKeyError>(())
    /// ```
    pub fn expect_prefix(self, prefix: &str) -> Result<Self, ApiKeyError> {
        if self.prefix() == prefix {
            return Ok(self);
        }
        let reason = ApiKeyErrorReason::OtherPrefix { expected: harmless(prefix), found: self.prefix().to_owned() };
        Err(ApiKeyError { origin: self.origin.clone(), reason })
    }

    /// The full key. The only way to it: pass it on to where it is sent, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The prefix, which says whose key it is and for which environment: `uk_live`.
    pub fn prefix(&self) -> &str {
        self.text.get(..self.prefix).unwrap_or_default()
    }

    /// What may be shown: `uk_live_0123...xXni`. The same as `key_prefix` of the key object.
    pub fn mask(&self) -> &str {
        &self.mask
    }

    fn check(text: Zeroizing<String>, origin: Origin) -> Result<Self, ApiKeyError> {
        let (prefix, mask) = match KeyParts::parse(&text) {
            Ok(parts) => (parts.prefix.len(), parts.mask()),
            // Lists and dashboards show the mask, so it is what people copy by mistake.
            Err(KeyError::Character { .. }) if text.contains("...") => {
                return Err(ApiKeyError { origin, reason: ApiKeyErrorReason::Mask });
            }
            Err(KeyError::Character { .. }) if KeyParts::parse(bare(&text)).is_ok() => {
                return Err(ApiKeyError { origin, reason: ApiKeyErrorReason::Surrounded });
            }
            Err(error) => return Err(ApiKeyError { origin, reason: ApiKeyErrorReason::Malformed(error) }),
        };
        Ok(Self { text, prefix, mask, origin })
    }
}

/// Without what shells, editors and configuration files leave around a text.
fn bare(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || matches!(character, '"' | '\'' | '`'))
}

/// Longer than any credential with its line end: anything beyond is some other file.
const MAX_FILE_LEN: usize = MAX_CREDENTIAL_LEN + 2;

/// At most one byte more than [`MAX_FILE_LEN`], into a buffer that never grows, so that no copy is left behind.
fn read_short(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0_u8; MAX_FILE_LEN + 1]);
    let mut file = std::fs::File::open(path)?;
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// A name as it may stand in an error. People do pass the key where its name belongs.
fn harmless(name: &str) -> String {
    KeyParts::parse(name).map_or_else(|_| name.to_owned(), |parts| parts.mask())
}

impl FromStr for ApiKey {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, ApiKeyError> {
        Self::parse(text)
    }
}

/// Shows the mask.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.mask)
    }
}

/// Shows the mask.
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.mask)
    }
}

/// From a configuration file or an answer. There is no `Serialize`: a key is written nowhere by accident.
impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ApiKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an API key")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ApiKey, E> {
                ApiKey::parse(text).map_err(E::custom)
            }

            fn visit_string<E: de::Error>(self, mut text: String) -> Result<ApiKey, E> {
                let key = self.visit_str(&text);
                text.zeroize();
                key
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Where a key came from, for the errors.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Origin {
    Text,
    Variable(String),
    File(String),
}

/// Why there is no usable key. Says where the key was looked for; never carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKeyError {
    origin: Origin,
    reason: ApiKeyErrorReason,
}

impl ApiKeyError {
    /// What is wrong, for a program that treats the cases differently.
    pub const fn reason(&self) -> &ApiKeyErrorReason {
        &self.reason
    }
}

/// What is wrong with a key; see [`ApiKeyError`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ApiKeyErrorReason {
    /// The environment variable is not set.
    NotSet,
    /// The file cannot be read.
    Unreadable(io::ErrorKind),
    /// The file is longer than any key.
    TooLong,
    /// The bytes are no UTF-8 text.
    NotText,
    /// The mask of a key, as lists show it, in place of the key.
    Mask,
    /// A whole key with white space or quotes around it.
    Surrounded,
    /// Not the shape of a key, or the checksum does not fit.
    Malformed(KeyError),
    /// A whole key, but of another product or environment.
    OtherPrefix {
        /// The prefix that [`ApiKey::expect_prefix`] asked for.
        expected: String,
        /// The prefix of the key.
        found: String,
    },
}

/// What a prefix that was not expected tells about the mistake.
fn likely_mistake(expected: &str, found: &str) -> Option<&'static str> {
    // By the last word only: `uk_test` and `test` are both a test key's.
    let environment = |prefix: &str| prefix.rsplit('_').next().map(str::to_owned);
    match (found, environment(found).as_deref(), environment(expected).as_deref()) {
        ("kp_admin", ..) => Some("it looks like an admin key of Keyplane itself"),
        ("kp_proxy", ..) => Some("it looks like a proxy token of Keyplane"),
        (_, Some("test"), Some("live")) => Some("it looks like a test key"),
        (_, Some("live"), Some("test")) => Some("it looks like a live key"),
        _ => None,
    }
}

impl fmt::Display for ApiKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.reason) {
            // A variable that is not set and a file that cannot be read: the origin is the subject of the sentence.
            (Origin::Variable(name), ApiKeyErrorReason::NotSet) => {
                return write!(f, "the environment variable {name} is not set");
            }
            (Origin::Variable(name), ApiKeyErrorReason::Malformed(KeyError::Empty)) => {
                return write!(f, "the environment variable {name} is set, but empty");
            }
            (Origin::File(path), ApiKeyErrorReason::Unreadable(kind)) => {
                return write!(f, "the key file {path} cannot be read: {kind}");
            }
            (Origin::Variable(name), _) => write!(f, "the environment variable {name} holds no usable key: ")?,
            (Origin::File(path), _) => write!(f, "the file {path} holds no usable key: ")?,
            (Origin::Text, _) => {}
        }
        match &self.reason {
            ApiKeyErrorReason::NotSet => f.write_str("it is not set"),
            ApiKeyErrorReason::Unreadable(kind) => write!(f, "it cannot be read: {kind}"),
            ApiKeyErrorReason::TooLong => write!(f, "a key has at most {MAX_CREDENTIAL_LEN} bytes, and it has more"),
            ApiKeyErrorReason::NotText => f.write_str("it is not UTF-8 text"),
            ApiKeyErrorReason::Mask => f.write_str(
                "it is the mask that lists show, not the key: the full key was shown once, when it was created",
            ),
            ApiKeyErrorReason::Surrounded => {
                f.write_str("there are white space or quotes around the key: take them off")
            }
            ApiKeyErrorReason::Malformed(error) => write!(f, "{error}"),
            ApiKeyErrorReason::OtherPrefix { expected, found } => {
                write!(f, "the key has the prefix {found} where {expected} was expected")?;
                likely_mistake(expected, found).map_or(Ok(()), |mistake| write!(f, ": {mistake}"))
            }
        }
    }
}

impl std::error::Error for ApiKeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::key::{Prefix, assemble};
    use proptest::prelude::*;
    use std::io::Write as _;

    const LIVE: &str = "uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni";

    fn variable(text: &str) -> Result<ApiKey, ApiKeyError> {
        ApiKey::from_variable("UPLOADKIT_API_KEY", Ok(text.to_owned()))
    }

    fn key_with(prefix: &str) -> ApiKey {
        let text = assemble(&Prefix::parse(prefix).unwrap(), b"0123456789ABCDEFGHIJabcdefghijKL").unwrap();
        ApiKey::parse(&text).unwrap()
    }

    #[test]
    fn each_mistake_with_a_variable_has_a_sentence_that_names_it() {
        let sentence = |text: &str| variable(text).unwrap_err().to_string();
        assert_eq!(sentence(""), "the environment variable UPLOADKIT_API_KEY is set, but empty");
        assert_eq!(
            sentence(&LIVE[..30]),
            "the environment variable UPLOADKIT_API_KEY holds no usable key: after its prefix the key has 22 characters \
             where 38 belong: it was cut off or has something added"
        );
        for around in [format!("{LIVE}\n"), format!(" {LIVE}"), format!("\"{LIVE}\"")] {
            assert!(sentence(&around).ends_with("white space or quotes around the key: take them off"), "{around:?}");
        }
        assert!(sentence(&LIVE.replace("ABC", "A BC")).contains("look for quotes or white space"));
        assert!(sentence(&LIVE.replace("0123", "0213")).contains("checksum does not fit"));
        assert!(sentence("uk_live_0123...xXni").contains("it is the mask that lists show"));
        assert_eq!(
            ApiKey::from_variable("UPLOADKIT_API_KEY", Err(VarError::NotPresent)).unwrap_err().to_string(),
            "the environment variable UPLOADKIT_API_KEY is not set"
        );
        let error = ApiKey::from_variable("UPLOADKIT_API_KEY", Err(VarError::NotUnicode(LIVE.into()))).unwrap_err();
        assert!(error.to_string().ends_with("it is not UTF-8 text"));
        assert!(!format!("{error:?}").contains("0123456789"));
    }

    #[test]
    fn the_environment_is_really_read() {
        let name = "KEYPLANE_SDK_TEST_VARIABLE_THAT_NOBODY_SETS";
        assert_eq!(ApiKey::from_env(name).unwrap_err().reason(), &ApiKeyErrorReason::NotSet);
        // Always set, and no key.
        assert!(matches!(ApiKey::from_env("PATH").unwrap_err().reason(), ApiKeyErrorReason::Malformed(_)));
    }

    #[test]
    fn a_key_of_another_environment_or_kind_is_told_by_its_prefix() {
        let sentence = |found: &str, expected: &str| key_with(found).expect_prefix(expected).unwrap_err().to_string();
        assert!(key_with("uk_live").expect_prefix("uk_live").is_ok());
        assert!(sentence("uk_test", "uk_live").ends_with("it looks like a test key"));
        assert!(sentence("uk_live", "uk_test").ends_with("it looks like a live key"));
        assert!(sentence("kp_proxy", "kp_admin").ends_with("it looks like a proxy token of Keyplane"));
        assert!(sentence("kp_admin", "uk_live").ends_with("it looks like an admin key of Keyplane itself"));
        assert!(sentence("vg_key", "uk_live").ends_with("the prefix vg_key where uk_live was expected"));
        // The variable stays named after the key was read from it.
        let error = variable(LIVE).unwrap().expect_prefix("uk_test").unwrap_err();
        assert!(error.to_string().starts_with("the environment variable UPLOADKIT_API_KEY"));
    }

    #[test]
    fn a_key_file_may_end_in_one_line_end_and_no_more() {
        let read = |bytes: &[u8]| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            ApiKey::from_file(file.path()).map(|key| key.expose().to_owned())
        };
        for end in ["", "\n", "\r\n"] {
            assert_eq!(read(format!("{LIVE}{end}").as_bytes()).unwrap(), LIVE);
        }
        let malformed = |bytes: &[u8]| matches!(read(bytes).unwrap_err().reason, ApiKeyErrorReason::Malformed(_));
        assert_eq!(read(format!("{LIVE}\n\n").as_bytes()).unwrap_err().reason, ApiKeyErrorReason::Surrounded);
        assert!(malformed(b""));
        assert_eq!(read(&[0xff, 0xfe]).unwrap_err().reason, ApiKeyErrorReason::NotText);
        assert_eq!(read(&vec![b'a'; 100_000]).unwrap_err().reason, ApiKeyErrorReason::TooLong);
    }

    #[test]
    fn a_key_file_that_is_not_there_is_named() {
        let error = ApiKey::from_file("/nonexistent/key").unwrap_err();
        assert_eq!(error.to_string(), "the key file /nonexistent/key cannot be read: entity not found");
    }

    #[test]
    fn neither_the_key_nor_its_errors_print_it() {
        use std::fmt::Write as _;
        let secret = &LIVE[12..40];
        let mut shown = format!("{0} {0:?} {0:#?}", ApiKey::parse(LIVE).unwrap());
        let errors = [
            variable(&format!("\"{LIVE}\"")).unwrap_err(),
            variable(&LIVE.replace("live", "test")).unwrap_err(),
            // The key in the place of its name.
            ApiKey::from_variable(LIVE, Err(VarError::NotPresent)).unwrap_err(),
            ApiKey::from_file(LIVE).unwrap_err(),
            ApiKey::parse(LIVE).unwrap().expect_prefix(LIVE).unwrap_err(),
        ];
        for error in errors {
            write!(shown, "{error} {error:?} {error:#?}").unwrap();
        }
        let broken = serde_json::from_str::<ApiKey>(&format!("\"{LIVE}x\"")).unwrap_err();
        write!(shown, "{broken} {broken:?}").unwrap();
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains("uk_live_0123...xXni"));
    }

    #[test]
    fn a_key_is_read_from_json_also_where_the_text_is_escaped() {
        let plain: ApiKey = serde_json::from_str(&format!("\"{LIVE}\"")).unwrap();
        let escaped: ApiKey = serde_json::from_str(&format!("\"{}\"", LIVE.replacen('u', "\\u0075", 1))).unwrap();
        assert_eq!(plain.expose(), LIVE);
        assert_eq!(escaped.expose(), LIVE);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_or_its_error_repeat_it(text in "[a-z]{2,6}_[ -~]{12,80}") {
            if let Err(error) = ApiKey::parse(&text) {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(&text[8..]));
            }
        }
    }
}
