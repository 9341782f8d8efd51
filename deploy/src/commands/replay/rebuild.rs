//! Entries of the log out of the archive: what `packets` has of a report and what its bytes say make the report that
//! was in the log, to the byte; the other entries lie in `entries` as they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use plume_archive::{LogPacket, LogRow};
use plume_ingest::again::{Again, Of};
use plume_schemas::entry::{EntryBody, Tick};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Reading, ReportKind, Statistic};
use plume_schemas::registry::{Assembly, Registry, RegistryIndex};
use plume_schemas::report::{Complaint, ComplaintCode, Dialect, Evidence, Origin, Report, Times};
use plume_schemas::wire;
use serde::Deserialize;

/// Why an entry cannot be made again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    /// A column holds what this version has no word for.
    #[error("the column {column} of a packet holds `{text}`, which this version does not know")]
    Word { column: &'static str, text: String },
    /// The packet was taken by a registry that is not archived.
    #[error("registry revision {revision}, by which a packet of {outlet} was taken, is not in the archive")]
    Registry { revision: u64, outlet: String },
    /// The bytes do not say what was reported.
    #[error("packet {packet} of {outlet} had {expected} readings, and its bytes say {found}")]
    Readings {
        outlet: String,
        packet: u64,
        expected: usize,
        found: usize,
    },
    /// An entry's bytes cannot be read.
    #[error("an archived entry cannot be read: {0}")]
    Wire(#[from] wire::WireError),
}

/// The registries that packets may have been taken by.
#[derive(Debug, Default)]
pub(super) struct Registries {
    by_revision: BTreeMap<u64, RegistryIndex>,
    assembly: Assembly,
    /// By which a device that was not registered was taken.
    none: RegistryIndex,
}

impl Registries {
    /// Takes a registry, or a part of it.
    pub(super) fn learn(&mut self, part: &Registry) {
        if let Some(whole) = self.assembly.take(part) {
            self.by_revision.insert(whole.revision, RegistryIndex::new(whole));
        }
    }
}

/// Makes entries again; each by itself, so that several can share the work.
#[derive(Debug)]
pub(super) struct Rebuild {
    again: Again,
    registries: Arc<Registries>,
}

/// A complaint as the archive has it.
#[derive(Debug, Deserialize)]
struct Said {
    code: String,
    factor: Option<String>,
    text: String,
}

impl Rebuild {
    pub(super) fn new(catalogue: Arc<Catalogue>, registries: Arc<Registries>) -> Self {
        Self {
            again: Again::new(catalogue),
            registries,
        }
    }

    /// The entry of a row; `polled` has the readings of a packet whose bytes are samples. None for a record that no
    /// decoder reads: it was not judged either.
    pub(super) fn entry(
        &mut self,
        row: LogRow,
        polled: Option<Vec<Reading>>,
    ) -> Result<Option<EntryBody>, RebuildError> {
        Ok(Some(match row {
            LogRow::Undecodable => return Ok(None),
            LogRow::Wire(bytes) => wire::decode_entry(&bytes)?,
            LogRow::Tick { ingest, received_at } => EntryBody::Tick(Tick {
                ingest: word("ingest", &ingest, |text| IngestId::new(text).ok())?,
                received_at,
            }),
            LogRow::Packet(packet) => EntryBody::Report(Box::new(self.report(*packet, polled)?)),
        }))
    }

    fn report(&mut self, packet: LogPacket, polled: Option<Vec<Reading>>) -> Result<Report, RebuildError> {
        let of = Of {
            mn: word("mn", &packet.mn, |text| Mn::new(text).ok())?,
            outlet: word("outlet", &packet.outlet, |text| OutletId::new(text).ok())?,
            measured_at: packet.measured_at,
        };
        let dialect = word("dialect", &packet.dialect, Dialect::from_code)?;
        let (id, readings) = match polled {
            Some(readings) => (ContentId::of(&[&packet.raw]), as_sampled(&packet.raw, readings)),
            None => self.read(&packet, of)?,
        };
        if readings.len() != packet.readings {
            return Err(RebuildError::Readings {
                outlet: packet.outlet,
                packet: packet.packet,
                expected: packet.readings,
                found: readings.len(),
            });
        }
        Ok(Report {
            outlet: of.outlet,
            kind: word("kind", &packet.kind, ReportKind::from_code)?,
            times: Times {
                measured_at: packet.measured_at,
                sent_at: packet.sent_at,
                received_at: packet.received_at,
            },
            origin: Origin {
                mn: of.mn,
                st: word("st", &packet.st, Inline::new)?,
                dialect,
                ingest: word("ingest", &packet.ingest, |text| IngestId::new(text).ok())?,
                peer: word("peer", &packet.peer, Inline::new)?,
                registry_revision: packet.registry_revision,
            },
            backfill: packet.backfill,
            readings,
            complaints: complaints(packet.complaints.as_deref())?,
            evidence: Evidence {
                packet: id,
                raw: if packet.share.0 == 0 { packet.raw } else { Vec::new() },
                share: packet.share,
                cn: packet.cn,
                qn: word("qn", &packet.qn, Inline::new)?,
                part: packet.part,
                key_id: packet.key_id.map(|key| word("key_id", &key, Inline::new)).transpose()?,
            },
        })
    }

    fn read(&mut self, packet: &LogPacket, of: Of) -> Result<(ContentId, Vec<Reading>), RebuildError> {
        let revision = packet.registry_revision;
        let registry = match (revision, self.registries.by_revision.get(&revision)) {
            (0, _) => &self.registries.none,
            (_, Some(registry)) => registry,
            (_, None) => {
                let outlet = packet.outlet.clone();
                return Err(RebuildError::Registry { revision, outlet });
            }
        };
        let read = self.again.read(&packet.raw, of, registry);
        read.ok_or_else(|| RebuildError::Readings {
            outlet: packet.outlet.clone(),
            packet: packet.packet,
            expected: packet.readings,
            found: 0,
        })
    }
}

fn word<T>(column: &'static str, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, RebuildError> {
    parse(text).ok_or_else(|| RebuildError::Word {
        column,
        text: text.to_owned(),
    })
}

fn complaints(json: Option<&str>) -> Result<Vec<Complaint>, RebuildError> {
    let odd = |text: &str| RebuildError::Word {
        column: "complaints",
        text: text.to_owned(),
    };
    let Some(json) = json else { return Ok(Vec::new()) };
    let list: Vec<Said> = serde_json::from_str(json).map_err(|_| odd(json))?;
    let complaint = |said: Said| {
        let factor = said
            .factor
            .map(|factor| word("complaints", &factor, |text| FactorCode::new(text).ok()));
        Ok(Complaint {
            code: word("complaints", &said.code, ComplaintCode::from_code)?,
            factor: factor.transpose()?,
            text: word("complaints", &said.text, Inline::new)?,
        })
    };
    list.into_iter().map(complaint).collect()
}

/// Readings of a polled minute in the order in which they were reported: that of the series in the head of its samples,
/// least, largest, mean and corrected mean of each.
fn as_sampled(raw: &[u8], mut readings: Vec<Reading>) -> Vec<Reading> {
    let text = String::from_utf8_lossy(raw);
    let head = text
        .lines()
        .find_map(|line| line.strip_prefix("ms,"))
        .unwrap_or_default();
    let series: Vec<&str> = head
        .split(',')
        .map(|one| one.split('[').next().unwrap_or_default())
        .collect();
    let place = |reading: &Reading| {
        let raw = if reading.basis == Basis::Raw { "-raw" } else { "" };
        let name = format!("{}{raw}", reading.factor);
        let series = series.iter().position(|one| **one == *name).unwrap_or(usize::MAX);
        let within = match (reading.statistic, reading.basis) {
            (Statistic::Min, _) => 0,
            (Statistic::Max, _) => 1,
            (_, Basis::Corrected) => 3,
            _ => 2,
        };
        (series, within)
    };
    readings.sort_by_key(place);
    readings
}
