//! From two partitions' reports to one lead at the desk; a restart finds it again and does not say it again.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use plume_alert::accounts::{Role as DeskRole, Scope, Viewer};
use plume_alert::store::{CaseFilter, CaseRow, Order, Page};
use plume_bus::{ClockKind, NewRecord, Topic};
use plume_ingest::poll::Pace;
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{EntryBody, Tick};
use plume_schemas::event::{Edge, Event};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::partition::partition_of;
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{Clock, MINUTE_MS, SECOND_MS, Time};
use plume_schemas::wire;

use crate::cli::Role;
use crate::cli::judge::ExplainArgs;
use crate::commands::{explain, running};
use crate::config::Config;
use crate::polling::{self, Polling};
use crate::roles::at;
use crate::system::{Plan, System};

const PARTITIONS: u32 = 4;
/// The records are this plume's own: another ingest so far ahead of it would not be believed.
const INGEST: &str = "i1";
/// Two enterprises whose outlets lie in different partitions, and an honest third.
const OUTLETS: [(&str, &str); 3] = [("E1:DA001", "M1"), ("E5:DA001", "M2"), ("E3:DA001", "M3")];
/// A deadline, not a wait: it is over as soon as what is waited for is there.
const DEADLINE: Duration = Duration::from_mins(1);

fn start() -> Time {
    Time::parse_stamp(b"20261121055000").unwrap()
}

fn registry() -> Registry {
    let mut text = String::new();
    for (outlet, mn) in OUTLETS {
        let (enterprise, number) = outlet.split_once(':').unwrap();
        text += &std::fmt::format(format_args!(
            "[[enterprise]]\nid = \"{enterprise}\"\nname = \"{enterprise}\"\n\
             [[outlet]]\nid = \"{outlet}\"\nenterprise = \"{enterprise}\"\nnumber = \"{number}\"\n\
             [[outlet.factor]]\ncode = \"a21026\"\nrange_high = \"200\"\n\
             [[outlet.factor.limit]]\nwindow = \"hour\"\nvalue = \"35\"\nsource = \"permit\"\n\
             [[source]]\nmn = \"{mn}\"\noutlet = \"{outlet}\"\n"
        ));
    }
    toml::from_str(&text).unwrap()
}

/// Minute by minute; the second outlet sends what the first does.
fn value(outlet: usize, minute: i64) -> Decimal {
    let seed = if outlet == 1 { 0 } else { i64::try_from(outlet).unwrap() };
    let noise = (minute * 7_919 + seed * 104_729) * 2_654_435_761 % 997;
    Decimal::new(2_000 + noise % 400, 2).unwrap()
}

fn report(outlet: usize, minute: i64) -> EntryBody {
    let (id, mn) = OUTLETS[outlet];
    let measured_at = start().plus(minute * MINUTE_MS);
    let received_at = measured_at.plus(MINUTE_MS + SECOND_MS);
    EntryBody::Report(Box::new(Report {
        outlet: OutletId::new(id).unwrap(),
        kind: ReportKind::Minute,
        times: Times {
            measured_at,
            sent_at: Some(received_at),
            received_at,
        },
        origin: Origin {
            mn: Mn::new(mn).unwrap(),
            st: Inline::new("31").unwrap(),
            dialect: Dialect::Hj2017,
            ingest: IngestId::new(INGEST).unwrap(),
            peer: Inline::default(),
            registry_revision: 1,
        },
        backfill: false,
        readings: vec![Reading {
            factor: FactorCode::new("a21026").unwrap(),
            statistic: Statistic::Mean,
            basis: Basis::Standard,
            value: Value::Decimal(value(outlet, minute)),
            flag: Flag::Normal,
            maker_flag: Inline::default(),
        }],
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::of(&[id.as_bytes(), &minute.to_le_bytes()]),
            raw: Vec::new(),
            share: (0, 1),
            cn: 2051,
            qn: Inline::default(),
            part: (0, 0),
            key_id: None,
        },
    }))
}

/// Minutes of the script: a window of six hours with what is needed around it.
const MINUTES: i64 = 6 * 60 + 20;

/// A window of six hours with what is needed around it, and a Tick a minute in every partition.
fn records() -> Vec<NewRecord> {
    let ingest = IngestId::new(INGEST).unwrap();
    let mut records = Vec::new();
    let mut put = |partition, key: &str, body: &EntryBody| {
        let payload = wire::encode_entry(body);
        records.push(NewRecord::new(at(Topic::Reports, partition), key.to_owned(), payload));
    };
    for minute in 0..MINUTES {
        let received_at = start().plus((minute + 1) * MINUTE_MS + SECOND_MS);
        for (outlet, (id, _)) in OUTLETS.into_iter().enumerate() {
            let partition = partition_of(OutletId::new(id).unwrap(), PARTITIONS);
            put(partition, id, &report(outlet, minute));
        }
        for partition in 0..PARTITIONS {
            put(partition, "tick", &EntryBody::Tick(Tick { ingest, received_at }));
        }
    }
    records
}

/// A plume whose clock stands `minutes` after the start: it is the records that tell the judges the time.
async fn system(data_dir: &Path, minutes: i64) -> System {
    let mut config = Config::defaults().unwrap();
    "127.0.0.1:0".clone_into(&mut config.ingest.listen);
    config.desk.listen = ([127, 0, 0, 1], 0).into();
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    config.bus.partitions = PARTITIONS;
    config.ingest.id = IngestId::new(INGEST).unwrap();
    let catalogue = Catalogue::embedded().unwrap();
    let clock = Clock::new(move || start().plus(minutes * MINUTE_MS));
    let site = polling::load(&data_dir.join("plume.toml"), &config, &catalogue, &registry());
    let plan = Plan {
        config,
        polling: Polling {
            site: site.unwrap().0,
            pace: Pace::real(clock.clone()),
        },
        clock,
        clock_kind: ClockKind::Virtual,
        pace: 1,
        registry: registry(),
        data_dir: data_dir.to_owned(),
        console: None,
        roles: Role::ALL.to_vec(),
    };
    System::start(plan).await.unwrap()
}

async fn leads(system: &System) -> Vec<CaseRow> {
    let viewer = Viewer {
        name: "线索专员".to_owned(),
        role: DeskRole::LeadOfficer,
        scope: Scope::All,
    };
    let page = Page {
        order: Order::Latest,
        offset: 0,
        limit: 50,
    };
    let store = system.desk().unwrap().store();
    let rows = store.cases(&viewer, &CaseFilter::default(), page).await.unwrap().rows;
    rows.into_iter().filter(|row| row.rule == RuleCode::Twin).collect()
}

/// The id of the event that began a lead, which follows from its content.
async fn opened(system: &System, lead: &CaseRow) -> ContentId {
    let viewer = Viewer {
        name: "线索专员".to_owned(),
        role: DeskRole::LeadOfficer,
        scope: Scope::All,
    };
    let store = system.desk().unwrap().store();
    let trace = store.trace(&viewer, lead.id).await.unwrap();
    let judgement = trace.iter().find_map(|line| line.judgement.as_ref()).unwrap();
    Event::event_id(lead.id, Edge::Opened, judgement.cause)
}

async fn wait_for_lead(system: &System) -> Vec<CaseRow> {
    let found = async {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        loop {
            pause.tick().await;
            let leads = leads(system).await;
            if !leads.is_empty() {
                return leads;
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("a lead")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_in_two_partitions_become_one_lead_and_a_restart_adds_none() {
    let of = |outlet: usize| partition_of(OutletId::new(OUTLETS[outlet].0).unwrap(), PARTITIONS);
    assert_ne!(of(0), of(1), "this is about two judges");
    let dir = tempfile::tempdir().unwrap();
    let first = system(dir.path(), 0).await;
    first.context.bus.append(records()).await.unwrap();
    let found = wait_for_lead(&first).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].outlet.as_str(), "E1:DA001");
    let event = opened(&first, &found[0]).await;
    let path = std::fmt::format(format_args!("/explain?event={event}&lang=en"));
    let (fine, explained) = running::ask(dir.path(), "GET", &path).await.unwrap().unwrap();
    assert!(fine, "{explained}");
    assert!(
        explained.contains("E1:DA001") && explained.contains("E5:DA001"),
        "who is like whom: {explained}"
    );
    first.stop().await.unwrap();
    // Nor does it need a plume that runs.
    let config = dir.path().join("plume.toml");
    std::fs::write(&config, "[bus]\npartitions = 4\n").unwrap();
    let args = ExplainArgs {
        event: event.to_string(),
        lang: "zh".to_owned(),
        config: Some(config),
        data: Some(dir.path().to_owned()),
    };
    assert_eq!(explain::run(&args).await.unwrap(), ExitCode::SUCCESS);

    let second = system(dir.path(), MINUTES).await;
    // Everything is found again; only then is it certain that nothing more is made of it.
    let found_again = || {
        let families = second.context.metrics.gather();
        let of_twins = families
            .iter()
            .find(|family| family.name() == "plume_deploy_twin_events_total");
        of_twins.is_some_and(|family| family.get_metric()[0].get_counter().get_value() > 0.0)
    };
    let again = async {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        while !found_again() {
            pause.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, again)
        .await
        .expect("the pair is found again");
    let leads = leads(&second).await;
    assert_eq!(leads.iter().map(|row| row.id).collect::<Vec<_>>(), [found[0].id]);
    second.stop().await.unwrap();
}
