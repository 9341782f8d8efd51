//! Every message and its hint, in one snapshot: what the operator reads.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use plume_bus::{BusError, ClockKind, Topic};

use crate::support::REPORTS;

#[expect(clippy::too_many_lines, reason = "one entry for each variant")]
fn all() -> Vec<BusError> {
    let dir = PathBuf::from("/var/lib/plume/log");
    let file = dir.join("00000000000000000001.log");
    let source = || Arc::new(io::Error::from(io::ErrorKind::PermissionDenied));
    let full = |limit_bytes, held_by: Option<&str>| BusError::DiskFull {
        place: "/var/lib/plume/log".into(),
        used_bytes: 7_000,
        limit_bytes,
        held_by: held_by.map(Into::into),
    };
    vec![
        BusError::Url { url: "files:x".into() },
        BusError::NotBuilt {
            url: "kafka://broker:9092".into(),
        },
        BusError::Option {
            option: "partitions",
            value: "0".into(),
            expected: "1 to 256".into(),
        },
        BusError::ConsumerName { name: "a b".into() },
        BusError::TooManyConsumers {
            name: "one-more".into(),
            limit: 32,
        },
        BusError::TooLarge {
            what: "payload in bytes",
            found: 1_000_001,
            limit: 1_000_000,
        },
        BusError::UnknownPartition {
            topic: Topic::Reports,
            partition: 9,
            partitions: 4,
        },
        BusError::Expired {
            at: REPORTS,
            offset: 3,
            first: 10,
            next: 20,
        },
        BusError::BeyondEnd {
            at: REPORTS,
            offset: 30,
            next: 20,
        },
        full(Some(7_168), Some("archive")),
        full(Some(7_168), None),
        full(None, None),
        BusError::Locked { dir: dir.clone() },
        BusError::ClockMismatch {
            dir: dir.clone(),
            found: ClockKind::Virtual,
            asked: ClockKind::System,
        },
        BusError::PartitionsMismatch {
            dir: dir.clone(),
            found: 4,
            asked: 8,
        },
        BusError::Version {
            file: file.clone(),
            found: 9,
            known: 0,
        },
        BusError::Damaged {
            file: file.clone(),
            offset: 4_096,
            what: "a frame body does not match its checksum",
        },
        BusError::Unrepairable {
            file: file.clone(),
            what: "no segment header is whole",
        },
        BusError::Io {
            action: "open",
            file: file.clone(),
            source: source(),
        },
        BusError::WriteFailed {
            action: "sync",
            file: file.clone(),
            offset: 4_096,
            source: source(),
        },
        BusError::Stopped {
            action: "sync",
            file,
            offset: 4_096,
        },
        BusError::Topics {
            problems: vec![
                "`plume.reports` is missing".into(),
                "`plume.events` has 3 partitions, configured are 4".into(),
            ],
        },
        BusError::Broker {
            action: "write to",
            place: "reports/0".into(),
            reason: "Message production error: MessageTimedOut".into(),
        },
        BusError::Fenced {
            name: "detect".into(),
            at: REPORTS,
            reason: "a newer producer has this id".into(),
        },
        BusError::Sealed { at: REPORTS },
        BusError::Moved { own: 1, now: 2 },
        BusError::Closed,
    ]
}

#[test]
fn messages_and_hints() {
    let mut text = String::new();
    for error in all() {
        writeln!(text, "{error}\n  hint: {}", error.hint()).unwrap();
    }
    insta::assert_snapshot!(text);
}
