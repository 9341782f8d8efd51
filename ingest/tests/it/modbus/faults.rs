//! A device on a real socket that misbehaves as told. Every word it holds is its own address, so that an answer to
//! another question shows at once; and it keeps every byte it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plume_ingest::config::PollConfig;
use plume_schemas::entry::PresenceState;
use plume_schemas::reading::{Basis, Flag, Value};
use plume_schemas::report::ComplaintCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::room::{Room, counter, fast_config, is_normal, mean};
use super::script::units;
use crate::bench::MN_2017;

const OTHER: &str = "DE0000000000000000000001";
/// Blocks far apart, in all four tables, so that one sample takes six requests.
const MAP: &str = include_str!("../../servers/blocks.toml");

/// What the device does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Answer,
    /// After the poller has given up.
    Late,
    /// Half of the answer, then nothing.
    Half,
    /// Under another transaction.
    WrongTransaction,
    /// From another unit.
    WrongUnit,
    /// Fewer words than asked for.
    Short,
    /// The answer to another function.
    WrongFunction,
    /// Hangs up.
    Reset,
    /// Says no: busy.
    Busy,
    Silent,
}

const EVERY: [Act; 10] = [
    Act::Answer,
    Act::Late,
    Act::Half,
    Act::WrongTransaction,
    Act::WrongUnit,
    Act::Short,
    Act::WrongFunction,
    Act::Reset,
    Act::Busy,
    Act::Silent,
];

type Plan = Arc<dyn Fn(usize, u8) -> Act + Send + Sync>;

struct Device {
    address: std::net::SocketAddr,
    /// Every request: unit and function.
    asked: Arc<Mutex<Vec<(u8, u8)>>>,
    /// True when a connection was used again after an answer that never came or was wrong.
    reused: Arc<Mutex<bool>>,
}

impl Device {
    async fn start(plan: impl Fn(usize, u8) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let device = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            reused: Arc::default(),
        };
        let (asked, reused) = (Arc::clone(&device.asked), Arc::clone(&device.reused));
        let plan: Plan = Arc::new(plan);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&plan), Arc::clone(&asked), Arc::clone(&reused)));
            }
        });
        device
    }

    fn site(&self, mns: &[&str]) -> String {
        units(mns).replace("tcp://127.0.0.1:502", &format!("tcp://{}", self.address))
    }

    fn functions(&self) -> Vec<u8> {
        let mut all: Vec<u8> = self
            .asked
            .lock()
            .unwrap()
            .iter()
            .map(|(_, function)| *function)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

async fn talk(mut stream: TcpStream, plan: Plan, asked: Arc<Mutex<Vec<(u8, u8)>>>, reused: Arc<Mutex<bool>>) {
    let mut spoilt = false;
    loop {
        let mut request = [0; 12];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        if spoilt {
            *reused.lock().unwrap() = true;
        }
        let (unit, function) = (request[6], request[7]);
        let number = {
            let mut asked = asked.lock().unwrap();
            asked.push((unit, function));
            asked.len()
        };
        let act = plan(number, unit);
        spoilt = !matches!(act, Act::Answer | Act::Busy);
        let mut answer = answer(&request);
        match act {
            Act::Answer => {}
            Act::Late => late().await,
            Act::Half => answer.truncate(answer.len() / 2),
            Act::WrongTransaction => answer[1] ^= 0x55,
            Act::WrongUnit => answer[6] ^= 1,
            Act::Short => {
                answer.truncate(answer.len() - 2);
                answer[5] -= 2;
                answer[8] -= 2;
            }
            Act::WrongFunction => answer[7] = if function == 4 { 3 } else { 4 },
            Act::Reset => return,
            Act::Busy => answer = vec![request[0], request[1], 0, 0, 0, 3, unit, function | 0x80, 6],
            Act::Silent => continue,
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Takes twice as long as the poller waits.
async fn late() {
    let never = std::future::pending::<()>();
    tokio::time::timeout(Duration::from_millis(120), never).await.ok();
}

/// Every word is its address, every bit is on.
fn answer(request: &[u8; 12]) -> Vec<u8> {
    let address = u16::from_be_bytes([request[8], request[9]]);
    let count = u16::from_be_bytes([request[10], request[11]]);
    let data: Vec<u8> = if request[7] <= 2 {
        vec![0xFF; usize::from(count.div_ceil(8))]
    } else {
        (address..address + count).flat_map(u16::to_be_bytes).collect()
    };
    let length = u16::try_from(data.len() + 3).unwrap();
    let mut frame = request[..4].to_vec();
    frame.extend(length.to_be_bytes());
    frame.extend([request[6], request[7], u8::try_from(data.len()).unwrap()]);
    frame.extend(data);
    frame
}

/// Whatever goes wrong, a value is the one of its own address or it is missing; and a connection on which something
/// went wrong is never used again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_ever_shifts_a_value() {
    // Mostly answers, so that minutes come about; each fault in turn.
    let device = Device::start(|number, _| {
        if number % 5 == 0 {
            EVERY[number / 5 % EVERY.len()]
        } else {
            Act::Answer
        }
    })
    .await;
    let room = Room::open(&device.site(&[MN_2017]), MAP, &[MN_2017]).await;
    let reports = room.wait(MN_2017, |reports| reports.len() >= 5).await;
    let mut values = 0;
    for report in &reports {
        let raw = String::from_utf8(report.evidence.raw.clone()).unwrap();
        for line in raw.lines().skip(3).filter(|line| !line.contains('!')) {
            for (value, address) in line.split(',').skip(1).zip([100_u16, 300, 500, 700]) {
                let value = value.trim_end_matches(" B");
                assert!(value.is_empty() || value == format!("{address}.0"), "{line} in {raw}");
                values += usize::from(!value.is_empty());
            }
        }
    }
    assert!(values > 50, "only {values} values");
    assert!(
        !*device.reused.lock().unwrap(),
        "a connection was used again after a spoilt answer"
    );
    assert_eq!(
        device.functions(),
        [1, 2, 3, 4],
        "all four reading functions, and nothing else"
    );
    for reason in ["timeout", "mismatch", "broken", "exception"] {
        let count = room.count("plume_ingest_poll_requests_total", reason);
        assert!(count > 0, "{reason} never happened");
    }
    room.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_goes_silent_is_gone_and_its_values_end() {
    let device = Device::start(|number, _| if number > 150 { Act::Silent } else { Act::Answer }).await;
    let room = Room::open(&device.site(&[MN_2017]), MAP, &[MN_2017]).await;
    room.wait(MN_2017, |reports| reports.iter().any(is_normal)).await;
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    while room.presences(MN_2017).await.len() < 2 {
        pause.tick().await;
    }
    let presences = room.presences(MN_2017).await;
    assert_eq!(
        (presences[0].state, presences[1].state),
        (PresenceState::Came, PresenceState::Gone)
    );
    assert_eq!(presences[0].epoch, presences[1].epoch);
    let gone_at = presences[1].received_at;
    // A minute that was heard in part is told as such; none is told that was not heard.
    let reports = room.reports(MN_2017).await;
    assert!(reports.iter().all(|report| report.times.measured_at < gone_at));
    room.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partly_missed_minute_says_so() {
    // Unit 1 answers one sample in two (of six requests each).
    let device = Device::start(|number, _| if number / 12 % 2 == 1 { Act::Busy } else { Act::Answer }).await;
    let room = Room::open(&device.site(&[MN_2017]), MAP, &[MN_2017]).await;
    let partly = |report: &plume_schemas::report::Report| {
        report
            .complaints
            .iter()
            .any(|complaint| complaint.text.as_str().contains("busy"))
    };
    let reports = room.wait(MN_2017, |reports| reports.iter().any(partly)).await;
    let report = reports.iter().find(|report| partly(report)).unwrap();
    assert!(
        report
            .complaints
            .iter()
            .any(|complaint| complaint.code == ComplaintCode::MissedPoll)
    );
    let reading = mean(report, "a21026", Basis::Standard).unwrap();
    assert_eq!(reading.flag, Flag::LinkFault);
    assert!(
        matches!(reading.value, Value::Decimal(value) if value.to_string() == "100.0"),
        "{reading:?}"
    );
    room.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_bus_does_not_delay_another() {
    let slow = Device::start(|_, _| Act::Silent).await;
    let quick = Device::start(|_, _| Act::Answer).await;
    let other = quick.site(&[OTHER]).replace("\"b\"", "\"c\"");
    let text = format!("{}{other}", slow.site(&[MN_2017]));
    let room = Room::open(&text, MAP, &[MN_2017, OTHER]).await;
    let reports = room.wait(OTHER, |reports| reports.len() >= 3).await;
    let missed = reports[1..].iter().flat_map(|report| &report.complaints).count();
    assert_eq!(missed, 0, "{reports:#?}");
    assert!(room.reports(MN_2017).await.is_empty());
    room.close().await;
}

/// At `queue_records` waiting minutes the newest are lost and counted; the sampling goes on, and so does the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_refuses_holds_up_no_sampling() {
    let device = Device::start(|_, _| Act::Answer).await;
    let config = PollConfig {
        queue_records: 1,
        ..fast_config()
    };
    let room = Room::open_with(&device.site(&[MN_2017]), MAP, &[MN_2017], config).await;
    room.wait(MN_2017, |reports| !reports.is_empty()).await;
    room.refuse.send_replace(true);
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    while counter(&room, "plume_ingest_poll_dropped_records_total") < 1.0 {
        pause.tick().await;
    }
    let asked = device.asked.lock().unwrap().len();
    let had = room.reports(MN_2017).await.len();
    room.refuse.send_replace(false);
    let reports = room.wait(MN_2017, |reports| reports.len() >= had + 3).await;
    assert!(device.asked.lock().unwrap().len() > asked);
    assert!(is_normal(reports.last().unwrap()), "{:?}", reports.last());
    room.close().await;
}
