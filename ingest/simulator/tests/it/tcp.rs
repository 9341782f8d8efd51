//! Over real sockets: answers, a platform that goes away, and a stop.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plume_ingest::hj212::encode::frame;
use plume_schemas::report::Dialect;
use plume_schemas::time::{Clock, Time};
use plume_simulator::device::Device;
use plume_simulator::from::{Script, parse_packets};
use plume_simulator::plant::{Action, PlantSpec};
use plume_simulator::sender::{Answered, LinkSpec};
use plume_simulator::tcp::{Conditions, Pacer, Steer, run_devices};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};

use crate::world::{at, device, field, mn};

/// Answers every line; drops the link without an answer after `drop_after` of them.
async fn platform(listener: TcpListener, drop_after: usize, seen: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        let mut answered = 0;
        'link: while let Ok(count) = stream.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            text += &String::from_utf8_lossy(&buffer[..count]);
            while let Some((line, rest)) = text.split_once("\r\n") {
                seen.lock().unwrap().push(line.to_owned());
                if answered == drop_after {
                    break 'link;
                }
                let segment = format!("QN={};ST=91;CN=9014;PW=123456;MN=X;Flag=4;CP=&&&&", field(line, "QN="));
                stream.write_all(&frame(segment.as_bytes())).await.unwrap();
                answered += 1;
                text = rest.to_owned();
            }
        }
    }
}

struct Setup {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<Answered>>>,
    conditions: Conditions,
    /// Becomes true when `enough` said so of the answers.
    stop: watch::Sender<bool>,
}

/// A platform, and a world at `speed` that stops when `enough` says so of the answers so far.
async fn setup(
    start: Time,
    speed: f64,
    drop_after: usize,
    enough: impl Fn(&[Answered]) -> bool + Send + Sync + 'static,
) -> Setup {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(platform(listener, drop_after, Arc::clone(&seen)));
    let began = Instant::now();
    let clock = Clock::new(move || {
        let ms = began.elapsed().mul_f64(speed).as_millis();
        start.plus(i64::try_from(ms).unwrap())
    });
    let own = clock.clone();
    let pacer = Pacer::new(move |at| Duration::from_secs_f64(at.since(own.now()).max(0) as f64 / 1_000.0 / speed));
    let (stop, stopped) = watch::channel(false);
    let answers = Arc::new(Mutex::new(Vec::new()));
    let (told, stopper) = (Arc::clone(&answers), stop.clone());
    let conditions = Conditions {
        clock,
        pacer,
        stop: stopped,
        on_answer: Some(Arc::new(move |answered| {
            let mut answers = told.lock().unwrap();
            answers.push(answered);
            if enough(&answers) {
                stopper.send_replace(true);
            }
        })),
    };
    Setup {
        address,
        seen,
        answers,
        conditions,
        stop,
    }
}

fn minutes(answers: &[Answered]) -> BTreeSet<String> {
    answers
        .iter()
        .filter(|answered| answered.cn == 2051)
        .map(|answered| field(&String::from_utf8_lossy(&answered.frame), "DataTime="))
        .collect()
}

#[tokio::test]
async fn a_virtual_quarter_of_an_hour_over_a_platform_that_hangs_up() {
    let start = at("20260117080000");
    let setup = setup(start, 1_200.0, 7, |answers| minutes(answers).len() >= 15).await;
    let plant = device(PlantSpec::coal_boiler("锅炉", start), 5, Dialect::Hj2025);
    let (_steer, steering) = mpsc::channel(1);
    let stats = run_devices(setup.address, vec![plant], setup.conditions, steering).await;
    let answers = setup.answers.lock().unwrap();
    assert!(minutes(&answers).len() >= 15);
    let [stats] = stats.as_slice() else {
        panic!("one device")
    };
    assert!(
        stats.links > 3,
        "the platform hung up after every seventh answer: {stats:?}"
    );
    assert_eq!(stats.counts.answered, answers.len() as u64);
}

#[tokio::test]
async fn a_file_is_played_to_its_end_as_fast_as_it_is_answered() {
    let packet = |number: u32| {
        let head = format!("QN=2026011708000{number:04};ST=31;CN=2051;PW=123456;MN=X;Flag=5");
        String::from_utf8(frame(format!("{head};CP=&&DataTime=20260117080000&&").as_bytes())).unwrap()
    };
    let text: String = (0..50).map(packet).collect();
    let setup = setup(at("20260117080000"), 1.0, usize::MAX, |_| false).await;
    let script = Script::packets(parse_packets(text.as_bytes()).unwrap());
    let device = Device::script(LinkSpec::usual(mn(), Dialect::Hj2017), script);
    let (_, steering) = mpsc::channel(1);
    let stats = run_devices(setup.address, vec![device], setup.conditions, steering).await;
    assert_eq!(stats[0].counts.answered, 50);
    assert_eq!((stats[0].counts.resent, stats[0].undelivered), (0, 0));
    let sent: Vec<&str> = text.lines().collect();
    assert_eq!(*setup.seen.lock().unwrap(), sent);
    assert!(!*setup.stop.borrow(), "it ended by itself");
}

#[tokio::test]
async fn a_platform_that_is_away_is_waited_for() {
    let start = at("20260117080000");
    let mut setup = setup(start, 60.0, usize::MAX, |answers| !answers.is_empty()).await;
    // Nobody listens on a port that was just given back, until the device has been refused once.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    setup.address = gone;
    let refused = Arc::new(Notify::new());
    let (told, own) = (Arc::clone(&refused), setup.conditions.clock.clone());
    setup.conditions.pacer = Pacer::new(move |at| {
        told.notify_one();
        Duration::from_secs_f64(at.since(own.now()).max(0) as f64 / 60_000.0)
    });
    let seen = Arc::clone(&setup.seen);
    tokio::spawn(async move {
        refused.notified().await;
        let listener = TcpListener::bind(gone).await.unwrap();
        platform(listener, usize::MAX, seen).await;
    });
    let plant = device(PlantSpec::coal_boiler("锅炉", start), 5, Dialect::Hj2017);
    let (_steer, steering) = mpsc::channel(1);
    let stats = run_devices(gone, vec![plant], setup.conditions, steering).await;
    assert!(stats[0].failed_connects >= 1 && stats[0].links >= 1, "{stats:?}");
    assert!(stats[0].counts.answered >= 1);
}

#[tokio::test]
async fn steering_reaches_the_plant() {
    let start = at("20260117080000");
    let setup = setup(start, 1_200.0, usize::MAX, |answers| minutes(answers).len() >= 20).await;
    let plant = device(PlantSpec::coal_boiler("锅炉", start), 5, Dialect::Hj2017);
    let (steer, steering) = mpsc::channel(1);
    let action = Action::ReduceLoad { to: 0.3 };
    steer
        .send(Steer {
            mn: mn(),
            action,
            at: start.plus(1),
        })
        .await
        .unwrap();
    run_devices(setup.address, vec![plant], setup.conditions, steering).await;
    let answers = setup.answers.lock().unwrap();
    let flow = |answered: &Answered| -> f64 {
        field(&String::from_utf8_lossy(&answered.frame), "a00000-Avg=")
            .parse()
            .unwrap()
    };
    let last = answers.iter().rfind(|answered| answered.cn == 2051).unwrap();
    assert!(flow(last) < 130.0, "at 30 % load little flows: {}", flow(last));
}
