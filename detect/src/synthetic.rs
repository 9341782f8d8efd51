//! Synthetic streams: outlets that send a minute packet each minute and an hour packet each hour, with AR(1) noise
//! from a seed. For benches, trials of memory, and tests; it is no plant, the simulator is.

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::{FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Time};

/// Pollutants with an hour limit that an outlet can have, in the order in which they are used.
const POLLUTANTS: [&str; 8] = [
    "a21026", "a21002", "a34013", "a21005", "a21024", "a21018", "a20057", "a21001",
];
/// Parameters that come along: oxygen, velocity, temperature, pressure, moisture, flow.
const PARAMETERS: [(&str, i64); 6] = [
    ("a19001", 600),
    ("a01011", 1_200),
    ("a01012", 5_200),
    ("a01013", -12),
    ("a01014", 1_250),
    ("a00000", 26_000),
];
/// Hour limit of every pollutant.
const LIMIT: i64 = 35;

/// A stream of so many outlets.
#[derive(Debug, Clone)]
pub struct Stream {
    outlets: Vec<(OutletId, Mn)>,
    factors: Vec<FactorCode>,
    parameters: Vec<(FactorCode, i64)>,
    ingest: IngestId,
    noise: u64,
    /// Deviation from the level, hundredths, per outlet and pollutant.
    deviation: Vec<i32>,
    sums: Vec<i64>,
    minute: Time,
    offset: u64,
}

impl Stream {
    /// `outlets` outlets with up to eight pollutants each, beginning at `start`. Series judged: `outlets × (pollutants
    /// + 1)`, the oxygen being one.
    pub fn new(outlets: u32, pollutants: usize, start: Time, seed: u64) -> Self {
        let code = |text: &str| FactorCode::new(text).unwrap_or_default();
        let id = |n: u32| {
            let outlet = OutletId::new(&format!("S{:05}:DA{:03}", n / 4, n % 4 + 1)).unwrap_or_default();
            (outlet, Mn::new(&format!("5359{n:020}")).unwrap_or_default())
        };
        let factors: Vec<FactorCode> = POLLUTANTS.iter().take(pollutants).map(|text| code(text)).collect();
        let series = usize::try_from(outlets).unwrap_or(0) * factors.len();
        Self {
            outlets: (0..outlets).map(id).collect(),
            factors,
            parameters: PARAMETERS.iter().map(|&(text, level)| (code(text), level)).collect(),
            ingest: IngestId::new("synthetic").unwrap_or_default(),
            noise: seed | 1,
            deviation: vec![0; series],
            sums: vec![0; series],
            minute: start.floor(HOUR_MS),
            offset: 0,
        }
    }

    /// The registry of these outlets.
    pub fn registry(&self) -> Registry {
        let limit = Limit {
            window: LimitWindow::Hour,
            value: Decimal {
                mantissa: LIMIT,
                scale: 0,
            },
            basis: LimitBasis::Concentration,
            source: "permit".to_owned(),
            clause: String::new(),
            valid_from: None,
            valid_to: None,
        };
        let setup = |&code: &FactorCode| FactorSetup {
            code,
            unit: None,
            range_low: None,
            range_high: Some(Decimal {
                mantissa: 200,
                scale: 0,
            }),
            reference_o2_pct: Some(Decimal { mantissa: 6, scale: 0 }),
            cycle_min: None,
            limits: vec![limit.clone()],
        };
        let outlet = |&(id, _): &(OutletId, Mn)| Outlet {
            id,
            enterprise: EnterpriseId::new("S").unwrap_or_default(),
            number: "DA001".to_owned(),
            name: String::new(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: self.factors.iter().map(setup).collect(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        };
        let source = |&(outlet, mn): &(OutletId, Mn)| Source {
            mn,
            password: None,
            st: None,
            outlet,
            factors: Vec::new(),
            minute_interval_min: Some(1),
            realtime_interval_s: None,
            data_time_is_end: false,
            valid_from: None,
            valid_to: None,
        };
        Registry {
            revision: 1,
            recorded_at: self.minute,
            enterprises: Vec::new(),
            outlets: self.outlets.iter().map(outlet).collect(),
            sources: self.outlets.iter().map(source).collect(),
            ..Registry::default()
        }
    }

    /// The record of the registry, to be stepped first.
    pub fn first(&mut self) -> Entry {
        let registry = self.registry();
        self.entry(EntryBody::Registry(Box::new(registry)))
    }

    /// Readings in one minute of all outlets.
    pub fn readings_per_minute(&self) -> usize {
        self.outlets.len() * (2 * self.factors.len() + self.parameters.len())
    }

    /// Appends the records of the next minute: a Tick, each outlet's minute packet, and hour packets after the hour's
    /// end.
    pub fn next_minute(&mut self, to: &mut Vec<Entry>) {
        let (start, end) = (self.minute, self.minute.plus(MINUTE_MS));
        let tick = Tick {
            ingest: self.ingest,
            received_at: end,
        };
        to.push(self.entry(EntryBody::Tick(tick)));
        for place in 0..self.outlets.len() {
            let readings = self.minute_readings(place);
            let entry = self.report(place, ReportKind::Minute, start, end.plus(SECOND_MS), readings);
            to.push(entry);
        }
        if end.floor(HOUR_MS) == end {
            for place in 0..self.outlets.len() {
                let readings = self.hour_readings(place);
                let entry = self.report(
                    place,
                    ReportKind::Hour,
                    end.plus(-HOUR_MS),
                    end.plus(2 * SECOND_MS),
                    readings,
                );
                to.push(entry);
            }
        }
        self.minute = end;
    }

    fn entry(&mut self, body: EntryBody) -> Entry {
        let at = LogPosition {
            partition: 0,
            offset: self.offset,
        };
        self.offset += 1;
        Entry { at, body }
    }

    fn minute_readings(&mut self, place: usize) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(2 * self.factors.len() + self.parameters.len());
        for i in 0..self.factors.len() {
            let series = place * self.factors.len() + i;
            // Levels from 20 to 33.6 by outlet: some come near the limit, few go over it.
            let level = 2_000 + i32::try_from(place % 18).unwrap_or(0) * 80;
            let step = self.random();
            self.deviation[series] = self.deviation[series] * 9 / 10 + step;
            let value = level + self.deviation[series];
            self.sums[series] += i64::from(value);
            push(
                &mut readings,
                self.factors[i],
                Basis::Standard,
                i64::from(value * 9 / 10),
                2,
            );
            push(&mut readings, self.factors[i], Basis::Corrected, i64::from(value), 2);
        }
        for i in 0..self.parameters.len() {
            let (code, level) = self.parameters[i];
            let value = level + i64::from(self.random() / 10);
            push(&mut readings, code, Basis::Standard, value, 2);
        }
        readings
    }

    fn hour_readings(&mut self, place: usize) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(self.factors.len());
        for i in 0..self.factors.len() {
            let sum = std::mem::take(&mut self.sums[place * self.factors.len() + i]);
            push(&mut readings, self.factors[i], Basis::Corrected, sum / 60, 2);
        }
        readings
    }

    /// Roughly normal, standard deviation about 50.
    fn random(&mut self) -> i32 {
        // xorshift64* (S. Vigna 2016); eight of its bytes added up are near enough to a normal distribution.
        self.noise ^= self.noise >> 12;
        self.noise ^= self.noise << 25;
        self.noise ^= self.noise >> 27;
        let bytes = self.noise.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
        (bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>() - 1_020) / 4
    }

    fn report(&mut self, place: usize, kind: ReportKind, at: Time, received_at: Time, readings: Vec<Reading>) -> Entry {
        let (outlet, mn) = self.outlets[place];
        let stamp = [self.offset.to_le_bytes(), at.0.to_le_bytes()].concat();
        let report = Report {
            outlet,
            kind,
            times: Times {
                measured_at: at,
                sent_at: Some(received_at),
                received_at,
            },
            origin: Origin {
                mn,
                st: Inline::new("31").unwrap_or_default(),
                dialect: Dialect::Hj2017,
                ingest: self.ingest,
                peer: Inline::default(),
                registry_revision: 1,
            },
            backfill: false,
            readings,
            complaints: Vec::new(),
            evidence: Evidence {
                packet: ContentId::from_bytes(stamp.try_into().unwrap_or_default()),
                raw: Vec::new(),
                share: (0, 1),
                cn: if kind == ReportKind::Minute { 2051 } else { 2061 },
                qn: Inline::default(),
                part: (0, 0),
                key_id: None,
            },
        };
        self.entry(EntryBody::Report(Box::new(report)))
    }
}

fn push(readings: &mut Vec<Reading>, factor: FactorCode, basis: Basis, mantissa: i64, scale: u8) {
    readings.push(Reading {
        factor,
        statistic: Statistic::Mean,
        basis,
        value: Value::Decimal(Decimal { mantissa, scale }),
        flag: Flag::Normal,
        maker_flag: Inline::default(),
    });
}
