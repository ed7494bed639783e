//! A control plane for a test: a database in a folder of its own, a clock that the test sets, and requests to its routes.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use keyplane::domain::plan::{Cap, Plans};
use keyplane::domain::proxy_metadata::ProxyMetadata;
use keyplane::domain::random::SystemRandom;
use keyplane::domain::secret::{ADMIN_PREFIX, PROXY_PREFIX, Secret};
use keyplane::domain::session::SessionLimits;
use keyplane::domain::time::{Clock, Time};
use keyplane::jwt::{JwtSettings, Verifier};
use keyplane::service::initialize::{FirstCredentials, initialize};
use keyplane::service::workers::Workers;
use keyplane::service::{App, DashboardSettings};
use keyplane::store::DataDir;
use keyplane_contract::key::Prefix;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// 2026-01-01T00:00:00Z
pub const START: i64 = 1_767_225_600_000;

/// A clock that stands still until the test moves it.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A control plane.
pub struct ControlPlane {
    pub folder: TempDir,
    pub app: App,
    pub clock: Arc<ManualClock>,
    pub admin: Secret,
    pub proxy: Secret,
    pub stop: watch::Sender<bool>,
    management: Router,
    sync: Router,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem with this status and code, and gives its document.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let document = self.json();
        assert_eq!((self.status.as_u16(), document["code"].as_str()), (status, Some(code)), "{document}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(document["status"], status);
        assert_eq!(document["type"], format!("https://keyplane.dev/errors/{code}"));
        assert_eq!(document["request_id"], self.header("x-request-id"));
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        document
    }

    /// Asserts that this is a problem with one field error, and gives its message.
    #[track_caller]
    pub fn field(&self, status: u16, code: &str, field: &str) -> String {
        let document = self.problem(status, code);
        let errors = document["errors"].as_array().unwrap_or_else(|| panic!("no field errors: {document}"));
        assert_eq!(errors.len(), 1, "{document}");
        assert_eq!(errors[0]["field"], field, "{document}");
        errors[0]["message"].as_str().unwrap().to_owned()
    }
}

pub fn secret(prefix: &str) -> Secret {
    Secret::generate(&Prefix::parse(prefix).unwrap(), &SystemRandom).unwrap()
}

/// The plans of the default settings.
pub fn plans() -> Plans {
    let caps = [("free", 2), ("pro", 10), ("team", 50)].map(|(name, cap)| (name.to_owned(), Cap::Keys(cap)));
    let mut caps = BTreeMap::from(caps);
    caps.insert("enterprise".to_owned(), Cap::Unlimited);
    Plans::new(caps, "enterprise".to_owned()).unwrap()
}

/// Makes a database in `folder`; gives its first admin key and proxy token.
pub async fn make_database(folder: &Path) -> (Secret, Secret) {
    let (admin, proxy) = (secret(ADMIN_PREFIX), secret(PROXY_PREFIX));
    let first = FirstCredentials { admin_key: admin.clone(), proxy_token: Some(proxy.clone()) };
    let data_dir = DataDir::create_and_lock(folder).unwrap();
    initialize(&data_dir, Time::from_millis(START), &SystemRandom, &first).await.unwrap();
    (admin, proxy)
}

impl ControlPlane {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (admin, proxy) = make_database(folder.path()).await;
        Self::open(folder, admin, proxy).await
    }

    /// Starts one that takes JWTs.
    pub async fn start_trusting(jwt: Verifier) -> Self {
        let mut plane = Self::start().await;
        plane.app.jwt = Arc::new(jwt);
        plane.management = keyplane::http::management(&plane.app);
        plane
    }

    /// Chooses which metadata of keys proxies are told, as the setting would.
    pub fn tell_proxies(&mut self, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.app.proxy_metadata = Arc::new(ProxyMetadata::new(names).unwrap());
        self.management = keyplane::http::management(&self.app);
    }

    /// Serves the database in `folder`.
    pub async fn open(folder: TempDir, admin: Secret, proxy: Secret) -> Self {
        let store = DataDir::lock_existing(folder.path()).unwrap().open().await.unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(START)));
        let (stop, stopping) = watch::channel(false);
        let app = App {
            store: Arc::new(store),
            clock: Arc::<ManualClock>::clone(&clock),
            random: Arc::new(SystemRandom),
            workers: Arc::new(Workers::default()),
            proxy_tokens: Arc::default(),
            pages: Arc::default(),
            modules: Arc::default(),
            jwt: Arc::new(Verifier::new(&JwtSettings::default(), |_| None).unwrap()),
            throttle: Arc::default(),
            last_uses: Arc::default(),
            plans: Arc::new(plans()),
            proxy_metadata: Arc::default(),
            personal_token_prefix: Prefix::parse("kp_pat").unwrap(),
            dashboard: DashboardSettings {
                sessions: SessionLimits { idle: Duration::from_hours(1), total: Duration::from_hours(12) },
                try_url: "https://api.example.com/v1/me".into(),
            },
            revoked_retention: Duration::from_hours(7 * 24),
            usage_retention: Duration::from_hours(400 * 24),
            usage_hourly_retention: Duration::from_hours(14 * 24),
            idempotency_retention: Duration::from_hours(24),
            started_at: Time::from_millis(START),
            stopping,
        };
        let (management, sync) = (keyplane::http::management(&app), keyplane::http::sync(&app));
        Self { folder, app, clock, admin, proxy, stop, management, sync }
    }

    /// Ends it and serves its database again.
    pub async fn restart(self) -> Self {
        let Self { folder, app, clock: _, admin, proxy, stop: _, management, sync } = self;
        app.store.close().await;
        drop((app, management, sync));
        Self::open(folder, admin, proxy).await
    }

    /// Sends a request to the management listener as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.management, request).await
    }

    /// Sends a request to the sync listener as it is.
    pub async fn send_sync(&self, request: Request<Body>) -> Answer {
        answer(&self.sync, request).await
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.admin.expose()))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// A request with another credential than the admin key.
    pub async fn get_as(&self, credential: &str, path: &str) -> Answer {
        self.send(Request::get(path).header("x-api-key", credential).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl ToString) -> Answer {
        self.with_body(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: impl ToString) -> Answer {
        self.with_body(Method::PATCH, path, body).await
    }

    /// Edits what is still as the `ETag` `seen` says.
    pub async fn patch_if(&self, path: &str, seen: &str, body: impl ToString) -> Answer {
        let request = self.request(Method::PATCH, path).header("content-type", "application/json");
        self.send(request.header("if-match", seen).body(Body::from(body.to_string())).unwrap()).await
    }

    async fn with_body(&self, method: Method, path: &str, body: impl ToString) -> Answer {
        let request = self.request(method, path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A request of somebody else than the operator, from `source`.
    pub async fn call_from(&self, source: &str, credential: &str, method: &str, path: &str, body: Value) -> Answer {
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {credential}"));
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        let mut request = request.unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(source.parse().unwrap(), 50_000)));
        self.send(request).await
    }

    /// A request of somebody else than the operator.
    pub async fn call(&self, credential: &str, method: &str, path: &str, body: Value) -> Answer {
        self.call_from("192.0.2.1", credential, method, path, body).await
    }

    /// A request of a proxy.
    pub fn sync_request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", self.proxy.expose()))
    }

    /// Makes an account and a project; gives their ids.
    pub async fn project(&self) -> (String, String) {
        let account = self.post("/v1/accounts", json!({ "name": "Acme" })).await;
        assert_eq!(account.status, StatusCode::CREATED, "{account:?}");
        let account = text(&account.json(), "id");
        let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
        let body = json!({ "account_id": account, "name": "Upload", "prefixes": prefixes });
        let project = self.post("/v1/projects", body).await;
        assert_eq!(project.status, StatusCode::CREATED, "{project:?}");
        (account, text(&project.json(), "id"))
    }

    /// Makes a key; gives the whole answer.
    pub async fn key(&self, project: &str, environment: &str, name: &str) -> Value {
        let body = json!({ "project_id": project, "environment": environment, "name": name });
        let answer = self.post("/v1/keys", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()
    }
}

async fn answer(routes: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, bytes }
}

#[track_caller]
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field} in {value}")).to_owned()
}

/// The one of a list whose field has this value. Those that were made in one moment have no order.
#[track_caller]
pub fn find<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    let found = list["data"].as_array().and_then(|data| data.iter().find(|object| object[field] == value));
    found.unwrap_or_else(|| panic!("none with {field} {value} in {list}"))
}
