//! What is to be expected of the running hour, for whoever asks between two entries. Asking changes nothing.

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::registry::LimitWindow;

use super::Engine;
use crate::number;
use crate::rules::exceed::Period;
use crate::rules::near_hour::Running;
use crate::value::MINUTES;

/// The running hour of one factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HourOutlook {
    /// Probability that the hour's mean will exceed the limit, 0 to 1.
    pub probability: f64,
    /// Projected mean of the hour, in the factor's unit.
    pub projected: f64,
    /// What the minutes left may average at most, in the factor's unit.
    pub headroom: Decimal,
    /// Minutes that can still become valid.
    pub minutes_left: u8,
}

impl Engine {
    /// The outlook of the hour that runs by the judge's clock. `None` where nothing can be said: no limit on hours, too
    /// few minutes, an hour that can no longer become valid, a stack that is not known well enough yet.
    pub fn outlook(&self, outlet: OutletId, factor: FactorCode) -> Option<HourOutlook> {
        let place = *self.places.get(&outlet)?;
        let (state, plan, now) = (self.outlets.get(place)?, self.plan.outlets.get(place)?, self.now()?);
        let i = plan.factors.iter().position(|known| known.code == factor)?;
        let hour = Period::Hour.number(now);
        let limit = plan.factors[i].limit(LimitWindow::Hour, Period::Hour.span(hour).start)?;
        let marked = state.marks.of_hour(factor, hour).any();
        let scan = state.minutes(plan, i).scan(hour, marked, MINUTES, false);
        let running = Running {
            plan,
            factor: &plan.factors[i],
            scan,
            hour,
            since: scan.end,
        };
        let needed = self.settings.window.valid_minutes;
        let outlook = running.outlook(limit, &state.factors[i].series, &self.settings.near, needed)?;
        Some(HourOutlook {
            probability: outlook.probability,
            projected: outlook.projected,
            headroom: number::to_decimal(outlook.headroom),
            minutes_left: outlook.left,
        })
    }
}
