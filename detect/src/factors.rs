//! The factors of an outlet. Those of outlets that nothing was heard of yet are alike, whatever time has passed: such
//! outlets look at one copy, and have their own from the first packet on. So a registry of ten thousand outlets costs
//! an idle judge next to nothing, and each that speaks what it always did.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::outlet::{Factor, Outlet};
use crate::state::{Persist, Reader, RestoreError, save_list};

/// States of unheard outlets that are looked through for an equal one, the last used first. As many as there are
/// combinations of factors and limits among neighbours; an outlet that finds none keeps what it has.
const LOOKED_THROUGH: usize = 32;

/// Read as a slice; whoever writes has a copy of his own from then on.
#[derive(Clone, Debug)]
pub(crate) enum Factors {
    Own(Vec<Factor>),
    Shared(Arc<[Factor]>),
}

impl Factors {
    /// Those that only this outlet has; none while it has what others have.
    pub(crate) fn own(&self) -> Option<&[Factor]> {
        match self {
            Self::Own(factors) => Some(factors),
            Self::Shared(_) => None,
        }
    }

    /// As a list of its own.
    pub(crate) fn into_own(self) -> Vec<Factor> {
        match self {
            Self::Own(factors) => factors,
            Self::Shared(factors) => factors.to_vec(),
        }
    }
}

impl Default for Factors {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Deref for Factors {
    type Target = [Factor];

    fn deref(&self) -> &[Factor] {
        match self {
            Self::Own(factors) => factors,
            Self::Shared(factors) => factors,
        }
    }
}

impl DerefMut for Factors {
    fn deref_mut(&mut self) -> &mut [Factor] {
        if let Self::Shared(factors) = self {
            *self = Self::Own(factors.to_vec());
        }
        match self {
            Self::Own(factors) => factors,
            // Just replaced.
            Self::Shared(_) => &mut [],
        }
    }
}

impl PartialEq for Factors {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Persist for Factors {
    fn save(&self, to: &mut Vec<u8>) {
        save_list(self, to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Vec::load(from).map(Self::Own)
    }
}

/// What unheard outlets look like. No part of the state: it is found again.
#[derive(Debug, Default)]
pub(crate) struct Unheard {
    /// The last used first.
    known: Vec<Arc<[Factor]>>,
}

impl Unheard {
    /// Lets an outlet that nothing was heard of look at a copy that others look at too.
    pub(crate) fn share(&mut self, outlet: &mut Outlet) {
        let Factors::Own(own) = &mut outlet.factors else {
            return;
        };
        if own.is_empty() || !outlet.devices.iter().all(|device| device.heard.is_none()) {
            return;
        }
        let found = self.known.iter().position(|known| **known == **own);
        let place = found.unwrap_or_else(|| {
            self.known.truncate(LOOKED_THROUGH - 1);
            self.known.push(std::mem::take(own).into());
            self.known.len() - 1
        });
        if let Some(passed) = self.known.get_mut(..=place) {
            passed.rotate_right(1);
        }
        if let Some(known) = self.known.first() {
            outlet.factors = Factors::Shared(Arc::clone(known));
        }
    }
}
