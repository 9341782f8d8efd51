//! Maps: what is wrong is named with its file and key, and every register is read and decoded exactly once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use plume_ingest::modbus::decode::{Image, decode};
use plume_ingest::modbus::map::{MAX_BUSES, MAX_REGISTERS, MapFile, MapProblem, load_model, load_site};
use plume_ingest::modbus::plan::plan;
use plume_ingest::modbus::read::Table;
use plume_ingest::modbus::words::Order;
use proptest::prelude::*;

use crate::bench::catalogue;

const GOOD: &str = r#"
model = "good"

[[register]]
name = "so2"
table = "input"
address = 10
type = "float32"
factor = "a21026"
unit = "mg/m3"
state = "dry_standard"

[[register]]
name = "state"
table = "holding"
address = 0
type = "uint16"

[[status]]
register = "state"
when = [{ bit = 0, flag = "C" }]
"#;

const SITE: &str = r#"
[[bus]]
name = "b"
connect = "tcp://127.0.0.1:502"
[[bus.unit]]
unit = 1
mn = "010000A8900016F000169DC0"
use = "good"
"#;

fn show(problems: &[MapProblem]) -> String {
    let mut out = String::new();
    for problem in problems {
        let file = match &problem.file {
            MapFile::Site => "site".to_owned(),
            MapFile::Model(name) => name.clone(),
        };
        writeln!(out, "{file} {problem}\n  {}", problem.hint()).unwrap();
    }
    out
}

/// What is wrong with the good map after one change.
fn wrong(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from} is not in the map");
    match load_model("good", &GOOD.replacen(from, to, 1), &catalogue()) {
        Ok(_) => format!("`{to}` is accepted\n"),
        Err(problems) => show(&problems),
    }
}

#[test]
fn every_mistake_in_a_model_has_its_place() {
    assert!(load_model("good", GOOD, &catalogue()).is_ok());
    let mut out = String::new();
    for (from, to) in [
        ("address = 10", "adress = 10"),
        ("address = 10", "address = 70000"),
        ("address = 10", "address = 65535"),
        ("table = \"input\"", "table = \"inputs\""),
        ("type = \"float32\"", "type = \"float\""),
        ("type = \"float32\"", "type = \"bool\""),
        ("type = \"float32\"", "type = \"bit\""),
        ("type = \"float32\"", "type = \"float32\"\norder = \"BACD\""),
        ("type = \"float32\"", "type = \"float32\"\nscale = 0"),
        ("type = \"float32\"", "type = \"float32\"\nvalid = [5.0, 1.0]"),
        (
            "type = \"float32\"",
            "type = \"uint16\"\nloop = { at_4ma = 100, at_20ma = 50, low = 0, high = 1 }",
        ),
        ("factor = \"a21026\"", "factor = \"a99999\""),
        ("unit = \"mg/m3\"", "unit = \"degC\""),
        ("unit = \"mg/m3\"", "unit = \"furlong\""),
        ("unit = \"mg/m3\"", ""),
        ("state = \"dry_standard\"", ""),
        ("name = \"state\"", "name = \"so2\""),
        ("name = \"state\"", "name = \"state\"\nstate = \"wet_actual\""),
        ("register = \"state\"", "register = \"status\""),
        ("{ bit = 0, flag = \"C\" }", "{ flag = \"C\" }"),
        ("{ bit = 0, flag = \"C\" }", "{ bit = 0, flag = \"X\" }"),
        ("model = \"good\"", "model = \"good\"\nmax_registers = 126"),
        ("model = \"good\"", "model = \"good\"\naddress_base = 1"),
        ("model = \"good\"", "model = good"),
    ] {
        writeln!(out, "# {from} -> {}", to.replace('\n', " ")).unwrap();
        out.push_str(&wrong(from, to));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn every_mistake_in_a_site_has_its_place() {
    let model = BTreeMap::from([("good".to_owned(), GOOD.to_owned())]);
    assert!(load_site(SITE, &model, &catalogue()).is_ok());
    let unit = "\n[[bus.unit]]\nunit = 2\nmn = \"M2\"\nuse = \"good\"\n";
    let second = |change: &str, to: &str| format!("{SITE}{}", unit.replace(change, to));
    let mut out = String::new();
    for (what, text) in [
        ("no address", SITE.replace("tcp://127.0.0.1:502", "127.0.0.1")),
        ("an unknown model", SITE.replace("use = \"good\"", "use = \"better\"")),
        (
            "an unknown key",
            SITE.replace("name = \"b\"", "name = \"b\"\nspeed = 9600"),
        ),
        ("no MN", SITE.replace("mn = \"010000A8900016F000169DC0\"\n", "")),
        ("twice the same address", second("unit = 2", "unit = 1")),
        ("twice the same MN", second("M2", "010000A8900016F000169DC0")),
        ("a stack of air", format!("{SITE}stack = {{ area_m2 = 0 }}\n")),
        ("an unknown key of the stack", format!("{SITE}stack = {{ area = 5 }}\n")),
        ("no unit", "[[bus]]\nname = \"b\"\nconnect = \"tcp://h:1\"\n".to_owned()),
        (
            "a change that does not fit",
            format!("{SITE}[[bus.unit.register]]\nname = \"so2\"\nunit = \"degC\"\n"),
        ),
        (
            "a new register that lacks its type",
            format!("{SITE}[[bus.unit.register]]\nname = \"o2\"\n"),
        ),
        ("a change to a limit", format!("{SITE}max_registers = 0\n")),
    ] {
        writeln!(out, "# {what}").unwrap();
        match load_site(&text, &model, &catalogue()) {
            Ok(_) => panic!("{what} is accepted"),
            Err(problems) => out.push_str(&show(&problems)),
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_mistake_in_a_shared_model_is_told_once() {
    let model = BTreeMap::from([("good".to_owned(), GOOD.replace("mg/m3", "degC"))]);
    let site = format!("{SITE}[[bus.unit]]\nunit = 2\nmn = \"M2\"\nuse = \"good\"\n");
    let problems = load_site(&site, &model, &catalogue()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        (&problems[0].file, problems[0].path.as_str()),
        (&MapFile::Model("good".to_owned()), "register[0].unit")
    );
}

#[test]
fn limits_are_named_where_they_are_met() {
    let register =
        |i: usize| format!("[[register]]\nname = \"r{i}\"\ntable = \"holding\"\naddress = {i}\ntype = \"uint16\"\n");
    let model = |count: usize| format!("model = \"m\"\n{}", (0..count).map(register).collect::<String>());
    assert!(load_model("m", &model(MAX_REGISTERS), &catalogue()).is_ok());
    let problems = load_model("m", &model(MAX_REGISTERS + 1), &catalogue()).unwrap_err();
    assert_eq!(problems[0].message, "513 registers, expected 1 to 512");

    let models = BTreeMap::from([("good".to_owned(), GOOD.to_owned())]);
    let bus = |i: usize| {
        format!(
            "[[bus]]\nname = \"b{i}\"\nconnect = \"tcp://h:1\"\n[[bus.unit]]\nunit = 1\nmn = \"M{i}\"\nuse = \"good\"\n"
        )
    };
    let site: String = (0..=MAX_BUSES).map(bus).collect();
    let problems = load_site(&site, &models, &catalogue()).unwrap_err();
    assert_eq!(problems[0].message, "more than 2000 buses");
}

/// One register of a made-up map: type, words, and the value it will hold.
#[derive(Clone, Debug)]
struct Made {
    kind: usize,
    order: usize,
    gap: u16,
    value: u16,
}

const KINDS: [(&str, u16); 6] = [
    ("int16", 1),
    ("uint16", 1),
    ("int32", 2),
    ("uint64", 4),
    ("float32", 2),
    ("float64", 4),
];

/// The words of a value, in an order.
fn encode(kind: &str, order: Order, value: u16) -> Vec<u16> {
    let bytes: Vec<u8> = match kind {
        "float32" => f32::from(value).to_be_bytes().to_vec(),
        "float64" => f64::from(value).to_be_bytes().to_vec(),
        "int32" => i32::from(value).to_be_bytes().to_vec(),
        "uint64" => u64::from(value).to_be_bytes().to_vec(),
        _ => value.to_be_bytes().to_vec(),
    };
    let words: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    // Each order is its own inverse.
    let laid = order.bytes(&words);
    laid.chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A map is written, read, planned, answered block by block, and decoded: every register has its own value, by
    /// exactly one request, within the limits.
    #[test]
    fn every_register_is_read_once_and_decoded_as_itself(
        made in prop::collection::vec(
            (0_usize..6, 0_usize..4, 0_u16..12, 0_u16..0x7FFF)
                .prop_map(|(kind, order, gap, value)| Made { kind, order, gap, value }),
            1..60,
        ),
        max_registers in 4_u16..=125,
        max_gap in 0_u16..16,
    ) {
        let mut text = format!("model = \"made\"\nmax_registers = {max_registers}\nmax_gap = {max_gap}\n");
        let mut memory = BTreeMap::new();
        let mut address = 0;
        for (i, one) in made.iter().enumerate() {
            address += one.gap;
            let (kind, words) = KINDS[one.kind];
            let order = Order::ALL[one.order];
            writeln!(
                text,
                "[[register]]\nname = \"r{i}\"\ntable = \"holding\"\naddress = {address}\n\
                 type = \"{kind}\"\norder = \"{}\"",
                order.code()
            ).unwrap();
            for (at, word) in (address..).zip(encode(kind, order, one.value)) {
                memory.insert(at, word);
            }
            address += words;
        }
        let model = load_model("made", &text, &catalogue()).unwrap();
        let reads = plan(&model.reads(), model.limits);
        let mut image = Image::default();
        for &read in &reads {
            prop_assert!(read.count <= max_registers && read.table == Table::Holding);
            let words = (u32::from(read.address)..read.end())
                .map(|at| memory.get(&u16::try_from(at).unwrap()).copied().unwrap_or(0xDEAD));
            image.put(read, Ok(words.collect()));
        }
        for register in &model.registers {
            let by = reads.iter().filter(|read| read.covers(register.read)).count();
            prop_assert_eq!(by, 1, "{} is read {} times", register.name, by);
        }
        for (cell, one) in decode(&model, &image).cells.iter().zip(&made) {
            prop_assert_eq!(cell.number(), Some(f64::from(one.value)));
        }
    }
}
