//! `.tar.gz` whose bytes depend on names and contents only: sorted, without times, owners or the machine's modes.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

/// The files below a folder, by their names in it, sorted.
pub fn files(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    collect(folder, "", &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name();
        let name = format!("{prefix}{}", name.to_str().with_context(|| format!("{} is not UTF-8", name.display()))?);
        if entry.file_type().with_context(failed)?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}

/// A folder's files under another name.
pub fn of_folder(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let mut entries = Vec::new();
    for file in files(folder)? {
        entries.push((format!("{name}/{file}"), super::read(&folder.join(&file))?));
    }
    gzip(&tar(&entries)?)
}

/// The files as an archive.
pub fn tar(entries: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(content.len())?);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, name, content.as_slice()).with_context(|| name.clone())?;
    }
    Ok(archive.into_inner()?)
}

/// Compressed; the header holds no time and no name.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    compressed.write_all(bytes)?;
    Ok(compressed.finish()?)
}
