//! Real hour values of a turbine (tests/data/README.md) as hour and minute packets.

use plume_schemas::decimal::Decimal;
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS};
use plume_simulator::device::Device;
use plume_simulator::from::{FromError, Script, Table, TableMapping};
use plume_simulator::sender::LinkSpec;

use crate::world::{World, at, field, mn};

const TURBINE: &[u8] = include_bytes!("../data/gas_turbine_200_hours.csv");
const MAPPING: &str = r#"
[time]
start = "2011-01-01T00:00+08:00"

[[factor]]
column = "Carbon monoxide"
code = "a21005"
unit = "mg/m3"

[[factor]]
column = "Nitrogen oxides"
code = "a21002"
unit = "mg/m3"

[minutes]
interval_min = 1
phi = 0.9
noise_share = 0.05
seed = 2011
"#;

fn mapping(text: &str) -> TableMapping {
    toml::from_str(text).unwrap()
}

fn play(bytes: &[u8], map: TableMapping, hours: i64) -> World {
    let table = Table::read(bytes, map).unwrap();
    let start = table.first_hour().unwrap();
    let device = Device::script(LinkSpec::usual(mn(), Dialect::Hj2017), Script::table(table));
    let mut world = World::new(device, start);
    world.run(start.plus(hours * HOUR_MS), |_| true);
    world
}

fn values(world: &World, cn: u16, key: &str) -> Vec<(String, Decimal)> {
    let texts = world.texts(cn);
    texts
        .iter()
        .map(|text| {
            let value = Decimal::parse(field(text, key).as_bytes()).unwrap();
            (field(text, "DataTime="), value)
        })
        .collect()
}

#[test]
fn hours_are_the_table_and_minutes_keep_their_mean() {
    let world = play(TURBINE, mapping(MAPPING), 201);
    assert!(world.device.finished());
    assert_eq!(world.texts(2061).len(), 200);
    assert_eq!(world.texts(2051).len(), 200 * 60);
    for (key, column) in [("a21002-Avg=", 10), ("a21005-Avg=", 9)] {
        let hours = values(&world, 2061, key);
        let minutes = values(&world, 2051, key);
        let lines = std::str::from_utf8(TURBINE).unwrap().lines().skip(1);
        for ((line, (stamp, hour)), own) in lines.zip(&hours).zip(minutes.chunks(60)) {
            assert_eq!(hour.to_string(), line.split(',').nth(column).unwrap());
            assert_eq!(&own[0].0, stamp);
            let sum: i64 = own.iter().map(|(_, minute)| minute.rescale(hour.scale).unwrap()).sum();
            assert_eq!(sum, hour.mantissa * 60, "{key} {stamp}");
        }
    }
}

#[test]
fn the_count_of_high_hours_survives() {
    let world = play(TURBINE, mapping(MAPPING), 201);
    let limit = Decimal::parse(b"85").unwrap();
    let sent = values(&world, 2061, "a21002-Avg=");
    let lines = std::str::from_utf8(TURBINE).unwrap().lines().skip(1);
    let in_table = lines
        .filter(|line| line.split(',').nth(10).unwrap().parse::<f64>().unwrap() > 85.0)
        .count();
    assert_eq!(
        sent.iter().filter(|(_, value)| value.compare(limit).is_gt()).count(),
        in_table
    );
    assert!(in_table > 0 && in_table < 200);
}

#[test]
fn packets_come_when_their_period_has_ended() {
    let world = play(TURBINE, mapping(MAPPING), 2);
    let (moment, frame) = &world.written[0];
    let text = String::from_utf8_lossy(frame);
    assert!(text.contains("DataTime=20110101000000;a21005-Avg="), "{text}");
    assert_eq!(moment.since(at("20110101000000")), MINUTE_MS);
    let hour = world.texts(2061).remove(0);
    assert!(hour.contains(";CP=&&DataTime=20110101000000;a21005-Min="), "{hour}");
    assert!(hour.contains("a21002-Avg=81.952,a21002-Max="), "{hour}");
}

#[test]
fn a_column_of_times_and_empty_cells() {
    let csv = "when,NOx\n2026-01-17 08:00,30.5\n2026-01-17 10:00,\n20260117110000,1.5e1\n";
    let map = mapping(
        r#"
        time = { column = "when" }
        [[factor]]
        column = "NOx"
        code = "a21002"
        unit = "mg/m3"
        "#,
    );
    let table = Table::read(csv.as_bytes(), map.clone()).unwrap();
    assert_eq!((table.len(), table.empty_cells), (3, 1));
    let world = play(csv.as_bytes(), map, 5);
    let hours = values_or_none(&world);
    assert_eq!(
        hours,
        [
            ("20260117080000".to_owned(), "30.5".to_owned()),
            ("20260117100000".to_owned(), String::new()),
            ("20260117110000".to_owned(), "15.000000".to_owned()),
        ]
    );
}

fn values_or_none(world: &World) -> Vec<(String, String)> {
    let texts = world.texts(2061);
    texts
        .iter()
        .map(|text| (field(text, "DataTime="), field(text, "a21002-Avg=")))
        .collect()
}

#[test]
fn what_is_wrong_is_said() {
    let errors: Vec<String> = [
        ("", MAPPING.to_owned()),
        ("a,b\n1,2\n", MAPPING.to_owned()),
        ("Carbon monoxide,Nitrogen oxides\n1,x\n", MAPPING.to_owned()),
        ("Carbon monoxide,Nitrogen oxides\n1,2,3\n", MAPPING.to_owned()),
        ("Carbon monoxide,Nitrogen oxides\n", MAPPING.to_owned()),
        ("a\n1\n", MAPPING.replace("start =", "column = \"a\"\nstart =")),
        ("a\n1\n", MAPPING.replace("interval_min = 1", "interval_min = 7")),
        ("a\n1\n", MAPPING.replace("phi = 0.9", "phi = 1.0")),
        (
            "Carbon monoxide,Nitrogen oxides\n1,2\n",
            MAPPING.replace("2011-01-01T00:00+08:00", "1 January"),
        ),
    ]
    .into_iter()
    .map(|(csv, map)| {
        let error: FromError = Table::read(csv.as_bytes(), mapping(&map)).unwrap_err();
        format!("{error}\n  hint: {}", error.hint())
    })
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}
