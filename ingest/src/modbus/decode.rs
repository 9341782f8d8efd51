//! From the answers of one round to the values of all registers, with flags by the status words.

use plume_schemas::ids::Inline;
use plume_schemas::reading::Flag;
use plume_schemas::time::{Civil, Time};

use super::map::{ClockForm, DeviceClock, Model, Status};
use super::read::{Miss, Read};
use super::value::{Cell, Got};
use super::words::{self, Raw};

/// What the device answered to each request of a round.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    blocks: Vec<(Read, Result<Vec<u16>, Miss>)>,
}

impl Image {
    /// Keeps an answer; bits are words of 0 and 1. An answer of another length is [`Miss::Mismatch`].
    pub fn put(&mut self, read: Read, answer: Result<Vec<u16>, Miss>) {
        let answer = answer.and_then(|words| {
            if words.len() == usize::from(read.count) {
                Ok(words)
            } else {
                Err(Miss::Mismatch)
            }
        });
        self.blocks.push((read, answer));
    }

    /// The words of a register.
    pub fn words(&self, wanted: Read) -> Result<&[u16], Miss> {
        let mut why = Miss::Late;
        for (read, answer) in self.blocks.iter().filter(|(read, _)| read.covers(wanted)) {
            match answer {
                Err(miss) => why = *miss,
                Ok(words) => {
                    let from = usize::from(wanted.address - read.address);
                    let slice = words.get(from..from + usize::from(wanted.count));
                    return slice.ok_or(Miss::Mismatch);
                }
            }
        }
        Err(why)
    }

    /// True when anything in it is an answer of the unit, be it no.
    pub fn heard(&self) -> bool {
        self.blocks
            .iter()
            .any(|(_, answer)| answer.as_ref().err().is_none_or(|miss| !miss.is_silence()))
    }

    /// The first reason for which something is missing.
    pub fn why(&self) -> Option<Miss> {
        self.blocks
            .iter()
            .find_map(|(_, answer)| answer.as_ref().err().copied())
    }
}

/// The values of one round.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// In the order of the model's registers.
    pub cells: Vec<Cell>,
    /// The first status word that says something, as `0x0004`: the maker's own state.
    pub maker_flag: Inline<7>,
    /// The device's clock, if it has one and it shows a time.
    pub clock: Option<Time>,
}

/// Reads every register once.
pub fn decode(model: &Model, image: &Image) -> Snapshot {
    let mut cells: Vec<Cell> = Vec::with_capacity(model.registers.len());
    for register in &model.registers {
        cells.push(match image.words(register.read) {
            Ok(words) => register.meaning.of(words::read(register.form, words)),
            Err(why) => Cell::missing(why),
        });
    }
    let mut maker_flag = Inline::default();
    for status in &model.statuses {
        let word = status_word(model, image, status);
        let flag = word.map_or(Flag::Missing, |word| status.flag(word));
        if flag == Flag::Normal {
            continue;
        }
        if let Some(word) = word.filter(|_| maker_flag.is_empty()) {
            maker_flag = Inline::new(&format!("{word:#06x}")).unwrap_or_default();
        }
        mark(model, status, flag, &mut cells);
    }
    Snapshot {
        cells,
        maker_flag,
        clock: model.clock.and_then(|clock| clock_of(clock, image)),
    }
}

/// The status word as it stands, without scaling; `None` where it could not be read, so that nothing is known.
fn status_word(model: &Model, image: &Image, status: &Status) -> Option<u64> {
    let register = model.registers.get(status.register)?;
    match words::read(register.form, image.words(register.read).ok()?) {
        Raw::Whole(whole) => u64::try_from(whole).ok(),
        Raw::Real(_) | Raw::Text(_) | Raw::Unreadable => None,
    }
}

impl Status {
    /// What a status word says.
    pub fn flag(&self, word: u64) -> Flag {
        let fits = self.when.iter().find(|when| word & when.mask == when.value);
        fits.map_or(self.otherwise, |when| when.flag)
    }
}

/// A value that is not there stays missing; of several statuses the first one that says something counts, and a status
/// counts more than what the value's own range says.
fn mark(model: &Model, status: &Status, flag: Flag, cells: &mut [Cell]) {
    for (place, (cell, register)) in cells.iter_mut().zip(&model.registers).enumerate() {
        let concerned = if status.of.is_empty() {
            register.factor.is_some()
        } else {
            status.of.contains(&place)
        };
        let by_range = matches!(cell.flag, Flag::Normal | Flag::OverRange | Flag::Fault);
        if concerned && by_range && !matches!(cell.got, Got::Nothing(_)) {
            cell.flag = flag;
        }
    }
}

fn clock_of(clock: DeviceClock, image: &Image) -> Option<Time> {
    let words = image.words(clock.read).ok()?;
    let pair = |high: usize, low: usize| Some(u32::from(*words.get(high)?) << 16 | u32::from(*words.get(low)?));
    let seconds = |seconds: u32| Time(i64::from(seconds) * 1000);
    match clock.form {
        ClockForm::Unix => pair(0, 1).map(seconds),
        ClockForm::UnixSwapped => pair(1, 0).map(seconds),
        ClockForm::Words => civil(words),
        ClockForm::Bcd => {
            let bytes = words.iter().flat_map(|word| word.to_be_bytes());
            let fields: Option<Vec<u16>> = bytes.map(two_digits).collect();
            civil(&fields?)
        }
    }
}

fn two_digits(byte: u8) -> Option<u16> {
    let (high, low) = (u16::from(byte >> 4), u16::from(byte & 0xF));
    (high <= 9 && low <= 9).then_some(high * 10 + low)
}

/// Year (two or four digits), month, day, hour, minute, second.
fn civil(fields: &[u16]) -> Option<Time> {
    let &[year, month, day, hour, minute, second] = fields else {
        return None;
    };
    let small = |field: u16| u8::try_from(field).unwrap_or(u8::MAX);
    Time::from_civil(Civil {
        year: i32::from(if year < 100 { year + 2000 } else { year }),
        month: small(month),
        day: small(day),
        hour: small(hour),
        minute: small(minute),
        second: small(second),
        millisecond: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::read::Table;

    fn input(address: u16, count: u16) -> Read {
        Read {
            table: Table::Input,
            address,
            count,
        }
    }

    #[test]
    fn a_block_that_failed_says_why() {
        let mut image = Image::default();
        image.put(input(0, 4), Ok(vec![1, 2, 3, 4]));
        image.put(input(10, 2), Err(Miss::Exception(2)));
        image.put(input(20, 2), Ok(vec![1]));
        assert_eq!(image.words(input(1, 2)), Ok(&[2, 3][..]));
        assert_eq!(image.words(input(11, 1)), Err(Miss::Exception(2)));
        assert_eq!(image.words(input(20, 2)), Err(Miss::Mismatch));
        assert_eq!(image.words(input(99, 1)), Err(Miss::Late));
        assert!(image.heard());
        let mut silent = Image::default();
        silent.put(input(0, 4), Err(Miss::Exception(0x0B)));
        assert!(!silent.heard());
    }

    #[test]
    fn clocks_in_every_form() {
        let shown = |form: ClockForm, words: &[u16]| {
            let read = input(0, form.words());
            let mut image = Image::default();
            image.put(read, Ok(words.to_vec()));
            clock_of(DeviceClock { read, form }, &image).map(Time::stamp14)
        };
        let at = Some("20260117140500".to_owned());
        // 1768629900 = 2026-01-17 14:05:00 in Beijing.
        assert_eq!(shown(ClockForm::Unix, &[0x696B, 0x268C]), at);
        assert_eq!(shown(ClockForm::UnixSwapped, &[0x268C, 0x696B]), at);
        assert_eq!(shown(ClockForm::Words, &[2026, 1, 17, 14, 5, 0]), at);
        assert_eq!(shown(ClockForm::Words, &[26, 1, 17, 14, 5, 0]), at);
        assert_eq!(shown(ClockForm::Bcd, &[0x2601, 0x1714, 0x0500]), at);
        assert_eq!(shown(ClockForm::Bcd, &[0x26A1, 0x1714, 0x0500]), None);
        assert_eq!(shown(ClockForm::Words, &[2026, 13, 17, 14, 5, 0]), None);
    }
}
