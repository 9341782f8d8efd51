//! The demo's story: plants around one hour, 14:00 to 15:00 on the virtual clock, seen from 13:50 on.
//!
//! | | what happens | what plume should make of it |
//! |---|---|---|
//! | 甲 | a slurry pump weakens at 14:20; told, the enterprise acts | warned near minute 25, the hour ends near 33.9 |
//! | 乙 | the same at 14:14; nobody answers | warned as well; the hour ends near 37.1, 0.06 times over 35 |
//! | 丙 | its SO₂ analyser is stuck from 13:50 on, while the flow moves | CONST after 60 minutes, at 14:50 |
//! | 丁 | runs well, polled over Modbus (in `plume demo` alone) | judged like the others, nothing said |
//!
//! No outcome is written down anywhere: pumps, reserves and analysers are, and the numbers come out of the physics
//! with this seed. The loggers have been running since 13:00, so the hour packet sent at 14:00 is whole; what they
//! kept before 13:50 they do not send again. Everything has shown by 15:05 (75 virtual minutes).

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{EnterpriseId, Mn, OutletId};
use plume_schemas::registry::{
    Contact, ContactRole, Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source,
};
use plume_schemas::report::Dialect;
use plume_schemas::time::{MINUTE_MS, Span, Time};

use crate::codes::{self, factor};
use crate::device::Device;
use crate::logger::{Logger, LoggerSpec};
use crate::plant::{Action, Fault, FaultKind, Plant, PlantSpec, Upset};
use crate::sender::LinkSpec;

/// The seed with which the story was tuned and is tested.
pub const SEED: u64 = 20_260_117;
/// Limit of the hour mean of SO₂, corrected to 6 % O₂, mg/m³ (ultra-low emission of coal power).
pub const LIMIT_MG_M3: Decimal = Decimal { mantissa: 35, scale: 0 };
/// How long the demo's enterprise takes from being told to the pump, by the virtual clock. It complies with up to two
/// minutes more.
pub const REACTION_MS: i64 = 3 * MINUTE_MS;
/// The story lasts this long, minutes.
pub const LENGTH_MIN: i64 = 75;

/// Who is in the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// 甲: warned, acts, complies.
    Jia,
    /// 乙: warned, nobody answers, exceeds.
    Yi,
    /// 丙: a stuck analyser.
    Bing,
    /// 丁: runs well, and has no logger: its analysers are polled over Modbus.
    Ding,
}

impl Part {
    /// The three with loggers, in order.
    pub const ALL: [Self; 3] = [Self::Jia, Self::Yi, Self::Bing];

    /// The enterprise's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jia => "甲热电有限公司",
            Self::Yi => "乙热电有限公司",
            Self::Bing => "丙能源有限公司",
            Self::Ding => "丁供热有限公司",
        }
    }

    /// The device that speaks for it. No real device has such a number.
    pub fn mn(self) -> Mn {
        Mn::new(match self {
            Self::Jia => "DE300000000000000000001A",
            Self::Yi => "DE300000000000000000002B",
            Self::Bing => "DE300000000000000000003C",
            Self::Ding => "DE300000000000000000004D",
        })
        .unwrap_or_default()
    }

    /// The enterprise's code; the letters O and I in it never occur in a real 统一社会信用代码.
    pub fn enterprise(self) -> EnterpriseId {
        EnterpriseId::new(match self {
            Self::Jia => "91000000DEMOJIA001",
            Self::Yi => "91000000DEMOYI0002",
            Self::Bing => "91000000DEMOBING03",
            Self::Ding => "91000000DEMODING04",
        })
        .unwrap_or_default()
    }

    /// Its one outlet.
    pub fn outlet(self) -> OutletId {
        OutletId::new(&format!("{}:DA001", self.enterprise())).unwrap_or_default()
    }

    /// How it runs; `start` is [`start`] or the same clock time of another day.
    pub fn plant(self, start: Time, seed: u64) -> Plant {
        Plant::new(
            self.spec(start),
            seed ^ self.mn().as_str().bytes().map(u64::from).sum::<u64>(),
        )
    }

    fn spec(self, start: Time) -> PlantSpec {
        let origin = start.plus(-50 * MINUTE_MS);
        let mut spec = PlantSpec::coal_boiler(self.name(), origin);
        let so2 = factor(codes::SO2);
        let from = |minute: i64| Span {
            start: origin.plus((60 + minute) * MINUTE_MS),
            end: Time(i64::MAX),
        };
        let upset = |minute, efficiency, lag_s| Upset {
            factor: so2,
            span: from(minute),
            efficiency,
            lag_s,
        };
        match self {
            Self::Jia => {
                if let Some(sulphur) = spec.pollutant_mut(so2) {
                    sulphur.efficiency = 0.986;
                    sulphur.noise_share = 0.02;
                    sulphur.reserve.efficiency = 0.985;
                    sulphur.reserve.dead_time_s = 180.0;
                    sulphur.reserve.lag_s = 720.0;
                }
                spec.upsets.push(upset(20, 0.973_2, 480.0));
            }
            Self::Yi => {
                if let Some(sulphur) = spec.pollutant_mut(so2) {
                    sulphur.efficiency = 0.986;
                    sulphur.noise_share = 0.02;
                }
                spec.upsets.push(upset(14, 0.979_05, 480.0));
            }
            Self::Bing => spec.faults.push(Fault::on(so2, FaultKind::Stuck, from(-10))),
            Self::Ding => {}
        }
        spec
    }
}

/// 13:50 of the story's day, 2026-01-17.
pub fn start() -> Time {
    Time::parse_stamp(b"20260117135000").unwrap_or_default()
}

/// What the demo enterprise does when it has been told: switch the second slurry pump on.
pub fn remedy() -> Action {
    Action::DoseMore {
        factor: factor(codes::SO2),
    }
}

/// The three devices at `start`, each with a logger that has been running since 13:00.
pub fn devices(start: Time, seed: u64) -> Vec<Device> {
    Part::ALL.iter().map(|part| part.device(start, seed)).collect()
}

/// The registry of the three: permits, limits, whom to tell, which device speaks for which outlet.
pub fn registry() -> Registry {
    Registry {
        enterprises: Part::ALL.iter().map(|part| part.enterprise_row()).collect(),
        outlets: Part::ALL.iter().map(|part| part.outlet_row()).collect(),
        sources: Part::ALL.iter().map(|part| part.source_row()).collect(),
        ..Registry::default()
    }
}

/// [`registry`] with 丁, whose analysers are polled.
pub fn registry_with_polled() -> Registry {
    let mut registry = registry();
    registry.enterprises.push(Part::Ding.enterprise_row());
    registry.outlets.push(Part::Ding.outlet_row());
    registry.sources.push(Source {
        password: None,
        realtime_interval_s: None,
        ..Part::Ding.source_row()
    });
    registry
}

impl Part {
    fn device(self, start: Time, seed: u64) -> Device {
        let plant = self.plant(start, seed);
        let since = plant.spec().origin;
        let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2017), plant, since);
        Device::logger(LinkSpec::usual(self.mn(), Dialect::Hj2017), logger, start)
    }

    fn enterprise_row(self) -> Enterprise {
        let contact = |role: ContactRole, name: &str, last: u8| Contact {
            role,
            name: name.to_owned(),
            phone: format!("1390000{}{last}", self.serial()),
            email: format!("{}{last}@example.com", self.latin()),
        };
        Enterprise {
            id: self.enterprise(),
            name: self.name().to_owned(),
            district: "示范区".to_owned(),
            industry: "thermal_power_coal".to_owned(),
            officer: "王片区".to_owned(),
            officer_phone: "13900000100".to_owned(),
            contacts: vec![
                contact(ContactRole::EnvironmentOfficer, "李环保", 1),
                contact(ContactRole::ControlRoom, "中控室", 2),
                contact(ContactRole::Contractor, "示范运维有限公司", 3),
                contact(ContactRole::Principal, "赵经理", 4),
            ],
            permit_number: format!("{}001P", self.enterprise()),
            permit_valid_to: Time::parse_stamp(b"20300101"),
        }
    }

    fn outlet_row(self) -> Outlet {
        let setup = |code: &str, range_high: i64, hour_limit: Option<Decimal>| FactorSetup {
            code: factor(code),
            unit: None,
            range_low: Decimal::new(0, 0),
            range_high: Decimal::new(range_high, 0),
            reference_o2_pct: hour_limit.and_then(|_| Decimal::new(6, 0)),
            cycle_min: None,
            limits: hour_limit.into_iter().map(hour_limit_row).collect(),
        };
        Outlet {
            id: self.outlet(),
            enterprise: self.enterprise(),
            number: "DA001".to_owned(),
            name: "1号锅炉烟囱".to_owned(),
            management_class: "重点管理".to_owned(),
            shared_stack: String::new(),
            stack_height_m: Decimal::new(180, 0),
            trial_until: None,
            factors: vec![
                setup(codes::PM, 20, Decimal::new(10, 0)),
                setup(codes::SO2, 200, Some(LIMIT_MG_M3)),
                setup(codes::NOX, 200, Decimal::new(50, 0)),
                setup(codes::OXYGEN, 25, None),
                setup(codes::VELOCITY, 40, None),
                setup(codes::TEMPERATURE, 300, None),
                FactorSetup {
                    range_low: Decimal::new(-5, 0),
                    ..setup(codes::PRESSURE, 5, None)
                },
                setup(codes::MOISTURE, 40, None),
                setup(codes::FLOW, 600, None),
            ],
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        }
    }

    fn source_row(self) -> Source {
        let link = LinkSpec::usual(self.mn(), Dialect::Hj2017);
        Source {
            mn: self.mn(),
            password: Some(link.password),
            st: Some(link.st),
            outlet: self.outlet(),
            factors: Vec::new(),
            minute_interval_min: Some(1),
            realtime_interval_s: Some(30),
            data_time_is_end: false,
            valid_from: None,
            valid_to: None,
        }
    }

    const fn serial(self) -> &'static str {
        match self {
            Self::Jia => "001",
            Self::Yi => "002",
            Self::Bing => "003",
            Self::Ding => "004",
        }
    }

    const fn latin(self) -> &'static str {
        match self {
            Self::Jia => "jia",
            Self::Yi => "yi",
            Self::Bing => "bing",
            Self::Ding => "ding",
        }
    }
}

fn hour_limit_row(value: Decimal) -> Limit {
    Limit {
        window: LimitWindow::Hour,
        value,
        basis: LimitBasis::Concentration,
        source: "permit".to_owned(),
        clause: "环发〔2015〕164号 超低排放".to_owned(),
        valid_from: None,
        valid_to: None,
    }
}
