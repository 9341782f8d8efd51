//! Settings of the rules of data quality and of the leads, one section a rule. What each means, its unit, range and
//! source stand in the manual page at the top of the rule's file.

use plume_schemas::ids::FactorCode;
use serde::Deserialize;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $kind,)+
        }
    };
}

section! {
    /// `[detect.zero]`.
    ZeroSettings {
        /// Minutes of zero of one pollutant.
        minutes: u16,
        /// Minutes of zero where all pollutants read zero.
        all_minutes: u16,
        /// Level it must have had before, percent of the limit.
        floor_pct_limit: f64,
        /// Minutes of other values that end it.
        clear_minutes: u16,
        /// Factors that may read zero.
        exempt: Vec<FactorCode>,
    }
}
section! {
    /// `[detect.neg]`.
    NegSettings {
        /// How far below zero, percent of the range.
        pct_fs: f64,
        /// For how long.
        minutes: u16,
        /// Minutes of other values that end it.
        clear_minutes: u16,
    }
}
section! {
    /// `[detect.range]`.
    RangeSettings {
        /// For how long.
        minutes: u16,
        /// Minutes within the range that end it.
        clear_minutes: u16,
    }
}
section! {
    /// `[detect.jump]`.
    JumpSettings {
        /// Distance from the median in robust standard deviations.
        deviations: f64,
        /// Least distance that matters, percent of the limit.
        pct_limit: f64,
        /// Share of the distance that one minute must have covered.
        step_share: f64,
        /// How often the level of the last hour is taken anew, minutes.
        renew_minutes: u8,
        /// How near a ratio must be to a conversion of units, percent.
        unit_pct: f64,
        /// Hours a suspected unit slip stays open at its new level.
        unit_hours: u8,
    }
}
section! {
    /// `[detect.o2hi]`.
    O2HiSettings {
        /// Oxygen, percent.
        pct: f64,
        /// For how long.
        minutes: u16,
        /// Minutes below that end it.
        clear_minutes: u16,
    }
}
section! {
    /// `[detect.flow0]`.
    Flow0Settings {
        /// For how long.
        minutes: u16,
        /// Gas this warm does not stand still, °C.
        warm_celsius: f64,
        /// Minutes of flow that end it.
        clear_minutes: u16,
    }
}
section! {
    /// `[detect.zsdev]`.
    ZsDevSettings {
        /// Difference of one minute, percent.
        pct: f64,
        /// Least difference that matters, percent of the limit.
        least_pct_limit: f64,
        /// Minutes of the hour that must have been compared.
        minutes: u16,
        /// Share of them that must differ.
        share: f64,
        /// Minutes with more oxygen are left out, percent.
        most_oxygen_pct: f64,
    }
}
section! {
    /// `[detect.amount]`.
    AmountSettings {
        /// Difference, percent.
        pct: f64,
        /// Hours in a row.
        hours: u8,
    }
}
section! {
    /// `[detect.hourmin]`.
    HourMinSettings {
        /// Difference of the two, percent.
        pct: f64,
        /// Least difference that matters, percent of the limit.
        least_pct_limit: f64,
        /// Hours in a row.
        hours: u8,
    }
}
section! {
    /// `[detect.clock_skew]`.
    ClockSkewSettings {
        /// How far ahead, seconds.
        ahead_s: i64,
        /// How far behind, seconds.
        behind_s: i64,
        /// For how long.
        minutes: u16,
        /// Minutes of good time that end it.
        clear_minutes: u16,
    }
}
section! {
    /// `[detect.cap]`.
    CapSettings {
        /// Width of the bands below and above the limit, percent of it.
        band_pct: f64,
        /// Minutes of the last day in the band below.
        minutes: u16,
        /// Minutes above that are too few, as a share of those below.
        above_share: f64,
        /// Hours without that end it.
        clear_hours: u8,
    }
}
section! {
    /// `[detect.smooth]`.
    SmoothSettings {
        /// Irregularity against the past, as a share.
        share: f64,
        /// Hours in a row.
        hours: u8,
        /// Hours of the past before anything is said.
        history_hours: u16,
        /// Least level of the hour, percent of the limit.
        floor_pct_limit: f64,
    }
}
section! {
    /// `[detect.ratio]`.
    RatioSettings {
        /// Least correlation with the oxygen, of the past and of late.
        correlation: f64,
        /// Hours that "of late" looks back.
        hours: u8,
        /// Hours of the past before anything is said.
        history_hours: u16,
        /// Hours without that end it.
        clear_hours: u8,
    }
}
section! {
    /// `[detect.twin]`.
    TwinSettings {
        /// Minutes of equal values.
        minutes: u16,
        /// How unlikely it must be by chance, as the negative decimal logarithm of the probability.
        odds: f64,
        /// Hours without that end it.
        clear_hours: u16,
    }
}
section! {
    /// `[detect.calgap]`.
    CalGapSettings {
        /// Minutes of calibration or maintenance in the hour after.
        minutes: u8,
        /// How often.
        times: u8,
        /// Within so many days.
        days: u8,
        /// Hours without another that end it.
        clear_hours: u16,
    }
}
section! {
    /// `[detect.mark_abuse]`.
    MarkAbuseSettings {
        /// Such hours in a row.
        hours: u8,
        /// Oxygen below this is combustion, percent.
        oxygen_pct: f64,
        /// Mean of a pollutant above this share of its limit, percent.
        pct_limit: f64,
        /// Minutes of the hour that must show it.
        minutes: u8,
        /// Marked hours without that end it.
        clear_hours: u8,
    }
}
section! {
    /// `[detect.near_mark]`.
    NearMarkSettings {
        /// Minutes without measurement, in a row, within the hour.
        minutes: u8,
        /// Hours without another that end it.
        clear_hours: u16,
    }
}
section! {
    /// `[detect.power]`.
    PowerSettings {
        /// Readings above this share of the limit, percent.
        pct_limit: f64,
        /// For how long.
        minutes: u16,
        /// Minutes without that end it.
        clear_minutes: u16,
        /// Beginnings of codes of production's power (HJ 212-2025, ST 44).
        production: Vec<String>,
        /// Beginnings of codes of treatment's power.
        treatment: Vec<String>,
        /// Production draws at least this share of its usual power, percent.
        on_pct: f64,
        /// Treatment draws at most this share of its usual power, percent.
        off_pct: f64,
        /// Hours of both before anything is said.
        history_hours: u16,
    }
}
section! {
    /// `[detect.budget]`.
    BudgetSettings {
        /// Industries whose outlets have such a budget.
        industries: Vec<String>,
        /// Exempt hours of a year.
        hours: u16,
        /// Hours of one fault or accident.
        event_hours: u16,
        /// Share used from which it is a notice, percent.
        notice_pct: f64,
        /// … from which it wants attention.
        attention_pct: f64,
        /// … from which it is urgent.
        urgent_pct: f64,
    }
}
section! {
    /// `[detect.drift]`.
    DriftSettings {
        /// Judge zero and span checks at all.
        enabled: bool,
        /// Standard deviation of a check by the analyser's certificate (s_AMS), percent of full scale.
        sd_pct_fs: f64,
        /// Gas of at most so much is zero gas where nobody said, percent of full scale.
        zero_gas_pct_fs: f64,
        /// Drift that is required of gas analysers, percent of full scale.
        gas_required_pct: f64,
        /// Zero drift beyond which they are out of control, percent of full scale.
        gas_out_zero_pct: f64,
        /// Span drift beyond which they are out of control, percent of full scale.
        gas_out_span_pct: f64,
        /// Drift that is required of dust monitors, percent of full scale.
        dust_required_pct: f64,
        /// Drift beyond which they are out of control, percent of full scale.
        dust_out_pct: f64,
        /// Zero drift that is required of velocity, percent of full scale.
        velocity_required_pct: f64,
        /// Zero drift of velocity beyond which it is out of control, percent of full scale.
        velocity_out_pct: f64,
        /// Hours until the next check after one by the device itself.
        automatic_hours: u16,
        /// Hours until the next check of a gas analyser by hand.
        gas_by_hand_hours: u16,
        /// Hours until the next check of a dust monitor by hand.
        dust_by_hand_hours: u16,
        /// Hours until the next check of velocity by hand.
        velocity_by_hand_hours: u16,
        /// Factors that are dust.
        dust: Vec<FactorCode>,
        /// Factors that are velocity.
        velocity: Vec<FactorCode>,
        /// The same numbers again within so many minutes are the same check.
        repeat_minutes: u16,
        /// Take level stretches of minutes flagged C for checks.
        plateaus: bool,
    }
}
