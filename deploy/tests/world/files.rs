//! What the published files must say when a world has ended: what follows from all that the log ever showed, told by a
//! naive memory that keeps everything.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_schemas::reading::Reading;
use plume_schemas::wire::decode_event;

use crate::broken::{Held, Promise, hold};
use crate::verdict::{packet_key, reading_key};
use crate::world::World;

/// A row of `readings` without its value: kind, outlet, device, factor, statistic, basis, time.
type Row = [String; 7];
const COLUMNS: [&str; 7] = ["kind", "outlet", "mn", "factor", "statistic", "basis", "measured_at"];

impl World {
    /// Every reading of the log stands in the published files once, and once more for each correction; every event
    /// once. Nothing else stands there.
    pub(crate) fn check_archive(&mut self) -> Held {
        let Some(reader) = self.published()? else {
            return Ok(());
        };
        let expected = self.expected_readings();
        let found = self.read(&reader, Table::Readings, &COLUMNS)?;
        let mut rows: BTreeMap<Row, usize> = BTreeMap::new();
        for fields in &found {
            let row: Row = std::array::from_fn(|place| fields[place].to_string());
            *rows.entry(row).or_default() += 1;
        }
        let differs = || {
            let wrong = expected
                .keys()
                .chain(rows.keys())
                .find(|row| expected.get(*row) != rows.get(*row));
            wrong.map(|row| (row.clone(), expected.get(row), rows.get(row)))
        };
        hold(expected == rows, Promise::ArchiveComplete, self.now, || {
            format!("readings of the log and rows of the files: {:?}", differs())
        })?;
        let said: Vec<String> = self
            .read(&reader, Table::Events, &["event_id"])?
            .iter()
            .map(|row| row[0].to_string())
            .collect();
        let ids: BTreeSet<&String> = said.iter().collect();
        let known: BTreeSet<String> = self
            .event_records()
            .map(|record| decode_event(&record.payload).unwrap().id.to_string())
            .collect();
        let same = ids.len() == said.len() && known.iter().eq(ids);
        hold(same, Promise::ArchiveComplete, self.now, || {
            format!("{} events in the log, {} in the files", known.len(), said.len())
        })?;
        self.counts.archived_readings += found.len() as u64;
        Ok(())
    }

    fn read(&self, reader: &Reader, table: Table, columns: &[&str]) -> Result<Vec<Vec<Field>>, crate::broken::Broken> {
        let mut spec = QuerySpec::all(table);
        spec.columns = columns.iter().map(|&column| column.to_owned()).collect();
        let rows: Result<Vec<Vec<Field>>, _> = reader.query(&spec).and_then(Iterator::collect);
        hold(rows.is_ok(), Promise::ArchiveComplete, self.now, || {
            format!("{}: {:?}", table.name(), rows.as_ref().err())
        })?;
        Ok(rows.unwrap_or_default())
    }

    /// How many rows each reading of the log makes: one, and one for each other value that came after.
    fn expected_readings(&self) -> BTreeMap<Row, usize> {
        let mut packets = HashSet::new();
        let mut standing: HashMap<_, Reading> = HashMap::new();
        let mut rows: BTreeMap<Row, usize> = BTreeMap::new();
        for report in self.reports() {
            if !packets.insert(packet_key(report)) {
                continue;
            }
            for (place, reading) in report.readings.iter().enumerate() {
                let before = standing.insert(reading_key(report, place), *reading);
                if before.is_some_and(|before| before == *reading) {
                    continue;
                }
                let row = [
                    report.kind.code().to_owned(),
                    report.outlet.to_string(),
                    report.origin.mn.to_string(),
                    reading.factor.to_string(),
                    reading.statistic.code().to_owned(),
                    reading.basis.code().to_owned(),
                    Field::Time(report.times.measured_at).to_string(),
                ];
                *rows.entry(row).or_default() += 1;
            }
        }
        rows
    }
}
