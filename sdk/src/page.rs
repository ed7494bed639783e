//! Lists: one page, and all of them one object after the other.

use crate::error::{AnswerError, AnswerErrorKind, Error};
use crate::transport::{Call, Transport};
use futures_core::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The objects, newest first.
    pub data: Vec<T>,
    /// Where the next page begins; `None` on the last page. Opaque: only to be passed back with the same filters.
    pub next_cursor: Option<String>,
}

/// A page that is under way.
type Pending<T> = Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>>;

/// A list as a whole, read page by page as it is used: a [`Stream`] of results, with a [`next`](Self::next) of its own for
/// who needs no more of streams than that.
///
/// ```no_run
/// # async fn run(client: keyplane_sdk::Client) -> Result<(), keyplane_sdk::Error> {
/// use keyplane_sdk::ListKeys;
///
/// let mut keys = client.keys().all(ListKeys::new());
/// while let Some(key) = keys.next().await? {
///     println!("{} {}", key.key_prefix, key.name);
/// }
/// # Ok(())
/// # }
/// ```
///
/// With the adapters of a stream library, such as `futures_util`:
///
/// ```no_run
/// # async fn run(client: keyplane_sdk::Client) -> Result<(), keyplane_sdk::Error> {
/// use futures_util::TryStreamExt as _;
/// use keyplane_sdk::{KeyStatus, ListKeys};
///
/// let keys = client.keys().all(ListKeys::new());
/// let revoked: Vec<_> = keys.try_filter(|key| std::future::ready(key.status == KeyStatus::Revoked)).try_collect().await?;
/// println!("{} are revoked", revoked.len());
/// # Ok(())
/// # }
/// ```
///
/// As a stream it ends after its first error, so that no adapter goes round for ever.
#[must_use = "a pager reads nothing until it is asked for the next object"]
pub struct Pager<T> {
    transport: Arc<Transport>,
    path: &'static [&'static str],
    query: Vec<(&'static str, String)>,
    cursor: Option<String>,
    read: VecDeque<T>,
    more: bool,
    /// Kept here and not in the future of `next`, so that a `next` that is dropped loses nothing.
    pending: Option<Pending<T>>,
    failed: bool,
}

impl<T> Pager<T> {
    pub(crate) fn new(transport: Arc<Transport>, path: &'static [&'static str], range: Range) -> Self {
        let Range { filters: query, cursor } = range;
        Self { transport, path, query, cursor, read: VecDeque::new(), more: true, pending: None, failed: false }
    }

    fn take(&mut self, page: Page<T>) -> Result<(), Error> {
        if page.next_cursor.is_some() && page.next_cursor == self.cursor {
            return Err(Error::Answer(Box::new(AnswerError {
                status: 200,
                request_id: None,
                kind: AnswerErrorKind::CursorStandsStill,
                took_effect: false,
            })));
        }
        self.more = page.next_cursor.is_some();
        self.cursor = page.next_cursor;
        self.read = page.data.into();
        Ok(())
    }
}

impl<T: DeserializeOwned + Send + 'static> Pager<T> {
    /// The next object; `None` at the end. After an error it may be called again and goes on where it stood. Dropping the
    /// future before it is done loses nothing.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        self.failed = false;
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<T>, Error>> {
        loop {
            if let Some(object) = self.read.pop_front() {
                return Poll::Ready(Ok(Some(object)));
            }
            let pending = match &mut self.pending {
                Some(pending) => pending,
                None if !self.more => return Poll::Ready(Ok(None)),
                none => {
                    let range = Range { filters: self.query.clone(), cursor: self.cursor.clone() };
                    let (transport, path) = (Arc::clone(&self.transport), self.path);
                    none.insert(Box::pin(async move { one_page(&transport, path, range).await }))
                }
            };
            let page = ready!(pending.as_mut().poll(context));
            self.pending = None;
            self.take(page?)?;
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for Pager<T> {
    type Item = Result<T, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(None);
        }
        let next = ready!(this.poll(context));
        this.failed = next.is_err();
        Poll::Ready(next.transpose())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.read.len(), (!self.more).then_some(self.read.len()))
    }
}

/// No object is ever pinned in place.
impl<T> Unpin for Pager<T> {}

impl<T> fmt::Debug for Pager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pager").field("path", &self.path).field("more", &self.more).finish_non_exhaustive()
    }
}

/// Which part of a list is asked for.
pub(crate) struct Range {
    /// Filters and page size, as they stand in the query.
    pub filters: Vec<(&'static str, String)>,
    /// Where to begin.
    pub cursor: Option<String>,
}

/// Asks for one page.
pub(crate) async fn one_page<P: DeserializeOwned>(
    transport: &Transport,
    path: &[&str],
    range: Range,
) -> Result<P, Error> {
    let cursor = range.cursor.map(|cursor| ("cursor", cursor));
    transport.send(Call::get(path).query(range.filters).query(cursor)).await
}
