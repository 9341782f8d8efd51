//! Orders to devices: from the topic of commands to the newest link of the device, and what came of them to the topic
//! of results (D16). It hears devices through the loop that shows reports to the desk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use plume_bus::{NewRecord, Record, Topic};
use plume_ingest::Links;
use plume_ingest::exchange::command::{Command, CommandResult};
use plume_ingest::exchange::config::ExchangeConfig;
use plume_ingest::exchange::engine::{Exchange, Output};
use plume_ingest::exchange::gaps::Gaps;
use plume_ingest::exchange::heard::Heard;
use plume_ingest::exchange::order::{order, span_fields};
use plume_ingest::hj212::intake::SERIAL;
use plume_ingest::hj212::sm4::KeyRing;
use plume_schemas::entry::{EntryBody, PresenceState};
use plume_schemas::ids::{IngestId, Mn};
use plume_schemas::time::Time;
use plume_schemas::wire;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, READ_LIMIT, at};
use crate::keystore::KeyStore;

/// Between two looks at timeouts: a hundredth of the usual one.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Looks between two searches for gaps, which are about hours.
const LOOKS_PER_SEARCH: u32 = 50;
/// The exchange, as the one who complains.
const EXCHANGE: &str = "exchange";
/// Who asks for the hours of an outage.
const BY_GAPS: &str = "plume (gaps)";
/// Characters of the name of who gives an order.
const MAX_NAME_CHARS: usize = 40;

/// The exchange with all devices. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    core: Arc<Mutex<Core>>,
    config: ExchangeConfig,
    started: Time,
    /// Where several processes take packets: which of them this is.
    own: Option<IngestId>,
}

#[derive(Debug)]
struct Core {
    exchange: Exchange,
    gaps: Option<Gaps>,
    /// Orders to loggers that have no MN yet: by serial number, with the link they were last sought on.
    activating: BTreeMap<String, (Mn, Option<u64>)>,
}

impl Orders {
    /// An exchange that begins now: what was asked before is not asked again. With `own`, links of other ingests are
    /// left to them.
    pub(crate) fn new(config: ExchangeConfig, started: Time, keys: Arc<KeyRing>, own: Option<IngestId>) -> Self {
        let core = Core {
            exchange: Exchange::new(config.rules(), keys),
            gaps: config.gap_rules().map(Gaps::new),
            activating: BTreeMap::new(),
        };
        Self {
            core: Arc::new(Mutex::new(core)),
            config,
            started,
            own,
        }
    }

    /// How long an order waits for a device that is away, milliseconds.
    pub(crate) fn patience_ms(&self) -> i64 {
        self.config.patience_ms()
    }

    /// A record of the log of reports, in its order.
    pub(crate) fn observe(&self, body: &EntryBody, keys: &KeyStore, now: Time) {
        match body {
            EntryBody::Presence(presence) => {
                let mut core = self.core();
                let elsewhere = self.own.is_some_and(|own| own != presence.ingest);
                if presence.state == PresenceState::Came && elsewhere {
                    core.exchange.came_elsewhere(presence.mn, presence.epoch, now);
                } else if presence.state == PresenceState::Came {
                    core.exchange.came(presence.mn, presence.epoch, now);
                    if let Some(gaps) = &mut core.gaps {
                        gaps.came(presence.mn, presence.received_at);
                    }
                } else {
                    core.gone(presence.mn, presence.epoch, now);
                }
            }
            EntryBody::Report(report) => {
                let (mn, cn) = (report.origin.mn, report.evidence.cn);
                if let Some(key_id) = report.evidence.key_id {
                    keys.opened(mn, key_id);
                }
                let mut core = self.core();
                if let Some(gaps) = core.gaps.as_mut().filter(|_| cn == 2061) {
                    gaps.hour(mn, report.times.measured_at);
                }
                // Most of the log is data that nobody waits for.
                if matches!(cn, 2000..=2999) && !core.exchange.listens(mn) {
                    return;
                }
                // A question of before a restart is old by now; the device asks again.
                let old = report.times.received_at < self.started;
                if let Some(heard) = Heard::of(report).filter(|heard| !(old && matches!(heard.cn, 1013 | 1014))) {
                    if let Some(created_at) = key_time(&heard) {
                        keys.told(mn, created_at, now);
                    }
                    core.exchange.heard(&heard, now);
                }
            }
            _ => {}
        }
    }

    fn core(&self) -> std::sync::MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders for hours that devices owe.
    fn search_gaps(&self, now: Time) -> Vec<Command> {
        let mut core = self.core();
        let Core { exchange, gaps, .. } = &mut *core;
        let due = gaps.as_mut().map(|gaps| gaps.due(now)).unwrap_or_default();
        let idle = due.into_iter().filter(|(mn, _)| !exchange.is_busy(*mn));
        let orders =
            idle.map(|(mn, span)| Command::new(mn, (2061, span_fields(span)), BY_GAPS, now, self.patience_ms()));
        orders.collect()
    }

    /// Takes an order from the log.
    fn take(&self, command: Command, keys: &KeyStore, now: Time) {
        let mn = command.mn;
        if command.cn == 1014
            && command.permit.is_some()
            && let Err(error) = keys.rotate(mn, now)
        {
            tracing::error!(%mn, error = %format_args!("{error:#}"), "no new key can be given");
        }
        let mut core = self.core();
        let serial = command
            .fields
            .iter()
            .find(|(name, _)| command.cn == 1002 && name == SERIAL);
        if let Some((_, serial)) = serial {
            core.activating.insert(serial.clone(), (mn, None));
        }
        core.exchange.order(command, now);
    }

    /// Lets time pass, writes what is to be written, and gives what is to be recorded.
    fn pump(&self, context: &Context, links: &Links, now: Time) -> anyhow::Result<Vec<NewRecord>> {
        let mut core = self.core();
        core.introduce(links, now);
        core.exchange.handle_timeout(now);
        let mut records = Vec::new();
        while let Some(output) = core.exchange.poll_output() {
            match output {
                Output::Send { mn, epoch, bytes } => {
                    if !links.send(epoch, bytes) {
                        core.gone(mn, epoch, now);
                    }
                }
                Output::Ended(result) => {
                    core.settle(&result, &context.keys, links);
                    records.push(ended(&result)?);
                }
                Output::Wanted(command) if command.cn == 1014 => {
                    match context.permits.for_order(command.mn, command.cn, now) {
                        Ok(permit) => records.push(recorded(&Command { permit, ..command })?),
                        Err(why) => {
                            context.keys.wants(command.mn);
                            tracing::warn!(%why, hint = why.hint(), "a device asks for a new key");
                        }
                    }
                }
                Output::Wanted(command) => records.push(recorded(&command)?),
            }
        }
        Ok(records)
    }
}

/// When the key a device has was made, as it says itself (1014).
fn key_time(heard: &Heard) -> Option<Time> {
    let told = heard
        .told
        .iter()
        .find(|(name, _)| heard.cn == 1014 && name == "SKCreateTime");
    told.and_then(|(_, text)| Time::parse_stamp(text.as_bytes()))
}

impl Core {
    /// Loggers that an order is meant for, and that ask to be activated on a link of this process.
    fn introduce(&mut self, links: &Links, now: Time) {
        let Self {
            exchange, activating, ..
        } = self;
        for (serial, (mn, sought)) in activating {
            if let Some((epoch, newcomer)) = links.newcomer(serial)
                && *sought != Some(epoch)
            {
                *sought = Some(epoch);
                exchange.introduce(*mn, epoch, (newcomer.password, newcomer.st), now);
            }
        }
    }

    /// What an order's end means for the secrets of its device.
    fn settle(&mut self, result: &CommandResult, keys: &KeyStore, links: &Links) {
        let done = result.outcome.is_success();
        match result.cn {
            1014 if done => keys.key_taken(result.mn),
            1072 if done => keys.password_taken(result.mn),
            1002 => {
                let activated = |(mn, _): &(Mn, Option<u64>)| *mn == result.mn;
                for (serial, _) in self.activating.iter().filter(|(_, of)| done && activated(of)) {
                    links.settled(serial);
                }
                self.activating.retain(|_, of| !activated(of));
            }
            _ => {}
        }
    }

    fn gone(&mut self, mn: Mn, epoch: u64, now: Time) {
        self.exchange.gone(mn, epoch, now);
        if let Some(gaps) = self.gaps.as_mut().filter(|_| !self.exchange.has_link(mn)) {
            gaps.gone(mn);
        }
    }
}

/// An order as a record of the log.
pub(crate) fn recorded(command: &Command) -> anyhow::Result<NewRecord> {
    let payload = command.to_record()?;
    Ok(NewRecord::new(at(Topic::Commands, 0), command.mn.to_string(), payload))
}

fn ended(result: &CommandResult) -> anyhow::Result<NewRecord> {
    let (outcome, packets) = (result.outcome.name(), result.packets);
    tracing::info!(mn = %result.mn, cn = result.cn, outcome, packets, "order ended");
    let payload = result.to_record()?;
    Ok(NewRecord::new(
        at(Topic::CommandResults, 0),
        result.mn.to_string(),
        payload,
    ))
}

/// Where a process begins to read of orders and devices. What is before is history.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    commands: u64,
    results: u64,
    /// By partition.
    reports: Vec<u64>,
}

impl Ends {
    /// Asked before any device can connect and before plume says that it runs: an order given after that is carried
    /// out.
    pub(crate) async fn ask(context: &Context) -> anyhow::Result<Self> {
        let bus = &context.bus;
        let mut reports = Vec::new();
        for partition in 0..bus.partitions() {
            reports.push(bus.range(at(Topic::Reports, partition)).await?.end);
        }
        Ok(Self {
            commands: bus.range(at(Topic::Commands, 0)).await?.end,
            results: bus.range(at(Topic::CommandResults, 0)).await?.end,
            reports,
        })
    }
}

/// Carries out orders, and `hears` devices itself in a process without the desk, whose loop does that.
pub(crate) fn start(
    context: &Context,
    links: &Links,
    ends: Ends,
    hears: bool,
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    if hears {
        for (partition, end) in (0..).zip(ends.reports.iter().copied()) {
            tasks.spawn(hear(context.reading(), partition, end, stop.clone()));
        }
    }
    tasks.spawn(run(context.reading(), links.clone(), ends, stop.clone()));
}

/// Carries out orders until told to stop.
async fn run(context: Context, links: Links, begin: Ends, stop: Stop) -> anyhow::Result<()> {
    let (bus, orders) = (&context.bus, &context.orders);
    let (commands, results) = (at(Topic::Commands, 0), at(Topic::CommandResults, 0));
    let (mut next, mut next_result) = (begin.commands, begin.results);
    let mut pause = tokio::time::interval(LOOK_EVERY);
    let mut looks = 0_u32;
    while !stop.told() {
        tokio::select! {
            _ = pause.tick() => {}
            () = bus.wait(commands, next) => {}
            () = stop.clone().wait() => break,
        }
        let now = context.clock.now();
        if bus.is_shared() {
            for record in context.read_on(EXCHANGE, results, next_result, &stop).await? {
                next_result = record.offset + 1;
                if let Ok(result) = CommandResult::from_record(&record.payload) {
                    orders.core().exchange.settled(&result);
                }
            }
        }
        for record in context.read_on(EXCHANGE, commands, next, &stop).await? {
            next = record.offset + 1;
            match Command::from_record(&record.payload) {
                Ok(command) => orders.take(command, &context.keys, now),
                Err(error) => {
                    tracing::error!(offset = record.offset, %error, "an order cannot be read and is passed over");
                }
            }
        }
        let mut records = orders.pump(&context, &links, now)?;
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS_PER_SEARCH) {
            for command in orders.search_gaps(now) {
                tracing::info!(mn = %command.mn, fields = ?command.fields, "hours are missing and asked for");
                records.push(recorded(&command)?);
            }
        }
        if !records.is_empty()
            && let Err(error) = bus.append(records).await
        {
            tracing::error!(%error, hint = error.hint(), "orders and results could not be recorded");
        }
    }
    Ok(())
}

/// Hears devices from a partition of the log until told to stop.
async fn hear(context: Context, partition: u32, mut next: u64, stop: Stop) -> anyhow::Result<()> {
    let place = at(Topic::Reports, partition);
    while !stop.told() {
        tokio::select! {
            () = context.bus.wait(place, next) => {}
            () = stop.clone().wait() => break,
        }
        for Record { offset, payload, .. } in context.read_on(EXCHANGE, place, next, &stop).await? {
            next = offset + 1;
            if let Ok(body) = wire::decode_entry(&payload) {
                context.orders.observe(&body, &context.keys, context.clock.now());
            }
        }
    }
    Ok(())
}

/// An order to a device of the registry, its arguments checked; else why it cannot be given.
pub(crate) fn checked(
    context: &Context,
    mn: Mn,
    name: &str,
    arguments: &BTreeMap<String, String>,
    by: &str,
) -> Result<Command, String> {
    let order = order(name, arguments).map_err(|error| format!("{error} (hint: {})", error.hint()))?;
    if !context.registry.borrow().knows(mn) {
        return Err(format!("MN {mn} is not in the registry"));
    }
    let plain = by.chars().filter(|letter| !letter.is_control());
    let by: String = plain.take(MAX_NAME_CHARS).collect();
    let now = context.clock.now();
    let permit = context.permits.for_order(mn, order.0, now);
    let permit = permit.map_err(|why| format!("{why} (hint: {})", why.hint()))?;
    let order = without_secret(context, mn, order).map_err(|error| format!("{error:#}"))?;
    Ok(Command {
        permit,
        ..Command::new(mn, order, by, now, context.orders.patience_ms())
    })
}

/// The order as it may stand in the log: what is secret is made ready, sealed, and filled in when the order leaves.
fn without_secret(
    context: &Context,
    mn: Mn,
    (cn, mut fields): (u16, Vec<(String, String)>),
) -> anyhow::Result<(u16, Vec<(String, String)>)> {
    match cn {
        1014 => context.keys.rotate(mn, context.clock.now())?,
        1072 => {
            let password = fields.pop().map(|(_, password)| password).unwrap_or_default();
            context.keys.new_password(mn, password)?;
        }
        _ => {}
    }
    Ok((cn, fields))
}

/// Where results of orders that are given from now on will stand.
pub(crate) async fn end_of_results(context: &Context) -> anyhow::Result<u64> {
    Ok(context.bus.range(at(Topic::CommandResults, 0)).await?.end)
}

/// Records an order, and waits until it has ended or so long.
pub(crate) async fn give(
    context: &Context,
    command: &Command,
    wait: Duration,
) -> anyhow::Result<Option<CommandResult>> {
    let next = end_of_results(context).await?;
    let appended = context.bus.append(vec![recorded(command)?]).await;
    appended.context("record the order")?;
    result_of(context, command, next, wait).await
}

/// What came of an order, if it ends within so long; results are looked at from `next` on.
pub(crate) async fn result_of(
    context: &Context,
    command: &Command,
    mut next: u64,
    wait: Duration,
) -> anyhow::Result<Option<CommandResult>> {
    let results = at(Topic::CommandResults, 0);
    let ended = async {
        loop {
            context.bus.wait(results, next).await;
            for record in context.bus.read(results, next, READ_LIMIT).await? {
                next = record.offset + 1;
                if let Ok(result) = CommandResult::from_record(&record.payload)
                    && result.id == command.id
                {
                    return anyhow::Ok(result);
                }
            }
        }
    };
    tokio::time::timeout(wait, ended).await.ok().transpose()
}

/// The latest orders and what came of them, as lines of JSON.
pub(crate) async fn listed(context: &Context, most: u64) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for topic in [Topic::Commands, Topic::CommandResults] {
        let place = at(topic, 0);
        let kept = context.bus.range(place).await?;
        let mut next = kept.start.max(kept.end.saturating_sub(most));
        while next < kept.end {
            let records = context.bus.read(place, next, READ_LIMIT).await?;
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            lines.extend(
                records
                    .iter()
                    .map(|record| String::from_utf8_lossy(&record.payload).into_owned()),
            );
        }
    }
    Ok(lines.join("\n"))
}
