//! Sizes and speeds of the archive on synthetic minute packets, through the same code as in production.
//!
//! `cargo run --release -p plume-archive --example measure -- [OUTLETS] [MINUTES] [DIRECTORY] [STEP] [HOURS]`: 139
//! outlets and 1440 minutes are 8 million readings of one day; STEP 30 lets a packet come every 30 minutes, for many
//! days in little time; HOURS 24 publishes once a day instead of every hour. Prints what docs/archive.md,
//! docs/performance.md and docs/adr/0001 quote. The makers and their decimals are those of
//! docs/adr/0001-archive-layout/compare.py.

#![expect(clippy::print_stdout, reason = "it prints its results")]
#![expect(clippy::cast_possible_truncation, reason = "synthetic values are small")]

mod floor;
mod plant;

use std::collections::BTreeMap;
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
use plume_archive::{Archive, ArchiveConfig, Pushed, QuerySpec, S3Config, Signals, Table};
use plume_bus::fs::RealFs;
use plume_bus::{Record, Topic, TopicPartition};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};
use plume_schemas::wire;

use self::floor::Floor;
use self::plant::{Chance, Outcome, Plant};

/// Processor time of this process: wall time says little on a shared machine. In steps of 10 ms.
fn cpu_s() -> f64 {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
    });
    ticks.unwrap_or(0.0) / 100.0
}

#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "units stand last")]
struct Spent {
    push_s: f64,
    write_s: f64,
    publish_s: f64,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let outlets: usize = arguments.next().map_or(Ok(139), |text| text.parse())?;
    let minutes: i64 = arguments.next().map_or(Ok(1_440), |text| text.parse())?;
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "target/archive-measure".to_owned()));
    let step: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let publish_hours: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let config = ArchiveConfig {
        dir: directory.clone(),
        s3: S3Config {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            access_key_id: String::new(),
            secret_access_key: String::new(),
        },
        batch_records: 50_000,
        batch_bytes: 16 << 20,
        batch_every_s: publish_hours * 3_600,
        publish_every_s: publish_hours * 3_600,
        run_rows: 144_000,
        keep_days: 0,
        keep_samples_days: 0,
        max_bytes: 0,
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
    archive.introduce(0, &plant::registry(&plants)?);
    let start = Time::parse_stamp(b"20261121000000").ok_or("no such day")?;
    let (mut offset, mut raw_bytes, mut spent, mut floor) = (0, 0, Spent::default(), Floor::default());
    for minute in (0..minutes).step_by(step) {
        let mut records = Vec::with_capacity(outlets);
        for (number, plant) in plants.iter_mut().enumerate() {
            let report = plant.report(start.plus(minute * MINUTE_MS), offset, &mut chance)?;
            raw_bytes += report.evidence.raw.len();
            floor.take(number, &report);
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
    write_again(&archive)?;
    let (unordered, new) = floor.bytes();
    println!("\n| entropy of these values | bytes a reading |\n|---|---|");
    println!("| of what is new in each, given the one before (no encoding reaches it) | {new:.3} |");
    println!("| without their order (no dictionary reaches it) | {unordered:.3} |");
    queries(&archive, &directory, start)
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
    Ok(())
}

fn tell(archive: &Archive, directory: &Path, raw_bytes: usize, spent: &Spent) -> Outcome<()> {
    let stats = archive.reader()?.stats();
    let readings = stats.counts.fresh as f64;
    println!(
        "{} packets, {} readings, balanced: {}\n",
        stats.packets_in, stats.counts.fresh, stats.balanced
    );
    println!("| step | CPU seconds | readings a CPU second | MB of packets a CPU second |\n|---|---|---|---|");
    let all_s = spent.push_s + spent.write_s + spent.publish_s;
    for (step, took, of) in [
        ("decode, compare, collect", spent.push_s, readings),
        ("sort, encode, sync batches", spent.write_s, readings),
        (
            "publish from time to time, and bring days into order",
            spent.publish_s,
            readings,
        ),
        ("all of it, from records to published files", all_s, readings),
    ] {
        let raw = raw_bytes as f64 / 1e6;
        println!("| {step} | {took:.1} | {:.2} M | {:.0} |", of / took / 1e6, raw / took);
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

/// What writing sorted rows costs alone, as pyarrow's defaults are measured beside it (defaults.py).
fn write_again(archive: &Archive) -> Outcome<()> {
    let reader = archive.reader()?;
    let (mut rows, mut bytes, mut took) = (0, 0, 0.0);
    for sorted in reader.sorted_rows(Table::Readings) {
        let sorted = sorted?;
        let begun = cpu_s();
        let (written, size) = sorted.write()?;
        took += cpu_s() - begun;
        (rows, bytes) = (rows + written, bytes + size);
    }
    println!(
        "\nsorted `readings` alone, into Parquet: {:.2} M rows a CPU second, {:.2} bytes a row",
        rows as f64 / took / 1e6,
        bytes as f64 / rows as f64
    );
    Ok(())
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

fn queries(archive: &Archive, directory: &Path, start: Time) -> Outcome<()> {
    let reader = archive.reader()?;
    let all = |outlet, factor| QuerySpec {
        outlet,
        factor,
        ..QuerySpec::all(Table::Readings)
    };
    let outlet = Some(OutletId::new("91330100MA27X00031C:DA001")?);
    let nox = Some(FactorCode::new("a21002")?);
    let day = |spec| QuerySpec {
        from: Some(start),
        to: Some(start.plus(DAY_MS)),
        ..spec
    };
    let hour = QuerySpec {
        from: Some(start),
        to: Some(start.plus(HOUR_MS)),
        ..all(None, nox)
    };
    let bytes_of = |folder: &str| -> Outcome<u64> {
        let files = parquet_files(&directory.join("readings/kind=minute").join(folder))?;
        let sizes = files.iter().map(|file| Ok(std::fs::metadata(file)?.len()));
        sizes.sum::<std::io::Result<u64>>().map_err(Into::into)
    };
    let (total, of_day) = (bytes_of("")?, bytes_of(&format!("date={}", start.date()))?);
    println!(
        "\n| query of {:.1} MB, of which its day has {:.1} MB | rows | ms | kB read | of the day | of all |",
        total as f64 / 1e6,
        of_day as f64 / 1e6
    );
    println!("|---|---|---|---|---|---|");
    for (name, spec) in [
        ("one outlet, one factor, one day", day(all(outlet, nox))),
        ("one outlet, one day", day(all(outlet, None))),
        ("one outlet, one factor, all days", all(outlet, nox)),
        ("all outlets, one factor, one hour", hour),
    ] {
        let (before, begun) = (reader.read_bytes(), Instant::now());
        let rows = reader.query(&spec)?.count();
        let read = (reader.read_bytes() - before) as f64;
        println!(
            "| {name} | {rows} | {} | {:.0} | {:.2} % | {:.3} % |",
            begun.elapsed().as_millis(),
            read / 1e3,
            read / of_day as f64 * 100.0,
            read / total as f64 * 100.0
        );
    }
    Ok(())
}
