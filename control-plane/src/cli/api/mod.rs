//! Commands for daily work. They go through the API, with the SDK, so they work from any machine and can do what the API
//! lets their credential do, and nothing else.

pub mod accounts;
pub mod admin_keys;
pub mod audit;
pub mod keys;
pub mod projects;
pub mod proxy_tokens;
mod receipt;
mod table;
mod time;
pub mod tokens;
pub mod usage;
pub mod users;

use super::Failure;
use keyplane_sdk::{ApiKey, Client, Error, Pager};
use serde::Serialize;
use std::future::Future;
use table::Table;

/// Where the API is, and how to show its answers.
#[derive(clap::Args, Debug)]
pub struct Remote {
    // There is no option for the credential: other users of the machine can read command lines.
    /// Address of the management API. The credential is taken from the variable `KEYPLANE_API_KEY`
    #[arg(long, global = true, env = "KEYPLANE_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    /// Print JSON for scripts, one object a line
    #[arg(long, global = true)]
    json: bool,
}

impl Remote {
    fn client(&self) -> Result<Client, Failure> {
        Ok(Client::builder().base_url(&self.url).env()?.build()?)
    }

    /// Runs `work` with a client, to its end.
    fn run<F: Future<Output = Result<(), Failure>>>(self, work: impl FnOnce(Client, Show) -> F) -> Result<(), Failure> {
        let client = self.client()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work(client, Show { json: self.json }))
    }
}

/// How answers are shown: a table for people, JSON for scripts.
#[derive(Clone, Copy)]
struct Show {
    json: bool,
}

/// What a table shows of an object.
trait Row: Serialize {
    const COLUMNS: &'static [&'static str];
    fn cells(&self) -> Vec<String>;

    /// What is beside it, where one object is shown in full.
    fn more(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

impl Show {
    fn one<T: Row>(self, object: &T) -> Result<(), Failure> {
        self.many(std::slice::from_ref(object))
    }

    /// The same with all that does not fit in a line.
    fn in_full<T: Row>(self, object: &T) -> Result<(), Failure> {
        self.one(object)?;
        let more = object.more();
        let width = more.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        if !self.json {
            println!();
            for (name, text) in more {
                println!("{name:<width$}  {text}");
            }
        }
        Ok(())
    }

    fn many<T: Row>(self, objects: &[T]) -> Result<(), Failure> {
        if self.json {
            for object in objects {
                println!("{}", serde_json::to_string(object)?);
            }
        } else {
            let mut table = Table::new(T::COLUMNS);
            for object in objects {
                table.push(object.cells());
            }
            print!("{table}");
            if objects.is_empty() {
                println!("None.");
            }
        }
        Ok(())
    }
}

impl Show {
    /// Shows what was just created, with its secret: the only output of the command line that carries one.
    fn created<T: Row>(self, object: &T, secret: &ApiKey) -> Result<(), Failure> {
        if self.json {
            let mut object = serde_json::to_value(object)?;
            object["key"] = secret.expose().into();
            println!("{object}");
        } else {
            self.one(object)?;
            println!("\n{}\n\nKeep it now: it is not shown again.", secret.expose());
        }
        Ok(())
    }
}

/// The first `limit` objects of a list.
async fn first<T: serde::de::DeserializeOwned + Send + 'static>(
    mut pager: Pager<T>,
    limit: usize,
) -> Result<Vec<T>, Error> {
    let mut objects = Vec::new();
    while objects.len() < limit {
        match pager.next().await? {
            Some(object) => objects.push(object),
            None => break,
        }
    }
    Ok(objects)
}

/// A time to the second, as people read it; `never` for none.
fn when(time: Option<jiff::Timestamp>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// The status of a credential that is valid until it is revoked.
fn valid_or_revoked(revoked_at: Option<jiff::Timestamp>) -> String {
    if revoked_at.is_some() { "revoked" } else { "valid" }.to_owned()
}
