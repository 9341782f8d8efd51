//! Where a command finds its data directory, and what the plume that runs there answers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use plume_bus::{Bus, BusError};

use super::{running, view};
use crate::config::Config;
use crate::out;

/// A plume that has its log open and does not answer is just starting or stopping. Starting takes it less than a second
/// with ten thousand outlets and stopping less than five; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// The configuration and the data directory that a command is about.
pub(crate) fn place(config: Option<&Path>, data: Option<&Path>) -> anyhow::Result<(Config, PathBuf)> {
    let config = view::config(config)?;
    let data_dir = data.map_or_else(|| config.plume.data_dir.clone(), Path::to_owned);
    if !data_dir.join("state").is_dir() {
        bail!(
            "{} 不是 plume 的数据目录 / is no data directory of plume; name one with --data DIR or --config FILE",
            data_dir.display()
        );
    }
    Ok((config, data_dir))
}

/// Who knows what is in a data directory.
pub(crate) enum Reached {
    /// What the plume that runs there answered.
    Answer(String),
    /// The log of one that is stopped, or why it cannot be opened.
    Log(anyhow::Result<Bus>),
}

/// Asks the plume that runs in this directory, or opens the log of one that is stopped. Where the log is open elsewhere
/// and nobody answers, it waits a little, and says so. Errors: what the running plume refused.
pub(crate) async fn reach(
    (config, data_dir): (&Config, &Path),
    (method, path, body): (&str, &str, &str),
) -> anyhow::Result<Reached> {
    let began = Instant::now();
    let mut told = false;
    loop {
        if let Some(answer) = ask(data_dir, method, path, body).await {
            return answer.map(Reached::Answer);
        }
        let opened = view::open_stopped(config, data_dir).await;
        let locked = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(BusError::Locked { .. }));
        if !opened.as_ref().is_err_and(locked) || began.elapsed() >= PATIENCE {
            return Ok(Reached::Log(opened));
        }
        if !told {
            out::complain(format_args!(
                "{} 正被一个尚未应答的 plume 使用（正在启动、停止或很忙），最多等待 {} 秒 / is in use by a plume that does not \
                 answer yet (starting, stopping or busy): waiting up to {} s",
                data_dir.display(),
                PATIENCE.as_secs(),
                PATIENCE.as_secs(),
            ));
            told = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the plume that runs in this directory says to a request; `None` where none runs. Errors: what it refused.
pub(crate) async fn ask(data_dir: &Path, method: &str, path: &str, body: &str) -> Option<anyhow::Result<String>> {
    let answer = running::send(data_dir, method, path, body).await?;
    Some(answer.and_then(|(well, body)| {
        if !well {
            bail!("the running plume says: {}", body.trim());
        }
        Ok(body)
    }))
}
