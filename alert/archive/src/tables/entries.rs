//! `entries`: what the log of reports holds beside reports, so that with `packets` the whole log can be gone through
//! again.

use plume_schemas::entry::EntryBody;
use plume_schemas::ids::OutletId;
use plume_schemas::time::Time;
use plume_schemas::wire;

use super::{Cell, Column, Form, Rows, Spec};
use crate::memory::Place;

pub(crate) const SPEC: Spec = Spec {
    name: "entries",
    columns: &[
        Column::new(
            "entry",
            Form::Word,
            "记录类型：tick、presence、clock_step、registry、mark、check、recomputed",
            "what it is: tick, presence, clock_step, registry, mark, check, recomputed",
        ),
        Column::new("received_at", Form::Time, "记录时间", "when it was recorded"),
        Column::new("ingest", Form::Word, "接入进程", "ingest process").or_null(),
        Column::new("outlet", Form::Word, "排放口", "outlet").or_null(),
        Column::new("mn", Form::Word, "设备唯一标识 MN", "device (MN)").or_null(),
        Column::new(
            "state",
            Form::Word,
            "上线 came、离线 gone 等；重算的原因",
            "came, gone, spooling, drained; why it was recomputed",
        )
        .or_null(),
        Column::new(
            "epoch",
            Form::Count,
            "该设备连接的序号",
            "counts the links of the device",
        )
        .or_null(),
        Column::new("peer", Form::Word, "对端地址", "the peer's address").or_null(),
        Column::new("revision", Form::Count, "档案版本", "registry revision").or_null(),
        Column::new("log_partition", Form::Small, "日志分区", "partition of the log"),
        Column::new("log_offset", Form::Count, "日志位置", "offset in the log"),
        Column::new(
            "wire",
            Form::Bytes,
            "完整记录（protobuf，tick 除外）",
            "the whole record (protobuf), but for ticks",
        )
        .or_null(),
    ],
    key: &["log_partition", "log_offset"],
    latest: 0,
    bloom: &[],
};

/// Of a row: what all entries share.
#[derive(Default)]
struct Shared<'a> {
    ingest: Option<&'a str>,
    outlet: Option<&'a str>,
    mn: Option<&'a str>,
    state: Option<&'a str>,
    epoch: Option<u64>,
    peer: Option<&'a str>,
    revision: Option<u64>,
}

impl<'a> Shared<'a> {
    /// Of what is about one outlet.
    fn of(outlet: &'a OutletId) -> Self {
        Self {
            outlet: Some(outlet.as_str()),
            ..Self::default()
        }
    }
}

/// One row for anything but a report; those are `packets`.
pub(crate) fn push(rows: &mut Rows, body: &EntryBody, at: Time, place: Place) {
    let (entry, shared) = match body {
        EntryBody::Report(_) => return,
        EntryBody::Tick(tick) => (
            "tick",
            Shared {
                ingest: Some(tick.ingest.as_str()),
                ..Shared::default()
            },
        ),
        EntryBody::Presence(presence) => (
            "presence",
            Shared {
                ingest: Some(presence.ingest.as_str()),
                outlet: Some(presence.outlet.as_str()),
                mn: Some(presence.mn.as_str()),
                state: Some(presence.state.code()),
                epoch: Some(presence.epoch),
                peer: Some(presence.peer.as_str()),
                revision: None,
            },
        ),
        EntryBody::ClockStep(step) => (
            "clock_step",
            Shared {
                ingest: Some(step.ingest.as_str()),
                ..Shared::default()
            },
        ),
        EntryBody::Registry(registry) => (
            "registry",
            Shared {
                revision: Some(registry.revision),
                ..Shared::default()
            },
        ),
        EntryBody::Mark(mark) => ("mark", Shared::of(&mark.outlet)),
        EntryBody::Check(check) => ("check", Shared::of(&check.outlet)),
        EntryBody::Recomputed(recomputed) => (
            "recomputed",
            Shared {
                outlet: Some(recomputed.outlet.as_str()),
                state: Some(recomputed.why.code()),
                ..Shared::default()
            },
        ),
    };
    // A tick's columns are all there is of it.
    let wire = (entry != "tick").then(|| wire::encode_entry(body));
    rows.push([
        Cell::Text(entry),
        Cell::Time(at),
        Cell::text(shared.ingest),
        Cell::text(shared.outlet),
        Cell::text(shared.mn),
        Cell::text(shared.state),
        shared.epoch.map_or(Cell::Null, Cell::int),
        Cell::text(shared.peer),
        shared.revision.map_or(Cell::Null, Cell::int),
        Cell::Int(i64::from(place.partition)),
        Cell::int(place.offset),
        wire.as_deref().map_or(Cell::Null, Cell::Bytes),
    ]);
}
