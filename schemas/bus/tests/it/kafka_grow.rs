//! More partitions, on a real broker: topics that are sealed, and others in use.

use std::time::Duration;

use plume_bus::{Bus, BusError, BusUrl, ReadLimit, Topic, TopicAdmin, TopicPartition};

use crate::kafka::{TWO_PARTITIONS, brokers, fresh};
use crate::support::{EVENTS, REPORTS, consumer, options, records, text, texts};

/// Brokers that have not heard of a setting after so long never will; the same for handles.
const NOTICE_LIMIT: Duration = Duration::from_mins(1);
/// A line that the first topics do not have.
const REPORTS_3: TopicPartition = TopicPartition::new(Topic::Reports, 3);
const REGISTRY: TopicPartition = TopicPartition::new(Topic::Registry, 0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed_topics_take_no_reports_until_they_are_unsealed() {
    let Some(brokers) = brokers() else { return };
    let url = fresh(&brokers);
    let admin = TopicAdmin::new(&url, TWO_PARTITIONS).unwrap();
    admin.init().await.unwrap();
    let bus = Bus::open(&BusUrl::Kafka(url), options()).await.unwrap();
    bus.append(records(REPORTS, "r", 2, 0)).await.unwrap();
    admin.seal().await.unwrap();
    let refused = tokio::time::timeout(NOTICE_LIMIT, async {
        loop {
            if let Err(error) = bus.append(records(REPORTS, "late", 1, 0)).await {
                return error;
            }
        }
    });
    let refused = refused.await.unwrap();
    assert!(matches!(refused, BusError::Sealed { at: REPORTS }), "{refused}");
    let end = bus.range(REPORTS).await.unwrap().end;
    // What is judged of what is there goes on.
    let outputs = records(EVENTS, "e", 1, 0);
    bus.transact(consumer("detect"), outputs, vec![(REPORTS, end)])
        .await
        .unwrap();
    assert_eq!(
        bus.range(REPORTS).await.unwrap().end,
        end,
        "nothing gets behind the end"
    );
    admin.unseal().await.unwrap();
    let taken = tokio::time::timeout(NOTICE_LIMIT, async {
        loop {
            if let Ok(offsets) = bus.append(records(REPORTS, "again", 1, 0)).await {
                return offsets;
            }
        }
    });
    assert_eq!(taken.await.unwrap(), [end]);
    assert_eq!(admin.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_of_another_generation_have_offsets_above_all_before() {
    let Some(brokers) = brokers() else { return };
    let url = fresh(&brokers);
    let plain = BusUrl::Kafka(url.clone());
    let admin = TopicAdmin::new(&url, TWO_PARTITIONS).unwrap();
    admin.init().await.unwrap();
    let first = Bus::open(&plain, options()).await.unwrap();
    first.append(records(REPORTS, "r", 3, 0)).await.unwrap();
    first.append(records(REGISTRY, "registry", 2, 0)).await.unwrap();

    let next = admin.generation().next(4, 3);
    admin.make(next).await.unwrap();
    admin.make(next).await.unwrap();
    assert_eq!(
        admin.check().await.unwrap(),
        Vec::<String>::new(),
        "those in use are as they were"
    );
    let moved = BusUrl::Kafka(url.clone().in_generation(next));
    let second = Bus::open(&moved, options()).await.unwrap();
    let base = next.base;
    assert_eq!((second.partitions(), second.generation(), second.base()), (4, 2, base));
    assert_eq!(second.range(REPORTS).await.unwrap(), base..base);
    assert_eq!(
        second.append(records(REPORTS_3, "n", 2, 0)).await.unwrap(),
        [base, base + 1]
    );
    let detect = consumer("detect");
    let outputs = records(EVENTS, "e", 1, 0);
    let written = second
        .transact(detect.clone(), outputs, vec![(REPORTS_3, base + 1)])
        .await;
    assert_eq!(written.unwrap(), [base]);
    assert_eq!(
        second.committed(detect.clone(), REPORTS_3).await.unwrap(),
        Some(base + 1)
    );
    let rest = second.read(REPORTS_3, base + 1, ReadLimit::records(9)).await.unwrap();
    assert_eq!((rest[0].offset, text(&rest[0])), (base + 1, "n-1".to_owned()));
    let before = second.read(REPORTS_3, 2, ReadLimit::records(9)).await.unwrap_err();
    assert!(
        matches!(before, BusError::Expired { first, .. } if first == base),
        "{before}"
    );
    second.keep(detect.clone(), REPORTS_3, base, b"memory").await.unwrap();
    // What is not keyed by outlet is the same.
    assert_eq!(texts(&second, REGISTRY).await, ["registry-0", "registry-1"]);
    assert_eq!(second.range(REGISTRY).await.unwrap(), 0..2);

    let unmoved = Bus::open(&plain, options()).await.unwrap();
    assert_eq!(
        (unmoved.partitions(), unmoved.generation()),
        (2, 1),
        "not before it is said"
    );
    admin.take_over(next).await.unwrap();
    let told = tokio::time::timeout(NOTICE_LIMIT, unmoved.stopped()).await.unwrap();
    assert!(matches!(told, BusError::Moved { own: 1, now: 2 }), "{told}");
    let third = Bus::open(&plain, options()).await.unwrap();
    assert_eq!((third.partitions(), third.generation()), (4, 2));
    let (offset, kept) = third.kept(detect, REPORTS_3).await.unwrap().unwrap();
    assert_eq!((offset, &kept[..]), (base, &b"memory"[..]));
}
