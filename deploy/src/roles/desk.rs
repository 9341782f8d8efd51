//! The desk's loops: events into the case book (effect and offset in one transaction), reports into charts and
//! signs of life.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use plume_alert::Desk;
use plume_alert::accounts::Token;
use plume_alert::desk::{
    ChecksQueue, DeskState, EnrolQueue, HistoryQueue, InspectQueue, KeyStanding, KeyView, MarkBatch, MarkQueue,
    OrderQueue, RegistryQueue,
};
use plume_bus::{NewRecord, Topic, TopicPartition};
use plume_ingest::exchange::vault::MAX_KEY_DAYS;
use plume_schemas::entry::{EntryBody, LogPosition};
use plume_schemas::event::Event;
use plume_schemas::partition::partition_of;
use plume_schemas::wire;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, DESK, at, consumer};
use crate::chance::chance;

/// How many of the newest reports are read again after a start, so that charts are not empty: about a day of a
/// hundred outlets.
const LOOK_BACK_RECORDS: u64 = 200_000;
/// Pause after the database refused: the event is given again, nothing is lost meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Batches of marks on their way into the log: more people than that wait for the one before them.
const MARKS_WAITING: usize = 16;
/// Reports and long charts that wait for the archive: a page gives up before a longer line is worked off.
const HISTORY_WAITING: usize = 16;
/// Checks on their way to the log, and pages that show them: a table or two at once.
const CHECKS_WAITING: usize = 16;
/// Conformance reports that wait: each takes seconds, so that a longer line is given up by its pages.
const INSPECTIONS_WAITING: usize = 4;
/// Files to read and revisions to record: an administrator or two, each waiting for one page.
const EDITS_WAITING: usize = 4;
/// Orders on their way to the log, which takes them within milliseconds.
const ORDERS_WAITING: usize = 16;

/// Which desk takes which events.
pub(crate) struct Feed {
    /// The desk.
    pub(crate) desk: Desk,
    /// The partition it reads.
    pub(crate) partition: u32,
    /// Several desks may stand on its database (D18): only the active one takes events.
    pub(crate) shared: bool,
}

/// Applies events of a partition until told to stop.
pub(crate) async fn events(context: Context, feed: Feed, stop: Stop) -> anyhow::Result<()> {
    let Feed {
        desk,
        partition,
        shared,
    } = feed;
    let place = at(Topic::Events, partition);
    let retained = context.bus.range(place).await?;
    let mut next = desk.resume_offset(partition).await?;
    if next < retained.start && retained.start > context.bus.base() {
        tracing::warn!(
            partition,
            from = next,
            to = retained.start,
            "events expired before the desk read them"
        );
    }
    next = next.max(retained.start);
    let mut told = None;
    while !stop.told() {
        if told != Some(next) && (!shared || desk.is_active()) && tell(&context, place, next).await {
            told = Some(next);
        }
        tokio::select! {
            () = context.bus.wait(place, next) => {}
            () = stop.clone().wait() => break,
        }
        if shared && !desk.is_active() {
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                () = stop.clone().wait() => break,
            }
            // Another desk may have gone on meanwhile.
            next = next.max(desk.resume_offset(partition).await?);
            continue;
        }
        for record in context.read_on(DESK, place, next, &stop).await? {
            let position = LogPosition {
                partition,
                offset: record.offset,
            };
            let event = wire::decode_event(&record.payload)
                .inspect_err(|error| context.signals.unreadable(&record, error))
                .ok();
            if !take(&desk, position, event.as_ref(), &stop).await {
                return Ok(());
            }
            next = record.offset + 1;
        }
    }
    Ok(())
}

/// Lets others see how far the desk is; false where they do not know yet.
async fn tell(context: &Context, place: TopicPartition, next: u64) -> bool {
    if !context.bus.is_shared() {
        return true;
    }
    let Ok(desk) = consumer(DESK) else { return false };
    let told = context.bus.commit(desk, vec![(place, next)]).await;
    // What counts is the database; it is told again with the next event.
    told.inspect_err(|error| tracing::debug!(%error, "how far the desk is was not told"))
        .is_ok()
}

/// Applies an event, or passes over one that cannot be read; tries until it works. False when told to stop before
/// it did.
async fn take(desk: &Desk, position: LogPosition, event: Option<&Event>, stop: &Stop) -> bool {
    loop {
        let done = match event {
            Some(event) => desk.apply(position, event).await.map(drop),
            None => desk.skip(position).await,
        };
        let Err(error) = done else { return true };
        tracing::error!(%error, hint = error.hint(), "the desk could not store an event and tries again");
        tokio::select! {
            () = tokio::time::sleep(RETRY_PAUSE) => {}
            () = stop.clone().wait() => return false,
        }
    }
}

/// Gives the pages their ways to what they do not know themselves: the log for marks, the archive for the past.
pub(crate) fn open_queues(
    context: &Context,
    (desk, shared): (&Desk, bool),
    pages: &DeskState,
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    let (queue, questions) = mpsc::channel(EDITS_WAITING);
    pages.set_registry_queue(RegistryQueue::new(queue));
    let edits = super::edits::answer(context.clone(), (desk.clone(), shared), questions, stop.clone());
    tasks.spawn(edits);
    let (queue, questions) = mpsc::channel(EDITS_WAITING);
    pages.set_enrol_queue(EnrolQueue::new(queue));
    let enrolments = super::enrol::answer(context.clone(), (desk.clone(), shared), questions, stop.clone());
    tasks.spawn(enrolments);
    pages.set_keys(keys(context));
    let (queue, batches) = mpsc::channel(MARKS_WAITING);
    pages.set_mark_queue(MarkQueue::new(queue));
    tasks.spawn(marks(context.clone(), batches, stop.clone()));
    let (queue, questions) = mpsc::channel(HISTORY_WAITING);
    pages.set_history(HistoryQueue::new(queue));
    tasks.spawn(super::history::answer(context.clone(), questions, stop.clone()));
    let (queue, questions) = mpsc::channel(CHECKS_WAITING);
    pages.set_checks(ChecksQueue::new(queue));
    tasks.spawn(super::checks::answer(context.clone(), questions, stop.clone()));
    let (queue, questions) = mpsc::channel(INSPECTIONS_WAITING);
    pages.set_inspector(InspectQueue::new(queue));
    tasks.spawn(super::inspect::answer(context.clone(), questions, stop.clone()));
    let (queue, questions) = mpsc::channel(ORDERS_WAITING);
    pages.set_orders(OrderQueue::new(queue, super::orders::kinds()));
    tasks.spawn(super::orders::answer(context.clone(), questions, stop.clone()));
}

/// How old the keys of devices are, for their pages.
fn keys(context: &Context) -> KeyView {
    let (keys, clock) = (context.keys.clone(), context.clock.clone());
    KeyView::new(move |mn| {
        let (age, wanted) = keys.age(mn, clock.now())?;
        Some(KeyStanding {
            days: age.days,
            limit_days: MAX_KEY_DAYS,
            changing: age.changing,
            wanted,
        })
    })
}

/// What a page asks or brings next; none when told to stop, or when nobody can ask any more.
pub(super) async fn next<T>(queue: &mut mpsc::Receiver<T>, stop: &Stop) -> Option<T> {
    tokio::select! {
        question = queue.recv() => question,
        () = stop.clone().wait() => None,
    }
}

/// Appends what people marked to the log, and says so once it is durable.
pub(crate) async fn marks(context: Context, mut queue: mpsc::Receiver<MarkBatch>, stop: Stop) -> anyhow::Result<()> {
    loop {
        let batch = next(&mut queue, &stop).await;
        let Some(MarkBatch { marks, done }) = batch else {
            return Ok(());
        };
        let partitions = context.bus.partitions();
        let records = marks.into_iter().map(|mark| NewRecord {
            to: at(Topic::Reports, partition_of(mark.outlet, partitions)),
            key: mark.outlet.to_string(),
            payload: wire::encode_entry(&EntryBody::Mark(mark)).into(),
        });
        let appended = context.bus.append(records.collect()).await;
        let told = appended.map(drop).map_err(|error| format!("{error}; {}", error.hint()));
        // Who asked may have left; the marks are in the log all the same.
        drop(done.send(told));
    }
}

/// Shows reports of a partition to the pages until told to stop. Nothing is stored, so nothing is committed.
pub(crate) async fn reports(context: Context, partition: u32, pages: DeskState, stop: Stop) -> anyhow::Result<()> {
    let place = at(Topic::Reports, partition);
    let retained = context.bus.range(place).await?;
    let mut next = retained.start.max(retained.end.saturating_sub(LOOK_BACK_RECORDS));
    while !stop.told() {
        tokio::select! {
            () = context.bus.wait(place, next) => {}
            () = stop.clone().wait() => break,
        }
        for record in context.read_on(DESK, place, next, &stop).await? {
            next = record.offset + 1;
            match wire::decode_entry(&record.payload) {
                Ok(body) => {
                    context.orders.observe(&body, &context.keys, context.clock.now());
                    pages.observe(&body);
                }
                Err(error) => tracing::debug!(offset = record.offset, %error, "unreadable record is not charted"),
            }
        }
    }
    Ok(())
}

/// The address of the desk's database: a relative path of SQLite is below the data directory.
pub(crate) fn store_url(configured: &str, data_dir: &Path) -> String {
    match configured.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", data_dir.join(path).display()),
        None => configured.to_owned(),
    }
}

/// The file of the desk's database; `None` where it is a server's.
pub(crate) fn sqlite_path(configured: &str, data_dir: &Path) -> Option<PathBuf> {
    let path = configured.strip_prefix("sqlite:")?;
    Some(data_dir.join(path.strip_prefix("//").unwrap_or(path)))
}

/// True where other desks can stand on the same database.
pub(crate) fn is_shared(configured: &str) -> bool {
    !configured.starts_with("sqlite:")
}

/// A database address as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

/// The name under which this data directory's desk holds the lease: kept, so that a restart goes on at once.
pub(crate) fn holder(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join("state").join("desk-holder");
    if let Ok(kept) = std::fs::read_to_string(&path)
        && !kept.trim().is_empty()
    {
        return Ok(kept.trim().to_owned());
    }
    let name = format!("desk-{}", Token::new(chance()?).hash());
    std::fs::write(&path, &name).with_context(|| format!("write {}", path.display()))?;
    Ok(name)
}
