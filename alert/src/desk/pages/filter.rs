//! What the duty board is asked for: its address, and the choices beside the list.

use plume_schemas::rule::Severity;
use serde::Deserialize;

use crate::case::{Family, State as CaseState};
use crate::desk::auth::Visitor;
use crate::desk::state::DeskState;
use crate::desk::text::{Speaks, Texts, put};
use crate::store::{CaseFilter, Counts, Order};
use crate::words::Lang;

/// What the address of the board may carry.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct BoardQuery {
    severity: Option<String>,
    kind: Option<String>,
    district: Option<String>,
    state: Option<String>,
    /// Which page of the list, from 1.
    pub(super) page: Option<u32>,
    /// The selected case.
    pub(super) case: Option<String>,
    /// What was just done to it.
    pub(super) done: Option<String>,
}

/// Which cases the board can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Live,
    Unacknowledged,
    Retracting,
    Closed,
}

impl BoardQuery {
    fn wanted(&self) -> Wanted {
        match self.state.as_deref() {
            Some("new") => Wanted::Unacknowledged,
            Some("retracting") => Wanted::Retracting,
            Some("closed") => Wanted::Closed,
            _ => Wanted::Live,
        }
    }

    /// The cases asked for.
    pub(super) fn filter(&self) -> CaseFilter {
        let live = CaseState::LIVE.to_vec();
        let (states, acknowledged) = match self.wanted() {
            Wanted::Live => (live, None),
            Wanted::Unacknowledged => (live, Some(false)),
            Wanted::Retracting => (vec![CaseState::Retracting], None),
            Wanted::Closed => (vec![CaseState::Closed, CaseState::Retracted], None),
        };
        CaseFilter {
            states,
            acknowledged,
            families: self.kind.as_deref().and_then(Family::from_code).into_iter().collect(),
            severity_min: self.severity.as_deref().and_then(Severity::from_code),
            district: self.district.clone().filter(|district| !district.is_empty()),
            ..CaseFilter::default()
        }
    }

    /// The same among warnings of running windows; nothing where those are not asked for.
    pub(super) fn running(&self) -> Option<CaseFilter> {
        let filter = self.filter();
        let wanted =
            self.wanted() != Wanted::Closed && (filter.families.is_empty() || filter.families.contains(&Family::Near));
        wanted.then(|| CaseFilter {
            states: vec![CaseState::Open],
            families: vec![Family::Near],
            ..filter
        })
    }

    /// In which order.
    pub(super) fn order(&self) -> Order {
        if self.wanted() == Wanted::Closed {
            Order::Latest
        } else {
            Order::Gravest
        }
    }

    /// The address of the board with one thing changed; another filter begins at the first page.
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut query = self.clone();
        query.page = None;
        query.case = None;
        query.done = None;
        change(&mut query);
        query.address("/")
    }

    /// The address at `path` that asks for the same.
    pub(super) fn address(&self, path: &str) -> String {
        let page = self.page.filter(|&page| page > 1).map(|page| page.to_string());
        let parts = [
            ("severity", self.severity.as_deref()),
            ("kind", self.kind.as_deref()),
            ("district", self.district.as_deref()),
            ("state", self.state.as_deref()),
            ("page", page.as_deref()),
            ("case", self.case.as_deref()),
        ];
        let mut address = path.to_owned();
        for (name, value) in parts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(name);
            address.push('=');
            address.push_str(&encode(value));
        }
        address
    }
}

/// Percent-encodes everything but letters, digits and `-_.`.
pub(super) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// One group of choices.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// Of what.
    pub(super) name: &'static str,
    /// The choices.
    pub(super) choices: Vec<Choice>,
}

/// One choice of a filter.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// The board with it.
    pub(super) href: String,
    /// Its word.
    pub(super) word: String,
    /// How many, or empty.
    pub(super) count: String,
    /// This one.
    pub(super) here: bool,
}

/// All choices beside the list.
pub(super) fn filters(query: &BoardQuery, counts: &Counts, state: &DeskState, visitor: &Visitor) -> Vec<Filter> {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let mut filters = vec![
        by_state(query, counts, t),
        by_severity(query, counts, lang),
        by_kind(query, visitor),
    ];
    let districts = state.districts(&visitor.viewer);
    if districts.len() > 1 {
        let mut choices = vec![choice(
            t.all,
            "",
            query.district.is_none(),
            query.with(|to| to.district = None),
        )];
        choices.extend(districts.into_iter().map(|district| {
            let here = query.district.as_deref() == Some(district.as_str());
            let href = query.with(|to| to.district = Some(district.clone()));
            choice(&district, "", here, href)
        }));
        filters.push(Filter {
            name: t.district,
            choices,
        });
    }
    filters
}

fn choice(word: &str, count: impl Into<String>, here: bool, href: String) -> Choice {
    Choice {
        href,
        word: word.to_owned(),
        count: count.into(),
        here,
    }
}

fn by_state(query: &BoardQuery, counts: &Counts, t: &'static Texts) -> Filter {
    let open: u64 = counts.open.iter().map(|(_, n)| n).sum();
    let live = open + counts.resolved + counts.retracting;
    let wanted = query.wanted();
    let to = |state: Option<&str>| query.with(|to| to.state = state.map(str::to_owned));
    let mut choices = vec![
        choice(t.live_cases, live.to_string(), wanted == Wanted::Live, to(None)),
        choice(
            t.unacknowledged,
            counts.unacknowledged.to_string(),
            wanted == Wanted::Unacknowledged,
            to(Some("new")),
        ),
        choice(t.closed_cases, "", wanted == Wanted::Closed, to(Some("closed"))),
    ];
    // A rare thing to do: where there is none to confirm, nobody is asked to look.
    if counts.retracting > 0 || wanted == Wanted::Retracting {
        let retracting = choice(
            t.retracting_cases,
            counts.retracting.to_string(),
            wanted == Wanted::Retracting,
            to(Some("retracting")),
        );
        choices.insert(2, retracting);
    }
    Filter { name: t.state, choices }
}

fn by_severity(query: &BoardQuery, counts: &Counts, lang: Lang) -> Filter {
    let t = lang.texts();
    let asked = query.severity.as_deref().and_then(Severity::from_code);
    let mut choices = vec![choice(t.all, "", asked.is_none(), query.with(|to| to.severity = None))];
    let mut above = 0;
    for (severity, count) in &counts.open {
        above += count;
        let word = lang.pick(severity.zh(), severity.en());
        let at_least = if *severity == Severity::Exceeded {
            word.to_owned()
        } else {
            put(t.at_least, &[&word])
        };
        let href = query.with(|to| to.severity = Some(severity.code().to_owned()));
        choices.push(choice(&at_least, above.to_string(), asked == Some(*severity), href));
    }
    Filter {
        name: t.severity,
        choices,
    }
}

fn by_kind(query: &BoardQuery, visitor: &Visitor) -> Filter {
    let (lang, t) = (visitor.lang, visitor.lang.texts());
    let asked = query.kind.as_deref().and_then(Family::from_code);
    let leads = visitor.viewer.may(crate::accounts::Action::ViewLeads);
    let mut choices = vec![choice(t.all, "", asked.is_none(), query.with(|to| to.kind = None))];
    choices.extend(
        Family::ALL
            .iter()
            .filter(|family| leads || **family != Family::Lead)
            .map(|family| {
                let href = query.with(|to| to.kind = Some(family.code().to_owned()));
                choice(lang.pick(family.zh(), family.en()), "", asked == Some(*family), href)
            }),
    );
    Filter { name: t.kind, choices }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_what_was_asked_and_no_more() {
        let query = BoardQuery {
            district: Some("江北&x=1".into()),
            page: Some(3),
            ..BoardQuery::default()
        };
        assert_eq!(
            query.address("/parts/list"),
            "/parts/list?district=%E6%B1%9F%E5%8C%97%26x%3D1&page=3"
        );
        assert_eq!(query.with(|to| to.district = None), "/");
    }
}
