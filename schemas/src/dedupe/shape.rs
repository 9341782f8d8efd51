//! Shapes: the list of reading keys of a report, kept once for all reports that share it.

use std::collections::HashMap;

use super::stream::Prints;
use crate::ids::FactorCode;
use crate::reading::{Basis, Reading, Statistic};

/// Number of a shape within one memory.
pub(super) type ShapeId = u32;

/// What makes two readings of one time the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) factor: FactorCode,
    pub(super) statistic: Statistic,
    pub(super) basis: Basis,
    /// Which one of several with the same name in one report (makers' sub-fields all are `Statistic::Other`).
    pub(super) nth: u16,
}

impl Key {
    pub(super) fn of(reading: &Reading, nth: u16) -> Self {
        Self {
            factor: reading.factor,
            statistic: reading.statistic,
            basis: reading.basis,
            nth,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// In the order of the report.
    pub(super) keys: Box<[Key]>,
    /// Places in `keys`, in the order of the keys.
    sorted: Box<[u16]>,
    /// Remembered reports that have it.
    uses: u32,
    print: u64,
}

impl Shape {
    /// The place of a key.
    pub(super) fn place(&self, key: Key) -> Option<usize> {
        let at = |place: u16| self.keys.get(usize::from(place));
        let found = self.sorted.binary_search_by(|&place| at(place).cmp(&Some(&key))).ok()?;
        self.sorted.get(found).map(|&place| usize::from(place))
    }
}

/// All shapes in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    slots: Vec<Option<Shape>>,
    free: Vec<ShapeId>,
    by_print: HashMap<u64, Vec<ShapeId>>,
}

impl Shapes {
    pub(super) fn get(&self, id: ShapeId) -> Option<&Shape> {
        self.slots.get(id as usize)?.as_ref()
    }

    /// The shape of a report, where one in use is it.
    pub(super) fn find(&self, prints: &Prints, readings: &[Reading]) -> Option<ShapeId> {
        let same = |id: &&ShapeId| {
            self.get(**id)
                .is_some_and(|shape| shape.keys.iter().copied().eq(prints.keys(readings)))
        };
        self.by_print.get(&prints.shape)?.iter().find(same).copied()
    }

    /// The shape of a report, made if it is the first of it, with one use more.
    pub(super) fn take(&mut self, prints: &Prints, readings: &[Reading]) -> ShapeId {
        match self.find(prints, readings) {
            Some(id) => {
                self.use_once_more(id);
                id
            }
            None => self.add(prints.keys(readings).collect(), prints.shape, 1),
        }
    }

    pub(super) fn use_once_more(&mut self, id: ShapeId) {
        if let Some(Some(shape)) = self.slots.get_mut(id as usize) {
            shape.uses += 1;
        }
    }

    /// The shape of another memory, without a use of it yet.
    pub(super) fn adopt(&mut self, other: &Shape) -> ShapeId {
        let alike = self.by_print.get(&other.print).into_iter().flatten();
        let mut same = alike.filter(|&&id| self.get(id).is_some_and(|shape| shape.keys == other.keys));
        match same.next() {
            Some(&id) => id,
            None => self.add(other.keys.clone(), other.print, 0),
        }
    }

    pub(super) fn add(&mut self, keys: Box<[Key]>, print: u64, uses: u32) -> ShapeId {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a packet has at most a few thousand readings"
        )]
        let mut sorted: Box<[u16]> = (0..keys.len()).map(|place| place as u16).collect();
        sorted.sort_by_key(|&place| keys.get(usize::from(place)).copied());
        let shape = Shape {
            keys,
            sorted,
            uses,
            print,
        };
        #[expect(clippy::cast_possible_truncation, reason = "fewer shapes than remembered reports")]
        let id = self.free.pop().unwrap_or(self.slots.len() as ShapeId);
        match self.slots.get_mut(id as usize) {
            Some(slot) => *slot = Some(shape),
            None => self.slots.push(Some(shape)),
        }
        self.by_print.entry(print).or_default().push(id);
        id
    }

    /// One use less; the last one frees it.
    pub(super) fn release(&mut self, id: ShapeId) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        let Some(shape) = slot else { return };
        shape.uses -= 1;
        if shape.uses > 0 {
            return;
        }
        let print = shape.print;
        *slot = None;
        self.free.push(id);
        if let Some(ids) = self.by_print.get_mut(&print) {
            ids.retain(|&other| other != id);
            if ids.is_empty() {
                self.by_print.remove(&print);
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let of_keys = |shape: &Shape| shape.keys.len() * (size_of::<Key>() + size_of::<u16>());
        let keys: usize = self.slots.iter().flatten().map(of_keys).sum();
        keys + self.slots.capacity() * size_of::<Option<Shape>>()
            + self.free.capacity() * size_of::<ShapeId>()
            + self.by_print.capacity() * size_of::<(u64, Vec<ShapeId>)>()
    }
}
