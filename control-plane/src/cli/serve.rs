//! `keyplane serve`: runs the control plane until it is told to stop.
//!
//! The order matters. Settings and addresses are checked before anything is written, so that a wrong port leaves no half
//! database; requests are taken only when the database is open; and on the way out waiting polls are answered before
//! the database is closed.

use super::place::Place;
use super::{Failure, secrets};
use crate::domain::plan::Plans;
use crate::domain::project::is_reserved;
use crate::domain::proxy_metadata::ProxyMetadata;
use crate::domain::random::SystemRandom;
use crate::domain::secret::Secret;
use crate::domain::session::SessionLimits;
use crate::domain::time::{Clock as _, SystemClock};
use crate::http;
use crate::jwt::Verifier;
use crate::listen::{self, Listener, Tls, TlsError, TlsFiles};
use crate::modules::Modules;
use crate::service::initialize::{FirstCredentials, add_first_proxy_token, initialize};
use crate::service::last_uses::write_last_uses;
use crate::service::sweep::{self, Swept};
use crate::service::workers::Workers;
use crate::service::{App, DashboardSettings};
use crate::settings::{self, Settings};
use crate::store::{DataDir, OpenError, Store};
use keyplane_contract::key::Prefix;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// How long running requests may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How often the sweeper looks.
const SWEEP: Duration = Duration::from_mins(1);

/// Run the control plane
#[derive(clap::Args, Debug)]
#[command(after_help = "\
All settings, each with its variable: keyplane config
A folder without a database is refused: make one with `keyplane init`, or give the first admin key in KEYPLANE_ADMIN_KEY.
Stops in order at SIGTERM and SIGINT.")]
pub struct Serve {
    #[command(flatten)]
    place: Place,
}

impl Serve {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let (settings, unknown) = settings::load(&self.place.into())?;
        start_log(&settings.log)?;
        for name in unknown {
            tracing::warn!(name, "this environment variable is no setting of keyplane");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(settings))
    }
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let tls = load(TlsFiles::of_management(&settings)?)?;
    let sync_tls = load(TlsFiles::of_sync(&settings)?)?;
    let max_connections = usize::try_from(settings.max_connections.get())?;
    let management = Listener { name: "listen", socket: bind("listen", settings.listen)?, tls, max_connections };
    let sync = Listener {
        name: "sync_listen",
        socket: bind("sync_listen", settings.sync_listen)?,
        tls: sync_tls,
        max_connections,
    };
    raise_file_limit(2 * max_connections);
    let jwt = Verifier::new(&settings.jwt, |name| std::env::var(name).ok().map(Into::into))?;
    let plans = Plans::new(settings.plans.clone(), settings.default_plan.clone())?;
    let proxy_metadata = ProxyMetadata::new(settings.proxy_metadata.clone())?;
    let personal_token_prefix = personal_token_prefix(&settings.personal_token_prefix)?;
    let modules = Modules::read(&settings.filter_modules, std::env::current_exe().ok().as_deref())?;
    let signal = stop_signal()?;
    let store = open(&settings).await?;

    let (stop, stopping) = watch::channel(false);
    let app = App {
        store: Arc::new(store),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        workers: Arc::new(Workers::default()),
        proxy_tokens: Arc::default(),
        pages: Arc::default(),
        modules: Arc::new(modules),
        jwt: Arc::new(jwt),
        throttle: Arc::default(),
        last_uses: Arc::default(),
        plans: Arc::new(plans),
        proxy_metadata: Arc::new(proxy_metadata),
        personal_token_prefix,
        dashboard: DashboardSettings {
            sessions: SessionLimits { idle: settings.session_idle_limit.0, total: settings.session_limit.0 },
            try_url: settings.try_url.as_str().into(),
        },
        revoked_retention: settings.revoked_retention.0,
        usage_retention: settings.usage_retention.0,
        usage_hourly_retention: settings.usage_hourly_retention.0,
        idempotency_retention: settings.idempotency_retention.0,
        started_at: SystemClock.now(),
        stopping,
    };
    let sweeper = tokio::spawn(sweep_forever(app.clone()));
    let (listen, sync_listen) = (management.socket.local_addr()?, sync.socket.local_addr()?);
    for (listener, address) in [(&management, listen), (&sync, sync_listen)] {
        if listener.tls.is_none() && !address.ip().is_loopback() {
            let setting = listener.name;
            tracing::warn!(setting, %address, "this listener can be reached from other machines and speaks plain HTTP");
        }
    }
    let (tls, sync_tls) = (management.tls.is_some(), sync.tls.is_some());
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(management.serve(http::management(&app), app.stopping.clone()));
    servers.spawn(sync.serve(http::sync(&app), app.stopping.clone()));
    tracing::info!(%listen, tls, %sync_listen, sync_tls, "listening");

    let failed = tokio::select! {
        name = signal => {
            tracing::info!(signal = name, "stopping");
            false
        }
        // A server ends by itself only when it fails.
        ended = servers.join_next() => {
            tracing::error!(?ended, "a listener failed; stopping");
            true
        }
    };
    stop.send_replace(true);
    let rest = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
        servers.shutdown().await;
    }
    sweeper.abort();
    let _ = sweeper.await;
    if let Err(error) = write_last_uses(&app).await {
        tracing::warn!(cause = ?error.cause, "the last uses of keys at the management API are lost");
    }
    app.store.close().await;
    tracing::info!("stopped");
    if failed { Err("a listener failed; the log has the cause".into()) } else { Ok(()) }
}

/// Opens the database; makes a new one when the environment brings the first admin key.
async fn open(settings: &Settings) -> Result<Store, Failure> {
    let (admin_key, proxy_token) = (secrets::admin_key()?, secrets::proxy_token()?);
    let wanted = admin_key.as_ref().map(Secret::digest);
    let folder = match (DataDir::lock_existing(&settings.data_dir), admin_key) {
        (Err(OpenError::Missing(_)), Some(admin_key)) => {
            let folder = DataDir::create_and_lock(&settings.data_dir)?;
            let first = FirstCredentials { admin_key, proxy_token: proxy_token.clone() };
            initialize(&folder, SystemClock.now(), &SystemRandom, &first).await?;
            tracing::info!(database = %folder.database().display(), "made a new database");
            folder
        }
        (Err(OpenError::Missing(folder)), None) => {
            let hint = format!("or set {} to make one with that admin key", secrets::ADMIN_KEY);
            return Err(format!("{}, {hint}", OpenError::Missing(folder)).into());
        }
        (folder, _) => folder?,
    };
    let store = folder.open().await?;
    if let Some(digest) = wanted
        && store.valid_admin_key(&digest).await?.is_none()
    {
        tracing::warn!("{} is for a new database only: here it is no admin key and was not used", secrets::ADMIN_KEY);
    }
    let added = match proxy_token {
        Some(token) => add_first_proxy_token(&store, SystemClock.now(), &SystemRandom, &token).await?,
        None => false,
    };
    if added {
        tracing::info!("took the first proxy token from {}", secrets::PROXY_TOKEN);
    } else if !store.has_proxy_token().await? {
        tracing::warn!("there is no proxy token, so no proxy can sync; set {} and start again", secrets::PROXY_TOKEN);
    }
    Ok(store)
}

/// Personal access tokens must not be taken for Keyplane's own credentials.
fn personal_token_prefix(text: &str) -> Result<Prefix, Failure> {
    let prefix = Prefix::parse(text).map_err(|error| format!("setting `personal_token_prefix` {error}"))?;
    if is_reserved(&prefix) {
        return Err("setting `personal_token_prefix` must not be `kp_admin` or `kp_proxy`: these mark Keyplane's own credentials".into());
    }
    Ok(prefix)
}

fn bind(setting: &str, address: SocketAddr) -> Result<tokio::net::TcpListener, Failure> {
    let listener = TcpListener::bind(address)
        .map_err(|error| format!("cannot listen on {address} (setting `{setting}`): {error}"))?;
    listener.set_nonblocking(true)?;
    Ok(tokio::net::TcpListener::from_std(listener)?)
}

fn load(files: Option<TlsFiles>) -> Result<Option<Tls>, TlsError> {
    files.map(|files| Tls::load(files, Arc::new(SystemClock))).transpose()
}

/// Makes room for as many open files as connections are allowed, or says that there is none.
fn raise_file_limit(connections: usize) {
    let Some(files) = listen::raise_file_limit() else { return };
    // The database and the log have theirs.
    if files < u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(64) {
        tracing::warn!(files, "this process may open fewer files than `max_connections` allows; raise `ulimit -n`");
    }
}

async fn sweep_forever(app: App) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sweep::sweep(&app).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(Swept { told_anew, revoked, left_feed, tombstones, policies, usage_rows, answers }) => tracing::info!(
                told_anew,
                revoked,
                left_feed,
                tombstones,
                policies,
                usage_rows,
                answers,
                "swept: proxies told other metadata of keys, idle keys revoked, revoked keys and old tombstones out of the feed, \
                 unused policies, old usage and answers forgotten"
            ),
            Err(error) => tracing::error!(cause = ?error.cause, "the sweeper failed; it tries again in a minute"),
        }
    }
}

/// Completes with the signal's name. The handlers are in place when this returns.
fn stop_signal() -> std::io::Result<impl Future<Output = &'static str>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        return tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
            "Ctrl-C"
        }
    })
}

/// Logs JSON lines on stderr. A panic is told by its place only: its message may carry anything.
fn start_log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("setting `log` is no filter: {error}"))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(at = panic.location().map(tracing::field::display), "panicked");
    }));
    Ok(())
}
