//! A zero or span check (零点、跨度检查): what an analyser showed for a gas that is known, as found and as left.
//!
//! Devices send theirs as reports (CN 2062 of HJ 212-2025, or registers that are polled), and [`Check::of_report`]
//! reads them; what people write down comes into the log as an entry of its own.

use crate::ids::{FactorCode, OutletId};
use crate::reading::{ReportKind, Statistic};
use crate::report::{Dialect, Report};
use crate::time::Time;

crate::reading::closed! {
    /// Which end of the range is checked.
    CheckPoint {
        /// Zero gas.
        Zero = 1, "zero", "零点", "zero";
        /// Span gas.
        Span = 2, "span", "跨度", "span";
    }
}

crate::reading::closed! {
    /// How a check is known.
    CheckSource {
        /// The device sent it (CN 2062).
        Device = 1, "device", "设备上报", "sent by the device";
        /// Read from registers.
        Polled = 2, "polled", "寄存器轮询", "read from registers";
        /// The judge saw it: level stretches of minutes flagged as calibration.
        Plateau = 3, "plateau", "校准时段分钟数据", "minutes flagged as calibration";
        /// Somebody filled in the desk's form.
        Form = 4, "form", "人工填报", "entered on the desk";
        /// From a sheet.
        Sheet = 5, "sheet", "表格导入", "imported from a sheet";
    }
}

impl CheckSource {
    /// True where the instrument checks itself: its next check is due a day later and not a week (HJ 75-2017 11.2).
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::Device | Self::Polled | Self::Plateau)
    }
}

/// One check of one point of one analyser.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Whose analyser.
    pub outlet: OutletId,
    /// Of what.
    pub factor: FactorCode,
    /// Which end of the range; `None` where nobody said, and what the gas holds decides.
    pub point: Option<CheckPoint>,
    /// When it was made.
    pub at: Time,
    /// What the gas holds, in the factor's unit.
    pub gas: f64,
    /// What the analyser showed, as found.
    pub before: f64,
    /// What it showed afterwards, where that was noted.
    pub after: Option<f64>,
    /// It was adjusted in between.
    pub adjusted: bool,
    /// How it is known.
    pub source: CheckSource,
    /// Who says so; empty where a device does.
    pub by: String,
    /// A remark in their words.
    pub note: String,
    /// When it was recorded.
    pub received_at: Time,
}

impl Check {
    /// The checks that a report is about, in the order of its readings; none of other kinds of reports. A check without
    /// a number for gas and reading is none. Of two gases of one factor the first counts.
    pub fn of_report(report: &Report) -> Vec<Self> {
        if report.kind != ReportKind::Calibration {
            return Vec::new();
        }
        let source = match report.origin.dialect {
            Dialect::Modbus => CheckSource::Polled,
            Dialect::Hj2005 | Dialect::Hj2017 | Dialect::Hj2025 => CheckSource::Device,
        };
        let number = |factor: FactorCode, statistic| {
            let mut of_factor = report.readings.iter().filter(|reading| reading.factor == factor);
            of_factor.find(|reading| reading.statistic == statistic)?.value.to_f64()
        };
        let mut checks: Vec<Self> = Vec::new();
        for reading in &report.readings {
            let factor = reading.factor;
            let is_new = checks.iter().all(|check| check.factor != factor);
            let shown = number(factor, Statistic::CheckReading).filter(|_| is_new);
            let Some((before, gas)) = shown.zip(number(factor, Statistic::CheckStandard)) else {
                continue;
            };
            checks.push(Self {
                outlet: report.outlet,
                factor,
                point: None,
                at: report.times.measured_at,
                gas,
                before,
                after: None,
                adjusted: false,
                source,
                by: String::new(),
                note: String::new(),
                received_at: report.times.received_at,
            });
        }
        checks
    }
}
