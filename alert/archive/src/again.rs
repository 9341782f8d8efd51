//! Published rows written once more, in memory: what writing alone costs, without log, batches and merging.

use arrow::record_batch::RecordBatch;

use crate::ArchiveError;
use crate::layout::Folder;
use crate::parquet_file::{Effort, Opened, Writer};
use crate::reader::Reader;
use crate::tables::{Spec, Table};

/// Rows of a published file, decoded and in the table's order, ready to be written.
#[derive(Debug)]
pub struct SortedRows {
    spec: &'static Spec,
    batches: Vec<RecordBatch>,
}

/// Rows handed to the writer at a time, as merging does.
const BATCH_ROWS: usize = 8_192;
/// Rows taken of a file: eight row groups tell as much as all of a large day, and fit into memory.
const MOST_ROWS: usize = 8 * 144_000;

impl Reader {
    /// Takes the first million rows of each published file of a table into memory. Errors: a file that cannot be read.
    pub fn sorted_rows(&self, table: Table) -> impl Iterator<Item = Result<SortedRows, ArchiveError>> + '_ {
        let of_table = move |name: &&String| Folder::of_file(name).is_some_and(|folder| folder.table == table);
        self.manifest.parts.keys().filter(of_table).map(move |name| {
            let opened = Opened::open(&self.files, name, false)?.with_numbered_words(table.spec())?;
            let mut batches = Vec::new();
            for run in opened.runs() {
                let enough = MOST_ROWS / BATCH_ROWS - batches.len().min(MOST_ROWS / BATCH_ROWS);
                for batch in opened.batches(run, BATCH_ROWS)?.take(enough) {
                    batches.push(batch?);
                }
            }
            Ok(SortedRows {
                spec: table.spec(),
                batches,
            })
        })
    }
}

impl SortedRows {
    /// The file that the archive would write of them while their day lasts: its rows and bytes. Errors: the Parquet
    /// library refuses.
    pub fn write(&self) -> Result<(u64, usize), ArchiveError> {
        let mut writer = Writer::new(self.spec, 0, Effort::Usual)?;
        for batch in &self.batches {
            writer.write(batch)?;
        }
        let (content, rows) = writer.finish(0)?;
        Ok((rows, content.len()))
    }
}
