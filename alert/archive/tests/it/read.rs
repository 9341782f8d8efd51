//! Queries, evidence, exports; and that they read little.

use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use plume_archive::{Archive, EvidenceSpec, Field, QuerySpec, Table, write_csv};
use plume_bus::fs::{RealFs, SimFs};
use plume_schemas::entry::LogPosition;
use plume_schemas::ids::ContentId;
use plume_schemas::reading::{ReportKind, Statistic};
use plume_schemas::time::{DAY_MS, MINUTE_MS, Span};

use crate::make::*;

fn filled(outlets: u32, days: i64, minutes: i64) -> Archive {
    let mut archive = open(Path::new("/archive"), Arc::new(SimFs::new()), &config()).unwrap();
    let start = at("20261121000000");
    let mut offset = 0;
    for day in 0..days {
        for step in 0..minutes {
            for number in 1..=outlets {
                let measured = start.plus(day * DAY_MS + step * MINUTE_MS);
                let salt = u32::try_from((step * 7 + i64::from(number)) % 100).unwrap();
                drive(&mut archive, &[of_report(offset, minute(number, measured, salt))]).unwrap();
                offset += 1;
            }
        }
    }
    archive
}

#[test]
fn rows_are_found_published_or_not() {
    let mut archive = filled(3, 2, 90);
    let spec = QuerySpec {
        outlet: Some(outlet(2)),
        factor: Some(factor("a21002")),
        kind: Some(ReportKind::Minute),
        statistic: Some(Statistic::Mean),
        from: Some(at("20261121005800")),
        to: Some(at("20261122011000")),
        columns: ["measured_at", "value"].map(str::to_owned).to_vec(),
        ..QuerySpec::all(Table::Readings)
    };
    let ask = |archive: &Archive| {
        let reader = archive.reader().unwrap();
        let rows: Vec<_> = reader.query(&spec).unwrap().map(Result::unwrap).collect();
        rows
    };
    let before = ask(&archive);
    archive.flush().unwrap();
    let after = ask(&archive);
    // What came since the second day's first hour was over waits in memory until it is flushed.
    assert!(before.len() < after.len());
    assert_eq!(after.len(), 32 + 70);
    let Field::Typed { number, text } = &after[0][1] else {
        panic!("{:?}", after[0])
    };
    assert_eq!(
        (number.unwrap().to_string(), text.as_str()),
        ("31.08".to_owned(), "31.08")
    );
    let limited = QuerySpec {
        limit: 5,
        ..spec.clone()
    };
    assert_eq!(archive.reader().unwrap().query(&limited).unwrap().count(), 5);
    let nothing = QuerySpec {
        outlet: Some(outlet(9)),
        ..spec
    };
    assert_eq!(archive.reader().unwrap().query(&nothing).unwrap().count(), 0);
}

#[test]
fn evidence_is_exact_and_shown_masked() {
    let mut archive = open(Path::new("/archive"), Arc::new(SimFs::new()), &config()).unwrap();
    let noon = at("20261121120000");
    // One packet about two outlets: only the first report carries the bytes.
    let (mut first, mut second) = (minute(1, noon, 5), minute(2, noon, 5));
    let raw = first.evidence.raw.clone();
    (first.evidence.share, second.evidence.share) = ((0, 2), (1, 2));
    (second.origin.mn, second.evidence.raw) = (first.origin.mn, vec![]);
    second.evidence.packet = first.evidence.packet;
    let mut late = minute(1, noon, 9);
    late.times.received_at = noon.plus(2 * DAY_MS);
    late.evidence.packet = ContentId::of(&[b"late"]);
    drive(
        &mut archive,
        &[of_report(0, first), of_report(1, second), of_report(2, late)],
    )
    .unwrap();
    archive.flush().unwrap();
    let reader = archive.reader().unwrap();

    let span = EvidenceSpec::Span {
        outlet: outlet(1),
        span: Span::hour_of(noon),
    };
    let found = reader.evidence(&span).unwrap();
    assert_eq!(found.iter().map(|packet| packet.packet).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(found[0].raw, raw);
    let shown = String::from_utf8(found[0].masked()).unwrap();
    assert!(shown.contains("PW=******;") && !shown.contains("123456"), "{shown}");

    let position = EvidenceSpec::Position(LogPosition {
        partition: 0,
        offset: 1,
    });
    let found = reader.evidence(&position).unwrap();
    assert_eq!(
        (found.len(), found[0].outlet.as_str(), &found[0].raw),
        (1, outlet(2).as_str(), &raw)
    );

    let number = EvidenceSpec::Packets {
        outlet: outlet(1),
        numbers: vec![2],
    };
    let found = reader.evidence(&number).unwrap();
    assert_eq!((found.len(), found[0].received_at), (1, noon.plus(2 * DAY_MS)));

    // Of the device, each packet once, by when it came.
    let came = |days: i64| Span {
        start: noon,
        end: noon.plus(days * DAY_MS),
    };
    let mn = plume_schemas::ids::Mn::new(&reader.evidence(&position).unwrap()[0].mn).unwrap();
    let of_device = reader.of_device(mn, came(3)).unwrap();
    assert_eq!(of_device.len(), 2, "{of_device:?}");
    assert_eq!((&of_device[0].raw, of_device[0].set_aside.as_deref()), (&raw, None));
    assert_eq!(reader.of_device(mn, came(1)).unwrap().len(), 1);
}

#[test]
fn csv_opens_in_a_spreadsheet() {
    let mut archive = open(Path::new("/archive"), Arc::new(SimFs::new()), &config()).unwrap();
    let noon = at("20261121120000");
    let readings = vec![
        reading("a21002", Statistic::Mean, "12.30"),
        reading("a21003", Statistic::Mean, "=2+3"),
        reading("a21004", Statistic::Mean, "0.123456789012345678"),
    ];
    drive(
        &mut archive,
        &[of_report(
            0,
            report(1, ReportKind::Hour, noon, noon.plus(MINUTE_MS), readings),
        )],
    )
    .unwrap();
    archive.flush().unwrap();
    let reader = archive.reader().unwrap();
    let export = |table, columns: &[&str]| {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        let mut out = Vec::new();
        let rows = write_csv(
            reader
                .query(&QuerySpec {
                    columns,
                    ..QuerySpec::all(table)
                })
                .unwrap()
                .into(),
            &mut out,
        )
        .unwrap();
        assert!(rows > 0);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        export(Table::Readings, &["kind", "factor", "measured_at", "value", "flag"]),
        "\u{feff}kind,factor,measured_at,value,flag\r\n\
         hour,a21002,2026-11-21 12:00:00,12.30,N\r\n\
         hour,a21003,2026-11-21 12:00:00,'=2+3,N\r\n\
         hour,a21004,2026-11-21 12:00:00,0.123456789012345678,N\r\n"
    );
    let packets = export(Table::Packets, &["raw"]);
    assert!(
        packets.contains("PW=******;") && !packets.contains("PW=123456"),
        "{packets}"
    );
}

#[test]
fn files_say_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = open(dir.path(), Arc::new(RealFs), &config()).unwrap();
    let noon = at("20261121120000");
    drive(
        &mut archive,
        &[
            of_report(0, minute(1, noon, 5)),
            of_event(0, judgement(1, Span::hour_of(noon), 0)),
        ],
    )
    .unwrap();
    archive.flush().unwrap();
    let mut seen = Vec::new();
    for name in [
        "readings/kind=minute/date=2026-11-21/part-0.parquet",
        "events/date=2026-11-21/part-0.parquet",
    ] {
        let file = std::fs::File::open(dir.path().join(name)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let metadata = reader.metadata();
        seen.push(name.to_owned());
        for entry in metadata.file_metadata().key_value_metadata().unwrap() {
            if entry.key != "ARROW:schema" {
                seen.push(format!("  {} = {}", entry.key, entry.value.as_deref().unwrap_or("")));
            }
        }
        let group = metadata.row_group(0);
        let sorting = group.sorting_columns().unwrap().iter();
        seen.push(format!(
            "  sorted by columns {:?}",
            sorting.map(|by| by.column_idx).collect::<Vec<_>>()
        ));
        for column in group.columns() {
            let mut encodings: Vec<String> = column.encodings().map(|encoding| encoding.to_string()).collect();
            encodings.sort();
            seen.push(format!(
                "  {} {} {}{}{}",
                column.column_descr().name(),
                column.compression(),
                encodings.join("+"),
                if column.column_index_length().is_some() {
                    " indexed"
                } else {
                    ""
                },
                if column.bloom_filter_offset().is_some() {
                    " bloom"
                } else {
                    ""
                },
            ));
        }
    }
    insta::assert_snapshot!(seen.join("\n"));
}
