//! Plants: seeded, sans-IO, pure. What a plant shows at a moment depends on its spec, its seed, what the enterprise
//! did before that moment, and nothing else: not on when or how often it is asked.

mod analyser;
mod fault;
mod process;
mod spec;

pub use analyser::Channel;
pub use fault::{Fault, FaultKind, Label};
pub use process::{Action, Truth};
pub use spec::{AnalyserSpec, LoadSpec, PlantSpec, PollutantSpec, Reserve, StackSpec, Upset};

pub(crate) use process::AIR_O2_PCT;

use analyser::Analysers;
use plume_schemas::time::{SECOND_MS, Time};
use process::Process;

/// Instruments are read every 5 s, the longest step annex D of HJ 212-2017 allows for a minute mean.
pub const SAMPLE_STEP_MS: i64 = 5 * SECOND_MS;
const SAMPLE_STEP_S: f64 = 5.0;

/// What is and what the instruments show, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The moment, on the 5 s grid.
    pub at: Time,
    /// What is.
    pub truth: Truth,
    /// What the instruments show, in the order of the spec.
    pub channels: Vec<Channel>,
}

/// A running plant.
#[derive(Clone, Debug)]
pub struct Plant {
    spec: PlantSpec,
    seed: u64,
    actions: Vec<(Time, Action)>,
    running: Running,
}

#[derive(Clone, Debug)]
struct Running {
    step: i64,
    process: Process,
    analysers: Analysers,
    sample: Sample,
}

impl Running {
    /// The plant at its origin.
    fn start(spec: &PlantSpec, seed: u64, actions: &[(Time, Action)]) -> Self {
        let mut running = Self {
            step: -1,
            process: Process::new(spec, seed),
            analysers: Analysers::new(spec, seed),
            sample: Sample {
                at: spec.origin,
                truth: Truth::default(),
                channels: Vec::new(),
            },
        };
        running.advance(spec, actions);
        running
    }

    fn advance(&mut self, spec: &PlantSpec, actions: &[(Time, Action)]) {
        self.step += 1;
        let at = spec.origin.plus(self.step * SAMPLE_STEP_MS);
        let before = at.plus(-SAMPLE_STEP_MS);
        for (done_at, action) in actions {
            let first_step = self.step == 0 && *done_at <= at;
            if first_step || (before < *done_at && *done_at <= at) {
                self.process.act(spec, *action, *done_at);
            }
        }
        let truth = self.process.step(spec, at);
        let channels = self.analysers.step(spec, &truth, at);
        self.sample = Sample { at, truth, channels };
    }
}

impl Plant {
    /// A plant in its steady state at `spec.origin`.
    pub fn new(spec: PlantSpec, seed: u64) -> Self {
        let running = Running::start(&spec, seed, &[]);
        Self {
            spec,
            seed,
            actions: Vec::new(),
            running,
        }
    }

    /// The plant's spec.
    pub fn spec(&self) -> &PlantSpec {
        &self.spec
    }

    /// The plant at `at` (floored to the 5 s grid from its origin; the origin itself for anything before). Going
    /// forward costs one step for each 5 s passed, about 17 000 for a day; going back starts again from the origin.
    pub fn at(&mut self, at: Time) -> &Sample {
        let wanted = at.since(self.spec.origin).div_euclid(SAMPLE_STEP_MS).max(0);
        if wanted < self.running.step {
            self.running = Running::start(&self.spec, self.seed, &self.actions);
        }
        while self.running.step < wanted {
            self.running.advance(&self.spec, &self.actions);
        }
        &self.running.sample
    }

    /// The enterprise acts at `at`. What has already been seen does not change: an action in the past takes effect
    /// from the next step on.
    pub fn steer(&mut self, action: Action, at: Time) {
        let at = at.max(self.running.sample.at.plus(1));
        self.actions.push((at, action));
    }

    /// The truth about this plant's data: its upsets and faults.
    pub fn labels(&self) -> Vec<Label> {
        let upsets = self.spec.upsets.iter().map(|upset| Label {
            factor: Some(upset.factor),
            span: upset.span,
            code: "upset",
        });
        let faults = self.spec.faults.iter().map(|fault| Label {
            factor: fault.factor,
            span: fault.span,
            code: fault.kind.code(),
        });
        upsets.chain(faults).collect()
    }

    /// True while the logger has no link.
    pub(crate) fn link_down(&self, at: Time) -> bool {
        self.fault_at(at, |kind| matches!(kind, FaultKind::LinkDown | FaultKind::PowerOff))
    }

    /// True while the logger has no power.
    pub(crate) fn power_off(&self, at: Time) -> bool {
        self.fault_at(at, |kind| kind == FaultKind::PowerOff)
    }

    /// How far the logger's clock is ahead, milliseconds.
    pub(crate) fn clock_ahead_ms(&self, at: Time) -> i64 {
        let skew = |kind| match kind {
            FaultKind::ClockSkew { ahead_ms } => ahead_ms,
            _ => 0,
        };
        let faults = self.spec.faults.iter().filter(|fault| fault.span.contains(at));
        faults.map(|fault| skew(fault.kind)).sum()
    }

    fn fault_at(&self, at: Time, what: impl Fn(FaultKind) -> bool) -> bool {
        self.spec
            .faults
            .iter()
            .any(|fault| fault.span.contains(at) && what(fault.kind))
    }
}
