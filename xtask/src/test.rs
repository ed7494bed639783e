//! `cargo xtask test`: every test from a fresh clone, those that answer soonest first.
//!
//! Cargo's own output stays visible, because it is what people and continuous integration read; the last line sums up the
//! test binaries. The first failing step ends it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::browser;
use crate::containers;
use crate::fuzz;
use crate::manifests;
use crate::nginx;
use crate::node;
use crate::oldest_rust;
use crate::package::{self, proof};
use crate::parts::Parts;
use crate::project::Project;
use crate::run::{self, BOLD, GOOD};
use crate::schemathesis;
use crate::stack::process::spawn;
use crate::up;

/// Pure crates: their tests need nothing but a compiler.
const FAST: [&str; 2] = ["keyplane-contract", "keyplane-filter-engine"];
/// The flows that start containers, which not every machine can.
const CONTAINERS: &str = "flows::containers::";

/// What a run of tests says of itself.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Summary {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Runs all of it.
pub fn test(project: &Project) -> Result<()> {
    let started = Instant::now();
    let mut total = Summary::default();
    need_components(project)?;

    step("formatting", || run::visibly("cargo fmt --check", project.cargo(["fmt", "--all", "--check"])))?;
    step("lints", || {
        let lints = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
        run::visibly("cargo clippy", project.cargo(lints))
    })?;
    step("pure crates", || {
        let mut cargo = project.cargo(["test", "--no-fail-fast"]);
        cargo.args(FAST.iter().flat_map(|name| ["--package", name]));
        total.add(tests(cargo)?);
        Ok(())
    })?;
    let parts = step("control plane, filter, Envoy, and the tools of tests", || {
        schemathesis::obtain(project)?;
        proof::obtain(project)?;
        node::obtain(project)?;
        manifests::obtain(project)?;
        browser::obtain(project)?;
        nginx::obtain(project)?;
        Parts::obtain_for_tests(project)
    })?;
    step("all other crates, and flows through a real Envoy", || {
        let mut cargo = project.cargo(["test", "--workspace", "--no-fail-fast"]);
        cargo.args(FAST.iter().flat_map(|name| ["--exclude", name])).envs(parts.environment());
        cargo.args(["--", "--skip", CONTAINERS]);
        total.add(tests(cargo)?);
        Ok(())
    })?;
    let mut not_run = Vec::new();
    not_run.extend(step("the package in containers: Docker and systemd", || {
        if let Err(why) = containers::obtain(project)? {
            return Ok(Some(format!("what docs/packaging.md says of Docker and systemd: {why}")));
        }
        let mut cargo = project.cargo(["test", "--workspace", "--no-fail-fast", "--test", "flows"]);
        cargo.args(FAST.iter().flat_map(|name| ["--exclude", name])).envs(parts.environment());
        cargo.args(["--", CONTAINERS]);
        let run = tests(cargo)?;
        if run.passed == 0 {
            bail!("no test is named {CONTAINERS}");
        }
        total.add(run);
        Ok(None)
    })?);
    not_run.extend(step("the SDK with the oldest Rust that it promises", || oldest_rust::check(project))?);
    step("fuzz targets, bounded", || {
        total.passed += fuzz::fuzz(project, &fuzz::Options::bounded())?;
        Ok(())
    })?;
    step("cargo xtask up --check", || up::check(&parts, project))?;
    step("cargo xtask package", || package::package(project))?;

    if total.ignored > 0 {
        println!("{} ignored", total.ignored);
    }
    for not_run in not_run {
        println!("NOT RUN here: {not_run}");
    }
    println!("all steps took {:.0} s", started.elapsed().as_secs_f64());
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(())
}

/// rustup installs what is missing; anything else is said.
fn need_components(project: &Project) -> Result<()> {
    let there = |subcommand: &str| {
        let output = project.cargo([subcommand, "--version"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if there("fmt") && there("clippy") {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", "rustfmt", "clippy"]);
    let took = run::step("rustup component add rustfmt clippy", add, None)
        .context("`cargo fmt` and `cargo clippy` are needed, and one is missing")?;
    run::done("installed rustfmt and clippy", took);
    Ok(())
}

fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    anstream::eprintln!("\n{BOLD}== {name}{BOLD:#}");
    let started = Instant::now();
    let result = run().with_context(|| format!("step \"{name}\""))?;
    anstream::eprintln!("{GOOD}== {name}: {:.1} s{GOOD:#}", started.elapsed().as_secs_f64());
    Ok(result)
}

/// Runs `cargo test`, passing its output on line by line and adding up the results.
fn tests(mut cargo: Command) -> Result<Summary> {
    cargo.stdout(Stdio::piped());
    let mut child = spawn(cargo).context("cannot run cargo test")?;
    let mut sum = Summary::default();
    let output = child.stdout.take().context("cargo test has no stdout")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cargo test")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        sum.add(parse_result(&line).unwrap_or_default());
    }
    let status = child.wait().context("cargo test")?;
    if !status.success() {
        println!("{} passed, {} failed", sum.passed, sum.failed);
        bail!("cargo test failed");
    }
    Ok(sum)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn parse_result(line: &str) -> Option<Summary> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count =
        |name: &str| counts.split("; ").find_map(|part| part.strip_suffix(name)?.trim_end().parse::<u64>().ok());
    Some(Summary { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_over_test_binaries() {
        let printed = "running 4 tests\n\
            test a ... ok\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s\n\
            test result: unheard of\n";
        let mut sum = Summary::default();
        printed.lines().filter_map(parse_result).for_each(|result| sum.add(result));
        assert_eq!(sum, Summary { passed: 15, failed: 2, ignored: 1 });
    }
}
