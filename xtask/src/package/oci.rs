//! The filter as an OCI image layout, in the form that Istio and Envoy Gateway take from a registry: an image with one layer,
//! a `tar+gzip` that holds `plugin.wasm` (the "compat" variant of the Wasm image specification).

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{VERSION, archive, sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Readers look for this name.
const FILE: &str = "plugin.wasm";

/// Writes the layout with one image, tagged with the version.
pub fn write(module: &[u8], folder: &Path) -> Result<()> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).with_context(|| format!("cannot create {}", blobs.display()))?;
    let tar = archive::tar(&[(FILE.to_owned(), module.to_vec())])?;
    let layer = blob(&blobs, LAYER, &archive::gzip(&tar)?)?;
    let config = json!({
        "architecture": "wasm",
        "os": "wasip1",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&tar))] },
    });
    let config = blob(&blobs, CONFIG, config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
        "annotations": {
            "org.opencontainers.image.title": "keyplane-filter",
            "org.opencontainers.image.description": "Keyplane's filter for Envoy (proxy-wasm)",
            "org.opencontainers.image.version": VERSION,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
        },
    });
    let mut manifest = blob(&blobs, MANIFEST, manifest.to_string().as_bytes())?;
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": VERSION });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    super::write(&folder.join("index.json"), index.to_string().as_bytes())?;
    super::write(&folder.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string().as_bytes())
}

/// Writes a blob under its digest and gives its descriptor.
fn blob(blobs: &Path, media_type: &str, content: &[u8]) -> Result<Value> {
    let digest = sha256(content);
    super::write(&blobs.join(&digest), content)?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len() }))
}
