//! Log lines to standard error, so that standard output stays for what a command prints.

use tracing_subscriber::EnvFilter;

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
