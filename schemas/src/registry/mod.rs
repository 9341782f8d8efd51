//! The registry (基础档案): who has which outlets, which devices serve them, what they may emit, from when to when (D8).
//!
//! Its truth is the log: an import or an edit appends a whole [`Registry`] as a new revision to every partition.

mod check;
mod compare;
mod csv;
mod edit;
mod index;
mod parts;
mod types;
mod validity;

pub use check::{Problem, ProblemSeverity};
pub use compare::{Change, ChangedCell, Changes, Effect, MASK, Row};
pub use csv::{CsvFile, CsvFiles, CsvProblem, Places, RowKind, is_formula};
pub use index::{RegistryIndex, Route};
pub use parts::{Assembly, Part};
pub use types::{
    Contact, ContactRole, Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source, StopWork,
};
pub use validity::Validity;

use serde::Serialize;

use crate::ids::ContentId;
use crate::time::Time;

impl Registry {
    /// The registry as JSON, as it stands on the wire.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        json(self)
    }

    /// Gives back the room that reading row by row left in every list: half of the memory of a registry that is kept.
    pub(crate) fn shrink_to_fit(&mut self) {
        for enterprise in &mut self.enterprises {
            enterprise.contacts.shrink_to_fit();
        }
        for outlet in &mut self.outlets {
            outlet
                .factors
                .iter_mut()
                .for_each(|factor| factor.limits.shrink_to_fit());
            outlet.factors.shrink_to_fit();
            outlet.stop_work.shrink_to_fit();
        }
        self.enterprises.shrink_to_fit();
        self.outlets.shrink_to_fit();
        self.sources.shrink_to_fit();
    }

    /// An id of what the registry says, whatever its revision and whenever it was recorded: an import that changes
    /// nothing has the id of the revision in force and need not be recorded. The order of rows counts, because of two
    /// rows the first one does.
    pub fn content_hash(&self) -> ContentId {
        let bare = Bare {
            revision: 0,
            recorded_at: Time::default(),
            enterprise: &self.enterprises,
            outlet: &self.outlets,
            source: &self.sources,
        };
        ContentId::of(&[b"registry", &json(&bare)])
    }
}

#[expect(
    clippy::expect_used,
    reason = "a registry is structs of text and numbers: JSON has a form for each, and a Vec takes any length"
)]
fn json(registry: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(registry).expect("a registry always has a JSON form")
}

/// The JSON form of a registry that was never imported, without a copy of its rows.
#[derive(Serialize)]
struct Bare<'a> {
    revision: u64,
    recorded_at: Time,
    enterprise: &'a [Enterprise],
    outlet: &'a [Outlet],
    source: &'a [Source],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_the_content_alone() {
        let bare: Registry = serde_json::from_str(
            r#"{"enterprise": [{"id": "E", "name": "E"}], "outlet": [{"id": "E:DA001", "enterprise": "E", "number":
                "DA001"}], "source": [{"mn": "M1", "outlet": "E:DA001", "password": "123456"}]}"#,
        )
        .unwrap();
        let recorded = Registry {
            revision: 7,
            recorded_at: Time(1),
            ..bare.clone()
        };
        assert_eq!(bare.content_hash(), ContentId::of(&[b"registry", &bare.to_json()]));
        assert_eq!(recorded.content_hash(), bare.content_hash());
        let other = Registry {
            sources: Vec::new(),
            ..bare.clone()
        };
        assert_ne!(other.content_hash(), bare.content_hash());
    }
}
