//! The packets of a load: a real-time or minute packet of a usual stack, made once and given a fresh QN each time,
//! and the check of the answers to them.

use plume_ingest::hj212::crc;
use plume_ingest::hj212::encode::{Field, Group, Message, frame};
use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{EnterpriseId, FactorCode, Mn, OutletId};
use plume_schemas::registry::{Enterprise, FactorSetup, Outlet, Registry, Source};
use plume_schemas::report::Dialect;
use plume_schemas::time::{MINUTE_MS, Time};

use crate::error::LoadError;

/// `##`, four digits, checksum, CR LF.
const AROUND_SEGMENT: usize = 12;
/// Digits of a QN, and where they begin in a frame: behind `##0000QN=`.
const QN_DIGITS: usize = 17;
const QN_AT: usize = 9;
/// Zeros that may be added behind a value to reach a size.
const MOST_ZEROS: usize = 9;
/// Steps in which the fields of one factor are taken: mean and flag, minimum, maximum.
const STEPS: usize = 3;
/// Factors of a stack, with a value each.
const FACTORS: [(&str, &str); 9] = [
    ("a34013", "2.38"),
    ("a21026", "22.95"),
    ("a21002", "38.71"),
    ("a19001", "6.72"),
    ("a01011", "9.59"),
    ("a01012", "50.5"),
    ("a01013", "-0.088"),
    ("a01014", "12.43"),
    ("a00000", "197.0"),
];

/// The device of a connection: a number no real device has.
pub fn mn(connection: usize) -> String {
    format!("DE10AD{connection:018X}")
}

/// A packet of one size, to be made for any connection.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: usize,
    password: String,
    start: Time,
    body: Vec<Group>,
}

impl Template {
    /// A packet of `bytes` bytes in all, about the minute before `now`.
    pub fn new(bytes: usize, password: &str, now: Time) -> Result<Self, LoadError> {
        let mut template = Self {
            bytes,
            password: password.to_owned(),
            start: now,
            body: Vec::new(),
        };
        let refused = |least, most| LoadError::Payload {
            asked: bytes,
            least,
            most,
        };
        let all = FACTORS.len() * STEPS;
        let (least, most) = (template.with_steps(1)?, template.with_steps(all)? + all * MOST_ZEROS);
        let mut steps = 1;
        while steps < all && template.with_steps(steps + 1)? <= bytes {
            steps += 1;
        }
        let length = template.with_steps(steps)?;
        let missing = bytes.checked_sub(length).ok_or_else(|| refused(least, most))?;
        template.pad(missing).ok_or_else(|| refused(least, most))?;
        Ok(template)
    }

    /// Takes so many steps, factor by factor, and gives the length of the packet. A value never goes without its flag.
    fn with_steps(&mut self, steps: usize) -> Result<usize, LoadError> {
        let subs: [&[&str]; STEPS] = [&["Avg", "Flag"], &["Min"], &["Max"]];
        let mut body: Vec<Group> = Vec::new();
        let all = FACTORS.iter().flat_map(|factor| subs.map(|subs| (factor, subs)));
        for ((code, value), subs) in all.take(steps) {
            let fields = subs.iter().map(|sub| Field {
                name: format!("{code}-{sub}"),
                value: if *sub == "Flag" {
                    "N".to_owned()
                } else {
                    (*value).to_owned()
                },
            });
            match body.last_mut().filter(|_| subs.len() == 1) {
                Some(group) => group.0.extend(fields),
                None => body.push(Group(fields.collect())),
            }
        }
        self.body = body;
        Ok(self.frame(0)?.len())
    }

    /// Adds zeros behind values until the packet is `missing` bytes longer.
    fn pad(&mut self, mut missing: usize) -> Option<()> {
        let values = self.body.iter_mut().flat_map(|group| &mut group.0);
        for field in values.filter(|field| field.value.contains('.')) {
            let zeros = missing.min(MOST_ZEROS);
            field.value.push_str(&"0".repeat(zeros));
            missing -= zeros;
        }
        (missing == 0).then_some(())
    }

    /// The packet of a connection.
    pub fn frame(&self, connection: usize) -> Result<Vec<u8>, LoadError> {
        let at = self.start.plus(-MINUTE_MS).floor(MINUTE_MS);
        let mut message = Message::upload(Dialect::Hj2017, &mn(connection), 2051, self.start);
        message.pw.clone_from(&self.password);
        message.body.clone_from(&self.body);
        let packets = message.data_time(at).packets();
        let one = packets
            .ok()
            .and_then(|mut packets| (packets.len() == 1).then(|| packets.remove(0)));
        one.ok_or(LoadError::Payload {
            asked: self.bytes,
            least: AROUND_SEGMENT,
            most: 1_024 + AROUND_SEGMENT,
        })
    }

    /// When the load began.
    pub fn start(&self) -> Time {
        self.start
    }

    /// Password of the devices.
    pub fn password(&self) -> &str {
        &self.password
    }
}

/// The sending side of one connection: the packet with a fresh QN and checksum each time, and the answer it must get.
#[derive(Debug)]
pub struct Stamper {
    packet: Vec<u8>,
    answer: Vec<u8>,
    next_qn: Time,
}

impl Stamper {
    /// The sending side of connection number `connection`.
    pub fn new(template: &Template, connection: usize) -> Result<Self, LoadError> {
        let (mn, pw) = (mn(connection), template.password());
        let zeros = "0".repeat(QN_DIGITS);
        let answer = format!("QN={zeros};ST=91;CN=9014;PW={pw};MN={mn};Flag=4;CP=&&&&");
        Ok(Self {
            packet: template.frame(connection)?,
            answer: frame(answer.as_bytes()),
            next_qn: template.start(),
        })
    }

    /// Appends the next packet; gives its QN.
    pub fn next(&mut self, out: &mut Vec<u8>) -> [u8; QN_DIGITS] {
        let mut qn = [0; QN_DIGITS];
        qn.copy_from_slice(self.next_qn.stamp17().as_bytes());
        self.next_qn = self.next_qn.plus(1);
        stamp(&mut self.packet, qn);
        out.extend_from_slice(&self.packet);
        qn
    }

    /// Bytes of an answer.
    pub fn answer_len(&self) -> usize {
        self.answer.len()
    }

    /// True when these bytes are exactly the answer to `qn`: length, fields, checksum and tail.
    pub fn is_answer(&mut self, bytes: &[u8], qn: [u8; QN_DIGITS]) -> bool {
        stamp(&mut self.answer, qn);
        bytes == self.answer
    }
}

/// Writes a QN into a frame and makes its checksum anew.
pub fn stamp(packet: &mut [u8], qn: [u8; QN_DIGITS]) {
    if let Some(place) = packet.get_mut(QN_AT..QN_AT + QN_DIGITS) {
        place.copy_from_slice(&qn);
    }
    let end = packet.len().saturating_sub(6);
    let check = crc::hj212(packet.get(6..end).unwrap_or_default());
    if let Some(place) = packet.get_mut(end..end + 4) {
        place.copy_from_slice(format!("{check:04X}").as_bytes());
    }
}

/// A registry in which every device of a load has an outlet of its own.
pub fn devices(connections: usize) -> Result<Registry, LoadError> {
    let broken = |error: &dyn std::fmt::Display| LoadError::Registry(error.to_string());
    let enterprise = EnterpriseId::new("PLUME-LOAD").map_err(|error| broken(&error))?;
    let factors: Result<Vec<FactorSetup>, _> = FACTORS.iter().map(|(code, _)| setup(code)).collect();
    let factors = factors.map_err(|error| broken(&error))?;
    let mut registry = Registry {
        enterprises: vec![Enterprise {
            id: enterprise,
            name: "plume-load".to_owned(),
            district: String::new(),
            industry: String::new(),
            officer: String::new(),
            officer_phone: String::new(),
            contacts: Vec::new(),
            permit_number: String::new(),
            permit_valid_to: None,
        }],
        ..Registry::default()
    };
    for connection in 0..connections {
        let outlet = OutletId::new(&format!("{enterprise}:DA{connection:05}")).map_err(|error| broken(&error))?;
        registry.outlets.push(Outlet {
            id: outlet,
            enterprise,
            number: format!("DA{connection:05}"),
            name: String::new(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: factors.clone(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        });
        registry.sources.push(Source {
            mn: Mn::new(&mn(connection)).map_err(|error| broken(&error))?,
            password: None,
            st: None,
            outlet,
            factors: Vec::new(),
            minute_interval_min: Some(1),
            realtime_interval_s: None,
            data_time_is_end: false,
            valid_from: None,
            valid_to: None,
        });
    }
    Ok(registry)
}

/// [`devices`] as plume reads it. Making the text takes time with the square of their number: a second for 5,000.
pub fn registry(connections: usize) -> Result<String, LoadError> {
    toml::to_string(&devices(connections)?).map_err(|error| LoadError::Registry(error.to_string()))
}

fn setup(code: &str) -> Result<FactorSetup, plume_schemas::ids::IdError> {
    Ok(FactorSetup {
        code: FactorCode::new(code)?,
        unit: None,
        range_low: None,
        range_high: Decimal::new(1_000, 0),
        reference_o2_pct: None,
        cycle_min: None,
        limits: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time(1_768_629_600_000);

    #[test]
    fn packets_have_the_size_asked_for() {
        for bytes in [200, 425, 426, 427, 700, 900] {
            let template = Template::new(bytes, "123456", START).unwrap();
            assert_eq!(template.frame(77).unwrap().len(), bytes);
        }
        for bytes in [0, 50, 5_000] {
            assert!(
                matches!(Template::new(bytes, "123456", START), Err(LoadError::Payload { .. })),
                "{bytes}"
            );
        }
    }

    #[test]
    fn each_packet_is_a_right_frame_with_its_own_qn() {
        let template = Template::new(425, "123456", START).unwrap();
        let mut stamper = Stamper::new(&template, 3).unwrap();
        let mut bytes = Vec::new();
        let first = stamper.next(&mut bytes);
        let second = stamper.next(&mut bytes);
        assert_ne!(first, second);
        for (packet, qn) in bytes.chunks(425).zip([first, second]) {
            let segment = &packet[6..packet.len() - 6];
            assert_eq!(packet, frame(segment), "stamping keeps the frame right");
            assert!(segment.starts_with(&[b"QN=", qn.as_slice()].concat()));
        }
    }

    #[test]
    fn only_the_exact_answer_counts() {
        let template = Template::new(425, "123456", START).unwrap();
        let mut stamper = Stamper::new(&template, 3).unwrap();
        let qn = stamper.next(&mut Vec::new());
        let text = format!(
            "QN={};ST=91;CN=9014;PW=123456;MN={};Flag=4;CP=&&&&",
            String::from_utf8_lossy(&qn),
            mn(3)
        );
        let mut answer = frame(text.as_bytes());
        assert!(stamper.is_answer(&answer, qn));
        assert_eq!(answer.len(), stamper.answer_len());
        answer[20] ^= 1;
        assert!(!stamper.is_answer(&answer, qn));
    }

    #[test]
    fn the_registry_can_be_read_again() {
        let registry: Registry = toml::from_str(&registry(3).unwrap()).unwrap();
        assert_eq!((registry.outlets.len(), registry.sources.len()), (3, 3));
        assert_eq!(registry.sources[2].mn.as_str(), mn(2));
    }
}
