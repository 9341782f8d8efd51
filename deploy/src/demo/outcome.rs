//! The closing line, counted from the desk's database.

use std::fmt;

use plume_alert::Desk;
use plume_alert::case::{Family, Outcome as CaseOutcome};
use plume_schemas::time::MINUTE_MS;
use plume_simulator::story::Part;

use super::narrator::duty;
use super::story_end;

/// What came of the story.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Hours warned of.
    warned: usize,
    /// Of these, hours that complied after the enterprise acted.
    avoided: usize,
    /// Of these, hours that exceeded all the same.
    exceeded: usize,
    /// Exceedances found.
    exceedances: usize,
    /// The stuck analyser was found.
    stuck_found: bool,
    /// Minutes between the latest first warning and the end of its hour: the least time anyone had.
    lead_min: i64,
}

/// Counts.
///
/// Only what began within the story: life goes on after it, and 乙 still does nothing.
pub(super) async fn count(desk: &Desk) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut leads = Vec::new();
    for change in desk.store().changes_since(&duty(), 0).await? {
        let case = change.case;
        if case.opened_at >= story_end() {
            continue;
        }
        match case.family {
            Family::Near => {
                outcome.warned += 1;
                outcome.avoided += usize::from(case.outcome == Some(CaseOutcome::Complied));
                outcome.exceeded += usize::from(case.outcome == Some(CaseOutcome::Exceeded));
                leads.push(case.window.end.since(case.opened_at) / MINUTE_MS);
            }
            Family::Exceed => outcome.exceedances += 1,
            Family::Quality => outcome.stuck_found |= case.outlet == Part::Bing.outlet(),
            _ => {}
        }
    }
    outcome.lead_min = leads.into_iter().min().unwrap_or(0);
    Ok(outcome)
}

impl Outcome {
    /// True when 甲 was warned and complied, 乙 was warned and exceeded, and 丙's analyser was found.
    pub(super) fn as_told(&self) -> bool {
        self.warned == 2 && self.avoided == 1 && self.exceeded == 1 && self.exceedances == 1 && self.stuck_found
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "预警{}次，避免超标{}次，提前{}分钟",
            self.warned, self.avoided, self.lead_min
        )?;
        write!(
            f,
            "{} warnings, {} exceedance avoided, at least {} minutes ahead",
            self.warned, self.avoided, self.lead_min
        )
    }
}
