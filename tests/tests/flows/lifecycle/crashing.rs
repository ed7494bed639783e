//! The filter with a way to make it fail, put in from outside: what is shipped has none.
//!
//! The export `proxy_on_request_headers` becomes a new function, which traps on a request with [`HEADER`] and otherwise does what the old one
//! did. Nothing else of the module changes.

use std::borrow::Cow;
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemArg, MemArgTarget, Module, RawSection,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// The header that ends the VM.
pub const HEADER: &str = "x-crash";
const CALLBACK: &str = "proxy_on_request_headers";
/// Free memory below the stack: the header's name, and where the host writes.
const NAME_AT: i32 = 16;
const OUT_AT: i32 = 48;

/// The module with that change.
pub fn crashing(wasm: &[u8]) -> Vec<u8> {
    let (mut imports, mut header_value, mut callback, mut types) = (0, None, None, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    if matches!(import.ty, TypeRef::Func(_)) {
                        if import.name == "proxy_get_header_map_value" {
                            header_value = Some(imports);
                        }
                        imports += 1;
                    }
                }
            }
            Payload::FunctionSection(section) => types = section.into_iter().map(Result::unwrap).collect(),
            Payload::ExportSection(section) => {
                callback = section.into_iter().map(Result::unwrap).find(|e| e.name == CALLBACK).map(|e| e.index);
            }
            _ => {}
        }
    }
    let (header_value, callback) = (header_value.unwrap(), callback.unwrap());
    let new = imports + u32::try_from(types.len()).unwrap();
    let callback_type = types[usize::try_from(callback - imports).unwrap()];

    let mut module = Module::new();
    let (mut code, mut bodies) = (CodeSection::new(), types.len());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.unwrap();
        match &payload {
            Payload::FunctionSection(_) => {
                let mut section = FunctionSection::new();
                types.iter().chain([&callback_type]).for_each(|kind| {
                    section.function(*kind);
                });
                module.section(&section);
            }
            Payload::ExportSection(exports) => {
                let mut section = ExportSection::new();
                for export in exports.clone() {
                    let export = export.unwrap();
                    let kind = if export.kind == ExternalKind::Memory { ExportKind::Memory } else { ExportKind::Func };
                    section.export(export.name, kind, if export.name == CALLBACK { new } else { export.index });
                }
                module.section(&section);
            }
            Payload::CodeSectionStart { .. } => {}
            Payload::CodeSectionEntry(body) => {
                code.raw(body.as_bytes());
                bodies -= 1;
                if bodies == 0 {
                    code.function(&trap_or_call(header_value, callback));
                    module.section(&code);
                }
            }
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                    module.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    module.finish()
}

fn trap_or_call(header_value: u32, callback: u32) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    for (at, byte) in (NAME_AT..).zip(HEADER.bytes()) {
        code.i32_const(at).i32_const(i32::from(byte)).i32_store8(MemArg {
            offset: 0,
            align: 0,
            target: MemArgTarget::default(),
            ordering: None,
        });
    }
    let length = i32::try_from(HEADER.len()).unwrap();
    // Map 0 is the request's headers; status 0 is found.
    code.i32_const(0).i32_const(NAME_AT).i32_const(length).i32_const(OUT_AT).i32_const(OUT_AT + 4).call(header_value);
    code.i32_eqz().if_(wasm_encoder::BlockType::Empty).unreachable().end();
    code.local_get(0).local_get(1).local_get(2).call(callback).end();
    function
}

/// The module under another hash, as a new version would be: with a section that nobody reads.
pub fn another_version(wasm: &[u8]) -> Vec<u8> {
    let section = wasm_encoder::CustomSection { name: Cow::Borrowed("version"), data: Cow::Borrowed(b"next") };
    let mut new = wasm.to_vec();
    let mut whole = Module::new();
    whole.section(&section);
    // All but the header of a module.
    new.extend_from_slice(&whole.finish()[8..]);
    new
}
