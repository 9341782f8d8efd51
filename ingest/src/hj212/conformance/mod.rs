//! Does a device conform to HJ 212-2025, is it accurate, is it stable? A pure core: its packets go in one by one, a
//! report comes out, for `plume conformance`, the desk and a technician on site.
//!
//! ```text
//! bytes, when they came ─▶ Inspector ─▶ Conformance (JSON, or text in two languages)
//! ```
//!
//! Everything kept is bounded: a device is looked at for a month at most.

mod articles;
mod inspector;
mod numbers;
mod page;
mod report;
mod sent;
mod timing;
mod traits;

use std::collections::BTreeMap;

use plume_schemas::ids::{FactorCode, Mn};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::QuarantineReason;
use plume_schemas::time::Time;

pub use articles::Both;
pub use inspector::Inspector;
pub use page::Page;
pub use report::{
    Checked, Clock, Conformance, Departure, Encryption, FactorSeen, FlowUnit, Gap, Interval, Spoken, Stability, Verdict,
};

/// What is known of the device beside its packets. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// Which device.
    pub mn: Option<Mn>,
    /// Its registered 系统编码.
    pub st: Option<String>,
    /// Seconds between real-time packets.
    pub realtime_interval_s: Option<u32>,
    /// Minutes covered by one minute packet.
    pub minute_interval_min: Option<u8>,
    /// Its DataTime is the end of the period, and registered as such.
    pub data_time_is_end: bool,
    /// Reference oxygen of factors that are corrected, percent.
    pub reference_o2_pct: BTreeMap<FactorCode, f64>,
    /// Data should come encrypted (2025 6.4): the link crosses the internet.
    pub expect_encryption: bool,
}

impl Setup {
    /// What the registry says of a device at a moment.
    pub fn of(mn: Mn, registry: &RegistryIndex, at: Time, expect_encryption: bool) -> Self {
        let mut setup = Self {
            mn: Some(mn),
            expect_encryption,
            ..Self::default()
        };
        for source in registry.sources(mn).filter(|source| source.validity().covers(at)) {
            setup.st = setup.st.or_else(|| source.st.clone());
            setup.realtime_interval_s = setup.realtime_interval_s.or(source.realtime_interval_s);
            setup.minute_interval_min = setup.minute_interval_min.or(source.minute_interval_min);
            setup.data_time_is_end |= source.data_time_is_end;
            let factors = registry
                .outlet(source.outlet)
                .map_or(&[][..], |outlet| outlet.factors.as_slice());
            for factor in factors {
                if let Some(reference) = factor.reference_o2_pct {
                    setup.reference_o2_pct.insert(factor.code, reference.to_f64());
                }
            }
        }
        setup
    }
}

/// A packet, or what came instead of one.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The bytes, in clear where a key opened them.
    pub raw: &'a [u8],
    /// Our clock when they came.
    pub received_at: Time,
    /// They came encrypted.
    pub encrypted: bool,
    /// They were set aside for this reason.
    pub set_aside: Option<QuarantineReason>,
}
