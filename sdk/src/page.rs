//! Lists: one page, and all of them one object after the other.

use crate::error::{AnswerError, AnswerErrorKind, Error};
use crate::transport::{Call, Transport};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The objects, newest first.
    pub data: Vec<T>,
    /// Where the next page begins; `None` on the last page. Opaque: only to be passed back with the same filters.
    pub next_cursor: Option<String>,
}

/// A list as a whole, read page by page as it is used.
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
#[must_use = "a pager reads nothing until `next` is called"]
pub struct Pager<T> {
    transport: Arc<Transport>,
    path: &'static [&'static str],
    query: Vec<(&'static str, String)>,
    cursor: Option<String>,
    read: VecDeque<T>,
    more: bool,
}

impl<T> Pager<T> {
    pub(crate) fn new(transport: Arc<Transport>, path: &'static [&'static str], range: Range) -> Self {
        let Range { filters: query, cursor } = range;
        Self { transport, path, query, cursor, read: VecDeque::new(), more: true }
    }
}

impl<T: DeserializeOwned> Pager<T> {
    /// The next object; `None` at the end. After an error it may be called again and goes on where it stood.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        loop {
            if let Some(object) = self.read.pop_front() {
                return Ok(Some(object));
            }
            if !self.more {
                return Ok(None);
            }
            let range = Range { filters: self.query.clone(), cursor: self.cursor.clone() };
            let page: Page<T> = one_page(&self.transport, self.path, range).await?;
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
        }
    }
}

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
pub(crate) async fn one_page<T: DeserializeOwned>(
    transport: &Transport,
    path: &[&str],
    range: Range,
) -> Result<Page<T>, Error> {
    let mut query = range.filters;
    query.extend(range.cursor.map(|cursor| ("cursor", cursor)));
    transport.send(Call::get(path, query)).await
}
