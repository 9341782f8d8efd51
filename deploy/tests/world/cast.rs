//! Who is in a world: plants with upsets and faults, their devices, and the registry that knows most of them.

use std::num::NonZeroU32;

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{EnterpriseId, FactorCode, Mn, OutletId};
use plume_schemas::registry::{Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source};
use plume_schemas::report::Dialect;
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Span, Time};
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::misbehave::{Habit, Misbehaviour};
use plume_simulator::plant::{Fault, FaultKind, Plant, PlantSpec, Upset};
use plume_simulator::sender::LinkSpec;

use crate::chance::Chance;

/// How a device of the world is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    /// Conforms in all it writes: every packet must be answered in the end, in order, and its values must arrive digit
    /// by digit.
    Polite,
    /// Has bad habits.
    Liar,
}

/// One device with what the world knows of it.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) device: Device,
    pub(crate) character: Character,
    /// False: a stranger, whose packets wait in quarantine.
    pub(crate) registered: bool,
}

const ENTERPRISE: &str = "91000000WORLD00001";

/// The devices of a world, and its registry. Plants run from `origin`, devices are online an hour later, and faults are
/// over `length_ms` after that.
pub(crate) fn cast(seed: u64, origin: Time, length_ms: i64) -> (Vec<Role>, Registry) {
    let mut chance = Chance::new(seed, "cast");
    let mut roles = Vec::new();
    let mut registry = Registry {
        enterprises: vec![enterprise()],
        ..Registry::default()
    };
    let count = 4 + chance.place(3);
    for number in 0..count {
        let character = if number == 1 {
            Character::Liar
        } else {
            Character::Polite
        };
        let registered = number != 2;
        let mn = Mn::new(&format!("DE30000000000000000000{number:02}")).unwrap();
        let link = link_spec(mn, number, character, &mut chance);
        // One device speaks for two outlets.
        let outlets = if number == 3 { 2 } else { 1 };
        if registered {
            for nth in 0..outlets {
                register(&mut registry, &link, number, nth);
            }
        }
        let plant = Plant::new(plant_spec(number, origin, length_ms, &mut chance), chance.draw());
        let logger = Logger::new(logger_spec(&link, &mut chance), plant, origin);
        roles.push(Role {
            device: Device::logger(link, logger, origin.plus(60 * MINUTE_MS)),
            character,
            registered,
        });
    }
    (roles, registry)
}

/// The registry with a stricter limit, as an inspector would enter it in the middle of the day.
pub(crate) fn stricter(mut registry: Registry) -> Registry {
    let outlets = registry.outlets.iter_mut();
    for limit in outlets
        .flat_map(|outlet| &mut outlet.factors)
        .flat_map(|factor| &mut factor.limits)
    {
        limit.value = Decimal {
            mantissa: limit.value.mantissa - 5,
            scale: 0,
        };
    }
    registry
}

fn link_spec(mn: Mn, number: usize, character: Character, chance: &mut Chance) -> LinkSpec {
    let dialect = match number % 4 {
        2 => Dialect::Hj2005,
        3 => Dialect::Hj2025,
        _ => Dialect::Hj2017,
    };
    let mut link = LinkSpec::usual(mn, dialect);
    link.window = [1, 1, 4, 16][chance.place(4)];
    if character == Character::Liar {
        link.dialect = Dialect::Hj2017;
        for _ in 0..=chance.below(2) {
            link.habits.push(Habit {
                kind: Misbehaviour::ALL[chance.place(Misbehaviour::ALL.len())],
                every: NonZeroU32::MIN.saturating_add(u32::try_from(chance.below(4)).unwrap_or(0)),
            });
        }
        // What is never answered (a wrong checksum, a wrong password) is given up some day.
        link.give_up_after_links = Some(2);
    }
    link
}

fn logger_spec(link: &LinkSpec, chance: &mut Chance) -> LoggerSpec {
    let mut spec = LoggerSpec::usual(link.dialect);
    spec.realtime_interval_s = [Some(30), Some(60), Some(120), None][chance.place(4)];
    spec.equipment = vec!["SB1".to_owned()];
    spec.reports_restart = chance.one_in(2);
    spec.send_delay_ms = chance.within(200..3 * SECOND_MS);
    spec
}

fn plant_spec(number: usize, origin: Time, length_ms: i64, chance: &mut Chance) -> PlantSpec {
    let name = format!("plant {number}");
    // Many factors: its packets are split into parts.
    let mut spec = if number == 4 {
        PlantSpec::incinerator(&name, origin)
    } else {
        PlantSpec::coal_boiler(&name, origin)
    };
    let so2 = FactorCode::new("a21026").unwrap();
    let mut span = |most_ms: i64| {
        let start = origin.plus(60 * MINUTE_MS + chance.within(0..length_ms));
        let end = start.plus(chance.within(SECOND_MS..most_ms));
        // All is well again when the world's troubles are over.
        Span {
            start,
            end: end.min(origin.plus(60 * MINUTE_MS + length_ms)),
        }
    };
    let (upset, skewed, stuck, dark, unlinked) = (
        span(180 * MINUTE_MS),
        span(40 * MINUTE_MS),
        span(150 * MINUTE_MS),
        span(90 * MINUTE_MS),
        span(30 * MINUTE_MS),
    );
    spec.upsets.push(Upset {
        factor: so2,
        span: upset,
        efficiency: 0.975,
        lag_s: 300.0,
    });
    spec.faults = vec![
        Fault::on(FactorCode::new("a21002").unwrap(), FaultKind::Stuck, stuck),
        Fault::whole(FaultKind::LinkDown, unlinked),
    ];
    // A clock that runs wrong by a constant, and one that jumps to and fro.
    let always = Span {
        start: origin,
        end: Time(i64::MAX),
    };
    let ahead_ms = chance.within(-90 * SECOND_MS..90 * SECOND_MS);
    spec.faults
        .push(Fault::whole(FaultKind::ClockSkew { ahead_ms }, always));
    let ahead_ms = [-180, -7, 3, 20, 400][chance.place(5)] * MINUTE_MS;
    spec.faults
        .insert(0, Fault::whole(FaultKind::ClockSkew { ahead_ms }, skewed));
    if chance.one_in(2) {
        spec.faults.push(Fault::whole(FaultKind::PowerOff, dark));
    }
    spec
}

fn enterprise() -> Enterprise {
    Enterprise {
        id: EnterpriseId::new(ENTERPRISE).unwrap(),
        name: "世界热电有限公司".to_owned(),
        district: String::new(),
        industry: "thermal_power_coal".to_owned(),
        officer: String::new(),
        officer_phone: String::new(),
        contacts: Vec::new(),
        permit_number: String::new(),
        permit_valid_to: None,
    }
}

fn register(registry: &mut Registry, link: &LinkSpec, number: usize, nth: usize) {
    let serial = format!("DA{number:02}{nth}");
    let id = OutletId::new(&format!("{ENTERPRISE}:{serial}")).unwrap();
    let setup = |code: &str, range_high, limit: Option<i64>| FactorSetup {
        code: FactorCode::new(code).unwrap(),
        unit: None,
        range_low: None,
        range_high: Decimal::new(range_high, 0),
        reference_o2_pct: limit.and_then(|_| Decimal::new(6, 0)),
        cycle_min: None,
        limits: limit.into_iter().map(hour_limit).collect(),
    };
    registry.outlets.push(Outlet {
        id,
        enterprise: EnterpriseId::new(ENTERPRISE).unwrap(),
        number: serial,
        name: String::new(),
        management_class: String::new(),
        shared_stack: String::new(),
        stack_height_m: None,
        trial_until: None,
        factors: vec![
            setup("a34013", 20, Some(10)),
            setup("a21026", 200, Some(35)),
            setup("a21002", 200, Some(50)),
            setup("a19001", 25, None),
            setup("a00000", 600, None),
        ],
        stop_work: Vec::new(),
        valid_from: None,
        valid_to: None,
    });
    registry.sources.push(Source {
        mn: link.mn,
        password: Some(link.password.clone()),
        st: Some(link.st.clone()),
        outlet: id,
        factors: Vec::new(),
        minute_interval_min: Some(1),
        realtime_interval_s: Some(30),
        data_time_is_end: false,
        valid_from: None,
        valid_to: None,
    });
}

fn hour_limit(value: i64) -> Limit {
    Limit {
        window: LimitWindow::Hour,
        value: Decimal {
            mantissa: value,
            scale: 0,
        },
        basis: LimitBasis::Concentration,
        source: "permit".to_owned(),
        clause: String::new(),
        valid_from: None,
        valid_to: None,
    }
}
