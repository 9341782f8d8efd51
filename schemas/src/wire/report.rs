//! Reports and quarantined bytes.

use prost::Message as _;

use super::error::{WireError, closed, content_id, decimal, format, id, inline, required, small, wire_decimal};
use super::generated as wire;
use crate::ids::{FactorCode, IngestId, Mn, OutletId};
use crate::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use crate::report::{
    Complaint, ComplaintCode, Dialect, Evidence, Origin, QuarantineReason, Quarantined, Report, Times,
};
use crate::time::Time;

pub(super) fn report_to_wire(report: &Report) -> wire::Report {
    wire::Report {
        outlet: report.outlet.into(),
        kind: report.kind.number().into(),
        measured_at: report.times.measured_at.0,
        sent_at: report.times.sent_at.map(|at| at.0),
        received_at: report.times.received_at.0,
        origin: Some(wire::Origin {
            mn: report.origin.mn.into(),
            st: report.origin.st.as_str().to_owned(),
            dialect: report.origin.dialect.number().into(),
            ingest: report.origin.ingest.into(),
            peer: report.origin.peer.as_str().to_owned(),
            registry_revision: report.origin.registry_revision,
        }),
        backfill: report.backfill,
        readings: report.readings.iter().map(reading_to_wire).collect(),
        complaints: report.complaints.iter().map(complaint_to_wire).collect(),
        evidence: Some(evidence_to_wire(&report.evidence)),
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

fn reading_to_wire(reading: &Reading) -> wire::Reading {
    wire::Reading {
        factor: reading.factor.into(),
        statistic: reading.statistic.number().into(),
        basis: reading.basis.number().into(),
        flag: reading.flag.number().into(),
        maker_flag: reading.maker_flag.as_str().to_owned(),
        value: match reading.value {
            Value::Decimal(value) => Some(wire::reading::Value::Decimal(wire_decimal(value))),
            Value::Float(value) => Some(wire::reading::Value::Float(value)),
            Value::Text(text) => Some(wire::reading::Value::Text(text.as_str().to_owned())),
            Value::Empty => None,
        },
    }
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

fn complaint_to_wire(complaint: &Complaint) -> wire::Complaint {
    wire::Complaint {
        code: complaint.code.number().into(),
        factor: complaint.factor.map(Into::into),
        text: complaint.text.as_str().to_owned(),
    }
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

fn evidence_to_wire(evidence: &Evidence) -> wire::Evidence {
    wire::Evidence {
        packet: evidence.packet.as_bytes().to_vec(),
        raw: evidence.raw.clone(),
        share: evidence.share.0.into(),
        shares: evidence.share.1.into(),
        cn: evidence.cn.into(),
        qn: evidence.qn.as_str().to_owned(),
        part: evidence.part.0.into(),
        parts: evidence.part.1.into(),
        key_id: evidence.key_id.map(|key| key.as_str().to_owned()),
    }
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
