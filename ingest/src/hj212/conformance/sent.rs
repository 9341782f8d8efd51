//! Departures as they are met: how often each, with the first packet that shows it.

use std::collections::BTreeMap;

use plume_schemas::mask::shown;

use super::articles::Article;
use super::report::Departure;
use crate::hj212::explain::Level;

/// Characters of an example that are kept: the longest packet of the standard has 1036.
const EXAMPLE_CHARS: usize = 1_100;

/// What was met so far, by code.
#[derive(Debug, Default)]
pub(super) struct Met(BTreeMap<&'static str, Departure>);

impl Met {
    /// One more of a kind.
    pub(super) fn add(&mut self, article: &Article, detail: &str, raw: &[u8]) {
        self.add_many(article, 1, detail, raw);
    }

    /// So many more of a kind.
    pub(super) fn add_many(&mut self, article: &Article, count: u64, detail: &str, raw: &[u8]) {
        let met = self.0.entry(article.code).or_insert_with(|| Departure {
            code: article.code,
            level: article.level,
            what: article.what.clone(),
            clause: article.clause,
            count: 0,
            detail: shown(detail.as_bytes()),
            example: shown(raw).chars().take(EXAMPLE_CHARS).collect(),
            change: article.change.clone(),
        });
        met.count += count;
    }

    /// Everything, the worst first and the most frequent of them.
    pub(super) fn sorted(&self) -> Vec<Departure> {
        let mut all: Vec<Departure> = self.0.values().cloned().collect();
        let rank = |level: Level| match level {
            Level::Error => 0,
            Level::Warning => 1,
            Level::Note => 2,
        };
        all.sort_by_key(|one| (rank(one.level), std::cmp::Reverse(one.count), one.code));
        all
    }

    /// The same, to be added to for one report.
    pub(super) fn copied(&self) -> Self {
        Self(self.0.clone())
    }
}
