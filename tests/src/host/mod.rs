//! A small, faithful proxy-wasm host (ABI 0.2.1) on wasmtime. It runs the real filter with all state under the test's
//! control: clock, environment, random bytes, headers, properties, callouts, metrics, logs, faults.
//!
//! It follows Envoy 1.40 (`source/extensions/common/wasm/context.cc` and the proxy-wasm C++ host) in what a filter can
//! notice: which map is readable when, what a missing thing answers, what duplicates do, that answers and continuations
//! act only after the callback returns, and that a context that is gone cannot be made effective. One guest that makes
//! these calls was run in a real Envoy 1.40 and in this host, and both answered alike.
//!
//! ```text
//! let host = Host::new(&Module::filter()?);          // one Envoy process
//! host.add_cluster("keyplane");
//! let mut vm = host.start_vm()?;                     // one worker
//! let root = vm.create_root(Plugin::new(config))?;   // on_context_create, on_vm_start
//! assert!(vm.configure(root)?);                      // on_configure
//! let stream = vm.stream(root, &[(":path", "/")])?;  // on_context_create
//! let action = vm.request_headers(stream, true)?;    // on_request_headers
//! ```

mod context;
mod error;
mod fault;
mod headers;
mod hostcalls;
mod module;
mod pairs;
mod status;
mod vm;
mod wasi;
mod world;

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

pub use context::{Action, Answer, Callout, ContextId, LocalResponse, Plugin, Stream, Verdict};
pub use error::HostError;
pub use fault::Fault;
pub use headers::{Header, HeaderMap};
pub use module::Module;
pub use status::{LogLevel, Status};
pub use vm::Vm;
pub use world::{LogLine, Metric};

use world::World;

/// One proxy process: what its VMs share, and the module they run.
#[derive(Clone)]
pub struct Host {
    module: Module,
    world: Rc<RefCell<World>>,
    started: Rc<RefCell<usize>>,
}

impl Host {
    /// A process that runs this module; no VM yet.
    pub fn new(module: &Module) -> Self {
        Self { module: module.clone(), world: Rc::new(RefCell::new(World::new())), started: Rc::new(RefCell::new(0)) }
    }

    /// Starts a VM (Envoy: one per worker, one for the main thread, one canary) and runs its initializer.
    pub fn start_vm(&self) -> Result<Vm, HostError> {
        let number = self.started.replace_with(|n| *n + 1);
        Vm::start(&self.module, Rc::clone(&self.world), number)
    }

    /// Nanoseconds since 1970 that the guest reads.
    pub fn clock_ns(&self) -> u64 {
        self.read().clock_ns
    }

    /// Sets the clock, backwards too.
    pub fn set_clock_ns(&self, ns: u64) {
        self.write().clock_ns = ns;
    }

    /// Moves the clock on. Calls nothing: a test ticks itself.
    pub fn advance(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let mut world = self.write();
        world.clock_ns = world.clock_ns.saturating_add(ns);
    }

    /// Sets an environment variable that guests see.
    pub fn set_env(&self, name: &str, value: &str) {
        let mut world = self.write();
        world.environment.retain(|(n, _)| n != name);
        world.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the random sequence anew.
    pub fn seed_random(&self, seed: u64) {
        self.write().seed(seed);
    }

    /// Makes a cluster known. A callout to another is refused with `BadArgument`.
    pub fn add_cluster(&self, name: &str) {
        self.write().clusters.insert(name.as_bytes().to_vec());
    }

    /// Sets a property that every context sees; the path's parts, as `["xds", "node", "id"]`.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        self.write().properties.insert(joined(path), value);
    }

    /// Sets VM id and VM configuration; both count for what starts or reads later.
    pub fn set_vm(&self, vm_id: &str, configuration: &[u8]) {
        let mut world = self.write();
        world.vm_id = vm_id.as_bytes().to_vec();
        world.vm_configuration = configuration.to_vec();
    }

    /// A value of shared data and its compare-and-swap number.
    pub fn shared_data(&self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.read().shared_get(key)
    }

    /// Writes shared data as another plugin of the same VM id could.
    pub fn set_shared_data(&self, key: &[u8], value: &[u8]) {
        self.write().shared_set(key, value, 0);
    }

    /// A metric by its name.
    pub fn metric(&self, name: &str) -> Option<Metric> {
        self.read().metrics.get(name).cloned()
    }

    /// Names and values of all metrics, sorted by name.
    pub fn metrics(&self) -> Vec<(String, Metric)> {
        let world = self.read();
        world.metrics.iter().map(|(n, m)| (n.clone(), m.clone())).collect()
    }

    /// All log lines so far.
    pub fn logs(&self) -> Vec<LogLine> {
        self.read().logs.clone()
    }

    fn read(&self) -> Ref<'_, World> {
        self.world.borrow()
    }

    fn write(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }
}

/// A property path as the ABI writes it: its parts with NUL between.
pub(crate) fn joined(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}
