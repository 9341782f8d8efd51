//! Marks on their way into the log: each goes to the partition of its outlet, behind what was measured before it.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use plume_bus::{Bus, NewRecord, Topic};
use plume_schemas::entry::{EntryBody, Mark};
use plume_schemas::partition::partition_of;
use plume_schemas::registry::{CsvFile, Registry};
use plume_schemas::time::Time;
use plume_schemas::wire;

use super::at;

/// Most marks of one import. A year of one outlet's hours; a file that has more is not a file of marks.
const MAX_MARKS: usize = 10_000;

/// Appends the marks of a CSV text, all or none, and says how many. Errors: every row that cannot be taken.
pub(crate) async fn import(bus: &Bus, registry: &Registry, text: &str, now: Time) -> anyhow::Result<String> {
    let file = CsvFile { name: "marks", text };
    let marks = Mark::from_csv(file, registry, now).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| format!("{problem}\n  hint: {}", problem.hint()))
            .collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })?;
    if marks.len() > MAX_MARKS {
        bail!(
            "{} marks in one file, at most {MAX_MARKS}: import it in pieces",
            marks.len()
        );
    }
    let (count, withdrawn) = (marks.len(), marks.iter().filter(|mark| mark.withdrawn).count());
    let records = marks.into_iter().map(|mark| NewRecord {
        to: at(Topic::Reports, partition_of(mark.outlet, bus.partitions())),
        key: mark.outlet.to_string(),
        payload: Bytes::from(wire::encode_entry(&EntryBody::Mark(mark))),
    });
    let records: Vec<NewRecord> = records.collect();
    if !records.is_empty() {
        bus.append(records).await.context("append the marks to the log")?;
    }
    Ok(format!(
        "{count} 条标记已记录，其中撤销 {withdrawn} 条 / {count} mark(s) recorded, {withdrawn} of them withdrawn"
    ))
}
