//! What time brings: proxies are told other metadata of keys where the operator chose so, rotated keys that nobody uses any more are revoked, revoked keys leave the feed after a while and their tombstones after another, policies that no key needs, usage and remembered answers
//! older than their retention, workers that went away and sessions past their end are forgotten.
//!
//! The feed would otherwise carry each key that ever was. Until a revoked key leaves it, proxies can tell "revoked" from
//! "unknown" in their metrics; callers see no difference.

use super::last_uses::write_last_uses;
use super::tell_proxies::follow_proxy_metadata;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::key::RevokeReason;
use crate::error::Error;
use serde_json::json;
use std::time::Duration;

/// How many keys change in one transaction: the writer is free again in between.
const BATCH: u32 = 500;

/// How many policies are forgotten in one transaction.
const POLICY_BATCH: u32 = 500;

/// How many rows of usage are forgotten in one transaction: a few milliseconds of the writer's time.
const USAGE_BATCH: u32 = 2_000;

/// How many answers are forgotten in one transaction. They are larger.
const ANSWER_BATCH: u32 = 500;

/// How many sessions are forgotten in one transaction.
const SESSION_BATCH: u32 = 500;

/// How long the sequence of a silent worker is remembered.
const WORKER_MEMORY: Duration = Duration::from_hours(30 * 24);

/// How long the feed keeps the tombstone of a key that left it. A proxy that was away for longer loads its table anew.
pub const TOMBSTONES_KEPT: Duration = Duration::from_hours(7 * 24);

/// How many tombstones are looked at in one transaction.
const TOMBSTONE_BATCH: u32 = 2_000;

/// Why a key was revoked that nobody used any more, as the API tells it.
const IDLE: &str = "idle";

/// What a sweep has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Keys of which proxies are told other metadata than before.
    pub told_anew: usize,
    /// Rotated keys that were revoked because nobody uses them any more.
    pub revoked: usize,
    /// Revoked keys that left the feed.
    pub left_feed: usize,
    /// Tombstones that left the feed.
    pub tombstones: u64,
    /// Policies that no key referred to any more.
    pub policies: u64,
    /// Rows of usage that were past their retention.
    pub usage_rows: u64,
    /// Answers to requests with an `Idempotency-Key` that were past their retention.
    pub answers: u64,
}

/// Sweeps once.
pub async fn sweep(app: &App) -> Result<Swept, Error> {
    let full = usize::try_from(BATCH).unwrap_or(usize::MAX);
    let mut swept = Swept::default();
    // First: a key that is used here is not idle.
    write_last_uses(app).await?;
    loop {
        let revoked = revoke_idle_keys(app).await?;
        swept.revoked += revoked;
        if revoked < full || *app.stopping.borrow() {
            break;
        }
    }
    loop {
        let left = retire_keys(app).await?;
        swept.left_feed += left;
        if left < full || *app.stopping.borrow() {
            break;
        }
    }
    swept.tombstones = forget_tombstones(app).await?;
    swept.told_anew = follow_proxy_metadata(app).await?;
    swept.policies = forget_policies(app).await?;
    swept.usage_rows = forget_usage(app).await?;
    swept.answers = forget_answers(app).await?;
    let mut tx = app.store.write().await?;
    tx.forget_workers(app.now().before(WORKER_MEMORY)).await?;
    tx.commit().await?;
    forget_sessions(app).await?;
    app.pages.tidy(*app.store.head().borrow());
    Ok(swept)
}

/// Revokes rotated keys that no proxy has seen for as long as they may be idle. The time counts from the rotation, from the last report of a
/// use, or from the start of this process, whichever was last: while it was down nobody could report.
async fn revoke_idle_keys(app: &App) -> Result<usize, Error> {
    let now = app.now();
    if !app.store.has_idle_keys(app.started_at, now).await? {
        return Ok(0);
    }
    let mut tx = app.store.write().await?;
    let idle = tx.idle_keys(app.started_at, now, BATCH).await?;
    let reason = RevokeReason::parse(IDLE).map_err(Error::internal)?;
    for stored in &idle {
        let key = &stored.key;
        let state = key.state.revoke(now).map_err(Error::internal)?;
        tx.update_key_state(stored.no, key.state, state).await?;
        tx.set_revoke_reason(stored.no, &reason).await?;
        let detail = json!({
            "name": key.name,
            "key_prefix": key.mask,
            "reason": IDLE,
            "retire_when_idle_seconds": key.idle_limit.map(|limit| limit.as_secs()),
        });
        let entry = audit(now, &Origin::SYSTEM, Action::RevokeKey, key.id.0, Some(stored.account), detail);
        tx.append_audit(&entry).await?;
    }
    tx.commit().await?;
    Ok(idle.len())
}

async fn retire_keys(app: &App) -> Result<usize, Error> {
    let now = app.now();
    let mut tx = app.store.write().await?;
    let due = tx.keys_revoked_until(now.before(app.revoked_retention), BATCH).await?;
    for stored in &due {
        let key = &stored.key;
        let state = key.state.retire(now, app.revoked_retention).map_err(Error::internal)?;
        tx.update_key_state(stored.no, key.state, state).await?;
        let entry = audit(now, &Origin::SYSTEM, Action::RetireKey, key.id.0, Some(stored.account), json!({}));
        tx.append_audit(&entry).await?;
    }
    tx.commit().await?;
    Ok(due.len())
}

/// Takes old tombstones out of the feed, in small steps. Their keys stay in the lists.
async fn forget_tombstones(app: &App) -> Result<u64, Error> {
    let until = app.now().before(TOMBSTONES_KEPT);
    let mut forgotten = 0;
    loop {
        let mut tx = app.store.write().await?;
        let tombstones = tx.forget_tombstones(until, TOMBSTONE_BATCH).await?;
        tx.commit().await?;
        forgotten += tombstones;
        if tombstones < u64::from(TOMBSTONE_BATCH) || *app.stopping.borrow() {
            return Ok(forgotten);
        }
    }
}

/// Forgets policies that no key refers to, in small steps: their metadata, too, is told no longer than it is needed.
async fn forget_policies(app: &App) -> Result<u64, Error> {
    let mut forgotten = 0;
    while app.store.has_unused_policies().await? && !*app.stopping.borrow() {
        let mut tx = app.store.write().await?;
        forgotten += tx.forget_policies(POLICY_BATCH).await?;
        tx.commit().await?;
    }
    Ok(forgotten)
}

/// Forgets usage past its retention, in small steps.
async fn forget_usage(app: &App) -> Result<u64, Error> {
    let now = app.now();
    let mut forgotten = 0;
    loop {
        let mut tx = app.store.write().await?;
        let hours = tx.forget_hours(now.before(app.usage_hourly_retention), USAGE_BATCH).await?;
        let days = tx.forget_days(now.before(app.usage_retention), USAGE_BATCH).await?;
        tx.commit().await?;
        forgotten += hours + days;
        if hours.max(days) < u64::from(USAGE_BATCH) || *app.stopping.borrow() {
            return Ok(forgotten);
        }
    }
}

/// Forgets answers past their retention, in small steps.
async fn forget_answers(app: &App) -> Result<u64, Error> {
    let until = app.now().before(app.idempotency_retention);
    let mut forgotten = 0;
    loop {
        let mut tx = app.store.write().await?;
        let answers = tx.forget_answers(until, ANSWER_BATCH).await?;
        tx.commit().await?;
        forgotten += answers;
        if answers < u64::from(ANSWER_BATCH) || *app.stopping.borrow() {
            return Ok(forgotten);
        }
    }
}

/// Forgets sessions past their end, in small steps.
async fn forget_sessions(app: &App) -> Result<(), Error> {
    let (now, limits) = (app.now(), app.dashboard.sessions);
    loop {
        let mut tx = app.store.write().await?;
        let forgotten = tx.forget_sessions(now.before(limits.idle), now.before(limits.total), SESSION_BATCH).await?;
        tx.commit().await?;
        if forgotten < u64::from(SESSION_BATCH) || *app.stopping.borrow() {
            return Ok(());
        }
    }
}
