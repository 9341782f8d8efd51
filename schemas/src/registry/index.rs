//! The registry made ready for looking up: which outlets a device's factor belongs to, what is in force there.

use std::collections::HashMap;

use super::types::{Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source};
use crate::ids::{EnterpriseId, FactorCode, Mn, OutletId};
use crate::time::Time;

/// A registry with its look-up tables. Building one reads the whole registry; looking up does not.
#[derive(Clone, Debug, Default)]
pub struct RegistryIndex {
    registry: Registry,
    sources: HashMap<Mn, Vec<usize>>,
    outlets: HashMap<OutletId, usize>,
    enterprises: HashMap<EnterpriseId, usize>,
}

/// One outlet a device serves, by one source row.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The row that says so.
    pub source: &'a Source,
    /// The outlet.
    pub outlet: OutletId,
}

impl Route<'_> {
    /// True when readings of `factor` go this way.
    pub fn takes(&self, factor: FactorCode) -> bool {
        self.source.factors.is_empty() || self.source.factors.contains(&factor)
    }
}

impl RegistryIndex {
    /// Builds the tables. Of two rows with the same id the first one counts (`plume check` names the second).
    pub fn new(mut registry: Registry) -> Self {
        registry.shrink_to_fit();
        let mut sources: HashMap<Mn, Vec<usize>> = HashMap::new();
        for (row, source) in registry.sources.iter().enumerate() {
            sources.entry(source.mn).or_default().push(row);
        }
        let mut outlets = HashMap::new();
        for (row, outlet) in registry.outlets.iter().enumerate() {
            outlets.entry(outlet.id).or_insert(row);
        }
        let mut enterprises = HashMap::new();
        for (row, enterprise) in registry.enterprises.iter().enumerate() {
            enterprises.entry(enterprise.id).or_insert(row);
        }
        Self {
            registry,
            sources,
            outlets,
            enterprises,
        }
    }

    /// The registry behind the tables.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// True when the device has any row, in force or not.
    pub fn knows(&self, mn: Mn) -> bool {
        self.sources.contains_key(&mn)
    }

    /// The rows of a device, in force or not: its password and intervals.
    pub fn sources(&self, mn: Mn) -> impl Iterator<Item = &Source> {
        self.sources
            .get(&mn)
            .into_iter()
            .flatten()
            .filter_map(|&row| self.registry.sources.get(row))
    }

    /// The outlets a packet of (MN, ST) is about, by the rows in force at `measured_at` (D7). Systems 44
    /// (electricity) and 45 (working conditions) go to every outlet of the device.
    pub fn routes(&self, mn: Mn, st: &str, measured_at: Time) -> impl Iterator<Item = Route<'_>> {
        self.sources(mn)
            .filter(move |source| {
                let system_fits = matches!(st, "44" | "45" | "") || source.st.as_deref().is_none_or(|own| own == st);
                system_fits && source.validity().covers(measured_at)
            })
            .map(|source| Route {
                source,
                outlet: source.outlet,
            })
    }

    /// An outlet by id.
    pub fn outlet(&self, id: OutletId) -> Option<&Outlet> {
        self.registry.outlets.get(*self.outlets.get(&id)?)
    }

    /// An enterprise by id.
    pub fn enterprise(&self, id: EnterpriseId) -> Option<&Enterprise> {
        self.registry.enterprises.get(*self.enterprises.get(&id)?)
    }

    /// How a factor of an outlet is set up.
    pub fn factor(&self, outlet: OutletId, factor: FactorCode) -> Option<&FactorSetup> {
        self.outlet(outlet)?.factors.iter().find(|setup| setup.code == factor)
    }

    /// The concentration limit in force at `at`; the strictest where several are.
    pub fn limit(&self, outlet: OutletId, factor: FactorCode, window: LimitWindow, at: Time) -> Option<&Limit> {
        self.factor(outlet, factor)?
            .limits
            .iter()
            .filter(|limit| limit.window == window && limit.basis == LimitBasis::Concentration)
            .filter(|limit| limit.validity().covers(at))
            .min_by(|a, b| a.value.compare(b.value))
    }
}
