//! Many entries in a row, with what the next ones need fetched ahead.
//!
//! With thousands of outlets, waiting for memory is most of what an entry costs: some hundred cache lines, found one
//! from the other, and each wait would begin only when the one before is over. So a little of what the next entries
//! will touch is read beforehand, in three stages one entry apart; within a stage no read depends on another, so their
//! waits pass together and beside the work on the entries before. Reading changes nothing: what is judged is the same.

use plume_schemas::entry::{Entry, EntryBody};
use plume_schemas::report::Report;
use plume_schemas::time::MINUTE_MS;

use super::Engine;
use crate::out::Out;
use crate::outlet::Outlet;
use crate::plan::OutletPlan;

/// Where an entry on its way stands in the engine; none for one that is about no outlet here.
type Place = Option<usize>;

impl Engine {
    /// Takes entries in order, each as [`Engine::step`] does, several times faster where there are many outlets.
    pub fn steps(&mut self, entries: &[Entry], out: &mut Out) {
        let (mut third, mut second): (Place, Place) = (None, None);
        for (number, entry) in entries.iter().enumerate() {
            let coming = |ahead: usize| report(entries.get(number + ahead));
            let first = coming(3).and_then(|report| self.find(report));
            let lines = self.reach(third, coming(2)) ^ self.touch(second, coming(1));
            // Whatever reads nothing would be left out by the compiler.
            std::hint::black_box(lines);
            (third, second) = (first, third);
            self.step(entry, out);
        }
    }

    /// Finds the outlet of a report, and begins to fetch what leads on from there.
    fn find(&self, report: &Report) -> Place {
        let place = *self.places.get(&report.outlet)?;
        let outlet = self.outlets.get(place)?.touch();
        let plan = self.plan.outlets.get(place)?.touch();
        std::hint::black_box(outlet ^ plan ^ self.dedupe.touch_device(report));
        Some(place)
    }

    /// Begins to fetch the factors.
    fn reach(&self, place: Place, report: Option<&Report>) -> u64 {
        let (Some(place), Some(report)) = (place, report) else {
            return 0;
        };
        let outlet = self.outlets.get(place).map_or(0, Outlet::touch_factors);
        let plan = self.plan.outlets.get(place).map_or(0, OutletPlan::touch_factors);
        outlet ^ plan ^ self.dedupe.touch_stream(report)
    }

    /// Begins to fetch minutes, limits, and which packets are known.
    fn touch(&self, place: Place, report: Option<&Report>) -> u64 {
        let (Some(place), Some(report)) = (place, report) else {
            return 0;
        };
        let minute = report.times.measured_at.0.div_euclid(MINUTE_MS);
        let outlet = self.outlets.get(place).map_or(0, |outlet| outlet.touch_minute(minute));
        let plan = self.plan.outlets.get(place).map_or(0, OutletPlan::touch_limits);
        outlet ^ plan ^ self.dedupe.touch_packets(report)
    }
}

fn report(entry: Option<&Entry>) -> Option<&Report> {
    match &entry?.body {
        EntryBody::Report(report) => Some(report),
        _ => None,
    }
}
