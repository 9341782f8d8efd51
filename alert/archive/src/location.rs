//! Where an archive lies: a directory, or an object store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plume_bus::fs::{Fs, RealFs};

use crate::{ArchiveConfig, ArchiveError};

/// How the address of an object store begins: `s3://BUCKET/PREFIX`.
pub(crate) const S3: &str = "s3://";

/// Where an archive lies, and how its files are reached.
#[derive(Clone, Debug)]
pub struct Location {
    /// Directory, or prefix of the objects' names.
    pub root: PathBuf,
    /// What does the file operations there.
    pub fs: Arc<dyn Fs>,
}

impl Location {
    /// The place that `archive.dir` names: below `data_dir` where it is relative. Errors: an object store that cannot
    /// be reached with these settings, or one asked of a plume built without `s3`.
    pub fn of(config: &ArchiveConfig, data_dir: &Path) -> Result<Self, ArchiveError> {
        match config.dir.to_str().and_then(|dir| dir.strip_prefix(S3)) {
            Some(address) => in_store(config, address),
            None => Ok(Self::directory(data_dir.join(&config.dir))),
        }
    }

    /// A directory.
    pub fn directory(root: PathBuf) -> Self {
        Self {
            root,
            fs: Arc::new(RealFs),
        }
    }
}

#[cfg(not(feature = "s3"))]
fn in_store(config: &ArchiveConfig, _: &str) -> Result<Location, ArchiveError> {
    Err(ArchiveError::Store {
        dir: config.dir.clone(),
        reason: "this plume was built without the feature `s3`".to_owned(),
    })
}

#[cfg(feature = "s3")]
fn in_store(config: &ArchiveConfig, address: &str) -> Result<Location, ArchiveError> {
    use object_store::aws::AmazonS3Builder;

    let refused = |reason: String| ArchiveError::Store {
        dir: config.dir.clone(),
        reason,
    };
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    if bucket.is_empty() {
        return Err(refused("no bucket is named: s3://BUCKET/PREFIX".to_owned()));
    }
    // The HTTP client asks the process which cryptography to use; whoever has said so before has said the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = &config.s3;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&settings.region)
        // One request removes one file; not every store takes lists.
        .with_disable_bulk_delete(true);
    if !settings.endpoint.is_empty() {
        builder = builder
            .with_endpoint(&settings.endpoint)
            .with_allow_http(settings.endpoint.starts_with("http://"));
    }
    if !settings.access_key_id.is_empty() {
        builder = builder
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(&settings.secret_access_key);
    }
    let store = builder.build().map_err(|error| refused(error.to_string()))?;
    let fs = crate::store::StoreFs::new(Arc::new(store)).map_err(|error| refused(error.to_string()))?;
    Ok(Location {
        root: prefix.trim_matches('/').into(),
        fs: Arc::new(fs),
    })
}
