//! Every packet of the annexes of 2005 and 2017 against `tests/data/expected.csv`, whose rows were reviewed one by one
//! against the protocol: what becomes of it, what it is answered, how many values it has, what is wrong with it.

use plume_schemas::reading::{Flag, Value};

use crate::bench::Driven;
use crate::vectors;

#[derive(Debug, PartialEq)]
struct Row {
    number: usize,
    cn: String,
    version: String,
    outcome: String,
    answer_cn: String,
    readings: usize,
    complaints: String,
}

fn actual(vector: &vectors::Vector) -> Row {
    let text = vector.packet.as_ref().unwrap();
    let mut driven = Driven::examples();
    driven.bytes(&vectors::with_tail(text));
    assert!(driven.sent.is_empty(), "answered before it was safe: {text}");
    driven.all_durable();
    let reports = driven.reports();
    let answer_cn = driven.answered().join(" ");
    let outcome = match driven.quarantined().first() {
        Some(record) => format!("quarantine {}", record.reason),
        None if answer_cn.is_empty() => "none".to_owned(),
        None => "answer".to_owned(),
    };
    assert_eq!(reports.len() + driven.quarantined().len(), 1, "kept once: {text}");
    let complaints = reports
        .iter()
        .flat_map(|report| &report.complaints)
        .map(|c| c.code.code());
    Row {
        number: vector.row,
        cn: text.split("CN=").nth(1).unwrap().chars().take(4).collect(),
        version: vector.version.clone(),
        outcome,
        answer_cn,
        readings: reports.iter().map(|report| report.readings.len()).sum(),
        complaints: complaints.collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn every_row_of_2005_and_2017() {
    let mut expected = csv::Reader::from_reader(include_str!("../data/expected.csv").as_bytes());
    let expected: Vec<Row> = expected
        .records()
        .map(|record| {
            let record = record.unwrap();
            let text = |at: usize| record[at].to_owned();
            Row {
                number: record[0].parse().unwrap(),
                cn: text(1),
                version: text(2),
                outcome: text(3),
                answer_cn: text(4),
                readings: record[5].parse().unwrap(),
                complaints: text(6),
            }
        })
        .collect();
    let actual: Vec<Row> = vectors::all()
        .iter()
        .filter(|v| v.version != "2025")
        .map(actual)
        .collect();
    let lines = |rows: &[Row]| -> Vec<String> {
        rows.iter()
            .map(|r| {
                format!(
                    "{},{},{},{},{},{},{}",
                    r.number, r.cn, r.version, r.outcome, r.answer_cn, r.readings, r.complaints
                )
            })
            .collect()
    };
    assert_eq!(lines(&actual).join("\n"), lines(&expected).join("\n"));
}

#[test]
fn values_are_kept_digit_by_digit() {
    let vector = vectors::all().into_iter().nth(24).unwrap();
    let mut driven = Driven::examples();
    driven.bytes(&vectors::with_tail(&vector.packet.unwrap()));
    let reports = driven.reports();
    let readings: Vec<String> = reports[0]
        .readings
        .iter()
        .map(|r| {
            let Value::Decimal(value) = r.value else {
                panic!("{r:?}")
            };
            assert_eq!(r.flag, Flag::Normal);
            format!("{} {} {} {value}", r.factor, r.statistic, r.basis)
        })
        .collect();
    assert_eq!(readings[0], "w00000 cou standard 10.5");
    assert_eq!(readings[10], "w01018 max standard 40.1");
    assert_eq!(readings.len(), 11);
    assert_eq!(reports[0].times.measured_at.stamp14(), "20160801084000");
    assert_eq!(reports[0].times.sent_at.unwrap().stamp17(), "20160801085000001");
    assert_eq!(reports[0].evidence.raw.len(), 325 + 12);
}
