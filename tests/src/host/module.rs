//! Loads a filter module: finds the built .wasm, compiles it once, and refuses what Envoy or this host would not run.
//!
//! Compiling takes seconds in a debug build of the compiler, so the real filter is compiled once per machine: the result
//! is kept beside the .wasm under a name made of its SHA-256 and of the engine's own compatibility hash.

use std::{
    env, fs,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, ExternType};

use super::{error::HostError, hostcalls::KNOWN};

/// Where the built filter is in the workspace, when `KEYPLANE_WASM` does not say.
const DEFAULT_WASM: &str = "target/keyplane.wasm";

/// A compiled guest, ready to be started in any number of VMs.
#[derive(Clone)]
pub struct Module(pub(crate) wasmtime::Module);

impl Module {
    /// Compiles a guest from .wasm bytes and checks that this host knows each import.
    pub fn compile(wasm: &[u8]) -> Result<Self, HostError> {
        let module = wasmtime::Module::new(engine()?, wasm)
            .map_err(|e| HostError::Load(format!("the module does not compile: {e:#}")))?;
        Self::checked(module)
    }

    /// The real filter: the file that `KEYPLANE_WASM` names, else `target/keyplane.wasm`. Compiled once per process.
    pub fn filter() -> Result<Self, HostError> {
        static FILTER: OnceLock<Result<Module, HostError>> = OnceLock::new();
        FILTER
            .get_or_init(|| {
                let path = wasm_path();
                let wasm = fs::read(&path).map_err(|e| {
                    HostError::Load(format!("no filter at {} ({e}); run `cargo xtask wasm` first", path.display()))
                })?;
                Self::cached(&wasm, &path)
            })
            .clone()
    }

    /// Names of what the guest exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.exports().map(|e| e.name().to_owned()).collect();
        names.sort();
        names
    }

    /// What the guest imports, as `module.name`, sorted.
    pub fn imports(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.imports().map(|i| format!("{}.{}", i.module(), i.name())).collect();
        names.sort();
        names
    }

    fn cached(wasm: &[u8], path: &Path) -> Result<Self, HostError> {
        let engine = engine()?;
        let compatibility =
            BuildHasherDefault::<DefaultHasher>::default().hash_one(engine.precompile_compatibility_hash());
        let digest: [u8; 32] = Sha256::digest(wasm).into();
        let [a, b, c, d, ..] = digest;
        let digest = u32::from_be_bytes([a, b, c, d]);
        let cache = path.with_extension(format!("{digest:08x}.{compatibility:016x}.cwasm"));
        // SAFETY: the file was written below by this same code from a module that this engine compiled; its name binds
        // it to that module's bytes and to the engine's version and settings. It lies in the build folder, whose
        // writer already decides what code the tests run.
        if let Ok(module) = unsafe { wasmtime::Module::deserialize_file(engine, &cache) } {
            return Self::checked(module);
        }
        let module = Self::compile(wasm)?;
        // A cache that cannot be written costs time only. Written aside and renamed, so that no reader sees a half.
        if let Ok(bytes) = module.0.serialize() {
            let aside = cache.with_extension(format!("{}.tmp", std::process::id()));
            if fs::write(&aside, bytes).is_ok() {
                let _ = fs::rename(&aside, &cache);
            }
        }
        Ok(module)
    }

    fn checked(module: wasmtime::Module) -> Result<Self, HostError> {
        for import in module.imports() {
            let known = KNOWN.contains(&(import.module(), import.name()));
            if !known || !matches!(import.ty(), ExternType::Func(_)) {
                return Err(HostError::Load(format!(
                    "the module imports {}.{}, which this host does not offer",
                    import.module(),
                    import.name()
                )));
            }
        }
        if module.get_export("proxy_abi_version_0_2_1").is_none() {
            return Err(HostError::Load("the module does not export proxy_abi_version_0_2_1".to_owned()));
        }
        Ok(Self(module))
    }
}

fn wasm_path() -> PathBuf {
    env::var_os("KEYPLANE_WASM")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(DEFAULT_WASM), PathBuf::from)
}

/// One engine for the process. Fuel bounds each callback, so that a loop in a guest fails its test and hangs nothing.
pub(crate) fn engine() -> Result<&'static Engine, HostError> {
    static ENGINE: OnceLock<Result<Engine, HostError>> = OnceLock::new();
    ENGINE
        .get_or_init(|| {
            let mut config = Config::new();
            config.consume_fuel(true);
            Engine::new(&config).map_err(|e| HostError::Load(format!("no engine: {e:#}")))
        })
        .as_ref()
        .map_err(Clone::clone)
}
