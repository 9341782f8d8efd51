//! The readings of a day as they stand, corrections applied, by report: all that one device said of one outlet and
//! moment.
//!
//! The table lies by factor, outlet and time, a report takes one row of each of its factors. A day is held in sixteen
//! bytes a reading, put into the order of reports once by counting, and made into readings as they are asked for. Words
//! are looked up where they change, which in a sorted file is seldom.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{FactorCode, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::time::Time;

use crate::ArchiveError;
use crate::layout::Folder;
use crate::prune::Want;
use crate::reader::Reader;
use crate::scan::Scan;
use crate::tables::readings::{REVISION, mantissa_of};
use crate::tables::{Table, moment};
use crate::typed;

/// What is read beside the key.
const COLUMNS: &[&str] = &["mn", "value", "decimals", "text", "flag", "maker_flag", REVISION];
/// In the place of a scale: the reading lies apart, since it is not a plain decimal without a maker's flag.
const APART: u8 = u8::MAX;
/// The revision of a row that was not compared yet: it is newer than those that were.
const NOT_COMPARED: i16 = i16::MAX;

/// The readings of one device, outlet and moment.
#[derive(Clone, Debug, PartialEq)]
pub struct StandingReport {
    /// Of which outlet.
    pub outlet: OutletId,
    /// The device that sent them.
    pub mn: Mn,
    /// When they were measured: the start of the period.
    pub measured_at: Time,
    /// In the table's order: by factor, statistic and basis.
    pub readings: Vec<Reading>,
}

/// The reports of a kind and day, by time, outlet and device.
#[derive(Debug, Default)]
pub struct StandingDay {
    devices: Vec<(OutletId, Mn)>,
    series: Vec<Series>,
    /// In their order: moment, place of the device, and where its rows end.
    reports: Vec<(Time, u32, usize)>,
    rows: Vec<Row>,
    apart: Vec<Reading>,
    taken: usize,
}

/// What a value is of.
type Series = (FactorCode, Statistic, Basis);

/// A reading in little room.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The decimal's, or the place among those that lie apart.
    mantissa: i64,
    series: u32,
    revision: i16,
    scale: u8,
    flag: Flag,
}

impl Reader {
    /// First and last day of which readings are there, of any kind; `None` where there are none.
    pub fn reading_days(&self) -> Option<(i64, i64)> {
        let files = self.manifest.parts.keys().chain(self.manifest.batches.keys());
        let folders = files.filter_map(|name| Folder::of_file(name));
        let days = folders.filter(|folder| folder.table == Table::Readings);
        days.filter_map(|folder| folder.day)
            .fold(None, |found: Option<(i64, i64)>, day| {
                Some(found.map_or((day, day), |(first, last)| (first.min(day), last.max(day))))
            })
    }

    /// The readings of a kind and day of measuring as they stand, of one outlet or of all. Memory is some 40 bytes a
    /// row of that day. Errors: a file that cannot be read.
    pub fn standing_day(
        &self,
        kind: ReportKind,
        day: i64,
        outlet: Option<OutletId>,
    ) -> Result<StandingDay, ArchiveError> {
        let scan = Scan {
            table: Table::Readings,
            kind: Some(kind),
            days: Some((day, day)),
            wants: outlet
                .map(|outlet| Want::Word("outlet", outlet.as_str().to_owned()))
                .into_iter()
                .collect(),
        };
        let mut gathered = Gathered::default();
        for batch in self.scan_numbered(scan, COLUMNS) {
            gathered.take(&batch?.1)?;
        }
        Ok(gathered.in_order())
    }
}

impl StandingDay {
    /// When the next report was measured.
    pub fn measured_at(&self) -> Option<Time> {
        self.reports.get(self.taken).map(|(at, ..)| *at)
    }

    fn reading(&self, row: &Row) -> Option<Reading> {
        if row.scale == APART {
            return self.apart.get(usize::try_from(row.mantissa).ok()?).copied();
        }
        let &(factor, statistic, basis) = self.series.get(row.series as usize)?;
        Some(Reading {
            factor,
            statistic,
            basis,
            value: Value::Decimal(Decimal {
                mantissa: row.mantissa,
                scale: row.scale,
            }),
            flag: row.flag,
            maker_flag: Inline::default(),
        })
    }
}

impl Iterator for StandingDay {
    type Item = StandingReport;

    fn next(&mut self) -> Option<StandingReport> {
        let &(measured_at, device, end) = self.reports.get(self.taken)?;
        let before = self.taken.checked_sub(1).and_then(|before| self.reports.get(before));
        let start = before.map_or(0, |&(.., end)| end);
        self.taken += 1;
        let rows = self.rows.get(start..end).unwrap_or_default();
        let mut readings: Vec<Reading> = Vec::with_capacity(rows.len());
        let mut last: Option<(u32, i16)> = None;
        for row in rows {
            // Rows of one reading follow each other, the oldest packet first.
            if let Some((_, revision)) = last.filter(|(series, _)| *series == row.series) {
                if revision > row.revision {
                    continue;
                }
                readings.pop();
            }
            last = Some((row.series, row.revision));
            readings.extend(self.reading(row));
        }
        let &(outlet, mn) = self.devices.get(device as usize)?;
        Some(StandingReport {
            outlet,
            mn,
            measured_at,
            readings,
        })
    }
}

/// Rows on their way from the table's order to that of reports.
#[derive(Debug, Default)]
struct Gathered {
    devices: Numbers<(OutletId, Mn)>,
    series: Numbers<Series>,
    /// Reports of each device: when, and which.
    times: Vec<Times>,
    /// Of each report: when, of which device, of how many rows.
    reports: Vec<(Time, u32, usize)>,
    rows: Vec<Row>,
    /// The report of each row.
    of: Vec<u32>,
    apart: Vec<Reading>,
}

/// Numbers things in the order in which they are seen first.
#[derive(Debug)]
struct Numbers<T> {
    by_thing: HashMap<T, u32>,
    things: Vec<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self {
            by_thing: HashMap::new(),
            things: Vec::new(),
        }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Numbers<T> {
    fn of(&mut self, thing: T) -> u32 {
        match self.by_thing.entry(thing) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let number = u32::try_from(self.things.len()).unwrap_or(u32::MAX);
                self.things.push(thing);
                *new.insert(number)
            }
        }
    }
}

/// Reports of a device, by their time.
#[derive(Debug, Default)]
struct Times {
    reports: Vec<(Time, u32)>,
    /// Where the last row was: the next one of its series is there or one further.
    at: usize,
}

impl Times {
    /// The report of a moment; `new` gives the number of one that was not there.
    fn report(&mut self, measured_at: Time, new: impl FnOnce() -> u32) -> u32 {
        for place in [self.at, self.at + 1] {
            if let Some(&(at, report)) = self.reports.get(place)
                && at == measured_at
            {
                self.at = place;
                return report;
            }
        }
        match self.reports.binary_search_by_key(&measured_at, |(at, _)| *at) {
            Ok(place) => {
                self.at = place;
                self.reports.get(place).map_or(0, |(_, report)| *report)
            }
            Err(place) => {
                let report = new();
                self.reports.insert(place, (measured_at, report));
                self.at = place;
                report
            }
        }
    }
}

/// The columns of a batch.
struct Columns<'a> {
    /// Factor, outlet, device, statistic, basis.
    names: [&'a DictionaryArray<Int32Type>; 5],
    measured_at: &'a PrimitiveArray<TimestampMillisecondType>,
    value: &'a PrimitiveArray<Float64Type>,
    decimals: &'a PrimitiveArray<Int32Type>,
    text: &'a ArrayRef,
    flag: &'a DictionaryArray<Int32Type>,
    flags: Vec<Option<Flag>>,
    maker_flag: &'a ArrayRef,
    revision: &'a PrimitiveArray<Int32Type>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let column = |name| batch.column_by_name(name);
        let words = |name| column(name)?.as_dictionary_opt::<Int32Type>();
        let flag = words("flag")?;
        let codes = flag.values().as_string_opt::<i32>()?;
        Some(Self {
            names: [
                words("factor")?,
                words("outlet")?,
                words("mn")?,
                words("statistic")?,
                words("basis")?,
            ],
            measured_at: column("measured_at")?.as_primitive_opt()?,
            value: column("value")?.as_primitive_opt()?,
            decimals: column("decimals")?.as_primitive_opt()?,
            text: column("text")?,
            flag,
            flags: codes.iter().map(|code| Flag::from_code(code?)).collect(),
            maker_flag: column("maker_flag")?,
            revision: column(REVISION)?.as_primitive_opt()?,
        })
    }

    /// The numbers of a row's names in their dictionaries.
    fn numbers(&self, row: usize) -> [i32; 5] {
        self.names.map(|column| column.keys().value(row))
    }

    fn name(&self, place: usize, row: usize) -> &str {
        let text = self.names.get(place).and_then(|column| {
            let key = column.key(row)?;
            Some(column.values().as_string_opt::<i32>()?.value(key))
        });
        text.unwrap_or_default()
    }

    fn device(&self, row: usize) -> Option<(OutletId, Mn)> {
        Some((OutletId::new(self.name(1, row)).ok()?, Mn::new(self.name(2, row)).ok()?))
    }

    fn series(&self, row: usize) -> Option<Series> {
        Some((
            FactorCode::new(self.name(0, row)).ok()?,
            Statistic::from_code(self.name(3, row))?,
            Basis::from_code(self.name(4, row))?,
        ))
    }

    fn flag(&self, row: usize) -> Option<Flag> {
        *self.flags.get(self.flag.key(row)?)?
    }

    fn revision(&self, row: usize) -> i16 {
        if self.revision.is_null(row) {
            return NOT_COMPARED;
        }
        i16::try_from(self.revision.value(row)).map_or(NOT_COMPARED - 1, |number| number.min(NOT_COMPARED - 1))
    }

    /// A plain decimal: mantissa and scale.
    fn decimal(&self, row: usize) -> Option<(i64, u8)> {
        if self.value.is_null(row)
            || self.decimals.is_null(row)
            || self.text.is_valid(row)
            || self.maker_flag.is_valid(row)
        {
            return None;
        }
        let scale = u8::try_from(self.decimals.value(row)).ok()?;
        Some((mantissa_of(self.value.value(row), scale)?, scale))
    }
}

impl Gathered {
    /// Takes the rows of a batch, but for those with words that are not of this version.
    /// Errors: a column is missing or of another type.
    fn take(&mut self, batch: &RecordBatch) -> Result<(), ArchiveError> {
        let columns = Columns::of(batch).ok_or_else(|| ArchiveError::Rows {
            table: Table::Readings.name(),
            source: ArrowError::SchemaError(format!("columns of another version: {}", batch.schema())),
        })?;
        self.rows.reserve(batch.num_rows());
        self.of.reserve(batch.num_rows());
        let (mut last, mut of) = (None, None);
        for row in 0..batch.num_rows() {
            let numbers = columns.numbers(row);
            if last != Some(numbers) {
                last = Some(numbers);
                let names = columns.device(row).zip(columns.series(row));
                of = names.map(|(device, series)| (self.devices.of(device), self.series.of(series)));
            }
            let Some((device, series)) = of else { continue };
            let Some(kept) = self.kept(&columns, (batch, row), series) else {
                continue;
            };
            let report = self.report(device, moment(columns.measured_at.value(row)));
            self.rows.push(kept);
            self.of.push(report);
        }
        Ok(())
    }

    fn kept(&mut self, columns: &Columns<'_>, (batch, row): (&RecordBatch, usize), series: u32) -> Option<Row> {
        let flag = columns.flag(row)?;
        let (mantissa, scale) = if let Some(decimal) = columns.decimal(row) {
            decimal
        } else {
            let place = i64::try_from(self.apart.len()).ok()?;
            self.apart.push(typed::reading(batch, row)?);
            (place, APART)
        };
        Some(Row {
            mantissa,
            series,
            revision: columns.revision(row),
            scale,
            flag,
        })
    }

    /// The number of the report of a device and moment; one more row is in it.
    fn report(&mut self, device: u32, measured_at: Time) -> u32 {
        let place = device as usize;
        if self.times.len() <= place {
            self.times.resize_with(place + 1, Times::default);
        }
        let Self { times, reports, .. } = self;
        let Some(times) = times.get_mut(place) else { return 0 };
        let report = times.report(measured_at, || {
            reports.push((measured_at, device, 0));
            u32::try_from(reports.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some((.., rows)) = reports.get_mut(report as usize) {
            *rows += 1;
        }
        report
    }

    /// The reports in their order, each with its rows in the order in which they came.
    fn in_order(self) -> StandingDay {
        let devices = self.devices.things;
        let mut order: Vec<u32> = (0..).take(self.reports.len()).collect();
        order.sort_unstable_by_key(|&report| {
            let found = self.reports.get(report as usize);
            found.map(|&(at, device, _)| (at, devices.get(device as usize).copied()))
        });
        // Where the next row of each report goes.
        let mut places = vec![0_usize; self.reports.len()];
        let (mut reports, mut end) = (Vec::with_capacity(order.len()), 0);
        for report in order {
            let (Some(&(at, device, rows)), Some(place)) =
                (self.reports.get(report as usize), places.get_mut(report as usize))
            else {
                continue;
            };
            *place = end;
            end += rows;
            reports.push((at, device, end));
        }
        let mut rows = self.rows.clone();
        for (row, report) in self.rows.iter().zip(self.of) {
            if let Some(place) = places.get_mut(report as usize) {
                if let Some(slot) = rows.get_mut(*place) {
                    *slot = *row;
                }
                *place += 1;
            }
        }
        StandingDay {
            devices,
            series: self.series.things,
            reports,
            rows,
            apart: self.apart,
            taken: 0,
        }
    }
}
