//! Which value of an hour is judged, and whether one may be (D12): the device's own if it came, else the mean of its
//! minutes, else of minutes made from samples; each step that fails has its reason.

use plume_schemas::judgement::NotJudged;
use plume_schemas::reading::Flag;

use crate::marks::Marked;
use crate::minutes::{Made, MinuteStore, PlainSum, Slot, Why};
use crate::number::{Sum, corrected};
use crate::ring::DeviceValue;

/// Minutes of an hour.
pub(crate) const MINUTES: u8 = 60;

/// What the minutes of an hour add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct HourScan {
    /// Valid minutes from minute packets.
    pub(crate) packets: Sum,
    /// Valid minutes from packets, or from samples where no packet covers them.
    pub(crate) all: Sum,
    /// The oxygen of the minutes of `all`, where it is known.
    pub(crate) oxygen: Sum,
    /// Some of `all` were corrected by plume.
    pub(crate) recomputed: bool,
    /// Minutes for which anything came.
    pub(crate) seen: u8,
    /// Minutes flagged as stopped.
    pub(crate) stopped: u8,
    /// Minutes with another flag, or unreadable.
    pub(crate) flagged: u8,
    /// Minutes that cannot be corrected.
    pub(crate) uncorrectable: u8,
    /// Minutes that lack the oxygen to correct with.
    pub(crate) lacking: u8,
    /// Last minute, 0 to 59, for which anything came, plus one; 0 for none.
    pub(crate) end: u8,
    /// Value of the last valid minute.
    pub(crate) last: Option<i64>,
}

impl HourScan {
    fn of(plain: PlainSum, own: &MinuteStore, hour: i64) -> Self {
        let last = plain
            .end
            .checked_sub(1)
            .map(|minute| own.slot(hour, usize::from(minute)));
        let last = last.and_then(|slot| match slot {
            Slot::Value { value, .. } => Some(value),
            Slot::Missing | Slot::Excluded { .. } => None,
        });
        Self {
            packets: Sum {
                n: plain.packets,
                sum: plain.of_packets,
            },
            all: Sum {
                n: plain.packets + plain.samples,
                sum: plain.of_packets + plain.of_samples,
            },
            seen: u8::try_from(plain.packets + plain.samples).unwrap_or(MINUTES),
            end: plain.end,
            last,
            ..Self::default()
        }
    }

    /// Minutes for which something came that does not count.
    pub(crate) fn unfit(&self) -> u8 {
        self.stopped + self.flagged + self.uncorrectable
    }
}

/// Where the minutes come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Minutes<'a> {
    pub(crate) own: Option<&'a MinuteStore>,
    pub(crate) oxygen: Option<&'a MinuteStore>,
    pub(crate) reference_o2: Option<i64>,
}

impl Minutes<'_> {
    /// The oxygen of a minute, where it is valid.
    pub(crate) fn oxygen(&self, hour: i64, minute: usize) -> Option<i64> {
        match self.oxygen?.slot(hour, minute) {
            Slot::Value { value, .. } => Some(value),
            Slot::Missing | Slot::Excluded { .. } => None,
        }
    }

    /// Adds up the first `limit` minutes of an hour, leaving marked ones out. The oxygen is added up only where
    /// `oxygen` asks
    /// for it; what corrects a minute is looked up anyway.
    pub(crate) fn scan(&self, hour: i64, marked: u64, limit: u8, oxygen: bool) -> HourScan {
        let mut scan = HourScan::default();
        let Some(own) = self.own else { return scan };
        let plain = (marked == 0 && !oxygen).then(|| own.plain_sum(hour, limit)).flatten();
        if let Some(plain) = plain {
            return HourScan::of(plain, own, hour);
        }
        own.each(hour, limit, |minute, slot| {
            scan.seen += 1;
            scan.end = u8::try_from(minute + 1).unwrap_or(MINUTES);
            if marked >> minute & 1 == 0 {
                self.add(&mut scan, slot, (hour, minute), oxygen);
            }
        });
        scan
    }

    fn add(&self, scan: &mut HourScan, slot: Slot, (hour, minute): (i64, usize), sum_oxygen: bool) {
        let (value, judged, from) = match slot {
            Slot::Missing => return,
            Slot::Excluded {
                why: Why::Flag(Flag::Stopped),
                ..
            } => return scan.stopped += 1,
            Slot::Excluded {
                why: Why::NoCorrection, ..
            } => return scan.uncorrectable += 1,
            Slot::Excluded { .. } => return scan.flagged += 1,
            Slot::Value { value, judged, from } => (value, judged, from),
        };
        let needs_oxygen = !judged && self.reference_o2.is_some();
        let oxygen = if needs_oxygen || sum_oxygen {
            self.oxygen(hour, minute)
        } else {
            None
        };
        let value = match (judged, self.reference_o2, oxygen) {
            (true, ..) | (_, None, _) => value,
            (false, Some(_), None) => return scan.lacking += 1,
            (false, Some(reference), Some(oxygen)) => match corrected(value, oxygen, reference) {
                Some(value) => {
                    scan.recomputed = true;
                    value
                }
                None => return scan.uncorrectable += 1,
            },
        };
        if let Some(oxygen) = oxygen.filter(|_| sum_oxygen) {
            scan.oxygen.add(oxygen);
        }
        if from == Made::Packet {
            scan.packets.add(value);
        }
        scan.all.add(value);
        scan.last = Some(value);
    }
}

/// Which data gave the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The device's hour packet.
    Hour,
    /// The device's hour packet, corrected by plume with the hour's oxygen.
    HourCorrected,
    /// Minute packets.
    Minutes,
    /// Minute packets, and samples where there are none.
    Samples,
}

impl Source {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Hour | Self::HourCorrected => "device_hour",
            Self::Minutes => "device_minutes",
            Self::Samples => "device_samples",
        }
    }
}

/// The value of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourValue {
    pub(crate) source: Source,
    /// Exact: one value of the device, or the sum of minutes.
    pub(crate) sum: Sum,
}

/// What a choice needs to know of an hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HourFacts {
    pub(crate) scan: HourScan,
    pub(crate) device: Option<DeviceValue>,
    /// The device's own oxygen of the hour, where it is valid.
    pub(crate) device_oxygen: Option<i64>,
    pub(crate) reference_o2: Option<i64>,
    pub(crate) marked: Marked,
    /// Minutes in which plume was not listening.
    pub(crate) deaf: u8,
    /// Minutes an hour needs.
    pub(crate) needed: u8,
}

impl HourFacts {
    /// The value to judge, or why there is none. A function of what came, not of its order.
    pub(crate) fn choose(&self) -> Result<HourValue, NotJudged> {
        let allowed = u32::from(MINUTES.saturating_sub(self.needed));
        if self.marked.stop_work.count_ones() > allowed {
            return Err(NotJudged::StopWork);
        }
        if self.marked.stopped.count_ones() > allowed {
            return Err(NotJudged::Stopped);
        }
        if self.marked.any().count_ones() > allowed {
            return Err(NotJudged::Marked);
        }
        // A device's hour contains the marked minutes, so it cannot be judged; the minutes that are left can.
        if self.marked.any() == 0
            && let Some(choice) = self.device.and_then(|device| self.of_device(device))
        {
            return choice;
        }
        self.of_minutes()
    }

    /// `None` where the device's hour decides nothing: it came without a flag.
    fn of_device(&self, device: DeviceValue) -> Option<Result<HourValue, NotJudged>> {
        match (device.why != 0).then(|| Why::from_number(device.why)) {
            Some(Why::Flag(Flag::Missing)) => return None,
            Some(Why::Flag(Flag::Stopped)) => return Some(Err(NotJudged::Stopped)),
            Some(Why::NoCorrection) => return Some(Err(NotJudged::NoCorrection)),
            Some(Why::Flag(_) | Why::Unreadable) => return Some(Err(NotJudged::TooFewValid)),
            None => {}
        }
        if self.scan.unfit() > MINUTES.saturating_sub(self.needed) {
            // The device calls its hour normal, but sent more unfit minutes than an hour may have.
            return Some(Err(self.lack()));
        }
        let value = device.value.millionths();
        Some(match (device.to_correct, self.reference_o2, self.device_oxygen) {
            (false, ..) | (_, None, _) => Ok(single(Source::Hour, value)),
            (true, Some(_), None) => {
                return self
                    .of_minutes()
                    .map_or(Some(Err(NotJudged::MissingInput)), |own| Some(Ok(own)));
            }
            (true, Some(reference), Some(oxygen)) => corrected(value, oxygen, reference)
                .map(|value| single(Source::HourCorrected, value))
                .ok_or(NotJudged::NoCorrection),
        })
    }

    fn of_minutes(&self) -> Result<HourValue, NotJudged> {
        let needed = u32::from(self.needed);
        if self.scan.packets.n >= needed {
            return Ok(HourValue {
                source: Source::Minutes,
                sum: self.scan.packets,
            });
        }
        if self.scan.all.n >= needed {
            return Ok(HourValue {
                source: Source::Samples,
                sum: self.scan.all,
            });
        }
        Err(self.lack())
    }

    /// Why minutes are lacking: the greatest cause, so that one bad minute does not name the hour.
    fn lack(&self) -> NotJudged {
        let allowed = MINUTES.saturating_sub(self.needed);
        if self.marked.any() != 0 {
            NotJudged::Marked
        } else if self.scan.stopped > allowed {
            NotJudged::Stopped
        } else if self.scan.uncorrectable > allowed {
            NotJudged::NoCorrection
        } else if self.scan.lacking > allowed {
            NotJudged::MissingInput
        } else if self.deaf > allowed && self.scan.unfit() <= allowed {
            NotJudged::PlatformSide
        } else if self.scan.seen == 0 {
            NotJudged::NoData
        } else {
            NotJudged::TooFewValid
        }
    }
}

fn single(source: Source, value: i64) -> HourValue {
    HourValue {
        source,
        sum: Sum { n: 1, sum: value },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The fast way of adding up says what the careful one says.
        #[test]
        fn plain_sums_are_the_careful_ones(
            puts in prop::collection::vec((0_usize..60, 0_i64..5_000, any::<bool>()), 0..90),
            limit in 0_u8..=60,
        ) {
            let mut store = MinuteStore::new();
            for (minute, value, packet) in puts {
                let from = if packet { Made::Packet } else { Made::Samples };
                store.put(7, minute, Slot::Value { value: value * 10_000, judged: true, from }, 0);
            }
            let minutes = Minutes { own: Some(&store), oxygen: None, reference_o2: None };
            // A mark beyond the hour's sixty minutes makes the careful way be taken.
            let careful = minutes.scan(7, 1 << 63, limit, false);
            prop_assert_eq!(minutes.scan(7, 0, limit, false), careful);
        }
    }
}
