//! A registry from sheets, what is wrong in one, and its hash.

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{FactorCode, Mn, OutletId};
use plume_schemas::registry::{
    CsvFile, CsvFiles, CsvProblem, LimitBasis, LimitWindow, ProblemSeverity, Registry, RegistryIndex,
};
use plume_schemas::time::Time;
use plume_schemas::wire::{decode_entry, encode_entry};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// 2026-11-21T08:00 in Beijing.
const NOW: Time = Time(1_795_219_200_000);

macro_rules! sheets {
    ($folder:literal) => {{
        let file = |name, text| Some(CsvFile { name, text });
        Registry::from_csv(&CsvFiles {
            enterprises: file(
                "enterprises.csv",
                include_str!(concat!("../data/", $folder, "/enterprises.csv")),
            ),
            contacts: file(
                "contacts.csv",
                include_str!(concat!("../data/", $folder, "/contacts.csv")),
            ),
            outlets: file(
                "outlets.csv",
                include_str!(concat!("../data/", $folder, "/outlets.csv")),
            ),
            stop_work: file(
                "stop_work.csv",
                include_str!(concat!("../data/", $folder, "/stop_work.csv")),
            ),
            factors: file(
                "factors.csv",
                include_str!(concat!("../data/", $folder, "/factors.csv")),
            ),
            limits: file("limits.csv", include_str!(concat!("../data/", $folder, "/limits.csv"))),
            sources: file(
                "sources.csv",
                include_str!(concat!("../data/", $folder, "/sources.csv")),
            ),
        })
    }};
}

pub(crate) fn good() -> Registry {
    sheets!("registry_good").unwrap()
}

#[test]
fn sheets_become_a_registry() {
    let registry = good();
    assert_eq!(
        (
            registry.enterprises.len(),
            registry.outlets.len(),
            registry.sources.len()
        ),
        (2, 3, 3)
    );
    assert_eq!(registry.enterprises[0].contacts.len(), 2);
    assert_eq!(registry.outlets[1].name, "2号锅炉烟囱, 北");
    assert!(registry.outlets[1].stop_work[0].approved);
    let index = RegistryIndex::new(registry);
    let (outlet, so2) = (
        OutletId::new("91330100MA27X0AB1C:DA001").unwrap(),
        FactorCode::new("a21026").unwrap(),
    );
    // 50.0 was in force until 2024.
    let limit = index.limit(outlet, so2, LimitWindow::Hour, NOW).unwrap();
    assert_eq!(
        (limit.value.to_string().as_str(), limit.clause.as_str()),
        ("35", "排污许可证")
    );
    let routes = index.routes(Mn::new("010000A8900016F000169DC0").unwrap(), "31", NOW);
    assert_eq!(routes.filter(|route| route.takes(so2)).count(), 1);
}

#[test]
fn a_good_registry_has_no_errors() {
    let problems = good().check(&Catalogue::embedded().unwrap(), NOW);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_shared_chimney_and_a_cycle_are_read_and_the_cycle_is_checked() {
    fn file<'a>(name: &'a str, text: &'a str) -> CsvFile<'a> {
        CsvFile { name, text }
    }
    let read = |cycle: &str| {
        let factors = format!("outlet,code,cycle_min\nE1:DA001,a24088,{cycle}\n");
        Registry::from_csv(&CsvFiles {
            enterprises: Some(file("enterprises.csv", "id,name\nE1,甲涂装\n")),
            outlets: Some(file(
                "outlets.csv",
                "排放口标识,统一社会信用代码,排放口编号,共用排气筒\nE1:DA001,E1,DA001,一号烟囱\n",
            )),
            factors: Some(file("factors.csv", &factors)),
            ..CsvFiles::default()
        })
        .unwrap()
    };
    let registry = read("15");
    assert_eq!(registry.outlets[0].shared_stack, "一号烟囱");
    assert_eq!(registry.outlets[0].factors[0].cycle_min, Some(15));
    let errors = |cycle: &str| {
        let problems = read(cycle).check(&Catalogue::embedded().unwrap(), NOW);
        let of_cycle = problems
            .iter()
            .filter(|problem| problem.to_string().contains("analysis cycle"));
        of_cycle
            .filter(|problem| problem.severity == ProblemSeverity::Error)
            .count()
    };
    assert_eq!(["1", "30", "", "0", "31"].map(errors), [0, 0, 0, 1, 1]);
}

#[test]
fn a_rate_limit_is_held_against_the_height_of_the_stack() {
    // 120 m: 244.8 kg/h of SO2.
    let warned = |rate: &str| {
        let mut registry = good();
        let mut limit = registry.outlets[0].factors[0].limits[0].clone();
        limit.basis = LimitBasis::Rate;
        limit.value = Decimal::parse(rate.as_bytes()).unwrap();
        registry.outlets[0].factors[0].limits.push(limit);
        let problems = registry.check(&Catalogue::embedded().unwrap(), NOW);
        problems
            .iter()
            .filter(|problem| problem.to_string().contains("GB 16297"))
            .count()
    };
    assert_eq!(["244.7", "245", "15"].map(warned), [0, 1, 0]);
}

#[test]
fn every_bad_row_is_reported() {
    let problems: Vec<CsvProblem> = sheets!("registry_bad").unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(problems.iter().all(|problem| !problem.hint().is_empty()));
}

#[test]
fn every_problem_is_named_with_its_place() {
    let registry: Registry = serde_json::from_str(include_str!("../data/registry_problems.json")).unwrap();
    let problems = registry.check(&Catalogue::embedded().unwrap(), NOW);
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(
        problems
            .iter()
            .any(|problem| problem.severity == ProblemSeverity::Error)
    );
}

#[test]
fn a_sheet_without_rows_or_a_broken_one() {
    assert_eq!(Registry::from_csv(&CsvFiles::default()), Ok(Registry::default()));
    let file = |text| {
        Registry::from_csv(&CsvFiles {
            enterprises: Some(CsvFile { name: "e.csv", text }),
            ..CsvFiles::default()
        })
    };
    // A mark in front, as Excel writes it, and empty lines behind.
    let taken = file("\u{feff}统一社会信用代码,企业名称\nE1,甲\n\n,\n").unwrap();
    assert_eq!(taken.enterprises.len(), 1);
    assert_eq!(file("").unwrap_err().len(), 2, "both columns are missing");
}

#[test]
fn the_hash_is_of_what_it_says() {
    let registry = good();
    let hash = registry.content_hash();
    let later = Registry {
        revision: 7,
        recorded_at: NOW,
        ..registry.clone()
    };
    assert_eq!(later.content_hash(), hash);
    let mut other = registry;
    other.outlets[0].factors[0].range_high = None;
    assert_ne!(other.content_hash(), hash);
}

#[test]
fn a_whole_registry_goes_over_the_wire() {
    let mut registry = good();
    registry.revision = 3;
    registry.recorded_at = NOW;
    let entry = EntryBody::Registry(Box::new(registry));
    assert_eq!(decode_entry(&encode_entry(&entry)).unwrap(), entry);
}

proptest! {
    /// Sheets come from anywhere: any text gives a registry or problems with a line, and what comes out can be checked.
    #[test]
    fn any_sheets_are_answered(
        heads in subsequence(vec!["id", "enterprise", "outlet", "mn", "name", "number", "window"], 0..7),
        rows in proptest::collection::vec("[A-C0-9:,\"\n 中.-]{0,40}", 0..6),
    ) {
        let text = format!("{}\n{}", heads.join(","), rows.join("\n"));
        let file = Some(CsvFile { name: "any.csv", text: &text });
        let files = CsvFiles {
            enterprises: file,
            contacts: file,
            outlets: file,
            stop_work: file,
            factors: file,
            limits: file,
            sources: file,
        };
        match Registry::from_csv(&files) {
            Ok(registry) => { registry.check(&Catalogue::embedded().unwrap(), NOW); }
            Err(problems) => prop_assert!(problems.iter().all(|problem| problem.line > 0)),
        }
        let text = format!("id,name\n{}", rows.join("\n"));
        let enterprises = Some(CsvFile { name: "any.csv", text: &text });
        let one = CsvFiles { enterprises, ..CsvFiles::default() };
        if let Ok(registry) = Registry::from_csv(&one) {
            registry.check(&Catalogue::embedded().unwrap(), NOW);
        }
    }
}
