//! A device model, checked and ready for use.

use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use plume_schemas::units::Unit;
use serde::Deserialize;

use crate::modbus::plan::Limits;
use crate::modbus::read::Read;
use crate::modbus::value::Meaning;
use crate::modbus::words::Form;

/// What a device model holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name, for people.
    pub name: String,
    /// What it takes in one request.
    pub limits: Limits,
    /// Its registers, in the order of the file.
    pub registers: Vec<Register>,
    /// What its status words say.
    pub statuses: Vec<Status>,
    /// Its clock, if it can be read.
    pub clock: Option<DeviceClock>,
    /// Results of its zero and span checks.
    pub checks: Vec<Check>,
}

impl Model {
    /// The place of a register by its name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.registers.iter().position(|register| register.name == name)
    }

    /// Everything that has to be read, the clock included.
    pub fn reads(&self) -> Vec<Read> {
        let clock = self.clock.iter().map(|clock| clock.read);
        self.registers
            .iter()
            .map(|register| register.read)
            .chain(clock)
            .collect()
    }
}

/// One value of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// Its name within the map.
    pub name: String,
    /// Where it stands.
    pub read: Read,
    /// How its words are read.
    pub form: Form,
    /// What makes a value of them.
    pub meaning: Meaning,
    /// The unit of the value.
    pub unit: Unit,
    /// Digits behind the point that are kept.
    pub decimals: u8,
    /// Which factor it is; none for status words and the like.
    pub factor: Option<FactorCode>,
    /// For gases and flow: in which state.
    pub state: GasState,
}

/// In which state of the gas a concentration, the oxygen or the flow is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GasState {
    /// Dry, 0 °C and 101325 Pa: nothing to do.
    DryStandard,
    /// At 0 °C and 101325 Pa, with its water.
    WetStandard,
    /// Dry, at stack temperature and pressure.
    DryActual,
    /// As it is in the stack.
    WetActual,
}

/// What a status word says of readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Place of the register.
    pub register: usize,
    /// The first that fits counts.
    pub when: Vec<When>,
    /// The flag where none fits.
    pub otherwise: Flag,
    /// Places of the registers it speaks of; empty: all with a factor.
    pub of: Vec<usize>,
}

/// One line of a status table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct When {
    /// Bits that are looked at.
    pub mask: u64,
    /// What they must be.
    pub value: u64,
    /// The flag then.
    pub flag: Flag,
}

/// A clock in registers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceClock {
    /// Where it stands.
    pub read: Read,
    /// How it is written.
    pub form: ClockForm,
}

/// How a device writes its time, which is Beijing time unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockForm {
    /// Seconds since 1970 UTC, two words, high word first.
    Unix,
    /// The same with the low word first.
    UnixSwapped,
    /// Six words: year (two or four digits), month, day, hour, minute, second.
    Words,
    /// Three words of BCD: `YYMM DDhh mmss`.
    Bcd,
}

impl ClockForm {
    /// Words it takes.
    pub const fn words(self) -> u16 {
        match self {
            Self::Unix | Self::UnixSwapped => 2,
            Self::Words => 6,
            Self::Bcd => 3,
        }
    }
}

/// A zero or span check whose result stands in registers: it is told when `trigger` changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Of which factor.
    pub factor: FactorCode,
    /// Place of the register that changes with each check: a counter or a time.
    pub trigger: usize,
    /// Place of the register with what the analyser showed.
    pub reading: usize,
    /// What the gas holds.
    pub standard: Standard,
}

/// Where the value of the gas stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standard {
    /// In a register.
    Register(usize),
    /// In the map, in the unit of the reading.
    Value(f64),
}
