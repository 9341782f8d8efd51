//! The site file: which buses there are, and which units on them use which model.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{Inline, Mn};
use serde::Deserialize;
use toml::{Table as Toml, Value};

use super::load::Merged;
use super::model::Model;
use super::problem::{MapFile, MapProblem};
use crate::modbus::stack::StackSetup;

/// Most buses of one plume: each is a task and a socket. Five hundred were measured; more is another machine.
pub const MAX_BUSES: usize = 2_000;
/// Most units of one bus: addresses 1 to 247 (Modbus over serial line V1.02, 2.2); 255 and 0 are a TCP device itself.
const MAX_UNITS: usize = 249;

/// Everything that is polled.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Site {
    /// One connection each.
    pub buses: Vec<Bus>,
}

/// One connection, shared by its units.
#[derive(Clone, Debug, PartialEq)]
pub struct Bus {
    /// Its name, for people and log lines.
    pub name: String,
    /// Where it is.
    pub connect: Connect,
    /// Milliseconds for one answer, where the usual ones do not fit.
    pub timeout_ms: Option<u64>,
    /// Who is on it.
    pub units: Vec<Unit>,
}

/// One device on a bus.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Its address on the bus.
    pub unit: u8,
    /// The device in the registry, which says whose outlet it is.
    pub mn: Mn,
    /// What it holds.
    pub model: Arc<Model>,
    /// What is fixed about its stack.
    pub stack: StackSetup,
}

/// How a bus is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connect {
    /// Modbus TCP.
    Tcp(String),
    /// RTU frames through a serial device server.
    RtuOverTcp(String),
    /// A serial port.
    Serial {
        /// The device file.
        path: String,
        /// Bits a second.
        baud: u32,
        /// Parity.
        parity: Parity,
        /// One or two.
        stop_bits: u8,
    },
}

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// None.
    None,
    /// Even: the standard's default.
    Even,
    /// Odd.
    Odd,
}

impl Connect {
    /// Parses `tcp://HOST:PORT`, `rtu+tcp://HOST:PORT` or `serial:/dev/ttyS0?baud=9600&parity=even&stop=1`.
    pub fn parse(text: &str) -> Option<Self> {
        let address = |rest: &str| {
            let (host, port) = rest.rsplit_once(':')?;
            (!host.is_empty() && port.parse::<u16>().is_ok()).then(|| rest.to_owned())
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return Some(Self::Tcp(address(rest)?));
        }
        if let Some(rest) = text.strip_prefix("rtu+tcp://") {
            return Some(Self::RtuOverTcp(address(rest)?));
        }
        let rest = text.strip_prefix("serial:")?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut baud, mut parity, mut stop_bits) = (9_600, Parity::Even, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=')? {
                ("baud", value) => baud = value.parse().ok().filter(|baud| (300..=4_000_000).contains(baud))?,
                ("parity", "none") => parity = Parity::None,
                ("parity", "even") => parity = Parity::Even,
                ("parity", "odd") => parity = Parity::Odd,
                ("stop", "1") => stop_bits = Some(1),
                ("stop", "2") => stop_bits = Some(2),
                _ => return None,
            }
        }
        // Without parity the standard asks for a second stop bit; hardly any device does it.
        (!path.is_empty()).then(|| Self::Serial {
            path: path.to_owned(),
            baud,
            parity,
            stop_bits: stop_bits.unwrap_or(1),
        })
    }

    /// The peer as it stands in reports, cut to what fits.
    pub fn peer(&self) -> Inline<47> {
        crate::hj212::complaints::inline(&self.to_string())
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::RtuOverTcp(address) => write!(f, "rtu+tcp://{address}"),
            Self::Serial { path, .. } => write!(f, "serial:{path}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFile {
    #[serde(default, rename = "bus")]
    buses: Vec<BusFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BusFile {
    name: String,
    connect: String,
    timeout_ms: Option<u64>,
    #[serde(default, rename = "unit")]
    units: Vec<Toml>,
}

/// The keys of a unit that are not changes to its model.
#[derive(Deserialize)]
struct UnitFile {
    unit: u8,
    mn: Mn,
    #[serde(rename = "use")]
    model: String,
    #[serde(default)]
    stack: StackSetup,
}

const UNIT_KEYS: [&str; 4] = ["unit", "mn", "use", "stack"];

/// The names of the models a site uses, each once. Errors: the text is no site file.
pub fn models_of(text: &str) -> Result<Vec<String>, Vec<MapProblem>> {
    let mut names: Vec<String> = Vec::new();
    for bus in parse(text)?.buses {
        for unit in bus.units {
            if let Some(Value::String(name)) = unit.get("use")
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
    }
    Ok(names)
}

fn parse(text: &str) -> Result<SiteFile, Vec<MapProblem>> {
    let table: Toml = text
        .parse()
        .map_err(|error| vec![MapProblem::syntax(&MapFile::Site, &error)])?;
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let path = error.path().to_string();
        let hint = "deploy/examples/modbus.toml has an example of every key";
        let inner = error.into_inner();
        vec![MapProblem::new(&MapFile::Site, path, inner.message(), hint)]
    })
}

/// Reads a site with its models, given by name as texts. Errors: everything wrong in any of them.
pub fn load_site(
    text: &str,
    models: &BTreeMap<String, String>,
    catalogue: &Catalogue,
) -> Result<Site, Vec<MapProblem>> {
    let file = parse(text)?;
    let mut loader = Loader {
        models,
        catalogue,
        problems: Vec::new(),
        mns: HashMap::new(),
    };
    let buses: Vec<Bus> = file
        .buses
        .iter()
        .enumerate()
        .filter_map(|(i, bus)| loader.bus(i, bus))
        .collect();
    let hint = "split the site between several machines";
    loader.need(
        buses.len() <= MAX_BUSES,
        "bus",
        format!("more than {MAX_BUSES} buses"),
        hint,
    );
    let problems = loader.problems;
    if problems.is_empty() {
        Ok(Site { buses })
    } else {
        Err(problems)
    }
}

struct Loader<'a> {
    models: &'a BTreeMap<String, String>,
    catalogue: &'a Catalogue,
    problems: Vec<MapProblem>,
    mns: HashMap<Mn, String>,
}

impl Loader<'_> {
    fn need(&mut self, holds: bool, path: impl fmt::Display, message: impl Into<String>, hint: &str) {
        if !holds {
            self.problems.push(MapProblem::new(&MapFile::Site, path, message, hint));
        }
    }

    fn bus(&mut self, i: usize, file: &BusFile) -> Option<Bus> {
        let connect = Connect::parse(&file.connect);
        let hint = "tcp://HOST:502, rtu+tcp://HOST:PORT or serial:/dev/ttyS0?baud=9600&parity=even";
        let message = format!("`{}` is no address", file.connect);
        self.need(connect.is_some(), format_args!("bus[{i}].connect"), message, hint);
        let patient = file.timeout_ms.is_none_or(|ms| (10..=60_000).contains(&ms));
        self.need(
            patient,
            format_args!("bus[{i}].timeout_ms"),
            "must be 10 to 60000",
            "1000 is usual",
        );
        let count = format!("{} units, expected 1 to {MAX_UNITS}", file.units.len());
        let some = (1..=MAX_UNITS).contains(&file.units.len());
        self.need(some, format_args!("bus[{i}]"), count, "add [[bus.unit]] tables");
        let units: Vec<Unit> = file
            .units
            .iter()
            .enumerate()
            .filter_map(|(k, unit)| self.unit((i, k), unit))
            .collect();
        for (k, unit) in units.iter().enumerate() {
            let twice = units.iter().take(k).any(|other| other.unit == unit.unit);
            let message = format!("a second unit {} on one bus", unit.unit);
            self.need(
                !twice,
                format_args!("bus[{i}].unit[{k}].unit"),
                message,
                "give each device its own address",
            );
        }
        Some(Bus {
            name: file.name.clone(),
            connect: connect?,
            timeout_ms: file.timeout_ms,
            units,
        })
    }

    fn unit(&mut self, (i, k): (usize, usize), table: &Toml) -> Option<Unit> {
        let at = format!("bus[{i}].unit[{k}]");
        let (own, changes): (Toml, Toml) = table
            .clone()
            .into_iter()
            .partition(|(key, _)| UNIT_KEYS.contains(&key.as_str()));
        let unit: UnitFile = match serde_path_to_error::deserialize(Value::Table(own)) {
            Ok(unit) => unit,
            Err(error) => {
                let path = format!("{at}.{}", error.path());
                let inner = error.into_inner();
                let message = inner.message();
                self.need(
                    false,
                    path.trim_end_matches(['.', '?']),
                    message,
                    "a unit needs unit, mn and use",
                );
                return None;
            }
        };
        let before = self.mns.insert(unit.mn, at.clone());
        let message = format!(
            "MN {} is already that of {}",
            unit.mn,
            before.clone().unwrap_or_default()
        );
        self.need(
            before.is_none(),
            format_args!("{at}.mn"),
            message,
            "each unit is a device of its own",
        );
        if let Err((key, message)) = unit.stack.check() {
            self.need(
                false,
                format_args!("{at}.stack.{key}"),
                message,
                "see deploy/examples/modbus.toml",
            );
        }
        let model = self.model(&unit.model, at, changes)?;
        Some(Unit {
            unit: unit.unit,
            mn: unit.mn,
            model: Arc::new(model),
            stack: unit.stack,
        })
    }

    /// A model with the changes of one unit.
    fn model(&mut self, name: &str, at: String, changes: Toml) -> Option<Model> {
        let Some(text) = self.models.get(name) else {
            let hint = "models are files NAME.toml in the directory `modbus` beside the site file";
            self.need(false, format_args!("{at}.use"), format!("no model `{name}`"), hint);
            return None;
        };
        let file = MapFile::Model(name.to_owned());
        let loaded = match text.parse::<Toml>() {
            Err(error) => Err(vec![MapProblem::syntax(&file, &error)]),
            Ok(base) => {
                let changes = Some((MapFile::Site, at, changes));
                Merged::new(base, (file, String::new()), changes).load(self.catalogue)
            }
        };
        let problems = match loaded {
            Ok(model) => return Some(model),
            Err(problems) => problems,
        };
        for problem in problems {
            // A fault of a model that many units share is told once.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, shown) in [
            ("tcp://192.168.1.20:502", Some("tcp://192.168.1.20:502")),
            ("rtu+tcp://gateway:4001", Some("rtu+tcp://gateway:4001")),
            ("serial:/dev/ttyS0", Some("serial:/dev/ttyS0")),
            (
                "serial:/dev/ttyS0?baud=19200&parity=none&stop=2",
                Some("serial:/dev/ttyS0"),
            ),
            ("serial:/dev/ttyS0?baud=fast", None),
            ("serial:/dev/ttyS0?bits=7", None),
            ("serial:", None),
            ("tcp://192.168.1.20", None),
            ("192.168.1.20:502", None),
        ] {
            let parsed = Connect::parse(text).map(|connect| connect.to_string());
            assert_eq!(parsed.as_deref(), shown, "{text}");
        }
    }
}
