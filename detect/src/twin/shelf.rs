//! The fingerprints of one factor and window, and which of them may be like a new one: those that share four characters
//! in a row somewhere. An hour of equal minutes has ten in a row, so one group of four that is aligned lies within it.

use std::collections::HashMap;

use plume_schemas::ids::OutletId;

use super::Print;
use crate::rules::twin::{NOTHING, SAMPLES};

/// Characters looked up together.
const GROUP: usize = 4;
const GROUPS: usize = SAMPLES / GROUP;
/// No fingerprint has this place: the end of a chain.
const NONE: u32 = u32::MAX;
/// More fingerprints than this share a group: what so many have in common is no sign of a copy. A copy of an hour that
/// moves has other groups, which nobody else has.
pub(super) const MAX_SHARED: usize = 256;

/// Where a group stands, and its characters.
type Key = (u8, [u8; GROUP]);

/// Fingerprints by outlet, and chains of those that share a group.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    prints: Vec<Print>,
    places: HashMap<OutletId, u32>,
    heads: HashMap<Key, u32>,
    next: Vec<[u32; GROUPS]>,
}

impl Shelf {
    /// The outlet's fingerprint.
    pub(super) fn of(&self, outlet: OutletId) -> Option<&Print> {
        self.prints.get(usize::try_from(*self.places.get(&outlet)?).ok()?)
    }

    /// Shows each fingerprint that shares a group with this one, once.
    pub(super) fn near(&self, print: &Print, mut show: impl FnMut(&Print)) {
        let mut shared: Vec<u32> = Vec::new();
        for (group, key) in groups(print) {
            let mut place = self.heads.get(&key).copied().unwrap_or(NONE);
            for _ in 0..MAX_SHARED {
                let Some(next) = usize::try_from(place).ok().and_then(|place| self.next.get(place)) else {
                    break;
                };
                shared.push(place);
                place = next[group];
            }
        }
        shared.sort_unstable();
        shared.dedup();
        let shared = shared
            .into_iter()
            .filter_map(|place| self.prints.get(usize::try_from(place).ok()?));
        shared.for_each(&mut show);
    }

    pub(super) fn put(&mut self, print: Print) {
        let Ok(place) = u32::try_from(self.prints.len()) else {
            return;
        };
        let mut next = [NONE; GROUPS];
        for (group, key) in groups(&print) {
            next[group] = self.heads.insert(key, place).unwrap_or(NONE);
        }
        self.places.insert(print.outlet, place);
        self.next.push(next);
        self.prints.push(print);
    }
}

/// The groups of a fingerprint that are complete.
fn groups(print: &Print) -> impl Iterator<Item = (usize, Key)> {
    let (groups, _) = print.letters.as_chunks::<GROUP>();
    let complete = (0_u8..).zip(groups).filter(|(_, group)| !group.contains(&NOTHING));
    complete.map(|(place, group)| (usize::from(place), (place, *group)))
}
