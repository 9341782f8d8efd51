//! The desk's limits, each with its reason. What happens at them is tested in `tests/it/desk`.

use std::time::Duration;

/// Open connections. A bureau's duty room, its enterprises' phones and the live lists of both, with room to spare;
/// beyond it the kernel's backlog waits.
pub const CONNECTIONS: usize = 2_048;

/// Live lists at one time: a large bureau has 500 clients. The next one is told to come back in [`RETRY`].
pub const LIVE_CLIENTS: usize = 600;

/// When a refused or cut live list tries again.
pub const RETRY: Duration = Duration::from_secs(5);

/// A live list hears at least this often, so that proxies keep the line and the clock on the page moves.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// The same where the clock is virtual: a minute of the demo is about a second of ours.
pub const HEARTBEAT_VIRTUAL: Duration = Duration::from_secs(1);

/// Events waiting for one slow browser; then its task waits, and catches up from the store.
pub const LIVE_QUEUE: usize = 16;

/// A live list whose session has ended is closed within this time.
pub const SESSION_CHECK: Duration = Duration::from_mins(1);

/// Missed rows sent again to a live list that returns with its last id. One that missed more reloads its page.
pub const REPLAY_ROWS: usize = 200;

/// A request's headers must have come within this time, so that slow ones cannot hold connections.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers still being written when the desk stops get this long.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest body of a form: two texts of [`MAX_ACT_TEXT_CHARS`](crate::case::MAX_ACT_TEXT_CHARS), percent-encoded,
/// nine bytes for each Chinese character.
pub const BODY_BYTES: usize = 48 * 1_024;

/// Largest upload: one photo of a phone as it comes, with the rest of its form.
pub const PHOTO_BYTES: usize = 8 * 1_024 * 1_024;

/// Largest upload of a registry: ten thousand outlets of six factors are about 12 MB.
pub const REGISTRY_BYTES: usize = 16 * 1_024 * 1_024;

/// Files of one upload of a registry: a TOML file, or a sheet for each kind of row.
pub const REGISTRY_FILES: usize = plume_schemas::registry::RowKind::ALL.len();

/// Packets of one device in its live tail.
pub const TAIL_PACKETS: usize = 50;

/// A device that sends faster than this fills its live tail in steps: nobody reads twenty packets a second.
pub const TAIL_STEP: Duration = Duration::from_millis(200);

/// All live tails together: 50 packets of some 800 bytes of 1,600 devices; beyond, the oldest packets go.
pub const TAIL_BYTES: usize = 64 * 1_024 * 1_024;

/// Largest body of a table's form: its text, percent-encoded.
pub const TABLE_BYTES: usize = 3 * crate::tables::MAX_TABLE_BYTES + 4_096;

/// Longest packet that 报文解析 takes: ten of the standard's longest.
pub const PACKET_BYTES: usize = 10 * 1_024;

/// Cases on one page of a list: one screen's scrolling, and under 300 kB of page.
pub const PAGE_CASES: usize = 50;

/// Points in one answer of the series, four weeks of hours or half a day of minutes for one factor.
pub const SERIES_POINTS: usize = 1_440;

/// The strip warns when the last record is older than this: ingest writes its clock every few seconds.
pub const RECORD_OLD_MS: i64 = 2 * plume_schemas::time::MINUTE_MS;

/// The strip warns when a notice should have gone out this long ago.
pub const OUTBOX_LATE_MS: i64 = 2 * plume_schemas::time::MINUTE_MS;
