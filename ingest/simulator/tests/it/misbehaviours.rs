//! What plume makes of each misbehaviour: the table is the expectation, reviewed row by row.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use plume_schemas::report::Dialect;
use plume_schemas::time::MINUTE_MS;
use plume_simulator::device::Device;
use plume_simulator::logger::{Logger, LoggerSpec};
use plume_simulator::misbehave::{Habit, Misbehaviour};
use plume_simulator::plant::{Plant, PlantSpec};
use plume_simulator::sender::LinkSpec;

use crate::platform::Platform;
use crate::world::{World, at, mn};

/// A device with one habit, some minutes of it, with plume at the other end. It does not send again, and drops what
/// is not answered.
fn some_minutes(kind: Misbehaviour) -> World {
    let origin = at("20260117080000");
    // The incinerator's minutes are the ones that need more than one frame.
    let plant = match kind {
        Misbehaviour::Oversized => PlantSpec::incinerator("焚烧炉", origin),
        _ => PlantSpec::coal_boiler("锅炉", origin),
    };
    let link = LinkSpec {
        resends: 0,
        give_up_after_links: Some(1),
        habits: vec![Habit::always(kind)],
        ..LinkSpec::usual(mn(), Dialect::Hj2017)
    };
    let logger = Logger::new(LoggerSpec::usual(Dialect::Hj2017), Plant::new(plant, 9), origin);
    let mut world = World::new(Device::logger(link, logger, origin), origin).with_plume(Platform::new());
    // A checksum that begins with a zero comes once in 16 packets.
    let minutes = if kind == Misbehaviour::CrcUnpadded { 30 } else { 4 };
    world.run(origin.plus(minutes * MINUTE_MS), |_| true);
    world
}

/// A set of names as one word.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let set: BTreeSet<&str> = names.collect();
    if set.is_empty() {
        "-".to_owned()
    } else {
        set.into_iter().collect::<Vec<_>>().join("+")
    }
}

#[test]
fn each_is_read_complained_of_or_set_aside() {
    let mut table =
        "habit                 reports  complaints                          set aside                 answered\n"
            .to_owned();
    for kind in Misbehaviour::ALL {
        let world = some_minutes(*kind);
        let platform = world.platform();
        let complaints = platform.reports.iter().flat_map(|report| &report.complaints);
        let counts = world.device.counts();
        let answered = match (counts.answered, counts.dropped_unanswered) {
            (_, 0) => "yes",
            (0, _) => "no",
            _ => "partly",
        };
        writeln!(
            table,
            "{:<21} {:<8} {:<35} {:<25} {answered}",
            kind.code(),
            if platform.reports.is_empty() { "no" } else { "yes" },
            names(complaints.map(|complaint| complaint.code.code())),
            names(platform.quarantined.iter().map(|record| record.reason.code())),
        )
        .unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn nothing_readable_is_lost() {
    let kept = |world: &World| {
        let platform = world.platform();
        let raw = platform.reports.iter().map(|report| report.evidence.raw.len());
        let aside = platform.quarantined.iter().map(|record| record.raw.len());
        raw.chain(aside).sum::<usize>()
    };
    for kind in Misbehaviour::ALL {
        let world = some_minutes(*kind);
        let sent: usize = world.written.iter().map(|(_, bytes)| bytes.len()).sum();
        // Line ends between frames are no content; a frame that lacked its tail may end a byte or two differently.
        let slack = 4 * world.written.len();
        assert!(
            kept(&world) + slack >= sent,
            "{}: {} of {sent} bytes kept",
            kind.code(),
            kept(&world)
        );
    }
}
