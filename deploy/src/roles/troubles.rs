//! Looks after plume itself: what it cannot do at the moment goes to `/readyz` and on top of the desk's pages.

use std::time::Duration;

use plume_alert::desk::{DeskState, Trouble};
use tokio::time::MissedTickBehavior;

use super::stop::Stop;
use super::{ARCHIVE, Context, DETECT};
use crate::status::{self, Watcher};

/// The log, as the one who complains.
const LOG: &str = "log";
/// How often it looks: a person reloads a page no faster.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Works out what `plume status` says until told to stop.
pub(crate) async fn watch(mut watcher: Watcher, pages: DeskState, stop: Stop) -> anyhow::Result<()> {
    let mut pause = tokio::time::interval(status::LOOK_EVERY);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.told() {
        tokio::select! {
            _ = pause.tick() => {}
            () = stop.clone().wait() => break,
        }
        if let Err(error) = watcher.look(&pages).await {
            tracing::warn!(error = %format_args!("{error:#}"), "cannot work out how plume is, tries again");
        }
    }
    Ok(())
}

/// Looks until told to stop.
pub(crate) async fn run(context: Context, pages: DeskState, stop: Stop) -> anyhow::Result<()> {
    let mut pause = tokio::time::interval(LOOK_EVERY);
    while !stop.told() {
        tokio::select! {
            _ = pause.tick() => {}
            () = stop.clone().wait() => break,
        }
        look_at_log(&context);
        let troubles = [
            (LOG, Trouble::LogFull),
            (ARCHIVE, Trouble::ArchiveStuck),
            (DETECT, Trouble::JudgeStuck),
        ];
        let troubled = troubles
            .into_iter()
            .filter(|(part, _)| context.health.is_troubled(part));
        pages.set_troubles(troubled.map(|(_, trouble)| trouble).collect());
    }
    Ok(())
}

/// Complains while the log refuses what devices send.
pub(crate) fn look_at_log(context: &Context) {
    let stats = context.bus.stats();
    if stats.full {
        let sentence = format!(
            "has no room ({} bytes, {} writes refused): devices get no answer and send again later, nothing is lost \
             (look for a complaint of the archive, or make room on the disk)",
            stats.bytes, stats.refused_full
        );
        context.health.complain(LOG, sentence);
    } else {
        context.health.well(LOG);
    }
}
