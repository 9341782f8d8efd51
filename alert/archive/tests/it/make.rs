//! Records as ingest and detect write them.

use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, ArchiveConfig, ArchiveError, Committable, Pushed, S3Config, Signals};
use plume_bus::fs::Fs;
use plume_bus::{Record, Topic, TopicPartition};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, LogPosition, Mark, MarkKind, Presence, PresenceState, Tick};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, Pane, Verdict};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::{Enterprise, Outlet, Registry};
use plume_schemas::report::{Dialect, Evidence, Origin, QuarantineReason, Quarantined, Report, Times};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Span, Time};
use plume_schemas::wire;

pub(crate) const REPORTS: TopicPartition = TopicPartition::new(Topic::Reports, 0);
pub(crate) const JUDGEMENTS: TopicPartition = TopicPartition::new(Topic::Judgements, 0);
pub(crate) const EVENTS: TopicPartition = TopicPartition::new(Topic::Events, 0);
pub(crate) const QUARANTINE: TopicPartition = TopicPartition::new(Topic::Quarantine, 0);

pub(crate) fn at(stamp: &str) -> Time {
    Time::parse_stamp(stamp.as_bytes()).unwrap()
}

pub(crate) fn config() -> ArchiveConfig {
    ArchiveConfig {
        dir: "archive".into(),
        s3: S3Config {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
        },
        batch_records: 50_000,
        batch_bytes: 16 << 20,
        batch_every_s: 3_600,
        publish_every_s: 3_600,
        // So few that what tests write is published in runs.
        run_rows: 3,
        keep_days: 0,
        keep_samples_days: 0,
        max_bytes: 0,
    }
}

pub(crate) fn open(root: &Path, fs: Arc<dyn Fs>, config: &ArchiveConfig) -> Result<Archive, ArchiveError> {
    let signals = Signals::new(&prometheus::Registry::new()).unwrap();
    Archive::open(root, config.clone(), fs, signals)
}

/// Pushes the records that are not archived yet as deploy does, writing and publishing when it is time.
pub(crate) fn drive(archive: &mut Archive, records: &[Record]) -> Result<Vec<Committable>, ArchiveError> {
    let mut committed = Vec::new();
    for record in records {
        while archive.push(record)? == Pushed::Full {
            committed.extend(archive.write(record.from)?);
        }
        for at in archive.due() {
            committed.extend(archive.write(at)?);
        }
        if archive.publish_due() {
            archive.publish()?;
        }
    }
    Ok(committed)
}

pub(crate) fn record(at: TopicPartition, offset: u64, payload: Vec<u8>) -> Record {
    Record {
        from: at,
        offset,
        key: bytes::Bytes::new(),
        payload: payload.into(),
    }
}

pub(crate) fn outlet(number: u32) -> OutletId {
    OutletId::new(&format!("91330100MA27X0AB1C:DA{number:03}")).unwrap()
}

pub(crate) fn mn(number: u32) -> Mn {
    Mn::new(&format!("8888888000{number:04}")).unwrap()
}

pub(crate) fn factor(code: &str) -> FactorCode {
    FactorCode::new(code).unwrap()
}

pub(crate) fn reading(code: &str, statistic: Statistic, value: &str) -> Reading {
    let value = match Decimal::parse(value.as_bytes()) {
        Some(decimal) => Value::Decimal(decimal),
        None => Inline::new(value).map_or(Value::Empty, Value::Text),
    };
    Reading {
        factor: factor(code),
        statistic,
        basis: Basis::Standard,
        value,
        flag: Flag::Normal,
        maker_flag: Inline::default(),
    }
}

pub(crate) fn report(
    number: u32,
    kind: ReportKind,
    measured_at: Time,
    received_at: Time,
    readings: Vec<Reading>,
) -> Report {
    let qn = received_at.plus(-SECOND_MS).stamp17();
    let values: Vec<String> = readings
        .iter()
        .map(|reading| format!("{}-{}={:?}", reading.factor, reading.statistic, reading.value))
        .collect();
    let raw = format!(
        "##0000QN={qn};ST=31;CN=2051;PW=123456;MN={};Flag=5;CP=&&DataTime={};{}&&0000\r\n",
        mn(number),
        measured_at.stamp14(),
        values.join(";")
    );
    Report {
        outlet: outlet(number),
        kind,
        times: Times {
            measured_at,
            sent_at: Time::parse_stamp(qn.as_bytes()),
            received_at,
        },
        origin: Origin {
            mn: mn(number),
            st: Inline::new("31").unwrap(),
            dialect: Dialect::Hj2017,
            ingest: IngestId::new("ingest-1").unwrap(),
            peer: Inline::new("127.0.0.1:40000").unwrap(),
            registry_revision: 1,
        },
        backfill: false,
        readings,
        complaints: vec![],
        evidence: Evidence {
            packet: ContentId::of(&[raw.as_bytes()]),
            raw: raw.into_bytes(),
            share: (0, 1),
            cn: 2051,
            qn: Inline::new(&qn).unwrap(),
            part: (0, 0),
            key_id: None,
        },
    }
}

/// A minute of an outlet: NOx with four statistics, one of which varies with `salt`.
pub(crate) fn minute(number: u32, measured_at: Time, salt: u32) -> Report {
    let value = |base: u32| format!("{}.{:02}", base + salt / 100, salt % 100);
    let readings = vec![
        reading("a21002", Statistic::Min, &value(30)),
        reading("a21002", Statistic::Mean, &value(31)),
        reading("a21002", Statistic::Max, &value(32)),
        reading("a21002", Statistic::Total, &format!("0.{salt:03}")),
        reading("a19001", Statistic::Mean, "8.1"),
    ];
    report(
        number,
        ReportKind::Minute,
        measured_at,
        measured_at.plus(MINUTE_MS + 2_345),
        readings,
    )
}

pub(crate) fn entry(offset: u64, body: &EntryBody) -> Record {
    record(REPORTS, offset, wire::encode_entry(body))
}

pub(crate) fn of_report(offset: u64, report: Report) -> Record {
    entry(offset, &EntryBody::Report(Box::new(report)))
}

pub(crate) fn tick(at: Time) -> EntryBody {
    EntryBody::Tick(Tick {
        ingest: IngestId::new("ingest-1").unwrap(),
        received_at: at,
    })
}

pub(crate) fn presence(number: u32, at: Time) -> EntryBody {
    EntryBody::Presence(Presence {
        mn: mn(number),
        outlet: outlet(number),
        ingest: IngestId::new("ingest-1").unwrap(),
        state: PresenceState::Came,
        epoch: 7,
        peer: Inline::new("127.0.0.1:40000").unwrap(),
        received_at: at,
    })
}

pub(crate) fn mark(number: u32, at: Time) -> EntryBody {
    EntryBody::Mark(Mark {
        id: ContentId::of(&[b"mark"]),
        outlet: outlet(number),
        factor: None,
        span: Span::hour_of(at),
        kind: MarkKind::Maintenance,
        withdrawn: false,
        by: "somebody".into(),
        note: "换滤芯".into(),
        received_at: at,
    })
}

pub(crate) fn registry(outlets: u32, at: Time) -> EntryBody {
    let id = EnterpriseId::new("91330100MA27X0AB1C").unwrap();
    let text = |n| format!("id = \"{}\"\nenterprise = \"{id}\"\nnumber = \"DA{n:03}\"", outlet(n));
    let outlets = (1..=outlets).map(|n| toml_outlet(&text(n))).collect();
    EntryBody::Registry(Box::new(Registry {
        revision: 1,
        recorded_at: at,
        enterprises: vec![Enterprise {
            id,
            name: "甲热电".into(),
            district: "余杭".into(),
            industry: "thermal_power_coal".into(),
            officer: String::new(),
            officer_phone: String::new(),
            contacts: vec![],
            permit_number: String::new(),
            permit_valid_to: None,
        }],
        outlets,
        sources: vec![],
        ..Registry::default()
    }))
}

/// An outlet with all that a registry file may leave out left out.
fn toml_outlet(fields: &str) -> Outlet {
    let pairs = fields.lines().filter_map(|line| line.split_once(" = "));
    let json: serde_json::Map<String, serde_json::Value> = pairs
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').into()))
        .collect();
    serde_json::from_value(json.into()).unwrap()
}

pub(crate) fn judgement(number: u32, window: Span, offset: u64) -> Judgement {
    Judgement {
        rule: RuleCode::ExceedHour,
        outlet: outlet(number),
        factor: Some(factor("a21002")),
        window,
        pane: Pane::OnTime,
        verdict: Verdict::Breach(Severity::Exceeded),
        previous: None,
        cause: LogPosition { partition: 0, offset },
        ordinal: 0,
        judged_at: window.end.plus(5 * MINUTE_MS),
        late: false,
        evidence: vec![
            Fact {
                key: FactKey::Mean,
                value: FactValue::Decimal(Decimal::parse(b"53.20").unwrap()),
            },
            Fact {
                key: FactKey::Limit,
                value: FactValue::Decimal(Decimal::parse(b"50").unwrap()),
            },
            Fact {
                key: FactKey::ExceedRatio,
                value: FactValue::Float(0.064),
            },
            Fact {
                key: FactKey::ValidMinutes,
                value: FactValue::Int(60),
            },
        ],
    }
}

pub(crate) fn of_judgement(offset: u64, judgement: &Judgement) -> Record {
    record(JUDGEMENTS, offset, wire::encode_judgement(judgement))
}

pub(crate) fn of_event(offset: u64, judgement: Judgement) -> Record {
    let case = Event::case_id(
        judgement.outlet,
        judgement.factor,
        judgement.rule,
        judgement.window.start,
    );
    let event = Event {
        id: Event::event_id(case, Edge::Opened, judgement.cause),
        case,
        edge: Edge::Opened,
        at: judgement.judged_at,
        preliminary: true,
        judgement,
    };
    record(EVENTS, offset, wire::encode_event(&event))
}

pub(crate) fn of_quarantine(offset: u64, received_at: Time) -> Record {
    let quarantined = Quarantined {
        reason: QuarantineReason::BadCrc,
        detail: "checksum is 1C80, expected 0759".into(),
        received_at,
        ingest: IngestId::new("ingest-1").unwrap(),
        peer: Inline::new("127.0.0.1:40000").unwrap(),
        mn: Some(mn(1)),
        cn: Some(2051),
        stream_offset: 12,
        raw: b"##0101PW=123456;\xff\x00".to_vec(),
    };
    record(QUARANTINE, offset, wire::encode_quarantined(&quarantined))
}
