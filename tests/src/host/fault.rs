//! Faults that a test puts into the host: a hostcall that answers with a status instead of doing its work.
//!
//! A fault is counted from the moment it is armed, so "the third header read of this request" is one line in a test.

use std::collections::BTreeMap;

/// One hostcall that shall fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Import name, as `proxy_http_call` or `random_get`.
    pub call: String,
    /// Which call after arming, from 0; `None` for every one.
    pub nth: Option<usize>,
    /// What it returns: a `Status` as number, a WASI errno, or any other number.
    pub status: u32,
}

impl Fault {
    /// Every call of this name fails.
    pub fn always(call: &str, status: u32) -> Self {
        Self { call: call.to_owned(), nth: None, status }
    }

    /// Only the `nth` call of this name from now on fails, counted from 0.
    pub fn nth(call: &str, nth: usize, status: u32) -> Self {
        Self { call: call.to_owned(), nth: Some(nth), status }
    }
}

/// The armed faults of one VM and a record of all its hostcalls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<(Fault, usize)>,
    counts: BTreeMap<&'static str, usize>,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push((fault, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// Counts this call; the status it must return if a fault is due.
    pub(crate) fn strike(&mut self, call: &'static str) -> Option<u32> {
        *self.counts.entry(call).or_default() += 1;
        let mut due = None;
        for (fault, seen) in self.armed.iter_mut().filter(|(f, _)| f.call == call) {
            if fault.nth.is_none_or(|nth| nth == *seen) {
                due = due.or(Some(fault.status));
            }
            *seen += 1;
        }
        due
    }

    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, usize> {
        &self.counts
    }

    pub(crate) fn reset_counts(&mut self) {
        self.counts.clear();
    }
}
