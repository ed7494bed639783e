//! What about an account's keys deserves a look: counts of all, and a few of each kind by name.

use super::App;
use crate::domain::attention::is_near;
use crate::domain::audit::Origin;
use crate::domain::id::{AccountId, ProjectId};
use crate::domain::key::Key;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;
use crate::store::{KeyFilter, KeyOrder, KeySearch, KeyTally, StatusFilter};

/// How many keys of a kind are named.
pub const NAMED: u32 = 5;

/// Keys of a kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kind {
    /// How many there are.
    pub count: u32,
    /// The first [`NAMED`] of them.
    pub first: Vec<Key>,
}

/// A project that has used most of what its plan allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NearCap {
    /// The project.
    pub project: ProjectId,
    /// Its name.
    pub name: Name,
    /// Keys that count.
    pub keys: u32,
    /// How many it may have.
    pub most: u32,
}

/// What deserves a look.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attention {
    /// Keys that work.
    pub working: u32,
    /// Keys that were not used for long, the least used first.
    pub unused: Kind,
    /// Of those: never used.
    pub never_used: u32,
    /// Of those: not used for very long.
    pub long_unused: u32,
    /// Keys that end before long, the next first.
    pub ending: Kind,
    /// Of those: very soon.
    pub ending_soon: u32,
    /// Keys that work on while another takes their place, the next to end first.
    pub replaced: Kind,
    /// Projects near their cap.
    pub near_cap: Vec<NearCap>,
}

/// Looks at the keys of an account.
pub async fn attention(app: &App, by: &Origin, account: AccountId) -> Result<Attention, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    let found = app.store.account(account).await?.filter(|account| reach.covers(account.no));
    let account = found.ok_or_else(|| Error::not_found("account"))?;
    let now = app.now();
    let tallies = app.store.key_tallies(account.no, now).await?;
    let sum = |of: fn(&KeyTally) -> u32| tallies.iter().map(of).fold(0, u32::saturating_add);
    let some = async |count: u32, status: StatusFilter, order: KeyOrder| -> Result<Kind, Error> {
        if count == 0 {
            return Ok(Kind::default());
        }
        let filter = KeyFilter { account: Some(account.no), ..KeyFilter::default() };
        let search = KeySearch { filter, status, order, limit: NAMED, ..KeySearch::default() };
        let found = app.store.search_keys(&search, now).await?;
        Ok(Kind { count, first: found.into_iter().map(|stored| stored.key).collect() })
    };
    let cap = app.plans.cap(&account.plan);
    let near = tallies.iter().filter(|tally| is_near(cap, u64::from(tally.counted)));
    let near_cap = near.filter_map(|tally| {
        let most = cap.number()?;
        Some(NearCap { project: tally.project, name: tally.name.clone(), keys: tally.counted, most })
    });
    Ok(Attention {
        working: sum(|tally| tally.working),
        unused: some(sum(|tally| tally.unused), StatusFilter::Unused, KeyOrder::Unused).await?,
        never_used: sum(|tally| tally.never_used),
        long_unused: sum(|tally| tally.long_unused),
        ending: some(sum(|tally| tally.ending), StatusFilter::Ending, KeyOrder::Expiry).await?,
        ending_soon: sum(|tally| tally.ending_soon),
        replaced: some(sum(|tally| tally.replaced), StatusFilter::Replaced, KeyOrder::Expiry).await?,
        near_cap: near_cap.collect(),
    })
}
