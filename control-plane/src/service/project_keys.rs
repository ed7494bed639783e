//! How many keys projects have, as their account's plan counts them.

use super::App;
use crate::domain::audit::Origin;
use crate::domain::project::Project;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;
use std::collections::HashMap;

/// The most keys of a project that are counted: beyond it people are told "more than".
pub const MOST_COUNTED: u32 = 100_000;

/// For each of these projects, by its number, how many of its keys count towards the cap: those that are neither revoked, replaced nor
/// expired, up to [`MOST_COUNTED`] and one. Of what the caller may not see nothing is said.
pub async fn project_keys(app: &App, by: &Origin, projects: &[Project]) -> Result<HashMap<u32, u32>, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    let numbers = projects.iter().filter(|project| reach.covers(project.account)).map(|project| project.no).collect();
    Ok(app.store.counted_keys_of(numbers, app.now(), MOST_COUNTED + 1).await?)
}
