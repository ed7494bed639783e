//! What an operation has made and not committed yet.
//!
//! The answer to a request with an `Idempotency-Key` is kept in the transaction of the change, so that no end of the process comes
//! between the two. Operations that make something therefore leave the commit to who called them.

use crate::error::Error;
use crate::store::WriteTx;

/// Something made in a transaction that is still open. Dropped, it leaves no trace. Await nothing while holding it.
#[must_use = "nothing is made until it is committed"]
pub struct Pending<T> {
    value: T,
    tx: WriteTx,
}

impl<T> Pending<T> {
    pub(super) fn new(value: T, tx: WriteTx) -> Self {
        Self { value, tx }
    }

    /// The same transaction with what `change` makes of the value.
    pub fn try_map<U>(self, change: impl FnOnce(T) -> Result<U, Error>) -> Result<Pending<U>, Error> {
        Ok(Pending { value: change(self.value)?, tx: self.tx })
    }

    /// Commits; gives the value when it is on the disk.
    pub async fn commit(self) -> Result<T, Error> {
        self.tx.commit().await?;
        Ok(self.value)
    }

    pub(super) fn into_parts(self) -> (T, WriteTx) {
        (self.value, self.tx)
    }
}
