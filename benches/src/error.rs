//! What can go wrong with a load.

use std::io;

/// A load that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Something with a socket, a process or a file.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// No packet of this size can be made.
    #[error("no packet of {asked} bytes can be made, {least} to {most} can")]
    Payload {
        /// Bytes asked for.
        asked: usize,
        /// Smallest.
        least: usize,
        /// Largest.
        most: usize,
    },
    /// The registry of the load cannot be written.
    #[error("cannot write the registry: {0}")]
    Registry(String),
    /// The sink did not say where it listens.
    #[error("the sink said `{0}` instead of its address")]
    Sink(String),
    /// Ingest could not be started.
    #[error("ingest does not start: {0}")]
    Server(String),
    /// The one thing that no server may do: the table has the numbers.
    #[error("{wrong} answer(s) were wrong and {missing} never came")]
    Answers {
        /// Not the bytes awaited.
        wrong: u64,
        /// Packets without an answer.
        missing: u64,
    },
    /// A connection task broke.
    #[error("a connection stopped with a defect: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl LoadError {
    /// Names what was being done when `error` came.
    pub fn io(doing: &str) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io(doing.to_owned(), error)
    }

    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io(..) => "is the server running, and `ulimit -n` above the number of connections?",
            Self::Payload { .. } => "choose --payload within these bounds; 425 and 700 are usual",
            Self::Registry(_) | Self::Task(_) => "this is a defect of plume-load",
            Self::Answers { .. } => "see the server's log; on a machine too slow for the load, fewer connections",
            Self::Server(_) => "is the directory empty, and on a disk with room?",
            Self::Sink(_) => "run `plume-load sink` by hand to see what it says",
        }
    }
}
