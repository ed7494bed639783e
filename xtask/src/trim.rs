//! The step after linking: keep only the exports that Envoy shall call, and drop what nobody reads.
//!
//! Envoy decides by export names which callbacks a filter has, and each one costs about 0.6 µs per request even when it
//! does nothing. So exports are an exact list here, not what the linker happened to leave. Custom sections (names,
//! producers, debug information) are dropped. Everything else is copied byte for byte.
//!
//! The imports are checked too: Envoy refuses a module with an import that it does not have, and only says so at run time.
//!
//! Format: WebAssembly core specification, "Modules" in the binary format; names: proxy-wasm ABI 0.2.1.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

/// What the filter must export.
const REQUIRED_EXPORTS: [&str; 11] = [
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// Kept when the linker makes it: it runs constructors.
const OPTIONAL_EXPORTS: [&str; 1] = ["_initialize"];

/// What the filter may import, by module.
const ALLOWED_IMPORTS: [(&str, &[&str]); 2] = [
    (
        "env",
        &[
            "proxy_add_header_map_value",
            "proxy_continue_stream",
            "proxy_define_metric",
            "proxy_get_buffer_bytes",
            "proxy_get_current_time_nanoseconds",
            "proxy_get_header_map_pairs",
            "proxy_get_header_map_value",
            "proxy_get_property",
            "proxy_get_shared_data",
            "proxy_http_call",
            "proxy_increment_metric",
            "proxy_log",
            "proxy_record_metric",
            "proxy_remove_header_map_value",
            "proxy_replace_header_map_value",
            "proxy_replace_header_map_value",
            "proxy_send_local_response",
            "proxy_set_effective_context",
            "proxy_set_property",
            "proxy_set_shared_data",
            "proxy_set_tick_period_milliseconds",
        ],
    ),
    ("wasi_snapshot_preview1", &["environ_get", "environ_sizes_get", "random_get"]),
];

/// Trims a linked module. The result is a valid module that does the same when called through the kept exports.
///
/// # Errors
/// When the bytes are no WebAssembly module, a required export is missing or of the wrong kind, or an import is not one
/// that the host is known to have.
pub fn trim(module: &[u8]) -> Result<Vec<u8>> {
    let mut trimmed = Module::new();
    let mut found: Vec<&str> = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.context("not a WebAssembly module")?;
        match &payload {
            Payload::CustomSection(_) => continue,
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import.context("import section")?;
                    check_import(import.module, import.name)?;
                }
            }
            Payload::ExportSection(exports) => {
                let mut kept = ExportSection::new();
                for export in exports.clone() {
                    let export = export.context("export section")?;
                    if let Some(kind) = kept_as(export.name, export.kind)? {
                        kept.export(export.name, kind, export.index);
                        found.push(export.name);
                    }
                }
                trimmed.section(&kept);
                continue;
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            trimmed.section(&RawSection { id, data: section(module, range)? });
        }
    }
    let missing: Vec<&str> = REQUIRED_EXPORTS.into_iter().filter(|name| !found.contains(name)).collect();
    if !missing.is_empty() {
        bail!("it does not export {}", missing.join(", "));
    }
    let trimmed = trimmed.finish();
    // The parser above reads the frame of each section only.
    wasmparser::Parser::new(0)
        .parse_all(&trimmed)
        .try_for_each(|payload| payload.map(drop))
        .context("trimmed module")?;
    Ok(trimmed)
}

fn section(module: &[u8], range: Range<u64>) -> Result<&[u8]> {
    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
    module.get(range).context("a section reaches beyond the end of the module")
}

fn check_import(module: &str, name: &str) -> Result<()> {
    if ALLOWED_IMPORTS.iter().any(|(from, names)| *from == module && names.contains(&name)) {
        return Ok(());
    }
    bail!("it imports {module}.{name}, which is not on the list of host functions in xtask/src/trim.rs");
}

/// How an export is kept; `None` drops it.
fn kept_as(name: &str, kind: ExternalKind) -> Result<Option<ExportKind>> {
    if !REQUIRED_EXPORTS.contains(&name) && !OPTIONAL_EXPORTS.contains(&name) {
        return Ok(None);
    }
    match (name, kind) {
        ("memory", ExternalKind::Memory) => Ok(Some(ExportKind::Memory)),
        ("memory", _) => bail!("its export `memory` is not a memory"),
        (_, ExternalKind::Func) => Ok(Some(ExportKind::Func)),
        (_, _) => bail!("its export `{name}` is not a function"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        CodeSection, CustomSection, EntityType, Function, FunctionSection, ImportSection, MemorySection, MemoryType,
        TypeSection,
    };

    /// A module whose one function is exported under all these names, with one import.
    fn module(functions: &[&str], import: (&str, &str)) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import(import.0, import.1, EntityType::Function(0));
        let mut declared = FunctionSection::new();
        declared.function(0);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut exports = ExportSection::new();
        for name in functions {
            if *name == "memory" {
                exports.export(name, ExportKind::Memory, 0);
            } else {
                exports.export(name, ExportKind::Func, 1);
            }
        }
        let mut body = Function::new([]);
        body.instructions().end();
        let mut code = CodeSection::new();
        code.function(&body);
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&declared)
            .section(&memories)
            .section(&exports)
            .section(&code)
            .section(&CustomSection { name: "name".into(), data: b"secret".into() });
        module.finish()
    }

    const LOG: (&str, &str) = ("env", "proxy_log");

    fn exports(module: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload.unwrap() {
                Payload::ExportSection(exports) => {
                    names.extend(exports.into_iter().map(|e| e.unwrap().name.to_owned()));
                }
                Payload::CustomSection(custom) => panic!("custom section {} was kept", custom.name()),
                _ => {}
            }
        }
        names
    }

    #[test]
    fn only_listed_exports_and_no_custom_section_remain() {
        let mut names = REQUIRED_EXPORTS.to_vec();
        names.extend(["_initialize", "proxy_on_log", "malloc", "__heap_base"]);
        let trimmed = trim(&module(&names, LOG)).unwrap();
        let mut wanted = REQUIRED_EXPORTS.to_vec();
        wanted.push("_initialize");
        assert_eq!(exports(&trimmed), wanted);
    }

    #[test]
    fn trimming_a_trimmed_module_changes_nothing() {
        let once = trim(&module(&REQUIRED_EXPORTS, LOG)).unwrap();
        assert_eq!(trim(&once).unwrap(), once);
    }

    #[test]
    fn a_missing_callback_is_named() {
        let names: Vec<&str> = REQUIRED_EXPORTS.into_iter().filter(|name| *name != "proxy_on_tick").collect();
        assert_eq!(trim(&module(&names, LOG)).unwrap_err().to_string(), "it does not export proxy_on_tick");
    }

    #[test]
    fn an_unknown_import_is_named() {
        let error = trim(&module(&REQUIRED_EXPORTS, ("wasi_snapshot_preview1", "fd_write"))).unwrap_err().to_string();
        assert!(error.contains("wasi_snapshot_preview1.fd_write"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_module_are_refused() {
        assert!(trim(b"not wasm").is_err());
        let whole = module(&REQUIRED_EXPORTS, LOG);
        assert!(trim(&whole[..whole.len() - 3]).is_err());
    }
}
