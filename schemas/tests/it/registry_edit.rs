//! A registry changed row by row, taken apart into its sheets and put together again, and compared.

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::ContentId;
use plume_schemas::registry::{CsvFile, CsvFiles, Effect, MASK, Part, Registry, Row, RowKind};
use plume_schemas::time::Time;

use crate::registry::good;

const OUTLET: &str = "91330100MA27X0AB1C:DA001";
/// 2026-11-21T08:00 in Beijing.
const NOW: Time = Time(1_795_219_200_000);

/// The rows of a kind, a line each.
fn lines(registry: &Registry, kind: RowKind) -> Vec<String> {
    let rows = registry.rows().into_iter().filter(|row| row.kind == kind);
    rows.map(|row| row.cells.join(",")).collect()
}

fn limits(registry: &Registry) -> Vec<String> {
    let mut limits = lines(registry, RowKind::Limit);
    limits.retain(|row| row.starts_with(&format!("{OUTLET},a21026")));
    limits
}

fn limit(registry: Registry, value: &str, from: &str, to: &str) -> Registry {
    let cells = [
        ("outlet", OUTLET),
        ("factor", "a21026"),
        ("window", "hour"),
        ("value", value),
        ("source", "permit"),
        ("clause", "排污许可证"),
        ("valid_from", from),
        ("valid_to", to),
    ];
    registry.with_row(RowKind::Limit, &cells, None).unwrap()
}

/// The sheets of a registry, as they are downloaded.
fn sheets(registry: &Registry) -> Vec<(RowKind, String)> {
    let text = |kind: RowKind| {
        let head: Vec<&str> = kind.columns().iter().map(|(column, _)| *column).collect();
        let rows = registry.rows().into_iter().filter(|row| row.kind == kind);
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let rows = rows.map(|row| row.cells.iter().map(quoted).collect::<Vec<_>>().join(","));
        let lines: Vec<String> = std::iter::once(head.join(",")).chain(rows).collect();
        lines.join("\n")
    };
    RowKind::ALL.iter().map(|&kind| (kind, text(kind))).collect()
}

fn read(sheets: &[(RowKind, String)]) -> Registry {
    let mut files = CsvFiles::default();
    for (kind, text) in sheets {
        let name = kind.file();
        *files.of_mut(*kind) = Some(CsvFile { name, text });
    }
    Registry::from_csv(&files).unwrap()
}

#[test]
fn a_limit_that_follows_ends_the_one_before() {
    let next = limit(good(), "30", "2027-01-01", "");
    assert_eq!(
        limits(&next),
        [
            "91330100MA27X0AB1C:DA001,a21026,hour,35,concentration,permit,排污许可证,,2027-01-01",
            "91330100MA27X0AB1C:DA001,a21026,hour,50.0,concentration,L003,GB 13223-2011 表1,,2024-01-01",
            "91330100MA27X0AB1C:DA001,a21026,hour,30,concentration,permit,排污许可证,2027-01-01,",
        ],
        "the limit of another source is left alone"
    );
    // Between the two: it ends where the later one begins.
    let between = limit(next.clone(), "32", "2026-12-01", "");
    assert!(
        limits(&between)
            .iter()
            .any(|row| row.contains(",35,") && row.ends_with(",,2026-12-01"))
    );
    assert!(
        limits(&between)
            .iter()
            .any(|row| row.contains(",32,") && row.ends_with(",2026-12-01,2027-01-01"))
    );
    // From the same moment: a correction of the row itself.
    let corrected = limit(next.clone(), "31", "2027-01-01", "2028-01-01");
    assert_eq!(limits(&corrected).len(), 3);
    assert!(
        limits(&corrected)
            .iter()
            .any(|row| row.contains(",31,") && row.ends_with(",2027-01-01,2028-01-01"))
    );
    // As it stood for ever: the first row itself, and no other.
    let first = limit(good(), "36", "", "");
    assert!(limits(&first).iter().any(|row| row.contains(",36,")) && limits(&first).len() == 2);
    let errors = next.check(&Catalogue::embedded().unwrap(), NOW);
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_device_that_follows_ends_the_one_before_and_a_mask_keeps_its_password() {
    let base = good();
    let row = base.rows().into_iter().find(|row| row.kind == RowKind::Source).unwrap();
    assert_eq!(row.cell("password"), MASK, "passwords are not shown");
    let columns = row.kind.columns().iter().map(|(column, _)| *column);
    let mut cells: Vec<(&str, &str)> = columns.zip(row.cells.iter().map(String::as_str)).collect();
    // The same row: nothing changes, its password least of all.
    let same = base.clone().with_row(RowKind::Source, &cells, None).unwrap();
    assert_eq!(same, base);
    for (column, cell) in &mut cells {
        match *column {
            "mn" => *cell = "010000A8900016F000169DC9",
            "valid_from" => *cell = "2026-12-01T10:00",
            _ => {}
        }
    }
    let refused = base.clone().with_row(RowKind::Source, &cells, None).unwrap_err();
    assert_eq!(refused[0].column, "password", "{refused:?}");
    cells.retain(|(column, _)| *column != "password");
    let next = base.clone().with_row(RowKind::Source, &cells, None).unwrap();
    let changes = base.changes_to(&next, 9);
    assert_eq!(changes.counts, [1, 0, 1], "{changes:#?}");
    let ended = changes
        .first
        .iter()
        .find(|change| change.effect == Effect::Changed)
        .unwrap();
    assert_eq!(ended.cells.len(), 1);
    assert_eq!(
        (ended.cells[0].column.0, ended.cells[0].after.as_str()),
        ("valid_to", "2026-12-01T10:00")
    );
}

#[test]
fn what_hangs_on_a_row_stays_when_it_is_changed() {
    let base = good();
    let outlet = [
        ("id", OUTLET),
        ("enterprise", "91330100MA27X0AB1C"),
        ("number", "DA001"),
        ("name", "主烟囱"),
    ];
    let next = base.clone().with_row(RowKind::Outlet, &outlet, None).unwrap();
    assert_eq!((next.outlets.len(), next.outlets[0].name.as_str()), (3, "主烟囱"));
    assert_eq!(next.outlets[0].factors, base.outlets[0].factors);
    let permit = [
        ("id", "91330100MA27X0AB1C"),
        ("name", "甲热电"),
        ("permit_valid_to", "2033-06-30"),
    ];
    let next = next.with_row(RowKind::Enterprise, &permit, None).unwrap();
    assert_eq!(next.enterprises[0].contacts, base.enterprises[0].contacts);
    let factor = [("outlet", OUTLET), ("code", "a21026"), ("range_high", "300")];
    let next = next.with_row(RowKind::Factor, &factor, None).unwrap();
    assert_eq!(next.outlets[0].factors[0].limits, base.outlets[0].factors[0].limits);
    let contact = [
        ("enterprise", "91330100MA27X0AB1C"),
        ("role", "环保主管"),
        ("name", "孙主管"),
        ("phone", "1"),
    ];
    let put = next.clone().with_row(RowKind::Contact, &contact, Some(0)).unwrap();
    let names: Vec<_> = put.enterprises[0]
        .contacts
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(names, ["孙主管", "中控室"]);
    let added = next.with_row(RowKind::Contact, &contact, None).unwrap();
    assert_eq!(added.enterprises[0].contacts.len(), 3);
    let new = [
        ("id", "91330100MA27X0CD2E:DA009"),
        ("enterprise", "91330100MA27X0CD2E"),
        ("number", "DA009"),
    ];
    assert_eq!(added.with_row(RowKind::Outlet, &new, None).unwrap().outlets.len(), 4);
}

#[test]
fn a_row_that_cannot_be_read_says_which_cell() {
    let refuse = |kind: RowKind, cells: &[(&str, &str)]| {
        let problems = good().with_row(kind, cells, None).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let limit = [
        ("outlet", OUTLET),
        ("factor", "a21026"),
        ("window", "hour"),
        ("value", "low"),
        ("source", "permit"),
    ];
    assert!(refuse(RowKind::Limit, &limit).contains("limits.csv:2: value: `low` is not a decimal number"));
    assert!(refuse(RowKind::Limit, &[]).contains("outlet: is empty"));
    let stranger = [("outlet", "X:1"), ("code", "a21026")];
    assert!(refuse(RowKind::Factor, &stranger).contains("not among the outlets"));
    let formula = [("id", "E9"), ("name", "=cmd|'/c calc'!A1")];
    assert!(refuse(RowKind::Enterprise, &formula).contains("is a formula"));
    let odd = [("id", "E9"), ("name", "甲"), ("colour", "red")];
    assert!(refuse(RowKind::Enterprise, &odd).contains("unknown column"));
}

#[test]
fn formulas_of_a_spreadsheet_are_refused_and_numbers_are_not() {
    let file = |rows: &str| {
        let text = format!("id,name,officer_phone\n{rows}");
        let files = CsvFiles {
            enterprises: Some(CsvFile {
                name: "enterprises.csv",
                text: &text,
            }),
            ..CsvFiles::default()
        };
        Registry::from_csv(&files).map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let refused = file("E1,=HYPERLINK(\"x\"),1\nE2,乙,#REF!\nE3,@SUM(A1),1\nE4,-A1,#N/A\n").unwrap_err();
    let columns: Vec<_> = refused.iter().filter(|line| line.contains("is a formula")).collect();
    assert_eq!(columns.len(), 5, "{refused:#?}");
    assert!(refused[0].starts_with("enterprises.csv:2: name:"), "{refused:#?}");
    let taken = file("E1,甲,+8657188880001\nE2,#2厂,-5\nE3,-,1\n").unwrap();
    assert_eq!(taken.enterprises.len(), 3);
}

#[test]
fn the_sheets_of_a_registry_read_back_as_itself() {
    let base = good();
    let mut again = read(&sheets(&base));
    assert_ne!(again, base, "passwords are masked");
    assert_eq!(again.unmask(&base), Vec::<usize>::new());
    // Reading sorts the limits of a factor as the sheet had them; nothing else may move.
    assert_eq!(again, base);
    let mut stranger = again;
    stranger.sources[0].password = Some(MASK.to_owned());
    assert_eq!(stranger.unmask(&Registry::default()), [0]);
}

#[test]
fn what_differs_is_told_row_by_row() {
    let base = good();
    assert_eq!(base.changes_to(&base, 9).total(), 0);
    let mut next = base.clone();
    next.outlets.remove(1);
    next.sources[0].password = Some("654321".to_owned());
    next.enterprises[1].district = "钱塘区".to_owned();
    let changes = base.changes_to(&next, 100);
    let told: Vec<String> = changes
        .first
        .iter()
        .map(|change| {
            let cells = change.cells.iter();
            let cells = cells.map(|cell| format!("{} {:?}→{:?}", cell.column.0, cell.before, cell.after));
            format!(
                "{} {} {}: {}",
                change.effect,
                change.kind,
                change.name,
                cells.collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    assert!(!told.join("").contains("654321"), "a password is shown");
    assert_eq!(base.changes_to(&next, 1).first.len(), 1);
}

#[test]
fn faults_are_found_in_their_line() {
    let mut all = sheets(&good());
    let (_, limits) = all.iter_mut().find(|(kind, _)| *kind == RowKind::Limit).unwrap();
    *limits = limits.replace("\"35\"", "\"-35\"");
    let mut files = CsvFiles::default();
    for (kind, text) in &all {
        let name = kind.file();
        *files.of_mut(*kind) = Some(CsvFile { name, text });
    }
    let (registry, places) = Registry::from_csv_placed(&files).unwrap();
    let found = registry.check(&Catalogue::embedded().unwrap(), NOW);
    let at: Vec<_> = found.iter().filter_map(|problem| places.of(&problem.path)).collect();
    assert!(at.contains(&("limits.csv", 2)), "{found:#?} {at:?}");
    assert_eq!(places.of("outlet[1].nothing[9]"), Some(("outlets.csv", 3)));
    assert_eq!(places.of("outlet[99]"), None);
}

#[test]
fn what_was_imported_travels_with_the_revision_and_is_no_content() {
    let base = good();
    let hash = base.content_hash();
    let marked = Registry {
        revision: 3,
        imported: Some(ContentId::of(&[b"file"])),
        ..base
    };
    assert_eq!(marked.content_hash(), hash);
    let parts = marked.clone().into_parts(600);
    assert!(parts.len() > 1);
    let mut assembly = plume_schemas::registry::Assembly::default();
    let whole = parts.iter().find_map(|part| assembly.take(part)).unwrap();
    assert_eq!(
        Registry {
            part: Part::WHOLE,
            ..whole
        },
        marked
    );
}

/// Names of rows of one kind differ, or they could not be told apart on a page.
#[test]
fn rows_are_known_by_their_names() {
    let rows = good().rows();
    let names: std::collections::BTreeSet<_> = rows.iter().map(|row: &Row| (row.kind, row.name())).collect();
    assert_eq!(names.len(), rows.len());
}
