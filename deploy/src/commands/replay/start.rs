//! Where a replay begins.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use plume_archive::{KeptState, Reader};
use plume_bus::{Bus, Topic};
use plume_detect::{Engine, Settings};

use super::archived::Archived;
use super::source::Entries;
use crate::commands::view::hinted;
use crate::roles::detect::beginning;
use crate::roles::{at, checkpoint};

/// A judge, and the entry it reads next.
pub(super) struct Start {
    pub(super) engine: Engine,
    pub(super) offset: u64,
    partition: u32,
    /// Day of the checkpoint; none for the log's beginning.
    day: Option<String>,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, offset) = (self.partition, self.offset);
        match &self.day {
            Some(day) => write!(
                f,
                "分区 {partition}：自 {day} 的检查点起 / partition {partition}: from the checkpoint of {day}, offset \
                 {offset}"
            ),
            None => write!(
                f,
                "分区 {partition}：从头起 / partition {partition}: from the beginning"
            ),
        }
    }
}

/// In the archive: the nearest kept memory of the day `from` or before that fits, else the beginning; `None` where
/// nothing of the partition was archived. Without `from` the beginning, else the oldest memory behind which all is
/// there.
pub(super) async fn in_archive(
    bus: &Bus,
    reader: Arc<Reader>,
    partition: u32,
    settings: &Settings,
    from: Option<&str>,
) -> anyhow::Result<Option<(Start, Entries<'static>)>> {
    let states = reader.kept_states(partition).map_err(hinted)?;
    let Some(mut archived) = Archived::open(reader, partition)? else {
        return Ok(None);
    };
    let first = archived.first();
    let fits =
        |kept: &&KeptState| kept.offset >= first && from.is_none_or(|from| kept.stood_at.date().as_str() <= from);
    let mut wanted: Vec<&KeptState> = states.iter().filter(fits).collect();
    match from {
        Some(_) => wanted.reverse(),
        None if first <= bus.base() => wanted.clear(),
        None => {}
    }
    let mut start = Start {
        engine: beginning(bus, partition, settings).await?,
        offset: bus.base(),
        partition,
        day: None,
    };
    for kept in wanted {
        match Engine::restore(&kept.state, settings) {
            Ok(engine) => {
                (start.engine, start.offset, start.day) = (engine, kept.offset, Some(kept.stood_at.date()));
                break;
            }
            Err(error) => tracing::warn!(partition, %error, "an archived checkpoint does not fit and is passed over"),
        }
    }
    if start.day.is_none() && first > bus.base() {
        bail!(
            "the archive of partition {partition} begins at offset {first}, and no checkpoint archived since fits: an \
             exact replay needs the log from its beginning or from a checkpoint"
        );
    }
    archived.seek(start.offset);
    Ok(Some((start, Entries::Archive(Some(Box::new(archived))))))
}

/// With `from`, the nearest checkpoint of that day or before, else the log's beginning; without, the log's beginning,
/// else the oldest checkpoint that the log still follows. A checkpoint that does not fit (damaged, or of other rules)
/// is passed over, aloud.
pub(super) async fn find(
    bus: &Bus,
    data_dir: &Path,
    partition: u32,
    settings: &Settings,
    from: Option<&str>,
) -> anyhow::Result<Start> {
    let log = bus.range(at(Topic::Reports, partition)).await?;
    let mut days = checkpoint::days(data_dir, partition)?;
    match from {
        Some(from) => {
            days.retain(|(day, _)| day.as_str() <= from);
            days.reverse();
        }
        None if log.start == bus.base() => days.clear(),
        None => {}
    }
    for (day, path) in days {
        let Some((offset, state)) = checkpoint::load(&path)? else {
            continue;
        };
        if offset < log.start || offset > log.end {
            continue;
        }
        match Engine::restore(&state, settings) {
            Ok(engine) => {
                return Ok(Start {
                    engine,
                    offset,
                    partition,
                    day: Some(day),
                });
            }
            Err(error) => tracing::warn!(partition, day, %error, "a checkpoint does not fit and is passed over"),
        }
    }
    if log.start > bus.base() {
        bail!(
            "the log of partition {partition} begins at offset {}: what came before has expired, and no checkpoint \
             kept since fits; an exact replay needs the log from its beginning or from a checkpoint; the \
             archive may reach further back: --source archive",
            log.start
        );
    }
    Ok(Start {
        engine: beginning(bus, partition, settings).await?,
        offset: log.start,
        partition,
        day: None,
    })
}
