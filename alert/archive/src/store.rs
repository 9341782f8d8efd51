//! Archives in an object store: the file operations of the archive, on objects of S3 and of what speaks like it.
//!
//! An object appears whole or not at all, so no reader sees half a file here either. Two things differ from a disk:
//! - There is no lock. What this process has read or written it replaces only while it is still the same (`If-Match`).
//!   A second writer puts the plan and the manifest's last line again when it opens, so the first one's next plan is
//!   refused before it touches a file: the later writer wins, and nothing is written twice.
//! - A file that is replaced while it is read does not stay readable: its next piece is an error, never a mixture.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{
    Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use plume_bus::fs::{Fs, FsFile, FsLock};
use tokio::runtime::{Builder, Runtime};

/// Objects up to this size are fetched whole at the first read: a request takes as long as such a piece does.
const WHOLE_BYTES: u64 = 4 << 20;

/// An object store as a file system, as far as the archive needs one.
#[derive(Clone, Debug)]
pub struct StoreFs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ObjectStore>,
    runner: Runner,
    /// What this process knows each object to be: as it first read it or last wrote it.
    known: Mutex<HashMap<Key, Known>>,
    /// Files made that have no object yet.
    staged: Mutex<HashMap<Key, Arc<StoreFile>>>,
}

#[derive(Clone, Debug)]
enum Known {
    Missing,
    Is(UpdateVersion),
}

impl StoreFs {
    /// The file operations on `store`. Errors: no thread can be had for its requests.
    pub fn new(store: Arc<dyn ObjectStore>) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            store,
            runner: Runner::start()?,
            known: Mutex::default(),
            staged: Mutex::default(),
        })))
    }
}

impl Inner {
    fn run<T, F>(&self, ask: impl FnOnce(Arc<dyn ObjectStore>) -> F) -> io::Result<Result<T, Error>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.runner.run(ask(Arc::clone(&self.store)))
    }

    /// Size and version of an object.
    fn head(&self, key: &Key) -> io::Result<(u64, Option<String>)> {
        let asked = key.clone();
        match self.run(|store| async move { store.head(&asked).await })? {
            Ok(meta) => {
                self.first_seen(
                    key,
                    Known::Is(UpdateVersion {
                        e_tag: meta.e_tag.clone(),
                        version: meta.version,
                    }),
                );
                Ok((meta.size, meta.e_tag))
            }
            Err(error) => {
                if matches!(error, Error::NotFound { .. }) {
                    self.first_seen(key, Known::Missing);
                }
                Err(failed(error))
            }
        }
    }

    /// A piece of the object with that tag, or all of whatever object is there.
    fn get(&self, key: &Key, piece: Option<(std::ops::Range<u64>, Option<String>)>) -> io::Result<Bytes> {
        let key = key.clone();
        let options = match piece {
            Some((range, e_tag)) => GetOptions::new().with_range(Some(range)).with_if_match(e_tag),
            None => GetOptions::new(),
        };
        let got = self.run(|store| async move { store.get_opts(&key, options).await?.bytes().await })?;
        got.map_err(failed)
    }

    /// Makes the object hold `content`, if it still is what this process knows.
    fn put(&self, key: &Key, content: &Bytes) -> io::Result<()> {
        let mode = match lock(&self.known).get(key) {
            Some(Known::Is(version)) => PutMode::Update(version.clone()),
            Some(Known::Missing) => PutMode::Create,
            None => PutMode::Overwrite,
        };
        let (asked, payload) = (key.clone(), PutPayload::from(content.clone()));
        let options = PutOptions::from(mode);
        match self.run(|store| async move { store.put_opts(&asked, payload, options).await })? {
            Ok(done) => {
                lock(&self.known).insert(key.clone(), Known::Is(done.into()));
                Ok(())
            }
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => self.was_put(key, content),
            Err(error) => Err(failed(error)),
        }
    }

    /// After a refusal: the answer to an earlier try may have been lost, and then the object is what was to be put.
    fn was_put(&self, key: &Key, content: &Bytes) -> io::Result<()> {
        let asked = key.clone();
        let meta = self
            .run(|store| async move { store.head(&asked).await })?
            .map_err(failed)?;
        if self.get(key, None)? != *content {
            let taken = format!("{key} was written by another process since: it is the archive's writer now");
            return Err(io::Error::new(io::ErrorKind::StaleNetworkFileHandle, taken));
        }
        let version = UpdateVersion {
            e_tag: meta.e_tag,
            version: meta.version,
        };
        lock(&self.known).insert(key.clone(), Known::Is(version));
        Ok(())
    }

    /// What is known already stays: reading again must not hide that another process has written.
    fn first_seen(&self, key: &Key, known: Known) {
        lock(&self.known).entry(key.clone()).or_insert(known);
    }
}

impl Fs for StoreFs {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let prefix = key(dir)?;
        let listed = self
            .0
            .run(|store| async move { store.list_with_delimiter(Some(&prefix)).await })?;
        let names = listed.map_err(failed)?.objects.into_iter();
        Ok(names
            .filter_map(|object| object.location.filename().map(str::to_owned))
            .collect())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn FsLock>> {
        Ok(Box::new(NoLock))
    }

    fn create(&self, file: &Path) -> io::Result<Arc<dyn FsFile>> {
        let key = key(file)?;
        let made = Arc::new(StoreFile {
            inner: Arc::clone(&self.0),
            key: key.clone(),
            content: Mutex::new(Content::Here(Vec::new())),
        });
        lock(&self.0.staged).insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn open(&self, file: &Path) -> io::Result<Arc<dyn FsFile>> {
        let key = key(file)?;
        let (size, e_tag) = self.0.head(&key)?;
        Ok(Arc::new(StoreFile {
            inner: Arc::clone(&self.0),
            key,
            content: Mutex::new(Content::There {
                size,
                e_tag,
                fetched: None,
            }),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (key(from)?, key(to)?);
        let staged = lock(&self.0.staged).remove(&from);
        let Some(file) = staged else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{from} was not just made"),
            ));
        };
        let content = file.content()?;
        self.0.put(&to, &content)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let key = key(file)?;
        let asked = key.clone();
        let removed = self.0.run(|store| async move { store.delete(&asked).await })?;
        lock(&self.0.known).remove(&key);
        removed.map_err(failed)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let dir = key(dir)?;
        let here = |staged: &Key| {
            staged
                .prefix_match(&dir)
                .is_some_and(|mut rest| rest.next().is_some() && rest.next().is_none())
        };
        let made: Vec<Key> = lock(&self.0.staged)
            .keys()
            .filter(|staged| here(staged))
            .cloned()
            .collect();
        for key in made {
            let file = lock(&self.0.staged).remove(&key);
            if let Some(file) = file {
                self.0.put(&key, &file.content()?)?;
            }
        }
        Ok(())
    }
}

/// Where the content of a file is.
#[derive(Debug)]
enum Content {
    /// In the store, as it was when opened.
    There {
        size: u64,
        e_tag: Option<String>,
        /// All of it, where it is small and was read.
        fetched: Option<Bytes>,
    },
    /// Here, on its way there.
    Here(Vec<u8>),
}

#[derive(Debug)]
struct StoreFile {
    inner: Arc<Inner>,
    key: Key,
    content: Mutex<Content>,
}

impl StoreFile {
    /// All of it.
    fn content(&self) -> io::Result<Bytes> {
        match &*lock(&self.content) {
            Content::Here(content) => Ok(Bytes::copy_from_slice(content)),
            Content::There { size, e_tag, .. } => self.inner.get(&self.key, Some((0..*size, e_tag.clone()))),
        }
    }

    /// Changes it, once all of it is here.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        let here = match &*lock(&self.content) {
            Content::Here(_) => None,
            Content::There { size: 0, .. } => Some(Vec::new()),
            Content::There { size, e_tag, .. } => {
                Some(self.inner.get(&self.key, Some((0..*size, e_tag.clone())))?.to_vec())
            }
        };
        let mut content = lock(&self.content);
        if let Some(here) = here {
            *content = Content::Here(here);
        }
        match &mut *content {
            Content::Here(bytes) => Ok(change(bytes)),
            Content::There { .. } => Err(io::Error::other("it is not here")),
        }
    }
}

impl FsFile for StoreFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        match &mut *lock(&self.content) {
            Content::Here(content) => Ok(copied(content, position, buffer)),
            Content::There {
                fetched: Some(content), ..
            } => Ok(copied(content, position, buffer)),
            Content::There { size, .. } if position >= *size || buffer.is_empty() => Ok(0),
            Content::There { size, e_tag, fetched } if *size <= WHOLE_BYTES => {
                let content = self.inner.get(&self.key, Some((0..*size, e_tag.clone())))?;
                let read = copied(&content, position, buffer);
                *fetched = Some(content);
                Ok(read)
            }
            Content::There { size, e_tag, .. } => {
                let end = position.saturating_add(buffer.len() as u64).min(*size);
                let piece = self.inner.get(&self.key, Some((position..end, e_tag.clone())))?;
                Ok(copied(&piece, 0, buffer))
            }
        }
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let from = usize::try_from(position).map_err(io::Error::other)?;
        self.change(|content| {
            let end = from.saturating_add(bytes.len());
            if content.len() < end {
                content.resize(end, 0);
            }
            content.splice(from..end, bytes.iter().copied());
            bytes.len()
        })
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        self.change(|content| content.resize(bytes, 0))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(match &*lock(&self.content) {
            Content::Here(content) => content.len() as u64,
            Content::There { size, .. } => *size,
        })
    }

    /// A file that has no object yet gets it with its name ([`Fs::rename`], [`Fs::sync_dir`]).
    fn sync(&self) -> io::Result<()> {
        if lock(&self.inner.staged).contains_key(&self.key) || matches!(*lock(&self.content), Content::There { .. }) {
            return Ok(());
        }
        self.inner.put(&self.key, &self.content()?)
    }
}

/// As much of `content` from `position` on as there is room for; how much that is.
fn copied(content: &[u8], position: u64, to: &mut [u8]) -> usize {
    let from = usize::try_from(position).unwrap_or(usize::MAX);
    let rest = content.get(from..).unwrap_or_default();
    rest.iter().zip(to).map(|(from, to)| *to = *from).count()
}

#[derive(Debug)]
struct NoLock;

impl FsLock for NoLock {}

/// Requests run on a thread of their own, so that callers may block wherever they are.
#[derive(Debug)]
struct Runner(Option<Runtime>);

impl Runner {
    fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("archive-store").enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    fn run<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
        let ended = || io::Error::other("the request ended without an answer");
        let (tell, told) = mpsc::sync_channel(1);
        let runtime = self.0.as_ref().ok_or_else(ended)?;
        runtime.spawn(async move { drop(tell.send(request.await)) });
        told.recv().map_err(|_| ended())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting for its threads is not allowed everywhere; nothing runs by now.
            runtime.shutdown_background();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(path: &Path) -> io::Result<Key> {
    let text = path
        .to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a name that is no UTF-8"))?;
    Key::parse(text.trim_matches('/')).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn failed(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::Precondition { .. } => io::ErrorKind::StaleNetworkFileHandle,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
