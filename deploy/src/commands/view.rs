//! What the commands that read the archive share: finding it, bringing it to the end of the log first, and saying how
//! far they are.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use plume_archive::{Archive, Location, Pushed, Reader, Signals};
use plume_bus::{Bus, BusError, ClockKind};
use plume_schemas::factors::Catalogue;

use super::place::{Reached, reach};
use crate::cli::archive::Place;
use crate::config::Config;
use crate::roles::{ARCHIVE, ARCHIVED, READ_LIMIT, at, consumer};
use crate::system::open_bus;
use crate::{out, roles};

/// Between two lines of progress.
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);

/// Where things lie.
pub(crate) struct Where {
    pub(crate) config: Config,
    /// None where only an archive was named.
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) archive: Location,
}

/// The configuration of a file, or the defaults.
pub(crate) fn config(path: Option<&Path>) -> anyhow::Result<Config> {
    let config = path.map_or_else(Config::defaults, Config::load);
    config.map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", problems.join("\n"))
    })
}

/// Opens the log of a plume that is not running, whichever clock it went by.
pub(crate) async fn open_stopped(config: &Config, data_dir: &Path) -> anyhow::Result<Bus> {
    match open_bus(config, ClockKind::System, data_dir).await {
        Err(error) if matches!(error.downcast_ref(), Some(BusError::ClockMismatch { .. })) => {
            open_bus(config, ClockKind::Virtual, data_dir).await
        }
        other => other,
    }
}

/// Finds archive and data directory.
pub(crate) fn find(place: &Place) -> anyhow::Result<Where> {
    let config = config(place.config.as_deref())?;
    if let Some(archive) = &place.archive {
        if !archive.join("manifest.jsonl").is_file() {
            bail!(
                "{} 中没有归档 / holds no archive: it has no manifest.jsonl",
                archive.display()
            );
        }
        return Ok(Where {
            config,
            data_dir: None,
            archive: Location::directory(archive.clone()),
        });
    }
    let data_dir = place.data.clone().unwrap_or_else(|| config.plume.data_dir.clone());
    if !data_dir.join("state").is_dir() {
        bail!(
            "{} 不是 plume 的数据目录 / is no data directory of plume; name one with --data DIR or --config FILE",
            data_dir.display()
        );
    }
    Ok(Where {
        archive: roles::archive::location(&data_dir, &config.archive)?,
        config,
        data_dir: Some(data_dir),
    })
}

/// Opens the archive with all that the log holds: a running plume is asked to write what waits, of a stopped one it is
/// archived here. Where neither can be done the archive is read as it is, and a line says so.
pub(crate) fn open(place: &Place) -> anyhow::Result<Reader> {
    let found = find(place)?;
    if let Some(data_dir) = found.data_dir.as_deref().filter(|_| !place.archived_only) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        if let Err(error) = runtime.block_on(catch_up(&found, data_dir)) {
            out::complain(format_args!(
                "只看到已归档的数据 / shows only what is archived: {error:#}"
            ));
        }
    }
    roles::archive::reader(&found.archive)
}

async fn catch_up(found: &Where, data_dir: &Path) -> anyhow::Result<()> {
    let Reached::Log(bus) = reach((&found.config, data_dir), ("POST", "/archive", "")).await? else {
        return Ok(());
    };
    let bus = bus?;
    let signals = Signals::new(&prometheus::Registry::new())?;
    let mut archive = Archive::open(
        &found.archive.root,
        found.config.archive.clone(),
        Arc::clone(&found.archive.fs),
        signals,
    )?
    .describing(Arc::new(Catalogue::embedded()?))
    .confirming_at(found.config.detect.window.mark_deadline_hour);
    let lines: Vec<_> = (0..bus.partitions())
        .flat_map(|partition| ARCHIVED.map(|topic| at(topic, partition)))
        .collect();
    for line in lines {
        let retained = bus.range(line).await?;
        let mut next = archive.next_offset(line).unwrap_or(retained.start).max(retained.start);
        loop {
            let records = bus.read(line, next, READ_LIMIT).await?;
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            for record in &records {
                while archive.push(record)? == Pushed::Full {
                    archive.write(line)?;
                }
            }
        }
        archive.write(line)?;
    }
    let done = archive.positions().into_iter().map(|done| (done.at, done.next));
    bus.commit(consumer(ARCHIVE)?, done.collect()).await?;
    Ok(bus.close().await?)
}

/// Says now and then how far a long work is.
pub(crate) struct Ticker {
    shown: bool,
    last: Instant,
}

impl Ticker {
    /// Speaks where standard error is a terminal, or always where asked to.
    pub(crate) fn new(always: bool) -> Self {
        Self {
            shown: always || std::io::stderr().is_terminal(),
            last: Instant::now(),
        }
    }

    /// Says nothing.
    pub(crate) fn silent() -> Self {
        Self {
            shown: false,
            last: Instant::now(),
        }
    }

    /// Says a line, if it is time for one.
    pub(crate) fn tick(&mut self, line: impl FnOnce() -> String) {
        if self.shown && self.last.elapsed() >= PROGRESS_PAUSE {
            self.last = Instant::now();
            out::complain(line());
        }
    }
}

/// An error of the archive with what to try.
pub(crate) fn hinted(error: plume_archive::ArchiveError) -> anyhow::Error {
    let hint = error.hint();
    anyhow::Error::new(error).context(format!("hint: {hint}"))
}

/// Opens a file to be written; what cannot be opened is named.
pub(crate) fn create(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::File::create(path).with_context(|| format!("write {}", path.display()))
}
