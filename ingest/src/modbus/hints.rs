//! What looks wrong between a map and a device: addresses one off, words swapped, the wrong table. For a technician
//! with a cable, so every finding is a sentence to act on.

use std::fmt;

use super::map::{Model, Register};
use super::read::Miss;
use super::value::Got;
use super::words::{self, Form, Order};

/// A register as found, with its neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its words, or why there are none.
    pub words: Result<Vec<u16>, Miss>,
    /// The word at the address before it, where it can be read.
    pub before: Option<u16>,
    /// The word behind its last one.
    pub after: Option<u16>,
}

/// What looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Values make sense in another order.
    Order {
        /// Which order.
        order: Order,
        /// Names of the registers.
        registers: Vec<String>,
    },
    /// Values make sense one address further on or back.
    OffByOne {
        /// +1: the device's addresses are one higher than the map's.
        shift: i8,
        /// Names of the registers.
        registers: Vec<String>,
    },
    /// The device does not know the function.
    Table(Vec<String>),
    /// The device does not have the address.
    Address(Vec<String>),
    /// Every word is 0 or 65535.
    Blank,
}

impl Hint {
    /// How many registers it is about.
    fn registers(&self) -> usize {
        match self {
            Self::Order { registers, .. }
            | Self::OffByOne { registers, .. }
            | Self::Table(registers)
            | Self::Address(registers) => registers.len(),
            Self::Blank => 0,
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { order, registers } => write!(
                f,
                "字节顺序疑似不符：按 {code} 读数合理，请改 order = \"{code}\"（{names}）\
                 / words look swapped: set order = \"{code}\" ({names})",
                code = order.code(),
                names = registers.join(", ")
            ),
            Self::OffByOne { shift, registers } => write!(
                f,
                "地址疑似偏移 {shift:+}：{base}（{names}） / addresses look off by {shift:+}: {base_en} ({names})",
                base = if *shift < 0 {
                    "手册地址从1计数，请设 address_base = 1"
                } else {
                    "请将地址加1，或去掉 address_base = 1"
                },
                base_en = if *shift < 0 {
                    "the manual counts from 1, set address_base = 1"
                } else {
                    "add 1 to the addresses, or drop address_base = 1"
                },
                names = registers.join(", ")
            ),
            Self::Table(registers) => {
                let names = registers.join(", ");
                write!(
                    f,
                    "设备不支持该功能码，请换 table（input ↔ holding）：{names} / the device does not know the function: \
                     try the other table: {names}"
                )
            }
            Self::Address(registers) => {
                let names = registers.join(", ");
                write!(
                    f,
                    "设备没有该地址，请核对手册，或将 max_gap 设为 0：{names} / the device does not have the address: check \
                     the manual, or set max_gap = 0: {names}"
                )
            }
            Self::Blank => f.write_str(
                "全部为0或65535：单元号或分析仪输出疑似未启用 / every word is 0 or 65535: is the unit right, and its output on?",
            ),
        }
    }
}

/// What looks wrong with what was found, in the order of the model's registers.
pub fn look(model: &Model, found: &[Found]) -> Vec<Hint> {
    let pairs: Vec<(&Register, &Found)> = model.registers.iter().zip(found).collect();
    let mut hints = Vec::new();
    let refused = |code: u8| -> Vec<String> {
        let with = pairs
            .iter()
            .filter(|(_, found)| found.words == Err(Miss::Exception(code)));
        with.map(|(register, _)| register.name.clone()).collect()
    };
    // A shifted float and one with its words swapped often look alike: both are told where both explain as much.
    let (order, shift) = (other_order(&pairs), off_by_one(&pairs));
    let explains = |hint: &Option<Hint>| hint.as_ref().map_or(0, Hint::registers);
    let most = explains(&order).max(explains(&shift));
    let is_shifted = shift.is_some();
    hints.extend(
        [order, shift]
            .into_iter()
            .flatten()
            .filter(|hint| hint.registers() == most),
    );
    for (code, hint) in [(1, Hint::Table as fn(Vec<String>) -> Hint), (2, Hint::Address)] {
        let names = refused(code);
        let explained = is_shifted && code == 2;
        if !names.is_empty() && !explained {
            hints.push(hint(names));
        }
    }
    let mut words = pairs
        .iter()
        .filter_map(|(_, found)| found.words.as_ref().ok())
        .flatten()
        .peekable();
    if words.peek().is_some() && words.all(|&word| word == 0 || word == u16::MAX) {
        hints.push(Hint::Blank);
    }
    hints
}

/// An order in which values make sense that do not in the map's; the one most registers agree on.
fn other_order(pairs: &[(&Register, &Found)]) -> Option<Hint> {
    let wrong: Vec<(&Register, &Vec<u16>)> = pairs
        .iter()
        .filter_map(|(register, found)| Some((*register, found.words.as_ref().ok()?)))
        .filter(|(register, words)| words.len() > 1 && sense(register, register.form, words) == Some(false))
        .collect();
    let in_order = |order: Order| -> Vec<String> {
        let fits = wrong
            .iter()
            .filter(|(register, words)| sense(register, Form { order, ..register.form }, words) == Some(true));
        fits.map(|(register, _)| register.name.clone()).collect()
    };
    let best = Order::ALL
        .into_iter()
        .map(|order| (order, in_order(order)))
        .max_by_key(|(_, names)| names.len())?;
    let (order, registers) = best;
    (!registers.is_empty()).then_some(Hint::Order { order, registers })
}

/// A shift by which at least two more registers make sense than as mapped.
fn off_by_one(pairs: &[(&Register, &Found)]) -> Option<Hint> {
    let sensible = |shift: i8| -> Vec<String> {
        let fits = pairs.iter().filter(|(register, found)| {
            let words = shift_words(found, register, shift);
            words.and_then(|words| sense(register, register.form, &words)) == Some(true)
        });
        fits.map(|(register, _)| register.name.clone()).collect()
    };
    let here = sensible(0).len();
    let (shift, registers) = [-1, 1]
        .into_iter()
        .map(|shift| (shift, sensible(shift)))
        .max_by_key(|(_, names)| names.len())?;
    (registers.len() >= here + 2).then_some(Hint::OffByOne { shift, registers })
}

/// The words a register would have at a neighbouring address.
fn shift_words(found: &Found, register: &Register, shift: i8) -> Option<Vec<u16>> {
    let mut words: Vec<u16> = match &found.words {
        Ok(words) => words.clone(),
        Err(_) if register.read.count == 1 => Vec::new(),
        Err(_) => return None,
    };
    match shift {
        -1 => {
            words.insert(0, found.before?);
            words.truncate(usize::from(register.read.count));
        }
        1 => {
            words.push(found.after?);
            let surplus = words.len().saturating_sub(usize::from(register.read.count));
            words.drain(..surplus);
        }
        _ => {}
    }
    (words.len() == usize::from(register.read.count)).then_some(words)
}

/// Whether a value makes sense where it stands: `None` for 0 and for text, which say nothing.
fn sense(register: &Register, form: Form, words: &[u16]) -> Option<bool> {
    let cell = register.meaning.of(words::read(form, words));
    let value = match cell.got {
        Got::Number(value) => value,
        Got::Text(_) => return None,
        Got::Nothing(_) => return Some(false),
    };
    if words.iter().all(|&word| word == 0) {
        return None;
    }
    let (low, high) = register.factor.map_or((-1e9, 1e9), |factor| band(factor.as_str()));
    Some((low..=high).contains(&value) && (value.abs() >= 1e-4 || value.total_cmp(&0.0).is_eq()))
}

/// Between which values a factor of a stack lies, in any unit it is given in.
fn band(factor: &str) -> (f64, f64) {
    match factor {
        "a19001" => (0.0, 25.0),
        "a01012" => (-30.0, 1_300.0),
        "a01011" | "a01014" => (0.0, 60.0),
        "a01013" => (-20_000.0, 20_000.0),
        "a01006" => (50.0, 110_000.0),
        "a00000" => (0.0, 1e8),
        _ => (-50.0, 20_000.0),
    }
}
