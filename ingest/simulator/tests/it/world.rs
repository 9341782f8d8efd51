//! A platform without sockets: gives a device its link, answers its packets by the book, keeps what came.

use plume_ingest::hj212::encode::frame;
use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::Time;
use plume_simulator::device::{Device, Moment, Output};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::{Answered, LinkSpec};

use crate::platform::Platform;

pub(crate) const MN: &str = "DE300000000000000000000F";

pub(crate) fn at(stamp: &str) -> Time {
    Time::parse_stamp(stamp.as_bytes()).unwrap()
}

pub(crate) fn mn() -> Mn {
    Mn::new(MN).unwrap()
}

/// A usual device of a plant, online from the plant's origin.
pub(crate) fn device(plant: PlantSpec, seed: u64, dialect: Dialect) -> Device {
    let origin = plant.origin;
    let logger = Logger::new(LoggerSpec::usual(dialect), Plant::new(plant, seed), origin);
    Device::logger(LinkSpec::usual(mn(), dialect), logger, origin)
}

/// Who answers.
pub(crate) enum Answers {
    /// Nobody.
    Never,
    /// A platform that takes everything.
    ByTheBook,
    /// plume.
    Plume(Box<Platform>),
}

/// A device, its platform, and what passed between them.
pub(crate) struct World {
    pub(crate) device: Device,
    pub(crate) now: Time,
    pub(crate) answers: Answers,
    /// Every frame written, with the moment.
    pub(crate) written: Vec<(Time, Vec<u8>)>,
    pub(crate) answered: Vec<Answered>,
    /// Moments at which the device dropped the link.
    pub(crate) closed: Vec<Time>,
    up: bool,
}

impl World {
    pub(crate) fn new(device: Device, now: Time) -> Self {
        Self {
            device,
            now,
            answers: Answers::ByTheBook,
            written: Vec::new(),
            answered: Vec::new(),
            closed: Vec::new(),
            up: false,
        }
    }

    /// Lets time pass until `end`. The link is there whenever the device wants it and `available` says so.
    pub(crate) fn run(&mut self, end: Time, available: impl Fn(Time) -> bool) {
        while self.now <= end && !self.device.finished() {
            let wanted = self.device.wants_link(self.now) && available(self.now);
            if wanted && !self.up {
                self.up = true;
                self.device.link_up(Moment::real(self.now));
            } else if !wanted && self.up {
                self.hang_up();
            }
            self.exchange();
            if let Answers::Plume(platform) = &mut self.answers
                && self.up
            {
                let orders = platform.tick(self.now);
                self.device.handle(&orders, Moment::real(self.now));
                self.exchange();
            }
            let due = self.device.due();
            let next = [due.world, due.wire].into_iter().flatten().min().unwrap_or(end);
            self.now = next.max(self.now.plus(1));
            if self.now > end {
                break;
            }
            self.device.handle_timeout(Moment::real(self.now));
            self.exchange();
        }
    }

    /// The same world with plume at the other end.
    pub(crate) fn with_plume(mut self, platform: Platform) -> Self {
        self.answers = Answers::Plume(Box::new(platform));
        self
    }

    /// plume, to order something.
    pub(crate) fn platform_mut(&mut self) -> &mut Platform {
        match &mut self.answers {
            Answers::Plume(platform) => platform,
            Answers::Never | Answers::ByTheBook => panic!("plume is not at the other end"),
        }
    }

    /// What plume made of it.
    pub(crate) fn platform(&self) -> &Platform {
        match &self.answers {
            Answers::Plume(platform) => platform,
            Answers::Never | Answers::ByTheBook => panic!("plume is not at the other end"),
        }
    }

    fn hang_up(&mut self) {
        self.up = false;
        if let Answers::Plume(platform) = &mut self.answers {
            platform.end(self.now);
        }
        self.device.link_down();
    }

    /// Answers until nothing more is written.
    fn exchange(&mut self) {
        while let Some(output) = self.device.poll_output(self.now) {
            match output {
                Output::Write(bytes) => {
                    let answer = match &mut self.answers {
                        Answers::Never => Vec::new(),
                        Answers::ByTheBook => answer_to(&bytes),
                        Answers::Plume(platform) => platform.take(&bytes, self.now),
                    };
                    self.written.push((self.now, bytes));
                    self.device.handle(&answer, Moment::real(self.now));
                }
                Output::Answered(answered) => self.answered.push(answered),
                Output::Close => {
                    self.closed.push(self.now);
                    self.hang_up();
                }
            }
        }
    }

    /// The text of every frame of a CN.
    pub(crate) fn texts(&self, cn: u16) -> Vec<String> {
        let wanted = format!(";CN={cn};");
        let texts = self
            .written
            .iter()
            .map(|(_, frame)| String::from_utf8_lossy(frame).into_owned());
        texts.filter(|text| text.contains(&wanted)).collect()
    }
}

/// 9014 by the book of the frame's own edition.
fn answer_to(frame_bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(frame_bytes);
    let (qn, cn) = (field(&text, "QN="), field(&text, "CN="));
    let flag: u8 = field(&text, "Flag=").parse().unwrap_or(0);
    let segment = match flag >> 2 {
        0 => format!("ST=91;CN=9014;CP=&&QN={qn};CN={cn}&&"),
        version => format!("QN={qn};ST=91;CN=9014;PW=123456;MN={MN};Flag={};CP=&&&&", version << 2),
    };
    frame(segment.as_bytes())
}

/// The value of the first `key` in a packet's text.
pub(crate) fn field(text: &str, key: &str) -> String {
    let behind = text.split_once(key).map_or("", |(_, behind)| behind);
    behind.split([';', ',', '&']).next().unwrap_or_default().to_owned()
}
