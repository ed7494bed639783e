//! Does a thing once, however often it is asked for: what carries an `Idempotency-Key` that was seen before is not done again, but
//! answered as the first time.
//!
//! Only successes are kept. A refused request changed nothing, so it may be corrected and sent with the same key.

use super::App;
use super::pending::Pending;
use crate::domain::idempotency::{Attempt, OpenError, SealedAnswer};
use crate::error::{Code, Error};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// An answer.
pub struct Once<A> {
    /// What is answered.
    pub answer: A,
    /// Whether this was done before, and only answered again.
    pub replayed: bool,
}

/// Does `work`, unless `attempt` was done before: then the first answer, or a refusal when it was another request.
///
/// Of several that come at once one is done. The others find its answer when their own work turns out not to be needed any more: because
/// the answer is there, or because the work was refused (the name is taken now, the cap reached).
pub async fn once<A: Serialize + DeserializeOwned>(
    app: &App,
    attempt: Option<&Attempt>,
    work: impl Future<Output = Result<Pending<A>, Error>>,
) -> Result<Once<A>, Error> {
    let Some(attempt) = attempt else {
        return Ok(Once { answer: work.await?.commit().await?, replayed: false });
    };
    let since = app.now().before(app.idempotency_retention);
    if let Some(found) = app.store.remembered(attempt.id(), since).await? {
        return replay(attempt, found);
    }
    let refusal = match work.await {
        Ok(pending) => match keep(app, attempt, pending).await? {
            Some(answer) => return Ok(Once { answer, replayed: false }),
            None => Error::new(Code::Unavailable),
        },
        Err(fault) if fault.code.status() >= 500 => return Err(fault),
        Err(refusal) => refusal,
    };
    let mut tx = app.store.write().await?;
    let found = tx.remembered(attempt.id(), since).await?;
    // What was found may be of a neighbour whose commit is still to come.
    tx.commit().await?;
    found.map_or(Err(refusal), |found| replay(attempt, found))
}

/// Commits the change together with its answer. `None`: another was quicker, and nothing was changed.
async fn keep<A: Serialize>(app: &App, attempt: &Attempt, pending: Pending<A>) -> Result<Option<A>, Error> {
    let (answer, mut tx) = pending.into_parts();
    let text = Zeroizing::new(serde_json::to_vec(&answer).map_err(Error::internal)?);
    let sealed = attempt.seal(&text, &*app.random).map_err(Error::internal)?;
    let now = app.now();
    if !tx.remember(&sealed, now, now.before(app.idempotency_retention)).await? {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(answer))
}

fn replay<A: DeserializeOwned>(attempt: &Attempt, found: SealedAnswer) -> Result<Once<A>, Error> {
    let text = attempt.open(found).map_err(|error| match error {
        OpenError::OtherRequest => Error::new(Code::IdempotencyKeyReused),
        OpenError::Damaged => Error::internal(error),
    })?;
    // The parser's own words may repeat what it reads.
    let answer = serde_json::from_slice(&text).map_err(|_| Error::internal("a remembered answer cannot be read"))?;
    Ok(Once { answer, replayed: true })
}
