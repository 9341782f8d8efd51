//! The keys of a model file as they are written. Every check beyond types is made in `load`.

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use serde::Deserialize;

use super::model::{ClockForm, GasState};
use crate::modbus::read::Table;
use crate::modbus::value::Loop;
use crate::modbus::words::{Kind, Order};

/// A model file. Keys that are missing have the value that stands in `docs/modbus.md`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub(super) model: String,
    #[serde(default)]
    pub(super) address_base: u16,
    pub(super) max_registers: Option<u16>,
    pub(super) max_bits: Option<u16>,
    #[serde(default)]
    pub(super) max_gap: u16,
    pub(super) order: Option<Order>,
    #[serde(default, rename = "register")]
    pub(super) registers: Vec<RegisterFile>,
    #[serde(default, rename = "status")]
    pub(super) statuses: Vec<StatusFile>,
    pub(super) clock: Option<ClockFile>,
    #[serde(default, rename = "check")]
    pub(super) checks: Vec<CheckFile>,
}

/// One `[[register]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterFile {
    pub(super) name: String,
    pub(super) table: Table,
    pub(super) address: u16,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) order: Option<Order>,
    pub(super) bit: Option<u8>,
    pub(super) words: Option<u16>,
    pub(super) scale: Option<Decimal>,
    pub(super) offset: Option<Decimal>,
    pub(super) decimals: Option<u8>,
    #[serde(rename = "loop")]
    pub(super) current_loop: Option<Loop>,
    #[serde(default)]
    pub(super) invalid: Vec<i64>,
    pub(super) valid: Option<[f64; 2]>,
    pub(super) unit: Option<String>,
    pub(super) factor: Option<FactorCode>,
    pub(super) state: Option<GasState>,
}

/// One `[[status]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusFile {
    pub(super) register: String,
    pub(super) when: Vec<WhenFile>,
    pub(super) otherwise: Option<Flag>,
    #[serde(default)]
    pub(super) of: Vec<String>,
}

/// One line of a status table: a bit that is set, or a value (of the bits in `mask`).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenFile {
    pub(super) bit: Option<u8>,
    pub(super) mask: Option<u64>,
    pub(super) value: Option<u64>,
    pub(super) flag: Flag,
}

/// `[clock]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockFile {
    pub(super) table: Table,
    pub(super) address: u16,
    pub(super) form: ClockForm,
}

/// One `[[check]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckFile {
    pub(super) factor: FactorCode,
    pub(super) trigger: String,
    pub(super) reading: String,
    pub(super) standard: StandardFile,
}

/// A register's name, or the value itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum StandardFile {
    Register(String),
    Value(f64),
}
