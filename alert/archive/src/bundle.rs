//! `plume evidence`: everything behind an event in one file that stands by itself: its packets, what was judged step by
//! step, the readings, the registry row, and hashes of all of it. Passwords are masked.

use std::fmt::Write as _;
use std::io::{self, Cursor, Read, Write as _};

use arrow::array::{Array, AsArray};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{ContentId, OutletId};
use plume_schemas::registry::{Assembly, Registry};
use plume_schemas::time::{Span, Time};
use plume_schemas::wire;
use serde_json::{Map, Value as Json, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::evidence::{EvidenceSpec, PacketEvidence};
use crate::export::{json, write_csv};
use crate::files::sha256_hex;
use crate::layout::Folder;
use crate::prune::Want;
use crate::query::{Field, QuerySpec, field};
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::{Table, wall_clock_ms};
use crate::{ArchiveError, SCHEMA_VERSION};
use plume_schemas::mask;

/// Packets in a bundle at most: a week of a device that sends every 30 seconds. The newest are kept, and what is left
/// out is counted in `event.json`.
const MAX_PACKETS: usize = 20_000;
/// Bytes of a bundle's files at most when it is checked: 20,000 packets and their readings are some 100 MB, and a foreign
/// file must not unfold without end.
const MAX_BUNDLE_BYTES: u64 = 1 << 30;
/// The file that lists the others with their hashes.
pub const HASHES: &str = "SHA256SUMS";

const ABOUT: &str = "\
plume 证据包：一个预警事件背后的全部依据。密码（PW）已用星号替换，因此报文与其校验码不再相符。
时间均为北京时间。

event.json         事件及同一预警的其他事件
judgements.jsonl   该规则对该排放口、该因子逐次的判定
packets.jsonl      时段内该排放口的原始报文（raw）
readings.csv       时段内该排放口的全部数据
registry.json      判定时有效的档案（企业、排放口、限值、设备）
archive.json       数据所在的归档文件及其 SHA-256，以及归档清单的末尾哈希
SHA256SUMS         以上各文件的哈希，由 SHA256SUMS.sig 签名，公钥为 public.pem

验证：
  sha256sum -c SHA256SUMS
  openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
  plume evidence --check 本文件.zip

Evidence from plume: all that an event rests on. Passwords (PW) are replaced by asterisks, so a packet no longer fits
its checksum. All times are Beijing time. Check it with the three commands above; the key in public.pem proves something
only if it is known from elsewhere to be that of the plume in question.
";

/// The files of a bundle, hashes last.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Name and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Packets in it.
    pub packets: usize,
    /// Judgements in it.
    pub judgements: usize,
}

/// What an event is about.
struct Subject {
    outlet: OutletId,
    factor: Option<String>,
    rule: String,
    /// From the first window of the case to the end of the event's.
    span: Span,
    /// Where the record stands that caused it.
    cause: (i64, i64),
}

/// A row by the names of its columns.
type Named = Vec<(&'static str, Field)>;

impl Reader {
    /// Collects what is behind an event; `None` where there is no such event. `made_at` is when it is collected.
    pub fn bundle(&self, event: ContentId, made_at: Time) -> Result<Option<Bundle>, ArchiveError> {
        let id = event.to_string();
        let found = self.named(Table::Events, None, vec![Want::Word("event_id", id)])?;
        let Some(row) = found.into_iter().next() else {
            return Ok(None);
        };
        let case = text(&row, "case_id").unwrap_or_default();
        let events = self.named(Table::Events, None, vec![Want::Word("case_id", case)])?;
        let Some(subject) = subject(&row, &events) else {
            return Ok(None);
        };
        let judgements = self.judgements_of(&subject)?;
        let (packets, left_out) = self.packets_of(&subject)?;
        let mut files = vec![
            ("README.txt".to_owned(), ABOUT.as_bytes().to_vec()),
            (
                "event.json".to_owned(),
                pretty(&json!({
                    "event": object(&row),
                    "case": events.iter().map(object).collect::<Vec<_>>(),
                    "packets": packets.len(),
                    "packets_left_out": left_out,
                    "made_at": made_at.to_string(),
                    "made_by": concat!("plume ", env!("CARGO_PKG_VERSION")),
                    "schema": SCHEMA_VERSION,
                })),
            ),
            ("judgements.jsonl".to_owned(), lines(judgements.iter().map(object))),
            ("packets.jsonl".to_owned(), lines(packets.iter().map(packet_json))),
            ("readings.csv".to_owned(), self.readings_of(&subject)?),
            ("registry.json".to_owned(), pretty(&self.registry_of(&subject)?)),
            ("archive.json".to_owned(), pretty(&self.files_of(&subject))),
        ];
        let mut hashes = String::new();
        for (name, content) in &files {
            // Writing to a string does not fail.
            if writeln!(hashes, "{}  {name}", sha256_hex(content)).is_err() {
                break;
            }
        }
        files.push((HASHES.to_owned(), hashes.into_bytes()));
        Ok(Some(Bundle {
            files,
            packets: packets.len(),
            judgements: judgements.len(),
        }))
    }

    fn named(&self, table: Table, days: Option<(i64, i64)>, wants: Vec<Want>) -> Result<Vec<Named>, ArchiveError> {
        let scan = Scan {
            table,
            kind: None,
            days,
            wants,
        };
        let names: Vec<&'static str> = table.columns().map(|(name, ..)| name).collect();
        let mut rows = Vec::new();
        for batch in self.scan(scan) {
            let (kind, batch) = batch?;
            for row in 0..batch.num_rows() {
                rows.push(
                    names
                        .iter()
                        .map(|name| (*name, field(&batch, kind, name, row)))
                        .collect(),
                );
            }
        }
        Ok(rows)
    }

    /// What the rule said of the windows of the case, in the order in which it was said.
    fn judgements_of(&self, subject: &Subject) -> Result<Vec<Named>, ArchiveError> {
        let Subject { outlet, rule, span, .. } = subject;
        let wants = vec![
            Want::Word("outlet", outlet.as_str().to_owned()),
            Want::Word("rule", rule.clone()),
            Want::Between(
                "window_start",
                wall_clock_ms(span.start),
                wall_clock_ms(span.end.plus(-1)),
            ),
        ];
        let mut rows = self.named(Table::Judgements, Some(days(*span)), wants)?;
        rows.retain(|row| text(row, "factor") == subject.factor);
        rows.sort_by_key(|row| int(row, "log_offset"));
        Ok(rows)
    }

    /// The packets of the span and the one that caused the event, and how many did not fit in.
    fn packets_of(&self, subject: &Subject) -> Result<(Vec<PacketEvidence>, usize), ArchiveError> {
        let spec = EvidenceSpec::Span {
            outlet: subject.outlet,
            span: subject.span,
        };
        let mut packets = self.evidence(&spec)?;
        let (partition, offset) = subject.cause;
        if let (Ok(partition), Ok(offset)) = (u32::try_from(partition), u64::try_from(offset)) {
            let position = plume_schemas::entry::LogPosition { partition, offset };
            let cause = self.evidence(&EvidenceSpec::Position(position))?;
            packets.extend(
                cause
                    .into_iter()
                    .filter(|packet| packet.outlet == subject.outlet.as_str()),
            );
        }
        packets.sort_by_key(|packet| packet.position);
        packets.dedup_by_key(|packet| packet.position);
        let left_out = packets.len().saturating_sub(MAX_PACKETS);
        packets.drain(..left_out);
        Ok((packets, left_out))
    }

    fn readings_of(&self, subject: &Subject) -> Result<Vec<u8>, ArchiveError> {
        let spec = QuerySpec {
            outlet: Some(subject.outlet),
            from: Some(subject.span.start),
            to: Some(subject.span.end),
            ..QuerySpec::all(Table::Readings)
        };
        let mut out = Vec::new();
        write_csv(self.query(&spec)?.into(), &mut out)?;
        Ok(out)
    }

    /// The registry that stood when the event was caused, as far as it is about the outlet; passwords and people left
    /// out.
    fn registry_of(&self, subject: &Subject) -> Result<Json, ArchiveError> {
        let (partition, offset) = subject.cause;
        let scan = Scan {
            table: Table::Entries,
            kind: None,
            days: None,
            wants: vec![
                Want::Word("entry", "registry".to_owned()),
                Want::Between("log_partition", partition, partition),
                Want::Between("log_offset", 0, offset),
            ],
        };
        let (mut last, mut parts) = (None, Assembly::default());
        for batch in self.scan(scan) {
            let (_, batch) = batch?;
            let wire = batch.column_by_name("wire").map(AsArray::as_binary::<i32>);
            let rows = wire
                .into_iter()
                .flat_map(|wire| (0..wire.len()).map(|row| wire.value(row)));
            for bytes in rows {
                if let Ok(EntryBody::Registry(registry)) = wire::decode_entry(bytes) {
                    last = parts.take(&registry).or(last);
                }
            }
        }
        Ok(last.map_or(Json::Null, |registry| about(registry, subject.outlet)))
    }

    /// The files of the archive that hold the days of the case.
    fn files_of(&self, subject: &Subject) -> Json {
        let (first, last) = days(subject.span);
        let tables = [Table::Events, Table::Judgements, Table::Packets, Table::Readings];
        let files = self.manifest.parts.values().chain(self.manifest.batches.values());
        let meant = files.filter(|file| {
            Folder::of_file(&file.name).is_some_and(|folder| {
                tables.contains(&folder.table) && folder.day.is_some_and(|day| (first..=last).contains(&day))
            })
        });
        json!({
            "manifest_head": self.manifest.head,
            "manifest_lines": self.manifest.seq,
            "files": meant.map(|file| json!(file)).collect::<Vec<_>>(),
        })
    }
}

fn days(span: Span) -> (i64, i64) {
    (span.start.beijing_day(), span.end.plus(-1).beijing_day())
}

fn value<'a>(row: &'a Named, name: &str) -> Option<&'a Field> {
    row.iter().find(|(other, _)| *other == name).map(|(_, field)| field)
}

fn text(row: &Named, name: &str) -> Option<String> {
    match value(row, name) {
        Some(Field::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn int(row: &Named, name: &str) -> i64 {
    match value(row, name) {
        Some(Field::Int(number)) => *number,
        _ => 0,
    }
}

fn time(row: &Named, name: &str) -> Option<Time> {
    match value(row, name) {
        Some(Field::Time(at)) => Some(*at),
        _ => None,
    }
}

fn subject(row: &Named, events: &[Named]) -> Option<Subject> {
    let first = events.iter().filter_map(|event| time(event, "window_start")).min()?;
    Some(Subject {
        outlet: OutletId::new(&text(row, "outlet")?).ok()?,
        factor: text(row, "factor"),
        rule: text(row, "rule")?,
        span: Span {
            start: first,
            end: time(row, "window_end")?,
        },
        cause: (int(row, "cause_partition"), int(row, "cause_offset")),
    })
}

fn object(row: &Named) -> Json {
    let pairs = row.iter().map(|(name, field)| {
        let value = serde_json::from_str(&json(field)).unwrap_or(Json::Null);
        // The facts are JSON within a column; here they need not be quoted twice.
        let facts = match (&value, *name) {
            (Json::String(text), "evidence") => serde_json::from_str(text).ok(),
            _ => None,
        };
        ((*name).to_owned(), facts.unwrap_or(value))
    });
    Json::Object(pairs.collect::<Map<_, _>>())
}

fn packet_json(packet: &PacketEvidence) -> Json {
    json!({
        "outlet": packet.outlet,
        "packet": packet.packet,
        "mn": packet.mn,
        "kind": packet.kind,
        "measured_at": packet.measured_at.to_string(),
        "sent_at": packet.sent_at.map(|at| at.to_string()),
        "received_at": packet.received_at.to_string(),
        "peer": packet.peer,
        "verdict": packet.verdict,
        "log_partition": packet.position.partition,
        "log_offset": packet.position.offset,
        "raw": mask::shown(&packet.raw),
    })
}

fn about(registry: Registry, outlet: OutletId) -> Json {
    let outlets: Vec<_> = registry
        .outlets
        .into_iter()
        .filter(|other| other.id == outlet)
        .collect();
    let owners: Vec<_> = outlets.iter().map(|outlet| outlet.enterprise).collect();
    let enterprises = registry
        .enterprises
        .into_iter()
        .filter(|other| owners.contains(&other.id));
    let enterprises = enterprises.map(|mut enterprise| {
        enterprise.contacts.clear();
        (enterprise.officer, enterprise.officer_phone) = (String::new(), String::new());
        enterprise
    });
    let sources = registry.sources.into_iter().filter(|source| source.outlet == outlet);
    let sources = sources.map(|mut source| {
        source.password = None;
        source
    });
    json!(Registry {
        revision: registry.revision,
        recorded_at: registry.recorded_at,
        enterprises: enterprises.collect(),
        sources: sources.collect(),
        outlets,
        ..Registry::default()
    })
}

fn pretty(value: &Json) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn lines(rows: impl Iterator<Item = Json>) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        text += &row.to_string();
        text.push('\n');
    }
    text.into_bytes()
}

/// Files as one ZIP archive: equal files make equal archives.
pub fn write_zip(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ArchiveError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // The first date the format knows, for equal archives.
        .last_modified_time(DateTime::default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let written = files.iter().try_for_each(|(name, content)| {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(content)
    });
    let finished = written.and_then(|()| Ok(zip.finish()?));
    finished
        .map(Cursor::into_inner)
        .map_err(|source| ArchiveError::Export { source })
}

/// The files of a ZIP archive, checksums compared. The error says what is wrong with it.
pub fn read_zip(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, io::Error> {
    read_limited(bytes, MAX_BUNDLE_BYTES)
}

fn read_limited(bytes: &[u8], limit: u64) -> Result<Vec<(String, Vec<u8>)>, io::Error> {
    let mut zip = ZipArchive::new(Cursor::new(bytes))?;
    let (mut files, mut left) = (Vec::new(), limit);
    for place in 0..zip.len() {
        let file = zip.by_index(place)?;
        let (name, mut content) = (file.name()?.into_owned(), Vec::new());
        file.take(left + 1).read_to_end(&mut content)?;
        left = left.checked_sub(content.len() as u64).ok_or_else(|| {
            let limit = MAX_BUNDLE_BYTES >> 20;
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it unfolds to more than {limit} MiB"),
            )
        })?;
        files.push((name, content));
    }
    Ok(files)
}

/// What in a bundle is not as its hashes say: names of files changed, missing or not listed. The hashes themselves are
/// only as good as the signature over them.
pub fn check_hashes(files: &[(String, Vec<u8>)], unlisted: &[&str]) -> Vec<String> {
    let content = |name: &str| {
        files
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, content)| content)
    };
    let Some(hashes) = content(HASHES) else {
        return vec![HASHES.to_owned()];
    };
    let text = String::from_utf8_lossy(hashes);
    let listed: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once("  ")).collect();
    let changed = listed
        .iter()
        .filter(|(hash, name)| content(name).is_none_or(|content| sha256_hex(content) != *hash));
    let foreign = files.iter().map(|(name, _)| name.as_str()).filter(|name| {
        let known = *name == HASHES || unlisted.contains(name) || listed.iter().any(|(_, listed)| listed == name);
        !known
    });
    changed
        .map(|(_, name)| *name)
        .chain(foreign)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_damage_is_seen() {
        let files = vec![
            ("a/说明.txt".to_owned(), "一 two ".repeat(40).into_bytes()),
            ("empty".to_owned(), vec![]),
        ];
        let bytes = write_zip(&files).unwrap();
        assert_eq!(bytes, write_zip(&files).unwrap(), "equal files make equal archives");
        assert!(bytes.len() < 400, "it is compressed");
        assert_eq!(read_zip(&bytes).unwrap(), files);
        for len in 0..bytes.len() {
            assert!(read_zip(&bytes[..len]).is_err(), "cut at {len}");
        }
        for place in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[place] ^= 4;
            // Dates, versions and attributes may change; what a file is and holds may not without being seen.
            if let Ok(read) = read_zip(&bad) {
                let contents = |files: &[(String, Vec<u8>)]| -> Vec<Vec<u8>> {
                    files.iter().map(|(_, content)| content.clone()).collect()
                };
                assert_eq!(contents(&read), contents(&files), "byte {place}");
            }
        }
    }

    #[test]
    fn a_bundle_that_unfolds_without_end_is_refused() {
        let files: Vec<_> = (0..5).map(|n| (n.to_string(), vec![0; 250])).collect();
        let bytes = write_zip(&files).unwrap();
        assert_eq!(read_limited(&bytes, 1_250).unwrap(), files);
        let error = read_limited(&bytes, 1_249).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
