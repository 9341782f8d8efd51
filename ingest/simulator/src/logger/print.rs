//! How values are written: field names, codes and units of the three editions.

use plume_ingest::hj212::encode::{Field, Group};
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use plume_schemas::report::Dialect;
use plume_schemas::time::{SECOND_MS, Time};

use super::stats::{Stat, Triple};
use crate::codes;
use crate::message::Message;
use crate::plant::PlantSpec;

/// Digits behind the point of emitted masses, kg: a minute of a small particulate flow is a few grams.
const MASS_DECIMALS: u8 = 5;
/// Digits behind the point of a gas volume, m³.
const VOLUME_DECIMALS: u8 = 1;

/// A sub-field and which of the three numbers it shows.
type Pick = (&'static str, fn(&Triple) -> i64);

/// Writes what instruments show.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    dialect: Dialect,
    columns: Vec<Column>,
    flow: Option<usize>,
}

#[derive(Clone, Debug)]
struct Column {
    factor: FactorCode,
    /// As this edition names it.
    code: FactorCode,
    decimals: u8,
    /// Digits the decimal point moves left on the wire: 2005 gives pressure in MPa.
    shift: u8,
    reference_o2_pct: Option<f64>,
    /// Emitted as a mass (pollutants).
    emitted: bool,
}

impl Printer {
    pub(super) fn new(dialect: Dialect, spec: &PlantSpec) -> Self {
        let old = dialect == Dialect::Hj2005;
        let columns: Vec<Column> = spec
            .analysers
            .iter()
            .map(|analyser| Column {
                factor: analyser.factor,
                code: if old {
                    codes::code_2005(analyser.factor)
                } else {
                    analyser.factor
                },
                decimals: analyser.decimals,
                shift: if old && analyser.factor.as_str() == codes::PRESSURE {
                    3
                } else {
                    0
                },
                reference_o2_pct: spec.pollutant(analyser.factor).and_then(|p| p.reference_o2_pct),
                emitted: spec.pollutant(analyser.factor).is_some(),
            })
            .collect();
        Self {
            dialect,
            flow: columns.iter().position(|column| column.factor.as_str() == codes::FLOW),
            columns,
        }
    }

    /// The reference oxygen of a factor, where a correction applies.
    pub(super) fn reference_o2(&self, factor: FactorCode) -> Option<f64> {
        self.columns
            .iter()
            .find(|column| column.factor == factor)
            .and_then(|column| column.reference_o2_pct)
    }

    /// 2011.
    pub(super) fn realtime(&self, at: Time, stats: &[Option<Stat>]) -> Message {
        let group = |column: &Column, stat: &Stat| {
            let mut fields = vec![column.field("Rtd", stat.mean)];
            if column.reference_o2_pct.is_some() {
                fields.extend(self.corrected(column, stat, &[("ZsRtd", |zs| zs.mean)]));
            }
            fields.push(column.flag(stat.flag));
            Group(fields)
        };
        Message::new(2011, at, self.groups(stats, group))
    }

    /// Fills in what was emitted in a period of `length_ms`: the measured dry mean times the dry flow (annex D.2
    /// (33)). A day's total is the sum of its hours instead ((32), (34)), and is already there.
    pub(super) fn fill_totals(&self, length_ms: i64, stats: &mut [Option<Stat>]) {
        let flow = self.flow.and_then(|place| {
            let mean = stats.get(place)?.as_ref()?.mean;
            Some(self.columns.get(place)?.number(mean))
        });
        let Some(flow_m3_s) = flow else { return };
        let volume_m3 = flow_m3_s * length_ms as f64 / SECOND_MS as f64;
        for (column, stat) in self.columns.iter().zip(stats) {
            if let Some(stat) = stat {
                stat.total = column.total(stat.mean, volume_m3);
            }
        }
    }

    /// 2051, 2061, 2031: a period that began at `start`.
    pub(super) fn period(&self, cn: u16, start: Time, stats: &[Option<Stat>]) -> Message {
        let group = |column: &Column, stat: &Stat| {
            let mut fields = vec![
                column.field("Min", stat.min),
                column.field("Avg", stat.mean),
                column.field("Max", stat.max),
            ];
            if column.reference_o2_pct.is_some() {
                let names: [Pick; 3] = [("ZsMin", |zs| zs.min), ("ZsAvg", |zs| zs.mean), ("ZsMax", |zs| zs.max)];
                fields.extend(self.corrected(column, stat, &names));
            }
            fields.extend(stat.total.map(|total| column.total_field(total)));
            fields.push(column.flag(stat.flag));
            Group(fields)
        };
        Message::new(cn, start, self.groups(stats, group))
    }

    fn groups(&self, stats: &[Option<Stat>], group: impl Fn(&Column, &Stat) -> Group) -> Vec<Group> {
        self.columns
            .iter()
            .zip(stats)
            .filter_map(|(column, stat)| stat.as_ref().map(|stat| group(column, stat)))
            .collect()
    }

    /// Corrected values. Where oxygen forbids the correction, 2025 has a sentinel (the largest value of the data
    /// type) and the older editions say nothing.
    fn corrected(&self, column: &Column, stat: &Stat, names: &[Pick]) -> Vec<Field> {
        let sentinel = 10_i64.pow(4 + u32::from(column.decimals.min(14))) - 1;
        let mantissa = |pick: fn(&Triple) -> i64| match &stat.corrected {
            Some(triple) => Some(pick(triple)),
            None => (self.dialect == Dialect::Hj2025).then_some(sentinel),
        };
        names
            .iter()
            .filter_map(|(name, pick)| Some(column.field(name, mantissa(*pick)?)))
            .collect()
    }
}

impl Column {
    fn field(&self, name: &str, mantissa: i64) -> Field {
        let value = Decimal {
            mantissa,
            scale: self.decimals + self.shift,
        };
        self.text(name, value.to_string())
    }

    fn flag(&self, flag: Flag) -> Field {
        self.text("Flag", flag.code().to_owned())
    }

    fn text(&self, name: &str, value: String) -> Field {
        Field {
            name: format!("{}-{name}", self.code),
            value,
        }
    }

    /// A mean as a number.
    fn number(&self, mantissa: i64) -> f64 {
        let scale = self.decimals;
        Decimal { mantissa, scale }.to_f64()
    }

    /// Mass or volume, in last printed digits; `None` for what is not emitted.
    fn total(&self, mean: i64, volume_m3: f64) -> Option<i64> {
        let total = if self.is_flow() {
            volume_m3
        } else if self.emitted {
            self.number(mean) * volume_m3 * 1e-6
        } else {
            return None;
        };
        Decimal::from_f64(total, self.total_decimals()).map(|total| total.mantissa)
    }

    fn total_field(&self, mantissa: i64) -> Field {
        let scale = self.total_decimals();
        self.text("Cou", Decimal { mantissa, scale }.to_string())
    }

    fn total_decimals(&self) -> u8 {
        if self.is_flow() { VOLUME_DECIMALS } else { MASS_DECIMALS }
    }

    fn is_flow(&self) -> bool {
        self.factor.as_str() == codes::FLOW
    }
}
