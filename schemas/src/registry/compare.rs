//! What a registry says row by row, as its sheets have it, and what one revision says that another does not.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::csv::RowKind;
use super::types::Registry;
use super::validity::parse_moment;

/// What stands for a password wherever a registry is shown; read again, it keeps the password that is on record.
pub const MASK: &str = "******";
/// The column that is masked.
const SECRET: &str = "password";
/// Midnight, as a moment is printed; people write the date alone.
const MIDNIGHT: &str = "T00:00:00.000+08:00";
/// A full minute, likewise.
const FULL_MINUTE: &str = ":00.000+08:00";

/// A row of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub kind: RowKind,
    /// Its cells, in the order of [`RowKind::columns`].
    pub cells: Vec<String>,
}

crate::reading::closed! {
    /// What becomes of a row.
    Effect {
        /// It comes.
        Added = 1, "added", "新增", "added";
        /// It goes.
        Removed = 2, "removed", "删除", "removed";
        /// It says something else.
        Changed = 3, "changed", "修改", "changed";
    }
}

/// A row that one revision has otherwise than another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub kind: RowKind,
    /// What becomes of it.
    pub effect: Effect,
    /// Which row: the cells it is known by.
    pub name: String,
    /// What differs; of a row that comes or goes, every cell that says something and is not in the name.
    pub cells: Vec<ChangedCell>,
}

/// A cell that differs; passwords are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedCell {
    /// Its column: name, and head in Chinese.
    pub column: (&'static str, &'static str),
    /// What it said.
    pub before: String,
    /// What it says.
    pub after: String,
}

/// What differs between two revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows that come, that go, that say something else.
    pub counts: [usize; 3],
    /// The first of them, those that go before all others.
    pub first: Vec<Change>,
}

impl Changes {
    /// Rows that differ.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }
}

impl Row {
    fn new(kind: RowKind, owner: &[(&str, &str)], row: &impl Serialize) -> Self {
        // A row always has a JSON form; see `Registry::to_json`.
        let value = serde_json::to_value(row).unwrap_or_default();
        let cell = |&(column, _): &(&str, &str)| {
            let owner = owner.iter().find(|(name, _)| *name == column);
            owner.map_or_else(|| shown(value.get(column)), |(_, text)| (*text).to_owned())
        };
        let cells = kind.columns().iter().map(cell).collect();
        Self { kind, cells }
    }

    /// What stands in a column; empty where the row has none of this name.
    pub fn cell(&self, column: &str) -> &str {
        let place = self.kind.columns().iter().position(|(name, _)| *name == column);
        place.and_then(|place| self.cells.get(place)).map_or("", String::as_str)
    }

    /// The cells it is known by.
    pub fn name(&self) -> String {
        let keys = self.kind.keys().iter().map(|key| self.cell(key));
        keys.filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn masked(mut self) -> Self {
        let place = self.kind.columns().iter().position(|(name, _)| *name == SECRET);
        if let Some(cell) = place.and_then(|place| self.cells.get_mut(place))
            && !cell.is_empty()
        {
            MASK.clone_into(cell);
        }
        self
    }
}

/// A value as a person writes it in a sheet.
fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) if text.ends_with("+08:00") && parse_moment(text).is_some() => {
            let date = text.strip_suffix(MIDNIGHT);
            date.or_else(|| text.strip_suffix(FULL_MINUTE))
                .unwrap_or(text)
                .to_owned()
        }
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Array(parts)) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            parts.join(" ")
        }
        _ => String::new(),
    }
}

impl Registry {
    /// Its rows as the sheets have them, in the order of the registry, passwords masked.
    pub fn rows(&self) -> Vec<Row> {
        self.bare_rows().into_iter().map(Row::masked).collect()
    }

    fn bare_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for enterprise in &self.enterprises {
            rows.push(Row::new(RowKind::Enterprise, &[], enterprise));
            let owner = [("enterprise", enterprise.id.as_str())];
            let contacts = enterprise.contacts.iter();
            rows.extend(contacts.map(|row| Row::new(RowKind::Contact, &owner, row)));
        }
        for outlet in &self.outlets {
            rows.push(Row::new(RowKind::Outlet, &[], outlet));
            let owner = [("outlet", outlet.id.as_str())];
            let stops = outlet.stop_work.iter();
            rows.extend(stops.map(|row| Row::new(RowKind::StopWork, &owner, row)));
            for factor in &outlet.factors {
                rows.push(Row::new(RowKind::Factor, &owner, factor));
                let owner = [("outlet", outlet.id.as_str()), ("factor", factor.code.as_str())];
                let limits = factor.limits.iter();
                rows.extend(limits.map(|row| Row::new(RowKind::Limit, &owner, row)));
            }
        }
        let sources = self.sources.iter();
        rows.extend(sources.map(|row| Row::new(RowKind::Source, &[], row)));
        rows
    }

    /// What `next` says that this one does not, with the first `most` rows.
    pub fn changes_to(&self, next: &Self, most: usize) -> Changes {
        let mut pairs: BTreeMap<(RowKind, String, usize), [Option<Row>; 2]> = BTreeMap::new();
        for (side, registry) in [self, next].into_iter().enumerate() {
            let mut repeats: BTreeMap<(RowKind, String), usize> = BTreeMap::new();
            for row in registry.bare_rows() {
                // Rows of one name are told apart by their order.
                let repeat = repeats.entry((row.kind, row.name())).or_default();
                let pair = pairs.entry((row.kind, row.name(), *repeat)).or_default();
                if let Some(place) = pair.get_mut(side) {
                    *place = Some(row);
                }
                *repeat += 1;
            }
        }
        let changes = pairs
            .into_iter()
            .filter_map(|((kind, name, _), pair)| change(kind, name, pair));
        let mut changes: Vec<Change> = changes.collect();
        let counts = [Effect::Added, Effect::Removed, Effect::Changed];
        let counts = counts.map(|effect| changes.iter().filter(|change| change.effect == effect).count());
        changes.sort_by_key(|change| change.effect != Effect::Removed);
        changes.truncate(most);
        Changes { counts, first: changes }
    }

    /// Puts the passwords on record in the place of masks; gives the places of sources that had none there.
    pub fn unmask(&mut self, on_record: &Self) -> Vec<usize> {
        let mut lacking = Vec::new();
        for (place, source) in self.sources.iter_mut().enumerate() {
            if source.password.as_deref() != Some(MASK) {
                continue;
            }
            let same = on_record.sources.iter().filter(|known| known.mn == source.mn);
            match same.filter_map(|known| known.password.clone()).next_back() {
                Some(password) => source.password = Some(password),
                None => lacking.push(place),
            }
        }
        lacking
    }
}

fn change(kind: RowKind, name: String, pair: [Option<Row>; 2]) -> Option<Change> {
    let effect = match &pair {
        [None, None] => return None,
        [None, Some(_)] => Effect::Added,
        [Some(_), None] => Effect::Removed,
        [Some(before), Some(after)] if before == after => return None,
        [Some(_), Some(_)] => Effect::Changed,
    };
    let [before, after] = pair;
    let differs: Vec<bool> = (0..kind.columns().len())
        .map(|place| {
            let cell = |row: &Option<Row>| {
                row.as_ref()
                    .map_or("", |row| row.cells.get(place).map_or("", |cell| cell))
                    .to_owned()
            };
            cell(&before) != cell(&after)
        })
        .collect();
    let [before, after] = [before, after].map(|row| row.map(Row::masked));
    let columns = kind.columns().iter().copied().zip(differs);
    let cells = columns.filter(|((column, _), differs)| *differs && !kind.keys().contains(column));
    let cells = cells.map(|(column, _)| {
        let cell = |row: &Option<Row>| {
            row.as_ref()
                .map_or_else(String::new, |row| row.cell(column.0).to_owned())
        };
        ChangedCell {
            column,
            before: cell(&before),
            after: cell(&after),
        }
    });
    Some(Change {
        kind,
        effect,
        name,
        cells: cells.collect(),
    })
}
