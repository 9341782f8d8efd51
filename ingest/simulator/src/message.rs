//! What a device has to say, before it is put into frames.

use plume_ingest::hj212::encode::Group;
use plume_schemas::time::Time;

/// One upload: CN, the time it is about, and its groups of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// 命令编码.
    pub cn: u16,
    /// DataTime: the sample's moment or the START of the period, by the device's clock.
    pub data_time: Time,
    /// Groups of fields, one per factor; none is cut when the message is split.
    pub groups: Vec<Group>,
    /// What becomes of it when the link is down.
    pub keep: Keep,
}

/// What a logger does with a message it cannot deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Kept and sent when the link is back (minute, hour, day and event data).
    Store,
    /// Dropped and counted: it was of interest only at its moment (real-time data of most loggers).
    Drop,
}

impl Message {
    /// A message that is kept until delivered.
    pub fn new(cn: u16, data_time: Time, groups: Vec<Group>) -> Self {
        Self {
            cn,
            data_time,
            groups,
            keep: Keep::Store,
        }
    }

    /// 2081: the logger was switched on at `at`.
    pub fn restarted(at: Time) -> Self {
        Self::new(2081, at, vec![Group::single("RestartTime", at.stamp14())])
    }

    /// 2021: each piece of treatment equipment is in this state (0 off, 1 running, 2 calibrating, 3 maintained, 4
    /// alarm, 5 blowing back).
    pub fn equipment_state(at: Time, equipment: &[String], state: u8) -> Self {
        let group = |name: &String| Group::factor(name, [("RS", state.to_string())]);
        Self::new(2021, at, equipment.iter().map(group).collect())
    }

    /// 2041: each piece of treatment equipment ran for so many hours on the day that began at `day`.
    pub fn equipment_hours(day: Time, equipment: &[String], hours: &str) -> Self {
        let group = |name: &String| Group::factor(name, [("RT", hours)]);
        Self::new(2041, day, equipment.iter().map(group).collect())
    }

    /// 3019: the analyser of `factor_code` now has this serial number (24 characters).
    pub fn serial_number(at: Time, factor_code: &str, serial: &str) -> Self {
        let groups = vec![
            Group::single("PolId", factor_code),
            Group::factor(factor_code, [("SN", serial)]),
        ];
        Self::new(3019, at, groups)
    }

    /// 3020: a line of the site's log (information code i11001).
    pub fn log_line(at: Time, factor_code: &str, text: &str) -> Self {
        let groups = vec![
            Group::single("PolId", factor_code),
            Group::factor("i11001", [("Info", format!("//{text}//"))]),
        ];
        Self::new(3020, at, groups)
    }
}
