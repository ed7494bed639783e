//! Rotates a key while an application calls with it, and loses no call.
//!
//! ```text
//! export KEYPLANE_URL=http://127.0.0.1:8080      # the control plane's management listener
//! export KEYPLANE_API_KEY=kp_admin_...           # an admin key
//! cargo run -p keyplane-sdk --example rotate_without_downtime -- http://127.0.0.1:10000 /tmp/rotated-key   # behind Envoy; a file for the key
//! ```
//!
//! Two programs in one, so that it can be seen at once. The application knows only the file with its key, such as a mounted secret. The automation knows
//! only the control plane and where the file is:
//!
//! 1. it makes the successor, while the old key works on;
//! 2. it puts the successor into the file, in one step, and the application takes it from there without a restart;
//! 3. it revokes the old key, when nobody calls with it any more, and waits until every proxy refuses it.

use keyplane_sdk::{
    ApiKey, Caller, Client, CreateAccount, CreateKey, CreateProject, CurrentKey, Environment, Prefixes, RevokeKey,
    RotateKey,
};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(service), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("give the URL of a service behind Envoy, and a file for the key".into());
    };
    let file = Path::new(&file);
    let client = Client::from_env()?;

    let account = client.accounts().create(&CreateAccount::new("Example account")).await?;
    let prefixes = Prefixes::new("ex_live", "ex_test");
    let project = client.projects().create(&CreateProject::new(account.id, "Example project", prefixes)).await?;
    let first = client.keys().create(&CreateKey::new(project.id, Environment::Live, "rotated")).await?;
    put(&first.secret, file)?;

    let stop = Arc::new(AtomicBool::new(false));
    let api = Caller::new(service, CurrentKey::from_file_expecting(file, "ex_live")?)?;
    let application = tokio::spawn(call_until(Arc::clone(&stop), api.clone()));
    println!("calling with {}", api.key().get());

    let rotated = client.keys().rotate(first.key.id, &RotateKey::new().grace_seconds(3600)).await?;
    put(&rotated.secret, file)?;
    println!("rotated to   {}", rotated.secret);

    // A real automation looks at `keys().sources(old)` over hours or days. Here there is one application.
    while api.key().get().mask() != rotated.secret.mask() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let revoked = client.keys().revoke_with(first.key.id, &RevokeKey::new().wait(Duration::from_secs(5))).await?;
    let receipt = revoked.receipt.ok_or("there is no receipt")?;
    println!("revoked      {}: {} of {} proxies refuse it", revoked.key_prefix, receipt.applied, receipt.proxies);

    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let (good, bad) = application.await??;
    println!("{good} calls were answered well, {bad} were not");
    if bad == 0 && good > 0 { Ok(()) } else { Err("calls were lost".into()) }
}

/// The application: one call after another, counted by whether it was answered well.
async fn call_until(stop: Arc<AtomicBool>, api: Caller) -> Result<(u32, u32)> {
    let (mut good, mut bad) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = api.send(api.get("/v1/hello")).await?;
        *(if answer.status().is_success() { &mut good } else { &mut bad }) += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok((good, bad))
}

/// Puts the key into the file in one step, for its owner to read: written beside it, then renamed over it.
fn put(key: &ApiKey, file: &Path) -> Result<()> {
    let beside = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&beside)?.write_all(key.expose().as_bytes())?;
    Ok(std::fs::rename(&beside, file)?)
}
