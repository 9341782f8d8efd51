//! The hot core: everything but minutes that is remembered of one (outlet, factor).

use plume_schemas::time::Time;

use crate::hold::Hold;
use crate::noise::Noise;
use crate::ring::{DayRing, HourRing};
use crate::rules::constant::Run;
use crate::rules::exceed::ExceedCase;
use crate::rules::exceed_hour::HourRatio;
use crate::rules::freq::Exceeded;
use crate::rules::furnace::Furnace;
use crate::rules::near_day::HourMeans;
use crate::rules::shift::Charted;
use crate::samples::SampleRing;
use crate::state::persist;

/// Largest size of the hot core, bytes (D10).
pub const HOT_CORE_LIMIT: usize = 1_536;

/// One (outlet, factor). What every minute touches stands first and together.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct Series {
    pub(crate) noise: Noise,
    pub(crate) run: Run,
    pub(crate) constant: Hold,
    pub(crate) near: Hold,
    /// Hour of `near`.
    pub(crate) near_hour: i64,
    pub(crate) hour_ratio: HourRatio,
    /// Judged hours whose data changed since, and that are to be judged again: bit `hour mod 48`.
    pub(crate) dirty: u64,
    /// When the first of them changed.
    pub(crate) dirty_since: Time,
    pub(crate) samples: SampleRing,
    pub(crate) hours: HourRing,
    pub(crate) days: DayRing,
    pub(crate) near_day: Hold,
    /// Day of `near_day`.
    pub(crate) near_day_of: i64,
    pub(crate) hour_means: HourMeans,
    pub(crate) exceed_hour: ExceedCase,
    pub(crate) exceed_day: ExceedCase,
    pub(crate) freq: Exceeded,
    pub(crate) freq_hold: Hold,
    pub(crate) furnace: Furnace,
    /// Charts of the level, touched once an hour: apart.
    pub(crate) charted: Option<Box<Charted>>,
}
persist!(Series {
    hours,
    days,
    samples,
    noise,
    near,
    near_hour,
    hour_ratio,
    near_day,
    near_day_of,
    hour_means,
    exceed_hour,
    exceed_day,
    freq,
    freq_hold,
    furnace,
    charted,
    run,
    constant,
    dirty,
    dirty_since,
});

const _: () = assert!(size_of::<Series>() <= HOT_CORE_LIMIT);

impl Series {
    /// Something of each cache line that a minute touches.
    pub(crate) fn touch(&self) -> u64 {
        let holds = u64::from(self.constant.level) ^ u64::from(self.near.level);
        self.noise.touch() ^ self.run.touch() ^ holds ^ self.near_hour.unsigned_abs() ^ self.dirty
    }

    pub(crate) fn new() -> Self {
        Self {
            hours: HourRing::new(),
            days: DayRing::new(),
            samples: SampleRing::default(),
            noise: Noise::default(),
            near: Hold::default(),
            near_hour: i64::MIN,
            hour_ratio: HourRatio::default(),
            near_day: Hold::default(),
            near_day_of: i64::MIN,
            hour_means: HourMeans::default(),
            exceed_hour: ExceedCase::default(),
            exceed_day: ExceedCase::default(),
            freq: Exceeded::default(),
            freq_hold: Hold::default(),
            furnace: Furnace::default(),
            charted: None,
            run: Run::default(),
            constant: Hold::default(),
            dirty: 0,
            dirty_since: Time(0),
        }
    }
}
