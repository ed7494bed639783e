//! `cargo xtask fuzz`: every fuzz target over its kept corpus, and then for a bounded number of new inputs.
//!
//! The instrumentation is the compiler's own (LLVM's sanitizer coverage, through options that stable Rust has), so neither a nightly
//! toolchain nor cargo-fuzz is needed; the folder has cargo-fuzz's layout all the same. libFuzzer is C++: without a compiler for it
//! there is nothing to run, which is said and is no success. The same promises are held by property tests, too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::project::Project;
use crate::{run, toolchain};

/// The fuzz crate, from the project's root.
const CRATE: &str = "filter/engine/fuzz";
/// Edges, counters and comparisons, as cargo-fuzz asks for them.
const INSTRUMENT: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// How long to fuzz.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Only this target.
    pub target: Option<String>,
    /// New inputs to try for each target.
    #[arg(long, default_value_t = 1_000_000)]
    pub runs: u64,
    /// Seconds after which a target ends, whatever it has tried.
    #[arg(long, default_value_t = 120)]
    pub seconds: u64,
    /// Add inputs that reach new code to the kept corpus.
    #[arg(long)]
    pub keep: bool,
}

impl Options {
    /// What `cargo xtask test` runs: the corpus, and a little more.
    pub fn bounded() -> Self {
        Self { target: None, runs: 20_000, seconds: 20, keep: false }
    }
}

/// Fuzzes one target or all, and gives the number of targets.
pub fn fuzz(project: &Project, options: &Options) -> Result<u64> {
    let folder = project.root().join(CRATE);
    let mut targets = targets(&folder.join("fuzz_targets"))?;
    if let Some(wanted) = &options.target {
        targets.retain(|target| target == wanted);
    }
    if targets.is_empty() {
        bail!("no such fuzz target; {CRATE}/fuzz_targets has them");
    }
    let binaries = build(project)?;
    let found = project.target().join("fuzz");
    for target in &targets {
        run_target(&binaries.join(target), &folder.join("corpus").join(target), &found.join(target), options)
            .with_context(|| format!("fuzz target `{target}`"))?;
    }
    Ok(targets.len() as u64)
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let sources = paths.iter().filter(|path| path.extension() == Some(OsStr::new("rs")));
    let mut names: Vec<_> = sources.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Builds all targets; gives the folder that they are in.
fn build(project: &Project) -> Result<PathBuf> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if Command::new(&compiler).arg("--version").output().is_err() {
        bail!(
            "libFuzzer needs a C++ compiler, and `{compiler}` is not there: install g++ or clang, or name one in CXX"
        );
    }
    let host = toolchain::host()?;
    let target = project.target().join("fuzz").join("build");
    // With a target named, build scripts and macros are not instrumented.
    let mut cargo = project.cargo(["build", "--locked", "--release", "--target", &host]);
    cargo.current_dir(project.root().join(CRATE)).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", INSTRUMENT);
    let took = run::step("building the fuzz targets", cargo, None)?;
    run::done("built the fuzz targets", took);
    Ok(target.join(host).join("release"))
}

fn run_target(binary: &Path, corpus: &Path, found: &Path, options: &Options) -> Result<()> {
    let new = found.join("corpus");
    std::fs::create_dir_all(&new).with_context(|| new.display().to_string())?;
    let mut fuzzer = Command::new(binary);
    // New inputs go to the first folder; the others are read only.
    let folders = if options.keep { vec![corpus] } else { vec![new.as_path(), corpus] };
    fuzzer.args(folders).arg(format!("-artifact_prefix={}/", found.display()));
    fuzzer.args([format!("-runs={}", options.runs), format!("-max_total_time={}", options.seconds)]);
    // Long enough for every bound there is to be crossed, short enough to be quick.
    fuzzer.args(["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let took = run::step(&format!("fuzzing {name}"), fuzzer, None)?;
    run::done(&format!("fuzzed {name}"), took);
    Ok(())
}
