//! All messages of this crate's errors, with their hints, in one snapshot.

use plume_schemas::CatalogueError;
use plume_schemas::dedupe::{Dedupe, DedupeError, Horizons};
use plume_schemas::factors::Catalogue;
use plume_schemas::formulas::{FormulaError, corrected, mean_of_valid, wet_to_dry};
use plume_schemas::ids::{ContentId, FactorCode, Mn};
use plume_schemas::units::{Unit, UnitError};
use plume_schemas::wire::{WireError, decode_entry};

/// The variant's name, by a match that breaks when one is added: then add a case below.
macro_rules! named {
    ($name:ident: $error:ident { $($variant:ident),+ }) => {
        fn $name(error: &$error) -> (&'static str, String, String) {
            let name = match error {
                $($error::$variant { .. } => concat!(stringify!($error), "::", stringify!($variant)),)+
            };
            (name, error.to_string(), error.hint())
        }
    };
}
named!(wire: WireError { Malformed, Format, UnknownNumber, Missing, TooLarge, IdLength, NotFinite, Id, Registry });
named!(catalogue: CatalogueError { Unreadable, Columns, Cell, Duplicate });
named!(formula: FormulaError { OxygenOfAir, Input, TooFew });
named!(unit: UnitError { NoConversion, NoMolarMass, Value });
named!(dedupe: DedupeError { Format, Damaged });

/// An entry whose body is field `number`, as bytes.
fn entry(number: u8, body: &[u8]) -> WireError {
    let length = u8::try_from(body.len()).unwrap();
    decode_entry(&[&[number << 3 | 2, length], body].concat()).unwrap_err()
}

fn wire_errors() -> Vec<WireError> {
    let presence = |state: u8| [0x0a, 1, b'M', 0x12, 1, b'O', 0x1a, 1, b'i', 0x20, state];
    vec![
        decode_entry(b"not protobuf").unwrap_err(),
        decode_entry(&[0x08, 0x07]).unwrap_err(),
        entry(4, &presence(9)),
        decode_entry(&[]).unwrap_err(),
        // A peer of 48 bytes where 47 fit.
        entry(4, &[&presence(1)[..], &[0x32, 48], &[b'p'; 48]].concat()),
        entry(7, &[0x0a, 3, 1, 2, 3]),
        // A gas value without end.
        entry(
            8,
            &[0x0a, 1, b'O', 0x12, 2, b'a', b'1', 0x29, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
        ),
        entry(3, &[0x0a, 3, b'a', b' ', b'b']),
        entry(6, b"{\"revision\": \"x\"}"),
    ]
}

fn catalogue_errors() -> Vec<CatalogueError> {
    let header = "code,code_2005,symbol,name_zh,name_en,group,unit,unit_2005,unit_mass,format_2005,format_2017,\
                  format_2025,molar_mass_g_mol,status";
    let with =
        |row: &str| Catalogue::from_csv(&format!("{header}\na1,01,,中,en,gas,,,,,,,,read\n{row}\n")).unwrap_err();
    vec![
        with("a2,,,中"),
        Catalogue::from_csv("code,name\n").unwrap_err(),
        with("a2,,,中,en,gas,furlong,,,,,,,read"),
        with("a2,,,,en,gas,,,,,,,,read"),
        with("a2,,,中,en,gas,,,,,N5.x,,,read"),
        with("a1,,,中,en,gas,,,,,,,,read"),
        with("a2,01,,中,en,gas,,,,,,,,read"),
        with("A1,,,中,en,gas,,,,,,,,read"),
    ]
}

#[test]
fn every_message() {
    let ids = [
        Mn::new("a;b").unwrap_err(),
        FactorCode::new("").unwrap_err(),
        ContentId::parse("xyz").unwrap_err(),
    ];
    let formulas = [
        corrected(30.0, 21.3, 6.0).unwrap_err(),
        wet_to_dry(1.0, 1.0).unwrap_err(),
        mean_of_valid(&[1.0; 44], 45).unwrap_err(),
    ];
    let units = [
        Unit::Celsius.convert(1.0, Unit::KPa, None).unwrap_err(),
        Unit::Ppm.convert(1.0, Unit::MgPerM3, None).unwrap_err(),
        Unit::Ppm.convert(1.0, Unit::MgPerM3, Some(-1.0)).unwrap_err(),
    ];
    let states = [
        Dedupe::restore(Horizons::USUAL, &[7]).unwrap_err(),
        Dedupe::restore(Horizons::USUAL, &[0, 0, 1, 5]).unwrap_err(),
    ];
    let mut all: Vec<(&str, String, String)> = Vec::new();
    all.extend(ids.iter().map(|error| ("IdError", error.to_string(), error.hint())));
    all.extend(wire_errors().iter().map(wire));
    all.extend(catalogue_errors().iter().map(catalogue));
    all.extend(formulas.iter().map(formula));
    all.extend(units.iter().map(unit));
    all.extend(states.iter().map(dedupe));
    let text: Vec<String> = all
        .iter()
        .map(|(name, message, hint)| format!("{name}\n  {message}\n  {hint}"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}
