//! A standard library for `wasm32-unknown-unknown`, wherever one is to be had.
//!
//! In this order: the target is installed; `rustup target add` installs it; Debian's `rustc-web` (a rustc that matches its
//! `rust-web-src`) builds it from source. The last way is for machines that reach a Debian mirror but no rustup server.
//! Debian's packages, once installed, are used before rustup is tried again, so that later runs wait for no server.
//! The reasons are in `docs/decisions/0001-wasm-toolchain.md`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::run::{self, DIM};

/// The target that the filter is built for.
pub const TARGET: &str = "wasm32-unknown-unknown";

const RUSTUP_LIMIT: Duration = Duration::from_mins(2);
const APT_LIMIT: Duration = Duration::from_mins(10);
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// How to call cargo so that it can build for [`TARGET`].
#[derive(Debug)]
pub enum Toolchain {
    /// The standard library is installed: nothing to add.
    Installed,
    /// Debian's own rustc builds the standard library from its source, and rustup's linker links.
    Debian {
        /// `rust-lld`.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Finds one, installing what it takes. `KEYPLANE_WASM_TOOLCHAIN` set to `rustup` or `debian` allows only that way.
    pub fn obtain() -> Result<Self> {
        let wanted = std::env::var("KEYPLANE_WASM_TOOLCHAIN").unwrap_or_default();
        match wanted.as_str() {
            "rustup" => installed_or_rustup(),
            "debian" => debian(),
            "" if !installed()? && debian_ready() => debian(),
            "" => installed_or_rustup().or_else(|first| {
                anstream::eprintln!("  {DIM}{first:#}; taking Debian's rustc-web instead{DIM:#}");
                debian().map_err(|second| anyhow::anyhow!("no standard library for {TARGET}: {first:#}; {second:#}"))
            }),
            other => bail!("KEYPLANE_WASM_TOOLCHAIN is {other:?}; it may be `rustup` or `debian`"),
        }
    }

    /// Adds to a `cargo build` what this toolchain needs.
    pub fn apply(&self, command: &mut Command) {
        command.args(["--target", TARGET]);
        if let Self::Debian { linker } = self {
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", DEBIAN_RUSTC)
                // `-Z` on a stable cargo, and the unstable features that the standard library itself uses.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                // `cargo test` points this at rustup's libraries, which are not for another rustc.
                .env_remove("LD_LIBRARY_PATH");
        }
    }

    /// In a few words, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Installed => "the installed standard library",
            Self::Debian { .. } => "Debian's rustc and the standard library's source",
        }
    }
}

fn installed_or_rustup() -> Result<Toolchain> {
    if installed()? {
        return Ok(Toolchain::Installed);
    }
    if !run::exists("rustup") {
        bail!("it is not installed, and there is no rustup to add it");
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]);
    let what = format!("rustup target add {TARGET}");
    let took = run::attempt(&what, add, Some(RUSTUP_LIMIT))?;
    if !installed()? {
        bail!("`{what}` succeeded, but rustc does not see it (is `rustc` on PATH rustup's?)");
    }
    run::done(&what, took);
    Ok(Toolchain::Installed)
}

fn installed() -> Result<bool> {
    let mut ask = Command::new(rustc());
    ask.args(["--print", "target-libdir", "--target", TARGET]);
    let folder = run::read(ask)?;
    let Ok(entries) = std::fs::read_dir(folder.trim()) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    }))
}

fn debian() -> Result<Toolchain> {
    if !debian_ready() {
        if !run::exists("apt-get") {
            bail!(
                "there is no apt-get to install Debian's rustc-web instead; where rustup's servers are reached, \
                 `rustup target add {TARGET}` is all it takes"
            );
        }
        let packages = DEBIAN_PACKAGES.join(" ");
        let took = install(&DEBIAN_PACKAGES)?;
        if !debian_ready() {
            bail!("{packages} are installed, but {DEBIAN_RUSTC} or {DEBIAN_STD_SOURCE} is missing or too old");
        }
        run::done(&format!("apt-get install {packages}"), took);
    }
    Ok(Toolchain::Debian { linker: linker()? })
}

/// Installs packages of Debian.
pub(crate) fn install(packages: &[&str]) -> Result<Duration> {
    let what = format!("apt-get install {}", packages.join(" "));
    let command = || apt(&["install", "-y", "--no-install-recommends"], packages);
    // The lists may be missing (a fresh image) or so old that what they name is gone from the mirror.
    run::attempt(&what, command(), Some(APT_LIMIT))
        .or_else(|_| {
            let first = run::step("apt-get update", apt(&["update"], &[]), Some(APT_LIMIT))?;
            run::step(&what, command(), Some(APT_LIMIT)).map(|second| first + second)
        })
        .with_context(|| format!("install them yourself: `sudo {what}`"))
}

/// Whether Debian's compiler and the source are there, new enough for this workspace, and of one version.
fn debian_ready() -> bool {
    let mut ask = Command::new(DEBIAN_RUSTC);
    ask.arg("--version").env_remove("LD_LIBRARY_PATH");
    let version = run::read(ask).ok().and_then(|text| rustc_version(&text));
    Path::new(DEBIAN_STD_SOURCE).exists() && version >= rustc_version(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))
}

/// `rustc 1.96.0 (…)` -> (1, 96). `None` is less than any version.
fn rustc_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("rustc ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// `apt-get`, as the one who may.
pub(crate) fn apt(arguments: &[&str], packages: &[&str]) -> Command {
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        // No question that nobody sees: sudo fails at once where it would need a password.
        sudo.args(["-n", "apt-get"]);
        sudo
    };
    command.args(arguments).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// rustup's own linker for wasm, else Debian's.
fn linker() -> Result<PathBuf> {
    let mut sysroot = Command::new(rustc());
    sysroot.args(["--print", "sysroot"]);
    let own = Path::new(run::read(sysroot)?.trim()).join("lib/rustlib").join(host()?).join("bin/rust-lld");
    [own, "/usr/bin/rust-lld".into()]
        .into_iter()
        .find(|path| path.exists())
        .context("there is no rust-lld, neither with rustc nor in /usr/bin (Debian: `apt-get install rust-web-llvm`)")
}

/// The target that rustc builds for when none is named: this machine.
pub(crate) fn host() -> Result<String> {
    let mut version = Command::new(rustc());
    version.arg("-vV");
    let version = run::read(version)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(host.to_owned())
}

fn rustc() -> OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rustc_older_than_the_workspace_needs_will_not_do() {
        let needed = rustc_version("rustc 1.95");
        assert!(rustc_version("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)") >= needed);
        assert!(rustc_version("rustc 1.95.0 (59807616e 2026-04-14)") >= needed);
        assert!(rustc_version("rustc 1.63.0") < needed);
        assert!(rustc_version("what is this") < needed);
    }
}
