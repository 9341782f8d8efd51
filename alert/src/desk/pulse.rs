//! Signs of life: which devices speak, and how far the log has come. Kept in memory, filled from the log.

use std::collections::{HashMap, HashSet};

use plume_schemas::entry::{EntryBody, PresenceState};
use plume_schemas::ids::{Mn, OutletId};
use plume_schemas::registry::{RegistryIndex, Source};
use plume_schemas::time::{MINUTE_MS, Time};

use crate::accounts::{Scope, Viewer};

/// A device that sends every minute is late after this long.
const LATE_LEAST_MS: i64 = 5 * MINUTE_MS;

/// What is known of one device.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Its last packet or link, by our clock.
    at: Time,
    /// Its link is up.
    here: bool,
}

/// How a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    /// Without a link, or never heard.
    Offline,
    /// Linked, and silent for more than two of its intervals.
    Late,
    /// Linked, and heard in time.
    Online,
}

/// How many devices are how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Devices {
    /// Linked, and heard in time.
    pub(crate) online: u64,
    /// Linked, and silent for more than two of its intervals.
    pub(crate) late: u64,
    /// Without a link, or never heard.
    pub(crate) offline: u64,
}

/// The signs of life.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    heard: HashMap<Mn, Heard>,
    last: Option<Time>,
}

impl Pulse {
    /// Takes a record of the log.
    pub(crate) fn observe(&mut self, body: &EntryBody) {
        let at = body.received_at();
        match body {
            EntryBody::Report(report) => self.hear(report.origin.mn, at, true),
            EntryBody::Presence(presence) => match presence.state {
                PresenceState::Came => self.hear(presence.mn, at, true),
                PresenceState::Gone => self.hear(presence.mn, at, false),
                PresenceState::Spooling | PresenceState::Drained => {}
            },
            EntryBody::Tick(_)
            | EntryBody::ClockStep(_)
            | EntryBody::Registry(_)
            | EntryBody::Mark(_)
            | EntryBody::Check(_)
            | EntryBody::Recomputed(_) => {}
        }
        // A registry is imported by another clock, before the first record of an ingest.
        if !matches!(
            body,
            EntryBody::Registry(_) | EntryBody::Mark(_) | EntryBody::Check(_) | EntryBody::Recomputed(_)
        ) {
            self.last = self.last.max(Some(at));
        }
    }

    fn hear(&mut self, mn: Mn, at: Time, here: bool) {
        let heard = self.heard.entry(mn).or_insert(Heard { at, here });
        if at >= heard.at {
            *heard = Heard { at, here };
        }
    }

    /// When the last record was written.
    pub(crate) fn last_record(&self) -> Option<Time> {
        self.last
    }

    /// How one device is, and when it was heard last.
    pub(crate) fn life_of(&self, source: &Source, now: Time) -> (Life, Option<Time>) {
        let heard = self.heard.get(&source.mn);
        let life = match heard {
            Some(heard) if heard.here && now.since(heard.at) <= late_after(source) => Life::Online,
            Some(heard) if heard.here => Life::Late,
            _ => Life::Offline,
        };
        (life, heard.map(|heard| heard.at))
    }

    /// The devices a viewer may see, each once, by the registry in force at `now`.
    pub(crate) fn devices(&self, viewer: &Viewer, registry: &RegistryIndex, now: Time) -> Devices {
        let mut devices = Devices::default();
        let mut seen = HashSet::new();
        for source in &registry.registry().sources {
            if source.validity().covers(now) && in_scope(source.outlet, viewer, registry) && seen.insert(source.mn) {
                *match self.life_of(source, now).0 {
                    Life::Online => &mut devices.online,
                    Life::Late => &mut devices.late,
                    Life::Offline => &mut devices.offline,
                } += 1;
            }
        }
        devices
    }
}

fn late_after(source: &Source) -> i64 {
    let interval = i64::from(source.minute_interval_min.unwrap_or(1)) * MINUTE_MS;
    (2 * interval).max(LATE_LEAST_MS)
}

/// True where an outlet lies in the viewer's scope.
pub(crate) fn in_scope(outlet: OutletId, viewer: &Viewer, registry: &RegistryIndex) -> bool {
    let enterprise = || registry.outlet(outlet).map(|outlet| outlet.enterprise);
    match &viewer.scope {
        Scope::All => true,
        Scope::District(district) => enterprise()
            .and_then(|id| registry.enterprise(id))
            .is_some_and(|enterprise| enterprise.district == *district),
        Scope::Enterprise(own) => enterprise() == Some(*own),
        Scope::Outlets(outlets) => outlets.contains(&outlet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Role;
    use plume_schemas::entry::{Presence, Tick};
    use plume_schemas::ids::IngestId;
    use plume_schemas::registry::Registry;

    fn registry() -> RegistryIndex {
        let source = |mn: &str, outlet: &str| Source {
            mn: Mn::new(mn).unwrap(),
            password: None,
            st: None,
            outlet: OutletId::new(outlet).unwrap(),
            factors: Vec::new(),
            minute_interval_min: Some(10),
            realtime_interval_s: None,
            data_time_is_end: false,
            valid_from: None,
            valid_to: None,
        };
        RegistryIndex::new(Registry {
            // One logger for two outlets is one device.
            sources: vec![source("A", "E:1"), source("A", "E:2"), source("B", "F:1")],
            ..Registry::default()
        })
    }

    fn presence(mn: &str, state: PresenceState, minute: i64) -> EntryBody {
        EntryBody::Presence(Presence {
            mn: Mn::new(mn).unwrap(),
            outlet: OutletId::new("E:1").unwrap(),
            ingest: IngestId::new("i").unwrap(),
            state,
            epoch: 1,
            peer: plume_schemas::ids::Inline::default(),
            received_at: Time(minute * MINUTE_MS),
        })
    }

    fn viewer(scope: Scope) -> Viewer {
        Viewer {
            name: "x".into(),
            role: Role::CityDuty,
            scope,
        }
    }

    #[test]
    fn a_device_is_counted_once_and_by_its_own_interval() {
        let (mut pulse, registry, all) = (Pulse::default(), registry(), viewer(Scope::All));
        pulse.observe(&presence("A", PresenceState::Came, 0));
        let count = |pulse: &Pulse, minute| {
            let devices = pulse.devices(&all, &registry, Time(minute * MINUTE_MS));
            (devices.online, devices.late, devices.offline)
        };
        assert_eq!(count(&pulse, 20), (1, 0, 1));
        assert_eq!(count(&pulse, 21), (0, 1, 1));
        pulse.observe(&presence("A", PresenceState::Gone, 22));
        assert_eq!(count(&pulse, 22), (0, 0, 2));
        let own = viewer(Scope::Outlets(vec![OutletId::new("F:1").unwrap()]));
        assert_eq!(pulse.devices(&own, &registry, Time(0)).offline, 1);
    }

    #[test]
    fn the_log_has_come_as_far_as_its_last_record() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.last_record(), None);
        let tick = |ms| {
            EntryBody::Tick(Tick {
                ingest: IngestId::new("i").unwrap(),
                received_at: Time(ms),
            })
        };
        pulse.observe(&tick(9_000));
        pulse.observe(&tick(4_000));
        pulse.observe(&EntryBody::Registry(Box::default()));
        assert_eq!(pulse.last_record(), Some(Time(9_000)));
    }
}
