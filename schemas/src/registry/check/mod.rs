//! What is wrong, or only odd, in a registry: every problem with its place, so that one run of `plume check` shows
//! them all.

mod outlets;
mod sources;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use super::{Enterprise, Registry, Validity};
use crate::factors::Catalogue;
use crate::time::Time;

crate::reading::closed! {
    /// How bad a problem is.
    ProblemSeverity {
        /// The registry is refused.
        Error = 1, "error", "错误", "error";
        /// It is taken, and this should be looked at.
        Warning = 2, "warning", "提醒", "warning";
    }
}

/// One thing that is wrong in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: ProblemSeverity,
    /// Where: `outlet[3].factor[1].limit[0]`, counted from 0 in the order of the file.
    pub path: String,
    /// What.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.severity, self.path, self.message, self.hint)
    }
}

impl Registry {
    /// Every problem of the registry as of `now` (permits that are over and limits no longer in force are a matter of
    /// time). Empty: nothing to say. Only [`ProblemSeverity::Error`] refuses it.
    pub fn check(&self, catalogue: &Catalogue, now: Time) -> Vec<Problem> {
        let mut problems = Problems::default();
        enterprises(self, now, &mut problems);
        outlets::check(self, catalogue, now, &mut problems);
        sources::check(self, catalogue, &mut problems);
        problems.0
    }
}

/// Problems as they are found.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(ProblemSeverity::Error, path, message.into(), hint.into());
    }

    fn warning(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(ProblemSeverity::Warning, path, message.into(), hint.into());
    }

    fn add(&mut self, severity: ProblemSeverity, path: &str, message: String, hint: String) {
        self.0.push(Problem {
            severity,
            path: path.to_owned(),
            message,
            hint,
        });
    }

    fn validity(&mut self, path: &str, validity: Validity) {
        if let (Some(from), Some(to)) = (validity.valid_from, validity.valid_to)
            && from >= to
        {
            self.error(
                path,
                format!("valid_to {to} is not after valid_from {from}"),
                "valid_to is the first moment no longer in force; swap or correct them",
            );
        }
    }
}

/// The place of the first row with each key; later rows with the same key are reported by `repeated`.
fn first_places<K: Eq + Hash>(
    keys: impl Iterator<Item = K>,
    mut repeated: impl FnMut(usize, usize, &K),
) -> HashMap<K, usize> {
    let mut first: HashMap<K, usize> = HashMap::new();
    for (place, key) in keys.enumerate() {
        match first.get(&key) {
            Some(&earlier) => repeated(place, earlier, &key),
            None => {
                first.insert(key, place);
            }
        }
    }
    first
}

fn enterprises(registry: &Registry, now: Time, problems: &mut Problems) {
    first_places(registry.enterprises.iter().map(|row| row.id), |place, earlier, id| {
        problems.error(
            &format!("enterprise[{place}]"),
            format!("enterprise {id} is enterprise[{earlier}] already"),
            "keep one of the two; the first one counts",
        );
    });
    for (place, enterprise) in registry.enterprises.iter().enumerate() {
        one_enterprise(enterprise, &format!("enterprise[{place}]"), now, problems);
    }
}

fn one_enterprise(enterprise: &Enterprise, path: &str, now: Time, problems: &mut Problems) {
    if enterprise.name.trim().is_empty() {
        problems.error(path, "the enterprise has no name", "give it the name of its permit");
    }
    if let Some(to) = enterprise.permit_valid_to.filter(|&to| to <= now) {
        problems.warning(
            path,
            format!("the permit ended on {}", to.date()),
            "enter the renewed permit's last day, or check that the plant is closed",
        );
    }
    if enterprise.contacts.is_empty() {
        problems.warning(
            path,
            "the enterprise has no contact",
            "add one: without it nobody can be warned",
        );
    }
    for (place, contact) in enterprise.contacts.iter().enumerate() {
        let path = format!("{path}.contact[{place}]");
        if contact.phone.is_empty() && contact.email.is_empty() {
            problems.warning(
                &path,
                format!("{} has neither phone nor email", contact.name),
                "add one of them",
            );
        }
        if !contact.email.is_empty() && !contact.email.contains('@') {
            problems.error(
                &path,
                format!("`{}` is not a mail address", contact.email),
                "write it as name@host",
            );
        }
    }
}
