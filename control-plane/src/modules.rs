//! The filter as a file, `keyplane.wasm`, for proxies to fetch. Read once, at the start.
//!
//! It is a file and not a part of the program: the filter is built by another compiler, and an older one can be offered beside
//! the current one while proxies still ask for it by its digest.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Its name beside the program.
const NAME: &str = "keyplane.wasm";
/// Longer is no filter.
const LIMIT: u64 = 16 * 1024 * 1024;
/// How every WebAssembly module of version 1 begins.
const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

/// The modules that proxies may fetch; the first is the current one.
#[derive(Clone, Debug, Default)]
pub struct Modules(Vec<Module>);

/// A module could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The file cannot be read.
    #[error("setting `filter_modules`: cannot read {}: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The file is something else.
    #[error("setting `filter_modules`: {} is no WebAssembly module of at most 16 MiB", .0.display())]
    NoModule(PathBuf),
}

impl Modules {
    /// Reads the files; without any the one beside the program, if there is one.
    pub fn read(files: &[PathBuf], program: Option<&Path>) -> Result<Self, ModuleError> {
        let beside = program.map(|program| program.with_file_name(NAME)).filter(|file| file.is_file());
        let files = if files.is_empty() { beside.as_slice() } else { files };
        files.iter().map(|file| Module::read(file)).collect::<Result<_, _>>().map(Self)
    }

    /// The current one.
    pub fn current(&self) -> Option<&Module> {
        self.0.first()
    }

    /// The one with this digest.
    pub fn with_digest(&self, sha256: &str) -> Option<&Module> {
        self.0.iter().find(|module| module.sha256 == sha256)
    }
}

impl Module {
    /// A module of these bytes.
    pub fn new(bytes: Bytes) -> Self {
        let sha256 = digest(&SHA256, &bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { bytes, sha256 }
    }

    fn read(file: &Path) -> Result<Self, ModuleError> {
        let unreadable = |error| ModuleError::Unreadable { file: file.to_owned(), error };
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let long = u64::try_from(bytes.len()).is_ok_and(|length| length > LIMIT);
        if long || !bytes.starts_with(MAGIC) {
            return Err(ModuleError::NoModule(file.to_owned()));
        }
        Ok(Self::new(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        std::fs::write(&file, "<html>").unwrap();
        for file in [file, folder.path().join("missing.wasm")] {
            let error = Modules::read(std::slice::from_ref(&file), None).unwrap_err().to_string();
            assert!(error.contains("filter_modules") && error.contains(file.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn the_module_beside_the_program_is_taken_unless_the_setting_names_others() {
        let folder = tempfile::tempdir().unwrap();
        let (program, beside, other) =
            (folder.path().join("keyplane"), folder.path().join(NAME), folder.path().join("other.wasm"));
        assert!(Modules::read(&[], Some(&program)).unwrap().current().is_none());
        std::fs::write(&beside, MAGIC).unwrap();
        std::fs::write(&other, [MAGIC, b"\0\x01a"].concat()).unwrap();
        let found = Modules::read(&[], Some(&program)).unwrap();
        assert_eq!(found.current().unwrap().bytes, MAGIC);
        let both = Modules::read(&[other, beside], Some(&program)).unwrap();
        assert_eq!(both.current().unwrap().bytes.len(), MAGIC.len() + 3);
        // The SHA-256 of the empty module, as `sha256sum` prints it.
        let digest = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";
        assert_eq!(both.with_digest(digest).unwrap().bytes, MAGIC);
    }
}
