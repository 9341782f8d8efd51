//! One row of the registry, changed as a person changes it: a limit or a device that follows another ends it, what
//! has no time of its own is replaced.

use super::compare::MASK;
use super::csv::{CsvFile, CsvProblem, Import, RowKind};
use super::types::{Limit, Outlet, Registry, Source};
use super::validity::Validity;
use crate::time::Time;

/// The one row of such a sheet stands below its head.
const LINE: u64 = 2;

impl Registry {
    /// The registry with this row, its cells by the names of [`RowKind::columns`].
    ///
    /// Enterprises, outlets and factors are known by their ids: a row with a known one replaces it, and what hangs on
    /// it stays. A limit (of the same mean, kind and source) or a device (of the same outlet, system and factors) ends
    /// those in force when it begins; one that begins when another does replaces it. Contacts and stop-work periods
    /// replace the one of this number, and are added without one. Errors: each cell that cannot be read.
    pub fn with_row(
        self,
        kind: RowKind,
        cells: &[(&str, &str)],
        replaces: Option<usize>,
    ) -> Result<Self, Vec<CsvProblem>> {
        let problem = |column: &str, message: &str| {
            vec![CsvProblem {
                file: kind.file().to_owned(),
                line: LINE,
                column: column.to_owned(),
                message: message.to_owned(),
            }]
        };
        let cell = |name: &str| {
            cells
                .iter()
                .find(|(column, _)| *column == name)
                .map_or("", |(_, text)| text.trim())
        };
        for column in kind.required() {
            if cell(column).is_empty() {
                return Err(problem(column, "is empty and must not be"));
            }
        }
        let mut kept = String::new();
        if kind == RowKind::Source && cell("password") == MASK {
            let known = self.sources.iter().filter(|source| source.mn.as_str() == cell("mn"));
            kept = known
                .filter_map(|source| source.password.clone())
                .next_back()
                .ok_or_else(|| problem("password", "is masked, and no password of this device is on record"))?;
        }
        let unmasked = cells.iter().map(|&(column, text)| match column {
            "password" if !kept.is_empty() => (column, kept.as_str()),
            _ => (column, text),
        });
        let text = sheet(unmasked);
        let mut import = Import::onto(self);
        let name = kind.file();
        import.sheet(kind, Some(CsvFile { name, text: &text }));
        if !import.problems.is_empty() {
            return Err(import.problems);
        }
        let mut registry = import.registry;
        registry.settle(kind, [cell("enterprise"), cell("outlet"), cell("factor")], replaces);
        Ok(registry)
    }

    /// Gives the row that was added last of its kind its place among those before it.
    fn settle(&mut self, kind: RowKind, [enterprise, outlet, factor]: [&str; 3], replaces: Option<usize>) {
        match kind {
            RowKind::Enterprise => replace(
                &mut self.enterprises,
                |one, other| one.id == other.id,
                |new, old| new.contacts = std::mem::take(&mut old.contacts),
            ),
            RowKind::Outlet => replace(
                &mut self.outlets,
                |one, other| one.id == other.id,
                |new, old| {
                    new.factors = std::mem::take(&mut old.factors);
                    new.stop_work = std::mem::take(&mut old.stop_work);
                },
            ),
            RowKind::Contact => {
                let mut owners = self.enterprises.iter_mut();
                if let Some(owner) = owners.find(|row| row.id.as_str() == enterprise) {
                    put(&mut owner.contacts, replaces);
                }
            }
            RowKind::StopWork => {
                if let Some(owner) = self.outlet_mut(outlet) {
                    put(&mut owner.stop_work, replaces);
                }
            }
            RowKind::Factor => {
                if let Some(owner) = self.outlet_mut(outlet) {
                    replace(
                        &mut owner.factors,
                        |one, other| one.code == other.code,
                        |new, old| new.limits = std::mem::take(&mut old.limits),
                    );
                }
            }
            RowKind::Limit => {
                let owner = self.outlet_mut(outlet);
                let setup = owner.and_then(|owner| owner.factors.iter_mut().find(|row| row.code.as_str() == factor));
                if let Some(setup) = setup {
                    succeed(&mut setup.limits);
                }
            }
            RowKind::Source => succeed(&mut self.sources),
        }
    }

    fn outlet_mut(&mut self, id: &str) -> Option<&mut Outlet> {
        self.outlets.iter_mut().find(|row| row.id.as_str() == id)
    }
}

/// A sheet of one row.
fn sheet<'a>(cells: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let (head, row): (Vec<_>, Vec<_>) = cells.map(|(column, text)| (quoted(column), quoted(text))).unzip();
    format!("{}\n{}\n", head.join(","), row.join(","))
}

/// The last row in the place of an earlier one with its id, with what `keeps` takes over from it.
fn replace<T>(rows: &mut Vec<T>, same: impl Fn(&T, &T) -> bool, keeps: impl Fn(&mut T, &mut T)) {
    let Some(mut new) = rows.pop() else { return };
    match rows.iter_mut().find(|old| same(old, &new)) {
        Some(old) => {
            keeps(&mut new, old);
            *old = new;
        }
        None => rows.push(new),
    }
}

/// The last row in the place of this number.
fn put<T>(rows: &mut Vec<T>, replaces: Option<usize>) {
    let last = rows.len().saturating_sub(1);
    if let Some(place) = replaces.filter(|&place| place < last) {
        rows.swap_remove(place);
    }
}

/// A row that is in force for a time, and is followed by another about the same.
trait Spell {
    fn validity(&self) -> Validity;
    fn end_at(&mut self, end: Time);
    fn is_about_the_same(&self, other: &Self) -> bool;
}

impl Spell for Limit {
    fn validity(&self) -> Validity {
        Self::validity(self)
    }

    fn end_at(&mut self, end: Time) {
        self.valid_to = Some(end);
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        (self.window, self.basis, self.source.as_str()) == (other.window, other.basis, other.source.as_str())
    }
}

impl Spell for Source {
    fn validity(&self) -> Validity {
        Self::validity(self)
    }

    fn end_at(&mut self, end: Time) {
        self.valid_to = Some(end);
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        (self.outlet, &self.st, &self.factors) == (other.outlet, &other.st, &other.factors)
    }
}

/// The last row ends those about the same that are in force when it begins; it ends itself where a later one begins.
fn succeed<T: Spell>(rows: &mut Vec<T>) {
    let Some(mut new) = rows.pop() else { return };
    let begin = new.validity().valid_from;
    let replaced = rows
        .iter()
        .position(|row| row.is_about_the_same(&new) && row.validity().valid_from == begin);
    for row in rows.iter_mut() {
        if !row.is_about_the_same(&new) {
            continue;
        }
        let Validity { valid_from, valid_to } = row.validity();
        match (valid_from, begin) {
            (from, Some(begin)) if from < Some(begin) && valid_to.is_none_or(|to| to > begin) => row.end_at(begin),
            (Some(from), _) if Some(from) > begin && new.validity().valid_to.is_none_or(|to| to > from) => {
                new.end_at(from);
            }
            _ => {}
        }
    }
    match replaced.and_then(|place| rows.get_mut(place)) {
        Some(row) => *row = new,
        None => rows.push(new),
    }
}
