//! 500 endpoints of 40 registers each, sampled every 5 s over real sockets: what the poller costs and how late it is.
//!
//! `cargo bench -p plume-benches --bench poll -- 120` polls for 120 s (75 without a number). The devices run in a
//! process of their own, so that only the poller is measured. A table is printed; nothing is asserted but that samples
//! came.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plume_bus::{Bus, Topic, TopicPartition};
use plume_ingest::config::{IngestConfig, PollConfig};
use plume_ingest::modbus::map::load_site;
use plume_ingest::poll::Pace;
use plume_ingest::{Ingest, Poller};
use plume_schemas::factors::Catalogue;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::time::{Clock, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

const ENDPOINTS: usize = 500;
/// In two blocks, so that a sample takes two requests.
const REGISTERS: u16 = 40;
const FACTORS: [&str; 8] = [
    "a21026", "a21002", "a34013", "a21005", "a21024", "a21018", "a21001", "a21022",
];
const USUAL_SECONDS: u64 = 75;
/// How the same program is told to play the devices.
const SERVE: &str = "serve-devices";
/// Clock ticks a second of /proc/PID/stat.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        panic!("no runtime");
    };
    if arguments.iter().any(|argument| argument == SERVE) {
        runtime.block_on(serve());
        return;
    }
    let seconds = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(USUAL_SECONDS);
    runtime.block_on(measure(seconds));
}

/// The devices: every word is its address. Prints their addresses, then an empty line; ends when its parent does.
#[expect(clippy::print_stdout, reason = "the parent reads the addresses")]
async fn serve() {
    for _ in 0..ENDPOINTS {
        let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else {
            panic!("no port");
        };
        println!(
            "{}",
            listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |at| at.to_string())
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream));
            }
        });
    }
    println!();
    // The parent keeps standard input open as long as it lives.
    drop(tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await);
}

async fn talk(mut stream: TcpStream) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let address = u16::from_be_bytes([request[8], request[9]]);
        let count = u16::from_be_bytes([request[10], request[11]]);
        let mut answer = request[..4].to_vec();
        answer.extend((3 + 2 * count).to_be_bytes());
        answer.extend([request[6], request[7]]);
        answer.push(u8::try_from(2 * count).unwrap_or(u8::MAX));
        answer.extend((address..address + count).flat_map(u16::to_be_bytes));
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The devices' process; killed when dropped.
struct Devices(Child);

impl Devices {
    fn start() -> (Self, Vec<SocketAddr>) {
        let program = std::env::current_exe().unwrap_or_default();
        let child = Command::new(program)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            panic!("the devices do not start");
        };
        let Some(output) = child.stdout.take() else {
            panic!("the devices say nothing");
        };
        let lines = BufReader::new(output).lines();
        let addresses = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
        let addresses = addresses.filter_map(|line| line.parse().ok()).collect();
        (Self(child), addresses)
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn map() -> String {
    let mut text = "model = \"bench\"\n".to_owned();
    for i in 0..REGISTERS {
        let address = if i < REGISTERS / 2 { i } else { 1_000 + i };
        text.push_str(&said(format_args!(
            "[[register]]\nname = \"r{i}\"\ntable = \"input\"\naddress = {address}\ntype = \"uint16\"\nscale = 0.1\n"
        )));
        if let Some(factor) = FACTORS.get(usize::from(i)) {
            text.push_str(&said(format_args!(
                "factor = \"{factor}\"\nunit = \"mg/m3\"\nstate = \"dry_standard\"\n"
            )));
        }
    }
    text
}

fn said(what: std::fmt::Arguments<'_>) -> String {
    what.to_string()
}

fn mn(number: usize) -> String {
    format!("DE{number:022}")
}

fn ingest_config() -> IngestConfig {
    toml::from_str(include_str!("../../ingest/tests/data/ingest.toml")).unwrap_or_else(|error| panic!("{error}"))
}

fn poll_config() -> PollConfig {
    let text = include_str!("../../ingest/tests/data/modbus.toml");
    let usual: PollConfig = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    PollConfig {
        sample_interval_ms: 5_000,
        ..usual
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench runs on the real clock")]
fn clock() -> Clock {
    Clock::new(|| {
        let ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        Time(i64::try_from(ms).unwrap_or(i64::MAX))
    })
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
async fn measure(seconds: u64) {
    let (_devices, addresses) = Devices::start();
    assert_eq!(addresses.len(), ENDPOINTS, "devices are missing");
    let (mut site, mut rows) = (String::new(), String::new());
    for (number, address) in addresses.iter().enumerate() {
        let mn = mn(number);
        site.push_str(&said(format_args!(
            "[[bus]]\nname = \"b{number}\"\nconnect = \"tcp://{address}\"\n\
             [[bus.unit]]\nunit = 1\nmn = \"{mn}\"\nuse = \"bench\"\n"
        )));
        rows.push_str(&said(format_args!(
            "[[source]]\nmn = \"{mn}\"\noutlet = \"E:{number}\"\n"
        )));
    }
    let catalogue = Arc::new(Catalogue::embedded().unwrap_or_else(|error| panic!("{error}")));
    let models = BTreeMap::from([("bench".to_owned(), map())]);
    let site = load_site(&site, &models, &catalogue).unwrap_or_else(|problems| panic!("{problems:?}"));
    let registry: Registry = toml::from_str(&rows).unwrap_or_else(|error| panic!("{error}"));
    let bus = Bus::memory(1);
    let metrics = prometheus::Registry::new();
    let (_tell, seen) = watch::channel(Arc::new(RegistryIndex::new(registry)));
    let (stop, stopped) = oneshot::channel::<()>();
    let ingest = Ingest::start(
        ingest_config(),
        bus.clone(),
        clock(),
        seen,
        catalogue,
        &metrics,
        std::future::pending(),
    )
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    let before = (Instant::now(), cpu_seconds());
    let poller = Poller::start(
        poll_config(),
        site,
        bus.clone(),
        ingest.common.clone(),
        Pace::real(clock()),
        &metrics,
        async {
            drop(stopped.await);
        },
    )
    .unwrap_or_else(|error| panic!("{error}"));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let took = before.0.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - before.1;
    let rss_mib = rss_bytes() / f64::from(1 << 20);
    assert!(stop.send(()).is_ok(), "the poller ended by itself");
    drop(poller.await);
    let ok = count(&metrics, "plume_ingest_poll_rounds_total", "ok");
    let all = total(&metrics, "plume_ingest_poll_rounds_total");
    let requests = total(&metrics, "plume_ingest_poll_requests_total");
    let worst_ms = gauge(&metrics, "plume_ingest_poll_worst_lateness_milliseconds");
    let end = bus
        .range(TopicPartition::new(Topic::Reports, 0))
        .await
        .map_or(0, |range| range.end);
    assert!(ok > 0.0, "no sample came");
    println!("endpoints                  {ENDPOINTS} × {REGISTERS} registers, every 5 s, for {took:.0} s");
    println!("samples                    {all:.0}, of these well {ok:.0}; requests {requests:.0}");
    println!("records appended           {end}");
    println!("CPU                        {:.1} % of one core", cpu / took * 100.0);
    println!("RSS                        {rss_mib:.0} MiB");
    println!("worst lateness of a sample {worst_ms:.0} ms");
}

fn metrics_of(registry: &prometheus::Registry, name: &str) -> Vec<prometheus::proto::Metric> {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map(|family| family.get_metric().to_vec()).unwrap_or_default()
}

fn count(registry: &prometheus::Registry, name: &str, reason: &str) -> f64 {
    let of = |metric: &prometheus::proto::Metric| metric.get_label().iter().any(|label| label.value() == reason);
    let metrics = metrics_of(registry, name);
    metrics
        .iter()
        .find(|metric| of(metric))
        .map_or(0.0, |metric| metric.get_counter().get_value())
}

fn total(registry: &prometheus::Registry, name: &str) -> f64 {
    metrics_of(registry, name)
        .iter()
        .map(|metric| metric.get_counter().get_value())
        .sum()
}

fn gauge(registry: &prometheus::Registry, name: &str) -> f64 {
    metrics_of(registry, name)
        .first()
        .map_or(0.0, |metric| metric.get_gauge().get_value())
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

fn rss_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0
}
