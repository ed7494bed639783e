//! Issues a key, calls a service behind Envoy with it, renames and lists it, revokes it, and calls once more.
//!
//! ```text
//! export KEYPLANE_URL=http://127.0.0.1:8080      # the control plane's management listener
//! export KEYPLANE_API_KEY=kp_admin_...           # an admin key
//! cargo run -p keyplane-sdk --example issue_and_use -- http://127.0.0.1:10000/   # any URL behind Envoy
//! ```
//!
//! Without a URL it leaves the calls out.

use keyplane_sdk::{ApiKey, Client, CreateAccount, CreateKey, CreateProject, Environment, ListKeys, Prefixes};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = std::env::args().nth(1);
    let client = Client::from_env()?;

    let account = client.accounts().create(&CreateAccount::new("Example account")).await?;
    let prefixes = Prefixes::new("ex_live", "ex_test");
    let project = client.projects().create(&CreateProject::new(account.id, "Example project", prefixes)).await?;
    println!("account {}, project {}", account.id, project.id);

    let request = CreateKey::new(project.id, Environment::Live, "first key").scope("files:read");
    let created = client.keys().create(&request).await?;
    // A real program hands the secret to whoever asked for the key, once. This one is its own user.
    let secret = created.secret.expect_prefix(&project.prefixes.live)?;
    println!("created  {secret}");
    call(service.as_deref(), &secret).await?;

    client.keys().rename(created.key.id, "renamed key").await?;
    let mut keys = client.keys().all(ListKeys::new().project(project.id));
    while let Some(key) = keys.next().await? {
        println!("listed   {} {:?} {}", key.key_prefix, key.status, key.name);
    }

    let revoked = client.keys().revoke(created.key.id).await?;
    println!("revoked  {} {:?}", revoked.key_prefix, revoked.status);
    call(service.as_deref(), &secret).await
}

async fn call(service: Option<&str>, key: &ApiKey) -> Result<(), Box<dyn Error>> {
    let Some(service) = service else { return Ok(()) };
    let answer = reqwest::Client::new().get(service).header("X-API-Key", key.expose()).send().await?;
    println!("called   {service}: {}", answer.status());
    Ok(())
}
