//! Which plugin configuration a request belongs to, until that is no longer asked.
//!
//! The host says it once, when the request's context begins, and Envoy does so right before it hands over the headers. So nearly always the context that
//! began last is the one that is asked for: one comparison, and no map is touched. The map holds the few for which it is asked later: requests that wait or
//! are to be explained, and those of a host that lets other contexts begin in between.

use crate::numbers::Numbers;

/// Root contexts by request.
#[derive(Default)]
pub struct Requests {
    /// The request that began last, and its root context, until its headers come.
    newest: Option<(u32, u32)>,
    others: Numbers<u32>,
}

impl Requests {
    /// A request of this root context begins.
    pub fn begin(&mut self, context: u32, root: u32) {
        if let Some((older, root)) = self.newest.replace((context, root)) {
            self.others.insert(older, root);
        }
    }

    /// The root context of a request whose headers are here. It is not known afterwards, unless it is kept.
    pub fn take(&mut self, context: u32) -> Option<u32> {
        if let Some((_, root)) = self.newest.take_if(|(newest, _)| *newest == context) {
            return Some(root);
        }
        self.take_other(context)
    }

    /// It will be asked for again.
    pub fn keep(&mut self, context: u32, root: u32) {
        self.others.insert(context, root);
    }

    /// The root context of a request that was kept.
    pub fn kept(&self, context: u32) -> Option<u32> {
        if self.others.is_empty() { None } else { self.others.get(&context).copied() }
    }

    fn take_other(&mut self, context: u32) -> Option<u32> {
        if self.others.is_empty() { None } else { self.others.remove(&context) }
    }
}
