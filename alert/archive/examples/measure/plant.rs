//! The synthetic plants: AR(1) processes and the decimals that makers type.

use std::error::Error;
use std::fmt::Write as _;

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{MINUTE_MS, Time};
use serde_json::json;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Chance, seeded: the generator of SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Nearly normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// An AR(1) process.
struct Process {
    mean: f64,
    deviation: f64,
    memory: f64,
    state: f64,
}

impl Process {
    fn new(chance: &mut Chance, mean: f64, deviation: f64, memory: f64) -> Self {
        let state = chance.normal() * deviation;
        Self {
            mean,
            deviation,
            memory,
            state,
        }
    }

    fn next(&mut self, chance: &mut Chance) -> f64 {
        let noise = self.deviation * (1.0 - self.memory * self.memory).sqrt();
        self.state = self.memory * self.state + noise * chance.normal();
        self.mean + self.state
    }
}

/// Digits a maker types: for concentrations, other values, flow, amounts; `None` prints 32-bit floats.
type Digits = Option<[u8; 4]>;

pub(crate) struct Plant {
    outlet: OutletId,
    mn: Mn,
    digits: Digits,
    oxygen: Process,
    flow: Process,
    gases: [(&'static str, f64, Process); 3],
    others: [(&'static str, f64, Process); 4],
}

/// Whose the outlets are, as a registry says it.
pub(crate) fn registry(plants: &[Plant]) -> Outcome<Registry> {
    let outlets = plants.iter().map(|plant| {
        let id = plant.outlet.as_str();
        let (enterprise, number) = id.split_once(':').ok_or("an outlet without an enterprise")?;
        let said = json!({ "id": id, "enterprise": enterprise, "number": number });
        Ok(serde_json::from_value(said)?)
    });
    Ok(Registry {
        outlets: outlets.collect::<Outcome<_>>()?,
        ..Registry::default()
    })
}

impl Plant {
    pub(crate) fn new(number: usize, chance: &mut Chance) -> Outcome<Self> {
        let digits = match chance.unit() {
            x if x < 0.58 => Some([2, 2, 0, 3]),
            x if x < 0.70 => Some([3, 3, 2, 4]),
            x if x < 0.98 => Some([1, 1, 1, 2]),
            _ => None,
        };
        let mut gas = |low, high, deviation| {
            let mean = chance.between(low, high);
            Process::new(chance, mean, deviation, 0.96)
        };
        let gases = [
            ("a34013", 0.08, gas(1.0, 4.0, 0.17)),
            ("a21026", 0.4, gas(4.0, 20.0, 1.0)),
            ("a21002", 0.8, gas(20.0, 42.0, 2.1)),
        ];
        let mut other = |low, high, deviation, memory| {
            let mean = chance.between(low, high);
            Process::new(chance, mean, deviation, memory)
        };
        Ok(Self {
            outlet: OutletId::new(&format!("91330100MA27X{number:04}1C:DA001"))?,
            mn: Mn::new(&format!("010000A8900016F0{number:08}"))?,
            digits,
            others: [
                ("a01011", 0.2, other(4.0, 14.0, 0.25, 0.97)),
                ("a01012", 0.15, other(48.0, 130.0, 2.0, 0.99)),
                ("a01013", 0.01, other(-0.12, -0.11, 0.03, 0.9)),
                ("a01014", 0.05, other(7.0, 14.0, 0.4, 0.98)),
            ],
            oxygen: other(5.0, 9.0, 0.5, 0.95),
            flow: other(8e4, 4e5, 6e3, 0.97),
            gases,
        })
    }

    fn value(&self, value: f64, class: usize) -> Option<Decimal> {
        if let Some(digits) = self.digits {
            return Decimal::from_f64(value, digits.get(class).copied()?);
        }
        // As a logger prints a 32-bit float with %.15g: 2.90000009536743.
        let float = f64::from(value as f32);
        let whole = format!("{:.0}", float.abs().floor());
        Decimal::parse(format!("{float:.0$}", 15_usize.saturating_sub(whole.len())).as_bytes())
    }

    /// The readings of a minute, in the order of a packet.
    fn minute(&mut self, chance: &mut Chance) -> Outcome<Vec<Reading>> {
        let mut readings = Vec::with_capacity(40);
        let mut add = |plant: &Self, code: &str, statistic, basis, value, class| -> Outcome<()> {
            readings.push(Reading {
                factor: FactorCode::new(code)?,
                statistic,
                basis,
                value: plant.value(value, class).map_or(Value::Empty, Value::Decimal),
                flag: Flag::Normal,
                maker_flag: Inline::default(),
            });
            Ok(())
        };
        let (oxygen, flow) = (self.oxygen.next(chance), self.flow.next(chance));
        let corrected = 15.0 / (21.0 - oxygen);
        for place in 0..self.gases.len() {
            let (code, spread, process) = &mut self.gases[place];
            let (code, spread, mean) = (*code, *spread, process.next(chance).max(0.05));
            add(
                self,
                code,
                Statistic::Total,
                Basis::Standard,
                mean * flow * 1e-6 / 60.0,
                3,
            )?;
            for (statistic, value) in [
                (Statistic::Min, mean - (spread * chance.normal()).abs()),
                (Statistic::Mean, mean),
                (Statistic::Max, mean + (spread * chance.normal()).abs()),
            ] {
                add(self, code, statistic, Basis::Standard, value, 0)?;
                add(self, code, statistic, Basis::Corrected, value * corrected, 0)?;
            }
        }
        let mut triples = vec![("a19001", 0.08, oxygen, 1), ("a00000", 900.0, flow, 2)];
        for (code, spread, process) in &mut self.others {
            triples.push((*code, *spread, process.next(chance), 1));
        }
        for (code, spread, mean, class) in triples {
            add(
                self,
                code,
                Statistic::Min,
                Basis::Standard,
                mean - (spread * chance.normal()).abs(),
                class,
            )?;
            add(self, code, Statistic::Mean, Basis::Standard, mean, class)?;
            add(
                self,
                code,
                Statistic::Max,
                Basis::Standard,
                mean + (spread * chance.normal()).abs(),
                class,
            )?;
        }
        add(self, "a00000", Statistic::Total, Basis::Standard, flow / 60.0, 2)?;
        Ok(readings)
    }

    pub(crate) fn report(&mut self, measured_at: Time, number: u64, chance: &mut Chance) -> Outcome<Report> {
        let readings = self.minute(chance)?;
        let sent_at = measured_at.plus(MINUTE_MS + chance.between(100.0, 900.0) as i64);
        let received_at = sent_at.plus(chance.between(80.0, 5_000.0) as i64);
        let raw = self.packet(&readings, measured_at, sent_at)?;
        Ok(Report {
            outlet: self.outlet,
            kind: ReportKind::Minute,
            times: Times {
                measured_at,
                sent_at: Some(sent_at),
                received_at,
            },
            origin: Origin {
                mn: self.mn,
                st: Inline::new("31").unwrap_or_default(),
                dialect: Dialect::Hj2017,
                ingest: IngestId::new("ingest-1")?,
                peer: Inline::new("10.1.2.3:40000").unwrap_or_default(),
                registry_revision: 1,
            },
            backfill: false,
            readings,
            complaints: Vec::new(),
            evidence: Evidence {
                packet: ContentId::of(&[&number.to_le_bytes()]),
                raw,
                share: (0, 1),
                cn: 2051,
                qn: Inline::new(&sent_at.stamp17()).unwrap_or_default(),
                part: (0, 0),
                key_id: None,
            },
        })
    }

    /// The packet as a device would send it.
    fn packet(&self, readings: &[Reading], measured_at: Time, sent_at: Time) -> Outcome<Vec<u8>> {
        let mut values = String::new();
        let mut last = None;
        for reading in readings {
            let Value::Decimal(value) = reading.value else { continue };
            let separator = match last {
                None => "",
                Some(factor) if factor == reading.factor => ",",
                Some(factor) => {
                    write!(values, ",{factor}-Flag=N")?;
                    ";"
                }
            };
            let zs = if reading.basis == Basis::Corrected { "Zs" } else { "" };
            let name = match reading.statistic {
                Statistic::Min => "Min",
                Statistic::Max => "Max",
                Statistic::Total => "Cou",
                _ => "Avg",
            };
            write!(values, "{separator}{}-{zs}{name}={value}", reading.factor)?;
            last = Some(reading.factor);
        }
        let body = format!(
            "QN={};ST=31;CN=2051;PW=123456;MN={};Flag=5;CP=&&DataTime={};{values}&&",
            sent_at.stamp17(),
            self.mn,
            measured_at.stamp14()
        );
        // Any checksum will do: it costs what a right one costs.
        let checksum = ContentId::of(&[body.as_bytes()]);
        let [high, low, ..] = checksum.as_bytes();
        Ok(format!("##{:04}{body}{high:02X}{low:02X}\r\n", body.len()).into_bytes())
    }
}
