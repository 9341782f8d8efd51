//! Names of enterprises, outlets and factors, from the registry and the factor catalogue.

use std::sync::Arc;

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{EnterpriseId, FactorCode, OutletId};
use plume_schemas::reading::Basis;
use plume_schemas::registry::{Enterprise, LimitWindow, RegistryIndex};
use plume_schemas::time::Time;
use plume_schemas::units::Unit;

use super::text::{Speaks, put};
use crate::words::Lang;

/// Everything that has a name, for one request.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    registry: Arc<RegistryIndex>,
    catalogue: &'a Catalogue,
    lang: Lang,
}

/// How an outlet is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutletName {
    /// 排放口编号: `DA001`.
    pub(crate) number: String,
    /// Its own name, where it has one.
    pub(crate) name: String,
}

impl OutletName {
    /// Both in one text.
    pub(crate) fn full(&self) -> String {
        if self.name.is_empty() {
            return self.number.clone();
        }
        format!("{} {}", self.number, self.name)
    }
}

impl<'a> Names<'a> {
    /// The names as of this registry.
    pub(crate) fn new(registry: Arc<RegistryIndex>, catalogue: &'a Catalogue, lang: Lang) -> Self {
        Self {
            registry,
            catalogue,
            lang,
        }
    }

    /// An enterprise, where the registry knows it.
    pub(crate) fn known(&self, id: EnterpriseId) -> Option<&Enterprise> {
        self.registry.enterprise(id)
    }

    /// The enterprise's name, else its code.
    pub(crate) fn enterprise(&self, id: EnterpriseId) -> String {
        self.known(id)
            .map_or_else(|| id.to_string(), |enterprise| enterprise.name.clone())
    }

    /// The outlet's number and name, else its id.
    pub(crate) fn outlet(&self, id: OutletId) -> OutletName {
        self.registry.outlet(id).map_or_else(
            || OutletName {
                number: id.to_string(),
                name: String::new(),
            },
            |outlet| OutletName {
                number: outlet.number.clone(),
                name: outlet.name.clone(),
            },
        )
    }

    /// `SO₂`, `NOx`, else the factor's name in the page's language, else its code.
    pub(crate) fn factor(&self, code: FactorCode) -> String {
        let Some(factor) = self.catalogue.get(code) else {
            return code.to_string();
        };
        if !factor.symbol.is_empty() {
            return factor.symbol.clone();
        }
        match self.lang {
            Lang::Zh => factor.name_zh.clone(),
            Lang::En => factor.name_en.clone(),
        }
    }

    /// The factor with the basis it is judged on: `SO₂（折算）`.
    pub(crate) fn factor_judged(&self, outlet: OutletId, code: FactorCode) -> String {
        let name = self.factor(code);
        let basis = self.basis(outlet, code);
        if basis == Basis::Corrected {
            let t = self.lang.texts();
            return put(t.chart_of, &[&name, &self.lang.pick(basis.zh(), t.corrected)]);
        }
        name
    }

    /// On which basis the factor of the outlet is judged.
    pub(crate) fn basis(&self, outlet: OutletId, code: FactorCode) -> Basis {
        let corrected = self
            .registry
            .factor(outlet, code)
            .is_some_and(|setup| setup.reference_o2_pct.is_some());
        if corrected { Basis::Corrected } else { Basis::Standard }
    }

    /// The concentration limit in force.
    pub(crate) fn limit(&self, outlet: OutletId, factor: FactorCode, window: LimitWindow, at: Time) -> Option<f64> {
        self.registry
            .limit(outlet, factor, window, at)
            .map(|limit| limit.value.to_f64())
    }

    /// The unit of the factor's values at the outlet; empty where nobody knows.
    pub(crate) fn unit(&self, outlet: OutletId, code: FactorCode) -> String {
        let unit = match self
            .registry
            .factor(outlet, code)
            .and_then(|setup| setup.unit.as_deref())
        {
            Some(own) => match Unit::parse(own) {
                Some(unit) => unit,
                None => return own.to_owned(),
            },
            None => match self.catalogue.get(code).and_then(|factor| factor.unit) {
                Some(unit) => unit,
                None => return String::new(),
            },
        };
        self.lang.pick(unit.zh(), unit.en()).to_owned()
    }
}
