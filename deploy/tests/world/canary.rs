//! Deliberate bugs. A world with one of them must be caught by a promise; if it is not, the world watches nothing.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Canary {
    /// Answers leave when the append begins, not when it is done.
    AnswersEarly,
    /// Syncs do nothing and say they did.
    DiskLies,
    /// Checkpoints claim to stand further on than their state.
    CheckpointAhead,
    /// Readings are taken from the log without telling repeats apart.
    NoDedupe,
    /// The archive passes over a record here and there.
    ArchiveSkips,
}
