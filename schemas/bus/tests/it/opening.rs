//! Opening the wrong thing: each refusal says what, where and what to do, and touches nothing.

use plume_bus::fs::SimFs;
use plume_bus::{Bus, BusConfig, BusError, BusOptions, BusUrl, ClockKind, ReadLimit, Recovery};

use crate::support::{Home, REPORTS, consumer, open_sim, options, pin, records, segments, texts};

#[tokio::test]
async fn one_process_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let url = BusUrl::File(home.path().to_owned());
    let bus = Bus::open(&url, options()).await.unwrap();
    let error = Bus::open(&url, options()).await.unwrap_err();
    assert!(
        matches!(&error, BusError::Locked { dir } if dir == home.path()),
        "{error}"
    );
    assert!(error.hint().contains("stop the other process"));
    bus.append(records(REPORTS, "a", 1, 0)).await.unwrap();
    bus.close().await.unwrap();
    let again = Bus::open(&url, options()).await.unwrap();
    drop(bus); // A closed handle holds nothing.
    assert!(matches!(Bus::open(&url, options()).await, Err(BusError::Locked { .. })));
    drop(again);
    Bus::open(&url, options()).await.unwrap();
}

/// A log in the place of one that was lost begins where it is told to, and for good.
#[tokio::test]
async fn a_new_log_begins_at_an_offset_and_an_old_one_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let url = BusUrl::File(home.path().join("log"));
    let bus = Bus::open_from(&url, options(), 1_000).await.unwrap();
    assert_eq!(bus.range(REPORTS).await.unwrap(), 1_000..1_000);
    bus.append(records(REPORTS, "a", 2, 0)).await.unwrap();
    assert!(matches!(
        bus.read(REPORTS, 999, ReadLimit { records: 9, bytes: 999 }).await,
        Err(BusError::Expired { first: 1_000, .. })
    ));
    bus.close().await.unwrap();
    let bus = Bus::open_from(&url, options(), 5_000).await.unwrap();
    assert_eq!(bus.range(REPORTS).await.unwrap(), 1_000..1_002);
    let read = bus
        .read(REPORTS, 1_000, ReadLimit { records: 9, bytes: 999 })
        .await
        .unwrap();
    assert_eq!(
        read.iter().map(|record| record.offset).collect::<Vec<_>>(),
        [1_000, 1_001]
    );
}

#[tokio::test]
async fn another_clock_or_another_number_of_partitions() {
    let fs = SimFs::new();
    let bus = open_sim(&fs, options()).await.unwrap();
    bus.append(records(REPORTS, "a", 20, 100)).await.unwrap();
    bus.close().await.unwrap();
    let before: Vec<_> = segments(&fs).iter().map(|path| fs.content(path)).collect();
    for recovery in [Recovery::Refuse, Recovery::SetAside] {
        let virtual_clock = BusOptions {
            clock: ClockKind::Virtual,
            recovery,
            ..options()
        };
        let error = open_sim(&fs, virtual_clock).await.unwrap_err();
        let BusError::ClockMismatch { found, asked, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((*found, *asked), (ClockKind::System, ClockKind::Virtual));
        let error = open_sim(
            &fs,
            BusOptions {
                partitions: 3,
                recovery,
                ..options()
            },
        )
        .await
        .unwrap_err();
        assert!(
            matches!(error, BusError::PartitionsMismatch { found: 2, asked: 3, .. }),
            "{error}"
        );
        assert!(error.hint().contains("partitions = 2"));
    }
    assert_eq!(
        segments(&fs).iter().map(|path| fs.content(path)).collect::<Vec<_>>(),
        before
    );
    assert_eq!(texts(&open_sim(&fs, options()).await.unwrap(), REPORTS).await.len(), 20);
}

#[cfg(not(feature = "kafka"))]
#[tokio::test]
async fn kafka_is_refused_clearly() {
    let url = BusUrl::parse("kafka://broker:9092").unwrap();
    let error = Bus::open(&url, options()).await.unwrap_err();
    assert!(matches!(error, BusError::NotBuilt { .. }) && error.to_string().contains("kafka://broker:9092"));
}

#[tokio::test]
async fn options_are_checked_before_anything_is_made() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("log");
    let bad = BusOptions {
        partitions: 0,
        ..options()
    };
    let error = Bus::open(&BusUrl::File(dir.clone()), bad).await.unwrap_err();
    assert!(
        matches!(
            error,
            BusError::Option {
                option: "partitions",
                ..
            }
        ) && !dir.exists()
    );
}

#[tokio::test]
async fn a_place_that_cannot_be_a_directory() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let error = Bus::open(&BusUrl::File(file.join("log")), options()).await.unwrap_err();
    assert!(
        matches!(
            &error,
            BusError::Io {
                action: "make directory",
                ..
            }
        ),
        "{error}"
    );
    let error = Bus::open(&BusUrl::File(file), options()).await.unwrap_err();
    assert!(matches!(&error, BusError::Io { .. }), "{error}");
}

/// The last handle gone frees the directory, whoever forgot to close.
#[tokio::test]
async fn dropping_every_handle_frees_the_directory() {
    let home = Home::file();
    for round in 0..5 {
        let bus = home.open(options()).await;
        let clone = bus.clone();
        drop(bus);
        assert_eq!(clone.append(records(REPORTS, "a", 1, 0)).await.unwrap(), [round]);
    }
}

#[tokio::test]
async fn a_missing_tail_of_the_pinning_list_is_no_damage() {
    let fs = SimFs::new();
    open_sim(&fs, options()).await.unwrap().close().await.unwrap();
    let pinning = vec![pin("archive", &[]), pin("someone-new", &plume_bus::Topic::ALL)];
    let bus = open_sim(&fs, BusOptions { pinning, ..options() }).await.unwrap();
    assert_eq!(bus.committed(consumer("someone-new"), REPORTS).await.unwrap(), None);
}

#[test]
fn the_section_of_the_configuration() {
    let text = r#"
        url = "file:plume-data/log"
        partitions = 4
        segment_bytes = 67108864
        keep_bytes = 1073741824
        max_bytes = 8589934592
        recovery = "refuse"
        [kafka]
        replication = 3
        retention_days = 7
        ack = "isr"
        spool_max_bytes = 21474836480
    "#;
    let config: BusConfig = toml::from_str(text).unwrap();
    let (url, options) = config
        .resolve(ClockKind::System, vec![pin("archive", &plume_bus::Topic::ALL)])
        .unwrap();
    assert_eq!(url, BusUrl::File("plume-data/log".into()));
    assert_eq!(
        (options.partitions, options.recovery, options.pinning.len()),
        (4, Recovery::Refuse, 1)
    );
    let unknown = text.replace("keep_bytes", "keep_byte");
    assert!(
        toml::from_str::<BusConfig>(&unknown)
            .unwrap_err()
            .to_string()
            .contains("keep_byte")
    );
    let set_aside = text.replace("refuse", "set_aside");
    assert_eq!(
        toml::from_str::<BusConfig>(&set_aside).unwrap().recovery,
        Recovery::SetAside
    );
    let zero = BusConfig {
        partitions: 0,
        ..config
    };
    assert!(matches!(
        zero.resolve(ClockKind::System, Vec::new()),
        Err(BusError::Option { .. })
    ));
}
