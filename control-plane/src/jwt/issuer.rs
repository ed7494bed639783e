//! One issuer at run time: its settings, its keys, and the readings of them.
//!
//! At most one reading runs at a time; whoever needs it waits for the same one. It is a task of its own, so that a caller who
//! hangs up does not end it for the others.

use super::cache::{Cache, Plan};
use super::error::JwtError;
use super::fetch::{self, Place};
use super::settings::{Algorithm, IssuerSettings};
use super::token::Unverified;
use crate::domain::time::Time;
use jsonwebtoken::DecodingKey;
use reqwest::Client;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// One configured issuer.
#[derive(Debug)]
pub struct Issuer {
    /// Its settings, valid.
    pub settings: IssuerSettings,
    secret: Option<DecodingKey>,
    remote: Option<Arc<Remote>>,
}

/// Keys that are read from the issuer.
#[derive(Debug)]
struct Remote {
    issuer: String,
    client: Client,
    place: Place,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cache: Cache,
    /// Closes when the reading that runs has ended, however it ended.
    running: Option<watch::Receiver<()>>,
}

impl Issuer {
    /// An issuer with an HS256 secret, or keys at a place, or both.
    pub fn new(settings: IssuerSettings, secret: Option<DecodingKey>, source: Option<(Client, Place)>) -> Self {
        let remote = source.map(|(client, place)| {
            let issuer = settings.issuer.clone();
            Arc::new(Remote { issuer, client, place, state: Mutex::default() })
        });
        Self { settings, secret, remote }
    }

    /// The key of a token.
    pub async fn key(&self, token: &Unverified, now: Time) -> Result<DecodingKey, JwtError> {
        if !self.settings.allows(token.algorithm) {
            return Err(JwtError::AlgorithmNotAllowed);
        }
        // The one fork between secret and public keys: neither side can see the other's.
        match (token.algorithm, &self.secret, &self.remote) {
            (Algorithm::Hs256, Some(secret), _) => Ok(secret.clone()),
            (Algorithm::Hs256, None, _) | (_, _, None) => Err(JwtError::AlgorithmNotAllowed),
            (_, _, Some(remote)) => remote.key(token, now).await,
        }
    }
}

impl Remote {
    async fn key(self: &Arc<Self>, token: &Unverified, now: Time) -> Result<DecodingKey, JwtError> {
        let plan = |state: &State| state.cache.plan(token.key_id.as_deref(), token.algorithm, now);
        let mut running = {
            let mut state = self.state();
            match plan(&state) {
                Plan::Use(key) => return Ok(key),
                Plan::UseAndRefresh(key) => {
                    self.join(&mut state, now);
                    return Ok(key);
                }
                // A reading that runs already may bring what is missing.
                Plan::Refuse(JwtError::KeysUnavailable | JwtError::UnknownKey) if state.is_running() => {}
                Plan::Refuse(error) => return Err(error),
                Plan::Refresh => {}
            }
            self.join(&mut state, now)
        };
        // The sender never sends, so this ends when it is dropped.
        while running.changed().await.is_ok() {}
        match plan(&self.state()) {
            Plan::Use(key) | Plan::UseAndRefresh(key) => Ok(key),
            Plan::Refuse(error) => Err(error),
            Plan::Refresh => Err(JwtError::KeysUnavailable),
        }
    }

    /// Joins the reading that runs, or begins one.
    fn join(self: &Arc<Self>, state: &mut State, now: Time) -> watch::Receiver<()> {
        if let Some(running) = state.running.as_ref().filter(|running| is_open(running)) {
            return running.clone();
        }
        let (sender, receiver) = watch::channel(());
        state.cache.begin(now);
        state.running = Some(receiver.clone());
        let remote = Arc::clone(self);
        tokio::spawn(async move {
            match fetch::fetch(&remote.client, &remote.place).await {
                Ok(fetched) => remote.state().cache.succeed(fetched.keys, fetched.max_age, now),
                Err(error) => tracing::warn!(issuer = %remote.issuer, %error, "the issuer's keys could not be read"),
            }
            drop(sender);
        });
        receiver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(is_open)
    }
}

fn is_open(running: &watch::Receiver<()>) -> bool {
    running.has_changed().is_ok()
}
