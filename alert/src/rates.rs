//! 传输有效率: how much of what was due came, and how much of that was valid. It is counted from the archive, of which the
//! desk knows nothing: whoever has one counts, the desk asks and shows each person their own.

use std::sync::Arc;

use plume_schemas::ids::{EnterpriseId, FactorCode, OutletId};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::Span;

use crate::accounts::Viewer;

/// Periods of a span: hours, or days, or both together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// That were due: those in which the outlet ran.
    pub due: u32,
    /// Of these, that came.
    pub received: u32,
    /// Of these, that are valid.
    pub valid: u32,
}

impl Share {
    /// 传输率: received of due, percent; `None` where nothing was due.
    pub fn transmission_pct(self) -> Option<f64> {
        percent(self.received, self.due)
    }

    /// 有效率: valid of received, percent.
    pub fn validity_pct(self) -> Option<f64> {
        percent(self.valid, self.received)
    }

    /// 传输有效率: 传输率 × 有效率, percent.
    pub fn effective_pct(self) -> Option<f64> {
        percent(self.valid, self.due)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            due: self.due + other.due,
            received: self.received + other.received,
            valid: self.valid + other.valid,
        }
    }
}

/// Rounded to hundredths, as it is published.
fn percent(part: u32, of: u32) -> Option<f64> {
    (of > 0).then(|| (f64::from(part) / f64::from(of) * 10_000.0).round() / 100.0)
}

/// How a span that runs on will end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// 传输有效率 at its end, if what is to come comes, percent.
    pub effective_pct: f64,
    /// Periods still to come.
    pub left: u32,
    /// Of these, how many may be lost before the pass mark is missed.
    pub spare: u32,
}

/// One pollutant of one outlet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRow {
    /// Which outlet.
    pub outlet: OutletId,
    /// Which pollutant.
    pub factor: FactorCode,
    /// 即时: of what came in time.
    pub immediate: Share,
    /// 补全: of what has come by now.
    pub completed: Share,
    /// Periods in which it stood still; they are in no denominator.
    pub stopped: u32,
    /// Where the span runs on.
    pub forecast: Option<Forecast>,
}

type Count = dyn Fn(Span, Option<OutletId>) -> Result<Vec<RateRow>, String> + Send + Sync;

/// Counts the rates of a span, of one outlet or of all; reads files, so it is called beside the runtime.
#[derive(Clone)]
pub struct RateSource(Arc<Count>);

impl RateSource {
    /// Rates by this function.
    pub fn new(count: impl Fn(Span, Option<OutletId>) -> Result<Vec<RateRow>, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }

    /// The rates of a span.
    pub(crate) fn count(&self, span: Span, outlet: Option<OutletId>) -> Result<Vec<RateRow>, String> {
        (self.0)(span, outlet)
    }
}

impl std::fmt::Debug for RateSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RateSource")
    }
}

/// The rows that a person may see, of one enterprise or of all that are theirs.
pub(crate) fn seen_by(
    rows: Vec<RateRow>,
    viewer: &Viewer,
    registry: &RegistryIndex,
    enterprise: Option<EnterpriseId>,
) -> Vec<RateRow> {
    let of = |outlet| registry.outlet(outlet).map(|outlet| outlet.enterprise);
    rows.into_iter()
        .filter(|row| crate::desk::in_scope(row.outlet, viewer, registry))
        .filter(|row| enterprise.is_none_or(|own| of(row.outlet) == Some(own)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_what_was_due_and_of_nothing_where_nothing_was() {
        let share = Share {
            due: 48,
            received: 47,
            valid: 45,
        };
        let rates = [share.transmission_pct(), share.validity_pct(), share.effective_pct()];
        assert_eq!(rates, [Some(97.92), Some(95.74), Some(93.75)]);
        assert_eq!(Share::default().effective_pct(), None);
        assert_eq!(share.and(share).due, 96);
    }
}
