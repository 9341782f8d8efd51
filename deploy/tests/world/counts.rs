//! What happened in a world, so that a test can see that it was not an idle one.

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts of happenings.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Counts {
            $($(#[$doc])* pub(crate) $name: u64,)+
        }

        impl Counts {
            /// Adds those of another world.
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// Each with its name.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counts! {
    /// Links that devices opened.
    links,
    /// Links the network cut.
    resets,
    /// Links on which one end never heard of the cut.
    half_open,
    /// Links the server closed: garbage, wrong passwords.
    closed_by_server,
    /// Links closed for silence.
    idle_links,
    /// Reads of the server.
    reads,
    /// Frames decided about.
    packets,
    /// … that came again while the first copy was on its way.
    joined,
    /// … accepted.
    accepted,
    /// … set aside.
    quarantined,
    /// … refused.
    refused,
    /// … that were answers of devices.
    device_answers,
    /// Runs of bytes outside any frame.
    garbage,
    /// Appends that became durable.
    appends,
    /// Appends the bus refused.
    refused_appends,
    /// Answers sent.
    answers,
    /// Packets that devices saw answered.
    acked,
    /// Times the process was killed.
    kills,
    /// Times the power went.
    power_losses,
    /// Times the process was stopped in order.
    stops,
    /// Times the process ended because its disk failed.
    disk_failures,
    /// Times opening failed and was tried again.
    failed_openings,
    /// Faults injected into the disk.
    disk_faults,
    /// Times the disk was full.
    full_disks,
    /// Steps of the server's clock.
    clock_steps,
    /// Rounds of the judge.
    judge_rounds,
    /// … ended by a failure.
    judge_failures,
    /// … ended without a checkpoint.
    judge_kills,
    /// Times the judge waited for room.
    judge_starved,
    /// Rounds of the archive.
    archive_rounds,
    /// … ended by a failure.
    archive_failures,
    /// Readings in the published files.
    archived_readings,
    /// Segments the log let go.
    released_segments,
    /// Records of the log.
    records,
    /// Packets the log holds more than once.
    repeats,
    /// Readings that were revised.
    revised,
    /// Judgements.
    judgements,
    /// Events.
    events,
}
