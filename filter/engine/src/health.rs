//! A path that the filter answers itself: whether this worker has a table that may decide requests.
//!
//! For readiness probes and load balancers, which have no key: `{"status":"ok"}` with 200, or the refusal that a request with a key would get
//! now, 503 `table_not_ready` or `table_too_old`. It tells no more than that to anyone; who presents the debug token sees revision and age.

use crate::config::ConfigError;
use crate::headers::write_block;
use crate::refusal::Answer;
use serde::Deserialize;

/// The longest path, in bytes.
const MAX_PATH: usize = 256;

/// `health` in the plugin configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The path, compared byte for byte with that of a GET or HEAD, without the query.
    path: String,
}

impl Health {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if self.path.len() < 2
            || self.path.len() > MAX_PATH
            || !self.path.starts_with('/')
            || !self.path.bytes().all(plain)
        {
            let message = "it must be a path such as /keyplane/health, of letters, digits and -._~, at most 256 bytes";
            return Err(ConfigError::new("health.path", message));
        }
        Ok(())
    }

    /// Whether a request asks for it.
    #[must_use]
    pub fn is_asked(&self, method: &[u8], path: Option<&[u8]>) -> bool {
        let path = path.and_then(|path| path.split(|byte| *byte == b'?').next());
        matches!(method, b"GET" | b"HEAD") && path == Some(self.path.as_bytes())
    }
}

/// The answer while all is well.
#[must_use]
pub fn healthy() -> Answer {
    let headers: [(&[u8], &[u8]); 2] = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")];
    Answer { status: 200, grpc_status: 0, headers: write_block(&headers), body: r#"{"status":"ok"}"#.to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::host::fake::FakeHost;
    use crate::request::handle;
    use crate::settings::Settings;
    use crate::table::Table;
    use crate::worker::Worker;
    use keyplane_contract::code::Reason;
    use keyplane_contract::id::Id;

    fn config(more: &str) -> String {
        format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, {more}}}"#)
    }

    #[test]
    fn the_path_says_whether_a_key_could_be_decided() {
        let health = r#""health": {"path": "/ready"}, "staleness": {"max_seconds": 60}"#;
        let settings = Settings::parse(config(health).as_bytes()).unwrap();
        let table = Table::new(Id([9; 16]), 3);
        let reason = |method: &str, path: &str, table, age| {
            let headers: [(&str, &[u8]); 3] =
                [(":method", method.as_bytes()), (":path", path.as_bytes()), ("x-keyplane-account", b"forged")];
            let host = FakeHost::with_headers(&headers);
            let outcome =
                handle(&host.block(), true, &settings, &mut Worker { age, ..Worker::with_table(table) }, &host);
            assert!(outcome.rule.is_some() || !outcome.reason.is_allowed());
            assert_eq!(outcome.reason == Reason::Health, settings.answer(&outcome).unwrap().status == 200);
            outcome.reason
        };
        for (method, path) in [("GET", "/ready"), ("HEAD", "/ready"), ("GET", "/ready?verbose")] {
            assert_eq!(reason(method, path, Some(&table), 0), Reason::Health, "{method} {path}");
            assert_eq!(reason(method, path, None, 0), Reason::NotReady);
            assert_eq!(reason(method, path, Some(&table), 60_001), Reason::Stale);
        }
        for (method, path) in
            [("POST", "/ready"), ("GET", "/ready/"), ("GET", "/Ready"), ("GET", "/%72eady"), ("GET", "/")]
        {
            assert_eq!(reason(method, path, Some(&table), 0), Reason::Missing, "{method} {path}");
        }
    }

    #[test]
    fn a_path_that_is_none_is_refused() {
        for path in ["", "/", "ready", "/a b", "/a?b", "/%61", "/*"] {
            let error = Config::parse(config(&format!(r#""health": {{"path": "{path}"}}"#)).as_bytes()).unwrap_err();
            assert!(error.to_string().contains("`health.path`"), "{error}");
        }
    }
}
