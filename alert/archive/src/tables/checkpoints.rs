//! `checkpoints`: the judge's memory of a partition, one a day, so that an exact replay need not begin at the beginning
//! of the log (D11).

use plume_schemas::time::Time;

use super::{Cell, Column, Form, Rows, Spec};
use crate::memory::Place;

/// Largest memory that is archived: a page of a column holds less than 2 GiB, and a partition of three hundred outlets
/// takes a hundredth of this.
pub const MAX_CHECKPOINT_BYTES: usize = 256 << 20;

pub(crate) const SPEC: Spec = Spec {
    name: "checkpoints",
    columns: &[
        Column::new("log_partition", Form::Small, "日志分区", "partition of the log"),
        Column::new(
            "log_offset",
            Form::Count,
            "从此日志位置继续",
            "offset of the first record that is not in it",
        ),
        Column::new(
            "stood_at",
            Form::Time,
            "存档时的日志时间",
            "the log's clock when it was archived",
        ),
        Column::new(
            "state",
            Form::Bytes,
            "判定状态（带版本号，不透明）",
            "the judge's state, versioned, for plume alone",
        ),
    ],
    key: &["log_partition", "log_offset"],
    latest: 1,
    bloom: &[],
};

/// One row: `state` is the judge's memory before the record at `place`.
pub(crate) fn push(rows: &mut Rows, place: Place, stood_at: Time, state: &[u8]) {
    rows.push([
        Cell::int(place.partition),
        Cell::int(place.offset),
        Cell::Time(stood_at),
        Cell::Bytes(state),
    ]);
}
