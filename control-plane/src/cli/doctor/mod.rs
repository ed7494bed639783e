//! `keyplane doctor`: looks for what is wrong, one line a check, each with what to do. Changes nothing; the server may run.

mod envoy;
mod findings;
mod probe;

use super::place::Place;
use super::{Failure, secrets};
use crate::domain::secret::Secret;
use crate::domain::time::{Clock as _, SystemClock};
use crate::listen::TlsFiles;
use crate::settings::{self, Settings};
use crate::store::examine;
use findings::{Finding, Level};
use probe::{Port, Speech};
use std::io::Write as _;
use std::time::Duration;

/// How long a worker that lags may take to catch up before it is told of.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Check the database, the machine and the proxies, or one Envoy; exit code 1 if something is wrong
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  keyplane doctor --data-dir keyplane-data              where the server runs, as it was started
  keyplane doctor --envoy-admin http://127.0.0.1:9901   where an Envoy runs

With an admin key in KEYPLANE_API_KEY it asks the running server which proxies lag; one with read access will do.")]
pub struct Doctor {
    #[command(flatten)]
    place: Place,
    /// Look at one Envoy instead: its admin interface, such as `http://127.0.0.1:9901`, or the path of its Unix socket
    #[arg(long, value_name = "URL")]
    envoy_admin: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { place, envoy_admin, json } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let findings = if let Some(admin) = envoy_admin {
            envoy::findings(&runtime.block_on(envoy::ask(&admin)))
        } else {
            let (settings, _) = settings::load(&place.into())?;
            runtime.block_on(look(&settings, credential()?.as_ref()))
        };
        let failed = findings.iter().filter(|finding| finding.level == Level::Fail).count();
        let text = if json {
            format!("{}\n", serde_json::json!({ "ok": failed == 0, "checks": findings }))
        } else {
            let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
            format!("{}\n", lines.join("\n"))
        };
        std::io::stdout().write_all(text.as_bytes())?;
        if failed > 0 { Err(format!("{failed} of {} checks failed", findings.len()).into()) } else { Ok(()) }
    }
}

/// The operator's credential, to ask the running server with.
fn credential() -> Result<Option<Secret>, Failure> {
    match std::env::var("KEYPLANE_API_KEY") {
        Ok(text) if !text.is_empty() => Ok(Some(Secret::new(text))),
        _ => Ok(secrets::admin_key()?),
    }
}

async fn look(settings: &Settings, credential: Option<&Secret>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let examined = examine(&settings.data_dir).await;
    findings.push(findings::database(&examined));
    findings.push(findings::disk(probe::free_bytes(&settings.data_dir), examined.as_ref().ok()));
    if let Ok(examination) = &examined {
        findings.push(findings::clock(SystemClock.now(), examination.newest));
        findings.push(findings::tokens(examination));
    }
    let now = SystemClock.now();
    let (tls, sync_tls) =
        (probe::certificate(TlsFiles::of_management(settings)), probe::certificate(TlsFiles::of_sync(settings)));
    findings.push(findings::certificate("tls_cert", settings.listen, &tls, now));
    findings.push(findings::certificate("sync_tls_cert", settings.sync_listen, &sync_tls, now));
    // Without its certificate a listener cannot be told from another.
    let (speech, sync_speech) = (tls.map(Speech::from).ok(), sync_tls.map(Speech::from).ok());
    let ask = |address, speech: Option<&Speech>| speech.map_or(Port::Other, |speech| probe::port(address, speech));
    let management = ask(settings.listen, speech.as_ref());
    findings.push(findings::port("listen", settings.listen, &management));
    findings.push(findings::port(
        "sync_listen",
        settings.sync_listen,
        &ask(settings.sync_listen, sync_speech.as_ref()),
    ));
    findings.push(match (&management, &speech, credential) {
        (Port::Keyplane, Some(speech), Some(credential)) => {
            let first = probe::proxies(settings.listen, speech, credential);
            match first {
                Ok(first) if first.lags() => {
                    tokio::time::sleep(CATCH_UP).await;
                    // What came in between need not have arrived yet.
                    let second = probe::proxies(settings.listen, speech, credential);
                    findings::proxies(second.map(|proxies| probe::Proxies { revision: first.revision, ..proxies }))
                }
                first => findings::proxies(first),
            }
        }
        (Port::Keyplane, _, None) => Finding::skip("proxies", "set KEYPLANE_API_KEY to an admin key to look at them"),
        _ => Finding::skip("proxies", "the server is not running"),
    });
    findings
}
