//! Finds keys for people who look for one: by words, by state, in an order of their choice, a page at a number.
//!
//! Apart from the lists of the API, whose pages cost the same at any depth. Here a page may be anywhere and an order may have no
//! index, so the cost grows with the keys of the account; the newest first, which is what people see when they come, walks an index.

use super::keys::{select, stored_key};
use super::row::number;
use super::{KeyFilter, Store, StoreError, StoredKey};
use crate::domain::attention::{ENDING, UNUSED};
use crate::domain::time::Time;
use keyplane_contract::sync::KeyState;
use sqlx::{QueryBuilder, Sqlite};

/// Which states of keys are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StatusFilter {
    /// All.
    #[default]
    Any,
    /// Those that are not revoked.
    Unrevoked,
    /// Those that work.
    Active,
    /// Those that are switched off.
    Disabled,
    /// Those past their end.
    Expired,
    /// Those that are revoked.
    Revoked,
    /// Those that work, are not being replaced, and were not used for [`UNUSED`].
    Unused,
    /// Those that work, are not being replaced, and end within [`ENDING`].
    Ending,
    /// Those that work on while another takes their place.
    Replaced,
}

/// In which order keys come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By name, without regard to case.
    Name,
    /// By name, backwards.
    NameDescending,
    /// Used last first; those that were never used at the end.
    LastUsed,
    /// Not used for longest first; those that were never used at the beginning.
    Unused,
    /// Ending first; those without an end at the end.
    Expiry,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct KeySearch {
    /// Of which account, project and environment.
    pub filter: KeyFilter,
    /// In which states.
    pub status: StatusFilter,
    /// Words: each must be in the name, in the mask or in a scope, without regard to the case of a-z.
    pub words: Vec<String>,
    /// The order.
    pub order: KeyOrder,
    /// How many rows come before the page.
    pub offset: u32,
    /// How many rows the page has.
    pub limit: u32,
}

impl Store {
    /// A page of what is looked for.
    pub async fn search_keys(&self, search: &KeySearch, now: Time) -> Result<Vec<StoredKey>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(select!("WHERE k.no IN (SELECT k.no FROM keys k WHERE "));
        conditions(&mut query, search, now);
        query.push(order(search.order));
        query.push(" LIMIT ").push_bind(i64::from(search.limit));
        query.push(" OFFSET ").push_bind(i64::from(search.offset)).push(")");
        query.push(order(search.order));
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(stored_key).collect()
    }

    /// How many keys are found, counted up to `most`.
    pub async fn count_found_keys(&self, search: &KeySearch, now: Time, most: u32) -> Result<u32, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT count(*) AS found FROM (SELECT 1 FROM keys k WHERE ");
        conditions(&mut query, search, now);
        query.push(" LIMIT ").push_bind(i64::from(most)).push(")");
        number(&query.build().fetch_one(&self.readers).await?, "found")
    }
}

fn conditions(query: &mut QueryBuilder<Sqlite>, search: &KeySearch, now: Time) {
    query.push("k.project IS NOT NULL");
    if let Some(account) = search.filter.account {
        query.push(" AND k.account = ").push_bind(i64::from(account));
    }
    if let Some(project) = search.filter.project {
        query.push(" AND k.project = ").push_bind(i64::from(project));
    }
    if let Some(environment) = search.filter.environment {
        query.push(" AND +k.environment = ").push_bind(environment as i64);
    }
    let state = |query: &mut QueryBuilder<Sqlite>, state: KeyState| {
        query.push(" AND k.state = ").push_bind(state as i64);
        query.push(" AND (k.expires_at IS NULL OR k.expires_at > ").push_bind(now.millis()).push(")");
    };
    match search.status {
        StatusFilter::Any => {}
        StatusFilter::Unrevoked => {
            query.push(" AND k.state <> ").push_bind(KeyState::Revoked as i64);
        }
        StatusFilter::Active => state(query, KeyState::Active),
        StatusFilter::Disabled => state(query, KeyState::Disabled),
        StatusFilter::Expired => {
            query.push(" AND k.state <> ").push_bind(KeyState::Revoked as i64);
            query.push(" AND k.expires_at <= ").push_bind(now.millis());
        }
        StatusFilter::Revoked => {
            query.push(" AND k.state = ").push_bind(KeyState::Revoked as i64);
        }
        StatusFilter::Unused => {
            state(query, KeyState::Active);
            query.push(" AND k.replaced_by IS NULL AND coalesce(k.last_used_at, k.created_at) <= ");
            query.push_bind(now.before(UNUSED).millis());
        }
        StatusFilter::Ending => {
            state(query, KeyState::Active);
            query.push(" AND k.replaced_by IS NULL AND k.expires_at <= ").push_bind(now.after(ENDING).millis());
        }
        StatusFilter::Replaced => {
            state(query, KeyState::Active);
            query.push(" AND k.replaced_by IS NOT NULL");
        }
    }
    for word in &search.words {
        let pattern = format!("%{}%", escaped(word));
        query.push(" AND (k.name LIKE ").push_bind(pattern.clone()).push(" ESCAPE '\\' OR k.mask LIKE ");
        query
            .push_bind(pattern.clone())
            .push(" ESCAPE '\\' OR EXISTS (SELECT 1 FROM policies o WHERE o.no = k.policy AND o.scopes LIKE ");
        query.push_bind(pattern).push(" ESCAPE '\\'))");
    }
}

/// The word as itself in a pattern.
fn escaped(word: &str) -> String {
    word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

const fn order(order: KeyOrder) -> &'static str {
    match order {
        KeyOrder::Newest => " ORDER BY k.id DESC",
        KeyOrder::Oldest => " ORDER BY k.id",
        KeyOrder::Name => " ORDER BY k.name COLLATE NOCASE, k.id DESC",
        KeyOrder::NameDescending => " ORDER BY k.name COLLATE NOCASE DESC, k.id DESC",
        KeyOrder::LastUsed => " ORDER BY k.last_used_at DESC NULLS LAST, k.id DESC",
        KeyOrder::Unused => " ORDER BY k.last_used_at NULLS FIRST, k.id DESC",
        KeyOrder::Expiry => " ORDER BY k.expires_at NULLS LAST, k.id DESC",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_itself_in_a_pattern() {
        assert_eq!(escaped(r"50%_\x"), r"50\%\_\\x");
    }
}
