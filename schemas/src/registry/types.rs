//! What the registry holds. Field names are those of the TOML file.

use serde::{Deserialize, Serialize};

use super::parts::Part;
use super::validity::Validity;
use crate::decimal::Decimal;
use crate::ids::{ContentId, EnterpriseId, FactorCode, Mn, OutletId};
use crate::time::Time;

/// The whole registry, as of one revision.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// Counts up with every import or edit; 0 in a file that was never imported.
    #[serde(default)]
    pub revision: u64,
    /// When the revision was recorded, by the recorder's clock.
    #[serde(default)]
    pub recorded_at: Time,
    /// Which part of the revision these rows are; a file is always the whole.
    #[serde(default, skip_serializing_if = "Part::is_whole")]
    pub part: Part,
    /// What the file said, by its content, that was imported last: read once more it changes nothing, so that what was
    /// edited since stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<ContentId>,
    /// Enterprises (排污单位).
    #[serde(default, rename = "enterprise")]
    pub enterprises: Vec<Enterprise>,
    /// Outlets (排放口).
    #[serde(default, rename = "outlet")]
    pub outlets: Vec<Outlet>,
    /// Devices and what they serve.
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
}

/// An enterprise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enterprise {
    /// 统一社会信用代码.
    pub id: EnterpriseId,
    /// Its name.
    pub name: String,
    /// District (区县), which is also the branch that looks after it.
    #[serde(default)]
    pub district: String,
    /// Industry, as in the limit catalogue: `thermal_power_coal`, `waste_incineration`…
    #[serde(default)]
    pub industry: String,
    /// 片区负责人.
    #[serde(default)]
    pub officer: String,
    /// 片区负责人's telephone, for the button on the enterprise's page.
    #[serde(default)]
    pub officer_phone: String,
    /// Whom to tell, in order.
    #[serde(default, rename = "contact")]
    pub contacts: Vec<Contact>,
    /// 排污许可证编号.
    #[serde(default)]
    pub permit_number: String,
    /// Last day of the permit, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub permit_valid_to: Option<Time>,
}

/// A person or desk to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// In which role.
    pub role: ContactRole,
    /// Name.
    pub name: String,
    /// Mobile number.
    #[serde(default)]
    pub phone: String,
    /// Mail address.
    #[serde(default)]
    pub email: String,
}

crate::reading::closed! {
    /// Roles of contacts, in the order in which they are called.
    ContactRole {
        /// 环保主管.
        EnvironmentOfficer = 1, "environment_officer", "环保主管", "environmental officer";
        /// 中控室.
        ControlRoom = 2, "control_room", "中控室", "control room";
        /// 运维单位.
        Contractor = 3, "contractor", "运维单位", "O&M contractor";
        /// 负责人.
        Principal = 4, "principal", "负责人", "person in charge";
    }
}

/// An outlet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlet {
    /// Its id, the key of everything: `<enterprise>:<number>`.
    pub id: OutletId,
    /// Whose.
    pub enterprise: EnterpriseId,
    /// 排放口编号 of the permit: `DA001`.
    pub number: String,
    /// Its name: `1号锅炉烟囱`.
    #[serde(default)]
    pub name: String,
    /// 管理类别: 重点管理, 简化管理, 登记管理.
    #[serde(default)]
    pub management_class: String,
    /// Stack height, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_height_m: Option<Decimal>,
    /// The chimney it shares with other outlets (共用排气筒), under one name at each: their readings are of one gas and
    /// may well be equal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shared_stack: String,
    /// Until then the outlet is on trial (试运行): judged and shown, nobody is told.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub trial_until: Option<Time>,
    /// What is measured, with limits.
    #[serde(default, rename = "factor")]
    pub factors: Vec<FactorSetup>,
    /// Filed stop-work periods (停产/停运报备).
    #[serde(default, rename = "stop_work")]
    pub stop_work: Vec<StopWork>,
    /// First moment, else always.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_from: Option<Time>,
    /// First moment after, else never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_to: Option<Time>,
}

/// A filed stop-work period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopWork {
    /// Approved by the branch.
    #[serde(default)]
    pub approved: bool,
    /// First moment, else always.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_from: Option<Time>,
    /// First moment after, else for ever.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_to: Option<Time>,
}

/// One factor of one outlet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorSetup {
    /// Which.
    pub code: FactorCode,
    /// Unit of the values as they come; the catalogue's if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Lower end of the measuring range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_low: Option<Decimal>,
    /// Upper end of the measuring range (full scale).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_high: Option<Decimal>,
    /// Reference oxygen, percent. Missing: no correction applies and the measured value is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_o2_pct: Option<Decimal>,
    /// Minutes of one analysis of a cycling analyser (a gas chromatograph of NMHC): its value counts until the next
    /// one.
    /// Missing: it measures all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle_min: Option<u8>,
    /// Limits in force for it, each with its time.
    #[serde(default, rename = "limit")]
    pub limits: Vec<Limit>,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Of which mean.
    pub window: LimitWindow,
    /// The value, in the factor's unit (kg/h for a rate, percent for an efficiency). Exceeds means strictly greater.
    pub value: Decimal,
    /// What kind of limit.
    #[serde(default = "LimitBasis::default_basis")]
    pub basis: LimitBasis,
    /// Where it comes from: `permit`, or the id of a catalogue row (`L003`).
    pub source: String,
    /// The clause to show, e.g. `GB 13223-2011 表1`.
    #[serde(default)]
    pub clause: String,
    /// First moment in force, else always.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_from: Option<Time>,
    /// First moment no longer in force, else never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_to: Option<Time>,
}

impl LimitBasis {
    /// A limit is on concentration unless it says otherwise.
    pub fn default_basis() -> Self {
        Self::Concentration
    }
}

crate::reading::closed! {
    /// What a limit limits.
    LimitBasis {
        /// Concentration: the corrected value where a reference oxygen applies, else the dry standard one.
        Concentration = 1, "concentration", "浓度", "concentration";
        /// Emission rate, kg/h.
        Rate = 2, "rate", "排放速率", "emission rate";
        /// Removal efficiency, percent, a lower bound.
        Efficiency = 3, "efficiency", "去除效率", "removal efficiency";
    }
}

crate::reading::closed! {
    /// Of which mean a limit is.
    LimitWindow {
        /// Hour mean.
        Hour = 1, "hour", "小时均值", "hour mean";
        /// Day mean (24 h).
        Day = 2, "day", "日均值", "day mean";
    }
}

/// A device (MN) and the outlets it serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The device.
    pub mn: Mn,
    /// 访问密码; not checked if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Only packets of this 系统编码, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub st: Option<String>,
    /// The outlet it is about.
    pub outlet: OutletId,
    /// Only these factors, if given (one device for several outlets; the code may then be a maker's own).
    #[serde(default)]
    pub factors: Vec<FactorCode>,
    /// Minutes covered by one minute packet (MinInterval), 1 if missing (2025) — 10 is usual in 2017.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minute_interval_min: Option<u8>,
    /// Seconds between real-time packets (RtdInterval).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_interval_s: Option<u32>,
    /// DataTime of its minute, hour and day packets is the end of the period, as many loggers of 2005 send it; the
    /// standards of 2017 and 2025 have the start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_time_is_end: bool,
    /// First moment, else always.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_from: Option<Time>,
    /// First moment after, else never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::validity::moment")]
    pub valid_to: Option<Time>,
}

macro_rules! in_force {
    ($($name:ident),+) => {
        $(impl $name {
            /// From when to when it is in force.
            pub fn validity(&self) -> Validity {
                Validity { valid_from: self.valid_from, valid_to: self.valid_to }
            }
        })+
    };
}
in_force!(Outlet, StopWork, Limit, Source);
