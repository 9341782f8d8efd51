//! What can go wrong at an analyser, each with its start and end, so that tests and scores know the truth.

use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use plume_schemas::time::{Span, Time};

/// A fault, from when to when, on which factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The factor whose analyser is at fault; `None`: the whole cabinet or the logger.
    pub factor: Option<FactorCode>,
    /// From when to when.
    pub span: Span,
    /// What goes wrong.
    pub kind: FaultKind,
    /// The flag the device shows meanwhile; `None`: the device does not notice and shows `N`.
    pub flag: Option<Flag>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// The reading stays where it was when the fault began.
    Stuck,
    /// The reading wanders off, in the factor's unit per hour.
    Drift {
        /// Units per hour, signed.
        per_hour: f64,
    },
    /// The reading stands off by this much, in the factor's unit: give it a short span.
    Spike {
        /// Units, signed.
        height: f64,
    },
    /// The reading is zero.
    Zero,
    /// The reading is below zero by this much, with the analyser's own noise on it.
    Negative {
        /// Units below zero.
        depth: f64,
    },
    /// The reading stands at the end of the measuring range.
    OverRange,
    /// Air gets into the sampling line: oxygen rises, concentrations thin out.
    Leak {
        /// Share of air in what the analyser sees, 0 to 1.
        air_fraction: f64,
    },
    /// Zero gas for the first half of the span, span gas (80 % of full scale) for the second.
    Calibration,
    /// The link is down; the logger keeps what it measures and sends it afterwards.
    LinkDown,
    /// The logger is without power: nothing is measured and nothing is sent.
    PowerOff,
    /// The logger's clock is off.
    ClockSkew {
        /// Milliseconds ahead; negative: behind.
        ahead_ms: i64,
    },
}

impl FaultKind {
    /// The name in labels and reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Drift { .. } => "drift",
            Self::Spike { .. } => "spike",
            Self::Zero => "zero",
            Self::Negative { .. } => "negative",
            Self::OverRange => "over_range",
            Self::Leak { .. } => "leak",
            Self::Calibration => "calibration",
            Self::LinkDown => "link_down",
            Self::PowerOff => "power_off",
            Self::ClockSkew { .. } => "clock_skew",
        }
    }

    /// The flag an attentive device shows during it.
    pub const fn usual_flag(self) -> Option<Flag> {
        match self {
            Self::OverRange => Some(Flag::OverRange),
            Self::Calibration => Some(Flag::Calibration),
            _ => None,
        }
    }
}

impl Fault {
    /// A fault of one factor's analyser, with the flag an attentive device would show.
    pub fn on(factor: FactorCode, kind: FaultKind, span: Span) -> Self {
        Self {
            factor: Some(factor),
            span,
            kind,
            flag: kind.usual_flag(),
        }
    }

    /// A fault of the whole cabinet or of the logger.
    pub fn whole(kind: FaultKind, span: Span) -> Self {
        Self {
            factor: None,
            span,
            kind,
            flag: kind.usual_flag(),
        }
    }

    /// True when it touches `factor` at `at`.
    pub fn hits(&self, factor: FactorCode, at: Time) -> bool {
        self.span.contains(at) && self.factor.is_none_or(|own| own == factor)
    }
}

/// The truth about a stretch of a plant's data, for tests and for `plume score`.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Which factor; `None`: all.
    pub factor: Option<FactorCode>,
    /// From when to when.
    pub span: Span,
    /// `upset` for a true rise of emissions, else the code of the fault.
    pub code: &'static str,
}
