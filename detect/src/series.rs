//! The hot core: everything but minutes that is remembered of one (outlet, factor).

use plume_schemas::time::Time;

use crate::hold::Hold;
use crate::hours::HourRing;
use crate::noise::Noise;
use crate::rules::constant::Run;
use crate::rules::exceed_hour::ExceedCase;
use crate::samples::SampleRing;
use crate::state::persist;

/// Largest size of the hot core, bytes (D10).
pub const HOT_CORE_LIMIT: usize = 1_536;

/// One (outlet, factor).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) hours: HourRing,
    pub(crate) samples: SampleRing,
    pub(crate) noise: Noise,
    pub(crate) near: Hold,
    /// Hour of `near`.
    pub(crate) near_hour: i64,
    pub(crate) exceed: ExceedCase,
    pub(crate) run: Run,
    pub(crate) constant: Hold,
    /// Judged hours whose data changed since, and that are to be judged again: bit `hour mod 48`.
    pub(crate) dirty: u64,
    /// When the first of them changed.
    pub(crate) dirty_since: Time,
}
persist!(Series {
    hours,
    samples,
    noise,
    near,
    near_hour,
    exceed,
    run,
    constant,
    dirty,
    dirty_since
});

const _: () = assert!(size_of::<Series>() <= HOT_CORE_LIMIT);

impl Series {
    pub(crate) fn new() -> Self {
        Self {
            hours: HourRing::new(),
            samples: SampleRing::default(),
            noise: Noise::default(),
            near: Hold::default(),
            near_hour: i64::MIN,
            exceed: ExceedCase::default(),
            run: Run::default(),
            constant: Hold::default(),
            dirty: 0,
            dirty_since: Time(0),
        }
    }
}
