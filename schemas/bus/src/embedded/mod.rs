//! The embedded carrier: all lines in one segmented log in one directory.
//!
//! ## Limits
//! | limit | value | why |
//! |---|---|---|
//! | segment | `segment_bytes`, 1 KiB to 1 GiB; one batch may make a segment longer | retention frees whole segments |
//! | batch | 16 MiB and 65,536 records; a payload 1,000,000 bytes, a key 255 | memory; Kafka's default message size |
//! | group | 8 MiB, or one batch | what one sync may hold up; what recovery rewrites |
//! | queue | 1,024 batches | callers beyond wait before they queue |
//! | log | `max_bytes`; `append` stops at 7/8 of it | see *Full* |
//! | partitions | 256 | every header lists every line |
//! | consumers | 32 | every header lists every committed offset |
//! | open sealed segments | 64 | file handles, index memory |
//!
//! ## Layout
//! ```text
//! DIR/LOCK                          held while open (flock), content unused
//! DIR/00000000000000000001.log      segments, named by the sequence of their first frame
//! DIR/00000000000000000973.log
//! DIR/*.log.at-OFFSET.damaged       bytes that recovery set aside
//! DIR/*.tmp                         a segment being made; removed when opening
//!
//! segment = header frame*           all numbers little-endian, checksums CRC-32 (IEEE)
//! header  = "PLUMELOG" version:u16 flags:u16 header_bytes:u32        version 0; flag 1: repaired
//!           clock:u32 partitions:u32 generation:u32                  clock 1: system, 2: virtual
//!           first_sequence:u64 previous_sequence:u64 previous_bytes:u64
//!           n:u32 (topic:u8 partition:u16 next:u64)*n                where each line stood
//!           n:u32 (name_bytes:u8 name topic:u8 partition:u16 committed:u64)*n
//!           crc:u32                                                  of everything before
//! frame   = "PLFB" body_bytes:u32 sequence:u64 durable_before:u64 body_crc:u32 head_crc:u32 body
//!         | "PLFC" …                                                 closed cleanly, body empty
//!           head_crc covers the segment's first_sequence:u64, the frame's position:u64, and the head before it
//! body    = n:u32 (topic:u8 partition:u16 offset:u64 key_bytes:u8 payload_bytes:u32 key payload)*n
//!           name_bytes:u8 [name n:u32 (topic:u8 partition:u16 committed:u64)*n]
//! ```
//! One frame is one `append`, `transact` or `commit`: records and committed offsets are in it together or not at all.
//!
//! ## Writing
//! One thread owns the end of the log. It takes everything that is queued (a *group*), encodes it into one
//! buffer, writes, syncs, publishes, answers; meanwhile the next group queues. There is no timer: a lone caller waits
//! for one sync, many callers share one. Readers and `wait` see a record only after its sync. `durable_before` names
//! the first sequence of the group: everything before it had been synced when the frame was written.
//!
//! Once in `ahead_bytes` the group is followed by zeros, so that most groups are written into room the file has
//! already and their sync has no length to make durable. Sealing and closing cut the zeros off; what a kill leaves of
//! them is cut off by opening.
//!
//! A new segment is made when the next batch does not fit: written and synced under a temporary name, renamed, the
//! directory synced.
//!
//! ## When the disk fails
//! *A failed sync, or a failed write other than "no space"*: the state of those bytes is
//! unknown, and a second sync may report success for pages the system has dropped. So nothing is retried: every waiting
//! caller gets [`BusError::WriteFailed`] with file, offset and remedy, every later write [`BusError::Stopped`], until
//! the log is opened again, which verifies it and rewrites its last group. Reading goes on. Rolling to a fresh segment
//! instead would leave bytes of unknown state in the middle of the log.
//!
//! *Full* (no space, quota, or `max_bytes`): the partial write is cut off, consumed segments are released even below
//! `keep_bytes`, and it is tried again; what still does not fit gets [`BusError::DiskFull`]. Nothing is half written
//! and nothing acknowledged is lost; the next call tries afresh, so writing resumes by itself. Consumers may use the
//! last eighth of `max_bytes` that `append` may not, because their progress is what frees segments.
//!
//! ## Opening
//! Headers are read and must form a chain (`previous_*`), so a missing or shortened segment is noticed at
//! once. The newest segment is read to its end:
//!
//! | found | meaning | done |
//! |---|---|---|
//! | zeros after a whole frame | written ahead, or a length that came without its bytes | cut off |
//! | the start of a frame, then nothing or zeros | a write was interrupted, never acknowledged | cut off, logged |
//! | wrong bytes, and a later frame says they had been synced | damage | refused, or set aside ([`crate::Recovery`]) |
//! | wrong bytes, and nothing says so | an interrupted group, its sectors out of order | cut off, a copy kept, warned |
//!
//! Then the last group is written again and synced, since only the system's memory may hold it. Older segments are
//! checked frame by frame when they are first read, and damage there fails the read with file, offset and remedy.
//! Setting aside keeps every whole frame, copies the rest to `.damaged` files, reports the lost offsets, and leaves out
//! any offset that damaged bytes may have held, so that none is ever handed out twice. `close` leaves a "PLFC" frame:
//! after it every wrong byte before it is known to be damage.

mod bytes;
mod frame;
mod header;
mod read;
mod recover;
mod repair;
mod roll;
mod segment;
mod shared;
mod survey;
mod walk;
mod writer;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::BusError;
use crate::findings::Finding;
use crate::fs::Fs;
use crate::ledger::Batch;
use crate::options::BusOptions;
use crate::record::{ConsumerId, ReadLimit, Record, TopicPartition};
use crate::signals;
use crate::stats::BusStats;
pub use header::FORMAT_VERSION;
pub use recover::LOCK_FILE;
use shared::Shared;
pub use walk::whole_bytes;
use writer::{Message, Writer};

/// Batches that may queue behind the one being written; more callers wait in line before they queue.
const MAX_QUEUED_BATCHES: usize = 1_024;

/// An open log.
#[derive(Debug)]
pub(crate) struct Embedded {
    shared: Arc<Shared>,
    requests: Option<mpsc::Sender<Message>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    findings: Vec<Finding>,
}

impl Embedded {
    /// Recovers `dir`, whose lines begin at `first` where it is new, and starts its writer.
    pub(crate) async fn open(fs: Arc<dyn Fs>, dir: PathBuf, options: BusOptions, first: u64) -> Result<Self, BusError> {
        let place = dir.clone();
        let recovered = blocking(move || recover::recover(fs, &dir, options, first)).await?;
        recovered.findings.iter().for_each(signals::found);
        let findings = recovered.findings.clone();
        let (requests, queue) = mpsc::channel(MAX_QUEUED_BATCHES);
        let (shared, writer) = Writer::new(recovered, queue);
        let thread = std::thread::Builder::new()
            .name("plume-log".into())
            .spawn(move || writer.run());
        let thread = thread.map_err(|error| header::io_error("start the writer of", &place, error))?;
        Ok(Self {
            shared,
            requests: Some(requests),
            writer: Mutex::new(Some(thread)),
            findings,
        })
    }

    pub(crate) fn partitions(&self) -> u32 {
        self.shared.options.partitions
    }

    pub(crate) fn generation(&self) -> u32 {
        self.shared.generation
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    pub(crate) async fn write(&self, batch: Batch) -> Result<Vec<u64>, BusError> {
        batch.check_sizes()?;
        drop(self.shared.open_state()?);
        self.ask(|reply| Message::Write { batch, reply }).await
    }

    /// Sends the writer a message and awaits its answer. A writer that is gone has been closed.
    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<T, BusError>>) -> Message,
    ) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(BusError::Closed)?;
        requests.send(message(reply)).await.map_err(|_| BusError::Closed)?;
        answer.await.unwrap_or(Err(BusError::Closed))
    }

    pub(crate) fn committed(&self, consumer: &ConsumerId, at: TopicPartition) -> Result<Option<u64>, BusError> {
        let state = self.shared.open_state()?;
        state.ledger.slot(at)?;
        Ok(state.ledger.committed(consumer, at))
    }

    pub(crate) fn range(&self, at: TopicPartition) -> Result<Range<u64>, BusError> {
        self.shared.open_state()?.range(at)
    }

    pub(crate) async fn read(
        &self,
        at: TopicPartition,
        offset: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, BusError> {
        {
            let state = self.shared.open_state()?;
            state.check_readable(at, offset)?;
            if offset == state.ledger.next_at(at)? {
                return Ok(Vec::new());
            }
        }
        let shared = Arc::clone(&self.shared);
        blocking(move || read::read(&shared, at, offset, limit)).await
    }

    pub(crate) async fn wait(&self, at: TopicPartition, offset: u64) {
        let slot = self.shared.lock().ledger.slot(at);
        if let Ok(slot) = slot {
            self.shared.marks.wait(slot, offset).await;
        }
    }

    pub(crate) async fn stopped(&self) -> BusError {
        let mut stopped = self.shared.stopped.subscribe();
        let error = stopped
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|error| error.clone());
        error.unwrap_or(BusError::Closed)
    }

    pub(crate) fn stats(&self) -> BusStats {
        self.shared.stats()
    }

    pub(crate) async fn close(&self) -> Result<(), BusError> {
        if self.shared.open_state().is_err() {
            return Ok(());
        }
        match self.ask(|reply| Message::Close { reply }).await {
            Err(BusError::Closed) => Ok(()),
            closed => closed,
        }
    }
}

impl Drop for Embedded {
    /// Without `close` the end is unclean, but the writer is done and the directory free when the last handle is gone.
    fn drop(&mut self) {
        self.requests = None;
        let thread = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the log's writer panicked");
        }
    }
}

/// Runs file operations off the runtime's own threads. A panic there is passed on.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    match tokio::task::spawn_blocking(act).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(BusError::Closed),
    }
}
