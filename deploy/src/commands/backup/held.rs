//! The log's segments, held open while everything else is copied: one that is released meanwhile can still be read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::files;

/// Between two looks for new segments. One that is made, filled, worked off by judge and archive and released between
/// two looks would leave a gap in the copy; those take a second each to say how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Opens every segment as it comes, until it is told that the rest of the backup is there.
pub(super) struct Holder {
    held: Arc<Mutex<Held>>,
    log: PathBuf,
    enough: mpsc::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Holder {
    /// Holds what is there, and what comes.
    pub(super) fn start(log: &Path) -> anyhow::Result<Self> {
        let mut first = Held::default();
        first.add(log)?;
        let held = Arc::new(Mutex::new(first));
        let (enough, told) = mpsc::channel();
        let (shared, place) = (Arc::clone(&held), log.to_owned());
        let looking = move || {
            while told.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).add(&place)?;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("plume-hold".into()).spawn(looking);
        Ok(Self {
            held,
            log: log.to_owned(),
            enough,
            thread: thread.context("start the thread that holds the log")?,
        })
    }

    /// Bytes held so far.
    pub(super) fn bytes(&self) -> u64 {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let sizes = held.0.values().filter_map(|file| Some(file.metadata().ok()?.len()));
        sizes.sum()
    }

    /// Everything from the start until now.
    pub(super) fn finish(self) -> anyhow::Result<Held> {
        let Self {
            held,
            log,
            enough,
            thread,
        } = self;
        drop(enough);
        thread
            .join()
            .map_err(|_| anyhow!("the thread that holds the log has ended by a panic"))??;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.add(&log)?;
        Ok(std::mem::take(&mut *held))
    }
}

/// Open segments by their names.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<String, File>);

impl Held {
    /// Opens segments that came since.
    fn add(&mut self, log: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(log).with_context(|| format!("list {}", log.display()))? {
            let path = entry.with_context(|| format!("list {}", log.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_segment = path.extension().is_some_and(|ending| ending == "log");
            if !is_segment || self.0.contains_key(&name) {
                continue;
            }
            match File::open(&path) {
                Ok(file) => {
                    self.0.insert(name, file);
                }
                // Released between the listing and now, at the first look: what comes after it is held.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
            }
        }
        Ok(())
    }

    /// Copies all, the oldest first; the newest as far as it has come. Their names.
    pub(super) fn copy(self, log: &Path, data: &Path, log_name: &str) -> anyhow::Result<Vec<String>> {
        let newest = self.0.keys().next_back().cloned();
        for (name, file) in &self.0 {
            let path = log.join(name);
            // The newest is being written, unless it has been worked off already.
            let whole = if newest.as_ref() == Some(name) && path.exists() {
                plume_bus::whole_bytes(&path)?
            } else {
                u64::MAX
            };
            files::copy(file.take(whole), data, &format!("{log_name}/{name}"))?;
        }
        Ok(self.0.into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn holds(holder: &Holder, name: &str) -> bool {
        holder.held.lock().unwrap().0.contains_key(name)
    }

    #[test]
    fn a_segment_that_comes_and_goes_meanwhile_is_in_the_copy() {
        let dir = tempfile::tempdir().unwrap();
        let (log, data) = (dir.path().join("log"), dir.path().join("data"));
        fs::create_dir(&log).unwrap();
        fs::write(log.join("1.log"), "one").unwrap();
        let holder = Holder::start(&log).unwrap();
        fs::remove_file(log.join("1.log")).unwrap();
        fs::write(log.join("2.log"), "two").unwrap();
        let limit = Instant::now() + Duration::from_secs(20);
        while !holds(&holder, "2.log") {
            assert!(Instant::now() < limit, "nobody looks for new segments");
            std::thread::yield_now();
        }
        fs::remove_file(log.join("2.log")).unwrap();
        fs::write(log.join("3.log"), "three").unwrap();
        fs::write(log.join("LOCK"), "").unwrap();
        assert!(holder.bytes() >= 6);
        let held = holder.finish().unwrap();
        fs::remove_file(log.join("3.log")).unwrap();
        let names = held.copy(&log, &data, "log").unwrap();
        assert_eq!(names, ["1.log", "2.log", "3.log"]);
        let content = |name: &str| fs::read_to_string(data.join("log").join(name)).unwrap();
        assert_eq!(
            names.iter().map(|name| content(name)).collect::<String>(),
            "onetwothree"
        );
    }

    #[test]
    fn a_log_that_disappears_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::create_dir(&log).unwrap();
        let holder = Holder::start(&log).unwrap();
        fs::remove_dir(&log).unwrap();
        let error = holder.finish().unwrap_err();
        assert!(format!("{error:#}").contains("list"), "{error:#}");
    }
}
