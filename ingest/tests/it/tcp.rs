//! End to end over real TCP, with a bus whose durability the test controls.

use std::sync::Arc;
use std::time::Duration;

use plume_bus::{Bus, ReadLimit, Topic, TopicPartition};
use plume_ingest::Ingest;
use plume_ingest::config::IngestConfig;
use plume_schemas::entry::{EntryBody, PresenceState};
use plume_schemas::report::QuarantineReason;
use plume_schemas::time::Clock;
use plume_schemas::wire::decode_entry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

use crate::bench::{MN_2017, catalogue, config, example_registry, registry, time};
use crate::house::{House, OPEN, qn, vector};

#[tokio::test]
async fn answered_only_when_durable_and_in_order() {
    let mut house = House::open(config(), 0).await;
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    house.appends(1).await;
    assert!(device.is_silent());
    assert!(house.entries().await.is_empty());
    // Two more while the first is on its way: they go together in the second append.
    device.send(&[vector(26), vector(28)].concat()).await;
    house.permits.add_permits(1);
    assert_eq!(qn(&device.answer().await), "20160801085000001");
    house.appends(2).await;
    assert!(device.is_silent());
    house.permits.add_permits(1);
    assert_eq!(qn(&device.answer().await), "20160801090000001");
    assert_eq!(qn(&device.answer().await), "20160802000000001");
    let entries = house.entries().await;
    assert!(matches!(entries.as_slice(), [
        EntryBody::Presence(p),
        EntryBody::Report(_),
        EntryBody::Report(_),
        EntryBody::Report(_),
    ] if p.state == PresenceState::Came && p.mn.as_str() == MN_2017));
    house.permits.add_permits(OPEN);
    house.close().await;
}

#[tokio::test]
async fn garbage_then_a_good_packet() {
    let house = House::open(config(), OPEN).await;
    let mut device = house.device().await;
    device.send(b"GET / HTTP/1.1\r\n\r\n").await;
    device.send(&vector(24)).await;
    assert!(device.answer().await.contains("CN=9014"));
    assert_eq!(house.quarantined().await, [QuarantineReason::Garbage]);
    assert_eq!(house.metric("plume_ingest_packets_total", "accepted"), 1);
    assert_eq!(house.metric("plume_ingest_garbage_bytes_total", "garbage"), 18);
    house.close().await;
}

#[tokio::test]
async fn a_frame_without_its_line_end_is_answered_after_a_moment() {
    let house = House::open(
        IngestConfig {
            tail_wait_ms: 20,
            ..config()
        },
        OPEN,
    )
    .await;
    let mut device = house.device().await;
    let packet = vector(24);
    device.send(&packet[..packet.len() - 2]).await;
    assert!(device.answer().await.contains("CN=9014"));
    house.close().await;
}

#[tokio::test]
async fn a_refusing_bus_answers_nothing_and_loses_nothing() {
    let mut house = House::open(
        IngestConfig {
            retry_min_ms: 5,
            retry_max_ms: 10,
            ..config()
        },
        OPEN,
    )
    .await;
    house.refuse.send_replace(true);
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    house.appends(3).await;
    assert!(device.is_silent());
    assert!(house.metric("plume_ingest_append_refused_total", "") >= 2);
    house.refuse.send_replace(false);
    assert_eq!(qn(&device.answer().await), "20160801085000001");
    house.close().await;
}

#[tokio::test]
async fn a_stalled_disk_stops_the_reading_of_a_link() {
    let config = IngestConfig {
        max_in_flight_packets: 4,
        ..config()
    };
    let mut house = House::open(config, 0).await;
    let mut device = house.device().await;
    // Each is another packet, so that none joins another.
    let packets: Vec<Vec<u8>> = (0..2000_u32)
        .map(|n| {
            let content = format!("DataTime=20160801085857;a21026-Rtd={n}");
            let text = format!("QN=2016080108{n:07};ST=31;CN=2011;PW=123456;MN={MN_2017};Flag=5;CP=&&{content}&&");
            plume_ingest::hj212::encode::frame(text.as_bytes())
        })
        .collect();
    let stream = packets.concat();
    let (mut reader, mut writer) = device.0.split();
    let sending = async {
        writer.write_all(&stream).await.unwrap();
    };
    let receiving = async {
        house.appends(1).await;
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        // One read, and what came with it, is all that was taken.
        assert!(house.metric("plume_ingest_received_bytes_total", "") <= 8192);
        house.permits.add_permits(OPEN);
        let mut answers = Vec::new();
        let mut buffer = vec![0; 65_536];
        let mut lines = 0;
        while lines < packets.len() {
            let count = reader.read(&mut buffer).await.unwrap();
            assert!(count > 0);
            lines += buffer[..count].split(|b| *b == b'\n').count() - 1;
            answers.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(answers).unwrap()
    };
    let ((), answers) = tokio::join!(sending, receiving);
    let order: Vec<&str> = answers.lines().map(qn).collect();
    assert!(order.is_sorted() && order.len() == packets.len());
    let bytes = house.metric("plume_ingest_received_bytes_total", "");
    assert_eq!(bytes, stream.len());
    house.close().await;
}

#[tokio::test]
async fn limits_of_links() {
    let config = IngestConfig {
        max_connections: 2,
        max_connections_per_ip: 1,
        ..config()
    };
    let house = House::open(config, OPEN).await;
    let mut first = house.device().await;
    first.send(&vector(24)).await;
    first.answer().await;
    // The second from the same address.
    let mut second = house.device().await;
    assert!(second.is_closed().await);
    assert_eq!(house.metric("plume_ingest_links_turned_away_total", "per_ip"), 1);
    // When the first has gone there is room again.
    drop(first);
    loop {
        let mut again = house.device().await;
        if again.0.write_all(&vector(24)).await.is_ok() && again.0.read_u8().await.is_ok() {
            break;
        }
    }
    house.close().await;
}

/// A device that opens one link after the other keeps its newest ones, and its newest carries its orders.
#[tokio::test]
async fn the_oldest_link_of_a_device_makes_room_for_its_newest() {
    let config = IngestConfig {
        max_links_per_mn: 2,
        ..config()
    };
    let house = House::open(config, OPEN).await;
    let mut devices = Vec::new();
    for _ in 0..3 {
        let mut device = house.device().await;
        device.send(&vector(24)).await;
        device.answer().await;
        devices.push(device);
    }
    assert!(devices[0].is_closed().await);
    assert_eq!(house.metric("plume_ingest_links_ended_total", "superseded"), 1);
    for device in &mut devices[1..] {
        device.send(&vector(26)).await;
        assert!(device.answer().await.contains("CN=9014"));
    }
    house.close().await;
}

#[tokio::test]
async fn silent_links_are_closed() {
    let config = IngestConfig {
        unidentified_timeout_s: 1,
        idle_timeout_s: 1,
        ..config()
    };
    let house = House::open(config, OPEN).await;
    let mut mute = house.device().await;
    assert!(mute.is_closed().await);
    assert_eq!(house.metric("plume_ingest_links_ended_total", "unidentified"), 1);
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    device.answer().await;
    assert!(device.is_closed().await);
    assert_eq!(house.metric("plume_ingest_links_ended_total", "idle"), 1);
    house.close().await;
}

#[tokio::test]
async fn noise_closes_the_link() {
    let house = House::open(
        IngestConfig {
            max_garbage_bytes: 4096,
            ..config()
        },
        OPEN,
    )
    .await;
    let mut device = house.device().await;
    device.send(&[b'x'; 8192]).await;
    assert!(device.is_closed().await);
    assert_eq!(house.metric("plume_ingest_links_ended_total", "garbage"), 1);
    assert!(!house.quarantined().await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_device_that_leaves_is_told_to_each_outlet() {
    let registry = registry(&[
        (MN_2017, "E1:DA001", "factors = [\"w00000\"]"),
        (MN_2017, "E1:DA002", ""),
    ]);
    let house = House::open_with(config(), OPEN, registry).await;
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    device.answer().await;
    device.0.shutdown().await.unwrap();
    assert!(device.is_closed().await);
    let states: Vec<(PresenceState, String)> = house
        .entries()
        .await
        .iter()
        .filter_map(|entry| match entry {
            EntryBody::Presence(p) => Some((p.state, p.outlet.to_string())),
            _ => None,
        })
        .collect();
    let both = |state| [(state, "E1:DA001".to_owned()), (state, "E1:DA002".to_owned())];
    assert_eq!(states, [both(PresenceState::Came), both(PresenceState::Gone)].concat());
    house.close().await;
}

#[tokio::test]
async fn a_registration_counts_from_the_next_packet() {
    let house = House::open_with(config(), OPEN, registry(&[])).await;
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    assert!(device.answer().await.contains("CN=9014"));
    assert_eq!(house.quarantined().await, [QuarantineReason::UnknownMn]);
    house.registry.send_replace(Arc::new(example_registry()));
    device.send(&vector(26)).await;
    device.answer().await;
    assert_eq!(
        house
            .entries()
            .await
            .iter()
            .filter(|e| matches!(e, EntryBody::Report(_)))
            .count(),
        1
    );
    house.close().await;
}

#[tokio::test]
async fn a_stop_finishes_what_was_read() {
    let mut house = House::open(config(), 0).await;
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    house.appends(1).await;
    let House {
        handle, permits, stop, ..
    } = house;
    drop(stop);
    permits.add_permits(OPEN);
    assert_eq!(qn(&device.answer().await), "20160801085000001");
    assert!(device.is_closed().await);
    tokio::time::timeout(Duration::from_secs(5), handle.join)
        .await
        .expect("did not stop")
        .unwrap();
    assert!(TcpStream::connect(handle.local_addr).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_dead_bus() {
    let mut house = House::open(config(), OPEN).await;
    house.refuse.send_replace(true);
    let mut device = house.device().await;
    device.send(&vector(24)).await;
    house.appends(1).await;
    house.close().await;
    assert!(device.is_closed().await);
}

#[tokio::test]
async fn ticks_go_to_every_partition() {
    let bus = Bus::memory(3);
    let (_registry, seen) = watch::channel(Arc::new(example_registry()));
    let shown = Arc::new(std::sync::atomic::AtomicI64::new(time("20160802001000").0));
    let source = Arc::clone(&shown);
    let clock = Clock::new(move || plume_schemas::time::Time(source.load(std::sync::atomic::Ordering::Relaxed)));
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { stopped.await.unwrap_or_default() };
    let metrics = prometheus::Registry::new();
    let handle = Ingest::start(config(), bus.clone(), clock, seen, catalogue(), &metrics, shutdown)
        .await
        .unwrap();
    let at = |partition| TopicPartition::new(Topic::Reports, partition);
    bus.wait(at(2), 0).await;
    // The clock jumps by two minutes: the step is recorded before the next tick.
    shown.fetch_add(120_000, std::sync::atomic::Ordering::Relaxed);
    for partition in 0..3 {
        bus.wait(at(partition), 2).await;
        let records = bus.read(at(partition), 0, ReadLimit::records(10)).await.unwrap();
        let entries: Vec<EntryBody> = records.iter().map(|r| decode_entry(&r.payload).unwrap()).collect();
        assert!(matches!(
            entries.as_slice(),
            [EntryBody::Tick(_), EntryBody::ClockStep(_), EntryBody::Tick(_)]
        ));
    }
    drop(stop);
    handle.join.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_is_said() {
    let house = House::open(config(), OPEN).await;
    let (_registry, seen) = watch::channel(Arc::new(example_registry()));
    let listen = house.handle.local_addr.to_string();
    let taken = IngestConfig {
        listen: listen.clone(),
        ..config()
    };
    let clock = Clock::new(|| time("20160802001000"));
    let metrics = prometheus::Registry::new();
    let never = std::future::pending();
    let error = Ingest::start(taken, Bus::memory(1), clock, seen, catalogue(), &metrics, never)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {listen} for devices"));
    assert!(error.hint().contains(&listen));
    house.close().await;
}
