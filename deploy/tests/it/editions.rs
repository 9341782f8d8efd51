//! Everything a device does wrong, in each edition of the standard, against a plume that runs: what can be read is
//! archived once and answered as the edition wants, the rest is set aside, and nothing is lost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use plume_ingest::hj212::encode::frame;
use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use plume_simulator::device::{Device, Moment, Output};
use plume_simulator::from::{PacketFile, Script};
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::message::Message;
use plume_simulator::misbehave::{Habit, Misbehaviour};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::{LinkSpec, MAX_WINDOW};

use crate::support::Site;

const EDITIONS: [(Dialect, &str); 3] = [
    (Dialect::Hj2005, "hj2005"),
    (Dialect::Hj2017, "hj2017"),
    (Dialect::Hj2025, "hj2025"),
];
/// QN of the packet that ends each link: when it is answered, all before it has been decided about.
const LAST_QN: &str = "20200101000000000";

/// What a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// This, with every packet.
    Wrong(Misbehaviour),
    /// Nothing wrong; packets that need more than one frame.
    Split,
    /// Nothing wrong; the link was down while it measured.
    Backfill,
}

impl Manner {
    fn all() -> impl Iterator<Item = Self> {
        let wrong = Misbehaviour::ALL.iter().map(|&kind| Self::Wrong(kind));
        wrong.chain([Self::Split, Self::Backfill])
    }

    fn name(self) -> &'static str {
        match self {
            Self::Wrong(kind) => kind.code(),
            Self::Split => "(split)",
            Self::Backfill => "(backfill)",
        }
    }

    /// Why its packets are set aside; `None`: they are archived.
    fn set_aside(self) -> Option<&'static str> {
        match self {
            Self::Wrong(Misbehaviour::CrcModbus | Misbehaviour::CrcModbusSwapped | Misbehaviour::CrcStale) => {
                Some("bad_crc")
            }
            Self::Wrong(Misbehaviour::PwMissing | Misbehaviour::PwWrong) => Some("wrong_password"),
            Self::Wrong(Misbehaviour::MnEmpty) => Some("no_identity"),
            Self::Wrong(Misbehaviour::MnUnknown) => Some("unknown_mn"),
            Self::Wrong(Misbehaviour::DataTimeAhead) => Some("future_data_time"),
            Self::Wrong(Misbehaviour::DataTime1970) => Some("ancient_data_time"),
            Self::Wrong(Misbehaviour::DataTimeMissing) => Some("no_data_time"),
            _ => None,
        }
    }

    /// A wrong checksum or password is met with silence (D17).
    fn answered(self) -> bool {
        !matches!(self.set_aside(), Some("bad_crc" | "wrong_password"))
    }
}

/// One device of the test.
struct Played {
    manner: Manner,
    dialect: Dialect,
    edition: &'static str,
    mn: Mn,
    /// Packets it made, each counted once.
    packets: u64,
    answers: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "the plume that runs goes by the real time")]
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Time(i64::try_from(since.as_millis()).unwrap())
}

/// Three minutes and their samples, hours ago, away from the turn of an hour.
fn messages(dialect: Dialect, incinerator: bool) -> Vec<Message> {
    let hour = Time(now().0 / HOUR_MS * HOUR_MS).plus(-2 * HOUR_MS);
    let (origin, from, to) = (hour, hour.plus(5 * MINUTE_MS), hour.plus(8 * MINUTE_MS + 1_000));
    let kind = if incinerator {
        PlantSpec::incinerator
    } else {
        PlantSpec::coal_boiler
    };
    let mut logger = Logger::new(LoggerSpec::usual(dialect), Plant::new(kind("1号炉", origin), 9), origin);
    logger.run(from, &mut Vec::new());
    let mut messages = Vec::new();
    logger.run(to, &mut messages);
    assert!(messages.len() >= 6, "{} messages", messages.len());
    messages
}

fn play(to: SocketAddr, manner: Manner, (dialect, edition): (Dialect, &'static str), mn: Mn) -> Played {
    let habits = match manner {
        Manner::Wrong(kind) => vec![Habit::always(kind)],
        Manner::Split | Manner::Backfill => Vec::new(),
    };
    let link = LinkSpec {
        window: MAX_WINDOW,
        habits,
        ..LinkSpec::usual(mn, dialect)
    };
    let none = PacketFile {
        frames: Vec::new(),
        skipped_bytes: 0,
    };
    let mut device = Device::script(link, Script::packets(none));
    let large = matches!(manner, Manner::Split | Manner::Wrong(Misbehaviour::Oversized));
    let moment = Moment::real(now());
    let mut stream = TcpStream::connect(to).unwrap();
    if manner != Manner::Backfill {
        device.link_up(moment);
    }
    for message in messages(dialect, large) {
        device.say(message, moment);
    }
    if manner == Manner::Backfill {
        device.link_up(moment);
    }
    while let Some(output) = device.poll_output(moment.world) {
        match output {
            Output::Write(bytes) => stream.write_all(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    let flag = if dialect == Dialect::Hj2025 { 9 } else { 5 };
    let last = format!("QN={LAST_QN};ST=31;CN=9021;PW=123456;MN={mn};Flag={flag};CP=&&&&");
    stream.write_all(&frame(last.as_bytes())).unwrap();
    let mut answers = Vec::new();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).unwrap();
        if String::from_utf8_lossy(&line).contains(LAST_QN) {
            break;
        }
        device.handle(&line, moment);
        let line = String::from_utf8(line).unwrap();
        assert!(!line.is_empty(), "{} of {edition}: the link was closed", manner.name());
        answers.push(line);
    }
    let counts = device.counts();
    assert_eq!(
        counts.garbage_bytes,
        0,
        "{}: an answer is not conformant",
        manner.name()
    );
    if manner.answered() {
        assert_eq!(device.undelivered(), 0, "{} of {edition}: {counts:?}", manner.name());
        // The device knows each answer by the QN it repeats; the second one to a packet sent twice finds nothing.
        let twice = manner == Manner::Wrong(Misbehaviour::Duplicated);
        let stray = if twice { counts.packets } else { 0 };
        assert_eq!(counts.stray_answers, stray, "{} of {edition}", manner.name());
    }
    Played {
        manner,
        dialect,
        edition,
        mn,
        packets: counts.packets,
        answers,
    }
}

/// A plume that knows so many devices, and does not hang up on any.
fn site(mns: &[Mn]) -> Site {
    let site = Site::new("");
    let path = site.dir.path().join("plume.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("[ingest]\n", "[ingest]\nrefuse_after = 1000\n")).unwrap();
    let mut registry = "[[enterprise]]\nid = \"91330100MA27X0AB1C\"\nname = \"示例热电有限公司\"\n".to_owned();
    for (number, mn) in mns.iter().enumerate() {
        let outlet = format!("91330100MA27X0AB1C:D{number:05}");
        write!(
            registry,
            "[[outlet]]\nid = \"{outlet}\"\nenterprise = \"91330100MA27X0AB1C\"\nnumber = \"D{number:05}\"\n\
             [[outlet.factor]]\ncode = \"a21026\"\n\
             [[source]]\nmn = \"{mn}\"\npassword = \"123456\"\noutlet = \"{outlet}\"\nminute_interval_min = 1\n"
        )
        .unwrap();
    }
    std::fs::write(site.dir.path().join("registry.toml"), registry).unwrap();
    site
}

fn rows(site: &Site, table: &str) -> Vec<serde_json::Value> {
    let (fine, text) = site.plume(&["query", table, "--data", "data", "--format", "json"]);
    assert!(fine, "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The answer repeats what was asked, in the words of its edition.
fn is_right(answer: &str, played: &Played) -> bool {
    let missing = |kind| played.manner == Manner::Wrong(kind);
    // Without a Flag nothing says which edition a packet is of, and what it looks like decides.
    if missing(Misbehaviour::FlagMissing) {
        return answer.contains("CN=9014");
    }
    match played.dialect {
        Dialect::Hj2005 => answer.contains("ST=91;CN=9014;CP=&&") && answer.contains("CN=20"),
        dialect => {
            let flag = if dialect == Dialect::Hj2025 { 8 } else { 4 };
            let named = answer.contains(&format!("MN={}", played.mn))
                || missing(Misbehaviour::MnEmpty)
                || missing(Misbehaviour::MnUnknown);
            answer.contains(";CN=9014;PW=123456;") && answer.contains(&format!("Flag={flag};CP=&&&&")) && named
        }
    }
}

#[test]
fn every_habit_of_every_edition_is_archived_once_or_set_aside() {
    let cast: Vec<(Manner, (Dialect, &'static str))> = Manner::all()
        .flat_map(|manner| EDITIONS.map(|edition| (manner, edition)))
        .collect();
    let mns: Vec<Mn> = (0..cast.len())
        .map(|n| Mn::new(&format!("ED{n:022}")).unwrap())
        .collect();
    let site = site(&mns);
    let running = site.start();
    let devices = cast.into_iter().zip(&mns);
    let played: Vec<Played> = devices
        .map(|((manner, edition), &mn)| play(running.devices, manner, edition, mn))
        .collect();
    assert!(running.stop());
    let (balanced, text) = site.plume(&["stats", "--config", "plume.toml"]);
    assert!(balanced, "{text}");

    let (mut archived, mut aside) = (BTreeMap::<String, Vec<_>>::new(), BTreeMap::<String, u64>::new());
    for row in rows(&site, "packets") {
        archived
            .entry(row["mn"].as_str().unwrap().to_owned())
            .or_default()
            .push(row);
    }
    for row in rows(&site, "quarantine") {
        *aside.entry(row["reason"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let mut should_be_aside = BTreeMap::<String, u64>::new();
    for device in &played {
        let about = format!("{} of {}", device.manner.name(), device.edition);
        let own = archived.remove(device.mn.as_str()).unwrap_or_default();
        let data = own.iter().filter(|row| row["cn"] != 9021);
        let (accepted, repeats): (Vec<_>, Vec<_>) = data.partition(|row| row["verdict"] == "accepted");
        let twice = u64::from(device.manner == Manner::Wrong(Misbehaviour::Duplicated));
        let readable = if let Some(reason) = device.manner.set_aside() {
            *should_be_aside.entry(reason.to_owned()).or_default() += device.packets;
            0
        } else {
            device.packets
        };
        assert_eq!(accepted.len() as u64, readable, "{about}: archived");
        // A repeat that comes while its first copy is on its way to disk joins it, and is no packet of its own.
        assert!(
            repeats.len() as u64 <= readable * twice,
            "{about}: {} repeats",
            repeats.len()
        );
        let answers = if device.manner.answered() {
            device.packets * (1 + twice)
        } else {
            0
        };
        assert_eq!(device.answers.len() as u64, answers, "{about}: answers");
        let wrong = device.answers.iter().find(|answer| !is_right(answer, device));
        assert_eq!(wrong, None, "{about}");
        let backfill = device.manner == Manner::Backfill && device.dialect == Dialect::Hj2025;
        assert!(accepted.iter().all(|row| row["backfill"] == backfill), "{about}: RF");
        if device.manner == Manner::Split {
            assert!(
                accepted.iter().any(|row| row["parts"].as_u64() > Some(1)),
                "{about}: no part"
            );
        }
    }
    // Noise before a frame is kept too, each run of it once.
    let garbage = aside.remove("garbage").unwrap_or_default();
    assert!(garbage > 0);
    assert_eq!(aside, should_be_aside);
}
