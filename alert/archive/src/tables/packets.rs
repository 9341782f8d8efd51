//! `packets`: one row a report as it came, in the log's order, repeats included: the evidence.

use plume_schemas::ids::Inline;
use plume_schemas::report::{Complaint, Report};
use serde_json::json;

use super::{Cell, Column, Form, Rows, Spec};
use crate::memory::Place;

pub(crate) const SPEC: Spec = Spec {
    name: "packets",
    columns: &[
        Column::new("outlet", Form::Word, "排放口", "outlet"),
        Column::new(
            "packet",
            Form::Count,
            "该排放口的第几个数据包，从1起，无缺号",
            "running number of the outlet, from 1 without gaps",
        ),
        Column::new(
            "kind",
            Form::Word,
            "数据类型，与 readings 的分区 kind 相同",
            "kind, as the partition of `readings`",
        ),
        Column::new("mn", Form::Word, "设备唯一标识 MN", "device (MN)"),
        Column::new("st", Form::Word, "系统编码", "system code (ST)"),
        Column::new(
            "cn",
            Form::Small,
            "命令编码，0 为轮询",
            "command code (CN), 0 for a poll",
        ),
        Column::new("dialect", Form::Word, "协议", "protocol"),
        Column::new(
            "measured_at",
            Form::Time,
            "数据时间（时段起点，北京时间）",
            "time of measuring, start of the period, Beijing time",
        ),
        Column::new(
            "sent_at",
            Form::Time,
            "设备发送时间 QN",
            "when the device says it sent (QN)",
        )
        .or_null(),
        Column::new("received_at", Form::Time, "plume 接收时间", "when plume received it"),
        Column::new("qn", Form::Text, "请求编码原文", "QN as sent"),
        Column::new(
            "part",
            Form::Small,
            "包号，0 为未拆分",
            "part of a split message, 0 if whole",
        ),
        Column::new(
            "parts",
            Form::Small,
            "总包数，0 为未拆分",
            "number of parts, 0 if whole",
        ),
        Column::new(
            "share",
            Form::Small,
            "同一数据包拆成多个排放口时的序号",
            "which of several outlets' reports from one packet",
        ),
        Column::new(
            "shares",
            Form::Small,
            "同一数据包涉及的排放口报告数",
            "how many reports came from the packet",
        ),
        Column::new(
            "backfill",
            Form::Bool,
            "设备声明为补传",
            "the device says it sends again",
        ),
        Column::new(
            "verdict",
            Form::Word,
            "accepted 采纳、repeat 重复",
            "accepted, or repeat",
        ),
        Column::new(
            "repeat_of",
            Form::Count,
            "重复的是该排放口的哪个数据包",
            "the outlet's packet it repeats, where known",
        )
        .or_null(),
        Column::new("readings", Form::Small, "其中的数据个数", "readings in it"),
        Column::new(
            "fresh",
            Form::Small,
            "其中新的或修订的数据个数",
            "readings in it that were new or revised",
        ),
        Column::new(
            "complaints",
            Form::Text,
            "解析中发现的问题（JSON）",
            "what was wrong with it (JSON)",
        )
        .or_mostly_null(),
        Column::new("ingest", Form::Word, "接入进程", "ingest process"),
        Column::new("peer", Form::Word, "对端地址", "the peer's address"),
        Column::new(
            "registry_revision",
            Form::Small,
            "所依据的档案版本",
            "registry revision that led to the outlet",
        ),
        Column::new("key_id", Form::Word, "解密所用密钥编号", "which key opened it").or_mostly_null(),
        Column::new("log_partition", Form::Small, "日志分区", "partition of the log"),
        Column::new("log_offset", Form::Count, "日志位置", "offset in the log"),
        Column::new(
            "raw",
            Form::Bytes,
            "原始报文（含访问密码；导出时遮盖）",
            "the exact bytes, password included; masked in exports",
        )
        .or_null(),
    ],
    key: &["outlet", "packet"],
    latest: 0,
    bloom: &[],
};

/// What the archive found out about a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Running number of its outlet.
    pub(crate) packet: u64,
    /// It says nothing new, byte by byte.
    pub(crate) repeat: bool,
    /// What it repeats, if that was not too long ago.
    pub(crate) repeat_of: Option<u64>,
    /// Readings that became rows.
    pub(crate) fresh: u64,
    pub(crate) place: Place,
}

pub(crate) fn push(rows: &mut Rows, report: &Report, found: Found) {
    let Report {
        times,
        origin,
        evidence,
        ..
    } = report;
    let complaints = complaints(&report.complaints);
    let raw = if evidence.raw.is_empty() {
        Cell::Null
    } else {
        Cell::Bytes(&evidence.raw)
    };
    rows.push([
        Cell::Text(report.outlet.as_str()),
        Cell::int(found.packet),
        Cell::Text(report.kind.code()),
        Cell::Text(origin.mn.as_str()),
        Cell::Text(origin.st.as_str()),
        Cell::Int(i64::from(evidence.cn)),
        Cell::Text(origin.dialect.code()),
        Cell::Time(times.measured_at),
        times.sent_at.map_or(Cell::Null, Cell::Time),
        Cell::Time(times.received_at),
        Cell::Text(evidence.qn.as_str()),
        Cell::Int(i64::from(evidence.part.0)),
        Cell::Int(i64::from(evidence.part.1)),
        Cell::Int(i64::from(evidence.share.0)),
        Cell::Int(i64::from(evidence.share.1)),
        Cell::Bool(report.backfill),
        Cell::Text(if found.repeat { "repeat" } else { "accepted" }),
        found.repeat_of.map_or(Cell::Null, Cell::int),
        Cell::int(report.readings.len()),
        Cell::int(found.fresh),
        Cell::text(complaints.as_deref()),
        Cell::Text(origin.ingest.as_str()),
        Cell::Text(origin.peer.as_str()),
        Cell::int(origin.registry_revision),
        Cell::text(evidence.key_id.as_ref().map(Inline::as_str)),
        Cell::Int(i64::from(found.place.partition)),
        Cell::int(found.place.offset),
        raw,
    ]);
}

fn complaints(complaints: &[Complaint]) -> Option<String> {
    let one = |complaint: &Complaint| {
        json!({
            "code": complaint.code.code(),
            "factor": complaint.factor.map(|factor| factor.to_string()),
            "text": complaint.text.as_str(),
        })
    };
    let list: Vec<serde_json::Value> = complaints.iter().map(one).collect();
    (!list.is_empty()).then(|| serde_json::Value::Array(list).to_string())
}
