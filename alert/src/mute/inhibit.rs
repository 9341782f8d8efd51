//! One case can explain another: then people are told of the cause only.

use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::rule::Severity;
use plume_schemas::time::{Span, Time};

use crate::case::Family;
use crate::notify::Reason;

/// An open case, as far as inhibition asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCase {
    /// Of which outlet.
    pub outlet: OutletId,
    /// Of which factor; `None` for the outlet as a whole.
    pub factor: Option<FactorCode>,
    /// In which district.
    pub district: String,
    /// Told of as what.
    pub family: Family,
    /// How grave.
    pub severity: Severity,
    /// The window judged last.
    pub window: Span,
}

impl OpenCase {
    /// True where `self`, open, makes telling of `other` needless: the platform's fault mutes its devices, a silent
    /// device mutes what its silence looks like, and an exceedance mutes the warning of it.
    pub fn explains(&self, other: &Self) -> bool {
        let same_factor = self.factor.is_none() || self.factor == other.factor;
        match (self.family, other.family) {
            (Family::CommonCause, Family::Offline) => self.district.is_empty() || self.district == other.district,
            (Family::Offline, Family::Quality | Family::Conformance | Family::Drift) => {
                // A missing minute or hour packet explains nothing; a device that is silent altogether does.
                self.severity >= Severity::Urgent && self.outlet == other.outlet && same_factor
            }
            // Of the same hour only: whoever exceeded in the last one wants to save this one all the more.
            (Family::Exceed, Family::Near) => {
                self.outlet == other.outlet && self.factor == other.factor && self.window == other.window
            }
            _ => false,
        }
    }
}

/// True for families that a stopped plant explains.
fn is_standstill(family: Family) -> bool {
    matches!(family, Family::Offline | Family::Quality)
}

/// Why `case` is to be kept quiet at `now`, if it is: an approved stop-work period, or another open case.
pub fn reason(case: &OpenCase, others: &[OpenCase], registry: &RegistryIndex, now: Time) -> Option<Reason> {
    let stopped = is_standstill(case.family)
        && registry.outlet(case.outlet).is_some_and(|outlet| {
            outlet
                .stop_work
                .iter()
                .any(|period| period.approved && period.validity().covers(now))
        });
    if stopped {
        return Some(Reason::StopWork);
    }
    others
        .iter()
        .any(|other| other.explains(case))
        .then_some(Reason::Inhibited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(outlet: &str, factor: Option<&str>, district: &str, family: Family) -> OpenCase {
        OpenCase {
            outlet: OutletId::new(outlet).unwrap(),
            factor: factor.map(|code| FactorCode::new(code).unwrap()),
            district: district.to_owned(),
            family,
            severity: Severity::Urgent,
            window: Span::hour_of(Time(0)),
        }
    }

    #[test]
    fn causes_mute_their_effects_and_nothing_else() {
        let so2 = |family| case("e:DA001", Some("a21026"), "east", family);
        let offline = case("e:DA001", None, "east", Family::Offline);
        let platform = case("e:DA009", None, "", Family::CommonCause);
        assert!(offline.explains(&so2(Family::Quality)));
        assert!(!offline.explains(&so2(Family::Exceed)));
        assert!(!offline.explains(&case("e:DA002", Some("a21026"), "east", Family::Quality)));
        let minutes_missing = OpenCase {
            severity: Severity::Notice,
            ..offline.clone()
        };
        assert!(!minutes_missing.explains(&so2(Family::Quality)));
        assert!(so2(Family::Exceed).explains(&so2(Family::Near)));
        assert!(!so2(Family::Exceed).explains(&case("e:DA001", Some("a21002"), "east", Family::Near)));
        let next_hour = OpenCase {
            window: Span::hour_of(Time(3_600_000)),
            ..so2(Family::Near)
        };
        assert!(!so2(Family::Exceed).explains(&next_hour));
        assert!(platform.explains(&offline));
        assert!(!case("e:DA009", None, "west", Family::CommonCause).explains(&offline));
        assert!(!platform.explains(&so2(Family::Near)));
    }
}
