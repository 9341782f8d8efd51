//! Lays a user's file over the defaults and finds every key that is unknown or of the wrong type, with its line.
//!
//! `default.toml` is the schema: it holds every key once, so a key that is not there does not exist.

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::problem::Problem;

/// The user's file over the defaults, and everything wrong with its keys and types.
pub(super) fn merge(defaults: &Table, file: &str, text: &str) -> (Table, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let hint = "see `plume help config`; strings need quotes, keys look like `listen = \"0.0.0.0:9212\"`";
            Problem::at(file, text, offset, error.message().to_owned(), hint.to_owned())
        })
        .collect();
    let mut merged = defaults.clone();
    if problems.is_empty() {
        let mut merger = Merger {
            file,
            text,
            problems: &mut problems,
        };
        merger.table(&mut merged, document.get_ref(), "");
    }
    (merged, problems)
}

/// Where a path such as `ingest.listen` or `outlet[3].factor[1]` stands in a text, as far as the text has it.
pub(crate) fn offset_of(text: &str, path: &str) -> Option<usize> {
    Document::parse(text)?.offset_of(path)
}

/// A parsed text, for looking up many paths: a registry of thousands of outlets has as many lines to name.
#[derive(Debug)]
pub(crate) struct Document<'a>(toml::Spanned<DeTable<'a>>);

impl<'a> Document<'a> {
    /// `None` where the text is no TOML at all.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        DeTable::parse(text).ok().map(Self)
    }

    /// Where a path stands, as far as the text has it.
    pub(crate) fn offset_of(&self, path: &str) -> Option<usize> {
        let document = &self.0;
        let mut parts = path
            .split('.')
            .flat_map(|part| part.split(['[', ']']))
            .filter(|part| !part.is_empty());
        let first = parts.next()?;
        let (key, value) = document.get_ref().iter().find(|(key, _)| key.get_ref() == first)?;
        let (mut found, mut value) = (key.span().start, value);
        for part in parts {
            value = match value.get_ref() {
                DeValue::Table(inner) => {
                    let Some((key, value)) = inner.iter().find(|(key, _)| key.get_ref() == part) else {
                        break;
                    };
                    found = key.span().start;
                    value
                }
                DeValue::Array(items) => {
                    let Some(item) = part.parse().ok().and_then(|at: usize| items.get(at)) else {
                        break;
                    };
                    found = item.span().start;
                    item
                }
                _ => break,
            };
        }
        Some(found)
    }
}

struct Merger<'a> {
    file: &'a str,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Merger<'_> {
    fn table(&mut self, base: &mut Table, user: &DeTable<'_>, prefix: &str) {
        for (key, value) in user {
            let name = key.get_ref().as_ref();
            let path = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}.{name}")
            };
            let Some(default) = base.get_mut(name) else {
                self.unknown(base, &path, name, key.span().start);
                continue;
            };
            match (default, value.get_ref()) {
                (Value::Table(inner), DeValue::Table(given)) => self.table(inner, given, &path),
                (default, given) => {
                    let Some(given) = own(given).filter(|given| fits(default, given)) else {
                        let message = format!("`{path}` must be {}, not {}", kind(default), value.get_ref().type_str());
                        let hint = format!("the default is `{name} = {default}`");
                        self.problems
                            .push(Problem::at(self.file, self.text, value.span().start, message, hint));
                        continue;
                    };
                    *default = given;
                }
            }
        }
    }

    fn unknown(&mut self, base: &Table, path: &str, name: &str, offset: usize) {
        let close = base
            .keys()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(score, _)| *score > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match close {
            Some((_, known)) => format!("did you mean `{known}`?"),
            None => format!(
                "known here: {}",
                base.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        self.problems.push(Problem::at(
            self.file,
            self.text,
            offset,
            format!("unknown key `{path}`"),
            hint,
        ));
    }
}

/// A borrowed value as an owned one; `None` for what no option uses (dates) or what does not fit 64 bits.
fn own(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(digits) => Value::Integer(i64::from_str_radix(digits.as_str(), digits.radix()).ok()?),
        DeValue::Float(digits) => Value::Float(digits.as_str().parse().ok()?),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| own(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(inner) => Value::Table(
            inner
                .iter()
                .map(|(key, value)| Some((key.get_ref().clone().into_owned(), own(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
        DeValue::Datetime(_) => return None,
    })
}

/// Whether a given value has the type of the default (a whole number may stand for a float).
fn fits(default: &Value, given: &Value) -> bool {
    default.same_type(given) || matches!((default, given), (Value::Float(_), Value::Integer(_)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
        Value::Datetime(_) => "a date",
    }
}
