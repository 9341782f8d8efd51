//! A world in one process: devices, network, server, disk and clocks under one seed, and promises watched all the
//! while.
//!
//! ```text
//! plants ─▶ devices ═ network ═▶ ingest's sessions ─▶ log on a simulated disk ─▶ deploy's judge, archive
//!           (lie, resend)  (cuts, delays)   (killed, restarted, clocks set)   (full, failing, powerless)
//! ```
//!
//! Everything runs on one virtual time; the bus's own threads are asked one thing at a time, so a seed is a world.
//! A broken promise prints its seed and how to run it again:
//!
//! ```text
//! SIM_SEED=42 cargo test -p plume --test world        one world, with its counts
//! SIM_SEEDS=500 cargo test -p plume --test world      that many worlds
//! ```
//!
//! What is plume's and what is the world's: sessions, dedupe, bus, judge (with deploy's loop), archive are plume's own
//! code. The pump between network, session and bus is the world's, since ingest's own is bound to sockets; so are the
//! ticker and the loop around the archive.

#![expect(
    clippy::unwrap_used,
    clippy::type_complexity,
    clippy::single_match_else,
    clippy::needless_for_each,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "a world fails by panicking, and reads as a script"
)]
#![allow(dead_code, reason = "counts and switches that only some seeds touch")]

mod admin;
mod broken;
mod canary;
mod cast;
mod chance;
mod counts;
mod disk;
mod files;
#[path = "../../src/finding.rs"]
mod finding;
mod keeper;
mod life;
mod links;
mod machine;
mod net;
#[path = "../../src/out.rs"]
mod out;
mod process;
mod pump;
mod roles;
mod station;
mod status;
mod trouble;
mod verdict;
mod witness;
mod world;

use broken::Promise;
use canary::Canary;
use counts::Counts;
use world::World;

/// The worlds of CI.
const SEEDS: [u64; 4] = [1, 2, 3, 4];

fn run(seed: u64) -> Counts {
    match World::new(seed, None).run() {
        Ok(world) => world.counts,
        Err(broken) => panic!("{broken}\n\nrun it again: SIM_SEED={seed} cargo test -p plume --test world\n"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the seed of a run is the caller's choice")]
fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

#[test]
fn promises_hold_in_every_world() {
    let seeds: Vec<u64> = match (number_from("SIM_SEED"), number_from("SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (1..=count).collect(),
        (None, None) => SEEDS.to_vec(),
    };
    let mut total = Counts::default();
    for seed in &seeds {
        let counts = run(*seed);
        println!(
            "SIM_SEED={seed}: {} packets answered, {} readings in the published files",
            counts.acked, counts.archived_readings
        );
        total.add(&counts);
    }
    println!("{} worlds: {:?}", seeds.len(), total.all());
}

/// A world that finds nothing watches nothing: each deliberate bug breaks the promise it is about, in one of CI's
/// worlds.
#[test]
fn each_deliberate_bug_is_found() {
    let expected = [
        (Canary::AnswersEarly, vec![Promise::DurableBeforeAnswer]),
        (
            Canary::DiskLies,
            vec![Promise::LogNeverChanges, Promise::NothingAckedIsLost],
        ),
        (
            Canary::CheckpointAhead,
            vec![Promise::JudgeRepeats, Promise::EventsOnce],
        ),
        (Canary::NoDedupe, vec![Promise::ReadingsOnce]),
        (Canary::ArchiveSkips, vec![Promise::ArchiveComplete]),
    ];
    for (canary, promises) in expected {
        let found = SEEDS.into_iter().find_map(|seed| {
            let broken = World::new(seed, Some(canary)).run().err()?;
            Some((seed, broken))
        });
        let (seed, broken) = found.unwrap_or_else(|| panic!("{canary:?} lives unnoticed in every world"));
        println!("{canary:?}: SIM_SEED={seed}: {broken}");
        assert!(promises.contains(&broken.promise), "{canary:?} was noticed as {broken}");
    }
}
