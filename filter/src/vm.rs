//! The contexts of one VM: root contexts (one for each plugin configuration), the requests that belong to them, and the feeds
//! that they decide by.
//!
//! A VM is single-threaded, and the host does not call in while a call of ours is under way, except for memory. So one cell holds all,
//! and if it were taken nevertheless, the request is refused.

use crate::abi::{self, Action};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::numbering;
use crate::numbers::Numbers;
use crate::requests::Requests;
use crate::root::{Decided, Root, read_settings};
use crate::whys::debug_token;
use keyplane_contract::code::Reason;
use keyplane_filter_engine::config::ControlPlane;
use keyplane_filter_engine::refusal::Answers;
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::table::Retired;
use std::cell::RefCell;
use std::rc::Rc;

/// What there is once in a VM, from its first configuration on.
struct Shared {
    /// The host keeps each definition for the VM's life, so they are made once, however often the configuration changes.
    metrics: Rc<Metrics>,
    /// Whether no request has come yet, and most likely none will.
    spare: bool,
}

#[derive(Default)]
struct Vm {
    shared: Option<Shared>,
    /// By number; a number is free again when no root uses its feed.
    feeds: Vec<Option<Feed>>,
    roots: Numbers<Root>,
    /// Tables of feeds that no root uses any more, on their way out.
    retired: Retired,
    requests: Requests,
    /// Whether there is a debug token; without one, answers are let go by at once.
    explains: bool,
}

thread_local! {
    static VM: RefCell<Vm> = RefCell::default();
}

/// Runs `with` on the VM's state; `None` when it is in use.
fn with_vm<T>(with: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| vm.try_borrow_mut().ok().map(|mut vm| with(&mut vm)))
}

impl Vm {
    /// A root context with its feed.
    fn root(&mut self, root: u32) -> Option<(&mut Root, &mut Feed)> {
        let root = self.roots.get_mut(&root)?;
        let feed = self.feeds.get_mut(root.feed())?.as_mut()?;
        Some((root, feed))
    }

    fn configure(&mut self, context: u32, configuration_size: usize) -> Result<(), String> {
        let debug = debug_token()?;
        self.explains = debug.is_some();
        let settings = Settings { debug, ..read_settings(configuration_size)? };
        let shared = self.shared.get_or_insert_with(|| Shared {
            metrics: Rc::new(Metrics::define()),
            spare: numbering::is_spare(numbering::draw()),
        });
        let (metrics, spare) = (Rc::clone(&shared.metrics), shared.spare);
        let feed = self.feed(&settings.control_plane, &metrics, spare)?;
        let configured = Root::new(context, settings, feed, metrics).map(|mut new| {
            // The same root context configured anew: what it held is decided by the new one as time goes.
            if let Some(old) = self.roots.remove(&context) {
                new.take_over(old);
            }
            self.roots.insert(context, new);
        });
        self.drop_unused_feeds();
        configured
    }

    /// The number of the feed from this control plane: the one that others use already, or a new one.
    fn feed(&mut self, from: &ControlPlane, metrics: &Rc<Metrics>, asleep: bool) -> Result<usize, String> {
        let is_from = |feed: &Option<Feed>| feed.as_ref().is_some_and(|feed| feed.is_from(from));
        if let Some(number) = self.feeds.iter().position(is_from) {
            return Ok(number);
        }
        let new = Feed::new(from.clone(), Rc::clone(metrics), asleep)?;
        let number = self.feeds.iter().position(Option::is_none).unwrap_or(self.feeds.len());
        match self.feeds.get_mut(number) {
            Some(free) => *free = Some(new),
            None => self.feeds.push(Some(new)),
        }
        Ok(number)
    }

    fn drop_unused_feeds(&mut self) {
        for (number, feed) in self.feeds.iter_mut().enumerate() {
            if !self.roots.values().any(|root| root.feed() == number)
                && let Some(unused) = feed.take()
            {
                self.retired.append(unused.into_retired());
            }
        }
    }

    fn request_headers(&mut self, context: u32, is_whole: bool) -> Option<Action> {
        let number = self.requests.take(context)?;
        if self.shared.as_ref().is_some_and(|shared| shared.spare) {
            self.wake(number);
        }
        let (root, feed) = self.root(number)?;
        let Decided { action, is_over } = root.request_headers(context, is_whole, feed);
        if !is_over {
            self.requests.keep(context, number);
        }
        Some(action)
    }

    /// The first request of a VM that no request was expected of: from now on it is like every other.
    fn wake(&mut self, root: u32) {
        if let Some(shared) = &mut self.shared {
            shared.spare = false;
        }
        self.feeds.iter_mut().flatten().for_each(Feed::wake);
        if let Some((_, feed)) = self.root(root) {
            feed.ask(root);
        }
    }

    fn call_answered(&mut self, context: u32, token: u32, header_count: usize, body_size: usize) {
        let has_answer = |feed: &mut Option<Feed>| {
            feed.as_mut().is_some_and(|feed| feed.call_answered(token, header_count, body_size))
        };
        let Some(number) = self.feeds.iter_mut().position(has_answer) else { return };
        let Some(feed) = self.feeds.get_mut(number).and_then(Option::as_mut) else { return };
        // Whatever it brought: a table, a key that somebody waits for, or that there is nothing to wait for.
        self.roots.values_mut().filter(|root| root.feed() == number).for_each(|root| root.release(feed));
        // The releases were about other contexts.
        if let Some(root) = self.roots.get_mut(&context)
            && abi::set_effective_context(context).is_ok()
        {
            feed.ask(context);
            root.adjust_tick(feed);
        }
    }

    fn context_deleted(&mut self, context: u32) {
        if let Some(root) = self.requests.take(context) {
            if let Some(root) = self.roots.get_mut(&root) {
                root.request_ended(context);
            }
        } else if self.roots.remove(&context).is_some() {
            self.root_gone(context);
        }
    }

    /// The host drops the calls that were made in this root. Another one's next tick makes them anew.
    fn root_gone(&mut self, gone: u32) {
        self.drop_unused_feeds();
        for (number, feed) in self.feeds.iter_mut().enumerate() {
            let Some(feed) = feed else { continue };
            feed.root_gone(gone);
            if let Some(root) = self.roots.values_mut().find(|root| root.feed() == number) {
                root.take_turn(feed);
            }
        }
    }
}

pub fn context_created(context: u32, parent: u32) {
    if parent != 0 {
        with_vm(|vm| vm.requests.begin(context, parent));
    }
}

pub fn configure(root: u32, configuration_size: usize) -> bool {
    let configured = with_vm(|vm| vm.configure(root, configuration_size));
    match configured.unwrap_or_else(|| Err("the host configures it within another call".to_owned())) {
        Ok(()) => {
            abi::log(abi::LogLevel::Info, concat!("keyplane: filter ", env!("CARGO_PKG_VERSION"), " configured"));
            true
        }
        Err(message) => {
            abi::log(abi::LogLevel::Error, &format!("keyplane: {message}"));
            false
        }
    }
}

pub fn tick(root: u32) {
    with_vm(|vm| {
        vm.retired.step();
        if let Some((root, feed)) = vm.root(root) {
            root.tick(feed);
        }
    });
}

pub fn request_headers(context: u32, is_whole: bool) -> Action {
    with_vm(|vm| vm.request_headers(context, is_whole))
        .flatten()
        // A request of no configuration that this VM knows: a fault denies.
        .unwrap_or_else(|| crate::request::refuse(Answers::default().of(Reason::Fault), Reason::Fault, None))
}

pub fn response_headers(context: u32) {
    with_vm(|vm| {
        if vm.explains
            && let Some(root) = vm.requests.kept(context)
            && let Some(root) = vm.roots.get_mut(&root)
        {
            root.response_headers(context);
        }
    });
}

pub fn call_answered(root: u32, token: u32, header_count: usize, body_size: usize) {
    with_vm(|vm| vm.call_answered(root, token, header_count, body_size));
}

pub fn context_deleted(context: u32) {
    with_vm(|vm| vm.context_deleted(context));
}
