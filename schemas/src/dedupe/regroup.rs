//! The memory over another number of partitions (D7): what is known of a device goes with its outlet.

use std::collections::HashMap;

use super::{Dedupe, Horizons};
use crate::ids::OutletId;

impl Dedupe {
    /// `count` memories of what all of these remember: a device's goes to the one `to` names for its outlet, and to the
    /// last where it names none. Together they answer as these did.
    pub fn regroup(all: Vec<Self>, horizons: Horizons, count: usize, to: impl Fn(OutletId) -> usize) -> Vec<Self> {
        let mut memories: Vec<Self> = (0..count.max(1)).map(|_| Self::new(horizons)).collect();
        let last = memories.len() - 1;
        for old in all {
            let mut adopted = HashMap::new();
            for memory in &mut memories {
                memory.swept_day = memory.swept_day.max(old.swept_day);
            }
            for ((mn, outlet), mut device) in old.devices {
                let place = to(outlet).min(last);
                let memory = &mut memories[place];
                for record in device.streams.iter_mut().flat_map(|stream| &mut stream.records) {
                    let Some(shape) = old.shapes.get(record.shape) else {
                        continue;
                    };
                    let shapes = &mut memory.shapes;
                    let id = *adopted
                        .entry((place, record.shape))
                        .or_insert_with(|| shapes.adopt(shape));
                    shapes.use_once_more(id);
                    record.shape = id;
                }
                memory.devices.insert((mn, outlet), device);
            }
        }
        memories
    }
}
