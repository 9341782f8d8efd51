//! Hours of a real turbine (ingest/simulator/tests/data/README.md) through the whole line: the hours the judge finds
//! exceeded are those the table holds.

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::Mn;
use plume_schemas::judgement::{NotJudged, Pane, Verdict};
use plume_schemas::registry::Registry;
use plume_schemas::report::Dialect;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use plume_simulator::device::Device;
use plume_simulator::from::{Script, Table, TableMapping};
use plume_simulator::sender::LinkSpec;

use crate::line::Line;

const TURBINE: &str = include_str!("../../../ingest/simulator/tests/data/gas_turbine_200_hours.csv");
const MAPPING: &str = r#"
time = { start = "2011-01-01T00:00+08:00" }
minutes = { interval_min = 10, phi = 0.9, noise_share = 0.05, seed = 7 }

[[factor]]
column = "Nitrogen oxides"
code = "a21002"
unit = "mg/m3"
"#;
/// No reference oxygen is declared for this outlet, and a limit that some of its hours exceed.
const REGISTRY: &str = r#"
[[enterprise]]
id = "TURBINE"
name = "turbine"

[[outlet]]
id = "TURBINE:DA001"
enterprise = "TURBINE"
number = "DA001"

[[outlet.factor]]
code = "a21002"
limit = [{ window = "hour", value = "80", source = "permit" }]

[[source]]
mn = "DE2011000000000000000001"
outlet = "TURBINE:DA001"
minute_interval_min = 10
"#;

/// Places of the table's rows, from 0, above the limit.
fn exceeded_in_table() -> Vec<i64> {
    let limit = Decimal::parse(b"80").unwrap();
    let nox = |line: &str| Decimal::parse(line.split(',').next_back().unwrap().as_bytes()).unwrap();
    let rows = (0..).zip(TURBINE.lines().skip(1));
    rows.filter(|(_, line)| nox(line).compare(limit).is_gt())
        .map(|(place, _)| place)
        .collect()
}

#[test]
fn the_exceeded_hours_are_those_of_the_table() {
    let mapping: TableMapping = toml::from_str(MAPPING).unwrap();
    let registry: Registry = toml::from_str(REGISTRY).unwrap();
    let table = Table::read(TURBINE.as_bytes(), mapping).unwrap();
    let (start, hours) = (table.first_hour().unwrap(), i64::try_from(table.len()).unwrap() + 1);
    let mn = Mn::new("DE2011000000000000000001").unwrap();
    let device = Device::script(LinkSpec::usual(mn, Dialect::Hj2017), Script::table(table));
    let mut line = Line::new(vec![device], registry, start);
    let end: Time = start.plus(hours * HOUR_MS + 10 * MINUTE_MS);
    while line.now < end {
        line.advance();
    }
    assert_eq!(line.quarantined, 0);
    let hours_judged = line.judgements.iter().filter(|judgement| {
        judgement.rule == RuleCode::ExceedHour && judgement.pane != Pane::Early && judgement.window.start >= start
    });
    let mut exceeded = Vec::new();
    for judgement in hours_judged {
        let place = judgement.window.start.since(start) / HOUR_MS;
        match judgement.verdict {
            Verdict::Breach(_) => exceeded.push(place),
            Verdict::Fine | Verdict::NotJudged(NotJudged::NoData) => exceeded.retain(|other| *other != place),
            Verdict::NotJudged(why) => panic!("hour {place} is not judged: {why}"),
        }
    }
    let in_table = exceeded_in_table();
    assert!(in_table.len() > 20 && in_table.len() < 180);
    assert_eq!(exceeded, in_table);
}
