//! Random histories against a model, with crashes, errors and reopening among the operations.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use plume_archive::{Archive, Field, Pushed, QuerySpec, Reader, Table};
use plume_bus::Record;
use plume_bus::fs::{Fault, Loss, SimFs};
use plume_schemas::time::{MINUTE_MS, Time};
use proptest::prelude::*;

use crate::make::*;

const ROOT: &str = "/archive";

#[derive(Clone, Debug)]
enum Step {
    /// A minute of an outlet comes; the same salt is the same value.
    Report {
        number: u32,
        minute: i64,
        salt: u32,
    },
    Write,
    Publish,
    Reopen,
    /// The power goes at the n-th operation of the disk from here.
    CrashAt(u64, u64),
    ErrorAt(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let report =
        (1_u32..4, 0_i64..40, 0_u32..3).prop_map(|(number, minute, salt)| Step::Report { number, minute, salt });
    let step = prop_oneof![
        12 => report,
        2 => Just(Step::Write),
        2 => Just(Step::Publish),
        1 => Just(Step::Reopen),
        1 => (0_u64..30, any::<u64>()).prop_map(|(at, seed)| Step::CrashAt(at, seed)),
        1 => (0_u64..30).prop_map(Step::ErrorAt),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What readings there must be: of each, the values in the order of their revisions.
type Model = BTreeMap<(u32, i64, &'static str), Vec<String>>;

fn told(model: &mut Model, number: u32, minute: i64, salt: u32) {
    for (name, value) in [
        ("a21002 min", format!("30.{salt:02}")),
        ("a21002 avg", format!("31.{salt:02}")),
        ("a21002 max", format!("32.{salt:02}")),
        ("a21002 cou", format!("0.{salt:03}")),
        ("a19001 avg", "8.1".to_owned()),
    ] {
        let values = model.entry((number, minute, name)).or_default();
        if values.last() != Some(&value) {
            values.push(value);
        }
    }
}

struct World {
    disk: SimFs,
    archive: Option<Archive>,
    log: Vec<Record>,
}

impl World {
    /// Opens if need be, and brings the archive to the end of the log.
    fn caught_up(&mut self) -> &mut Archive {
        let mut errors = Vec::new();
        for _ in 0..5 {
            let archive = match self.archive.take() {
                Some(archive) => Ok(archive),
                None => open(Path::new(ROOT), Arc::new(self.disk.clone()), &config()),
            };
            let pushed = archive.and_then(|mut archive| {
                for record in &self.log {
                    while archive.push(record)? == Pushed::Full {
                        archive.write(record.from)?;
                    }
                }
                Ok(archive)
            });
            match pushed {
                Ok(archive) => return self.archive.insert(archive),
                // Whatever it was: power, an error, an archive that stopped.
                Err(error) => {
                    errors.push(error);
                    self.disk.restart(Loss::Process);
                }
            }
        }
        panic!("it never recovers: {errors:?}");
    }

    fn take(&mut self, step: &Step, base: Time) {
        match *step {
            Step::Report {
                number,
                minute: m,
                salt,
            } => {
                let mut report = minute(number, base.plus(m * MINUTE_MS), salt);
                // Each packet differs from every other, as QN makes it in the field.
                report.times.received_at = base.plus(3_600_000);
                report.evidence.packet = plume_schemas::ids::ContentId::of(&[&self.log.len().to_le_bytes()]);
                self.log.push(of_report(self.log.len() as u64, report));
                self.caught_up();
            }
            Step::Write => {
                if self.caught_up().write(REPORTS).is_err() {
                    self.archive = None;
                    self.disk.restart(Loss::Process);
                }
            }
            Step::Publish => {
                if self.caught_up().publish().is_err() {
                    self.archive = None;
                    self.disk.restart(Loss::Process);
                }
            }
            Step::Reopen => {
                self.archive = None;
                self.disk.restart(Loss::Process);
            }
            Step::CrashAt(at, seed) => {
                self.disk.inject(at, Fault::Crash);
                let died = self.caught_up().flush().is_err();
                self.archive = None;
                self.disk
                    .restart(if died { Loss::PowerPartly(seed) } else { Loss::Power });
            }
            Step::ErrorAt(at) => {
                self.disk.inject(at, Fault::Error);
                // Whether it failed or not: the next step opens again, and nothing planned is left over for it.
                drop(self.caught_up().flush());
                self.archive = None;
                self.disk.restart(Loss::Process);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_archive_holds_what_the_model_holds(steps in steps()) {
        let base = at("20261121120000");
        let mut model = Model::new();
        let mut world = World { disk: SimFs::new(), archive: None, log: Vec::new() };
        for step in &steps {
            if let Step::Report { number, minute, salt } = *step {
                told(&mut model, number, minute, salt);
            }
            world.take(step, base);
        }
        world.caught_up().flush().unwrap();
        let reader = Reader::open(Path::new(ROOT), Arc::new(world.disk.clone())).unwrap();

        let mut found: BTreeMap<(String, String, String), BTreeMap<i64, String>> = BTreeMap::new();
        for row in reader.query(&QuerySpec::all(Table::Readings)).unwrap() {
            let row = row.unwrap();
            let text = |place: usize| row[place].to_string();
            let Field::Int(revision) = row[13] else { panic!("{row:?}") };
            let key = (text(2), text(7), format!("{} {}", text(1), text(5)));
            let twice = found.entry(key).or_default().insert(revision, text(8));
            prop_assert!(twice.is_none(), "{row:?} twice");
        }
        let expected: BTreeMap<_, _> = model
            .into_iter()
            .map(|((number, minute, name), values)| {
                let measured = Field::Time(base.plus(minute * MINUTE_MS)).to_string();
                let revisions: BTreeMap<i64, String> = (0..).zip(values).collect();
                ((outlet(number).to_string(), measured, name.to_owned()), revisions)
            })
            .collect();
        prop_assert_eq!(found, expected);

        let mut offsets: Vec<i64> = Vec::new();
        let packets = QuerySpec { columns: vec!["log_offset".into()], ..QuerySpec::all(Table::Packets) };
        for row in reader.query(&packets).unwrap() {
            if let Field::Int(offset) = row.unwrap()[0] {
                offsets.push(offset);
            }
        }
        offsets.sort_unstable();
        prop_assert_eq!(offsets, (0..i64::try_from(world.log.len()).unwrap()).collect::<Vec<_>>());
        prop_assert!(reader.stats().balanced);
        prop_assert_eq!(reader.verify().unwrap().problems, vec![]);
    }
}
