//! A plume of several processes over one broker.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use plume_bus::{Bus, KafkaUrl};

use crate::fleet::{Chance, registry};
use crate::restore::open_bus;
use crate::support::{Running, Site, command, show_end};
use crate::{readers, verdict};

/// A cluster that has not worked off what it has after so long is stuck.
const SETTLE_LIMIT: Duration = Duration::from_mins(5);
/// Partitions of each topic: more than workers, fewer than outlets.
pub(crate) const PARTITIONS: u32 = 4;

/// A process of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Desk,
    Ingest,
    SecondIngest,
    Detect,
    /// A second judge: partitions change hands when one of the two dies.
    SecondDetect,
    ThirdDetect,
    Archive,
    /// A second archive, with a directory of its own.
    SecondArchive,
}

impl Part {
    /// In the order they are started: the desk records the registry, for which the others wait.
    const ALL: [Self; 8] = [
        Self::Desk,
        Self::Ingest,
        Self::SecondIngest,
        Self::Detect,
        Self::SecondDetect,
        Self::ThirdDetect,
        Self::Archive,
        Self::SecondArchive,
    ];
    /// The archives.
    const ARCHIVES: [Self; 2] = [Self::Archive, Self::SecondArchive];
    /// One of each role.
    pub(crate) const ONE_EACH: [Self; 4] = [Self::Desk, Self::Ingest, Self::Detect, Self::Archive];
    /// The judges.
    pub(crate) const JUDGES: [Self; 3] = [Self::Detect, Self::SecondDetect, Self::ThirdDetect];
    /// Two judges, and one of each other role.
    pub(crate) const TWO_JUDGES: [Self; 5] = [
        Self::Desk,
        Self::Ingest,
        Self::Detect,
        Self::SecondDetect,
        Self::Archive,
    ];

    pub(crate) fn draw(chance: &mut Chance, of: &[Self]) -> Self {
        let drawn = chance.below(of.len() as u64);
        of[usize::try_from(drawn).unwrap()]
    }

    fn role(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Ingest | Self::SecondIngest => "ingest",
            Self::Detect | Self::SecondDetect | Self::ThirdDetect => "detect",
            Self::Archive | Self::SecondArchive => "archive",
        }
    }
}

/// The processes, each with a directory of its own.
pub(crate) struct Cluster {
    brokers: String,
    prefix: String,
    partitions: u32,
    /// Numbers of the generations of topics that were in use, the last one in use now.
    generations: Vec<u32>,
    sites: BTreeMap<Part, Site>,
    running: BTreeMap<Part, Running>,
    /// What those said that have ended.
    said: Vec<(Part, String)>,
}

impl Cluster {
    /// Makes fresh topics and starts some parts. The topics have as many copies as there are brokers.
    pub(crate) fn start(brokers: &str, name: &str, parts: &[Part]) -> Self {
        Self::start_with(brokers, name, parts, "")
    }

    /// The same, with more of the section `[bus.kafka]`.
    pub(crate) fn start_with(brokers: &str, name: &str, parts: &[Part], more: &str) -> Self {
        let prefix = format!("{name}{}", std::process::id());
        let copies = brokers.split(',').count();
        let config = format!(
            "[bus]\nurl = \"kafka://{brokers}/{prefix}?session.timeout.ms=6000\"\npartitions = {PARTITIONS}\n\
             [bus.kafka]\nreplication = {copies}\n{more}[archive]\nbatch_every_s = 1\npublish_every_s = 3600\n\
             [detect.window]\nsettle_s = 1\nlate_after_s = 1000000\n[detect.exceed]\nclear_hours = 1\n"
        );
        let sites: BTreeMap<Part, Site> = Part::ALL.into_iter().map(|part| (part, Site::new(&config))).collect();
        for site in sites.values() {
            std::fs::write(site.dir.path().join("registry.toml"), registry()).unwrap();
        }
        let (made, text) = sites[&Part::Desk].plume(&["bus", "init", "--config", "plume.toml"]);
        assert!(made, "{text}");
        let mut cluster = Self {
            brokers: brokers.to_owned(),
            prefix,
            partitions: PARTITIONS,
            generations: vec![1],
            sites,
            running: BTreeMap::new(),
            said: Vec::new(),
        };
        for &part in parts {
            cluster.begin(part);
        }
        cluster
    }

    /// `plume bus grow`, given in one place; every process ends by itself and is started again as by a supervisor.
    pub(crate) fn grow(&mut self, partitions: u32) {
        let count = partitions.to_string();
        let (grown, said) = self.sites[&Part::Desk].plume(&grow_words(&count));
        assert!(grown, "{said}");
        println!("{said}");
        let (_, number) = said.rsplit_once("(generation ").unwrap();
        let number = number.split(')').next().unwrap().parse().unwrap();
        self.partitions = partitions;
        self.generations.push(number);
        let parts: Vec<Part> = self.running.keys().copied().collect();
        let deadline = Instant::now() + SETTLE_LIMIT;
        for part in parts {
            while !self.running.get_mut(&part).unwrap().has_ended() {
                assert!(
                    Instant::now() < deadline,
                    "{part:?} does not end though topics have moved"
                );
                std::thread::yield_now();
            }
            self.retire(part);
            self.begin(part);
        }
    }

    /// `plume bus grow` that gets a signal as soon as it has said so many lines; all that it said.
    pub(crate) fn grow_cut_off(&self, partitions: u32, lines: usize, signal: &str) -> String {
        let count = partitions.to_string();
        let mut growing = command()
            .args(grow_words(&count))
            .current_dir(self.sites[&Part::Desk].dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(growing.stdout.take().unwrap());
        let mut said = String::new();
        for _ in 0..lines {
            assert!(
                output.read_line(&mut said).unwrap() > 0,
                "it ended before it was cut off: {said}"
            );
        }
        let pid = growing.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        output.read_to_string(&mut said).unwrap();
        growing.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!growing.wait().unwrap().success(), "{said}");
        said
    }

    /// Waits until the judges share the partitions: each as many as the list says, most first.
    pub(crate) fn wait_for_shares(&self, wanted: &[u32]) {
        let deadline = Instant::now() + SETTLE_LIMIT;
        loop {
            let running = Part::JUDGES.iter().filter_map(|part| self.running.get(part));
            let mut shares: Vec<u32> = running.map(judged_partitions).collect();
            shares.sort_unstable_by(|one, other| other.cmp(one));
            if shares == wanted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the judges share {shares:?}, wanted {wanted:?}"
            );
        }
    }

    pub(crate) fn site(&self, part: Part) -> &Site {
        &self.sites[&part]
    }

    /// The archives that were written.
    pub(crate) fn archives(&self) -> impl Iterator<Item = &Site> {
        let sites = Part::ARCHIVES.iter().map(|part| &self.sites[part]);
        sites.filter(|site| site.data().join("archive/manifest.jsonl").is_file())
    }

    /// A topic of this cluster, as the brokers name it.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub(crate) fn devices(&self) -> SocketAddr {
        self.devices_of(Part::Ingest)
    }

    pub(crate) fn devices_of(&self, part: Part) -> SocketAddr {
        self.running[&part].devices
    }

    /// What a process answers on its admin address.
    pub(crate) fn get(&self, part: Part, path: &str) -> String {
        self.running[&part].get(path)
    }

    pub(crate) fn begin(&mut self, part: Part) {
        self.begin_with(part, &[]);
    }

    /// A part that reaches these brokers, whatever way the others go; `options` of the client library.
    pub(crate) fn begin_by(&mut self, part: Part, brokers: &str, options: &str) {
        let url = format!("kafka://{brokers}/{}?session.timeout.ms=6000{options}", self.prefix);
        self.begin_with(part, &["--bus", &url]);
    }

    /// The topics of this cluster, for the test itself.
    pub(crate) async fn bus(&self) -> Bus {
        let url = KafkaUrl::parse(&format!("kafka://{}/{}", self.brokers, self.prefix)).unwrap();
        open_bus(url, self.partitions).await
    }

    fn begin_with(&mut self, part: Part, more: &[&str]) {
        let mut words = vec!["--role", part.role()];
        if part == Part::SecondIngest {
            words.extend(["--ingest-id", "ingest-2"]);
        }
        words.extend(more);
        let running = self.sites[&part].start_as(&words);
        self.running.insert(part, running);
    }

    /// `kill -9`, and a fresh start as by a supervisor.
    pub(crate) fn kill(&mut self, part: Part) {
        self.retire(part);
        self.begin(part);
    }

    /// `kill -9` where it runs; keeps what it said.
    fn retire(&mut self, part: Part) {
        let log = self.running.remove(&part).unwrap().end_with_log();
        self.said.push((part, log));
    }

    /// `kill -9`, and no start yet.
    pub(crate) fn kill_for_now(&mut self, part: Part) {
        self.retire(part);
    }

    pub(crate) fn end(&mut self, part: Part) {
        let (fine, log) = self.running.remove(&part).unwrap().stop_with_log();
        assert!(fine, "{part:?} did not end well:\n{log}");
        self.said.push((part, log));
    }

    /// Stops the intake, waits until judge and desk have worked off everything, stops the rest. Gives the events as a
    /// consumer that is not plume's sees them: partition, offset, content.
    pub(crate) fn settle(&mut self) -> BTreeMap<(u32, u64), Vec<u8>> {
        let deadline = Instant::now() + SETTLE_LIMIT;
        self.end(Part::Ingest);
        while let Some(line) = self.judge_is_behind() {
            assert!(Instant::now() < deadline, "the judge does not come to its end: {line}");
        }
        for part in Part::JUDGES {
            if self.running.contains_key(&part) {
                self.end(part);
            }
        }
        let events = readers::events(&self.brokers, &self.prefix, &self.generations);
        readers::check_alerts(&self.brokers, &self.prefix, &events);
        let last = |partition| {
            events
                .keys()
                .filter(|(at, _)| *at == partition)
                .map(|(_, offset)| offset + 1)
                .max()
        };
        for partition in 0..self.partitions {
            while self.applied(partition) < last(partition).unwrap_or(0) {
                assert!(Instant::now() < deadline, "the desk does not come to its end");
            }
        }
        self.end(Part::Desk);
        for part in Part::ARCHIVES {
            let Some(archive) = self.running.get(&part) else {
                continue;
            };
            // Without an ingest there is no Tick that would end a batch.
            while !archive.post("/archive") {
                assert!(Instant::now() < deadline, "the archive does not come to its end");
            }
            self.end(part);
        }
        events
    }

    /// Judges the log again, in one process and without a stop, and compares with what the judges said, by partition,
    /// offset and ordinal, to the byte.
    pub(crate) fn replay(&self) {
        let (same, text) = self.sites[&Part::Desk].plume(&["replay", "--config", "plume.toml"]);
        assert!(same && text.contains("identical to the byte"), "{text}");
        println!("{}", text.lines().last().unwrap_or_default());
    }

    /// A line of `plume bus lag` that says how far the judge is behind, if it is.
    fn judge_is_behind(&self) -> Option<String> {
        let (_, text) = self.sites[&Part::Desk].plume(&["bus", "lag", "--config", "plume.toml"]);
        let mut lines = text.lines().filter(|line| line.starts_with("detect")).peekable();
        assert!(lines.peek().is_some(), "{text}");
        let behind = |line: &&str| line.split_whitespace().nth(2) != Some("0");
        lines.find(behind).map(str::to_owned)
    }

    /// The next event of a partition that the desk has not taken.
    fn applied(&self, partition: u32) -> u64 {
        verdict::ask(&self.sites[&Part::Desk], async |store| {
            store.resume_offset(partition).await.unwrap().unwrap_or(0)
        })
    }
}

impl Drop for Cluster {
    /// Where the test has failed, everything is left to be looked at.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (part, log) in &self.said {
            println!("--- {part:?}, which has ended:");
            show_end(log);
        }
        for (part, site) in &mut self.sites {
            site.dir.disable_cleanup(true);
            println!("{part:?} is left in {}", site.dir.path().display());
        }
    }
}

fn grow_words(partitions: &str) -> [&str; 6] {
    ["bus", "grow", "--partitions", partitions, "--config", "plume.toml"]
}

/// How many partitions a judge says it has.
fn judged_partitions(judge: &Running) -> u32 {
    let metrics = judge.get("/metrics");
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("plume_deploy_judged_partitions "));
    line.map_or(0, |count| count.parse().unwrap())
}
