//! The log made again out of the archive is the log, byte for byte: devices with every habit the simulator has, in
//! every edition, in clear and encrypted, one packet for several outlets, repeats, marks, presence, and a registry that
//! changes under them.

use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, Pushed, Reader, Signals};
use plume_bus::fs::RealFs;
use plume_bus::{Record, Topic};
use plume_ingest::config::IngestConfig;
use plume_ingest::hj212::intake::LogRecord;
use plume_ingest::hj212::session::{Link, Output as Told, Session};
use plume_ingest::hj212::sm4::{CipherForm, DeviceKeys, Key, KeyRing};
use plume_ingest::hj212::tolerance::{Tolerance, Tolerances};
use plume_schemas::entry::{EntryBody, Mark, MarkKind, Tick};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, IngestId, Inline, Mn, OutletId};
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::report::Dialect;
use plume_schemas::time::{MINUTE_MS, Span, Time};
use plume_schemas::wire;
use plume_simulator::device::{Device, Moment, Output};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::misbehave::{Habit, Misbehaviour};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

use super::archived::Archived;
use crate::config::Config;
use crate::roles::at;

const MINUTES: i64 = 12;

fn origin() -> Time {
    // The last minutes of a day, so that rows lie in two folders.
    Time::parse_stamp(b"20260117235400").unwrap()
}

pub(super) fn mn(number: usize) -> Mn {
    Mn::new(&format!("DE{number:022}")).unwrap()
}

/// Two outlets a device: one takes SO2, the other everything else.
fn registry(devices: usize, revision: u64, oxygen_with_first: bool) -> Registry {
    let mut text = String::new();
    for number in 0..devices {
        let (mn, first) = (
            mn(number),
            if oxygen_with_first {
                "\"a21026\", \"a19001\""
            } else {
                "\"a21026\""
            },
        );
        text += &std::fmt::format(format_args!(
            "[[source]]\nmn = \"{mn}\"\noutlet = \"E:DA{number:03}\"\nfactors = [{first}]\n\
             [[source]]\nmn = \"{mn}\"\noutlet = \"E:DB{number:03}\"\n"
        ));
    }
    let mut registry: Registry = toml::from_str(&text).unwrap();
    (registry.revision, registry.recorded_at) = (revision, origin().plus(i64::try_from(revision).unwrap()));
    registry
}

/// Everything a device can be, each once: a habit or an edition or a cipher.
fn devices(key: &Key) -> Vec<(LinkSpec, LoggerSpec)> {
    let editions = [Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025];
    let mut all = Vec::new();
    for &kind in Misbehaviour::ALL {
        let link = LinkSpec {
            habits: vec![Habit::always(kind)],
            resends: 1,
            ..LinkSpec::usual(mn(all.len()), Dialect::Hj2017)
        };
        all.push((link, LoggerSpec::usual(Dialect::Hj2017)));
    }
    for edition in editions {
        all.push((LinkSpec::usual(mn(all.len()), edition), LoggerSpec::usual(edition)));
    }
    for form in [CipherForm::Raw, CipherForm::Literal] {
        let link = LinkSpec {
            cipher: Some((key.clone(), form)),
            ..LinkSpec::usual(mn(all.len()), Dialect::Hj2025)
        };
        all.push((link, LoggerSpec::usual(Dialect::Hj2025)));
    }
    all
}

/// What ingest appends while a device speaks from `from` to `to`. Every fifth answer is lost, so packets come again.
pub(super) fn spoken(
    device: &mut Device,
    session: &mut Session,
    (from, to): (Time, Time),
    index: &RegistryIndex,
) -> Vec<EntryBody> {
    let (mut bodies, mut now, mut answers, mut up) = (Vec::new(), from, 0, false);
    while now <= to && !device.finished() {
        if device.wants_link(now) && !up {
            up = true;
            device.link_up(Moment::real(now));
        }
        while let Some(output) = device.poll_output(now) {
            let bytes = match output {
                Output::Write(bytes) => bytes,
                Output::Answered(_) => continue,
                Output::Close => {
                    up = false;
                    device.link_down();
                    continue;
                }
            };
            session.handle_bytes(&bytes, now, index);
            if session.wants_quiet() {
                session.handle_quiet(now, index);
            }
            let mut back = Vec::new();
            while let Some(told) = session.poll_output() {
                match told {
                    Told::Append { ticket, records } => {
                        bodies.extend(records.into_iter().filter_map(|record| match record {
                            LogRecord::Entry(body) => Some(body),
                            LogRecord::Quarantined(_) => None,
                        }));
                        session.handle_durable(ticket);
                    }
                    Told::Send(bytes) => back.extend(bytes),
                    Told::Note(_) | Told::Close(_) => {}
                }
            }
            answers += 1;
            if answers % 5 != 0 {
                device.handle(&back, Moment::real(now));
            }
        }
        let due = device.due();
        let next = [due.world, due.wire].into_iter().flatten().min().unwrap_or(to.plus(1));
        now = next.max(now.plus(1));
        if now <= to {
            device.handle_timeout(Moment::real(now));
        }
    }
    bodies
}

/// The log: half of the time under one registry, half under another.
fn log() -> Vec<EntryBody> {
    let key = Key::parse("k3yOfTheSimulat0").unwrap();
    let devices = devices(&key);
    let ring = KeyRing::default();
    for (link, _) in &devices {
        if let Some((key, form)) = &link.cipher {
            let keys = DeviceKeys {
                current: key.clone(),
                previous: None,
                next: None,
                literal: *form == CipherForm::Literal,
            };
            ring.insert(link.mn, keys);
        }
    }
    let config = Arc::new(IngestConfig {
        tolerate: Tolerances::from_iter(Tolerance::ALL),
        keys: Arc::new(ring),
        ..Config::defaults().unwrap().ingest
    });
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    let registries = [(1, false), (2, true)].map(|(revision, with)| registry(devices.len(), revision, with));
    let mut bodies = vec![EntryBody::Registry(Box::new(registries[0].clone()))];
    let indexes = registries.clone().map(RegistryIndex::new);
    let halfway = origin().plus(MINUTES / 2 * MINUTE_MS);
    let mut late = Vec::new();
    for (number, (link, spec)) in devices.into_iter().enumerate() {
        let plant = Plant::new(PlantSpec::coal_boiler("锅炉", origin()), 9);
        let mut device = Device::logger(link, Logger::new(spec, plant, origin()), origin());
        let peer = Link {
            peer: Inline::new("10.0.0.7:4711").unwrap(),
            epoch: number as u64 + 1,
        };
        let mut session = Session::new(Arc::clone(&config), Arc::clone(&catalogue), peer);
        bodies.extend(spoken(&mut device, &mut session, (origin(), halfway), &indexes[0]));
        let end = halfway.plus(MINUTES / 2 * MINUTE_MS);
        late.extend(spoken(&mut device, &mut session, (halfway, end), &indexes[1]));
        session.handle_end(end, &indexes[1]);
    }
    let ingest = IngestId::new("i1").unwrap();
    bodies.push(EntryBody::Tick(Tick {
        ingest,
        received_at: halfway,
    }));
    bodies.push(EntryBody::Mark(Mark {
        id: ContentId::of(&[b"mark"]),
        outlet: OutletId::new("E:DA001").unwrap(),
        factor: None,
        span: Span::hour_of(origin()),
        kind: MarkKind::Calibration,
        withdrawn: false,
        by: "李主管".to_owned(),
        note: "季度校准，\"A\"".to_owned(),
        received_at: halfway,
    }));
    bodies.push(EntryBody::Registry(Box::new(registries[1].clone())));
    bodies.extend(late);
    bodies
}

/// Archives the entries.
pub(super) fn archive(root: &Path, payloads: &[Vec<u8>]) -> Arc<Reader> {
    archive_with(root, payloads, None)
}

/// Archives the entries and, where one is given, the judge's memory as it stood before an offset.
pub(super) fn archive_with(root: &Path, payloads: &[Vec<u8>], kept: Option<(u64, &[u8])>) -> Arc<Reader> {
    let signals = Signals::new(&prometheus::Registry::new()).unwrap();
    let config = Config::defaults().unwrap().archive;
    let mut archive = Archive::open(root, config, Arc::new(RealFs), signals).unwrap();
    let line = at(Topic::Reports, 0);
    for (offset, payload) in (0..).zip(payloads) {
        let record = Record {
            from: line,
            offset,
            key: bytes::Bytes::new(),
            payload: payload.clone().into(),
        };
        while archive.push(&record).unwrap() == Pushed::Full {
            archive.write(line).unwrap();
        }
        if let Some((before, state)) = kept.filter(|(before, _)| *before == offset) {
            assert!(archive.checkpoint(0, before, state).unwrap());
        }
        // Some is published, some waits in batches.
        if offset == payloads.len() as u64 / 2 {
            archive.write(line).unwrap();
            archive.publish().unwrap();
        }
    }
    archive.write(line).unwrap();
    Arc::new(Reader::open(root, Arc::new(RealFs)).unwrap())
}

#[test]
fn the_log_out_of_the_archive_is_the_log() {
    let bodies = log();
    let mut payloads: Vec<Vec<u8>> = bodies.iter().map(wire::encode_entry).collect();
    let odd = payloads.len() / 3;
    payloads.insert(odd, b"no decoder reads this".to_vec());
    let dir = tempfile::tempdir().unwrap();
    let reader = archive(dir.path(), &payloads);
    let mut archived = Archived::open(reader, 0).unwrap().unwrap();
    let mut again = Vec::new();
    while let Some(entries) = archived.next().unwrap() {
        again.extend(entries);
    }
    assert_eq!(again.len(), bodies.len());
    for (entry, offset) in again.iter().zip((0..payloads.len()).filter(|offset| *offset != odd)) {
        assert_eq!(entry.at.offset, offset as u64);
        let then = wire::decode_entry(&payloads[offset]).unwrap();
        assert_eq!(entry.body, then, "log position {}", entry.at);
        assert_eq!(
            wire::encode_entry(&entry.body),
            payloads[offset],
            "log position {}",
            entry.at
        );
    }
    // The log shows what it is meant to show.
    let reports: Vec<_> = bodies
        .iter()
        .filter_map(|body| match body {
            EntryBody::Report(report) => Some(report),
            _ => None,
        })
        .collect();
    assert!(reports.len() > 1_000, "{}", reports.len());
    assert!(reports.iter().any(|report| report.evidence.share.0 == 1));
    assert!(reports.iter().any(|report| report.evidence.key_id.is_some()));
    assert!(reports.iter().any(|report| !report.complaints.is_empty()));
    for dialect in [Dialect::Hj2005, Dialect::Hj2017, Dialect::Hj2025] {
        assert!(
            reports.iter().any(|report| report.origin.dialect == dialect),
            "{dialect}"
        );
    }
    let revisions: std::collections::BTreeSet<u64> =
        reports.iter().map(|report| report.origin.registry_revision).collect();
    assert_eq!(revisions, [1, 2].into());
}

/// Bytes that say something else than what was reported are no ground for an exact replay.
#[test]
fn a_packet_whose_bytes_do_not_fit_is_an_error_that_names_it() {
    let mut bodies = log();
    bodies.truncate(50);
    let changed = bodies.iter_mut().rev().find_map(|body| match body {
        EntryBody::Report(report) if report.readings.len() > 1 => Some(report),
        _ => None,
    });
    changed.unwrap().readings.pop();
    let payloads: Vec<Vec<u8>> = bodies.iter().map(wire::encode_entry).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut archived = Archived::open(archive(dir.path(), &payloads), 0).unwrap().unwrap();
    let error = format!("{:#}", archived.next().unwrap_err());
    assert!(
        error.contains("log position 0/") && error.contains("its bytes say"),
        "{error}"
    );
}
