//! Records of the `reports` topic.

use prost::Message as _;

use super::error::{WireError, closed, content_id, finite, format, id, inline, required};
use super::generated as wire;
use super::judgement::{judgement_from_wire, judgement_to_wire};
use super::report::{encode_report, report_from_wire};
use crate::check::{Check, CheckPoint, CheckSource};
use crate::entry::{ClockStep, EntryBody, Mark, MarkKind, Presence, PresenceState, Tick};
use crate::event::Edge;
use crate::ids::{FactorCode, IngestId, Mn, OutletId};
use crate::recompute::{RecomputeCause, Recomputed, Revision, Turn};
use crate::time::{Span, Time};

/// The bytes of one record of `reports`.
pub fn encode_entry(body: &EntryBody) -> Vec<u8> {
    let body = match body {
        EntryBody::Report(report) => return encode_report(report),
        EntryBody::Tick(tick) => wire::entry::Body::Tick(wire::Tick {
            ingest: tick.ingest.into(),
            received_at: tick.received_at.0,
        }),
        EntryBody::Presence(presence) => wire::entry::Body::Presence(wire::Presence {
            mn: presence.mn.into(),
            outlet: presence.outlet.into(),
            ingest: presence.ingest.into(),
            state: presence.state.number().into(),
            epoch: presence.epoch,
            peer: presence.peer.as_str().to_owned(),
            received_at: presence.received_at.0,
        }),
        EntryBody::ClockStep(step) => wire::entry::Body::ClockStep(wire::ClockStep {
            ingest: step.ingest.into(),
            from: step.from.0,
            to: step.to.0,
        }),
        EntryBody::Registry(registry) => wire::entry::Body::Registry(registry.to_json()),
        EntryBody::Mark(mark) => wire::entry::Body::Mark(mark_to_wire(mark)),
        EntryBody::Check(check) => wire::entry::Body::Check(check_to_wire(check)),
        EntryBody::Recomputed(recomputed) => wire::entry::Body::Recomputed(recomputed_to_wire(recomputed)),
    };
    wire::Entry {
        format: super::FORMAT,
        body: Some(body),
    }
    .encode_to_vec()
}

/// One record of `reports` from its bytes.
pub fn decode_entry(bytes: &[u8]) -> Result<EntryBody, WireError> {
    let entry = wire::Entry::decode(bytes).map_err(|source| WireError::Malformed {
        message: "entry",
        source,
    })?;
    format("entry", entry.format)?;
    Ok(match required("entry.body", entry.body)? {
        wire::entry::Body::Report(report) => EntryBody::Report(Box::new(report_from_wire(report)?)),
        wire::entry::Body::Tick(tick) => EntryBody::Tick(Tick {
            ingest: id("tick.ingest", IngestId::new(&tick.ingest))?,
            received_at: Time(tick.received_at),
        }),
        wire::entry::Body::Presence(presence) => EntryBody::Presence(Presence {
            mn: id("presence.mn", Mn::new(&presence.mn))?,
            outlet: id("presence.outlet", OutletId::new(&presence.outlet))?,
            ingest: id("presence.ingest", IngestId::new(&presence.ingest))?,
            state: closed("presence.state", presence.state, PresenceState::from_number)?,
            epoch: presence.epoch,
            peer: inline("presence.peer", &presence.peer)?,
            received_at: Time(presence.received_at),
        }),
        wire::entry::Body::ClockStep(step) => EntryBody::ClockStep(ClockStep {
            ingest: id("clock_step.ingest", IngestId::new(&step.ingest))?,
            from: Time(step.from),
            to: Time(step.to),
        }),
        wire::entry::Body::Registry(json) => EntryBody::Registry(Box::new(
            serde_json::from_slice(&json).map_err(|source| WireError::Registry { source })?,
        )),
        wire::entry::Body::Mark(mark) => EntryBody::Mark(mark_from_wire(mark)?),
        wire::entry::Body::Check(check) => EntryBody::Check(Box::new(check_from_wire(check)?)),
        wire::entry::Body::Recomputed(recomputed) => {
            EntryBody::Recomputed(Box::new(recomputed_from_wire(&recomputed)?))
        }
    })
}

fn mark_to_wire(mark: &Mark) -> wire::Mark {
    wire::Mark {
        id: mark.id.as_bytes().to_vec(),
        outlet: mark.outlet.into(),
        factor: mark.factor.map(Into::into),
        start: mark.span.start.0,
        end: mark.span.end.0,
        kind: mark.kind.number().into(),
        withdrawn: mark.withdrawn,
        by: mark.by.clone(),
        note: mark.note.clone(),
        received_at: mark.received_at.0,
    }
}

fn mark_from_wire(mark: wire::Mark) -> Result<Mark, WireError> {
    Ok(Mark {
        id: content_id("mark.id", &mark.id)?,
        outlet: id("mark.outlet", OutletId::new(&mark.outlet))?,
        factor: id("mark.factor", mark.factor.as_deref().map(FactorCode::new).transpose())?,
        span: Span {
            start: Time(mark.start),
            end: Time(mark.end),
        },
        kind: closed("mark.kind", mark.kind, MarkKind::from_number)?,
        withdrawn: mark.withdrawn,
        by: mark.by,
        note: mark.note,
        received_at: Time(mark.received_at),
    })
}

fn check_to_wire(check: &Check) -> wire::Check {
    wire::Check {
        outlet: check.outlet.into(),
        factor: check.factor.into(),
        point: check.point.map(|point| point.number().into()),
        at: check.at.0,
        gas: check.gas,
        before: check.before,
        after: check.after,
        adjusted: check.adjusted,
        source: check.source.number().into(),
        by: check.by.clone(),
        note: check.note.clone(),
        received_at: check.received_at.0,
    }
}

fn check_from_wire(check: wire::Check) -> Result<Check, WireError> {
    let point = |number| closed("check.point", number, CheckPoint::from_number);
    Ok(Check {
        outlet: id("check.outlet", OutletId::new(&check.outlet))?,
        factor: id("check.factor", FactorCode::new(&check.factor))?,
        point: check.point.map(point).transpose()?,
        at: Time(check.at),
        gas: finite("check.gas", check.gas)?,
        before: finite("check.before", check.before)?,
        after: check.after.map(|after| finite("check.after", after)).transpose()?,
        adjusted: check.adjusted,
        source: closed("check.source", check.source, CheckSource::from_number)?,
        by: check.by,
        note: check.note,
        received_at: Time(check.received_at),
    })
}

fn recomputed_to_wire(recomputed: &Recomputed) -> wire::Recomputed {
    let turn = |turn: &Turn| wire::Turn {
        edge: turn.edge.number().into(),
        first_window: turn.first_window.0,
    };
    let revision = |revision: &Revision| wire::Revision {
        judgement: Some(judgement_to_wire(&revision.judgement)),
        turns: revision.turns.iter().map(turn).collect(),
    };
    wire::Recomputed {
        outlet: recomputed.outlet.into(),
        why: recomputed.why.number().into(),
        received_at: recomputed.received_at.0,
        revisions: recomputed.revisions.iter().map(revision).collect(),
    }
}

fn recomputed_from_wire(recomputed: &wire::Recomputed) -> Result<Recomputed, WireError> {
    let turn = |turn: &wire::Turn| {
        Ok(Turn {
            edge: closed("turn.edge", turn.edge, Edge::from_number)?,
            first_window: Time(turn.first_window),
        })
    };
    let revision = |revision: &wire::Revision| {
        let judgement = required("revision.judgement", revision.judgement.as_ref())?;
        Ok(Revision {
            judgement: judgement_from_wire(judgement)?,
            turns: revision.turns.iter().map(turn).collect::<Result<_, WireError>>()?,
        })
    };
    Ok(Recomputed {
        outlet: id("recomputed.outlet", OutletId::new(&recomputed.outlet))?,
        why: closed("recomputed.why", recomputed.why, RecomputeCause::from_number)?,
        received_at: Time(recomputed.received_at),
        revisions: recomputed
            .revisions
            .iter()
            .map(revision)
            .collect::<Result<_, WireError>>()?,
    })
}
