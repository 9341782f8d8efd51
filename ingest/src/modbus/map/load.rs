//! Lays a unit's changes over its model, and knows where each key of the result came from.

use plume_schemas::factors::Catalogue;
use toml::{Table as Toml, Value};

use super::check::Checker;
use super::file::ModelFile;
use super::model::Model;
use super::problem::{MapFile, MapProblem};

/// Reads one model file by itself. Errors: everything wrong with it.
pub fn load_model(name: &str, text: &str, catalogue: &Catalogue) -> Result<Model, Vec<MapProblem>> {
    let file = MapFile::Model(name.to_owned());
    let base: Toml = text.parse().map_err(|error| vec![MapProblem::syntax(&file, &error)])?;
    Merged::new(base, (file, String::new()), None).load(catalogue)
}

/// A model with the changes of one unit laid over it, and where each key came from.
pub(super) struct Merged {
    table: Toml,
    base: (MapFile, String),
    over: Option<(MapFile, String, Toml)>,
    /// For each register of `table`: its place in the model and in the changes.
    registers: Vec<(Option<usize>, Option<usize>)>,
}

impl Merged {
    /// Lays `over` over `base`: registers by name, other keys whole.
    pub(super) fn new(mut base: Toml, at: (MapFile, String), over: Option<(MapFile, String, Toml)>) -> Self {
        let count = registers(&base).len();
        let mut origins: Vec<_> = (0..count).map(|i| (Some(i), None)).collect();
        if let Some((.., changes)) = &over {
            for (key, value) in changes {
                if key != "register" {
                    base.insert(key.clone(), value.clone());
                }
            }
            let mut all = registers(&base);
            for (i, change) in registers(changes).into_iter().enumerate() {
                let place = change
                    .get("name")
                    .and_then(|name| all.iter().position(|old| old.get("name") == Some(name)));
                if let Some((place, old)) = place.and_then(|place| Some((place, all.get_mut(place)?))) {
                    old.extend(change);
                    if let Some(origin) = origins.get_mut(place) {
                        origin.1 = Some(i);
                    }
                } else {
                    all.push(change);
                    origins.push((None, Some(i)));
                }
            }
            let all = all.into_iter().map(Value::Table).collect();
            base.insert("register".to_owned(), Value::Array(all));
        }
        Self {
            table: base,
            base: at,
            over,
            registers: origins,
        }
    }

    /// Which file and key a key of the merged table stands in.
    pub(super) fn place(&self, path: &str) -> (MapFile, String) {
        let joined = |(file, prefix): (&MapFile, &str), path: &str| {
            let dot = if prefix.is_empty() || path.is_empty() { "" } else { "." };
            (file.clone(), format!("{prefix}{dot}{path}"))
        };
        let base = (&self.base.0, self.base.1.as_str());
        let Some((over_file, over_at, changes)) = &self.over else {
            return joined(base, path);
        };
        let over = (over_file, over_at.as_str());
        let mut parts = path.splitn(2, '.');
        let (first, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some(index) = first.strip_prefix("register[").and_then(|rest| rest.strip_suffix(']')) else {
            let top = first.split('[').next().unwrap_or_default();
            return joined(if changes.contains_key(top) { over } else { base }, path);
        };
        let index: usize = index.parse().unwrap_or(0);
        let (in_base, in_over) = self.registers.get(index).copied().unwrap_or_default();
        let top = key.split(['.', '[']).next().unwrap_or_default();
        let changed = in_over.filter(|&i| registers(changes).get(i).is_some_and(|change| change.contains_key(top)));
        match (changed, in_base, in_over) {
            (Some(i), ..) | (None, None, Some(i)) => {
                let path = format!("register[{i}].{key}");
                joined(over, path.trim_end_matches('.'))
            }
            (None, base_i, _) => {
                let path = format!("register[{}].{key}", base_i.unwrap_or(index));
                joined(base, path.trim_end_matches('.'))
            }
        }
    }

    /// The checked model.
    pub(super) fn load(self, catalogue: &Catalogue) -> Result<Model, Vec<MapProblem>> {
        let file: ModelFile = match serde_path_to_error::deserialize(Value::Table(self.table.clone())) {
            Ok(file) => file,
            Err(error) => {
                let (file, path) = self.place(&error.path().to_string());
                let inner = error.into_inner();
                let message = inner.message();
                let hint = "deploy/examples/modbus has an example of every key";
                return Err(vec![MapProblem::new(&file, path, message, hint)]);
            }
        };
        let (model, problems) = Checker::check(&self, catalogue, &file);
        if problems.is_empty() { Ok(model) } else { Err(problems) }
    }
}

fn registers(table: &Toml) -> Vec<Toml> {
    let list = table.get("register").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|one| one.as_table().cloned())
        .collect()
}
