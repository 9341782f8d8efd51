//! One folder for each way devices depart from the standard (protocol notes §13), made by mutation:
//! `tests/cases/<name>/packet.txt`
//! holds the bytes (`\r`, `\n`, `\\` and `\xNN` as in Rust), `expected.txt` what becomes of them.
//!
//! A maker's malformed packet gets a folder here first, which fails; then the codec learns it.

use std::fmt::Write as _;
use std::path::PathBuf;

use plume_ingest::hj212::intake::LogRecord;
use plume_schemas::entry::EntryBody;
use plume_schemas::reading::Value;
use plume_schemas::report::Report;
use plume_schemas::time::Time;

use crate::bench::{Driven, MN_2005, MN_2017, config, registry};

/// Bytes of a `packet.txt`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.trim_end_matches('\n').chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            bytes.extend(char.to_string().bytes());
            continue;
        }
        match chars.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => panic!("unknown escape {other:?}"),
        }
    }
    bytes
}

pub(crate) fn show_report(out: &mut String, report: &Report) {
    let at = report.times.measured_at.stamp14();
    let sent = report.times.sent_at.map_or("-".to_owned(), Time::stamp17);
    let (outlet, kind, dialect) = (report.outlet, report.kind, report.origin.dialect);
    let part = report.evidence.part;
    let part = if part == (0, 0) {
        String::new()
    } else {
        format!(", part {} of {}", part.0, part.1)
    };
    let backfill = if report.backfill { ", sent again" } else { "" };
    writeln!(
        out,
        "report {kind} of {outlet}, {dialect}, measured {at}, sent {sent}{part}{backfill}"
    )
    .unwrap();
    for reading in &report.readings {
        let value = match reading.value {
            Value::Decimal(value) => value.to_string(),
            Value::Float(value) => format!("float {value}"),
            Value::Text(text) => format!("text {text}"),
            Value::Empty => "empty".to_owned(),
        };
        let (factor, statistic, basis, flag) = (reading.factor, reading.statistic, reading.basis, reading.flag);
        let maker = if reading.maker_flag.is_empty() {
            String::new()
        } else {
            format!(" ({})", reading.maker_flag)
        };
        writeln!(out, "  {factor} {statistic} {basis} = {value}, flag {flag}{maker}").unwrap();
    }
    for complaint in &report.complaints {
        let factor = complaint.factor.map(|factor| format!(" {factor}")).unwrap_or_default();
        writeln!(out, "  ! {}{factor}: {}", complaint.code, complaint.text).unwrap();
    }
}

fn outcome(bytes: &[u8]) -> String {
    let rows = [
        (MN_2017, "E1:DA001", "st = \"31\""),
        (MN_2005, "E2:DA001", ""),
        ("A110000_0001", "E3:W1", ""),
        ("ABC123", "E4:DA001", ""),
        ("LOCKED01", "E5:DA001", "password = \"123456\""),
        (
            "ENDS01",
            "E6:DA001",
            "minute_interval_min = 10\ndata_time_is_end = true",
        ),
    ];
    let mut driven = Driven::new(config(), registry(&rows), "20160801091000");
    driven.bytes(bytes);
    driven.quiet();
    assert!(driven.sent.is_empty(), "answered before anything was safe");
    driven.all_durable();
    driven.end();
    let mut out = String::new();
    let mut packets = 0;
    for record in driven.records() {
        match record {
            LogRecord::Entry(EntryBody::Report(report)) => {
                show_report(&mut out, report);
                packets += 1;
            }
            LogRecord::Quarantined(record) => {
                let mn = record.mn.map_or("-".to_owned(), |mn| mn.to_string());
                let cn = record.cn.map_or("-".to_owned(), |cn| cn.to_string());
                let (reason, count, detail) = (record.reason, record.raw.len(), &record.detail);
                writeln!(out, "set aside: {reason}, MN {mn}, CN {cn}, {count} bytes, {detail}").unwrap();
                packets += 1;
            }
            LogRecord::Entry(_) => {}
        }
    }
    assert!(packets > 0, "nothing was kept");
    for answer in &driven.sent {
        writeln!(out, "answer {}", answer.trim_end()).unwrap();
    }
    if driven.sent.is_empty() {
        writeln!(out, "no answer").unwrap();
    }
    out
}

#[test]
fn every_case() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() > 80, "cases are missing");
    let mut wrong = String::new();
    for path in names {
        let packet = std::fs::read_to_string(path.join("packet.txt")).unwrap();
        let expected = std::fs::read_to_string(path.join("expected.txt")).unwrap();
        let actual = outcome(&unescape(&packet));
        if actual != expected {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            writeln!(wrong, "=== {name}\n{actual}--- instead of\n{expected}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
