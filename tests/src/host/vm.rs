//! One VM and the driver that a test holds: it calls the guest as Envoy would and shows what came of it.
//!
//! What a guest asks for in a callback (go on, answer) is done when the callback has returned, as in Envoy.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use wasmtime::{Instance, Linker, Memory, Store, StoreLimits, StoreLimitsBuilder, TypedFunc, WasmParams, WasmResults};

use super::{
    context::{Action, Answer, CallResponse, Callout, ContextId, LocalResponse, Plugin, Root, Stream},
    error::HostError,
    fault::{Fault, Faults},
    headers::HeaderMap,
    hostcalls, joined,
    module::{Module, engine},
    wasi,
    world::World,
};

/// Envoy's limit for the memory of a VM.
const MAX_MEMORY: usize = 1024 * 1024 * 1024;

/// Fuel of one callback: about as many wasm instructions. Far over what any right callback needs (a page of keys takes
/// some ten million), and spent within seconds by a loop.
const FUEL: u64 = 1_000_000_000;

/// What a guest asked for that waits until its callback returns.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(ContextId),
    Respond(ContextId, LocalResponse),
}

/// State that hostcalls work on.
pub(crate) struct VmState {
    pub(crate) number: usize,
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) roots: BTreeMap<ContextId, Root>,
    pub(crate) streams: BTreeMap<ContextId, Stream>,
    pub(crate) current: ContextId,
    pub(crate) effective: ContextId,
    pub(crate) initializing: bool,
    pub(crate) stop_iteration: bool,
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) callouts: Vec<Callout>,
    pub(crate) next_token: u32,
    pub(crate) metric_ids: BTreeMap<u32, String>,
    pub(crate) next_metric: [u32; 3],
    pub(crate) faults: Faults,
    pub(crate) misuse: Vec<String>,
    limits: StoreLimits,
}

impl VmState {
    /// The context that hostcalls act on: the effective one while it exists, else the one that was called.
    pub(crate) fn context(&self) -> ContextId {
        if self.effective != 0 && self.exists(self.effective) { self.effective } else { self.current }
    }

    /// Whether a context is there; 0 is the VM's own.
    pub(crate) fn exists(&self, id: ContextId) -> bool {
        id == 0 || self.roots.contains_key(&id) || self.streams.contains_key(&id)
    }

    /// The root of the context that hostcalls act on.
    pub(crate) fn root_id(&self) -> ContextId {
        let id = self.context();
        self.streams.get(&id).map_or(id, |s| s.root)
    }

    fn run_deferred(&mut self) {
        self.stop_iteration = false;
        while let Some(action) = self.deferred.pop_front() {
            match action {
                Deferred::Continue(id) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.continued += 1;
                    }
                }
                Deferred::Respond(id, response) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.local_responses.push(response);
                    }
                }
            }
        }
    }
}

/// A started VM.
pub struct Vm {
    store: Store<VmState>,
    instance: Instance,
    next_context: ContextId,
    failed: bool,
    gone: BTreeMap<ContextId, Stream>,
    fuel_limit: u64,
    fuel_used: u64,
}

impl Vm {
    pub(crate) fn start(module: &Module, world: Rc<RefCell<World>>, number: usize) -> Result<Self, HostError> {
        let load = |e: wasmtime::Error| HostError::Load(format!("{e:#}"));
        let engine = engine()?;
        let mut linker = Linker::new(engine);
        hostcalls::link(&mut linker).map_err(load)?;
        wasi::link(&mut linker).map_err(load)?;
        let state = VmState {
            number,
            world,
            memory: None,
            allocate: None,
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            current: 0,
            effective: 0,
            initializing: true,
            stop_iteration: false,
            deferred: VecDeque::new(),
            callouts: Vec::new(),
            next_token: 0,
            metric_ids: BTreeMap::new(),
            next_metric: [0; 3],
            faults: Faults::default(),
            misuse: Vec::new(),
            limits: StoreLimitsBuilder::new().memory_size(MAX_MEMORY).build(),
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_fuel(FUEL).map_err(load)?;
        let instance = linker.instantiate(&mut store, &module.0).map_err(load)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| HostError::Load("the module exports no memory".to_owned()))?;
        let allocate = ["malloc", "proxy_on_memory_allocate"]
            .iter()
            .find_map(|name| instance.get_typed_func(&mut store, name).ok())
            .ok_or_else(|| HostError::Load("the module exports no proxy_on_memory_allocate".to_owned()))?;
        store.data_mut().memory = Some(memory);
        store.data_mut().allocate = Some(allocate);
        let mut vm = Self {
            store,
            instance,
            next_context: 1,
            failed: false,
            gone: BTreeMap::new(),
            fuel_limit: FUEL,
            fuel_used: 0,
        };
        let initializer =
            ["_initialize", "_start"].into_iter().find(|name| vm.instance.get_func(&mut vm.store, name).is_some());
        if let Some(initializer) = initializer {
            vm.call::<_, ()>(0, initializer, ())?;
        }
        vm.store.data_mut().initializing = false;
        Ok(vm)
    }

    /// Makes a root for a plugin configuration: `proxy_on_context_create`, then `proxy_on_vm_start` (Envoy calls it once
    /// per root). An error if the guest refuses to start.
    pub fn create_root(&mut self, plugin: Plugin) -> Result<ContextId, HostError> {
        let id = self.allocate_id();
        let root = Root { plugin, configuration_open: true, tick_period_ms: None, answer: None };
        self.store.data_mut().roots.insert(id, root);
        let created = self.call::<_, ()>(id, "proxy_on_context_create", (id, 0_u32));
        self.set_configuration_open(id, false);
        created?;
        let size = self.store.data().world.borrow().vm_configuration.len();
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let started: Option<u32> = self.call(id, "proxy_on_vm_start", (id, size))?;
        if started == Some(0) {
            return Err(HostError::Load("proxy_on_vm_start returned false".to_owned()));
        }
        Ok(id)
    }

    /// `proxy_on_configure`: whether the guest takes the root's configuration.
    pub fn configure(&mut self, root: ContextId) -> Result<bool, HostError> {
        let size = self.root(root)?.plugin.configuration.len();
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.set_configuration_open(root, true);
        let taken = self.call::<_, u32>(root, "proxy_on_configure", (root, size));
        self.set_configuration_open(root, false);
        Ok(taken? != Some(0))
    }

    /// `proxy_on_tick`, whether or not its time has come.
    pub fn tick(&mut self, root: ContextId) -> Result<(), HostError> {
        self.root(root)?;
        self.call::<_, ()>(root, "proxy_on_tick", root)?;
        Ok(())
    }

    /// The tick period that the guest has set for this root, in milliseconds.
    pub fn tick_period_ms(&self, root: ContextId) -> Option<u32> {
        let root = self.store.data().roots.get(&root)?;
        root.tick_period_ms
    }

    /// A new request with these headers, in the order of arrival: `proxy_on_context_create`.
    pub fn stream<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        root: ContextId,
        headers: &[(N, V)],
    ) -> Result<ContextId, HostError> {
        self.root(root)?;
        let id = self.allocate_id();
        let stream = Stream { root, request_headers: HeaderMap::received(headers), ..Stream::default() };
        self.store.data_mut().streams.insert(id, stream);
        self.call::<_, ()>(id, "proxy_on_context_create", (id, root))?;
        Ok(id)
    }

    /// Sets a property of one request, as `["source", "address"]`.
    pub fn set_stream_property(
        &mut self,
        stream: ContextId,
        path: &[&str],
        value: impl AsRef<[u8]>,
    ) -> Result<(), HostError> {
        let value = value.as_ref().to_vec();
        let stream = self.stream_mut(stream)?;
        stream.properties.insert(joined(path), value);
        Ok(())
    }

    /// `proxy_on_request_headers`. A guest that exports none lets everything pass.
    pub fn request_headers(&mut self, id: ContextId, end_of_stream: bool) -> Result<Action, HostError> {
        let stream = self.stream_mut(id)?;
        stream.request_open = true;
        let count = u32::try_from(stream.request_headers.len()).unwrap_or(u32::MAX);
        let params = (id, count, u32::from(end_of_stream));
        let action = self.headers_callback("proxy_on_request_headers", params)?;
        if let Ok(stream) = self.stream_mut(id) {
            stream.action = Some(action);
            if action == Action::Continue {
                stream.request_open = false;
            }
        }
        Ok(action)
    }

    /// The upstream's answer arrives: `proxy_on_response_headers`.
    pub fn response_headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        id: ContextId,
        headers: &[(N, V)],
        end_of_stream: bool,
    ) -> Result<Action, HostError> {
        let map = HeaderMap::received(headers);
        let count = u32::try_from(map.len()).unwrap_or(u32::MAX);
        let stream = self.stream_mut(id)?;
        stream.response_headers = Some(map);
        stream.response_open = true;
        let params = (id, count, u32::from(end_of_stream));
        let action = self.headers_callback("proxy_on_response_headers", params)?;
        if let Ok(stream) = self.stream_mut(id) {
            stream.response_open = action == Action::Pause;
        }
        Ok(action)
    }

    /// A new request through to the end of its request callback.
    pub fn request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        root: ContextId,
        headers: &[(N, V)],
    ) -> Result<ContextId, HostError> {
        let id = self.stream(root, headers)?;
        self.request_headers(id, true)?;
        Ok(id)
    }

    /// A request as it stands; also one that is gone, as it was last.
    pub fn state(&self, stream: ContextId) -> Result<&Stream, HostError> {
        let present = self.store.data().streams.get(&stream);
        present.or_else(|| self.gone.get(&stream)).ok_or_else(|| HostError::Unknown(format!("stream {stream}")))
    }

    /// The request ends, for whatever reason: `proxy_on_done`, `proxy_on_delete`; then its context is gone.
    pub fn delete_stream(&mut self, id: ContextId) -> Result<(), HostError> {
        self.stream_mut(id)?;
        let done = self.end(id);
        if let Some(stream) = self.store.data_mut().streams.remove(&id) {
            self.gone.insert(id, stream);
        }
        done
    }

    /// A plugin configuration is withdrawn; its callouts are cancelled.
    pub fn delete_root(&mut self, id: ContextId) -> Result<(), HostError> {
        self.root(id)?;
        let done = self.end(id);
        let state = self.store.data_mut();
        state.roots.remove(&id);
        state.callouts.retain(|c| c.root != id);
        done
    }

    /// Callouts that wait for an answer, oldest first.
    pub fn callouts(&self) -> &[Callout] {
        &self.store.data().callouts
    }

    /// Answers a callout: `proxy_on_http_call_response` on its root. Headers and body are readable within it only.
    pub fn answer_callout(&mut self, token: u32, answer: Answer) -> Result<(), HostError> {
        let state = self.store.data_mut();
        let at = state
            .callouts
            .iter()
            .position(|c| c.token == token)
            .ok_or_else(|| HostError::Unknown(format!("callout {token}")))?;
        let root_id = state.callouts.remove(at).root;
        let (headers, size) = match answer {
            Answer::Failure => (0, 0),
            Answer::Response { headers, body } => {
                let response = CallResponse { headers: HeaderMap::received(&headers), body, trailers: None };
                let counts = (response.headers.len(), response.body.len());
                if let Some(root) = state.roots.get_mut(&root_id) {
                    root.answer = Some(response);
                }
                counts
            }
        };
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let params = (root_id, token, number(headers), number(size), 0_u32);
        let done = self.call::<_, ()>(root_id, "proxy_on_http_call_response", params);
        if let Some(root) = self.store.data_mut().roots.get_mut(&root_id) {
            root.answer = None;
        }
        done.map(|_| ())
    }

    /// Calls an export out of turn, as no right proxy would.
    pub fn call_raw<P: WasmParams>(
        &mut self,
        context: ContextId,
        export: &'static str,
        params: P,
    ) -> Result<(), HostError> {
        self.call::<P, ()>(context, export, params).map(|_| ())
    }

    /// The same for an export that returns a number. An answer or a continuation that it asks for on a context that is none is the test's
    /// doing, and no misuse.
    pub fn ask_raw<P: WasmParams>(
        &mut self,
        context: ContextId,
        export: &'static str,
        params: P,
    ) -> Result<u32, HostError> {
        let misused = self.misuse().len();
        let result = self.call::<P, u32>(context, export, params)?;
        self.store.data_mut().misuse.truncate(misused);
        result.ok_or_else(|| HostError::Unknown(format!("export {export}")))
    }

    /// Arms a fault.
    pub fn inject(&mut self, fault: Fault) {
        self.store.data_mut().faults.arm(fault);
    }

    /// Disarms all faults.
    pub fn clear_faults(&mut self) {
        self.store.data_mut().faults.clear();
    }

    /// How often each hostcall was made since the start or `reset_hostcalls`.
    pub fn hostcalls(&self) -> BTreeMap<&'static str, usize> {
        self.store.data().faults.counts().clone()
    }

    /// Counts hostcalls from zero.
    pub fn reset_hostcalls(&mut self) {
        self.store.data_mut().faults.reset_counts();
    }

    /// What the guest asked for on a context that cannot do it, as letting a plugin root go on.
    pub fn misuse(&self) -> &[String] {
        &self.store.data().misuse
    }

    /// Whether a trap has killed this VM.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Bytes of the guest's memory. It never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |m| m.data_size(&self.store))
    }

    /// Fuel that the last callback took, about one per wasm instruction: the same on each machine.
    pub fn fuel_used(&self) -> u64 {
        self.fuel_used
    }

    /// Bounds each further callback to this much fuel; one that needs more traps.
    pub fn limit_fuel(&mut self, fuel: u64) {
        self.fuel_limit = fuel;
    }

    fn headers_callback(&mut self, export: &'static str, params: (u32, u32, u32)) -> Result<Action, HostError> {
        let mut stopped = false;
        let result: Option<u32> = self.call_then(params.0, export, params, |s| stopped = s.stop_iteration)?;
        Ok(if stopped || result.is_some_and(|r| r != 0) { Action::Pause } else { Action::Continue })
    }

    fn end(&mut self, id: ContextId) -> Result<(), HostError> {
        self.call::<_, u32>(id, "proxy_on_done", id)?;
        self.call::<_, ()>(id, "proxy_on_delete", id)?;
        Ok(())
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: ContextId,
        export: &'static str,
        params: P,
    ) -> Result<Option<R>, HostError> {
        self.call_then(context, export, params, |_| ())
    }

    /// Calls an export on a context; `None` when the guest does not export it. `then` sees the state before deferred
    /// actions run.
    fn call_then<P: WasmParams, R: WasmResults>(
        &mut self,
        context: ContextId,
        export: &'static str,
        params: P,
        then: impl FnOnce(&VmState),
    ) -> Result<Option<R>, HostError> {
        if self.failed {
            return Err(HostError::VmFailed);
        }
        let Some(function) = self.instance.get_func(&mut self.store, export) else {
            return Ok(None);
        };
        let trap = |cause: wasmtime::Error| HostError::Trap { callback: export, cause: format!("{cause:?}") };
        let function = function.typed::<P, R>(&self.store).map_err(trap)?;
        let state = self.store.data_mut();
        state.current = context;
        state.effective = 0;
        self.store.set_fuel(self.fuel_limit).map_err(trap)?;
        let result = function.call(&mut self.store, params);
        let left = self.store.get_fuel().unwrap_or(0);
        self.fuel_used = self.fuel_limit.saturating_sub(left);
        then(self.store.data());
        self.store.data_mut().run_deferred();
        self.failed = result.is_err();
        result.map(Some).map_err(trap)
    }

    fn allocate_id(&mut self) -> ContextId {
        let id = self.next_context;
        self.next_context += 1;
        id
    }

    fn root(&self, id: ContextId) -> Result<&Root, HostError> {
        let root = self.store.data().roots.get(&id);
        root.ok_or_else(|| HostError::Unknown(format!("root {id}")))
    }

    fn set_configuration_open(&mut self, id: ContextId, open: bool) {
        if let Some(root) = self.store.data_mut().roots.get_mut(&id) {
            root.configuration_open = open;
        }
    }

    fn stream_mut(&mut self, id: ContextId) -> Result<&mut Stream, HostError> {
        let stream = self.store.data_mut().streams.get_mut(&id);
        stream.ok_or_else(|| HostError::Unknown(format!("stream {id}")))
    }
}
