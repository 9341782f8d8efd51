//! A table of hour values (CSV with a header line) as HJ 212 hour packets, with minutes drawn around them.

use std::collections::VecDeque;

use plume_ingest::hj212::encode::Group;
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::FactorCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use serde::Deserialize;

use super::FromError;
use super::minutes::minutes_with_mean;
use crate::message::Message;

/// Which column is what. Read from TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableMapping {
    /// Where the hours come from.
    pub time: TimeSource,
    /// The factors, in the order sent.
    #[serde(rename = "factor")]
    pub factors: Vec<FactorColumn>,
    /// How minutes are drawn; without it only hour packets are sent.
    #[serde(default)]
    pub minutes: Option<MinuteDraw>,
}

/// Where the hours of the rows come from: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSource {
    /// A column with the START of each hour, Beijing time.
    #[serde(default)]
    pub column: Option<String>,
    /// The START of the first row's hour; each row is one hour later.
    #[serde(default)]
    pub start: Option<String>,
}

/// One factor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorColumn {
    /// The column's name in the header line.
    pub column: String,
    /// The factor's code.
    pub code: FactorCode,
    /// The unit, for the reader of the mapping and for `plume check`: values are sent as they stand in the table.
    pub unit: String,
    /// Digits behind the point sent; as many as the cell has if missing.
    #[serde(default)]
    pub decimals: Option<u8>,
}

/// How minutes are drawn around an hour's value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinuteDraw {
    /// Minutes covered by one minute packet; divides 60.
    pub interval_min: u8,
    /// Correlation from one minute packet to the next.
    pub phi: f64,
    /// Standard deviation as a share of the hour's value.
    pub noise_share: f64,
    /// Seed of the draw.
    pub seed: u64,
}

/// A table ready to be played.
#[derive(Clone, Debug)]
pub struct Table {
    mapping: TableMapping,
    rows: VecDeque<Row>,
    /// Cells that were empty.
    pub empty_cells: usize,
    played: u64,
}

#[derive(Clone, Debug)]
struct Row {
    hour: Time,
    values: Vec<Option<Decimal>>,
}

impl Table {
    /// Reads a table of CSV text by a mapping. Every cell is read now, so that an error in the last row shows before
    /// the first packet is sent.
    pub fn read(csv_bytes: &[u8], mapping: TableMapping) -> Result<Self, FromError> {
        check(&mapping)?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv_bytes);
        let header = reader.headers().map_err(|error| unreadable(&error))?.clone();
        let columns = Columns::find(&mapping, &header)?;
        let mut rows = VecDeque::new();
        let mut empty_cells = 0;
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(&error))?;
            let row = columns.row(&mapping, &record, rows.len())?;
            empty_cells += row.values.iter().filter(|value| value.is_none()).count();
            rows.push_back(row);
        }
        if rows.is_empty() {
            return Err(FromError::NoRows);
        }
        Ok(Self {
            mapping,
            rows,
            empty_cells,
            played: 0,
        })
    }

    /// Rows not yet played.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when all rows were played.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The START of the first hour not yet played.
    pub fn first_hour(&self) -> Option<Time> {
        self.rows.front().map(|row| row.hour)
    }

    /// The messages of the next hour, each with the moment it is due at: minutes at their ends, then the hour.
    pub(crate) fn next_hour(&mut self) -> VecDeque<(Time, Message)> {
        let Some(row) = self.rows.pop_front() else {
            return VecDeque::new();
        };
        self.played += 1;
        let drawn = self.draw(&row);
        let mut queue = VecDeque::new();
        if let Some(draw) = &self.mapping.minutes {
            let step_ms = i64::from(draw.interval_min) * MINUTE_MS;
            let mut start = row.hour;
            for at in 0..packets_an_hour(draw) {
                let values = drawn.iter().map(|minutes| minutes.get(at).copied());
                let message = Message::new(2051, start, self.groups(values, |_, value| vec![("Avg", value)]));
                start = start.plus(step_ms);
                queue.push_back((start, message));
            }
        }
        let extremes = |column: usize, mean: Decimal| {
            let minutes = drawn.get(column).map(Vec::as_slice).unwrap_or_default();
            let least = minutes.iter().copied().min_by(|a, b| a.compare(*b)).unwrap_or(mean);
            let most = minutes.iter().copied().max_by(|a, b| a.compare(*b)).unwrap_or(mean);
            vec![("Min", least), ("Avg", mean), ("Max", most)]
        };
        let hour = Message::new(2061, row.hour, self.groups(row.values.iter().copied(), extremes));
        queue.push_back((row.hour.plus(HOUR_MS), hour));
        queue
    }

    /// The minutes of each factor; empty where there is no value or no minutes are drawn.
    fn draw(&self, row: &Row) -> Vec<Vec<Decimal>> {
        let Some(draw) = &self.mapping.minutes else {
            return vec![Vec::new(); row.values.len()];
        };
        (0_u64..)
            .zip(&row.values)
            .map(|(column, value)| {
                let stream = self.played * 1_000 + column;
                value.map_or_else(Vec::new, |mean| {
                    minutes_with_mean(
                        mean,
                        packets_an_hour(draw),
                        draw.phi,
                        draw.noise_share,
                        draw.seed,
                        stream,
                    )
                })
            })
            .collect()
    }

    fn groups<'a>(
        &self,
        values: impl Iterator<Item = Option<Decimal>>,
        fields: impl Fn(usize, Decimal) -> Vec<(&'a str, Decimal)>,
    ) -> Vec<Group> {
        let factors = self.mapping.factors.iter().enumerate();
        factors
            .zip(values)
            .filter_map(|((column, factor), value)| {
                let numbers = fields(column, value?)
                    .into_iter()
                    .map(|(name, value)| (name, value.to_string()));
                Some(Group::factor(
                    factor.code.as_str(),
                    numbers.chain([("Flag", "N".to_owned())]),
                ))
            })
            .collect()
    }
}

/// Where in a line things stand.
struct Columns {
    hours: Hours,
    factors: Vec<usize>,
}

/// Where the hour of a line comes from.
enum Hours {
    Column(usize),
    Consecutive(Time),
}

impl Columns {
    fn find(mapping: &TableMapping, header: &csv::StringRecord) -> Result<Self, FromError> {
        let place = |column: &str| {
            let found = header.iter().position(|name| name == column);
            found.ok_or_else(|| FromError::NoColumn {
                column: column.to_owned(),
                present: header.iter().collect::<Vec<_>>().join(", "),
            })
        };
        let factors: Result<Vec<usize>, FromError> =
            mapping.factors.iter().map(|factor| place(&factor.column)).collect();
        let hours = match (&mapping.time.column, mapping.time.start.as_deref().unwrap_or_default()) {
            (Some(column), _) => Hours::Column(place(column)?),
            (None, text) => Hours::Consecutive(moment(text).ok_or_else(|| FromError::Start { text: text.to_owned() })?),
        };
        Ok(Self {
            hours,
            factors: factors?,
        })
    }

    fn row(&self, mapping: &TableMapping, record: &csv::StringRecord, place: usize) -> Result<Row, FromError> {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |place: usize| record.get(place).unwrap_or_default();
        let hour = match self.hours {
            Hours::Column(at) => moment(cell(at)).ok_or_else(|| FromError::NotATime {
                line,
                column: mapping.time.column.clone().unwrap_or_default(),
                text: cell(at).to_owned(),
            })?,
            Hours::Consecutive(start) => start.plus(i64::try_from(place).unwrap_or(i64::MAX).saturating_mul(HOUR_MS)),
        };
        let factors = mapping.factors.iter().zip(&self.factors);
        let values: Result<Vec<_>, FromError> = factors.map(|(factor, at)| number(cell(*at), factor, line)).collect();
        Ok(Row {
            hour: hour.floor(HOUR_MS),
            values: values?,
        })
    }
}

fn packets_an_hour(draw: &MinuteDraw) -> usize {
    60 / usize::from(draw.interval_min.max(1))
}

fn check(mapping: &TableMapping) -> Result<(), FromError> {
    let wrong = |detail: &str| {
        Err(FromError::Mapping {
            detail: detail.to_owned(),
        })
    };
    if mapping.time.column.is_some() == mapping.time.start.is_some() {
        return wrong("time needs exactly one of `column` and `start`");
    }
    if mapping.factors.is_empty() {
        return wrong("there is no [[factor]]");
    }
    match &mapping.minutes {
        Some(draw) if draw.interval_min == 0 || 60 % draw.interval_min != 0 => {
            wrong("minutes.interval_min must divide 60")
        }
        Some(draw) if !(0.0..1.0).contains(&draw.phi) || !(0.0..=10.0).contains(&draw.noise_share) => {
            wrong("minutes.phi must be in [0, 1) and minutes.noise_share in [0, 10]")
        }
        _ => Ok(()),
    }
}

fn unreadable(error: &csv::Error) -> FromError {
    FromError::Csv {
        line: error.position().map_or(0, csv::Position::line),
        detail: error.to_string(),
    }
}

/// A time as people and programs write it: `2011-01-01T00:00+08:00`, `2011-01-01 00:00:00`, `20110101000000`.
fn moment(text: &str) -> Option<Time> {
    let plain = text.trim().strip_suffix("+08:00").unwrap_or(text.trim());
    let digits: Vec<u8> = plain.bytes().filter(|b| !b"-T: ".contains(b)).collect();
    Time::parse_stamp(&digits)
}

/// A cell as the decimal it is; one written with an exponent is rounded to `decimals`, or to 6 digits behind the
/// point.
fn number(text: &str, factor: &FactorColumn, line: u64) -> Result<Option<Decimal>, FromError> {
    if text.is_empty() {
        return Ok(None);
    }
    let rounded = |decimals: u8| {
        text.parse::<f64>()
            .ok()
            .and_then(|value| Decimal::from_f64(value, decimals))
    };
    let value = match factor.decimals {
        Some(decimals) => rounded(decimals),
        None => Decimal::parse(text.as_bytes()).or_else(|| rounded(6)),
    };
    value.map(Some).ok_or_else(|| FromError::NotANumber {
        line,
        column: factor.column.clone(),
        text: text.to_owned(),
    })
}
