//! Checks a model file: everything wrong at once, each with its key.

use std::collections::HashSet;

use plume_schemas::decimal::Decimal;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::FactorCode;
use plume_schemas::units::{Quantity, Unit};

use super::file::{CheckFile, ModelFile, RegisterFile, StandardFile, StatusFile, WhenFile};
use super::load::Merged;
use super::model::{Check, DeviceClock, GasState, Model, Register, Standard, Status, When};
use super::problem::MapProblem;
use crate::modbus::plan::Limits;
use crate::modbus::read::{MAX_BITS, MAX_WORDS, Read};
use crate::modbus::series::OXYGEN;
use crate::modbus::value::{Meaning, Scaling};
use crate::modbus::words::{Form, Kind, Order};

/// Most registers of one map. Real ones have some dozens; a map of thousands is a mistake that would starve the bus.
pub const MAX_REGISTERS: usize = 512;
/// Digits kept where nothing says how many: floats, currents, converted values.
const USUAL_DECIMALS: u8 = 3;

/// Looks at a model and notes what is wrong.
pub(super) struct Checker<'a> {
    merged: &'a Merged,
    catalogue: &'a Catalogue,
    problems: Vec<MapProblem>,
}

impl<'a> Checker<'a> {
    /// The model of a file, and everything wrong with it: where that is not nothing, the model is of no use.
    pub(super) fn check(merged: &'a Merged, catalogue: &'a Catalogue, file: &ModelFile) -> (Model, Vec<MapProblem>) {
        let mut checker = Self {
            merged,
            catalogue,
            problems: Vec::new(),
        };
        let model = checker.model(file);
        (model, checker.problems)
    }

    /// Notes a problem unless `holds`.
    fn need(&mut self, holds: bool, path: impl std::fmt::Display, message: impl Into<String>, hint: &str) {
        if !holds {
            let (file, path) = self.merged.place(&path.to_string());
            self.problems.push(MapProblem::new(&file, path, message, hint));
        }
    }

    fn model(&mut self, file: &ModelFile) -> Model {
        let count = file.registers.len();
        self.need(
            (1..=MAX_REGISTERS).contains(&count),
            "register",
            format!("{count} registers, expected 1 to {MAX_REGISTERS}"),
            "add [[register]] tables",
        );
        let base_hint = "0: addresses as on the wire; 1: as printed in manuals that count from 1";
        self.need(file.address_base <= 1, "address_base", "must be 0 or 1", base_hint);
        let most = |asked: Option<u16>, most: u16| asked.unwrap_or(most);
        let limits = Limits {
            max_registers: most(file.max_registers, MAX_WORDS),
            max_bits: most(file.max_bits, MAX_BITS),
            max_gap: file.max_gap,
        };
        for (key, limit, most) in [
            ("max_registers", limits.max_registers, MAX_WORDS),
            ("max_bits", limits.max_bits, MAX_BITS),
        ] {
            let message = format!("{limit} is out of range, expected 1 to {most}");
            self.need(
                (1..=most).contains(&limit),
                key,
                message,
                "the protocol allows no more in one answer",
            );
        }
        let mut names = HashSet::new();
        let mut registers = Vec::new();
        for (i, register) in file.registers.iter().enumerate() {
            let fresh = names.insert(register.name.as_str());
            let message = format!("a second register named `{}`", register.name);
            self.need(
                fresh,
                format_args!("register[{i}].name"),
                message,
                "give each register its own name",
            );
            registers.push(self.register(i, register, file, limits));
        }
        let mut model = Model {
            name: file.model.clone(),
            limits,
            registers,
            statuses: Vec::new(),
            clock: file.clock.map(|clock| DeviceClock {
                read: Read {
                    table: clock.table,
                    address: clock.address.saturating_sub(file.address_base),
                    count: clock.form.words(),
                },
                form: clock.form,
            }),
            checks: Vec::new(),
        };
        if let Some(clock) = file.clock {
            let hint = "a clock stands in holding or input registers";
            self.need(!clock.table.is_bits(), "clock.table", "a clock is not a bit", hint);
        }
        self.one_register_a_factor(&model);
        model.statuses = self.statuses(&model, &file.statuses);
        model.checks = self.checks(&model, &file.checks);
        model
    }

    fn one_register_a_factor(&mut self, model: &Model) {
        let mut seen = HashSet::new();
        for (i, register) in model.registers.iter().enumerate() {
            let Some(factor) = register.factor else { continue };
            let message = format!("a second register for factor {factor}");
            let hint = "one register gives a factor; leave `factor` out of the other";
            self.need(seen.insert(factor), format_args!("register[{i}].factor"), message, hint);
        }
    }

    fn register(&mut self, i: usize, file: &RegisterFile, model: &ModelFile, limits: Limits) -> Register {
        let read = self.read(i, file, model, limits);
        self.kind(i, file);
        let decimals = file.decimals.unwrap_or_else(|| usual_decimals(file));
        let place = format!("register[{i}].decimals");
        self.need(
            decimals <= 9,
            place,
            "must be 0 to 9",
            "leave it out for the usual number",
        );
        let unit = self.unit(i, file);
        Register {
            name: file.name.clone(),
            read,
            form: Form {
                kind: file.kind,
                order: file.order.or(model.order).unwrap_or(Order::Abcd),
                bit: file.bit.unwrap_or(0),
            },
            meaning: Meaning {
                scaling: self.scaling(i, file),
                invalid: file.invalid.clone(),
                valid: file.valid.map(|[low, high]| (low, high)),
            },
            unit,
            decimals,
            factor: file.factor,
            state: self.state(i, file, unit),
        }
    }

    /// Where a register stands.
    fn read(&mut self, i: usize, file: &RegisterFile, model: &ModelFile, limits: Limits) -> Read {
        let at = |key: &str| format!("register[{i}].{key}");
        let (name, base) = (&file.name, model.address_base);
        let words = file.kind.words().or(file.words).unwrap_or(1);
        let read = Read {
            table: file.table,
            address: file.address.saturating_sub(base),
            count: words,
        };
        let below = format!("address {} lies below address_base {base}", file.address);
        self.need(file.address >= base, at("address"), below, "count from address_base");
        let beyond = format!("`{name}` ends beyond address 65535");
        self.need(read.end() <= 65_536, at("address"), beyond, "check the address");
        let most = if file.table.is_bits() {
            limits.max_bits
        } else {
            limits.max_registers
        };
        let long = format!("`{name}` takes {words} words, a request at most {most}");
        self.need(
            (1..=most).contains(&words),
            at("type"),
            long,
            "raise max_registers or shorten the text",
        );
        read
    }

    /// Keys that belong to some types only.
    fn kind(&mut self, i: usize, file: &RegisterFile) {
        let at = |key: &str| format!("register[{i}].{key}");
        let fits = file.table.is_bits() == (file.kind == Kind::Bool);
        let message = format!("type {:?} does not stand in table {}", file.kind, file.table.code());
        let hint = "coil and discrete hold `bool`; use `bit` for a bit of a word";
        self.need(fits, at("type"), message, hint);
        let has_bit = file.bit.is_some() == (file.kind == Kind::Bit) && file.bit.unwrap_or(0) <= 15;
        self.need(
            has_bit,
            at("bit"),
            "`bit` (0 to 15) belongs to type `bit`",
            "0 is the lowest bit",
        );
        let sized = file.words.is_some() == (file.kind == Kind::String);
        let hint = "say how many words the text takes";
        self.need(sized, at("words"), "`words` belongs to type `string`", hint);
        let text = file.kind == Kind::String && file.factor.is_some();
        let hint = "leave `factor` out; the probe shows the text";
        self.need(!text, at("factor"), "text is no value of a factor", hint);
        if let Some([low, high]) = file.valid {
            let hint = "values outside are flagged D and T";
            self.need(low < high, at("valid"), "must be [low, high]", hint);
        }
    }

    fn scaling(&mut self, i: usize, file: &RegisterFile) -> Scaling {
        let linear = Scaling::Linear {
            scale: file.scale.unwrap_or(Decimal { mantissa: 1, scale: 0 }),
            offset: file.offset.unwrap_or_default(),
        };
        let scale_fits = file.scale.is_none_or(|scale| scale.mantissa != 0);
        self.need(
            scale_fits,
            format_args!("register[{i}].scale"),
            "must not be 0",
            "1 leaves the value as it is",
        );
        let Some(range) = file.current_loop else { return linear };
        let at = format!("register[{i}].loop");
        let alone = file.scale.is_none() && file.offset.is_none();
        self.need(
            alone,
            &at,
            "a loop has no scale or offset",
            "give the values at 4 and 20 mA instead",
        );
        let numbers = [range.at_4ma, range.at_20ma, range.low, range.high];
        let open = numbers.iter().all(|n| n.is_finite()) && range.at_20ma > range.at_4ma && range.high > range.low;
        let hint = "raw counts at 4 and 20 mA, and the values they stand for";
        self.need(open, &at, "at_4ma must lie below at_20ma, low below high", hint);
        Scaling::Loop(range)
    }

    /// The unit, which must convert to that of the factor.
    fn unit(&mut self, i: usize, file: &RegisterFile) -> Unit {
        let at = format!("register[{i}].unit");
        let known = file.factor.and_then(|code| self.catalogue.get(code));
        if let Some(code) = file.factor {
            let hint = "schemas/data/factors.csv has every factor code";
            let message = format!("factor {code} is not in the catalogue");
            self.need(known.is_some(), format_args!("register[{i}].factor"), message, hint);
        }
        let of_factor = known.and_then(|factor| factor.unit);
        let Some(text) = &file.unit else {
            let hint = "say the unit of the value: it is converted, never guessed";
            let needed = of_factor.is_none_or(|unit| unit == Unit::One) || file.kind == Kind::String;
            self.need(
                needed,
                format_args!("register[{i}]"),
                format!("`{}` has no unit", file.name),
                hint,
            );
            return of_factor.unwrap_or(Unit::One);
        };
        let Some(unit) = Unit::parse(text) else {
            self.need(
                false,
                &at,
                format!("unknown unit `{text}`"),
                "for example mg/m3, ppm, %, degC, kPa, m3/h",
            );
            return Unit::One;
        };
        if let (Some(wanted), Some(factor)) = (of_factor, known)
            && let Err(error) = unit.convert(1.0, wanted, factor.molar_mass_g_mol)
        {
            self.need(false, &at, error.to_string(), &error.hint());
        }
        unit
    }

    /// A gas or flow says in which state it is.
    fn state(&mut self, i: usize, file: &RegisterFile, unit: Unit) -> GasState {
        let of_gas = |code: FactorCode| {
            let quantity = self.catalogue.unit(code).unwrap_or(unit).quantity();
            let gas = matches!(
                quantity,
                Quantity::GasConcentration | Quantity::VolumeRatio | Quantity::Flow
            );
            gas || code.as_str() == OXYGEN
        };
        let needed = file.factor.is_some_and(of_gas);
        let hint = "dry_standard, wet_standard, dry_actual or wet_actual: it is converted, never guessed";
        let message = format!("`{}` has no state", file.name);
        self.need(
            !needed || file.state.is_some(),
            format_args!("register[{i}]"),
            message,
            hint,
        );
        let pointless = format!("`{}` has a state but is no gas", file.name);
        let place = format!("register[{i}].state");
        self.need(needed || file.state.is_none(), place, pointless, "leave `state` out");
        file.state.unwrap_or(GasState::DryStandard)
    }

    fn named(&mut self, model: &Model, name: &str, path: String) -> usize {
        let place = model.place(name);
        let hint = "write the `name` of a [[register]]";
        self.need(place.is_some(), path, format!("no register named `{name}`"), hint);
        place.unwrap_or(0)
    }

    fn statuses(&mut self, model: &Model, files: &[StatusFile]) -> Vec<Status> {
        let status = |(i, file): (usize, &StatusFile)| {
            let register = self.named(model, &file.register, format!("status[{i}].register"));
            let hint = "a status word is a whole number";
            let whole = model.registers.get(register).is_none_or(|one| one.form.kind.is_whole());
            self.need(whole, format_args!("status[{i}].register"), "is no whole number", hint);
            let when = file.when.iter().enumerate();
            Status {
                register,
                when: when
                    .map(|(k, line)| self.when(format!("status[{i}].when[{k}]"), *line))
                    .collect(),
                otherwise: file.otherwise.unwrap_or(plume_schemas::reading::Flag::Normal),
                of: file
                    .of
                    .iter()
                    .enumerate()
                    .map(|(k, name)| self.named(model, name, format!("status[{i}].of[{k}]")))
                    .collect(),
            }
        };
        files.iter().enumerate().map(status).collect()
    }

    fn when(&mut self, path: String, file: WhenFile) -> When {
        let (mask, value) = match (file.bit, file.mask, file.value) {
            (Some(bit), None, None) if bit < 64 => (1 << bit, 1 << bit),
            (None, mask, Some(value)) => (mask.unwrap_or(u64::MAX), value),
            _ => {
                let hint = "write { bit = 3, flag = \"D\" } or { mask = 0x0F, value = 2, flag = \"M\" }";
                self.need(false, path, "needs a `bit`, or a `value` with an optional `mask`", hint);
                (0, 1)
            }
        };
        When {
            mask,
            value,
            flag: file.flag,
        }
    }

    fn checks(&mut self, model: &Model, files: &[CheckFile]) -> Vec<Check> {
        let check = |(i, file): (usize, &CheckFile)| Check {
            factor: file.factor,
            trigger: self.named(model, &file.trigger, format!("check[{i}].trigger")),
            reading: self.named(model, &file.reading, format!("check[{i}].reading")),
            standard: match &file.standard {
                StandardFile::Value(value) => Standard::Value(*value),
                StandardFile::Register(name) => {
                    Standard::Register(self.named(model, name, format!("check[{i}].standard")))
                }
            },
        };
        files.iter().enumerate().map(check).collect()
    }
}

/// One digit more than a sample has, since a mean of twelve knows it.
fn usual_decimals(file: &RegisterFile) -> u8 {
    let digits = |decimal: Option<Decimal>| decimal.map_or(0, |decimal| decimal.scale);
    match file.kind {
        Kind::Bool | Kind::Bit | Kind::String => 0,
        kind if kind.is_whole() && file.current_loop.is_none() => digits(file.scale).max(digits(file.offset)) + 1,
        _ => USUAL_DECIMALS,
    }
}
