//! Sizes and speeds of the archive on synthetic minute packets, through the same code as in production.
//!
//! `cargo run --release -p plume-archive --example measure -- [OUTLETS] [MINUTES] [DIRECTORY]` (139 outlets and 1440 minutes are 8
//! million readings of one day). Prints what docs/archive.md and docs/adr/0001 quote. The makers and their decimals are those of
//! docs/adr/0001-archive-layout/compare.py.

#![expect(clippy::print_stdout, reason = "it prints its results")]
#![expect(clippy::cast_possible_truncation, reason = "synthetic values are small")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use plume_archive::{Archive, ArchiveConfig, Pushed, QuerySpec, Signals, Table};
use plume_bus::fs::RealFs;
use plume_bus::{Record, Topic, TopicPartition};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use plume_schemas::wire;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Chance, seeded: the generator of SplitMix64.
struct Chance(u64);

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

struct Plant {
    outlet: OutletId,
    mn: Mn,
    digits: Digits,
    oxygen: Process,
    flow: Process,
    gases: [(&'static str, f64, Process); 3],
    others: [(&'static str, f64, Process); 4],
}

impl Plant {
    fn new(number: usize, chance: &mut Chance) -> Outcome<Self> {
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

    fn report(&mut self, measured_at: Time, number: u64, chance: &mut Chance) -> Outcome<Report> {
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

/// Processor time of this process: wall time says little on a shared machine. In steps of 10 ms.
fn cpu_s() -> f64 {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
    });
    ticks.unwrap_or(0.0) / 100.0
}

#[derive(Default)]
struct Spent {
    push_s: f64,
    write_s: f64,
    publish_s: f64,
    published_rows: u64,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let outlets: usize = arguments.next().map_or(Ok(139), |text| text.parse())?;
    let minutes: i64 = arguments.next().map_or(Ok(1_440), |text| text.parse())?;
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "target/archive-measure".to_owned()));
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let config = ArchiveConfig {
        dir: directory.clone(),
        batch_records: 50_000,
        batch_bytes: 16 << 20,
        batch_every_s: 300,
        publish_every_s: 3_600,
    };
    let mut archive = Archive::open(
        &directory,
        config,
        Arc::new(RealFs),
        Signals::new(&prometheus::Registry::new())?,
    )?;
    let mut chance = Chance(212);
    let mut plants = (0..outlets)
        .map(|n| Plant::new(n, &mut chance))
        .collect::<Outcome<Vec<_>>>()?;
    let start = Time::parse_stamp(b"20261121000000").ok_or("no such day")?;
    let (mut offset, mut raw_bytes, mut spent) = (0, 0, Spent::default());
    for minute in 0..minutes {
        let mut records = Vec::with_capacity(outlets);
        for plant in &mut plants {
            let report = plant.report(start.plus(minute * MINUTE_MS), offset, &mut chance)?;
            raw_bytes += report.evidence.raw.len();
            records.push(Record {
                from: TopicPartition::new(Topic::Reports, 0),
                offset,
                key: bytes::Bytes::new(),
                payload: wire::encode_entry(&EntryBody::Report(Box::new(report))).into(),
            });
            offset += 1;
        }
        take(&mut archive, &records, &mut spent)?;
    }
    publish(&mut archive, &mut spent)?;
    tell(&archive, &directory, raw_bytes, &spent)?;
    queries(&archive, start)
}

fn take(archive: &mut Archive, records: &[Record], spent: &mut Spent) -> Outcome<()> {
    let (begun, others) = (cpu_s(), spent.write_s + spent.publish_s);
    for record in records {
        if archive.push(record)? == Pushed::Taken {
            continue;
        }
        let begun = cpu_s();
        archive.write(record.from)?;
        spent.write_s += cpu_s() - begun;
        if archive.publish_due() {
            publish(archive, spent)?;
        }
        if archive.push(record)? == Pushed::Full {
            return Err("a new batch is full".into());
        }
    }
    spent.push_s += cpu_s() - begun - (spent.write_s + spent.publish_s - others);
    Ok(())
}

fn publish(archive: &mut Archive, spent: &mut Spent) -> Outcome<()> {
    let begun = cpu_s();
    archive.flush()?;
    spent.publish_s += cpu_s() - begun;
    let tables = archive.reader()?.stats().tables;
    spent.published_rows += tables
        .iter()
        .find(|t| t.table == "readings")
        .map_or(0, |t| t.published_rows);
    Ok(())
}

fn tell(archive: &Archive, directory: &Path, raw_bytes: usize, spent: &Spent) -> Outcome<()> {
    let stats = archive.reader()?.stats();
    let readings = stats.counts.fresh as f64;
    println!(
        "{} packets, {} readings, balanced: {}\n",
        stats.packets_in, stats.counts.fresh, stats.balanced
    );
    println!("| step | CPU seconds | readings a CPU second |\n|---|---|---|");
    let rows = spent.published_rows as f64;
    for (step, took, of) in [
        ("decode, compare, collect", spent.push_s, readings),
        ("sort, encode, sync batches", spent.write_s, readings),
        (
            "publish every hour and at the end (rows rewritten)",
            spent.publish_s,
            rows,
        ),
    ] {
        println!("| {step} | {:.1} | {:.1} M |", took, of / took / 1e6);
    }
    println!("\n| table | rows | MB | bytes a reading |\n|---|---|---|---|");
    for table in &stats.tables {
        let bytes = table.bytes as f64;
        println!(
            "| {} | {} | {:.1} | {:.2} |",
            table.table,
            table.published_rows,
            bytes / 1e6,
            bytes / readings
        );
    }
    println!(
        "| (raw packets as they came) | | {:.1} | {:.2} |",
        raw_bytes as f64 / 1e6,
        raw_bytes as f64 / readings
    );
    for table in ["readings/kind=minute", "packets"] {
        columns(&directory.join(table), table, readings)?;
    }
    alp(&directory.join("readings/kind=minute"), readings)
}

fn parquet_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(parquet_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    Ok(found)
}

fn columns(folder: &Path, table: &str, readings: f64) -> Outcome<()> {
    let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
    for file in parquet_files(folder)? {
        let reader = SerializedFileReader::new(File::open(file)?)?;
        for column in reader
            .metadata()
            .row_groups()
            .iter()
            .flat_map(|group| group.columns().to_vec())
        {
            *sizes.entry(column.column_descr().name().to_owned()).or_default() += column.compressed_size();
        }
    }
    let mut sizes: Vec<(String, i64)> = sizes.into_iter().collect();
    sizes.sort_by_key(|(_, bytes)| -bytes);
    println!("\n| column of {table} | bytes a reading |\n|---|---|");
    for (name, bytes) in sizes.iter().take(9) {
        println!("| {name} | {:.3} |", *bytes as f64 / readings);
    }
    Ok(())
}

/// What the encoding made for such numbers would give (in preview since August 2026; most readers do not know it yet).
fn alp(folder: &Path, readings: f64) -> Outcome<()> {
    let mut bytes = 0;
    for file in parquet_files(folder)? {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(144_000))
            .set_column_dictionary_enabled(ColumnPath::from("value"), false)
            .set_column_encoding(ColumnPath::from("value"), Encoding::ALP)
            .build();
        let mut writer: Option<ArrowWriter<Vec<u8>>> = None;
        for batch in reader {
            let batch = batch?;
            let value = batch.schema().index_of("value")?;
            let batch = batch.project(&[value])?;
            if writer.is_none() {
                writer = Some(ArrowWriter::try_new(
                    Vec::new(),
                    batch.schema(),
                    Some(properties.clone()),
                )?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&batch)?;
            }
        }
        bytes += writer.map_or(Ok(Vec::new()), ArrowWriter::into_inner)?.len();
    }
    println!(
        "\ncolumn `value` with ALP and zstd 3: {:.3} bytes a reading",
        bytes as f64 / readings
    );
    Ok(())
}

fn queries(archive: &Archive, start: Time) -> Outcome<()> {
    let reader = archive.reader()?;
    let all = |outlet, factor| QuerySpec {
        outlet,
        factor,
        ..QuerySpec::all(Table::Readings)
    };
    let outlet = Some(OutletId::new("91330100MA27X00071C:DA001")?);
    let nox = Some(FactorCode::new("a21002")?);
    let hour = QuerySpec {
        from: Some(start),
        to: Some(start.plus(HOUR_MS)),
        ..all(None, nox)
    };
    println!("\n| query | rows | ms | bytes read |\n|---|---|---|---|");
    for (name, spec) in [
        ("one outlet, one factor", all(outlet, nox)),
        ("one outlet", all(outlet, None)),
        ("all outlets, one factor, one hour", hour),
    ] {
        let (before, begun) = (reader.read_bytes(), Instant::now());
        let rows = reader.query(&spec)?.count();
        println!(
            "| {name} | {rows} | {} | {} |",
            begun.elapsed().as_millis(),
            reader.read_bytes() - before
        );
    }
    Ok(())
}
