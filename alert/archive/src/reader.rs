//! The reading half: what is archived, published or not, without the writer's lock.

use std::path::Path;
use std::sync::Arc;

use plume_bus::fs::Fs;

use crate::ArchiveError;
use crate::files::Files;
use crate::manifest::{Loaded, Manifest};

/// An archive as it was when opened for reading.
#[derive(Debug)]
pub struct Reader {
    pub(crate) files: Files,
    pub(crate) manifest: Manifest,
}

impl Reader {
    /// Opens the archive at `root` to read it. Errors: a manifest that is not what was written.
    pub fn open(root: &Path, fs: Arc<dyn Fs>) -> Result<Self, ArchiveError> {
        Self::of(&Files::new(fs, root))
    }

    pub(crate) fn of(files: &Files) -> Result<Self, ArchiveError> {
        // The line a writer is just appending is left out; it will be seen the next time.
        let Loaded { manifest, .. } = Manifest::load(files)?;
        Ok(Self {
            files: files.clone(),
            manifest,
        })
    }

    /// Bytes of Parquet read so far by queries and evidence: shows what indexes spare.
    pub fn read_bytes(&self) -> u64 {
        self.files.read_bytes()
    }
}
