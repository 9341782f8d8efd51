//! The content of CP as readings: values with flags, grouped by factor, in the codes of 2017, with what was wrong
//! beside them.
//!
//! One bad field never loses the others. Names are read in any case and both separators, codes of 2005 and 2017 side
//! by side.

use std::sync::Arc;

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{FactorCode, Inline};
use plume_schemas::reading::{Basis, Flag, Reading, Statistic, Value};
use plume_schemas::report::{ComplaintCode, Dialect};
use plume_schemas::time::Time;
use plume_schemas::units::Unit;

use super::complaints::{Complaints, inline};
use super::packet::Packet;
use super::shape::Shapes;
use super::subfields::{Bare, Sub, bare, flag, sub};
use super::tokens::{Token, Tokens};
pub use super::values::decode_gbk;
use super::values::{decimal_or_text, read_value};

/// Fields read of one packet. 1024 bytes hold at most about 340; more comes only from noise with a right checksum.
pub const MAX_FIELDS: usize = 512;
/// Longest factor code.
const CODE_BYTES: usize = 15;
/// What [`pack`] gives for no code.
const NO_CODE: u128 = 0;
/// Slots of the code cache; a device uses a few dozen codes.
const CACHE_SLOTS: usize = 64;

/// What a CP says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// DataTime, or AlarmTime where there is none.
    pub measured_at: Option<Time>,
    /// DataTime as sent, where it is there and no time.
    pub data_time_text: Option<Inline<23>>,
    /// BeginTime or EndTime is there: the packet asks for data.
    pub is_query: bool,
    /// The values, in the order sent.
    pub readings: Vec<Reading>,
    /// Factors sent under a code of 2005 whose unit there is MPa and since then kPa: values still in MPa.
    pub in_mpa: Vec<FactorCode>,
    has_data_time: bool,
    groups: Vec<Group>,
}

/// Fields of one factor that stand together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    factor: FactorCode,
    known: bool,
    in_mpa: bool,
    /// The factor had a group before.
    again: bool,
    /// Which numbers of it came, one bit for each statistic and basis.
    seen: u64,
    flag: Option<Flag>,
    maker_flag: Inline<7>,
    first: usize,
    end: usize,
}

/// A code that was looked up before.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// What was sent, by [`pack`].
    packed: u128,
    kept: FactorCode,
    known: bool,
    in_mpa: bool,
}

/// Reads CPs one after the other, keeping its memory: no allocation for packets like those before.
#[derive(Clone, Debug)]
pub struct FieldReader {
    catalogue: Arc<Catalogue>,
    /// Empty until the first code.
    cache: Vec<Option<Slot>>,
    fields: Fields,
    shapes: Shapes,
}

impl FieldReader {
    /// A reader that knows the factors of `catalogue`.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self {
            catalogue,
            cache: Vec::new(),
            fields: Fields::default(),
            shapes: Shapes::default(),
        }
    }

    /// Reads the CP of a packet: by its shape where that is known, else field by field.
    pub fn read(&mut self, packet: &Packet<'_>, complaints: &mut Complaints) -> &Fields {
        if self.shapes.read(packet, complaints) {
            return self.shapes.last().unwrap_or(&self.fields);
        }
        let before = complaints.count();
        if let Some((groups, made)) = self.read_as_new(packet, complaints).zip(complaints.since(before)) {
            self.shapes.learn(packet, &self.fields, &groups, made);
        }
        &self.fields
    }

    /// Gives back its memory, and with it what it has learned.
    pub fn rest(&mut self) {
        *self = Self::new(Arc::clone(&self.catalogue));
    }

    /// What was read last, field by field.
    #[cfg(test)]
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Reads the CP field by field; gives the places of the readings of each group, see [`Fields::take_groups`].
    pub(super) fn read_as_new(&mut self, packet: &Packet<'_>, complaints: &mut Complaints) -> Option<Vec<(u16, u16)>> {
        self.read_fields(packet, complaints);
        self.fields.take_groups()
    }

    fn read_fields(&mut self, packet: &Packet<'_>, complaints: &mut Complaints) {
        let fields = &mut self.fields;
        fields.measured_at = None;
        fields.data_time_text = None;
        fields.has_data_time = false;
        fields.is_query = false;
        fields.readings.clear();
        fields.in_mpa.clear();
        fields.groups.clear();
        let mut tokens = Tokens::new(packet.cp);
        let mut open_code = NO_CODE;
        let mut count = 0;
        for token in tokens.by_ref() {
            count += 1;
            if count > MAX_FIELDS {
                complaints.add(ComplaintCode::TooLong, format!("> {MAX_FIELDS}").as_bytes());
                break;
            }
            if token.odd {
                complaints.add(ComplaintCode::OddGrammar, token.name);
            }
            let Some(value) = token.value else {
                complaints.add(ComplaintCode::UnknownField, token.name);
                open_code = NO_CODE;
                continue;
            };
            let Some(hyphen) = token.hyphen.filter(|&at| at > 0) else {
                open_code = NO_CODE;
                self.bare(token, value, complaints);
                continue;
            };
            let (code, name) = (
                token.name.get(..hyphen).unwrap_or_default(),
                token.name.get(hyphen + 1..).unwrap_or_default(),
            );
            let packed = pack(code);
            if packed == NO_CODE || packed != open_code {
                let Some(slot) = self.code(code, packed) else {
                    complaints.add(ComplaintCode::UnknownField, token.name);
                    open_code = NO_CODE;
                    continue;
                };
                open_code = packed;
                self.fields.open_group(slot.kept, slot.known, slot.in_mpa);
            }
            self.sub(packet, token, name, value, complaints);
        }
        if tokens.trailing_separator {
            complaints.add(ComplaintCode::OddGrammar, b";&&");
        }
        self.fields.settle(packet, complaints);
    }

    /// The code plume keeps for what was sent.
    fn code(&mut self, text: &[u8], packed: u128) -> Option<Slot> {
        // The low bits of the last two characters and the length tell the codes of one device apart well enough.
        let place = (packed ^ packed >> 5 ^ packed >> 120) as usize % CACHE_SLOTS;
        if self.cache.is_empty() {
            self.cache = vec![None; CACHE_SLOTS];
        }
        if let Some(slot) = self.cache[place].filter(|slot| slot.packed == packed) {
            return Some(slot);
        }
        let sent = FactorCode::new(std::str::from_utf8(text).ok()?).ok()?;
        let (kept, known) = self.catalogue.canonical(sent);
        let factor = self.catalogue.by_2005(sent);
        let in_mpa = factor.is_some_and(|f| (f.unit_2005, f.unit) == (Some(Unit::MPa), Some(Unit::KPa)));
        let slot = Slot {
            packed,
            kept,
            known,
            in_mpa,
        };
        self.cache[place] = Some(slot);
        Some(slot)
    }

    /// A field with a hyphen, of the group that is open.
    fn sub(&mut self, packet: &Packet<'_>, token: Token<'_>, name: &[u8], text: &[u8], complaints: &mut Complaints) {
        let (sub, spelt) = sub(name);
        if !spelt {
            complaints.add(ComplaintCode::OddGrammar, token.name);
        }
        let Some(factor) = self.fields.groups.last().map(|group| group.factor) else {
            return;
        };
        match sub {
            Sub::Value(statistic, basis) => {
                let value = read_value(packet, (factor, statistic), text, token.quoted, complaints);
                let sentinel = basis == Basis::Corrected
                    && packet.dialect == Dialect::Hj2025
                    && value
                        .decimal()
                        .is_some_and(|value| self.catalogue.is_sentinel(factor, value));
                let value = if sentinel {
                    complaints.about(ComplaintCode::Sentinel, Some(factor), text);
                    Value::Text(inline(&decode_gbk(text)))
                } else {
                    value
                };
                self.fields.push(factor, (statistic, basis), value, complaints);
            }
            Sub::Named | Sub::Unknown => {
                if sub == Sub::Unknown {
                    complaints.about(ComplaintCode::UnknownField, Some(factor), name);
                }
                let named = format!("{factor}-{}", decode_gbk(name));
                // A name that fits no code stays in the raw bytes.
                if let Ok(named) = FactorCode::new(&named) {
                    let statistic = if sub == Sub::Named {
                        Statistic::Data
                    } else {
                        Statistic::Other
                    };
                    let value = read_value(packet, (factor, statistic), text, token.quoted, complaints);
                    self.fields.push(named, (statistic, Basis::Standard), value, complaints);
                }
            }
            Sub::Flag => {
                let (flag, spelt) = flag(text);
                if flag == Flag::Unknown {
                    complaints.about(ComplaintCode::UnknownFlag, Some(factor), text);
                } else if !spelt {
                    complaints.about(ComplaintCode::OddGrammar, Some(factor), text);
                }
                if let Some(group) = self.fields.groups.last_mut() {
                    if group.flag.is_some() {
                        complaints.about(ComplaintCode::Repeated, Some(factor), token.name);
                    } else {
                        group.flag = Some(flag);
                        if flag == Flag::Unknown {
                            group.maker_flag = inline(&decode_gbk(text));
                        }
                    }
                }
            }
            Sub::MakerFlag => {
                if let Some(group) = self.fields.groups.last_mut() {
                    group.maker_flag = inline(&decode_gbk(text));
                }
            }
            Sub::Detail => {}
        }
    }

    /// A field without a hyphen.
    fn bare(&mut self, token: Token<'_>, text: &[u8], complaints: &mut Complaints) {
        let (bare, spelt) = bare(token.name);
        if !spelt {
            complaints.add(ComplaintCode::OddGrammar, token.name);
        }
        let fields = &mut self.fields;
        match bare {
            Bare::DataTime if fields.has_data_time => complaints.add(ComplaintCode::Repeated, token.name),
            Bare::DataTime => {
                fields.measured_at = Time::parse_stamp(text);
                fields.has_data_time = true;
                if fields.measured_at.is_none() {
                    fields.data_time_text = Some(inline(&decode_gbk(text)));
                }
            }
            Bare::AlarmTime => fields.measured_at = fields.measured_at.or(Time::parse_stamp(text)),
            Bare::Query => fields.is_query = true,
            Bare::Qualifier | Bare::Secret => {}
            Bare::Value | Bare::Unknown => {
                if bare == Bare::Unknown {
                    complaints.add(ComplaintCode::UnknownField, token.name);
                }
                let code = std::str::from_utf8(token.name)
                    .ok()
                    .and_then(|name| FactorCode::new(name).ok());
                if let Some(code) = code {
                    let value = decimal_or_text(text);
                    fields.open_group(code, true, false);
                    let statistic = if bare == Bare::Value {
                        Statistic::Data
                    } else {
                        Statistic::Other
                    };
                    fields.push(code, (statistic, Basis::Standard), value, complaints);
                }
            }
        }
    }
}

/// A code as a number: its characters, and its length in the highest byte. Codes over 15 characters, which no device
/// has, all come
/// out as [`NO_CODE`] and are looked at each time.
fn pack(code: &[u8]) -> u128 {
    if code.len() > CODE_BYTES {
        return NO_CODE;
    }
    let characters = code.iter().fold(0_u128, |n, &b| n << 8 | u128::from(b));
    characters | (code.len() as u128) << 120
}

impl Fields {
    /// Which readings each group held, group by group, the groups being forgotten; nothing where two were of one
    /// factor, whose flags depend on each other.
    fn take_groups(&mut self) -> Option<Vec<(u16, u16)>> {
        let place = |place: usize| u16::try_from(place).ok();
        let ranges = self.groups.iter().map(|group| {
            let alone = !group.again;
            place(group.first).zip(place(group.end)).filter(|_| alone)
        });
        let ranges = ranges.collect();
        self.groups.clear();
        ranges
    }

    fn open_group(&mut self, factor: FactorCode, known: bool, in_mpa: bool) {
        let again = self.groups.iter().any(|group| group.factor == factor);
        let first = self.readings.len();
        self.groups.push(Group {
            factor,
            known,
            in_mpa,
            again,
            seen: 0,
            flag: None,
            maker_flag: Inline::default(),
            first,
            end: first,
        });
    }

    fn push(&mut self, factor: FactorCode, which: (Statistic, Basis), value: Value, complaints: &mut Complaints) {
        let Some(group) = self.groups.last_mut() else {
            return;
        };
        let bit = 1 << (which.0.number() * 3 + which.1.number() - 1);
        let repeated = if group.again || factor != group.factor {
            // The group is not alone with its factor, or holds fields under names of their own.
            let same = |other: &Reading| other.factor == factor && (other.statistic, other.basis) == which;
            self.readings.iter().any(same)
        } else {
            let seen = group.seen & bit != 0;
            group.seen |= bit;
            seen
        };
        if repeated {
            let text = format!("{factor}-{}", which.0);
            return complaints.about(ComplaintCode::Repeated, Some(factor), text.as_bytes());
        }
        self.readings.push(Reading {
            factor,
            statistic: which.0,
            basis: which.1,
            value,
            flag: Flag::Missing,
            maker_flag: Inline::default(),
        });
        group.end = self.readings.len();
    }

    /// Gives each value the flag of its factor, and complains of what lacks one or is unknown.
    fn settle(&mut self, packet: &Packet<'_>, complaints: &mut Complaints) {
        for at in 0..self.groups.len() {
            let Some(&group) = self.groups.get(at) else { break };
            let elsewhere = || {
                let mut same = self.groups.iter().filter(|other| other.factor == group.factor);
                same.find(|other| other.flag.is_some())
                    .map(|other| (other.flag, other.maker_flag))
            };
            let (flag, maker_flag) = match group.flag {
                Some(_) => (group.flag, group.maker_flag),
                None => elsewhere().unwrap_or((None, group.maker_flag)),
            };
            let mut lacks_flag = false;
            let mut about_factor = false;
            for reading in self.readings.get_mut(group.first..group.end).unwrap_or_default() {
                reading.flag = flag.unwrap_or(Flag::Missing);
                reading.maker_flag = maker_flag;
                lacks_flag |= flag.is_none() && wants_flag(packet.dialect, reading.statistic);
                about_factor |= !matches!(reading.statistic, Statistic::State | Statistic::Hours);
            }
            if lacks_flag {
                complaints.about(ComplaintCode::MissingFlag, Some(group.factor), b"");
            }
            if !group.known && about_factor {
                complaints.about(
                    ComplaintCode::UnknownFactor,
                    Some(group.factor),
                    group.factor.as_str().as_bytes(),
                );
            }
            if group.in_mpa && !self.in_mpa.contains(&group.factor) {
                self.in_mpa.push(group.factor);
            }
        }
    }
}

/// 2005 flags real-time values only; states, times and texts have no flag in any edition.
fn wants_flag(dialect: Dialect, statistic: Statistic) -> bool {
    match statistic {
        Statistic::Sample => true,
        Statistic::Min | Statistic::Mean | Statistic::Max | Statistic::Total => dialect != Dialect::Hj2005,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_too_long_to_keep_belongs_to_no_group() {
        let catalogue = Arc::new(Catalogue::embedded().unwrap());
        let mut reader = FieldReader::new(catalogue);
        let mut complaints = Complaints::default();
        let cp = b"DataTime=20160801080000;sixteen-letters_-Avg=1;a21026-Avg=2;sixteen-letters_-Avg=3,a21026-Flag=N";
        let segment = [b"ST=31;CN=2061;MN=1;Flag=5;CP=&&", cp.as_slice(), b"&&"].concat();
        let packet = Packet::parse(&segment, &mut Complaints::default());
        let fields = reader.read(&packet, &mut complaints);
        let readings: Vec<String> = fields
            .readings
            .iter()
            .map(|r| format!("{} {:?} {}", r.factor, r.value, r.flag))
            .collect();
        assert_eq!(readings, ["a21026 Decimal(2) N"]);
        let codes: Vec<ComplaintCode> = complaints.list().iter().map(|c| c.code).collect();
        assert_eq!(codes, [ComplaintCode::UnknownField, ComplaintCode::UnknownField]);
    }

    #[test]
    fn more_fields_than_the_limit_are_said() {
        let mut reader = FieldReader::new(Arc::new(Catalogue::embedded().unwrap()));
        let mut complaints = Complaints::default();
        let segment = format!(
            "ST=31;CN=2061;MN=1;Flag=5;CP=&&{}&&",
            "a21026-Avg=1;".repeat(MAX_FIELDS + 1)
        );
        let packet = Packet::parse(segment.as_bytes(), &mut Complaints::default());
        assert_eq!(reader.read(&packet, &mut complaints).readings.len(), 1);
        assert!(complaints.beyond() > 400);
    }
}
