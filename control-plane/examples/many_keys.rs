//! Fills a database with many keys, for benchmarks: `many_keys DATA_DIR COUNT`.
//!
//! The folder has a database with projects already, and no server runs on it. Rows, audit entries and revisions are written
//! through the store, so they are as the API would have left them; only the transactions are larger. A quarter of the keys goes
//! to the first project, the rest over all others. The keys were made over the last year, and their secrets are thrown away.
//!
//! Prints the ids of [`SAMPLES`] keys, spread evenly over all.

use keyplane::domain::audit::{Action, Entry, Origin};
use keyplane::domain::cursor::PageRequest;
use keyplane::domain::id::KeyId;
use keyplane::domain::metadata::Metadata;
use keyplane::domain::name::Name;
use keyplane::domain::project::Project;
use keyplane::domain::random::SystemRandom;
use keyplane::domain::secret::Secret;
use keyplane::domain::time::{Clock as _, SystemClock, Time};
use keyplane::store::{DataDir, NewKeyRow, OwnerNo, Store};
use keyplane_contract::sync::Environment;
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// How many ids are printed.
const SAMPLES: u64 = 10_000;
/// Keys in a transaction.
const BATCH: u64 = 5_000;
const YEAR: Duration = Duration::from_hours(365 * 24);

/// A project and the number of its account.
struct Place {
    project: Project,
    account: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count] = arguments.as_slice() else { return Err("usage: many_keys DATA_DIR COUNT".into()) };
    let count: u64 = count.parse()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let store = DataDir::lock_existing(Path::new(folder))?.open().await?;
        let places = places(&store).await?;
        let now = SystemClock.now();
        for first in (0..count).step_by(usize::try_from(BATCH)?) {
            insert(&store, &places, now, first..count.min(first + BATCH), count).await?;
            if first.is_multiple_of(100_000) {
                eprintln!("{first} of {count} keys");
            }
        }
        store.close().await;
        Ok(())
    })
}

async fn places(store: &Store) -> Result<Vec<Place>, Box<dyn Error>> {
    let projects = store.projects(None, PageRequest { cursor: None, limit: 1_000 }).await?;
    let mut places = Vec::new();
    // Lists are newest first.
    for project in projects.into_iter().rev() {
        let account = store.account(project.account_id).await?.ok_or("a project without an account")?.no;
        places.push(Place { project, account });
    }
    if places.is_empty() {
        return Err("the database has no project".into());
    }
    Ok(places)
}

async fn insert(
    store: &Store,
    places: &[Place],
    now: Time,
    numbers: std::ops::Range<u64>,
    count: u64,
) -> Result<(), Box<dyn Error>> {
    let mut tx = store.write().await?;
    for number in numbers {
        let age = YEAR / u32::try_from(count)? * u32::try_from(count - number)?;
        let created_at = now.before(age);
        let id = KeyId::generate(created_at, &SystemRandom)?;
        let place = &places[place(number, places.len())];
        let environment = if number.is_multiple_of(10) { Environment::Test } else { Environment::Live };
        let secret = Secret::generate(place.project.prefixes.of(environment), &SystemRandom)?;
        let row = NewKeyRow {
            id,
            digest: secret.digest(),
            mask: secret.mask(),
            account: place.account,
            owner: OwnerNo::Project(place.project.no),
            environment,
            name: Name::parse(&format!("key {number}"))?,
            policy: None,
            created_at,
            expires_at: None,
            metadata: Metadata::default(),
        };
        tx.insert_key(&row).await?;
        let detail = json!({
            "name": row.name,
            "key_prefix": row.mask,
            "project_id": place.project.id,
            "environment": environment.name(),
            "scopes": [],
            "expires_at": null,
        });
        let entry = Entry {
            at: created_at,
            origin: Origin::SYSTEM,
            action: Action::CreateKey,
            object: Some(id.0),
            account: Some(place.account),
            detail,
        };
        tx.append_audit(&entry).await?;
        if number.is_multiple_of(count.div_ceil(SAMPLES)) {
            println!("{id}");
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Every fourth key goes to the first project, the others go round, out of step with all that goes by the number.
fn place(number: u64, places: usize) -> usize {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let places = places as u64;
    let place = if spread.is_multiple_of(4) || places == 1 { 0 } else { 1 + (spread / 4) % (places - 1) };
    usize::try_from(place).unwrap_or_default()
}
