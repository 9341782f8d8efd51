//! What belongs to an archive at one moment: for whoever copies it while it is written.

use std::path::Path;
use std::sync::Arc;

use plume_bus::fs::Fs;

use crate::files::Files;
use crate::manifest::{MANIFEST, Manifest, VERSION};
use crate::{ArchiveError, FileEntry};

/// Version of the manifest's lines that this plume writes and reads.
pub const FORMAT: u32 = VERSION;

/// The archive as its manifest says it is.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Name of the manifest below the archive.
    pub manifest_name: &'static str,
    /// The manifest up to its last whole line.
    pub manifest: Vec<u8>,
    /// Every file that it names now, with length and SHA-256.
    pub files: Vec<FileEntry>,
}

/// Reads the manifest, and takes nothing else: a writer may go on meanwhile. A file whose bytes are not those of its
/// entry has been replaced since; the next inventory names it as it is then.
pub fn inventory(root: &Path, fs: Arc<dyn Fs>) -> Result<Inventory, ArchiveError> {
    let files = Files::new(fs, root);
    let manifest = Manifest::load(&files)?.manifest;
    let mut content = files.read_if_there(MANIFEST)?.unwrap_or_default();
    // It only ever grows.
    content.truncate(usize::try_from(manifest.bytes()).unwrap_or(usize::MAX));
    Ok(Inventory {
        manifest_name: MANIFEST,
        manifest: content,
        files: manifest.entries().cloned().collect(),
    })
}
