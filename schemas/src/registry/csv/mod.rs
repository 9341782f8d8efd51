//! A registry from the sheets a bureau keeps: one CSV file for each kind of row, in UTF-8, with English or Chinese
//! column heads in any order. Every row that cannot be taken is reported with its file and line; none is dropped in
//! silence.

mod kind;
mod marks;
mod sheet;

use std::collections::HashMap;

pub use self::kind::RowKind;
pub use self::sheet::is_formula;
use self::sheet::{Row, Sheet};
use super::types::{Contact, ContactRole, Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry};
use super::types::{Source, StopWork};
use crate::decimal::Decimal;
use crate::ids::{EnterpriseId, FactorCode, Mn, OutletId};

/// A file and its text.
#[derive(Clone, Copy, Debug)]
pub struct CsvFile<'a> {
    /// How to call it in messages.
    pub name: &'a str,
    /// What it holds; a byte order mark in front does no harm.
    pub text: &'a str,
}

/// The files of a registry. What is missing adds no rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvFiles<'a> {
    /// `id,name,district,industry,officer,officer_phone,permit_number,permit_valid_to`
    pub enterprises: Option<CsvFile<'a>>,
    /// `enterprise,role,name,phone,email`
    pub contacts: Option<CsvFile<'a>>,
    /// `id,enterprise,number,name,management_class,stack_height_m,shared_stack,trial_until,valid_from,valid_to`
    pub outlets: Option<CsvFile<'a>>,
    /// `outlet,approved,valid_from,valid_to`
    pub stop_work: Option<CsvFile<'a>>,
    /// `outlet,code,unit,range_low,range_high,reference_o2_pct,cycle_min`
    pub factors: Option<CsvFile<'a>>,
    /// `outlet,factor,window,value,basis,source,clause,valid_from,valid_to`
    pub limits: Option<CsvFile<'a>>,
    /// `mn,password,st,outlet,factors,minute_interval_min,realtime_interval_s,data_time_is_end,valid_from,
    /// valid_to`; factors with spaces between
    pub sources: Option<CsvFile<'a>>,
}

/// Something in a file that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {column}{}{message}", if .column.is_empty() { "" } else { ": " })]
pub struct CsvProblem {
    /// Which file.
    pub file: String,
    /// In which line, from 1.
    pub line: u64,
    /// In which column; empty where it is the whole row.
    pub column: String,
    /// What is wrong.
    pub message: String,
}

impl CsvProblem {
    /// What to try.
    pub fn hint(&self) -> String {
        let place = if self.column.is_empty() {
            "the row"
        } else {
            &self.column
        };
        format!(
            "correct {place} in line {} of {} and import again; nothing was imported",
            self.line, self.file
        )
    }
}

impl Registry {
    /// A registry from CSV files. Errors: every problem of every file; a registry is made only where there is none.
    pub fn from_csv(files: &CsvFiles<'_>) -> Result<Self, Vec<CsvProblem>> {
        Self::from_csv_placed(files).map(|(registry, _)| registry)
    }

    /// The same, with the file and line of each row.
    pub fn from_csv_placed(files: &CsvFiles<'_>) -> Result<(Self, Places), Vec<CsvProblem>> {
        let mut import = Import::default();
        for kind in RowKind::ALL {
            import.sheet(*kind, files.of(*kind));
        }
        if import.problems.is_empty() {
            return Ok((import.registry, import.places));
        }
        Err(import.problems)
    }
}

impl<'a> CsvFiles<'a> {
    fn of(&self, kind: RowKind) -> Option<CsvFile<'a>> {
        match kind {
            RowKind::Enterprise => self.enterprises,
            RowKind::Contact => self.contacts,
            RowKind::Outlet => self.outlets,
            RowKind::StopWork => self.stop_work,
            RowKind::Factor => self.factors,
            RowKind::Limit => self.limits,
            RowKind::Source => self.sources,
        }
    }

    /// The place of a kind of row, to be filled.
    pub fn of_mut(&mut self, kind: RowKind) -> &mut Option<CsvFile<'a>> {
        match kind {
            RowKind::Enterprise => &mut self.enterprises,
            RowKind::Contact => &mut self.contacts,
            RowKind::Outlet => &mut self.outlets,
            RowKind::StopWork => &mut self.stop_work,
            RowKind::Factor => &mut self.factors,
            RowKind::Limit => &mut self.limits,
            RowKind::Source => &mut self.sources,
        }
    }
}

/// In which file and line each row of a registry stands.
#[derive(Clone, Debug, Default)]
pub struct Places(HashMap<String, (String, u64)>);

impl Places {
    fn note(&mut self, path: String, row: &Row<'_>) {
        self.0.insert(path, row.place());
    }

    /// File and line of the row that a path of [`Registry::check`] names, or of the one it belongs to.
    pub fn of(&self, path: &str) -> Option<(&str, u64)> {
        let mut path = path;
        loop {
            if let Some((file, line)) = self.0.get(path) {
                return Some((file, *line));
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// A registry that rows are added to.
#[derive(Default)]
pub(super) struct Import {
    pub(super) registry: Registry,
    enterprises: HashMap<EnterpriseId, usize>,
    outlets: HashMap<OutletId, usize>,
    pub(super) problems: Vec<CsvProblem>,
    places: Places,
}

impl Import {
    /// Rows that are added to what there is.
    pub(super) fn onto(registry: Registry) -> Self {
        let (mut enterprises, mut outlets) = (HashMap::new(), HashMap::new());
        for (place, row) in registry.enterprises.iter().enumerate() {
            enterprises.entry(row.id).or_insert(place);
        }
        for (place, row) in registry.outlets.iter().enumerate() {
            outlets.entry(row.id).or_insert(place);
        }
        Self {
            registry,
            enterprises,
            outlets,
            ..Self::default()
        }
    }

    pub(super) fn sheet(&mut self, kind: RowKind, file: Option<CsvFile<'_>>) {
        match kind {
            RowKind::Enterprise => self.enterprises(file),
            RowKind::Contact => self.contacts(file),
            RowKind::Outlet => self.outlets(file),
            RowKind::StopWork => self.stop_work(file),
            RowKind::Factor => self.factors(file),
            RowKind::Limit => self.limits(file),
            RowKind::Source => self.sources(file),
        }
    }

    fn enterprises(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::Enterprise, &mut self.problems, |row| {
            let enterprise = Enterprise {
                id: row.id("id", EnterpriseId::new),
                name: row.text("name"),
                district: row.text("district"),
                industry: row.text("industry"),
                officer: row.text("officer"),
                officer_phone: row.text("officer_phone"),
                contacts: Vec::new(),
                permit_number: row.text("permit_number"),
                permit_valid_to: row.moment("permit_valid_to"),
            };
            if row.good() {
                self.enterprises
                    .entry(enterprise.id)
                    .or_insert(self.registry.enterprises.len());
                let path = format!("enterprise[{}]", self.registry.enterprises.len());
                self.places.note(path, row);
                self.registry.enterprises.push(enterprise);
            }
        });
    }

    fn contacts(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::Contact, &mut self.problems, |row| {
            let id = row.id("enterprise", EnterpriseId::new);
            let contact = Contact {
                role: row.one_of("role", ContactRole::ALL, ContactRole::code, ContactRole::zh),
                name: row.text("name"),
                phone: row.text("phone"),
                email: row.text("email"),
            };
            let place = row.known("enterprise", self.enterprises.get(&id).copied(), "the enterprises");
            if let Some(place) = place
                && let Some(enterprise) = self.registry.enterprises.get_mut(place)
                && row.good()
            {
                let path = format!("enterprise[{place}].contact[{}]", enterprise.contacts.len());
                self.places.note(path, row);
                enterprise.contacts.push(contact);
            }
        });
    }

    fn outlets(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::Outlet, &mut self.problems, |row| {
            let outlet = Outlet {
                id: row.id("id", OutletId::new),
                enterprise: row.id("enterprise", EnterpriseId::new),
                number: row.text("number"),
                name: row.text("name"),
                management_class: row.text("management_class"),
                stack_height_m: row.decimal("stack_height_m"),
                shared_stack: row.text("shared_stack"),
                trial_until: row.moment("trial_until"),
                factors: Vec::new(),
                stop_work: Vec::new(),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            if row.good() {
                self.outlets.entry(outlet.id).or_insert(self.registry.outlets.len());
                let path = format!("outlet[{}]", self.registry.outlets.len());
                self.places.note(path, row);
                self.registry.outlets.push(outlet);
            }
        });
    }

    fn stop_work(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::StopWork, &mut self.problems, |row| {
            let outlet = outlet_of(row, &self.outlets, &mut self.registry);
            let period = StopWork {
                approved: row.yes("approved"),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            if let Some((place, outlet)) = outlet
                && row.good()
            {
                let path = format!("outlet[{place}].stop_work[{}]", outlet.stop_work.len());
                self.places.note(path, row);
                outlet.stop_work.push(period);
            }
        });
    }

    fn factors(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::Factor, &mut self.problems, |row| {
            let outlet = outlet_of(row, &self.outlets, &mut self.registry);
            let factor = FactorSetup {
                code: row.id("code", FactorCode::new),
                unit: Some(row.text("unit")).filter(|unit| !unit.is_empty()),
                range_low: row.decimal("range_low"),
                range_high: row.decimal("range_high"),
                reference_o2_pct: row.decimal("reference_o2_pct"),
                cycle_min: row.number("cycle_min"),
                limits: Vec::new(),
            };
            if let Some((place, outlet)) = outlet
                && row.good()
            {
                let path = format!("outlet[{place}].factor[{}]", outlet.factors.len());
                self.places.note(path, row);
                outlet.factors.push(factor);
            }
        });
    }

    fn limits(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::Limit, &mut self.problems, |row| {
            let outlet = outlet_of(row, &self.outlets, &mut self.registry);
            let code = row.id("factor", FactorCode::new);
            let limit = Limit {
                window: row.one_of("window", LimitWindow::ALL, LimitWindow::code, LimitWindow::zh),
                value: row.decimal("value").unwrap_or_default(),
                basis: match row.text("basis").as_str() {
                    "" => LimitBasis::default_basis(),
                    _ => row.one_of("basis", LimitBasis::ALL, LimitBasis::code, LimitBasis::zh),
                },
                source: row.text("source"),
                clause: row.text("clause"),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            let Some((place, outlet)) = outlet else { return };
            let number = outlet.factors.iter().position(|factor| factor.code == code);
            let number = row.known("factor", number, "the factors of this outlet");
            if let Some(number) = number
                && let Some(factor) = outlet.factors.get_mut(number)
                && row.good()
            {
                let path = format!("outlet[{place}].factor[{number}].limit[{}]", factor.limits.len());
                self.places.note(path, row);
                factor.limits.push(limit);
            }
        });
    }

    fn sources(&mut self, file: Option<CsvFile<'_>>) {
        Sheet::of(file, RowKind::Source, &mut self.problems, |row| {
            let filled = |text: String| Some(text).filter(|text| !text.is_empty());
            let source = Source {
                mn: row.id("mn", Mn::new),
                password: filled(row.text("password")),
                st: filled(row.text("st")),
                outlet: row.id("outlet", OutletId::new),
                factors: row.list(
                    "factors",
                    |text| FactorCode::new(text).ok(),
                    "factor codes with spaces between",
                ),
                minute_interval_min: row.number("minute_interval_min"),
                realtime_interval_s: row.number("realtime_interval_s"),
                data_time_is_end: row.yes("data_time_is_end"),
                valid_from: row.moment("valid_from"),
                valid_to: row.moment("valid_to"),
            };
            row.known("outlet", self.outlets.get(&source.outlet), "the outlets");
            if row.good() {
                let path = format!("source[{}]", self.registry.sources.len());
                self.places.note(path, row);
                self.registry.sources.push(source);
            }
        });
    }
}

/// The outlet a row is about, with its place.
fn outlet_of<'a>(
    row: &mut Row<'_>,
    outlets: &HashMap<OutletId, usize>,
    registry: &'a mut Registry,
) -> Option<(usize, &'a mut Outlet)> {
    let id = row.id("outlet", OutletId::new);
    let place = row.known("outlet", outlets.get(&id).copied(), "the outlets")?;
    Some((place, registry.outlets.get_mut(place)?))
}

/// Decimals of a sheet; Excel writes no exponents into CSV at these sizes.
fn decimal(text: &str) -> Option<Decimal> {
    Decimal::parse(text.as_bytes())
}
