//! `plume query --by hour`: readings of each series by hours or days, computed exactly (D9).

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};
use arrow::record_batch::RecordBatch;
use plume_schemas::decimal::{Decimal, MAX_SCALE};
use plume_schemas::reading::ReportKind;
use plume_schemas::time::{DAY_MS, HOUR_MS};

use crate::ArchiveError;
use crate::query::{Field, QuerySpec};
use crate::reader::Reader;
use crate::rowset::{FieldType, Rowset};
use crate::scan::Rows;
use crate::tables::{Table, moment};

/// The flag of a value that is fit for statistics.
const VALID: &str = "N";

/// How long a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Whole hours.
    Hour,
    /// Whole days of Beijing.
    Day,
}

impl Period {
    const fn ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }
}

/// The columns of groups.
const COLUMNS: [(&str, FieldType); 11] = [
    ("kind", FieldType::Text),
    ("factor", FieldType::Text),
    ("outlet", FieldType::Text),
    ("statistic", FieldType::Text),
    ("basis", FieldType::Text),
    ("start", FieldType::Time),
    ("mean", FieldType::Number),
    ("min", FieldType::Number),
    ("max", FieldType::Number),
    ("count", FieldType::Int),
    ("valid_share", FieldType::Number),
];

impl Reader {
    /// Readings by periods: one row a (kind, factor, outlet, statistic, basis, period). Of corrected readings the last
    /// correction counts; mean, smallest, largest and count are of those with flag `N`, `valid_share` is the share of
    /// these among all, 0 to 1. The mean is the exact sum divided once. Errors: a table other than `readings`.
    pub fn grouped(&self, spec: &QuerySpec, period: Period) -> Result<Rowset<'_>, ArchiveError> {
        if spec.table != Table::Readings {
            return Err(ArchiveError::Ungroupable {
                table: spec.table.name(),
            });
        }
        let rows = self.scan(spec.scan());
        let progress = rows.progress.clone();
        let groups = Groups {
            rows,
            period,
            batch: None,
            open: None,
            failed: false,
        };
        let columns = COLUMNS.map(|(name, holds)| (name.to_owned(), holds));
        Ok(Rowset::new(columns.to_vec(), progress, groups.take(spec.limit)))
    }
}

struct Groups<'a> {
    rows: Rows<'a>,
    period: Period,
    batch: Option<(Option<ReportKind>, RecordBatch, usize)>,
    open: Option<Group>,
    failed: bool,
}

impl Iterator for Groups<'_> {
    type Item = Result<Vec<Field>, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let Some((kind, batch, at)) = &mut self.batch else {
                match self.rows.next() {
                    Some(Ok((kind, batch))) => self.batch = Some((kind, batch, 0)),
                    Some(Err(error)) => {
                        self.failed = true;
                        return Some(Err(error));
                    }
                    None => return self.open.take().map(|group| Ok(group.fields())),
                }
                continue;
            };
            if *at >= batch.num_rows() {
                self.batch = None;
                continue;
            }
            let row = Row::of(batch, *at, *kind, self.period);
            *at += 1;
            match &mut self.open {
                Some(group) if group.series == row.series => group.take(row),
                open => {
                    let done = open.replace(Group::of(row));
                    if let Some(group) = done {
                        return Some(Ok(group.fields()));
                    }
                }
            }
        }
        None
    }
}

#[derive(Clone, Debug, PartialEq)]
struct SeriesPeriod {
    kind: Option<ReportKind>,
    words: [String; 4],
    start_ms: i64,
}

/// A reading as far as groups look at it.
#[derive(Debug)]
struct Row {
    series: SeriesPeriod,
    measured_ms: i64,
    /// Rows that wait to be compared have no number yet: they came last.
    revision: Option<i32>,
    valid: bool,
    value: Option<f64>,
    exact: Option<Decimal>,
}

impl Row {
    fn of(batch: &RecordBatch, row: usize, kind: Option<ReportKind>, period: Period) -> Self {
        let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
        let word =
            |name| column(name).map_or_else(String::new, |column| column.as_string::<i32>().value(row).to_owned());
        let number = |name| column(name).map(|column| column.as_primitive::<Int32Type>().value(row));
        let measured = column("measured_at").map(|column| column.as_primitive::<TimestampMillisecondType>().value(row));
        let measured_ms = measured.unwrap_or_default();
        let value = column("value").map(|column| column.as_primitive::<Float64Type>().value(row));
        let decimals = number("decimals").and_then(|decimals| u8::try_from(decimals).ok());
        let exact = match column("text") {
            Some(text) => Decimal::parse(text.as_string::<i32>().value(row).as_bytes()),
            None => value
                .zip(decimals)
                .and_then(|(value, scale)| Decimal::from_f64(value, scale)),
        };
        Self {
            series: SeriesPeriod {
                kind,
                words: ["factor", "outlet", "statistic", "basis"].map(word),
                start_ms: measured_ms.div_euclid(period.ms()) * period.ms(),
            },
            measured_ms,
            revision: number("revision"),
            valid: column("flag").is_some_and(|flag| flag.as_string::<i32>().value(row) == VALID),
            value,
            exact,
        }
    }

    /// Whether it takes the place of `other`, a row of the same reading.
    fn follows(&self, other: &Self) -> bool {
        match (self.revision, other.revision) {
            (Some(own), Some(other)) => own > other,
            (None, _) => true,
            (Some(_), None) => false,
        }
    }
}

/// The readings of one series and period so far.
#[derive(Debug)]
struct Group {
    series: SeriesPeriod,
    /// The last reading: a correction of it may follow.
    last: Row,
    all: u64,
    count: u64,
    /// In units of 10^-18; `None` once it does not fit or a value was no decimal.
    sum: Option<i128>,
    float_sum: f64,
    min: f64,
    max: f64,
}

impl Group {
    fn of(row: Row) -> Self {
        Self {
            series: row.series.clone(),
            last: row,
            all: 0,
            count: 0,
            sum: Some(0),
            float_sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    fn take(&mut self, row: Row) {
        if row.measured_ms != self.last.measured_ms {
            self.settle();
            self.last = row;
        } else if row.follows(&self.last) {
            self.last = row;
        }
    }

    /// Counts the last reading: it stands.
    fn settle(&mut self) {
        self.all += 1;
        let (true, Some(value)) = (self.last.valid, self.last.value) else {
            return;
        };
        self.count += 1;
        self.float_sum += value;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
        let exact = self.last.exact.and_then(|decimal| {
            let unit = 10_i128.checked_pow(u32::from(MAX_SCALE.checked_sub(decimal.scale)?))?;
            i128::from(decimal.mantissa).checked_mul(unit)
        });
        self.sum = self.sum.zip(exact).and_then(|(sum, value)| sum.checked_add(value));
    }

    fn mean(&self) -> f64 {
        match self.sum {
            Some(sum) => exact_mean(sum, self.count),
            None => self.float_sum / self.count as f64,
        }
    }

    fn fields(mut self) -> Vec<Field> {
        self.settle();
        let of_valid = |number: f64| {
            if self.count == 0 {
                Field::Null
            } else {
                Field::Number(number)
            }
        };
        let kind = self
            .series
            .kind
            .map_or(Field::Null, |kind| Field::Text(kind.code().to_owned()));
        let share = self.count as f64 / self.all as f64;
        let numbers = [of_valid(self.mean()), of_valid(self.min), of_valid(self.max)];
        [kind]
            .into_iter()
            .chain(self.series.words.map(Field::Text))
            .chain([Field::Time(moment(self.series.start_ms))])
            .chain(numbers)
            .chain([
                Field::Int(i64::try_from(self.count).unwrap_or(i64::MAX)),
                Field::Number(share),
            ])
            .collect()
    }
}

/// The double nearest to `sum` × 10^-18 / `count`, to 12 digits behind the point: through text, which rounds once.
fn exact_mean(sum: i128, count: u64) -> f64 {
    const SHOWN: i128 = 1_000_000_000_000;
    const UNIT: i128 = 1_000_000_000_000_000_000;
    let count = i128::from(count.max(1));
    let mean = sum / count;
    let (whole, rest) = (mean / UNIT, (mean % UNIT) / (UNIT / SHOWN));
    let sign = if mean < 0 { "-" } else { "" };
    let text = format!("{sign}{}.{:012}", whole.unsigned_abs(), rest.unsigned_abs());
    text.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_divided_once() {
        let unit = 1_000_000_000_000_000_000_i128;
        assert_eq!(exact_mean(unit / 10 * 3, 3).to_string(), "0.1");
        assert_eq!(exact_mean(-unit, 3).to_string(), "-0.333333333333");
        assert_eq!(exact_mean(62 * unit, 2).to_string(), "31");
    }
}
