//! The floor: the smallest module that Envoy calls for each request. It has one request callback, which does nothing.
//!
//! What any proxy-wasm filter costs on top of this is its own doing. Names: proxy-wasm ABI 0.2.1.

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction, MemorySection, MemoryType, Module,
    TypeSection, ValType,
};

/// The module's bytes.
pub fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32, ValType::I32, ValType::I32], [ValType::I32]);
    let (nothing, one, three) = (0, 1, 2);

    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    for (number, (name, signature)) in [
        ("proxy_abi_version_0_2_1", nothing),
        // Never called: the callback asks the host for nothing.
        ("proxy_on_memory_allocate", one),
        // 0: go on.
        ("proxy_on_request_headers", three),
    ]
    .into_iter()
    .enumerate()
    {
        functions.function(signature);
        exports.export(name, ExportKind::Func, u32::try_from(number).unwrap_or(u32::MAX));
        let mut body = Function::new([]);
        if signature != nothing {
            body.instruction(&Instruction::I32Const(0));
        }
        body.instruction(&Instruction::End);
        code.function(&body);
    }

    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    module.finish()
}
