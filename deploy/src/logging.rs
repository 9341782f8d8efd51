//! Log lines to standard error, so that standard output stays for what a command prints.

use std::fmt;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock;
use crate::config::{LogConfig, LogFormat};

/// Starts logging for the process. A filter that cannot be read falls back to `info`, said in the first line.
pub(crate) fn start(config: &LogConfig) {
    let (filter, problem) = match EnvFilter::try_new(&config.filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_timer(Beijing)
        .with_target(false);
    // A second start happens only in tests that share a process; the first subscriber stays.
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let (Ok(()), Some(problem)) = (started, problem) {
        tracing::warn!(
            filter = config.filter,
            problem,
            "log filter cannot be read, using `info`"
        );
    }
}

/// Log lines carry the time an operator reads on the wall: Beijing's.
struct Beijing;

impl FormatTime for Beijing {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", clock::system().now())
    }
}
