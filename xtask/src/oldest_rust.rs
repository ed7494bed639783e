//! Whether the SDK builds with the oldest Rust that it promises, and each of its features alone.
//!
//! Applications build the SDK with the toolchain that they have, so the promise (`rust-version` in `sdk/Cargo.toml`) is kept by that very version,
//! which rustup fetches. `rustls` is left out: its own code here is one line, and its C code takes minutes to build.
//!
//! Some machines reach registries of packages but no server of rustup's (decision record 0001). There the check is not run, which the caller says at
//! the end and counts nowhere: that a toolchain cannot be fetched says nothing about the SDK.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::run;

const PACKAGE: &str = "keyplane-sdk";
/// Each alone, and nothing at all.
const FEATURES: [&str; 4] = ["", "client", "tower", "axum"];
const RUSTUP_LIMIT: Duration = Duration::from_mins(5);

/// Checks all of it. `Some`: why it was not run.
pub fn check(project: &Project) -> Result<Option<String>> {
    let version = promised(project)?;
    if let Err(error) = install(&version) {
        return Ok(Some(format!("the SDK with Rust {version}, its oldest: {error:#}")));
    }
    for features in FEATURES {
        let mut command = rustup(&["run", &version, "cargo", "check", "--locked", "--package", PACKAGE]);
        command.args(["--no-default-features", "--features", features]);
        command.current_dir(project.root());
        // Apart, so that two versions of Rust do not build each other's work anew; and the compiler is rustup's to choose.
        command.env("CARGO_TARGET_DIR", project.target().join("oldest-rust")).env("RUSTFLAGS", "--deny warnings");
        for chosen in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
            command.env_remove(chosen);
        }
        let shown = if features.is_empty() { "no feature" } else { features };
        let what = format!("{PACKAGE} with {shown}, Rust {version}");
        let took = run::step(&what, command, None)?;
        run::done(&what, took);
    }
    Ok(None)
}

/// The SDK's `rust-version`.
fn promised(project: &Project) -> Result<String> {
    let output =
        project.cargo(["metadata", "--format-version", "1", "--no-deps"]).output().context("cargo metadata")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let sdk = packages.iter().find(|package| package["name"] == PACKAGE);
    let version = sdk.and_then(|sdk| sdk["rust_version"].as_str());
    version.map(str::to_owned).with_context(|| format!("{PACKAGE} states no rust-version"))
}

fn install(version: &str) -> Result<()> {
    // `rustup run` would install it too, with all that the default profile has.
    if rustup(&["run", version, "rustc", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let what = format!("rustup toolchain install {version}");
    let install = rustup(&["toolchain", "install", version, "--profile", "minimal", "--no-self-update"]);
    let took = run::step(&what, install, Some(RUSTUP_LIMIT))
        .with_context(|| format!("Rust {version}, the oldest that the SDK promises to build with, is needed"))?;
    run::done(&what, took);
    Ok(())
}

fn rustup(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(arguments);
    command
}
