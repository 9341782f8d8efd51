//! Reports and quarantined bytes.

use prost::Message as _;

use super::error::{WireError, closed, content_id, decimal, format, id, inline, required, small};
use super::generated as wire;
use super::put::{LONG, Put, SHORT};
use crate::ids::{FactorCode, IngestId, Mn, OutletId};
use crate::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use crate::report::{
    Complaint, ComplaintCode, Dialect, Evidence, Origin, QuarantineReason, Quarantined, Report, Times,
};
use crate::time::Time;

/// Bytes that a report takes beside its raw bytes, and those of a reading: more only moves the buffer once.
const USUAL_BYTES: usize = 224;
const USUAL_READING_BYTES: usize = 28;

/// The bytes of an entry with a report.
pub(super) fn encode_report(report: &Report) -> Vec<u8> {
    let readings = report.readings.len() * USUAL_READING_BYTES;
    let mut bytes = Vec::with_capacity(USUAL_BYTES + readings + report.evidence.raw.len());
    let mut entry = Put(&mut bytes);
    entry.uint(1, super::FORMAT);
    entry.message(2, LONG, |out| put_report(out, report));
    bytes
}

fn put_report(out: &mut Put<'_>, report: &Report) {
    out.bytes(1, report.outlet.as_str().as_bytes());
    out.uint(2, report.kind.number());
    out.sint(3, report.times.measured_at.0);
    if let Some(at) = report.times.sent_at {
        out.sint_there(4, at.0);
    }
    out.sint(5, report.times.received_at.0);
    out.message(6, SHORT, |out| put_origin(out, &report.origin));
    out.uint(7, report.backfill);
    for reading in &report.readings {
        out.message(8, SHORT, |out| put_reading(out, reading));
    }
    for complaint in &report.complaints {
        out.message(9, SHORT, |out| put_complaint(out, complaint));
    }
    out.message(10, LONG, |out| put_evidence(out, &report.evidence));
}

fn put_origin(out: &mut Put<'_>, origin: &Origin) {
    out.bytes(1, origin.mn.as_str().as_bytes());
    out.bytes(2, origin.st.as_str().as_bytes());
    out.uint(3, origin.dialect.number());
    out.bytes(4, origin.ingest.as_str().as_bytes());
    out.bytes(5, origin.peer.as_str().as_bytes());
    out.uint(6, origin.registry_revision);
}

fn put_reading(out: &mut Put<'_>, reading: &Reading) {
    out.bytes(1, reading.factor.as_str().as_bytes());
    out.uint(2, reading.statistic.number());
    out.uint(3, reading.basis.number());
    out.uint(4, reading.flag.number());
    out.bytes(5, reading.maker_flag.as_str().as_bytes());
    match reading.value {
        Value::Decimal(value) => out.message(6, SHORT, |out| {
            out.sint(1, value.mantissa);
            out.uint(2, value.scale);
        }),
        Value::Float(value) => out.double_there(7, value),
        Value::Text(text) => out.bytes_there(8, text.as_str().as_bytes()),
        Value::Empty => {}
    }
}

fn put_complaint(out: &mut Put<'_>, complaint: &Complaint) {
    out.uint(1, complaint.code.number());
    if let Some(factor) = complaint.factor {
        out.bytes_there(2, factor.as_str().as_bytes());
    }
    out.bytes(3, complaint.text.as_str().as_bytes());
}

fn put_evidence(out: &mut Put<'_>, evidence: &Evidence) {
    out.bytes(1, evidence.packet.as_bytes());
    out.bytes(2, &evidence.raw);
    out.uint(3, evidence.share.0);
    out.uint(4, evidence.share.1);
    out.uint(5, evidence.cn);
    out.bytes(6, evidence.qn.as_str().as_bytes());
    out.uint(7, evidence.part.0);
    out.uint(8, evidence.part.1);
    if let Some(key) = evidence.key_id {
        out.bytes_there(9, key.as_str().as_bytes());
    }
}

pub(super) fn report_from_wire(report: wire::Report) -> Result<Report, WireError> {
    let origin = required("report.origin", report.origin)?;
    let evidence = required("report.evidence", report.evidence)?;
    Ok(Report {
        outlet: id("report.outlet", OutletId::new(&report.outlet))?,
        kind: closed("report.kind", report.kind, ReportKind::from_number)?,
        times: Times {
            measured_at: Time(report.measured_at),
            sent_at: report.sent_at.map(Time),
            received_at: Time(report.received_at),
        },
        origin: Origin {
            mn: id("origin.mn", Mn::new(&origin.mn))?,
            st: inline("origin.st", &origin.st)?,
            dialect: closed("origin.dialect", origin.dialect, Dialect::from_number)?,
            ingest: id("origin.ingest", IngestId::new(&origin.ingest))?,
            peer: inline("origin.peer", &origin.peer)?,
            registry_revision: origin.registry_revision,
        },
        backfill: report.backfill,
        readings: report
            .readings
            .iter()
            .map(reading_from_wire)
            .collect::<Result<_, _>>()?,
        complaints: report
            .complaints
            .iter()
            .map(complaint_from_wire)
            .collect::<Result<_, _>>()?,
        evidence: evidence_from_wire(evidence)?,
    })
}

fn reading_from_wire(reading: &wire::Reading) -> Result<Reading, WireError> {
    Ok(Reading {
        factor: id("reading.factor", FactorCode::new(&reading.factor))?,
        statistic: closed("reading.statistic", reading.statistic, Statistic::from_number)?,
        basis: closed("reading.basis", reading.basis, Basis::from_number)?,
        value: match &reading.value {
            Some(wire::reading::Value::Decimal(value)) => Value::Decimal(decimal("reading.decimal", *value)?),
            Some(wire::reading::Value::Float(value)) => Value::Float(*value),
            Some(wire::reading::Value::Text(text)) => Value::Text(inline("reading.text", text)?),
            None => Value::Empty,
        },
        flag: closed("reading.flag", reading.flag, Flag::from_number)?,
        maker_flag: inline("reading.maker_flag", &reading.maker_flag)?,
    })
}

fn complaint_from_wire(complaint: &wire::Complaint) -> Result<Complaint, WireError> {
    Ok(Complaint {
        code: closed("complaint.code", complaint.code, ComplaintCode::from_number)?,
        factor: id(
            "complaint.factor",
            complaint.factor.as_deref().map(FactorCode::new).transpose(),
        )?,
        text: inline("complaint.text", &complaint.text)?,
    })
}

fn evidence_from_wire(evidence: wire::Evidence) -> Result<Evidence, WireError> {
    Ok(Evidence {
        packet: content_id("evidence.packet", &evidence.packet)?,
        share: (
            small("evidence.share", evidence.share)?,
            small("evidence.shares", evidence.shares)?,
        ),
        cn: small("evidence.cn", evidence.cn)?,
        qn: inline("evidence.qn", &evidence.qn)?,
        part: (
            small("evidence.part", evidence.part)?,
            small("evidence.parts", evidence.parts)?,
        ),
        key_id: evidence
            .key_id
            .as_deref()
            .map(|key| inline("evidence.key_id", key))
            .transpose()?,
        raw: evidence.raw,
    })
}

/// The bytes of one record of `quarantine`.
pub fn encode_quarantined(quarantined: &Quarantined) -> Vec<u8> {
    wire::Quarantined {
        format: super::FORMAT,
        reason: quarantined.reason.number().into(),
        detail: quarantined.detail.clone(),
        received_at: quarantined.received_at.0,
        ingest: quarantined.ingest.into(),
        peer: quarantined.peer.as_str().to_owned(),
        mn: quarantined.mn.map(Into::into),
        cn: quarantined.cn.map(Into::into),
        stream_offset: quarantined.stream_offset,
        raw: quarantined.raw.clone(),
    }
    .encode_to_vec()
}

/// One record of `quarantine` from its bytes.
pub fn decode_quarantined(bytes: &[u8]) -> Result<Quarantined, WireError> {
    let quarantined = wire::Quarantined::decode(bytes).map_err(|source| WireError::Malformed {
        message: "quarantined",
        source,
    })?;
    format("quarantined", quarantined.format)?;
    Ok(Quarantined {
        reason: closed("quarantined.reason", quarantined.reason, QuarantineReason::from_number)?,
        detail: quarantined.detail,
        received_at: Time(quarantined.received_at),
        ingest: id("quarantined.ingest", IngestId::new(&quarantined.ingest))?,
        peer: inline("quarantined.peer", &quarantined.peer)?,
        mn: id("quarantined.mn", quarantined.mn.as_deref().map(Mn::new).transpose())?,
        cn: quarantined.cn.map(|cn| small("quarantined.cn", cn)).transpose()?,
        stream_offset: quarantined.stream_offset,
        raw: quarantined.raw,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decimal::Decimal;
    use crate::ids::{ContentId, Inline};

    fn readings() -> impl Strategy<Value = Vec<Reading>> {
        let value = prop_oneof![
            (any::<i64>(), 0_u8..=18).prop_map(|(mantissa, scale)| Value::Decimal(Decimal { mantissa, scale })),
            any::<f64>().prop_map(Value::Float),
            "[a-z]{0,23}".prop_map(|of| Value::Text(Inline::new(&of).unwrap())),
            Just(Value::Empty),
        ];
        let reading = (value, "[a-z]{0,7}").prop_map(|(value, flag)| Reading {
            factor: FactorCode::new("a21026").unwrap(),
            statistic: Statistic::Mean,
            basis: Basis::Standard,
            value,
            flag: Flag::from_number(1).unwrap(),
            maker_flag: Inline::new(&flag).unwrap(),
        });
        proptest::collection::vec(reading, 0..40)
    }

    prop_compose! {
        fn reports()(
            readings in readings(),
            times in any::<[i64; 3]>(),
            sent in any::<bool>(),
            raw in proptest::collection::vec(any::<u8>(), 0..40_000),
            numbers in any::<[u16; 5]>(),
            revision in any::<u64>(),
            factor in proptest::option::of(Just(FactorCode::new("w01018").unwrap())),
            complaints in 0_usize..4,
        ) -> Report {
            Report {
                outlet: OutletId::new("E1:DA001").unwrap(),
                kind: ReportKind::Minute,
                times: Times {
                    measured_at: Time(times[0]),
                    sent_at: sent.then_some(Time(times[1])),
                    received_at: Time(times[2]),
                },
                origin: Origin {
                    mn: Mn::new("010000A8900016F000169DC0").unwrap(),
                    st: Inline::new(if sent { "31" } else { "" }).unwrap(),
                    dialect: Dialect::Hj2017,
                    ingest: IngestId::new("i").unwrap(),
                    peer: Inline::new("127.0.0.1:9").unwrap(),
                    registry_revision: revision,
                },
                backfill: sent,
                readings,
                complaints: vec![
                    Complaint {
                        code: ComplaintCode::WrongLength,
                        factor,
                        text: Inline::new("1 ≠ 2").unwrap(),
                    };
                    complaints
                ],
                evidence: Evidence {
                    packet: ContentId::of(&[&raw]),
                    raw,
                    share: (numbers[0], numbers[1]),
                    cn: numbers[2],
                    qn: Inline::new("20160801085857223").unwrap(),
                    part: (numbers[3], numbers[4]),
                    key_id: sent.then(|| Inline::new("").unwrap()),
                },
            }
        }
    }

    proptest! {
        /// What prost reads and writes again are the same bytes: no field is missing, none stands in another form.
        #[test]
        fn is_what_prost_would_write(report in reports()) {
            let bytes = encode_report(&report);
            let entry = wire::Entry::decode(bytes.as_slice()).unwrap();
            prop_assert_eq!(&entry.encode_to_vec(), &bytes);
            let Some(wire::entry::Body::Report(read)) = entry.body else { panic!("no report") };
            prop_assert_eq!(encode_report(&report_from_wire(read).unwrap()), bytes);
        }
    }
}
