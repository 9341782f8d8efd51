//! The judge's loop is deploy's own file, compiled into this test: what is killed and restarted here is what runs in
//! the field. Only what it stands on is the world's: a log on the simulated disk, and checkpoints beside it.

#[path = "../../src/roles/away.rs"]
pub(crate) mod away;
#[path = "../../src/roles/detect.rs"]
#[expect(dead_code, reason = "the world moves no judges")]
pub(crate) mod detect;
#[path = "../../src/roles/signals.rs"]
#[expect(dead_code, reason = "the world keeps no gauge of lag")]
pub(crate) mod signals;
#[path = "../../src/roles/stop.rs"]
pub(crate) mod stop;

pub(crate) use away::{is_away, is_refused};

use std::path::PathBuf;
use std::sync::Arc;

use plume_bus::{Bus, ConsumerId, Pinning, ReadLimit, Topic, TopicPartition};

/// What the loop is given, as far as it uses it.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) bus: Bus,
    pub(crate) signals: signals::Signals,
    pub(crate) health: crate::admin::Health,
    pub(crate) catalogue: Arc<plume_schemas::factors::Catalogue>,
    pub(crate) data_dir: PathBuf,
}

/// Small, so that one round of the loop makes several transactions.
pub(crate) const READ_LIMIT: ReadLimit = ReadLimit {
    records: 200,
    bytes: 1 << 20,
};

/// As in deploy.
pub(crate) const DETECT: &str = "detect";
/// As in deploy.
pub(crate) const DETECT_BEGIN: &str = "detect-begin";
/// As in deploy.
pub(crate) const DETECT_CHECKPOINT: &str = "detect-checkpoint";
/// As in deploy.
pub(crate) const WARN_PERCENT: u8 = 50;
/// As in deploy.
pub(crate) const NOT_READY_PERCENT: u8 = 80;
/// As in deploy.
pub(crate) const ARCHIVE: &str = "archive";
/// As in deploy.
pub(crate) const ARCHIVED: [Topic; 4] = [Topic::Reports, Topic::Quarantine, Topic::Judgements, Topic::Events];

/// Who holds segments back, as in deploy (D6).
pub(crate) fn pinning() -> Vec<Pinning> {
    vec![
        Pinning {
            consumer: consumer(DETECT_CHECKPOINT).unwrap(),
            topics: vec![Topic::Reports],
        },
        Pinning {
            consumer: consumer(ARCHIVE).unwrap(),
            topics: ARCHIVED.to_vec(),
        },
    ]
}

pub(crate) fn consumer(name: &str) -> anyhow::Result<ConsumerId> {
    Ok(ConsumerId::new(name)?)
}

pub(crate) fn at(topic: Topic, partition: u32) -> TopicPartition {
    TopicPartition { topic, partition }
}

/// Checkpoints on the simulated disk. The loop knows them by path only, so each world has a path of its own.
pub(crate) mod checkpoint {
    use std::collections::BTreeMap;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    use plume_bus::fs::{Fs, FsFile};
    use plume_schemas::ids::ContentId;

    use crate::disk::Disk;

    /// A disk, and how far a canary lets checkpoints claim to be ahead of what they hold.
    type Place = (Disk, u64);

    static PLACES: Mutex<BTreeMap<PathBuf, Place>> = Mutex::new(BTreeMap::new());

    /// Gives a world a data directory of its own; forgotten when dropped.
    #[derive(Debug)]
    pub(crate) struct DataDir(pub(crate) PathBuf);

    impl DataDir {
        pub(crate) fn new(disk: &Disk, ahead: u64) -> Self {
            let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
            let free = (0_u64..).map(|number| PathBuf::from(format!("/plume/world-{number}")));
            let own = free
                .into_iter()
                .find(|path| !places.contains_key(path))
                .unwrap_or_default();
            places.insert(own.clone(), (disk.clone(), ahead));
            Self(own)
        }
    }

    impl Drop for DataDir {
        fn drop(&mut self) {
            PLACES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        }
    }

    fn place(path: &Path) -> anyhow::Result<Place> {
        let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let found = path.ancestors().find_map(|dir| places.get(dir));
        found
            .cloned()
            .ok_or_else(|| anyhow::anyhow!("{} lies in no world", path.display()))
    }

    pub(crate) fn path(data_dir: &Path, partition: u32) -> PathBuf {
        data_dir.join(format!("detect-{partition}.ckpt"))
    }

    /// Written beside, synced, renamed, directory synced: as deploy does it.
    pub(crate) fn save(path: &Path, offset: u64, state: &[u8]) -> anyhow::Result<()> {
        let (disk, ahead) = place(path)?;
        let fresh = path.with_extension("new");
        let offset = (offset + ahead).to_le_bytes();
        let sum = ContentId::of(&[&offset, state]);
        let content = [sum.as_bytes(), offset.as_slice(), state].concat();
        let file = disk.create(&fresh)?;
        let mut written = 0;
        while written < content.len() {
            match file.write_at(&content[written..], written as u64)? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                count => written += count,
            }
        }
        file.sync()?;
        disk.rename(&fresh, path)?;
        Ok(disk.sync_dir(path.parent().unwrap_or(path))?)
    }

    /// The world looks at the newest checkpoint only.
    pub(crate) fn keep(_: &Path, _: u32, _: &str) -> anyhow::Result<()> {
        Ok(())
    }

    pub(crate) fn load(path: &Path) -> anyhow::Result<Option<(u64, Vec<u8>)>> {
        let (disk, _) = place(path)?;
        let file = match disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let content = read(&*file)?;
        let whole = content.split_first_chunk::<16>().and_then(|(sum, rest)| {
            let (offset, state) = rest.split_first_chunk::<8>()?;
            (ContentId::of(&[offset, state]).as_bytes() == sum).then(|| (u64::from_le_bytes(*offset), state.to_vec()))
        });
        anyhow::ensure!(
            whole.is_some(),
            "a checkpoint was replaced whole and is not: {}",
            path.display()
        );
        Ok(whole)
    }

    fn read(file: &dyn FsFile) -> io::Result<Vec<u8>> {
        let mut content = vec![0; usize::try_from(file.size()?).map_err(io::Error::other)?];
        let mut read = 0;
        while read < content.len() {
            match file.read_at(&mut content[read..], read as u64)? {
                0 => break,
                count => read += count,
            }
        }
        Ok(content)
    }
}
