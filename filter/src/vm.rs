//! The contexts of one VM: root contexts (one for each plugin configuration) and the requests that belong to them.
//!
//! A VM is single-threaded, and the host does not call in while a call of ours is under way, except for memory. So one cell holds all,
//! and if it were taken nevertheless, the request is refused.

use crate::abi::{self, Action};
use crate::root::Root;
use keyplane_contract::code::Reason;
use keyplane_filter_engine::answers::OwnAnswers;
use keyplane_filter_engine::refusal::Answers;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads context numbers, which the host gives out one after the other; nobody outside can choose them.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

type Numbers<T> = HashMap<u32, T, BuildHasherDefault<NumberHasher>>;

#[derive(Default)]
struct Vm {
    roots: Numbers<Root>,
    /// Root context of each request.
    requests: Numbers<u32>,
}

thread_local! {
    static VM: RefCell<Vm> = RefCell::default();
}

/// Runs `with` on the VM's state; `None` when it is in use.
fn with_vm<T>(with: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| vm.try_borrow_mut().ok().map(|mut vm| with(&mut vm)))
}

pub fn context_created(context: u32, parent: u32) {
    if parent != 0 {
        with_vm(|vm| vm.requests.insert(context, parent));
    }
}

pub fn configure(root: u32, configuration_size: usize) -> bool {
    match Root::configure(root, configuration_size) {
        Ok(new) => with_vm(|vm| {
            // The same root context configured anew: what it held is decided by the new one as time goes.
            if let Some(old) = vm.roots.insert(root, new)
                && let Some(new) = vm.roots.get_mut(&root)
            {
                new.take_over(old);
            }
        })
        .is_some(),
        Err(message) => {
            abi::log(abi::LogLevel::Error, &format!("keyplane: {message}"));
            false
        }
    }
}

pub fn tick(root: u32) {
    with_vm(|vm| {
        if let Some(root) = vm.roots.get_mut(&root) {
            root.tick();
        }
    });
}

pub fn request_headers(context: u32) -> Action {
    with_vm(|vm| {
        let root = vm.requests.get(&context).copied();
        let root = root.and_then(|root| vm.roots.get_mut(&root))?;
        Some(root.request_headers(context))
    })
    .flatten()
    // A request of no configuration that this VM knows: a fault denies.
    .unwrap_or_else(|| crate::request::refuse(&Answers::new(&OwnAnswers::default()), Reason::Fault))
}

pub fn call_answered(root: u32, token: u32, header_count: usize, body_size: usize) {
    with_vm(|vm| {
        if let Some(root) = vm.roots.get_mut(&root) {
            root.call_answered(token, header_count, body_size);
        }
    });
}

pub fn context_deleted(context: u32) {
    with_vm(|vm| {
        if let Some(root) = vm.requests.remove(&context) {
            if let Some(root) = vm.roots.get_mut(&root) {
                root.request_ended(context);
            }
        } else {
            vm.roots.remove(&context);
        }
    });
}
