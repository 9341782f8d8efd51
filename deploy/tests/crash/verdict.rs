//! What must be true when the last life has ended, read from the archive's files, the desk's database and the
//! receivers.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::TraceKind;
use plume_alert::store::{CaseFilter, CaseRow, NoticeRow, Order, Page, Store, TraceRow};
use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_bus::fs::RealFs;

use crate::fleet::{DEVICES, Device, FACTORS, mn, outlet};
use crate::receiver::{Heard, Way};
use crate::support::{Running, Site};

/// Records that may wait for the archive in a plume at rest: the Ticks of some seconds.
const NEARLY_DONE_RECORDS: u64 = 50;

/// Days whose digest a run may meet: it may last past a midnight.
const DIGEST_DAYS: usize = 2;

/// What there was to check, so that a check of nothing is noticed.
#[derive(Debug)]
#[expect(dead_code, reason = "printed, so that a run shows how much it met")]
pub(crate) struct Found {
    answered: usize,
    readings: usize,
    repeats: u64,
    events: usize,
    cases: usize,
    sent: usize,
    heard_again: usize,
}

impl Found {
    /// A run that met nothing proves nothing.
    pub(crate) fn check_worth(&self, kills: u64) {
        assert!(self.answered > 100 && self.repeats > 0, "{self:?}");
        assert!(self.events > 0 && self.sent > 0, "{self:?}");
        assert!(
            kills < 8 || self.heard_again > 0,
            "no kill met a message on its way: {self:?}"
        );
    }
}

pub(crate) fn ask<T>(site: &Site, question: impl AsyncFnOnce(&Store) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", site.data().join("desk.db").display());
        let store = Store::open(&url).await.unwrap();
        let answer = question(&store).await;
        store.close().await;
        answer
    })
}

pub(crate) fn archive(site: &Site) -> Reader {
    Reader::open(&site.data().join("archive"), Arc::new(RealFs)).unwrap()
}

/// Events in the archive: all there are, once plume has stopped.
fn events_archived(site: &Site) -> u64 {
    let stats = archive(site).stats();
    let line = stats.lines.iter().find(|line| line.line == "events/0");
    line.map_or(0, |line| line.next)
}

/// Events applied by the desk, and notices in its outbox.
fn desk_state(site: &Site) -> (u64, u64) {
    ask(site, async |store| {
        let applied = store.resume_offset(0).await.unwrap().unwrap_or(0);
        (applied, store.outbox_state().await.unwrap().1)
    })
}

/// Waits until a running desk has applied every event that was archived before, its outbox is empty, and the archive
/// is all but done: what the next stop leaves to it, it can write in time.
pub(crate) fn wait_for_desk(site: &Site, running: &Running, deadline: Instant) {
    let events = events_archived(site);
    loop {
        let (applied, notices) = desk_state(site);
        let stats: serde_json::Value = serde_json::from_str(&running.get("/stats")).unwrap();
        let records = stats["waiting"].as_u64().unwrap();
        if applied >= events && notices == 0 && records <= NEARLY_DONE_RECORDS {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the desk applied {applied} of {events} events, {notices} notices wait, {records} records are not archived"
        );
    }
}

/// True when a stopped plume left nothing to do.
pub(crate) fn is_settled(site: &Site) -> bool {
    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    stats["waiting"] == 0 && desk_state(site) == (events_archived(site), 0)
}

/// Checks everything.
pub(crate) fn check(site: &Site, devices: &[Device], heard: &[Heard]) -> Found {
    let reader = archive(site);
    let readings = check_readings(slice::from_ref(&reader), devices);
    check_owners(slice::from_ref(&reader));
    let accepted = check_packets(slice::from_ref(&reader), devices);
    let (fine, text) = site.plume(&["stats", "--json", "--config", "plume.toml"]);
    assert!(fine, "{text}");
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&stats["waiting"], &stats["balanced"]),
        (&0.into(), &true.into()),
        "{stats}"
    );
    assert_eq!(stats["archived"], accepted, "{stats}");
    let (cases, traces, notices) = book(site);
    let events = check_events(slice::from_ref(&reader), &traces);
    check_cases(&cases, &traces);
    let (sent, heard_again) = check_notices(&notices, heard);
    Found {
        answered: devices.iter().map(|device| device.answered.len()).sum(),
        readings,
        repeats: stats["repeats"].as_u64().unwrap(),
        events,
        cases: cases.len(),
        sent,
        heard_again,
    }
}

fn rows(readers: &[Reader], table: Table, columns: &[&str]) -> Vec<Vec<Field>> {
    let mut spec = QuerySpec::all(table);
    spec.columns = columns.iter().map(|&column| column.to_owned()).collect();
    let rows = readers.iter().flat_map(|reader| reader.query(&spec).unwrap());
    rows.map(Result::unwrap).collect()
}

fn time(field: &Field) -> i64 {
    match field {
        Field::Time(at) => at.0,
        other => panic!("{other:?} is no time"),
    }
}

/// Every answered minute stands once for each factor; nothing stands that was never sent.
pub(crate) fn check_readings(readers: &[Reader], devices: &[Device]) -> usize {
    let found = rows(readers, Table::Readings, &["outlet", "factor", "measured_at"]);
    let mut counts: BTreeMap<(String, String, i64), usize> = BTreeMap::new();
    for row in &found {
        let key = (row[0].to_string(), row[1].to_string(), time(&row[2]));
        *counts.entry(key).or_default() += 1;
    }
    for device in devices {
        for minute in 0..=device.next {
            for factor in FACTORS {
                let at = device.data_time(minute).0;
                let count = counts
                    .remove(&(outlet(device.number), factor.to_owned(), at))
                    .unwrap_or(0);
                let least = usize::from(device.answered.contains(&minute));
                assert!(
                    (least..=1).contains(&count),
                    "{factor} of minute {minute} of device {} stands {count} times",
                    device.number
                );
            }
        }
    }
    assert!(counts.is_empty(), "readings nobody sent: {counts:?}");
    found.len()
}

/// Every reading says whose it is.
pub(crate) fn check_owners(readers: &[Reader]) {
    for row in rows(readers, Table::Readings, &["outlet", "enterprise"]) {
        let outlet = row[0].to_string();
        assert_eq!(
            Some(row[1].to_string().as_str()),
            outlet.split(':').next(),
            "whose {outlet} is"
        );
    }
}

/// Every packet of an outlet has a number of its own.
fn check_numbers(reader: &Reader) {
    let mut numbers = BTreeSet::new();
    for row in rows(slice::from_ref(reader), Table::Packets, &["outlet", "packet"]) {
        let number = (row[0].to_string(), row[1].to_string());
        assert!(!numbers.contains(&number), "two packets are {number:?}");
        numbers.insert(number);
    }
}

/// Every answered packet stands as accepted once; what else came of it is marked as its repeat. Gives how many were
/// accepted.
pub(crate) fn check_packets(readers: &[Reader], devices: &[Device]) -> usize {
    readers.iter().for_each(check_numbers);
    let mut accepted = BTreeSet::new();
    let mut repeated = BTreeSet::new();
    for row in rows(readers, Table::Packets, &["mn", "qn", "verdict", "repeat_of"]) {
        let packet = (row[0].to_string(), row[1].to_string());
        match row[2].to_string().as_str() {
            "accepted" => assert!(accepted.insert(packet.clone()), "{packet:?} is accepted twice"),
            "repeat" => {
                assert!(
                    matches!(row[3], Field::Int(_)),
                    "{packet:?} repeats nothing that is named"
                );
                repeated.insert(packet);
            }
            other => panic!("{packet:?} is {other}"),
        }
    }
    assert!(repeated.is_subset(&accepted), "a repeat of nothing");
    for device in devices {
        for &minute in &device.answered {
            let packet = (mn(device.number), device.qn(minute));
            assert!(
                accepted.contains(&packet),
                "{packet:?} was answered and is not among the packets"
            );
        }
    }
    accepted.len()
}

/// The desk's cases, with the trace of each, and all notices.
pub(crate) fn book(site: &Site) -> (Vec<CaseRow>, Vec<Vec<TraceRow>>, Vec<NoticeRow>) {
    let viewer = Viewer {
        name: "crash harness".to_owned(),
        role: Role::LeadOfficer,
        scope: Scope::All,
    };
    ask(site, async |store| {
        let (mut cases, mut traces, mut notices) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let page = Page {
                order: Order::ByOutlet,
                offset: cases.len() as u64,
                limit: 500,
            };
            let found = store.cases(&viewer, &CaseFilter::default(), page).await.unwrap().rows;
            if found.is_empty() {
                return (cases, traces, notices);
            }
            for case in found {
                traces.push(store.trace(&viewer, case.id).await.unwrap());
                notices.extend(store.notices(&viewer, case.id).await.unwrap());
                cases.push(case);
            }
        }
    })
}

/// Where a judgement came from: partition and offset of its cause, ordinal among the judgements of that.
type Cause = (i64, i64, i64);

/// Each event stands once in the archive, and once in the trace of the desk's cases.
pub(crate) fn check_events(readers: &[Reader], traces: &[Vec<TraceRow>]) -> usize {
    let mut ids = BTreeSet::new();
    let mut said: BTreeMap<Cause, usize> = BTreeMap::new();
    let columns = ["event_id", "cause_partition", "cause_offset", "ordinal"];
    for row in rows(readers, Table::Events, &columns) {
        assert!(ids.insert(row[0].to_string()), "event {} stands twice", row[0]);
        let number = |place: usize| match row[place] {
            Field::Int(number) => number,
            ref other => panic!("{other:?} is no number"),
        };
        *said.entry((number(1), number(2), number(3))).or_default() += 1;
    }
    let mut written: BTreeMap<Cause, usize> = BTreeMap::new();
    for line in traces
        .iter()
        .flatten()
        .filter(|line| line.kind != TraceKind::OutcomeSet)
    {
        let Some(judgement) = &line.judgement else { continue };
        let cause = (
            i64::from(judgement.cause.partition),
            i64::try_from(judgement.cause.offset).unwrap(),
            i64::from(judgement.ordinal),
        );
        *written.entry(cause).or_default() += 1;
    }
    assert_eq!(said, written, "events of the archive, and those in the desk's trace");
    ids.len()
}

/// Each case was opened once, and no two are about the same breach.
pub(crate) fn check_cases(cases: &[CaseRow], traces: &[Vec<TraceRow>]) {
    for (case, trace) in cases.iter().zip(traces) {
        let opened = trace.iter().filter(|line| line.kind == TraceKind::Opened).count();
        assert_eq!(opened, 1, "{case:?} was opened {opened} times");
    }
    let mut breaches = BTreeSet::new();
    for (case, trace) in cases.iter().zip(traces) {
        let first = trace.iter().find_map(|line| line.judgement.as_ref()).unwrap();
        let breach = (case.outlet, case.factor, case.rule, first.window.start);
        assert!(breaches.insert(format!("{breach:?}")), "two cases of {breach:?}");
    }
    let outlets: BTreeSet<String> = cases.iter().map(|case| case.outlet.to_string()).collect();
    assert!(outlets.len() <= DEVICES);
}

/// What the desk calls sent was heard, what was heard is a notice, and a life's end repeats at most one message.
fn check_notices(notices: &[NoticeRow], heard: &[Heard]) -> (usize, usize) {
    let known: BTreeSet<String> = notices.iter().map(|notice| notice.id.to_string()).collect();
    let mut lives: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let sent = notices.iter().filter(|notice| notice.state == "sent");
    // What is due to one receiver at one moment goes as one message, under a key of its own.
    let mut together: BTreeMap<_, usize> = BTreeMap::new();
    let moment = |notice: &NoticeRow| (notice.channel.clone(), notice.address.clone(), notice.sent_at);
    for notice in sent.clone() {
        *together.entry(moment(notice)).or_default() += 1;
    }
    let joint = together.values().filter(|&&count| count > 1).count();
    let mut others = BTreeMap::new();
    for Heard { life, key, way } in heard {
        if !known.contains(key) {
            others.insert(key, *way);
        }
        lives.entry(key).or_default().push(*life);
    }
    let ends = heard.iter().map(|heard| heard.life).collect::<BTreeSet<_>>().len();
    let unknown = |way: Way| others.values().filter(|&&other| other == way).count();
    assert!(
        unknown(Way::Webhook) <= joint + ends,
        "{joint} joint messages: {others:?}"
    );
    let digests = DEVICES * DIGEST_DAYS;
    assert!(
        unknown(Way::Mail) <= digests + joint + ends,
        "mails of no case: {others:?}"
    );
    for notice in sent.clone() {
        let alone = lives.contains_key(notice.id.to_string().as_str());
        let with_others = together.get(&moment(notice)).is_some_and(|&count| count > 1);
        assert!(alone || with_others, "never heard: {notice:?}");
    }
    for notice in notices {
        assert!(notice.state == "sent" || notice.state == "skipped", "{notice:?}");
    }
    // A second copy in one life would be plume's own doing; one in a later life is owed to the end of the life before.
    let mut repeats_of_life: BTreeMap<usize, usize> = BTreeMap::new();
    for (key, lives) in &lives {
        for pair in lives.windows(2) {
            assert!(pair[0] < pair[1], "{key} was said twice in life {}", pair[0]);
            *repeats_of_life.entry(pair[0]).or_default() += 1;
        }
    }
    for (life, repeats) in &repeats_of_life {
        assert!(*repeats <= 1, "the end of life {life} repeated {repeats} messages");
    }
    (sent.count(), repeats_of_life.len())
}
