//! A revision in parts: a bureau's registry is larger than one record of the log may be.
//!
//! Each part is a [`Registry`] with some of the rows, all with the same revision and the same time of recording. Parts
//! of one revision stand behind one another in every partition; whoever needs the whole puts them together again.

use serde::{Deserialize, Serialize};

use super::types::Registry;

/// Which part of a revision this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// 0 to `count - 1`.
    pub index: u32,
    /// Parts of the revision.
    pub count: u32,
}

impl Part {
    /// The only part of a revision.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// True for the only part of a revision.
    pub fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl Registry {
    /// Cuts a revision into parts whose rows take at most `most_bytes` of JSON each, in the order of the rows. One row
    /// that is larger alone becomes a part of its own.
    pub fn into_parts(self, most_bytes: usize) -> Vec<Self> {
        let empty = Self {
            revision: self.revision,
            recorded_at: self.recorded_at,
            imported: self.imported,
            ..Self::default()
        };
        let mut cut = Cut {
            most_bytes,
            used: 0,
            parts: vec![empty.clone()],
            empty,
        };
        for enterprise in self.enterprises {
            cut.room_for(&enterprise).enterprises.push(enterprise);
        }
        for outlet in self.outlets {
            cut.room_for(&outlet).outlets.push(outlet);
        }
        for source in self.sources {
            cut.room_for(&source).sources.push(source);
        }
        let mut parts = cut.parts;
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        for (part, index) in parts.iter_mut().zip(0..) {
            part.part = Part { index, count };
        }
        parts
    }
}

struct Cut {
    most_bytes: usize,
    used: usize,
    parts: Vec<Registry>,
    empty: Registry,
}

impl Cut {
    /// The part that takes the row.
    fn room_for(&mut self, row: &impl Serialize) -> &mut Registry {
        // A row always has a JSON form; its length is all that is wanted here, and the comma behind it.
        let bytes = serde_json::to_vec(row).map_or(0, |json| json.len()) + 1;
        if self.used > 0 && self.used + bytes > self.most_bytes {
            self.parts.push(self.empty.clone());
            self.used = 0;
        }
        self.used += bytes;
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }
}

/// Puts the parts of a revision together, in whatever order and however often they come. Only one revision is under
/// way at a time: the first part of another one ends it, so that what an importer left unfinished harms nobody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assembly {
    parts: Vec<Registry>,
}

impl Assembly {
    /// Takes a part; the whole revision once nothing of it is missing.
    pub fn take(&mut self, part: &Registry) -> Option<Registry> {
        if part.part.is_whole() {
            self.parts.clear();
            return Some(part.clone());
        }
        let revision = |part: &Registry| (part.revision, part.recorded_at, part.part.count);
        if self
            .parts
            .first()
            .is_some_and(|first| revision(first) != revision(part))
        {
            self.parts.clear();
        }
        let found = self
            .parts
            .binary_search_by_key(&part.part.index, |known| known.part.index);
        if let Err(place) = found {
            self.parts.insert(place, part.clone());
        }
        if self.parts.len() < usize::try_from(part.part.count).unwrap_or(usize::MAX) {
            return None;
        }
        let mut whole = Registry {
            revision: part.revision,
            recorded_at: part.recorded_at,
            imported: part.imported,
            ..Registry::default()
        };
        for part in self.parts.drain(..) {
            whole.enterprises.extend(part.enterprises);
            whole.outlets.extend(part.outlets);
            whole.sources.extend(part.sources);
        }
        Some(whole)
    }

    /// The parts so far, by number: to be kept in a checkpoint, and given to [`Assembly::take`] again after it.
    pub fn parts(&self) -> &[Registry] {
        &self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EnterpriseId, OutletId};
    use crate::registry::Outlet;
    use crate::time::Time;

    fn registry(outlets: usize, revision: u64) -> Registry {
        let enterprise = EnterpriseId::new("E1").unwrap();
        let outlet = |n: usize| Outlet {
            id: OutletId::new(&format!("E1:DA{n:05}")).unwrap(),
            enterprise,
            number: format!("DA{n:05}"),
            name: "烟囱".to_owned(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: Vec::new(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        };
        Registry {
            revision,
            recorded_at: Time(7),
            outlets: (0..outlets).map(outlet).collect(),
            ..Registry::default()
        }
    }

    #[test]
    fn parts_make_the_whole_in_any_order_and_twice() {
        let whole = registry(1_000, 3);
        let mut parts = whole.clone().into_parts(20_000);
        assert!(parts.len() > 3, "{}", parts.len());
        assert!(parts.iter().all(|part| part.to_json().len() <= 20_000 + 200));
        parts.reverse();
        let mut assembly = Assembly::default();
        let (last, others) = parts.split_last().unwrap();
        for part in others.iter().chain(others) {
            assert_eq!(assembly.take(part), None);
        }
        assert_eq!(assembly.take(last), Some(whole));
        assert_eq!(assembly.parts(), &[]);
    }

    #[test]
    fn a_revision_left_unfinished_is_forgotten() {
        let mut assembly = Assembly::default();
        let unfinished = registry(1_000, 3).into_parts(20_000);
        assert_eq!(assembly.take(&unfinished[0]), None);
        let next = registry(500, 4);
        let parts = next.clone().into_parts(20_000);
        let taken: Vec<_> = parts.iter().filter_map(|part| assembly.take(part)).collect();
        assert_eq!(taken, [next]);
        assert_eq!(
            assembly.take(&registry(1, 5)),
            Some(registry(1, 5)),
            "a small one needs no parts"
        );
    }

    #[test]
    fn a_small_registry_is_one_part_and_the_same_json_as_ever() {
        let small = registry(2, 1);
        assert_eq!(small.clone().into_parts(20_000), vec![small.clone()]);
        assert!(!String::from_utf8(small.to_json()).unwrap().contains("part"));
        assert_eq!(Registry::default().into_parts(10), [Registry::default()]);
    }
}
