//! Analysers that measure in cycles, as the gas chromatograph of NMHC does: a value stands for the minutes until the
//! next.

use crate::minutes::{Change, Made, MinuteStore, Slot};

/// Holds a value that came for the `covers` minutes from `minute` on (since 1970) until its cycle ends, where the
/// device sends one packet a cycle. The minutes between get it with the standing of samples, so that any packet of
/// their own replaces it. True where that changed something of the next hour.
pub(crate) fn hold(store: &mut MinuteStore, (minute, covers, rank): (i64, u8, u8), slot: Slot, cycle_min: u8) -> bool {
    if cycle_min <= covers {
        return false;
    }
    let at = |minute: i64| {
        (
            minute.div_euclid(60),
            usize::try_from(minute.rem_euclid(60)).unwrap_or(0),
        )
    };
    let is_packet = |store: &MinuteStore, minute: i64| {
        let (hour, of_hour) = at(minute);
        store.slot(hour, of_hour).from() == Some(Made::Packet)
    };
    // A device that sends every minute repeats the value itself.
    if is_packet(store, minute - 1) {
        return false;
    }
    let from = Made::Samples;
    let held = match slot {
        Slot::Missing => return false,
        Slot::Excluded { why, .. } => Slot::Excluded { why, from },
        Slot::Value { value, judged, .. } => Slot::Value { value, judged, from },
    };
    let mut reached = false;
    for later in minute + i64::from(covers)..minute + i64::from(cycle_min) {
        if is_packet(store, later) {
            break;
        }
        let (hour, of_hour) = at(later);
        let change = store.put(hour, of_hour, held, rank);
        let changed = matches!(change, Change::New | Change::Revised);
        reached |= changed && hour > minute.div_euclid(60);
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CYCLE: u8 = 15;
    const START: i64 = 29_000_040;

    fn put(store: &mut MinuteStore, minute: i64, value: i64) -> bool {
        let (hour, of_hour) = (minute.div_euclid(60), usize::try_from(minute.rem_euclid(60)).unwrap());
        let slot = Slot::Value {
            value,
            judged: true,
            from: Made::Packet,
        };
        store.put(hour, of_hour, slot, 0);
        hold(store, (minute, 1, 0), slot, CYCLE)
    }

    fn values(store: &MinuteStore) -> Vec<Option<i64>> {
        let slots = (START..START + 120).map(|minute| {
            let of_hour = usize::try_from(minute.rem_euclid(60)).unwrap();
            store.slot(minute.div_euclid(60), of_hour)
        });
        let value = |slot| match slot {
            Slot::Value { value, .. } => Some(value),
            _ => None,
        };
        slots.map(value).collect()
    }

    #[test]
    fn a_value_stands_for_its_cycle_and_no_longer() {
        let mut store = MinuteStore::new();
        let hour = START + (60 - START.rem_euclid(60));
        assert!(!put(&mut store, hour - 40, 7));
        let known = values(&store).iter().flatten().count();
        assert_eq!(known, usize::from(CYCLE));
        assert!(put(&mut store, hour - 5, 8), "it reaches into the next hour");
    }

    proptest! {
        /// One packet a cycle: what the minutes hold does not depend on the order in which the packets come.
        #[test]
        fn order_does_not_matter(
            gaps in prop::collection::vec(8_i64..25, 2..6),
            order in prop::collection::vec(any::<prop::sample::Index>(), 6),
        ) {
            let mut at = START;
            let packets = gaps.iter().zip(1..).map(|(gap, value)| { at += gap; (at, value) });
            let packets: Vec<(i64, i64)> = packets.collect();
            let mut straight = MinuteStore::new();
            for &(minute, value) in &packets {
                put(&mut straight, minute, value);
            }
            let (mut mixed, mut left) = (MinuteStore::new(), packets);
            for index in order {
                if !left.is_empty() {
                    let (minute, value) = left.remove(index.index(left.len()));
                    put(&mut mixed, minute, value);
                }
            }
            for (minute, value) in left {
                put(&mut mixed, minute, value);
            }
            prop_assert_eq!(values(&straight), values(&mixed));
        }
    }
}
