//! `quarantine`: what could not become a report, with its bytes.

use plume_bus::TopicPartition;
use plume_schemas::ids::Mn;
use plume_schemas::report::Quarantined;
use plume_schemas::time::Time;

use super::{Cell, Column, Form, Rows, Spec};

pub(crate) const SPEC: Spec = Spec {
    name: "quarantine",
    columns: &[
        Column::new("received_at", Form::Time, "接收时间", "when it came"),
        Column::new("reason", Form::Word, "隔离原因", "why"),
        Column::new("detail", Form::Text, "说明", "what the decoder said"),
        Column::new(
            "mn",
            Form::Word,
            "设备唯一标识 MN（能读出时）",
            "device (MN), as far as readable",
        )
        .or_null(),
        Column::new(
            "cn",
            Form::Small,
            "命令编码（能读出时）",
            "command code (CN), as far as readable",
        )
        .or_null(),
        Column::new("ingest", Form::Word, "接入进程", "ingest process").or_null(),
        Column::new("peer", Form::Word, "对端地址", "the peer's address").or_null(),
        Column::new(
            "stream_offset",
            Form::Count,
            "在连接字节流中的位置",
            "byte offset in the connection's stream",
        )
        .or_null(),
        Column::new(
            "raw",
            Form::Bytes,
            "原始字节（可能含访问密码；导出时遮盖）",
            "the exact bytes, maybe with a password; masked in exports",
        ),
        Column::new("log_topic", Form::Word, "日志主题", "topic of the log"),
        Column::new("log_partition", Form::Small, "日志分区", "partition of the log"),
        Column::new("log_offset", Form::Count, "日志位置", "offset in the log"),
    ],
    key: &["log_topic", "log_partition", "log_offset"],
    latest: 0,
    bloom: &[],
};

pub(crate) fn push(rows: &mut Rows, quarantined: &Quarantined, at: TopicPartition, offset: u64) {
    rows.push([
        Cell::Time(quarantined.received_at),
        Cell::Text(quarantined.reason.code()),
        Cell::Text(&quarantined.detail),
        Cell::text(quarantined.mn.as_ref().map(Mn::as_str)),
        quarantined.cn.map_or(Cell::Null, |cn| Cell::Int(i64::from(cn))),
        Cell::Text(quarantined.ingest.as_str()),
        Cell::Text(quarantined.peer.as_str()),
        Cell::int(quarantined.stream_offset),
        Cell::Bytes(&quarantined.raw),
        Cell::Text(at.topic.as_str()),
        Cell::Int(i64::from(at.partition)),
        Cell::int(offset),
    ]);
}

/// A record of the log that no decoder reads: kept, so that nothing is lost.
pub(crate) fn push_undecodable(rows: &mut Rows, payload: &[u8], why: &str, now: Time, at: TopicPartition, offset: u64) {
    rows.push([
        Cell::Time(now),
        Cell::Text(UNDECODABLE),
        Cell::Text(why),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Bytes(payload),
        Cell::Text(at.topic.as_str()),
        Cell::Int(i64::from(at.partition)),
        Cell::int(offset),
    ]);
}

/// The reason of a record that no decoder reads, beside those of ingest.
pub(crate) const UNDECODABLE: &str = "undecodable";
