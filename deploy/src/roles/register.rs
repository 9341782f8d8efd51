//! 一键建档: a device that is not registered has packets waiting. They say how it speaks and what it measures; a person
//! says whose it is; then it is in the registry, and its packets are judged and archived.
//!
//! It is an edit of the registry as those of the desk are: recorded as a revision, and kept until the registry's file
//! changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use plume_bus::{Bus, Topic};
use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::tokens::Tokens;
use plume_schemas::ids::{EnterpriseId, Mn, OutletId};
use plume_schemas::registry::{Enterprise, FactorSetup, Outlet, ProblemSeverity, Registry, RegistryIndex, Source};
use plume_schemas::report::{QuarantineReason, Quarantined};
use plume_schemas::time::{MINUTE_MS, SECOND_MS, Time};
use plume_schemas::wire;
use serde::{Deserialize, Serialize};

use super::readmit;
use super::{Context, READ_LIMIT, at};

/// Devices listed: more do not come on one day.
const MAX_DEVICES: usize = 1_000;
/// Factors listed of one device.
const MAX_FACTORS: usize = 64;
/// Letters of a name.
const MAX_CHARS: usize = 80;

/// What the waiting packets of a device say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Waiting {
    pub(crate) mn: Mn,
    /// 系统编码.
    pub(crate) st: String,
    /// The edition it speaks.
    pub(crate) dialect: String,
    pub(crate) packets: u64,
    pub(crate) first: Time,
    pub(crate) last: Time,
    /// Packets of each 命令编码.
    pub(crate) cns: BTreeMap<u16, u64>,
    /// Factor codes it sends.
    pub(crate) factors: BTreeSet<String>,
    /// Minutes between its minute packets, as far as two tell.
    pub(crate) minute_interval_min: Option<u8>,
    /// Seconds between its real-time packets.
    pub(crate) realtime_interval_s: Option<u32>,
    /// All its packets showed one password, which can be that of the registry.
    pub(crate) has_password: bool,
    #[serde(skip)]
    password: Option<String>,
    #[serde(skip)]
    times: BTreeMap<u16, BTreeSet<Time>>,
}

/// Devices that are not in the registry and have packets waiting, the newest first.
pub(crate) async fn waiting(bus: &Bus, index: &RegistryIndex) -> anyhow::Result<Vec<Waiting>> {
    let quarantine = at(Topic::Quarantine, 0);
    let kept = bus.range(quarantine).await?;
    let mut found: BTreeMap<Mn, Waiting> = BTreeMap::new();
    let mut next = kept.start;
    while next < kept.end {
        let records = bus.read(quarantine, next, READ_LIMIT).await?;
        let Some(last) = records.last() else { break };
        next = last.offset + 1;
        for record in &records {
            let Ok(aside) = wire::decode_quarantined(&record.payload) else {
                continue;
            };
            let mn = aside
                .mn
                .filter(|mn| aside.reason == QuarantineReason::UnknownMn && !index.knows(*mn));
            let Some(mn) = mn.filter(|mn| found.len() < MAX_DEVICES || found.contains_key(mn)) else {
                continue;
            };
            look(found.entry(mn).or_insert_with(|| Waiting::of(mn, &aside)), &aside);
        }
    }
    let mut all: Vec<Waiting> = found.into_values().collect();
    for one in &mut all {
        let least = |cn: u16, unit: i64| one.times.get(&cn).and_then(least_step).map(|ms| ms / unit);
        one.minute_interval_min = least(2051, MINUTE_MS).and_then(|minutes| u8::try_from(minutes).ok());
        one.realtime_interval_s = least(2011, SECOND_MS).and_then(|seconds| u32::try_from(seconds).ok());
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.last));
    Ok(all)
}

impl Waiting {
    fn of(mn: Mn, aside: &Quarantined) -> Self {
        Self {
            mn,
            st: String::new(),
            dialect: String::new(),
            packets: 0,
            first: aside.received_at,
            last: aside.received_at,
            cns: BTreeMap::new(),
            factors: BTreeSet::new(),
            minute_interval_min: None,
            realtime_interval_s: None,
            has_password: true,
            password: None,
            times: BTreeMap::new(),
        }
    }
}

/// Takes what one packet says.
fn look(one: &mut Waiting, aside: &Quarantined) {
    one.packets += 1;
    one.first = one.first.min(aside.received_at);
    one.last = one.last.max(aside.received_at);
    let raw = &aside.raw;
    let from = raw.iter().position(u8::is_ascii_alphabetic).unwrap_or(raw.len());
    let segment = raw
        .windows(2)
        .rposition(|two| two == b"&&")
        .and_then(|end| raw.get(from..end + 2));
    let packet = Packet::parse(segment.unwrap_or_default(), &mut Complaints::default());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    one.dialect = packet.dialect.to_string();
    if let Some(st) = packet.st.filter(|_| !packet.is_reply()) {
        one.st = text(st);
    }
    let password = packet.pw.map(text);
    one.has_password &= password.is_some() && (one.packets == 1 || one.password == password);
    one.password = password;
    let Some(cn) = packet.cn else { return };
    *one.cns.entry(cn).or_default() += 1;
    for token in Tokens::new(packet.cp) {
        if let Some(code) = token.hyphen.and_then(|hyphen| token.name.get(..hyphen)) {
            let code = text(code);
            if one.factors.len() < MAX_FACTORS && plume_schemas::ids::FactorCode::new(&code).is_ok() {
                one.factors.insert(code);
            }
        } else if token.name == b"DataTime"
            && let Some(at) = token.value.and_then(Time::parse_stamp)
        {
            let times = one.times.entry(cn).or_default();
            if times.len() < MAX_FACTORS {
                times.insert(at);
            }
        }
    }
}

fn least_step(times: &BTreeSet<Time>) -> Option<i64> {
    let steps = times
        .iter()
        .zip(times.iter().skip(1))
        .map(|(one, next)| next.since(*one));
    steps.filter(|step| *step > 0).min()
}

/// Whose a waiting device is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    pub(crate) mn: Mn,
    /// 统一社会信用代码.
    pub(crate) enterprise: EnterpriseId,
    /// Its name, where it is not in the registry yet.
    #[serde(default)]
    pub(crate) enterprise_name: String,
    /// 排放口编号 of the permit.
    pub(crate) outlet: String,
    /// Its name, where it is not in the registry yet.
    #[serde(default)]
    pub(crate) outlet_name: String,
    /// The password its packets showed is from now on that of the registry.
    #[serde(default)]
    pub(crate) keep_password: bool,
    /// District and industry of an enterprise that is not in the registry yet.
    #[serde(default)]
    pub(crate) district: String,
    #[serde(default)]
    pub(crate) industry: String,
    /// Factors with their limits; what the outlet has already stays as it is.
    #[serde(default)]
    pub(crate) factors: Vec<FactorSetup>,
    /// Who registers it.
    pub(crate) by: String,
}

/// A waiting device that is registered.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    /// The registry's revision in force from now on.
    pub(crate) revision: u64,
    /// What became of its packets.
    pub(crate) packets: readmit::Outcome,
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { revision, packets } = self;
        write!(f, "基础档案第 {revision} 版 / registry revision {revision}\n{packets}")
    }
}

/// Registers devices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registrar {
    /// This process records the registry: where processes share the log, the one with the role `desk` does.
    pub(crate) records: bool,
}

impl Registrar {
    /// Registers a waiting device and takes its packets; says what was done.
    pub(crate) async fn register(self, context: &Context, wish: Wish) -> anyhow::Result<Registered> {
        ensure!(
            self.records || !context.bus.is_shared(),
            "this process follows the registry on the bus (hint: ask the one with the role `desk`)"
        );
        register(context, wish).await
    }
}

/// Registers a waiting device where revisions are recorded.
pub(crate) async fn register(context: &Context, wish: Wish) -> anyhow::Result<Registered> {
    let Context {
        bus,
        data_dir,
        ingest,
        recorder,
        ..
    } = context;
    let index = Arc::clone(&context.registry.borrow());
    let all = waiting(bus, &index).await?;
    let Some(seen) = all.iter().find(|one| one.mn == wish.mn) else {
        bail!(
            "MN {} 没有等待建档的报文，或已建档 / has no packets that wait for its registration, or is registered \
             (hint: plume quarantine waiting lists those that have)",
            wish.mn
        );
    };
    let mut whole = index.registry().clone();
    let base = whole.revision;
    add(&mut whole, seen, &wish)?;
    let problems = whole.check(&context.catalogue, context.clock.now());
    let wrong: Vec<String> = problems
        .into_iter()
        .filter(|problem| problem.severity != ProblemSeverity::Warning)
        .map(|problem| format!("`{}`: {} (hint: {})", problem.path, problem.message, problem.hint))
        .collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    let recorded = recorder.edit((bus, data_dir), whole, base, context.clock.now()).await;
    let revision = recorded.context("the device was not registered (hint: ask again)")?;
    tracing::info!(mn = %wish.mn, outlet = wish.outlet, by = wish.by, revision, "a waiting device was registered");
    let index = Arc::clone(&context.registry.borrow());
    let packets = readmit::readmit(bus, data_dir, ingest, &index, wish.mn).await?;
    Ok(Registered { revision, packets })
}

/// Adds the rows that are missing.
fn add(registry: &mut Registry, seen: &Waiting, wish: &Wish) -> anyhow::Result<()> {
    let fits = |text: &&String| text.chars().count() <= MAX_CHARS && !text.chars().any(char::is_control);
    let names = [
        &wish.enterprise_name,
        &wish.outlet_name,
        &wish.district,
        &wish.industry,
        &wish.by,
    ];
    ensure!(
        names.iter().all(fits) && !wish.by.trim().is_empty(),
        "a name has at most {MAX_CHARS} characters, and who registers has one"
    );
    add_enterprise(registry, wish)?;
    let outlet = OutletId::new(&format!("{}:{}", wish.enterprise, wish.outlet)).map_err(|error| {
        anyhow::anyhow!(
            "outlet {}: {error} (hint: the number of the permit, such as DA001)",
            wish.outlet
        )
    })?;
    add_outlet(registry, outlet, wish);
    registry.sources.push(Source {
        mn: wish.mn,
        password: seen
            .password
            .clone()
            .filter(|_| wish.keep_password && seen.has_password),
        st: None,
        outlet,
        factors: Vec::new(),
        minute_interval_min: seen.minute_interval_min,
        realtime_interval_s: seen.realtime_interval_s,
        data_time_is_end: false,
        valid_from: None,
        valid_to: None,
    });
    Ok(())
}

/// The enterprise, where it is not there yet.
fn add_enterprise(registry: &mut Registry, wish: &Wish) -> anyhow::Result<()> {
    if registry.enterprises.iter().any(|one| one.id == wish.enterprise) {
        return Ok(());
    }
    ensure!(
        !wish.enterprise_name.trim().is_empty(),
        "enterprise {} is not in the registry (hint: give its name, and it is added)",
        wish.enterprise
    );
    registry.enterprises.push(Enterprise {
        id: wish.enterprise,
        name: wish.enterprise_name.clone(),
        district: wish.district.clone(),
        industry: wish.industry.clone(),
        officer: String::new(),
        officer_phone: String::new(),
        contacts: Vec::new(),
        permit_number: String::new(),
        permit_valid_to: None,
    });
    Ok(())
}

/// The outlet, where it is not there yet, and those of the factors that it does not have.
fn add_outlet(registry: &mut Registry, id: OutletId, wish: &Wish) {
    if !registry.outlets.iter().any(|one| one.id == id) {
        registry.outlets.push(Outlet {
            id,
            enterprise: wish.enterprise,
            number: wish.outlet.clone(),
            name: wish.outlet_name.clone(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: Vec::new(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        });
    }
    let Some(outlet) = registry.outlets.iter_mut().find(|one| one.id == id) else {
        return;
    };
    for factor in &wish.factors {
        if !outlet.factors.iter().any(|known| known.code == factor.code) {
            outlet.factors.push(factor.clone());
        }
    }
}
