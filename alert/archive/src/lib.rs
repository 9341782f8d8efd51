//! The archive: every reading, packet, judgement and event as Parquet that data teams open without plume
//! (`docs/archive.md`).
//!
//! ```text
//! log ══ push ══▶ Batch ── write ──▶ log/…parquet + manifest ── publish ──▶ readings/…/part-0.parquet ◀── DuckDB,
//! pandas, Reader
//!                  (memory)            └▶ Committable: the offset            (fixed names, replaced whole)
//! ```
//!
//! [`Archive`] writes, [`Reader`] reads. Both block: call them where blocking is fine. This is the only crate that
//! knows Arrow.

mod again;
mod archive;
mod batch;
mod bundle;
mod config;
mod device;
mod error;
mod evidence;
mod export;
mod export_parquet;
mod files;
mod group;
mod inventory;
mod latest;
mod layout;
mod location;
mod log_rows;
mod manifest;
mod memory;
mod merge;
mod operation;
mod order;
mod packet_rows;
mod parquet_file;
mod plan;
mod prune;
mod publish;
mod query;
mod reader;
mod retention;
mod revise;
mod rowset;
mod runs;
mod scan;
mod signals;
mod standing;
mod stats;
#[cfg(feature = "s3")]
mod store;
mod tables;
mod typed;
mod verify;
mod xlsx;

use plume_bus::Topic;

pub use again::SortedRows;
pub use archive::{Archive, Committable, Published, Pushed};
pub use bundle::{Bundle, HASHES, check_hashes, read_zip, write_zip};
pub use config::{ArchiveConfig, S3Config};
pub use device::{DevicePacket, LinePacket};
pub use error::ArchiveError;
pub use evidence::{EvidenceSpec, PacketEvidence};
pub use export::{write_csv, write_json};
pub use export_parquet::write_parquet;
pub use group::Period;
pub use inventory::{FORMAT, Inventory, inventory};
pub use location::Location;
pub use log_rows::{KeptState, LogPacket, LogRow, LogRows};
pub use operation::{Add, Counts, Expire, FileEntry, Operation, Replace};
pub use plume_schemas::mask::masked;
pub use query::{Field, Query, QuerySpec};
pub use reader::Reader;
pub use rowset::{FieldType, Rowset};
pub use scan::Progress;
pub use signals::Signals;
pub use standing::{StandingDay, StandingReport};
pub use stats::{LineStats, Stats, TableStats};
#[cfg(feature = "s3")]
pub use store::StoreFs;
pub use tables::checkpoints::MAX_CHECKPOINT_BYTES;
pub use tables::{SCHEMA_VERSION, Table};
pub use verify::{Problem, Verification};
pub use xlsx::write_xlsx;

/// The topics that have tables.
pub const TOPICS: [Topic; 4] = [Topic::Reports, Topic::Quarantine, Topic::Judgements, Topic::Events];
